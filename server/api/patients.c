/* Patients of a user (document 2; contract 1, Identity and Personal data). A patient is never
 * removed: deleting sets deleted_at, and its orders keep showing it. */
#include "server/api/patients.h"

#include <string.h>

#include "server/api/api.h"
#include "server/api/audit.h"
#include "server/api/claims.h"
#include "server/auth.h"
#include "server/certificate.h"

#define CITIZEN_IDENTITY_CARD "01"
#define MS_PER_HOUR INT64_C(3600000)
#define MS_PER_DAY (24 * MS_PER_HOUR)
/* Today for a birthday is the latest date anywhere on earth: nobody is refused for being born
 * just now. */
#define LATEST_ZONE_MS (14 * MS_PER_HOUR)

static enum err get_patient(struct call *call, struct oid id, const char *field,
                            struct patient *out)
{
    enum err err = store_get(call->store, call->arena, COLLECTION_PATIENTS, id, out);
    return err == ERR_ABSENT ? call_blame(call, ERR_PATIENT_NOT_FOUND, field) : err;
}

enum err patient_get_own(struct call *call, struct oid id, const char *field, struct patient *out)
{
    TRY(get_patient(call, id, field, out));
    if (call->who.account.role != ROLE_USER || !oid_equal(out->user_id, call->who.account.id)) {
        return call_blame(call, ERR_NOT_YOURS, field);
    }
    return out->deleted_at.ms != 0 ? call_blame(call, ERR_PATIENT_DELETED, field) : ERR_OK;
}

enum err patient_get_treated(struct call *call, struct oid id, const char *field,
                             struct patient *out, struct consultation *order)
{
    TRY(get_patient(call, id, field, out));
    struct condition conditions[] = {
        WHERE(consultation, patient_id, IS, id),
        WHERE(consultation, doctor_id, IS, call->who.account.id),
    };
    struct query query = {.conditions = conditions,
                          .condition_count = 2,
                          .sort = {SORT_DOWN(consultation, created_at)}};
    enum err err =
        store_find_one(call->store, call->arena, COLLECTION_CONSULTATIONS, &query, order);
    return err == ERR_ABSENT ? call_blame(call, ERR_NOT_YOURS, field) : err;
}

void patient_mask(struct arena *arena, struct patient *patient)
{
    if (patient->certificate_no != NULL) {
        size_t size = 4 * NAME_MAX_LENGTH + 1;
        char *masked = arena_alloc(arena, size);
        certificate_mask(patient->certificate_no, masked, size);
        patient->certificate_no = masked;
    }
    patient->phone = NUMBER_ABSENT;
}

/* ---- 2.1 ---------------------------------------------------------------------------------- */

/* Works out birthday and sex: taken from an identity card when absent, needed otherwise. */
static enum err read_identity(struct call *call, const struct patient_create *in,
                              struct patient *patient)
{
    int64_t today = (call->now.ms + LATEST_ZONE_MS) / MS_PER_DAY;
    char *birthday = arena_alloc(call->arena, 11);
    int64_t sex = NUMBER_ABSENT;
    if (strcmp(patient->certificate_type, CITIZEN_IDENTITY_CARD) == 0) {
        if (!certificate_check(in->certificate_no, today, birthday, &sex)) {
            return call_blame(call, ERR_INVALID_CERTIFICATE, "certificateNo");
        }
    } else if (in->birthday == NULL) {
        return call_blame(call, ERR_MISSING_FIELD, "birthday");
    } else if (in->sex == NUMBER_ABSENT) {
        return call_blame(call, ERR_MISSING_FIELD, "sex");
    }
    if (in->birthday != NULL && !birthday_parse(in->birthday, today, birthday)) {
        return call_blame(call, ERR_INVALID_BIRTHDAY, "birthday");
    }
    patient->birthday = birthday;
    patient->sex = in->sex == NUMBER_ABSENT ? sex : in->sex;
    return ERR_OK;
}

enum err api_patient_create(struct call *call, const struct patient_create *in, struct patient *out)
{
    if (!oid_equal(in->user_id, call->who.account.id)) {
        return call_blame(call, ERR_NOT_YOURS, "userId");
    }
    *out = (struct patient){
        .id = id_new(call->now),
        .user_id = in->user_id,
        .phone = in->phone,
        .certificate_type =
            in->certificate_type != NULL ? in->certificate_type : CITIZEN_IDENTITY_CARD,
        .certificate_no = in->certificate_no,
        .name = in->name,
        .patient_id_no = in->patient_id_no,
        .created_at = call->now,
        .updated_at = call->now,
    };
    TRY(read_identity(call, in, out));
    return store_insert(call->store, COLLECTION_PATIENTS, out);
}

/* ---- 2.2 to 2.5 --------------------------------------------------------------------------- */

/* ERR_ABSENT: an order was claimed in between, or another call has deleted it. */
static enum err try_delete(struct call *call, struct oid id)
{
    struct patient patient;
    enum err err = patient_get_own(call, id, "id", &patient);
    if (err == ERR_PATIENT_DELETED) {
        call->fault = (struct fault){.after_ms = 0};
        return ERR_OK; /* deleting twice is deleting */
    }
    TRY(err);
    bool has_order;
    TRY(claim_is_any(call, &patient, &has_order));
    if (has_order) {
        return ERR_PATIENT_HAS_ORDER;
    }
    struct condition as_read[] = {WHERE_ABSENT(patient, deleted_at),
                                  WHERE(patient, last_order_id, IS, patient.last_order_id)};
    struct change changes[] = {SET(patient, deleted_at, call->now),
                               SET(patient, updated_at, call->now)};
    return store_update(call->store, call->arena, COLLECTION_PATIENTS, id, as_read,
                        ARRAY_LENGTH(as_read), changes, ARRAY_LENGTH(changes), NULL);
}

enum err api_patient_delete(struct call *call, const struct by_id *in, struct nothing *out)
{
    (void)out;
    enum err err = ERR_ABSENT;
    for (int i = 0; i < RACES_MAX && err == ERR_ABSENT; i++) {
        err = try_delete(call, in->id);
    }
    return err == ERR_ABSENT ? ERR_BUSY : err;
}

enum err api_patient_list(struct call *call, const struct by_user *in, struct object_list *out)
{
    if (!oid_equal(in->user_id, call->who.account.id)) {
        return call_blame(call, ERR_NOT_YOURS, "userId");
    }
    struct condition conditions[] = {WHERE(patient, user_id, IS, in->user_id),
                                     WHERE_ABSENT(patient, deleted_at)};
    struct query query = {.conditions = conditions,
                          .condition_count = 2,
                          .sort = {SORT_UP(patient, created_at), SORT_UP(patient, id)}};
    return store_find(call->store, call->arena, COLLECTION_PATIENTS, &query, out);
}

enum err api_patient_detail(struct call *call, const struct by_id *in, struct patient *out)
{
    if (call->who.account.role == ROLE_USER) {
        enum err err = patient_get_own(call, in->id, "id", out);
        if (err == ERR_PATIENT_DELETED) {
            return call_blame(call, ERR_PATIENT_NOT_FOUND, "id");
        }
        return err;
    }
    struct consultation order;
    TRY(patient_get_treated(call, in->id, "id", out, &order));
    audit_note_read(call, AUDIT_READ_PATIENT, order.id, in->id);
    patient_mask(call->arena, out);
    return ERR_OK;
}

enum err api_patient_bindcard(struct call *call, const struct patient_bindcard *in,
                              struct nothing *out)
{
    (void)out;
    struct patient patient;
    TRY(patient_get_own(call, in->id, "id", &patient));
    struct change changes[] = {SET(patient, patient_id_no, in->patient_id_no),
                               SET(patient, updated_at, call->now)};
    return store_update(call->store, call->arena, COLLECTION_PATIENTS, in->id, NULL, 0, changes,
                        ARRAY_LENGTH(changes), NULL);
}
