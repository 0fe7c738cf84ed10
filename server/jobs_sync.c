/* Handing back behind the sync, where a store can commit before its log is on disk (SQLite).
 *
 *     writer  | run 1 | run 2       | run 3       |
 *     syncer          | sync of 1   | sync of 2 … |
 *     loop                          | told: 1     |
 *
 * The writer gives a run that it has committed to the syncer's thread and makes the next one meanwhile. The
 * syncer takes all that was given to it, syncs once, and hands it to the loop in that order. What
 * readers have read goes the same way, if some of it may not be on disk: nothing is told, of a message or
 * of a list that has it, that a power cut could still take back. Where nobody waits behind a run the writer
 * syncs by itself, which saves waking a thread.
 *
 * A log that cannot be synced ends the process. What was committed is seen by others already, the system may
 * have dropped what it could not write, and it tells so once only: the next process reads what is there. Nothing of it
 * was told. */
#include <stdlib.h>
#include <unistd.h>

#include "protocol/memory.h"
#include "server/jobs_parts.h"
#include "server/log.h"

struct sync_stage {
    struct jobs *jobs;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct job_list behind; /* lock; waits for the next sync */
    bool
        is_syncing; /* lock; somebody syncs, or hands back what is synced: one at a time, for the order */
    bool is_stopping; /* lock */
};

static void sync_or_end(struct store *store)
{
    if (store_sync(store) != ERR_OK) {
        log_error(
            "the store's log cannot be synced: nobody knows what is on disk, so this process ends",
            NULL);
        _exit(EXIT_FAILURE);
    }
}

/* Syncs and hands back; called with the lock, which it lets go meanwhile. */
static void sync_and_hand_back(struct sync_stage *stage, struct job_list *done)
{
    stage->is_syncing = true;
    pthread_mutex_unlock(&stage->lock);
    sync_or_end(stage->jobs->settings.store);
    jobs_hand_back(stage->jobs, done);
    pthread_mutex_lock(&stage->lock);
    stage->is_syncing = false;
}

static void *sync_main(void *data)
{
    struct sync_stage *stage = data;
    pthread_mutex_lock(&stage->lock);
    for (;;) {
        while (stage->is_syncing || (stage->behind.first == NULL && !stage->is_stopping)) {
            pthread_cond_wait(&stage->changed, &stage->lock);
        }
        if (stage->behind.first == NULL) {
            break;
        }
        struct job_list done = {.count = 0};
        job_list_append(&done, &stage->behind);
        sync_and_hand_back(stage, &done);
    }
    pthread_mutex_unlock(&stage->lock);
    return NULL;
}

/* Whether more has come for the worker to do. */
static bool has_more(struct worker *worker)
{
    pthread_mutex_lock(&worker->queue->lock);
    const bool has_more = worker->queue->waiting.first != NULL;
    pthread_mutex_unlock(&worker->queue->lock);
    return has_more;
}

void jobs_hand_back_synced(struct worker *worker, struct job_list *done)
{
    struct sync_stage *stage = worker->jobs->sync_stage;
    struct store *store = worker->jobs->settings.store;
    const bool writes = worker->lane == LANE_WRITE;
    if (done->first == NULL) {
        return;
    }
    if (!writes && store_is_synced(store)) {
        jobs_hand_back(worker->jobs, done);
        return;
    }
    const bool may_sync = writes && (store_is_synced(store) || !has_more(worker));
    pthread_mutex_lock(&stage->lock);
    if (may_sync && stage->behind.first == NULL && !stage->is_syncing) {
        sync_and_hand_back(stage, done);
    } else {
        job_list_append(&stage->behind, done);
    }
    const bool is_waited_for = stage->behind.first != NULL;
    pthread_mutex_unlock(&stage->lock);
    if (is_waited_for) {
        pthread_cond_signal(&stage->changed);
    }
}

enum err jobs_sync_start(struct jobs *jobs)
{
    struct sync_stage *stage = memory_resize(NULL, sizeof(*stage));
    *stage = (struct sync_stage){.jobs = jobs};
    pthread_mutex_init(&stage->lock, NULL);
    pthread_cond_init(&stage->changed, NULL);
    if (pthread_create(&stage->thread, NULL, sync_main, stage) != 0) {
        pthread_cond_destroy(&stage->changed);
        pthread_mutex_destroy(&stage->lock);
        free(stage);
        return ERR_INTERNAL;
    }
    jobs->sync_stage = stage;
    return ERR_OK;
}

void jobs_sync_stop(struct jobs *jobs)
{
    struct sync_stage *stage = jobs->sync_stage;
    if (stage == NULL) {
        return;
    }
    pthread_mutex_lock(&stage->lock);
    stage->is_stopping = true;
    pthread_cond_signal(&stage->changed);
    pthread_mutex_unlock(&stage->lock);
    pthread_join(stage->thread, NULL);
    pthread_cond_destroy(&stage->changed);
    pthread_mutex_destroy(&stage->lock);
    free(stage);
    jobs->sync_stage = NULL;
}
