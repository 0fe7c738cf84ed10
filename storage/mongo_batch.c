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
 * A chat is written once for all jobs of the batch that have changed it, or not at all, and they with it: each
 * builds on what the one before it did. If one of them finds that it has to leave after all have run, all of
 * that chat leave, and the next batch reads it anew. A job has one chat.
 *
 * The chat that is written names all messages that were counted with that change (counted_ids), which is why
 * jobs_batch.c lets no more of a chat into a batch than it can name: a process that dies before it has inserted
 * them leaves them counted and not there, and who sends one of them again is not counted again.
 *
 * A chat is written only if what jobs ask about, and count on from, is as it was read. No single field would do
 * for all: stamps of two nodes need not grow from one change to the next, and some changes have none.
 *
 * Which of a bulk's updates found their chat changed, the server does not say, only how many. So they are
 * upserts: where the filter finds nothing the server tries to insert, and is refused, as the id is taken: that it
 * does say. Chats are never removed.
 *
 * That a message is not there yet is taken for granted while a job runs, and found out before anything is
 * written. What a job says besides must not rest on it: it then leaves the batch (BATCH_NEVER), as with all that
 * a batch cannot do, and is run by itself. Nor on what others of the batch insert, which it does not see.
 *
 * Worker only; belongs to one session. */
#include "storage/mongo_batch_parts.h"

#include "protocol/arena.h"
#include "protocol/memory.h"
#include "storage/record.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_BYTES 65536
#define ITEMS_MIN 64

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

static enum err batch_begin(struct store_session *session, const struct oid *chats, size_t count)
{
    struct mongo_session *s = of(session);
    struct mongo_batch *batch = s->batch;
    assert(!batch->is_open && batch->count == 0);
    struct object_list found = {.count = 0};
    if (count > 0) {
        TRY(mongo_find_by_ids(s, batch->arena, COLLECTION_CHATS, chats, count, &found));
        batch->ids = memory_resize(batch->ids, count * sizeof(*chats));
        memcpy(batch->ids, chats, count * sizeof(*chats));
    }
    batch->id_count = count;
    const struct chat *records = found.items;
    batch->chats = arena_array(batch->arena, found.count, sizeof(*batch->chats));
    batch->chat_count = found.count;
    for (size_t i = 0; i < found.count; i++) {
        struct kept_record *kept = kept_add(batch->kept, COLLECTION_CHATS, &records[i]);
        assert(kept->number == i);
        batch->chats[i] = (struct batch_chat){.kept = kept, .as_read = records[i]};
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

static struct batch_item *this_item(struct mongo_batch *batch)
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
    *this_item(batch) = (struct batch_item){.outcome = BATCH_WRITTEN};
    batch->place = BATCH_JOINS;
    kept_mark(batch->kept);
}

static void take_back(struct mongo_batch *batch)
{
    struct batch_item *item = this_item(batch);
    kept_undo(batch->kept);
    if (item->message != NULL) {
        bson_destroy(item->message);
        item->message = NULL;
    }
}

static void join_chat(const struct mongo_batch *batch, struct batch_item *item,
                      struct batch_chat *chat)
{
    chat->is_changed = chat->is_changed || item->has_changed;
    if (item->message != NULL) {
        chat->messages++;
        item->next_of_chat = chat->last_sender;
        chat->last_sender = batch->count;
    }
}

/* What it says rests on what is taken for granted. */
static void limit_place(struct mongo_batch *batch, bool rests_on_it)
{
    if (batch->place == BATCH_JOINS && rests_on_it) {
        batch->place = BATCH_NEVER;
    }
}

static enum batch_place batch_keep(struct store_session *session)
{
    struct mongo_batch *batch = of(session)->batch;
    struct batch_item *item = this_item(batch);
    limit_place(batch, item->has_assumed && item->message == NULL);
    if (batch->place != BATCH_JOINS) {
        take_back(batch);
        return batch->place;
    }
    batch->count++;
    if (item->chat != NULL) {
        join_chat(batch, item, item->chat);
    }
    return BATCH_JOINS;
}

static enum batch_place batch_drop(struct store_session *session)
{
    struct mongo_batch *batch = of(session)->batch;
    const struct batch_item *item = this_item(batch);
    limit_place(batch, item->has_changed || item->message != NULL || item->has_assumed);
    if (batch->place == BATCH_JOINS && item->chat != NULL && item->chat->is_changed) {
        batch->place = BATCH_LATER;
    }
    take_back(batch);
    return batch->place;
}

/* ---- Its operations ------------------------------------------------------------------------- */

bool mongo_batch_is_open(const struct mongo_session *s)
{
    return s->batch->is_open;
}

static enum err refuse(struct mongo_session *s, enum batch_place place)
{
    s->batch->place = place;
    return ERR_BUSY;
}

enum err mongo_batch_refuse(struct mongo_session *s)
{
    return refuse(s, BATCH_NEVER);
}

/* The chat as this job may see it; NULL: there is none. ERR_BUSY: it was not read, or the job has another. */
static enum err chat_in_hand(struct mongo_session *s, struct oid id, struct kept_record **out)
{
    struct mongo_batch *batch = s->batch;
    *out = kept_find(batch->kept, COLLECTION_CHATS, id);
    if (*out == NULL) {
        const struct oid_list asked_for = {.items = batch->ids, .count = batch->id_count};
        return oid_list_holds(asked_for, id) ? ERR_OK : mongo_batch_refuse(s);
    }
    struct batch_item *item = this_item(batch);
    struct batch_chat *chat = &batch->chats[(*out)->number];
    if (item->chat != NULL && item->chat != chat) {
        return mongo_batch_refuse(s);
    }
    item->chat = chat;
    return ERR_OK;
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

/* Whether another job of the batch is to insert it. */
static bool is_sent_before(const struct mongo_batch *batch, const struct batch_item *item,
                           struct oid id)
{
    size_t number = item->chat == NULL ? 0 : item->chat->last_sender;
    while (number != 0 && !oid_equal(batch->items[number - 1].message_id, id)) {
        number = batch->items[number - 1].next_of_chat;
    }
    return number != 0;
}

/* Takes for granted that a message is not there, one for each job. */
static enum err assume_absent(struct mongo_session *s, struct oid id, struct object_list *out)
{
    struct batch_item *item = this_item(s->batch);
    *out = (struct object_list){.count = 0};
    if (item->message != NULL || (item->has_assumed && !oid_equal(item->message_id, id))) {
        return mongo_batch_refuse(s);
    }
    if (is_sent_before(s->batch, item, id)) {
        return refuse(s, BATCH_LATER);
    }
    item->message_id = id;
    item->has_assumed = true;
    return ERR_OK;
}

bool mongo_batch_finds(struct mongo_session *s, struct arena *arena, enum collection collection,
                       const struct query *query, struct object_list *out, enum err *err)
{
    const struct batch_item *item = this_item(s->batch);
    const bool is_by_id = query_is_by_id(collection, query);
    if (s->batch->place != BATCH_JOINS) {
        *err = ERR_BUSY;
    } else if (collection == COLLECTION_CHATS && is_by_id) {
        *err = find_chat(s, arena, query->conditions[0].value.oid, out);
    } else if (collection == COLLECTION_MESSAGES && is_by_id) {
        *err = assume_absent(s, query->conditions[0].value.oid, out);
    } else if (collection == COLLECTION_CHATS || item->has_assumed || item->message != NULL) {
        *err = mongo_batch_refuse(s);
    } else if (collection == COLLECTION_MESSAGES && item->chat != NULL &&
               item->chat->messages > 0) {
        *err = refuse(s, BATCH_LATER);
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
    struct batch_item *item = this_item(batch);
    struct kept_record *kept = NULL;
    if (batch->place != BATCH_JOINS || collection != COLLECTION_CHATS ||
        !kept_can(collection, conditions, condition_count, changes, change_count)) {
        return mongo_batch_refuse(s);
    }
    TRY(chat_in_hand(s, id, &kept));
    if (kept == NULL || !kept_meets(kept, conditions, condition_count)) {
        return ERR_ABSENT;
    }
    kept_change(batch->kept, kept, changes, change_count);
    item->has_changed = true;
    if (after != NULL) {
        kept_copy(kept, arena, after);
    }
    return ERR_OK;
}

enum err mongo_batch_insert(struct mongo_session *s, enum collection collection, const void *record)
{
    struct batch_item *item = this_item(s->batch);
    struct oid id;
    memcpy(&id, record, sizeof(id)); /* the id is the first member of every record */
    if (s->batch->place != BATCH_JOINS || collection != COLLECTION_MESSAGES ||
        item->message != NULL || (item->has_assumed && !oid_equal(id, item->message_id))) {
        return mongo_batch_refuse(s);
    }
    item->message_id = id;
    item->message = bson_new();
    shape_bson_write(item->message, collection_row(collection)->shape, record);
    return ERR_OK;
}

static enum err batch_write(struct store_session *session)
{
    struct mongo_session *s = of(session);
    assert(s->batch->is_open);
    s->batch->is_open = false; /* what is asked now is for the store */
    return mongo_batch_write(s);
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
