/* The workers and their lanes: run-then-commit.
 *
 *     loop --submit--> [ lane READ  ] --> reader threads ---.
 *                      [ lane WRITE ] --> writer thread(s) --+--> [ finished ] --wake--> loop
 *                      [ lane SLOW  ] --> one thread -------'
 *
 * Syncing a disk costs as much as running a hundred handlers. So the writer of a store that has
 * only one takes all that waits, runs it in one open run of the store, and syncs once for all;
 * what arrives meanwhile is the next run. The busier it is the cheaper a job gets, and nobody waits
 * for company when it is idle. Where a store has several writers (MongoDB) each operation is
 * durable by itself and nothing would be saved: there a writer takes one job at a time.
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
#include "server/jobs.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "protocol/memory.h"
#include "server/api/audit.h"
#include "server/audit_chain.h"
#include "server/clock.h"
#include "server/config.h"
#include "server/log.h"
#include "server/token_cache.h"

#define ARENA_BLOCK_BYTES 4096
#define JOBS_KEPT_MAX 1024 /* unused ones with their arenas, for the next requests */
#define LOG_PAUSE_MS 1000
#define IN_VAIN_MS 100 /* a failure of the store that took longer was a wait */
#define CLOSE_INTERNAL 4105
#define NODE_BYTES 160

struct job_list {
    struct job *first, *last;
    size_t count;
};

struct lane_queue {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct job_list waiting; /* lock */
    uint64_t came;           /* lock; how many jobs ever came here */
    bool is_stopping;        /* lock */
};

struct worker {
    struct jobs *jobs;
    pthread_t thread;
    enum lane lane;
    size_t take_max; /* jobs of one commit */
    struct store_session *session;
    struct audit_chain *chain; /* LANE_WRITE: what its jobs note goes here */
    struct token_cache *tokens;
    int64_t logged_ms; /* when the store's trouble was last logged */
    bool looks;        /* LANE_READ: the session has a view, begun after... */
    uint64_t seen;     /* ...so many jobs had come to the lane */
};

struct jobs {
    struct jobs_settings settings;
    struct lane_queue lanes[LANE_COUNT];
    pthread_mutex_t finished_lock;
    struct job_list finished; /* finished_lock */
    struct worker *workers;
    size_t worker_count;
    int writers;                /* workers of LANE_WRITE */
    _Atomic int64_t in_vain_ms; /* monotonic: when a job last had waited for the store in vain */
    char node[NODE_BYTES];      /* this process, as a chain of the record names it */
    size_t pending;             /* loop only */
    struct job_list kept;       /* loop only: unused ones */
};

static const char *const lane_names[LANE_COUNT] = {"read", "write", "slow"};

/* ---- Lists -------------------------------------------------------------------------------- */

static void list_push(struct job_list *list, struct job *job)
{
    job->next = NULL;
    if (list->last == NULL) {
        list->first = job;
    } else {
        list->last->next = job;
    }
    list->last = job;
    list->count++;
}

static struct job *list_pop(struct job_list *list)
{
    struct job *job = list->first;
    if (job != NULL) {
        list->first = job->next;
        list->last = list->first == NULL ? NULL : list->last;
        list->count--;
        job->next = NULL;
    }
    return job;
}

/* Puts all of `more` behind `list`, and empties it. */
static void list_append(struct job_list *list, struct job_list *more)
{
    if (more->first == NULL) {
        return;
    }
    if (list->last == NULL) {
        list->first = more->first;
    } else {
        list->last->next = more->first;
    }
    list->last = more->last;
    list->count += more->count;
    *more = (struct job_list){.count = 0};
}

/* ---- Lanes -------------------------------------------------------------------------------- */

/* False: the lane is full. */
static bool lane_push(struct jobs *jobs, struct job *job)
{
    struct lane_queue *lane = &jobs->lanes[job->lane];
    pthread_mutex_lock(&lane->lock);
    bool has_room = lane->waiting.count < jobs->settings.lane_max;
    if (has_room) {
        job->place = ++lane->came;
        list_push(&lane->waiting, job);
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
    struct lane_queue *lane = &worker->jobs->lanes[worker->lane];
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
        list_append(&taken, &lane->waiting);
    }
    while (taken.count < worker->take_max && lane->waiting.first != NULL) {
        list_push(&taken, list_pop(&lane->waiting));
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

/* Worker only. Empties `done`. */
static void hand_back(struct jobs *jobs, struct job_list *done)
{
    if (done->first == NULL) {
        return;
    }
    pthread_mutex_lock(&jobs->finished_lock);
    bool was_empty = jobs->finished.first == NULL;
    list_append(&jobs->finished, done);
    pthread_mutex_unlock(&jobs->finished_lock);
    if (was_empty) {
        jobs->settings.wake(jobs->settings.wake_data);
    }
}

/* ---- One job ------------------------------------------------------------------------------ */

static void log_trouble(struct worker *worker, const char *what)
{
    int64_t now_ms = clock_monotonic_ms();
    if (now_ms - worker->logged_ms >= LOG_PAUSE_MS) {
        worker->logged_ms = now_ms;
        log_error(what, "lane=%s trouble=\"%s\"", lane_names[worker->lane],
                  store_trouble(worker->session));
    }
}

/* Remembers a job that began at `begun_ms` and that the store has failed, if it was a wait. */
static void note_wait_in_vain(struct worker *worker, int64_t begun_ms)
{
    int64_t now_ms = clock_monotonic_ms();
    if (now_ms - begun_ms > IN_VAIN_MS) {
        atomic_store(&worker->jobs->in_vain_ms, now_ms);
    }
}

static enum err run_job(struct worker *worker, struct job *job)
{
    int64_t begun_ms = clock_monotonic_ms();
    store_shut(worker->session, job->submitted_ms <= atomic_load(&worker->jobs->in_vain_ms));
    const struct jobs_settings *settings = &worker->jobs->settings;
    job->call = (struct call){.arena = job->arena,
                              .store = worker->session,
                              .settings = settings->settings,
                              .clock = settings->clock,
                              .attempts = settings->attempts,
                              .attendance = settings->attendance,
                              .chain = worker->chain,
                              .tokens = worker->tokens};
    enum err err = settings->run(job);
    store_shut(worker->session, false);
    assert(err == ERR_OK || (err == ERR_BUSY && job->lane != worker->lane));
    if (err == ERR_OK && job->err == ERR_STORE) {
        log_trouble(worker, "the store failed a job");
        note_wait_in_vain(worker, begun_ms);
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
static void move_job(struct jobs *jobs, struct job *job, struct job_list *done)
{
    if (!lane_push(jobs, job)) {
        fail_unseen(jobs, job, ERR_BUSY);
        list_push(done, job);
    }
}

static void run_singly(struct worker *worker, struct job_list *taken, struct job_list *done)
{
    struct job *job;
    while ((job = list_pop(taken)) != NULL) {
        enum err err = run_job(worker, job);
        if (job->err == ERR_STORE) {
            look_away(worker); /* the next one finds out for itself */
        }
        if (err == ERR_OK && job->call.first_note == NULL) {
            list_push(done, job);
            continue;
        }
        if (err == ERR_OK) {
            job->awaits_record = true;
            job->lane = LANE_WRITE;
        }
        move_job(worker->jobs, job, done);
    }
}

/* ---- A run -------------------------------------------------------------------------------- */

/* Runs one job of a run: what it leaves is either whole or nothing. */
static enum err run_marked(struct worker *worker, struct job *job, enum err *run_err)
{
    enum err err = store_mark(worker->session);
    if (job->awaits_record) {
        *run_err = *run_err != ERR_OK ? *run_err : err;
        return ERR_OK;
    }
    enum err outcome = run_job(worker, job);
    if (outcome == ERR_OK && job->err != ERR_OK) {
        call_forget_emissions(&job->call);
        enum err undo_err = store_undo(worker->session);
        err = err != ERR_OK ? err : undo_err;
    }
    *run_err = *run_err != ERR_OK ? *run_err : err;
    return outcome;
}

/* Writes what the jobs of a run have noted, within the run, behind the last job's mark. */
static enum err record(struct worker *worker, const struct job_list *run)
{
    TRY(store_mark(worker->session));
    for (struct job *job = run->first; job != NULL; job = job->next) {
        TRY(audit_chain_add(worker->chain, worker->session, &job->call));
    }
    return audit_chain_write(worker->chain, worker->session);
}

/* Ends a run: what it noted, and the commit. */
static enum err finish(struct worker *worker, const struct job_list *run, enum err err)
{
    if (err == ERR_OK) {
        err = record(worker, run);
    }
    if (err == ERR_OK) {
        err = store_commit(worker->session);
    } else {
        store_abandon(worker->session);
    }
    audit_chain_settle(worker->chain, err == ERR_OK);
    if (err != ERR_OK && err != ERR_BUSY) {
        log_trouble(worker, "a run was lost");
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
    while (err != ERR_BUSY && (job = list_pop(taken)) != NULL) {
        if (run_marked(worker, job, &err) == ERR_OK) {
            list_push(run, job);
        } else {
            move_job(worker->jobs, job, done);
        }
    }
    return finish(worker, run, err);
}

/* As if it had not been run. */
static void forget_outcome(struct job *job)
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
        forget_outcome(job);
    }
    list_append(run, taken);
    *taken = *run;
    *run = (struct job_list){.count = 0};
    TRY(store_begin(worker->session));
    return run_all(worker, taken, run, done);
}

/* Also what fails within a lost run is run: its answer must know the id of its call. */
static void run_then_commit(struct worker *worker, struct job_list *taken, struct job_list *done)
{
    struct jobs *jobs = worker->jobs;
    struct job *job;
    if (store_begin_hopeful(worker->session) != ERR_OK) {
        log_trouble(worker, "no run could be begun");
        while ((job = list_pop(taken)) != NULL) {
            fail_unseen(jobs, job, ERR_STORE);
            list_push(done, job);
        }
        return;
    }
    struct job_list run = {.count = 0};
    if (run_with_hope(worker, taken, &run, done) != ERR_OK) {
        for (job = run.first; job != NULL; job = job->next) {
            call_forget_emissions(&job->call);
            jobs->settings.fail(job, ERR_STORE);
        }
        while ((job = list_pop(taken)) != NULL) { /* it could not even be begun again */
            fail_unseen(jobs, job, ERR_STORE);
            list_push(&run, job);
        }
    }
    list_append(done, &run);
}

static void *worker_main(void *data)
{
    struct worker *worker = data;
    for (;;) {
        uint64_t came;
        struct job_list taken = lane_take(worker, &came);
        if (taken.first == NULL) {
            look_away(worker);
            return NULL;
        }
        struct job_list done = {.count = 0};
        if (worker->lane == LANE_WRITE) {
            run_then_commit(worker, &taken, &done);
        } else {
            if (worker->lane == LANE_READ) {
                look(worker, taken.first, came);
            }
            run_singly(worker, &taken, &done);
        }
        hand_back(worker->jobs, &done);
    }
}

/* ---- Starting and stopping ---------------------------------------------------------------- */

static enum err worker_start(struct jobs *jobs, enum lane lane, size_t take_max)
{
    struct worker *worker = &jobs->workers[jobs->worker_count];
    *worker = (struct worker){.jobs = jobs,
                              .lane = lane,
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

static enum err workers_start(struct jobs *jobs)
{
    const struct jobs_settings *settings = &jobs->settings;
    int writers_max = store_writers_max(settings->store);
    int writers = settings->writers < writers_max ? settings->writers : writers_max;
    size_t run_max = writers_max == 1 ? settings->run_max : 1;
    jobs->writers = writers;
    jobs->workers =
        memory_resize(NULL, (size_t)(settings->readers + writers + 1) * sizeof(struct worker));
    for (int i = 0; i < settings->readers; i++) {
        TRY(worker_start(jobs, LANE_READ, 1));
    }
    for (int i = 0; i < writers; i++) {
        TRY(worker_start(jobs, LANE_WRITE, run_max));
    }
    return worker_start(jobs, LANE_SLOW, 1);
}

static void name_node(char out[NODE_BYTES])
{
    char host[65] = "";
    if (gethostname(host, sizeof host - 1) != 0) {
        host[0] = '\0';
    }
    snprintf(out, NODE_BYTES, "node=%s pid=%ld version=" CONSULTD_VERSION, host, (long)getpid());
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
    jobs->settings.fail = settings->fail != NULL ? settings->fail : dispatch_fail;
    name_node(jobs->node);
    pthread_mutex_init(&jobs->finished_lock, NULL);
    for (size_t i = 0; i < LANE_COUNT; i++) {
        pthread_mutex_init(&jobs->lanes[i].lock, NULL);
        pthread_cond_init(&jobs->lanes[i].filled, NULL);
    }
    enum err err = workers_start(jobs);
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
    while ((job = list_pop(list)) != NULL) {
        job_free(jobs, job);
    }
}

void jobs_stop(struct jobs *jobs)
{
    if (jobs == NULL) {
        return;
    }
    for (size_t i = 0; i < LANE_COUNT; i++) {
        pthread_mutex_lock(&jobs->lanes[i].lock);
        jobs->lanes[i].is_stopping = true;
        pthread_cond_broadcast(&jobs->lanes[i].filled);
        pthread_mutex_unlock(&jobs->lanes[i].lock);
    }
    for (size_t i = 0; i < jobs->worker_count; i++) {
        pthread_join(jobs->workers[i].thread, NULL);
        token_cache_free(jobs->workers[i].tokens);
        audit_chain_free(jobs->workers[i].chain);
        store_session_close(jobs->workers[i].session);
    }
    for (size_t i = 0; i < LANE_COUNT; i++) {
        list_free(jobs, &jobs->lanes[i].waiting); /* moved to a lane that had ended already */
        pthread_mutex_destroy(&jobs->lanes[i].lock);
        pthread_cond_destroy(&jobs->lanes[i].filled);
    }
    list_free(jobs, &jobs->finished);
    pthread_mutex_destroy(&jobs->finished_lock);
    struct job *job;
    while ((job = list_pop(&jobs->kept)) != NULL) {
        job_destroy(job);
    }
    free(jobs->workers);
    free(jobs);
}

/* ---- The loop's side ---------------------------------------------------------------------- */

struct job *job_new(struct jobs *jobs, enum job_kind kind)
{
    struct job *job = list_pop(&jobs->kept);
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
    list_push(&jobs->kept, job);
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
    return jobs->writers == 1;
}
