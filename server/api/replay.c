/* Replay: found by way of the account's chats, so that its cost follows what the account missed
 * and not what the hospital wrote.
 *
 * Every message carries the stamp of its last change, and so does its chat. A client that missed
 * a message and its retraction is told of the retraction only, which shows it that there was one:
 * what was taken back in between never reaches the other side. */
#include "server/api/replay.h"

#include <stdlib.h>

#include "server/api/chats.h"
#include "server/api/emit.h"

/* A write that takes longer than this has failed: the store's time-out is 10 s, and two nodes'
 * clocks are to be kept within a few seconds of each other. */
#define OVERLAP_MICROSECONDS INT64_C(30000000)

/* One thing to tell. */
struct item {
    int64_t rev;
    const struct message *message; /* or */
    const struct consultation *consultation;
};

struct missed {
    struct object_list chats, messages, consultations;
    struct item *items;
    size_t count;
};

int64_t replay_start(const struct store *store, int64_t rev)
{
    return store_is_ordered(store) ? rev : rev - OVERLAP_MICROSECONDS;
}

static int compare_items(const void *a, const void *b)
{
    const struct item *left = a, *right = b;
    return (left->rev > right->rev) - (left->rev < right->rev);
}

static enum err read_chats(struct call *call, struct account account, int64_t rev, int64_t limit,
                           struct object_list *out)
{
    struct condition conditions[] = {account.role == ROLE_USER
                                         ? WHERE(chat, user_id, IS, account.id)
                                         : WHERE(chat, doctor_id, IS, account.id),
                                     WHERE(chat, rev, ABOVE, rev)};
    struct query query = {.conditions = conditions, .condition_count = 2, .limit = limit};
    return store_find(call->store, call->arena, COLLECTION_CHATS, &query, out);
}

static enum err read_messages(struct call *call, const struct object_list *chats, int64_t rev,
                              int64_t limit, struct object_list *out)
{
    *out = (struct object_list){NULL, 0};
    if (chats->count == 0) {
        return ERR_OK;
    }
    const struct chat *rows = chats->items;
    struct oid *ids = arena_array(call->arena, chats->count, sizeof *ids);
    for (size_t i = 0; i < chats->count; i++) {
        ids[i] = rows[i].id;
    }
    struct condition conditions[] = {
        WHERE_ONE_OF_IDS(message, chat_id, ((struct oid_list){ids, chats->count})),
        WHERE(message, rev, ABOVE, rev)};
    struct query query = {.conditions = conditions, .condition_count = 2, .limit = limit};
    return store_find(call->store, call->arena, COLLECTION_MESSAGES, &query, out);
}

static enum err read_consultations(struct call *call, struct account account, int64_t rev,
                                   int64_t limit, struct object_list *out)
{
    struct condition conditions[] = {account.role == ROLE_USER
                                         ? WHERE(consultation, user_id, IS, account.id)
                                         : WHERE(consultation, doctor_id, IS, account.id),
                                     WHERE(consultation, rev, ABOVE, rev)};
    struct query query = {.conditions = conditions, .condition_count = 2, .limit = limit};
    return store_find(call->store, call->arena, COLLECTION_CONSULTATIONS, &query, out);
}

/* Puts messages and orders into one list by their stamps. */
static void merge(struct call *call, struct account account, struct missed *missed)
{
    size_t most = missed->messages.count + missed->consultations.count;
    missed->items = arena_array(call->arena, most, sizeof *missed->items);
    const struct message *messages = missed->messages.items;
    for (size_t i = 0; i < missed->messages.count; i++) {
        missed->items[missed->count++] = (struct item){messages[i].rev, &messages[i], NULL};
    }
    const struct consultation *orders = missed->consultations.items;
    for (size_t i = 0; i < missed->consultations.count; i++) {
        /* A doctor is not told of orders that were never paid, see emit_consultation. */
        if (account.role == ROLE_USER || orders[i].paid_at.ms != 0) {
            missed->items[missed->count++] = (struct item){orders[i].rev, NULL, &orders[i]};
        }
    }
    if (missed->count > 1) {
        qsort(missed->items, missed->count, sizeof *missed->items, compare_items);
    }
}

static struct emission **append(struct call *call, struct emission **tail, struct account account,
                                struct frame *frame, int64_t rev)
{
    struct emission *emission = ARENA_NEW(call->arena, struct emission);
    *emission = (struct emission){.audience = account, .frame = frame, .rev = rev};
    *tail = emission;
    return &emission->next;
}

static void encode(struct call *call, struct account account, const struct missed *missed,
                   struct replay *out)
{
    enum side side = account.role == ROLE_USER ? SIDE_USER : SIDE_DOCTOR;
    struct emission **tail = &out->first;
    for (size_t i = 0; i < missed->count; i++) {
        const struct item *item = &missed->items[i];
        struct frame *frame =
            item->message != NULL
                ? message_frame(call->store_id, item->message, side)
                : consultation_frame(call->settings, call->store_id, item->consultation);
        tail = append(call, tail, account, frame, item->rev);
        out->newest = item->rev;
    }
    const struct chat *chats = missed->chats.items;
    for (size_t i = 0; i < missed->chats.count; i++) {
        tail = append(call, tail, account, chat_frame(call->arena, &chats[i], side), 0);
    }
}

enum err replay_since(struct call *call, struct account account, int64_t rev, int64_t limit,
                      struct replay *out)
{
    *out = (struct replay){NULL, 0, true};
    if (account.role == ROLE_SERVICE) {
        return ERR_OK; /* nothing is ever told to it */
    }
    int64_t one_more = limit == 0 ? 0 : limit + 1;
    struct missed missed = {.count = 0};
    TRY(read_chats(call, account, rev, one_more, &missed.chats));
    TRY(read_consultations(call, account, rev, one_more, &missed.consultations));
    if (limit != 0 && (int64_t)missed.chats.count > limit) {
        out->is_complete = false;
        return ERR_OK;
    }
    TRY(read_messages(call, &missed.chats, rev, one_more, &missed.messages));
    merge(call, account, &missed);
    if (limit != 0 && (int64_t)missed.count > limit) {
        out->is_complete = false;
        return ERR_OK;
    }
    encode(call, account, &missed, out);
    return ERR_OK;
}
