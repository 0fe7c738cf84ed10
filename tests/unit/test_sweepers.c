/* A backlog, as after a day without any node: more orders are due than a sweeper takes at once, of
 * every kind. Where several may write, two sweepers come at the same moment, each with a session of
 * its own. Every order must end as one does that is swept alone: each consequence once, whoever
 * came first. */
#include "support_store.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "support_provider.h"
#include "support_stories.h"

#define HOUR_MS INT64_C(3600000)
#define MANY 54 /* more than one batch */
#define FEW 6
#define ORDERS (MANY + 3 * FEW)
#define SWEEPERS 2

enum due_kind { UNANSWERED, ANSWERED, RETRACTED, FORGOTTEN, KINDS };

struct due_order {
    struct world world; /* its people */
    struct oid id;
    enum due_kind kind;
};

static void make_due(struct due_order *order, const struct world *host, enum due_kind kind,
                     const char *name)
{
    struct world *world = &order->world;
    world_open_beside(world, host, name);
    world->settings->provider = provider_witness();
    order->kind = kind;
    struct consultation made = kind == FORGOTTEN ? world_order(world) : world_paid_order(world);
    order->id = made.id;
    struct message reply, out;
    struct payment payment;
    struct by_consultation by = {made.id};
    if (kind == ANSWERED || kind == RETRACTED) {
        assert_int_equal(world_send(world, world->doctor, &made, "答", NULL, &reply), ERR_OK);
    }
    if (kind == RETRACTED) {
        struct by_id in = {reply.id};
        assert_int_equal(world_call(world, "/api/consultation/chat/message/retract", &in, &out),
                         ERR_OK);
    }
    if (kind == FORGOTTEN) {
        assert_int_equal(world_call(world, "/consultation/payment/create", &by, &payment), ERR_OK);
    }
}

struct sweeper {
    struct world world;
    pthread_barrier_t *start;
    enum err err;
    int turns;
};

static void *sweep_on(void *data)
{
    struct sweeper *sweeper = data;
    bool more = true;
    pthread_barrier_wait(sweeper->start);
    while (more && sweeper->err == ERR_OK && sweeper->turns < 1000) {
        sweeper->err = world_sweep(&sweeper->world, &more);
        sweeper->turns++;
    }
    return NULL;
}

static void sweep_together(const struct world *host, int count)
{
    struct sweeper *sweepers = calloc((size_t)count, sizeof *sweepers);
    pthread_t threads[SWEEPERS];
    pthread_barrier_t start;
    assert_non_null(sweepers);
    assert_int_equal(pthread_barrier_init(&start, NULL, (unsigned)count), 0);
    for (int i = 0; i < count; i++) {
        world_open_beside(
            &sweepers[i].world, host,
            arena_format(host->arena, "sweeper-%d-of-%d-", i, (int)(host->shift_ms / HOUR_MS)));
        sweepers[i].world.settings->provider = provider_witness();
        sweepers[i].start = &start;
    }
    for (int i = 0; i < count; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, sweep_on, &sweepers[i]), 0);
    }
    for (int i = 0; i < count; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(sweepers[i].err, ERR_OK);
        world_close(&sweepers[i].world);
    }
    pthread_barrier_destroy(&start);
    free(sweepers);
}

static struct store *open_again(struct store_fixture *fixture)
{
    const struct store_settings settings = {
        .url = fixture->url, .timeout_ms = 10000, .pool_size = 100};
    struct store *store;
    char why[256];
    store_fixture_let_go(fixture);
    assert_int_equal(store_open(&settings, &store, why), ERR_OK);
    return store;
}

static void a_backlog_is_swept_once_by_any_number_of_sweepers(void **state)
{
    struct world host;
    static char expected[KINDS][STORY_TEXT_MAX], got[STORY_TEXT_MAX];
    world_open(&host, open_again(*state));
    host.rolls_back = store_writers_max(host.store) == 1;
    struct due_order *orders = calloc(ORDERS + KINDS, sizeof *orders);
    assert_non_null(orders);
    for (int i = 0; i < KINDS + ORDERS; i++) {
        int number = i - KINDS;
        enum due_kind kind = i < KINDS       ? (enum due_kind)i
                             : number < MANY ? UNANSWERED
                                             : (enum due_kind)(1 + (number - MANY) % 3);
        if (i == KINDS) { /* one of each kind alone */
            world_shift(&host, 49 * HOUR_MS);
            sweep_together(&host, 1);
        }
        make_due(&orders[i], &host, kind, arena_format(host.arena, "%d-", i));
    }
    for (int i = 0; i < KINDS; i++) {
        story_describe(&orders[i].world, orders[i].id, expected[i]);
    }
    world_shift(&host, 49 * HOUR_MS);
    sweep_together(&host, host.rolls_back ? 1 : SWEEPERS);
    for (int i = 0; i < KINDS + ORDERS; i++) {
        story_describe(&orders[i].world, orders[i].id, got);
        assert_string_equal(got, expected[orders[i].kind]);
        world_close(&orders[i].world);
    }
    assert_memory_equal(expected[UNANSWERED], "08", 2);
    assert_memory_equal(expected[ANSWERED], "07", 2);
    assert_memory_equal(expected[RETRACTED], "08", 2);
    assert_memory_equal(expected[FORGOTTEN], "02", 2);
    free(orders);
    world_close(&host);
    store_fixture_reopen(*state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_backlog_is_swept_once_by_any_number_of_sweepers)};
    return RUN_ON_EVERY_BACKEND("sweepers", tests);
}
