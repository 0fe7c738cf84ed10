/* Loop only. How the loop comes to its end after SIGTERM; see stopping.c. Contract 4 (4100). */
#ifndef CONSULTD_SERVER_STOPPING_H
#define CONSULTD_SERVER_STOPPING_H

#include "server/loop_parts.h"

/* The first signal begins to stop; a second one ends the loop at once, with exit code 1. */
void stopping_signal(struct loop *loop);

/* To be called when something has ended that stopping may wait for: jobs, a connection. Goes to
 * the next phase if that was the last; does nothing while the loop serves. */
void stopping_go_on(struct loop *loop);

/* A job of this socket has come back: if it was asked to leave, and was waited for, it is closed. */
void stopping_settled(struct conn *conn);

#endif
