/* Worker only (WRITE, unless said otherwise). Payments as the life of an order needs them.
 * Contract 3.
 *
 *     WAIT_FOR_PAY --paid--> PAID --owed back--> REFUNDING --refunded--> REFUNDED
 *          |                  ^
 *          `--cancelled--> CLOSED (a payment that comes all the same is owed back at once)
 *
 * Only the provider says "paid" and "refunded", by a signed notification or when asked
 * (errands.h). Each change of state is one conditional update that leaves `due` set until what
 * follows from it is written, so that the sweeper finds what a dead process left: not before whoever
 * made the change has had its time to write that (ORDER_SETTLING_MS). Two who wrote it at once would
 * both take places in the chat, and those of one of them would stay empty. */
#ifndef CONSULTD_SERVER_API_PAYMENTS_H
#define CONSULTD_SERVER_API_PAYMENTS_H

#include "server/provider.h"

#define PAYMENT_WAITING "WAIT_FOR_PAY"
#define PAYMENT_PAID "PAID"
#define PAYMENT_REFUNDING "REFUNDING"
#define PAYMENT_REFUNDED "REFUNDED"
#define PAYMENT_CLOSED "CLOSED"

/* The one payment of an order. */
struct oid payment_id_of(struct oid consultation_id);

/* The payment of a trade number. ERR_PAYMENT_NOT_FOUND. Any lane. */
MUST_USE enum err payment_find(struct call *call, const char *trade_no, struct payment *out);

/* An order has one payment. */
struct oid payment_id_of(struct oid consultation_id);

/* Closes the payment of an order that was cancelled unpaid, if there is one. Repeatable. */
MUST_USE enum err payment_close(struct call *call, struct consultation *order);

/* Owes the order's money back: PAID to REFUNDING; the sweeper asks the provider. Repeatable. */
MUST_USE enum err payment_owe(struct call *call, struct consultation *order);

/* Whether an unpaid order whose time is over must wait: its payment was begun, and the provider
 * has not been asked since. */
MUST_USE enum err payment_may_be_paid(struct call *call, const struct consultation *order,
                                      bool *out);

/* What a provider has sent. ERR_BAD_SIGNATURE, ERR_PAYMENT_NOT_FOUND (also one of another
 * provider), ERR_WRONG_AMOUNT: nothing was changed. Repeating changes nothing. `out` is the
 * payment. */
MUST_USE enum err payment_notified(struct call *call, const struct provider *provider,
                                   const struct notification *in, struct payment *out);

/* Writes down what the provider says of the payment, proven. *is_news: nobody had written that
 * before; what follows from it is the caller's to write. ERR_WRONG_AMOUNT: nothing was changed.
 * Repeatable; `payment` is then as it is. */
MUST_USE enum err payment_hear(struct call *call, struct payment *payment,
                               const struct trade *trade, bool *is_news);

/* The same, and writes what follows from it, whoever was the first. */
MUST_USE enum err payment_heard(struct call *call, struct payment *payment,
                                const struct trade *trade);

/* Notes the state for the record, unless that has been done: see audit_note_again. */
void payment_note_again(struct call *call, const struct payment *payment);

/* Writes what follows from the state a payment is in, unless that is done. */
MUST_USE enum err payment_settle(struct call *call, struct payment *payment);

#endif
