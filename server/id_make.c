/* Ids: fresh ones by the ObjectId scheme, derived ones by SHA-256, and the random bytes and
 * signatures around them, all by OpenSSL. */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/memory.h"
#include "server/auth.h"

#define SHA256_BYTES 32
#define PROCESS_BYTES 5

void random_bytes(void *out, size_t length)
{
    if (RAND_bytes(out, (int)length) != 1) {
        fputs("consultd: the system has no random bytes\n", stderr);
        abort();
    }
}

/* ---- Fresh ids ---------------------------------------------------------------------------- */

static unsigned char process_part[PROCESS_BYTES];
static atomic_uint counter;
static pthread_once_t process_once = PTHREAD_ONCE_INIT;

static void choose_process_part(void)
{
    unsigned start;
    random_bytes(process_part, sizeof process_part);
    random_bytes(&start, sizeof start);
    atomic_store(&counter, start);
}

struct oid id_new(struct timestamp now)
{
    pthread_once(&process_once, choose_process_part);
    uint32_t seconds = (uint32_t)(now.ms / 1000);
    unsigned number = atomic_fetch_add(&counter, 1);
    struct oid id;
    for (int i = 0; i < 4; i++) {
        id.bytes[i] = (uint8_t)(seconds >> (24 - 8 * i));
    }
    memcpy(id.bytes + 4, process_part, PROCESS_BYTES);
    for (int i = 0; i < 3; i++) {
        id.bytes[9 + i] = (uint8_t)(number >> (16 - 8 * i));
    }
    return id;
}

/* ---- Derived ids -------------------------------------------------------------------------- */

static EVP_MD *sha256;
static pthread_once_t sha256_once = PTHREAD_ONCE_INIT;

static void free_sha256(void)
{
    EVP_MD_free(sha256);
}

/* Fetched once: looking it up costs more than hashing a few words. */
static void fetch_sha256(void)
{
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (sha256 == NULL) {
        fputs("consultd: the cryptographic library has no SHA-256\n", stderr);
        abort();
    }
    atexit(free_sha256);
}

static void add_word(EVP_MD_CTX *context, const void *word, size_t length)
{
    unsigned char size[4];
    for (int i = 0; i < 4; i++) {
        size[i] = (unsigned char)(length >> (24 - 8 * i));
    }
    EVP_DigestUpdate(context, size, sizeof size);
    EVP_DigestUpdate(context, word, length);
}

struct oid id_derive(const char *kind, size_t count, const void *const *words,
                     const size_t *lengths)
{
    pthread_once(&sha256_once, fetch_sha256);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (context == NULL || EVP_DigestInit_ex2(context, sha256, NULL) != 1) {
        memory_exhausted();
    }
    add_word(context, kind, strlen(kind));
    for (size_t i = 0; i < count; i++) {
        add_word(context, words[i], lengths[i]);
    }
    unsigned char digest[SHA256_BYTES];
    EVP_DigestFinal_ex(context, digest, NULL);
    EVP_MD_CTX_free(context);
    struct oid id;
    memcpy(id.bytes, digest, sizeof id.bytes);
    return id;
}

struct oid id_derive_text(const char *kind, const char *text)
{
    const void *words[] = {text};
    size_t lengths[] = {strlen(text)};
    return id_derive(kind, 1, words, lengths);
}

struct oid id_derive_pair(const char *kind, struct oid a, struct oid b)
{
    const void *words[] = {a.bytes, b.bytes};
    size_t lengths[] = {sizeof a.bytes, sizeof b.bytes};
    return id_derive(kind, 2, words, lengths);
}

struct oid id_derive_number(const char *kind, struct oid a, int64_t number)
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%lld", (long long)number);
    const void *words[] = {a.bytes, digits};
    size_t lengths[] = {sizeof a.bytes, (size_t)length};
    return id_derive(kind, 2, words, lengths);
}

/* ---- Signatures --------------------------------------------------------------------------- */

void hmac_sha256_hex(const char *key, const char *text, size_t length, char out[65])
{
    unsigned char digest[SHA256_BYTES];
    unsigned digest_length = sizeof digest;
    if (HMAC(EVP_sha256(), key, (int)strlen(key), (const unsigned char *)text, length, digest,
             &digest_length) == NULL) {
        memory_exhausted();
    }
    for (size_t i = 0; i < sizeof digest; i++) {
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
    }
}

bool text_equal_secretly(const char *a, const char *b)
{
    size_t length = strlen(a);
    return length == strlen(b) && CRYPTO_memcmp(a, b, length) == 0;
}
