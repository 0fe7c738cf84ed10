/* `closed` and `open`: pairs of a sender and a receiver.
 *
 * Closed: each sender keeps `window` messages unacknowledged, so the server sets the pace. Open:
 * each message is due at a time set beforehand, spread evenly over time and pairs, and its latency
 * counts from then on, whether or not we or the server were late (no coordinated omission).
 *
 * Every message is remembered: what is acknowledged must be delivered, once, in order. Times are
 * taken of those that were due while it was measured. */
#include "tests/bench/bench.h"
#include "tests/bench/form.h"

#include <stdlib.h>
#include <string.h>

#define READY_SECONDS 60
#define AT_ONCE_MOST 256 /* open: messages before something is read again */
#define MESSAGES_LEAST 1024

struct message {
    int64_t due_ns;
    bool is_answered, is_acknowledged, is_delivered;
};

struct pair {
    struct party sender, receiver;
    struct talk *talk;
    struct form form;
    struct message *messages; /* owned */
    size_t room;
    uint32_t number; /* its own */
    uint32_t sent, delivered_next;
};

struct counts {
    double sent, acknowledged, delivered, refused, doubled, out_of_order, closed;
};

struct talk {
    const struct options *options;
    struct wire *wire;
    struct world *world; /* NULL: the dialect needs none */
    struct pair *pairs;
    size_t pair_count, ready;
    uint32_t run;
    bool is_stopping;
    bool is_unfinished; /* it was given up while something still came */
    bool is_closed_loop;
    struct counts counts;
    int64_t from_ns, to_ns; /* what is measured */
    struct histogram acknowledged, delivered, lateness;
};

/* ---- Messages ------------------------------------------------------------------------------ */

static struct message *message_new(struct pair *pair)
{
    if (pair->sent == pair->room) {
        pair->room = pair->room == 0 ? MESSAGES_LEAST : 2 * pair->room;
        pair->messages = realloc(pair->messages, pair->room * sizeof *pair->messages);
        if (pair->messages == NULL) {
            give_up("no memory");
        }
    }
    struct message *message = &pair->messages[pair->sent];
    memset(message, 0, sizeof *message);
    return message;
}

static void send_next(struct pair *pair, int64_t due_ns)
{
    message_new(pair)->due_ns = due_ns;
    form_send(&pair->form, &pair->sender, pair->sent);
    pair->sent++;
    pair->talk->counts.sent++;
}

static void take_time(const struct talk *talk, struct histogram *times, int64_t due_ns)
{
    if (due_ns >= talk->from_ns && due_ns < talk->to_ns) {
        histogram_add(times, now_ns() - due_ns);
    }
}

/* ---- What parties hear --------------------------------------------------------------------- */

static void on_ready(struct party *party)
{
    struct pair *pair = party->owner;
    pair->talk->ready++;
}

static void on_acknowledged(struct party *party, uint32_t number, bool is_good)
{
    struct pair *pair = party->owner;
    struct talk *talk = pair->talk;
    if (number >= pair->sent || pair->messages[number].is_answered) {
        give_up("an answer to what was not asked, or a second one");
    }
    struct message *message = &pair->messages[number];
    message->is_answered = true;
    message->is_acknowledged = is_good;
    if (is_good) {
        talk->counts.acknowledged++;
        take_time(talk, &talk->acknowledged, message->due_ns);
    } else {
        talk->counts.refused++;
    }
    if (talk->is_closed_loop && !talk->is_stopping) {
        send_next(pair, now_ns());
    }
}

static void on_delivered(struct party *party, uint32_t number_of_pair, uint32_t number)
{
    struct pair *pair = party->owner;
    struct talk *talk = pair->talk;
    if (number_of_pair != pair->number || number >= pair->sent || party != &pair->receiver) {
        give_up("a message that was not sent to where it came: number %u of pair %u, to the %s of "
                "pair %u, which has sent %u",
                number, number_of_pair, party == &pair->receiver ? "receiver" : "sender",
                pair->number, pair->sent);
    }
    struct message *message = &pair->messages[number];
    if (message->is_delivered) {
        talk->counts.doubled++;
        return;
    }
    message->is_delivered = true;
    talk->counts.delivered++;
    if (number < pair->delivered_next) {
        talk->counts.out_of_order++;
    } else {
        pair->delivered_next = number + 1;
    }
    take_time(talk, &talk->delivered, message->due_ns);
}

static void on_closed(struct party *party, const char *why)
{
    struct pair *pair = party->owner;
    if (pair->talk->ready < 2 * pair->talk->pair_count) {
        give_up("a socket could not be opened: %s", why);
    }
    if (pair->talk->counts.closed++ == 0) {
        fprintf(stderr, "consultd-bench: a socket was closed: %s\n", why);
    }
}

/* ---- Beginning and end --------------------------------------------------------------------- */

static void open_party(struct talk *talk, struct pair *pair, struct party *party, bool is_sender)
{
    static const struct party_kind kind = {on_ready, on_acknowledged, on_delivered, on_closed};
    const struct options *options = talk->options;
    party->dialect = options->dialect;
    party->kind = &kind;
    party->owner = pair;
    party->identity.run = talk->run;
    party->identity.number = 2 * pair->number + (is_sender ? 0 : 1);
    if (talk->world != NULL) {
        const struct world_pair *known = &talk->world->pairs[pair->number];
        party->identity.token = is_sender ? known->user_token : known->doctor_token;
    }
    party_open(party, talk->wire, &options->targets[is_sender ? 0 : options->target_count - 1]);
}

static struct talk *talk_begin(const struct options *options)
{
    struct talk *talk = must_allocate(sizeof *talk);
    talk->run = run_number();
    talk->options = options;
    talk->wire = wire_new();
    talk->pair_count = (size_t)options->pairs;
    talk->world =
        options->dialect->needs_world ? world_read(options->world_path, talk->pair_count) : NULL;
    talk->pairs = must_allocate(talk->pair_count * sizeof *talk->pairs);
    talk->from_ns = talk->to_ns = INT64_MAX;
    for (size_t i = 0; i < talk->pair_count; i++) {
        struct pair *pair = &talk->pairs[i];
        pair->talk = talk;
        pair->number = (uint32_t)i;
        open_party(talk, pair, &pair->sender, true);
        open_party(talk, pair, &pair->receiver, false);
        struct letter letter = {
            .pair = pair->number, .receiver = pair->receiver.identity.number, .run = talk->run};
        if (talk->world != NULL) {
            letter.chat = talk->world->pairs[i].chat;
            letter.order = talk->world->pairs[i].order;
        }
        form_make(&pair->form, options->dialect, letter, (size_t)options->text);
    }
    int64_t deadline_ns = now_ns() + READY_SECONDS * NS_PER_SECOND;
    while (talk->ready < 2 * talk->pair_count) {
        if (now_ns() > deadline_ns) {
            give_up("only %zu of %zu sockets are ready", talk->ready, 2 * talk->pair_count);
        }
        wire_turn(talk->wire, deadline_ns);
    }
    return talk;
}

static void talk_end(struct talk *talk)
{
    for (size_t i = 0; i < talk->pair_count; i++) {
        struct pair *pair = &talk->pairs[i];
        party_close(&pair->sender);
        party_close(&pair->receiver);
        link_free(&pair->sender.websocket.link);
        link_free(&pair->receiver.websocket.link);
        free(pair->messages);
        form_free(&pair->form);
    }
    if (talk->world != NULL) {
        world_free(talk->world);
    }
    wire_free(talk->wire);
    free(talk->pairs);
    free(talk);
}

/* Messages that are not what they should be in the end. Unfinished: nobody knows, as they were not
 * waited for any longer. */
struct rest {
    double unanswered, lost, unfinished;
};

static struct rest count_rest(const struct talk *talk)
{
    struct rest rest = {0};
    for (size_t i = 0; i < talk->pair_count; i++) {
        const struct pair *pair = &talk->pairs[i];
        for (uint32_t k = 0; k < pair->sent; k++) {
            const struct message *message = &pair->messages[k];
            rest.unanswered += message->is_answered ? 0 : 1;
            rest.lost += message->is_acknowledged && !message->is_delivered ? 1 : 0;
        }
    }
    if (talk->is_unfinished) {
        return (struct rest){.unfinished = rest.unanswered + rest.lost};
    }
    return rest;
}

static bool is_all_there(const struct counts *counts)
{
    return counts->acknowledged + counts->refused >= counts->sent &&
           counts->delivered >= counts->acknowledged;
}

/* Waits for all that is under way, as long as something comes. */
static void drain(struct talk *talk)
{
    const struct counts *counts = &talk->counts;
    int64_t deadline_ns = now_ns() + DRAIN_SECONDS * NS_PER_SECOND;
    const int64_t patience_ns = ns_of(talk->options->patience);
    int64_t stall_ns = now_ns() + patience_ns;
    talk->is_stopping = true;
    while (now_ns() < deadline_ns && now_ns() < stall_ns && !is_all_there(counts)) {
        double before = counts->acknowledged + counts->delivered;
        wire_turn(talk->wire, now_ns() + NS_PER_SECOND / 10);
        if (counts->acknowledged + counts->delivered > before) {
            stall_ns = now_ns() + patience_ns;
        }
    }
    talk->is_unfinished = !is_all_there(counts) && now_ns() < stall_ns;
}

/* ---- Measuring ----------------------------------------------------------------------------- */

static void run_closed(struct talk *talk, int64_t until_ns)
{
    while (now_ns() < until_ns) {
        wire_turn(talk->wire, until_ns);
    }
}

static void begin_closed(struct talk *talk)
{
    talk->is_closed_loop = true;
    for (size_t i = 0; i < talk->pair_count; i++) {
        for (int k = 0; k < (int)talk->options->window; k++) {
            send_next(&talk->pairs[i], now_ns());
        }
    }
}

static void report_talk(struct report *report, const struct talk *talk, struct counts from,
                        struct counts to, double seconds)
{
    const struct rest rest = count_rest(talk);
    report_number(report, "pairs", (double)talk->pair_count);
    report_number(report, "seconds", seconds);
    report_number(report, "sent_per_s", (to.sent - from.sent) / seconds);
    report_number(report, "acked_per_s", (to.acknowledged - from.acknowledged) / seconds);
    report_number(report, "delivered_per_s", (to.delivered - from.delivered) / seconds);
    report_times(report, "ack", &talk->acknowledged);
    report_times(report, "delivery", &talk->delivered);
    report_number(report, "sent", talk->counts.sent);
    report_number(report, "acked", talk->counts.acknowledged);
    report_number(report, "delivered", talk->counts.delivered);
    report_number(report, "refused", talk->counts.refused);
    report_number(report, "unanswered", rest.unanswered);
    report_number(report, "lost", rest.lost);
    report_number(report, "unfinished", rest.unfinished);
    report_number(report, "doubled", talk->counts.doubled);
    report_number(report, "out_of_order", talk->counts.out_of_order);
    report_number(report, "closed", talk->counts.closed);
}

/* Warms up, measures, and waits for the end, with what sends until a time. */
static void measure(struct talk *talk, struct report *report,
                    void (*run)(struct talk *talk, int64_t until_ns))
{
    const struct options *options = talk->options;
    talk->from_ns = now_ns() + ns_of(options->warmup);
    talk->to_ns = talk->from_ns + ns_of(options->seconds);
    run(talk, talk->from_ns);
    const struct usage usage_from = usage_now(options);
    const struct counts from = talk->counts;
    run(talk, talk->to_ns);
    const struct usage usage_to = usage_now(options);
    const struct counts to = talk->counts;
    drain(talk);
    double seconds = (double)(usage_to.at_ns - usage_from.at_ns) / (double)NS_PER_SECOND;
    report_talk(report, talk, from, to, seconds);
    report_usage(report, &usage_from, &usage_to, to.delivered - from.delivered);
}

void mode_closed(const struct options *options, struct report *report)
{
    struct talk *talk = talk_begin(options);
    begin_closed(talk);
    measure(talk, report, run_closed);
    talk_end(talk);
}

/* `open`: the k-th message of all is due k / rate after the beginning, and is pair k's. */
static void run_open(struct talk *talk, int64_t until_ns)
{
    const double gap_ns = (double)NS_PER_SECOND / talk->options->rate;
    const int64_t begin_ns = talk->from_ns - ns_of(talk->options->warmup);
    size_t at_once = 0;
    for (;;) {
        const uint64_t next = (uint64_t)talk->counts.sent;
        const int64_t due_ns = begin_ns + (int64_t)((double)next * gap_ns);
        if (due_ns >= until_ns && now_ns() >= until_ns) {
            return;
        }
        if (due_ns < until_ns && due_ns <= now_ns() && at_once++ < AT_ONCE_MOST) {
            take_time(talk, &talk->lateness, due_ns);
            send_next(&talk->pairs[next % talk->pair_count], due_ns);
        } else {
            wire_turn(talk->wire, due_ns < until_ns ? due_ns : until_ns);
            at_once = 0;
        }
    }
}

void mode_open(const struct options *options, struct report *report)
{
    struct talk *talk = talk_begin(options);
    report_number(report, "rate", options->rate);
    measure(talk, report, run_open);
    report_times(report, "lateness", &talk->lateness);
    talk_end(talk);
}
