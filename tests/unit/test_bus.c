/* The bus: what is published arrives, and only where it should. Two nodes in one process and one
 * loop, against a real Redis; test_bus_trouble.c has what goes wrong. */
#include "support_bus.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- events ------------------------------------------------------------------------------- */

static void publish_reaches_the_other_node_and_not_the_own(void **state)
{
    struct stage *stage = *state;
    open_both(stage);
    hold(stage, &stage->a, 1);
    hold(stage, &stage->b, 1);
    publish_text(&stage->a, 1, 77, "{\"event\":\"message.created\"}");
    WAIT_FOR(stage, stage->b.event_count == 1);
    assert_true(stage->b.events[0].rev == 77);
    assert_int_equal(number_of(stage->b.events[0].account), 1);
    assert_int_equal(stage->b.events[0].account.role, ROLE_DOCTOR);

    /* What comes back to the first is the second's; its own would have come before. */
    publish_text(&stage->b, 1, 78, "answer");
    WAIT_FOR(stage, stage->a.event_count == 1);
    assert_true(stage->a.events[0].rev == 78);
}

static void frames_arrive_byte_for_byte_and_in_order(void **state)
{
    struct stage *stage = *state;
    static const char zeros[] = "a\0b\r\n$5\r\n\xff\xfe";
    static const char chinese[] = "{\"text\":\"\xe5\x92\xa8\xe8\xaf\xa2\xe5\xbc\x80\xe5\xa7\x8b\"}";
    char *large = malloc(65536);
    assert_non_null(large);
    for (size_t i = 0; i < 65536; i++) {
        large[i] = (char)(i * 31 % 251);
    }
    open_both(stage);
    hold(stage, &stage->b, 2);
    publish(&stage->a, 2, 1, zeros, sizeof(zeros) - 1);
    publish(&stage->a, 2, 2, chinese, sizeof(chinese) - 1);
    publish(&stage->a, 2, INT64_MAX, large, 65536);
    WAIT_FOR(stage, stage->b.event_count == 3);
    const struct event *events = stage->b.events;
    assert_int_equal(events[0].length, sizeof(zeros) - 1);
    assert_memory_equal(events[0].text, zeros, sizeof(zeros) - 1);
    assert_int_equal(events[1].length, sizeof(chinese) - 1);
    assert_memory_equal(events[1].text, chinese, sizeof(chinese) - 1);
    assert_true(events[2].rev == INT64_MAX);
    assert_int_equal(events[2].length, 65536);
    assert_memory_equal(events[2].text, large, 65536);
    free(large);
}

static void place_of_a_frame_arrives_with_it(void **state)
{
    struct stage *stage = *state;
    struct frame_place place = {PLACE_VOID, account_number(4).id, 12, 5};
    struct strbuf nothing;
    open_both(stage);
    hold(stage, &stage->b, 2);
    strbuf_init(&nothing, FRAME_ROOM);
    struct frame *frame = frame_take_placed(&nothing, &place);
    bus_publish(stage->a.bus, account_number(2), 5, frame);
    frame_drop(frame);
    WAIT_FOR(stage, stage->b.event_count == 1);
    const struct event *event = &stage->b.events[0];
    assert_int_equal(event->length, 0);
    assert_int_equal(event->place.kind, PLACE_VOID);
    assert_true(oid_equal(event->place.chat_id, place.chat_id));
    assert_true(event->place.seq == 12 && event->place.rev == 5);
}

static void more_than_the_socket_takes_at_once_arrives_whole(void **state)
{
    struct stage *stage = *state;
    size_t length = (size_t)12 << 20;
    char *large = malloc(length);
    assert_non_null(large);
    memset(large, 'x', length);
    open_both(stage);
    hold(stage, &stage->b, 2);
    publish(&stage->a, 2, 1, large, length);
    free(large);
    publish_text(&stage->a, 2, 2, "after it");
    WAIT_FOR(stage, stage->b.event_count == 2);
    assert_int_equal(stage->b.events[0].length, length);
    assert_int_equal(stage->a.downs + stage->b.downs, 0);
}

/* Redis reads of each connection in turn: once it has answered here, it has read there. */
static void let_redis_read(const struct stage *stage)
{
    const char *echo[] = {"ECHO", "1"};
    redis_server_ask(&stage->server, 2, echo, NULL);
}

/* Redis hangs up on who lets 32 MB wait. hiredis reads 16 KiB at a time, which is one of these frames. */
static void what_has_come_meanwhile_is_read_in_one_turn(void **state)
{
    enum { COUNT = 8, BYTES = 12000 };
    struct stage *stage = *state;
    char text[BYTES];
    memset(text, 'x', sizeof text);
    open_both(stage);
    hold(stage, &stage->b, 2);
    redis_server_freeze(&stage->server);
    for (int i = 0; i < COUNT; i++) {
        publish(&stage->a, 2, i, text, sizeof text);
    }
    lws_service(stage->context, 0); /* a writes, b has nothing to read yet */
    redis_server_thaw(&stage->server);
    for (int i = 0; i < 4 * COUNT; i++) { /* 16 KiB of a at a time */
        let_redis_read(stage);
    }
    size_t most = 0;
    const lws_usec_t deadline = lws_now_usecs() + DEADLINE_US;
    while (stage->b.event_count < COUNT) {
        const size_t before = stage->b.event_count;
        assert_true(lws_now_usecs() < deadline);
        lws_service(stage->context, 0);
        const size_t came = stage->b.event_count - before;
        most = came > most ? came : most;
    }
    assert_true(most >= COUNT / 2);
}

/* Twice what may wait; Redis reads it while it is published. */
static void much_that_is_published_in_one_turn_does_not_cut_the_bus(void **state)
{
    enum { BYTES = 65536 };
    struct stage *stage = *state;
    char *large = malloc(BYTES);
    assert_non_null(large);
    memset(large, 'x', BYTES);
    open_both(stage);
    for (size_t sent = 0; sent < 2 * BUS_PENDING_MAX; sent += BYTES) {
        publish(&stage->a, 1, 1, large, BYTES);
        let_redis_read(stage);
    }
    free(large);
    assert_int_equal(stage->a.downs, 0);
    assert_true(bus_is_up(stage->a.bus));
}

static void payloads_that_no_node_wrote_are_ignored(void **state)
{
    struct stage *stage = *state;
    open_both(stage);
    hold(stage, &stage->b, 3);
    char channel[64];
    channel_of(3, channel);
    static const char *const strange[] = {"", "nonsense", "0123456789abcdef x\n{}",
                                          "0123456789abcdef 1\n"};
    for (size_t i = 0; i < ARRAY_LENGTH(strange); i++) {
        const char *arguments[] = {"PUBLISH", channel, strange[i]};
        assert_int_equal(redis_server_ask(&stage->server, 3, arguments, NULL), 1);
    }
    publish_text(&stage->a, 3, 9, "good");
    WAIT_FOR(stage, stage->b.event_count == 1);
    assert_true(stage->b.events[0].rev == 9);
}

static void prefixes_keep_hospitals_apart(void **state)
{
    struct stage *stage = *state;
    char url[64];
    snprintf(url, sizeof(url), "redis://127.0.0.1:%d/east", stage->server.port);
    open_node_at(stage, &stage->a, url);
    snprintf(url, sizeof(url), "redis://127.0.0.1:%d/west", stage->server.port);
    open_node_at(stage, &stage->b, url);
    WAIT_FOR(stage, stage->a.ups == 1 && stage->b.ups == 1);
    hold(stage, &stage->a, 1);
    hold(stage, &stage->b, 1);
    const char *arguments[] = {"PUBLISH", NULL, "0123456789abcdef 5\n{}"};
    char channel[64];
    char prefixed[80];
    channel_of(1, channel);
    snprintf(prefixed, sizeof(prefixed), "west:%s", channel);
    publish_text(&stage->b, 1, 4, "west only");
    arguments[1] = prefixed;
    redis_server_ask(&stage->server, 3, arguments, NULL);
    snprintf(prefixed, sizeof(prefixed), "east:%s", channel);
    redis_server_ask(&stage->server, 3, arguments, NULL);
    WAIT_FOR(stage, stage->a.event_count == 1 && stage->b.event_count == 1);
}

static void unix_socket_with_prefix_works(void **state)
{
    struct stage *stage = *state;
    char url[160];
    snprintf(url, sizeof(url), "redis+unix://%s?prefix=east", stage->server.socket);
    open_node_at(stage, &stage->a, url);
    snprintf(url, sizeof(url), "redis://127.0.0.1:%d/east", stage->server.port);
    open_node_at(stage, &stage->b, url);
    WAIT_FOR(stage, stage->a.ups == 1 && stage->b.ups == 1);
    hold(stage, &stage->b, 1);
    publish_text(&stage->a, 1, 4, "through the file system");
    WAIT_FOR(stage, stage->b.event_count == 1);
}

static void host_name_is_looked_up(void **state)
{
    struct stage *stage = *state;
    char url[64];
    snprintf(url, sizeof(url), "redis://localhost:%d", stage->server.port);
    open_node_at(stage, &stage->a, url);
    WAIT_FOR(stage, stage->a.ups == 1);
}

/* ---- subscriptions ------------------------------------------------------------------------ */

static void subscription_is_told_once_redis_has_it(void **state)
{
    struct stage *stage = *state;
    open_both(stage);
    stage->a.asks_redis = true;
    bus_subscribe(stage->a.bus, account_number(5));
    assert_int_equal(stage->a.subscribed[5], 0);
    WAIT_FOR(stage, stage->a.subscribed[5] == 1);
    assert_int_equal(stage->a.receivers, 1);
    assert_true(stage->a.was_up_when_told);
}

static void unsubscribe_stops_the_events(void **state)
{
    struct stage *stage = *state;
    open_both(stage);
    hold(stage, &stage->b, 1);
    hold(stage, &stage->b, 2);
    bus_unsubscribe(stage->b.bus, account_number(1));
    publish_text(&stage->a, 1, 1, "unheard");
    publish_text(&stage->a, 2, 2, "heard");
    WAIT_FOR(stage, stage->b.event_count == 1);
    assert_true(stage->b.events[0].rev == 2);
    WAIT_FOR(stage, receivers_of(&stage->server, 1) == 0);
}

static void leaving_and_coming_back_at_once_is_told_once(void **state)
{
    struct stage *stage = *state;
    open_both(stage);
    bus_subscribe(stage->b.bus, account_number(1));
    bus_unsubscribe(stage->b.bus, account_number(1));
    bus_subscribe(stage->b.bus, account_number(1));
    hold(stage, &stage->b, 2); /* confirmed after all of that */
    assert_int_equal(stage->b.subscribed[1], 1);
    assert_int_equal(receivers_of(&stage->server, 1), 1);
    publish_text(&stage->a, 1, 6, "heard");
    WAIT_FOR(stage, stage->b.event_count == 1);
}

static void last_account_gone_leaves_a_working_bus(void **state)
{
    struct stage *stage = *state;
    open_both(stage);
    hold(stage, &stage->b, 1);
    bus_unsubscribe(stage->b.bus, account_number(1));
    WAIT_FOR(stage, receivers_of(&stage->server, 1) == 0);
    hold(stage, &stage->b, 1);
    publish_text(&stage->a, 1, 6, "heard");
    WAIT_FOR(stage, stage->b.event_count == 1);
    assert_int_equal(stage->b.downs, 0);
}

/* ---- without a Redis ---------------------------------------------------------------------- */

static void clients_cannot_reach_the_protocol_by_its_name(void **state)
{
    (void)state;
    assert_true(bus_redis_protocol.callback(NULL, LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION, NULL,
                                            NULL, 0) != 0);
    assert_int_equal(bus_redis_protocol.callback(NULL, LWS_CALLBACK_PROTOCOL_INIT, NULL, NULL, 0),
                     0);
}

static void bad_urls_are_refused_with_a_sentence(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "redis:",
        "redis://",
        "redis://user:hidden-word@h",
        "redis://:hidden-word@h:x",
        "rediss://:hidden-word@h",
        "redis+unix://relative",
        "local:x",
        "nats://h",
    };
    struct stage stage = {.context = NULL};
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        char why[256] = "";
        assert_false(try_to_open(&stage, &stage.a, bad[i], why));
        assert_true(strlen(why) > 20);
        assert_null(strstr(why, "hidden-word"));
    }
}

static void local_bus_confirms_at_once_and_is_always_up(void **state)
{
    (void)state;
    static struct stage stage;
    open_node_at(&stage, &stage.a, "local:");
    assert_true(bus_is_up(stage.a.bus));
    bus_subscribe(stage.a.bus, account_number(1));
    assert_int_equal(stage.a.subscribed[1], 1);
    publish_text(&stage.a, 1, 1, "nobody else is there");
    bus_unsubscribe(stage.a.bus, account_number(1));
    assert_int_equal(stage.a.event_count, 0);
    close_node(&stage.a);
}

int main(void)
{
    const struct CMUnitTest without_redis[] = {
        cmocka_unit_test(clients_cannot_reach_the_protocol_by_its_name),
        cmocka_unit_test(bad_urls_are_refused_with_a_sentence),
        cmocka_unit_test(local_bus_confirms_at_once_and_is_always_up),
    };
    const struct CMUnitTest with_redis[] = {
        WITH_REDIS(publish_reaches_the_other_node_and_not_the_own),
        WITH_REDIS(frames_arrive_byte_for_byte_and_in_order),
        WITH_REDIS(place_of_a_frame_arrives_with_it),
        WITH_REDIS(more_than_the_socket_takes_at_once_arrives_whole),
        WITH_REDIS(what_has_come_meanwhile_is_read_in_one_turn),
        WITH_REDIS(much_that_is_published_in_one_turn_does_not_cut_the_bus),
        WITH_REDIS(payloads_that_no_node_wrote_are_ignored),
        WITH_REDIS(prefixes_keep_hospitals_apart),
        WITH_REDIS(unix_socket_with_prefix_works),
        WITH_REDIS(host_name_is_looked_up),
        WITH_REDIS(subscription_is_told_once_redis_has_it),
        WITH_REDIS(unsubscribe_stops_the_events),
        WITH_REDIS(leaving_and_coming_back_at_once_is_told_once),
        WITH_REDIS(last_account_gone_leaves_a_working_bus),
    };
    lws_set_log_level(LLL_ERR, NULL);
    int failed = cmocka_run_group_tests(without_redis, NULL, NULL);
    return failed + RUN_WITH_REDIS(with_redis);
}
