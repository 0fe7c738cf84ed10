/* Loop only. Frames that wait for a socket, oldest first. */
#ifndef CONSULTD_SERVER_FRAME_QUEUE_H
#define CONSULTD_SERVER_FRAME_QUEUE_H

#include "server/frame.h"

/* All zero: empty. */
struct frame_queue {
    struct frame **ring; /* owned; NULL: no memory yet */
    uint32_t size;       /* of the ring; a power of two */
    uint32_t start, count;
    size_t bytes; /* of all texts */
};

/* Puts a frame at the end and keeps a reference to it. */
void frame_queue_push(struct frame_queue *queue, struct frame *frame);
/* The frame behind `at` older ones, still the queue's; there must be one. */
struct frame *frame_queue_at(const struct frame_queue *queue, size_t at);
/* Drops the oldest frame; there must be one. */
void frame_queue_pop(struct frame_queue *queue);
/* Puts all of `more` behind `queue`, and empties it. */
void frame_queue_append(struct frame_queue *queue, struct frame_queue *more);
/* Drops each frame for which `is_wanted`, given `data`, is false. */
void frame_queue_keep_only(struct frame_queue *queue,
                           bool (*is_wanted)(const void *data, const struct frame *frame),
                           const void *data);
/* Drops all frames, and the memory of the queue. */
void frame_queue_clear(struct frame_queue *queue);

#endif
