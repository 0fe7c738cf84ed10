/* One connection for each question: they are rare (a payment is begun, a refund is due), and so
 * nothing is shared between threads, and nothing is kept of a peer that has gone.
 *
 * An answer counts only when WeChat has signed it, failures included: what came from somewhere in
 * between is as good as no answer. */
#include "server/wechat_gateway.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "server/clock.h"
#include "server/config.h"
#include "server/log.h"
#include "server/wechat_keys.h"

#define ANSWER_BYTES_MAX 65536
#define AGENT "consultd/" CONSULTD_VERSION

struct hearing {
    struct arena *arena;
    struct strbuf body;
    struct wechat_seal seal;
};

/* ---- Hearing ------------------------------------------------------------------------------ */

static size_t hear_body(char *bytes, size_t size, size_t count, void *user)
{
    struct hearing *hearing = user;
    size_t length = size * count;
    if (hearing->body.length + length > ANSWER_BYTES_MAX) {
        return 0; /* ends the transfer */
    }
    strbuf_add(&hearing->body, bytes, length);
    return length;
}

static size_t hear_header(char *line, size_t size, size_t count, void *user)
{
    struct hearing *hearing = user;
    struct wechat_seal *seal = &hearing->seal;
    const struct {
        const char *name;
        const char **value;
    } wanted[] = {{"wechatpay-serial:", &seal->serial},
                  {"wechatpay-timestamp:", &seal->timestamp},
                  {"wechatpay-nonce:", &seal->nonce},
                  {"wechatpay-signature:", &seal->signature}};
    size_t length = size * count;
    for (size_t i = 0; i < ARRAY_LENGTH(wanted); i++) {
        size_t at = strlen(wanted[i].name), end = length;
        if (length < at || strncasecmp(line, wanted[i].name, at) != 0) {
            continue;
        }
        while (at < end && line[at] == ' ') {
            at++;
        }
        while (end > at && (line[end - 1] == '\r' || line[end - 1] == '\n')) {
            end--;
        }
        *wanted[i].value = arena_text(hearing->arena, line + at, end - at);
    }
    return length;
}

/* ---- Asking ------------------------------------------------------------------------------- */

static enum err make_authorization(struct call *call, const char *path, const char *body,
                                   const char **out)
{
    const struct settings *settings = call->settings;
    const char *nonce = wechat_nonce(call->arena);
    int64_t seconds = clock_now(call->clock).ms / 1000; /* not call->now: a sweep may take long */
    const char *text =
        arena_format(call->arena, "%s\n%s\n%" PRId64 "\n%s\n%s\n", body != NULL ? "POST" : "GET",
                     path, seconds, nonce, body != NULL ? body : "");
    const char *signature;
    TRY(wechat_sign(call->arena, settings->wechat, text, &signature));
    *out = arena_format(call->arena,
                        "Authorization: WECHATPAY2-SHA256-RSA2048 mchid=\"%s\",nonce_str=\"%s\","
                        "signature=\"%s\",timestamp=\"%" PRId64 "\",serial_no=\"%s\"",
                        settings->wechat_mch_id, nonce, signature, seconds,
                        settings->wechat_mch_serial);
    return ERR_OK;
}

static struct curl_slist *make_headers(struct call *call, const char *authorization)
{
    const char *lines[] = {
        authorization, "Accept: application/json", "Content-Type: application/json",
        arena_format(call->arena, "Wechatpay-Serial: %s", wechat_serial(call->settings->wechat)),
        "Expect:"};
    struct curl_slist *headers = NULL;
    for (size_t i = 0; i < ARRAY_LENGTH(lines); i++) {
        struct curl_slist *longer = curl_slist_append(headers, lines[i]);
        if (longer == NULL) {
            curl_slist_free_all(headers);
            return NULL;
        }
        headers = longer;
    }
    return headers;
}

/* TLS is verified by libcurl's own choice: peer and host, by the machine's authorities. */
static CURLcode transfer(CURL *curl, struct call *call, const char *path, const char *body,
                         struct curl_slist *headers, struct hearing *hearing, long *status)
{
    const struct settings *settings = call->settings;
    const char *url = arena_format(call->arena, "%s%s", settings->wechat_base_url, path);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https,http");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)settings->wechat_timeout_seconds);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, AGENT);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, hear_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, hearing);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, hear_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, hearing);
    if (body != NULL) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    }
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, status);
    return code;
}

static enum err refuse(const char *path, long status, const char *reason)
{
    log_warning("WeChat Pay gave no answer to go by", "path=%s status=%ld reason=\"%s\"", path,
                status, reason);
    return ERR_PROVIDER;
}

static enum err take(struct call *call, const char *path, struct hearing *hearing,
                     struct wechat_answer *out)
{
    out->body = arena_text(call->arena, strbuf_text(&hearing->body), hearing->body.length);
    out->length = hearing->body.length;
    if (!wechat_has_said(call->arena, call->settings->wechat, clock_now(call->clock),
                         &hearing->seal, out->body, out->length)) {
        return refuse(path, out->status, "its signature is not WeChat's");
    }
    bool is_answer = out->status >= 200 && out->status < 500 && out->status != 429;
    return is_answer ? ERR_OK : refuse(path, out->status, "it is in trouble");
}

enum err wechat_ask(struct call *call, const char *path, const char *body,
                    struct wechat_answer *out)
{
    const char *authorization;
    TRY(make_authorization(call, path, body, &authorization));
    struct hearing hearing = {.arena = call->arena};
    strbuf_init(&hearing.body, 0);
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = make_headers(call, authorization);
    CURLcode code = CURLE_OUT_OF_MEMORY;
    *out = (struct wechat_answer){.status = 0};
    if (curl != NULL && headers != NULL) {
        code = transfer(curl, call, path, body, headers, &hearing, &out->status);
    }
    enum err err = code == CURLE_OK ? take(call, path, &hearing, out)
                                    : refuse(path, out->status, curl_easy_strerror(code));
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    strbuf_free(&hearing.body);
    return err;
}
