/* What only the SQLite store promises: runs that can be taken back, durability, a failing disk that
 * leaves nothing by halves, and a form that grows. */
#include "support_store.h"
#include "support_vfs.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int file_setup(void **state)
{
    vfs_install();
    *state = store_fixture_new(BACKEND_SQLITE_FILE);
    return 0;
}

static int memory_setup(void **state)
{
    *state = store_fixture_new(BACKEND_SQLITE_MEMORY);
    return 0;
}

static int teardown(void **state)
{
    vfs_fill_at(0);
    vfs_set_sync_fails(false);
    vfs_set_read_fails(false);
    store_fixture_free(*state);
    return 0;
}

static void insert_user(struct store_fixture *f, uint32_t number)
{
    assert_int_equal(insert_user_in(f->session, number), ERR_OK);
}

/* ---- Runs --------------------------------------------------------------------------------- */

static void an_abandoned_run_leaves_nothing(void **state)
{
    struct store_fixture *f = *state;
    insert_user(f, 1);
    assert_int_equal(store_begin(f->session), ERR_OK);
    assert_int_equal(store_mark(f->session), ERR_OK);
    insert_user(f, 2);
    assert_int_equal(store_mark(f->session), ERR_OK);
    insert_user(f, 3);
    assert_int_equal(count_users(f->session), 3);
    store_abandon(f->session);
    assert_int_equal(count_users(f->session), 1);
    insert_user(f, 2);
}

static void undo_takes_back_one_job_and_no_other(void **state)
{
    struct store_fixture *f = *state;
    assert_int_equal(store_begin(f->session), ERR_OK);
    for (uint32_t job = 1; job <= 3; job++) {
        assert_int_equal(store_mark(f->session), ERR_OK);
        insert_user(f, job * 10);
        insert_user(f, job * 10 + 1);
        if (job == 2) {
            assert_int_equal(store_undo(f->session), ERR_OK);
        }
    }
    assert_int_equal(store_mark(f->session), ERR_OK);
    assert_int_equal(store_undo(f->session), ERR_OK); /* a job that wrote nothing */
    assert_int_equal(store_commit(f->session), ERR_OK);
    struct user user;
    assert_int_equal(count_users(f->session), 4);
    assert_int_equal(store_get(f->session, f->arena, COLLECTION_USERS, oid_number(20), &user),
                     ERR_ABSENT);
    assert_int_equal(store_get(f->session, f->arena, COLLECTION_USERS, oid_number(31), &user),
                     ERR_OK);
}

static void a_job_may_write_again_after_its_undo(void **state)
{
    struct store_fixture *f = *state;
    assert_int_equal(store_begin(f->session), ERR_OK);
    assert_int_equal(store_mark(f->session), ERR_OK);
    insert_user(f, 1);
    assert_int_equal(store_undo(f->session), ERR_OK);
    insert_user(f, 2);
    assert_int_equal(store_undo(f->session), ERR_OK);
    insert_user(f, 3);
    assert_int_equal(store_commit(f->session), ERR_OK);
    assert_int_equal(count_users(f->session), 1);
}

static void many_that_meet_a_taken_place_leave_none_of_themselves(void **state)
{
    struct store_fixture *f = *state;
    const struct message there = {.id = oid_number(9), .chat_id = oid_number(1), .seq = 2};
    const struct message many[] = {{.id = oid_number(1), .chat_id = oid_number(1), .seq = 1},
                                   {.id = oid_number(2), .chat_id = oid_number(1), .seq = 2}};
    const struct query all = {.limit = 0};
    int64_t count = 0;
    assert_int_equal(store_insert(f->session, COLLECTION_MESSAGES, &there), ERR_OK);
    assert_int_equal(store_insert_many(f->session, COLLECTION_MESSAGES, many, 2), ERR_DUPLICATE);
    assert_int_equal(store_begin(f->session), ERR_OK);
    insert_user(f, 1);
    assert_int_equal(store_insert_many(f->session, COLLECTION_MESSAGES, many, 2), ERR_DUPLICATE);
    assert_int_equal(store_commit(f->session), ERR_OK);
    assert_int_equal(store_count(f->session, COLLECTION_MESSAGES, &all, &count), ERR_OK);
    assert_int_equal(count, 1);
    assert_int_equal(count_users(f->session), 1);
}

static void nobody_else_sees_a_run_before_its_commit(void **state)
{
    struct store_fixture *f = *state;
    struct store_session *reader = store_fixture_session(f, false);
    assert_int_equal(store_begin(f->session), ERR_OK);
    insert_user(f, 1);
    assert_int_equal(count_users(f->session), 1);
    assert_int_equal(count_users(reader), 0);
    assert_int_equal(store_commit(f->session), ERR_OK);
    assert_int_equal(count_users(reader), 1);
    store_session_close(reader);
}

static void a_run_that_only_reads_is_in_nobodys_way(void **state)
{
    struct store_fixture *f = *state;
    struct store_session *other = store_fixture_session(f, true);
    assert_int_equal(store_begin(f->session), ERR_OK);
    assert_int_equal(store_mark(f->session), ERR_OK);
    assert_int_equal(count_users(f->session), 0);
    assert_int_equal(insert_user_in(other, 1), ERR_OK);
    assert_int_equal(count_users(f->session), 1); /* and pins no old state */
    assert_int_equal(store_commit(f->session), ERR_OK);
    store_session_close(other);
}

static void a_session_that_is_closed_within_a_run_abandons_it(void **state)
{
    struct store_fixture *f = *state;
    struct store_session *other = store_fixture_session(f, true);
    assert_int_equal(store_begin(other), ERR_OK);
    assert_int_equal(insert_user_in(other, 1), ERR_OK);
    store_session_close(other);
    assert_int_equal(count_users(f->session), 0);
    insert_user(f, 1);
}

static void a_reading_session_of_a_store_in_memory_sees_commits(void **state)
{
    struct store_fixture *f = *state;
    struct store_session *reader = store_fixture_session(f, false);
    assert_int_equal(store_begin(f->session), ERR_OK);
    insert_user(f, 1);
    assert_int_equal(store_commit(f->session), ERR_OK);
    assert_int_equal(count_users(reader), 1);
    store_session_close(reader);
}

static void more_forms_of_calls_than_are_kept_prepared_still_work(void **state)
{
    struct store_fixture *f = *state;
    const struct condition all[] = {
        WHERE(consultation, fee, AT_LEAST, 0),     WHERE(consultation, fee, BELOW, 9),
        WHERE(consultation, rev, AT_LEAST, 0),     WHERE(consultation, rev, BELOW, 9),
        WHERE(consultation, start_seq, ABOVE, -1), WHERE(consultation, end_seq, ABOVE, -1),
        WHERE_ABSENT(consultation, content),       WHERE_ABSENT(consultation, due),
        WHERE(consultation, evaluated, IS, false), WHERE(consultation, status, IS_NOT, "09"),
    };
    const struct consultation order = {.id = oid_number(1), .consultation_no = "H0-1"};
    assert_int_equal(store_insert(f->session, COLLECTION_CONSULTATIONS, &order), ERR_OK);
    for (unsigned set = 0; set < 1U << ARRAY_LENGTH(all); set++) {
        struct condition some[ARRAY_LENGTH(all)];
        struct query query = {.conditions = some};
        int64_t count = 0;
        for (size_t i = 0; i < ARRAY_LENGTH(all); i++) {
            if ((set >> i & 1) != 0) {
                some[query.condition_count++] = all[i];
            }
        }
        assert_int_equal(store_count(f->session, COLLECTION_CONSULTATIONS, &query, &count), ERR_OK);
        assert_int_equal(count, 1);
    }
}

/* ---- Durability --------------------------------------------------------------------------- */

static void commit_returns_after_the_log_was_synced(void **state)
{
    struct store_fixture *f = *state;
    int syncs = vfs_log_syncs();
    insert_user(f, 1); /* a run of its own */
    assert_true(vfs_log_syncs() > syncs);
    assert_int_equal(vfs_unsynced_log_writes(), 0);
    syncs = vfs_log_syncs();
    assert_int_equal(store_begin(f->session), ERR_OK);
    for (uint32_t i = 2; i < 50; i++) {
        assert_int_equal(store_mark(f->session), ERR_OK);
        insert_user(f, i);
    }
    assert_int_equal(vfs_log_syncs(), syncs);
    assert_int_equal(store_commit(f->session), ERR_OK);
    assert_int_equal(vfs_log_syncs(), syncs + 1); /* one for all of them */
    assert_int_equal(vfs_unsynced_log_writes(), 0);
}

static void a_run_that_wrote_nothing_syncs_nothing(void **state)
{
    struct store_fixture *f = *state;
    const int syncs = vfs_log_syncs();
    assert_int_equal(store_begin(f->session), ERR_OK);
    assert_int_equal(store_mark(f->session), ERR_OK);
    assert_int_equal(count_users(f->session), 0);
    assert_int_equal(store_commit(f->session), ERR_OK);
    assert_int_equal(vfs_log_syncs(), syncs);
}

/* Leaves the fixture without an open store, for another process to open. */
static void close_store(struct store_fixture *f)
{
    store_session_close(f->session);
    store_close(f->store);
    f->session = NULL;
    f->store = NULL;
}

/* ---- A failing disk ----------------------------------------------------------------------- */

static void a_full_disk_fails_the_commit_and_leaves_nothing_by_halves(void **state)
{
    struct store_fixture *f = *state;
    insert_user(f, 1);
    assert_int_equal(store_begin(f->session), ERR_OK);
    insert_user(f, 2);
    insert_user(f, 3);
    vfs_set_full(true);
    assert_int_equal(store_commit(f->session), ERR_STORE);
    assert_string_not_equal(store_trouble(f->session), "");
    assert_int_equal(count_users(f->session), 1);
    assert_int_equal(insert_user_in(f->session, 2), ERR_STORE);
    vfs_set_full(false);
    assert_int_equal(count_users(f->session), 1);
    insert_user(f, 2);
    store_fixture_reopen(f);
    assert_int_equal(count_users(f->session), 2);
}

/* Fills the disk at each write of a run in turn: whatever the moment, a run is there whole when
 * its commit was told ERR_OK, and not at all when it was not. */
static void a_disk_that_fills_at_any_moment_leaves_whole_runs(void **state)
{
    struct store_fixture *f = *state;
    int64_t expected = 0;
    bool has_failed = false, has_passed = false;
    char long_text[4000];
    memset(long_text, 'x', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    for (int n = 1; !has_passed; n++) {
        vfs_fill_at(n);
        enum err err = store_begin(f->session);
        for (uint32_t i = 0; i < 4 && err == ERR_OK; i++) {
            const struct user user = {.id = oid_number((uint32_t)n * 10 + i), .open_id = long_text};
            err = store_mark(f->session);
            err = err == ERR_OK ? store_insert(f->session, COLLECTION_USERS, &user) : err;
        }
        if (err == ERR_OK) {
            err = store_commit(f->session);
        } else {
            store_abandon(f->session);
        }
        vfs_fill_at(0);
        expected += err == ERR_OK ? 4 : 0;
        has_failed = has_failed || err != ERR_OK;
        has_passed = err == ERR_OK;
        assert_int_equal(count_users(f->session), expected);
        assert_true(n < 1000);
    }
    assert_true(has_failed);
    store_fixture_reopen(f);
    assert_int_equal(count_users(f->session), expected);
}

static void a_sync_that_fails_fails_the_commit(void **state)
{
    struct store_fixture *f = *state;
    assert_int_equal(store_begin(f->session), ERR_OK);
    insert_user(f, 1);
    vfs_set_sync_fails(true);
    assert_int_equal(store_commit(f->session), ERR_STORE);
    assert_int_equal(insert_user_in(f->session, 1), ERR_STORE);
    vfs_set_sync_fails(false);
    assert_int_equal(count_users(f->session), 0);
    insert_user(f, 1);
}

/* A run that outgrows the page cache writes to the log before its commit. A disk that fills there
 * makes SQLite roll all of it back, jobs that went well included. */
static void a_run_that_the_disk_took_back_cannot_be_committed(void **state)
{
    struct store_fixture *f = *state;
    enum err err = ERR_OK;
    char text[8000];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    insert_user(f, 1);
    assert_int_equal(store_begin(f->session), ERR_OK);
    assert_int_equal(store_mark(f->session), ERR_OK);
    insert_user(f, 2);
    vfs_set_full(true);
    for (uint32_t i = 10; i < 10000 && err == ERR_OK; i++) {
        const struct user user = {.id = oid_number(i), .open_id = text};
        err = store_mark(f->session);
        err = err == ERR_OK ? store_insert(f->session, COLLECTION_USERS, &user) : err;
    }
    assert_int_equal(err, ERR_STORE);
    vfs_set_full(false);
    err = store_undo(f->session); /* may work or not: the run is lost */
    err = store_mark(f->session);
    assert_int_equal(insert_user_in(f->session, 3), ERR_STORE); /* the next job's, too */
    assert_int_equal(store_commit(f->session), ERR_STORE);
    assert_int_equal(count_users(f->session), 1);
    insert_user(f, 2);
}

static void a_read_that_fails_is_told_and_later_ones_work(void **state)
{
    struct store_fixture *f = *state;
    insert_user(f, 1);
    struct store_session *reader = store_fixture_session(f, false);
    const struct query all = {.limit = 0};
    struct object_list found;
    int64_t count = 0;
    vfs_set_read_fails(true);
    assert_int_equal(store_find(reader, f->arena, COLLECTION_USERS, &all, &found), ERR_STORE);
    assert_int_equal(store_count(reader, COLLECTION_USERS, &all, &count), ERR_STORE);
    assert_int_equal(store_ping(reader), ERR_STORE);
    vfs_set_read_fails(false);
    assert_int_equal(count_users(reader), 1);
    assert_int_equal(store_ping(reader), ERR_OK);
    store_session_close(reader);
}

/* A subcommand beside the server: both read and write the one file. */
static void a_store_beside_the_server_reads_and_writes_the_same_file(void **state)
{
    struct store_fixture *f = *state;
    const struct store_settings settings = {.url = f->url, .timeout_ms = 1000, .beside = true};
    struct store *beside;
    struct store_session *session;
    char why[256];
    insert_user(f, 1);
    assert_int_equal(store_open(&settings, &beside, why), ERR_OK);
    assert_int_equal(store_session_open(beside, true, &session), ERR_OK);
    assert_int_equal(insert_user_in(session, 2), ERR_OK);
    assert_int_equal(count_users(f->session), 2);
    insert_user(f, 3);
    assert_int_equal(count_users(session), 3);
    store_session_close(session);
    store_close(beside);
}

static void a_writer_that_waits_too_long_is_told(void **state)
{
    struct store_fixture *f = *state;
    close_store(f);
    const struct store_settings settings = {.url = f->url, .timeout_ms = 50};
    char why[256];
    assert_int_equal(store_open(&settings, &f->store, why), ERR_OK);
    f->session = store_fixture_session(f, true);
    struct store_session *other = store_fixture_session(f, true);
    assert_int_equal(store_begin(f->session), ERR_OK);
    insert_user(f, 1);
    assert_int_equal(insert_user_in(other, 2), ERR_STORE);
    assert_int_equal(store_commit(f->session), ERR_OK);
    assert_int_equal(insert_user_in(other, 2), ERR_OK);
    store_session_close(other);
}

/* ---- The file ----------------------------------------------------------------------------- */

static void expect_refused(const char *url, const char *because)
{
    const struct store_settings settings = {.url = url, .timeout_ms = 1000};
    struct store *store = (struct store *)1;
    char why[256];
    assert_int_equal(store_open(&settings, &store, why), ERR_STORE);
    assert_null(store);
    if (strstr(why, because) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", why, because);
    }
}

static void urls_that_name_no_store_are_refused_with_a_sentence(void **state)
{
    struct store_fixture *f = *state;
    char url[256];
    expect_refused("sqlite:", "names no file");
    expect_refused("sqlite:/nonexistent/folder/store.db", "No such file or directory");
    expect_refused("postgres://somewhere", "must start with sqlite: or mongodb://");
    expect_refused("", "must start with");
    snprintf(url, sizeof(url), "sqlite:%s", f->folder);
    expect_refused(url, "cannot open");
    snprintf(url, sizeof(url), "%s.lock", f->folder);
    unlink(url);
}

/* Runs SQL on the closed file, as another program would. */
static void run_sql(struct store_fixture *f, const char *sql)
{
    sqlite3 *db = NULL;
    char *message = NULL;
    close_store(f);
    assert_int_equal(sqlite3_open(f->url + strlen("sqlite:"), &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK) {
        fail_msg("%s", message);
    }
    sqlite3_close(db);
}

static void a_file_that_is_no_database_is_refused_and_left_alone(void **state)
{
    struct store_fixture *f = *state;
    char path[128], read_back[64] = "";
    static const char content[] = "this is a diary, not a database";
    close_store(f);
    snprintf(path, sizeof(path), "%s/store.db", f->folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(content, file);
    fclose(file);
    expect_refused(f->url, "cannot open");
    file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(read_back, sizeof(read_back), file));
    fclose(file);
    assert_string_equal(read_back, content);
}

static void its_files_are_readable_by_their_owner_alone(void **state)
{
    struct store_fixture *f = *state;
    static const char *const names[] = {"store.db", "store.db-wal", "store.db.lock"};
    insert_user(f, 1);
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        char path[128];
        struct stat status;
        snprintf(path, sizeof(path), "%s/%s", f->folder, names[i]);
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(status.st_mode & 0777, 0600);
    }
}

static void a_field_that_is_new_becomes_a_column_and_is_absent_before(void **state)
{
    struct store_fixture *f = *state;
    struct consultation order = {.id = oid_number(1),
                                 .consultation_no = "H0-1",
                                 .content = "以前的内容",
                                 .evaluated = true,
                                 .fee = 5};
    assert_int_equal(store_insert(f->session, COLLECTION_CONSULTATIONS, &order), ERR_OK);
    run_sql(f, "ALTER TABLE consultations DROP COLUMN fee;"
               "ALTER TABLE consultations DROP COLUMN evaluated;"
               "ALTER TABLE consultations DROP COLUMN replies;");
    store_fixture_reopen(f);
    struct consultation read;
    assert_int_equal(
        store_get(f->session, f->arena, COLLECTION_CONSULTATIONS, oid_number(1), &read), ERR_OK);
    assert_true(read.fee == NUMBER_ABSENT);
    assert_false(read.evaluated);
    assert_int_equal(read.replies.count, 0);
    assert_string_equal(read.content, order.content);
    const struct condition is_false = WHERE(consultation, evaluated, IS, false);
    const struct query query = {.conditions = &is_false, .condition_count = 1};
    int64_t count = 0;
    assert_int_equal(store_count(f->session, COLLECTION_CONSULTATIONS, &query, &count), ERR_OK);
    assert_int_equal(count, 1);
}

static void a_column_of_another_type_is_refused(void **state)
{
    struct store_fixture *f = *state;
    run_sql(f, "ALTER TABLE users DROP COLUMN phone; ALTER TABLE users ADD COLUMN phone TEXT;");
    expect_refused(f->url, "users.phone");
}

static void a_newer_store_is_refused_and_left_alone(void **state)
{
    struct store_fixture *f = *state;
    run_sql(f, "UPDATE store_info SET version = 99; ALTER TABLE users DROP COLUMN phone;");
    expect_refused(f->url, "newer consultd (store version 99");
    run_sql(f, "ALTER TABLE users ADD COLUMN phone INTEGER;"); /* it is still missing */
}

static void a_damaged_value_is_told_and_not_handed_out(void **state)
{
    struct store_fixture *f = *state;
    struct message read;
    const struct message message = {.id = oid_number(1), .chat_id = oid_number(1), .seq = 1};
    const struct consultation orders[] = {
        {.id = oid_number(1), .consultation_no = "H0-1"},
        {.id = oid_number(2), .consultation_no = "H0-2", .rev = 5}, /* what opening reads */
    };
    assert_int_equal(store_insert(f->session, COLLECTION_MESSAGES, &message), ERR_OK);
    assert_int_equal(store_insert_many(f->session, COLLECTION_CONSULTATIONS, orders, 2), ERR_OK);
    static const char *const damages[] = {
        "UPDATE messages SET \"text\" = x'01'",
        "UPDATE messages SET \"text\" = 5",
        "UPDATE messages SET \"text\" = x'00000000ff'",
        "UPDATE messages SET chatId = x'0102'",
        "UPDATE messages SET \"text\" = NULL, chatId = NULL, created_at = -1",
        "UPDATE messages SET created_at = 253402300800000", /* the year 10000 */
    };
    for (size_t i = 0; i < ARRAY_LENGTH(damages); i++) {
        run_sql(f, damages[i]);
        store_fixture_reopen(f);
        assert_int_equal(store_get(f->session, f->arena, COLLECTION_MESSAGES, oid_number(1), &read),
                         ERR_STORE);
        assert_non_null(strstr(store_trouble(f->session), "damaged"));
    }
    struct consultation order_read;
    static const char *const lists[] = {
        "UPDATE consultations SET replies = 'xyz' WHERE rev IS NOT 5",
        "UPDATE consultations SET replies = NULL, images = x'41' WHERE rev IS NOT 5"};
    for (size_t i = 0; i < ARRAY_LENGTH(lists); i++) {
        run_sql(f, lists[i]);
        store_fixture_reopen(f);
        assert_int_equal(
            store_get(f->session, f->arena, COLLECTION_CONSULTATIONS, oid_number(1), &order_read),
            ERR_STORE);
    }
}

int main(void)
{
#define ON_FILE(name) cmocka_unit_test_setup_teardown(name, file_setup, teardown)
#define ON_MEMORY(name)                                                                            \
    {                                                                                              \
#name " (memory)", name, memory_setup, teardown, NULL                                      \
    }
    const struct CMUnitTest tests[] = {
        ON_FILE(an_abandoned_run_leaves_nothing),
        ON_MEMORY(an_abandoned_run_leaves_nothing),
        ON_FILE(undo_takes_back_one_job_and_no_other),
        ON_MEMORY(undo_takes_back_one_job_and_no_other),
        ON_FILE(a_job_may_write_again_after_its_undo),
        ON_MEMORY(a_job_may_write_again_after_its_undo),
        ON_FILE(many_that_meet_a_taken_place_leave_none_of_themselves),
        ON_MEMORY(many_that_meet_a_taken_place_leave_none_of_themselves),
        ON_FILE(nobody_else_sees_a_run_before_its_commit),
        ON_FILE(a_run_that_only_reads_is_in_nobodys_way),
        ON_MEMORY(a_run_that_only_reads_is_in_nobodys_way),
        ON_FILE(a_session_that_is_closed_within_a_run_abandons_it),
        ON_MEMORY(a_reading_session_of_a_store_in_memory_sees_commits),
        ON_FILE(more_forms_of_calls_than_are_kept_prepared_still_work),
        ON_FILE(commit_returns_after_the_log_was_synced),
        ON_FILE(a_run_that_wrote_nothing_syncs_nothing),
        ON_FILE(a_full_disk_fails_the_commit_and_leaves_nothing_by_halves),
        ON_FILE(a_disk_that_fills_at_any_moment_leaves_whole_runs),
        ON_FILE(a_sync_that_fails_fails_the_commit),
        ON_FILE(a_run_that_the_disk_took_back_cannot_be_committed),
        ON_FILE(a_read_that_fails_is_told_and_later_ones_work),
        ON_FILE(a_store_beside_the_server_reads_and_writes_the_same_file),
        ON_FILE(a_writer_that_waits_too_long_is_told),
        ON_FILE(urls_that_name_no_store_are_refused_with_a_sentence),
        ON_FILE(a_file_that_is_no_database_is_refused_and_left_alone),
        ON_FILE(its_files_are_readable_by_their_owner_alone),
        ON_FILE(a_field_that_is_new_becomes_a_column_and_is_absent_before),
        ON_FILE(a_column_of_another_type_is_refused),
        ON_FILE(a_newer_store_is_refused_and_left_alone),
        ON_FILE(a_damaged_value_is_told_and_not_handed_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
