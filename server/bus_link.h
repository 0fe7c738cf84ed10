/* Loop only. One connection to Redis: hiredis inside the loop of libwebsockets. */
#ifndef CONSULTD_SERVER_BUS_LINK_H
#define CONSULTD_SERVER_BUS_LINK_H

#include "protocol/base.h"

struct bus_link;
struct lws_vhost;
struct redisAsyncContext;

/* Told once, when the connection is lost without bus_link_close. `why` is valid during the call
 * and names no secret. The link is gone by then: forget it, don't close it. */
typedef void (*bus_link_lost_fn)(void *data, struct bus_link *link, const char *why);

/* Where to connect: `path` of a Unix socket, or when that is NULL a numeric address and port.
 * (A name would make hiredis wait for DNS, and the loop with it.) */
struct bus_link_target {
    const char *path;
    const char *address;
    int port;
};

/* Starts to connect; commands may be given at once, they leave once connected. `vhost` must list
 * bus_redis_protocol. NULL with `why` filled when it fails at once (then `lost` is not told).
 * The caller owns the link until it is lost or closed. */
struct bus_link *bus_link_open(struct lws_vhost *vhost, const struct bus_link_target *target,
                               bus_link_lost_fn lost, void *data, char why[128]);

/* The context for hiredis's own calls; valid as long as the link. Replies come with reply NULL
 * when the link goes; a callback must then only return. */
struct redisAsyncContext *bus_link_redis(const struct bus_link *link);

/* Bytes of commands that have not left yet. */
size_t bus_link_waiting(const struct bus_link *link);

/* Hands the kernel what it takes without waiting. That the link is lost is told later. */
void bus_link_flush(struct bus_link *link);

/* Closes without telling `lost`. Allowed within callbacks of the link itself. NULL is allowed. */
void bus_link_close(struct bus_link *link);

#endif
