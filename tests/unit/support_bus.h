/* Nodes on a bus for tests, in one loop, with a Redis of the test's own that it may kill, stop and
 * lock. */
#ifndef CONSULTD_TESTS_SUPPORT_BUS_H
#define CONSULTD_TESTS_SUPPORT_BUS_H

#include "server/bus.h"
#include "server/bus_redis.h"
#include "support_redis.h"

#define DEADLINE_US ((lws_usec_t)30 * LWS_US_PER_SEC)
#define EVENTS_MAX 8
#define ACCOUNTS_MAX 3000

/* What a node was told by its bus. */
struct event {
    struct account account;
    int64_t rev;
    struct frame_place place;
    char *text;
    size_t length;
};

struct node {
    struct bus *bus;
    const struct redis_server *server;
    struct event events[EVENTS_MAX];
    size_t event_count;
    unsigned subscribed[ACCOUNTS_MAX]; /* times told, by number of the account */
    size_t subscribed_count;
    bool asks_redis;       /* whether on_subscribed asks Redis for the channel's receivers */
    long long receivers;   /* what Redis said */
    size_t count_when_up;  /* subscribed_count at on_up */
    bool was_up_when_told; /* bus_is_up during the last on_subscribed */
    int downs;
    int ups;
};

struct stage {
    struct redis_server server;
    struct lws_context *context;
    struct lws_vhost *vhost;
    lws_sorted_usec_list_t turn; /* wakes the loop, for deadlines */
    struct node a;
    struct node b;
    int descriptors; /* open before the test */
};

/* Runs the loop until the condition holds, or fails. */
#define WAIT_FOR(stage, condition)                                                                 \
    do {                                                                                           \
        lws_usec_t deadline_ = lws_now_usecs() + DEADLINE_US;                                      \
        while (!(condition)) {                                                                     \
            if (lws_now_usecs() > deadline_) {                                                     \
                fail_msg("did not come: %s", #condition);                                          \
            }                                                                                      \
            lws_service((stage)->context, 0);                                                      \
        }                                                                                          \
    } while (0)

/* Setup and teardown of each test: `*state` is a struct stage with a running Redis and no node
 * opened. The teardown fails the test when a descriptor is left open. */
int set_the_stage(void **state);
int clear_the_stage(void **state);
#define WITH_REDIS(test) cmocka_unit_test_setup_teardown(test, set_the_stage, clear_the_stage)

/* Runs the tests (made by WITH_REDIS), or says loudly that there is no Redis. */
#define RUN_WITH_REDIS(tests)                                                                      \
    (redis_server_is_installed() ? cmocka_run_group_tests(tests, NULL, NULL)                       \
                                 : say_skipped(ARRAY_LENGTH(tests)))
int say_skipped(size_t tests); /* 0 */

/* Invented accounts, of doctors when the number is odd. */
struct account account_number(unsigned number);
unsigned number_of(struct account account);
void channel_of(unsigned number, char name[64]);
int count_descriptors(void);

/* How many subscribe to the account's channel, as Redis says. */
long long receivers_of(const struct redis_server *server, unsigned number);

bool try_to_open(struct stage *stage, struct node *node, const char *url, char why[256]);
void open_node_at(struct stage *stage, struct node *node, const char *url);
void open_node(struct stage *stage, struct node *node);
void open_both(struct stage *stage); /* and waits until both are up */
void close_node(struct node *node);

/* Subscribes and waits until that is confirmed. */
void hold(struct stage *stage, struct node *node, unsigned number);
void publish(struct node *node, unsigned number, int64_t rev, const char *text, size_t length);
void publish_text(struct node *node, unsigned number, int64_t rev, const char *text);

#endif
