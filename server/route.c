/* The table of endpoints, read from routes.def, and the look-up in it.
 *
 * A handler is written with the types of its row, `api_user_signup(call, const struct
 * user_signup *in, struct nothing *out)`; a row that disagrees with its handler does not
 * compile. The small functions made here only turn the untyped pointers of the dispatcher back
 * into those types. */
#include "server/route.h"

#include <string.h>

#include "server/api/api.h"

#define OUT_NONE(record) struct nothing
#define OUT_OBJECT(record) struct record
#define OUT_LIST(record) struct object_list
#define OUT_PAGE(record) struct page
#define OUT_FLAT(record) struct record

#define ROUTE(clause, path, name, lane, access, request, kind, record, code, sentence, summary)    \
    static enum err run_##name(struct call *call, const void *in, void *out)                       \
    {                                                                                              \
        const struct request *typed_in = in;                                                       \
        OUT_##kind(record) *typed_out = out;                                                       \
        return api_##name(call, typed_in, typed_out);                                              \
    }
#include "server/routes.def"
#undef ROUTE

#define CODE_TEXT true
#define CODE_NUMBER false

#define ROUTE(clause_, path_, name_, lane_, access_, request, kind, record, code, sentence,        \
              summary_)                                                                            \
    {                                                                                              \
        .path = (path_),                                                                           \
        .name = #name_,                                                                            \
        .clause = (clause_),                                                                       \
        .summary = (summary_),                                                                     \
        .handler = run_##name_,                                                                    \
        .in = &request##_shape,                                                                    \
        .reply = {REPLY_##kind, &record##_shape, CODE_##code, sentence},                           \
        .out_size = sizeof(OUT_##kind(record)),                                                    \
        .lane = LANE_##lane_,                                                                      \
        .access = ACCESS_##access_,                                                                \
    },
static const struct route route_table[] = {
#include "server/routes.def"
};
#undef ROUTE

const struct route *routes(size_t *count)
{
    *count = ARRAY_LENGTH(route_table);
    return route_table;
}

const struct route *route_find(const char *path, size_t length)
{
    for (size_t i = 0; i < ARRAY_LENGTH(route_table); i++) {
        const char *candidate = route_table[i].path;
        if (strlen(candidate) == length && memcmp(candidate, path, length) == 0) {
            return &route_table[i];
        }
    }
    return NULL;
}
