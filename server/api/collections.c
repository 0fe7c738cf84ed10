/* The doctors that a user has collected (document 9). A pair's entry has a derived id; taking it
 * back marks it, collecting again takes the mark away. */
#include "server/api/api.h"
#include "server/api/paging.h"
#include "server/auth.h"

static enum err check_doctor(struct call *call, struct oid id)
{
    struct doctor doctor;
    enum err err = store_get(call->store, call->arena, COLLECTION_DOCTORS, id, &doctor);
    if (err == ERR_ABSENT || (err == ERR_OK && doctor.disabled)) {
        return call_blame(call, ERR_DOCTOR_NOT_FOUND, "doctorId");
    }
    return err;
}

enum err api_collection_create(struct call *call, const struct collection_create *in,
                               struct collection_entry *out)
{
    if (!oid_equal(in->user_id, call->who.account.id)) {
        return call_blame(call, ERR_NOT_YOURS, "userId");
    }
    TRY(check_doctor(call, in->doctor_id));
    *out = (struct collection_entry){
        .id = id_derive_pair("collection", in->user_id, in->doctor_id),
        .user_id = in->user_id,
        .doctor_id = in->doctor_id,
        .created_at = call->now,
        .updated_at = call->now,
    };
    struct oid id = out->id;
    enum err err = store_insert(call->store, COLLECTION_DOCTOR_COLLECTIONS, out);
    if (err != ERR_DUPLICATE) {
        return err;
    }
    TRY(store_get(call->store, call->arena, COLLECTION_DOCTOR_COLLECTIONS, id, out));
    if (out->deleted_at.ms == 0) {
        return ERR_OK;
    }
    struct change changes[] = {UNSET(collection_entry, deleted_at),
                               SET(collection_entry, updated_at, call->now)};
    return store_update(call->store, call->arena, COLLECTION_DOCTOR_COLLECTIONS, id, NULL, 0,
                        changes, ARRAY_LENGTH(changes), out);
}

enum err api_collection_list(struct call *call, const struct by_user *in, struct object_list *out)
{
    if (!oid_equal(in->user_id, call->who.account.id)) {
        return call_blame(call, ERR_NOT_YOURS, "userId");
    }
    struct condition conditions[] = {WHERE(collection_entry, user_id, IS, in->user_id),
                                     WHERE_ABSENT(collection_entry, deleted_at)};
    struct query query = {
        .conditions = conditions,
        .condition_count = ARRAY_LENGTH(conditions),
        .sort = {SORT_DOWN(collection_entry, updated_at), SORT_DOWN(collection_entry, id)}};
    TRY(store_find(call->store, call->arena, COLLECTION_DOCTOR_COLLECTIONS, &query, out));
    struct collection_entry *entries = list_copy(call->arena, out, sizeof *entries);
    struct oid *ids = arena_array(call->arena, out->count, sizeof *ids);
    for (size_t i = 0; i < out->count; i++) {
        ids[i] = entries[i].doctor_id;
    }
    struct object_list doctors;
    TRY(records_by_ids(call, COLLECTION_DOCTORS, (struct oid_list){ids, out->count}, &doctors));
    for (size_t i = 0; i < out->count; i++) {
        entries[i].doctor = record_of_id(&doctors, sizeof(struct doctor), entries[i].doctor_id);
    }
    out->items = entries;
    return ERR_OK;
}

enum err api_collection_delete(struct call *call, const struct by_id *in, struct removal *out)
{
    *out = (struct removal){0, 1};
    struct collection_entry entry;
    enum err err =
        store_get(call->store, call->arena, COLLECTION_DOCTOR_COLLECTIONS, in->id, &entry);
    if (err == ERR_ABSENT) {
        return ERR_OK; /* n is 0 when there was none (contract 3) */
    }
    TRY(err);
    if (!oid_equal(entry.user_id, call->who.account.id)) {
        return call_blame(call, ERR_NOT_YOURS, "id");
    }
    struct condition condition = WHERE_ABSENT(collection_entry, deleted_at);
    struct change changes[] = {SET(collection_entry, deleted_at, call->now),
                               SET(collection_entry, updated_at, call->now)};
    err = store_update(call->store, call->arena, COLLECTION_DOCTOR_COLLECTIONS, in->id, &condition,
                       1, changes, ARRAY_LENGTH(changes), NULL);
    if (err == ERR_ABSENT) {
        return ERR_OK;
    }
    TRY(err);
    out->n = 1;
    return ERR_OK;
}
