/* Treatments: the diagnosis of an order (document 11.2).
 *
 * Every version is kept. A version's number is its place in the order's history: its id is derived
 * from it, so that of two saves at once, also on two nodes, each gets a number of its own, whichever
 * comes first. The treatment that is answered is the newest version, copied; a process that died
 * between the two writes leaves a version that the next save goes on from. */
#include "server/api/treatments.h"

#include <string.h>

#include "server/api/api.h"
#include "server/api/audit.h"
#include "server/api/moves.h"
#include "server/auth.h"

struct oid treatment_id_of(struct oid consultation_id)
{
    return id_derive_number("treatment", consultation_id, 0);
}

enum err treatment_versions_read(struct call *call, struct oid consultation_id,
                                 struct object_list *out)
{
    struct condition condition = WHERE(treatment_version, consultation_id, IS, consultation_id);
    struct query query = {.conditions = &condition,
                          .condition_count = 1,
                          .sort = {SORT_UP(treatment_version, version)}};
    return store_find(call->store, call->arena, COLLECTION_TREATMENT_VERSIONS, &query, out);
}

/* The newest version; version 0: there is none. */
static enum err read_newest(struct call *call, struct oid consultation_id,
                            struct treatment_version *out)
{
    struct condition condition = WHERE(treatment_version, consultation_id, IS, consultation_id);
    struct query query = {.conditions = &condition,
                          .condition_count = 1,
                          .sort = {SORT_DOWN(treatment_version, version)},
                          .limit = 1};
    enum err err =
        store_find_one(call->store, call->arena, COLLECTION_TREATMENT_VERSIONS, &query, out);
    if (err == ERR_ABSENT) {
        *out = (struct treatment_version){.version = 0};
        return ERR_OK;
    }
    return err;
}

static bool is_same_list(const struct text_list *a, const struct text_list *b)
{
    bool is_same = a->count == b->count;
    for (size_t i = 0; is_same && i < a->count; i++) {
        is_same = strcmp(a->items[i], b->items[i]) == 0;
    }
    return is_same;
}

static bool is_same(const struct treatment_version *version, const struct treatment_upsert *in)
{
    return version->version > 0 && strcmp(version->main_diagnosis, in->main_diagnosis) == 0 &&
           strcmp(version->chief_complaint, in->chief_complaint) == 0 &&
           strcmp(version->history_of_past_illness, in->history_of_past_illness) == 0 &&
           is_same_list(&version->second_diagnosis, &in->second_diagnosis);
}

/* The treatment as it is with this version. */
static struct treatment treatment_of(const struct treatment_version *version)
{
    return (struct treatment){
        .id = treatment_id_of(version->consultation_id),
        .consultation_id = version->consultation_id,
        .patient_id = version->patient_id,
        .doctor_id = version->doctor_id,
        .main_diagnosis = version->main_diagnosis,
        .second_diagnosis = version->second_diagnosis,
        .chief_complaint = version->chief_complaint,
        .history_of_past_illness = version->history_of_past_illness,
        .version = version->version,
        .created_at = version->created_at,
        .updated_at = version->created_at,
    };
}

/* Makes the version the current one, unless a newer one is already. */
static enum err make_current(struct call *call, const struct treatment_version *version,
                             struct treatment *out)
{
    *out = treatment_of(version);
    enum err err = store_insert(call->store, COLLECTION_TREATMENTS, out);
    if (err != ERR_DUPLICATE) {
        return err;
    }
    struct condition condition = WHERE(treatment, version, BELOW, version->version);
    struct change changes[] = {
        SET(treatment, main_diagnosis, version->main_diagnosis),
        SET(treatment, second_diagnosis, version->second_diagnosis),
        SET(treatment, chief_complaint, version->chief_complaint),
        SET(treatment, history_of_past_illness, version->history_of_past_illness),
        SET(treatment, version, version->version),
        SET(treatment, updated_at, version->created_at),
    };
    struct treatment current;
    err = store_update(call->store, call->arena, COLLECTION_TREATMENTS, out->id, &condition, 1,
                       changes, ARRAY_LENGTH(changes), &current);
    if (err == ERR_ABSENT) {
        err = store_get(call->store, call->arena, COLLECTION_TREATMENTS, out->id, &current);
    }
    TRY(err);
    out->created_at = current.created_at; /* answered is what was saved, also if it is old by now */
    return ERR_OK;
}

static struct audit_note note_of(const struct treatment_version *version)
{
    return (struct audit_note){.action = AUDIT_TREATMENT,
                               .consultation_id = version->consultation_id,
                               .subject = version->id,
                               .content = version};
}

static bool may_be_treated(const struct consultation *order)
{
    static const char *const states[] = {PAID, ANSWERING, COMPLETED};
    bool may = false;
    for (size_t i = 0; i < ARRAY_LENGTH(states); i++) {
        may = may || strcmp(states[i], order->status) == 0;
    }
    return may;
}

/* Writes the version after the newest; ERR_DUPLICATE: somebody else has just done so. */
static enum err add_version(struct call *call, const struct consultation *order,
                            const struct treatment_upsert *in, int64_t number,
                            struct treatment_version *out)
{
    *out = (struct treatment_version){
        .id = id_derive_number("treatment version", order->id, number),
        .consultation_id = order->id,
        .patient_id = order->patient_id,
        .doctor_id = order->doctor_id,
        .main_diagnosis = in->main_diagnosis,
        .second_diagnosis = in->second_diagnosis,
        .chief_complaint = in->chief_complaint,
        .history_of_past_illness = in->history_of_past_illness,
        .version = number,
        .created_at = call->now,
    };
    TRY(store_insert(call->store, COLLECTION_TREATMENT_VERSIONS, out));
    struct audit_note note = note_of(out);
    audit_note(call, &note);
    return ERR_OK;
}

enum err api_treatment_upsert(struct call *call, const struct treatment_upsert *in,
                              struct treatment *out)
{
    struct consultation order;
    TRY(order_get_own(call, in->consultation_id, &order));
    if (!may_be_treated(&order)) {
        return order_refuse_state(call, &order);
    }
    for (int i = 0; i < RACES_MAX; i++) {
        struct treatment_version version;
        TRY(read_newest(call, order.id, &version));
        if (is_same(&version, in)) { /* sent again: nothing new */
            struct audit_note note = note_of(&version);
            audit_note_again(call, &note);
            return make_current(call, &version, out);
        }
        enum err err = add_version(call, &order, in, version.version + 1, &version);
        if (err == ERR_OK) {
            return make_current(call, &version, out);
        }
        if (err != ERR_DUPLICATE) {
            return err;
        }
    }
    return ERR_BUSY;
}

enum err api_treatment_query(struct call *call, const struct by_consultation *in,
                             struct treatment *out)
{
    struct consultation order;
    TRY(order_read_own(call, in->consultation_id, &order));
    enum err err =
        store_get(call->store, call->arena, COLLECTION_TREATMENTS, treatment_id_of(order.id), out);
    if (err == ERR_ABSENT) {
        return call_blame(call, ERR_TREATMENT_NOT_FOUND, "consultationId");
    }
    TRY(err);
    audit_note_read(call, AUDIT_READ_TREATMENT, order.id, out->id);
    return ERR_OK;
}
