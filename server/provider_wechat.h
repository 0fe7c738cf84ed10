/* Worker only. WeChat Pay, API v3, as a merchant of its own (not a partner), paid in a mini program
 * (JSAPI). All it needs is in the wechat_* options. */
#ifndef CONSULTD_SERVER_PROVIDER_WECHAT_H
#define CONSULTD_SERVER_PROVIDER_WECHAT_H

#include "server/provider.h"

extern const struct provider provider_wechat;

#endif
