/* The invariants of orders and payments.
 *
 * A settled order has all its notices (the mark goes only after they are stored), so that a start
 * notice is missing where no place was reserved for it, and everything else that can be missing
 * shows as unsettled. A payment that is PAID is looked for from its order's side: open ones, and
 * those that were cancelled within the last hour, so that the great many that are long done cost
 * nothing. */
#include "server/api/invariants.h"

#include "server/api/moves.h"
#include "server/api/payments.h"
#include "server/config.h"

#define MINUTE_MS INT64_C(60000)
#define HOUR_MS (60 * MINUTE_MS)
#define BATCH 500

static struct timestamp before(const struct call *call, int64_t ms)
{
    return (struct timestamp){call->now.ms - ms};
}

static int64_t stamp_before(const struct call *call, int64_t ms)
{
    return before(call, ms).ms * 1000;
}

static enum err add_count(struct call *call, enum collection collection,
                          const struct condition *conditions, size_t count, int64_t *out)
{
    struct query query = {.conditions = conditions, .condition_count = count};
    int64_t found;
    TRY(store_count(call->store, collection, &query, &found));
    *out += found;
    return ERR_OK;
}

/* Orders in `status` that meet two more conditions. */
static enum err add_orders(struct call *call, const char *status, struct condition first,
                           struct condition second, int64_t *out)
{
    struct condition conditions[] = {WHERE(consultation, status, IS, status), first, second};
    return add_count(call, COLLECTION_CONSULTATIONS, conditions, ARRAY_LENGTH(conditions), out);
}

static enum err count_paid_without_start(struct call *call, int64_t *out)
{
    struct condition is_missing = WHERE(consultation, start_seq, IS, 0);
    struct condition is_old = WHERE(consultation, rev, AT_MOST, stamp_before(call, MINUTE_MS));
    TRY(add_orders(call, PAID, is_missing, is_old, out));
    return add_orders(call, ANSWERING, is_missing, is_old, out);
}

static enum err count_expired_not_refunded(struct call *call, int64_t *out)
{
    struct condition conditions[] = {
        WHERE(consultation, status, IS, EXPIRED),
        WHERE(consultation, rev, AT_MOST, stamp_before(call, HOUR_MS))};
    return add_count(call, COLLECTION_CONSULTATIONS, conditions, ARRAY_LENGTH(conditions), out);
}

static enum err count_too_many_replies(struct call *call, int64_t *out)
{
    struct condition conditions[] = {
        WHERE(consultation, status, IS, ANSWERING),
        WHERE(consultation, due, ABOVE, (struct timestamp){1}), /* each has one: by the index */
        WHERE(consultation, reply_count, ABOVE, call->settings->reply_limit)};
    return add_count(call, COLLECTION_CONSULTATIONS, conditions, ARRAY_LENGTH(conditions), out);
}

/* Refunds that are under way are few; those that nothing is due for would be the worst. */
static enum err count_refunding_too_long(struct call *call, int64_t *out)
{
    struct condition condition = WHERE(payment, status, IS, PAYMENT_REFUNDING);
    struct query query = {.conditions = &condition, .condition_count = 1, .limit = BATCH};
    struct object_list list;
    TRY(store_find(call->store, call->arena, COLLECTION_PAYMENTS, &query, &list));
    const struct payment *payments = list.items;
    for (size_t i = 0; i < list.count; i++) {
        *out += payments[i].updated_at.ms <= before(call, HOUR_MS).ms;
    }
    return ERR_OK;
}

static enum err count_unsettled_too_long(struct call *call, int64_t *out)
{
    struct condition conditions[] = {
        WHERE(consultation, unsettled, IS, true),
        WHERE(consultation, updated_at, AT_MOST, before(call, 10 * MINUTE_MS))};
    return add_count(call, COLLECTION_CONSULTATIONS, conditions, ARRAY_LENGTH(conditions), out);
}

/* Counts the payments of these orders that have been PAID for a minute. */
static enum err add_paid(struct call *call, const struct consultation *orders, size_t count,
                         int64_t *out)
{
    struct oid *ids = arena_array(call->arena, count, sizeof *ids);
    for (size_t i = 0; i < count; i++) {
        ids[i] = payment_id_of(orders[i].id);
    }
    struct oid_list list = {ids, count};
    struct condition conditions[] = {WHERE_ONE_OF_IDS(payment, id, list),
                                     WHERE(payment, status, IS, PAYMENT_PAID),
                                     WHERE(payment, updated_at, AT_MOST, before(call, MINUTE_MS))};
    return add_count(call, COLLECTION_PAYMENTS, conditions, ARRAY_LENGTH(conditions), out);
}

/* Goes through the orders of a state that have changed since `rev`, oldest change first. */
static enum err add_paid_of(struct call *call, const char *status, int64_t rev, int64_t *out)
{
    size_t found;
    do {
        struct condition conditions[] = {WHERE(consultation, status, IS, status),
                                         WHERE(consultation, rev, ABOVE, rev)};
        struct query query = {.conditions = conditions,
                              .condition_count = ARRAY_LENGTH(conditions),
                              .sort = {SORT_UP(consultation, rev)},
                              .limit = BATCH};
        struct object_list list;
        TRY(store_find(call->store, call->arena, COLLECTION_CONSULTATIONS, &query, &list));
        const struct consultation *orders = list.items;
        found = list.count;
        if (found > 0) {
            TRY(add_paid(call, orders, found, out));
            rev = orders[found - 1].rev;
        }
    } while (found == BATCH);
    return ERR_OK;
}

static enum err count_paid_not_begun(struct call *call, int64_t *out)
{
    int64_t unpaid_ms = call->settings->unpaid_minutes * MINUTE_MS;
    TRY(add_paid_of(call, UNPAID, stamp_before(call, unpaid_ms + HOUR_MS), out));
    return add_paid_of(call, CANCELLED, stamp_before(call, HOUR_MS), out);
}

static enum err count_overdue(struct call *call, int64_t *out)
{
    static const char *const moved_by_time[] = {UNPAID, PAID, ANSWERING};
    for (size_t i = 0; i < ARRAY_LENGTH(moved_by_time); i++) {
        struct condition conditions[] = {
            WHERE(consultation, status, IS, moved_by_time[i]),
            WHERE(consultation, due, AT_MOST, before(call, 10 * MINUTE_MS))};
        TRY(add_count(call, COLLECTION_CONSULTATIONS, conditions, ARRAY_LENGTH(conditions), out));
    }
    return ERR_OK;
}

enum err invariants_count(struct call *call, int64_t counts[INVARIANT_COUNT])
{
    static enum err (*const rows[])(struct call *, int64_t *) = {
#define INVARIANT(name, help) count_##name,
#include "server/invariants.def"
#undef INVARIANT
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        counts[i] = 0;
        TRY(rows[i](call, &counts[i]));
    }
    return ERR_OK;
}
