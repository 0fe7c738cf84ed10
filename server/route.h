/* Any thread. The table of endpoints and the way through it: routes.def is THE table; REST, the
 * socket, the access checks and the API document all read it. Contract 1, 2 and 4. */
#ifndef CONSULTD_SERVER_ROUTE_H
#define CONSULTD_SERVER_ROUTE_H

#include "server/call.h"

enum lane {
    LANE_READ,  /* several workers; no writes */
    LANE_WRITE, /* one worker with SQLite; runs many jobs in one commit */
    LANE_SLOW,  /* password hashing and calls to other services */
    LANE_COUNT
};

enum access {
    ACCESS_OPEN,   /* no token */
    ACCESS_SIGNED, /* user or doctor */
    ACCESS_USER,
    ACCESS_DOCTOR,
    ACCESS_SERVICE /* a service key, which is good for nothing else */
};

typedef enum err (*handler_fn)(struct call *call, const void *in, void *out);

struct route {
    const char *path;   /* "/api/user/signup"; the socket's `call` too */
    const char *name;   /* "user_signup" */
    const char *clause; /* "1.1", "＋" */
    const char *summary;
    handler_fn handler;
    const struct shape *in;
    struct reply_form reply;
    size_t out_size;
    enum lane lane;
    enum access access;
};

/* All rows, in the order of the document. */
const struct route *routes(size_t *count);

/* The row of a path (`length` bytes, without query); NULL: none. */
const struct route *route_find(const char *path, size_t length);

#endif
