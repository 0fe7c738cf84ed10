/* Money: what a provider says, late, wrongly, not at all, or of nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "server/api/moves.h"
#include "server/api/payments.h"
#include "server/provider_sandbox.h"
#include "support_provider.h"
#include "support_store.h"
#include "support_stories.h"

#define MINUTE_MS INT64_C(60000)
#define HOUR_MS (60 * MINUTE_MS)

static int set_up(void **state)
{
    struct world *world = test_calloc(1, sizeof *world);
    world_open_memory(world);
    world->settings->provider = provider_witness();
    provider_fail_refunds(0);
    provider_keep_refunds_pending(false);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    world_close(*state);
    test_free(*state);
    return 0;
}

static struct payment begin(struct world *world, struct oid order_id)
{
    struct by_consultation in = {order_id};
    struct payment payment;
    world_as(world, world->user);
    assert_int_equal(world_call(world, "/consultation/payment/create", &in, &payment), ERR_OK);
    return payment;
}

static struct payment read_payment(struct world *world, struct oid order_id)
{
    struct payment payment;
    assert_int_equal(store_get(world->session, world->arena, COLLECTION_PAYMENTS,
                               payment_id_of(order_id), &payment),
                     ERR_OK);
    return payment;
}

static void status_is(struct world *world, struct oid order_id, const char *order,
                      const char *payment)
{
    assert_string_equal(world_read_order(world, order_id).status, order);
    assert_string_equal(read_payment(world, order_id).status, payment);
}

/* What the provider sends, properly signed. */
static enum err notify(struct world *world, const char *trade_no, int64_t fee,
                       enum trade_state state)
{
    struct trade trade = {state, trade_no, fee, "t1"};
    struct notification signed_text = sandbox_notification(world_ready(world), &trade);
    struct sandbox_notify in = {.out_trade_no = trade_no,
                                .total_fee = fee,
                                .trade_state = state == TRADE_PAID ? "PAID" : "REFUNDED",
                                .transaction_id = "t1",
                                .signature = signed_text.signature};
    struct nothing out;
    world_as(world, (struct account){ROLE_NONE, OID_NONE});
    return world_call(world, "/consultation/payment/sandbox/notify", &in, &out);
}

static void a_wrong_notification_changes_nothing(void **state)
{
    struct world *world = *state;
    struct consultation order = world_order(world);
    struct payment payment = begin(world, order.id);
    assert_int_equal(notify(world, payment.out_trade_no, 1999, TRADE_PAID), ERR_WRONG_AMOUNT);
    assert_int_equal(notify(world, payment.out_trade_no, FEE_MAX, TRADE_PAID), ERR_WRONG_AMOUNT);
    assert_int_equal(notify(world, "2026", 2000, TRADE_PAID), ERR_PAYMENT_NOT_FOUND);
    assert_int_equal(notify(world, payment.out_trade_no, 2000, TRADE_REFUNDED), ERR_OK);
    status_is(world, order.id, UNPAID, PAYMENT_WAITING);
    /* A payment of another provider is nothing that this one may speak of. */
    struct change other = SET(payment, provider, "another");
    assert_int_equal(store_update(world->session, world->arena, COLLECTION_PAYMENTS, payment.id,
                                  NULL, 0, &other, 1, &payment),
                     ERR_OK);
    assert_int_equal(notify(world, payment.out_trade_no, 2000, TRADE_PAID), ERR_PAYMENT_NOT_FOUND);
    status_is(world, order.id, UNPAID, PAYMENT_WAITING);
}

static void a_late_notification_of_a_closed_payment_is_refunded(void **state)
{
    struct world *world = *state;
    struct consultation order = world_order(world);
    struct payment payment = begin(world, order.id);
    world_shift(world, 3 * HOUR_MS);
    world_sweep_all(world);
    status_is(world, order.id, CANCELLED, PAYMENT_CLOSED);
    world_shift(world, 48 * HOUR_MS);
    assert_int_equal(notify(world, payment.out_trade_no, 2000, TRADE_PAID), ERR_OK);
    world_sweep_all(world);
    status_is(world, order.id, CANCELLED, PAYMENT_REFUNDED);
    assert_int_equal(notify(world, payment.out_trade_no, 2000, TRADE_PAID), ERR_OK);
    world_sweep_all(world);
    assert_int_equal(provider_refunds(payment.out_trade_no), 1);
    assert_int_equal(read_payment(world, order.id).due.ms, 0);
}

/* Booked at the provider; nobody was told. */
static void pay_unheard(struct world *world, const struct payment *payment)
{
    struct trade trade;
    assert_int_equal(sandbox_book(world_ready(world), payment, &trade), ERR_OK);
}

static void a_lost_notification_is_found_by_asking(void **state)
{
    struct world *world = *state;
    struct consultation order = world_order(world);
    struct payment payment = begin(world, order.id);
    pay_unheard(world, &payment);
    world_sweep_all(world);
    status_is(world, order.id, UNPAID, PAYMENT_WAITING); /* not asked before its time */
    world_shift(world, MINUTE_MS);
    world_sweep_all(world);
    status_is(world, order.id, PAID, PAYMENT_PAID);
    assert_int_equal(provider_queries(payment.out_trade_no), 1);
}

static void an_order_is_not_cancelled_before_its_provider_was_asked(void **state)
{
    struct world *world = *state;
    struct consultation order = world_order(world);
    struct payment payment = begin(world, order.id);
    world_shift(world, 3 * HOUR_MS); /* nobody was there all the time */
    bool moved;
    struct consultation due = world_read_order(world, order.id);
    assert_int_equal(order_make_due_move(world_ready(world), &due, &moved), ERR_OK);
    assert_false(moved);
    pay_unheard(world, &payment);
    world_sweep_all(world);
    status_is(world, order.id, PAID, PAYMENT_PAID);
}

static void a_closed_payment_is_asked_about_for_three_hours(void **state)
{
    struct world *world = *state;
    struct consultation order = world_order(world);
    struct payment payment = begin(world, order.id);
    struct consultation_update in = {order.id, CANCELLED};
    assert_int_equal(world_call(world, "/consultation/update", &in, &order), ERR_OK);
    for (int i = 0; i < 200; i++) {
        world_shift(world, MINUTE_MS);
        world_sweep_all(world);
    }
    assert_int_equal(provider_queries(payment.out_trade_no), 8);
    assert_int_equal(read_payment(world, order.id).due.ms, 0);
}

static void a_refund_that_fails_is_asked_for_again_later(void **state)
{
    struct world *world = *state;
    struct consultation order = world_paid_order(world);
    const char *trade_no = read_payment(world, order.id).out_trade_no;
    provider_fail_refunds(2);
    world_shift(world, 49 * HOUR_MS);
    world_sweep_all(world);
    status_is(world, order.id, EXPIRED, PAYMENT_REFUNDING);
    world_sweep_all(world);
    assert_int_equal(provider_refund_calls(trade_no), 1); /* not at once */
    world_shift(world, MINUTE_MS);
    world_sweep_all(world);
    status_is(world, order.id, EXPIRED, PAYMENT_REFUNDING);
    world_shift(world, 2 * MINUTE_MS);
    world_sweep_all(world);
    status_is(world, order.id, EXPIRED_REFUNDED, PAYMENT_REFUNDED);
    assert_int_equal(provider_refund_calls(trade_no), 3);
    assert_int_equal(provider_refunds(trade_no), 1);
}

/* ---- A disk that is late ---------------------------------------------------------------------- */

static const struct store *late_store;
static int refunds_asked;

static enum err refund_of_what_is_on_disk(struct call *call, const struct payment *payment,
                                          struct trade *out)
{
    assert_true(store_is_synced(late_store));
    refunds_asked++;
    return provider_witness()->refund(call, payment, out);
}

/* Committed and not synced yet, as by the writer of a server. */
static void commit_late(struct world *world)
{
    const struct user user = {.id = {{7}}, .open_id = "x"};
    assert_int_equal(store_begin(world->session), ERR_OK);
    assert_int_equal(store_mark(world->session), ERR_OK);
    assert_int_equal(store_insert(world->session, COLLECTION_USERS, &user), ERR_OK);
    assert_int_equal(store_commit_early(world->session), ERR_OK);
    assert_false(store_is_synced(world->store));
}

static void no_money_moves_for_what_is_not_on_disk(void **state)
{
    (void)state;
    struct store_fixture *f = store_fixture_new(BACKEND_SQLITE_FILE);
    store_fixture_let_go(f);
    struct store_settings settings = {.url = f->url, .timeout_ms = 10000, .pool_size = 4};
    struct store *store;
    struct world world;
    char why[256];
    assert_int_equal(store_open(&settings, &store, why), ERR_OK);
    world_open(&world, store);
    struct provider provider = *provider_witness();
    provider_fail_refunds(0);
    provider_keep_refunds_pending(false);
    provider.refund = refund_of_what_is_on_disk;
    world.settings->provider = &provider;
    struct consultation order = world_paid_order(&world);
    world_shift(&world, 49 * HOUR_MS);
    bool more;
    late_store = world.store;
    refunds_asked = 0;
    assert_int_equal(world_sweep(&world, &more), ERR_OK); /* expired: the money is owed */
    assert_int_equal(refunds_asked, 0);
    commit_late(&world);
    assert_int_equal(world_sweep(&world, &more), ERR_OK);
    assert_int_equal(refunds_asked, 1);
    world_sweep_all(&world);
    assert_string_equal(world_read_order(&world, order.id).status, EXPIRED_REFUNDED);
    world_close(&world);
    store_fixture_free(f);
}

static void a_refund_that_is_pending_is_asked_about(void **state)
{
    struct world *world = *state;
    struct consultation order = world_paid_order(world);
    const char *trade_no = read_payment(world, order.id).out_trade_no;
    provider_keep_refunds_pending(true);
    world_shift(world, 49 * HOUR_MS);
    world_sweep_all(world);
    status_is(world, order.id, EXPIRED, PAYMENT_REFUNDING);
    world_shift(world, MINUTE_MS);
    world_sweep_all(world);
    status_is(world, order.id, EXPIRED_REFUNDED, PAYMENT_REFUNDED);
    assert_int_equal(provider_refund_calls(trade_no), 1);
    assert_int_equal(provider_refunds(trade_no), 1);
}

static void a_free_order_is_paid_and_refunded_without_a_provider(void **state)
{
    struct world *world = *state;
    struct change free_of_charge = SET(doctor, image_and_text_price, 0);
    struct doctor doctor;
    assert_int_equal(store_update(world->session, world->arena, COLLECTION_DOCTORS,
                                  world->doctor.id, NULL, 0, &free_of_charge, 1, &doctor),
                     ERR_OK);
    struct consultation order = world_order(world);
    assert_int_equal(order.fee, 0);
    struct payment payment = begin(world, order.id);
    assert_string_equal(payment.status, PAYMENT_PAID);
    status_is(world, order.id, PAID, PAYMENT_PAID);
    world_shift(world, 49 * HOUR_MS);
    world_sweep_all(world);
    status_is(world, order.id, EXPIRED_REFUNDED, PAYMENT_REFUNDED);
    assert_int_equal(provider_refund_calls(payment.out_trade_no), 0);
    assert_int_equal(provider_queries(payment.out_trade_no), 0);
}

static void a_price_that_is_none_makes_no_order(void **state)
{
    struct world *world = *state;
    static const int64_t prices[] = {-1, FEE_MAX + 1, INT64_MAX};
    struct consultation_create in = {.content = "头有点疼",
                                     .patient_id = world->patient_id,
                                     .doctor_id = world->doctor.id,
                                     .consultation_reason = "在线复诊"};
    world_as(world, world->user);
    for (size_t i = 0; i < ARRAY_LENGTH(prices); i++) {
        struct change change = SET(doctor, image_and_text_price, prices[i]);
        struct doctor doctor;
        struct consultation order;
        assert_int_equal(store_update(world->session, world->arena, COLLECTION_DOCTORS,
                                      world->doctor.id, NULL, 0, &change, 1, &doctor),
                         ERR_OK);
        assert_int_equal(world_call(world, "/consultation/create", &in, &order), ERR_DOCTOR_CLOSED);
    }
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(a_wrong_notification_changes_nothing),
        STORY(a_late_notification_of_a_closed_payment_is_refunded),
        STORY(a_lost_notification_is_found_by_asking),
        STORY(an_order_is_not_cancelled_before_its_provider_was_asked),
        STORY(a_closed_payment_is_asked_about_for_three_hours),
        STORY(a_refund_that_fails_is_asked_for_again_later),
        STORY(a_refund_that_is_pending_is_asked_about),
        cmocka_unit_test(no_money_moves_for_what_is_not_on_disk),
        STORY(a_free_order_is_paid_and_refunded_without_a_provider),
        STORY(a_price_that_is_none_makes_no_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
