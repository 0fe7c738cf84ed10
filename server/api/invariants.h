/* Worker only, any lane. Counts what must never be (invariants.def), by indexes: the cost grows with
 * the orders that are open, not with the store. Only reads. */
#ifndef CONSULTD_SERVER_API_INVARIANTS_H
#define CONSULTD_SERVER_API_INVARIANTS_H

#include "server/call.h"

enum invariant {
#define INVARIANT(name, help) INVARIANT_##name,
#include "server/invariants.def"
#undef INVARIANT
    INVARIANT_COUNT
};

/* counts[i] is how often invariant i is broken now. ERR_STORE. */
MUST_USE enum err invariants_count(struct call *call, int64_t counts[INVARIANT_COUNT]);

#endif
