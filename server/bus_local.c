/* The bus of a single node: there is nobody else to tell, and nothing to miss.
 *
 * A node serves its own sockets without the bus, so all that is left is to say at once that a
 * subscription stands. Loop only. */
#include "server/bus_backend.h"

#include "protocol/memory.h"

#include <stdio.h>
#include <stdlib.h>

static bool local_check(const char *rest, char why[256])
{
    if (rest[0] != '\0') {
        snprintf(why, 256, "nothing may follow local:");
        return false;
    }
    return true;
}

static struct bus *local_open(const char *rest, struct lws_context *context,
                              struct lws_vhost *vhost, const struct bus_hooks *hooks, char why[256])
{
    (void)context;
    (void)vhost;
    if (!local_check(rest, why)) {
        return NULL;
    }
    struct bus *bus = memory_resize(NULL, sizeof(*bus));
    *bus = (struct bus){.hooks = *hooks};
    return bus;
}

static void local_close(struct bus *bus)
{
    free(bus);
}

static void local_subscribe(struct bus *bus, struct account account)
{
    bus->hooks.on_subscribed(bus->hooks.data, account);
}

static void local_unsubscribe(struct bus *bus, struct account account)
{
    (void)bus;
    (void)account;
}

static void local_publish(struct bus *bus, struct account account, int64_t rev,
                          const struct frame *frame)
{
    (void)bus;
    (void)account;
    (void)rev;
    (void)frame;
}

static bool local_is_up(const struct bus *bus)
{
    (void)bus;
    return true;
}

const struct bus_ops bus_local_ops = {
    .check = local_check,
    .open = local_open,
    .close = local_close,
    .subscribe = local_subscribe,
    .unsubscribe = local_unsubscribe,
    .publish = local_publish,
    .is_up = local_is_up,
};
