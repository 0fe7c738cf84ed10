/* A doctor's quick replies (document 7). Deleting marks; nothing is removed. */
#include "server/api/api.h"
#include "server/api/paging.h"
#include "server/auth.h"

enum err api_quick_reply_create(struct call *call, const struct quick_reply_create *in,
                                struct quick_reply *out)
{
    if (!oid_equal(in->doctor_id, call->who.account.id)) {
        return call_blame(call, ERR_NOT_YOURS, "doctorId");
    }
    *out = (struct quick_reply){
        .id = id_new(call->now),
        .doctor_id = in->doctor_id,
        .title = in->title,
        .content = in->content,
        .search = arena_format(call->arena, "%s\n%s", in->title, in->content),
        .created_at = call->now,
        .updated_at = call->now,
    };
    return store_insert(call->store, COLLECTION_QUICK_REPLIES, out);
}

enum err api_quick_reply_delete(struct call *call, const struct by_id *in, struct nothing *out)
{
    (void)out;
    struct quick_reply reply;
    enum err err = store_get(call->store, call->arena, COLLECTION_QUICK_REPLIES, in->id, &reply);
    if (err == ERR_ABSENT) {
        return call_blame(call, ERR_NOT_FOUND, "id");
    }
    TRY(err);
    if (!oid_equal(reply.doctor_id, call->who.account.id)) {
        return call_blame(call, ERR_NOT_YOURS, "id");
    }
    if (reply.deleted_at.ms != 0) {
        return ERR_OK; /* deleting twice is deleting */
    }
    struct change changes[] = {SET(quick_reply, deleted_at, call->now),
                               SET(quick_reply, updated_at, call->now)};
    return store_update(call->store, call->arena, COLLECTION_QUICK_REPLIES, in->id, NULL, 0,
                        changes, ARRAY_LENGTH(changes), NULL);
}

enum err api_quick_reply_list(struct call *call, const struct quick_reply_filter *in,
                              struct page *out)
{
    if (!oid_equal(in->doctor_id, call->who.account.id)) {
        return call_blame(call, ERR_NOT_YOURS, "doctorId");
    }
    struct condition conditions[3] = {WHERE(quick_reply, doctor_id, IS, in->doctor_id),
                                      WHERE_ABSENT(quick_reply, deleted_at)};
    size_t count = 2;
    if (in->keyword != NULL) {
        conditions[count++] = WHERE(quick_reply, search, CONTAINS, in->keyword);
    }
    struct query query = {.conditions = conditions,
                          .condition_count = count,
                          .sort = {SORT_DOWN(quick_reply, created_at), SORT_DOWN(quick_reply, id)}};
    page_begin(in->skip, in->limit, &query, out);
    return page_read(call, COLLECTION_QUICK_REPLIES, &query, out);
}
