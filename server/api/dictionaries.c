/* What the hospital offers for choosing from: reasons and evaluation questions (document 5.1,
 * 6.1). Both are lists of a few rows. */
#include "server/api/api.h"

enum err api_reason_list(struct call *call, const struct nothing *in, struct object_list *out)
{
    (void)in;
    struct query query = {.sort = {SORT_DOWN(reason, weight), SORT_UP(reason, id)}};
    return store_find(call->store, call->arena, COLLECTION_REASONS, &query, out);
}

enum err api_question_list(struct call *call, const struct nothing *in, struct object_list *out)
{
    (void)in;
    struct query query = {.sort = {SORT_DOWN(question, weight), SORT_UP(question, id)}};
    return store_find(call->store, call->arena, COLLECTION_QUESTIONS, &query, out);
}
