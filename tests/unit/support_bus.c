/* Nodes that write down what their bus tells them, and the loop they live in. */
#include "support_bus.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TURN_US ((lws_usec_t)10 * LWS_US_PER_MS) /* wakes the loop, for deadlines */

/* ---- accounts and frames ------------------------------------------------------------------ */

struct account account_number(unsigned number)
{
    struct account account = {.role = number % 2 == 0 ? ROLE_USER : ROLE_DOCTOR};
    memcpy(account.id.bytes, &number, sizeof(number));
    account.id.bytes[OID_BYTES - 1] = 1;
    return account;
}

unsigned number_of(struct account account)
{
    unsigned number;
    memcpy(&number, account.id.bytes, sizeof(number));
    assert_true(number < ACCOUNTS_MAX);
    return number;
}

void channel_of(unsigned number, char name[64])
{
    char id[OID_TEXT_BYTES];
    oid_format(account_number(number).id, id);
    snprintf(name, 64, "consultd:%c:%s", number % 2 == 0 ? 'u' : 'd', id);
}

void publish(struct node *node, unsigned number, int64_t rev, const char *text, size_t length)
{
    struct strbuf buffer;
    strbuf_init(&buffer, FRAME_ROOM);
    strbuf_add(&buffer, text, length);
    struct frame *frame = frame_take(&buffer);
    bus_publish(node->bus, account_number(number), rev, frame);
    frame_drop(frame);
}

void publish_text(struct node *node, unsigned number, int64_t rev, const char *text)
{
    publish(node, number, rev, text, strlen(text));
}

/* ---- nodes -------------------------------------------------------------------------------- */

long long receivers_of(const struct redis_server *server, unsigned number)
{
    char channel[64];
    channel_of(number, channel);
    const char *arguments[] = {"PUBSUB", "NUMSUB", channel};
    return redis_server_ask(server, 3, arguments, NULL);
}

static void on_event(void *data, struct account account, const struct bus_event *heard)
{
    struct node *node = data;
    assert_true(node->event_count < EVENTS_MAX);
    struct event *event = &node->events[node->event_count++];
    *event = (struct event){
        .account = account, .rev = heard->rev, .place = heard->place, .length = heard->length};
    event->text = malloc(heard->length + 1);
    assert_non_null(event->text);
    memcpy(event->text, heard->text, heard->length);
}

static void on_subscribed(void *data, struct account account)
{
    struct node *node = data;
    node->subscribed[number_of(account)]++;
    node->subscribed_count++;
    node->was_up_when_told = node->bus != NULL && bus_is_up(node->bus);
    if (node->asks_redis) {
        node->receivers = receivers_of(node->server, number_of(account));
    }
}

static void on_down(void *data)
{
    struct node *node = data;
    node->downs++;
    assert_false(bus_is_up(node->bus));
}

static void on_up(void *data)
{
    struct node *node = data;
    node->ups++;
    node->count_when_up = node->subscribed_count;
    assert_true(bus_is_up(node->bus));
}

bool try_to_open(struct stage *stage, struct node *node, const char *url, char why[256])
{
    struct bus_hooks hooks = {.data = node,
                              .on_event = on_event,
                              .on_subscribed = on_subscribed,
                              .on_down = on_down,
                              .on_up = on_up};
    *node = (struct node){.server = &stage->server, .receivers = -1};
    node->bus = bus_open(url, stage->context, stage->vhost, &hooks, why);
    return node->bus != NULL;
}

void open_node_at(struct stage *stage, struct node *node, const char *url)
{
    char why[256] = "";
    if (!try_to_open(stage, node, url, why)) {
        fail_msg("%s", why);
    }
}

void open_node(struct stage *stage, struct node *node)
{
    char url[64];
    snprintf(url, sizeof(url), "redis://127.0.0.1:%d", stage->server.port);
    open_node_at(stage, node, url);
}

void close_node(struct node *node)
{
    bus_close(node->bus);
    for (size_t i = 0; i < node->event_count; i++) {
        free(node->events[i].text);
    }
    *node = (struct node){.bus = NULL};
}

/* Both nodes up. */
void open_both(struct stage *stage)
{
    open_node(stage, &stage->a);
    open_node(stage, &stage->b);
    WAIT_FOR(stage, stage->a.ups == 1 && stage->b.ups == 1);
}

void hold(struct stage *stage, struct node *node, unsigned number)
{
    unsigned before = node->subscribed[number];
    bus_subscribe(node->bus, account_number(number));
    WAIT_FOR(stage, node->subscribed[number] == before + 1);
}

/* ---- the stage ---------------------------------------------------------------------------- */

int count_descriptors(void)
{
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    assert_non_null(folder);
    while (readdir(folder) != NULL) {
        count++;
    }
    closedir(folder);
    return count;
}

static void on_turn(lws_sorted_usec_list_t *turn)
{
    struct stage *stage = lws_container_of(turn, struct stage, turn);
    lws_sul_schedule(stage->context, 0, &stage->turn, on_turn, TURN_US);
}

int set_the_stage(void **state)
{
    static struct stage stage;
    stage = (struct stage){.descriptors = count_descriptors()};
    redis_server_start(&stage.server);
    const struct lws_protocols *protocols[] = {&bus_redis_protocol, NULL};
    struct lws_context_creation_info info;
    memset(&info, 0, sizeof(info));
    info.port = CONTEXT_PORT_NO_LISTEN;
    info.pprotocols = protocols;
    info.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS;
    info.fd_limit_per_thread = 64;
    stage.context = lws_create_context(&info);
    assert_non_null(stage.context);
    stage.vhost = lws_create_vhost(stage.context, &info);
    assert_non_null(stage.vhost);
    on_turn(&stage.turn);
    *state = &stage;
    return 0;
}

int clear_the_stage(void **state)
{
    struct stage *stage = *state;
    close_node(&stage->a);
    close_node(&stage->b);
    lws_sul_cancel(&stage->turn);
    lws_context_destroy(stage->context);
    redis_server_remove(&stage->server);
    assert_int_equal(count_descriptors(), stage->descriptors);
    return 0;
}

int say_skipped(size_t tests)
{
    fprintf(stderr,
            "SKIPPED: %zu tests of the Redis bus: there is no redis-server "
            "(apt-get install redis-server)\n",
            tests);
    return 0;
}
