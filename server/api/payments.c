/* Payments: one per order, confirmed by the provider's signed notification only.
 *
 * The sandbox provider is embedded: its payer is played by an endpoint, and its notification is
 * made and signed here, then goes the way of any provider's. Refunds are confirmed at once. */
#include "server/api/payments.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "server/api/api.h"
#include "server/api/audit.h"
#include "server/api/moves.h"
#include "server/api/notices.h"
#include "server/auth.h"
#include "server/config.h"

#define WAIT_FOR_PAY "WAIT_FOR_PAY"
#define PAYMENT_PAID "PAID"
#define PAYMENT_REFUNDING "REFUNDING"
#define PAYMENT_REFUNDED "REFUNDED"
#define PAYMENT_CLOSED "CLOSED"
#define TRADE_NO_DIGITS 12
#define MS_PER_HOUR INT64_C(3600000)

static struct oid payment_id_of(struct oid consultation_id)
{
    return id_derive_number("payment", consultation_id, 0);
}

static struct audit_note note_of(const struct payment *payment)
{
    return (struct audit_note){.action = AUDIT_PAYMENT,
                               .consultation_id = payment->consultation_id,
                               .subject = payment->id,
                               .result = payment->status};
}

/* Moves a payment from one state to another; `changed` says whether it was in `from`. */
static enum err change_state(struct call *call, struct oid id, const char *from, const char *to,
                             const struct change *more, size_t more_count, bool *changed,
                             struct payment *out)
{
    struct condition condition = WHERE(payment, status, IS, from);
    struct change changes[5] = {SET(payment, status, to), SET(payment, updated_at, call->now)};
    size_t count = 2;
    for (size_t i = 0; i < more_count; i++) {
        changes[count++] = more[i];
    }
    enum err err = store_update(call->store, call->arena, COLLECTION_PAYMENTS, id, &condition, 1,
                                changes, count, out);
    *changed = err == ERR_OK;
    if (*changed) {
        struct audit_note note = note_of(out);
        audit_note(call, &note);
    }
    return err == ERR_ABSENT ? ERR_OK : err;
}

enum err payment_close(struct call *call, struct consultation *order)
{
    bool changed;
    struct payment payment;
    return change_state(call, payment_id_of(order->id), WAIT_FOR_PAY, PAYMENT_CLOSED, NULL, 0,
                        &changed, &payment);
}

/* Pays back whatever state the payment is in; a payment never made needs nothing. */
static enum err refund(struct call *call, struct oid id)
{
    bool changed;
    struct payment payment;
    TRY(change_state(call, id, PAYMENT_PAID, PAYMENT_REFUNDING, NULL, 0, &changed, &payment));
    /* Here a provider would be called, with outTradeNo as the key that makes repeating safe. */
    struct change refunded = SET(payment, refunded_at, call->now);
    TRY(change_state(call, id, PAYMENT_REFUNDING, PAYMENT_REFUNDED, &refunded, 1, &changed,
                     &payment));
    if (changed) {
        return ERR_OK;
    }
    enum err err = store_get(call->store, call->arena, COLLECTION_PAYMENTS, id, &payment);
    if (err == ERR_OK && strcmp(payment.status, PAYMENT_REFUNDED) == 0) {
        struct audit_note note = note_of(&payment);
        audit_note_again(call, &note);
    }
    return err == ERR_ABSENT ? ERR_OK : err;
}

enum err payment_refund(struct call *call, struct consultation *order)
{
    return refund(call, payment_id_of(order->id));
}

/* ---- 10.5 --------------------------------------------------------------------------------- */

static const char *new_trade_no(struct call *call)
{
    unsigned char random[TRADE_NO_DIGITS];
    char digits[TRADE_NO_DIGITS + 1];
    random_bytes(random, sizeof random);
    for (size_t i = 0; i < TRADE_NO_DIGITS; i++) {
        digits[i] = (char)('0' + random[i] % 10);
    }
    digits[TRADE_NO_DIGITS] = '\0';
    const char *seconds = local_time_text(call->arena, call->now, "%Y%m%d%H%M%S");
    return arena_format(call->arena, "%s%03d%s", seconds, (int)(call->now.ms % 1000), digits);
}

enum err api_payment_create(struct call *call, const struct by_consultation *in,
                            struct payment *out)
{
    struct consultation order;
    TRY(order_get_own(call, in->consultation_id, &order));
    if (strcmp(order.status, UNPAID) != 0) {
        return order_refuse_move(call, &order);
    }
    const char *trade_no = new_trade_no(call);
    *out = (struct payment){
        .id = payment_id_of(order.id),
        .consultation_id = order.id,
        .user_id = order.user_id,
        .total_fee = order.fee,
        .out_trade_no = trade_no,
        .status = WAIT_FOR_PAY,
        .provider = call->settings->payment_provider,
        .order_info = arena_format(call->arena, "{\"provider\":\"%s\",\"outTradeNo\":\"%s\"}",
                                   call->settings->payment_provider, trade_no),
        .created_at = call->now,
        .updated_at = call->now,
    };
    enum err err = store_insert(call->store, COLLECTION_PAYMENTS, out);
    struct audit_note note = note_of(out);
    if (err != ERR_DUPLICATE) {
        TRY(err);
        audit_note(call, &note);
        return ERR_OK;
    }
    audit_note_again(call, &note);
    return store_get(call->store, call->arena, COLLECTION_PAYMENTS, payment_id_of(order.id), out);
}

/* ---- The provider's notification ---------------------------------------------------------- */

static enum err find_by_trade_no(struct call *call, const char *trade_no, struct payment *out)
{
    struct condition condition = WHERE(payment, out_trade_no, IS, trade_no);
    struct query query = {.conditions = &condition, .condition_count = 1, .limit = 1};
    enum err err = store_find_one(call->store, call->arena, COLLECTION_PAYMENTS, &query, out);
    return err == ERR_ABSENT ? call_blame(call, ERR_PAYMENT_NOT_FOUND, "outTradeNo") : err;
}

/* The payment is PAID: moves its order on, or gives the money back if that is too late. */
static enum err order_paid(struct call *call, struct payment *payment)
{
    struct consultation order;
    TRY(order_get(call, payment->consultation_id, &order));
    struct timestamp deadline = {payment->paid_at.ms +
                                 call->settings->consultation_hours * MS_PER_HOUR};
    struct change changes[] = {SET(consultation, paid_at, payment->paid_at),
                               SET(consultation, deadline, deadline),
                               SET(consultation, due, deadline)};
    struct move_terms terms = {.changes = changes, .change_count = ARRAY_LENGTH(changes)};
    if (strcmp(order.status, UNPAID) == 0) {
        enum err err = order_move(call, &order, PAID, &terms);
        if (err != ERR_ABSENT) {
            return err;
        }
        TRY(order_get(call, payment->consultation_id, &order));
    }
    if (strcmp(order.status, CANCELLED) == 0) {
        TRY(refund(call, payment->id));
        return store_get(call->store, call->arena, COLLECTION_PAYMENTS, payment->id, payment);
    }
    return ERR_OK; /* a repeated notification */
}

enum err payment_notified(struct call *call, const char *body, const char *signature,
                          struct payment *out)
{
    char expected[65];
    hmac_sha256_hex(call->settings->sandbox_key, body, strlen(body), expected);
    if (!text_equal_secretly(expected, signature)) {
        return ERR_BAD_SIGNATURE;
    }
    char trade_no[65], transaction_id[65];
    int64_t total_fee;
    if (sscanf(body, "outTradeNo=%64[0-9]&totalFee=%" SCNd64 "&transactionId=%64[0-9a-z]", trade_no,
               &total_fee, transaction_id) != 3) {
        return ERR_MALFORMED_REQUEST;
    }
    TRY(find_by_trade_no(call, trade_no, out));
    if (total_fee != out->total_fee) {
        return ERR_WRONG_AMOUNT;
    }
    struct change paid[] = {
        SET(payment, paid_at, call->now),
        SET(payment, transaction_id,
            arena_text(call->arena, transaction_id, strlen(transaction_id))),
    };
    bool changed = false;
    TRY(change_state(call, out->id, WAIT_FOR_PAY, PAYMENT_PAID, paid, 2, &changed, out));
    if (!changed) {
        TRY(change_state(call, out->id, PAYMENT_CLOSED, PAYMENT_PAID, paid, 2, &changed, out));
    }
    if (!changed) {
        TRY(store_get(call->store, call->arena, COLLECTION_PAYMENTS, out->id, out));
        struct audit_note note = note_of(out);
        audit_note_again(call, &note);
    }
    return order_paid(call, out);
}

/* ---- ＋ the sandbox's payer ----------------------------------------------------------------- */

enum err api_sandbox_pay(struct call *call, const struct sandbox_pay *in, struct payment *out)
{
    if (strcmp(call->settings->payment_provider, "sandbox") != 0) {
        return ERR_UNKNOWN_CALL;
    }
    struct payment payment;
    TRY(find_by_trade_no(call, in->out_trade_no, &payment));
    if (!oid_equal(payment.user_id, call->who.account.id)) {
        return call_blame(call, ERR_NOT_YOURS, "outTradeNo");
    }
    char transaction_id[OID_TEXT_BYTES];
    oid_format(id_derive_text("sandbox transaction", in->out_trade_no), transaction_id);
    const char *body =
        arena_format(call->arena, "outTradeNo=%s&totalFee=%" PRId64 "&transactionId=%s",
                     payment.out_trade_no, payment.total_fee, transaction_id);
    char signature[65];
    hmac_sha256_hex(call->settings->sandbox_key, body, strlen(body), signature);
    return payment_notified(call, body, signature, out);
}
