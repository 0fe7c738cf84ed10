/* The two ends of the sandbox provider that stand outside of it: the payer, played by an endpoint,
 * and the way its notifications come in. What is done with those is any provider's: payments.c. */
#include <string.h>

#include "server/api/api.h"
#include "server/api/payments.h"
#include "server/config.h"
#include "server/provider_sandbox.h"

enum err api_sandbox_pay(struct call *call, const struct sandbox_pay *in, struct payment *out)
{
    const struct provider *provider = call->settings->provider;
    if (strcmp(provider->name, provider_sandbox.name) != 0) {
        return ERR_UNKNOWN_CALL;
    }
    TRY(payment_find(call, in->out_trade_no, out));
    if (!oid_equal(out->user_id, call->who.account.id)) {
        return call_blame(call, ERR_NOT_YOURS, "outTradeNo");
    }
    struct trade trade;
    TRY(sandbox_book(call, out, &trade));
    if (sandbox_plays(call, SANDBOX_NOTIFICATION_LOST)) {
        return ERR_OK;
    }
    struct notification notification = sandbox_notification(call, &trade);
    return payment_notified(call, provider, &notification, out);
}

enum err api_sandbox_notify(struct call *call, const struct sandbox_notify *in, struct nothing *out)
{
    (void)out;
    struct trade trade = {
        .state = strcmp(in->trade_state, "PAID") == 0 ? TRADE_PAID : TRADE_REFUNDED,
        .out_trade_no = in->out_trade_no,
        .total_fee = in->total_fee,
        .transaction_id = in->transaction_id,
    };
    const char *text = sandbox_text(call->arena, &trade);
    struct notification notification = {
        .body = text, .length = strlen(text), .signature = in->signature};
    struct payment payment;
    return payment_notified(call, &provider_sandbox, &notification, &payment);
}
