/* Tokens. The bytes come as an Authorization header; as a token; and, since no fuzzer signs, as the
 * claims of a token that we sign with the right key. Nothing but a signature makes a caller, and
 * who is let in is somebody and not over. */
#include <assert.h>
#include <jwt.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "server/auth.h"

#define KEY "0123456789abcdef0123456789abcdef"
#define NOW_MS INT64_C(1790000000000)

static const struct settings settings = {
    .keys = {"fedcba9876543210fedcba9876543210", KEY}, .key_count = 2, .token_hours = 24};

static enum err verify(const char *token, struct caller *out)
{
    enum err err = token_verify(&settings, token, (struct timestamp){NOW_MS}, out);
    assert(err == ERR_OK || err == ERR_NOT_SIGNED_IN || err == ERR_TOKEN_EXPIRED);
    return err;
}

static void try_claims(const char *claims)
{
    jwt_t *jwt = NULL;
    char *token = NULL;
    if (jwt_new(&jwt) == 0 && jwt_add_grants_json(jwt, claims) == 0 &&
        jwt_set_alg(jwt, JWT_ALG_HS256, (const unsigned char *)KEY, (int)strlen(KEY)) == 0) {
        token = jwt_encode_str(jwt);
    }
    struct caller caller;
    if (token != NULL && verify(token, &caller) == ERR_OK) {
        assert(caller.account.role == ROLE_USER || caller.account.role == ROLE_DOCTOR);
        assert(!oid_is_none(caller.account.id) && caller.expires_ms > NOW_MS);
    }
    free(token);
    jwt_free(jwt);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    const char *token = token_of_header(text);
    assert(token == NULL || token[0] != '\0');
    struct caller caller;
    assert(verify(token, &caller) != ERR_OK);
    assert(verify(text, &caller) != ERR_OK);
    try_claims(text);
    free(text);
    return 0;
}
