/* Any thread. A TCP proxy on a free port of 127.0.0.1, before a server that a test wants to fail.
 *
 * It forwards bytes in a thread of its own. "Requests" are recognised by a text in their bytes,
 * e.g. the name of a command. */
#ifndef CONSULTD_TESTS_SUPPORT_PROXY_H
#define CONSULTD_TESTS_SUPPORT_PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct proxy;

/* Starts before 127.0.0.1:`port`; aborts where it cannot. Free with proxy_free. */
struct proxy *proxy_new(uint16_t port);
void proxy_free(struct proxy *proxy);

/* Where it listens. */
uint16_t proxy_port(const struct proxy *proxy);

/* Whether it is there: while it is not, all connections are cut and new ones closed at once. */
void proxy_set_down(struct proxy *proxy, bool is_down);

/* Whether it forwards: while it is frozen, connections stay open and nothing moves. */
void proxy_set_frozen(struct proxy *proxy, bool is_frozen);

/* The next request with `text` in it is forwarded, and when the server has answered, the
 * connection is cut instead of the answer forwarded. */
void proxy_lose_answer(struct proxy *proxy, const char *text);

/* The next request with `text` in it is forwarded after `ms` milliseconds, and all else waits behind it. */
void proxy_delay(struct proxy *proxy, const char *text, int ms);

/* The next request with `text` in it is answered with the `length` bytes of `answer` and not
 * forwarded; its bytes 4 to 7, the request's number, are copied to 8 to 11 of the answer. */
void proxy_answer(struct proxy *proxy, const char *text, const void *answer, size_t length);

/* How many requests with `text` in them have been forwarded since this was last asked for. */
int proxy_count(struct proxy *proxy, const char *text);

#endif
