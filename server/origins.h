/* Loop only. Which pages a browser may call from: the configured origins, and our own. */
#ifndef CONSULTD_SERVER_ORIGINS_H
#define CONSULTD_SERVER_ORIGINS_H

#include "protocol/base.h"

struct origins;

/* `configured`: origins separated by spaces (settings.cors_origins). Caller owns. */
struct origins *origins_new(const char *configured);
void origins_free(struct origins *origins);

/* Whether the value of an Origin header is one of the configured. Case is ignored. */
bool origins_has(const struct origins *origins, const char *origin);

/* Whether it is the page that this very server has served: http or https and the Host header. */
bool origin_is_own(const char *origin, const char *host);

#endif
