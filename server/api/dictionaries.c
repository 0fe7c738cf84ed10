/* What the hospital offers for choosing from: reasons, evaluation questions, diagnoses
 * (document 5.1, 6.1, 11.1). */
#include "server/api/api.h"
#include "server/api/paging.h"

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

enum err api_diagnosis_list(struct call *call, const struct diagnosis_filter *in, struct page *out)
{
    struct condition condition = {.offset = 0};
    struct query query = {.sort = {SORT_UP(diagnosis, code), SORT_UP(diagnosis, id)}};
    if (in->keyword != NULL) {
        condition = WHERE(diagnosis, name, CONTAINS, in->keyword);
        query.conditions = &condition;
        query.condition_count = 1;
    }
    page_begin(in->skip, in->limit, &query, out);
    return page_read(call, COLLECTION_DIAGNOSES, &query, out);
}
