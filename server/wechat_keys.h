/* Any thread, once opened on the main thread. What WeChat Pay's API v3 asks of cryptography, and the
 * keys for it: SHA256 with RSA of what either side says, and AES-256-GCM of what its notifications
 * tell. Nothing here talks to anybody. Contract 3, providers.
 *
 * The texts that are signed, each line with its \n:
 *     a request of ours    method, path with query, timestamp, nonce, body
 *     what an app pays by  app id, timestamp, nonce, "prepay_id=…"
 *     what WeChat says     timestamp, nonce, body (answers and notifications) */
#ifndef CONSULTD_SERVER_WECHAT_KEYS_H
#define CONSULTD_SERVER_WECHAT_KEYS_H

#include "protocol/arena.h"
#include "protocol/id.h"

#define WECHAT_WHY_BYTES 256
#define WECHAT_CLOCKS_APART_MS INT64_C(300000) /* older or newer words of WeChat are no words */

struct settings; /* config.h */
struct wechat;   /* the keys */

/* Reads and checks the wechat_* options. False: `why` names the option, never a secret's value.
 * Caller owns *out: wechat_close. `settings` must outlive it. */
MUST_USE bool wechat_open(const struct settings *settings, struct wechat **out,
                          char why[WECHAT_WHY_BYTES]);
void wechat_close(struct wechat *wechat);

/* The serial that requests ask WeChat to sign its answers with: the first of the option. */
const char *wechat_serial(const struct wechat *wechat);

/* 32 random characters. */
const char *wechat_nonce(struct arena *arena);

/* The merchant's signature in base64. ERR_INTERNAL if the library fails. */
MUST_USE enum err wechat_sign(struct arena *arena, const struct wechat *wechat, const char *text,
                              const char **out);

/* The headers beside what WeChat says; any may be NULL. */
struct wechat_seal {
    const char *serial, *timestamp, *nonce, *signature;
};

/* Whether WeChat has said this, within five minutes of `now`. */
bool wechat_has_said(struct arena *arena, const struct wechat *wechat, struct timestamp now,
                     const struct wechat_seal *seal, const char *body, size_t length);

/* Opens the box of a notification. False: it was locked with another key, or changed. `out` is
 * NUL-terminated. */
bool wechat_decrypt(struct arena *arena, const struct wechat *wechat, const char *nonce,
                    const char *associated_data, const char *ciphertext, char **out,
                    size_t *length);

#endif
