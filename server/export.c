/* Reading a whole consultation, and writing it as JSON with the shapes that clients are answered
 * with: one field, one name everywhere. */
#include "server/export.h"

#include <stdlib.h>
#include <string.h>

#include "server/api/chats.h"
#include "server/api/claims.h"
#include "server/api/evaluations.h"
#include "server/api/paging.h"
#include "server/api/payments.h"
#include "server/api/treatments.h"
#include "server/audit_walk.h"

/* ---- Reading ------------------------------------------------------------------------------ */

static enum err read_one(struct call *call, enum collection collection, struct oid id, void *out)
{
    enum err err = store_get(call->store, call->arena, collection, id, out);
    return err == ERR_ABSENT ? ERR_OK : err; /* what is not there is left out */
}

static enum err find_messages(struct call *call, struct oid chat_id, struct oid consultation_id,
                              struct object_list *out)
{
    struct condition conditions[] = {
        WHERE(message, chat_id, IS, chat_id),
        WHERE(message, consultation_id, IS, consultation_id),
    };
    struct query query = {.conditions = conditions,
                          .condition_count = ARRAY_LENGTH(conditions),
                          .sort = {SORT_UP(message, seq)}};
    return store_find(call->store, call->arena, COLLECTION_MESSAGES, &query, out);
}

/* The pair's chat first, then what the system chats say of the order. */
static enum err read_messages(struct call *call, struct dossier *out)
{
    struct oid chats[ORDER_CHATS];
    struct object_list found[ORDER_CHATS];
    size_t count = 0;
    chats_of_order(&out->order, chats);
    for (size_t i = 0; i < ORDER_CHATS; i++) {
        TRY(find_messages(call, chats[i], out->order.id, &found[i]));
        count += found[i].count;
    }
    struct message *all = arena_array(call->arena, count, sizeof *all);
    out->messages = (struct object_list){all, count};
    for (size_t i = 0; i < ORDER_CHATS; i++) {
        if (found[i].count > 0) {
            memcpy(all, found[i].items, found[i].count * sizeof *all);
            all += found[i].count;
        }
    }
    return ERR_OK;
}

static int compare_rows(const void *a, const void *b)
{
    const struct audit_row *x = a, *y = b;
    if (x->at.ms != y->at.ms) {
        return x->at.ms < y->at.ms ? -1 : 1;
    }
    return memcmp(x->id.bytes, y->id.bytes, OID_BYTES);
}

static enum err read_rows(struct call *call, struct dossier *out)
{
    struct audit_row *rows;
    size_t count;
    TRY(audit_walk_order(call->store, call->arena, out->order.id, &rows, &count));
    if (count > 0) {
        qsort(rows, count, sizeof *rows, compare_rows);
    }
    out->rows = (struct object_list){rows, count};
    return ERR_OK;
}

static enum err read_payments(struct call *call, struct dossier *out)
{
    struct payment *payment = ARENA_NEW(call->arena, struct payment);
    enum err err = store_get(call->store, call->arena, COLLECTION_PAYMENTS,
                             payment_id_of(out->order.id), payment);
    out->payments = (struct object_list){payment, err == ERR_OK ? 1 : 0};
    return err == ERR_ABSENT ? ERR_OK : err;
}

static enum err read_evaluation(struct call *call, struct dossier *out)
{
    TRY(evaluation_answers_read(call, out->order.id, &out->answers));
    const struct evaluation_answer *answers = out->answers.items;
    struct oid *ids = arena_array(call->arena, out->answers.count, sizeof *ids);
    for (size_t i = 0; i < out->answers.count; i++) {
        ids[i] = answers[i].question_id;
    }
    return records_by_ids(call, COLLECTION_QUESTIONS, (struct oid_list){ids, out->answers.count},
                          &out->questions);
}

enum err export_read(struct call *call, struct oid consultation_id, struct dossier *out)
{
    *out = (struct dossier){.at = call->now};
    enum err err =
        store_get(call->store, call->arena, COLLECTION_CONSULTATIONS, consultation_id, &out->order);
    if (err == ERR_ABSENT || (err == ERR_OK && claim_is_ruled_out(&out->order))) {
        return ERR_CONSULTATION_NOT_FOUND;
    }
    TRY(err);
    TRY(read_one(call, COLLECTION_PATIENTS, out->order.patient_id, &out->patient));
    TRY(read_one(call, COLLECTION_DOCTORS, out->order.doctor_id, &out->doctor));
    TRY(read_messages(call, out));
    TRY(read_payments(call, out));
    TRY(treatment_versions_read(call, out->order.id, &out->treatments));
    TRY(read_evaluation(call, out));
    return read_rows(call, out);
}

/* A payment as the hospital's books know it: also what an app is never answered with. */
static const struct field export_payment_fields[] = {
    FIELD(payment, id, "id", ALWAYS, 0, 0, "支付id"),
    FIELD(payment, consultation_id, "consultationId", 0, 0, 0, "订单id"),
    FIELD(payment, total_fee, "totalFee", 0, 0, 0, "支付金额，单位：分"),
    FIELD(payment, out_trade_no, "outTradeNo", 0, 0, 0, "支付订单号"),
    FIELD(payment, status, "status", 0, 0, 0, "支付状态"),
    FIELD(payment, provider, "provider", 0, 0, 0, "支付渠道"),
    FIELD(payment, transaction_id, "transactionId", 0, 0, 0, "渠道流水号"),
    FIELD(payment, created_at, "created_at", 0, 0, 0, "创建时间"),
    FIELD(payment, paid_at, "paid_at", 0, 0, 0, "支付时间"),
    FIELD(payment, refunded_at, "refunded_at", 0, 0, 0, "退款时间"),
};
static const struct shape export_payment_shape = SHAPE(payment, export_payment_fields);

/* ---- JSON --------------------------------------------------------------------------------- */

static void add_record(struct strbuf *out, const char *name, const struct shape *shape,
                       const void *record)
{
    strbuf_add_format(out, ",\n\"%s\":", name);
    shape_write(out, shape, record, 0);
}

/* One record a line, for people who read it without tools. */
static void add_list(struct strbuf *out, const char *name, const struct shape *shape,
                     const struct object_list *list)
{
    strbuf_add_format(out, ",\n\"%s\":[", name);
    for (size_t i = 0; i < list->count; i++) {
        strbuf_add_text(out, i == 0 ? "\n" : ",\n");
        shape_write(out, shape, (const char *)list->items + i * shape->size, 0);
    }
    strbuf_add_char(out, ']');
}

void export_write_json(struct strbuf *out, const struct dossier *dossier)
{
    char at[TIME_TEXT_BYTES];
    time_format(dossier->at, at);
    strbuf_add_format(out, "{\"exportedAt\":\"%s\"", at);
    add_record(out, "consultation", &consultation_shape, &dossier->order);
    if (!oid_is_none(dossier->patient.id)) {
        add_record(out, "patient", &patient_shape, &dossier->patient);
    }
    if (!oid_is_none(dossier->doctor.id)) {
        add_record(out, "doctor", &doctor_shape, &dossier->doctor);
    }
    add_list(out, "messages", &message_shape, &dossier->messages);
    add_list(out, "treatments", &treatment_version_shape, &dossier->treatments);
    add_list(out, "evaluation", &evaluation_answer_shape, &dossier->answers);
    add_list(out, "payments", &export_payment_shape, &dossier->payments);
    add_list(out, "audit", &audit_row_shape, &dossier->rows);
    strbuf_add_text(out, "}\n");
}
