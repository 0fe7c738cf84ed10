/* What waits together for a store that has batches (MongoDB).
 *
 *     LANE_WRITE --take--> [ held ] --plan--> batch: run in memory, written together --> loop
 *                             ^          '--> rest: runs of their own, here or by the other writers --> loop
 *                             '-- what has to wait
 *
 * One worker takes all that waits in the lane and plans: what sends a message or marks a chat as read shares
 * a batch (store_batch_begin); all else is a run of its own, as ever. With the option writers above 1 the
 * others make those, so that a doctor's reply, which waits for the journal five times, holds nobody up.
 *
 * What must hold: a sender (a connection) has one job in hand at a time, in the batch or in the rest, and
 * the next one only when that is handed back. So its jobs are run and answered in its order, whatever
 * way each goes. A chat is in a batch once: the next message to it is for the next batch. Whoever has to wait
 * stays in `held`, in line. Both are kept by marks, a hash each: two that share a mark wait for each other,
 * which does nobody harm.
 *
 * A job leaves its batch, as if it had not been run, if it asks for what a batch cannot do, if what it would
 * tell might be outdated, or if its chat was changed by somebody else before it was written. In that case it
 * is tried in the next batch, which reads the chat again, a few times. A message whose place was taken but that
 * was refused goes on from there in a run of its own (call->chat_place).
 *
 * Nothing is told before all of it is durable, its rows of the record last. What the store fails in writing
 * is told to all of the batch: nobody knows what of it happened, and to send it again is harmless. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/memory.h"
#include "server/api/replay.h"
#include "server/audit_chain.h"
#include "server/clock.h"
#include "server/jobs_parts.h"

#define BATCH_TRIES 4
#define REST_AT_ONCE 8 /* runs of its own after a batch, where no other worker makes them */

struct planned {
    struct job_list batch, rest;
};

struct batcher {
    struct worker *worker;
    struct job_list held;           /* in line */
    bool is_stuck;                  /* all of it waits for the other writers */
    struct planned planned;         /* for this turn */
    struct oid *chats;              /* of the batch; owned */
    size_t room;                    /* of `chats` */
    bool senders[JOBS_MARKS];       /* who is not next any more in this turn */
    bool chat_is_taken[JOBS_MARKS]; /* in this turn */
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

/* Whether there is still room for it in this turn; then it is in it. */
static bool join(struct batcher *b, struct job *job)
{
    const struct jobs *jobs = b->worker->jobs;
    struct planned *planned = &b->planned;
    if (!is_for_batch(jobs, job)) {
        if (jobs->writers == 1 && planned->rest.count >= REST_AT_ONCE) {
            return false;
        }
        job_list_push(&planned->rest, job);
        return true;
    }
    bool *is_taken = job->awaits_record ? NULL : &b->chat_is_taken[chat_mark(job->chat)];
    if (planned->batch.count >= jobs->settings.run_max || (is_taken != NULL && *is_taken)) {
        return false;
    }
    if (is_taken != NULL) {
        *is_taken = true;
    }
    job_list_push(&planned->batch, job);
    return true;
}

/* Who may be next of those that are held. */
static void plan(struct batcher *b)
{
    struct job_list stay = {.count = 0};
    struct job *job;
    memset(b->senders, 0, sizeof b->senders);
    memset(b->chat_is_taken, 0, sizeof b->chat_is_taken);
    while ((job = job_list_pop(&b->held)) != NULL) {
        size_t mark = sender_mark(job);
        bool is_next =
            !has_sender(job) || (!b->senders[mark] && !atomic_load(&b->worker->jobs->busy[mark]));
        if (!is_next || !join(b, job)) {
            job_list_push(&stay, job);
        }
        b->senders[mark] = b->senders[mark] || has_sender(job);
    }
    b->held = stay;
    b->is_stuck = b->planned.batch.count == 0 && b->planned.rest.count == 0;
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
    job_list_append(&b->held, &lane->waiting);
    lane->held = b->held.count;
    lane->is_freed = false;
    pthread_mutex_unlock(&lane->lock);
    return b->held.first != NULL;
}

/* ---- A batch -------------------------------------------------------------------------------- */

/* Nothing is read for those that are to fail unasked. */
static enum err begin_batch(struct batcher *b)
{
    size_t count = 0;
    if (b->room < b->planned.batch.count) {
        b->room = b->planned.batch.count;
        b->chats = memory_resize(b->chats, b->room * sizeof *b->chats);
    }
    for (const struct job *job = b->planned.batch.first; job != NULL; job = job->next) {
        if (!job->awaits_record && !jobs_waited_in_vain(b->worker->jobs, job)) {
            b->chats[count++] = job->chat;
        }
    }
    return store_batch_begin(b->worker->session, b->chats, count);
}

/* It is run by itself, from its beginning. */
static void leave_batch(struct batcher *b, struct job *job)
{
    jobs_forget_outcome(job);
    job->way = WAY_ALONE;
    job_list_push(&b->planned.rest, job);
}

/* Runs a job in memory; `kept`: it is part of the batch. */
static void run_in_memory(struct batcher *b, struct job *job, struct job_list *kept,
                          struct job_list *done)
{
    struct worker *worker = b->worker;
    store_batch_mark(worker->session);
    if (job->awaits_record) {
        bool is_kept = store_batch_keep(worker->session);
        assert(is_kept);
        (void)is_kept;
        job_list_push(kept, job);
    } else if (jobs_run_one(worker, job, true) != ERR_OK) {
        (void)store_batch_drop(worker->session);
        jobs_move(worker->jobs, job, done);
    } else if (job->err == ERR_OK && store_batch_keep(worker->session)) {
        job_list_push(kept, job);
    } else if (job->err != ERR_OK && store_batch_drop(worker->session)) {
        call_forget_emissions(&job->call);
        job->call.first_note = NULL;
        job_list_push(done, job);
    } else {
        leave_batch(b, job);
    }
}

/* After a batch was written: who is done, and who has to go on. */
static void sort_out(struct batcher *b, struct job_list *kept, struct job_list *written)
{
    struct job_list again = {.count = 0};
    struct job *job;
    for (size_t number = 0; (job = job_list_pop(kept)) != NULL; number++) {
        switch (store_batch_outcome(b->worker->session, number)) {
        case BATCH_WRITTEN:
            job_list_push(written, job);
            break;
        case BATCH_CHANGED:
            if (++job->batches < BATCH_TRIES) {
                jobs_forget_outcome(job);
                job_list_push(&again, job);
            } else {
                leave_batch(b, job);
            }
            break;
        case BATCH_REPEATED:
            leave_batch(b, job);
            break;
        case BATCH_REFUSED:
            job->chat_place = job->call.chat_place;
            leave_batch(b, job);
            break;
        }
    }
    job_list_append(&again, &b->held); /* they are the next of their senders */
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

/* Writes what was kept, then its rows. */
static void write_batch(struct batcher *b, struct job_list *kept, struct job_list *done)
{
    struct worker *worker = b->worker;
    struct job_list written = {.count = 0};
    int64_t begun_ms = clock_monotonic_ms();
    enum err err = store_batch_write(worker->session);
    if (err == ERR_OK) {
        sort_out(b, kept, &written);
        err = stamp_late(&written);
    } else {
        job_list_append(&written, kept);
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
static void run_batch(struct batcher *b, struct job_list *done)
{
    struct worker *worker = b->worker;
    struct job_list kept = {.count = 0};
    struct job *job;
    int64_t begun_ms = clock_monotonic_ms();
    if (begin_batch(b) != ERR_OK) {
        jobs_log_trouble(worker, "no batch could be begun");
        jobs_note_wait_in_vain(worker, begun_ms);
        while ((job = job_list_pop(&b->planned.batch)) != NULL) {
            job_list_push(&b->planned.rest, job);
        }
        return;
    }
    while ((job = job_list_pop(&b->planned.batch)) != NULL) {
        run_in_memory(b, job, &kept, done);
    }
    write_batch(b, &kept, done);
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
            atomic_store(&jobs->busy[sender_mark(job)], true);
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
    if (jobs->writers > 1) {
        hand_on(jobs, &b->planned.rest);
        return;
    }
    while ((job = job_list_pop(&b->planned.rest)) != NULL) {
        run_alone(b->worker, job);
    }
}

void jobs_batch_main(struct worker *worker)
{
    struct batcher *b = memory_resize(NULL, sizeof *b);
    memset(b, 0, sizeof *b);
    b->worker = worker;
    while (take(b)) {
        struct job_list done = {.count = 0};
        plan(b);
        if (b->planned.batch.first != NULL) {
            run_batch(b, &done);
            jobs_hand_back(worker->jobs, &done);
        }
        if (b->planned.rest.first != NULL) {
            run_rest(b);
        }
    }
    free(b->chats);
    free(b);
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

void jobs_rest_main(struct worker *worker)
{
    struct jobs *jobs = worker->jobs;
    struct lane_queue *lane = &jobs->lanes[LANE_WRITE];
    struct job *job;
    while ((job = take_rest(&jobs->rest)) != NULL) {
        size_t mark = sender_mark(job); /* the job is not ours any more then */
        bool frees = has_sender(job);
        run_alone(worker, job);
        if (frees) {
            atomic_store(&jobs->busy[mark], false);
        }
        pthread_mutex_lock(&lane->lock);
        lane->is_freed = true;
        pthread_cond_signal(&lane->filled);
        pthread_mutex_unlock(&lane->lock);
    }
}
