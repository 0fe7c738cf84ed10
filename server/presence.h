/* Loop only. Whose first socket has come and whose last one has gone: noted with attendance.h and
 * told to the other side of open chats, by jobs of READ workers. Contract 4 (presence). */
#ifndef CONSULTD_SERVER_PRESENCE_H
#define CONSULTD_SERVER_PRESENCE_H

#include "server/jobs.h"

struct loop;
struct presence_watch;

/* The loop's settings and clock must be there. Caller owns. */
struct presence_watch *presence_new(struct loop *loop);
void presence_free(struct presence_watch *watch);

/* The account's first socket on this node is there. */
void presence_came(struct presence_watch *watch, struct account account);

/* Its last one is gone: it counts as offline when none has come within presence_grace_seconds. */
void presence_left(struct presence_watch *watch, struct account account);

/* A worker has handed back the DUTY_PRESENCE. */
void presence_finished(struct presence_watch *watch, struct job *job);

/* Once a second. */
void presence_tick(struct presence_watch *watch);

#endif
