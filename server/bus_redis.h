/* Loop only. What the loop and the tests must know of the Redis bus beyond bus.h. */
#ifndef CONSULTD_SERVER_BUS_REDIS_H
#define CONSULTD_SERVER_BUS_REDIS_H

#include <libwebsockets.h>

struct bus;

/* Must be among the protocols of the vhost given to bus_open (lws_context_creation_info's
 * pprotocols takes its address). It is for connections to Redis alone: a client that asks for it
 * by name is refused. */
extern const struct lws_protocols bus_redis_protocol;

/* For tests: how often both connections are asked for a sign of life, 3,000 ms by default. Two
 * silent intervals cut. Takes effect at once. */
void bus_redis_set_ping_ms(struct bus *bus, int ping_ms);

#endif
