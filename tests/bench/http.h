/* Single-threaded. HTTP/1.1 clients on wire.h: kept alive, one request at a time each. */
#ifndef CONSULTD_BENCH_HTTP_H
#define CONSULTD_BENCH_HTTP_H

#include "tests/bench/wire.h"

struct http {
    struct link link; /* first: the one is the other */
    const struct target *target;
    void *owner;
    /* It is connected, or has been answered: the next http_post may be made. */
    void (*connected)(struct http *http);
    void (*answered)(struct http *http, int status, const char *body, size_t length);
};

/* Set target, owner and the two functions before. A connection that breaks ends the program. */
void http_open(struct http *http, struct wire *wire);
/* `token` NULL: none. */
void http_post(struct http *http, const char *path, const char *token, const char *body);

#endif
