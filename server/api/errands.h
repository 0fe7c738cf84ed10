/* Worker only. What payments are still waited for: the provider's word. The sweeper's questions to
 * providers, in two halves, so that no provider is waited for while a run of the store is open.
 * Contract 3.
 *
 * Any number of nodes may do this together: every question is safe to repeat, and of two answers
 * the one that is written first wins. */
#ifndef CONSULTD_SERVER_API_ERRANDS_H
#define CONSULTD_SERVER_API_ERRANDS_H

#include "server/provider.h"

/* One payment that is due, and what its provider says. */
struct payment_errand {
    struct payment payment;
    bool is_asked; /* false: only what follows from its state is left to write */
    enum err err;
    struct trade trade; /* with err ERR_OK */
};

struct errands {
    struct payment_errand *items;
    size_t count;
    bool more; /* there may be more that is due now */
};

/* The first half, SLOW lane: finds the payments that are due, oldest first, at most 10 of each
 * state, and asks. A provider that fails is no failure here: its errand says so. Only reads the
 * store. Lives in the arena. */
MUST_USE enum err errands_ask(struct call *call, struct errands *out);

/* The second half, WRITE lane: writes down what was heard and what follows from it; where nothing
 * is new, when to ask again (after 1, 2, 4 … 64 minutes). */
MUST_USE enum err errands_write(struct call *call, const struct errands *errands);

#endif
