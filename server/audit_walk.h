/* Worker only. Going over the chains of the record that a store holds. */
#ifndef CONSULTD_SERVER_AUDIT_WALK_H
#define CONSULTD_SERVER_AUDIT_WALK_H

#include "server/audit_chain.h"

/* Adds the lines of those heads that no chain's first row has named yet. */
MUST_USE enum err audit_walk_unnamed_heads(struct store_session *session, struct arena *arena,
                                           struct strbuf *out);

/* All rows of an order, unsorted, as an array in the arena. With SQLite each stretch is gone over in
 * which it has some (audit_stretch.h). */
MUST_USE enum err audit_walk_order(struct store_session *session, struct arena *arena,
                                   struct oid consultation_id, struct audit_row **out,
                                   size_t *count);

#endif
