/* The pool of workers: a run that has to be run again. */
#include <setjmp.h>
#include <stdarg.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/clock.h"
#include "server/config.h"
#include "server/jobs.h"
#include "support_store.h"

#define JOBS 8
#define FAILS 3 /* the job that writes and then fails */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t woken = PTHREAD_COND_INITIALIZER;
static bool is_woken;
static int times_run[JOBS];

static void wake(void *data)
{
    (void)data;
    pthread_mutex_lock(&lock);
    is_woken = true;
    pthread_cond_signal(&woken);
    pthread_mutex_unlock(&lock);
}

static void wait_for_wake(void)
{
    pthread_mutex_lock(&lock);
    while (!is_woken) {
        pthread_cond_wait(&woken, &lock);
    }
    is_woken = false;
    pthread_mutex_unlock(&lock);
}

static struct frame *frame_of(const char *text)
{
    struct strbuf buffer;
    strbuf_init(&buffer, FRAME_ROOM);
    strbuf_add_text(&buffer, text);
    return frame_take(&buffer);
}

/* Inserts a user of the job's number, tells somebody, and answers; one fails after all that. */
static enum err run(struct job *job)
{
    uint32_t number = (uint32_t)job->length;
    const struct user user = {.id = oid_number(number + 1), .open_id = "x"};
    times_run[number]++;
    job->err = store_insert(job->call.store, COLLECTION_USERS, &user);
    call_emit(&job->call, (struct account){ROLE_USER, user.id}, frame_of("{}"), 1, false);
    job->answer = frame_of(number == FAILS ? "failed" : "done");
    if (number == FAILS) {
        job->err = ERR_INTERNAL;
    }
    return ERR_OK;
}

static struct job *new_job(struct jobs *jobs, uint32_t number)
{
    struct job *job = job_new(jobs, JOB_FRAME);
    job->lane = LANE_WRITE;
    job->length = number;
    return job;
}

/* The first job holds the worker until the others wait behind it, so that they are one run. */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static enum err run_behind_gate(struct job *job)
{
    if (job->length == 0 && times_run[0] == 0) {
        pthread_mutex_lock(&gate);
        pthread_mutex_unlock(&gate);
    }
    return run(job);
}

static void note_failure(struct job *job, enum err err)
{
    job->err = err;
}

static void a_run_in_which_a_job_has_to_be_taken_back_is_run_again(void **state)
{
    (void)state;
    struct store_fixture *f = store_fixture_new(BACKEND_SQLITE_MEMORY);
    struct jobs_settings settings = {.store = f->store,
                                     .readers = 1,
                                     .writers = 1,
                                     .lane_max = JOBS,
                                     .run_max = JOBS,
                                     .wake = wake,
                                     .run = run_behind_gate,
                                     .fail = note_failure};
    struct jobs *jobs;
    assert_int_equal(jobs_start(&settings, &jobs), ERR_OK);
    pthread_mutex_lock(&gate);
    for (uint32_t i = 0; i < JOBS; i++) {
        assert_int_equal(jobs_submit(jobs, new_job(jobs, i)), ERR_OK);
    }
    pthread_mutex_unlock(&gate);
    uint32_t next = 0;
    while (next < JOBS) {
        wait_for_wake();
        for (struct job *job = jobs_collect(jobs), *after; job != NULL; job = after) {
            after = job->next;
            job->next = NULL;
            assert_int_equal(job->length, next); /* in order, each once */
            assert_int_equal(job->err, next == FAILS ? ERR_INTERNAL : ERR_OK);
            assert_string_equal(frame_text(job->answer), next == FAILS ? "failed" : "done");
            assert_true((job->call.first_emission == NULL) == (next == FAILS));
            assert_true(job->call.first_emission == NULL || job->call.first_emission->next == NULL);
            job_free(jobs, job);
            next++;
        }
    }
    jobs_stop(jobs);
    for (uint32_t i = 0; i < JOBS; i++) {
        struct user user;
        assert_int_equal(
            store_get(f->session, f->arena, COLLECTION_USERS, oid_number(i + 1), &user),
            i == FAILS ? ERR_ABSENT : ERR_OK);
    }
    assert_true(times_run[FAILS] == 2 && times_run[JOBS - 1] == 1);
    store_fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_in_which_a_job_has_to_be_taken_back_is_run_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
