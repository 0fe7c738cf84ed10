/* What must never be is counted: all is 0 in a hospital at work, and each count sees the one record
 * that was broken behind the handlers' back. On every backend. */
#include "support_store.h"

#include "server/api/invariants.h"
#include "server/api/moves.h"
#include "server/api/payments.h"
#include "support_provider.h"
#include "support_world.h"

#define HOUR_MS INT64_C(3600000)

static struct store *open_again(struct store_fixture *fixture)
{
    const struct store_settings settings = {
        .url = fixture->url, .timeout_ms = 10000, .pool_size = 8};
    struct store *store;
    char why[256];
    store_fixture_let_go(fixture);
    assert_int_equal(store_open(&settings, &store, why), ERR_OK);
    return store;
}

static void count_is(struct world *world, enum invariant broken, int64_t expected)
{
    int64_t counts[INVARIANT_COUNT];
    assert_int_equal(invariants_count(world_ready(world), counts), ERR_OK);
    for (enum invariant i = 0; i < INVARIANT_COUNT; i++) {
        if (counts[i] != (i == broken ? expected : 0)) {
            fail_msg("invariant %d is counted %d times", (int)i, (int)counts[i]);
        }
    }
}

static void change_order(struct world *world, struct oid id, struct change change)
{
    struct consultation after;
    assert_int_equal(store_update(world->session, world->arena, COLLECTION_CONSULTATIONS, id, NULL,
                                  0, &change, 1, &after),
                     ERR_OK);
}

static void change_payment(struct world *world, struct oid order_id, struct change change)
{
    struct payment after;
    assert_int_equal(store_update(world->session, world->arena, COLLECTION_PAYMENTS,
                                  payment_id_of(order_id), NULL, 0, &change, 1, &after),
                     ERR_OK);
}

static struct consultation paid_order_of(struct world *host, struct world *guest, const char *name)
{
    world_open_beside(guest, host, name);
    return world_paid_order(guest);
}

static void everything_that_is_broken_is_counted(void **state)
{
    struct world world, unpaid, reply;
    world_open(&world, open_again(*state));
    world.rolls_back = false;
    struct consultation order = world_paid_order(&world);
    struct consultation answered = paid_order_of(&world, &reply, "b-");
    struct message message;
    assert_int_equal(world_send(&reply, reply.doctor, &answered, "答", NULL, &message), ERR_OK);
    world_open_beside(&unpaid, &world, "c-");
    struct consultation waiting = world_order(&unpaid);
    struct by_consultation by = {waiting.id};
    struct payment payment;
    assert_int_equal(world_call(&unpaid, "/consultation/payment/create", &by, &payment), ERR_OK);
    world_shift(&world, HOUR_MS / 2);
    count_is(&world, INVARIANT_COUNT, 0);

    int64_t start_seq = world_read_order(&world, order.id).start_seq;
    change_order(&world, order.id, SET(consultation, start_seq, 0));
    count_is(&world, INVARIANT_paid_without_start, 1);
    change_order(&world, order.id, SET(consultation, start_seq, start_seq));

    change_order(&world, answered.id, SET(consultation, reply_count, 4));
    count_is(&world, INVARIANT_too_many_replies, 1);
    change_order(&world, answered.id, SET(consultation, reply_count, 1));

    change_order(&world, order.id, SET(consultation, unsettled, true));
    count_is(&world, INVARIANT_unsettled_too_long, 1);
    change_order(&world, order.id, SET(consultation, unsettled, false));

    change_payment(&world, waiting.id, SET(payment, status, PAYMENT_PAID));
    count_is(&world, INVARIANT_paid_not_begun, 1);
    change_order(&world, waiting.id, SET(consultation, status, CANCELLED));
    count_is(&world, INVARIANT_paid_not_begun, 1);
    change_payment(&world, waiting.id, SET(payment, status, PAYMENT_CLOSED));
    count_is(&world, INVARIANT_COUNT, 0);

    world_shift(&world, HOUR_MS);
    struct timestamp due = order.deadline, past = order.created_at;
    change_order(&world, order.id, SET(consultation, due, past));
    count_is(&world, INVARIANT_overdue, 1);
    change_order(&world, order.id, SET(consultation, due, due));

    change_payment(&world, order.id, SET(payment, status, PAYMENT_REFUNDING));
    count_is(&world, INVARIANT_refunding_too_long, 1);
    change_payment(&world, order.id, SET(payment, status, PAYMENT_PAID));

    change_order(&world, order.id, SET(consultation, status, EXPIRED));
    count_is(&world, INVARIANT_expired_not_refunded, 1);
    world_close(&unpaid);
    world_close(&reply);
    world_close(&world);
    store_fixture_reopen(*state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(everything_that_is_broken_is_counted)};
    return RUN_ON_EVERY_BACKEND("invariants", tests);
}
