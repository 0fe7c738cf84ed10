/* Orders: making, moving on request, listing (document 10.1 to 10.3, contract 3). */
#include <string.h>

#include "server/api/api.h"
#include "server/api/audit.h"
#include "server/api/chats.h"
#include "server/api/claims.h"
#include "server/api/emit.h"
#include "server/api/moves.h"
#include "server/api/paging.h"
#include "server/api/patients.h"
#include "server/auth.h"
#include "server/config.h"

#define MS_PER_MINUTE INT64_C(60000)
#define NO_RANDOM_CHARACTERS 16

/* ---- 10.1 --------------------------------------------------------------------------------- */

static const char *new_consultation_no(struct call *call)
{
    static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    unsigned char random[NO_RANDOM_CHARACTERS];
    char text[NO_RANDOM_CHARACTERS + 1];
    random_bytes(random, sizeof random);
    for (size_t i = 0; i < NO_RANDOM_CHARACTERS; i++) {
        text[i] = alphabet[random[i] % (sizeof alphabet - 1)];
    }
    text[NO_RANDOM_CHARACTERS] = '\0';
    return arena_format(call->arena, "H0-%s", text);
}

static enum err get_open_doctor(struct call *call, struct oid id, struct doctor *out)
{
    enum err err = store_get(call->store, call->arena, COLLECTION_DOCTORS, id, out);
    if (err == ERR_ABSENT || (err == ERR_OK && out->disabled)) {
        return call_blame(call, ERR_DOCTOR_NOT_FOUND, "doctorId");
    }
    TRY(err);
    bool has_price = out->image_and_text_price >= 0 && out->image_and_text_price <= FEE_MAX;
    return out->image_and_text_open && has_price ? ERR_OK
                                                 : call_blame(call, ERR_DOCTOR_CLOSED, "doctorId");
}

static enum err insert_claimed(struct call *call, const struct consultation *order)
{
    enum err err = claim_patient(call, order->patient_id, order->id);
    if (err == ERR_OK) {
        err = store_insert(call->store, COLLECTION_CONSULTATIONS, order);
    }
    if (err == ERR_PATIENT_DELETED || err == ERR_DUPLICATE) {
        TRY(claim_release(call, order->chat_id, order->id));
    }
    return err == ERR_DUPLICATE ? ERR_BUSY : err; /* it took too long, and was ruled out */
}

enum err api_consultation_create(struct call *call, const struct consultation_create *in,
                                 struct consultation *out)
{
    struct patient patient;
    struct doctor doctor;
    struct chat chat;
    TRY(patient_get_own(call, in->patient_id, "patientId", &patient));
    TRY(get_open_doctor(call, in->doctor_id, &doctor));
    TRY(chat_make_pair(call, &patient, &doctor, &chat));
    *out = (struct consultation){
        .id = id_new(call->now),
        .consultation_no = new_consultation_no(call),
        .patient_id = patient.id,
        .doctor_id = doctor.id,
        .user_id = patient.user_id,
        .chat_id = chat.id,
        .images = in->images,
        .content = in->content,
        .status = UNPAID,
        .consultation_reason = in->consultation_reason,
        .fee = doctor.image_and_text_price,
        .created_at = call->now,
        .updated_at = call->now,
        .due = {call->now.ms + call->settings->unpaid_minutes * MS_PER_MINUTE},
        .rev = call_stamp(call),
    };
    TRY(claim_chat(call, &chat, out->id));
    TRY(insert_claimed(call, out));
    audit_note(call, &(struct audit_note){.action = AUDIT_CREATE_ORDER,
                                          .consultation_id = out->id,
                                          .subject = out->id,
                                          .result = UNPAID});
    emit_chat(call, &chat);
    emit_consultation(call, out);
    consultation_view(call->settings, out);
    return ERR_OK;
}

/* ---- 10.2 --------------------------------------------------------------------------------- */

/* The moves that can be asked for, and by whom. */
static const struct {
    const char *from, *to;
    enum role who[2];
} requests[] = {
    {UNPAID, CANCELLED, {ROLE_USER, ROLE_NONE}},
    {PAID, REFUND_ASKED, {ROLE_USER, ROLE_NONE}},
    {ANSWERING, COMPLETED, {ROLE_USER, ROLE_DOCTOR}},
};

static bool may_ask(enum role role, const char *from, const char *to)
{
    for (size_t i = 0; i < ARRAY_LENGTH(requests); i++) {
        if (strcmp(requests[i].from, from) == 0 && strcmp(requests[i].to, to) == 0 &&
            (requests[i].who[0] == role || requests[i].who[1] == role)) {
            return true;
        }
    }
    return false;
}

static enum err try_update(struct call *call, const struct consultation_update *in,
                           struct consultation *out)
{
    TRY(order_get_own(call, in->consultation_id, out));
    if (!may_ask(call->who.account.role, out->status, in->status)) {
        return order_refuse_move(call, out);
    }
    bool is_overdue = out->deadline.ms != 0 && out->deadline.ms <= call->now.ms;
    bool is_unanswered = strcmp(in->status, COMPLETED) == 0 && out->reply_count == 0;
    if (is_overdue || is_unanswered) {
        return order_refuse_move(call, out); /* only the system moves it now */
    }
    struct condition still = WHERE(consultation, reply_count, IS, out->reply_count);
    struct move_terms terms = {.conditions = &still, .condition_count = 1};
    return order_move(call, out, in->status, &terms);
}

enum err api_consultation_update(struct call *call, const struct consultation_update *in,
                                 struct consultation *out)
{
    enum err err = ERR_ABSENT;
    for (int i = 0; i < RACES_MAX && err == ERR_ABSENT; i++) {
        err = try_update(call, in, out);
    }
    if (err == ERR_ABSENT) {
        return ERR_BUSY; /* a reply is on its way */
    }
    TRY(err);
    consultation_view(call->settings, out);
    return ERR_OK;
}

/* ---- 10.3 --------------------------------------------------------------------------------- */

/* Puts patient and doctor beside each order. A doctor sees its patients masked. */
static enum err embed_people(struct call *call, struct consultation *orders, size_t count)
{
    struct oid *patient_ids = arena_array(call->arena, count, sizeof *patient_ids);
    struct oid *doctor_ids = arena_array(call->arena, count, sizeof *doctor_ids);
    for (size_t i = 0; i < count; i++) {
        patient_ids[i] = orders[i].patient_id;
        doctor_ids[i] = orders[i].doctor_id;
    }
    struct object_list patients, doctors;
    TRY(records_by_ids(call, COLLECTION_PATIENTS, (struct oid_list){patient_ids, count},
                       &patients));
    TRY(records_by_ids(call, COLLECTION_DOCTORS, (struct oid_list){doctor_ids, count}, &doctors));
    if (call->who.account.role == ROLE_DOCTOR) {
        struct patient *masked = list_copy(call->arena, &patients, sizeof *masked);
        for (size_t i = 0; i < patients.count; i++) {
            patient_mask(call->arena, &masked[i]);
        }
        patients.items = masked;
    }
    for (size_t i = 0; i < count; i++) {
        orders[i].patient = record_of_id(&patients, sizeof(struct patient), orders[i].patient_id);
        orders[i].doctor = record_of_id(&doctors, sizeof(struct doctor), orders[i].doctor_id);
        consultation_view(call->settings, &orders[i]);
    }
    return ERR_OK;
}

/* A patient may be asked for by its user and by the doctors of its orders, deleted or not. */
static enum err check_patient(struct call *call, struct oid id)
{
    struct patient patient;
    if (call->who.account.role == ROLE_DOCTOR) {
        struct consultation newest;
        return patient_get_treated(call, id, "patientId", &patient, &newest);
    }
    enum err err = patient_get_own(call, id, "patientId", &patient);
    return err == ERR_PATIENT_DELETED ? ERR_OK : err;
}

/* A filter that leads to somebody else's orders is refused, not answered with an empty list. */
static enum err check_filter(struct call *call, const struct consultation_filter *in)
{
    struct account who = call->who.account;
    if (who.role == ROLE_DOCTOR && !oid_is_none(in->doctor_id) &&
        !oid_equal(in->doctor_id, who.id)) {
        return call_blame(call, ERR_NOT_YOURS, "doctorId");
    }
    if (!oid_is_none(in->patient_id)) {
        TRY(check_patient(call, in->patient_id));
    }
    if (!oid_is_none(in->consultation_id)) {
        struct consultation order;
        TRY(order_read_own(call, in->consultation_id, &order));
    }
    return ERR_OK;
}

enum err api_consultation_list(struct call *call, const struct consultation_filter *in,
                               struct page *out)
{
    TRY(check_filter(call, in));
    call->fault = (struct fault){.after_ms = 0};
    struct account who = call->who.account;
    struct condition conditions[5] = {who.role == ROLE_USER
                                          ? WHERE(consultation, user_id, IS, who.id)
                                          : WHERE(consultation, doctor_id, IS, who.id)};
    size_t count = 1;
    if (!oid_is_none(in->consultation_id)) {
        conditions[count++] = WHERE(consultation, id, IS, in->consultation_id);
    }
    if (!oid_is_none(in->doctor_id) && who.role == ROLE_USER) {
        conditions[count++] = WHERE(consultation, doctor_id, IS, in->doctor_id);
    }
    if (!oid_is_none(in->patient_id)) {
        conditions[count++] = WHERE(consultation, patient_id, IS, in->patient_id);
    }
    if (in->status != NULL) {
        conditions[count++] = WHERE(consultation, status, IS, in->status);
    }
    struct query query = {
        .conditions = conditions,
        .condition_count = count,
        .sort = {SORT_DOWN(consultation, created_at), SORT_DOWN(consultation, id)}};
    page_begin(in->skip, in->limit, &query, out);
    TRY(page_read(call, COLLECTION_CONSULTATIONS, &query, out));
    struct consultation *orders = list_copy(call->arena, &out->items, sizeof *orders);
    TRY(embed_people(call, orders, out->items.count));
    for (size_t i = 0; i < out->items.count; i++) {
        audit_note_read(call, AUDIT_READ_ORDER, orders[i].id, orders[i].id);
    }
    out->items.items = orders;
    return ERR_OK;
}
