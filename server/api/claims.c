/* Claims: what makes that a pair has one open order, and a deleted patient none, also where stores are not atomic.
 *
 * An order is inserted only after its id was written into the pair's chat, which is one conditional update. A process
 * may die between the two, so that a claim whose order is not there is given up some time later. But who was only slow
 * must not insert it then: before a claim is given up a record of its id is inserted that is no order. Of the two
 * insertions under one id one is refused, and learns that it has lost.
 *
 * Between the claim and the insertion the patient gets the order's id, unless it is deleted. Whoever deletes it reads
 * it, then looks for claims, and deletes it only as it was read. An order that is claimed before that look is seen by it,
 * and one whose claim comes later finds the patient deleted, or has changed it. */
#include "server/api/claims.h"

#include <string.h>

#include "server/api/moves.h"

/* A claim whose order is not there after this time is taken for one of a process that died. */
#define CLAIM_GRACE_MS INT64_C(30000)
/* Each try that fails met another call that claimed or released the chat in between. */
#define CLAIM_TRIES 4

/* The seconds that an ObjectId begins with. */
static int64_t id_age_ms(struct oid id, struct timestamp now)
{
    int64_t seconds = (int64_t)id.bytes[0] << 24 | (int64_t)id.bytes[1] << 16 |
                      (int64_t)id.bytes[2] << 8 | (int64_t)id.bytes[3];
    return now.ms - seconds * 1000;
}

bool claim_is_ruled_out(const struct consultation *order)
{
    return oid_is_none(order->user_id);
}

/* Of nobody, and over: no list has it, nothing is left to do for it, and one day it is purged. ERR_DUPLICATE: the order
 * has come, or has been ruled out. */
static enum err rule_out(struct call *call, struct oid order_id)
{
    char id[OID_TEXT_BYTES];
    oid_format(order_id, id);
    const struct consultation nobodys = {
        .id = order_id,
        .consultation_no = arena_format(call->arena, "none-%s", id),
        .status = CANCELLED,
        .created_at = call->now,
        .updated_at = call->now,
        .rev = call_stamp(call),
    };
    return store_insert(call->store, COLLECTION_CONSULTATIONS, &nobodys);
}

static bool is_open(const struct consultation *order)
{
    static const char *const open_states[] = {UNPAID, PAID, ANSWERING, REFUND_ASKED};
    for (size_t i = 0; i < ARRAY_LENGTH(open_states); i++) {
        if (strcmp(order->status, open_states[i]) == 0) {
            return true;
        }
    }
    return false;
}

enum err claim_stands(struct call *call, struct oid order_id, bool *out)
{
    struct consultation order;
    enum err err = store_get(call->store, call->arena, COLLECTION_CONSULTATIONS, order_id, &order);
    *out = err == ERR_ABSENT && id_age_ms(order_id, call->now) < CLAIM_GRACE_MS;
    if (*out) {
        return ERR_OK;
    }
    if (err == ERR_ABSENT) {
        err = rule_out(call, order_id);
        if (err != ERR_DUPLICATE) {
            return err;
        }
        err = store_get(call->store, call->arena, COLLECTION_CONSULTATIONS, order_id, &order);
    }
    TRY(err);
    TRY(order_settle(call, &order)); /* its last notices come before anything of the next order */
    *out = is_open(&order);
    return ERR_OK;
}

/* ERR_ABSENT: it has been claimed or released since. */
static enum err claim_as_read(struct call *call, struct chat *chat, struct oid order_id)
{
    struct condition condition = WHERE(chat, open_consultation_id, IS, chat->open_consultation_id);
    struct change changes[] = {
        SET(chat, open_consultation_id, order_id),
        SET(chat, status, false),
        UNSET(chat, deadline),
        SET(chat, updated_at, call->now),
        MAX(chat, rev, call_stamp(call)),
    };
    return store_update(call->store, call->arena, COLLECTION_CHATS, chat->id, &condition, 1,
                        changes, ARRAY_LENGTH(changes), chat);
}

enum err claim_chat(struct call *call, struct chat *chat, struct oid order_id)
{
    for (int i = 0; i < CLAIM_TRIES; i++) {
        bool stands = false;
        if (!oid_is_none(chat->open_consultation_id)) {
            TRY(claim_stands(call, chat->open_consultation_id, &stands));
        }
        if (stands) {
            return ERR_ORDER_OPEN;
        }
        enum err err = claim_as_read(call, chat, order_id);
        if (err != ERR_ABSENT) {
            return err;
        }
        TRY(store_get(call->store, call->arena, COLLECTION_CHATS, chat->id, chat));
    }
    return ERR_BUSY;
}

enum err claim_patient(struct call *call, struct oid patient_id, struct oid order_id)
{
    struct condition is_there = WHERE_ABSENT(patient, deleted_at);
    struct change change = SET(patient, last_order_id, order_id);
    enum err err = store_update(call->store, call->arena, COLLECTION_PATIENTS, patient_id,
                                &is_there, 1, &change, 1, NULL);
    return err == ERR_ABSENT ? call_blame(call, ERR_PATIENT_DELETED, "patientId") : err;
}

enum err claim_is_any(struct call *call, const struct patient *patient, bool *out)
{
    struct condition conditions[] = {WHERE(chat, user_id, IS, patient->user_id),
                                     WHERE(chat, patient_id, IS, patient->id)};
    struct query query = {.conditions = conditions, .condition_count = ARRAY_LENGTH(conditions)};
    struct object_list list;
    TRY(store_find(call->store, call->arena, COLLECTION_CHATS, &query, &list));
    const struct chat *chats = list.items;
    *out = false;
    for (size_t i = 0; i < list.count && !*out; i++) {
        if (!oid_is_none(chats[i].open_consultation_id)) {
            TRY(claim_stands(call, chats[i].open_consultation_id, out));
        }
    }
    return ERR_OK;
}

enum err claim_release(struct call *call, struct oid chat_id, struct oid order_id)
{
    struct condition condition = WHERE(chat, open_consultation_id, IS, order_id);
    struct change changes[] = {UNSET(chat, open_consultation_id), SET(chat, updated_at, call->now),
                               MAX(chat, rev, call_stamp(call))};
    enum err err = store_update(call->store, call->arena, COLLECTION_CHATS, chat_id, &condition, 1,
                                changes, ARRAY_LENGTH(changes), NULL);
    return err == ERR_ABSENT ? ERR_OK : err;
}
