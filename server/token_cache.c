/* A table of places, found by the token's hash; a token takes the place of the one before. Only good
 * tokens are kept, whole: a hit is the same text, byte for byte, and its time is looked at each
 * time. So nothing is good here that token_verify would refuse. */
#include "server/token_cache.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/hash.h"
#include "protocol/memory.h"

#define PLACES 1024 /* a few hundred KiB for each worker, when all are taken */

struct place {
    char *token; /* owned; NULL: free */
    struct caller caller;
};

struct token_cache {
    struct place places[PLACES];
};

struct token_cache *token_cache_new(void)
{
    struct token_cache *cache = memory_resize(NULL, sizeof *cache);
    memset(cache, 0, sizeof *cache);
    return cache;
}

void token_cache_free(struct token_cache *cache)
{
    for (size_t i = 0; cache != NULL && i < PLACES; i++) {
        free(cache->places[i].token);
    }
    free(cache);
}

static struct place *place_of(struct token_cache *cache, const char *token)
{
    return &cache->places[hash_bytes(HASH_START, token, strlen(token)) % PLACES];
}

enum err token_cache_verify(struct token_cache *cache, const struct settings *settings,
                            const char *token, struct timestamp now, struct caller *out)
{
    if (cache == NULL || token == NULL) {
        return token_verify(settings, token, now, out);
    }
    struct place *place = place_of(cache, token);
    if (place->token != NULL && text_equal_secretly(place->token, token)) {
        if (place->caller.expires_ms <= now.ms) {
            return ERR_TOKEN_EXPIRED;
        }
        *out = place->caller;
        return ERR_OK;
    }
    TRY(token_verify(settings, token, now, out));
    size_t size = strlen(token) + 1;
    place->token = memory_resize(place->token, size);
    memcpy(place->token, token, size);
    place->caller = *out;
    return ERR_OK;
}
