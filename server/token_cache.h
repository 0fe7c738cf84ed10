/* Worker only. The tokens that a worker has lately found good, so that a client's next request needs no
 * signature to be checked. Contract 2. */
#ifndef CONSULTD_SERVER_TOKEN_CACHE_H
#define CONSULTD_SERVER_TOKEN_CACHE_H

#include "server/auth.h"

struct token_cache; /* belongs to one thread at a time */

struct token_cache *token_cache_new(void);
void token_cache_free(struct token_cache *cache);

/* As token_verify (auth.h), with the same answers; `settings` must be the same at each call, since their
 * keys decide what is good. `cache` NULL: every token is verified. */
MUST_USE enum err token_cache_verify(struct token_cache *cache, const struct settings *settings,
                                     const char *token, struct timestamp now, struct caller *out);

#endif
