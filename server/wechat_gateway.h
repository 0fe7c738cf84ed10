/* Worker only, SLOW lane: may block for wechat_timeout_seconds. Requests to WeChat Pay's API v3. */
#ifndef CONSULTD_SERVER_WECHAT_GATEWAY_H
#define CONSULTD_SERVER_WECHAT_GATEWAY_H

#include "server/call.h"

struct wechat_answer {
    long status;      /* HTTP */
    const char *body; /* proven to be WeChat's; arena; never NULL */
    size_t length;
};

/* Signs and sends a request (`body` NULL: GET, else POST of this JSON) and proves its answer.
 * `path` begins with /v3/ and holds no personal data: it is logged. ERR_PROVIDER: not reached, not
 * in time, too long, not signed by WeChat, or no status that can be gone by (5xx, 429). */
MUST_USE enum err wechat_ask(struct call *call, const char *path, const char *body,
                             struct wechat_answer *out);

#endif
