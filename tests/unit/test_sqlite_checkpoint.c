/* The thread that copies SQLite's log: the log begins again and again while commits go on, a reader's
 * snapshot outlives that, and a disk that fails for a while leaves nothing behind. */
#include "storage/sqlite_checkpoint.h"
#include "support_vfs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGES 32
#define FRAME_BYTES 4120
/* The log waits at four times PAGES; a commit of these tests adds a few, the last copy's beginning too. */
#define BOUND_BYTES ((4 * PAGES + 64) * FRAME_BYTES)
#define COMMITS 2000

struct fixture {
    char folder[64];
    char url[128];
    struct sqlite_file file;
    struct checkpointer *checkpointer;
    sqlite3 *db;
};

static void watch(struct fixture *f, int pages)
{
    assert_int_equal(checkpointer_start(&f->file, pages, &f->checkpointer), ERR_OK);
    assert_int_equal(sqlite_file_connect(&f->file, true, &f->db), SQLITE_OK);
    checkpointer_watch(f->checkpointer, f->db);
}

static void unwatch(struct fixture *f)
{
    sqlite3_close(f->db); /* not the last connection: it copies nothing itself */
    f->db = NULL;
    checkpointer_stop(f->checkpointer);
    f->checkpointer = NULL;
}

static int setup(void **state)
{
    vfs_install();
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    snprintf(f->folder, sizeof(f->folder), "/tmp/consultd-checkpoint-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->url, sizeof(f->url), "sqlite:%s/a.db", f->folder);
    const struct store_settings settings = {.url = f->url, .timeout_ms = 10000};
    char why[256] = "";
    assert_int_equal(sqlite_file_open(&f->file, &settings, why), ERR_OK);
    watch(f, PAGES);
    assert_int_equal(sqlite3_exec(f->db, "CREATE TABLE t (a, b)", NULL, NULL, NULL), SQLITE_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    vfs_set_sync_fails(false);
    unwatch(f);
    sqlite_file_close(&f->file);
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", f->folder);
    assert_int_equal(system(command), 0);
    free(f);
    return 0;
}

static int write_row(struct fixture *f)
{
    return sqlite3_exec(f->db, "INSERT INTO t VALUES (1, randomblob(3000))", NULL, NULL, NULL);
}

static void write_rows(struct fixture *f, int count)
{
    for (int i = 0; i < count; i++) {
        assert_int_equal(write_row(f), SQLITE_OK);
    }
}

static int64_t number(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    const int64_t found = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return found;
}

static int64_t log_bytes(const struct fixture *f)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/a.db-wal", f->folder);
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    return status.st_size;
}

static void the_log_begins_again_while_commits_go_on(void **state)
{
    struct fixture *f = *state;
    write_rows(f, COMMITS); /* a page of its own for each row: many times the bound */
    assert_true(log_bytes(f) <= BOUND_BYTES);
    assert_int_equal(number(f->db, "SELECT count(*) FROM t"), COMMITS);
}

/* Until 3.51.3 SQLite may lose pages where a copy begins just when a commit starts the log anew, which it does
 * when all of it is copied. */
static void a_log_that_is_copied_whole_is_not_copied_once_more(void **state)
{
    struct fixture *f = *state;
    unwatch(f);
    watch(f, 500); /* more than the log has by now */
    const int before = vfs_log_copies();
    assert_int_equal(sqlite3_exec(f->db,
                                  "WITH RECURSIVE n(i) AS "
                                  "(SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 1000) "
                                  "INSERT INTO t SELECT i, randomblob(3000) FROM n",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    vfs_wait_for_log_copies(before + 1);
    unwatch(f);
    assert_int_equal(vfs_log_copies(), before + 1);
}

static void a_reader_keeps_its_snapshot_and_the_log_until_it_ends(void **state)
{
    struct fixture *f = *state;
    write_rows(f, 10);
    sqlite3 *reader = NULL;
    assert_int_equal(sqlite_file_connect(&f->file, false, &reader), SQLITE_OK);
    assert_int_equal(sqlite3_exec(reader, "BEGIN", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(number(reader, "SELECT count(*) FROM t"), 10);
    write_rows(f, 400);
    assert_true(log_bytes(f) > BOUND_BYTES);
    assert_int_equal(number(reader, "SELECT count(*) FROM t"), 10);
    assert_int_equal(sqlite3_exec(reader, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(number(reader, "SELECT count(*) FROM t"), 410);
    sqlite3_close(reader);
    const int64_t longest = log_bytes(f);
    write_rows(f, COMMITS);
    assert_true(log_bytes(f) < longest + BOUND_BYTES); /* begun again, it is not cut */
}

static void a_disk_that_failed_for_a_while_is_copied_to_later(void **state)
{
    struct fixture *f = *state;
    write_rows(f, PAGES / 2);
    vfs_set_sync_fails(true);
    int failed = 0;
    for (int i = 0; i < 100; i++) {
        failed += write_row(f) != SQLITE_OK;
    }
    assert_int_equal(failed, 100);
    vfs_set_sync_fails(false);
    write_rows(f, COMMITS);
    assert_true(log_bytes(f) <= BOUND_BYTES);
    assert_int_equal(number(f->db, "SELECT count(*) FROM t"), PAGES / 2 + COMMITS);
    assert_int_equal(number(f->db, "SELECT count(*) FROM pragma_integrity_check"), 1);
}

static void a_copy_under_way_ends_before_the_thread_does(void **state)
{
    struct fixture *f = *state;
    write_rows(f, PAGES + 1); /* it has begun, or is about to */
    unwatch(f);
    assert_int_equal(number(f->file.keeper, "SELECT count(*) FROM t"), PAGES + 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_log_begins_again_while_commits_go_on),
        TEST(a_log_that_is_copied_whole_is_not_copied_once_more),
        TEST(a_reader_keeps_its_snapshot_and_the_log_until_it_ends),
        TEST(a_disk_that_failed_for_a_while_is_copied_to_later),
        TEST(a_copy_under_way_ends_before_the_thread_does),
    };
    return cmocka_run_group_tests_name("sqlite_checkpoint", tests, NULL, NULL);
}
