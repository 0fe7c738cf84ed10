/* Worker only. The embedded provider: payments are played, no money moves. Everything else is as
 * with a real one, signed notifications included.
 *
 * What is signed is the text
 *     outTradeNo=…&totalFee=…&tradeState=PAID|REFUNDED&transactionId=…
 * by HMAC-SHA256 with the option sandbox_key, as lower-case hex. */
#ifndef CONSULTD_SERVER_PROVIDER_SANDBOX_H
#define CONSULTD_SERVER_PROVIDER_SANDBOX_H

#include "server/provider.h"

extern const struct provider provider_sandbox;

/* The payer pays: written down in the sandbox's own book, as a provider would, before anybody is
 * notified. Repeatable. WRITE lane. */
MUST_USE enum err sandbox_book(struct call *call, const struct payment *payment, struct trade *out);

/* The signed text of a notification about `trade`. */
const char *sandbox_text(struct arena *arena, const struct trade *trade);

/* A notification as the sandbox sends it. */
struct notification sandbox_notification(struct call *call, const struct trade *trade);

/* Whether the option sandbox_trouble asks for this trouble. */
bool sandbox_plays(const struct call *call, const char *trouble);
/* Any thread. Whether it is one of these, or "" for none. */
bool sandbox_knows(const char *trouble);
#define SANDBOX_REFUND_FAILS "refund-fails"           /* the first time */
#define SANDBOX_REFUND_PENDING "refund-pending"       /* until it is queried */
#define SANDBOX_NOTIFICATION_LOST "notification-lost" /* only a query finds the payment */

#endif
