/* The state machine of orders, and what follows from each state.
 *
 * What follows is a table: for each state the steps to take on reaching it. A step looks at the
 * store and does what is missing. The steps of one state are taken before the order can move
 * again, so each step may rely on those of the states before. */
#include "server/api/moves.h"

#include <string.h>

#include "server/api/audit.h"
#include "server/api/chats.h"
#include "server/api/emit.h"
#include "server/api/notices.h"
#include "server/api/paging.h"
#include "server/api/payments.h"
#include "server/api/posts.h"
#include "server/config.h"

#define MOVE_CONDITIONS_MAX 6
#define MOVE_CHANGES_MAX 12

typedef enum err (*step_fn)(struct call *call, struct consultation *order);

/* ---- Steps -------------------------------------------------------------------------------- */

/* The notices and the order's content, in the contract's order: 咨询开始, 温馨提示, content,
 * images. */
static enum err post_start(struct call *call, struct consultation *order)
{
    size_t count = 3 + order->images.count;
    struct message *drafts = arena_array(call->arena, count, sizeof *drafts);
    drafts[0] = (struct message){
        .type = MESSAGE_NOTICE, .text = notice_start(call, order), .direction = USER_TO_DOCTOR};
    drafts[1] = (struct message){
        .type = MESSAGE_NOTICE, .text = notice_tips(call), .direction = DOCTOR_TO_USER};
    drafts[2] = (struct message){
        .type = MESSAGE_CONTENT, .text = {.plain = order->content}, .direction = USER_TO_DOCTOR};
    for (size_t i = 0; i < order->images.count; i++) {
        drafts[3 + i] = (struct message){
            .type = MESSAGE_CONTENT, .image = order->images.items[i], .direction = USER_TO_DOCTOR};
    }
    return posts_make(call, order, OCCASION_START, drafts, count);
}

static enum err give_back(struct call *call, struct consultation *order, struct oid reply_id)
{
    struct condition condition = WHERE(consultation, replies, HOLDS, reply_id);
    struct change changes[] = {PULL(consultation, replies, reply_id),
                               INC(consultation, reply_count, -1),
                               MAX(consultation, rev, call_stamp(call))};
    TRY(store_update(call->store, call->arena, COLLECTION_CONSULTATIONS, order->id, &condition, 1,
                     changes, ARRAY_LENGTH(changes), order));
    emit_consultation(call, order);
    return ERR_OK;
}

enum err order_give_back(struct call *call, struct consultation *order, struct oid reply_id)
{
    bool is_stored;
    TRY(post_rule_out(call, order->chat_id, reply_id, &is_stored));
    return is_stored ? ERR_OK : give_back(call, order, reply_id);
}

/* Replies are taken before they are stored. ERR_ABSENT: one is on its way. One that never came,
 * because its process died, is given back to the doctor. */
static enum err check_replies(struct call *call, struct consultation *order)
{
    struct object_list stored;
    struct oid_list replies = order->replies;
    TRY(records_by_ids(call, COLLECTION_MESSAGES, replies, &stored));
    bool is_stale = call->now.ms - order->updated_at.ms >= ORDER_SETTLING_MS;
    for (size_t i = 0; i < replies.count; i++) {
        const struct message *reply =
            record_of_id(&stored, sizeof(struct message), replies.items[i]);
        if (reply != NULL && !reply->is_retract) {
            continue;
        }
        if (reply == NULL && !is_stale) {
            return ERR_ABSENT;
        }
        TRY(reply == NULL ? order_give_back(call, order, replies.items[i])
                          : give_back(call, order, replies.items[i]));
    }
    return ERR_OK;
}

/* Retractions whose process died, or is slow, before it had marked the message. */
static enum err finish_retractions(struct call *call, struct consultation *order)
{
    while (order->retracting.count > 0) {
        struct oid id = order->retracting.items[0];
        struct message message;
        struct chat chat;
        TRY(store_get(call->store, call->arena, COLLECTION_MESSAGES, id, &message));
        TRY(store_get(call->store, call->arena, COLLECTION_CHATS, order->chat_id, &chat));
        if (!message.is_retract) {
            TRY(post_mark_retracted(call, &message, &chat));
            emit_message(call, &chat, &message, false);
        } else {
            TRY(post_show_retracted(call, &message, &chat));
        }
        struct condition condition = WHERE(consultation, retracting, HOLDS, id);
        struct change changes[] = {PULL(consultation, retracting, id),
                                   MAX(consultation, rev, call_stamp(call))};
        enum err err = store_update(call->store, call->arena, COLLECTION_CONSULTATIONS, order->id,
                                    &condition, 1, changes, ARRAY_LENGTH(changes), order);
        if (err == ERR_ABSENT) { /* another node has just done it */
            err = store_get(call->store, call->arena, COLLECTION_CONSULTATIONS, order->id, order);
        }
        TRY(err);
    }
    return ERR_OK;
}

static enum err post_disclaimer(struct call *call, struct consultation *order)
{
    if (order->replies.count == 0 && order->disclaimer_seq == 0) {
        return ERR_OK; /* the first reply never came to be */
    }
    struct message draft = {
        .type = MESSAGE_NOTICE, .text = notice_disclaimer(), .direction = USER_TO_DOCTOR};
    return posts_make(call, order, OCCASION_DISCLAIMER, &draft, 1);
}

static enum err post_end(struct call *call, struct consultation *order)
{
    struct message draft = {
        .type = MESSAGE_NOTICE, .text = notice_end(order), .direction = USER_TO_DOCTOR};
    return posts_make(call, order, OCCASION_END, &draft, 1);
}

static enum err post_system(struct call *call, struct consultation *order)
{
    return posts_make_system(call, order, notice_system(call, order));
}

/* Changes the chat if the order is still the one it is open for, and tells both sides. */
static enum err change_chat(struct call *call, const struct consultation *order, bool is_first,
                            const struct change *changes, size_t count)
{
    struct condition conditions[] = {WHERE(chat, open_consultation_id, IS, order->id),
                                     WHERE_ABSENT(chat, deadline)};
    struct chat chat;
    enum err err = store_update(call->store, call->arena, COLLECTION_CHATS, order->chat_id,
                                conditions, is_first ? 2 : 1, changes, count, &chat);
    if (err == ERR_ABSENT) {
        return ERR_OK; /* done before, and perhaps open for a newer order by now */
    }
    TRY(err);
    emit_chat(call, &chat);
    return ERR_OK;
}

static enum err open_chat(struct call *call, struct consultation *order)
{
    struct change changes[] = {SET(chat, status, true), SET(chat, deadline, order->deadline),
                               SET(chat, updated_at, call->now), MAX(chat, rev, call_stamp(call))};
    return change_chat(call, order, true, changes, ARRAY_LENGTH(changes));
}

/* No more messages, but the order still stands between the pair (06). */
static enum err shut_chat(struct call *call, struct consultation *order)
{
    struct change changes[] = {SET(chat, status, false), SET(chat, updated_at, call->now),
                               MAX(chat, rev, call_stamp(call))};
    return change_chat(call, order, false, changes, ARRAY_LENGTH(changes));
}

/* The order is over: the pair may have a new one. */
static enum err release_chat(struct call *call, struct consultation *order)
{
    struct change changes[] = {SET(chat, status, false), UNSET(chat, open_consultation_id),
                               UNSET(chat, deadline), SET(chat, updated_at, call->now),
                               MAX(chat, rev, call_stamp(call))};
    return change_chat(call, order, false, changes, ARRAY_LENGTH(changes));
}

/* The end notice is posted while the chat is still the order's but shut, so that no message of
 * the order comes after it and none of the next order before it. */
#define STEPS_MAX 5
static const struct {
    const char *status;
    step_fn steps[STEPS_MAX];
} consequences[] = {
    {UNPAID, {NULL}},
    {CANCELLED, {payment_close, post_system, release_chat}},
    {PAID, {post_start, open_chat}},
    {ANSWERING, {finish_retractions, check_replies, post_disclaimer}},
    {EXPIRED, {shut_chat, post_end, post_system, release_chat, payment_owe}},
    {REFUND_ASKED, {shut_chat, payment_owe}},
    {COMPLETED, {shut_chat, post_end, release_chat}},
    {EXPIRED_REFUNDED, {post_system}},
    {REFUNDED, {post_end, post_system, release_chat}},
};

static enum err take_steps(struct call *call, struct consultation *order)
{
    for (size_t i = 0; i < ARRAY_LENGTH(consequences); i++) {
        if (strcmp(consequences[i].status, order->status) != 0) {
            continue;
        }
        for (size_t j = 0; j < STEPS_MAX && consequences[i].steps[j] != NULL; j++) {
            TRY(consequences[i].steps[j](call, order));
        }
    }
    return ERR_OK;
}

/* The process that moved the order may have died before it wrote so. */
static void note_move_again(struct call *call, const struct consultation *order)
{
    audit_note_again(call, &(struct audit_note){.action = AUDIT_MOVE_ORDER,
                                                .actor = "system",
                                                .consultation_id = order->id,
                                                .subject = order->id,
                                                .result = order->status});
}

enum err order_settle(struct call *call, struct consultation *order)
{
    if (!order->unsettled) {
        return ERR_OK;
    }
    note_move_again(call, order);
    enum err err = take_steps(call, order);
    if (err == ERR_ABSENT) {
        return ERR_OK; /* stays unsettled for now */
    }
    TRY(err);
    TRY(audit_write_now(call));
    struct condition conditions[] = {WHERE(consultation, status, IS, order->status),
                                     WHERE(consultation, rev, IS, order->rev)};
    struct change change = SET(consultation, unsettled, false);
    err = store_update(call->store, call->arena, COLLECTION_CONSULTATIONS, order->id, conditions,
                       ARRAY_LENGTH(conditions), &change, 1, order);
    if (err == ERR_ABSENT) {
        /* It has moved on since, settled by another node, or has one more reply. */
        return store_get(call->store, call->arena, COLLECTION_CONSULTATIONS, order->id, order);
    }
    return err;
}

/* ---- Moves -------------------------------------------------------------------------------- */

static void note_move(struct call *call, const struct consultation *before, const char *to)
{
    audit_note(call, &(struct audit_note){
                         .action = AUDIT_MOVE_ORDER,
                         .consultation_id = before->id,
                         .subject = before->id,
                         .result = to,
                         .details = arena_format(call->arena, "from=%s", before->status)});
}

/* Rows of what came before the move, for the same reason. */
static enum err record_before(struct call *call, const struct consultation *order)
{
    if (strcmp(order->status, UNPAID) == 0) {
        audit_note_again(call, &(struct audit_note){.action = AUDIT_CREATE_ORDER,
                                                    .actor = "system",
                                                    .consultation_id = order->id,
                                                    .subject = order->id,
                                                    .result = UNPAID});
    }
    return audit_write_now(call);
}

/* When the system moves an order next, if nobody else does: see order_make_due_move. */
static struct timestamp due_of(const struct consultation *order, const char *to)
{
    return strcmp(to, ANSWERING) == 0 ? order->deadline : TIME_NONE;
}

/* Later than all that was told of the order, whatever another node's clock said, or how long this call was
 * held up: a client that hears of both keeps the later one. */
static struct timestamp moved_at(const struct call *call, const struct consultation *order)
{
    int64_t after = order->updated_at.ms + 1;
    return call->now.ms > after ? call->now : (struct timestamp){after};
}

enum err order_move_only(struct call *call, struct consultation *order, const char *to,
                         const struct move_terms *terms)
{
    struct condition conditions[MOVE_CONDITIONS_MAX] = {
        WHERE(consultation, status, IS, order->status),
        WHERE(consultation, unsettled, IS_NOT, true),
    };
    struct change changes[MOVE_CHANGES_MAX] = {
        SET(consultation, status, to),
        SET(consultation, unsettled, true),
        MAX(consultation, updated_at, moved_at(call, order)),
        MAX(consultation, rev, call_stamp(call)),
    };
    size_t condition_count = 2, change_count = 4;
    struct timestamp due = due_of(order, to);
    if (strcmp(to, PAID) != 0) { /* the terms of a payment bring their own */
        changes[change_count++] =
            due.ms != 0 ? SET(consultation, due, due) : UNSET(consultation, due);
    }
    for (size_t i = 0; terms != NULL && i < terms->condition_count; i++) {
        conditions[condition_count++] = terms->conditions[i];
    }
    for (size_t i = 0; terms != NULL && i < terms->change_count; i++) {
        changes[change_count++] = terms->changes[i];
    }
    struct consultation moved;
    TRY(record_before(call, order));
    TRY(store_update(call->store, call->arena, COLLECTION_CONSULTATIONS, order->id, conditions,
                     condition_count, changes, change_count, &moved));
    note_move(call, order, to);
    *order = moved;
    emit_consultation(call, order);
    return ERR_OK;
}

enum err order_move(struct call *call, struct consultation *order, const char *to,
                    const struct move_terms *terms)
{
    TRY(order_move_only(call, order, to, terms));
    return order_settle(call, order);
}

enum err order_make_due_move(struct call *call, struct consultation *order, bool *moved)
{
    *moved = false;
    if (order->due.ms == 0 || order->due.ms > call->now.ms) {
        return ERR_OK;
    }
    enum err err = ERR_OK;
    if (strcmp(order->status, UNPAID) == 0) {
        bool must_wait;
        TRY(payment_may_be_paid(call, order, &must_wait));
        err = must_wait ? ERR_ABSENT : order_move(call, order, CANCELLED, NULL);
    } else if (strcmp(order->status, PAID) == 0) {
        err = order_move(call, order, EXPIRED, NULL);
    } else if (strcmp(order->status, ANSWERING) == 0) {
        bool has_reply = order->reply_count > 0;
        struct condition as_read = WHERE(consultation, reply_count, IS, order->reply_count);
        struct move_terms terms = {.conditions = &as_read, .condition_count = 1};
        err = order_move(call, order, has_reply ? COMPLETED : EXPIRED, &terms);
    }
    if (err == ERR_ABSENT) {
        return ERR_OK; /* somebody else moved it just now, or its provider is asked first */
    }
    TRY(err);
    *moved = true;
    return ERR_OK;
}

/* ---- Reading ------------------------------------------------------------------------------ */

static enum err read_order(struct call *call, struct oid id, struct consultation *out)
{
    enum err err = store_get(call->store, call->arena, COLLECTION_CONSULTATIONS, id, out);
    return err == ERR_ABSENT ? call_blame(call, ERR_CONSULTATION_NOT_FOUND, "consultationId") : err;
}

static enum err check_own(struct call *call, const struct consultation *order)
{
    const struct account *who = &call->who.account;
    bool is_own = (who->role == ROLE_USER && oid_equal(order->user_id, who->id)) ||
                  (who->role == ROLE_DOCTOR && oid_equal(order->doctor_id, who->id));
    return is_own ? ERR_OK : call_blame(call, ERR_NOT_YOURS, "consultationId");
}

enum err order_get(struct call *call, struct oid id, struct consultation *out)
{
    TRY(read_order(call, id, out));
    return order_settle(call, out);
}

enum err order_get_own(struct call *call, struct oid id, struct consultation *out)
{
    TRY(order_read_own(call, id, out));
    return order_settle(call, out);
}

enum err order_read_own(struct call *call, struct oid id, struct consultation *out)
{
    TRY(read_order(call, id, out));
    return check_own(call, out);
}

const char *order_state_name(const char *status)
{
    static const struct {
        const char *status, *name;
    } names[] = {
        {UNPAID, "待支付"},
        {CANCELLED, "已取消"},
        {PAID, "待执行"},
        {ANSWERING, "执行中"},
        {EXPIRED, "已过期未退款"},
        {REFUND_ASKED, "待执行退款申请"},
        {COMPLETED, "已完成"},
        {EXPIRED_REFUNDED, "过期已退款"},
        {REFUNDED, "待执行订单已退款"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        if (strcmp(names[i].status, status) == 0) {
            return names[i].name;
        }
    }
    return "";
}

static enum err refuse(struct call *call, enum err err, const char *field,
                       const struct consultation *order)
{
    return call_explain(call, err, field, "订单当前状态为 %s（%s），不允许此操作", order->status,
                        order_state_name(order->status));
}

enum err order_refuse_move(struct call *call, const struct consultation *order)
{
    return refuse(call, ERR_ILLEGAL_TRANSITION, "status", order);
}

enum err order_refuse_state(struct call *call, const struct consultation *order)
{
    return refuse(call, ERR_WRONG_STATE, "consultationId", order);
}
