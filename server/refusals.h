/* Any thread. Which failures an endpoint can answer. Contract 1. */
#ifndef CONSULTD_SERVER_REFUSALS_H
#define CONSULTD_SERVER_REFUSALS_H

#include "server/route.h"

/* Whether a call of this row may fail so: by REST, or (then without what only HTTP says: methods,
 * lengths, content types) over the socket. */
bool route_may_refuse(const struct route *route, enum err err);

#endif
