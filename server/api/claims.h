/* Worker only. What an order takes before it is there: the pair's chat. Contract 3. */
#ifndef CONSULTD_SERVER_API_CLAIMS_H
#define CONSULTD_SERVER_API_CLAIMS_H

#include "server/call.h"

/* Writes the new order's id into the pair's chat, as it was read, in the place of none or of one that is over.
 * ERR_ORDER_OPEN: one stands. ERR_BUSY: others claim it all the time. */
MUST_USE enum err claim_chat(struct call *call, struct chat *chat, struct oid order_id);

/* Takes it back, where it still is the order's: the order will not be made. */
MUST_USE enum err claim_release(struct call *call, struct oid chat_id, struct oid order_id);

/* Whether an order whose id is in its pair's chat is open, or may still come to be. If not, it never will. One that
 * is over is settled first. */
MUST_USE enum err claim_stands(struct call *call, struct oid order_id, bool *out);

/* Whether this is no order, but stands in the place of one that came too late. Nobody's list has it. */
bool claim_is_ruled_out(const struct consultation *order);

#endif
