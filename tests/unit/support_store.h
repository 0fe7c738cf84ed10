/* Any thread, one at a time. Stores for tests: every backend behind one fixture, and records that
 * are filled and compared by their shapes.
 *
 * A suite of store tests is run once per backend with run_on_every_backend. Each test gets a fresh
 * store: a file in a folder of its own, a store in memory, or a database of its own name on the
 * server that CONSULTD_TEST_MONGODB_URI names. Without that variable the tests on MongoDB are
 * counted as skipped, and a line says so. */
#ifndef CONSULTD_TESTS_SUPPORT_STORE_H
#define CONSULTD_TESTS_SUPPORT_STORE_H

#include "storage/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum backend { BACKEND_SQLITE_FILE, BACKEND_SQLITE_MEMORY, BACKEND_MONGODB, BACKEND_COUNT };

struct store_fixture {
    enum backend backend;
    char url[256];
    char folder[64]; /* of a file; "" otherwise */
    struct store *store;
    struct store_session *session; /* may write */
    struct arena *arena;
};

/* Whether the backend can be had here: CONSULTD_TEST_MONGODB_URI. */
bool backend_is_there(enum backend backend);

/* A fresh store with a session; asserts that it opens. Free with store_fixture_free, which also
 * removes what it has stored. */
struct store_fixture *store_fixture_new(enum backend backend);
void store_fixture_free(struct store_fixture *fixture);

/* Closes the store and its session, so that other processes may have it. */
void store_fixture_let_go(struct store_fixture *fixture);

/* Closes the store and its session, unless that was done, and opens it again. */
void store_fixture_reopen(struct store_fixture *fixture);

/* Another session of the fixture's store; caller closes. */
struct store_session *store_fixture_session(struct store_fixture *fixture, bool writes);

/* Runs the tests on every backend, each with a fixture of its own as *state. Returns the number
 * of tests that failed. */
int run_on_every_backend(const char *name, const struct CMUnitTest *tests, size_t count);
#define RUN_ON_EVERY_BACKEND(name, tests) run_on_every_backend(name, tests, ARRAY_LENGTH(tests))

/* Ids 000…n, n from 1: readable where a test needs a few. */
struct oid oid_number(uint32_t number);

/* Inserts a user with the id oid_number(number). */
enum err insert_user_in(struct store_session *session, uint32_t number);

int64_t count_users(struct store_session *session);

/* Texts that a careless store would break: quotes, wildcards, emoji, control characters. */
extern const char *const nasty_texts[];
extern const size_t nasty_text_count;

/* Fills every stored field of the record: texts with `text`, the rest from `seed` and the
 * field's place, so that no two fields are alike. Lists live in the arena. */
void record_fill(const struct shape *shape, struct arena *arena, void *record, uint32_t seed,
                 const char *text);

/* Asserts that all stored fields of the two are equal, and names the first that is not. */
void assert_records_equal(const struct shape *shape, const void *expected, const void *actual);

#endif
