/* Frames: made once, never changed, counted by an atomic number because workers make and drop
 * them while the loop holds them in out-queues. The counter lies in the room that was kept in front
 * of the text, so that a frame costs no memory of its own. */
#include "server/frame.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#define FINAL_TEXT 0x81 /* the only fragment of a text message */
#define LENGTH_OF_1 125 /* the longest text whose length stands in one byte */
#define LENGTH_OF_2 65535
#define MARK_OF_2 126 /* two bytes of length follow */
#define MARK_OF_8 127
#define HEADER_MAX 10

struct frame {
    atomic_int references;
    uint32_t header_length;
    struct frame_place place;
    size_t length;
};

_Static_assert(sizeof(struct frame) + HEADER_MAX <= FRAME_ROOM, "a frame fits before its text");

/* Writes the header so that it ends at `text`; returns its length. */
static uint32_t write_header(unsigned char *text, size_t length)
{
    uint32_t of_length = length <= LENGTH_OF_1 ? 0 : length <= LENGTH_OF_2 ? 2 : 8;
    unsigned char *at = text - of_length - 2;
    at[0] = FINAL_TEXT;
    at[1] = of_length == 0 ? (unsigned char)length : of_length == 2 ? MARK_OF_2 : MARK_OF_8;
    for (uint32_t i = 0; i < of_length; i++) {
        at[2 + i] = (unsigned char)((uint64_t)length >> (8 * (of_length - 1 - i)));
    }
    return of_length + 2;
}

struct frame *frame_take(struct strbuf *buffer)
{
    static const struct frame_place nowhere = {.kind = PLACE_NONE};
    return frame_take_placed(buffer, &nowhere);
}

struct frame *frame_take_placed(struct strbuf *buffer, const struct frame_place *place)
{
    strbuf_add_literal(buffer, ""); /* where nothing was written there is no memory yet */
    assert(buffer->room == FRAME_ROOM && buffer->memory != NULL);
    size_t length = buffer->length;
    void *memory = strbuf_take(buffer);
    struct frame *frame = memory;
    atomic_init(&frame->references, 1);
    frame->place = *place;
    frame->length = length;
    frame->header_length = write_header((unsigned char *)memory + FRAME_ROOM, length);
    return frame;
}

void frame_stamp_again(struct frame *frame, int64_t rev)
{
    frame->place.rev = rev;
}

struct frame *frame_keep(struct frame *frame)
{
    if (frame != NULL) {
        atomic_fetch_add_explicit(&frame->references, 1, memory_order_relaxed);
    }
    return frame;
}

void frame_drop(struct frame *frame)
{
    if (frame != NULL &&
        atomic_fetch_sub_explicit(&frame->references, 1, memory_order_acq_rel) == 1) {
        free(frame);
    }
}

const struct frame_place *frame_place(const struct frame *frame)
{
    return &frame->place;
}

const char *frame_text(const struct frame *frame)
{
    return (const char *)frame + FRAME_ROOM;
}

size_t frame_length(const struct frame *frame)
{
    return frame->length;
}

struct frame_bytes frame_bytes(const struct frame *frame)
{
    const unsigned char *text = (const unsigned char *)frame + FRAME_ROOM;
    return (struct frame_bytes){text - frame->header_length, frame->length + frame->header_length};
}
