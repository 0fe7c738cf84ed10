/* Any thread. A text frame that never changes once made, shared by all sockets and the bus.
 *
 * The only counted thing of the program: made by a worker, kept by every out-queue that holds
 * it, freed by whoever drops it last. In front of the text lies FRAME_ROOM free bytes, which the
 * loop (only) lets the network library scribble on. */
#ifndef CONSULTD_SERVER_FRAME_H
#define CONSULTD_SERVER_FRAME_H

#include "protocol/strbuf.h"

#define FRAME_ROOM 32 /* at least LWS_PRE; checked at compile time in ws.c */

struct frame;

/* Takes the text over from `buffer`, which must have been made with FRAME_ROOM, and leaves it
 * empty. The caller holds the first reference. */
struct frame *frame_take(struct strbuf *buffer);

struct frame *frame_keep(struct frame *frame);
void frame_drop(struct frame *frame); /* NULL is allowed */

const char *frame_text(const struct frame *frame);
size_t frame_length(const struct frame *frame);
/* The writable start of the text for lws_write; loop only. */
unsigned char *frame_payload(struct frame *frame);

#endif
