/* Opening a MongoDB database: what the operator's URL may say, and what is decided here.
 *
 * The URL names hosts, replica set, credentials, TLS and the database (default `consultd`). What
 * the server promises its callers is not the URL's to change: writes are acknowledged by a
 * majority and journaled, reads go to the primary, and the waits are cut so that one operation,
 * with the one retry of the driver or of mongo.c, ends within settings.timeout_ms:
 *
 *     choose a server   1/5
 *     connect           1/10, twice
 *     send and answer   3/10, twice
 *
 * After an error the driver looks at a server again no sooner than half a second later: with a
 * timeout under 3 s there is no time for the repeat. A primary that is being elected may take
 * longer than all of it; then callers are told ERR_STORE and try again.
 *
 * retryWrites is left to the driver's default: it numbers a write only where the server keeps
 * such numbers (replica sets and sharded clusters of MongoDB), so that a standalone or compatible
 * server is never sent one. `retryWrites=false` in the URL turns it off.
 *
 * Indexes are made by name, those that the server does not list yet: asking is cheaper than making them
 * again, which some servers take for a mistake. Two nodes that open an empty database at once may get in
 * each other's way, so that it is tried a few times. Collections
 * come into being with the first insert. */
#include "storage/mongo_database.h"

#include "protocol/memory.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DATABASE_DEFAULT "consultd"
#define INDEX_ATTEMPTS 4
#define INDEX_TIMEOUT_MS 3600000 /* that of a large collection takes minutes */

/* ---- The driver --------------------------------------------------------------------------- */

/* The driver's log may hold documents, which are personal data: what matters of an error reaches
 * the caller as store_trouble. */
static void log_nothing(mongoc_log_level_t level, const char *domain, const char *message,
                        void *user_data)
{
    (void)level;
    (void)domain;
    (void)message;
    (void)user_data;
}

static void driver_start(void)
{
    mongoc_log_set_handler(log_nothing, NULL);
    mongoc_init();
    atexit(mongoc_cleanup); /* once for good: it cannot be started again */
}

static void driver_need(void)
{
    static pthread_once_t driver = PTHREAD_ONCE_INIT;
    pthread_once(&driver, driver_start);
}

void mongo_describe(const bson_error_t *error, char *text, size_t bytes)
{
    /* Errors of these kinds are the driver's own sentences, with hosts in them but no values. */
    const bool is_own = error->domain == MONGOC_ERROR_STREAM ||
                        error->domain == MONGOC_ERROR_SERVER_SELECTION ||
                        error->domain == MONGOC_ERROR_CLIENT;
    const int length = snprintf(text, bytes, "mongodb error %u/%u", error->domain, error->code);
    if (is_own && length > 0 && (size_t)length < bytes) {
        const size_t room = bytes - (size_t)length;
        snprintf(text + length, room, ": %.*s", (int)room, error->message);
    }
}

/* ---- The URL ------------------------------------------------------------------------------ */

static void set_waits(mongoc_uri_t *uri, const struct store_settings *settings)
{
    const int32_t timeout = (int32_t)settings->timeout_ms;
    const struct {
        const char *option;
        int32_t value;
    } options[] = {
        {MONGOC_URI_SERVERSELECTIONTIMEOUTMS, timeout / 5},
        {MONGOC_URI_CONNECTTIMEOUTMS, timeout / 10},
        {MONGOC_URI_SOCKETTIMEOUTMS, timeout * 3 / 10},
        {MONGOC_URI_WAITQUEUETIMEOUTMS, timeout / 5},
        {MONGOC_URI_MAXPOOLSIZE, (int32_t)settings->pool_size},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(options); i++) {
        const int32_t value = options[i].value > 0 ? options[i].value : 1;
        const bool is_set = mongoc_uri_set_option_as_int32(uri, options[i].option, value);
        assert(is_set);
        (void)is_set;
    }
    if (mongoc_uri_get_appname(uri) == NULL) {
        mongoc_uri_set_appname(uri, "consultd");
    }
}

static void set_promises(mongoc_uri_t *uri, const struct store_settings *settings)
{
    mongoc_write_concern_t *concern = mongoc_write_concern_new();
    mongoc_write_concern_set_wmajority(concern, (int32_t)(settings->timeout_ms / 4));
    mongoc_write_concern_set_journal(concern, true);
    mongoc_uri_set_write_concern(uri, concern);
    mongoc_write_concern_destroy(concern);
    mongoc_read_prefs_t *primary = mongoc_read_prefs_new(MONGOC_READ_PRIMARY);
    mongoc_uri_set_read_prefs_t(uri, primary);
    mongoc_read_prefs_destroy(primary);
}

/* Into `uri` and `name`. On ERR_STORE what is there is closed with the database all the same. */
static enum err parse_url(struct mongo_database *database, const char *url, char why[256])
{
    bson_error_t error;
    database->uri = mongoc_uri_new_with_error(url, &error);
    if (database->uri == NULL) { /* the error's text may quote the URL, and the password in it */
        snprintf(why, 256, "the store's URL is not a valid mongodb:// URL");
        return ERR_STORE;
    }
    const char *name = mongoc_uri_get_database(database->uri);
    const int length = snprintf(database->name, sizeof(database->name), "%s",
                                name == NULL || name[0] == '\0' ? DATABASE_DEFAULT : name);
    if (length >= (int)sizeof(database->name)) {
        snprintf(why, 256, "the name of the database in the store's URL is too long");
        return ERR_STORE;
    }
    return ERR_OK;
}

static enum err read_url(struct mongo_database *database, const struct store_settings *settings,
                         char why[256])
{
    assert(settings->timeout_ms > 0 && settings->timeout_ms <= INT32_MAX / 3);
    assert(settings->pool_size > 0 && settings->pool_size <= INT32_MAX);
    TRY(parse_url(database, settings->url, why));
    set_waits(database->uri, settings);
    set_promises(database->uri, settings);
    return ERR_OK;
}

/* ---- Indexes ------------------------------------------------------------------------------ */

static void add_index(bson_t *out, const struct index_row *index)
{
    const struct shape *shape = collection_row(index->collection)->shape;
    bson_t key;
    BSON_APPEND_DOCUMENT_BEGIN(out, "key", &key);
    for (size_t i = 0; i < index->count; i++) {
        BSON_APPEND_INT32(&key, shape_bson_name(shape, shape_field(shape, index->offsets[i])), 1);
    }
    bson_append_document_end(out, &key);
    BSON_APPEND_UTF8(out, "name", index->name);
    if (index->unique) {
        BSON_APPEND_BOOL(out, "unique", true);
    }
}

/* The name of an index as the server lists it; NULL: it has none. */
static const char *name_listed(const bson_t *index)
{
    bson_iter_t at;
    return bson_iter_init_find(&at, index, "name") && BSON_ITER_HOLDS_UTF8(&at)
               ? bson_iter_utf8(&at, NULL)
               : NULL;
}

/* Which of index_rows the collection has. Where the server does not tell, none: making an index that is
 * there does nothing. */
static void find_made(mongoc_collection_t *in, bool *is_made)
{
    size_t count = 0;
    const struct index_row *indexes = index_rows(&count);
    mongoc_cursor_t *cursor = mongoc_collection_find_indexes_with_opts(in, NULL);
    const bson_t *listed;
    while (mongoc_cursor_next(cursor, &listed)) {
        const char *name = name_listed(listed);
        for (size_t i = 0; i < count && name != NULL; i++) {
            is_made[i] = is_made[i] || strcmp(indexes[i].name, name) == 0;
        }
    }
    mongoc_cursor_destroy(cursor);
}

/* {createIndexes: collection, indexes: […]}; false when the collection lacks none. */
static bool indexes_command(bson_t *command, enum collection collection, const bool *is_made)
{
    size_t count = 0;
    uint32_t used = 0;
    const struct index_row *indexes = index_rows(&count);
    bson_t array, item;
    char buffer[16];
    const char *name = NULL;
    BSON_APPEND_UTF8(command, "createIndexes", collection_row(collection)->name);
    BSON_APPEND_ARRAY_BEGIN(command, "indexes", &array);
    for (size_t i = 0; i < count; i++) {
        if (indexes[i].collection == collection && !is_made[i]) {
            bson_uint32_to_string(used++, &name, buffer, sizeof(buffer));
            BSON_APPEND_DOCUMENT_BEGIN(&array, name, &item);
            add_index(&item, &indexes[i]);
            bson_append_document_end(&array, &item);
        }
    }
    bson_append_array_end(command, &array);
    return used > 0;
}

static bool has_indexes(enum collection collection)
{
    size_t count = 0;
    const struct index_row *indexes = index_rows(&count);
    for (size_t i = 0; i < count; i++) {
        if (indexes[i].collection == collection) {
            return true;
        }
    }
    return false;
}

/* Makes the indexes that the collection lacks; false: *error says why. */
static bool indexes_make_once(mongoc_client_t *client, const struct mongo_database *database,
                              enum collection collection, bson_error_t *error)
{
    size_t count = 0;
    (void)index_rows(&count);
    bool *is_made = memory_resize(NULL, count * sizeof(*is_made));
    memset(is_made, 0, count * sizeof(*is_made));
    mongoc_collection_t *in =
        mongoc_client_get_collection(client, database->name, collection_row(collection)->name);
    find_made(in, is_made);
    mongoc_collection_destroy(in);
    bson_t command = BSON_INITIALIZER;
    const bool is_done =
        !indexes_command(&command, collection, is_made) ||
        mongoc_client_command_simple(client, database->name, &command, NULL, NULL, error);
    bson_destroy(&command);
    free(is_made);
    return is_done;
}

static enum err indexes_make(mongoc_client_t *client, const struct mongo_database *database,
                             enum collection collection, char why[256])
{
    bson_error_t error = {0};
    bool is_done = !has_indexes(collection);
    for (int i = 0; i < INDEX_ATTEMPTS && !is_done; i++) {
        is_done = indexes_make_once(client, database, collection, &error);
        if (error.domain != MONGOC_ERROR_SERVER) {
            break; /* not one node in another's way: no answer */
        }
    }
    if (!is_done) {
        char described[200];
        mongo_describe(&error, described, sizeof(described));
        snprintf(why, 256, "cannot make indexes (%s): %s", collection_row(collection)->name,
                 described);
        return ERR_STORE;
    }
    return ERR_OK;
}

static bool has_row(enum collection collection, const char *name)
{
    size_t count = 0;
    const struct index_row *indexes = index_rows(&count);
    for (size_t i = 0; i < count; i++) {
        if (indexes[i].collection == collection && strcmp(indexes[i].name, name) == 0) {
            return true;
        }
    }
    return strcmp(name, "_id_") == 0;
}

/* The first one of them. False: there is none, or *error says why nobody knows. */
static bool find_old_index(mongoc_collection_t *in, enum collection collection, char name[128],
                           bson_error_t *error)
{
    mongoc_cursor_t *cursor = mongoc_collection_find_indexes_with_opts(in, NULL);
    const bson_t *index;
    bool is_found = false;
    while (!is_found && mongoc_cursor_next(cursor, &index)) {
        const char *listed = name_listed(index);
        if (listed != NULL && !has_row(collection, listed)) {
            snprintf(name, 128, "%s", listed);
            is_found = true;
        }
    }
    (void)mongoc_cursor_error(cursor, error);
    mongoc_cursor_destroy(cursor);
    return is_found;
}

bool mongo_drop_old_indexes(mongoc_collection_t *in, enum collection collection,
                            bson_error_t *error)
{
    char name[128];
    *error = (bson_error_t){0};
    while (find_old_index(in, collection, name, error)) {
        if (!mongoc_collection_drop_index_with_opts(in, name, NULL, error)) {
            return false;
        }
    }
    return error->code == 0;
}

bool mongo_answers(mongoc_client_t *client, const char *name, bson_error_t *error)
{
    bson_t command = BSON_INITIALIZER;
    BSON_APPEND_INT32(&command, "ping", 1);
    const bool is_there = mongoc_client_command_simple(client, name, &command, NULL, NULL, error);
    bson_destroy(&command);
    return is_there;
}

/* Asked before anything is made, so that an operator is told of the server and not of an index. */
static enum err greet(const struct mongo_database *database, char why[256])
{
    bson_error_t error = {0};
    mongoc_client_t *client = mongoc_client_pool_pop(database->pool);
    const bool is_there = mongo_answers(client, database->name, &error);
    mongoc_client_pool_push(database->pool, client);
    if (is_there) {
        return ERR_OK;
    }
    const bool is_away =
        error.domain == MONGOC_ERROR_SERVER_SELECTION || error.domain == MONGOC_ERROR_STREAM;
    char described[200];
    mongo_describe(&error, described, sizeof(described));
    snprintf(why, 256, "%s: %s",
             is_away ? "MongoDB cannot be reached" : "MongoDB is there and refuses us", described);
    return ERR_STORE;
}

/* By a connection of its own, that waits as long as the index of a large collection takes. */
static enum err prepare(const struct mongo_database *database, char why[256])
{
    mongoc_uri_t *uri = mongoc_uri_copy(database->uri);
    mongoc_uri_set_option_as_int32(uri, MONGOC_URI_SOCKETTIMEOUTMS, INDEX_TIMEOUT_MS);
    mongoc_client_pool_t *pool = mongoc_client_pool_new(uri);
    mongoc_client_pool_set_error_api(pool, MONGOC_ERROR_API_VERSION_2);
    mongoc_client_t *client = mongoc_client_pool_pop(pool);
    enum err err = ERR_OK;
    for (int i = 0; i < COLLECTION_COUNT && err == ERR_OK; i++) {
        err = indexes_make(client, database, (enum collection)i, why);
    }
    mongoc_client_pool_push(pool, client);
    mongoc_client_pool_destroy(pool);
    mongoc_uri_destroy(uri);
    return err;
}

enum err mongo_database_check_url(const char *url, char why[256])
{
    struct mongo_database database = {.uri = NULL};
    driver_need();
    const enum err err = parse_url(&database, url, why);
    mongo_database_close(&database);
    return err;
}

enum err mongo_database_open(struct mongo_database *database, const struct store_settings *settings,
                             char why[256])
{
    driver_need();
    *database = (struct mongo_database){.uri = NULL};
    enum err err = read_url(database, settings, why);
    if (err == ERR_OK) {
        bson_error_t error = {0};
        database->pool = mongoc_client_pool_new_with_error(database->uri, &error);
        if (database->pool == NULL) {
            mongo_describe(&error, why, 256);
            err = ERR_STORE;
        }
    }
    if (err == ERR_OK) {
        mongoc_client_pool_set_error_api(database->pool, MONGOC_ERROR_API_VERSION_2);
        err = greet(database, why);
    }
    if (err == ERR_OK) {
        err = prepare(database, why);
    }
    if (err != ERR_OK) {
        mongo_database_close(database);
    }
    return err;
}

void mongo_database_close(struct mongo_database *database)
{
    if (database->pool != NULL) {
        mongoc_client_pool_destroy(database->pool);
        database->pool = NULL;
    }
    mongoc_uri_destroy(database->uri);
    database->uri = NULL;
}
