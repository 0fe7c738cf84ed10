/* The bus by its URL. Each bus is a table of functions (bus_backend.h) and one row here; the rest
 * only passes calls on. Loop only. */
#include "server/bus_backend.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* Longer schemes first where one begins another. */
static const struct scheme {
    const char *text;
    const struct bus_ops *ops;
} schemes[] = {
    {"local:", &bus_local_ops},
    {"redis+unix://", &bus_redis_unix_ops},
    {"redis://", &bus_redis_ops},
};

/* NULL, with `why` filled: the URL begins like none of them. */
static const struct scheme *scheme_of(const char *url, char why[256])
{
    for (size_t i = 0; i < ARRAY_LENGTH(schemes); i++) {
        if (strncmp(url, schemes[i].text, strlen(schemes[i].text)) == 0) {
            return &schemes[i];
        }
    }
    if (strncmp(url, "rediss://", strlen("rediss://")) == 0) {
        snprintf(why, 256, "TLS to Redis needs a tunnel such as stunnel: rediss:// is not known");
    } else {
        snprintf(why, 256, "a bus is local:, redis://host:port or redis+unix:///path");
    }
    return NULL;
}

bool bus_check_url(const char *url, char why[256])
{
    const struct scheme *scheme = scheme_of(url, why);
    return scheme != NULL && scheme->ops->check(url + strlen(scheme->text), why);
}

struct bus *bus_open(const char *url, struct lws_context *context, struct lws_vhost *vhost,
                     const struct bus_hooks *hooks, char why[256])
{
    assert(hooks->on_event != NULL && hooks->on_subscribed != NULL);
    assert(hooks->on_down != NULL && hooks->on_up != NULL);
    const struct scheme *scheme = scheme_of(url, why);
    if (scheme == NULL) {
        return NULL;
    }
    struct bus *bus = scheme->ops->open(url + strlen(scheme->text), context, vhost, hooks, why);
    if (bus != NULL) {
        bus->ops = scheme->ops;
    }
    return bus;
}

void bus_close(struct bus *bus)
{
    if (bus != NULL) {
        bus->ops->close(bus);
    }
}

void bus_subscribe(struct bus *bus, struct account account)
{
    assert(account.role != ROLE_NONE);
    bus->ops->subscribe(bus, account);
}

void bus_unsubscribe(struct bus *bus, struct account account)
{
    assert(account.role != ROLE_NONE);
    bus->ops->unsubscribe(bus, account);
}

void bus_publish(struct bus *bus, struct account account, int64_t rev, const struct frame *frame)
{
    assert(account.role != ROLE_NONE && rev >= 0);
    bus->ops->publish(bus, account, rev, frame);
}

bool bus_is_up(const struct bus *bus)
{
    return bus->ops->is_up(bus);
}
