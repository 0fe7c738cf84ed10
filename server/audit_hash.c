/* Places, hashes and heads of the record: what writing and verifying share. */
#include <assert.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/canonical.h"
#include "protocol/memory.h"
#include "server/audit_chain.h"

#define HASH_BYTES 32

/* ---- Places ------------------------------------------------------------------------------- */

struct oid audit_place(struct oid row, int64_t number)
{
    assert(number >= 0 && number <= AUDIT_NUMBER_MAX);
    for (size_t i = 0; i < OID_BYTES - AUDIT_CHAIN_BYTES; i++) {
        row.bytes[OID_BYTES - 1 - i] = (uint8_t)(number >> (8 * i));
    }
    return row;
}

int64_t audit_number(struct oid row)
{
    int64_t number = 0;
    for (size_t i = AUDIT_CHAIN_BYTES; i < OID_BYTES; i++) {
        number = number << 8 | row.bytes[i];
    }
    return number;
}

void audit_chain_name(struct oid row, char text[AUDIT_CHAIN_TEXT_BYTES])
{
    char whole[OID_TEXT_BYTES];
    oid_format(row, whole);
    memcpy(text, whole, AUDIT_CHAIN_TEXT_BYTES - 1);
    text[AUDIT_CHAIN_TEXT_BYTES - 1] = '\0';
}

/* ---- Hashes ------------------------------------------------------------------------------- */

/* Kept over rows: fetching an algorithm costs more than hashing a row. */
struct audit_hasher {
    EVP_MD *algorithm;
    EVP_MD_CTX *context;
    struct strbuf bytes;
};

struct audit_hasher *audit_hasher_new(void)
{
    struct audit_hasher *hasher = memory_resize(NULL, sizeof *hasher);
    hasher->algorithm = EVP_MD_fetch(NULL, "SHA256", NULL);
    hasher->context = EVP_MD_CTX_new();
    assert(hasher->algorithm != NULL && hasher->context != NULL);
    strbuf_init(&hasher->bytes, 0);
    return hasher;
}

void audit_hasher_free(struct audit_hasher *hasher)
{
    EVP_MD_CTX_free(hasher->context);
    EVP_MD_free(hasher->algorithm);
    strbuf_free(&hasher->bytes);
    free(hasher);
}

void audit_hash_bytes(struct audit_hasher *hasher, const void *bytes, size_t length,
                      char out[AUDIT_HASH_TEXT_BYTES])
{
    unsigned char hash[HASH_BYTES];
    int is_done = EVP_DigestInit_ex2(hasher->context, hasher->algorithm, NULL) == 1 &&
                  EVP_DigestUpdate(hasher->context, bytes, length) == 1 &&
                  EVP_DigestFinal_ex(hasher->context, hash, NULL) == 1;
    assert(is_done);
    hex_format(hash, HASH_BYTES, out);
    out[2 * HASH_BYTES] = '\0';
}

void audit_hash_record(struct audit_hasher *hasher, const struct shape *shape, const void *record,
                       char out[AUDIT_HASH_TEXT_BYTES])
{
    strbuf_clear(&hasher->bytes);
    canonical_write(&hasher->bytes, shape, record);
    audit_hash_bytes(hasher, strbuf_text(&hasher->bytes), hasher->bytes.length, out);
}

/* ---- Heads -------------------------------------------------------------------------------- */

static bool head_parse(const char *line, struct audit_head *out)
{
    char chain[AUDIT_CHAIN_TEXT_BYTES];
    long long number;
    int end = 0;
    if (sscanf(line, "head %14[0-9a-f] %13lld %64[0-9a-f]%n", chain, &number, out->hash, &end) !=
            3 ||
        strlen(chain) != AUDIT_CHAIN_TEXT_BYTES - 1 ||
        strlen(out->hash) != AUDIT_HASH_TEXT_BYTES - 1 || number < 1 || number > AUDIT_NUMBER_MAX ||
        strspn(line + end, " \r") != strcspn(line + end, "\n")) {
        return false;
    }
    char whole[OID_TEXT_BYTES];
    snprintf(whole, sizeof whole, "%s%010llx", chain, (unsigned long long)number);
    return oid_parse(whole, OID_TEXT_BYTES - 1, &out->row);
}

struct audit_head *audit_heads_parse(struct arena *arena, const char *text, size_t *count,
                                     int *bad_line)
{
    size_t lines = 1;
    for (const char *at = text; *at != '\0'; at++) {
        lines += *at == '\n';
    }
    struct audit_head *heads = arena_array(arena, lines, sizeof *heads);
    int number = 0, bad = 0;
    *count = 0;
    for (const char *line = text; line != NULL && *line != '\0';) {
        number++;
        if (strncmp(line, "head ", 5) == 0) {
            if (head_parse(line, &heads[*count])) {
                (*count)++;
            } else if (bad == 0) {
                bad = number;
            }
        }
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
    if (bad_line != NULL) {
        *bad_line = bad;
    }
    return heads;
}

void audit_head_write(struct strbuf *out, const struct audit_head *head)
{
    char chain[AUDIT_CHAIN_TEXT_BYTES];
    audit_chain_name(head->row, chain);
    strbuf_add_format(out, "head %s %lld %s\n", chain, (long long)audit_number(head->row),
                      head->hash);
}
