/* Loop only. Asks the store for the messages that sockets lack, and waits no longer for those that are
 * not there (in_order.h). Contract 4. */
#ifndef CONSULTD_SERVER_GAPS_H
#define CONSULTD_SERVER_GAPS_H

#include "server/conn.h"

struct gaps;

/* Caller owns. */
struct gaps *gaps_new(struct loop *loop);
void gaps_free(struct gaps *gaps);

/* If something is held in the socket's order: asks for what is missing, one question at a time, and
 * watches over it. */
void gaps_ask(struct conn *conn);

/* A worker has handed back the socket's JOB_MISSING. The job stays the caller's. */
void gaps_answered(struct conn *conn, struct job *job);

/* Once a second. */
void gaps_tick(struct gaps *gaps);

#endif
