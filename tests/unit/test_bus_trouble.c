/* The bus in trouble: Redis absent, killed, silent, slow, locked, half lost. Redis-side trouble is
 * real here, made with signals and Redis's own commands. */
#include "support_bus.h"

#include "server/bus_link.h"
#include "server/log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void absent_redis_is_no_error_and_is_found_later(void **state)
{
    struct stage *stage = *state;
    redis_server_kill(&stage->server);
    open_node(stage, &stage->a);
    assert_false(bus_is_up(stage->a.bus));
    bus_subscribe(stage->a.bus, account_number(1));
    assert_int_equal(stage->a.subscribed[1], 1); /* at once: own sockets are served */
    assert_false(stage->a.was_up_when_told);
    publish_text(&stage->a, 1, 1, "forgotten");
    redis_server_start_again(&stage->server);
    WAIT_FOR(stage, stage->a.ups == 1);
    assert_int_equal(stage->a.subscribed[1], 2);
    assert_int_equal(stage->a.downs, 0);
    assert_int_equal(receivers_of(&stage->server, 1), 1);
}

static void killed_redis_is_told_once_and_all_accounts_come_back(void **state)
{
    struct stage *stage = *state;
    open_both(stage);
    for (unsigned number = 0; number < ACCOUNTS_MAX; number++) {
        bus_subscribe(stage->a.bus, account_number(number));
    }
    WAIT_FOR(stage, stage->a.subscribed_count == ACCOUNTS_MAX);
    redis_server_kill(&stage->server);
    WAIT_FOR(stage, stage->a.downs == 1 && stage->b.downs == 1);
    for (unsigned number = 0; number < 10; number++) {
        bus_unsubscribe(stage->a.bus, account_number(number));
    }
    redis_server_start_again(&stage->server);
    WAIT_FOR(stage, stage->a.ups == 2 && stage->b.ups == 2);
    assert_int_equal(stage->a.downs, 1);
    assert_int_equal(stage->a.count_when_up, 2 * ACCOUNTS_MAX - 10);
    assert_int_equal(stage->a.subscribed[9], 1);
    assert_int_equal(stage->a.subscribed[10], 2);
    publish_text(&stage->b, ACCOUNTS_MAX - 1, 3, "after the repair");
    WAIT_FOR(stage, stage->a.event_count == 1);
}

static void subscription_under_way_when_redis_dies_is_told_at_once(void **state)
{
    struct stage *stage = *state;
    open_both(stage);
    redis_server_freeze(&stage->server);
    bus_subscribe(stage->a.bus, account_number(1));
    bus_subscribe(stage->a.bus, account_number(2));
    bus_unsubscribe(stage->a.bus, account_number(2));
    redis_server_kill(&stage->server);
    WAIT_FOR(stage, stage->a.downs == 1);
    assert_int_equal(stage->a.subscribed[1], 1);
    assert_int_equal(stage->a.subscribed[2], 0);
    assert_false(stage->a.was_up_when_told);
}

static void silent_redis_is_noticed_and_told_once(void **state)
{
    struct stage *stage = *state;
    open_both(stage);
    hold(stage, &stage->a, 1);
    bus_redis_set_ping_ms(stage->a.bus, 50);
    redis_server_freeze(&stage->server);
    WAIT_FOR(stage, stage->a.downs == 1);
    bus_redis_set_ping_ms(stage->a.bus, 3000);
    close_node(&stage->b); /* has not noticed */
    redis_server_thaw(&stage->server);
    open_node(stage, &stage->b);
    WAIT_FOR(stage, stage->a.ups == 2 && stage->b.ups == 1);
    assert_int_equal(stage->a.downs, 1);
    publish_text(&stage->b, 1, 3, "after the repair");
    WAIT_FOR(stage, stage->a.event_count == 1);
}

static void living_redis_is_not_cut_by_pings(void **state)
{
    struct stage *stage = *state;
    open_both(stage);
    bus_redis_set_ping_ms(stage->a.bus, 400);
    hold(stage, &stage->a, 1);
    lws_usec_t until = lws_now_usecs() + 4 * 400 * LWS_US_PER_MS; /* two would be a cut */
    WAIT_FOR(stage, lws_now_usecs() > until);
    publish_text(&stage->b, 1, 3, "still there");
    WAIT_FOR(stage, stage->a.event_count == 1);
    assert_int_equal(stage->a.downs, 0);
    assert_int_equal(stage->a.subscribed_count, 1);
}

static void one_lost_connection_of_the_two_cuts_both_once(void **state)
{
    struct stage *stage = *state;
    static const char *const types[] = {"pubsub", "normal"};
    open_both(stage);
    hold(stage, &stage->a, 1);
    for (int i = 0; i < 2; i++) {
        const char *arguments[] = {"CLIENT", "KILL", "TYPE", types[i]};
        redis_server_ask(&stage->server, 4, arguments, NULL);
        WAIT_FOR(stage, stage->a.downs == i + 1 && stage->b.downs == i + 1);
        WAIT_FOR(stage, stage->a.ups == i + 2 && stage->b.ups == i + 2);
        assert_int_equal(stage->a.subscribed[1], (unsigned)i + 2);
    }
    assert_int_equal(stage->a.downs, 2);
}

static void too_much_waiting_for_a_slow_redis_cuts_it(void **state)
{
    struct stage *stage = *state;
    char *large = malloc(65536);
    assert_non_null(large);
    memset(large, 'x', 65536);
    open_both(stage);
    redis_server_freeze(&stage->server);
    for (int i = 0; i < 1024 && stage->a.downs == 0; i++) {
        publish(&stage->a, 1, i, large, 65536);
    }
    free(large);
    assert_int_equal(stage->a.downs, 1);
    assert_false(bus_is_up(stage->a.bus));
    redis_server_thaw(&stage->server);
    WAIT_FOR(stage, stage->a.ups == 2);
}

/* ---- with the log caught ------------------------------------------------------------------ */

struct caught {
    char path[32];
    int file;
    int before; /* the true stderr */
    char text[65536];
};

static void catch_log(struct caught *caught)
{
    *caught = (struct caught){.path = "/tmp/consultd-log-XXXXXX"};
    caught->file = mkstemp(caught->path);
    caught->before = dup(STDERR_FILENO);
    assert_true(caught->file >= 0 && caught->before >= 0);
    dup2(caught->file, STDERR_FILENO);
    log_set_level(LOG_LEVEL_DEBUG);
}

static const char *read_log(struct caught *caught)
{
    ssize_t length = pread(caught->file, caught->text, sizeof(caught->text) - 1, 0);
    caught->text[length > 0 ? length : 0] = '\0';
    return caught->text;
}

static void release_log(struct caught *caught)
{
    (void)read_log(caught);
    dup2(caught->before, STDERR_FILENO);
    close(caught->before);
    close(caught->file);
    unlink(caught->path);
    log_set_level(LOG_LEVEL_INFO);
}

static int occurrences(const char *text, const char *word)
{
    int count = 0;
    for (const char *at = strstr(text, word); at != NULL; at = strstr(at + 1, word)) {
        count++;
    }
    return count;
}

static void refused_subscription_is_not_up(void **state)
{
    struct stage *stage = *state;
    static struct caught caught;
    const char *forbid[] = {"ACL", "SETUSER", "default", "resetchannels"};
    const char *allow[] = {"ACL", "SETUSER", "default", "allchannels"};
    redis_server_ask(&stage->server, 4, forbid, NULL);
    catch_log(&caught);
    open_node(stage, &stage->a);
    bus_subscribe(stage->a.bus, account_number(1));
    WAIT_FOR(stage, occurrences(read_log(&caught), "NOPERM") >= 3);
    release_log(&caught);
    assert_int_equal(stage->a.ups, 0);
    redis_server_ask(&stage->server, 4, allow, NULL);
    WAIT_FOR(stage, stage->a.ups == 1);
}

static void only_the_right_password_opens_and_none_is_logged(void **state)
{
    struct stage *stage = *state;
    static struct caught caught;
    const char *lock[] = {"CONFIG", "SET", "requirepass", "open sesame"};
    redis_server_ask(&stage->server, 4, lock, NULL);
    catch_log(&caught);
    char url[128];
    snprintf(url, sizeof(url), "redis://:wrong-word@127.0.0.1:%d", stage->server.port);
    open_node_at(stage, &stage->a, url);
    snprintf(url, sizeof(url), "redis://:open%%20sesame@127.0.0.1:%d", stage->server.port);
    open_node_at(stage, &stage->b, url);
    WAIT_FOR(stage, stage->b.ups == 1 && occurrences(read_log(&caught), "WRONGPASS") >= 3);
    release_log(&caught);
    assert_int_equal(stage->a.ups, 0);
    assert_int_equal(occurrences(caught.text, "\"warning\""), 1); /* an outage is told once */
    assert_null(strstr(caught.text, "wrong-word"));
    assert_null(strstr(caught.text, "sesame"));
}

static void strange_payloads_are_logged_once_without_their_text(void **state)
{
    struct stage *stage = *state;
    static struct caught caught;
    open_both(stage);
    hold(stage, &stage->b, 3);
    catch_log(&caught);
    char channel[64];
    channel_of(3, channel);
    const char *arguments[] = {"PUBLISH", channel, "private words"};
    redis_server_ask(&stage->server, 3, arguments, NULL);
    redis_server_ask(&stage->server, 3, arguments, NULL);
    publish_text(&stage->a, 3, 9, "good");
    WAIT_FOR(stage, stage->b.event_count == 1);
    release_log(&caught);
    assert_int_equal(occurrences(caught.text, channel), 1);
    assert_null(strstr(caught.text, "private"));
}

/* ---- closing ------------------------------------------------------------------------------ */

static void closing_with_much_under_way_gives_everything_back(void **state)
{
    struct stage *stage = *state;
    open_node(stage, &stage->b);
    WAIT_FOR(stage, stage->b.ups == 1);
    int before = count_descriptors();
    open_node(stage, &stage->a); /* connecting */
    close_node(&stage->a);
    open_node(stage, &stage->a);
    WAIT_FOR(stage, stage->a.ups == 1);
    redis_server_freeze(&stage->server);
    char *large = malloc((size_t)8 << 20);
    assert_non_null(large);
    memset(large, 'x', (size_t)8 << 20);
    publish(&stage->a, 1, 1, large, (size_t)8 << 20);
    free(large);
    for (unsigned number = 0; number < 100; number++) {
        bus_subscribe(stage->a.bus, account_number(number));
    }
    close_node(&stage->a);
    WAIT_FOR(stage, count_descriptors() == before);
    redis_server_thaw(&stage->server);
}

static void published_just_before_close_arrives(void **state)
{
    struct stage *stage = *state;
    open_both(stage);
    hold(stage, &stage->b, 1);
    publish_text(&stage->a, 1, 8, "last words");
    close_node(&stage->a);
    WAIT_FOR(stage, stage->b.event_count == 1);
}

static void count_loss(void *data, struct bus_link *link, const char *why)
{
    int *losses = data;
    (*losses)++;
    assert_non_null(link);
    assert_true(why[0] != '\0');
}

static void end_of_the_loop_loses_the_link(void **state)
{
    struct stage *stage = *state;
    struct bus_link_target target = {.address = "127.0.0.1", .port = stage->server.port};
    char why[128];
    int losses = 0;
    assert_non_null(bus_link_open(stage->vhost, &target, count_loss, &losses, why));
    lws_sul_cancel(&stage->turn);
    lws_context_destroy(stage->context);
    stage->context = NULL;
    assert_int_equal(losses, 1);
}

int main(void)
{
    const struct CMUnitTest with_redis[] = {
        WITH_REDIS(absent_redis_is_no_error_and_is_found_later),
        WITH_REDIS(killed_redis_is_told_once_and_all_accounts_come_back),
        WITH_REDIS(subscription_under_way_when_redis_dies_is_told_at_once),
        WITH_REDIS(silent_redis_is_noticed_and_told_once),
        WITH_REDIS(living_redis_is_not_cut_by_pings),
        WITH_REDIS(one_lost_connection_of_the_two_cuts_both_once),
        WITH_REDIS(too_much_waiting_for_a_slow_redis_cuts_it),
        WITH_REDIS(refused_subscription_is_not_up),
        WITH_REDIS(only_the_right_password_opens_and_none_is_logged),
        WITH_REDIS(strange_payloads_are_logged_once_without_their_text),
        WITH_REDIS(closing_with_much_under_way_gives_everything_back),
        WITH_REDIS(published_just_before_close_arrives),
        WITH_REDIS(end_of_the_loop_loses_the_link),
    };
    lws_set_log_level(LLL_ERR, NULL);
    return RUN_WITH_REDIS(with_redis);
}
