/* Worker only. Evaluations as others need them: export and purge. */
#ifndef CONSULTD_SERVER_API_EVALUATIONS_H
#define CONSULTD_SERVER_API_EVALUATIONS_H

#include "server/call.h"

/* The id of an order's one evaluation. */
struct oid evaluation_id_of(struct oid consultation_id);

/* Its answers (struct evaluation_answer), none if there is no evaluation, in the arena. */
MUST_USE enum err evaluation_answers_read(struct call *call, struct oid consultation_id,
                                          struct object_list *out);

#endif
