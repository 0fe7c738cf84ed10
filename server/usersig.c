/* Tencent Cloud IM's TLSSigAPIv2: the signed fields as JSON, deflated, in base64 with three
 * characters replaced, because it travels in URLs. */
#include <inttypes.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>
#include <zlib.h>

#include "protocol/strbuf.h"
#include "server/auth.h"

#define SECONDS_PER_HOUR 3600
#define SHA256_BYTES 32
#define SHA256_BASE64_BYTES 48

/* The signature over the four fields, as the provider's servers compute it again. */
static bool sign(struct arena *arena, const struct settings *settings, const char *identifier,
                 int64_t now, int64_t expire, char out[SHA256_BASE64_BYTES])
{
    const char *text = arena_format(
        arena, "TLS.identifier:%s\nTLS.sdkappid:%s\nTLS.time:%" PRId64 "\nTLS.expire:%" PRId64 "\n",
        identifier, settings->usersig_app_id, now, expire);
    unsigned char digest[SHA256_BYTES];
    unsigned length = sizeof digest;
    if (HMAC(EVP_sha256(), settings->usersig_key, (int)strlen(settings->usersig_key),
             (const unsigned char *)text, strlen(text), digest, &length) == NULL) {
        return false;
    }
    EVP_EncodeBlock((unsigned char *)out, digest, SHA256_BYTES);
    return true;
}

static void make_safe_for_urls(char *base64)
{
    static const char from[] = "+/=", to[] = "*-_";
    for (; *base64 != '\0'; base64++) {
        const char *found = strchr(from, *base64);
        if (found != NULL) {
            *base64 = to[found - from];
        }
    }
}

enum err usersig_make(struct arena *arena, const struct settings *settings, const char *identifier,
                      struct timestamp now, const char **out)
{
    *out = "";
    if (settings->usersig_app_id[0] == '\0' || settings->usersig_key[0] == '\0') {
        return ERR_OK;
    }
    int64_t seconds = now.ms / 1000, expire = settings->token_hours * SECONDS_PER_HOUR;
    char signature[SHA256_BASE64_BYTES];
    if (!sign(arena, settings, identifier, seconds, expire, signature)) {
        return ERR_INTERNAL;
    }
    struct strbuf json;
    strbuf_init(&json, 0);
    strbuf_add_literal(&json, "{\"TLS.ver\":\"2.0\",\"TLS.identifier\":");
    strbuf_add_json(&json, identifier);
    strbuf_add_format(&json, ",\"TLS.sdkappid\":%s,\"TLS.expire\":%" PRId64,
                      settings->usersig_app_id, expire);
    strbuf_add_format(&json, ",\"TLS.time\":%" PRId64 ",\"TLS.sig\":\"%s\"}", seconds, signature);
    uLongf size = compressBound(json.length);
    unsigned char *deflated = arena_alloc(arena, size);
    int result = compress(deflated, &size, (const Bytef *)strbuf_text(&json), json.length);
    strbuf_free(&json);
    if (result != Z_OK) {
        return ERR_INTERNAL;
    }
    char *base64 = arena_alloc(arena, 4 * ((size + 2) / 3) + 1);
    EVP_EncodeBlock((unsigned char *)base64, deflated, (int)size);
    make_safe_for_urls(base64);
    *out = base64;
    return ERR_OK;
}
