/* A list of frames with their bytes counted: the out-queue of a socket, and what is held back
 * while it catches up. A queue holds references only; the frames are shared. */
#include "server/frame_queue.h"

#include <assert.h>
#include <stdlib.h>

#include "protocol/memory.h"

struct queued_frame {
    struct queued_frame *next;
    struct frame *frame;
};

void frame_queue_push(struct frame_queue *queue, struct frame *frame)
{
    struct queued_frame *item = memory_resize(NULL, sizeof *item);
    *item = (struct queued_frame){.frame = frame_keep(frame)};
    if (queue->last == NULL) {
        queue->first = item;
    } else {
        queue->last->next = item;
    }
    queue->last = item;
    queue->bytes += frame_length(frame);
}

struct frame *frame_queue_first(const struct frame_queue *queue)
{
    return queue->first != NULL ? queue->first->frame : NULL;
}

void frame_queue_pop(struct frame_queue *queue)
{
    struct queued_frame *item = queue->first;
    assert(item != NULL && queue->bytes >= frame_length(item->frame));
    queue->bytes -= frame_length(item->frame);
    queue->first = item->next;
    queue->last = item->next == NULL ? NULL : queue->last;
    frame_drop(item->frame);
    free(item);
}

void frame_queue_append(struct frame_queue *queue, struct frame_queue *more)
{
    if (more->first == NULL) {
        return;
    }
    if (queue->last == NULL) {
        queue->first = more->first;
    } else {
        queue->last->next = more->first;
    }
    queue->last = more->last;
    queue->bytes += more->bytes;
    *more = (struct frame_queue){.bytes = 0};
}

void frame_queue_keep_only(struct frame_queue *queue,
                           bool (*is_wanted)(const void *data, const struct frame *frame),
                           const void *data)
{
    struct frame_queue all = *queue;
    *queue = (struct frame_queue){.bytes = 0};
    while (all.first != NULL) {
        if (is_wanted(data, all.first->frame)) {
            frame_queue_push(queue, all.first->frame);
        }
        frame_queue_pop(&all);
    }
}

void frame_queue_clear(struct frame_queue *queue)
{
    while (queue->first != NULL) {
        frame_queue_pop(queue);
    }
}
