/* Worker only. Treatments as others need them: export and purge. */
#ifndef CONSULTD_SERVER_API_TREATMENTS_H
#define CONSULTD_SERVER_API_TREATMENTS_H

#include "server/call.h"

/* The id of an order's one treatment. */
struct oid treatment_id_of(struct oid consultation_id);

/* Every version of it (struct treatment_version), oldest first, in the arena. */
MUST_USE enum err treatment_versions_read(struct call *call, struct oid consultation_id,
                                          struct object_list *out);

#endif
