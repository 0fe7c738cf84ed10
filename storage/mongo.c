/* The MongoDB backend: sessions and the operations.
 *
 * Every operation is on its own and durable (majority, journaled) when it returns; begin, mark,
 * commit and their kin do nothing. What many jobs do together is mongo_batch.c's. A session takes a connection from the pool with its first
 * operation and keeps it.
 *
 * Only what every MongoDB-compatible server has is used (contract 5): insert, find, count, update,
 * findAndModify, createIndexes, ping.
 *
 * What a lost connection means, per operation. Where the server numbers writes (replica sets), the
 * driver repeats each of them once by itself, exactly once in effect. Elsewhere:
 *
 *     find, count     repeated by the driver; they change nothing
 *     insert          repeated here once: the ids are ours, so a second try that meets its own
 *                     record, equal in all fields, has succeeded
 *     insert_many     repeated here once: records whose id is taken are passed over anyway
 *     update          not repeated, as adding twice is not adding once: ERR_STORE, and nobody knows
 *                     whether it happened. The caller's caller sends the same call again, and the
 *                     conditions (LACKS the reply's id, BELOW the stamp) make that harmless
 *
 * A server that answers "I am not the primary" has done nothing, so that any operation is then
 * sent once more. A write that a majority did not confirm in time is ERR_STORE, although the
 * primary may have it: to be repeated like a lost one.
 *
 * What must hold: a cursor or reply is destroyed before the call returns; store_trouble never
 * holds a stored value.
 *
 * Worker only; a store is shared and constant after opening, a session has one thread at a time. */
#include "storage/mongo_batch.h"

#include "protocol/memory.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WRITERS_MAX 4
#define BATCH_MAX 1000 /* records that one answer of find is sure to have room for */

/* Answers of a server that has done nothing. */
#define CODE_NOT_PRIMARY 10107
#define CODE_NOT_PRIMARY_NO_SECONDARY_OK 13435

struct mongo_store {
    struct store head;
    struct mongo_database database;
};

static struct mongo_session *of(struct store_session *session)
{
    return (struct mongo_session *)session;
}

static struct mongo_database *database_of(struct mongo_session *s)
{
    return &((struct mongo_store *)s->head.store)->database;
}

enum err mongo_trouble(struct mongo_session *s, const bson_error_t *error)
{
    mongo_describe(error, s->head.trouble, sizeof(s->head.trouble));
    return ERR_STORE;
}

/* ---- Opening ------------------------------------------------------------------------------ */

static enum err mongo_open(const struct store_settings *settings, struct store **out, char why[256])
{
    struct mongo_store *store = memory_resize(NULL, sizeof(*store));
    memset(store, 0, sizeof(*store));
    store->head.ops = &mongo_ops;
    store->head.ordered = false;
    store->head.atomic = false;
    store->head.writers_max =
        settings->pool_size < WRITERS_MAX ? (int)settings->pool_size : WRITERS_MAX;
    const enum err err = mongo_database_open(&store->database, settings, why);
    if (err != ERR_OK) {
        free(store);
        return err;
    }
    *out = &store->head;
    return ERR_OK;
}

static void mongo_close(struct store *head)
{
    struct mongo_store *store = (struct mongo_store *)head;
    mongo_database_close(&store->database);
    free(store);
}

static enum err mongo_session_open(struct store *store, bool writes, struct store_session **out)
{
    (void)writes; /* one kind of connection does both */
    struct mongo_session *s = memory_resize(NULL, sizeof(*s));
    memset(s, 0, sizeof(*s));
    s->head.ops = &mongo_ops;
    s->head.store = store;
    s->batch = mongo_batch_new();
    *out = &s->head;
    return ERR_OK;
}

static void mongo_session_close(struct store_session *session)
{
    struct mongo_session *s = of(session);
    for (size_t i = 0; i < COLLECTION_COUNT; i++) {
        if (s->collections[i] != NULL) {
            mongoc_collection_destroy(s->collections[i]);
        }
    }
    if (s->client != NULL) {
        mongoc_client_pool_push(database_of(s)->pool, s->client);
    }
    mongo_batch_free(s->batch);
    free(s);
}

static enum err client_of(struct mongo_session *s, mongoc_client_t **out)
{
    if (s->client == NULL) {
        s->client = mongoc_client_pool_pop(database_of(s)->pool);
    }
    *out = s->client;
    if (s->client == NULL) {
        snprintf(s->head.trouble, sizeof(s->head.trouble),
                 "no connection is free: more sessions than the pool has");
        return ERR_STORE;
    }
    return ERR_OK;
}

enum err mongo_collection_of(struct mongo_session *s, enum collection collection,
                             mongoc_collection_t **out)
{
    if (s->collections[collection] == NULL) {
        mongoc_client_t *client = NULL;
        TRY(client_of(s, &client));
        s->collections[collection] = mongoc_client_get_collection(client, database_of(s)->name,
                                                                  collection_row(collection)->name);
    }
    *out = s->collections[collection];
    return ERR_OK;
}

/* ---- Runs: each operation is one ----------------------------------------------------------- */

static enum err mongo_run_step(struct store_session *session)
{
    (void)session;
    return ERR_OK;
}

static void mongo_abandon(struct store_session *session)
{
    (void)session;
}

/* ---- Errors ------------------------------------------------------------------------------- */

static bool is_lost_connection(const bson_error_t *error)
{
    return error->domain == MONGOC_ERROR_STREAM;
}

static bool is_not_primary(const bson_error_t *error)
{
    return error->domain == MONGOC_ERROR_SERVER &&
           (error->code == CODE_NOT_PRIMARY || error->code == CODE_NOT_PRIMARY_NO_SECONDARY_OK);
}

static bool is_duplicate(const bson_error_t *error)
{
    return error->domain == MONGOC_ERROR_SERVER && error->code == MONGOC_ERROR_DUPLICATE_KEY;
}

/* Whether the driver has sent it twice already: it labels so what it may repeat. A third and
 * fourth time would outlast the timeout. */
static bool was_repeated(const bson_t *reply)
{
    return mongoc_error_has_label(reply, "RetryableWriteError");
}

/* ---- Inserting ---------------------------------------------------------------------------- */

/* Whether the stored document of the same id equals `document`. */
static enum err is_stored(struct mongo_session *s, mongoc_collection_t *in, const bson_t *document,
                          bool *out)
{
    bson_iter_t id;
    const bool has_id = bson_iter_init_find(&id, document, "_id");
    assert(has_id);
    (void)has_id;
    bson_t filter = BSON_INITIALIZER;
    bson_append_iter(&filter, "_id", -1, &id);
    mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(in, &filter, NULL, NULL);
    const bson_t *found = NULL;
    bson_error_t error = {0};
    *out = mongoc_cursor_next(cursor, &found) && bson_equal(found, document);
    enum err err = ERR_OK;
    if (mongoc_cursor_error(cursor, &error)) {
        err = mongo_trouble(s, &error);
    }
    mongoc_cursor_destroy(cursor);
    bson_destroy(&filter);
    return err;
}

static enum err insert_document(struct mongo_session *s, mongoc_collection_t *in,
                                const bson_t *document)
{
    bson_t reply;
    bson_error_t error = {0};
    bool is_done = mongoc_collection_insert_one(in, document, NULL, &reply, &error);
    const bool was_lost = !is_done && is_lost_connection(&error);
    if (!is_done && (was_lost || is_not_primary(&error)) && !was_repeated(&reply)) {
        bson_destroy(&reply);
        memset(&error, 0, sizeof(error));
        is_done = mongoc_collection_insert_one(in, document, NULL, &reply, &error);
    }
    bson_destroy(&reply);
    if (is_done) {
        return ERR_OK;
    }
    if (!is_duplicate(&error)) {
        return mongo_trouble(s, &error);
    }
    bool is_ours = false;
    if (was_lost) {
        TRY(is_stored(s, in, document, &is_ours));
    }
    return is_ours ? ERR_OK : ERR_DUPLICATE;
}

static enum err mongo_insert(struct store_session *session, enum collection collection,
                             const void *record)
{
    struct mongo_session *s = of(session);
    mongoc_collection_t *in = NULL;
    if (mongo_batch_is_open(s)) {
        return mongo_batch_insert(s, collection, record);
    }
    TRY(mongo_collection_of(s, collection, &in));
    bson_t document = BSON_INITIALIZER;
    shape_bson_write(&document, collection_row(collection)->shape, record);
    const enum err err = insert_document(s, in, &document);
    bson_destroy(&document);
    return err;
}

/* Reads one of writeErrors: {index, code, …}. */
static bool read_write_error(bson_iter_t *errors, int64_t *index, int64_t *code)
{
    bson_iter_t error;
    if (!bson_iter_recurse(errors, &error)) {
        return false;
    }
    while (bson_iter_next(&error)) {
        if (strcmp(bson_iter_key(&error), "index") == 0) {
            *index = bson_iter_as_int64(&error);
        } else if (strcmp(bson_iter_key(&error), "code") == 0) {
            *code = bson_iter_as_int64(&error);
        }
    }
    return true;
}

bool mongo_only_refused(const bson_t *reply, const bson_error_t *error, size_t count,
                        bool *is_refused)
{
    bson_iter_t iter, errors;
    size_t refused = 0;
    if (!is_duplicate(error) || bson_iter_init_find(&iter, reply, "writeConcernErrors") ||
        !bson_iter_init_find(&iter, reply, "writeErrors") || !bson_iter_recurse(&iter, &errors)) {
        return false;
    }
    for (; bson_iter_next(&errors); refused++) {
        int64_t index = -1, code = 0;
        if (!read_write_error(&errors, &index, &code) || code != MONGOC_ERROR_DUPLICATE_KEY ||
            index < 0 || (size_t)index >= count) {
            return false;
        }
        is_refused[index] = true;
    }
    return refused > 0;
}

enum err mongo_insert_each(struct mongo_session *s, enum collection collection,
                           bson_t *const *documents, size_t count, bool *is_refused)
{
    mongoc_collection_t *in = NULL;
    TRY(mongo_collection_of(s, collection, &in));
    bson_t reply;
    bson_error_t error = {0};
    bson_t options = BSON_INITIALIZER;
    BSON_APPEND_BOOL(&options, "ordered", false);  /* one that is refused does not stop the rest */
    BSON_APPEND_BOOL(&options, "validate", false); /* shape_bson.c writes nothing else */
    const bson_t **list = (const bson_t **)(void *)documents;
    bool is_done = mongoc_collection_insert_many(in, list, count, &options, &reply, &error);
    if (!is_done && (is_lost_connection(&error) || is_not_primary(&error)) &&
        !was_repeated(&reply)) {
        bson_destroy(&reply);
        memset(&error, 0, sizeof(error));
        is_done = mongoc_collection_insert_many(in, list, count, &options, &reply, &error);
    }
    enum err err = ERR_OK;
    if (!is_done && !mongo_only_refused(&reply, &error, count, is_refused)) {
        err = mongo_trouble(s, &error);
    }
    bson_destroy(&reply);
    bson_destroy(&options);
    return err;
}

static enum err mongo_count(struct store_session *session, enum collection collection,
                            const struct query *query, int64_t *out);

/* The ids of the refused ones, each once. */
static size_t refused_ids(const struct shape *shape, const void *records, size_t count,
                          const bool *is_refused, struct oid *ids)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        struct oid id; /* the first member of every record */
        memcpy(&id, (const char *)records + i * shape->size, sizeof(id));
        size_t at = 0;
        while (at < found && !oid_equal(ids[at], id)) {
            at++;
        }
        if (is_refused[i]) {
            ids[at] = id;
            found = at == found ? found + 1 : found;
        }
    }
    return found;
}

/* Duplicates whose own id is taken are passed over; one whose id is free met another unique
 * index. Asking for the ids says which, whatever words the server has for it. */
static enum err refused_judge(struct mongo_session *s, enum collection collection,
                              const struct oid *ids, size_t refused)
{
    const struct condition taken = {
        .offset = collection_row(collection)->shape->fields[0].offset,
        .compare = ONE_OF,
        .value = {.oids = {.items = ids, .count = refused}},
    };
    const struct query query = {.conditions = &taken, .condition_count = 1};
    int64_t count = 0;
    TRY(mongo_count(&s->head, collection, &query, &count));
    return count == (int64_t)refused ? ERR_OK : ERR_DUPLICATE;
}

static enum err mongo_insert_many(struct store_session *session, enum collection collection,
                                  const void *records, size_t count)
{
    const struct shape *shape = collection_row(collection)->shape;
    struct mongo_session *s = of(session);
    if (mongo_batch_is_open(s)) {
        return mongo_batch_refuse(s);
    }
    bson_t **documents = memory_resize(NULL, count * sizeof(*documents));
    bool *is_refused = memory_resize(NULL, count * sizeof(*is_refused));
    memset(is_refused, 0, count * sizeof(*is_refused));
    for (size_t i = 0; i < count; i++) {
        documents[i] = bson_new();
        shape_bson_write(documents[i], shape, (const char *)records + i * shape->size);
    }
    enum err err = mongo_insert_each(s, collection, documents, count, is_refused);
    struct oid *ids = memory_resize(NULL, count * sizeof(*ids));
    const size_t refused = refused_ids(shape, records, count, is_refused, ids);
    if (err == ERR_OK && refused > 0) {
        err = refused_judge(s, collection, ids, refused);
    }
    for (size_t i = 0; i < count; i++) {
        bson_destroy(documents[i]);
    }
    free(ids);
    free(is_refused);
    free(documents);
    return err;
}

/* ---- Reading ------------------------------------------------------------------------------ */

static enum err read_document(struct mongo_session *s, const bson_t *document,
                              const struct shape *shape, struct arena *arena, void *record)
{
    const struct field *blame = NULL;
    if (shape_bson_read(document, shape, arena, record, &blame)) {
        return ERR_OK;
    }
    snprintf(s->head.trouble, sizeof(s->head.trouble), "a stored %s has a damaged %s", shape->name,
             blame == NULL ? "form" : blame->name);
    return ERR_STORE;
}

static enum err read_cursor(struct mongo_session *s, mongoc_cursor_t *cursor,
                            struct record_rows *rows)
{
    const bson_t *document = NULL;
    while (mongoc_cursor_next(cursor, &document)) {
        TRY(read_document(s, document, rows->shape, rows->arena, record_rows_add(rows)));
    }
    bson_error_t error = {0};
    return mongoc_cursor_error(cursor, &error) ? mongo_trouble(s, &error) : ERR_OK;
}

static void find_options(bson_t *options, const struct shape *shape, const struct query *query)
{
    bson_t sort;
    if (query->sort[0].used) {
        BSON_APPEND_DOCUMENT_BEGIN(options, "sort", &sort);
        shape_bson_sort(&sort, shape, query->sort);
        bson_append_document_end(options, &sort);
    }
    if (query->skip > 0) {
        BSON_APPEND_INT64(options, "skip", query->skip);
    }
    if (query->limit > 0) {
        BSON_APPEND_INT64(options, "limit", query->limit);
        if (query->limit <= BATCH_MAX) { /* one more: then the server closes the cursor at once */
            BSON_APPEND_INT64(options, "batchSize", query->limit + 1);
        }
    }
}

static enum err mongo_find(struct store_session *session, struct arena *arena,
                           enum collection collection, const struct query *query,
                           struct object_list *out)
{
    struct mongo_session *s = of(session);
    mongoc_collection_t *in = NULL;
    enum err batched;
    if (mongo_batch_is_open(s) && mongo_batch_finds(s, arena, collection, query, out, &batched)) {
        return batched;
    }
    TRY(mongo_collection_of(s, collection, &in));
    const struct shape *shape = collection_row(collection)->shape;
    bson_t filter = BSON_INITIALIZER;
    bson_t options = BSON_INITIALIZER;
    shape_bson_filter(&filter, shape, query->conditions, query->condition_count);
    find_options(&options, shape, query);
    struct record_rows rows = {.arena = arena, .shape = shape, .limit = query->limit};
    mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(in, &filter, &options, NULL);
    const enum err err = read_cursor(s, cursor, &rows);
    mongoc_cursor_destroy(cursor);
    bson_destroy(&options);
    bson_destroy(&filter);
    if (err == ERR_OK) {
        *out = (struct object_list){.items = rows.items, .count = rows.count};
    }
    return err;
}

static enum err mongo_count(struct store_session *session, enum collection collection,
                            const struct query *query, int64_t *out)
{
    struct mongo_session *s = of(session);
    mongoc_client_t *client = NULL;
    if (mongo_batch_is_open(s)) {
        return mongo_batch_refuse(s);
    }
    TRY(client_of(s, &client));
    const struct collection_row *row = collection_row(collection);
    bson_t command = BSON_INITIALIZER;
    bson_t filter;
    BSON_APPEND_UTF8(&command, "count", row->name);
    BSON_APPEND_DOCUMENT_BEGIN(&command, "query", &filter);
    shape_bson_filter(&filter, row->shape, query->conditions, query->condition_count);
    bson_append_document_end(&command, &filter);
    bson_t reply;
    bson_error_t error = {0};
    bson_iter_t n;
    enum err err = ERR_OK;
    if (!mongoc_client_read_command_with_opts(client, database_of(s)->name, &command, NULL, NULL,
                                              &reply, &error)) {
        err = mongo_trouble(s, &error);
    } else if (bson_iter_init_find(&n, &reply, "n") && BSON_ITER_HOLDS_NUMBER(&n)) {
        *out = bson_iter_as_int64(&n);
    } else {
        snprintf(s->head.trouble, sizeof(s->head.trouble), "the answer to count has no n");
        err = ERR_STORE;
    }
    bson_destroy(&reply);
    bson_destroy(&command);
    return err;
}

/* ---- Changing ----------------------------------------------------------------------------- */

/* Whether the answer says that the majority did not confirm in time. */
static bool is_unconfirmed(const bson_t *reply)
{
    bson_iter_t iter;
    return bson_iter_init_find(&iter, reply, "writeConcernError") ||
           bson_iter_init_find(&iter, reply, "writeConcernErrors");
}

static enum err judge_update(struct mongo_session *s, bool is_done, const bson_t *reply,
                             const bson_error_t *error)
{
    if (is_done && !is_unconfirmed(reply)) {
        return ERR_OK;
    }
    if (is_done) {
        snprintf(s->head.trouble, sizeof(s->head.trouble),
                 "a majority of the servers did not confirm a write in time");
        return ERR_STORE;
    }
    return is_duplicate(error) ? ERR_DUPLICATE : mongo_trouble(s, error);
}

static enum err update_plainly(struct mongo_session *s, mongoc_collection_t *in,
                               const bson_t *filter, const bson_t *changes)
{
    bson_t reply;
    bson_iter_t matched;
    bson_error_t error = {0};
    bool is_done = mongoc_collection_update_one(in, filter, changes, NULL, &reply, &error);
    if (!is_done && is_not_primary(&error) && !was_repeated(&reply)) {
        bson_destroy(&reply);
        is_done = mongoc_collection_update_one(in, filter, changes, NULL, &reply, &error);
    }
    enum err err = judge_update(s, is_done, &reply, &error);
    if (err == ERR_OK && (!bson_iter_init_find(&matched, &reply, "matchedCount") ||
                          bson_iter_as_int64(&matched) == 0)) {
        err = ERR_ABSENT;
    }
    bson_destroy(&reply);
    return err;
}

/* Reads the record out of findAndModify's answer: {value: document or null}. */
static enum err read_changed(struct mongo_session *s, const bson_t *reply,
                             const struct shape *shape, struct arena *arena, void *after)
{
    bson_iter_t value;
    if (!bson_iter_init_find(&value, reply, "value") || !BSON_ITER_HOLDS_DOCUMENT(&value)) {
        return ERR_ABSENT;
    }
    const uint8_t *bytes = NULL;
    uint32_t length = 0;
    bson_t document;
    bson_iter_document(&value, &length, &bytes);
    if (!bson_init_static(&document, bytes, length)) {
        return ERR_STORE;
    }
    return read_document(s, &document, shape, arena, after);
}

static enum err update_returning(struct mongo_session *s, mongoc_collection_t *in,
                                 const bson_t *filter, const bson_t *changes,
                                 const struct shape *shape, struct arena *arena, void *after)
{
    mongoc_find_and_modify_opts_t *options = mongoc_find_and_modify_opts_new();
    mongoc_find_and_modify_opts_set_update(options, changes);
    mongoc_find_and_modify_opts_set_flags(options, MONGOC_FIND_AND_MODIFY_RETURN_NEW);
    bson_t reply;
    bson_error_t error = {0};
    bool is_done = mongoc_collection_find_and_modify_with_opts(in, filter, options, &reply, &error);
    if (!is_done && is_not_primary(&error) && !was_repeated(&reply)) {
        bson_destroy(&reply);
        is_done = mongoc_collection_find_and_modify_with_opts(in, filter, options, &reply, &error);
    }
    enum err err = judge_update(s, is_done, &reply, &error);
    if (err == ERR_OK) {
        err = read_changed(s, &reply, shape, arena, after);
    }
    bson_destroy(&reply);
    mongoc_find_and_modify_opts_destroy(options);
    return err;
}

/* The record with this id, and the other conditions. */
static void with_id(struct condition all[CONDITIONS_MAX + 1], const struct shape *shape,
                    struct oid id, const struct condition *conditions, size_t condition_count)
{
    all[0] =
        (struct condition){.offset = shape->fields[0].offset, .compare = IS, .value = {.oid = id}};
    if (condition_count > 0) {
        memcpy(&all[1], conditions, condition_count * sizeof(*conditions));
    }
}

static enum err mongo_update(struct store_session *session, struct arena *arena,
                             enum collection collection, struct oid id,
                             const struct condition *conditions, size_t condition_count,
                             const struct change *changes, size_t change_count, void *after)
{
    struct mongo_session *s = of(session);
    mongoc_collection_t *in = NULL;
    if (mongo_batch_is_open(s)) {
        return mongo_batch_update(s, arena, collection, id, conditions, condition_count, changes,
                                  change_count, after);
    }
    TRY(mongo_collection_of(s, collection, &in));
    const struct shape *shape = collection_row(collection)->shape;
    struct condition all[CONDITIONS_MAX + 1];
    with_id(all, shape, id, conditions, condition_count);
    bson_t filter = BSON_INITIALIZER;
    bson_t update = BSON_INITIALIZER;
    shape_bson_filter(&filter, shape, all, condition_count + 1);
    shape_bson_changes(&update, shape, changes, change_count);
    const enum err err = after == NULL
                             ? update_plainly(s, in, &filter, &update)
                             : update_returning(s, in, &filter, &update, shape, arena, after);
    bson_destroy(&update);
    bson_destroy(&filter);
    return err;
}

/* Not repeated when the connection is lost: asking again finds it gone or removes it. */
static enum err mongo_remove(struct store_session *session, enum collection collection,
                             struct oid id, const struct condition *conditions,
                             size_t condition_count)
{
    struct mongo_session *s = of(session);
    mongoc_collection_t *in = NULL;
    if (mongo_batch_is_open(s)) {
        return mongo_batch_refuse(s);
    }
    TRY(mongo_collection_of(s, collection, &in));
    const struct shape *shape = collection_row(collection)->shape;
    struct condition all[CONDITIONS_MAX + 1];
    with_id(all, shape, id, conditions, condition_count);
    bson_t filter = BSON_INITIALIZER;
    shape_bson_filter(&filter, shape, all, condition_count + 1);
    bson_t reply;
    bson_iter_t deleted;
    bson_error_t error = {0};
    const bool is_done = mongoc_collection_delete_one(in, &filter, NULL, &reply, &error);
    enum err err = judge_update(s, is_done, &reply, &error);
    if (err == ERR_OK && (!bson_iter_init_find(&deleted, &reply, "deletedCount") ||
                          bson_iter_as_int64(&deleted) == 0)) {
        err = ERR_ABSENT;
    }
    bson_destroy(&reply);
    bson_destroy(&filter);
    return err;
}

static enum err mongo_drop_all_old_indexes(struct store_session *session)
{
    struct mongo_session *s = of(session);
    for (int i = 0; i < COLLECTION_COUNT; i++) {
        mongoc_collection_t *in = NULL;
        bson_error_t error;
        TRY(mongo_collection_of(s, (enum collection)i, &in));
        if (!mongo_drop_old_indexes(in, (enum collection)i, &error)) {
            return mongo_trouble(s, &error);
        }
    }
    return ERR_OK;
}

static enum err mongo_ping(struct store_session *session)
{
    struct mongo_session *s = of(session);
    mongoc_client_t *client = NULL;
    TRY(client_of(s, &client));
    bson_error_t error = {0};
    return mongo_answers(client, database_of(s)->name, &error) ? ERR_OK : mongo_trouble(s, &error);
}

const struct store_ops mongo_ops = {
    .scheme = "mongodb", /* mongodb:// and mongodb+srv:// */
    .check_url = mongo_database_check_url,
    .open = mongo_open,
    .close = mongo_close,
    .session_open = mongo_session_open,
    .session_close = mongo_session_close,
    .begin = mongo_run_step,
    .commit = mongo_run_step,
    .abandon = mongo_abandon,
    .mark = mongo_run_step,
    .undo = mongo_run_step,
    .batch = &mongo_batch_ops,
    .insert = mongo_insert,
    .insert_many = mongo_insert_many,
    .find = mongo_find,
    .count = mongo_count,
    .update = mongo_update,
    .remove = mongo_remove,
    .drop_old_indexes = mongo_drop_all_old_indexes,
    .ping = mongo_ping,
};
