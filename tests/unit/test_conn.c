/* How long a connection is waited for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/conn.h"
#include "support_world.h"

#define TICK_MS 1000

static void a_peer_that_went_away_is_gone_within_a_minute(void **state)
{
    (void)state;
    struct world world;
    int64_t interval_ms[TIMER_COUNT];
    world_open_memory(&world); /* has the default settings */
    assert_int_equal(world.settings->ping_seconds, 25);
    conn_intervals(world.settings, interval_ms);
    /* It answered the ping before; the next two are not answered, and after the second one it has
     * TIMER_PONG. The looks at the timers are TICK_MS apart. */
    int64_t gone_ms = 2 * interval_ms[TIMER_PING] + interval_ms[TIMER_PONG];
    assert_true(gone_ms + TICK_MS <= 60000);
    world.settings->ping_seconds = 1;
    conn_intervals(world.settings, interval_ms);
    assert_int_equal(interval_ms[TIMER_PONG], 1000);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_peer_that_went_away_is_gone_within_a_minute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
