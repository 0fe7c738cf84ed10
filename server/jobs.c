/* The workers and their lanes: run-then-commit.
 *
 *     loop --submit--> [ lane READ  ] --> reader threads ---.
 *                      [ lane WRITE ] --> writer thread(s) --+--> sync --> [ finished ] --wake--> loop
 *                      [ lane SLOW  ] --> one thread -------'
 *
 * Syncing a disk costs as much as running a hundred handlers. So the writer of a store that has
 * only one takes all that waits, runs it in one open run of the store, and syncs once for all, which another
 * thread does while the next run is made (jobs_sync.c); what arrives meanwhile is the next run. The busier it
 * is the cheaper a job gets, and nobody waits for company when it is idle. Where each operation is durable by itself (MongoDB) a run saves nothing: there
 * it is one job, and what can be done together shares a batch (jobs_batch.c).
 *
 * What must hold: no job is handed back before what it wrote is durable, and those of a run come
 * back in the order in which they were submitted. A job that fails leaves nothing (store_undo). A
 * lost run is told to everybody in it, and none of its events leaves.
 *
 * A reader keeps its view of the store from one job to the next as long as what waits had come
 * before the view was begun: a job sees all that was on disk when it came, and asking SQLite for the
 * newest state (four locks of the file) is shared by those that wait together. An idle one has no view.
 *
 * The loop is woken by the push that makes the finished list non-empty, and by no other: it always
 * takes the whole list. Jobs are moved under a lane's or the list's lock, never both. */
#include "server/jobs_parts.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "protocol/memory.h"
#include "server/api/audit.h"
#include "server/audit_chain.h"
#include "server/clock.h"
#include "server/close_codes.h"
#include "server/config.h"
#include "server/log.h"
#include "server/token_cache.h"

#define ARENA_BLOCK_BYTES 4096
#define JOBS_KEPT_MAX 1024 /* unused ones with their arenas, for the next requests */
#define LOG_PAUSE_MS 1000
#define IN_VAIN_MS 100 /* a failure of the store that took longer was a wait */

static const char *const lane_names[LANE_COUNT] = {"read", "write", "slow"};

/* ---- Lanes -------------------------------------------------------------------------------- */

struct lane_queue *jobs_queue(struct jobs *jobs, enum lane lane, unsigned number)
{
    const bool is_first = lane != LANE_WRITE || number == 0;
    return &jobs->lanes[is_first ? lane : LANE_COUNT + number - 1];
}

unsigned jobs_queue_of(const struct jobs *jobs, const char *text, size_t length)
{
    struct oid chat;
    if (jobs->queues == 1 || !dispatch_find_chat(text, length, &chat)) {
        return 0;
    }
    return chat.bytes[OID_BYTES - 1] % jobs->queues;
}

/* False: the lane is full. */
static bool lane_push(struct jobs *jobs, struct job *job)
{
    struct lane_queue *lane = jobs_queue(jobs, job->lane, job->queue);
    size_t room = jobs->settings.lane_max / (job->lane == LANE_WRITE ? jobs->queues : 1);
    pthread_mutex_lock(&lane->lock);
    bool has_room = lane->waiting.count + lane->held < room;
    if (has_room) {
        job->place = ++lane->came;
        job_list_push(&lane->waiting, job);
    }
    pthread_mutex_unlock(&lane->lock);
    if (has_room) {
        pthread_cond_signal(&lane->filled); /* who wakes finds the lock free */
    }
    return has_room;
}

static void look_away(struct worker *worker)
{
    if (worker->looks) {
        store_look_away(worker->session);
        worker->looks = false;
    }
}

/* Waits for work, without a view; an empty list: there will be no more. `came`: see lane_queue. */
static struct job_list lane_take(struct worker *worker, uint64_t *came)
{
    struct lane_queue *lane = worker->queue;
    struct job_list taken = {.count = 0};
    pthread_mutex_lock(&lane->lock);
    while (lane->waiting.first == NULL && !lane->is_stopping) {
        if (worker->looks) {
            pthread_mutex_unlock(&lane->lock);
            look_away(worker);
            pthread_mutex_lock(&lane->lock);
        } else {
            pthread_cond_wait(&lane->filled, &lane->lock);
        }
    }
    if (lane->waiting.count <= worker->take_max) {
        job_list_append(&taken, &lane->waiting);
    }
    while (taken.count < worker->take_max && lane->waiting.first != NULL) {
        job_list_push(&taken, job_list_pop(&lane->waiting));
    }
    *came = lane->came;
    pthread_mutex_unlock(&lane->lock);
    return taken;
}

/* A job must see all that was on disk when it came. So those that had come when a view was begun can
 * share it, and while many wait the store is asked for its newest state once for several. */
static void look(struct worker *worker, const struct job *job, uint64_t came)
{
    if (worker->looks && job->place <= worker->seen) {
        return;
    }
    look_away(worker);
    store_look(worker->session);
    worker->looks = true;
    worker->seen = came;
}

void jobs_hand_back(struct jobs *jobs, struct job_list *done)
{
    if (done->first == NULL) {
        return;
    }
    pthread_mutex_lock(&jobs->finished_lock);
    bool was_empty = jobs->finished.first == NULL;
    job_list_append(&jobs->finished, done);
    pthread_mutex_unlock(&jobs->finished_lock);
    if (was_empty) {
        jobs->settings.wake(jobs->settings.wake_data);
    }
}

/* ---- One job ------------------------------------------------------------------------------ */

void jobs_log_trouble(struct worker *worker, const char *what)
{
    int64_t now_ms = clock_monotonic_ms();
    if (now_ms - worker->logged_ms >= LOG_PAUSE_MS) {
        worker->logged_ms = now_ms;
        log_error(what, "lane=%s trouble=\"%s\"", lane_names[worker->lane],
                  store_trouble(worker->session));
    }
}

void jobs_note_wait_in_vain(struct worker *worker, int64_t begun_ms)
{
    int64_t now_ms = clock_monotonic_ms();
    if (now_ms - begun_ms > IN_VAIN_MS) {
        atomic_store(&worker->jobs->in_vain_ms, now_ms);
    }
}

bool jobs_waited_in_vain(struct jobs *jobs, const struct job *job)
{
    return job->submitted_ms <= atomic_load(&jobs->in_vain_ms);
}

enum err jobs_run_one(struct worker *worker, struct job *job, bool is_in_batch)
{
    int64_t begun_ms = clock_monotonic_ms();
    store_shut(worker->session, jobs_waited_in_vain(worker->jobs, job));
    const struct jobs_settings *settings = &worker->jobs->settings;
    job->call = (struct call){.arena = job->arena,
                              .store = worker->session,
                              .settings = settings->settings,
                              .clock = settings->clock,
                              .attempts = settings->attempts,
                              .attendance = settings->attendance,
                              .chain = is_in_batch ? NULL : worker->chain,
                              .tokens = worker->tokens,
                              .chat_place = job->chat_place};
    enum err err = settings->run(job);
    store_shut(worker->session, false);
    assert(err == ERR_OK || (err == ERR_BUSY && job->lane != worker->lane));
    if (err == ERR_OK && job->err == ERR_STORE) {
        jobs_log_trouble(worker, "the store failed a job");
        jobs_note_wait_in_vain(worker, begun_ms);
    }
    if (err == ERR_OK && job->err != ERR_OK) {
        audit_forget_failed(&job->call);
    }
    return err;
}

/* A frame whose call is not known has no id to be answered by; its socket connects again. */
static void fail_unseen(struct jobs *jobs, struct job *job, enum err err)
{
    jobs->settings.fail(job, err);
    if (job->kind == JOB_FRAME && !job->awaits_record) {
        job->verdict = VERDICT_CLOSE;
        job->close_code = CLOSE_INTERNAL;
    }
}

/* The guess of the loop was wrong: over to the right lane, where it starts anew. Or it is done but
 * for its rows of the record: over to the WRITE lane. */
void jobs_move(struct jobs *jobs, struct job *job, struct job_list *done)
{
    if (!lane_push(jobs, job)) {
        fail_unseen(jobs, job, ERR_BUSY);
        job_list_push(done, job);
    }
}

static void run_singly(struct worker *worker, struct job_list *taken, struct job_list *done)
{
    struct job *job;
    while ((job = job_list_pop(taken)) != NULL) {
        enum err err = jobs_run_one(worker, job, false);
        if (job->err == ERR_STORE) {
            look_away(worker); /* the next one finds out for itself */
        }
        if (err == ERR_OK && job->call.first_note == NULL) {
            job_list_push(done, job);
            continue;
        }
        if (err == ERR_OK) {
            job->awaits_record = true;
            job->lane = LANE_WRITE;
        }
        jobs_move(worker->jobs, job, done);
    }
}

/* ---- A run -------------------------------------------------------------------------------- */

/* Runs a job behind its mark, and again if it rests on what was taken for granted. *err: the store could not
 * take it back. */
static enum err run_till_sure(struct worker *worker, struct job *job, enum err *err)
{
    enum err outcome = jobs_run_one(worker, job, false);
    if (outcome != ERR_OK || !store_has_assumed(worker->session)) {
        return outcome;
    }
    *err = store_mark_again(worker->session);
    if (*err != ERR_OK) {
        return outcome;
    }
    jobs_forget_outcome(job);
    return jobs_run_one(worker, job, false);
}

/* Runs one job of a run: what it leaves is either whole or nothing. */
static enum err run_marked(struct worker *worker, struct job *job, enum err *run_err)
{
    enum err err = store_mark(worker->session);
    if (job->awaits_record) {
        *run_err = *run_err != ERR_OK ? *run_err : err;
        return ERR_OK;
    }
    enum err again_err = ERR_OK;
    enum err outcome = run_till_sure(worker, job, &again_err);
    err = err != ERR_OK ? err : again_err;
    if (outcome == ERR_OK && job->err != ERR_OK) {
        call_forget_emissions(&job->call);
        enum err undo_err = store_undo(worker->session);
        err = err != ERR_OK ? err : undo_err;
    }
    *run_err = *run_err != ERR_OK ? *run_err : err;
    return outcome;
}

/* Within a run, behind the last job's mark. */
enum err jobs_record(struct worker *worker, const struct job_list *run)
{
    for (struct job *job = run->first; job != NULL; job = job->next) {
        TRY(audit_chain_add(worker->chain, worker->session, &job->call));
    }
    return audit_chain_write(worker->chain, worker->session);
}

/* Ends a run: what it noted, and the commit. */
static enum err finish(struct worker *worker, const struct job_list *run, enum err err)
{
    if (err == ERR_OK) {
        err = store_mark(worker->session);
    }
    if (err == ERR_OK) {
        err = jobs_record(worker, run);
    }
    if (err == ERR_OK) {
        err = store_commit_early(worker->session);
    } else {
        store_abandon(worker->session);
    }
    audit_chain_settle(worker->chain, err == ERR_OK);
    if (err != ERR_OK && err != ERR_BUSY) {
        jobs_log_trouble(worker, "a run was lost");
    }
    return err;
}

/* Runs all of `taken`; what belongs to another lane goes to it. ERR_BUSY: a hopeful run that has to be run
 * again, with what is left of `taken`. */
static enum err run_all(struct worker *worker, struct job_list *taken, struct job_list *run,
                        struct job_list *done)
{
    struct job *job;
    enum err err = ERR_OK;
    while (err != ERR_BUSY && (job = job_list_pop(taken)) != NULL) {
        if (run_marked(worker, job, &err) == ERR_OK) {
            job_list_push(run, job);
        } else {
            jobs_move(worker->jobs, job, done);
        }
    }
    return finish(worker, run, err);
}

void jobs_forget_outcome(struct job *job)
{
    if (job->awaits_record) {
        return; /* done in another lane */
    }
    call_forget_emissions(&job->call);
    frame_drop(job->answer);
    job->answer = NULL;
    job->close_code = 0;
    job->id_json = NULL;
}

/* A hopeful run costs a job nothing to be taken back, which hardly ever happens after it has written.
 * When it does, the run is taken back whole, and run again with a savepoint for each job. */
static enum err run_with_hope(struct worker *worker, struct job_list *taken, struct job_list *run,
                              struct job_list *done)
{
    enum err err = run_all(worker, taken, run, done);
    if (err != ERR_BUSY) {
        return err;
    }
    for (struct job *job = run->first; job != NULL; job = job->next) {
        jobs_forget_outcome(job);
    }
    job_list_append(run, taken);
    *taken = *run;
    *run = (struct job_list){.count = 0};
    TRY(store_begin(worker->session));
    return run_all(worker, taken, run, done);
}

void jobs_lose(struct worker *worker, struct job_list *run)
{
    for (struct job *job = run->first; job != NULL; job = job->next) {
        call_forget_emissions(&job->call);
        worker->jobs->settings.fail(job, ERR_STORE);
    }
}

/* Also what fails within a lost run is run: its answer must know the id of its call. */
void jobs_run_then_commit(struct worker *worker, struct job_list *taken, struct job_list *done)
{
    struct jobs *jobs = worker->jobs;
    struct job *job;
    if (store_begin_hopeful(worker->session) != ERR_OK) {
        jobs_log_trouble(worker, "no run could be begun");
        while ((job = job_list_pop(taken)) != NULL) {
            fail_unseen(jobs, job, ERR_STORE);
            job_list_push(done, job);
        }
        return;
    }
    struct job_list run = {.count = 0};
    if (run_with_hope(worker, taken, &run, done) != ERR_OK) {
        jobs_lose(worker, &run);
        while ((job = job_list_pop(taken)) != NULL) { /* it could not even be begun again */
            fail_unseen(jobs, job, ERR_STORE);
            job_list_push(&run, job);
        }
    }
    job_list_append(done, &run);
}

static void runs_main(struct worker *worker)
{
    for (;;) {
        uint64_t came;
        struct job_list taken = lane_take(worker, &came);
        if (taken.first == NULL) {
            look_away(worker);
            return;
        }
        struct job_list done = {.count = 0};
        if (worker->lane == LANE_WRITE) {
            jobs_run_then_commit(worker, &taken, &done);
        } else {
            if (worker->lane == LANE_READ) {
                look(worker, taken.first, came);
            }
            run_singly(worker, &taken, &done);
        }
        jobs_hand_back_synced(worker, &done);
    }
}

static void *worker_main(void *data)
{
    static void (*const mains[])(struct worker *) = {[WRITES_RUNS] = runs_main,
                                                     [WRITES_BATCHES] = jobs_batch_main,
                                                     [WRITES_REST] = jobs_rest_main};
    struct worker *worker = data;
    mains[worker->writing](worker);
    return NULL;
}

/* ---- Starting and stopping ---------------------------------------------------------------- */

static enum err worker_start(struct jobs *jobs, enum lane lane, unsigned queue,
                             enum writing writing, size_t take_max)
{
    struct worker *worker = &jobs->workers[jobs->worker_count];
    *worker = (struct worker){.jobs = jobs,
                              .lane = lane,
                              .writing = writing,
                              .queue = jobs_queue(jobs, lane, queue),
                              .take_max = take_max,
                              .logged_ms = clock_monotonic_ms() - LOG_PAUSE_MS};
    TRY(store_session_open(jobs->settings.store, lane == LANE_WRITE, &worker->session));
    if (lane == LANE_WRITE) {
        worker->chain = audit_chain_new(jobs->node);
    }
    worker->tokens = token_cache_new();
    if (pthread_create(&worker->thread, NULL, worker_main, worker) != 0) {
        token_cache_free(worker->tokens);
        audit_chain_free(worker->chain);
        store_session_close(worker->session);
        return ERR_INTERNAL;
    }
    jobs->worker_count++;
    return ERR_OK;
}

static enum err writers_start(struct jobs *jobs)
{
    if (!jobs->has_batches) {
        size_t run_max = store_writers_max(jobs->settings.store) == 1 ? jobs->settings.run_max : 1;
        for (int i = 0; i < jobs->writers; i++) {
            TRY(worker_start(jobs, LANE_WRITE, 0, WRITES_RUNS, run_max));
        }
        return ERR_OK;
    }
    for (unsigned i = 0; i < jobs->queues; i++) {
        TRY(worker_start(jobs, LANE_WRITE, i, WRITES_BATCHES, 0));
        jobs->batching++;
    }
    for (int i = 0; i < jobs->rest_workers; i++) {
        TRY(worker_start(jobs, LANE_WRITE, 0, WRITES_REST, 0));
    }
    return ERR_OK;
}

static enum err workers_start(struct jobs *jobs)
{
    const struct jobs_settings *settings = &jobs->settings;
    int writers_max = store_writers_max(settings->store);
    jobs->writers = settings->writers < writers_max ? settings->writers : writers_max;
    jobs->has_batches = store_has_batches(settings->store);
    jobs->queues = jobs->has_batches ? (unsigned)(jobs->writers + 1) / 2 : 1;
    jobs->queues = jobs->queues < QUEUES_MAX ? jobs->queues : QUEUES_MAX;
    jobs->rest_workers = jobs->writers - (int)jobs->queues;
    jobs->workers = memory_resize(NULL, (size_t)(settings->readers + jobs->writers + 1) *
                                            sizeof(struct worker));
    for (int i = 0; i < settings->readers; i++) {
        TRY(worker_start(jobs, LANE_READ, 0, WRITES_RUNS, 1));
    }
    TRY(writers_start(jobs));
    return worker_start(jobs, LANE_SLOW, 0, WRITES_RUNS, 1);
}

static void name_node(char out[JOBS_NODE_BYTES])
{
    char host[65] = "";
    if (gethostname(host, sizeof host - 1) != 0) {
        host[0] = '\0';
    }
    snprintf(out, JOBS_NODE_BYTES, "node=%s pid=%ld version=" CONSULTD_VERSION, host,
             (long)getpid());
}

static void queue_init(struct lane_queue *queue)
{
    pthread_mutex_init(&queue->lock, NULL);
    pthread_cond_init(&queue->filled, NULL);
}

static void queue_stop(struct lane_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->is_stopping = true;
    pthread_cond_broadcast(&queue->filled);
    pthread_mutex_unlock(&queue->lock);
}

enum err jobs_start(const struct jobs_settings *settings, struct jobs **out)
{
    assert(settings->readers > 0 && settings->writers > 0);
    assert(settings->lane_max > 0 && settings->run_max > 0);
    struct jobs *jobs = memory_resize(NULL, sizeof *jobs);
    memset(jobs, 0, sizeof *jobs);
    jobs->settings = *settings;
    jobs->in_vain_ms = -1;
    jobs->settings.run = settings->run != NULL ? settings->run : dispatch_run;
    jobs->settings.chat_of = settings->run != NULL ? settings->chat_of : dispatch_guess_chat;
    jobs->settings.fail = settings->fail != NULL ? settings->fail : dispatch_fail;
    name_node(jobs->node);
    pthread_mutex_init(&jobs->finished_lock, NULL);
    for (size_t i = 0; i < ARRAY_LENGTH(jobs->lanes); i++) {
        queue_init(&jobs->lanes[i]);
    }
    queue_init(&jobs->rest);
    enum err err = jobs_sync_start(jobs);
    if (err == ERR_OK) {
        err = workers_start(jobs);
    }
    if (err != ERR_OK) {
        jobs_stop(jobs);
        return err;
    }
    *out = jobs;
    return ERR_OK;
}

static void job_destroy(struct job *job)
{
    arena_free(job->arena);
    free(job);
}

static void list_free(struct jobs *jobs, struct job_list *list)
{
    struct job *job;
    while ((job = job_list_pop(list)) != NULL) {
        job_free(jobs, job);
    }
}

/* Those that make the rest stop when nobody gives them any more. They were started last. */
static void worker_end(struct jobs *jobs, struct worker *worker)
{
    pthread_join(worker->thread, NULL);
    if (worker->writing == WRITES_BATCHES && --jobs->batching == 0) {
        queue_stop(&jobs->rest);
    }
    token_cache_free(worker->tokens);
    audit_chain_free(worker->chain);
    store_session_close(worker->session);
}

static void queue_free(struct jobs *jobs, struct lane_queue *queue)
{
    list_free(jobs, &queue->waiting);
    pthread_mutex_destroy(&queue->lock);
    pthread_cond_destroy(&queue->filled);
}

void jobs_stop(struct jobs *jobs)
{
    if (jobs == NULL) {
        return;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(jobs->lanes); i++) {
        queue_stop(&jobs->lanes[i]);
    }
    for (size_t i = 0; i < jobs->worker_count; i++) {
        worker_end(jobs, &jobs->workers[i]);
    }
    jobs_sync_stop(jobs);
    for (size_t i = 0; i < ARRAY_LENGTH(jobs->lanes); i++) {
        queue_free(jobs, &jobs->lanes[i]); /* moved to a lane that had ended already */
    }
    queue_free(jobs, &jobs->rest);
    list_free(jobs, &jobs->finished);
    pthread_mutex_destroy(&jobs->finished_lock);
    struct job *job;
    while ((job = job_list_pop(&jobs->kept)) != NULL) {
        job_destroy(job);
    }
    free(jobs->workers);
    free(jobs);
}

/* ---- The loop's side ---------------------------------------------------------------------- */

struct job *job_new(struct jobs *jobs, enum job_kind kind)
{
    struct job *job = job_list_pop(&jobs->kept);
    struct arena *arena;
    if (job != NULL) {
        arena = job->arena;
    } else {
        job = memory_resize(NULL, sizeof *job);
        arena = arena_new(ARENA_BLOCK_BYTES);
    }
    *job = (struct job){.kind = kind, .arena = arena};
    return job;
}

static void emissions_drop(struct emission *first)
{
    for (struct emission *at = first; at != NULL; at = at->next) {
        frame_drop(at->frame);
    }
}

void job_free(struct jobs *jobs, struct job *job)
{
    emissions_drop(job->call.first_emission);
    emissions_drop(job->replay);
    emissions_drop(job->known);
    frame_drop(job->answer);
    free(job->body);
    free(job->token);
    free(job->headers);
    if (jobs->kept.count >= JOBS_KEPT_MAX) {
        job_destroy(job);
        return;
    }
    arena_reset(job->arena);
    job_list_push(&jobs->kept, job);
}

enum err jobs_submit(struct jobs *jobs, struct job *job)
{
    job->submitted_ms = clock_monotonic_ms();
    if (!lane_push(jobs, job)) {
        return ERR_BUSY;
    }
    jobs->pending++;
    return ERR_OK;
}

struct job *jobs_collect(struct jobs *jobs)
{
    pthread_mutex_lock(&jobs->finished_lock);
    struct job_list taken = jobs->finished;
    jobs->finished = (struct job_list){.count = 0};
    pthread_mutex_unlock(&jobs->finished_lock);
    assert(jobs->pending >= taken.count);
    jobs->pending -= taken.count;
    return taken.first;
}

size_t jobs_pending(const struct jobs *jobs)
{
    return jobs->pending;
}

bool jobs_keep_order(const struct jobs *jobs)
{
    return jobs->writers == 1 || jobs->has_batches;
}
