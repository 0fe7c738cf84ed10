/* See support_stories.h. */
#include "support_stories.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "server/api/chats.h"
#include "server/api/moves.h"
#include "server/api/payments.h"
#include "server/api/replay.h"
#include "support_provider.h"

#define HOUR_MS INT64_C(3600000)

/* ---- What is there before ----------------------------------------------------------------- */

static void prepare_ordered(struct world *world, struct consultation *order)
{
    *order = world_order(world);
}

static void prepare_unpaid(struct world *world, struct consultation *order)
{
    struct payment payment;
    *order = world_order(world);
    struct by_consultation by = {order->id};
    assert_int_equal(world_call(world, "/consultation/payment/create", &by, &payment), ERR_OK);
}

static void prepare_paid(struct world *world, struct consultation *order)
{
    *order = world_paid_order(world);
}

static void prepare_answered(struct world *world, struct consultation *order)
{
    struct message reply;
    *order = world_paid_order(world);
    assert_int_equal(world_send(world, world->doctor, order, "答", "r1", &reply), ERR_OK);
}

static void prepare_overdue(struct world *world, struct consultation *order)
{
    prepare_paid(world, order);
    world_shift(world, 49 * HOUR_MS);
}

static void prepare_answered_overdue(struct world *world, struct consultation *order)
{
    prepare_answered(world, order);
    world_shift(world, 49 * HOUR_MS);
}

/* The only reply was retracted: nothing was given for the money. */
static void prepare_retracted_overdue(struct world *world, struct consultation *order)
{
    struct message reply, out;
    *order = world_paid_order(world);
    assert_int_equal(world_send(world, world->doctor, order, "答", "r1", &reply), ERR_OK);
    struct by_id in = {reply.id};
    assert_int_equal(world_call(world, "/api/consultation/chat/message/retract", &in, &out),
                     ERR_OK);
    world_shift(world, 49 * HOUR_MS);
}

static void prepare_forgotten(struct world *world, struct consultation *order)
{
    prepare_unpaid(world, order);
    world_shift(world, 3 * HOUR_MS);
}

static void prepare_cancelled(struct world *world, struct consultation *order)
{
    prepare_unpaid(world, order);
    struct consultation_update in = {order->id, CANCELLED};
    assert_int_equal(world_call(world, "/consultation/update", &in, order), ERR_OK);
}

/* ---- Acts --------------------------------------------------------------------------------- */

static struct payment payment_of(struct world *world, struct oid order_id)
{
    struct payment payment;
    enum err err = store_get(world->session, world->arena, COLLECTION_PAYMENTS,
                             payment_id_of(order_id), &payment);
    return err == ERR_OK ? payment : (struct payment){.status = "-", .out_trade_no = "-"};
}

static enum err pay(struct world *world, struct consultation *order)
{
    struct payment payment = {.status = NULL};
    TRY(store_get(world->session, world->arena, COLLECTION_PAYMENTS, payment_id_of(order->id),
                  &payment));
    struct sandbox_pay in = {payment.out_trade_no};
    struct payment out;
    world_as(world, world->user);
    return world_call(world, "/consultation/payment/sandbox/pay", &in, &out);
}

static enum err begin_payment(struct world *world, struct consultation *order)
{
    struct by_consultation in = {order->id};
    struct payment out;
    world_as(world, world->user);
    return world_call(world, "/consultation/payment/create", &in, &out);
}

static enum err reply(struct world *world, struct consultation *order)
{
    struct message out;
    return world_send(world, world->doctor, order, "多喝水", "r1", &out);
}

static enum err say(struct world *world, struct consultation *order)
{
    struct message out;
    return world_send(world, world->user, order, "好的", "u1", &out);
}

static enum err ask(struct world *world, struct consultation *order, const char *status)
{
    struct consultation_update in = {order->id, status};
    struct consultation out;
    world_as(world, world->user);
    enum err err = world_call(world, "/consultation/update", &in, &out);
    /* Done before the answer was lost: refused now, which tells the user as much. */
    return err == ERR_ILLEGAL_TRANSITION ? ERR_OK : err;
}

static enum err cancel(struct world *world, struct consultation *order)
{
    return ask(world, order, CANCELLED);
}

static enum err ask_refund(struct world *world, struct consultation *order)
{
    TRY(ask(world, order, REFUND_ASKED));
    return story_sweep(world);
}

static enum err complete(struct world *world, struct consultation *order)
{
    return ask(world, order, COMPLETED);
}

static enum err pay_too_late(struct world *world, struct consultation *order)
{
    TRY(pay(world, order));
    return story_sweep(world);
}

static enum err sweep_all(struct world *world, struct consultation *order)
{
    (void)order;
    return story_sweep(world);
}

enum err story_sweep(struct world *world)
{
    bool more = true;
    enum err err = ERR_OK;
    for (int i = 0; err == ERR_OK && more; i++) {
        assert_true(i < 1000);
        err = world_sweep(world, &more);
    }
    return err;
}

const struct story stories[] = {
    {"begin to pay", prepare_ordered, begin_payment, UNPAID},
    {"pay", prepare_unpaid, pay, PAID},
    {"first reply", prepare_paid, reply, ANSWERING},
    {"a question", prepare_paid, say, PAID},
    {"cancel", prepare_unpaid, cancel, CANCELLED},
    {"pay what is cancelled", prepare_cancelled, pay_too_late, CANCELLED},
    {"ask for the money back", prepare_paid, ask_refund, REFUNDED},
    {"complete", prepare_answered, complete, COMPLETED},
    {"48 hours without a reply", prepare_overdue, sweep_all, EXPIRED_REFUNDED},
    {"48 hours with a retracted reply", prepare_retracted_overdue, sweep_all, EXPIRED_REFUNDED},
    {"48 hours with a reply", prepare_answered_overdue, sweep_all, COMPLETED},
    {"two hours unpaid", prepare_forgotten, sweep_all, CANCELLED},
};
const size_t story_count = ARRAY_LENGTH(stories);

const struct story *story_named(const char *name)
{
    for (size_t i = 0; i < story_count; i++) {
        if (strcmp(stories[i].name, name) == 0) {
            return &stories[i];
        }
    }
    fail_msg("there is no story \"%s\"", name);
    return NULL;
}

/* ---- How it ended ------------------------------------------------------------------------- */

static void add(char *text, const char *format, ...) PRINTF_LIKE(2, 3);
static void add(char *text, const char *format, ...)
{
    size_t length = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + length, STORY_TEXT_MAX - length, format, arguments);
    va_end(arguments);
}

/* What somebody who reads the chat sees, and what must hold of its numbers. Where a failed call
 * leaves nothing, there are no gaps at all. */
static void add_chat(struct world *world, struct oid chat_id, char *text)
{
    size_t count;
    const struct message *messages = world_messages(world, chat_id, &count);
    int64_t seq = 0, user_total = 0, doctor_total = 0;
    for (size_t i = 0; i < count; i++) {
        const struct message *message = &messages[i];
        assert_true(message->seq > seq);
        assert_true(message->user_total >= user_total);
        assert_true(message->doctor_total >= doctor_total);
        seq = message->seq;
        user_total = message->user_total;
        doctor_total = message->doctor_total;
        const char *shown = message->text.is_notice  ? message->text.user.text
                            : message->image != NULL ? message->image
                                                     : message->text.plain;
        add(text, "%s%s %.60s|", message->type, message->is_retract ? " retracted" : "",
            shown != NULL ? shown : "");
    }
    struct chat chat = world_chat(world, chat_id);
    assert_true(chat.last_seq >= seq);
    if (world->rolls_back) {
        assert_int_equal(chat.last_seq, count);
        assert_int_equal(seq, count);
    }
    for (enum side side = SIDE_USER; side <= SIDE_DOCTOR; side++) {
        struct chat seen = chat;
        chat_view(world->arena, &seen, side);
        add(text, " unread %d", (int)seen.unread);
    }
    add(text, " last \"%s\"\n", chat.last_msg_content);
}

/* How often the text stands in what an account is told that was away all the time. */
static int told(struct world *world, struct account account, const char *first, const char *second)
{
    struct replay replay;
    struct call *call = world_ready(world);
    assert_int_equal(replay_since(call, account, 0, 0, &replay), ERR_OK);
    int count = 0;
    for (struct emission *at = replay.first; at != NULL; at = at->next) {
        const char *frame = frame_text(at->frame);
        count += strstr(frame, first) != NULL && strstr(frame, second) != NULL;
        frame_drop(at->frame);
    }
    return count;
}

static void add_told(struct world *world, const struct consultation *order, char *text)
{
    char id[OID_TEXT_BYTES], chat_id[OID_TEXT_BYTES], status[32];
    oid_format(order->id, id);
    oid_format(order->chat_id, chat_id);
    snprintf(status, sizeof status, "\"status\":\"%s\"", order->status);
    for (int i = 0; i < 2; i++) {
        struct account account = i == 0 ? world->user : world->doctor;
        add(text, "told %d messages, %d of the state;", told(world, account, "message.", chat_id),
            told(world, account, id, status) > 0);
    }
    add(text, "\n");
}

void story_describe(struct world *world, struct oid order_id, char text[STORY_TEXT_MAX])
{
    struct consultation order = world_read_order(world, order_id);
    struct payment payment = payment_of(world, order_id);
    struct chat chat = world_chat(world, order.chat_id);
    text[0] = '\0';
    add(text, "%s unsettled %d replies %d open %d claimed %d, payment %s, refunds %d\n",
        order.status, order.unsettled, (int)order.reply_count, chat.status,
        !oid_is_none(chat.open_consultation_id), payment.status,
        provider_refunds(payment.out_trade_no));
    add_chat(world, order.chat_id, text);
    add_chat(world, chat_id_of_user(world->user.id), text);
    add_told(world, &order, text);
    /* The order's number differs in every world. */
    for (char *at; (at = strstr(text, order.consultation_no)) != NULL;) {
        memset(at, '#', strlen(order.consultation_no));
    }
}
