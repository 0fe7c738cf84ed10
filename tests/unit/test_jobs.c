/* The pool of workers: a run that has to be run again, and what a job that reads sees. */
#include <setjmp.h>
#include <stdarg.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support_pool.h"

#define JOBS 8
#define FAILS 3 /* the job that writes and then fails */

static int times_run[JOBS];

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
    const struct account account = {ROLE_USER, oid_number(number + 1)};
    times_run[number]++;
    job->err = insert_user_in(job->call.store, number + 1);
    call_emit(&job->call, account, frame_of("{}"), 1, false);
    job->answer = frame_of(number == FAILS ? "failed" : "done");
    if (number == FAILS) {
        job->err = ERR_INTERNAL;
    }
    return ERR_OK;
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

/* Runs JOBS jobs as one run; each that comes back is looked at. */
static void run_all(struct store_fixture *f, enum err (*run_one)(struct job *),
                    void (*look_at)(const struct job *))
{
    struct pool pool;
    memset(times_run, 0, sizeof times_run);
    pool_start(&pool, f, run_one, JOBS, JOBS);
    pthread_mutex_lock(&gate);
    for (uint32_t i = 0; i < JOBS; i++) {
        pool_submit(&pool, LANE_WRITE, i);
    }
    pthread_mutex_unlock(&gate);
    for (uint32_t i = 0; i < JOBS; i++) {
        struct job *job = pool_take(&pool);
        assert_int_equal(job->length, i); /* in order, each once */
        look_at(job);
        job_free(pool.jobs, job);
    }
    pool_stop(&pool);
}

static void look_whether_one_failed(const struct job *job)
{
    bool fails = job->length == FAILS;
    assert_int_equal(job->err, fails ? ERR_INTERNAL : ERR_OK);
    assert_string_equal(frame_text(job->answer), fails ? "failed" : "done");
    assert_true((job->call.first_emission == NULL) == fails);
    assert_true(job->call.first_emission == NULL || job->call.first_emission->next == NULL);
}

static void a_run_in_which_a_job_has_to_be_taken_back_is_run_again(void **state)
{
    (void)state;
    struct store_fixture *f = store_fixture_new(BACKEND_SQLITE_MEMORY);
    run_all(f, run_behind_gate, look_whether_one_failed);
    for (uint32_t i = 0; i < JOBS; i++) {
        struct user user;
        assert_int_equal(
            store_get(f->session, f->arena, COLLECTION_USERS, oid_number(i + 1), &user),
            i == FAILS ? ERR_ABSENT : ERR_OK);
    }
    assert_true(times_run[FAILS] == 2 && times_run[JOBS - 1] == 1);
    store_fixture_free(f);
}

/* As `run`, but it doubts that the user is there; if it is, that is told. */
static enum err run_in_doubt(struct job *job)
{
    struct user user;
    enum err err = store_get_doubted(job->call.store, job->arena, COLLECTION_USERS,
                                     oid_number((uint32_t)job->length + 1), &user);
    if (err == ERR_ABSENT) {
        return run_behind_gate(job);
    }
    times_run[job->length]++;
    job->err = err;
    job->answer = frame_of("there");
    return ERR_OK;
}

static void look_whether_one_was_there(const struct job *job)
{
    bool was_there = job->length == FAILS;
    assert_int_equal(job->err, ERR_OK);
    assert_string_equal(frame_text(job->answer), was_there ? "there" : "done");
    assert_true((job->call.first_emission == NULL) == was_there);
}

static void who_has_doubted_what_is_there_is_run_again_alone(void **state)
{
    (void)state;
    struct store_fixture *f = store_fixture_new(BACKEND_SQLITE_MEMORY);
    const struct user there = {.id = oid_number(FAILS + 1), .open_id = "first"};
    assert_int_equal(store_insert(f->session, COLLECTION_USERS, &there), ERR_OK);
    run_all(f, run_in_doubt, look_whether_one_was_there);
    for (int i = 0; i < JOBS; i++) {
        assert_int_equal(times_run[i], i == FAILS ? 2 : 1);
    }
    struct user user;
    assert_int_equal(store_get(f->session, f->arena, COLLECTION_USERS, there.id, &user), ERR_OK);
    assert_string_equal(user.open_id, "first");
    store_fixture_free(f);
}

/* ---- What is seen --------------------------------------------------------------------------- */

static void insert_user(struct store_session *session, uint32_t number)
{
    assert_int_equal(insert_user_in(session, number), ERR_OK);
}

static void who_looks_sees_one_moment_until_it_looks_away(void **state)
{
    (void)state;
    struct store_fixture *f = store_fixture_new(BACKEND_SQLITE_FILE);
    struct store_session *reader = store_fixture_session(f, false);
    insert_user(f->session, 1);
    store_look(reader);
    insert_user(f->session, 2); /* it has not read yet */
    assert_int_equal(count_users(reader), 2);
    insert_user(f->session, 3);
    struct user user;
    assert_int_equal(count_users(reader), 2);
    assert_int_equal(store_get(reader, f->arena, COLLECTION_USERS, oid_number(3), &user),
                     ERR_ABSENT);
    store_look_away(reader);
    assert_int_equal(count_users(reader), 3);
    store_look(reader);
    assert_int_equal(count_users(reader), 3);
    store_session_close(reader);
    store_fixture_free(f);
}

static void in_memory_who_looks_is_in_nobodys_way(void **state)
{
    (void)state;
    struct store_fixture *f = store_fixture_new(BACKEND_SQLITE_MEMORY);
    struct store_session *reader = store_fixture_session(f, false);
    store_look(reader);
    assert_int_equal(count_users(reader), 0);
    insert_user(f->session, 1);
    assert_int_equal(count_users(reader), 1);
    store_look_away(reader);
    store_session_close(reader);
    store_fixture_free(f);
}

#define SIGHTS 4
#define WRITES_BETWEEN 1 /* the job during which somebody else writes */

static struct store_session *somebody_else;
static sem_t has_begun, is_written, last_came;
static int64_t seen[SIGHTS];

/* Counts the users; the first waits until the others wait behind it. */
static enum err count_behind_gate(struct job *job)
{
    if (job->length == 0) {
        sem_post(&has_begun);
        pthread_mutex_lock(&gate);
        pthread_mutex_unlock(&gate);
    }
    seen[job->length] = count_users(job->call.store);
    if (job->length == WRITES_BETWEEN) {
        insert_user(somebody_else, 1);
        sem_post(&is_written);
        sem_wait(&last_came);
    }
    return ERR_OK;
}

static void a_job_sees_what_was_there_when_it_came(void **state)
{
    (void)state;
    struct store_fixture *f = store_fixture_new(BACKEND_SQLITE_FILE);
    somebody_else = f->session;
    sem_init(&has_begun, 0, 0);
    sem_init(&is_written, 0, 0);
    sem_init(&last_came, 0, 0);
    struct pool pool;
    pool_start(&pool, f, count_behind_gate, SIGHTS, 1);
    pthread_mutex_lock(&gate);
    pool_submit(&pool, LANE_READ, 0);
    sem_wait(&has_begun); /* its view was begun before the others came */
    for (uint32_t i = 1; i < SIGHTS - 1; i++) {
        pool_submit(&pool, LANE_READ, i);
    }
    pthread_mutex_unlock(&gate);
    sem_wait(&is_written);
    pool_submit(&pool, LANE_READ, SIGHTS - 1); /* while the others wait or are run */
    sem_post(&last_came);
    for (int i = 0; i < SIGHTS; i++) {
        struct job *job = pool_take(&pool);
        assert_int_equal(job->err, ERR_OK);
        job_free(pool.jobs, job);
    }
    pool_stop(&pool);
    assert_int_equal(seen[0], 0);
    assert_int_equal(seen[WRITES_BETWEEN], 0);
    assert_int_equal(seen[WRITES_BETWEEN + 1], 0); /* it had come before: the view is shared */
    assert_int_equal(seen[SIGHTS - 1], 1);
    sem_destroy(&has_begun);
    sem_destroy(&is_written);
    sem_destroy(&last_came);
    store_fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_looks_sees_one_moment_until_it_looks_away),
        cmocka_unit_test(in_memory_who_looks_is_in_nobodys_way),
        cmocka_unit_test(a_job_sees_what_was_there_when_it_came),
        cmocka_unit_test(a_run_in_which_a_job_has_to_be_taken_back_is_run_again),
        cmocka_unit_test(who_has_doubted_what_is_there_is_run_again_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
