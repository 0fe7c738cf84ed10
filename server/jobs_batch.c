/* What waits together for a store that has batches (MongoDB).
 *
 *     LANE_WRITE --take--> [ held ] --plan--> batch: run in memory, written together --> loop
 *                             ^          '--> rest: runs of their own, here or by the other writers --> loop
 *                             '-- what has to wait
 *
 * A worker takes all that waits in its queue, a moment later where more come at once (company.h), and plans:
 * what sends a message or marks a chat as read shares a batch (store_batch_begin); all else is a run of its own,
 * as ever. Half of the writers (option) do that, each with a
 * queue that has the calls of some of the chats, so that one batch waits for the journal while another is being made.
 * The others make the runs, so that a doctor's reply, which waits for the journal five times, holds nobody up.
 *
 * What must hold: the jobs of a sender (a connection) are run and answered in their order, whatever way each
 * goes. So several of one sender may be in a batch only if they are about one chat, which is written for all of
 * them or for none; if one has to wait or goes its own way, those behind it wait; and while one is in the rest
 * none is anywhere else. Whoever has to wait stays in `held`, in line. Senders and chats are kept by marks, a
 * hash each: two that share a mark wait for each other, which does nobody harm.
 *
 * A job leaves its batch, as if it had not been run, if it asks for what a batch cannot do, if what it would
 * tell might be outdated, or if its chat was changed by somebody else before it was written. In that case it
 * is tried in the next batch, which reads the chat again, a few times. A message whose place was taken but that
 * was refused goes on from there by itself, before anybody behind it is told (call->chat_place).
 *
 * Nothing is told before all of it is durable, its rows of the record last. What the store fails in writing
 * is told to all of the batch: nobody knows what of it happened, and to send it again is harmless. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "protocol/memory.h"
#include "server/api/replay.h"
#include "server/audit_chain.h"
#include "server/clock.h"
#include "server/company.h"
#include "server/jobs_parts.h"

#define BATCH_TRIES 4
#define CHAT_JOBS_MAX PUSH_LAST_KEEPS /* of a chat in a batch: those it can name, see posts.c */
#define REST_AT_ONCE 8 /* runs of its own after a batch, where no other worker makes them */

struct planned {
    struct job_list batch, rest;
};

/* A chat in this turn, by its mark. */
struct chat_turn {
    struct oid id;
    unsigned jobs; /* in the batch; 0: no chat has this mark */
};

struct batcher {
    struct worker *worker;
    struct job_list held;   /* in line */
    bool is_stuck;          /* all of it waits for the other writers */
    struct planned planned; /* for this turn */
    struct oid *named;      /* the chats of the batch; owned */
    size_t room;            /* of `named` */
    size_t chats_left;      /* that may still come into this turn's batch */
    size_t kept;            /* jobs that the store has joined to the batch */
    struct company company; /* who may come again at once */
    pthread_cond_t never;   /* nobody signals it: a wait that ends by itself; monotonic */
    bool waits[JOBS_MARKS]; /* by sender: nothing of it may pass any more in this turn */
    /* By sender: 1 + the mark of the chat of its jobs in the batch; 0: it has none there. */
    uint16_t chat_of[JOBS_MARKS];
    struct chat_turn chats[JOBS_MARKS];
};

/* ---- Marks ---------------------------------------------------------------------------------- */

static size_t mark_of(uint64_t bits)
{
    return (size_t)(bits * UINT64_C(0x9E3779B97F4A7C15) >> 40) % JOBS_MARKS;
}

static bool has_sender(const struct job *job)
{
    return job->from.generation != 0;
}

static size_t sender_mark(const struct job *job)
{
    return mark_of((uint64_t)job->from.slot << 32 | job->from.generation);
}

static size_t chat_mark(struct oid chat)
{
    uint64_t bits;
    memcpy(&bits, chat.bytes + OID_BYTES - sizeof bits, sizeof bits);
    return mark_of(bits);
}

/* ---- Planning ------------------------------------------------------------------------------- */

/* Whether the job may share a batch; found out once. */
static bool is_for_batch(const struct jobs *jobs, struct job *job)
{
    if (job->way == WAY_UNKNOWN) {
        bool may_share = job->awaits_record || (jobs->settings.chat_of != NULL &&
                                                jobs->settings.chat_of(job, &job->chat));
        job->way = may_share ? WAY_BATCH : WAY_ALONE;
    }
    return job->way == WAY_BATCH;
}

static bool join_chat(struct batcher *b, struct job *job)
{
    struct chat_turn *turn = &b->chats[chat_mark(job->chat)];
    if (turn->jobs == 0 && b->chats_left > 0) {
        *turn = (struct chat_turn){.id = job->chat};
        b->chats_left--;
    } else if (turn->jobs == 0 || turn->jobs == CHAT_JOBS_MAX || !oid_equal(turn->id, job->chat)) {
        return false;
    }
    turn->jobs++;
    job_list_push(&b->planned.batch, job);
    return true;
}

/* A chat costs the store as much as ten messages. So if more waits than a batch may have, it has all that waits
 * for some of the chats, as far as that goes, and not a little of each. */
static size_t count_chats(struct batcher *b)
{
    const size_t run_max = b->worker->jobs->settings.run_max;
    size_t jobs = 0, chats = 0;
    if (b->held.count <= run_max) {
        return run_max;
    }
    for (struct job *job = b->held.first; job != NULL; job = job->next) {
        if (is_for_batch(b->worker->jobs, job) && !job->awaits_record) {
            chats += b->chats[chat_mark(job->chat)].jobs++ == 0;
            jobs++;
        }
    }
    for (const struct job *job = b->held.first; job != NULL; job = job->next) {
        b->chats[chat_mark(job->chat)].jobs = 0;
    }
    return jobs <= run_max ? run_max : 1 + run_max * chats / jobs;
}

/* Whether there is still room for it in this turn; then it is in it. */
static bool join(struct batcher *b, struct job *job)
{
    const struct jobs *jobs = b->worker->jobs;
    struct planned *planned = &b->planned;
    if (!is_for_batch(jobs, job)) {
        if (jobs->rest_workers == 0 && planned->rest.count >= REST_AT_ONCE) {
            return false;
        }
        job_list_push(&planned->rest, job);
        return true;
    }
    if (planned->batch.count >= jobs->settings.run_max) {
        return false;
    }
    if (!job->awaits_record) {
        return join_chat(b, job);
    }
    job_list_push(&planned->batch, job);
    return true;
}

/* Whether its sender has nothing before it that it would have to wait for. */
static bool is_next(const struct batcher *b, struct job *job)
{
    const size_t mark = sender_mark(job);
    const uint16_t chat = b->chat_of[mark];
    return !has_sender(job) || (!b->waits[mark] && atomic_load(&b->worker->jobs->busy[mark]) == 0 &&
                                (chat == 0 || (is_for_batch(b->worker->jobs, job) &&
                                               chat == chat_mark(job->chat) + 1)));
}

/* Who may be next of those that are held. */
static void plan(struct batcher *b)
{
    struct job_list stay = {.count = 0};
    struct job *job;
    memset(b->waits, 0, sizeof b->waits);
    memset(b->chat_of, 0, sizeof b->chat_of);
    b->chats_left = count_chats(b);
    while ((job = job_list_pop(&b->held)) != NULL) {
        const size_t mark = sender_mark(job);
        const bool joins = is_next(b, job) && join(b, job);
        if (!joins) {
            job_list_push(&stay, job);
        }
        if (has_sender(job)) {
            const bool others_may_follow = joins && job->way == WAY_BATCH && !job->awaits_record;
            b->waits[mark] = !others_may_follow;
            b->chat_of[mark] = (uint16_t)(others_may_follow ? chat_mark(job->chat) + 1 : 0);
        }
    }
    b->held = stay;
    b->is_stuck = b->planned.batch.count == 0 && b->planned.rest.count == 0;
}

/* Waits a moment. The lane's `filled` would end it for each job that comes. */
static void await_next_look(struct batcher *b, int64_t now_ms)
{
    const int64_t until_ms = now_ms + COMPANY_LOOK_MS;
    const struct timespec until = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};
    (void)pthread_cond_timedwait(&b->never, &b->worker->queue->lock, &until);
}

/* Under the lane's lock, which others get meanwhile. */
static void await_company(struct batcher *b)
{
    const struct lane_queue *lane = b->worker->queue;
    const size_t run_max = b->worker->jobs->settings.run_max;
    int64_t now_ms = clock_monotonic_ms();
    size_t here = lane->waiting.count + b->held.count;
    while (!lane->is_stopping && here < run_max && company_is_awaited(&b->company, here, now_ms)) {
        await_next_look(b, now_ms);
        now_ms = clock_monotonic_ms();
        here = lane->waiting.count + b->held.count;
    }
    company_settle(&b->company, here, now_ms);
}

/* A batch is made, and will be handed back. */
static void expect_company(struct batcher *b, size_t answered, int64_t begun_ms)
{
    struct lane_queue *lane = b->worker->queue;
    pthread_mutex_lock(&lane->lock);
    company_expect(&b->company, answered, lane->waiting.count + b->held.count, begun_ms,
                   clock_monotonic_ms());
    pthread_mutex_unlock(&lane->lock);
}

/* Takes all that waits in the lane. False: the pool stops, and there is nothing left. */
static bool take(struct batcher *b)
{
    struct lane_queue *lane = b->worker->queue;
    pthread_mutex_lock(&lane->lock);
    while (lane->waiting.first == NULL &&
           (b->held.first == NULL || (b->is_stuck && !lane->is_freed)) &&
           !(lane->is_stopping && b->held.first == NULL)) {
        pthread_cond_wait(&lane->filled, &lane->lock);
    }
    await_company(b);
    job_list_append(&b->held, &lane->waiting);
    lane->held = b->held.count;
    lane->is_freed = false;
    pthread_mutex_unlock(&lane->lock);
    return b->held.first != NULL;
}

/* ---- A batch -------------------------------------------------------------------------------- */

/* Names each chat once; returns how many. Nothing is read for those that are to fail unasked. */
static size_t name_chats(struct batcher *b)
{
    size_t count = 0;
    if (b->room < b->planned.batch.count) {
        b->room = b->planned.batch.count;
        b->named = memory_resize(b->named, b->room * sizeof *b->named);
    }
    for (const struct job *job = b->planned.batch.first; job != NULL; job = job->next) {
        struct chat_turn *turn = &b->chats[chat_mark(job->chat)];
        if (!job->awaits_record && turn->jobs != 0 && !jobs_waited_in_vain(b->worker->jobs, job)) {
            b->named[count++] = job->chat;
            turn->jobs = 0;
        }
    }
    for (const struct job *job = b->planned.batch.first; job != NULL; job = job->next) {
        b->chats[chat_mark(job->chat)].jobs = 0;
    }
    return count;
}

/* It is run again, as if it had not been: by itself, or in another batch, a few times. */
static void leave(struct job *job, bool for_another)
{
    jobs_forget_outcome(job);
    job->state = BATCH_LEFT;
    job->way = for_another && ++job->batches < BATCH_TRIES ? WAY_BATCH : WAY_ALONE;
}

/* Runs a job in memory; ERR_BUSY: it is for another lane. */
static enum err run_in_memory(struct batcher *b, struct job *job)
{
    struct store_session *session = b->worker->session;
    store_batch_mark(session);
    if (!job->awaits_record && jobs_run_one(b->worker, job, true) != ERR_OK) {
        (void)store_batch_drop(session);
        return ERR_BUSY;
    }
    const bool is_well = job->awaits_record || job->err == ERR_OK;
    const enum batch_place place = is_well ? store_batch_keep(session) : store_batch_drop(session);
    if (place != BATCH_JOINS) {
        leave(job, place == BATCH_LATER);
    } else if (is_well) {
        job->state = BATCH_HOLDS;
        job->number = b->kept++;
    } else {
        job->state = BATCH_TELLS;
        call_forget_emissions(&job->call);
    }
    return ERR_OK;
}

/* Runs all of it in memory, but for those behind one of the same sender that has left. */
static void run_all_in_memory(struct batcher *b, struct job_list *ran, struct job_list *done)
{
    struct job *job;
    b->kept = 0;
    memset(b->waits, 0, sizeof b->waits);
    while ((job = job_list_pop(&b->planned.batch)) != NULL) {
        bool *waits = &b->waits[sender_mark(job)];
        if (has_sender(job) && *waits) {
            job->state = BATCH_LEFT;
        } else if (run_in_memory(b, job) != ERR_OK) {
            jobs_move(b->worker->jobs, job, done);
            continue;
        }
        *waits = *waits || job->state == BATCH_LEFT;
        job_list_push(ran, job);
    }
}

/* Its place is taken, and it is not there: on from there, with operations of its own. */
static void go_on(struct batcher *b, struct job *job)
{
    job->chat_place = job->call.chat_place;
    jobs_forget_outcome(job);
    const enum err err = jobs_run_one(b->worker, job, true);
    assert(err == ERR_OK); /* it was in its lane before */
    (void)err;
    if (job->err != ERR_OK) {
        call_forget_emissions(&job->call);
    }
}

/* What became of a job, when its batch is written. False: it has left. */
static bool is_done(struct batcher *b, struct job *job)
{
    if (job->state != BATCH_HOLDS) {
        return job->state == BATCH_TELLS;
    }
    switch (store_batch_outcome(b->worker->session, job->number)) {
    case BATCH_WRITTEN:
        return true;
    case BATCH_REFUSED:
        go_on(b, job);
        return true;
    case BATCH_CHANGED:
        leave(job, true);
        return false;
    case BATCH_REPEATED:
        break;
    }
    leave(job, false);
    return false;
}

/* After a batch was written: who is done, who is run by itself, and who waits for the next one. */
static void sort_out(struct batcher *b, struct job_list *ran, struct job_list *written)
{
    struct job_list again = {.count = 0};
    struct job *job;
    memset(b->waits, 0, sizeof b->waits);
    while ((job = job_list_pop(ran)) != NULL) {
        bool *waits = &b->waits[sender_mark(job)];
        if (job->state == BATCH_TELLS && has_sender(job) && *waits) {
            leave(job, true);
        } else if (is_done(b, job)) {
            job_list_push(written, job);
            continue;
        }
        const bool is_next = job->way == WAY_ALONE && !(has_sender(job) && *waits);
        job_list_push(is_next ? &b->planned.rest : &again, job);
        *waits = true;
    }
    job_list_append(&again, &b->held); /* they come before all that their senders sent later */
    b->held = again;
}

/* All that was to be written is lost. */
static void sort_out_lost(struct batcher *b, struct job_list *ran, struct job_list *lost)
{
    struct job_list again = {.count = 0};
    struct job *job;
    while ((job = job_list_pop(ran)) != NULL) {
        job_list_push(job->state == BATCH_LEFT ? &again : lost, job);
    }
    job_list_append(&again, &b->held);
    b->held = again;
}

/* What the batch took so long for that nobody who resumes would find it has fresh stamps. */
static enum err stamp_late(const struct job_list *written)
{
    for (struct job *job = written->first; job != NULL; job = job->next) {
        if (!job->awaits_record) {
            TRY(replay_stamp_late(&job->call));
        }
    }
    return ERR_OK;
}

/* Writes what the jobs did, then its rows. */
static void write_batch(struct batcher *b, struct job_list *ran, struct job_list *done)
{
    struct worker *worker = b->worker;
    struct job_list written = {.count = 0};
    int64_t begun_ms = clock_monotonic_ms();
    enum err err = store_batch_write(worker->session);
    if (err == ERR_OK) {
        sort_out(b, ran, &written);
        err = stamp_late(&written);
    } else {
        sort_out_lost(b, ran, &written);
    }
    if (err == ERR_OK) {
        err = jobs_record(worker, &written);
    }
    audit_chain_settle(worker->chain, err == ERR_OK);
    if (err != ERR_OK) {
        jobs_log_trouble(worker, "a batch was lost");
        jobs_note_wait_in_vain(worker, begun_ms);
        jobs_lose(worker, &written);
    }
    job_list_append(done, &written);
}

/* Without a store each is run by itself: it says so to each. */
static void give_up(struct batcher *b)
{
    struct job_list written = {.count = 0};
    for (struct job *job = b->planned.batch.first; job != NULL; job = job->next) {
        job->state = BATCH_LEFT;
        job->way = WAY_ALONE;
    }
    struct job_list all = b->planned.batch;
    b->planned.batch = (struct job_list){.count = 0};
    sort_out(b, &all, &written);
    assert(written.count == 0);
}

static void run_batch(struct batcher *b, struct job_list *done)
{
    struct worker *worker = b->worker;
    struct job_list ran = {.count = 0};
    int64_t begun_ms = clock_monotonic_ms();
    const size_t chats = name_chats(b);
    if (store_batch_begin(worker->session, b->named, chats) != ERR_OK) {
        jobs_log_trouble(worker, "no batch could be begun");
        jobs_note_wait_in_vain(worker, begun_ms);
        give_up(b);
        return;
    }
    run_all_in_memory(b, &ran, done);
    write_batch(b, &ran, done);
    store_batch_end(worker->session);
}

/* ---- The rest ------------------------------------------------------------------------------- */

static void run_alone(struct worker *worker, struct job *job)
{
    struct job_list one = {.count = 0};
    struct job_list done = {.count = 0};
    job_list_push(&one, job);
    jobs_run_then_commit(worker, &one, &done);
    jobs_hand_back(worker->jobs, &done);
}

static void hand_on(struct jobs *jobs, struct job_list *rest)
{
    for (const struct job *job = rest->first; job != NULL; job = job->next) {
        if (has_sender(job)) {
            atomic_fetch_add(&jobs->busy[sender_mark(job)], 1);
        }
    }
    pthread_mutex_lock(&jobs->rest.lock);
    job_list_append(&jobs->rest.waiting, rest);
    pthread_cond_broadcast(&jobs->rest.filled);
    pthread_mutex_unlock(&jobs->rest.lock);
}

static void run_rest(struct batcher *b)
{
    struct jobs *jobs = b->worker->jobs;
    struct job *job;
    if (jobs->rest_workers > 0) {
        hand_on(jobs, &b->planned.rest);
        return;
    }
    while ((job = job_list_pop(&b->planned.rest)) != NULL) {
        run_alone(b->worker, job);
    }
}

static struct batcher *batcher_new(struct worker *worker)
{
    struct batcher *b = memory_resize(NULL, sizeof *b);
    memset(b, 0, sizeof *b);
    b->worker = worker;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&b->never, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return b;
}

static void batcher_free(struct batcher *b)
{
    pthread_cond_destroy(&b->never);
    free(b->named);
    free(b);
}

void jobs_batch_main(struct worker *worker)
{
    struct batcher *b = batcher_new(worker);
    while (take(b)) {
        struct job_list done = {.count = 0};
        plan(b);
        if (b->planned.batch.first != NULL) {
            const int64_t begun_ms = clock_monotonic_ms();
            run_batch(b, &done);
            expect_company(b, done.count, begun_ms);
            jobs_hand_back(worker->jobs, &done);
        }
        if (b->planned.rest.first != NULL) {
            run_rest(b);
        }
    }
    batcher_free(b);
}

/* Waits for a job; NULL: there will be none. */
static struct job *take_rest(struct lane_queue *rest)
{
    pthread_mutex_lock(&rest->lock);
    while (rest->waiting.first == NULL && !rest->is_stopping) {
        pthread_cond_wait(&rest->filled, &rest->lock);
    }
    struct job *job = job_list_pop(&rest->waiting);
    pthread_mutex_unlock(&rest->lock);
    return job;
}

/* Whoever waits for a job of the rest looks again. The next one of its sender may be in any queue. */
static void tell_freed(struct jobs *jobs)
{
    for (unsigned i = 0; i < jobs->queues; i++) {
        struct lane_queue *queue = jobs_queue(jobs, LANE_WRITE, i);
        pthread_mutex_lock(&queue->lock);
        queue->is_freed = true;
        pthread_cond_signal(&queue->filled);
        pthread_mutex_unlock(&queue->lock);
    }
}

void jobs_rest_main(struct worker *worker)
{
    struct jobs *jobs = worker->jobs;
    struct job *job;
    while ((job = take_rest(&jobs->rest)) != NULL) {
        size_t mark = sender_mark(job); /* the job is not ours any more then */
        bool frees = has_sender(job);
        run_alone(worker, job);
        if (frees) {
            atomic_fetch_sub(&jobs->busy[mark], 1);
            tell_freed(jobs);
        }
    }
}
