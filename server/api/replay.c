/* Replay: found by way of the account's chats, so that its cost follows what the account missed
 * and not what the hospital wrote.
 *
 * Every message carries the stamp of its last change, and so does its chat. A client that missed
 * a message and its retraction is told of the retraction only, which shows it that there was one:
 * what was taken back in between never reaches the other side.
 *
 * Where the store is ordered, a chat's messages got their stamps in the order of their seqs, and only
 * a retraction gives a newer one (posts.c gives no message a place that is older than others' stamps).
 * So the messages are read from the newest down until one that is known, and the retracted ones by their
 * stamps: an index of all stamps, to be written with each message, is not needed. Elsewhere it is. */
#include "server/api/replay.h"

#include <stdlib.h>
#include <string.h>

#include "server/api/chats.h"
#include "server/api/emit.h"
#include "server/clock.h"

/* A write that takes longer than this has failed: the store's time-out is 10 s, and two nodes'
 * clocks are to be kept within a few seconds of each other. */
#define OVERLAP_MICROSECONDS INT64_C(30000000)
/* And one that took longer than this is stamped again. */
#define LATE_MS INT64_C(10000)

/* One thing to tell. */
struct item {
    int64_t rev;
    int64_t order;                 /* what comes first has the smaller one, or */
    size_t place;                  /* where that is equal, this */
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
    if (left->order != right->order) {
        return left->order > right->order ? 1 : -1;
    }
    return (left->place > right->place) - (left->place < right->place);
}

/* By what is told of them, by chat, by seq. */
static int compare_messages(const void *a, const void *b)
{
    const struct message *left = ((const struct item *)a)->message;
    const struct message *right = ((const struct item *)b)->message;
    if (left->is_retract != right->is_retract) {
        return left->is_retract ? 1 : -1;
    }
    int by_chat = memcmp(left->chat_id.bytes, right->chat_id.bytes, sizeof left->chat_id.bytes);
    if (by_chat != 0) {
        return by_chat;
    }
    return (left->seq > right->seq) - (left->seq < right->seq);
}

/* Stamps of several nodes or writers may not be in the order of the seqs that their messages took:
 * of a chat's new messages none comes before one with a smaller seq. */
static void keep_seqs_in_order(struct item *items, size_t count)
{
    if (count > 1) {
        qsort(items, count, sizeof *items, compare_messages);
    }
    for (size_t i = 0; i < count; i++) {
        const struct message *message = items[i].message;
        const struct message *before = i > 0 ? items[i - 1].message : NULL;
        bool goes_on =
            before != NULL && !message->is_retract && oid_equal(before->chat_id, message->chat_id);
        items[i].place = i;
        items[i].order =
            goes_on && items[i - 1].order > items[i].rev ? items[i - 1].order : items[i].rev;
    }
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

/* The chats' messages with newer stamps, all or only the retracted ones. */
static enum err read_stamped(struct call *call, struct oid_list chat_ids, int64_t rev,
                             bool is_of_retracted, int64_t limit, struct object_list *out)
{
    struct condition conditions[] = {WHERE_ONE_OF_IDS(message, chat_id, chat_ids),
                                     WHERE(message, rev, ABOVE, rev),
                                     WHERE(message, is_retract, IS, true)};
    struct query query = {
        .conditions = conditions, .condition_count = is_of_retracted ? 3 : 2, .limit = limit};
    return store_find(call->store, call->arena, COLLECTION_MESSAGES, &query, out);
}

static bool is_known(const void *record, const void *rev)
{
    return ((const struct message *)record)->rev <= *(const int64_t *)rev;
}

/* A chat's messages that are new, as far as they were not retracted before. One with an old stamp,
 * retracted or not, was stored before that, as were all with smaller seqs. */
static enum err read_newest(struct call *call, struct oid chat_id, int64_t rev, int64_t limit,
                            struct object_list *out)
{
    struct condition in_chat = WHERE(message, chat_id, IS, chat_id);
    struct query query = {.conditions = &in_chat,
                          .condition_count = 1,
                          .sort = {SORT_DOWN(message, seq)},
                          .limit = limit,
                          .is_last = is_known,
                          .data = &rev};
    TRY(store_find(call->store, call->arena, COLLECTION_MESSAGES, &query, out));
    const struct message *messages = out->items;
    out->count -= out->count > 0 && is_known(&messages[out->count - 1], &rev);
    return ERR_OK;
}

/* Retracted messages are taken from their own reading, which comes last: of one that is retracted in
 * between both is told rather than neither. Where reading ends at `limit` new ones, what of them is
 * retracted is among the others, so that there are as many in all. */
static enum err read_in_order(struct call *call, struct oid_list chat_ids, int64_t rev,
                              int64_t limit, struct object_list *out)
{
    struct object_list *lists = arena_array(call->arena, chat_ids.count, sizeof *lists), retracted;
    int64_t total = 0;
    size_t read = 0;
    while (read < chat_ids.count && (limit == 0 || total < limit)) {
        TRY(read_newest(call, chat_ids.items[read], rev, limit == 0 ? 0 : limit - total,
                        &lists[read]));
        total += (int64_t)lists[read++].count;
    }
    TRY(read_stamped(call, chat_ids, rev, true, limit, &retracted));
    struct message *all = arena_array(call->arena, (size_t)total + retracted.count, sizeof *all);
    size_t count = 0;
    for (size_t i = 0; i < read; i++) {
        const struct message *messages = lists[i].items;
        for (size_t j = 0; j < lists[i].count; j++) {
            if (!messages[j].is_retract) {
                all[count++] = messages[j];
            }
        }
    }
    if (retracted.count > 0) {
        memcpy(&all[count], retracted.items, retracted.count * sizeof *all);
    }
    *out = (struct object_list){all, count + retracted.count};
    return ERR_OK;
}

static enum err read_messages(struct call *call, const struct object_list *chats, int64_t rev,
                              int64_t limit, struct object_list *out)
{
    const struct chat *rows = chats->items;
    struct oid *ids = arena_array(call->arena, chats->count, sizeof *ids);
    for (size_t i = 0; i < chats->count; i++) {
        ids[i] = rows[i].id;
    }
    struct oid_list chat_ids = {ids, chats->count};
    return store_is_ordered(store_of_session(call->store))
               ? read_in_order(call, chat_ids, rev, limit, out)
               : read_stamped(call, chat_ids, rev, false, limit, out);
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

/* Puts messages and orders into one list by their stamps, and a chat's messages by seq. */
static void merge(struct call *call, struct account account, struct missed *missed)
{
    size_t most = missed->messages.count + missed->consultations.count;
    missed->items = arena_array(call->arena, most, sizeof *missed->items);
    const struct message *messages = missed->messages.items;
    for (size_t i = 0; i < missed->messages.count; i++) {
        missed->items[missed->count++] =
            (struct item){.rev = messages[i].rev, .message = &messages[i]};
    }
    keep_seqs_in_order(missed->items, missed->count);
    const struct consultation *orders = missed->consultations.items;
    for (size_t i = 0; i < missed->consultations.count; i++) {
        /* A doctor is not told of orders that were never paid, see emit_consultation. */
        if (account.role == ROLE_USER || orders[i].paid_at.ms != 0) {
            missed->items[missed->count++] = (struct item){
                .rev = orders[i].rev, .order = orders[i].rev, .consultation = &orders[i]};
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
        out->newest = item->rev > out->newest ? item->rev : out->newest;
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

/* ---- What one socket lacks ------------------------------------------------------------------- */

static enum err read_asked(struct call *call, const struct in_order_ask *ask,
                           struct object_list *out)
{
    struct condition conditions[] = {WHERE(message, chat_id, IS, ask->chat_id),
                                     WHERE(message, seq, BELOW, ask->below),
                                     WHERE(message, seq, ABOVE, ask->above)};
    struct query above = {.conditions = conditions,
                          .condition_count = 3,
                          .sort = {SORT_UP(message, seq)},
                          .limit = REPLAY_GAP_ROWS};
    struct query down = {.conditions = conditions,
                         .condition_count = 2,
                         .sort = {SORT_DOWN(message, seq)},
                         .limit = REPLAY_START_ROWS};
    const struct query *query = ask->is_sure ? &above : &down;
    return store_find(call->store, call->arena, COLLECTION_MESSAGES, query, out);
}

enum err replay_missing(struct call *call, struct account account, int64_t from_rev,
                        struct in_order_ask *asks, size_t ask_count, struct emission **first)
{
    enum side side = account.role == ROLE_USER ? SIDE_USER : SIDE_DOCTOR;
    struct object_list *found = arena_array(call->arena, ask_count, sizeof *found);
    for (size_t i = 0; i < ask_count; i++) {
        TRY(read_asked(call, &asks[i], &found[i]));
    }
    struct emission **tail = first;
    for (size_t i = 0; i < ask_count; i++) {
        struct in_order_ask *ask = &asks[i];
        const struct message *rows = found[i].items;
        ask->lowest = 0;
        ask->is_answered = found[i].count < REPLAY_START_ROWS;
        bool is_known = false;
        for (size_t j = 0; j < found[i].count && (ask->is_sure || !is_known); j++) {
            struct frame *frame = message_frame(call->store_id, &rows[j], side);
            tail = append(call, tail, account, frame, rows[j].rev);
            is_known = rows[j].rev <= from_rev;
            ask->lowest = rows[j].seq;
            ask->is_answered = ask->is_answered || is_known;
        }
    }
    return ERR_OK;
}

/* ---- Of many accounts at once ---------------------------------------------------------------- */

static void note_news(struct oid_list ids, struct oid id, bool *has_news)
{
    for (size_t i = 0; i < ids.count; i++) {
        has_news[i] = has_news[i] || oid_equal(ids.items[i], id);
    }
}

/* The changed records of a collection whose account is one of `ids`. */
static enum err read_changed(struct call *call, enum collection collection,
                             struct condition is_theirs, struct condition is_new,
                             struct object_list *out)
{
    struct condition conditions[] = {is_theirs, is_new};
    struct query query = {.conditions = conditions, .condition_count = 2};
    return store_find(call->store, call->arena, collection, &query, out);
}

enum err replay_find_news(struct call *call, enum role role, struct oid_list ids, int64_t rev,
                          bool *has_news)
{
    bool is_user = role == ROLE_USER;
    struct object_list chats, orders;
    memset(has_news, 0, ids.count * sizeof *has_news);
    TRY(read_changed(call, COLLECTION_CHATS,
                     is_user ? WHERE_ONE_OF_IDS(chat, user_id, ids)
                             : WHERE_ONE_OF_IDS(chat, doctor_id, ids),
                     WHERE(chat, rev, ABOVE, rev), &chats));
    TRY(read_changed(call, COLLECTION_CONSULTATIONS,
                     is_user ? WHERE_ONE_OF_IDS(consultation, user_id, ids)
                             : WHERE_ONE_OF_IDS(consultation, doctor_id, ids),
                     WHERE(consultation, rev, ABOVE, rev), &orders));
    const struct chat *chat = chats.items;
    for (size_t i = 0; i < chats.count; i++) {
        note_news(ids, is_user ? chat[i].user_id : chat[i].doctor_id, has_news);
    }
    const struct consultation *order = orders.items;
    for (size_t i = 0; i < orders.count; i++) {
        note_news(ids, is_user ? order[i].user_id : order[i].doctor_id, has_news);
    }
    return ERR_OK;
}

/* ---- Late writes ----------------------------------------------------------------------------- */

static enum err stamp_message(struct call *call, const struct message *message)
{
    int64_t rev = call_stamp(call);
    struct condition is_as_read = WHERE(message, rev, IS, message->rev);
    struct change fresh = SET(message, rev, rev), of_chat = MAX(chat, rev, rev);
    enum err err = store_update(call->store, call->arena, COLLECTION_MESSAGES, message->id,
                                &is_as_read, 1, &fresh, 1, NULL);
    if (err == ERR_ABSENT) {
        return ERR_OK; /* changed since, with a stamp of its own */
    }
    TRY(err);
    return store_update(call->store, call->arena, COLLECTION_CHATS, message->chat_id, NULL, 0,
                        &of_chat, 1, NULL);
}

static enum err stamp_order(struct call *call, const struct consultation *order)
{
    struct condition is_as_read = WHERE(consultation, rev, IS, order->rev);
    struct change fresh = SET(consultation, rev, call_stamp(call));
    enum err err = store_update(call->store, call->arena, COLLECTION_CONSULTATIONS, order->id,
                                &is_as_read, 1, &fresh, 1, NULL);
    return err == ERR_ABSENT ? ERR_OK : err;
}

/* Stamps anew what has this stamp and the account may see. */
static enum err stamp_again(struct call *call, struct account account, int64_t rev)
{
    struct missed missed = {.count = 0};
    TRY(read_chats(call, account, rev - 1, 0, &missed.chats));
    TRY(read_messages(call, &missed.chats, rev - 1, 0, &missed.messages));
    TRY(read_consultations(call, account, rev - 1, 0, &missed.consultations));
    const struct message *messages = missed.messages.items;
    for (size_t i = 0; i < missed.messages.count; i++) {
        TRY(messages[i].rev == rev ? stamp_message(call, &messages[i]) : ERR_OK);
    }
    const struct consultation *orders = missed.consultations.items;
    for (size_t i = 0; i < missed.consultations.count; i++) {
        TRY(orders[i].rev == rev ? stamp_order(call, &orders[i]) : ERR_OK);
    }
    return ERR_OK;
}

enum err replay_stamp_late(struct call *call)
{
    if (store_is_ordered(store_of_session(call->store)) ||
        clock_now(call->clock).ms - call->now.ms <= LATE_MS) {
        return ERR_OK;
    }
    for (struct emission *at = call->first_emission; at != NULL; at = at->next) {
        if (at->rev != 0) {
            TRY(stamp_again(call, at->audience, at->rev));
            at->rev = call_stamp(call);
            frame_stamp_again(at->frame, at->rev);
        }
    }
    return ERR_OK;
}
