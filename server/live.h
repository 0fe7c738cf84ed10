/* Loop only. A socket's way from connect to live: who it is, its subscription, what it missed.
 * Contract 4. */
#ifndef CONSULTD_SERVER_LIVE_H
#define CONSULTD_SERVER_LIVE_H

#include "server/conn.h"

/* A worker has handed back the socket's JOB_FRAME or JOB_RESUME. Its events are fanned out
 * already. The job stays the caller's. */
void live_finished(struct conn *conn, struct job *job);

/* Events of other nodes reach the socket's account from now on, or can't for now: asks for what
 * it missed. Nothing happens if that was done. */
void live_go_on(struct conn *conn);

/* Takes the socket out of its session. Nothing happens if it is in none. */
void live_leave(struct conn *conn);

/* Once a second: closes sockets whose token has run out. */
void live_check_tokens(struct loop *loop);

#endif
