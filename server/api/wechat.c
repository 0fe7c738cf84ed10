/* The way in for WeChat Pay's notifications. What is done with them is any provider's: payments.c. */
#include "server/api/api.h"
#include "server/api/payments.h"
#include "server/config.h"
#include "server/provider_wechat.h"

enum err api_wechat_notify(struct call *call, const struct nothing *in, struct nothing *out)
{
    (void)in;
    (void)out;
    if (call->settings->wechat == NULL) {
        return ERR_UNKNOWN_CALL;
    }
    struct notification notification = {
        .body = call->raw.body, .length = call->raw.length, .headers = call->raw.headers};
    struct payment payment;
    return payment_notified(call, &provider_wechat, &notification, &payment);
}
