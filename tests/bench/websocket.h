/* Single-threaded. WebSocket clients on wire.h: upgrade, whole text frames in and out, pongs. */
#ifndef CONSULTD_BENCH_WEBSOCKET_H
#define CONSULTD_BENCH_WEBSOCKET_H

#include "tests/bench/wire.h"

#define PATH_BYTES 128

struct websocket;

struct websocket_kind {
    void (*opened)(struct websocket *websocket);
    void (*text)(struct websocket *websocket, const char *text, size_t length);
    /* `why` ends with the code if the server has sent one. */
    void (*closed)(struct websocket *websocket, const char *why);
};

struct websocket {
    struct link link; /* first: the one is the other */
    const struct websocket_kind *kind;
    bool is_upgraded;
    int close_code; /* that the server sent; 0: none yet */
    char path[PATH_BYTES];
    const struct target *target;
};

/* Connects and asks for `path`. Both pointers must stay good. */
void websocket_open(struct websocket *websocket, struct wire *wire,
                    const struct websocket_kind *kind, const struct target *target,
                    const char *path);
/* Closes without a word, as an app does whose network goes. */
void websocket_close(struct websocket *websocket);

void websocket_send(struct websocket *websocket, const char *text, size_t length);

/* Takes what is whole of server frames: calls `frame` for each, with its opcode. Returns the bytes
 * taken; SIZE_MAX: not what a server may send to us (masked, in fragments, compressed). For its
 * test, too. */
size_t frames_take(char *bytes, size_t length,
                   bool (*frame)(void *context, int opcode, char *payload, size_t length),
                   void *context);
/* Writes a client's frame, at most FRAME_HEAD_MOST bytes longer than its text; returns its length. */
#define FRAME_HEAD_MOST 14
size_t frame_write(char *out, int opcode, const char *payload, size_t length);

#define OPCODE_TEXT 1
#define OPCODE_CLOSE 8
#define OPCODE_PING 9
#define OPCODE_PONG 10

#endif
