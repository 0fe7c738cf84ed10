/* Frames: made once, never changed, counted by an atomic number because workers make and drop
 * them while the loop holds them in out-queues. */
#include "server/frame.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "protocol/memory.h"

struct frame {
    atomic_int references;
    size_t length;
    char *memory; /* owned; the text begins at FRAME_ROOM */
};

struct frame *frame_take(struct strbuf *buffer)
{
    assert(buffer->room == FRAME_ROOM && buffer->memory != NULL);
    struct frame *frame = memory_resize(NULL, sizeof *frame);
    atomic_init(&frame->references, 1);
    frame->length = buffer->length;
    frame->memory = strbuf_take(buffer);
    return frame;
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
        free(frame->memory);
        free(frame);
    }
}

const char *frame_text(const struct frame *frame)
{
    return frame->memory + FRAME_ROOM;
}

size_t frame_length(const struct frame *frame)
{
    return frame->length;
}

unsigned char *frame_payload(struct frame *frame)
{
    return (unsigned char *)frame->memory + FRAME_ROOM;
}
