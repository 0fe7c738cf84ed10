/* Questions to payment providers. What is to be asked stands in the payments, indexed by
 * (status, due): nothing is remembered here, and what was missed while no node ran is found the
 * same way. Whatever comes of an errand, it leaves its payment in another state or due later, so
 * that one that fails again and again never stands in the way of the others. */
#include "server/api/errands.h"

#include <string.h>

#include "server/api/audit.h"
#include "server/api/moves.h"
#include "server/api/payments.h"
#include "server/clock.h"
#include "server/log.h"

#define ASKED_AT_ONCE 10         /* of each state: sign-ins wait for the same worker */
#define ASKING_MS INT64_C(10000) /* in one go; the same for a provider that hangs */
#define PAUSE_MS INT64_C(60000)
#define DOUBLINGS_MAX 6
#define LOOKS_AT_CLOSED 8 /* three hours: longer than a payment that was begun can be finished */

static bool is_in(const struct payment *payment, const char *status)
{
    return strcmp(payment->status, status) == 0;
}

/* ---- Asking ------------------------------------------------------------------------------- */

static enum err ask_provider(struct call *call, const struct payment *payment, struct trade *out)
{
    const struct provider *provider = provider_of(call, payment);
    if (provider == NULL) {
        return ERR_PROVIDER;
    }
    bool is_refund = is_in(payment, PAYMENT_REFUNDING) && payment->refund_accepted_at.ms == 0;
    return is_refund ? provider->refund(call, payment, out) : provider->query(call, payment, out);
}

/* A provider may read the store: if that fails it is no word of the provider. */
static enum err ask(struct call *call, const struct payment *payment, struct payment_errand *out)
{
    struct payment_errand errand = {.payment = *payment, .is_asked = true};
    if (is_in(payment, PAYMENT_PAID) || is_in(payment, PAYMENT_REFUNDED)) {
        errand.is_asked = false;
    } else if (payment->total_fee == 0) {
        enum trade_state state = is_in(payment, PAYMENT_REFUNDING) ? TRADE_REFUNDED : TRADE_PAID;
        bool is_over = is_in(payment, PAYMENT_CLOSED);
        errand.trade = (struct trade){is_over ? TRADE_OPEN : state, payment->out_trade_no, 0, NULL};
    } else {
        errand.err = ask_provider(call, payment, &errand.trade);
    }
    if (errand.err != ERR_OK) {
        char id[OID_TEXT_BYTES];
        oid_format(payment->id, id);
        log_warning("a payment provider did not answer", "payment=%s provider=%s reason=%s", id,
                    payment->provider, error_row(errand.err)->reason);
    }
    *out = errand;
    return errand.err == ERR_STORE ? ERR_STORE : ERR_OK;
}

enum err errands_ask(struct call *call, struct errands *out)
{
    static const char *const states[] = {PAYMENT_PAID, PAYMENT_REFUNDED, PAYMENT_REFUNDING,
                                         PAYMENT_WAITING, PAYMENT_CLOSED};
    int64_t started_ms = clock_monotonic_ms();
    *out = (struct errands){.items = arena_array(call->arena, ARRAY_LENGTH(states) * ASKED_AT_ONCE,
                                                 sizeof(struct payment_errand))};
    for (size_t i = 0; i < ARRAY_LENGTH(states); i++) {
        struct condition conditions[] = {WHERE(payment, status, IS, states[i]),
                                         WHERE(payment, due, AT_MOST, call->now)};
        struct query query = {.conditions = conditions,
                              .condition_count = ARRAY_LENGTH(conditions),
                              .sort = {SORT_UP(payment, due)},
                              .limit = ASKED_AT_ONCE};
        struct object_list list;
        TRY(store_find(call->store, call->arena, COLLECTION_PAYMENTS, &query, &list));
        /* No money is moved for what a power cut could still take back. */
        TRY(list.count == 0 ? ERR_OK : store_sync(store_of_session(call->store)));
        const struct payment *payments = list.items;
        for (size_t j = 0; j < list.count; j++) {
            if (clock_monotonic_ms() - started_ms > ASKING_MS) {
                out->more = true; /* the others are still due */
                return ERR_OK;
            }
            TRY(ask(call, &payments[j], &out->items[out->count]));
            out->count++;
        }
        out->more = out->more || list.count == ASKED_AT_ONCE;
    }
    return ERR_OK;
}

/* ---- Writing ------------------------------------------------------------------------------ */

static struct timestamp next_look(const struct call *call, const struct payment *payment,
                                  struct timestamp order_due)
{
    int64_t doublings = payment->tries < DOUBLINGS_MAX ? payment->tries : DOUBLINGS_MAX;
    struct timestamp look = {call->now.ms + PAUSE_MS * (INT64_C(1) << doublings)};
    bool is_order_first = order_due.ms > call->now.ms && order_due.ms < look.ms;
    return is_order_first ? order_due : look;
}

/* Asked, and nothing has changed. */
static enum err ask_again(struct call *call, const struct payment_errand *errand,
                          struct timestamp order_due)
{
    const struct payment *payment = &errand->payment;
    struct condition conditions[] = {WHERE(payment, status, IS, payment->status),
                                     WHERE(payment, due, IS, payment->due)};
    struct change changes[4] = {SET(payment, asked_at, call->now), INC(payment, tries, 1)};
    bool is_over = is_in(payment, PAYMENT_CLOSED) && payment->tries + 1 >= LOOKS_AT_CLOSED;
    changes[2] =
        is_over ? UNSET(payment, due) : SET(payment, due, next_look(call, payment, order_due));
    size_t count = 3;
    if (is_in(payment, PAYMENT_REFUNDING) && errand->is_asked && errand->err == ERR_OK) {
        /* PAID: the provider does not know of the request (any more), so it is made again. */
        changes[count++] = errand->trade.state == TRADE_REFUNDING
                               ? SET(payment, refund_accepted_at, call->now)
                               : UNSET(payment, refund_accepted_at);
    }
    TRY(audit_write_now(call));
    struct payment after;
    enum err err = store_update(call->store, call->arena, COLLECTION_PAYMENTS, payment->id,
                                conditions, ARRAY_LENGTH(conditions), changes, count, &after);
    return err == ERR_ABSENT ? ERR_OK : err;
}

/* Several nodes ask at the same moment, and a notification may come besides: whoever was the first to
 * write the news is about to write what follows. */
static enum err hear(struct call *call, struct payment *payment, const struct trade *trade)
{
    bool is_news;
    TRY(payment_hear(call, payment, trade, &is_news));
    return is_news ? payment_settle(call, payment) : ERR_OK;
}

/* Not paid: asked again, unless its order was cancelled while it was made. */
static enum err still_waiting(struct call *call, const struct payment_errand *errand)
{
    struct consultation order;
    TRY(order_get(call, errand->payment.consultation_id, &order));
    if (strcmp(order.status, CANCELLED) == 0) {
        return payment_close(call, &order);
    }
    return ask_again(call, errand, order.due);
}

static enum err write(struct call *call, const struct payment_errand *errand)
{
    struct payment payment = errand->payment;
    payment_note_again(call, &payment);
    if (!errand->is_asked) {
        return payment_settle(call, &payment);
    }
    bool is_refunding = is_in(&payment, PAYMENT_REFUNDING);
    bool is_news = errand->err == ERR_OK &&
                   errand->trade.state == (is_refunding ? TRADE_REFUNDED : TRADE_PAID);
    if (is_news) {
        return hear(call, &payment, &errand->trade);
    }
    return is_in(&payment, PAYMENT_WAITING) ? still_waiting(call, errand)
                                            : ask_again(call, errand, TIME_NONE);
}

enum err errands_write(struct call *call, const struct errands *errands)
{
    for (size_t i = 0; i < errands->count; i++) {
        enum err err = write(call, &errands->items[i]);
        if (err == ERR_STORE) {
            return err;
        }
        if (err != ERR_OK) {
            char id[OID_TEXT_BYTES];
            oid_format(errands->items[i].payment.id, id);
            log_error("a payment cannot be gone on with", "payment=%s reason=%s", id,
                      error_row(err)->reason);
            TRY(ask_again(call, &errands->items[i], TIME_NONE));
        }
    }
    return ERR_OK;
}
