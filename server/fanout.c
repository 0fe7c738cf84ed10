/* Events to sockets.
 *
 * A node tells its own events to its own sockets, in the order of their commits, and hands them to
 * the bus for the others. So the bus only ever matters between nodes, and may fail in two ways:
 *
 *  - It is known to be down. When it is back, each account held here is *repaired*: its sockets
 *    hold what is live, a JOB_REPAIR reads from the store what came since a while before the
 *    loss, that is told, and then what was held.
 *  - It loses an event silently. So there are *rounds*, one each bus_check_seconds: for some hundred accounts
 *    at a time a JOB_CHECK asks the store whether anything of theirs has changed since it was last
 *    asked. Those of whom it has are repaired, without holding what is live. One check is under way
 *    at a time, so that a round of any size leaves the workers to others.
 *
 * Either look goes further back than need be, since clocks differ and a loss is noticed late; what
 * was told before is recognised by its text (told.c). A local bus loses nothing: no looks there.
 *
 * Events of one chat may also overtake each other. Each socket has a gate against that (in_order.h,
 * ws_tell), and whatever is told here goes through it. */
#include "server/fanout.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/memory.h"
#include "server/live.h"
#include "server/loop_parts.h"
#include "server/ws.h"

#define REPAIRS_AT_ONCE 8
#define CHECK_ACCOUNTS 256        /* of one JOB_CHECK */
#define SKEW_REV INT64_C(2000000) /* how far clocks of nodes may differ */
#define QUEUE_MIN 64
#define MS_PER_SECOND INT64_C(1000)

struct fanout {
    struct loop *loop;
    int64_t newest_rev;
    bool is_alone;     /* the bus is local: nothing is lost */
    bool may_overtake; /* see the header */
    bool is_down;
    /* Accounts to be looked up: a ring. One that has gone meanwhile is passed over. */
    struct account *queue; /* owned */
    size_t queue_size, queue_start, queue_count;
    size_t at_once;
    /* Accounts whose turn in this round is still to come, taken from the end. */
    struct account *round; /* owned */
    size_t round_size, round_count;
    size_t taken;          /* by the check under way; 0: there is none */
    int64_t taken_rev;     /* when that was submitted: nothing older is unseen after it */
    int64_t next_round_ms; /* monotonic */
};

static int64_t rev_now(const struct fanout *fanout)
{
    return clock_now(fanout->loop->clock).ms * 1000;
}

static int64_t round_ms(const struct loop *loop)
{
    return loop->settings->bus_check_seconds * MS_PER_SECOND;
}

struct fanout *fanout_new(struct loop *loop)
{
    static const char local[] = "local:";
    struct fanout *fanout = memory_resize(NULL, sizeof *fanout);
    *fanout =
        (struct fanout){.loop = loop,
                        .newest_rev = clock_stamp(loop->clock), /* greater than all in the store */
                        .is_alone = strncmp(loop->settings->bus, local, sizeof local - 1) == 0,
                        .next_round_ms = clock_monotonic_ms() + round_ms(loop)};
    fanout->may_overtake =
        !store_is_ordered(loop->store) && (!fanout->is_alone || loop->settings->writers > 1);
    fanout->is_down = !fanout->is_alone; /* until it is heard of */
    return fanout;
}

void fanout_free(struct fanout *fanout)
{
    if (fanout != NULL) {
        free(fanout->queue);
        free(fanout->round);
        free(fanout);
    }
}

int64_t fanout_newest_rev(const struct fanout *fanout)
{
    return fanout->newest_rev;
}

void fanout_session_began(struct fanout *fanout, struct session *session)
{
    session->checked_rev = rev_now(fanout); /* replay_start looks back from there */
}

bool fanout_is_alone(const struct fanout *fanout)
{
    return fanout->is_alone;
}

bool fanout_may_overtake(const struct fanout *fanout)
{
    return fanout->may_overtake;
}

/* Whether what was told is to be known again. */
static bool remembers(const struct fanout *fanout)
{
    return !fanout->is_alone || fanout->may_overtake;
}

static void note_all(struct session *session, const struct emission *first)
{
    for (const struct emission *at = first; at != NULL; at = at->next) {
        if (at->rev != 0) {
            told_note(&session->told, at->frame, clock_monotonic_ms());
        }
    }
}

/* Where the account has other sockets, they may have missed what this one reads just now. */
void fanout_resumed(struct fanout *fanout, struct session *session, const struct job *job)
{
    for (const struct emission *at = job->replay; at != NULL; at = at->next) {
        told_note_retraction(&session->told, at->frame, clock_monotonic_ms());
    }
    if (remembers(fanout) && session->count == 1) {
        note_all(session, job->replay);
        note_all(session, job->known);
    }
}

/* ---- Telling ------------------------------------------------------------------------------- */

static bool is_same(struct conn_handle a, struct conn_handle b)
{
    return a.slot == b.slot && a.generation == b.generation;
}

/* The session may be gone afterwards: telling may close sockets that are too slow. */
static void tell(struct fanout *fanout, struct session *session, struct frame *frame, int64_t rev,
                 struct conn_handle except)
{
    bool is_void = frame_place(frame)->kind == PLACE_VOID;
    if (rev != 0 && !is_void && remembers(fanout)) {
        /* What is taken back another node has stored before, and says so late. */
        is_void = told_is_taken_back(&session->told, frame);
        if (!is_void) {
            told_note(&session->told, frame, clock_monotonic_ms());
        }
    }
    struct session_member *member = session->oldest;
    while (member != NULL) {
        struct session_member *newer = member->newer;
        struct conn *conn = conn_of_member(member);
        if (is_void || is_same(conn->handle, except)) {
            ws_pass_over(conn, frame);
        } else {
            ws_tell(conn, frame, rev == 0 ? WS_EPHEMERAL : WS_DURABLE);
        }
        member = newer;
    }
}

static const struct conn_handle nobody = {.generation = 0};

void fanout_job(struct fanout *fanout, struct job *job)
{
    struct loop *loop = fanout->loop;
    ASSERT_LOOP(loop);
    for (struct emission *at = job->call.first_emission; at != NULL; at = at->next) {
        struct session *session = sessions_find(loop->sessions, at->audience);
        if (session != NULL) {
            tell(fanout, session, at->frame, at->rev, at->not_to_origin ? job->from : nobody);
        }
        bus_publish(loop->bus, at->audience, at->rev, at->frame);
        if (at->rev > fanout->newest_rev) {
            fanout->newest_rev = at->rev;
        }
    }
}

/* ---- Repairs ------------------------------------------------------------------------------- */

static void queue_push(struct fanout *fanout, struct account account)
{
    if (fanout->queue_count == fanout->queue_size) {
        size_t size = fanout->queue_size == 0 ? QUEUE_MIN : fanout->queue_size * 2;
        struct account *queue = memory_resize(NULL, size * sizeof *queue);
        for (size_t i = 0; i < fanout->queue_count; i++) {
            queue[i] = fanout->queue[(fanout->queue_start + i) % fanout->queue_size];
        }
        free(fanout->queue);
        fanout->queue = queue;
        fanout->queue_size = size;
        fanout->queue_start = 0;
    }
    fanout->queue[(fanout->queue_start + fanout->queue_count) % fanout->queue_size] = account;
    fanout->queue_count++;
}

static void repair_later(struct fanout *fanout, struct session *session, int64_t from_rev)
{
    if (!session->is_repair_queued || from_rev < session->repair_rev) {
        session->repair_rev = from_rev;
    }
    if (!session->is_repair_queued) {
        session->is_repair_queued = true;
        queue_push(fanout, session->account);
    }
}

/* False: the lane is full, later. */
static bool repair_begin(struct fanout *fanout, struct session *session)
{
    struct loop *loop = fanout->loop;
    struct job *job = job_new(loop->jobs, JOB_REPAIR);
    job->lane = LANE_READ;
    job->who.account = session->account;
    job->cursor_rev = session->repair_rev;
    session->is_repair_queued = false;
    if (jobs_submit(loop->jobs, job) != ERR_OK) {
        repair_later(fanout, session, job->cursor_rev);
        job_free(loop->jobs, job);
        return false;
    }
    session->checked_rev = rev_now(fanout) - SKEW_REV;
    fanout->at_once++;
    return true;
}

static void repairs_go_on(struct fanout *fanout)
{
    while (fanout->at_once < REPAIRS_AT_ONCE && fanout->queue_count > 0) {
        struct account account = fanout->queue[fanout->queue_start];
        fanout->queue_start = (fanout->queue_start + 1) % fanout->queue_size;
        fanout->queue_count--;
        struct session *session = sessions_find(fanout->loop->sessions, account);
        bool is_wanted = session != NULL && session->is_repair_queued;
        if (is_wanted && !repair_begin(fanout, session)) {
            return;
        }
    }
}

/* Calls for each socket of the account that is still there. */
static void each_socket(struct fanout *fanout, struct account account,
                        void (*each)(struct conn *conn))
{
    struct session *session = sessions_find(fanout->loop->sessions, account);
    struct session_member *member = session != NULL ? session->oldest : NULL;
    while (member != NULL) {
        struct session_member *newer = member->newer;
        each(conn_of_member(member));
        member = newer;
    }
}

static void hold(struct conn *conn)
{
    if (conn->state == WS_LIVE) {
        conn_move(conn, WS_REPAIRING);
    }
}

static void stop_holding(struct conn *conn)
{
    if (conn->state == WS_REPAIRING) {
        conn_move(conn, WS_LIVE);
    }
}

/* Whether the bus was away, so that the session's sockets wait for what was missed. */
static bool is_holding(struct session *session)
{
    for (struct session_member *at = session->oldest; at != NULL; at = at->newer) {
        if (conn_of_member(at)->state == WS_REPAIRING) {
            return true;
        }
    }
    return false;
}

static void release(struct conn *conn)
{
    if (conn->state == WS_LIVE) {
        ws_release_held(conn);
    }
}

void fanout_tell_found(struct fanout *fanout, struct account account,
                       const struct emission *emission)
{
    ASSERT_LOOP(fanout->loop);
    struct session *session = sessions_find(fanout->loop->sessions, account);
    if (session != NULL && !told_has(&session->told, emission->frame)) {
        fanout->loop->made_good++;
        tell(fanout, session, emission->frame, emission->rev, nobody);
    }
}

/* What has a stamp above `upto` is most likely on its way. What has none comes last (chat.updated), and is
 * told only where something was missed. */
static void tell_missed(struct fanout *fanout, struct account account, struct emission *first,
                        int64_t upto)
{
    bool is_missed = false;
    for (struct emission *at = first; at != NULL; at = at->next) {
        struct session *session = sessions_find(fanout->loop->sessions, account);
        if (session == NULL) {
            return;
        }
        if (at->rev == 0 ? is_missed : at->rev <= upto && !told_has(&session->told, at->frame)) {
            is_missed = true;
            fanout->loop->made_good += at->rev != 0;
            tell(fanout, session, at->frame, at->rev, nobody);
        }
    }
}

void fanout_repaired(struct fanout *fanout, struct job *job)
{
    ASSERT_LOOP(fanout->loop);
    assert(fanout->at_once > 0);
    fanout->at_once--;
    struct account account = job->who.account;
    struct session *session = sessions_find(fanout->loop->sessions, account);
    if (session == NULL) {
        repairs_go_on(fanout);
        return;
    }
    if (job->err != ERR_OK) {
        repair_later(fanout, session, job->cursor_rev); /* with the next tick */
        return;
    }
    /* What a round finds that is newer than what it looks for, the next round reads again. */
    int64_t upto = is_holding(session) ? INT64_MAX : session->checked_rev;
    if (!session->is_repair_queued) { /* else the bus was away again: go on holding */
        each_socket(fanout, account, stop_holding);
    }
    tell_missed(fanout, account, job->replay, upto);
    each_socket(fanout, account, release);
    repairs_go_on(fanout);
}

/* ---- Rounds --------------------------------------------------------------------------------- */

static void round_add(struct fanout *fanout, struct account account)
{
    if (fanout->round_count == fanout->round_size) {
        fanout->round_size = fanout->round_size == 0 ? QUEUE_MIN : fanout->round_size * 2;
        fanout->round = memory_resize(fanout->round, fanout->round_size * sizeof *fanout->round);
    }
    fanout->round[fanout->round_count++] = account;
}

static void round_add_user(void *data, struct session *session)
{
    if (session->account.role == ROLE_USER) {
        round_add(data, session->account);
    }
}

static void round_add_doctor(void *data, struct session *session)
{
    if (session->account.role == ROLE_DOCTOR) {
        round_add(data, session->account);
    }
}

/* The job of the round's next accounts; NULL: those that were left have gone, or are about to be
 * repaired, which is more than a look. */
static struct job *make_check(struct fanout *fanout)
{
    struct job *job = job_new(fanout->loop->jobs, JOB_CHECK);
    struct oid *ids = arena_array(job->arena, CHECK_ACCOUNTS, sizeof *ids);
    enum role role = fanout->round[fanout->round_count - 1].role;
    size_t count = 0;
    job->lane = LANE_READ;
    job->who.account.role = role;
    job->cursor_rev = INT64_MAX;
    for (size_t i = fanout->round_count;
         i-- > 0 && count < CHECK_ACCOUNTS && fanout->round[i].role == role;) {
        struct session *session = sessions_find(fanout->loop->sessions, fanout->round[i]);
        if (session != NULL && !session->is_repair_queued) {
            ids[count++] = session->account.id;
            job->cursor_rev =
                session->checked_rev < job->cursor_rev ? session->checked_rev : job->cursor_rev;
        }
        fanout->taken++;
    }
    job->asked = (struct oid_list){ids, count};
    return job;
}

static void round_goes_on(struct fanout *fanout)
{
    struct loop *loop = fanout->loop;
    while (fanout->taken == 0 && fanout->round_count > 0) {
        struct job *job = make_check(fanout);
        fanout->taken_rev = rev_now(fanout) - SKEW_REV;
        bool is_empty = job->asked.count == 0;
        if (!is_empty && jobs_submit(loop->jobs, job) == ERR_OK) {
            return;
        }
        job_free(loop->jobs, job);
        size_t taken = fanout->taken;
        fanout->taken = 0;
        if (!is_empty) {
            return; /* the lane is full: with the next tick */
        }
        fanout->round_count -= taken;
    }
}

static void follow_check(struct fanout *fanout, const struct job *job)
{
    for (size_t i = 0; i < job->asked.count; i++) {
        struct account account = {job->who.account.role, job->asked.items[i]};
        struct session *session = sessions_find(fanout->loop->sessions, account);
        if (session == NULL) {
            continue;
        }
        if (job->has_news[i]) {
            repair_later(fanout, session, session->checked_rev);
        } else if (session->checked_rev < fanout->taken_rev) {
            session->checked_rev = fanout->taken_rev;
        }
    }
}

void fanout_checked(struct fanout *fanout, struct job *job)
{
    ASSERT_LOOP(fanout->loop);
    size_t taken = fanout->taken;
    fanout->taken = 0;
    if (job->err != ERR_OK) {
        return; /* the same again with the next tick */
    }
    fanout->round_count -= taken;
    follow_check(fanout, job);
    repairs_go_on(fanout);
    round_goes_on(fanout);
}

/* Also while the bus is down: a node tells its own sockets its own events then, with cursors that others' untold ones
 * must not be left far behind of (replay.c looks back a while only). */
static void round_begin_if_due(struct fanout *fanout)
{
    int64_t now_ms = clock_monotonic_ms();
    if (fanout->is_alone || fanout->round_count > 0 || now_ms < fanout->next_round_ms) {
        return;
    }
    fanout->next_round_ms = now_ms + round_ms(fanout->loop);
    sessions_each(fanout->loop->sessions, round_add_user, fanout);
    sessions_each(fanout->loop->sessions, round_add_doctor, fanout);
}

void fanout_tick(struct fanout *fanout)
{
    struct loop *loop = fanout->loop;
    ASSERT_LOOP(loop);
    if (jobs_pending(loop->jobs) == 0) {
        /* Every stamp there is has been told: a quiet night makes no cursor old. */
        fanout->newest_rev = clock_stamp(loop->clock);
    }
    round_begin_if_due(fanout);
    round_goes_on(fanout);
    repairs_go_on(fanout);
}

/* ---- The bus calls ------------------------------------------------------------------------- */

static void on_event(void *data, struct account account, const struct bus_event *event)
{
    struct fanout *fanout = data;
    struct session *session = sessions_find(fanout->loop->sessions, account);
    if (session == NULL) {
        return; /* its last socket has just left */
    }
    struct strbuf buffer;
    strbuf_init(&buffer, FRAME_ROOM);
    strbuf_add(&buffer, event->text, event->length);
    struct frame *frame = frame_take_placed(&buffer, &event->place);
    tell(fanout, session, frame, event->rev, nobody);
    frame_drop(frame);
}

static void on_subscribed(void *data, struct account account)
{
    struct fanout *fanout = data;
    struct session *session = sessions_find(fanout->loop->sessions, account);
    if (session != NULL) {
        session->is_subscribed = true;
        each_socket(fanout, account, live_go_on);
    }
}

static void lose_subscription(void *data, struct session *session)
{
    (void)data;
    session->is_subscribed = false;
}

static void on_down(void *data)
{
    struct fanout *fanout = data;
    struct loop *loop = fanout->loop;
    if (fanout->is_down) {
        return;
    }
    fanout->is_down = true;
    sessions_each(loop->sessions, lose_subscription, NULL);
    size_t at = 0;
    struct conn *conn;
    while ((conn = conns_next(loop->conns, &at)) != NULL) {
        if (conn->state == WS_JOINING) {
            live_go_on(conn); /* nobody waits for a bus that is away */
        }
    }
}

static void repair_after_loss(void *data, struct session *session)
{
    struct fanout *fanout = data;
    repair_later(fanout, session, session->checked_rev); /* nothing before it was missed */
    each_socket(fanout, session->account, hold);
}

static void on_up(void *data)
{
    struct fanout *fanout = data;
    if (!fanout->is_down) {
        return;
    }
    fanout->is_down = false;
    sessions_each(fanout->loop->sessions, repair_after_loss, fanout);
    repairs_go_on(fanout);
}

struct bus_hooks fanout_hooks(struct fanout *fanout)
{
    return (struct bus_hooks){.data = fanout,
                              .on_event = on_event,
                              .on_subscribed = on_subscribed,
                              .on_down = on_down,
                              .on_up = on_up};
}
