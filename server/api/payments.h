/* Worker only. Payments as the life of an order needs them. Contract 3. */
#ifndef CONSULTD_SERVER_API_PAYMENTS_H
#define CONSULTD_SERVER_API_PAYMENTS_H

#include "server/call.h"

/* Closes the payment of an order that was cancelled unpaid, if there is one. Repeatable. */
MUST_USE enum err payment_close(struct call *call, struct consultation *order);

/* Pays the order's money back. Repeatable; returns ERR_OK once the provider has confirmed. */
MUST_USE enum err payment_refund(struct call *call, struct consultation *order);

/* The provider's signed notification that a payment was made: the only thing that confirms
 * money. `body` is what the provider sent, `signature` hex. ERR_BAD_SIGNATURE,
 * ERR_PAYMENT_NOT_FOUND, ERR_WRONG_AMOUNT; repeating changes nothing. `out` is the payment. */
MUST_USE enum err payment_notified(struct call *call, const char *body, const char *signature,
                                   struct payment *out);

#endif
