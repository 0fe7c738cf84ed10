/* Opening a SQLite store: one process per file by whatever name, and what the process before has left. */
#include "support_store.h"
#include "support_vfs.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int setup(void **state)
{
    vfs_install();
    *state = store_fixture_new(BACKEND_SQLITE_FILE);
    return 0;
}

static int teardown(void **state)
{
    vfs_set_sync_fails(false);
    store_fixture_free(*state);
    return 0;
}

/* Runs `body` with a pipe's end in a child process, which then waits to be killed. Returns when
 * the child has written a byte; kill_child reaps it. */
static pid_t start_child(void (*body)(const char *url, int pipe_end), const char *url)
{
    int ends[2];
    char byte = 0;
    assert_int_equal(pipe(ends), 0);
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves no child behind */
        close(ends[0]);
        body(url, ends[1]);
        for (;;) {
            pause();
        }
    }
    close(ends[1]);
    ssize_t got;
    do {
        got = read(ends[0], &byte, 1);
    } while (got < 0 && errno == EINTR);
    close(ends[0]);
    assert_int_equal(got, 1);
    assert_int_equal(byte, 'k');
    return pid;
}

static void kill_child(pid_t pid)
{
    int status = 0;
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
}

static void say(int pipe_end, bool ok)
{
    const char byte = ok ? 'k' : 'x';
    if (write(pipe_end, &byte, 1) != 1) {
        _exit(2);
    }
}

/* So that the log is longer than what is written of it at once. */
static bool write_much(struct store_session *session)
{
    static char text[2 * 1024 * 1024];
    memset(text, 'x', sizeof(text) - 1);
    const struct department department = {.id = oid_number(9), .name = text};
    return store_insert(session, COLLECTION_DEPARTMENTS, &department) == ERR_OK;
}

static void open_and_commit(const char *url, int pipe_end)
{
    const struct store_settings settings = {.url = url};
    struct store *store = NULL;
    struct store_session *session = NULL;
    char why[256];
    bool ok = store_open(&settings, &store, why) == ERR_OK &&
              store_session_open(store, true, &session) == ERR_OK &&
              store_begin(session) == ERR_OK && write_much(session) &&
              insert_user_in(session, 1) == ERR_OK && insert_user_in(session, 2) == ERR_OK &&
              store_commit(session) == ERR_OK && store_begin(session) == ERR_OK &&
              insert_user_in(session, 3) == ERR_OK;
    say(pipe_end, ok);
}

static void what_was_committed_survives_a_kill_and_no_more(void **state)
{
    struct store_fixture *f = *state;
    store_fixture_let_go(f);
    kill_child(start_child(open_and_commit, f->url));
    store_fixture_reopen(f);
    assert_int_equal(count_users(f->session), 2);
    assert_int_equal(insert_user_in(f->session, 3), ERR_OK);
}

/* The one before may have ended because it could not sync it: what it left in the system's cache is not on disk
 * then, and never gets there by itself. */
static void a_log_that_is_found_is_written_and_synced_before_it_grows(void **state)
{
    struct store_fixture *f = *state;
    char log[128];
    struct stat status;
    store_fixture_let_go(f);
    kill_child(start_child(open_and_commit, f->url));
    snprintf(log, sizeof(log), "%s/store.db-wal", f->folder);
    assert_int_equal(stat(log, &status), 0);
    assert_true(status.st_size > 0);
    const long long before = vfs_log_bytes();
    vfs_set_sync_fails(true);
    struct store *store = NULL;
    char why[256];
    const struct store_settings settings = {.url = f->url, .timeout_ms = 1000};
    assert_int_equal(store_open(&settings, &store, why), ERR_STORE);
    assert_non_null(strstr(why, "store.db cannot be written and synced"));
    vfs_set_sync_fails(false);
    store_fixture_reopen(f);
    assert_true(vfs_log_bytes() - before >= 2 * status.st_size);
    assert_int_equal(vfs_unsynced_log_writes(), 0);
    assert_int_equal(count_users(f->session), 2);
}

static void a_second_process_on_the_file_is_refused_while_the_first_lives(void **state)
{
    struct store_fixture *f = *state;
    const struct store_settings settings = {.url = f->url};
    struct store *second = NULL;
    char why[256];
    store_fixture_let_go(f);
    const pid_t first = start_child(open_and_commit, f->url);
    assert_int_equal(store_open(&settings, &second, why), ERR_STORE);
    assert_null(second);
    assert_non_null(strstr(why, "another process"));
    assert_non_null(strstr(why, "store.db"));
    kill_child(first);
    store_fixture_reopen(f);
}

/* SQLite's log lies beside the file that the link leads to: another one would be synced in vain. */
static void a_link_to_the_file_is_the_file(void **state)
{
    struct store_fixture *f = *state;
    char path[128], link_path[128], beside[160], url[160], why[256];
    snprintf(path, sizeof(path), "%s/store.db", f->folder);
    snprintf(link_path, sizeof(link_path), "%s/link.db", f->folder);
    snprintf(url, sizeof(url), "sqlite:%s", link_path);
    assert_int_equal(symlink(path, link_path), 0);
    const struct store_settings settings = {.url = url, .timeout_ms = 1000};
    struct store *store = NULL;
    assert_int_equal(store_open(&settings, &store, why), ERR_STORE);
    assert_non_null(strstr(why, "is locked"));
    store_fixture_let_go(f);
    assert_int_equal(store_open(&settings, &store, why), ERR_OK);
    snprintf(beside, sizeof(beside), "%s-wal", path);
    assert_int_equal(access(beside, F_OK), 0);
    static const char *const others[] = {"-wal", ".lock", ".commands"};
    for (size_t i = 0; i < ARRAY_LENGTH(others); i++) {
        snprintf(beside, sizeof(beside), "%s%s", link_path, others[i]);
        assert_int_not_equal(access(beside, F_OK), 0);
    }
    store_close(store);
    store_fixture_reopen(f);
}

static void a_second_store_on_the_file_is_refused_in_one_process_too(void **state)
{
    struct store_fixture *f = *state;
    const struct store_settings settings = {.url = f->url};
    struct store *second = NULL;
    char why[256];
    assert_int_equal(store_open(&settings, &second, why), ERR_STORE);
    assert_non_null(strstr(why, "is locked"));
    assert_int_equal(insert_user_in(f->session, 1), ERR_OK); /* the first goes on */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_was_committed_survives_a_kill_and_no_more),
        TEST(a_second_process_on_the_file_is_refused_while_the_first_lives),
        TEST(a_log_that_is_found_is_written_and_synced_before_it_grows),
        TEST(a_link_to_the_file_is_the_file),
        TEST(a_second_store_on_the_file_is_refused_in_one_process_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
