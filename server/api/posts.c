/* Messages made by the server.
 *
 * Without transactions, "exactly once" comes from three derived or remembered things: the
 * message's id (from the order, the occasion and its number), its seq (the first reservation
 * written into the order wins; a loser's numbers are never used, so it looks for the other's before
 * it takes any), and insertion that passes over what exists. So whoever finds an occasion unfinished just does all of it again. Where places turn
 * out to be taken, which they never are in a store that is whole, new ones are: no order must stay
 * unfinished for ever. */
#include "server/api/posts.h"

#include <string.h>

#include "server/api/audit.h"
#include "server/api/emit.h"
#include "server/api/paging.h"
#include "server/auth.h"
#include "server/clock.h"

/* Of a message's id that are its chat's, so that those of a chat lie together in the store's index; the
 * rest is a hash. */
#define CHAT_PREFIX_BYTES 4

/* Where an order remembers the reservation of an occasion. */
struct reservation_fields {
    const char *name;
    size_t seq, user_total, doctor_total;
};

static const struct reservation_fields reservations[] = {
    [OCCASION_START] = {"start", offsetof(struct consultation, start_seq),
                        offsetof(struct consultation, start_user_total),
                        offsetof(struct consultation, start_doctor_total)},
    [OCCASION_DISCLAIMER] = {"disclaimer", offsetof(struct consultation, disclaimer_seq),
                             offsetof(struct consultation, disclaimer_user_total),
                             offsetof(struct consultation, disclaimer_doctor_total)},
    [OCCASION_END] = {"end", offsetof(struct consultation, end_seq),
                      offsetof(struct consultation, end_user_total),
                      offsetof(struct consultation, end_doctor_total)},
};

static int64_t number_at(const struct consultation *order, size_t offset)
{
    int64_t number;
    memcpy(&number, (const unsigned char *)order + offset, sizeof number);
    return number;
}

struct oid message_id_of(struct oid chat_id, const char *sender, const char *client_msg_id)
{
    const void *words[] = {chat_id.bytes, sender, client_msg_id};
    size_t lengths[] = {sizeof chat_id.bytes, strlen(sender), strlen(client_msg_id)};
    struct oid id = id_derive("message", ARRAY_LENGTH(words), words, lengths);
    memcpy(id.bytes, chat_id.bytes, CHAT_PREFIX_BYTES);
    return id;
}

struct oid message_id_after(struct oid id)
{
    struct oid next = id_derive_number("message again", id, 0);
    memcpy(next.bytes, id.bytes, CHAT_PREFIX_BYTES);
    return next;
}

bool message_is_ruled_out(const struct message *message)
{
    return oid_equal(message->chat_id, message->id);
}

static bool is_same_text(const char *a, const char *b)
{
    return (a == NULL || b == NULL) ? a == b : strcmp(a, b) == 0;
}

bool message_is_same(const struct message *a, const struct message *b)
{
    return oid_equal(a->consultation_id, b->consultation_id) && strcmp(a->type, b->type) == 0 &&
           is_same_text(a->text.plain, b->text.plain) && is_same_text(a->image, b->image) &&
           is_same_text(a->audio, b->audio);
}

bool message_is_for(const struct message *message, enum side side)
{
    if (message->text.is_notice) {
        const struct notice_part *part =
            side == SIDE_USER ? &message->text.user : &message->text.doctor;
        return part->text != NULL;
    }
    const char *receiver = strstr(message->direction, "->");
    return receiver != NULL && strcmp(receiver + 2, side_name(side)) == 0;
}

const char *message_summary(const struct message *message)
{
    static const struct {
        const char *type, *summary;
    } documents[] = {{"02", "[处方]"}, {"03", "[检查]"}, {"04", "[检验]"}};
    if (message->is_retract) {
        return "[消息已撤回]";
    }
    for (size_t i = 0; i < ARRAY_LENGTH(documents); i++) {
        if (strcmp(message->type, documents[i].type) == 0) {
            return documents[i].summary;
        }
    }
    if (message->image != NULL) {
        return "[图片]";
    }
    return message->audio != NULL ? "[语音]" : message->text.plain;
}

/* How many the chat has counted from this one on. Whoever is sent again comes behind those that others have
 * counted since, and before those of its own batch that were lost with it: taken for the latter all of them
 * make `unread` too large for a while at most, never too small. */
static int64_t counted_since(const struct chat *chat, struct oid id)
{
    size_t at = 0;
    while (at + 1 < chat->counted_ids.count && !oid_equal(chat->counted_ids.items[at], id)) {
        at++;
    }
    return (int64_t)(chat->counted_ids.count - at);
}

/* One try of places_take: `is_new` counts the messages and takes their places unless they have been counted;
 * else only takes places, if they have. ERR_ABSENT: the gate is shut, or it is the other way. */
static enum err places_try(struct call *call, struct oid chat_id, const struct places *places,
                           bool is_new, struct chat *before)
{
    const struct oid_list counted = {.items = &places->id, .count = 1};
    const bool remembers = !store_is_atomic(store_of_session(call->store));
    struct condition conditions[5] = {WHERE(chat, counted_ids, is_new ? LACKS : HOLDS, places->id)};
    for (size_t j = 0; j < places->condition_count; j++) {
        conditions[1 + j] = places->conditions[j];
    }
    struct change changes[10] = {INC(chat, last_seq, places->count),
                                 SET(chat, updated_at, call->now), MAX(chat, rev, places->rev)};
    size_t count = 3;
    if (is_new) {
        changes[count++] = INC(chat, user_total, places->to_user);
        changes[count++] = INC(chat, doctor_total, places->to_doctor);
        changes[count++] = remembers ? PUSH_LAST(chat, counted_ids, places->id)
                                     : SET_IDS(chat, counted_ids, counted);
    }
    if (places->shown != NULL) {
        changes[count++] = SET(chat, last_msg_content, message_summary(places->shown));
        changes[count++] = SET(chat, last_msg_time, places->shown->created_at);
        changes[count++] = SET(chat, last_msg_id, places->shown->id);
    }
    TRY(store_update(call->store, call->arena, COLLECTION_CHATS, chat_id, conditions,
                     1 + places->condition_count, changes, count, before));
    const int64_t since = counted_since(before, places->id);
    before->last_seq -= places->count;
    before->user_total -= since * places->to_user;
    before->doctor_total -= since * places->to_doctor;
    if (is_new) {
        before->counted_ids = (struct oid_list){.count = 0};
    }
    return ERR_OK;
}

/* Takes the chat's next seqs and counts the messages for the sides that will see them, in one
 * conditional update. If a process died after that and before it stored them, they are counted
 * already, and only new seqs are taken: the chat names whom it has counted last. Should others take
 * places between asking for the one and for the other, it is asked again. ERR_ABSENT: the gate is
 * shut, or that happened. `before` receives the chat with last_seq and totals as they were before
 * these messages; its counted_ids are empty unless they were counted already. */
static enum err places_take(struct call *call, struct oid chat_id, const struct places *places,
                            struct chat *before)
{
    enum err err = ERR_ABSENT;
    const int tries = places->condition_count == 0 ? 2 * RACES_MAX : 2;
    for (int i = 0; i < tries && err == ERR_ABSENT; i++) {
        err = places_try(call, chat_id, places, i % 2 == 0, before);
    }
    return err;
}

/* What post_give_back does, for places of several messages, too: `stored` has the totals before
 * those that are stored, as `before` has before these. */
static enum err places_give_back(struct call *call, struct oid chat_id, const struct places *places,
                                 const struct chat *before, const struct chat *stored)
{
    bool is_counted_twice =
        before->counted_ids.count == 0 &&
        (before->user_total > stored->user_total || before->doctor_total > stored->doctor_total);
    if (!is_counted_twice) {
        return ERR_OK;
    }
    struct condition conditions[] = {
        WHERE(chat, counted_ids, HOLDS, places->id),
        WHERE(chat, user_read_total, AT_MOST, before->user_total),
        WHERE(chat, doctor_read_total, AT_MOST, before->doctor_total),
    };
    struct change changes[] = {INC(chat, user_total, -places->to_user),
                               INC(chat, doctor_total, -places->to_doctor),
                               PULL(chat, counted_ids, places->id)};
    enum err err = store_update(call->store, call->arena, COLLECTION_CHATS, chat_id, conditions,
                                ARRAY_LENGTH(conditions), changes, ARRAY_LENGTH(changes), NULL);
    return err == ERR_ABSENT ? ERR_OK : err;
}

/* Nobody needs to wait for the places that were taken in vain, unless they are the stored one's: a
 * store that has lost its answer may refuse what it has taken itself. */
static void tell_void(struct call *call, const struct places *places, const struct chat *before,
                      int64_t stored_seq)
{
    for (int64_t i = 1; i <= places->count && stored_seq != before->last_seq + 1; i++) {
        emit_void(call, before, before->last_seq + i);
    }
}

/* The places taken in vain showed a message as the chat's last again, as it was sent: what is shown is the
 * newest as it is stored. Once `shown` itself is. Somebody else's change in between: once more. */
static enum err show_newest(struct call *call, struct oid chat_id, struct oid shown)
{
    for (int i = 0; i < RACES_MAX; i++) {
        struct chat chat;
        TRY(store_get(call->store, call->arena, COLLECTION_CHATS, chat_id, &chat));
        if (!oid_equal(chat.last_msg_id, shown)) {
            return ERR_OK;
        }
        struct condition plain[] = {WHERE(message, chat_id, IS, chat_id),
                                    WHERE(message, type, IS_NOT, MESSAGE_NOTICE)};
        struct query query = {.conditions = plain,
                              .condition_count = 2,
                              .sort = {SORT_DOWN(message, seq)},
                              .limit = 1};
        struct message newest;
        TRY(store_find_one(call->store, call->arena, COLLECTION_MESSAGES, &query, &newest));
        struct condition as_read[] = {WHERE(chat, rev, IS, chat.rev),
                                      WHERE(chat, last_msg_id, IS, shown)};
        struct change changes[] = {SET(chat, last_msg_content, message_summary(&newest)),
                                   SET(chat, last_msg_time, newest.created_at),
                                   SET(chat, last_msg_id, newest.id)};
        enum err err = store_update(call->store, call->arena, COLLECTION_CHATS, chat.id, as_read, 2,
                                    changes, ARRAY_LENGTH(changes), &chat);
        if (err != ERR_ABSENT) {
            return err;
        }
    }
    return ERR_OK;
}

enum err post_give_back(struct call *call, const struct places *taken, const struct chat *before,
                        const struct message *stored)
{
    struct chat first = {.user_total = stored->user_total - taken->to_user,
                         .doctor_total = stored->doctor_total - taken->to_doctor};
    tell_void(call, taken, before, stored->seq);
    TRY(places_give_back(call, stored->chat_id, taken, before, &first));
    return show_newest(call, stored->chat_id, stored->id);
}

enum err post_rule_out(struct call *call, struct oid chat_id, struct oid id, bool *is_stored)
{
    /* In a chat that is none, where its place is free. It holds nothing of anybody's, and stays for good. */
    const struct message nothing = {.id = id,
                                    .chat_id = id,
                                    .type = MESSAGE_CONTENT,
                                    .direction = DOCTOR_TO_USER,
                                    .is_retract = true,
                                    .created_at = call->now,
                                    .updated_at = call->now};
    enum err err = store_insert(call->store, COLLECTION_MESSAGES, &nothing);
    *is_stored = false;
    if (err == ERR_DUPLICATE) {
        struct message stored;
        TRY(store_get(call->store, call->arena, COLLECTION_MESSAGES, id, &stored));
        *is_stored = !message_is_ruled_out(&stored);
        return ERR_OK;
    }
    TRY(err);
    return show_newest(call, chat_id, id);
}

enum err post_give_up(struct call *call, const struct places *taken, const struct chat *before,
                      struct oid id)
{
    tell_void(call, taken, before, 0);
    return show_newest(call, before->id, id);
}

/* What an occasion's messages take. What the chat's list shows follows the last plain one. */
static struct places places_of(const struct message *drafts, size_t count)
{
    struct places places = {
        .id = drafts[0].id, .count = (int64_t)count, .rev = drafts[count - 1].rev};
    for (size_t i = 0; i < count; i++) {
        places.to_user += message_is_for(&drafts[i], SIDE_USER);
        places.to_doctor += message_is_for(&drafts[i], SIDE_DOCTOR);
        if (!drafts[i].text.is_notice) {
            places.shown = &drafts[i];
        }
    }
    return places;
}

/* Another node's process may have died after it had reserved the places: the messages' stamps are
 * fresh, and replay finds messages by the stamp of their chat. */
static enum err stamp_chat(struct call *call, const struct consultation *order, int64_t rev)
{
    struct change change = MAX(chat, rev, rev);
    return store_update(call->store, call->arena, COLLECTION_CHATS, order->chat_id, NULL, 0,
                        &change, 1, NULL);
}

/* Makes sure that the order has places for the occasion's messages: takes them from the chat and
 * writes them down unless somebody else has done so. Then `*doubted` is what the chat's list shows for it, perhaps in
 * the place of something newer, or with another's time; else it is NULL. */
static enum err reserve(struct call *call, struct consultation *order,
                        const struct reservation_fields *fields, const struct message *drafts,
                        size_t count, const struct message **doubted)
{
    struct places places = places_of(drafts, count);
    *doubted = places.shown;
    if (number_at(order, fields->seq) != 0) {
        return stamp_chat(call, order, places.rev);
    }
    struct chat chat;
    enum err err = places_try(call, order->chat_id, &places, true, &chat);
    if (err == ERR_ABSENT) {
        /* Somebody else has taken some, and has most likely written down which by now. */
        TRY(store_get(call->store, call->arena, COLLECTION_CONSULTATIONS, order->id, order));
        if (number_at(order, fields->seq) != 0) {
            return stamp_chat(call, order, places.rev);
        }
        err = places_take(call, order->chat_id, &places, &chat);
    }
    TRY(err);
    struct condition condition = {fields->seq, IS, value_of_number(0)};
    struct change changes[] = {
        {fields->seq, CHANGE_SET, value_of_number(chat.last_seq + 1)},
        {fields->user_total, CHANGE_SET, value_of_number(chat.user_total)},
        {fields->doctor_total, CHANGE_SET, value_of_number(chat.doctor_total)},
    };
    err = store_update(call->store, call->arena, COLLECTION_CONSULTATIONS, order->id, &condition, 1,
                       changes, ARRAY_LENGTH(changes), order);
    if (err != ERR_ABSENT) {
        *doubted = NULL;
        return err;
    }
    TRY(store_get(call->store, call->arena, COLLECTION_CONSULTATIONS, order->id, order));
    struct chat stored = {.user_total = number_at(order, fields->user_total),
                          .doctor_total = number_at(order, fields->doctor_total)};
    tell_void(call, &places, &chat, number_at(order, fields->seq));
    return places_give_back(call, order->chat_id, &places, &chat, &stored);
}

/* What the server posts is the system's, whoever's call brought it about. */
static struct audit_note note_of(const struct message *message)
{
    return (struct audit_note){.action = AUDIT_SEND,
                               .actor = "system",
                               .consultation_id = message->consultation_id,
                               .subject = message->id,
                               .content = message};
}

/* What of `messages` is stored, as it is stored: where stores are not atomic another node may have
 * posted the same at the same moment, and the insertion has passed over it. `count` becomes how
 * many there are. */
static enum err read_posted(struct call *call, struct message *messages, size_t *count)
{
    struct oid *ids = arena_array(call->arena, *count, sizeof *ids);
    for (size_t i = 0; i < *count; i++) {
        ids[i] = messages[i].id;
    }
    struct object_list stored;
    TRY(records_by_ids(call, COLLECTION_MESSAGES, (struct oid_list){ids, *count}, &stored));
    size_t found = 0;
    for (size_t i = 0; i < *count; i++) {
        const struct message *message = record_of_id(&stored, sizeof *message, ids[i]);
        if (message != NULL) {
            messages[found++] = *message;
        }
    }
    *count = found;
    return ERR_OK;
}

/* Inserts them, records and tells them. They become what is stored. ERR_DUPLICATE: the place of one
 * is taken; others may have been posted all the same. */
static enum err insert_and_tell(struct call *call, const struct chat *chat,
                                struct message *messages, size_t count)
{
    enum err inserted = store_insert_many(call->store, COLLECTION_MESSAGES, messages, count);
    if (inserted != ERR_OK && inserted != ERR_DUPLICATE) {
        return inserted;
    }
    if (inserted != ERR_OK || !store_is_atomic(store_of_session(call->store))) {
        TRY(read_posted(call, messages, &count));
    }
    for (size_t i = 0; i < count; i++) {
        struct audit_note note = note_of(&messages[i]);
        audit_note(call, &note);
        emit_message(call, chat, &messages[i], false);
    }
    return inserted;
}

/* Posts those that are not there yet. ERR_DUPLICATE besides: their places were reserved long ago and
 * the store is ordered: it has no message with a smaller seq and a newer stamp than another (replay.c). */
static enum err insert_missing(struct call *call, const struct consultation *order,
                               const struct message *drafts, size_t count, bool is_reserved_before)
{
    struct oid *ids = arena_array(call->arena, count, sizeof *ids);
    struct message *missing = arena_array(call->arena, count, sizeof *missing);
    size_t missing_count = 0;
    for (size_t i = 0; i < count; i++) {
        ids[i] = drafts[i].id;
    }
    struct object_list stored;
    TRY(records_by_ids(call, COLLECTION_MESSAGES, (struct oid_list){ids, count}, &stored));
    for (size_t i = 0; i < count; i++) {
        if (record_of_id(&stored, sizeof(struct message), ids[i]) == NULL) {
            missing[missing_count++] = drafts[i];
        }
    }
    const struct message *before = stored.items;
    for (size_t i = 0; i < stored.count; i++) {
        struct audit_note note = note_of(&before[i]);
        audit_note_again(call, &note);
    }
    if (missing_count > 0 && is_reserved_before &&
        store_is_ordered(store_of_session(call->store))) {
        return ERR_DUPLICATE;
    }
    struct chat chat = {.user_id = order->user_id, .doctor_id = order->doctor_id};
    return insert_and_tell(call, &chat, missing, missing_count);
}

/* A chat that gives places away which are taken lags behind its messages, as in a copy of a database
 * that was made while it was in use. One without messages does not. */
static enum err bring_forward(struct call *call, struct oid chat_id)
{
    struct condition condition = WHERE(message, chat_id, IS, chat_id);
    struct query query = {
        .conditions = &condition, .condition_count = 1, .sort = {SORT_DOWN(message, seq)}};
    struct message newest;
    enum err err = store_find_one(call->store, call->arena, COLLECTION_MESSAGES, &query, &newest);
    if (err != ERR_OK) {
        return err == ERR_ABSENT ? ERR_OK : err;
    }
    struct change change = MAX(chat, last_seq, newest.seq);
    return store_update(call->store, call->arena, COLLECTION_CHATS, chat_id, NULL, 0, &change, 1,
                        NULL);
}

/* Forgets places that others have taken, unless somebody else has just done so. */
static enum err release(struct call *call, struct consultation *order,
                        const struct reservation_fields *fields)
{
    int64_t seq = number_at(order, fields->seq);
    struct condition condition = {fields->seq, IS, value_of_number(seq)};
    struct change change = {fields->seq, CHANGE_SET, value_of_number(0)};
    enum err err = store_update(call->store, call->arena, COLLECTION_CONSULTATIONS, order->id,
                                &condition, 1, &change, 1, order);
    return err != ERR_ABSENT
               ? err
               : store_get(call->store, call->arena, COLLECTION_CONSULTATIONS, order->id, order);
}

/* Posts what is missing at the places that the order has for it. ERR_DUPLICATE: others are there, or
 * may have passed them. */
static enum err post_at_places(struct call *call, struct consultation *order,
                               const struct reservation_fields *fields, struct message *drafts,
                               size_t count)
{
    bool is_reserved_before = number_at(order, fields->seq) != 0;
    const struct message *doubted;
    TRY(reserve(call, order, fields, drafts, count, &doubted));
    int64_t seq = number_at(order, fields->seq);
    int64_t user_total = number_at(order, fields->user_total);
    int64_t doctor_total = number_at(order, fields->doctor_total);
    for (size_t i = 0; i < count; i++) {
        user_total += message_is_for(&drafts[i], SIDE_USER);
        doctor_total += message_is_for(&drafts[i], SIDE_DOCTOR);
        drafts[i].seq = seq + (int64_t)i;
        drafts[i].user_total = user_total;
        drafts[i].doctor_total = doctor_total;
    }
    TRY(insert_missing(call, order, drafts, count, is_reserved_before));
    return doubted != NULL ? show_newest(call, order->chat_id, doubted->id) : ERR_OK;
}

enum err posts_make(struct call *call, struct consultation *order, enum occasion occasion,
                    struct message *drafts, size_t count)
{
    const struct reservation_fields *fields = &reservations[occasion];
    for (size_t i = 0; i < count; i++) {
        drafts[i].id = id_derive_number(fields->name, order->id, (int64_t)i);
        drafts[i].chat_id = order->chat_id;
        drafts[i].consultation_id = order->id;
        drafts[i].created_at = call->now;
        drafts[i].updated_at = call->now;
        drafts[i].rev = call_stamp(call);
    }
    enum err err = post_at_places(call, order, fields, drafts, count);
    if (err != ERR_DUPLICATE) {
        return err;
    }
    TRY(bring_forward(call, order->chat_id));
    TRY(release(call, order, fields));
    err = post_at_places(call, order, fields, drafts, count);
    return err == ERR_DUPLICATE ? ERR_BUSY : err;
}

enum err post_take_seq(struct call *call, struct message *message,
                       const struct condition *conditions, size_t condition_count,
                       struct places *taken, struct chat *chat)
{
    message->rev = call_stamp(call);
    *taken = (struct places){.id = taken->id,
                             .count = 1,
                             .to_user = message_is_for(message, SIDE_USER),
                             .to_doctor = message_is_for(message, SIDE_DOCTOR),
                             .conditions = conditions,
                             .condition_count = condition_count,
                             .shown = message,
                             .rev = message->rev};
    TRY(places_take(call, message->chat_id, taken, chat));
    message->seq = chat->last_seq + 1;
    message->user_total = chat->user_total + taken->to_user;
    message->doctor_total = chat->doctor_total + taken->to_doctor;
    return ERR_OK;
}

enum err posts_make_system(struct call *call, const struct consultation *order, const char *text)
{
    struct message message = {
        .id = id_derive_number("system", order->id, order->status[1]),
        .chat_id = chat_id_of_user(order->user_id),
        .consultation_id = order->id,
        .type = MESSAGE_CONTENT,
        .text = {.plain = text},
        .direction = SYSTEM_TO_USER,
        .created_at = call->now,
        .updated_at = call->now,
    };
    struct message existing;
    enum err err = store_get(call->store, call->arena, COLLECTION_MESSAGES, message.id, &existing);
    if (err == ERR_OK) {
        struct audit_note note = note_of(&existing);
        audit_note_again(call, &note);
        return ERR_OK;
    }
    if (err != ERR_ABSENT) {
        return err;
    }
    for (int i = 0; i < 2; i++) {
        struct places taken = {.id = message.id};
        struct chat chat;
        TRY(post_take_seq(call, &message, NULL, 0, &taken, &chat));
        const int64_t seq = message.seq;
        err = insert_and_tell(call, &chat, &message, 1);
        if (err == ERR_OK && message.seq != seq) {
            return post_give_back(call, &taken, &chat, &message);
        }
        if (err != ERR_DUPLICATE) {
            return err;
        }
        TRY(bring_forward(call, message.chat_id));
    }
    return ERR_BUSY;
}

/* The chat shows the message as retracted if it is the one shown last, and has its stamp, by which
 * resuming clients find it. */
static enum err show_retracted(struct call *call, const struct message *message, struct chat *chat)
{
    struct condition is_shown = WHERE(chat, last_msg_id, IS, message->id);
    struct change shown[] = {SET(chat, last_msg_content, message_summary(message)),
                             SET(chat, updated_at, call->now), MAX(chat, rev, message->rev)};
    enum err err = store_update(call->store, call->arena, COLLECTION_CHATS, message->chat_id,
                                &is_shown, 1, shown, ARRAY_LENGTH(shown), chat);
    if (err == ERR_ABSENT) { /* another message is shown */
        struct change stamp = MAX(chat, rev, message->rev);
        return store_update(call->store, call->arena, COLLECTION_CHATS, message->chat_id, NULL, 0,
                            &stamp, 1, chat);
    }
    TRY(err);
    emit_chat(call, chat);
    return ERR_OK;
}

enum err post_show_retracted(struct call *call, const struct message *message, struct chat *chat)
{
    bool shows_text = oid_equal(chat->last_msg_id, message->id) &&
                      strcmp(chat->last_msg_content, message_summary(message)) != 0;
    return shows_text || chat->rev < message->rev ? show_retracted(call, message, chat) : ERR_OK;
}

enum err post_mark_retracted(struct call *call, struct message *message, struct chat *chat)
{
    int64_t rev = call_stamp(call);
    int64_t after = message->updated_at.ms + 1; /* another node's clock may be ahead */
    struct timestamp at = call->now.ms > after ? call->now : (struct timestamp){after};
    struct condition condition = WHERE(message, is_retract, IS_NOT, true);
    struct change changes[] = {SET(message, is_retract, true), SET(message, updated_at, at),
                               MAX(message, rev, rev)};
    enum err err = store_update(call->store, call->arena, COLLECTION_MESSAGES, message->id,
                                &condition, 1, changes, ARRAY_LENGTH(changes), message);
    if (err == ERR_ABSENT) {
        return store_get(call->store, call->arena, COLLECTION_MESSAGES, message->id, message);
    }
    TRY(err);
    struct audit_note note = {.action = AUDIT_RETRACT,
                              .consultation_id = message->consultation_id,
                              .subject = message->id,
                              .content = message};
    audit_note(call, &note);
    return show_retracted(call, message, chat);
}
