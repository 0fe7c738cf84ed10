/* Loop only. Frames that wait for a socket, oldest first. */
#ifndef CONSULTD_SERVER_FRAME_QUEUE_H
#define CONSULTD_SERVER_FRAME_QUEUE_H

#include "server/frame.h"
struct queued_frame;

/* All zero: empty. */
struct frame_queue {
    struct queued_frame *first, *last;
    size_t bytes; /* of all texts */
};

/* Puts a frame at the end and keeps a reference to it. */
void frame_queue_push(struct frame_queue *queue, struct frame *frame);
/* The oldest frame, still the queue's; NULL: empty. */
struct frame *frame_queue_first(const struct frame_queue *queue);
/* Drops the oldest frame; there must be one. */
void frame_queue_pop(struct frame_queue *queue);
/* Puts all of `more` behind `queue`, and empties it. */
void frame_queue_append(struct frame_queue *queue, struct frame_queue *more);
/* Drops each frame for which `is_wanted`, given `data`, is false. */
void frame_queue_keep_only(struct frame_queue *queue,
                           bool (*is_wanted)(const void *data, const struct frame *frame),
                           const void *data);
/* Drops all. */
void frame_queue_clear(struct frame_queue *queue);

#endif
