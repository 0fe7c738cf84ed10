/* WeChat's four words for a payment, turned into ours.
 *
 * Nothing is believed that is not signed by WeChat, not of this merchant and app, or not of the
 * payment that was asked about. The refund's number is made from the payment's, so that asking
 * again never moves money twice. A payment that nobody has finished needs no closing: WeChat takes
 * none after time_expire, which is when the order is cancelled.
 *
 * A refund that WeChat cannot make (ABNORMAL: the card is gone; CLOSED) is left to people, in
 * WeChat's merchant platform: it stays owed, is asked about again, and is logged as an error. */
#include "server/provider_wechat.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "server/clock.h"
#include "server/config.h"
#include "server/log.h"
#include "server/wechat_gateway.h"
#include "server/wechat_keys.h"

#define TRANSACTIONS "/v3/pay/transactions/"
#define REFUNDS "/v3/refund/domestic/refunds"
#define DESCRIPTION "互联网医院图文咨询"
#define REFUND_REASON "咨询订单退款"
#define HTTP_OK 200
#define HTTP_NOT_FOUND 404
#define WORD_MAX 64
#define BOX_MAX 65536
#define CHINA_MS INT64_C(28800000) /* WeChat writes its times so: +08:00 */
#define PAYABLE_MS_MIN INT64_C(61000)

/* ---- What WeChat says --------------------------------------------------------------------- */

struct wechat_amount {
    int64_t total, refund;
    const char *currency;
};

/* A payment or a refund, in an answer or in a notification: some members each. */
struct wechat_trade {
    const char *app_id, *mch_id, *out_trade_no, *out_refund_no, *transaction_id;
    const char *trade_state, *status, *refund_status;
    const struct wechat_amount *amount;
};

struct wechat_prepaid {
    const char *prepay_id;
};

struct wechat_failure {
    const char *code;
};

struct wechat_box {
    const char *algorithm, *nonce, *associated_data, *ciphertext;
};

struct wechat_notice {
    const char *event_type;
    const struct wechat_box *box;
};

#define WORD(type, member, wire, flags)                                                            \
    FIELD_FORMAT(type, member, wire, flags, FORMAT_VISIBLE, WORD_MAX, "")
static const struct field amount_fields[] = {
    FIELD(wechat_amount, total, "total", REQUIRED, 0, FEE_MAX, ""),
    FIELD(wechat_amount, refund, "refund", 0, 0, FEE_MAX, ""),
    WORD(wechat_amount, currency, "currency", 0),
};
static const struct shape amount_shape = SHAPE(wechat_amount, amount_fields);
static const struct field trade_fields[] = {
    WORD(wechat_trade, app_id, "appid", 0),
    WORD(wechat_trade, mch_id, "mchid", 0),
    WORD(wechat_trade, out_trade_no, "out_trade_no", REQUIRED),
    WORD(wechat_trade, out_refund_no, "out_refund_no", 0),
    WORD(wechat_trade, transaction_id, "transaction_id", 0),
    WORD(wechat_trade, trade_state, "trade_state", 0),
    WORD(wechat_trade, status, "status", 0),
    WORD(wechat_trade, refund_status, "refund_status", 0),
    FIELD_OBJECT(wechat_trade, amount, "amount", 0, amount_shape, ""),
};
static const struct shape trade_shape = SHAPE(wechat_trade, trade_fields);
static const struct field prepaid_fields[] = {
    WORD(wechat_prepaid, prepay_id, "prepay_id", REQUIRED)};
static const struct shape prepaid_shape = SHAPE(wechat_prepaid, prepaid_fields);
static const struct field failure_fields[] = {WORD(wechat_failure, code, "code", REQUIRED)};
static const struct shape failure_shape = SHAPE(wechat_failure, failure_fields);
static const struct field box_fields[] = {
    FIELD_CHOICE(wechat_box, algorithm, "algorithm", REQUIRED, "AEAD_AES_256_GCM", ""),
    WORD(wechat_box, nonce, "nonce", REQUIRED),
    WORD(wechat_box, associated_data, "associated_data", 0),
    FIELD_FORMAT(wechat_box, ciphertext, "ciphertext", REQUIRED, FORMAT_VISIBLE, BOX_MAX, ""),
};
static const struct shape box_shape = SHAPE(wechat_box, box_fields);
static const struct field notice_fields[] = {
    WORD(wechat_notice, event_type, "event_type", REQUIRED),
    FIELD_OBJECT(wechat_notice, box, "resource", REQUIRED, box_shape, ""),
};
static const struct shape notice_shape = SHAPE(wechat_notice, notice_fields);

/* False: it is not of this shape. */
static bool read_json(struct call *call, const char *text, size_t length, const struct shape *shape,
                      void *out)
{
    struct fault fault;
    struct document document;
    return document_parse(&document, call->arena, text, length, &fault) == ERR_OK &&
           document_bind(&document, shape, call->arena, out, &fault) == ERR_OK;
}

static bool is_same(const char *said, const char *expected)
{
    return said != NULL && strcmp(said, expected) == 0;
}

static bool is_in_yuan(const struct wechat_amount *amount)
{
    return amount != NULL && (amount->currency == NULL || strcmp(amount->currency, "CNY") == 0);
}

static const char *refund_no(struct call *call, const char *out_trade_no)
{
    return arena_format(call->arena, "R%s", out_trade_no);
}

/* ---- Answers ------------------------------------------------------------------------------ */

static enum err refuse(const struct payment *payment, const char *reason)
{
    char id[OID_TEXT_BYTES];
    oid_format(payment->id, id);
    log_warning("WeChat Pay did not do as asked", "payment=%s reason=\"%s\"", id, reason);
    return ERR_PROVIDER;
}

/* ERR_PROVIDER for everything but a 200 of this shape. */
static enum err read_answer(struct call *call, const struct payment *payment,
                            const struct wechat_answer *answer, const struct shape *shape,
                            void *out)
{
    if (answer->status == HTTP_OK) {
        return read_json(call, answer->body, answer->length, shape, out)
                   ? ERR_OK
                   : refuse(payment, "unreadable");
    }
    struct wechat_failure failure;
    bool is_read = read_json(call, answer->body, answer->length, &failure_shape, &failure);
    return refuse(payment, is_read ? failure.code : "unreadable");
}

/* Refunds, in answers (`status`) and notifications (`refund_status`). */
static enum trade_state refund_state(const char *status, const char *out_trade_no)
{
    if (is_same(status, "SUCCESS")) {
        return TRADE_REFUNDED;
    }
    if (!is_same(status, "PROCESSING")) {
        log_error("WeChat Pay cannot make a refund; see its merchant platform",
                  "outTradeNo=%s status=%s", out_trade_no, status != NULL ? status : "none");
    }
    return TRADE_REFUNDING;
}

static enum err read_refund(struct call *call, const struct payment *payment,
                            const struct wechat_answer *answer, struct trade *out)
{
    struct wechat_trade said;
    TRY(read_answer(call, payment, answer, &trade_shape, &said));
    if (!is_same(said.out_trade_no, payment->out_trade_no) ||
        !is_same(said.out_refund_no, refund_no(call, payment->out_trade_no)) ||
        !is_in_yuan(said.amount) || said.amount->refund == NUMBER_ABSENT) {
        return refuse(payment, "not the refund that was asked for");
    }
    *out = (struct trade){.state = refund_state(said.status, payment->out_trade_no),
                          .out_trade_no = payment->out_trade_no,
                          .total_fee = said.amount->refund,
                          .transaction_id = payment->transaction_id};
    return ERR_OK;
}

static enum err read_payment(struct call *call, const struct payment *payment,
                             const struct wechat_answer *answer, struct trade *out)
{
    const struct settings *settings = call->settings;
    struct wechat_trade said;
    *out = (struct trade){TRADE_OPEN, payment->out_trade_no, payment->total_fee, NULL};
    if (answer->status == HTTP_NOT_FOUND) {
        return ERR_OK;
    }
    TRY(read_answer(call, payment, answer, &trade_shape, &said));
    if (!is_same(said.app_id, settings->wechat_app_id) ||
        !is_same(said.mch_id, settings->wechat_mch_id) ||
        !is_same(said.out_trade_no, payment->out_trade_no)) {
        return refuse(payment, "not the payment that was asked about");
    }
    if (!is_same(said.trade_state, "SUCCESS")) {
        return ERR_OK; /* REFUND, too: by hand, in the merchant platform, before we knew */
    }
    if (!is_in_yuan(said.amount) || said.transaction_id == NULL) {
        return refuse(payment, "no amount or number");
    }
    out->state = TRADE_PAID;
    out->total_fee = said.amount->total;
    out->transaction_id = said.transaction_id;
    return ERR_OK;
}

/* ---- create ------------------------------------------------------------------------------- */

static const char *time_in_china(struct call *call, struct timestamp time)
{
    time_t seconds = (time_t)((time.ms + CHINA_MS) / 1000);
    struct tm parts;
    char text[32];
    gmtime_r(&seconds, &parts);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S+08:00", &parts);
    return arena_text(call->arena, text, strlen(text));
}

/* The arena's copy of what a strbuf holds, which is freed. */
static const char *keep(struct call *call, struct strbuf *text)
{
    const char *kept = arena_text(call->arena, strbuf_text(text), text->length);
    strbuf_free(text);
    return kept;
}

static enum err make_prepay(struct call *call, const struct payment *payment, const char **out)
{
    const struct settings *settings = call->settings;
    struct user user;
    struct consultation order;
    TRY(store_get(call->store, call->arena, COLLECTION_USERS, payment->user_id, &user));
    TRY(store_get(call->store, call->arena, COLLECTION_CONSULTATIONS, payment->consultation_id,
                  &order));
    int64_t soonest = clock_now(call->clock).ms + PAYABLE_MS_MIN;
    struct timestamp expire = {order.due.ms > soonest ? order.due.ms : soonest};
    struct strbuf text;
    strbuf_init(&text, 0);
    strbuf_add_format(&text,
                      "{\"appid\":\"%s\",\"mchid\":\"%s\",\"description\":\"" DESCRIPTION
                      "\",\"out_trade_no\":\"%s\",\"time_expire\":\"%s\",\"notify_url\":\"%s\","
                      "\"amount\":{\"total\":%" PRId64
                      ",\"currency\":\"CNY\"},\"payer\":{\"openid\":",
                      settings->wechat_app_id, settings->wechat_mch_id, payment->out_trade_no,
                      time_in_china(call, expire), settings->wechat_notify_url, payment->total_fee);
    strbuf_add_json(&text, user.open_id);
    strbuf_add_literal(&text, "}}");
    *out = keep(call, &text);
    return ERR_OK;
}

/* What wx.requestPayment takes, and the two members of the interface document's example. */
static enum err make_order_info(struct call *call, const char *prepay_id, const char **out)
{
    const struct settings *settings = call->settings;
    int64_t seconds = clock_now(call->clock).ms / 1000;
    const char *nonce = wechat_nonce(call->arena), *signature;
    TRY(wechat_sign(call->arena, settings->wechat,
                    arena_format(call->arena, "%s\n%" PRId64 "\n%s\nprepay_id=%s\n",
                                 settings->wechat_app_id, seconds, nonce, prepay_id),
                    &signature));
    struct strbuf text;
    strbuf_init(&text, 0);
    strbuf_add_format(
        &text,
        "{\"appid\":\"%s\",\"partnerid\":\"%s\",\"appId\":\"%s\",\"timeStamp\":\"%" PRId64
        "\",\"nonceStr\":\"%s\",\"package\":",
        settings->wechat_app_id, settings->wechat_mch_id, settings->wechat_app_id, seconds, nonce);
    strbuf_add_json(&text, arena_format(call->arena, "prepay_id=%s", prepay_id));
    strbuf_add_format(&text, ",\"signType\":\"RSA\",\"paySign\":\"%s\"}", signature);
    *out = keep(call, &text);
    return ERR_OK;
}

static enum err create(struct call *call, const struct payment *payment, const char **order_info)
{
    const char *body;
    struct wechat_answer answer;
    struct wechat_prepaid prepaid;
    TRY(make_prepay(call, payment, &body));
    TRY(wechat_ask(call, TRANSACTIONS "jsapi", body, &answer));
    TRY(read_answer(call, payment, &answer, &prepaid_shape, &prepaid));
    return make_order_info(call, prepaid.prepay_id, order_info);
}

/* ---- verify ------------------------------------------------------------------------------- */

static const struct {
    const char *event, *status;
    bool is_refund;
} events[] = {
    {"TRANSACTION.SUCCESS", "SUCCESS", false},
    {"REFUND.SUCCESS", "SUCCESS", true},
    {"REFUND.ABNORMAL", "ABNORMAL", true},
    {"REFUND.CLOSED", "CLOSED", true},
};

static enum err read_event(struct call *call, const char *event, const struct wechat_trade *said,
                           struct trade *out)
{
    const struct settings *settings = call->settings;
    for (size_t i = 0; i < ARRAY_LENGTH(events); i++) {
        bool is_refund = events[i].is_refund;
        const char *status = is_refund ? said->refund_status : said->trade_state;
        if (strcmp(events[i].event, event) != 0) {
            continue;
        }
        if (!is_same(status, events[i].status) || !is_in_yuan(said->amount) ||
            said->transaction_id == NULL || (is_refund && said->amount->refund == NUMBER_ABSENT)) {
            return ERR_MALFORMED_REQUEST;
        }
        if (!is_same(said->mch_id, settings->wechat_mch_id) ||
            (!is_refund && !is_same(said->app_id, settings->wechat_app_id))) {
            return ERR_PAYMENT_NOT_FOUND;
        }
        *out = (struct trade){.state =
                                  is_refund ? refund_state(status, said->out_trade_no) : TRADE_PAID,
                              .out_trade_no = said->out_trade_no,
                              .total_fee = is_refund ? said->amount->refund : said->amount->total,
                              .transaction_id = said->transaction_id};
        return ERR_OK;
    }
    return ERR_MALFORMED_REQUEST;
}

static enum err verify(struct call *call, const struct notification *in, struct trade *out)
{
    const struct wechat *wechat = call->settings->wechat;
    struct arena *arena = call->arena;
    const struct wechat_seal seal = {
        .serial = header_find(arena, in->headers, "wechatpay-serial"),
        .timestamp = header_find(arena, in->headers, "wechatpay-timestamp"),
        .nonce = header_find(arena, in->headers, "wechatpay-nonce"),
        .signature = header_find(arena, in->headers, "wechatpay-signature"),
    };
    if (wechat == NULL || !wechat_has_said(arena, wechat, call->now, &seal, in->body, in->length)) {
        return ERR_BAD_SIGNATURE;
    }
    struct wechat_notice notice;
    struct wechat_trade said;
    if (!read_json(call, in->body, in->length, &notice_shape, &notice)) {
        return ERR_MALFORMED_REQUEST;
    }
    char *text;
    size_t length;
    const char *known = notice.box->associated_data;
    if (!wechat_decrypt(arena, wechat, notice.box->nonce, known != NULL ? known : "",
                        notice.box->ciphertext, &text, &length)) {
        log_error("a notification of WeChat Pay cannot be opened: is wechat_api_key the right one?",
                  "event=%s", notice.event_type);
        return ERR_BAD_SIGNATURE;
    }
    return read_json(call, text, length, &trade_shape, &said)
               ? read_event(call, notice.event_type, &said, out)
               : ERR_MALFORMED_REQUEST;
}

/* ---- refund, query ------------------------------------------------------------------------ */

static enum err refund(struct call *call, const struct payment *payment, struct trade *out)
{
    const struct settings *settings = call->settings;
    if (settings->wechat == NULL) {
        return refuse(payment, "wechat_options_missing");
    }
    const char *body =
        arena_format(call->arena,
                     "{\"out_trade_no\":\"%s\",\"out_refund_no\":\"%s\",\"reason\":\"" REFUND_REASON
                     "\",\"notify_url\":\"%s\",\"amount\":{\"refund\":%" PRId64
                     ",\"total\":%" PRId64 ",\"currency\":\"CNY\"}}",
                     payment->out_trade_no, refund_no(call, payment->out_trade_no),
                     settings->wechat_notify_url, payment->total_fee, payment->total_fee);
    struct wechat_answer answer;
    TRY(wechat_ask(call, REFUNDS, body, &answer));
    return read_refund(call, payment, &answer, out);
}

static enum err query_refund(struct call *call, const struct payment *payment, struct trade *out)
{
    struct wechat_answer answer;
    TRY(wechat_ask(call,
                   arena_format(call->arena, REFUNDS "/%s", refund_no(call, payment->out_trade_no)),
                   NULL, &answer));
    if (answer.status == HTTP_NOT_FOUND) { /* it does not know of the request: made again */
        *out = (struct trade){TRADE_PAID, payment->out_trade_no, payment->total_fee,
                              payment->transaction_id};
        return ERR_OK;
    }
    return read_refund(call, payment, &answer, out);
}

static enum err query(struct call *call, const struct payment *payment, struct trade *out)
{
    if (call->settings->wechat == NULL) {
        return refuse(payment, "wechat_options_missing");
    }
    if (payment->refund_accepted_at.ms != 0) {
        return query_refund(call, payment, out);
    }
    struct wechat_answer answer;
    TRY(wechat_ask(call,
                   arena_format(call->arena, TRANSACTIONS "out-trade-no/%s?mchid=%s",
                                payment->out_trade_no, call->settings->wechat_mch_id),
                   NULL, &answer));
    return read_payment(call, payment, &answer, out);
}

const struct provider provider_wechat = {
    .name = "wechat", .create = create, .verify = verify, .refund = refund, .query = query};
