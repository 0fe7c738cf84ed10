/* Passwords: scrypt by OpenSSL, kept as scrypt$N$r$p$salt$hash in hex; and the counting of failed
 * sign-ins, which makes guessing slow for one account without locking anybody out for long. */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/hash.h"
#include "protocol/memory.h"
#include "server/auth.h"

#define COST_N 16384
#define COST_R 8
#define COST_P 1
#define SCRYPT_MEMORY_MAX (64 * 1024 * 1024)
#define SALT_BYTES 16
#define HASH_BYTES 32

static bool derive(const char *password, const unsigned char *salt, unsigned char *hash)
{
    return EVP_PBE_scrypt(password, strlen(password), salt, SALT_BYTES, COST_N, COST_R, COST_P,
                          SCRYPT_MEMORY_MAX, hash, HASH_BYTES) == 1;
}

static void to_hex(const unsigned char *bytes, size_t count, char *out)
{
    for (size_t i = 0; i < count; i++) {
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
    }
}

static bool from_hex(const char *text, unsigned char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        unsigned value;
        if (sscanf(text + 2 * i, "%2x", &value) != 1) {
            return false;
        }
        bytes[i] = (unsigned char)value;
    }
    return true;
}

enum err password_hash(struct arena *arena, const char *password, const char **out)
{
    unsigned char salt[SALT_BYTES], hash[HASH_BYTES];
    char salt_hex[2 * SALT_BYTES + 1], hash_hex[2 * HASH_BYTES + 1];
    random_bytes(salt, sizeof salt);
    if (!derive(password, salt, hash)) {
        return ERR_INTERNAL;
    }
    to_hex(salt, sizeof salt, salt_hex);
    to_hex(hash, sizeof hash, hash_hex);
    *out = arena_format(arena, "scrypt$%d$%d$%d$%s$%s", COST_N, COST_R, COST_P, salt_hex, hash_hex);
    return ERR_OK;
}

/* Reads what password_hash wrote. Other costs than ours are not known. */
static bool parse_hash(const char *text, unsigned char *salt, unsigned char *hash)
{
    char salt_hex[2 * SALT_BYTES + 1], hash_hex[2 * HASH_BYTES + 1];
    int n, r, p;
    return sscanf(text, "scrypt$%d$%d$%d$%32[0-9a-f]$%64[0-9a-f]", &n, &r, &p, salt_hex,
                  hash_hex) == 5 &&
           n == COST_N && r == COST_R && p == COST_P && strlen(salt_hex) == 2 * SALT_BYTES &&
           strlen(hash_hex) == 2 * HASH_BYTES && from_hex(salt_hex, salt, SALT_BYTES) &&
           from_hex(hash_hex, hash, HASH_BYTES);
}

bool password_matches(const char *password, const char *hash)
{
    unsigned char salt[SALT_BYTES] = {0}, wanted[HASH_BYTES] = {0}, given[HASH_BYTES];
    bool is_known = hash != NULL && parse_hash(hash, salt, wanted);
    /* The same work whether there is such an account or not. */
    bool is_derived = derive(password, salt, given);
    bool is_same = CRYPTO_memcmp(wanted, given, sizeof given) == 0;
    return is_known && is_derived && is_same;
}

/* ---- Failed sign-ins ---------------------------------------------------------------------- */

/* A fixed table: names are hashed into it, so memory is bounded whatever is tried. Two names that
 * meet in a slot share their count, which can only make it stricter. */
#define SLOTS 4096
#define MINUTE_MS INT64_C(60000)

struct attempts {
    pthread_mutex_t lock; /* guards all below */
    int64_t per_minute;
    struct {
        int64_t since_ms; /* of the first of them */
        int64_t count;
    } slots[SLOTS];
};

struct attempts *attempts_new(int64_t per_minute)
{
    struct attempts *attempts = memory_resize(NULL, sizeof *attempts);
    memset(attempts, 0, sizeof *attempts);
    pthread_mutex_init(&attempts->lock, NULL);
    attempts->per_minute = per_minute;
    return attempts;
}

void attempts_free(struct attempts *attempts)
{
    if (attempts != NULL) {
        pthread_mutex_destroy(&attempts->lock);
        free(attempts);
    }
}

static size_t slot_of(const char *name)
{
    return (size_t)(hash_bytes(HASH_START, name, strlen(name)) % SLOTS);
}

/* What is left of the minute that began with the slot's first failure; 0: it is over. */
static int64_t minute_left(const struct attempts *attempts, size_t slot, int64_t now_ms)
{
    int64_t passed = now_ms - attempts->slots[slot].since_ms;
    return attempts->slots[slot].count == 0 || passed >= MINUTE_MS ? 0 : MINUTE_MS - passed;
}

bool attempts_over(struct attempts *attempts, const char *name, int64_t now_ms, int64_t *after_ms)
{
    size_t slot = slot_of(name);
    pthread_mutex_lock(&attempts->lock);
    bool is_full = attempts->slots[slot].count >= attempts->per_minute;
    *after_ms = is_full ? minute_left(attempts, slot, now_ms) : 0;
    pthread_mutex_unlock(&attempts->lock);
    return *after_ms > 0;
}

void attempts_failed(struct attempts *attempts, const char *name, int64_t now_ms)
{
    size_t slot = slot_of(name);
    pthread_mutex_lock(&attempts->lock);
    if (minute_left(attempts, slot, now_ms) == 0) {
        attempts->slots[slot].since_ms = now_ms;
        attempts->slots[slot].count = 0;
    }
    attempts->slots[slot].count++;
    pthread_mutex_unlock(&attempts->lock);
}
