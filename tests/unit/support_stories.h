/* The moves of an order as stories: what is there before, the act that is interrupted, the state
 * it ends in. And a description of how everything stands, by which two ends can be compared. */
#ifndef CONSULTD_TESTS_SUPPORT_STORIES_H
#define CONSULTD_TESTS_SUPPORT_STORIES_H

#include "support_world.h"

#define STORY_TEXT_MAX 6000

struct story {
    const char *name;
    void (*prepare)(struct world *world, struct consultation *order);
    /* Repeatable: done before the answer was lost is ERR_OK too. */
    enum err (*act)(struct world *world, struct consultation *order);
    const char *status; /* in the end */
};

extern const struct story stories[];
extern const size_t story_count;
const struct story *story_named(const char *name);

/* All turns of the sweeper that are to be made now; what a turn of them fails with. */
enum err story_sweep(struct world *world);

/* The state of everything, as far as it must not depend on what went wrong on the way: order,
 * payment, refunds at the provider, chats, messages and their order, unread, and what a client that
 * was away is told. Asserts what must hold of the numbers. */
void story_describe(struct world *world, struct oid order_id, char text[STORY_TEXT_MAX]);

#endif
