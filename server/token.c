/* Tokens: JWT by libjwt, HS256 pinned. The library accepts whatever algorithm the token names and
 * the key's length allows, so the algorithm is checked here after every decode (RFC 8725). */
#include <jwt.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/auth.h"

#define MS_PER_HOUR INT64_C(3600000)

static const char *id_name(enum role role)
{
    return role == ROLE_USER ? "userId" : "doctorId";
}

static const unsigned char *key_bytes(const char *key)
{
    return (const unsigned char *)key;
}

enum err token_make(struct arena *arena, const struct settings *settings, struct account account,
                    struct timestamp now, const char **out)
{
    char id[OID_TEXT_BYTES];
    oid_format(account.id, id);
    long issued = (long)(now.ms / 1000);
    long expires = (long)((now.ms + settings->token_hours * MS_PER_HOUR) / 1000);
    const char *key = settings->keys[0];
    jwt_t *jwt = NULL;
    char *text = NULL;
    enum err err = ERR_INTERNAL;
    if (jwt_new(&jwt) != 0 || jwt_add_grant(jwt, id_name(account.role), id) != 0 ||
        jwt_add_grant_int(jwt, "iat", issued) != 0 || jwt_add_grant_int(jwt, "exp", expires) != 0 ||
        jwt_set_alg(jwt, JWT_ALG_HS256, key_bytes(key), (int)strlen(key)) != 0) {
        goto out;
    }
    text = jwt_encode_str(jwt);
    if (text != NULL) {
        *out = arena_text(arena, text, strlen(text));
        err = ERR_OK;
    }
out:
    free(text);
    jwt_free(jwt);
    return err;
}

/* The token if it is signed with one of the keys by HS256; NULL otherwise. Caller frees. */
static jwt_t *decode(const struct settings *settings, const char *token)
{
    for (size_t i = 0; i < settings->key_count; i++) {
        const char *key = settings->keys[i];
        jwt_t *jwt = NULL;
        if (jwt_decode(&jwt, token, key_bytes(key), (int)strlen(key)) == 0 &&
            jwt_get_alg(jwt) == JWT_ALG_HS256) {
            return jwt;
        }
        jwt_free(jwt);
    }
    return NULL;
}

/* Reads the account: exactly one of the two ids. */
static bool read_account(jwt_t *jwt, struct account *out)
{
    const char *user = jwt_get_grant(jwt, "userId");
    const char *doctor = jwt_get_grant(jwt, "doctorId");
    if ((user == NULL) == (doctor == NULL)) {
        return false;
    }
    const char *id = user != NULL ? user : doctor;
    out->role = user != NULL ? ROLE_USER : ROLE_DOCTOR;
    return oid_parse(id, strlen(id), &out->id);
}

enum err token_verify(const struct settings *settings, const char *token, struct timestamp now,
                      struct caller *out)
{
    if (token == NULL || token[0] == '\0') {
        return ERR_NOT_SIGNED_IN;
    }
    jwt_t *jwt = decode(settings, token);
    if (jwt == NULL) {
        return ERR_NOT_SIGNED_IN;
    }
    struct caller caller = {.expires_ms = (int64_t)jwt_get_grant_int(jwt, "exp")};
    bool is_whole = read_account(jwt, &caller.account) && caller.expires_ms > 0 &&
                    caller.expires_ms < INT64_MAX / 1000;
    jwt_free(jwt);
    if (!is_whole) {
        return ERR_NOT_SIGNED_IN;
    }
    caller.expires_ms *= 1000;
    if (caller.expires_ms <= now.ms) {
        return ERR_TOKEN_EXPIRED;
    }
    *out = caller;
    return ERR_OK;
}

const char *token_of_header(const char *header)
{
    static const char scheme[] = "Bearer";
    const size_t length = sizeof scheme - 1;
    if (header == NULL || strncasecmp(header, scheme, length) != 0 || header[length] != ' ') {
        return NULL;
    }
    const char *token = header + length;
    token += strspn(token, " ");
    return *token != '\0' ? token : NULL;
}
