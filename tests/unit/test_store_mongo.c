/* What only the MongoDB store meets: a server that goes away, answers that get lost, documents that
 * other programs wrote, and URLs with passwords. A proxy before the server plays the network. */
/* First: the driver's headers need <sys/param.h>'s MAX, which is a change of a record here. */
#include <mongoc/mongoc.h>
#undef MAX

#include "support_proxy.h"
#include "support_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Documents of other programs ----------------------------------------------------------- */

static int direct_setup(void **state)
{
    *state = store_fixture_new(BACKEND_MONGODB);
    return 0;
}

static int direct_teardown(void **state)
{
    store_fixture_free(*state);
    return 0;
}

/* Inserts `document` (destroyed here) as it is. */
static void insert_raw(struct store_fixture *f, enum collection collection, bson_t *document)
{
    bson_error_t error = {0};
    mongoc_client_t *client = mongoc_client_new(f->url);
    mongoc_uri_t *uri = mongoc_uri_new(f->url);
    mongoc_collection_t *in = mongoc_client_get_collection(client, mongoc_uri_get_database(uri),
                                                           collection_row(collection)->name);
    if (!mongoc_collection_insert_one(in, document, NULL, NULL, &error)) {
        fail_msg("%s", error.message);
    }
    mongoc_collection_destroy(in);
    mongoc_uri_destroy(uri);
    mongoc_client_destroy(client);
    bson_destroy(document);
}

static void add_id(bson_t *document, uint32_t number)
{
    const struct oid id = oid_number(number);
    bson_oid_t oid;
    memcpy(oid.bytes, id.bytes, sizeof(oid.bytes));
    BSON_APPEND_OID(document, "_id", &oid);
}

static void numbers_of_any_type_missing_fields_and_foreign_ones_are_read(void **state)
{
    struct store_fixture *f = *state;
    bson_t *document = bson_new();
    BSON_APPEND_INT32(document, "fee", 12);
    BSON_APPEND_DOUBLE(document, "startSeq", 7.0);
    BSON_APPEND_NULL(document, "content");
    BSON_APPEND_UTF8(document, "ofAnotherProgram", "passed over");
    BSON_APPEND_INT32(document, "evaluated", 1);
    add_id(document, 1);
    BSON_APPEND_INT32(document, "__v", 0);
    insert_raw(f, COLLECTION_CONSULTATIONS, document);
    struct consultation read;
    assert_int_equal(
        store_get(f->session, f->arena, COLLECTION_CONSULTATIONS, oid_number(1), &read), ERR_OK);
    assert_int_equal(read.fee, 12);
    assert_int_equal(read.start_seq, 7);
    assert_true(read.evaluated);
    assert_null(read.content);
    assert_true(read.reply_count == NUMBER_ABSENT);
    assert_int_equal(read.replies.count, 0);
}

static void a_value_of_a_wrong_type_is_told_and_not_handed_out(void **state)
{
    struct store_fixture *f = *state;
    static const char *const fields[] = {"fee", "status", "images", "replies", "paid_at", "userId"};
    for (uint32_t i = 0; i < ARRAY_LENGTH(fields); i++) {
        struct consultation read;
        char number[16];
        bson_t child;
        bson_t *document = bson_new();
        add_id(document, i + 1);
        snprintf(number, sizeof(number), "H0-%u", i);
        BSON_APPEND_UTF8(document, "consultationNo", number);
        BSON_APPEND_DOCUMENT_BEGIN(document, fields[i], &child);
        BSON_APPEND_UTF8(&child, "secret", "4f2c");
        bson_append_document_end(document, &child);
        insert_raw(f, COLLECTION_CONSULTATIONS, document);
        assert_int_equal(
            store_get(f->session, f->arena, COLLECTION_CONSULTATIONS, oid_number(i + 1), &read),
            ERR_STORE);
        assert_non_null(strstr(store_trouble(f->session), fields[i]));
        assert_null(strstr(store_trouble(f->session), "4f2c"));
    }
}

static void a_bool_that_was_never_stored_is_false_to_conditions_too(void **state)
{
    struct store_fixture *f = *state;
    bson_t *document = bson_new();
    add_id(document, 1);
    insert_raw(f, COLLECTION_DOCTORS, document);
    const struct condition conditions[] = {WHERE(doctor, disabled, IS, false),
                                           WHERE(doctor, is_hot, IS_NOT, true)};
    const struct query query = {.conditions = conditions, .condition_count = 2};
    int64_t count = 0;
    assert_int_equal(store_count(f->session, COLLECTION_DOCTORS, &query, &count), ERR_OK);
    assert_int_equal(count, 1);
}

/* Whether consultations have an index of this name; `make`: makes it before. */
static bool has_index(struct store_fixture *f, const char *wanted, bool make)
{
    mongoc_client_t *client = mongoc_client_new(f->url);
    mongoc_uri_t *uri = mongoc_uri_new(f->url);
    const char *database = mongoc_uri_get_database(uri);
    mongoc_collection_t *in = mongoc_client_get_collection(client, database, "consultations");
    if (make) {
        bson_error_t error = {0};
        bson_t *command = BCON_NEW("createIndexes", "consultations", "indexes", "[", "{", "key",
                                   "{", "userId", BCON_INT32(1), "}", "name", wanted, "}", "]");
        assert_true(mongoc_client_command_simple(client, database, command, NULL, NULL, &error));
        bson_destroy(command);
    }
    mongoc_cursor_t *cursor = mongoc_collection_find_indexes_with_opts(in, NULL);
    const bson_t *index;
    bson_iter_t at;
    bool is_found = false;
    while (mongoc_cursor_next(cursor, &index)) {
        is_found = is_found || (bson_iter_init_find(&at, index, "name") &&
                                strcmp(bson_iter_utf8(&at, NULL), wanted) == 0);
    }
    mongoc_cursor_destroy(cursor);
    mongoc_collection_destroy(in);
    mongoc_uri_destroy(uri);
    mongoc_client_destroy(client);
    return is_found;
}

static void an_older_store_is_refused_until_it_is_upgraded(void **state)
{
    struct store_fixture *f = *state;
    struct store_settings settings = {.url = f->url, .timeout_ms = 10000, .pool_size = 2};
    struct store_info info;
    struct store *store = NULL;
    char why[256];
    const struct query all = {.limit = 1};
    const struct change older = SET(store_info, version, 1);
    assert_true(has_index(f, "by_user", true));
    assert_int_equal(store_find_one(f->session, f->arena, COLLECTION_STORE_INFO, &all, &info),
                     ERR_OK);
    assert_int_equal(store_update(f->session, f->arena, COLLECTION_STORE_INFO, info.id, NULL, 0,
                                  &older, 1, NULL),
                     ERR_OK);
    assert_int_equal(store_open(&settings, &store, why), ERR_STORE);
    assert_non_null(strstr(why, "consultd db upgrade"));
    settings.upgrades = true;
    assert_int_equal(store_open(&settings, &store, why), ERR_OK);
    assert_int_equal(store_version_found(store), 1);
    store_close(store);
    assert_false(has_index(f, "by_user", false));
    assert_true(has_index(f, "by_no", false));
    settings.upgrades = false;
    assert_int_equal(store_open(&settings, &store, why), ERR_OK);
    assert_int_equal(store_version_found(store), store_version());
    store_close(store);
}

static void two_nodes_open_one_database_under_one_name(void **state)
{
    struct store_fixture *f = *state;
    const struct store_settings settings = {.url = f->url, .timeout_ms = 10000, .pool_size = 2};
    struct store *other = NULL;
    char why[256];
    assert_int_equal(store_open(&settings, &other, why), ERR_OK);
    assert_string_equal(store_id(other), store_id(f->store));
    assert_int_equal(store_writers_max(other), 2);
    store_close(other);
}

static void more_sessions_than_connections_are_told_so(void **state)
{
    struct store_fixture *f = *state;
    const struct store_settings settings = {.url = f->url, .timeout_ms = 2000, .pool_size = 1};
    struct store *store = NULL;
    struct store_session *sessions[2];
    char why[256];
    assert_int_equal(store_open(&settings, &store, why), ERR_OK);
    assert_int_equal(store_session_open(store, true, &sessions[0]), ERR_OK);
    assert_int_equal(store_session_open(store, true, &sessions[1]), ERR_OK);
    assert_int_equal(store_ping(sessions[0]), ERR_OK);
    assert_int_equal(store_ping(sessions[1]), ERR_STORE);
    assert_non_null(strstr(store_trouble(sessions[1]), "no connection is free"));
    store_session_close(sessions[0]);
    assert_int_equal(store_ping(sessions[1]), ERR_OK);
    store_session_close(sessions[1]);
    store_close(store);
}

/* ---- A network that fails ------------------------------------------------------------------ */

struct proxied {
    struct store_fixture *direct; /* the same database, without the proxy */
    struct proxy *proxy;
    struct store *store;
    struct store_session *session;
};

/* The port of the server's URL, which the tests run on this machine. */
static uint16_t server_port(const char *url)
{
    const char *at = strchr(url, '@');
    const char *host = at == NULL ? strstr(url, "://") + 3 : at + 1;
    const char *colon = strchr(host, ':');
    const long port = colon == NULL ? 27017 : strtol(colon + 1, NULL, 10);
    return (uint16_t)port;
}

static void proxied_url(const struct proxied *p, char *url, size_t bytes)
{
    const char *name = strrchr(p->direct->url, '/');
    snprintf(url, bytes, "mongodb://127.0.0.1:%u%s%sdirectConnection=true&retryWrites=false",
             proxy_port(p->proxy), name, strchr(name, '?') == NULL ? "?" : "&");
}

static int proxied_setup(void **state)
{
    struct proxied *p = calloc(1, sizeof(*p));
    char url[512], why[256];
    assert_non_null(p);
    p->direct = store_fixture_new(BACKEND_MONGODB);
    p->proxy = proxy_new(server_port(p->direct->url));
    proxied_url(p, url, sizeof(url));
    const struct store_settings settings = {.url = url, .timeout_ms = 4000, .pool_size = 4};
    if (store_open(&settings, &p->store, why) != ERR_OK) {
        fail_msg("through the proxy: %s", why);
    }
    assert_int_equal(store_session_open(p->store, true, &p->session), ERR_OK);
    *state = p;
    return 0;
}

static int proxied_teardown(void **state)
{
    struct proxied *p = *state;
    store_session_close(p->session);
    store_close(p->store);
    proxy_free(p->proxy);
    store_fixture_free(p->direct);
    free(p);
    return 0;
}

static enum err insert_user(struct proxied *p, uint32_t number)
{
    return insert_user_in(p->session, number);
}

static int64_t users(struct proxied *p)
{
    return count_users(p->direct->session);
}

/* Tries until the store works again; a deadline ends a test that waits in vain. */
static void expect_recovery(struct proxied *p)
{
    enum err err = ERR_STORE;
    for (int i = 0; i < 60 && err != ERR_OK; i++) {
        err = store_ping(p->session);
    }
    assert_int_equal(err, ERR_OK);
    assert_int_equal(insert_user(p, 99), ERR_OK);
}

static void everything_fails_in_time_while_the_server_is_away_and_works_after(void **state)
{
    struct proxied *p = *state;
    struct arena *arena = p->direct->arena;
    const struct user many[] = {{.id = oid_number(2)}};
    const struct change change = SET(user, open_id, "changed");
    const struct query all = {.limit = 0};
    struct object_list found;
    struct user user;
    int64_t count = 0;
    assert_int_equal(insert_user(p, 1), ERR_OK);
    proxy_set_down(p->proxy, true);
    assert_int_equal(insert_user(p, 2), ERR_STORE);
    assert_string_not_equal(store_trouble(p->session), "");
    assert_int_equal(store_insert_many(p->session, COLLECTION_USERS, many, 1), ERR_STORE);
    assert_int_equal(store_find(p->session, arena, COLLECTION_USERS, &all, &found), ERR_STORE);
    assert_int_equal(store_count(p->session, COLLECTION_USERS, &all, &count), ERR_STORE);
    assert_int_equal(store_update(p->session, arena, COLLECTION_USERS, oid_number(1), NULL, 0,
                                  &change, 1, &user),
                     ERR_STORE);
    assert_int_equal(
        store_update(p->session, arena, COLLECTION_USERS, oid_number(1), NULL, 0, &change, 1, NULL),
        ERR_STORE);
    assert_int_equal(store_ping(p->session), ERR_STORE);
    proxy_set_down(p->proxy, false);
    expect_recovery(p);
    assert_int_equal(users(p), 2);
}

static void a_server_that_hangs_is_given_up_in_time(void **state)
{
    struct proxied *p = *state;
    assert_int_equal(insert_user(p, 1), ERR_OK);
    proxy_set_frozen(p->proxy, true);
    assert_int_equal(insert_user(p, 2), ERR_STORE);
    assert_int_equal(store_ping(p->session), ERR_STORE);
    proxy_set_frozen(p->proxy, false);
    expect_recovery(p);
}

/* Longer than a call may take, as with the index of a large collection. */
static void an_index_may_take_its_time(void **state)
{
    struct proxied *p = *state;
    char url[512], why[256] = "";
    proxied_url(p, url, sizeof(url));
    mongoc_client_t *client = mongoc_client_new(p->direct->url);
    mongoc_database_t *database = mongoc_client_get_default_database(client);
    mongoc_collection_t *payments = mongoc_database_get_collection(database, "payments");
    bson_error_t error;
    assert_true(mongoc_collection_drop_index(payments, "by_due", &error));
    proxy_count(p->proxy, "by_due");
    proxy_delay(p->proxy, "createIndexes", 600);
    const struct store_settings settings = {.url = url, .timeout_ms = 1000, .pool_size = 4};
    struct store *late = NULL;
    const enum err err = store_open(&settings, &late, why);
    assert_string_equal(why, "");
    assert_int_equal(err, ERR_OK);
    assert_true(proxy_count(p->proxy, "") > 0);
    store_close(late);
    mongoc_collection_destroy(payments);
    mongoc_database_destroy(database);
    mongoc_client_destroy(client);
}

static void an_insert_whose_answer_is_lost_has_succeeded(void **state)
{
    struct proxied *p = *state;
    proxy_lose_answer(p->proxy, "insert");
    assert_int_equal(insert_user(p, 1), ERR_OK);
    assert_int_equal(users(p), 1);
    assert_int_equal(insert_user(p, 1), ERR_DUPLICATE);
}

static void a_repeated_insert_does_not_take_anothers_record_for_its_own(void **state)
{
    struct proxied *p = *state;
    const struct user other = {.id = oid_number(1), .open_id = "another"};
    assert_int_equal(store_insert(p->direct->session, COLLECTION_USERS, &other), ERR_OK);
    proxy_lose_answer(p->proxy, "insert");
    assert_int_equal(insert_user(p, 1), ERR_DUPLICATE);
}

static void inserting_many_whose_answer_is_lost_has_succeeded(void **state)
{
    struct proxied *p = *state;
    const struct user many[] = {{.id = oid_number(1)}, {.id = oid_number(2)}};
    proxy_lose_answer(p->proxy, "insert");
    assert_int_equal(store_insert_many(p->session, COLLECTION_USERS, many, 2), ERR_OK);
    assert_int_equal(users(p), 2);
}

static void an_update_whose_answer_is_lost_is_not_repeated(void **state)
{
    struct proxied *p = *state;
    struct user user;
    const struct change change = INC(user, phone, 1);
    assert_int_equal(insert_user(p, 1), ERR_OK);
    proxy_lose_answer(p->proxy, "findAndModify");
    assert_int_equal(store_update(p->session, p->direct->arena, COLLECTION_USERS, oid_number(1),
                                  NULL, 0, &change, 1, &user),
                     ERR_STORE);
    assert_int_equal(
        store_get(p->direct->session, p->direct->arena, COLLECTION_USERS, oid_number(1), &user),
        ERR_OK);
    assert_int_equal(user.phone, 1);
    expect_recovery(p);
}

static void a_read_whose_answer_is_lost_is_repeated(void **state)
{
    struct proxied *p = *state;
    struct user user;
    assert_int_equal(insert_user(p, 1), ERR_OK);
    const struct query all = {.limit = 0};
    int64_t count = 0;
    proxy_lose_answer(p->proxy, "find");
    assert_int_equal(
        store_get(p->session, p->direct->arena, COLLECTION_USERS, oid_number(1), &user), ERR_OK);
    proxy_lose_answer(p->proxy, "count");
    assert_int_equal(store_count(p->session, COLLECTION_USERS, &all, &count), ERR_OK);
    assert_int_equal(count, 1);
}

/* An OP_MSG that says {ok: 0, code: …}: how a server answers that has stepped down. */
static size_t refusal(int code, unsigned char answer[256])
{
    bson_t *document = bson_new();
    BSON_APPEND_DOUBLE(document, "ok", 0);
    BSON_APPEND_UTF8(document, "errmsg", "not master");
    BSON_APPEND_INT32(document, "code", code);
    const uint32_t length = 16 + 4 + 1 + document->len;
    const uint32_t header[] = {length, 1, 0, 2013, 0}; /* little-endian, as this machine is */
    memcpy(answer, header, sizeof(header));
    answer[20] = 0;
    memcpy(answer + 21, bson_get_data(document), document->len);
    bson_destroy(document);
    return length;
}

static void what_a_server_refused_because_it_stepped_down_is_sent_again(void **state)
{
    struct proxied *p = *state;
    unsigned char answer[256];
    struct user user;
    const struct change change = INC(user, phone, 1);
    const size_t length = refusal(10107, answer);
    proxy_answer(p->proxy, "insert", answer, length);
    assert_int_equal(insert_user(p, 1), ERR_OK);
    proxy_answer(p->proxy, "findAndModify", answer, length);
    assert_int_equal(store_update(p->session, p->direct->arena, COLLECTION_USERS, oid_number(1),
                                  NULL, 0, &change, 1, &user),
                     ERR_OK);
    assert_int_equal(user.phone, 1);
    proxy_answer(p->proxy, "update", answer, length);
    assert_int_equal(store_update(p->session, p->direct->arena, COLLECTION_USERS, oid_number(1),
                                  NULL, 0, &change, 1, NULL),
                     ERR_OK);
    assert_int_equal(
        store_get(p->direct->session, p->direct->arena, COLLECTION_USERS, oid_number(1), &user),
        ERR_OK);
    assert_int_equal(user.phone, 2);
}

static void a_list_comes_in_one_round_trip(void **state)
{
    struct proxied *p = *state;
    enum { COUNT = 300 };
    static struct user many[COUNT];
    for (uint32_t i = 0; i < COUNT; i++) {
        many[i] = (struct user){.id = oid_number(i + 1)};
    }
    const struct query query = {.sort = {SORT_UP(user, id)}, .limit = COUNT};
    struct object_list found;
    assert_int_equal(store_insert_many(p->direct->session, COLLECTION_USERS, many, COUNT), ERR_OK);
    proxy_count(p->proxy, "users");
    assert_int_equal(store_find(p->session, p->direct->arena, COLLECTION_USERS, &query, &found),
                     ERR_OK);
    assert_int_equal(found.count, COUNT);
    assert_int_equal(proxy_count(p->proxy, ""), 1);
}

/* ---- URLs --------------------------------------------------------------------------------- */

static void expect_refused(const char *url, const char *because)
{
    const struct store_settings settings = {.url = url, .timeout_ms = 1000, .pool_size = 2};
    struct store *store = (struct store *)1;
    char why[256];
    assert_int_equal(store_open(&settings, &store, why), ERR_STORE);
    assert_null(store);
    assert_null(strstr(why, "hunter2"));
    if (strstr(why, because) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", why, because);
    }
}

static void wrong_urls_are_refused_without_their_password(void **state)
{
    (void)state;
    expect_refused("mongodb://someone:hunter2@", "not a valid mongodb:// URL");
    expect_refused("mongodb://someone:hunter2@127.0.0.1:99999/db", "not a valid mongodb:// URL");
    expect_refused("mongodb:someone:hunter2", "not a valid mongodb:// URL");
    expect_refused("mongodb://127.0.0.1:1/a_name_that_is_much_longer_than_the_sixty_three_"
                   "bytes_that_a_database_may_have",
                   "too long");
}

static void a_server_that_is_not_there_is_named_in_time(void **state)
{
    (void)state;
    const char *url = "mongodb://someone:hunter2@127.0.0.1:1/db";
    expect_refused(url, "MongoDB cannot be reached");
    expect_refused(url, "127.0.0.1:1");
}

static void no_server(void **state)
{
    (void)state;
    skip();
}

int main(void)
{
#define DIRECT(name) cmocka_unit_test_setup_teardown(name, direct_setup, direct_teardown)
#define PROXIED(name) cmocka_unit_test_setup_teardown(name, proxied_setup, proxied_teardown)
    struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_urls_are_refused_without_their_password),
        cmocka_unit_test(a_server_that_is_not_there_is_named_in_time),
        DIRECT(numbers_of_any_type_missing_fields_and_foreign_ones_are_read),
        DIRECT(a_value_of_a_wrong_type_is_told_and_not_handed_out),
        DIRECT(a_bool_that_was_never_stored_is_false_to_conditions_too),
        DIRECT(an_older_store_is_refused_until_it_is_upgraded),
        DIRECT(two_nodes_open_one_database_under_one_name),
        DIRECT(more_sessions_than_connections_are_told_so),
        PROXIED(everything_fails_in_time_while_the_server_is_away_and_works_after),
        PROXIED(a_server_that_hangs_is_given_up_in_time),
        PROXIED(an_index_may_take_its_time),
        PROXIED(an_insert_whose_answer_is_lost_has_succeeded),
        PROXIED(a_repeated_insert_does_not_take_anothers_record_for_its_own),
        PROXIED(inserting_many_whose_answer_is_lost_has_succeeded),
        PROXIED(an_update_whose_answer_is_lost_is_not_repeated),
        PROXIED(a_read_whose_answer_is_lost_is_repeated),
        PROXIED(what_a_server_refused_because_it_stepped_down_is_sent_again),
        PROXIED(a_list_comes_in_one_round_trip),
    };
    if (!backend_is_there(BACKEND_MONGODB)) {
        printf("SKIPPED: MongoDB over a failing network: set CONSULTD_TEST_MONGODB_URI\n");
        for (size_t i = 2; i < ARRAY_LENGTH(tests); i++) {
            tests[i].test_func = no_server;
            tests[i].setup_func = NULL;
            tests[i].teardown_func = NULL;
        }
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
