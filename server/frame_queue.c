/* A ring of frames with their bytes counted: the out-queue of a socket, and what is held back
 * while it catches up. A queue holds references only; the frames are shared. A ring that has grown is
 * given back as soon as it is empty, and a small one kept: a socket that is told something now and
 * then costs no allocation each time, and thousands of idle ones cost 64 bytes. */
#include "server/frame_queue.h"

#include <assert.h>
#include <stdlib.h>

#include "protocol/memory.h"

#define SIZE_MIN 8

static size_t place(const struct frame_queue *queue, size_t at)
{
    return (queue->start + at) & (queue->size - 1);
}

static void grow(struct frame_queue *queue)
{
    uint32_t size = queue->size == 0 ? SIZE_MIN : queue->size * 2;
    struct frame **ring = memory_resize(NULL, size * sizeof(struct frame *));
    for (size_t i = 0; i < queue->count; i++) {
        ring[i] = queue->ring[place(queue, i)];
    }
    free(queue->ring);
    queue->ring = ring;
    queue->size = size;
    queue->start = 0;
}

/* Like a push that takes the reference over. */
static void put(struct frame_queue *queue, struct frame *frame)
{
    if (queue->count == queue->size) {
        grow(queue);
    }
    queue->ring[place(queue, queue->count)] = frame;
    queue->count++;
    queue->bytes += frame_length(frame);
}

void frame_queue_push(struct frame_queue *queue, struct frame *frame)
{
    put(queue, frame_keep(frame));
}

struct frame *frame_queue_at(const struct frame_queue *queue, size_t at)
{
    assert(at < queue->count);
    return queue->ring[place(queue, at)];
}

void frame_queue_pop(struct frame_queue *queue)
{
    struct frame *frame = frame_queue_at(queue, 0);
    assert(queue->bytes >= frame_length(frame));
    queue->bytes -= frame_length(frame);
    queue->start = (uint32_t)place(queue, 1);
    queue->count--;
    frame_drop(frame);
    if (queue->count == 0 && queue->size > SIZE_MIN) {
        frame_queue_clear(queue);
    }
}

void frame_queue_append(struct frame_queue *queue, struct frame_queue *more)
{
    for (size_t i = 0; i < more->count; i++) {
        put(queue, frame_queue_at(more, i));
    }
    more->count = 0;
    frame_queue_clear(more);
}

void frame_queue_keep_only(struct frame_queue *queue,
                           bool (*is_wanted)(const void *data, const struct frame *frame),
                           const void *data)
{
    struct frame_queue wanted = {.count = 0};
    for (size_t i = 0; i < queue->count; i++) {
        struct frame *frame = frame_queue_at(queue, i);
        if (is_wanted(data, frame)) {
            frame_queue_push(&wanted, frame);
        }
    }
    frame_queue_clear(queue);
    *queue = wanted;
}

void frame_queue_clear(struct frame_queue *queue)
{
    for (size_t i = 0; i < queue->count; i++) {
        frame_drop(frame_queue_at(queue, i));
    }
    free(queue->ring);
    *queue = (struct frame_queue){.ring = NULL};
}
