/* A pool whose jobs come back to the test one by one (see the header). */
#include "support_pool.h"

static void wake(void *data)
{
    struct pool *pool = data;
    sem_post(&pool->woken);
}

static void note_failure(struct job *job, enum err err)
{
    job->err = err;
}

void pool_start(struct pool *pool, struct store_fixture *fixture, enum err (*run)(struct job *),
                size_t lane_max, size_t run_max)
{
    const struct jobs_settings settings = {.store = fixture->store,
                                           .readers = 1,
                                           .writers = 1,
                                           .lane_max = lane_max,
                                           .run_max = run_max,
                                           .wake = wake,
                                           .wake_data = pool,
                                           .run = run,
                                           .fail = note_failure};
    pool->back = NULL;
    assert_int_equal(sem_init(&pool->woken, 0, 0), 0);
    assert_int_equal(jobs_start(&settings, &pool->jobs), ERR_OK);
}

void pool_stop(struct pool *pool)
{
    assert_null(pool->back);
    jobs_stop(pool->jobs);
    sem_destroy(&pool->woken);
}

void pool_submit(struct pool *pool, enum lane lane, uint32_t number)
{
    struct job *job = job_new(pool->jobs, JOB_FRAME);
    job->lane = lane;
    job->length = number;
    assert_int_equal(jobs_submit(pool->jobs, job), ERR_OK);
}

struct job *pool_take(struct pool *pool)
{
    while (pool->back == NULL) {
        sem_wait(&pool->woken);
        pool->back = jobs_collect(pool->jobs);
    }
    struct job *job = pool->back;
    pool->back = job->next;
    job->next = NULL;
    return job;
}
