/* What the jobs of a batch did, written in a few operations: see mongo_batch.c for what must hold. */
#include "storage/mongo_batch_parts.h"

#include "protocol/arena.h"

#include <assert.h>
#include <stdio.h>

enum err mongo_find_by_ids(struct mongo_session *s, struct arena *arena, enum collection collection,
                           const struct oid *ids, size_t count, struct object_list *out)
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

/* The items that go on and are of a kind: what one step of writing is about. */
struct step {
    struct batch_item **items; /* arena */
    bool *is_refused;          /* arena */
    size_t count;
};

typedef bool (*concerns_fn)(const struct batch_item *item);

static bool has_assumed(const struct batch_item *item)
{
    return item->has_assumed;
}

static bool has_message(const struct batch_item *item)
{
    return item->message != NULL;
}

static struct step step_of(struct mongo_batch *batch, concerns_fn concerns)
{
    struct step step = {.items = arena_array(batch->arena, batch->count + 1, sizeof(*step.items)),
                        .is_refused = arena_array(batch->arena, batch->count + 1, sizeof(bool))};
    for (size_t i = 0; i < batch->count; i++) {
        struct batch_item *item = &batch->items[i];
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
    return mongo_find_by_ids(s, s->batch->arena, COLLECTION_MESSAGES, ids, step->count, out);
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

/* Whoever builds on a chat that is not written. */
static void put_off(struct mongo_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        struct batch_item *item = &batch->items[i];
        if (item->outcome == BATCH_WRITTEN && item->chat != NULL && item->chat->is_put_off) {
            item->outcome = BATCH_CHANGED;
        }
    }
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
        if (step.is_refused[i] && step.items[i]->chat != NULL) {
            step.items[i]->chat->is_put_off = true;
        }
    }
    conclude(&step, BATCH_REPEATED);
    put_off(s->batch);
    return ERR_OK;
}

/* What must be as it was read: what jobs ask about before they change a chat, and what they count on from. What
 * a chat shows of its last message goes with its last_seq, or is replaced by what is newer anyway; its stamp only
 * grows, and is not taken back by writing it as one that does; the rest never changes. None of them
 * begins an index, so that the server has one way only to look for the chat, by its id: with more it tries
 * them all, which takes longer than the rest of the update. */
static void add_filter(bson_t *filter, const struct chat *read)
{
    const struct condition conditions[] = {
        WHERE(chat, id, IS, read->id),
        WHERE(chat, status, IS, read->status),
        WHERE(chat, open_consultation_id, IS, read->open_consultation_id),
        WHERE(chat, deadline, IS, read->deadline),
        WHERE(chat, last_seq, IS, read->last_seq),
        WHERE(chat, user_total, IS, read->user_total),
        WHERE(chat, doctor_total, IS, read->doctor_total),
        WHERE(chat, user_read_total, IS, read->user_read_total),
        WHERE(chat, doctor_read_total, IS, read->doctor_read_total),
        WHERE(chat, user_read_seq, IS, read->user_read_seq),
        WHERE(chat, doctor_read_seq, IS, read->doctor_read_seq),
    };
    shape_bson_filter(filter, &chat_shape, conditions, ARRAY_LENGTH(conditions));
}

static void add_changes(bson_t *update, const struct batch_chat *chat)
{
    struct change changes[KEPT_FIELDS_MAX];
    const size_t count = kept_unwritten(chat->kept, changes);
    for (size_t i = 0; i < count; i++) {
        if (changes[i].offset == offsetof(struct chat, rev)) {
            changes[i].kind = CHANGE_MAX;
        }
    }
    shape_bson_changes(update, &chat_shape, changes, count);
}

static void add_update(mongoc_bulk_operation_t *bulk, const struct batch_chat *chat,
                       const bson_t *options)
{
    bson_t filter = BSON_INITIALIZER;
    bson_t update = BSON_INITIALIZER;
    add_filter(&filter, &chat->as_read);
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
static bool all_accounted_for(const bson_t *reply, const bool *is_refused, size_t count)
{
    int64_t refused = 0;
    for (size_t i = 0; i < count; i++) {
        refused += is_refused[i];
    }
    return number_in(reply, "nMatched") + refused == (int64_t)count &&
           number_in(reply, "nUpserted") == 0;
}

/* Those that are to be written; returns how many. */
static size_t chats_to_write(struct mongo_batch *batch, struct batch_chat **chats)
{
    size_t count = 0;
    for (size_t i = 0; i < batch->chat_count; i++) {
        struct batch_chat *chat = &batch->chats[i];
        if (chat->is_changed && !chat->is_put_off) {
            chats[count++] = chat;
        }
    }
    return count;
}

static enum err update_chats(struct mongo_session *s)
{
    struct mongo_batch *batch = s->batch;
    struct batch_chat **chats = arena_array(batch->arena, batch->chat_count + 1, sizeof(*chats));
    bool *is_refused = arena_array(batch->arena, batch->chat_count + 1, sizeof(*is_refused));
    const size_t count = chats_to_write(batch, chats);
    mongoc_collection_t *in = NULL;
    if (count == 0) {
        return ERR_OK;
    }
    TRY(mongo_collection_of(s, COLLECTION_CHATS, &in));
    bson_t unordered = BSON_INITIALIZER;
    bson_t upsert = BSON_INITIALIZER;
    BSON_APPEND_BOOL(&unordered, "ordered", false);
    BSON_APPEND_BOOL(&upsert, "upsert", true);
    BSON_APPEND_BOOL(&upsert, "validate", false);
    mongoc_bulk_operation_t *bulk =
        mongoc_collection_create_bulk_operation_with_opts(in, &unordered);
    for (size_t i = 0; i < count; i++) {
        add_update(bulk, chats[i], &upsert);
    }
    bson_t reply;
    bson_error_t error = {0};
    const bool is_done = mongoc_bulk_operation_execute(bulk, &reply, &error) != 0;
    enum err err = ERR_OK;
    if (!is_done && !mongo_only_refused(&reply, &error, count, is_refused)) {
        err = mongo_trouble(s, &error);
    } else if (!all_accounted_for(&reply, is_refused, count)) {
        snprintf(s->head.trouble, sizeof(s->head.trouble),
                 "the answer to a bulk of updates does not add up");
        err = ERR_STORE;
    }
    for (size_t i = 0; i < count; i++) {
        chats[i]->is_put_off = is_refused[i];
    }
    put_off(batch);
    bson_destroy(&reply);
    mongoc_bulk_operation_destroy(bulk);
    bson_destroy(&upsert);
    bson_destroy(&unordered);
    return err;
}

/* Whether what is stored is what was to be inserted: the first try of two has done it. */
static bool is_ours(const struct batch_item *item, const struct message *stored)
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

enum err mongo_batch_write(struct mongo_session *s)
{
    TRY(leave_out_repeated(s));
    TRY(update_chats(s));
    return insert_messages(s);
}
