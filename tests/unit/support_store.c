/* Fixtures over every backend, and records by their shapes (see the header).
 *
 * A file store lives in a folder made by mkdtemp and removed afterwards; a database on a MongoDB
 * server has a random name and is dropped. Nothing is shared between two tests. */
/* First: the driver's headers need <sys/param.h>'s MAX, which is a change of a record here. */
#include <mongoc/mongoc.h>
#undef MAX

#include "support_store.h"

#include "storage/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define MONGODB_VARIABLE "CONSULTD_TEST_MONGODB_URI"

const char *const nasty_texts[] = {
    "平常的一句话",
    "it's \"quoted\" `back` [brackets]",
    "'; DROP TABLE messages; --",
    "100% of_all \\ back\\\\slashes",
    "line one\nline two\ttabbed",
    "emoji 🩺👩‍⚕️ and 𠮷",
    "{\"$where\": \"1\", \"a.b\": 1}",
    "$set",
    "",
    " ",
    "\x01\x7f",
};
const size_t nasty_text_count = ARRAY_LENGTH(nasty_texts);

/* ---- Fixtures ----------------------------------------------------------------------------- */

static const char *const backend_names[BACKEND_COUNT] = {"SQLite in a file", "SQLite in memory",
                                                         "MongoDB"};

bool backend_is_there(enum backend backend)
{
    return backend != BACKEND_MONGODB || getenv(MONGODB_VARIABLE) != NULL;
}

/* The server's URL with the name of a database put where it belongs: before any `?`. */
static void mongodb_url(char *url, size_t bytes)
{
    uint64_t random = 0;
    assert_int_equal(getrandom(&random, sizeof(random), 0), sizeof(random));
    const char *server = getenv(MONGODB_VARIABLE);
    assert_non_null(server);
    const char *options = strchr(server, '?');
    size_t length = options == NULL ? strlen(server) : (size_t)(options - server);
    while (length > 0 && server[length - 1] == '/') {
        length--;
    }
    assert_true(snprintf(url, bytes, "%.*s/consultd_test_%016llx%s", (int)length, server,
                         (unsigned long long)random, options == NULL ? "" : options) < (int)bytes);
}

static void fixture_open(struct store_fixture *fixture)
{
    const struct store_settings settings = {
        .url = fixture->url, .timeout_ms = 10000, .pool_size = 32};
    char why[256];
    if (store_open(&settings, &fixture->store, why) != ERR_OK) {
        fail_msg("the store does not open: %s", why);
    }
    assert_int_equal(store_session_open(fixture->store, true, &fixture->session), ERR_OK);
}

struct store_fixture *store_fixture_new(enum backend backend)
{
    struct store_fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    fixture->backend = backend;
    fixture->arena = arena_new(65536);
    switch (backend) {
    case BACKEND_SQLITE_FILE:
        /* Memory where there is such a folder: what is synced here need not outlive a machine. */
        snprintf(fixture->folder, sizeof(fixture->folder), "%s/consultd-store-XXXXXX",
                 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        assert_non_null(mkdtemp(fixture->folder));
        snprintf(fixture->url, sizeof(fixture->url), "sqlite:%s/store.db", fixture->folder);
        break;
    case BACKEND_SQLITE_MEMORY:
        snprintf(fixture->url, sizeof(fixture->url), "sqlite::memory:");
        break;
    default:
        mongodb_url(fixture->url, sizeof(fixture->url));
        break;
    }
    fixture_open(fixture);
    return fixture;
}

void store_fixture_let_go(struct store_fixture *fixture)
{
    if (fixture->store == NULL) {
        return;
    }
    store_session_close(fixture->session);
    store_close(fixture->store);
    fixture->session = NULL;
    fixture->store = NULL;
}

static void drop_database(const char *url)
{
    mongoc_client_t *client = mongoc_client_new(url);
    mongoc_uri_t *uri = mongoc_uri_new(url);
    if (client != NULL && uri != NULL) {
        mongoc_database_t *database =
            mongoc_client_get_database(client, mongoc_uri_get_database(uri));
        mongoc_database_drop(database, NULL);
        mongoc_database_destroy(database);
    }
    mongoc_uri_destroy(uri);
    mongoc_client_destroy(client);
}

static void remove_folder(const char *folder)
{
    static const char *const names[] = {"store.db", "store.db-wal", "store.db-shm",
                                        "store.db.lock"};
    char path[128];
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
}

void store_fixture_free(struct store_fixture *fixture)
{
    store_fixture_let_go(fixture);
    if (fixture->folder[0] != '\0') {
        remove_folder(fixture->folder);
    }
    if (fixture->backend == BACKEND_MONGODB) {
        drop_database(fixture->url);
    }
    arena_free(fixture->arena);
    free(fixture);
}

void store_fixture_reopen(struct store_fixture *fixture)
{
    store_fixture_let_go(fixture);
    fixture_open(fixture);
}

struct store_session *store_fixture_session(struct store_fixture *fixture, bool writes)
{
    struct store_session *session = NULL;
    assert_int_equal(store_session_open(fixture->store, writes, &session), ERR_OK);
    return session;
}

/* ---- Running ------------------------------------------------------------------------------ */

static enum backend current_backend;

static int fixture_setup(void **state)
{
    *state = store_fixture_new(current_backend);
    return 0;
}

static int fixture_teardown(void **state)
{
    store_fixture_free(*state);
    return 0;
}

static void is_skipped(void **state)
{
    (void)state;
    skip();
}

int run_on_every_backend(const char *name, const struct CMUnitTest *tests, size_t count)
{
    int failed = 0;
    struct CMUnitTest *copy = calloc(count, sizeof(*copy));
    if (copy == NULL) {
        return 1;
    }
    for (int backend = 0; backend < BACKEND_COUNT; backend++) {
        const bool is_there = backend_is_there((enum backend)backend);
        char group[128];
        snprintf(group, sizeof(group), "%s, %s", name, backend_names[backend]);
        if (!is_there) {
            printf("SKIPPED: %s: set " MONGODB_VARIABLE " to run it\n", group);
        }
        for (size_t i = 0; i < count; i++) {
            copy[i] = tests[i];
            copy[i].test_func = is_there ? tests[i].test_func : is_skipped;
            copy[i].setup_func = is_there ? fixture_setup : NULL;
            copy[i].teardown_func = is_there ? fixture_teardown : NULL;
        }
        current_backend = (enum backend)backend;
        failed += _cmocka_run_group_tests(group, copy, count, NULL, NULL);
    }
    free(copy);
    return failed;
}

/* ---- Records ------------------------------------------------------------------------------ */

struct oid oid_number(uint32_t number)
{
    return (struct oid){{0, 0, 0, 0, 0, 0, 0, 0, (uint8_t)(number >> 24), (uint8_t)(number >> 16),
                         (uint8_t)(number >> 8), (uint8_t)number}};
}

enum err insert_user_in(struct store_session *session, uint32_t number)
{
    const struct user user = {.id = oid_number(number), .open_id = "invented"};
    return store_insert(session, COLLECTION_USERS, &user);
}

int64_t count_users(struct store_session *session)
{
    const struct query all = {.limit = 0};
    int64_t count = -1;
    assert_int_equal(store_count(session, COLLECTION_USERS, &all, &count), ERR_OK);
    return count;
}

static struct text_list texts_of(struct arena *arena, const char *text)
{
    const char **items = arena_array(arena, 3, sizeof(*items));
    items[0] = text;
    items[1] = "";
    items[2] = text;
    return (struct text_list){.items = items, .count = 3};
}

static struct oid_list oids_of(struct arena *arena, uint32_t seed)
{
    struct oid *items = arena_array(arena, 2, sizeof(*items));
    items[0] = oid_number(seed + 1000);
    items[1] = oid_number(seed);
    return (struct oid_list){.items = items, .count = 2};
}

static struct message_text notice_of(uint32_t seed, const char *text)
{
    if (seed % 2 == 0) {
        return (struct message_text){.plain = text};
    }
    return (struct message_text){.is_notice = true,
                                 .doctor = {.type = "咨询开始", .text = text},
                                 .user = {.type = text, .text = "另一部分"}};
}

void record_fill(const struct shape *shape, struct arena *arena, void *record, uint32_t seed,
                 const char *text)
{
    record_clear(shape, record);
    for (size_t i = 0; i < shape->count; i++) {
        const struct field *field = &shape->fields[i];
        void *member = (char *)record + field->offset;
        const uint32_t number = seed + (uint32_t)i * 7;
        if (!field_is_stored(field)) {
            continue;
        }
        switch (field->kind) {
        case KIND_OID:
            *(struct oid *)member = oid_number(number);
            break;
        case KIND_TEXT:
            *(const char **)member = text;
            break;
        case KIND_NUMBER:
            *(int64_t *)member = (int64_t)number * -4294967297;
            break;
        case KIND_BOOL:
            *(bool *)member = true;
            break;
        case KIND_TIME:
            ((struct timestamp *)member)->ms = 1700000000000 + number;
            break;
        case KIND_TEXT_LIST:
            *(struct text_list *)member = texts_of(arena, text);
            break;
        case KIND_OID_LIST:
            *(struct oid_list *)member = oids_of(arena, number);
            break;
        case KIND_MESSAGE_TEXT:
            *(struct message_text *)member = notice_of(seed, text);
            break;
        default:
            fail_msg("a field of no stored kind: %s", field->name);
        }
    }
}

static bool texts_equal(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool text_lists_equal(const struct text_list *a, const struct text_list *b)
{
    bool equal = a->count == b->count;
    for (size_t i = 0; equal && i < a->count; i++) {
        equal = texts_equal(a->items[i], b->items[i]);
    }
    return equal;
}

static bool oid_lists_equal(const struct oid_list *a, const struct oid_list *b)
{
    bool equal = a->count == b->count;
    for (size_t i = 0; equal && i < a->count; i++) {
        equal = oid_equal(a->items[i], b->items[i]);
    }
    return equal;
}

static bool message_texts_equal(const struct message_text *a, const struct message_text *b)
{
    return a->is_notice == b->is_notice && texts_equal(a->plain, b->plain) &&
           texts_equal(a->doctor.type, b->doctor.type) &&
           texts_equal(a->doctor.text, b->doctor.text) && texts_equal(a->user.type, b->user.type) &&
           texts_equal(a->user.text, b->user.text);
}

static bool fields_equal(const struct field *field, const void *a, const void *b)
{
    switch (field->kind) {
    case KIND_OID:
        return oid_equal(*(const struct oid *)a, *(const struct oid *)b);
    case KIND_TEXT:
        return texts_equal(*(const char *const *)a, *(const char *const *)b);
    case KIND_NUMBER:
        return *(const int64_t *)a == *(const int64_t *)b;
    case KIND_BOOL:
        return *(const bool *)a == *(const bool *)b;
    case KIND_TIME:
        return ((const struct timestamp *)a)->ms == ((const struct timestamp *)b)->ms;
    case KIND_TEXT_LIST:
        return text_lists_equal(a, b);
    case KIND_OID_LIST:
        return oid_lists_equal(a, b);
    case KIND_MESSAGE_TEXT:
        return message_texts_equal(a, b);
    default:
        return false;
    }
}

void assert_records_equal(const struct shape *shape, const void *expected, const void *actual)
{
    for (size_t i = 0; i < shape->count; i++) {
        const struct field *field = &shape->fields[i];
        if (field_is_stored(field) && !fields_equal(field, (const char *)expected + field->offset,
                                                    (const char *)actual + field->offset)) {
            fail_msg("%s.%s is not what was stored", shape->name, field->name);
        }
    }
}
