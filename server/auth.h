/* Any thread. Tokens, passwords, signatures. The primitives are libraries' (libjwt, OpenSSL);
 * what they are used for is contract 2. */
#ifndef CONSULTD_SERVER_AUTH_H
#define CONSULTD_SERVER_AUTH_H

#include "protocol/arena.h"
#include "server/account.h"
#include "server/config.h"

/* Makes a JWT, HS256, {"userId"|"doctorId","iat","exp"}, signed with the first key. Lives in the
 * arena. ERR_INTERNAL if the library fails. */
MUST_USE enum err token_make(struct arena *arena, const struct settings *settings,
                             struct account account, struct timestamp now, const char **out);

/* Verifies a token: HS256 only, any of the keys, exp ahead of `now`, exactly one of the two ids.
 * ERR_NOT_SIGNED_IN, or ERR_TOKEN_EXPIRED when only the time is over. `token` NULL or "":
 * ERR_NOT_SIGNED_IN. */
MUST_USE enum err token_verify(const struct settings *settings, const char *token,
                               struct timestamp now, struct caller *out);

/* The token of an Authorization header ("Bearer …", any case, one or more spaces); NULL: none. */
const char *token_of_header(const char *header);

/* "scrypt$N$r$p$salt$hash" with a random salt; slow on purpose (about 50 ms): LANE_SLOW. */
MUST_USE enum err password_hash(struct arena *arena, const char *password, const char **out);
/* Constant time in the password. A NULL `hash` takes the same time and is false. */
bool password_matches(const char *password, const char *hash);

/* Sign-in failures per account name within a minute of the first of them. `attempts_over` counts
 * nothing; attempts_failed counts one. Locked inside, bounded in memory. Contract 2. */
struct attempts;
struct attempts *attempts_new(int64_t per_minute);
void attempts_free(struct attempts *attempts);
bool attempts_over(struct attempts *attempts, const char *name, int64_t now_ms, int64_t *after_ms);
void attempts_failed(struct attempts *attempts, const char *name, int64_t now_ms);

/* Tencent Cloud IM TLSSigAPIv2 for `identifier`; "" when no app id and key are configured.
 * Valid as long as the token. */
MUST_USE enum err usersig_make(struct arena *arena, const struct settings *settings,
                               const char *identifier, struct timestamp now, const char **out);

/* The same id for the same words, always and everywhere: the first 12 bytes of SHA-256 over the
 * kind and the words (lengths included, so that no two lists of words meet).
 * id_derive("chat", 2, (const void *[]){…}, (size_t[]){…}). */
struct oid id_derive(const char *kind, size_t count, const void *const *words,
                     const size_t *lengths);
struct oid id_derive_text(const char *kind, const char *text);
struct oid id_derive_pair(const char *kind, struct oid a, struct oid b);
struct oid id_derive_number(const char *kind, struct oid a, int64_t number);

/* A fresh ObjectId: seconds, random of the process, counter. */
struct oid id_new(struct timestamp now);

/* Cryptographically random bytes; ends the program if there are none. */
void random_bytes(void *out, size_t length);

/* Lower-case hex of HMAC-SHA256. */
void hmac_sha256_hex(const char *key, const char *text, size_t length, char out[65]);
/* Constant-time comparison of two texts. */
bool text_equal_secretly(const char *a, const char *b);

#endif
