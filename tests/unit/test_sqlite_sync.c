/* Commits that leave their sync to others: what is on disk when, and what must be synced all the same. */
#include "storage/sqlite_log.h"
#include "storage/sqlite_session.h"
#include "support_store.h"
#include "support_vfs.h"

static int setup(void **state)
{
    vfs_install();
    *state = store_fixture_new(BACKEND_SQLITE_FILE);
    return 0;
}

static int teardown(void **state)
{
    vfs_set_sync_fails(false);
    vfs_fill_at(0);
    store_fixture_free(*state);
    return 0;
}

static void run_of_one(struct store_fixture *f, uint32_t number)
{
    assert_int_equal(store_begin_hopeful(f->session), ERR_OK);
    assert_int_equal(store_mark(f->session), ERR_OK);
    assert_int_equal(insert_user_in(f->session, number), ERR_OK);
}

static void commit_early(struct store_fixture *f, uint32_t number)
{
    run_of_one(f, number);
    assert_int_equal(store_commit_early(f->session), ERR_OK);
}

static bool is_stored(struct store_fixture *f, uint32_t number)
{
    struct user user;
    struct store_session *reader = store_fixture_session(f, false);
    const enum err err = store_get(reader, f->arena, COLLECTION_USERS, oid_number(number), &user);
    store_session_close(reader);
    assert_true(err == ERR_OK || err == ERR_ABSENT);
    return err == ERR_OK;
}

static void an_early_commit_is_seen_and_synced_by_whoever_waits(void **state)
{
    struct store_fixture *f = *state;
    assert_true(store_is_synced(f->store));
    const int syncs = vfs_log_syncs();
    commit_early(f, 1);
    commit_early(f, 2);
    assert_int_equal(vfs_log_syncs(), syncs);
    assert_true(vfs_unsynced_log_writes() > 0);
    assert_false(store_is_synced(f->store));
    assert_true(is_stored(f, 1) && is_stored(f, 2));
    assert_int_equal(store_sync(f->store), ERR_OK);
    assert_int_equal(vfs_log_syncs(), syncs + 1); /* one for both */
    assert_int_equal(vfs_unsynced_log_writes(), 0);
    assert_true(store_is_synced(f->store));
    assert_int_equal(store_sync(f->store), ERR_OK);
    assert_int_equal(vfs_log_syncs(), syncs + 1); /* nothing has come since */
}

static void an_early_commit_of_nothing_leaves_nothing_to_sync(void **state)
{
    struct store_fixture *f = *state;
    assert_int_equal(store_begin_hopeful(f->session), ERR_OK);
    assert_int_equal(store_mark(f->session), ERR_OK);
    assert_int_equal(store_commit_early(f->session), ERR_OK);
    assert_true(store_is_synced(f->store));
}

static void any_other_commit_syncs_as_ever(void **state)
{
    struct store_fixture *f = *state;
    commit_early(f, 1);
    run_of_one(f, 2);
    assert_int_equal(store_commit(f->session), ERR_OK);
    assert_int_equal(vfs_unsynced_log_writes(), 0);
}

static void a_full_disk_fails_an_early_commit_too(void **state)
{
    struct store_fixture *f = *state;
    commit_early(f, 1);
    run_of_one(f, 2);
    vfs_fill_at(1);
    assert_int_equal(store_commit_early(f->session), ERR_STORE);
    vfs_fill_at(0);
    assert_true(is_stored(f, 1));
    assert_false(is_stored(f, 2));
    commit_early(f, 2);
    assert_true(is_stored(f, 2));
}

static void a_sync_that_failed_is_never_taken_for_done(void **state)
{
    struct store_fixture *f = *state;
    commit_early(f, 1);
    vfs_set_sync_fails(true);
    assert_int_equal(store_sync(f->store), ERR_STORE);
    vfs_set_sync_fails(false); /* a system tells once only */
    assert_int_equal(store_sync(f->store), ERR_STORE);
    assert_false(store_is_synced(f->store));
}

/* ---- What is synced all the same ------------------------------------------------------------- */

static sqlite3 *connection_of(struct store_fixture *f)
{
    return ((struct sqlite_session *)f->session)->db;
}

/* Frames of the log before this one may still lie on the disk behind a header that is not there yet. */
static void a_log_that_begins_anew_has_its_header_synced(void **state)
{
    struct store_fixture *f = *state;
    commit_early(f, 1);
    int in_log = 0, copied = -1;
    assert_int_equal(sqlite3_wal_checkpoint_v2(connection_of(f), NULL, SQLITE_CHECKPOINT_RESTART,
                                               &in_log, &copied),
                     SQLITE_OK);
    assert_int_equal(in_log, copied);
    int syncs = vfs_log_syncs();
    commit_early(f, 2);
    assert_int_equal(vfs_log_syncs(), syncs + 1);
    assert_true(vfs_unsynced_log_writes() > 0); /* the frames */
    commit_early(f, 3);
    assert_int_equal(vfs_log_syncs(), syncs + 1);
}

/* SQLite copies the log within the commit that makes it long, if nobody else does. */
static void a_commit_that_copies_the_log_syncs_it_first(void **state)
{
    struct store_fixture *f = *state;
    const int copies = vfs_early_copies();
    const int syncs = vfs_log_syncs();
    assert_int_equal(
        sqlite3_exec(connection_of(f), "PRAGMA wal_autocheckpoint=1", NULL, NULL, NULL), SQLITE_OK);
    for (uint32_t i = 1; i <= 20; i++) {
        commit_early(f, i);
    }
    assert_int_equal(vfs_early_copies(), copies);
    assert_true(vfs_log_syncs() >= syncs + 20);
    assert_int_equal(vfs_unsynced_log_writes(), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_early_commit_is_seen_and_synced_by_whoever_waits),
        TEST(an_early_commit_of_nothing_leaves_nothing_to_sync),
        TEST(any_other_commit_syncs_as_ever),
        TEST(a_full_disk_fails_an_early_commit_too),
        TEST(a_sync_that_failed_is_never_taken_for_done),
        TEST(a_log_that_begins_anew_has_its_header_synced),
        TEST(a_commit_that_copies_the_log_syncs_it_first),
    };
    return cmocka_run_group_tests_name("sqlite_sync", tests, NULL, NULL);
}
