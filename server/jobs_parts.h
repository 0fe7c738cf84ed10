/* Worker only, but where jobs.c says otherwise. What the files of the pool share: jobs.c has the lanes, the
 * single job and the run, jobs_batch.c what waits together for a store that has batches. */
#ifndef CONSULTD_SERVER_JOBS_PARTS_H
#define CONSULTD_SERVER_JOBS_PARTS_H

#include <pthread.h>
#include <stdatomic.h>

#include "server/jobs.h"

#define JOBS_NODE_BYTES 160
#define JOBS_MARKS 16384 /* hashes of senders, and of chats */
#define QUEUES_MAX 32    /* of LANE_WRITE */

/* ---- Lists -------------------------------------------------------------------------------- */

struct job_list {
    struct job *first, *last;
    size_t count;
};

void job_list_push(struct job_list *list, struct job *job);
/* NULL: it is empty. */
struct job *job_list_pop(struct job_list *list);
/* Puts all of `more` behind `list`, and empties it. */
void job_list_append(struct job_list *list, struct job_list *more);

/* ---- The pool ------------------------------------------------------------------------------ */

struct lane_queue {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct job_list waiting; /* lock */
    uint64_t came;           /* lock; how many jobs ever came here */
    size_t held;             /* lock; what the batching worker has taken and not begun */
    bool is_stopping;        /* lock */
    bool is_freed;           /* lock; a job that others may wait for is done */
};

/* What the workers of LANE_WRITE do. */
enum writing {
    WRITES_RUNS,    /* runs, one job or many */
    WRITES_BATCHES, /* batches, and hands on what is not for one */
    WRITES_REST     /* that, one by one */
};

struct worker {
    struct jobs *jobs;
    pthread_t thread;
    enum lane lane;
    enum writing writing;
    struct lane_queue *queue; /* where its jobs are; jobs_rest_main has `rest` */
    size_t take_max;          /* jobs of one commit */
    struct store_session *session;
    struct audit_chain *chain; /* LANE_WRITE: what its jobs note goes here */
    struct token_cache *tokens;
    int64_t logged_ms; /* when the store's trouble was last logged */
    bool looks;        /* LANE_READ: the session has a view, begun after... */
    uint64_t seen;     /* ...so many jobs had come to the lane */
};

struct jobs {
    struct jobs_settings settings;
    /* By lane, and behind them the other queues of LANE_WRITE: jobs_queue. */
    struct lane_queue lanes[LANE_COUNT + QUEUES_MAX - 1];
    unsigned queues; /* of LANE_WRITE: each has one worker that writes batches, or there is one */
    struct lane_queue rest; /* of LANE_WRITE: what is not for a batch */
    pthread_mutex_t finished_lock;
    struct job_list finished; /* finished_lock */
    struct worker *workers;
    size_t worker_count;
    int writers;       /* workers of LANE_WRITE */
    int rest_workers;  /* those of them that do the rest; 0: who writes batches does it, too */
    unsigned batching; /* loop only: workers that write batches and have not ended */
    bool has_batches;
    atomic_uint busy[JOBS_MARKS];  /* by sender: its jobs in `rest`, or with its workers */
    _Atomic int64_t in_vain_ms;    /* monotonic: when a job last had waited for the store in vain */
    char node[JOBS_NODE_BYTES];    /* this process, as a chain of the record names it */
    size_t pending;                /* loop only */
    struct job_list kept;          /* loop only: unused ones */
    struct sync_stage *sync_stage; /* jobs_sync.c */
};

/* ---- What jobs.c does for both -------------------------------------------------------------- */

/* A lane's queue; `number`: of LANE_WRITE, see jobs_queue_of. */
struct lane_queue *jobs_queue(struct jobs *jobs, enum lane lane, unsigned number);

/* Gives finished jobs to the loop; empties `done`. */
void jobs_hand_back(struct jobs *jobs, struct job_list *done);

/* Runs one job; in a batch its notes stay in its call. ERR_BUSY: it is for another lane. */
MUST_USE enum err jobs_run_one(struct worker *worker, struct job *job, bool is_in_batch);

/* Gives the job to its lane, or fails it if that is full. */
void jobs_move(struct jobs *jobs, struct job *job, struct job_list *done);

/* As if it had not been run. */
void jobs_forget_outcome(struct job *job);

/* What was run and not committed is told that the store failed. */
void jobs_lose(struct worker *worker, struct job_list *run);

/* Writes what the jobs have noted, behind all they did. */
MUST_USE enum err jobs_record(struct worker *worker, const struct job_list *run);

void jobs_log_trouble(struct worker *worker, const char *what);
/* Remembers work begun at `begun_ms` that the store has failed, if it was a wait. */
void jobs_note_wait_in_vain(struct worker *worker, int64_t begun_ms);
/* Whether the job was waiting when another waited for the store in vain: it fails unasked. */
bool jobs_waited_in_vain(struct jobs *jobs, const struct job *job);

/* A run of its own; empties `taken`. */
void jobs_run_then_commit(struct worker *worker, struct job_list *taken, struct job_list *done);

/* ---- jobs_sync.c ---------------------------------------------------------------------------- */

/* Gives finished jobs to the loop, in the order of these calls, when all that the worker can have written or seen is
 * on disk; empties `done`. */
void jobs_hand_back_synced(struct worker *worker, struct job_list *done);

/* Loop only: before the first worker starts, and after the last has ended. ERR_INTERNAL: no thread; nothing is
 * left then. Stopping hands back what still waits; NULL stage: nothing happens. */
MUST_USE enum err jobs_sync_start(struct jobs *jobs);
void jobs_sync_stop(struct jobs *jobs);

/* ---- jobs_batch.c --------------------------------------------------------------------------- */

/* What the threads of workers that write batches, and the rest, do until the pool stops. */
void jobs_batch_main(struct worker *worker);
void jobs_rest_main(struct worker *worker);

#endif
