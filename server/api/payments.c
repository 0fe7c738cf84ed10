/* Payments: one per order, confirmed by the provider only.
 *
 * Making one (10.5) has two halves: the provider is asked in the SLOW lane, and what it answers is
 * written in the WRITE lane. Of two made at once the first one written stands; the other is never
 * told to anybody, so nobody can pay it. A free order has nothing to ask: its payment of 0 分 is
 * paid as soon as it is made, and refunded as soon as it is owed. */
#include "server/api/payments.h"

#include <string.h>

#include "server/api/api.h"
#include "server/api/audit.h"
#include "server/api/moves.h"
#include "server/api/notices.h"
#include "server/auth.h"
#include "server/config.h"
#include "server/log.h"

#define TRADE_NO_DIGITS 12
#define MS_PER_HOUR INT64_C(3600000)
#define FIRST_LOOK_MS INT64_C(60000)
#define CHANGES_MAX 8

struct oid payment_id_of(struct oid consultation_id)
{
    return id_derive_number("payment", consultation_id, 0);
}

static struct audit_note note_of(const struct payment *payment, const char *state)
{
    return (struct audit_note){.action = AUDIT_PAYMENT,
                               .consultation_id = payment->consultation_id,
                               .subject = payment->id,
                               .result = state};
}

void payment_note_again(struct call *call, const struct payment *payment)
{
    struct audit_note note = note_of(payment, payment->status);
    audit_note_again(call, &note);
}

/* The row of the state before may be missing too: of a process that died before it wrote it. */
static void note_change(struct call *call, const struct payment *payment, const char *from)
{
    struct audit_note before = note_of(payment, from), after = note_of(payment, payment->status);
    audit_note_again(call, &before);
    audit_note(call, &after);
}

/* When others may go on with what a call is about to do now. */
static struct timestamp when_given_up(const struct call *call)
{
    return (struct timestamp){call->now.ms + ORDER_SETTLING_MS};
}

/* Moves a payment from one state to another, with something left to do at `due`. *changed says
 * whether it was in `from`. */
static enum err change_state(struct call *call, struct oid id, const char *from, const char *to,
                             struct timestamp due, const struct change *more, size_t more_count,
                             bool *changed, struct payment *out)
{
    struct condition condition = WHERE(payment, status, IS, from);
    struct change changes[CHANGES_MAX] = {SET(payment, status, to),
                                          SET(payment, updated_at, call->now),
                                          SET(payment, due, due), SET(payment, tries, 0)};
    size_t count = 4;
    for (size_t i = 0; i < more_count; i++) {
        changes[count++] = more[i];
    }
    TRY(audit_write_now(call)); /* whoever finds the new state can't know of the one before */
    enum err err = store_update(call->store, call->arena, COLLECTION_PAYMENTS, id, &condition, 1,
                                changes, count, out);
    *changed = err == ERR_OK;
    if (*changed) {
        note_change(call, out, from);
    }
    return err == ERR_ABSENT ? ERR_OK : err;
}

/* Nothing is left to do, unless somebody has gone on with it meanwhile. */
static enum err is_done(struct call *call, struct payment *payment)
{
    TRY(audit_write_now(call));
    struct condition conditions[] = {WHERE(payment, status, IS, payment->status),
                                     WHERE(payment, due, IS, payment->due)};
    struct change change = UNSET(payment, due);
    enum err err = store_update(call->store, call->arena, COLLECTION_PAYMENTS, payment->id,
                                conditions, ARRAY_LENGTH(conditions), &change, 1, payment);
    if (err == ERR_ABSENT) {
        return store_get(call->store, call->arena, COLLECTION_PAYMENTS, payment->id, payment);
    }
    return err;
}

enum err payment_close(struct call *call, struct consultation *order)
{
    bool changed;
    struct payment payment;
    struct timestamp look = {call->now.ms + FIRST_LOOK_MS};
    return change_state(call, payment_id_of(order->id), PAYMENT_WAITING, PAYMENT_CLOSED, look, NULL,
                        0, &changed, &payment);
}

enum err payment_owe(struct call *call, struct consultation *order)
{
    bool changed;
    struct payment payment;
    TRY(change_state(call, payment_id_of(order->id), PAYMENT_PAID, PAYMENT_REFUNDING, call->now,
                     NULL, 0, &changed, &payment));
    call->wants_sweep = call->wants_sweep || changed;
    return ERR_OK;
}

enum err payment_may_be_paid(struct call *call, const struct consultation *order, bool *out)
{
    struct payment payment;
    enum err err = store_get(call->store, call->arena, COLLECTION_PAYMENTS,
                             payment_id_of(order->id), &payment);
    *out = err == ERR_OK && strcmp(payment.status, PAYMENT_CLOSED) != 0 &&
           payment.asked_at.ms < order->due.ms;
    return err == ERR_ABSENT ? ERR_OK : err;
}

/* ---- What follows from a state ------------------------------------------------------------ */

/* Moves the order on, or owes the money back if that is too late. */
static enum err settle_paid(struct call *call, struct payment *payment)
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
        if (err == ERR_ABSENT) {
            err = order_get(call, payment->consultation_id, &order);
        }
        TRY(err);
    }
    if (strcmp(order.status, CANCELLED) == 0) {
        TRY(payment_owe(call, &order));
    }
    return is_done(call, payment);
}

static enum err settle_refunded(struct call *call, struct payment *payment)
{
    struct consultation order;
    TRY(order_get(call, payment->consultation_id, &order));
    const char *to = strcmp(order.status, EXPIRED) == 0        ? EXPIRED_REFUNDED
                     : strcmp(order.status, REFUND_ASKED) == 0 ? REFUNDED
                                                               : NULL;
    if (to != NULL) {
        enum err err = order_move(call, &order, to, NULL);
        if (err == ERR_ABSENT) {
            return ERR_OK; /* somebody else has just moved it: looked at once more when due */
        }
        TRY(err);
    }
    return is_done(call, payment);
}

enum err payment_settle(struct call *call, struct payment *payment)
{
    if (payment->due.ms == 0) {
        return ERR_OK;
    }
    payment_note_again(call, payment);
    if (strcmp(payment->status, PAYMENT_PAID) == 0) {
        return settle_paid(call, payment);
    }
    return strcmp(payment->status, PAYMENT_REFUNDED) == 0 ? settle_refunded(call, payment) : ERR_OK;
}

/* ---- What a provider says ----------------------------------------------------------------- */

enum err payment_find(struct call *call, const char *trade_no, struct payment *out)
{
    struct condition condition = WHERE(payment, out_trade_no, IS, trade_no);
    struct query query = {.conditions = &condition, .condition_count = 1, .limit = 1};
    enum err err = store_find_one(call->store, call->arena, COLLECTION_PAYMENTS, &query, out);
    return err == ERR_ABSENT ? call_blame(call, ERR_PAYMENT_NOT_FOUND, "outTradeNo") : err;
}

static enum err hear_paid(struct call *call, struct payment *payment, const struct trade *trade,
                          bool *is_news)
{
    static const char *const before[] = {PAYMENT_WAITING, PAYMENT_CLOSED};
    struct change changes[] = {SET(payment, paid_at, call->now),
                               SET(payment, transaction_id, trade->transaction_id)};
    for (size_t i = 0; i < ARRAY_LENGTH(before) && !*is_news; i++) {
        TRY(change_state(call, payment->id, before[i], PAYMENT_PAID, when_given_up(call), changes,
                         ARRAY_LENGTH(changes), is_news, payment));
    }
    return ERR_OK;
}

static enum err hear_refunded(struct call *call, struct payment *payment, bool *is_news)
{
    struct change change = SET(payment, refunded_at, call->now);
    return change_state(call, payment->id, PAYMENT_REFUNDING, PAYMENT_REFUNDED, when_given_up(call),
                        &change, 1, is_news, payment);
}

enum err payment_hear(struct call *call, struct payment *payment, const struct trade *trade,
                      bool *is_news)
{
    *is_news = false;
    if (trade->total_fee != payment->total_fee) {
        char id[OID_TEXT_BYTES];
        oid_format(payment->id, id);
        log_warning("a payment of another amount is not taken", "payment=%s", id);
        return call_blame(call, ERR_WRONG_AMOUNT, "totalFee");
    }
    if (trade->state == TRADE_PAID) {
        TRY(hear_paid(call, payment, trade, is_news));
    } else if (trade->state == TRADE_REFUNDED) {
        TRY(hear_refunded(call, payment, is_news));
    }
    return *is_news
               ? ERR_OK
               : store_get(call->store, call->arena, COLLECTION_PAYMENTS, payment->id, payment);
}

enum err payment_heard(struct call *call, struct payment *payment, const struct trade *trade)
{
    bool is_news;
    TRY(payment_hear(call, payment, trade, &is_news));
    return payment_settle(call, payment);
}

enum err payment_notified(struct call *call, const struct provider *provider,
                          const struct notification *in, struct payment *out)
{
    struct trade trade;
    TRY(provider->verify(call, in, &trade));
    TRY(payment_find(call, trade.out_trade_no, out));
    if (strcmp(out->provider, provider->name) != 0) {
        return call_blame(call, ERR_PAYMENT_NOT_FOUND, "outTradeNo");
    }
    return payment_heard(call, out, &trade);
}

/* ---- 10.5 --------------------------------------------------------------------------------- */

/* What the first half hands to the second. */
struct prepared {
    const char *out_trade_no, *order_info;
};

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

static struct payment new_payment(struct call *call, const struct consultation *order,
                                  const char *trade_no, const char *order_info)
{
    int64_t look = order->fee == 0 ? when_given_up(call).ms : call->now.ms + FIRST_LOOK_MS;
    return (struct payment){
        .id = payment_id_of(order->id),
        .consultation_id = order->id,
        .user_id = order->user_id,
        .total_fee = order->fee,
        .out_trade_no = trade_no,
        .status = PAYMENT_WAITING,
        .provider = call->settings->payment_provider,
        .order_info = order_info,
        .created_at = call->now,
        .updated_at = call->now,
        .due = {look < order->due.ms ? look : order->due.ms},
    };
}

/* The first half, in the SLOW lane: nothing is written. */
static enum err prepare(struct call *call, const struct by_consultation *in, struct payment *out)
{
    struct consultation order;
    TRY(order_read_own(call, in->consultation_id, &order));
    if (strcmp(order.status, UNPAID) != 0) {
        return order_refuse_move(call, &order);
    }
    enum err err =
        store_get(call->store, call->arena, COLLECTION_PAYMENTS, payment_id_of(order.id), out);
    if (err != ERR_ABSENT) {
        return err;
    }
    struct prepared *prepared = ARENA_NEW(call->arena, struct prepared);
    *prepared = (struct prepared){new_trade_no(call), "{}"};
    if (order.fee > 0) {
        struct payment payment = new_payment(call, &order, prepared->out_trade_no, NULL);
        TRY(call->settings->provider->create(call, &payment, &prepared->order_info));
    }
    call->goes_on = true;
    call->carried = prepared;
    return ERR_OK;
}

enum err api_payment_create(struct call *call, const struct by_consultation *in,
                            struct payment *out)
{
    const struct prepared *prepared = call->carried;
    if (prepared == NULL) {
        return prepare(call, in, out);
    }
    struct consultation order;
    TRY(order_get_own(call, in->consultation_id, &order));
    if (strcmp(order.status, UNPAID) != 0) {
        return order_refuse_move(call, &order);
    }
    *out = new_payment(call, &order, prepared->out_trade_no, prepared->order_info);
    enum err err = store_insert(call->store, COLLECTION_PAYMENTS, out);
    if (err == ERR_DUPLICATE) {
        TRY(store_get(call->store, call->arena, COLLECTION_PAYMENTS, payment_id_of(order.id), out));
        payment_note_again(call, out);
    } else {
        TRY(err);
        struct audit_note note = note_of(out, out->status);
        audit_note(call, &note);
    }
    if (out->total_fee > 0) {
        return ERR_OK;
    }
    struct trade nothing_to_pay = {TRADE_PAID, out->out_trade_no, 0, NULL};
    return payment_heard(call, out, &nothing_to_pay);
}
