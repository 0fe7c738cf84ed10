/* Test's thread only. A pool of one reader and one writer for tests of the pool: a function of the test runs its jobs. */
#ifndef CONSULTD_TESTS_SUPPORT_POOL_H
#define CONSULTD_TESTS_SUPPORT_POOL_H

#include <semaphore.h>

#include "server/jobs.h"
#include "support_store.h"

struct pool {
    struct jobs *jobs;
    sem_t woken;      /* posted for each time that the loop would be woken */
    struct job *back; /* have come back and were not taken */
};

/* A pool on the fixture's store. A job that is failed has the err, and no answer. */
void pool_start(struct pool *pool, struct store_fixture *fixture, enum err (*run)(struct job *),
                size_t lane_max, size_t run_max);
void pool_stop(struct pool *pool);

/* A job of a lane; `number` is its length, by which the test knows it. */
void pool_submit(struct pool *pool, enum lane lane, uint32_t number);

/* The next job that comes back, waiting for it. Free it with job_free. */
struct job *pool_take(struct pool *pool);

#endif
