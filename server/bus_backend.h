/* Loop only. Between bus.c and the two buses behind it; nobody else includes this. */
#ifndef CONSULTD_SERVER_BUS_BACKEND_H
#define CONSULTD_SERVER_BUS_BACKEND_H

#include "server/bus.h"

/* One bus; all as the functions of bus.h. `open` gets the part of the URL after the scheme. */
struct bus_ops {
    bool (*check)(const char *rest, char why[256]); /* whether `open` takes it */
    struct bus *(*open)(const char *rest, struct lws_context *context, struct lws_vhost *vhost,
                        const struct bus_hooks *hooks, char why[256]);
    void (*close)(struct bus *bus);
    void (*subscribe)(struct bus *bus, struct account account);
    void (*unsubscribe)(struct bus *bus, struct account account);
    void (*publish)(struct bus *bus, struct account account, int64_t rev,
                    const struct frame *frame);
    bool (*is_up)(const struct bus *bus);
};

/* The first member of each bus's own struct; `ops` is set by bus_open. */
struct bus {
    const struct bus_ops *ops;
    struct bus_hooks hooks;
};

extern const struct bus_ops bus_local_ops;
extern const struct bus_ops bus_redis_ops;
extern const struct bus_ops bus_redis_unix_ops;

#endif
