/* What the loop knows of comings and goings, and when that becomes work for a worker.
 *
 *     came   first socket here  -> with the next job
 *     left   last socket gone   -> waits for the grace; back meanwhile: nothing has happened
 *
 * One job at a time, of at most ATTENDANCE_BATCH_MAX accounts, so that what happened first is noted
 * first, and whole hospitals that connect at once take neither many jobs nor a worker for long. A
 * job also beats when that is due. What could not be noted, because Redis is away, is forgotten
 * here: the first beat that comes through asks for all accounts.
 *
 * Who has left is in a list by time, all with the same grace, and in a tree by account. */
#include "server/presence.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/memory.h"
#include "server/api/online.h"
#include "server/fanout.h"
#include "server/loop_parts.h"

#define MS_PER_SECOND 1000
#define BEATS_PER_TIMEOUT 3
#define RETRY_MS 1000 /* of a beat that failed */
#define CAME_MIN 64

struct leaving {
    struct account account; /* first: the tree compares by it */
    struct leaving *next;
    struct leaving *previous;
    struct timestamp left_at;
    int64_t due_ms; /* monotonic */
};

struct presence_watch {
    struct loop *loop;
    struct account *came; /* owned; [came_first, came_first + came_count) wait */
    size_t came_size, came_first, came_count;
    struct leaving *oldest, *newest; /* owned */
    void *tree;                      /* of the same */
    bool is_at_work;                 /* a job is with a worker */
    bool is_up;                      /* what happens can be noted */
    int64_t next_beat_ms;            /* monotonic */
};

struct presence_watch *presence_new(struct loop *loop)
{
    struct presence_watch *watch = memory_resize(NULL, sizeof *watch);
    *watch = (struct presence_watch){.loop = loop};
    return watch;
}

/* ---- Who has left -------------------------------------------------------------------------- */

static int compare(const void *left, const void *right)
{
    const struct account *a = left;
    const struct account *b = right;
    return a->role != b->role ? (int)a->role - (int)b->role
                              : memcmp(a->id.bytes, b->id.bytes, OID_BYTES);
}

/* Nothing happens if the account is not among them. */
static void leaving_remove(struct presence_watch *watch, const struct account *account)
{
    struct leaving *const *found = tfind(account, &watch->tree, compare);
    if (found == NULL) {
        return;
    }
    struct leaving *leaving = *found;
    *(leaving->previous != NULL ? &leaving->previous->next : &watch->oldest) = leaving->next;
    *(leaving->next != NULL ? &leaving->next->previous : &watch->newest) = leaving->previous;
    tdelete(account, &watch->tree, compare);
    free(leaving);
}

/* It must not be among them. */
static void leaving_add(struct presence_watch *watch, struct account account)
{
    struct loop *loop = watch->loop;
    struct leaving *leaving = memory_resize(NULL, sizeof *leaving);
    int64_t grace_ms = loop->settings->presence_grace_seconds * MS_PER_SECOND;
    *leaving = (struct leaving){.account = account,
                                .previous = watch->newest,
                                .left_at = clock_now(loop->clock),
                                .due_ms = clock_monotonic_ms() + grace_ms};
    *(watch->newest != NULL ? &watch->newest->next : &watch->oldest) = leaving;
    watch->newest = leaving;
    if (tsearch(leaving, &watch->tree, compare) == NULL) {
        memory_exhausted();
    }
}

void presence_free(struct presence_watch *watch)
{
    if (watch != NULL) {
        while (watch->oldest != NULL) {
            struct account account = watch->oldest->account;
            leaving_remove(watch, &account);
        }
        free(watch->came);
        free(watch);
    }
}

/* ---- Who has come -------------------------------------------------------------------------- */

static void came_push(struct presence_watch *watch, struct account account)
{
    if (watch->came_first + watch->came_count == watch->came_size) {
        if (watch->came_first > watch->came_size / 2) {
            memmove(watch->came, watch->came + watch->came_first,
                    watch->came_count * sizeof *watch->came);
            watch->came_first = 0;
        } else {
            watch->came_size = watch->came_size == 0 ? CAME_MIN : watch->came_size * 2;
            watch->came = memory_resize(watch->came, watch->came_size * sizeof *watch->came);
        }
    }
    watch->came[watch->came_first + watch->came_count++] = account;
}

static void came_drop(struct presence_watch *watch, size_t count)
{
    watch->came_count -= count;
    watch->came_first = watch->came_count == 0 ? 0 : watch->came_first + count;
}

static void push_session(void *data, struct session *session)
{
    came_push(data, session->account);
}

/* ---- Jobs ---------------------------------------------------------------------------------- */

/* Nothing can be noted: whoever is here is asked for later, and who left runs out. */
static void forget(struct presence_watch *watch, int64_t now_ms)
{
    came_drop(watch, watch->came_count);
    while (watch->oldest != NULL && watch->oldest->due_ms <= now_ms) {
        struct account account = watch->oldest->account;
        leaving_remove(watch, &account);
    }
}

static void take_came(struct presence_watch *watch, struct online_work *work)
{
    size_t taken = 0;
    while (taken < watch->came_count && work->count < ATTENDANCE_BATCH_MAX) {
        struct account account = watch->came[watch->came_first + taken++];
        if (sessions_find(watch->loop->sessions, account) != NULL) {
            struct attendee attendee = {.account = account, .is_online = true};
            work->changes[work->count++].attendee = attendee;
        }
    }
    came_drop(watch, taken);
}

static void take_left(struct presence_watch *watch, struct online_work *work, int64_t now_ms)
{
    while (watch->oldest != NULL && watch->oldest->due_ms <= now_ms &&
           work->count < ATTENDANCE_BATCH_MAX) {
        struct account account = watch->oldest->account;
        work->changes[work->count++].attendee =
            (struct attendee){.account = account, .last_seen = watch->oldest->left_at};
        leaving_remove(watch, &account);
    }
}

/* The lane is full, later. */
static void put_back(struct presence_watch *watch, const struct online_work *work)
{
    for (size_t i = 0; i < work->count; i++) {
        const struct account *account = &work->changes[i].attendee.account;
        if (work->changes[i].attendee.is_online) {
            came_push(watch, *account);
        } else if (tfind(account, &watch->tree, compare) == NULL) {
            leaving_add(watch, *account);
        }
    }
}

static void go_on(struct presence_watch *watch)
{
    struct loop *loop = watch->loop;
    int64_t now_ms = clock_monotonic_ms();
    if (watch->is_at_work || loop->phase != LOOP_SERVING) {
        return; /* who is cut off by our end and does not come back elsewhere runs out */
    }
    struct job *job = job_new(loop->jobs, JOB_DUTY);
    job->duty = DUTY_PRESENCE;
    job->lane = LANE_READ;
    struct online_work *work = ARENA_NEW(job->arena, struct online_work);
    job->online = work;
    work->wants_beat = now_ms >= watch->next_beat_ms && bus_is_up(loop->bus);
    if (watch->is_up) {
        take_left(watch, work, now_ms);
        take_came(watch, work);
    } else {
        forget(watch, now_ms);
    }
    if (work->count == 0 && !work->wants_beat) {
        job_free(loop->jobs, job);
        return;
    }
    if (jobs_submit(loop->jobs, job) != ERR_OK) {
        put_back(watch, work);
        job_free(loop->jobs, job);
        return; /* a full lane has more urgent work */
    }
    watch->is_at_work = true;
}

void presence_finished(struct presence_watch *watch, struct job *job)
{
    const struct online_work *work = job->online;
    struct loop *loop = watch->loop;
    ASSERT_LOOP(loop);
    watch->is_at_work = false;
    watch->is_up = work->is_up;
    int64_t now_ms = clock_monotonic_ms();
    if (!work->is_up) {
        watch->next_beat_ms = now_ms + RETRY_MS;
    } else if (work->wants_beat && fanout_is_alone(loop->fanout)) {
        watch->next_beat_ms = INT64_MAX; /* nobody else listens */
    } else if (work->wants_beat && !work->beat.has_more) {
        watch->next_beat_ms =
            now_ms + loop->settings->presence_seconds * MS_PER_SECOND / BEATS_PER_TIMEOUT;
    }
    if (work->is_up && work->beat.asks_for_all) {
        sessions_each(loop->sessions, push_session, watch);
    }
    go_on(watch);
}

void presence_came(struct presence_watch *watch, struct account account)
{
    leaving_remove(watch, &account);
    came_push(watch, account);
    go_on(watch);
}

void presence_left(struct presence_watch *watch, struct account account)
{
    leaving_add(watch, account);
}

void presence_tick(struct presence_watch *watch)
{
    ASSERT_LOOP(watch->loop);
    go_on(watch);
}
