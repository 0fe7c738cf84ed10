/* A batch on MongoDB: what many jobs do, in a few operations.
 *
 * Sending a message is five operations one after the other, three of which wait for the journal. Here the
 * chats of all jobs are read with one find; then each job runs in memory: it changes its chat (kept.h) and
 * leaves a message to be inserted; then
 *
 *     find       which of the messages are there already: those jobs leave, nothing of them is written
 *     update     all chats, in one unordered bulk, each only if it still is what was read
 *     insert     the messages of the chats that were, in one unordered bulk
 *
 * The order is that of a single message, with the same meaning for whoever finds it half done: a place is
 * taken and counted first (posts.c), and a message that is not there has only left its place empty.
 *
 * What must hold:
 *
 * A chat is changed by one job of a batch at most. So what a job did is its chat and its message, whatever
 * becomes of the others: nothing in memory ever has to be rebuilt, and a chat that a process left behind in
 * between has counted one message that is not there, which its counted_id names, as without batches.
 *
 * A chat is written only if all of its fields that change, but for the stamp, are as they were read. No single
 * field would do for all: stamps of two nodes need not grow from one change to the next, and some changes
 * have none.
 *
 * Which of a bulk's updates found their chat changed, the server does not say, only how many. So they are
 * upserts: where the filter finds nothing the server tries to insert, and is refused, as the id is taken: that it
 * does say. Chats are never removed.
 *
 * That a message is not there yet is taken for granted while a job runs, and found out before anything is
 * written. What a job says besides must not rest on it: it then leaves the batch (is_outside), as with all that a
 * batch cannot do, and is run by itself.
 *
 * Worker only; belongs to one session. */
#include "storage/mongo_batch.h"

#include "protocol/arena.h"
#include "protocol/memory.h"
#include "storage/kept.h"
#include "storage/record.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_BYTES 65536
#define ITEMS_MIN 64

/* What one job does. */
struct item {
    struct kept_record *chat; /* changed; NULL: none is */
    bson_t *message;          /* to be inserted; owned; NULL: none is */
    struct oid message_id;
    bool has_assumed; /* that message_id is not there */
    enum batch_outcome outcome;
};

struct mongo_batch {
    bool is_open;    /* between begin and write: operations are for a job */
    bool is_outside; /* the job has asked for what a batch cannot do */
    struct kept *kept;
    struct arena *arena; /* of what is read while writing */
    struct oid *ids;     /* the chats that were asked for, there or not; owned */
    size_t id_count;
    struct item
        *items; /* owned: of the jobs that were kept, and behind them of the one that runs */
    size_t count, room;
};

static struct mongo_session *of(struct store_session *session)
{
    return (struct mongo_session *)session;
}

struct mongo_batch *mongo_batch_new(void)
{
    struct mongo_batch *batch = memory_resize(NULL, sizeof(*batch));
    *batch = (struct mongo_batch){.kept = kept_new(), .arena = arena_new(ARENA_BYTES)};
    return batch;
}

static void items_clear(struct mongo_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->items[i].message != NULL) {
            bson_destroy(batch->items[i].message);
        }
    }
    batch->count = 0;
}

void mongo_batch_free(struct mongo_batch *batch)
{
    if (batch != NULL) {
        items_clear(batch);
        kept_free(batch->kept);
        arena_free(batch->arena);
        free(batch->ids);
        free(batch->items);
        free(batch);
    }
}

/* ---- Beginning ------------------------------------------------------------------------------ */

/* Those of the records with these ids that are there. */
static enum err find_by_ids(struct mongo_session *s, struct arena *arena,
                            enum collection collection, const struct oid *ids, size_t count,
                            struct object_list *out)
{
    const struct condition is_one = {
        .offset = collection_row(collection)->shape->fields[0].offset,
        .compare = ONE_OF,
        .value = {.oids = {.items = ids, .count = count}},
    };
    const struct query query = {
        .conditions = &is_one, .condition_count = 1, .limit = (int64_t)count};
    return s->head.ops->find(&s->head, arena, collection, &query, out);
}

static enum err batch_begin(struct store_session *session, const struct oid *chats, size_t count)
{
    struct mongo_session *s = of(session);
    struct mongo_batch *batch = s->batch;
    assert(!batch->is_open && batch->count == 0);
    struct object_list found = {.count = 0};
    if (count > 0) {
        TRY(find_by_ids(s, kept_arena(batch->kept), COLLECTION_CHATS, chats, count, &found));
        batch->ids = memory_resize(batch->ids, count * sizeof(*chats));
        memcpy(batch->ids, chats, count * sizeof(*chats));
    }
    batch->id_count = count;
    const struct chat *records = found.items;
    for (size_t i = 0; i < found.count; i++) {
        kept_add(batch->kept, COLLECTION_CHATS, &records[i]);
    }
    batch->is_open = true;
    return ERR_OK;
}

static void batch_end(struct store_session *session)
{
    struct mongo_batch *batch = of(session)->batch;
    items_clear(batch);
    kept_forget(batch->kept);
    arena_reset(batch->arena);
    batch->is_open = false;
}

/* ---- A job ---------------------------------------------------------------------------------- */

static struct item *this_item(struct mongo_batch *batch)
{
    return &batch->items[batch->count];
}

static void batch_mark(struct store_session *session)
{
    struct mongo_batch *batch = of(session)->batch;
    assert(batch->is_open);
    if (batch->count == batch->room) {
        batch->room = batch->room == 0 ? ITEMS_MIN : 2 * batch->room;
        batch->items = memory_resize(batch->items, batch->room * sizeof(*batch->items));
    }
    *this_item(batch) = (struct item){.outcome = BATCH_WRITTEN};
    batch->is_outside = false;
    kept_mark(batch->kept);
}

static void take_back(struct mongo_batch *batch)
{
    struct item *item = this_item(batch);
    kept_undo(batch->kept);
    if (item->message != NULL) {
        bson_destroy(item->message);
        item->message = NULL;
    }
}

static bool batch_keep(struct store_session *session)
{
    struct mongo_batch *batch = of(session)->batch;
    const struct item *item = this_item(batch);
    if (batch->is_outside || (item->has_assumed && item->message == NULL)) {
        take_back(batch);
        return false;
    }
    batch->count++;
    return true;
}

static bool batch_drop(struct store_session *session)
{
    struct mongo_batch *batch = of(session)->batch;
    const struct item *item = this_item(batch);
    const bool is_plain =
        !batch->is_outside && item->chat == NULL && item->message == NULL && !item->has_assumed;
    take_back(batch);
    return is_plain;
}

/* ---- Its operations ------------------------------------------------------------------------- */

bool mongo_batch_is_open(const struct mongo_session *s)
{
    return s->batch->is_open;
}

enum err mongo_batch_refuse(struct mongo_session *s)
{
    s->batch->is_outside = true;
    return ERR_BUSY;
}

static bool was_asked_for(const struct mongo_batch *batch, struct oid id)
{
    for (size_t i = 0; i < batch->id_count; i++) {
        if (oid_equal(batch->ids[i], id)) {
            return true;
        }
    }
    return false;
}

/* The chat as this job may see it; NULL: there is none. ERR_BUSY: it was not read, or is another job's. */
static enum err chat_in_hand(struct mongo_session *s, struct oid id, struct kept_record **out)
{
    struct mongo_batch *batch = s->batch;
    *out = kept_find(batch->kept, COLLECTION_CHATS, id);
    if (*out == NULL) {
        return was_asked_for(batch, id) ? ERR_OK : mongo_batch_refuse(s);
    }
    return kept_is_anothers(batch->kept, *out) ? mongo_batch_refuse(s) : ERR_OK;
}

static enum err find_chat(struct mongo_session *s, struct arena *arena, struct oid id,
                          struct object_list *out)
{
    struct kept_record *kept = NULL;
    TRY(chat_in_hand(s, id, &kept));
    *out = (struct object_list){.count = 0};
    if (kept != NULL) {
        void *record = arena_alloc(arena, chat_shape.size);
        kept_copy(kept, arena, record);
        *out = (struct object_list){.items = record, .count = 1};
    }
    return ERR_OK;
}

/* Takes for granted that a message is not there, one for each job. */
static enum err assume_absent(struct mongo_session *s, struct oid id, struct object_list *out)
{
    struct item *item = this_item(s->batch);
    *out = (struct object_list){.count = 0};
    if (item->message != NULL || (item->has_assumed && !oid_equal(item->message_id, id))) {
        return mongo_batch_refuse(s);
    }
    item->message_id = id;
    item->has_assumed = true;
    return ERR_OK;
}

bool mongo_batch_finds(struct mongo_session *s, struct arena *arena, enum collection collection,
                       const struct query *query, struct object_list *out, enum err *err)
{
    const struct item *item = this_item(s->batch);
    const bool is_by_id = query_is_by_id(collection, query);
    if (s->batch->is_outside) {
        *err = ERR_BUSY;
    } else if (collection == COLLECTION_CHATS && is_by_id) {
        *err = find_chat(s, arena, query->conditions[0].value.oid, out);
    } else if (collection == COLLECTION_MESSAGES && is_by_id) {
        *err = assume_absent(s, query->conditions[0].value.oid, out);
    } else if (collection == COLLECTION_CHATS || item->has_assumed || item->message != NULL) {
        *err = mongo_batch_refuse(s);
    } else {
        return false;
    }
    return true;
}

enum err mongo_batch_update(struct mongo_session *s, struct arena *arena,
                            enum collection collection, struct oid id,
                            const struct condition *conditions, size_t condition_count,
                            const struct change *changes, size_t change_count, void *after)
{
    struct mongo_batch *batch = s->batch;
    struct item *item = this_item(batch);
    struct kept_record *kept = NULL;
    if (batch->is_outside || collection != COLLECTION_CHATS ||
        !kept_can(collection, conditions, condition_count, changes, change_count)) {
        return mongo_batch_refuse(s);
    }
    TRY(chat_in_hand(s, id, &kept));
    if (item->chat != NULL && item->chat != kept) {
        return mongo_batch_refuse(s);
    }
    if (kept == NULL || !kept_meets(kept, conditions, condition_count)) {
        return ERR_ABSENT;
    }
    kept_change(batch->kept, kept, changes, change_count);
    item->chat = kept;
    if (after != NULL) {
        kept_copy(kept, arena, after);
    }
    return ERR_OK;
}

enum err mongo_batch_insert(struct mongo_session *s, enum collection collection, const void *record)
{
    struct item *item = this_item(s->batch);
    struct oid id;
    memcpy(&id, record, sizeof(id)); /* the id is the first member of every record */
    if (s->batch->is_outside || collection != COLLECTION_MESSAGES || item->message != NULL ||
        (item->has_assumed && !oid_equal(id, item->message_id))) {
        return mongo_batch_refuse(s);
    }
    item->message_id = id;
    item->message = bson_new();
    shape_bson_write(item->message, collection_row(collection)->shape, record);
    return ERR_OK;
}

/* ---- Writing -------------------------------------------------------------------------------- */

/* The items that go on and are of a kind: what one step of writing is about. */
struct step {
    struct item **items; /* arena */
    bool *is_refused;    /* arena */
    size_t count;
};

typedef bool (*concerns_fn)(const struct item *item);

static bool has_assumed(const struct item *item)
{
    return item->has_assumed;
}

static bool has_chat(const struct item *item)
{
    return item->chat != NULL;
}

static bool has_message(const struct item *item)
{
    return item->message != NULL;
}

static struct step step_of(struct mongo_batch *batch, concerns_fn concerns)
{
    struct step step = {.items = arena_array(batch->arena, batch->count + 1, sizeof(*step.items)),
                        .is_refused = arena_array(batch->arena, batch->count + 1, sizeof(bool))};
    for (size_t i = 0; i < batch->count; i++) {
        struct item *item = &batch->items[i];
        if (item->outcome == BATCH_WRITTEN && concerns(item)) {
            step.items[step.count++] = item;
        }
    }
    return step;
}

static void conclude(struct step *step, enum batch_outcome outcome)
{
    for (size_t i = 0; i < step->count; i++) {
        if (step->is_refused[i]) {
            step->items[i]->outcome = outcome;
        }
    }
}

/* The messages of these items that are stored. */
static enum err find_messages(struct mongo_session *s, const struct step *step,
                              struct object_list *out)
{
    struct oid *ids = arena_array(s->batch->arena, step->count, sizeof(*ids));
    for (size_t i = 0; i < step->count; i++) {
        ids[i] = step->items[i]->message_id;
    }
    return find_by_ids(s, s->batch->arena, COLLECTION_MESSAGES, ids, step->count, out);
}

static const struct message *message_of(const struct object_list *found, struct oid id)
{
    const struct message *messages = found->items;
    for (size_t i = 0; i < found->count; i++) {
        if (oid_equal(messages[i].id, id)) {
            return &messages[i];
        }
    }
    return NULL;
}

static enum err leave_out_repeated(struct mongo_session *s)
{
    struct step step = step_of(s->batch, has_assumed);
    struct object_list found = {.count = 0};
    if (step.count == 0) {
        return ERR_OK;
    }
    TRY(find_messages(s, &step, &found));
    for (size_t i = 0; i < step.count && found.count > 0; i++) {
        step.is_refused[i] = message_of(&found, step.items[i]->message_id) != NULL;
    }
    conclude(&step, BATCH_REPEATED);
    return ERR_OK;
}

/* Fields that begin an index are not asked for, so that the server has one way only to look for the chat, by
 * its id: with more it tries them all, which takes longer than the rest of the update. Whose chat it is never
 * changes. Its stamp only grows, and is not taken back by writing it as one that does. */
static bool is_asked_for(size_t offset)
{
    return offset != offsetof(struct chat, user_id) && offset != offsetof(struct chat, doctor_id) &&
           offset != offsetof(struct chat, rev);
}

/* The chat as it was read. */
static void add_filter(bson_t *filter, const struct kept_record *chat)
{
    struct condition before[KEPT_FIELDS_MAX];
    const size_t all = kept_as_before(chat, before);
    size_t count = 0;
    for (size_t i = 0; i < all; i++) {
        if (is_asked_for(before[i].offset)) {
            before[count++] = before[i];
        }
    }
    shape_bson_filter(filter, &chat_shape, before, count);
}

static void add_changes(bson_t *update, const struct kept_record *chat)
{
    struct change changes[KEPT_FIELDS_MAX];
    const size_t count = kept_unwritten(chat, changes);
    for (size_t i = 0; i < count; i++) {
        if (changes[i].offset == offsetof(struct chat, rev)) {
            changes[i].kind = CHANGE_MAX;
        }
    }
    shape_bson_changes(update, &chat_shape, changes, count);
}

static void add_update(mongoc_bulk_operation_t *bulk, const struct kept_record *chat,
                       const bson_t *options)
{
    bson_t filter = BSON_INITIALIZER;
    bson_t update = BSON_INITIALIZER;
    add_filter(&filter, chat);
    add_changes(&update, chat);
    bson_error_t error;
    const bool is_added =
        mongoc_bulk_operation_update_one_with_opts(bulk, &filter, &update, options, &error);
    assert(is_added);
    (void)is_added;
    bson_destroy(&update);
    bson_destroy(&filter);
}

static int64_t number_in(const bson_t *reply, const char *name)
{
    bson_iter_t at;
    return bson_iter_init_find(&at, reply, name) ? bson_iter_as_int64(&at) : 0;
}

/* Whether each of them was found or refused, and nothing else came to be. */
static bool all_accounted_for(const bson_t *reply, const struct step *step)
{
    int64_t refused = 0;
    for (size_t i = 0; i < step->count; i++) {
        refused += step->is_refused[i];
    }
    return number_in(reply, "nMatched") + refused == (int64_t)step->count &&
           number_in(reply, "nUpserted") == 0;
}

static enum err update_chats(struct mongo_session *s)
{
    struct step step = step_of(s->batch, has_chat);
    mongoc_collection_t *in = NULL;
    if (step.count == 0) {
        return ERR_OK;
    }
    TRY(mongo_collection_of(s, COLLECTION_CHATS, &in));
    bson_t unordered = BSON_INITIALIZER;
    bson_t upsert = BSON_INITIALIZER;
    BSON_APPEND_BOOL(&unordered, "ordered", false);
    BSON_APPEND_BOOL(&upsert, "upsert", true);
    mongoc_bulk_operation_t *bulk =
        mongoc_collection_create_bulk_operation_with_opts(in, &unordered);
    for (size_t i = 0; i < step.count; i++) {
        add_update(bulk, step.items[i]->chat, &upsert);
    }
    bson_t reply;
    bson_error_t error = {0};
    const bool is_done = mongoc_bulk_operation_execute(bulk, &reply, &error) != 0;
    enum err err = ERR_OK;
    if (!is_done && !mongo_only_refused(&reply, &error, step.count, step.is_refused)) {
        err = mongo_trouble(s, &error);
    } else if (!all_accounted_for(&reply, &step)) {
        snprintf(s->head.trouble, sizeof(s->head.trouble),
                 "the answer to a bulk of updates does not add up");
        err = ERR_STORE;
    }
    conclude(&step, BATCH_CHANGED);
    bson_destroy(&reply);
    mongoc_bulk_operation_destroy(bulk);
    bson_destroy(&upsert);
    bson_destroy(&unordered);
    return err;
}

/* Whether what is stored is what was to be inserted: the first try of two has done it. */
static bool is_ours(const struct item *item, const struct message *stored)
{
    if (stored == NULL) {
        return false;
    }
    bson_t document = BSON_INITIALIZER;
    shape_bson_write(&document, &message_shape, stored);
    const bool is_equal = bson_equal(&document, item->message);
    bson_destroy(&document);
    return is_equal;
}

static enum err judge_refused(struct mongo_session *s, struct step *step)
{
    struct step refused = {.items =
                               arena_array(s->batch->arena, step->count, sizeof(*refused.items))};
    for (size_t i = 0; i < step->count; i++) {
        if (step->is_refused[i]) {
            refused.items[refused.count++] = step->items[i];
        }
    }
    struct object_list found = {.count = 0};
    if (refused.count == 0) {
        return ERR_OK;
    }
    TRY(find_messages(s, &refused, &found));
    for (size_t i = 0; i < step->count; i++) {
        step->is_refused[i] =
            step->is_refused[i] &&
            !is_ours(step->items[i], message_of(&found, step->items[i]->message_id));
    }
    conclude(step, BATCH_REFUSED);
    return ERR_OK;
}

static enum err insert_messages(struct mongo_session *s)
{
    struct step step = step_of(s->batch, has_message);
    if (step.count == 0) {
        return ERR_OK;
    }
    bson_t **documents = arena_array(s->batch->arena, step.count, sizeof(*documents));
    for (size_t i = 0; i < step.count; i++) {
        documents[i] = step.items[i]->message;
    }
    TRY(mongo_insert_each(s, COLLECTION_MESSAGES, documents, step.count, step.is_refused));
    return judge_refused(s, &step);
}

static enum err batch_write(struct store_session *session)
{
    struct mongo_session *s = of(session);
    assert(s->batch->is_open);
    s->batch->is_open = false; /* what is asked now is for the store */
    TRY(leave_out_repeated(s));
    TRY(update_chats(s));
    return insert_messages(s);
}

static enum batch_outcome batch_outcome(struct store_session *session, size_t number)
{
    const struct mongo_batch *batch = of(session)->batch;
    assert(number < batch->count && !batch->is_open);
    return batch->items[number].outcome;
}

const struct batch_ops mongo_batch_ops = {
    .begin = batch_begin,
    .mark = batch_mark,
    .keep = batch_keep,
    .drop = batch_drop,
    .write = batch_write,
    .outcome = batch_outcome,
    .end = batch_end,
};
