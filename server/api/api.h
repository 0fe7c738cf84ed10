/* Worker only. The handlers of all endpoints, one prototype per row of routes.def: each takes
 * the bound request, fills the reply's record (texts in the call's arena), and returns ERR_OK or
 * what is answered as a failure. The clause it implements stands in its row. */
#ifndef CONSULTD_SERVER_API_API_H
#define CONSULTD_SERVER_API_API_H

#include "server/call.h"

#define PROTOTYPE_OUT_NONE(record) struct nothing
#define PROTOTYPE_OUT_OBJECT(record) struct record
#define PROTOTYPE_OUT_LIST(record) struct object_list
#define PROTOTYPE_OUT_PAGE(record) struct page
#define PROTOTYPE_OUT_FLAT(record) struct record

#define ROUTE(clause, path, name, lane, access, request, kind, record, code, sentence, summary)    \
    MUST_USE enum err api_##name(struct call *call, const struct request *in,                      \
                                 PROTOTYPE_OUT_##kind(record) * out);
#include "server/routes.def"
#undef ROUTE

#endif
