/* Worker only. The life of an order: its states, the only moves between them, and what follows
 * from each. Contract 3.
 *
 * A move is one conditional update of the order. It is made only from a settled state, and
 * leaves the order unsettled until everything that follows from it is written: notices, the
 * chat's gate, the payment. Every such step can be repeated, so an unsettled order that a dead
 * process left behind is finished by whoever meets it next. */
#ifndef CONSULTD_SERVER_API_MOVES_H
#define CONSULTD_SERVER_API_MOVES_H

#include "server/call.h"

/* Whoever moved an order is given this long to write what follows from it, before others take it
 * for dead. More than the longest wait for the store. */
#define ORDER_SETTLING_MS INT64_C(15000)

#define UNPAID "01"
#define CANCELLED "02"
#define PAID "03"
#define ANSWERING "04"
#define EXPIRED "05"
#define REFUND_ASKED "06"
#define COMPLETED "07"
#define EXPIRED_REFUNDED "08"
#define REFUNDED "09"

/* What a move needs and writes besides the states. */
struct move_terms {
    const struct condition *conditions;
    size_t condition_count; /* at most 4 */
    const struct change *changes;
    size_t change_count; /* at most 6 */
};

/* Moves `order` (as read by the caller, settled) from the state it is in to `to`, tells both
 * sides, and settles. ERR_ABSENT: the order is no longer as it was read, or a condition fails;
 * nothing was changed. `order` is then still what it was. */
MUST_USE enum err order_move(struct call *call, struct consultation *order, const char *to,
                             const struct move_terms *terms);

/* The first half of order_move: moves and tells, but leaves settling to the caller, who has
 * something to write in between (the first reply comes before its disclaimer). */
MUST_USE enum err order_move_only(struct call *call, struct consultation *order, const char *to,
                                  const struct move_terms *terms);

/* Gives the doctor a reply back that was taken and is not stored, and sees to it that it never is. One that has
 * been stored meanwhile stays taken. ERR_ABSENT: it was given back already. */
MUST_USE enum err order_give_back(struct call *call, struct consultation *order,
                                  struct oid reply_id);

/* Writes what follows from the state the order is in, unless that is done. An order with a reply
 * that was taken but is not stored yet stays unsettled: its sender is about to store it, or is
 * dead, in which case the reply is given back after ORDER_SETTLING_MS. */
MUST_USE enum err order_settle(struct call *call, struct consultation *order);

/* Makes the system's move if its time has come (contract 3: unpaid too long, 48 hours over).
 * *moved says whether anything was done. */
MUST_USE enum err order_make_due_move(struct call *call, struct consultation *order, bool *moved);

/* Reads an order, settling it first if a dead process left it unsettled. ERR_CONSULTATION_NOT_FOUND. */
MUST_USE enum err order_get(struct call *call, struct oid id, struct consultation *out);

/* The same, and the caller must be its user or its doctor: ERR_NOT_YOURS. */
MUST_USE enum err order_get_own(struct call *call, struct oid id, struct consultation *out);

/* order_get_own for READ lanes: never writes. */
MUST_USE enum err order_read_own(struct call *call, struct oid id, struct consultation *out);

/* ERR_ILLEGAL_TRANSITION with a sentence that names the state the order is in. */
enum err order_refuse_move(struct call *call, const struct consultation *order);

/* ERR_WRONG_STATE, the same for what is no move. */
enum err order_refuse_state(struct call *call, const struct consultation *order);

/* How a state is called: 待支付. */
const char *order_state_name(const char *status);

#endif
