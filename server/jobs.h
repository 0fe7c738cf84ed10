/* Work between the loop and the workers: lanes of jobs, run-then-commit, and the way back.
 *
 * The loop wraps raw bytes into a job and submits it; a worker of the lane runs it and hands it
 * back; the loop collects. A job is owned by one side at a time and moves whole. A WRITE worker
 * takes all waiting jobs (up to settings), runs each in turn within one open run of the store,
 * commits once, and only then hands all of them back, in order: nothing is answered or pushed
 * before it is durable. If the commit fails every answer of the run becomes ERR_STORE and no
 * event leaves. With MongoDB a run is one job, and jobs that are alike share a batch (jobs_batch.c). What a job notes for the record (api/audit.h) is written within the run; a job of
 * another lane that has noted something goes through the WRITE lane for that, with its answer.
 * See ARCHITECTURE.md, "Life of a message".
 *
 * A store that hangs makes nobody wait in line for his own turn to wait: what was waiting while a
 * job waited for the store in vain fails with it, so that no answer takes longer than that one.
 *
 * Locks: one for each queue, one for the list of finished jobs, one in jobs_sync.c; never two at a time. */
#ifndef CONSULTD_SERVER_JOBS_H
#define CONSULTD_SERVER_JOBS_H

#include "server/call.h"
#include "server/route.h"

/* A connection as a worker may know it: never a pointer. generation 0: nobody. */
struct conn_handle {
    uint32_t slot;
    uint32_t generation;
};

enum job_kind {
    JOB_REST,    /* a request body for `route` */
    JOB_FRAME,   /* a text frame of a socket */
    JOB_RESUME,  /* replay for a socket that is signed in and subscribed */
    JOB_REPAIR,  /* the same for an account whose bus lost time: items since `cursor_rev` */
    JOB_CHECK,   /* which of the accounts `asked` have anything new since `cursor_rev` */
    JOB_MISSING, /* of the chats `asks`: what a socket that is live was not told */
    JOB_DUTY     /* the server's own work: see enum duty */
};

enum duty {
    DUTY_COUNT,    /* the invariants, for a connection; READ */
    DUTY_PING,     /* whether the store is there; for a connection; WRITE */
    DUTY_PRESENCE, /* notes who came and left, and tells it; READ */
    DUTY_SWEEP     /* the sweeper: starts in SLOW, where providers are asked, goes on in WRITE */
};

/* What a JOB_FRAME tells the loop to do with the connection besides sending the answer. */
enum verdict {
    VERDICT_GO_ON,
    VERDICT_SIGN_IN, /* `who` is proven: register, subscribe, then JOB_RESUME */
    VERDICT_RENEW,   /* the same account with a newer token */
    VERDICT_CLOSE    /* send the answer, then close with close_code */
};

/* How a job of the WRITE lane is run where the store has batches. */
enum way { WAY_UNKNOWN, WAY_BATCH, WAY_ALONE };

/* What became of it when its batch was run in memory. */
enum batch_state {
    BATCH_HOLDS, /* it is written with it */
    BATCH_TELLS, /* it failed; only its answer has to wait */
    BATCH_LEFT   /* it is as if it had not been run */
};

/* A frame's call, parsed and bound before a worker has it. It never changes: a job that is run
 * again, or goes on in another lane, uses it again. */
struct ready_call {
    const struct route *route;
    const void *in;      /* of route->in; the job's arena, as all in it */
    const char *id_json; /* the client's id; NULL: no answer is due */
};

struct job {
    struct job *next;
    enum job_kind kind;
    enum duty duty; /* JOB_DUTY */
    enum lane lane;
    struct conn_handle from;
    int64_t submitted_ms; /* monotonic */
    uint64_t place;       /* in its lane: how many had come there with it */
    /* In. */
    const struct route *route; /* JOB_REST */
    char *body;                /* owned; `length` bytes, may be NULL */
    size_t length;
    char *token;               /* owned; of the Authorization header, or NULL */
    char *headers;             /* owned; JOB_REST: see struct raw_request; NULL none */
    struct caller who;         /* of a socket that is signed in */
    const char *cursor;        /* JOB_RESUME: arena; NULL none */
    const char *id_json;       /* JOB_RESUME: arena; the connect call's id, NULL none */
    int64_t cursor_rev;        /* JOB_REPAIR, JOB_CHECK, JOB_MISSING */
    struct oid_list asked;     /* JOB_CHECK: arena; accounts, all of the role of `who` */
    struct in_order_ask *asks; /* JOB_MISSING: arena; in_order.h */
    size_t ask_count;
    int64_t fanned_out_rev;     /* JOB_RESUME: the newest stamp the loop had fanned out */
    struct online_work *online; /* DUTY_PRESENCE: arena; api/online.h */
    bool wants_known;           /* JOB_RESUME: fill `known`, the bus may lose events */
    /* Between. */
    struct arena *arena;    /* owned; lives with the job */
    bool awaits_record;     /* done in another lane; only its notes are still to be written */
    unsigned queue;         /* of LANE_WRITE: as jobs_queue_of says */
    enum way way;           /* jobs_batch.c */
    struct oid chat;        /* WAY_BATCH: the one it is about, most likely */
    int batches;            /* those that it has left in order to be in another one */
    enum batch_state state; /* of the batch that is being made */
    size_t number;          /* BATCH_HOLDS: its number there */
    const void *chat_place; /* arena; that a batch took in vain, see call.h */
    const void *carried;    /* arena; from one lane to the next, see call.h */
    enum err err;
    const int64_t *counts; /* DUTY_COUNT: arena; of each invariant */
    /* JOB_FRAME: arena; see dispatch_prepare. NULL: a worker has to parse it. */
    const struct ready_call *ready;
    /* Out. */
    struct call call; /* made by jobs.c before it is run; its emissions are the events to fan out */
    int status;       /* HTTP */
    struct frame *answer; /* NULL: none is due */
    enum verdict verdict;
    int close_code;
    struct emission *replay; /* JOB_RESUME, JOB_REPAIR, JOB_MISSING: for this socket or account */
    struct emission *known;  /* JOB_RESUME: what a client that reloads its lists will find */
    const bool *has_news;    /* JOB_CHECK: arena; one for each of `asked` */
};

struct jobs;
struct in_order_ask; /* in_order.h */
struct online_work;  /* api/online.h */
struct worker;

/* What the pool needs to know of the program. */
struct jobs_settings {
    struct store *store;
    const struct settings *settings;
    struct clock *clock;
    struct attempts *attempts;
    struct attendance *attendance;
    int readers;          /* threads of LANE_READ, 1 or more */
    int writers;          /* of LANE_WRITE, at most store_writers_max */
    size_t lane_max;      /* jobs waiting per lane (shared by its queues); more is ERR_BUSY */
    size_t run_max;       /* jobs of one commit */
    void (*wake)(void *); /* called from workers: makes the loop call jobs_collect */
    void *wake_data;
    /* What is done with a job; NULL: dispatch_run and dispatch_fail. For tests of the pool. */
    enum err (*run)(struct job *);
    bool (*chat_of)(const struct job *,
                    struct oid *); /* as dispatch_guess_chat; NULL: no batches */
    void (*fail)(struct job *, enum err);
};

/* Loop only, all below. Starts the threads. ERR_STORE if a session cannot be opened, ERR_INTERNAL
 * if a thread cannot be started; nothing is left then. */
MUST_USE enum err jobs_start(const struct jobs_settings *settings, struct jobs **out);

/* A new job with an arena, or one used before. Never NULL. */
struct job *job_new(struct jobs *jobs, enum job_kind kind);
/* Gives it back: drops frames, frees what it owns, resets the arena. */
void job_free(struct jobs *jobs, struct job *job);

/* Hands a job over to its lane. ERR_BUSY: the lane is full, the job is still the caller's. */
MUST_USE enum err jobs_submit(struct jobs *jobs, struct job *job);

/* Takes all finished jobs, oldest first, linked by `next`; NULL: none. */
struct job *jobs_collect(struct jobs *jobs);

/* Jobs submitted and not yet collected. */
size_t jobs_pending(const struct jobs *jobs);

/* Which queue of LANE_WRITE a call belongs to, by a look at the chat that it names: those of a chat share one.
 * 0 for all where the store has no batches. */
unsigned jobs_queue_of(const struct jobs *jobs, const char *text, size_t length);

/* Whether jobs of one queue of LANE_WRITE, of one connection, are run and handed back in the order in which they
 * are submitted. */
bool jobs_keep_order(const struct jobs *jobs);

/* Waits for the workers to finish what they have, then stops them and frees all. */
void jobs_stop(struct jobs *jobs);

/* ---- What a worker does with one job: dispatch.c ------------------------------------------- */

/* A frame of at most so many bytes is parsed by the loop, a larger one by a worker: parsing the worst
 * of them takes the loop no longer than a look at a frame of `body_max` bytes. */
#define FRAME_READY_MAX 4096

/* Loop only. Finds the lane of a JOB_FRAME, whose body is there; and if it calls a row of the table
 * with fields that are right, makes it ready (job->ready). What is wrong with any other is found,
 * and told, by a worker in its turn. The lane of what is larger than FRAME_READY_MAX, or not sound,
 * is guessed by a look at its `call` without parsing it; a worker corrects a wrong guess. The guess
 * is LANE_READ also where it cannot be sure, so that LANE_WRITE is hardly ever wrong (ws.c).
 * `scratch` is reset. */
void dispatch_prepare(struct job *job, struct arena *scratch);

/* Worker only. Parses, checks, runs the handler, encodes the answer: fills the job's out part.
 * Called within store_begin/mark in LANE_WRITE. May set job->lane to another lane and return
 * ERR_BUSY: the job was in the wrong one and is to be handed over (a guess of the loop was
 * wrong). Any other outcome, also a failed handler, is ERR_OK with job->err set. */
MUST_USE enum err dispatch_run(struct job *job);

/* Worker only. Turns the outcome into a failure (the commit failed). */
void dispatch_fail(struct job *job, enum err err);

/* Any thread. Whether a job of LANE_WRITE may share a batch (store.h): it sends a message, not as a doctor,
 * or marks a chat as read. *chat is the chat it names, by a look at its bytes without parsing them; the
 * store finds out if that was wrong. */
bool dispatch_guess_chat(const struct job *job, struct oid *chat);

/* Any thread. The id behind the first "chatId" of a call. False: there is none. */
bool dispatch_find_chat(const char *text, size_t length, struct oid *chat);

#endif
