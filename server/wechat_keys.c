/* Keys are read once, at the start: a process that cannot prove or believe anything shall not take
 * money. Of WeChat's public keys several are known at a time, by their serials, because it moves
 * from one to the next gradually. OpenSSL's keys are only read after that, by any thread. */
#include "server/wechat_keys.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/memory.h"
#include "server/auth.h"
#include "server/config.h"

#define PUBLIC_KEYS_MAX 8
#define API_KEY_BYTES 32
#define NONCE_BYTES 16
#define GCM_NONCE_BYTES 12
#define GCM_TAG_BYTES 16
#define RSA_BITS_MIN 2048
#define PREPAY_MINUTES 120 /* a prepay_id is good for two hours */
#define SECOND_DIGITS_MAX 15

struct public_key {
    const char *serial;
    EVP_PKEY *key;
};

struct wechat {
    const struct settings *settings;
    char *words; /* wechat_public_keys, cut into pieces */
    EVP_PKEY *private_key;
    struct public_key public_keys[PUBLIC_KEYS_MAX];
    size_t public_key_count;
};

/* ---- Opening ------------------------------------------------------------------------------ */

PRINTF_LIKE(2, 3)
static bool refuse(char *why, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, WECHAT_WHY_BYTES, format, arguments);
    va_end(arguments);
    return false;
}

/* A key file must not ask for a password at a terminal that nobody sits at. */
static int no_password(char *buffer, int size, int is_writing, void *user)
{
    (void)buffer;
    (void)size;
    (void)is_writing;
    (void)user;
    return -1;
}

static EVP_PKEY *read_private(FILE *file)
{
    return PEM_read_PrivateKey(file, NULL, no_password, NULL);
}

/* A public key, or a certificate that holds one. */
static EVP_PKEY *read_public(FILE *file)
{
    EVP_PKEY *key = PEM_read_PUBKEY(file, NULL, no_password, NULL);
    if (key != NULL) {
        return key;
    }
    rewind(file);
    X509 *certificate = PEM_read_X509(file, NULL, no_password, NULL);
    key = certificate != NULL ? X509_get_pubkey(certificate) : NULL;
    X509_free(certificate);
    return key;
}

static bool read_key(const char *option, const char *path, EVP_PKEY *(*read)(FILE *),
                     EVP_PKEY **out, char *why)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return refuse(why, "%s: %.150s cannot be read", option, path);
    }
    *out = read(file);
    fclose(file);
    if (*out == NULL || EVP_PKEY_get_base_id(*out) != EVP_PKEY_RSA ||
        EVP_PKEY_get_bits(*out) < RSA_BITS_MIN) {
        return refuse(why, "%s: %.150s holds no %s RSA key of %d bits or more (PEM)", option, path,
                      read == read_private ? "private" : "public", RSA_BITS_MIN);
    }
    return true;
}

/* SERIAL=FILE, separated by spaces. */
static bool read_public_keys(struct wechat *wechat, char *why)
{
    static const char option[] = "wechat_public_keys";
    const char *text = wechat->settings->wechat_public_keys;
    wechat->words = memory_resize(NULL, strlen(text) + 1);
    strcpy(wechat->words, text);
    char *rest = NULL;
    for (char *word = strtok_r(wechat->words, " ", &rest); word != NULL;
         word = strtok_r(NULL, " ", &rest)) {
        char *equals = strchr(word, '=');
        if (equals == NULL || equals == word) {
            return refuse(why, "%s must be SERIAL=FILE …, not %.80s", option, word);
        }
        if (wechat->public_key_count == PUBLIC_KEYS_MAX) {
            return refuse(why, "%s: at most %d", option, PUBLIC_KEYS_MAX);
        }
        *equals = '\0';
        struct public_key *at = &wechat->public_keys[wechat->public_key_count++];
        at->serial = word;
        if (!read_key(option, equals + 1, read_public, &at->key, why)) {
            return false;
        }
    }
    return wechat->public_key_count > 0 ||
           refuse(why, "%s is needed for payments by wechat", option);
}

static bool check_texts(const struct settings *settings, char *why)
{
    const struct {
        const char *name, *value;
        bool is_told; /* written into JSON or a header */
    } needed[] = {
        {"wechat_app_id", settings->wechat_app_id, true},
        {"wechat_mch_id", settings->wechat_mch_id, true},
        {"wechat_mch_serial", settings->wechat_mch_serial, true},
        {"wechat_mch_key_file", settings->wechat_mch_key_file, false},
        {"wechat_api_key", settings->wechat_api_key, false},
        {"wechat_public_keys", settings->wechat_public_keys, true},
        {"wechat_notify_url", settings->wechat_notify_url, true},
        {"wechat_base_url", settings->wechat_base_url, true},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(needed); i++) {
        if (needed[i].value[0] == '\0') {
            return refuse(why, "%s is needed for payments by wechat", needed[i].name);
        }
        for (const char *at = needed[i].value; needed[i].is_told && *at != '\0'; at++) {
            if (*at == '"' || *at == '\\' || (unsigned char)*at < ' ') {
                return refuse(why, "%s holds a character that it must not", needed[i].name);
            }
        }
    }
    return true;
}

static bool check_values(const struct settings *settings, char *why)
{
    static const char secure[] = "https://", here[] = "http://127.0.0.1:";
    const char *base = settings->wechat_base_url, *notify = settings->wechat_notify_url;
    if (strspn(settings->wechat_mch_id, "0123456789") != strlen(settings->wechat_mch_id)) {
        return refuse(why, "wechat_mch_id must be digits");
    }
    if (strlen(settings->wechat_api_key) != API_KEY_BYTES) {
        return refuse(why, "wechat_api_key must be %d characters", API_KEY_BYTES);
    }
    bool is_https = strncmp(base, secure, strlen(secure)) == 0;
    if ((!is_https && strncmp(base, here, strlen(here)) != 0) || base[strlen(base) - 1] == '/') {
        return refuse(why, "wechat_base_url must be https://… (or %s…), without / at the end",
                      here);
    }
    if ((strncmp(notify, secure, strlen(secure)) != 0 && is_https) || strchr(notify, '?') != NULL) {
        return refuse(why, "wechat_notify_url must be https://… without parameters");
    }
    if (settings->unpaid_minutes > PREPAY_MINUTES) {
        return refuse(why, "unpaid_minutes must be at most %d with wechat", PREPAY_MINUTES);
    }
    return true;
}

bool wechat_open(const struct settings *settings, struct wechat **out, char why[WECHAT_WHY_BYTES])
{
    struct wechat *wechat = memory_resize(NULL, sizeof *wechat);
    *wechat = (struct wechat){.settings = settings};
    if (check_texts(settings, why) && check_values(settings, why) &&
        read_key("wechat_mch_key_file", settings->wechat_mch_key_file, read_private,
                 &wechat->private_key, why) &&
        read_public_keys(wechat, why)) {
        *out = wechat;
        return true;
    }
    wechat_close(wechat);
    *out = NULL;
    return false;
}

void wechat_close(struct wechat *wechat)
{
    if (wechat == NULL) {
        return;
    }
    for (size_t i = 0; i < wechat->public_key_count; i++) {
        EVP_PKEY_free(wechat->public_keys[i].key);
    }
    EVP_PKEY_free(wechat->private_key);
    free(wechat->words);
    free(wechat);
}

const char *wechat_serial(const struct wechat *wechat)
{
    return wechat->public_keys[0].serial;
}

const char *wechat_nonce(struct arena *arena)
{
    unsigned char random[NONCE_BYTES];
    char *text = arena_alloc(arena, 2 * NONCE_BYTES + 1);
    random_bytes(random, sizeof random);
    for (size_t i = 0; i < sizeof random; i++) {
        snprintf(text + 2 * i, 3, "%02X", random[i]);
    }
    return text;
}

/* ---- Signatures --------------------------------------------------------------------------- */

enum err wechat_sign(struct arena *arena, const struct wechat *wechat, const char *text,
                     const char **out)
{
    size_t length = (size_t)EVP_PKEY_get_size(wechat->private_key);
    unsigned char *signature = arena_alloc(arena, length);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool is_signed =
        context != NULL &&
        EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, wechat->private_key) == 1 &&
        EVP_DigestSign(context, signature, &length, (const unsigned char *)text, strlen(text)) == 1;
    EVP_MD_CTX_free(context);
    if (!is_signed) {
        return ERR_INTERNAL;
    }
    char *base64 = arena_alloc(arena, 4 * ((length + 2) / 3) + 1);
    EVP_EncodeBlock((unsigned char *)base64, signature, (int)length);
    *out = base64;
    return ERR_OK;
}

/* Proper base64 with its padding only. False: it is none. */
static bool decode_base64(struct arena *arena, const char *text, unsigned char **out,
                          size_t *length)
{
    size_t count = strlen(text), padding = 0;
    if (count == 0 || count % 4 != 0 || count > INT32_MAX) {
        return false;
    }
    while (padding < 2 && text[count - 1 - padding] == '=') {
        padding++;
    }
    *out = arena_alloc(arena, count / 4 * 3);
    int decoded = EVP_DecodeBlock(*out, (const unsigned char *)text, (int)count);
    if (decoded < 0) {
        return false;
    }
    *length = (size_t)decoded - padding;
    return true;
}

static EVP_PKEY *key_of(const struct wechat *wechat, const char *serial)
{
    for (size_t i = 0; i < wechat->public_key_count; i++) {
        if (strcmp(wechat->public_keys[i].serial, serial) == 0) {
            return wechat->public_keys[i].key;
        }
    }
    return NULL;
}

static bool is_recent(const char *seconds, struct timestamp now)
{
    size_t digits = strspn(seconds, "0123456789");
    if (digits == 0 || digits > SECOND_DIGITS_MAX || seconds[digits] != '\0') {
        return false;
    }
    int64_t apart = now.ms - strtoll(seconds, NULL, 10) * 1000;
    return apart <= WECHAT_CLOCKS_APART_MS && apart >= -WECHAT_CLOCKS_APART_MS;
}

bool wechat_has_said(struct arena *arena, const struct wechat *wechat, struct timestamp now,
                     const struct wechat_seal *seal, const char *body, size_t length)
{
    if (seal->serial == NULL || seal->timestamp == NULL || seal->nonce == NULL ||
        seal->signature == NULL || !is_recent(seal->timestamp, now)) {
        return false;
    }
    EVP_PKEY *key = key_of(wechat, seal->serial);
    unsigned char *signature;
    size_t signature_length;
    if (key == NULL || !decode_base64(arena, seal->signature, &signature, &signature_length)) {
        return false;
    }
    const char *head = arena_format(arena, "%s\n%s\n", seal->timestamp, seal->nonce);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool is_his = context != NULL &&
                  EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
                  EVP_DigestVerifyUpdate(context, head, strlen(head)) == 1 &&
                  (length == 0 || EVP_DigestVerifyUpdate(context, body, length) == 1) &&
                  EVP_DigestVerifyUpdate(context, "\n", 1) == 1 &&
                  EVP_DigestVerifyFinal(context, signature, signature_length) == 1;
    EVP_MD_CTX_free(context);
    return is_his;
}

/* ---- The box of a notification ------------------------------------------------------------ */

/* `sealed` is the encrypted text and its tag; `text` has room for all of it. */
static bool open_box(EVP_CIPHER_CTX *context, const char *key, const char *nonce,
                     const char *associated_data, unsigned char *sealed, size_t length, char *text)
{
    int done = 0, more = 0, text_length = (int)(length - GCM_TAG_BYTES);
    unsigned char *tag = sealed + text_length;
    int known = (int)strlen(associated_data);
    return EVP_DecryptInit_ex(context, EVP_aes_256_gcm(), NULL, (const unsigned char *)key,
                              (const unsigned char *)nonce) == 1 &&
           (known == 0 || EVP_DecryptUpdate(context, NULL, &done,
                                            (const unsigned char *)associated_data, known) == 1) &&
           EVP_DecryptUpdate(context, (unsigned char *)text, &done, sealed, text_length) == 1 &&
           EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, GCM_TAG_BYTES, tag) == 1 &&
           EVP_DecryptFinal_ex(context, (unsigned char *)text + done, &more) == 1;
}

bool wechat_decrypt(struct arena *arena, const struct wechat *wechat, const char *nonce,
                    const char *associated_data, const char *ciphertext, char **out, size_t *length)
{
    unsigned char *sealed;
    size_t sealed_length;
    if (strlen(nonce) != GCM_NONCE_BYTES ||
        !decode_base64(arena, ciphertext, &sealed, &sealed_length) ||
        sealed_length < GCM_TAG_BYTES) {
        return false;
    }
    *length = sealed_length - GCM_TAG_BYTES;
    *out = arena_alloc(arena, *length + 1);
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    bool is_open = context != NULL && open_box(context, wechat->settings->wechat_api_key, nonce,
                                               associated_data, sealed, sealed_length, *out);
    EVP_CIPHER_CTX_free(context);
    (*out)[*length] = '\0';
    return is_open;
}
