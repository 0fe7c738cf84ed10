/* Loop only. Which frames were told to an account lately, so that a look into the store for what
 * the bus may have lost tells only that; and which messages were told as retracted, so that what a
 * slow bus still brings of them is told no more. */
#ifndef CONSULTD_SERVER_TOLD_H
#define CONSULTD_SERVER_TOLD_H

#include "server/frame.h"

/* How long a frame is remembered: longer than any look goes back. */
#define TOLD_MS 120000
/* Of an account that is told more than this in the time the oldest are forgotten: those may be
 * told twice. */
#define TOLD_MAX 4096

/* All zero: nothing was told. */
struct told {
    struct told_frame *ring; /* owned */
    size_t size, start, count;
    size_t retractions; /* of `count` */
};

void told_free(struct told *told);

/* Remembers a frame. `now_ms` is monotonic and never goes back. */
void told_note(struct told *told, const struct frame *frame, int64_t now_ms);

/* Whether a frame with this very text is remembered. */
bool told_has(const struct told *told, const struct frame *frame);

/* Remembers of a message.retracted that this message is; of other frames nothing. told_note does so
 * too. For what one socket of the account has read from the store. */
void told_note_retraction(struct told *told, const struct frame *frame, int64_t now_ms);

/* Whether the frame is the message.created of a message that was told as retracted since. */
bool told_is_taken_back(const struct told *told, const struct frame *frame);

#endif
