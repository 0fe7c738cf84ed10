/* Any thread. A text frame that never changes once made, shared by all sockets and the bus.
 *
 * The only counted thing of the program: made by a worker, kept by every out-queue that holds
 * it, freed by whoever drops it last. It is one piece of memory, ready to be sent:
 *
 *     | counter, length | free | header | text | NUL
 *     0                                 FRAME_ROOM
 *
 * The header is that of a WebSocket frame from a server, unmasked: 2, 4 or 10 bytes (RFC 6455,
 * 5.2). */
#ifndef CONSULTD_SERVER_FRAME_H
#define CONSULTD_SERVER_FRAME_H

#include "protocol/strbuf.h"

#define FRAME_ROOM 32 /* what lies in front of the text; checked at compile time in frame.c */

struct frame;

/* Takes the text over from `buffer`, which must have been made with FRAME_ROOM, and leaves it
 * empty. The caller holds the first reference. */
struct frame *frame_take(struct strbuf *buffer);

struct frame *frame_keep(struct frame *frame);
void frame_drop(struct frame *frame); /* NULL is allowed */

const char *frame_text(const struct frame *frame);
size_t frame_length(const struct frame *frame);

/* What goes over the wire: header and text. Valid as long as the frame. */
struct frame_bytes {
    const unsigned char *first;
    size_t count;
};
struct frame_bytes frame_bytes(const struct frame *frame);

#endif
