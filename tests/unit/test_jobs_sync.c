/* What is told before, while and after a log is synced: the pool on a disk whose syncs are held. */
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/jobs.h"
#include "support_store.h"
#include "support_vfs.h"

#define JOBS_MAX 8
#define READS 100 /* numbers of jobs that read begin here */

static sem_t woken, has_run, may_run;

static void wake(void *data)
{
    (void)data;
    sem_post(&woken);
}

static void note_failure(struct job *job, enum err err)
{
    job->err = err;
}

/* Job 0 waits until the others are behind it; each writes a user, or looks whether there is one. */
static enum err run(struct job *job)
{
    const uint32_t number = (uint32_t)job->length;
    if (number == 0) {
        sem_wait(&may_run);
    }
    if (number >= READS) {
        struct user user;
        job->err = store_get(job->call.store, job->arena, COLLECTION_USERS, oid_number(1), &user);
    } else {
        job->err = insert_user_in(job->call.store, number + 1);
    }
    sem_post(&has_run);
    return ERR_OK;
}

static void submit(struct jobs *jobs, uint32_t number)
{
    struct job *job = job_new(jobs, JOB_FRAME);
    job->lane = number >= READS ? LANE_READ : LANE_WRITE;
    job->length = number;
    assert_int_equal(jobs_submit(jobs, job), ERR_OK);
}

static struct jobs *start(struct store_fixture *f)
{
    struct jobs_settings settings = {.store = f->store,
                                     .readers = 1,
                                     .writers = 1,
                                     .lane_max = JOBS_MAX,
                                     .run_max = 1,
                                     .wake = wake,
                                     .run = run,
                                     .fail = note_failure};
    struct jobs *jobs;
    sem_init(&woken, 0, 0);
    sem_init(&has_run, 0, 0);
    sem_init(&may_run, 0, 0);
    assert_int_equal(jobs_start(&settings, &jobs), ERR_OK);
    return jobs;
}

/* The next jobs that come back have these numbers. */
static void expect_back(struct jobs *jobs, const uint32_t *numbers, size_t count)
{
    size_t next = 0;
    while (next < count) {
        sem_wait(&woken);
        for (struct job *job = jobs_collect(jobs), *after; job != NULL; job = after) {
            after = job->next;
            job->next = NULL;
            assert_true(next < count);
            assert_int_equal(job->length, numbers[next++]);
            assert_int_equal(job->err, ERR_OK);
            job_free(jobs, job);
        }
    }
}

static void wait_for_runs(int count)
{
    for (int i = 0; i < count; i++) {
        sem_wait(&has_run);
    }
}

/* Two runs, of which the second is made while the first is being synced. */
static void begin_two_runs(struct jobs *jobs)
{
    vfs_hold_log_syncs(true);
    submit(jobs, 0);
    submit(jobs, 1);
    sem_post(&may_run);
    vfs_wait_for_held_sync();
    wait_for_runs(2);
}

static void nothing_is_told_before_it_is_on_disk_and_the_next_run_is_made_meanwhile(void **state)
{
    (void)state;
    vfs_install();
    struct store_fixture *f = store_fixture_new(BACKEND_SQLITE_FILE);
    struct jobs *jobs = start(f);
    begin_two_runs(jobs);
    assert_null(jobs_collect(jobs));
    /* When the second of one reader has run, the first has been handed on. */
    submit(jobs, READS);
    submit(jobs, READS + 1);
    wait_for_runs(2);
    assert_null(jobs_collect(jobs));
    vfs_hold_log_syncs(false);
    struct job *job = NULL;
    size_t back = 0;
    uint32_t last_write = 0;
    while (back < 4) {
        sem_wait(&woken);
        for (job = jobs_collect(jobs); job != NULL; back++) {
            struct job *after = job->next;
            job->next = NULL;
            assert_int_equal(job->err, ERR_OK); /* the readers saw what the first run wrote */
            assert_true(back > 0 || job->length == 0);
            if (job->length < READS) {
                assert_true(job->length >= last_write);
                last_write = (uint32_t)job->length;
            }
            job_free(jobs, job);
            job = after;
        }
    }
    jobs_stop(jobs);
    store_fixture_free(f);
}

static void a_reader_waits_for_no_sync_of_what_it_cannot_have_seen(void **state)
{
    (void)state;
    vfs_install();
    struct store_fixture *f = store_fixture_new(BACKEND_SQLITE_FILE);
    struct jobs *jobs = start(f);
    sem_post(&may_run);
    submit(jobs, 0);
    expect_back(jobs, (const uint32_t[]){0}, 1);
    vfs_hold_log_syncs(true); /* nobody syncs now */
    submit(jobs, READS);
    expect_back(jobs, (const uint32_t[]){READS}, 1);
    vfs_hold_log_syncs(false);
    jobs_stop(jobs);
    store_fixture_free(f);
}

static void stopping_ends_what_is_being_synced(void **state)
{
    (void)state;
    vfs_install();
    struct store_fixture *f = store_fixture_new(BACKEND_SQLITE_FILE);
    struct jobs *jobs = start(f);
    begin_two_runs(jobs);
    vfs_hold_log_syncs(false);
    jobs_stop(jobs);
    assert_true(store_is_synced(f->store));
    assert_int_equal(count_users(f->session), 2);
    store_fixture_free(f);
}

/* A process whose log cannot be synced; it must not live to tell anything. */
static void live_on_a_failing_disk(void)
{
    struct store_fixture *f = store_fixture_new(BACKEND_SQLITE_FILE);
    struct jobs *jobs = start(f);
    begin_two_runs(jobs);
    vfs_set_sync_fails(true);
    vfs_hold_log_syncs(false);
    sem_wait(&woken); /* told */
    _exit(EXIT_SUCCESS);
}

static void a_log_that_cannot_be_synced_ends_the_process_untold(void **state)
{
    (void)state;
    vfs_install();
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        live_on_a_failing_disk();
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), EXIT_FAILURE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_told_before_it_is_on_disk_and_the_next_run_is_made_meanwhile),
        cmocka_unit_test(a_reader_waits_for_no_sync_of_what_it_cannot_have_seen),
        cmocka_unit_test(stopping_ends_what_is_being_synced),
        cmocka_unit_test(a_log_that_cannot_be_synced_ends_the_process_untold),
    };
    return cmocka_run_group_tests_name("jobs_sync", tests, NULL, NULL);
}
