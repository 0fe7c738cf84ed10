/* The door of the storage room: picks the backend by the URL's scheme, checks arguments, forwards.
 *
 * What holds for every backend is done here once: our own mistakes (a comparison that its field's
 * kind does not know, a record without id, one field changed twice) are asserted, an empty ONE_OF
 * is answered without asking, reading one record is reading a list of at most one, and the record
 * that names the store is made, checked and read through the very operations it is about.
 *
 * That record, store_info, has a fixed id: of several nodes that open an empty store at the same
 * time one inserts it, the others are told ERR_DUPLICATE and read it.
 *
 * Worker only, but for opening and the getters, whose values never change after opening. */
#include "storage/backend.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define CHANGES_MAX 64
#define ONE_OF_MAX 16384
#define DEFAULT_TIMEOUT_MS 10000
#define DEFAULT_POOL_SIZE 16

const struct oid store_info_id = {{'s', 't', 'o', 'r', 'e', '_', 'i', 'n', 'f', 'o', 0, 1}};

/* ---- Opening ------------------------------------------------------------------------------ */

static const struct store_ops *const backends[] = {&sqlite_ops, &mongo_ops};

static const struct store_ops *backend_of(const char *url)
{
    for (size_t i = 0; i < ARRAY_LENGTH(backends); i++) {
        if (strncmp(url, backends[i]->scheme, strlen(backends[i]->scheme)) == 0) {
            return backends[i];
        }
    }
    return NULL;
}

bool store_id_make(char text[17])
{
    uint8_t bytes[8];
    ssize_t got = -1;
    do {
        got = getrandom(bytes, sizeof(bytes), 0);
    } while (got < 0 && errno == EINTR);
    if (got != (ssize_t)sizeof(bytes)) {
        return false;
    }
    for (size_t i = 0; i < sizeof(bytes); i++) {
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    }
    return true;
}

static enum err info_make(struct store_session *session)
{
    char id[17];
    struct timespec now;
    if (!store_id_make(id) || clock_gettime(CLOCK_REALTIME, &now) != 0) {
        return ERR_STORE;
    }
    const struct store_info info = {
        .id = store_info_id,
        .store_id = id,
        .version = STORE_VERSION,
        .created_at = {.ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000},
    };
    const enum err err = store_insert(session, COLLECTION_STORE_INFO, &info);
    return err == ERR_DUPLICATE ? ERR_OK : err;
}

static enum err drop_old_indexes(struct store_session *session)
{
    return session->ops->drop_old_indexes(session);
}

/* What leads from one version to the next, beginning with the one from 1 to 2. Each can be repeated,
 * because it may be broken off before the new version is written. */
static const struct {
    enum err (*step)(struct store_session *session);
} upgrades[STORE_VERSION - 1] = {
    {drop_old_indexes}, /* lists got wider indexes under new names; the old ones cost writes */
    {drop_old_indexes}, /* SQLite: of messages' stamps only a partial one is needed */
    {drop_old_indexes}, /* SQLite: as of the record's rows by order */
};

static enum err upgrade(struct store_session *session, struct arena *arena, struct store_info *info)
{
    while (info->version < STORE_VERSION) {
        const struct condition same = WHERE(store_info, version, IS, info->version);
        const struct change next = SET(store_info, version, info->version + 1);
        TRY(upgrades[info->version - 1].step(session));
        const enum err err =
            store_update(session, arena, COLLECTION_STORE_INFO, info->id, &same, 1, &next, 1, NULL);
        if (err != ERR_OK && err != ERR_ABSENT) { /* absent: another one was faster */
            return err;
        }
        info->version++;
    }
    return ERR_OK;
}

static enum err info_load(struct store_session *session, struct arena *arena, bool upgrades_it,
                          char why[256])
{
    struct store_info info;
    enum err err = store_get(session, arena, COLLECTION_STORE_INFO, store_info_id, &info);
    if (err == ERR_ABSENT) {
        TRY(info_make(session));
        err = store_get(session, arena, COLLECTION_STORE_INFO, store_info_id, &info);
    }
    if (err != ERR_OK) {
        return err == ERR_ABSENT ? ERR_STORE : err;
    }
    if (info.version > STORE_VERSION) {
        snprintf(why, 256, STORE_NEWER_SENTENCE, info.version, STORE_VERSION);
        return ERR_STORE;
    }
    if (info.version < 1 || info.store_id == NULL || strlen(info.store_id) != 16) {
        snprintf(why, 256, "the store's own record (store_info) is damaged");
        return ERR_STORE;
    }
    memcpy(session->store->store_id, info.store_id, 17);
    session->store->found_version = info.version;
    if (info.version < STORE_VERSION && !upgrades_it) {
        snprintf(why, 256, STORE_OLDER_SENTENCE, info.version, STORE_VERSION);
        return ERR_STORE;
    }
    return upgrade(session, arena, &info);
}

/* Both collections have an index on rev alone, so that this is two reads at the end of an index. */
static enum err newest_rev_load(struct store_session *session, struct arena *arena)
{
    struct query query = {.sort = {SORT_DOWN(chat, rev)}, .limit = 1};
    struct chat chat = {.rev = 0};
    struct consultation consultation = {.rev = 0};
    enum err err = store_find_one(session, arena, COLLECTION_CHATS, &query, &chat);
    if (err != ERR_OK && err != ERR_ABSENT) {
        return err;
    }
    query.sort[0] = (struct sort)SORT_DOWN(consultation, rev);
    err = store_find_one(session, arena, COLLECTION_CONSULTATIONS, &query, &consultation);
    if (err != ERR_OK && err != ERR_ABSENT) {
        return err;
    }
    const int64_t newest = chat.rev > consultation.rev ? chat.rev : consultation.rev;
    session->store->newest_rev = newest > 0 ? newest : 0; /* an absent rev is below 0 */
    return ERR_OK;
}

static enum err store_introduce(struct store *store, bool upgrades_it, char why[256])
{
    struct store_session *session = NULL;
    TRY(store_session_open(store, true, &session));
    struct arena *arena = arena_new(4096);
    enum err err = info_load(session, arena, upgrades_it, why);
    if (err == ERR_OK) {
        err = newest_rev_load(session, arena);
    }
    if (err != ERR_OK && why[0] == '\0') {
        snprintf(why, 256, "the store cannot be read: %s", store_trouble(session));
    }
    arena_free(arena);
    store_session_close(session);
    return err;
}

static enum err no_backend(char why[256])
{
    snprintf(why, 256, "the store's URL must start with sqlite: or mongodb://");
    return ERR_STORE;
}

enum err store_check_url(const char *url, char why[256])
{
    const struct store_ops *ops = backend_of(url);
    return ops == NULL ? no_backend(why) : ops->check_url(url, why);
}

enum err store_open(const struct store_settings *settings, struct store **out, char why[256])
{
    assert(settings->url != NULL);
    *out = NULL;
    why[0] = '\0';
    const struct store_ops *ops = backend_of(settings->url);
    if (ops == NULL) {
        return no_backend(why);
    }
    struct store_settings filled = *settings;
    filled.timeout_ms = settings->timeout_ms > 0 ? settings->timeout_ms : DEFAULT_TIMEOUT_MS;
    filled.pool_size = settings->pool_size > 0 ? settings->pool_size : DEFAULT_POOL_SIZE;
    struct store *store = NULL;
    TRY(ops->open(&filled, &store, why));
    const enum err err = store_introduce(store, settings->upgrades, why);
    if (err != ERR_OK) {
        store_close(store);
        if (why[0] == '\0') {
            snprintf(why, 256, "the store does not answer");
        }
        return err;
    }
    *out = store;
    return ERR_OK;
}

static enum err has_own_tools(char why[256])
{
    snprintf(why, 256, "this is for sqlite: only; MongoDB has mongodump and mongorestore");
    return ERR_STORE;
}

enum err store_backup(const struct store_settings *settings, const char *to, char why[256])
{
    const struct store_ops *ops = backend_of(settings->url);
    return ops == NULL || ops->backup == NULL ? has_own_tools(why) : ops->backup(settings, to, why);
}

enum err store_restore(const struct store_settings *settings, const char *from, char why[256])
{
    const struct store_ops *ops = backend_of(settings->url);
    return ops == NULL || ops->restore == NULL ? has_own_tools(why)
                                               : ops->restore(settings, from, why);
}

enum err store_inspect(struct store_session *session, struct strbuf *out)
{
    return session->ops->inspect == NULL ? ERR_OK : session->ops->inspect(session, out);
}

void store_close(struct store *store)
{
    if (store != NULL) {
        store->ops->close(store);
    }
}

bool store_is_ordered(const struct store *store)
{
    return store->ordered;
}

bool store_is_atomic(const struct store *store)
{
    return store->atomic;
}

int store_writers_max(const struct store *store)
{
    return store->writers_max;
}

const char *store_id(const struct store *store)
{
    return store->store_id;
}

int64_t store_version_found(const struct store *store)
{
    return store->found_version;
}

int64_t store_version(void)
{
    return STORE_VERSION;
}

int64_t store_newest_rev(const struct store *store)
{
    return store->newest_rev;
}

enum err store_session_open(struct store *store, bool writes, struct store_session **out)
{
    *out = NULL;
    return store->ops->session_open(store, writes, out);
}

void store_session_close(struct store_session *session)
{
    if (session != NULL) {
        session->ops->session_close(session);
    }
}

const struct store *store_of_session(const struct store_session *session)
{
    return session->store;
}

void store_shut(struct store_session *session, bool is_shut)
{
    session->is_shut = is_shut;
}

/* ERR_STORE while it is shut. */
static enum err check_open(struct store_session *session)
{
    if (session->is_shut) {
        snprintf(session->trouble, sizeof(session->trouble),
                 "not asked: it did not answer while this was waiting");
        return ERR_STORE;
    }
    return ERR_OK;
}

const char *store_trouble(const struct store_session *session)
{
    return session->trouble;
}

/* ---- Runs --------------------------------------------------------------------------------- */

enum err store_begin(struct store_session *session)
{
    return session->ops->begin(session);
}

enum err store_begin_hopeful(struct store_session *session)
{
    const struct store_ops *ops = session->ops;
    return ops->begin_hopeful != NULL ? ops->begin_hopeful(session) : ops->begin(session);
}

void store_look(struct store_session *session)
{
    if (session->ops->look != NULL) {
        session->ops->look(session);
    }
}

void store_look_away(struct store_session *session)
{
    if (session->ops->look_away != NULL) {
        session->ops->look_away(session);
    }
}

enum err store_commit(struct store_session *session)
{
    return session->ops->commit(session);
}

enum err store_commit_early(struct store_session *session)
{
    const struct store_ops *ops = session->ops;
    return ops->commit_early != NULL ? ops->commit_early(session) : ops->commit(session);
}

bool store_is_synced(const struct store *store)
{
    return store->ops->is_synced == NULL || store->ops->is_synced(store);
}

enum err store_sync(const struct store *store)
{
    return store->ops->sync == NULL ? ERR_OK : store->ops->sync(store);
}

void store_abandon(struct store_session *session)
{
    session->ops->abandon(session);
}

enum err store_mark(struct store_session *session)
{
    return session->ops->mark(session);
}

enum err store_undo(struct store_session *session)
{
    return session->ops->undo(session);
}

bool store_has_assumed(const struct store_session *session)
{
    return session->ops->has_assumed != NULL && session->ops->has_assumed(session);
}

enum err store_mark_again(struct store_session *session)
{
    return session->ops->mark_again(session);
}

/* ---- Batches ------------------------------------------------------------------------------ */

bool store_has_batches(const struct store *store)
{
    return store->ops->batch != NULL;
}

enum err store_batch_begin(struct store_session *session, const struct oid *chats, size_t count)
{
    TRY(check_open(session));
    return session->ops->batch->begin(session, chats, count);
}

void store_batch_mark(struct store_session *session)
{
    session->ops->batch->mark(session);
}

enum batch_place store_batch_keep(struct store_session *session)
{
    return session->ops->batch->keep(session);
}

enum batch_place store_batch_drop(struct store_session *session)
{
    return session->ops->batch->drop(session);
}

enum err store_batch_write(struct store_session *session)
{
    TRY(check_open(session));
    return session->ops->batch->write(session);
}

enum batch_outcome store_batch_outcome(struct store_session *session, size_t number)
{
    return session->ops->batch->outcome(session, number);
}

void store_batch_end(struct store_session *session)
{
    session->ops->batch->end(session);
}

enum err store_ping(struct store_session *session)
{
    TRY(check_open(session));
    return session->ops->ping(session);
}

/* ---- Checks of our own mistakes ----------------------------------------------------------- */

static bool condition_is_sound(const struct shape *shape, const struct condition *condition)
{
    const struct field *field = shape_field(shape, condition->offset);
    if (!field_is_stored(field)) {
        return false;
    }
    const enum kind kind = field->kind;
    const bool absent = value_is_absent(field, condition->value);
    switch (condition->compare) {
    case IS:
    case IS_NOT:
        return kind_is_scalar(kind);
    case BELOW:
    case AT_MOST:
    case ABOVE:
    case AT_LEAST:
        return kind_is_scalar(kind) && kind != KIND_BOOL && !absent;
    case ONE_OF:
        return (kind == KIND_OID && condition->value.oids.count <= ONE_OF_MAX) ||
               (kind == KIND_TEXT && condition->value.texts.count <= ONE_OF_MAX);
    case ABSENT:
        return kind != KIND_BOOL;
    case HOLDS:
    case LACKS:
        return kind == KIND_OID_LIST && !oid_is_none(condition->value.oid);
    case CONTAINS:
        return kind == KIND_TEXT && !absent;
    }
    return false;
}

static void assert_conditions(enum collection collection, const struct condition *conditions,
                              size_t count)
{
    const struct shape *shape = collection_row(collection)->shape;
    assert(count <= CONDITIONS_MAX);
    for (size_t i = 0; i < count; i++) {
        assert(condition_is_sound(shape, &conditions[i]));
    }
}

static bool change_is_sound(const struct shape *shape, const struct change *change)
{
    const struct field *field = shape_field(shape, change->offset);
    if (!field_is_stored(field) || field == &shape->fields[0]) {
        return false;
    }
    switch (change->kind) {
    case CHANGE_SET:
        return kind_is_scalar(field->kind) || field->kind == KIND_TEXT_LIST ||
               field->kind == KIND_OID_LIST;
    case CHANGE_UNSET:
        return true;
    case CHANGE_INC:
        return field->kind == KIND_NUMBER && change->value.number != NUMBER_ABSENT;
    case CHANGE_MAX:
        return (field->kind == KIND_NUMBER || field->kind == KIND_TIME) &&
               !value_is_absent(field, change->value);
    case CHANGE_PUSH_LAST:
    case CHANGE_PUSH:
    case CHANGE_PULL:
        return field->kind == KIND_OID_LIST && !oid_is_none(change->value.oid);
    }
    return false;
}

static void assert_changes(enum collection collection, const struct change *changes, size_t count)
{
    const struct shape *shape = collection_row(collection)->shape;
    assert(count > 0 && count <= CHANGES_MAX);
    for (size_t i = 0; i < count; i++) {
        assert(change_is_sound(shape, &changes[i]));
        for (size_t j = 0; j < i; j++) {
            assert(changes[i].offset != changes[j].offset);
        }
    }
}

static void assert_record(enum collection collection, const void *record)
{
    assert(!field_is_absent(&collection_row(collection)->shape->fields[0], record));
}

/* ---- Working ------------------------------------------------------------------------------ */

/* An empty ONE_OF. */
static bool matches_nothing(enum collection collection, const struct condition *conditions,
                            size_t count)
{
    const struct shape *shape = collection_row(collection)->shape;
    for (size_t i = 0; i < count; i++) {
        const struct condition *condition = &conditions[i];
        if (condition->compare == ONE_OF) {
            const bool is_oid = shape_field(shape, condition->offset)->kind == KIND_OID;
            const size_t items =
                is_oid ? condition->value.oids.count : condition->value.texts.count;
            if (items == 0) {
                return true;
            }
        }
    }
    return false;
}

enum err store_insert(struct store_session *session, enum collection collection, const void *record)
{
    assert_record(collection, record);
    TRY(check_open(session));
    return session->ops->insert(session, collection, record);
}

enum err store_insert_many(struct store_session *session, enum collection collection,
                           const void *records, size_t count)
{
    const size_t size = collection_row(collection)->shape->size;
    for (size_t i = 0; i < count; i++) {
        assert_record(collection, (const char *)records + i * size);
    }
    TRY(check_open(session));
    return count == 0 ? ERR_OK : session->ops->insert_many(session, collection, records, count);
}

static enum err get(struct store_session *session, struct arena *arena, enum collection collection,
                    struct oid id, bool is_doubted, void *record)
{
    const struct condition condition = {.offset =
                                            collection_row(collection)->shape->fields[0].offset,
                                        .compare = IS,
                                        .value = {.oid = id}};
    const struct query query = {
        .conditions = &condition, .condition_count = 1, .is_doubted = is_doubted};
    return store_find_one(session, arena, collection, &query, record);
}

enum err store_get(struct store_session *session, struct arena *arena, enum collection collection,
                   struct oid id, void *record)
{
    return get(session, arena, collection, id, false, record);
}

enum err store_get_doubted(struct store_session *session, struct arena *arena,
                           enum collection collection, struct oid id, void *record)
{
    return get(session, arena, collection, id, true, record);
}

enum err store_find(struct store_session *session, struct arena *arena, enum collection collection,
                    const struct query *query, struct object_list *out)
{
    assert(query->skip >= 0 && query->limit >= 0);
    assert(query->sort[0].used || !query->sort[1].used);
    assert(query->is_last == NULL || session->store->ordered);
    assert_conditions(collection, query->conditions, query->condition_count);
    *out = (struct object_list){.items = NULL, .count = 0};
    if (matches_nothing(collection, query->conditions, query->condition_count)) {
        return ERR_OK;
    }
    TRY(check_open(session));
    return session->ops->find(session, arena, collection, query, out);
}

enum err store_find_one(struct store_session *session, struct arena *arena,
                        enum collection collection, const struct query *query, void *record)
{
    struct query first = *query;
    first.limit = 1;
    struct object_list found;
    TRY(store_find(session, arena, collection, &first, &found));
    if (found.count == 0) {
        return ERR_ABSENT;
    }
    memcpy(record, found.items, collection_row(collection)->shape->size);
    return ERR_OK;
}

enum err store_count(struct store_session *session, enum collection collection,
                     const struct query *query, int64_t *out)
{
    assert_conditions(collection, query->conditions, query->condition_count);
    *out = 0;
    if (matches_nothing(collection, query->conditions, query->condition_count)) {
        return ERR_OK;
    }
    TRY(check_open(session));
    return session->ops->count(session, collection, query, out);
}

enum err store_update(struct store_session *session, struct arena *arena,
                      enum collection collection, struct oid id, const struct condition *conditions,
                      size_t condition_count, const struct change *changes, size_t change_count,
                      void *after)
{
    assert_conditions(collection, conditions, condition_count);
    assert_changes(collection, changes, change_count);
    if (matches_nothing(collection, conditions, condition_count)) {
        return ERR_ABSENT;
    }
    TRY(check_open(session));
    return session->ops->update(session, arena, collection, id, conditions, condition_count,
                                changes, change_count, after);
}

enum err store_remove(struct store_session *session, enum collection collection, struct oid id,
                      const struct condition *conditions, size_t condition_count)
{
    assert_conditions(collection, conditions, condition_count);
    if (matches_nothing(collection, conditions, condition_count)) {
        return ERR_ABSENT;
    }
    TRY(check_open(session));
    return session->ops->remove(session, collection, id, conditions, condition_count);
}
