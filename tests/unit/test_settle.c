/* What follows from a move happens exactly once, also when the process dies between any two calls
 * of the store, and also on a store that rolls nothing back.
 *
 * Each story is told once for every call it makes: that call and all after it fail, as for a
 * process that was killed there; then the sweeper of another process finds what was left, and
 * whoever had no answer asks again. In the end there must be the same messages, in the same
 * order, as when nothing had failed. Then the same with one call whose answer is lost although
 * it was carried out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "server/api/chats.h"
#include "server/api/moves.h"
#include "server/api/sweep.h"
#include "support_fake_store.h"
#include "support_world.h"

#define HOUR_MS INT64_C(3600000)
#define CALLS_MAX 200
#define TEXT_MAX 4000

/* A story: what is there before, the act that is interrupted, and the state it ends in. */
struct story {
    void (*prepare)(struct world *world, struct consultation *order);
    enum err (*act)(struct world *world, struct consultation *order);
    const char *status; /* in the end */
};

static struct payment pending_payment(struct world *world, const struct consultation *order)
{
    struct by_consultation by = {order->id};
    struct payment payment;
    world_as(world, world->user);
    assert_int_equal(world_call(world, "/consultation/payment/create", &by, &payment), ERR_OK);
    return payment;
}

static char trade_no[64];

static void prepare_unpaid(struct world *world, struct consultation *order)
{
    *order = world_order(world);
    struct payment payment = pending_payment(world, order);
    snprintf(trade_no, sizeof trade_no, "%s", payment.out_trade_no);
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

static void prepare_forgotten(struct world *world, struct consultation *order)
{
    prepare_unpaid(world, order);
    world_shift(world, 3 * HOUR_MS);
}

static enum err pay(struct world *world, struct consultation *order)
{
    (void)order;
    struct sandbox_pay in = {trade_no};
    struct payment out;
    world_as(world, world->user);
    return world_call(world, "/consultation/payment/sandbox/pay", &in, &out);
}

static enum err reply(struct world *world, struct consultation *order)
{
    struct message out;
    return world_send(world, world->doctor, order, "多喝水", "r1", &out);
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
    return ask(world, order, REFUND_ASKED);
}

static enum err complete(struct world *world, struct consultation *order)
{
    return ask(world, order, COMPLETED);
}

static enum err sweep_once(struct world *world, struct consultation *order)
{
    (void)order;
    bool more = true;
    enum err err = ERR_OK;
    while (err == ERR_OK && more) {
        err = world_sweep(world, &more);
    }
    return err;
}

static const struct story stories[] = {
    {prepare_unpaid, pay, PAID},
    {prepare_paid, reply, ANSWERING},
    {prepare_unpaid, cancel, CANCELLED},
    {prepare_paid, ask_refund, REFUNDED},
    {prepare_answered, complete, COMPLETED},
    {prepare_overdue, sweep_once, EXPIRED_REFUNDED},
    {prepare_answered_overdue, sweep_once, COMPLETED},
    {prepare_forgotten, sweep_once, CANCELLED},
};

static void open_fake(struct world *world)
{
    struct store_settings settings = {.url = "sqlite::memory:"};
    struct store *inner;
    char why[256];
    assert_int_equal(store_open(&settings, &inner, why), ERR_OK);
    world_open(world, fake_store_wrap(inner));
    world->rolls_back = false;
}

/* What is told to somebody who reads the chat, without numbers and times. */
static void append_chat(struct world *world, struct oid chat_id, char *text)
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
        size_t length = strlen(text);
        snprintf(text + length, TEXT_MAX - length, "%s %.60s|", message->type, shown);
    }
    struct chat chat = world_chat(world, chat_id);
    assert_true(chat.last_seq >= seq);
    assert_true(chat.user_total >= user_total);
}

/* The state of everything, as far as it must not depend on what went wrong on the way. */
static void describe(struct world *world, const struct consultation *order, char *text)
{
    struct consultation now = world_read_order(world, order->id);
    struct chat chat = world_chat(world, order->chat_id);
    snprintf(text, TEXT_MAX, "%s unsettled=%d replies=%d open=%d claimed=%d: ", now.status,
             now.unsettled, (int)now.reply_count, chat.status,
             !oid_is_none(chat.open_consultation_id));
    append_chat(world, order->chat_id, text);
    size_t length = strlen(text);
    snprintf(text + length, TEXT_MAX - length, "/ ");
    append_chat(world, chat_id_of_user(world->user.id), text);
    /* The order's number differs in every world. */
    for (char *at; (at = strstr(text, now.consultation_no)) != NULL;) {
        memset(at, '#', strlen(now.consultation_no));
    }
}

/* Tells a story with the n-th call failing; the description of the end goes to `text`. Returns
 * whether the act made so many calls at all. */
static bool tell(const struct story *story, enum fake_failure how, int n, char *text)
{
    struct world world;
    struct consultation order;
    open_fake(&world);
    story->prepare(&world, &order);
    fake_store_fail_how(world.store, how, n);
    enum err err = story->act(&world, &order);
    bool was_hit = n > 0 && fake_store_calls(world.store) >= n;
    if (n == 0) {
        assert_int_equal(err, ERR_OK);
        assert_int_equal(sweep_once(&world, &order), ERR_OK);
    } else if (was_hit) {
        assert_int_equal(err, ERR_STORE);
    }
    fake_store_fail_how(world.store, FAKE_REFUSES, 0);
    if (was_hit) {
        world_shift(&world, 20000); /* it is nobody's work in progress any more */
        assert_int_equal(sweep_once(&world, &order), ERR_OK);
        assert_int_equal(story->act(&world, &order), ERR_OK);
        assert_int_equal(sweep_once(&world, &order), ERR_OK);
    }
    describe(&world, &order, text);
    world_close(&world);
    return was_hit;
}

static void tell_all(enum fake_failure how)
{
    for (size_t i = 0; i < ARRAY_LENGTH(stories); i++) {
        char expected[TEXT_MAX], got[TEXT_MAX];
        tell(&stories[i], how, 0, expected);
        assert_memory_equal(expected, stories[i].status, 2);
        assert_non_null(strstr(expected, "unsettled=0"));
        int n = 1;
        while (tell(&stories[i], how, n, got)) {
            if (strcmp(expected, got) != 0) {
                fail_msg("story %zu, call %d:\n expected %s\n got      %s", i, n, expected, got);
            }
            assert_true(++n < CALLS_MAX);
        }
        assert_true(n > 5); /* the story does something */
    }
}

static void a_process_killed_between_any_two_calls_leaves_nothing_undone(void **state)
{
    (void)state;
    tell_all(FAKE_STAYS_DOWN);
}

static void a_lost_answer_of_the_store_doubles_nothing(void **state)
{
    (void)state;
    tell_all(FAKE_LOSES_ANSWER);
}

static void two_sweepers_at_once_do_everything_once(void **state)
{
    (void)state;
    struct world world;
    struct consultation order;
    open_fake(&world);
    prepare_overdue(&world, &order);
    char once[TEXT_MAX], twice[TEXT_MAX];
    assert_int_equal(sweep_once(&world, &order), ERR_OK);
    describe(&world, &order, once);
    assert_int_equal(sweep_once(&world, &order), ERR_OK);
    describe(&world, &order, twice);
    assert_string_equal(once, twice);
    world_close(&world);
}

static void a_reply_whose_sender_died_is_given_back(void **state)
{
    (void)state;
    struct world world;
    struct consultation order;
    open_fake(&world);
    prepare_paid(&world, &order);
    struct message out;
    /* Lets the reply be taken and nothing after it. */
    int n = 0;
    do {
        fake_store_fail_how(world.store, FAKE_STAYS_DOWN, ++n);
        world_send(&world, world.doctor, &order, "答", NULL, &out);
        fake_store_fail_how(world.store, FAKE_REFUSES, 0);
    } while (world_read_order(&world, order.id).reply_count == 0);
    world_shift(&world, ORDER_SETTLING_MS);
    assert_int_equal(sweep_once(&world, &order), ERR_OK);
    order = world_read_order(&world, order.id);
    assert_int_equal(order.reply_count, 0);
    assert_false(order.unsettled);
    assert_int_equal(order.disclaimer_seq, 0);
    world_shift(&world, 49 * HOUR_MS); /* nobody answered: the money goes back */
    assert_int_equal(sweep_once(&world, &order), ERR_OK);
    assert_string_equal(world_read_order(&world, order.id).status, EXPIRED_REFUNDED);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_killed_between_any_two_calls_leaves_nothing_undone),
        cmocka_unit_test(a_lost_answer_of_the_store_doubles_nothing),
        cmocka_unit_test(a_reply_whose_sender_died_is_given_back),
        cmocka_unit_test(two_sweepers_at_once_do_everything_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
