/* Loop only. From an event to the sockets that are to hear it, here and on other nodes; and the
 * mending of what the bus has lost. Contract 4. */
#ifndef CONSULTD_SERVER_FANOUT_H
#define CONSULTD_SERVER_FANOUT_H

#include "server/bus.h"
#include "server/jobs.h"

struct fanout;
struct loop;
struct session;

/* The loop's settings and clock must be there. Caller owns. */
struct fanout *fanout_new(struct loop *loop);
void fanout_free(struct fanout *fanout);

/* What the bus calls. */
struct bus_hooks fanout_hooks(struct fanout *fanout);

/* Tells the events of a finished job, in their order, to the sockets here and to the bus. */
void fanout_job(struct fanout *fanout, struct job *job);

/* With a store of one writer: all events up to this stamp have been told. */
int64_t fanout_newest_rev(const struct fanout *fanout);

/* Whether the bus is within the process, and so loses nothing. */
bool fanout_is_alone(const struct fanout *fanout);

/* Whether events of one chat may overtake each other on their way here: there are several nodes, or
 * several writers, on a store that lets them write. */
bool fanout_may_overtake(const struct fanout *fanout);

/* A session is new: what was missed from now on is found. */
void fanout_session_began(struct fanout *fanout, struct session *session);

/* A socket of the session is about to be told the replay of its JOB_RESUME: a repair will not tell
 * that again. */
void fanout_resumed(struct fanout *fanout, struct session *session, const struct job *job);

/* A worker has handed back a JOB_REPAIR, a JOB_CHECK. */
void fanout_repaired(struct fanout *fanout, struct job *job);
void fanout_checked(struct fanout *fanout, struct job *job);

/* Tells an event that was found in the store to all sockets of the account, unless they were told. */
void fanout_tell_found(struct fanout *fanout, struct account account,
                       const struct emission *emission);

/* Once a second. */
void fanout_tick(struct fanout *fanout);

#endif
