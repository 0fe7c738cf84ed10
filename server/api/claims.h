/* Worker only. What an order takes before it is there: the pair's chat, and its patient. Contract 3. */
#ifndef CONSULTD_SERVER_API_CLAIMS_H
#define CONSULTD_SERVER_API_CLAIMS_H

#include "server/call.h"

/* Writes the new order's id into the pair's chat, as it was read, in the place of none or of one that is over.
 * ERR_ORDER_OPEN: one stands. ERR_BUSY: others claim it all the time. */
MUST_USE enum err claim_chat(struct call *call, struct chat *chat, struct oid order_id);

/* Writes the order's id into the patient, after the chat. ERR_PATIENT_DELETED, blaming patientId. */
MUST_USE enum err claim_patient(struct call *call, struct oid patient_id, struct oid order_id);

/* Takes the chat back, where it still is the order's: the order will not be made. */
MUST_USE enum err claim_release(struct call *call, struct oid chat_id, struct oid order_id);

/* Whether an order whose id is in its pair's chat is open, or may still come to be. If not, it never will. One that
 * is over is settled first. */
MUST_USE enum err claim_stands(struct call *call, struct oid order_id, bool *out);

/* Whether any order of the patient is open, or may still come to be. One that is claimed after `patient` was read
 * changes its last_order_id. */
MUST_USE enum err claim_is_any(struct call *call, const struct patient *patient, bool *out);

/* Whether this is no order, but stands in the place of one that came too late. Nobody's list has it. */
bool claim_is_ruled_out(const struct consultation *order);

#endif
