/* The failing fake: it fails at the call it was told, and is the store it wraps in all others. */
#include "support_fake_store.h"
#include "support_store.h"

#include <stdio.h>
#include <string.h>

struct faked {
    struct store *store;
    struct store_session *session;
    struct arena *arena;
};

static int faked_setup(void **state)
{
    static struct faked faked;
    const struct store_settings settings = {.url = "sqlite::memory:"};
    char why[256];
    struct store *inner = NULL;
    assert_int_equal(store_open(&settings, &inner, why), ERR_OK);
    faked.store = fake_store_wrap(inner);
    faked.arena = arena_new(4096);
    assert_int_equal(store_session_open(faked.store, true, &faked.session), ERR_OK);
    *state = &faked;
    return 0;
}

static int faked_teardown(void **state)
{
    struct faked *f = *state;
    store_session_close(f->session);
    store_close(f->store);
    arena_free(f->arena);
    return 0;
}

static enum err insert_user(struct faked *f, uint32_t number)
{
    return insert_user_in(f->session, number);
}

/* Counts without being counted. */
static int64_t users(struct faked *f)
{
    fake_store_fail_at(f->store, 0);
    return count_users(f->session);
}

static void a_fake_that_is_not_told_to_fail_is_the_store_it_wraps(void **state)
{
    struct faked *f = *state;
    assert_int_equal(strlen(store_id(f->store)), 16);
    assert_true(store_is_ordered(f->store));
    assert_ptr_equal(store_of_session(f->session), f->store);
    assert_int_equal(insert_user(f, 1), ERR_OK);
    assert_int_equal(insert_user(f, 1), ERR_DUPLICATE);
    assert_int_equal(fake_store_calls(f->store), 2);
    assert_int_equal(users(f), 1);
}

static void only_the_call_that_was_told_fails(void **state)
{
    struct faked *f = *state;
    fake_store_fail_at(f->store, 2);
    assert_int_equal(insert_user(f, 1), ERR_OK);
    assert_int_equal(insert_user(f, 2), ERR_STORE);
    assert_string_not_equal(store_trouble(f->session), "");
    assert_int_equal(insert_user(f, 3), ERR_OK);
    assert_int_equal(users(f), 2);
}

static void a_lost_answer_is_a_failure_that_happened(void **state)
{
    struct faked *f = *state;
    fake_store_fail_how(f->store, FAKE_LOSES_ANSWER, 1);
    assert_int_equal(insert_user(f, 1), ERR_STORE);
    assert_int_equal(insert_user(f, 1), ERR_DUPLICATE);
    assert_int_equal(users(f), 1);
}

static void a_store_that_is_down_stays_so(void **state)
{
    struct faked *f = *state;
    fake_store_fail_how(f->store, FAKE_STAYS_DOWN, 2);
    assert_int_equal(insert_user(f, 1), ERR_OK);
    assert_int_equal(insert_user(f, 2), ERR_STORE);
    assert_int_equal(insert_user(f, 3), ERR_STORE);
    assert_int_equal(store_ping(f->session), ERR_STORE);
    assert_int_equal(users(f), 1);
}

/* Each kind of call once, in one run of one job. */
static enum err call_everything(struct faked *f)
{
    const struct user many[] = {{.id = oid_number(8)}, {.id = oid_number(9)}};
    const struct change change = SET(user, open_id, "changed");
    const struct query all = {.limit = 0};
    struct object_list found;
    struct user user;
    int64_t count;
    TRY(store_begin(f->session));
    enum err err = store_mark(f->session);
    err = err == ERR_OK ? insert_user(f, 1) : err;
    err = err == ERR_OK ? store_insert_many(f->session, COLLECTION_USERS, many, 2) : err;
    err = err == ERR_OK ? store_get(f->session, f->arena, COLLECTION_USERS, oid_number(1), &user)
                        : err;
    err = err == ERR_OK ? store_find(f->session, f->arena, COLLECTION_USERS, &all, &found) : err;
    err = err == ERR_OK ? store_count(f->session, COLLECTION_USERS, &all, &count) : err;
    err = err == ERR_OK ? store_update(f->session, f->arena, COLLECTION_USERS, oid_number(1), NULL,
                                       0, &change, 1, &user)
                        : err;
    err = err == ERR_OK ? store_ping(f->session) : err;
    if (err != ERR_OK) {
        store_abandon(f->session);
        return err;
    }
    return store_commit(f->session);
}

static void every_kind_of_call_can_be_made_to_fail(void **state)
{
    struct faked *f = *state;
    const int kinds = 10;
    for (int n = 1; n <= kinds; n++) {
        fake_store_fail_at(f->store, n);
        assert_int_equal(call_everything(f), ERR_STORE);
        assert_int_equal(fake_store_calls(f->store), n);
        assert_int_equal(users(f), 0); /* the run was abandoned, by the fake if by nobody else */
    }
    fake_store_fail_at(f->store, kinds + 1);
    assert_int_equal(call_everything(f), ERR_OK);
    assert_int_equal(fake_store_calls(f->store), kinds);
    assert_int_equal(users(f), 3);
}

static void a_commit_whose_answer_is_lost_has_happened(void **state)
{
    struct faked *f = *state;
    fake_store_fail_how(f->store, FAKE_LOSES_ANSWER, 10);
    assert_int_equal(call_everything(f), ERR_STORE);
    assert_int_equal(users(f), 3);
}

static void an_undo_that_fails_is_told(void **state)
{
    struct faked *f = *state;
    assert_int_equal(store_begin(f->session), ERR_OK);
    assert_int_equal(store_mark(f->session), ERR_OK);
    fake_store_fail_at(f->store, 1);
    assert_int_equal(store_undo(f->session), ERR_STORE);
    store_abandon(f->session);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, faked_setup, faked_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_fake_that_is_not_told_to_fail_is_the_store_it_wraps),
        TEST(only_the_call_that_was_told_fails),
        TEST(a_lost_answer_is_a_failure_that_happened),
        TEST(a_store_that_is_down_stays_so),
        TEST(every_kind_of_call_can_be_made_to_fail),
        TEST(a_commit_whose_answer_is_lost_has_happened),
        TEST(an_undo_that_fails_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
