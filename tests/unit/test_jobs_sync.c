/* What is told before, while and after a log is synced: the pool on a disk whose syncs are held. */
#include <semaphore.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support_pool.h"
#include "support_vfs.h"

#define JOBS_MAX 8

static sem_t has_run, may_run;

/* Job 0 waits until the others are behind it; each writes a user, or looks whether there is the first. */
static enum err run(struct job *job)
{
    if (job->length == 0) {
        sem_wait(&may_run);
    }
    if (job->lane == LANE_READ) {
        struct user user;
        job->err = store_get(job->call.store, job->arena, COLLECTION_USERS, oid_number(1), &user);
    } else {
        job->err = insert_user_in(job->call.store, (uint32_t)job->length + 1);
    }
    sem_post(&has_run);
    return ERR_OK;
}

/* A scene: a store in a file whose disk can be held, and a pool on it. */
struct scene {
    struct store_fixture *fixture;
    struct pool pool;
};

static void scene_open(struct scene *scene)
{
    vfs_install();
    scene->fixture = store_fixture_new(BACKEND_SQLITE_FILE);
    sem_init(&has_run, 0, 0);
    sem_init(&may_run, 0, 0);
    pool_start(&scene->pool, scene->fixture, run, JOBS_MAX, 1);
}

static void scene_close(struct scene *scene)
{
    pool_stop(&scene->pool);
    store_fixture_free(scene->fixture);
}

static void wait_for_runs(int count)
{
    for (int i = 0; i < count; i++) {
        sem_wait(&has_run);
    }
}

/* Two runs, of which the second is made while the first is being synced. */
static void begin_two_runs(struct pool *pool)
{
    vfs_hold_log_syncs(true);
    pool_submit(pool, LANE_WRITE, 0);
    pool_submit(pool, LANE_WRITE, 1);
    sem_post(&may_run);
    vfs_wait_for_held_sync();
    wait_for_runs(2);
}

/* The next job that comes back went well. */
static void expect_back(struct pool *pool, enum lane lane, size_t number)
{
    struct job *job = pool_take(pool);
    assert_int_equal(job->lane, lane);
    assert_int_equal(job->length, number);
    assert_int_equal(job->err, ERR_OK);
    job_free(pool->jobs, job);
}

static void nothing_is_told_before_it_is_on_disk_and_the_next_run_is_made_meanwhile(void **state)
{
    (void)state;
    struct scene scene;
    scene_open(&scene);
    begin_two_runs(&scene.pool);
    assert_null(jobs_collect(scene.pool.jobs));
    /* When the second of one reader has run, the first has been handed on. */
    pool_submit(&scene.pool, LANE_READ, 2);
    pool_submit(&scene.pool, LANE_READ, 3);
    wait_for_runs(2);
    assert_null(jobs_collect(scene.pool.jobs));
    vfs_hold_log_syncs(false);
    uint32_t writes = 0;
    for (size_t back = 0; back < 4; back++) {
        struct job *job = pool_take(&scene.pool);
        assert_int_equal(job->err, ERR_OK); /* the readers saw what the first run wrote */
        assert_true(back > 0 || job->lane == LANE_WRITE);
        if (job->lane == LANE_WRITE) {
            assert_int_equal(job->length, writes++);
        }
        job_free(scene.pool.jobs, job);
    }
    scene_close(&scene);
}

static void a_reader_waits_for_no_sync_of_what_it_cannot_have_seen(void **state)
{
    (void)state;
    struct scene scene;
    scene_open(&scene);
    sem_post(&may_run);
    pool_submit(&scene.pool, LANE_WRITE, 0);
    expect_back(&scene.pool, LANE_WRITE, 0);
    vfs_hold_log_syncs(true); /* nobody syncs now */
    pool_submit(&scene.pool, LANE_READ, 1);
    expect_back(&scene.pool, LANE_READ, 1);
    vfs_hold_log_syncs(false);
    scene_close(&scene);
}

static void stopping_ends_what_is_being_synced(void **state)
{
    (void)state;
    struct scene scene;
    scene_open(&scene);
    begin_two_runs(&scene.pool);
    vfs_hold_log_syncs(false);
    pool_stop(&scene.pool);
    assert_true(store_is_synced(scene.fixture->store));
    assert_int_equal(count_users(scene.fixture->session), 2);
    store_fixture_free(scene.fixture);
}

/* A process whose log cannot be synced; it must not live to tell anything. */
static void live_on_a_failing_disk(void)
{
    struct scene scene;
    scene_open(&scene);
    begin_two_runs(&scene.pool);
    vfs_set_sync_fails(true);
    vfs_hold_log_syncs(false);
    sem_wait(&scene.pool.woken); /* told */
    _exit(EXIT_SUCCESS);
}

static void a_log_that_cannot_be_synced_ends_the_process_untold(void **state)
{
    (void)state;
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
