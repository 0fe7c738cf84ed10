/* Messages of a consultation: sending, retracting, listing (document 8.4 to 8.6, contract 3).
 *
 * Sending passes two gates, each one conditional update. A doctor's message first takes one of
 * the order's replies (the order holds the ids of its live replies, so that taking twice for one
 * message takes one). Every message then takes the next seq of its chat, which is possible only
 * while the chat is open for this order and its 48 hours are not over. Then it is inserted under
 * an id derived from clientMsgId, so that a repeated send finds the first one.
 *
 * A reply that was taken and is not stored is given back some time later, since its sender may have
 * died. One who is only slow must not store it then: before it is given back its id is taken by a record that is
 * no message (post_rule_out), so that the insertion is refused. The same clientMsgId has another id from then on. */
#include <string.h>

#include "server/api/api.h"
#include "server/api/audit.h"
#include "server/api/chats.h"
#include "server/api/emit.h"
#include "server/api/moves.h"
#include "server/api/paging.h"
#include "server/api/posts.h"
#include "server/auth.h"
#include "server/config.h"

#define MS_PER_MINUTE INT64_C(60000)

/* ---- 8.5 ---------------------------------------------------------------------------------- */

static struct audit_note note_of(enum audit_action action, const struct message *message)
{
    return (struct audit_note){.action = action,
                               .consultation_id = message->consultation_id,
                               .subject = message->id,
                               .content = message};
}

/* Answers a repeated send with the first message, and tells it again: the process that stored it
 * may have died before it could. ERR_ABSENT: there is no first one. Where tries before were ruled out, the message
 * gets the id of the next one. */
static enum err answer_first(struct call *call, const struct chat *chat, enum side side,
                             struct message *message, struct message *out)
{
    struct message first;
    TRY(store_get_doubted(call->store, call->arena, COLLECTION_MESSAGES, message->id, &first));
    while (message_is_ruled_out(&first)) {
        message->id = message_id_after(message->id);
        TRY(store_get_doubted(call->store, call->arena, COLLECTION_MESSAGES, message->id, &first));
    }
    if (!message_is_same(&first, message)) {
        return call_blame(call, ERR_CLIENT_MSG_ID_CONFLICT, "clientMsgId");
    }
    struct audit_note note = note_of(AUDIT_SEND, &first);
    audit_note_again(call, &note);
    emit_message(call, chat, &first, true);
    *out = message_view(&first, side);
    return ERR_OK;
}

static bool is_open(const struct consultation *order, struct timestamp now)
{
    bool is_state_open = strcmp(order->status, PAID) == 0 || strcmp(order->status, ANSWERING) == 0;
    return is_state_open && order->deadline.ms > now.ms;
}

static enum err refuse_closed(struct call *call, const struct consultation *order)
{
    if (is_open(order, call->now)) {
        return ERR_BUSY; /* it was closed or not open yet a moment ago */
    }
    return call_blame(call, ERR_CONSULTATION_NOT_OPEN, "consultationId");
}

/* Takes one of the order's replies for the message: at most reply_limit ids are ever in it, also
 * when two arrive at once on two nodes. The first one moves the order to 04; its disclaimer is
 * left to the caller. */
static enum err take_reply(struct call *call, struct consultation *order, struct oid message_id)
{
    if (!is_open(order, call->now)) {
        return refuse_closed(call, order);
    }
    if (oid_list_holds(order->replies, message_id)) {
        return ERR_OK; /* taken by an earlier try that died before the message was stored */
    }
    if (order->reply_count >= call->settings->reply_limit) {
        return ERR_REPLY_QUOTA_EXCEEDED;
    }
    struct condition conditions[] = {
        WHERE(consultation, reply_count, BELOW, call->settings->reply_limit),
        WHERE(consultation, replies, LACKS, message_id),
        WHERE(consultation, deadline, ABOVE, call->now),
        WHERE(consultation, status, IS, order->status),
    };
    bool is_first = strcmp(order->status, PAID) == 0;
    struct change changes[] = {
        PUSH(consultation, replies, message_id),  INC(consultation, reply_count, 1),
        SET(consultation, unsettled, true), /* until the message is stored */
        MAX(consultation, updated_at, call->now), MAX(consultation, rev, call_stamp(call)),
    };
    struct move_terms terms = {conditions, 3, changes, 2};
    if (is_first) {
        return order_move_only(call, order, ANSWERING, &terms);
    }
    TRY(store_update(call->store, call->arena, COLLECTION_CONSULTATIONS, order->id, conditions,
                     ARRAY_LENGTH(conditions), changes, ARRAY_LENGTH(changes), order));
    emit_consultation(call, order);
    return ERR_OK;
}

/* The doctor's gate: reads the order and takes a reply, again when somebody moved the order in
 * between. An order that waits for this very message is not settled now, which might give it up. */
static enum err pass_quota(struct call *call, const struct message *message,
                           struct consultation *order)
{
    for (int i = 0; i < RACES_MAX; i++) {
        TRY(order_read_own(call, message->consultation_id, order));
        if (!oid_list_holds(order->replies, message->id)) {
            TRY(order_settle(call, order));
        }
        if (!oid_equal(order->chat_id, message->chat_id)) {
            return call_blame(call, ERR_WRONG_CHAT, "consultationId");
        }
        enum err err = take_reply(call, order, message->id);
        if (err != ERR_ABSENT) {
            return err;
        }
    }
    return ERR_BUSY;
}

/* Why the chat's gate was shut, from the order's point of view. */
static enum err explain_shut_gate(struct call *call, const struct message *message)
{
    struct consultation order;
    TRY(order_read_own(call, message->consultation_id, &order));
    if (!oid_equal(order.chat_id, message->chat_id)) {
        return call_blame(call, ERR_WRONG_CHAT, "consultationId");
    }
    return refuse_closed(call, &order);
}

/* Everybody's gate: takes the chat's next seq if the chat is open for this order. Where the order says that it
 * is, the gate has just been moved, or others took places in between: once more. */
static enum err pass_gate(struct call *call, struct message *message, struct places *taken,
                          struct chat *chat)
{
    struct condition conditions[] = {
        WHERE(chat, status, IS, true),
        WHERE(chat, open_consultation_id, IS, message->consultation_id),
        WHERE(chat, deadline, ABOVE, call->now),
    };
    for (int i = 0; i < RACES_MAX; i++) {
        enum err err =
            post_take_seq(call, message, conditions, ARRAY_LENGTH(conditions), taken, chat);
        if (err != ERR_ABSENT) {
            return err;
        }
        err = explain_shut_gate(call, message);
        if (err != ERR_BUSY) {
            return err;
        }
    }
    return ERR_BUSY;
}

/* What call->chat_place points to. */
struct place {
    struct message message;
    struct places taken;
    struct chat before;
};

/* Should a batch not be able to insert it after all. */
static void remember_place(struct call *call, const struct message *message,
                           const struct places *taken, const struct chat *before)
{
    struct place *place = ARENA_NEW(call->arena, struct place);
    *place = (struct place){*message, *taken, *before};
    place->taken.conditions = NULL; /* passed */
    place->taken.condition_count = 0;
    place->taken.shown = &place->message;
    call->chat_place = place;
}

/* Takes a place and inserts the message there. ERR_DUPLICATE: its id is taken, or the place. */
static enum err insert_at_place(struct call *call, struct message *message, struct places *taken,
                                struct chat *chat)
{
    if (call->chat_place != NULL) { /* a batch has taken it, and was refused */
        const struct place *place = call->chat_place;
        call->chat_place = NULL;
        *message = place->message;
        *taken = place->taken;
        *chat = place->before;
        return ERR_DUPLICATE;
    }
    TRY(pass_gate(call, message, taken, chat));
    enum err err = store_insert(call->store, COLLECTION_MESSAGES, message);
    if (err == ERR_OK) {
        remember_place(call, message, taken, chat);
    }
    return err;
}

/* All tries of one clientMsgId are counted once. A patient's message has only one. */
static struct oid counted_as(const struct message *message, enum side side)
{
    return side == SIDE_DOCTOR && message->client_msg_id != NULL
               ? message_id_of(message->chat_id, side_name(side), message->client_msg_id)
               : message->id;
}

static enum err store_message(struct call *call, struct chat *chat, enum side side,
                              struct message *message, struct message *out)
{
    for (int i = 0; i < RACES_MAX; i++) {
        struct places taken = {.id = counted_as(message, side)};
        enum err err = insert_at_place(call, message, &taken, chat);
        if (err == ERR_OK) {
            struct audit_note note = note_of(AUDIT_SEND, message);
            audit_note(call, &note);
            *out = *message;
            emit_message(call, chat, message, true);
            return ERR_OK;
        }
        if (err != ERR_DUPLICATE) {
            return err;
        }
        /* The same clientMsgId, sent at the same moment through another node; or else the seq is
         * taken, and the next one is tried. */
        const struct oid id = message->id;
        err = answer_first(call, chat, side, message, out);
        if (!oid_equal(message->id, id)) { /* it took too long, and its reply was given back */
            TRY(post_give_up(call, &taken, chat, id));
            return err == ERR_ABSENT ? ERR_BUSY : err;
        }
        if (err != ERR_ABSENT) {
            return err == ERR_OK ? post_give_back(call, &taken, chat, out) : err;
        }
    }
    return ERR_BUSY;
}

static enum err store_reply(struct call *call, struct chat *chat, struct message *message,
                            struct message *out)
{
    struct consultation order;
    const struct oid id = message->id;
    TRY(pass_quota(call, message, &order));
    enum err err = store_message(call, chat, SIDE_DOCTOR, message, out);
    if (err != ERR_OK && err != ERR_STORE && err != ERR_CLIENT_MSG_ID_CONFLICT) {
        enum err given_back = order_give_back(call, &order, id);
        return given_back == ERR_OK || given_back == ERR_ABSENT ? err : given_back;
    }
    TRY(err);
    return order_settle(call, &order); /* the disclaimer, after the first reply */
}

enum err api_message_create(struct call *call, const struct message_create *in, struct message *out)
{
    struct chat chat;
    enum side side;
    TRY(chat_get_own(call, in->chat_id, "chatId", &chat, &side));
    const char *own_direction = side == SIDE_USER ? USER_TO_DOCTOR : DOCTOR_TO_USER;
    if (strcmp(in->direction, own_direction) != 0) {
        return call_blame(call, ERR_WRONG_DIRECTION, "direction");
    }
    struct message message = {
        .chat_id = in->chat_id,
        .consultation_id = in->consultation_id,
        .type = in->type,
        .text = {.plain = in->text},
        .image = in->image,
        .audio = in->audio,
        .direction = in->direction,
        .client_msg_id = in->client_msg_id,
        .created_at = call->now,
        .updated_at = call->now,
    };
    if (in->client_msg_id == NULL) {
        message.id = id_new(call->now);
    } else {
        message.id = message_id_of(in->chat_id, side_name(side), in->client_msg_id);
        enum err err =
            call->chat_place != NULL ? ERR_ABSENT : answer_first(call, &chat, side, &message, out);
        if (err != ERR_ABSENT) {
            return err;
        }
    }
    return side == SIDE_DOCTOR ? store_reply(call, &chat, &message, out)
                               : store_message(call, &chat, side, &message, out);
}

/* ---- 8.6 ---------------------------------------------------------------------------------- */

static enum err check_retractable(struct call *call, const struct message *message,
                                  const struct chat *chat, enum side side,
                                  struct consultation *order)
{
    const char *own_direction = side == SIDE_USER ? USER_TO_DOCTOR : DOCTOR_TO_USER;
    if (strcmp(message->direction, own_direction) != 0) {
        return call_blame(call, ERR_NOT_YOURS, "id");
    }
    bool is_own_content =
        strcmp(message->type, MESSAGE_CONTENT) == 0 && !oid_is_none(chat->patient_id);
    if (!is_own_content) {
        return ERR_NOT_RETRACTABLE;
    }
    TRY(order_get_own(call, message->consultation_id, order));
    if (strcmp(order->status, PAID) != 0 && strcmp(order->status, ANSWERING) != 0) {
        return ERR_CONSULTATION_NOT_OPEN;
    }
    int64_t limit_ms = call->settings->retract_minutes * MS_PER_MINUTE;
    if (limit_ms != 0 && call->now.ms - message->created_at.ms > limit_ms) {
        return ERR_RETRACT_TOO_LATE;
    }
    return ERR_OK;
}

/* Takes the reply out of the order's before the mark, with a note of what is left to do: from here on it is
 * retracted whatever happens, and the order cannot move before it is marked (moves.c). ERR_OK also where another
 * call retracts it; ERR_CONSULTATION_NOT_OPEN: the order has moved. */
static enum err begin_retraction(struct call *call, struct consultation *order,
                                 struct oid message_id)
{
    struct condition conditions[] = {WHERE(consultation, status, IS, ANSWERING),
                                     WHERE(consultation, replies, HOLDS, message_id)};
    struct change changes[] = {
        PULL(consultation, replies, message_id),    INC(consultation, reply_count, -1),
        PUSH(consultation, retracting, message_id), SET(consultation, unsettled, true),
        MAX(consultation, rev, call_stamp(call)),
    };
    enum err err =
        store_update(call->store, call->arena, COLLECTION_CONSULTATIONS, order->id, conditions,
                     ARRAY_LENGTH(conditions), changes, ARRAY_LENGTH(changes), order);
    if (err == ERR_ABSENT) {
        TRY(order_get_own(call, order->id, order));
        return strcmp(order->status, ANSWERING) == 0 ? ERR_OK /* another call retracts it */
                                                     : ERR_CONSULTATION_NOT_OPEN;
    }
    TRY(err);
    emit_consultation(call, order);
    return ERR_OK;
}

enum err api_message_retract(struct call *call, const struct by_id *in, struct message *out)
{
    struct message message;
    enum err err = store_get(call->store, call->arena, COLLECTION_MESSAGES, in->id, &message);
    if (err == ERR_ABSENT) {
        return call_blame(call, ERR_MESSAGE_NOT_FOUND, "id");
    }
    TRY(err);
    struct chat chat;
    enum side side;
    TRY(chat_get_own(call, message.chat_id, "id", &chat, &side));
    if (message.is_retract &&
        message_is_for(&message, side == SIDE_USER ? SIDE_DOCTOR : SIDE_USER)) {
        struct audit_note note = note_of(AUDIT_RETRACT, &message);
        audit_note_again(call, &note);
        TRY(post_show_retracted(call, &message, &chat)); /* whoever marked it may have died then */
        emit_message(call, &chat, &message, true);
        *out = message_view(&message, side); /* retracting twice is retracting */
        return ERR_OK;
    }
    struct consultation order;
    TRY(check_retractable(call, &message, &chat, side, &order));
    if (side == SIDE_DOCTOR) {
        /* Before the mark: an order that ends now must not count a retracted reply. */
        TRY(begin_retraction(call, &order, message.id));
    }
    TRY(post_mark_retracted(call, &message, &chat));
    emit_message(call, &chat, &message, true);
    *out = message_view(&message, side);
    return side == SIDE_DOCTOR ? order_settle(call, &order) : ERR_OK;
}

/* ---- 8.4 ---------------------------------------------------------------------------------- */

static void view_messages(struct call *call, struct object_list *list, enum side side)
{
    struct message *messages = list_copy(call->arena, list, sizeof *messages);
    for (size_t i = 0; i < list->count; i++) {
        messages[i] = message_view(&messages[i], side);
    }
    list->items = messages;
}

/* One row for each order whose messages a doctor was shown. */
static void note_shown(struct call *call, const struct chat *chat, const struct object_list *shown)
{
    const struct message *messages = shown->items;
    if (oid_is_none(chat->patient_id)) {
        return; /* the doctor's own system chat */
    }
    if (shown->count == 0) {
        audit_note_read(call, AUDIT_READ_MESSAGES, OID_NONE, chat->id);
    }
    for (size_t i = 0; i < shown->count; i++) {
        bool is_noted = false;
        for (size_t j = 0; j < i && !is_noted; j++) {
            is_noted = oid_equal(messages[i].consultation_id, messages[j].consultation_id);
        }
        if (!is_noted) {
            audit_note_read(call, AUDIT_READ_MESSAGES, messages[i].consultation_id, chat->id);
        }
    }
}

enum err api_message_list(struct call *call, const struct message_filter *in,
                          struct object_list *out)
{
    struct chat chat;
    enum side side;
    TRY(chat_get_own(call, in->chat_id, "chatId", &chat, &side));
    struct condition conditions[2] = {WHERE(message, chat_id, IS, in->chat_id)};
    size_t count = 1;
    if (in->before_seq != NUMBER_ABSENT) {
        conditions[count++] = WHERE(message, seq, BELOW, in->before_seq);
    }
    struct query query = {
        .conditions = conditions, .condition_count = count, .sort = {SORT_DOWN(message, seq)}};
    struct page page;
    page_begin(in->skip, in->limit, &query, &page);
    TRY(store_find(call->store, call->arena, COLLECTION_MESSAGES, &query, out));
    view_messages(call, out, side);
    note_shown(call, &chat, out);
    return ERR_OK;
}

/* ---- 10.4 --------------------------------------------------------------------------------- */

enum err api_consultation_messages(struct call *call, const struct by_consultation *in,
                                   struct object_list *out)
{
    struct consultation order;
    TRY(order_read_own(call, in->consultation_id, &order));
    audit_note_read(call, AUDIT_READ_MESSAGES, order.id, order.chat_id);
    *out = (struct object_list){NULL, 0};
    if (order.start_seq == 0) {
        return ERR_OK; /* never paid: nothing was said */
    }
    /* By the chat's index: an order's messages begin at its start notice. */
    struct condition conditions[] = {
        WHERE(message, chat_id, IS, order.chat_id),
        WHERE(message, seq, AT_LEAST, order.start_seq),
        WHERE(message, consultation_id, IS, order.id),
    };
    struct query query = {.conditions = conditions,
                          .condition_count = ARRAY_LENGTH(conditions),
                          .sort = {SORT_UP(message, seq)}};
    TRY(store_find(call->store, call->arena, COLLECTION_MESSAGES, &query, out));
    view_messages(call, out, call->who.account.role == ROLE_USER ? SIDE_USER : SIDE_DOCTOR);
    return ERR_OK;
}
