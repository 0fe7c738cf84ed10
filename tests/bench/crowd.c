/* `idle`, `connect` and `resume`: many sockets that say little.
 *
 * A member is a place for a socket. At most `connections` of them are on their way to being signed
 * in at a time (all at once where clients come back); in `connect` a place that is done closes its
 * socket and opens the next one, each as an account of its own as far as there are any. */
#include "tests/bench/bench.h"
#include "tests/bench/form.h"

#include <stdlib.h>
#include <string.h>

#define SOCKETS_OF_ACCOUNT 10 /* sockets_per_account, by default */
#define READY_SECONDS 120

struct crowd;

struct member {
    struct party party;
    struct crowd *crowd;
    int64_t began_ns;
    uint32_t next; /* resume: the message that must come now */
    bool is_on_its_way;
};

struct crowd {
    const struct options *options;
    struct wire *wire;
    struct world *world; /* NULL: the dialect needs none */
    const struct party_kind *kind;
    struct member *members; /* owned */
    size_t member_count;
    size_t begun, on_their_way, ready; /* sockets so far */
    uint32_t run;
    bool is_resuming;
    double closed, doubled, out_of_order, refused, delivered, acknowledged, reset;
    struct histogram times;
};

/* ---- Who a socket is ----------------------------------------------------------------------- */

static size_t account_count(const struct world *world)
{
    return world->user_count + 2 * world->pair_count;
}

static const char *account_token(const struct world *world, size_t number)
{
    number %= account_count(world);
    if (number < world->user_count) {
        return world->users[number];
    }
    number -= world->user_count;
    return number < world->pair_count ? world->pairs[number].user_token
                                      : world->pairs[number - world->pair_count].doctor_token;
}

/* ---- Opening ------------------------------------------------------------------------------- */

static void member_open(struct member *member, struct identity identity)
{
    struct crowd *crowd = member->crowd;
    const struct options *options = crowd->options;
    member->party.dialect = options->dialect;
    member->party.kind = crowd->kind;
    member->party.owner = member;
    member->party.identity = identity;
    member->began_ns = now_ns();
    member->is_on_its_way = true;
    crowd->on_their_way++;
    crowd->begun++;
    party_open(&member->party, crowd->wire,
               &options->targets[crowd->begun % options->target_count]);
}

static void open_next(struct member *member)
{
    const struct crowd *crowd = member->crowd;
    struct identity identity = {.number = (uint32_t)crowd->begun};
    if (crowd->world != NULL) {
        identity.token = account_token(crowd->world, crowd->begun);
    }
    member_open(member, identity);
}

static void on_ready(struct party *party)
{
    struct member *member = party->owner;
    struct crowd *crowd = member->crowd;
    histogram_add(&crowd->times, now_ns() - member->began_ns);
    member->is_on_its_way = false;
    crowd->on_their_way--;
    crowd->ready++;
}

static void on_closed(struct party *party, const char *why)
{
    struct crowd *crowd = ((struct member *)party->owner)->crowd;
    if (crowd->closed++ == 0) {
        fprintf(stderr, "consultd-bench: a socket was closed: %s\n", why);
    }
    if (((struct member *)party->owner)->is_on_its_way) {
        give_up("a socket could not be opened: %s", why);
    }
}

static void ignore_answer(struct party *party, uint32_t number, bool is_good)
{
    (void)party;
    (void)number;
    (void)is_good;
}

static void ignore_message(struct party *party, uint32_t pair, uint32_t number)
{
    (void)party;
    (void)pair;
    (void)number;
}

static struct crowd *crowd_begin(const struct options *options, const struct party_kind *kind,
                                 size_t member_count, size_t pairs)
{
    struct crowd *crowd = must_allocate(sizeof *crowd);
    crowd->options = options;
    crowd->kind = kind;
    crowd->run = run_number();
    crowd->wire = wire_new();
    crowd->world = options->dialect->needs_world ? world_read(options->world_path, pairs) : NULL;
    crowd->member_count = member_count;
    crowd->members = must_allocate(member_count * sizeof *crowd->members);
    for (size_t i = 0; i < member_count; i++) {
        crowd->members[i].crowd = crowd;
        crowd->members[i].party.websocket.link.descriptor = -1;
    }
    return crowd;
}

static void close_all(struct crowd *crowd)
{
    for (size_t i = 0; i < crowd->member_count; i++) {
        party_close(&crowd->members[i].party);
    }
}

static void crowd_end(struct crowd *crowd)
{
    close_all(crowd);
    for (size_t i = 0; i < crowd->member_count; i++) {
        link_free(&crowd->members[i].party.websocket.link);
    }
    if (crowd->world != NULL) {
        world_free(crowd->world);
    }
    wire_free(crowd->wire);
    free(crowd->members);
    free(crowd);
}

/* Turns until `count` sockets have become ready. */
static void wait_ready(struct crowd *crowd, size_t count)
{
    int64_t deadline_ns = now_ns() + READY_SECONDS * NS_PER_SECOND;
    while (crowd->ready < count) {
        if (now_ns() > deadline_ns) {
            give_up("only %zu of %zu sockets are ready", crowd->ready, count);
        }
        wire_turn(crowd->wire, deadline_ns);
    }
}

static double seconds_since(int64_t began_ns)
{
    return (double)(now_ns() - began_ns) / (double)NS_PER_SECOND;
}

static void turn_for(struct wire *wire, double seconds)
{
    int64_t until_ns = now_ns() + ns_of(seconds);
    while (now_ns() < until_ns) {
        wire_turn(wire, until_ns);
    }
}

static const struct party_kind quiet = {on_ready, ignore_answer, ignore_message, on_closed};

/* ---- idle ---------------------------------------------------------------------------------- */

static void check_accounts(const struct crowd *crowd, size_t sockets)
{
    if (crowd->world != NULL && SOCKETS_OF_ACCOUNT * account_count(crowd->world) < sockets) {
        give_up("too few accounts in %s for %zu sockets: prepare --users",
                crowd->options->world_path, sockets);
    }
}

static void open_all(struct crowd *crowd)
{
    const size_t most = (size_t)crowd->options->connections;
    for (size_t i = 0; i < crowd->member_count; i++) {
        if (crowd->on_their_way == most) {
            wait_ready(crowd, crowd->ready + 1);
        }
        open_next(&crowd->members[i]);
    }
    wait_ready(crowd, crowd->member_count);
}

void mode_idle(const struct options *options, struct report *report)
{
    const size_t count = (size_t)options->count;
    struct crowd *crowd = crowd_begin(options, &quiet, count, 0);
    check_accounts(crowd, count);
    const double before_kib = server_memory(options);
    const int64_t began_ns = now_ns();
    open_all(crowd);
    fprintf(stderr, "consultd-bench: %zu sockets are open\n", count);
    const double open_seconds = seconds_since(began_ns);
    fprintf(stderr, "consultd-bench: %zu sockets are open\n", count); /* for who waits for it */
    turn_for(crowd->wire, options->warmup);
    const double after_kib = server_memory(options);
    const struct usage from = usage_now(options);
    turn_for(crowd->wire, options->seconds);
    const struct usage to = usage_now(options);
    const double end_kib = server_memory(options);
    report_number(report, "sockets", (double)count);
    report_number(report, "accounts",
                  crowd->world != NULL ? (double)account_count(crowd->world) : (double)count);
    report_number(report, "open_s", open_seconds);
    report_number(report, "seconds", options->seconds);
    report_number(report, "memory_before_kib", before_kib);
    report_number(report, "memory_after_kib", after_kib);
    report_number(report, "memory_end_kib", end_kib);
    report_number(report, "kib_each", (after_kib - before_kib) / (double)count);
    report_number(report, "closed", crowd->closed);
    report_usage(report, &from, &to, 0);
    crowd_end(crowd);
}

/* ---- connect ------------------------------------------------------------------------------- */

/* Places are emptied between turns: nobody closes what is just being read. */
static void replace_ready(struct crowd *crowd, size_t count)
{
    for (size_t i = 0; i < crowd->member_count; i++) {
        struct member *member = &crowd->members[i];
        if (!member->is_on_its_way) {
            party_close(&member->party);
            if (crowd->begun < count) {
                open_next(member);
            }
        }
    }
}

void mode_connect(const struct options *options, struct report *report)
{
    const size_t count = (size_t)options->count;
    struct crowd *crowd = crowd_begin(options, &quiet, (size_t)options->connections, 0);
    const struct usage from = usage_now(options);
    while (crowd->ready < count) {
        replace_ready(crowd, count);
        wait_ready(crowd, crowd->ready + 1);
    }
    const struct usage to = usage_now(options);
    report_number(report, "sockets", (double)count);
    report_number(report, "connections", (double)crowd->member_count);
    report_number(report, "seconds", (double)(to.at_ns - from.at_ns) / (double)NS_PER_SECOND);
    report_number(report, "connects_per_s",
                  (double)count * (double)NS_PER_SECOND / (double)(to.at_ns - from.at_ns));
    report_times(report, "connect", &crowd->times);
    report_number(report, "closed", crowd->closed);
    report_usage(report, &from, &to, (double)count);
    crowd_end(crowd);
}

/* ---- resume -------------------------------------------------------------------------------- */

static void on_acknowledged(struct party *party, uint32_t number, bool is_good)
{
    struct member *member = party->owner;
    member->crowd->acknowledged += is_good ? 1 : 0;
    member->crowd->refused += is_good ? 0 : 1;
    (void)number;
}

/* Members are receivers first, then senders; a receiver's number is its pair's. */
static void on_delivered(struct party *party, uint32_t pair, uint32_t number)
{
    struct member *member = party->owner;
    struct crowd *crowd = member->crowd;
    if (pair != (uint32_t)(member - crowd->members) || !crowd->is_resuming) {
        return;
    }
    if (number == member->next) {
        crowd->delivered++;
        member->next++;
    } else if (number < member->next) {
        crowd->doubled++;
    } else {
        crowd->out_of_order++;
        member->next = number + 1;
    }
}

static void resume_open(struct crowd *crowd, size_t i, size_t count)
{
    struct member *member = &crowd->members[i];
    const struct world_pair *pair = &crowd->world->pairs[i % count];
    struct identity identity = {.token = i < count ? pair->doctor_token : pair->user_token,
                                .run = crowd->run};
    if (i < count && member->party.cursor[0] != '\0') {
        identity.cursor = member->party.cursor;
    }
    member_open(member, identity);
}

/* Opens the members from `first` on, at most so many at a time. */
static void resume_open_all(struct crowd *crowd, size_t first, size_t count, size_t at_once)
{
    const size_t ready = crowd->ready;
    for (size_t i = 0; i < count; i++) {
        if (crowd->on_their_way == at_once) {
            wait_ready(crowd, crowd->ready + 1);
        }
        resume_open(crowd, first + i, count);
    }
    wait_ready(crowd, ready + count);
}

/* Sends what the receivers shall miss, and waits for all answers. */
static void send_all(struct crowd *crowd, size_t count, uint32_t missed)
{
    for (size_t i = 0; i < count; i++) {
        const struct world_pair *pair = &crowd->world->pairs[i];
        struct form form;
        struct letter letter = {
            .pair = (uint32_t)i, .chat = pair->chat, .order = pair->order, .run = crowd->run};
        form_make(&form, crowd->options->dialect, letter, (size_t)crowd->options->text);
        for (uint32_t k = 0; k < missed; k++) {
            form_send(&form, &crowd->members[count + i].party, k);
        }
        form_free(&form);
    }
    const double all = (double)count * missed;
    const int64_t patience_ns = ns_of(crowd->options->patience);
    int64_t stall_ns = now_ns() + patience_ns;
    while (crowd->acknowledged + crowd->refused < all && now_ns() < stall_ns) {
        double before = crowd->acknowledged;
        wire_turn(crowd->wire, stall_ns);
        if (crowd->acknowledged > before) {
            stall_ns = now_ns() + patience_ns;
        }
    }
}

void mode_resume(const struct options *options, struct report *report)
{
    static const struct party_kind kind = {on_ready, on_acknowledged, on_delivered, on_closed};
    const size_t count = (size_t)options->count;
    if (!options->dialect->needs_world) {
        give_up("resume is for consultd only");
    }
    struct crowd *crowd = crowd_begin(options, &kind, 2 * count, count);
    resume_open_all(crowd, 0, count, (size_t)options->connections); /* they get their cursors */
    close_all(crowd);
    resume_open_all(crowd, count, count, (size_t)options->connections);
    send_all(crowd, count, (uint32_t)options->missed);
    close_all(crowd);
    crowd->is_resuming = true;
    memset(&crowd->times, 0, sizeof crowd->times);
    const struct usage from = usage_now(options);
    resume_open_all(crowd, 0, count, SIZE_MAX);
    const struct usage to = usage_now(options);
    const double seconds = (double)(to.at_ns - from.at_ns) / (double)NS_PER_SECOND;
    for (size_t i = 0; i < count; i++) {
        crowd->reset += crowd->members[i].party.is_reset ? 1 : 0;
    }
    report_number(report, "sockets", (double)count);
    report_number(report, "missed", options->missed);
    report_number(report, "seconds", seconds);
    report_number(report, "resumes_per_s", (double)count / seconds);
    report_number(report, "replayed_per_s", crowd->delivered / seconds);
    report_times(report, "resume", &crowd->times);
    report_number(report, "acked", crowd->acknowledged);
    report_number(report, "refused", crowd->refused);
    report_number(report, "lost", crowd->acknowledged - crowd->delivered);
    report_number(report, "doubled", crowd->doubled);
    report_number(report, "out_of_order", crowd->out_of_order);
    report_number(report, "reset", crowd->reset);
    report_number(report, "closed", crowd->closed);
    report_usage(report, &from, &to, (double)count);
    crowd_end(crowd);
}
