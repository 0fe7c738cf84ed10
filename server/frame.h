/* Any thread. A text frame that never changes once made, shared by all sockets and the bus.
 *
 * The only counted thing of the program: made by a worker, kept by every out-queue that holds
 * it, freed by whoever drops it last. It is one piece of memory, ready to be sent:
 *
 *     | counter, length, place | free | header | text | NUL
 *     0                                        FRAME_ROOM
 *
 * The header is that of a WebSocket frame from a server, unmasked: 2, 4 or 10 bytes (RFC 6455,
 * 5.2). */
#ifndef CONSULTD_SERVER_FRAME_H
#define CONSULTD_SERVER_FRAME_H

#include "protocol/id.h"
#include "protocol/strbuf.h"

#define FRAME_ROOM 64 /* what lies in front of the text; checked at compile time in frame.c */

struct frame;

/* What a frame says of the messages of a chat, so that each socket can be told them in their order
 * (in_order.h) by nobody reading a text. */
enum place_kind {
    PLACE_NONE,
    PLACE_CREATED,   /* message.created of `seq` */
    PLACE_RETRACTED, /* message.retracted of `seq` */
    PLACE_VOID,      /* no text: there will never be a message of `seq` */
    PLACE_READ,      /* chat.read up to `seq` */
    PLACE_KINDS
};

#define SEQ_MAX INT64_C(1000000000000000)

struct frame_place {
    enum place_kind kind;
    struct oid chat_id;
    int64_t seq; /* 1 to SEQ_MAX */
    int64_t rev; /* the message's stamp; 0 for PLACE_READ */
};

/* Takes the text over from `buffer`, which must have been made with FRAME_ROOM, and leaves it
 * empty. The caller holds the first reference. */
struct frame *frame_take(struct strbuf *buffer);
/* The same of a frame that says something of a chat's messages. An empty `buffer` makes an empty
 * text. */
struct frame *frame_take_placed(struct strbuf *buffer, const struct frame_place *place);
/* Worker only, before anybody else has the frame: its change was stamped anew. */
void frame_stamp_again(struct frame *frame, int64_t rev);

struct frame *frame_keep(struct frame *frame);
void frame_drop(struct frame *frame); /* NULL is allowed */

const struct frame_place *frame_place(const struct frame *frame);
const char *frame_text(const struct frame *frame);
size_t frame_length(const struct frame *frame);

/* What goes over the wire: header and text. Valid as long as the frame. */
struct frame_bytes {
    const unsigned char *first;
    size_t count;
};
struct frame_bytes frame_bytes(const struct frame *frame);

#endif
