/* Worker only. The system's own moves, made when their time has come. Contract 3. */
#ifndef CONSULTD_SERVER_API_SWEEP_H
#define CONSULTD_SERVER_API_SWEEP_H

#include "server/call.h"

/* Finishes orders that a dead process left unsettled, and makes the moves that are due: unpaid
 * orders cancelled, 48 hours over. What is due with payments is in errands.h, and comes first. A
 * batch at a time, oldest first; *more says that there may be more to do at once. An order that
 * cannot be moved is logged, put off for ten minutes, and stops no other. Any number of nodes may
 * sweep together: each move is one conditional update, and what follows from it can be repeated.
 * WRITE lane. */
MUST_USE enum err sweep(struct call *call, bool *more);

#endif
