/* Loop only. Publish and subscribe between nodes, one channel per account. Contract 4 and 5.
 *
 * The bus may lose messages: it only makes pushes quick, the store is the truth. A node delivers
 * its own events to its own sockets without the bus, and never hears them back from it. */
#ifndef CONSULTD_SERVER_BUS_H
#define CONSULTD_SERVER_BUS_H

#include "server/account.h"
#include "server/frame.h"

#define BUS_PENDING_MAX ((size_t)16 << 20)

struct bus;
struct lws_context;
struct lws_vhost;

/* What another node has told. `text` is a whole frame's, valid during the call; only that of a
 * PLACE_VOID is empty. */
struct bus_event {
    int64_t rev;
    struct frame_place place;
    const char *text;
    size_t length;
};

struct bus_hooks {
    void *data;
    void (*on_event)(void *data, struct account account, const struct bus_event *event);
    /* From now on every event of the account published anywhere arrives (until the next
     * on_down). Called once for each bus_subscribe, later or at once; again after a reconnect. */
    void (*on_subscribed)(void *data, struct account account);
    /* The bus is gone: events may be missed from now on. Then it is back: all accounts have been
     * subscribed again (on_subscribed was called for each). */
    void (*on_down)(void *data);
    void (*on_up)(void *data);
};

/* Any thread. Whether bus_open will take the URL; if not, `why` is what it would say. */
MUST_USE bool bus_check_url(const char *url, char why[256]);

/* Opens by URL: "local:", "redis://[:password@]host:port[/prefix]", "redis+unix://path". The
 * bus connects by itself, and again when cut (50 ms growing to 2 s). Returns NULL with `why`
 * filled on a bad URL only: a Redis that is down is no error. Caller owns.
 *
 * For redis:// the vhost must list bus_redis_protocol (bus_redis.h). The bus starts as down,
 * without on_down; the first connection is an on_up. Hooks are called within lws_service and
 * within bus_subscribe and bus_publish; they may call all but bus_close. */
struct bus *bus_open(const char *url, struct lws_context *context, struct lws_vhost *vhost,
                     const struct bus_hooks *hooks, char why[256]);

/* Sends what can be sent without waiting, closes connections, frees. Before the end of the lws
 * context, which gives the last descriptors back. NULL is allowed. */
void bus_close(struct bus *bus);

/* The node got its first socket, or lost its last one, of the account. */
void bus_subscribe(struct bus *bus, struct account account);
void bus_unsubscribe(struct bus *bus, struct account account);

/* Hands an event to the other nodes; forgotten when the bus is down (receivers find out, contract
 * 4). Keeps no reference. At most BUS_PENDING_MAX bytes wait for a slow Redis; then it is cut. */
void bus_publish(struct bus *bus, struct account account, int64_t rev, const struct frame *frame);

/* Whether other nodes can be reached now (always, for local:). For the health page. */
bool bus_is_up(const struct bus *bus);

#endif
