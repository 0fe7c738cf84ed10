/* Worker only. Payment providers: one small interface, a file each, a row each in provider.c.
 * Contract 3.
 *
 * A provider is asked from the SLOW lane only, where no run of the store is open: create, refund
 * and query may block for as long as a call over the network takes (a provider gives up by
 * itself, 10 seconds at most), read the store, and never write it. What they answer is carried
 * into the WRITE lane and written there by conditional updates (10.5 in payments.c, everything
 * else in errands.c). So a provider that hangs delays other questions to it and nothing else.
 *
 * verify is called where the notification is handled, in the WRITE lane: it only computes, and
 * gets all it needs (the bytes, the headers) in its arguments and the settings.
 *
 * All four are safe to repeat: outTradeNo is the key of the payment and of its one refund. Errors:
 * ERR_PROVIDER when the provider cannot be reached or refuses (asked again later, with growing
 * pauses), ERR_STORE. Texts that are returned live in the call's arena. */
#ifndef CONSULTD_SERVER_PROVIDER_H
#define CONSULTD_SERVER_PROVIDER_H

#include "server/call.h"

enum trade_state {
    TRADE_OPEN,      /* not paid, or not known */
    TRADE_PAID,      /* and nothing asked back */
    TRADE_REFUNDING, /* the refund is accepted and not done yet */
    TRADE_REFUNDED
};

/* What a provider says of one payment. */
struct trade {
    enum trade_state state;
    const char *out_trade_no;
    int64_t total_fee;          /* in 分; the whole of it is ever paid and refunded */
    const char *transaction_id; /* the provider's own number; NULL while TRADE_OPEN */
};

/* What came over the network, as it came. */
struct notification {
    const char *body;
    size_t length;
    const char *signature; /* where it is no header */
    const char *headers;   /* as in struct raw_request */
};

struct provider {
    const char *name; /* of the option payment_provider, and in each payment */
    /* Makes the payment known to the provider. *order_info: what the app hands to the provider's
     * SDK, JSON text. */
    enum err (*create)(struct call *call, const struct payment *payment, const char **order_info);
    /* Proves a notification and reads it. ERR_BAD_SIGNATURE, ERR_MALFORMED_REQUEST. */
    enum err (*verify)(struct call *call, const struct notification *in, struct trade *out);
    /* Asks for the whole payment back. out->state: TRADE_REFUNDED or TRADE_REFUNDING. */
    enum err (*refund)(struct call *call, const struct payment *payment, struct trade *out);
    /* How the payment stands. */
    enum err (*query)(struct call *call, const struct payment *payment, struct trade *out);
};

/* The row of a name; NULL: there is none. Any thread. */
const struct provider *provider_find(const char *name);

/* The provider of a payment that was made earlier, perhaps under another configuration. NULL:
 * this program does not know it any more. */
const struct provider *provider_of(const struct call *call, const struct payment *payment);

#endif
