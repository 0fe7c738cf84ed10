/* Who is online: the same rules within the process and in Redis, and what several nodes make of it.
 * Redis is real here, and is killed, stopped and emptied. */
#include "server/attendance.h"
#include "server/log.h"
#include "support_redis.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define TIMEOUT_SECONDS 300 /* of nodes that nobody waits for */
#define SOON_MS 30000
#define A_DAY INT64_C(1528620291958)

static const struct account user = {ROLE_USER, {{1, 2, 3}}};
static const struct account doctor = {ROLE_DOCTOR, {{1, 2, 3}}};

static struct attendance *open_at(const char *bus, int64_t timeout_seconds)
{
    char why[256] = "";
    struct attendance *attendance = attendance_open(
        &(struct attendance_settings){
            .bus = bus, .timeout_seconds = timeout_seconds, .connections = 2},
        why);
    assert_non_null(attendance);
    return attendance;
}

static bool beat(struct attendance *node, int64_t now, struct attendance_beat *out)
{
    return attendance_beat(node, (struct timestamp){now}, out);
}

/* One account comes, or leaves at `left`: whether that is news. */
static bool note(struct attendance *node, struct account account, int64_t left)
{
    struct attendance_change change = {
        .attendee = {.account = account, .is_online = left == 0, .last_seen = {left}}};
    assert_true(attendance_note(node, (struct timestamp){A_DAY}, &change, 1));
    return change.is_news;
}

static struct attendee look(struct attendance *node, struct account account)
{
    struct attendee attendee = {.account = account};
    assert_true(attendance_look(node, &attendee, 1));
    return attendee;
}

static void assert_seen(struct attendance *node, struct account account, bool is_online,
                        int64_t last_seen)
{
    struct attendee attendee = look(node, account);
    assert_int_equal(attendee.is_online, is_online);
    assert_true(attendee.last_seen.ms == last_seen);
}

/* ---- One node, both kinds ------------------------------------------------------------------ */

static void tell_of_one_node(const char *bus)
{
    struct attendance *node = open_at(bus, TIMEOUT_SECONDS);
    struct attendance_beat found;
    assert_true(beat(node, A_DAY, &found));
    assert_true(found.asks_for_all);
    assert_true(beat(node, A_DAY, &found));
    assert_false(found.asks_for_all);
    assert_int_equal(found.gone_count, 0);

    assert_seen(node, user, false, 0);
    assert_true(note(node, user, 0));
    assert_false(note(node, user, 0)); /* it is there already */
    assert_seen(node, user, true, 0);
    assert_seen(node, doctor, false, 0); /* the same id, another account */
    assert_true(note(node, user, A_DAY + 5));
    assert_seen(node, user, false, A_DAY + 5);
    assert_true(note(node, user, 0));
    assert_seen(node, user, true, 0);

    struct attendee many[ATTENDANCE_BATCH_MAX];
    struct attendance_change changes[ATTENDANCE_BATCH_MAX];
    for (uint8_t i = 0; i < ATTENDANCE_BATCH_MAX; i++) {
        struct account account = {ROLE_DOCTOR, {{9, i}}};
        many[i] = (struct attendee){.account = account};
        changes[i].attendee = (struct attendee){.account = account, .is_online = i % 2 == 0};
        changes[i].attendee.last_seen.ms = i % 2 == 0 ? 0 : A_DAY + i;
    }
    assert_true(attendance_note(node, (struct timestamp){A_DAY}, changes, ATTENDANCE_BATCH_MAX));
    assert_true(attendance_look(node, many, ATTENDANCE_BATCH_MAX));
    for (uint8_t i = 0; i < ATTENDANCE_BATCH_MAX; i++) {
        assert_int_equal(many[i].is_online, i % 2 == 0);
        assert_true(many[i].last_seen.ms == (i % 2 == 0 ? 0 : A_DAY + i));
    }
    attendance_close(node);
}

static void one_node_within_the_process(void **state)
{
    (void)state;
    tell_of_one_node("local:");
}

static void bad_urls_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"local:x", "redis://", "redis+unix://x", "kafka://x", ""};
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        char why[256] = "";
        struct attendance_settings settings = {
            .bus = bad[i], .timeout_seconds = 1, .connections = 1};
        assert_null(attendance_open(&settings, why));
        assert_true(why[0] != '\0');
    }
}

/* ---- Redis --------------------------------------------------------------------------------- */

static char *url_of(const struct redis_server *server)
{
    static char url[128];
    snprintf(url, sizeof url, "redis://127.0.0.1:%d/test", server->port);
    return url;
}

static int start(void **state)
{
    static struct redis_server server;
    server = (struct redis_server){.pid = 0};
    redis_server_start(&server);
    *state = &server;
    return 0;
}

static int end(void **state)
{
    redis_server_remove(*state);
    return 0;
}

/* Deletes a key of the test: what Redis does when its time has run out. */
static void redis_forgets(const struct redis_server *server, const char *pattern)
{
    char script[256];
    snprintf(script, sizeof script,
             "local n = 0 for _, key in ipairs(redis.call('KEYS', '%s')) do "
             "n = n + redis.call('DEL', key) end return n",
             pattern);
    const char *arguments[] = {"EVAL", script, "0"};
    assert_true(redis_server_ask(server, 3, arguments, NULL) > 0);
}

/* Redis has not heard of the node that holds the account for too long; of one of them. */
static void node_runs_out(const struct redis_server *server, struct account account)
{
    char id[OID_TEXT_BYTES];
    oid_format(account.id, id);
    char script[256];
    snprintf(script, sizeof script,
             "local of = redis.call('SMEMBERS', 'test:consultd:attendance:at:%c:%s') "
             "return redis.call('DEL', 'test:consultd:attendance:node:' .. of[1])",
             account.role == ROLE_USER ? 'u' : 'd', id);
    const char *arguments[] = {"EVAL", script, "0"};
    assert_int_equal(redis_server_ask(server, 3, arguments, NULL), 1);
}

/* All nodes that have beaten are not new any more. */
static void time_passes(const struct redis_server *server)
{
    redis_forgets(server, "test:consultd:attendance:new:*");
}

static void one_node_with_redis(void **state)
{
    tell_of_one_node(url_of(*state));
}

static void one_node_over_a_unix_socket(void **state)
{
    const struct redis_server *server = *state;
    char url[160];
    snprintf(url, sizeof url, "redis+unix://%s?prefix=test", server->socket);
    tell_of_one_node(url);
}

/* Calls beat until it succeeds, or fails the test. */
static void beat_soon(struct attendance *node, struct attendance_beat *out)
{
    struct timespec started;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &started);
    while (!beat(node, A_DAY, out)) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        assert_true((now.tv_sec - started.tv_sec) * 1000 < SOON_MS);
    }
}

static void host_name_is_looked_up_by_another_thread(void **state)
{
    const struct redis_server *server = *state;
    char url[128];
    snprintf(url, sizeof url, "redis://localhost:%d/test", server->port);
    struct attendance *node = open_at(url, TIMEOUT_SECONDS);
    struct attendance_beat found;
    assert_false(beat(node, A_DAY, &found)); /* it asks, and does not wait */
    beat_soon(node, &found);
    assert_true(found.asks_for_all);
    assert_true(note(node, user, 0));
    attendance_close(node);

    node = open_at("redis://no.such.host.invalid/test", TIMEOUT_SECONDS);
    assert_false(beat(node, A_DAY, &found));
    assert_false(beat(node, A_DAY, &found));
    attendance_close(node);
}

static void offline_only_after_the_last_node(void **state)
{
    struct attendance *a = open_at(url_of(*state), TIMEOUT_SECONDS);
    struct attendance *b = open_at(url_of(*state), TIMEOUT_SECONDS);
    struct attendance_beat found;
    assert_true(beat(a, A_DAY, &found) && beat(b, A_DAY, &found));
    assert_true(note(a, user, 0));
    assert_false(note(b, user, 0));
    assert_false(note(a, user, A_DAY + 1));
    assert_seen(a, user, true, 0);
    assert_true(note(b, user, A_DAY + 2));
    assert_seen(a, user, false, A_DAY + 2);
    attendance_close(a);
    attendance_close(b);
}

static void dead_node_is_found_by_one_other(void **state)
{
    struct attendance *a = open_at(url_of(*state), TIMEOUT_SECONDS);
    struct attendance *b = open_at(url_of(*state), TIMEOUT_SECONDS);
    struct attendance_beat found;
    assert_true(beat(a, A_DAY, &found) && beat(b, A_DAY, &found));
    assert_true(note(b, user, 0) && note(b, doctor, 0));
    time_passes(*state);
    node_runs_out(*state, user);
    assert_true(beat(a, A_DAY + 9, &found));
    assert_int_equal(found.gone_count, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_false(found.gone[i].is_online);
        assert_true(found.gone[i].last_seen.ms == A_DAY); /* when b was last heard of */
    }
    assert_seen(a, doctor, false, A_DAY);
    assert_true(beat(a, A_DAY + 10, &found));
    assert_int_equal(found.gone_count, 0); /* told once */

    assert_true(beat(b, A_DAY + 11, &found)); /* it was only asleep */
    assert_true(found.asks_for_all);
    assert_true(note(b, doctor, 0));
    assert_seen(a, doctor, true, 0);
    attendance_close(a);
    attendance_close(b);
}

static void nodes_that_were_all_cut_off_are_not_taken_for_dead(void **state)
{
    struct attendance *a = open_at(url_of(*state), TIMEOUT_SECONDS);
    struct attendance *b = open_at(url_of(*state), TIMEOUT_SECONDS);
    struct attendance *dead = open_at(url_of(*state), TIMEOUT_SECONDS);
    struct attendance_beat found;
    assert_true(beat(a, A_DAY, &found) && beat(b, A_DAY, &found) && beat(dead, A_DAY + 1, &found));
    assert_true(note(b, user, 0) && note(dead, doctor, 0));
    redis_forgets(*state, "test:consultd:attendance:node:*");
    assert_true(beat(a, A_DAY + 9, &found));
    assert_true(found.asks_for_all);
    assert_false(found.has_more);
    assert_int_equal(found.gone_count, 0); /* b may only not be back yet */
    assert_true(beat(b, A_DAY + 10, &found));
    assert_true(found.asks_for_all);
    assert_int_equal(found.gone_count, 0);
    (void)note(b, user, 0);
    time_passes(*state);
    assert_true(beat(a, A_DAY + 11, &found));
    assert_int_equal(found.gone_count, 1);
    assert_int_equal(found.gone[0].account.role, ROLE_DOCTOR);
    assert_seen(a, user, true, 0);
    assert_seen(a, doctor, false, A_DAY + 1);
    attendance_close(a);
    attendance_close(b);
    attendance_close(dead);
}

static void who_is_elsewhere_is_not_gone_with_a_node(void **state)
{
    struct attendance *a = open_at(url_of(*state), TIMEOUT_SECONDS);
    struct attendance *b = open_at(url_of(*state), TIMEOUT_SECONDS);
    struct attendance_beat of_a;
    struct attendance_beat of_b;
    assert_true(beat(a, A_DAY, &of_a) && beat(b, A_DAY, &of_b));
    assert_true(note(a, doctor, 0));
    assert_false(note(b, doctor, 0));
    time_passes(*state);
    node_runs_out(*state, doctor); /* one of the two, whichever it is */
    assert_true(beat(a, A_DAY, &of_a) && beat(b, A_DAY, &of_b));
    assert_int_equal(of_a.gone_count + of_b.gone_count, 0);
    assert_true(of_a.asks_for_all != of_b.asks_for_all);
    assert_seen(a, doctor, true, 0);
    attendance_close(a);
    attendance_close(b);
}

static void many_that_are_gone_come_in_parts(void **state)
{
    struct attendance *b = open_at(url_of(*state), TIMEOUT_SECONDS);
    struct attendance *a = open_at(url_of(*state), TIMEOUT_SECONDS);
    struct attendance_beat found;
    assert_true(beat(a, A_DAY, &found) && beat(b, A_DAY, &found));
    const size_t all = 2 * ATTENDANCE_BATCH_MAX + 3;
    for (size_t i = 0; i < all; i++) {
        assert_true(note(b, (struct account){ROLE_USER, {{7, (uint8_t)i}}}, 0));
    }
    time_passes(*state);
    node_runs_out(*state, (struct account){ROLE_USER, {{7}}});
    size_t gone = 0;
    do {
        assert_true(beat(a, A_DAY, &found));
        assert_true(found.gone_count <= ATTENDANCE_BATCH_MAX);
        gone += found.gone_count;
    } while (found.has_more);
    assert_int_equal(gone, all);
    attendance_close(a);
    attendance_close(b);
}

static void last_seen_never_goes_back(void **state)
{
    struct attendance *a = open_at(url_of(*state), TIMEOUT_SECONDS);
    struct attendance_beat found;
    assert_true(beat(a, A_DAY, &found));
    assert_true(note(a, user, A_DAY + 9));
    assert_true(note(a, user, A_DAY + 3)); /* of a node whose word took longer */
    assert_seen(a, user, false, A_DAY + 9);
    attendance_close(a);
}

/* ---- Redis in trouble ---------------------------------------------------------------------- */

static bool looks(struct attendance *node)
{
    struct attendee attendee = {.account = user};
    return attendance_look(node, &attendee, 1);
}

static void nothing_is_known_before_the_first_beat(void **state)
{
    struct attendance *node = open_at(url_of(*state), TIMEOUT_SECONDS);
    struct attendance_change change = {.attendee = {.account = user, .is_online = true}};
    assert_false(looks(node));
    assert_false(attendance_note(node, (struct timestamp){A_DAY}, &change, 1));
    attendance_close(node);
}

static void killed_redis_is_left_alone_until_a_beat_finds_it(void **state)
{
    struct redis_server *server = *state;
    struct attendance *node = open_at(url_of(server), TIMEOUT_SECONDS);
    struct attendance_beat found;
    assert_true(beat(node, A_DAY, &found));
    assert_true(note(node, user, 0));
    redis_server_kill(server);
    assert_false(looks(node));
    assert_false(beat(node, A_DAY, &found));
    redis_server_start_again(server);
    assert_false(looks(node)); /* only a beat connects */
    assert_true(beat(node, A_DAY, &found));
    assert_true(found.asks_for_all);
    assert_seen(node, user, false, 0); /* until it is noted anew */
    attendance_close(node);
}

static void silent_redis_costs_one_wait(void **state)
{
    struct redis_server *server = *state;
    struct attendance *node = open_at(url_of(server), TIMEOUT_SECONDS);
    struct attendance_beat found;
    assert_true(beat(node, A_DAY, &found));
    redis_server_freeze(server);
    assert_false(looks(node));
    /* From now on nobody asks it, frozen or not. */
    redis_server_thaw(server);
    assert_false(looks(node));
    assert_true(beat(node, A_DAY, &found));
    assert_true(looks(node));
    attendance_close(node);
}

static void who_left_while_redis_was_away_runs_out(void **state)
{
    struct redis_server *server = *state;
    struct attendance *node = open_at(url_of(server), 1);
    struct attendance_beat found;
    assert_true(beat(node, A_DAY, &found));
    assert_true(note(node, user, 0) && note(node, doctor, 0));
    redis_server_freeze(server);
    assert_false(looks(node)); /* the user leaves now, and that cannot be noted */
    redis_server_thaw(server);
    struct timespec started, now;
    clock_gettime(CLOCK_MONOTONIC, &started);
    size_t gone = 0;
    bool is_noted = false;
    do {
        if (beat(node, A_DAY + 1, &found)) {
            if (found.asks_for_all) {
                (void)note(node, doctor, 0); /* the only one left */
                is_noted = true;
            }
            gone += found.gone_count;
        }
        clock_gettime(CLOCK_MONOTONIC, &now);
        assert_true((now.tv_sec - started.tv_sec) * 1000 < SOON_MS);
    } while (gone == 0);
    assert_true(is_noted);
    assert_int_equal(found.gone_count, 1);
    assert_int_equal(found.gone[0].account.role, ROLE_USER);
    assert_seen(node, user, false, A_DAY);
    assert_seen(node, doctor, true, 0);
    attendance_close(node);
}

static void wrong_kind_of_key_is_no_crash(void **state)
{
    struct attendance *node = open_at(url_of(*state), TIMEOUT_SECONDS);
    struct attendance_beat found;
    assert_true(beat(node, A_DAY, &found));
    const char *arguments[] = {"SET", "test:consultd:attendance:at:u:010203000000000000000000",
                               "1"};
    (void)redis_server_ask(*state, 3, arguments, NULL);
    assert_false(looks(node));
    assert_true(beat(node, A_DAY, &found));
    attendance_close(node);
}

#define WITH_REDIS(test) cmocka_unit_test_setup_teardown(test, start, end)

int main(void)
{
    signal(SIGPIPE, SIG_IGN); /* as the program does */
    log_set_level(LOG_LEVEL_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_node_within_the_process),
        cmocka_unit_test(bad_urls_are_refused),
    };
    const struct CMUnitTest with_redis[] = {
        WITH_REDIS(one_node_with_redis),
        WITH_REDIS(one_node_over_a_unix_socket),
        WITH_REDIS(host_name_is_looked_up_by_another_thread),
        WITH_REDIS(offline_only_after_the_last_node),
        WITH_REDIS(dead_node_is_found_by_one_other),
        WITH_REDIS(nodes_that_were_all_cut_off_are_not_taken_for_dead),
        WITH_REDIS(who_is_elsewhere_is_not_gone_with_a_node),
        WITH_REDIS(many_that_are_gone_come_in_parts),
        WITH_REDIS(last_seen_never_goes_back),
        WITH_REDIS(nothing_is_known_before_the_first_beat),
        WITH_REDIS(killed_redis_is_left_alone_until_a_beat_finds_it),
        WITH_REDIS(silent_redis_costs_one_wait),
        WITH_REDIS(who_left_while_redis_was_away_runs_out),
        WITH_REDIS(wrong_kind_of_key_is_no_crash),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (!redis_server_is_installed()) {
        printf("SKIPPED: %zu tests, there is no redis-server\n", ARRAY_LENGTH(with_redis));
        return failed;
    }
    return failed + cmocka_run_group_tests(with_redis, NULL, NULL);
}
