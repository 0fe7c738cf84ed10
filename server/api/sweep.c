/* The sweeper. It needs no memory of what it did: what is due stands in the orders, indexed by
 * (status, due) and by `unsettled`, and what was missed while no node ran is found the same way. */
#include "server/api/sweep.h"

#include "server/api/moves.h"
#include "server/log.h"

#define BATCH 50
#define PUT_OFF_MS INT64_C(600000)

static void complain(const struct consultation *order, enum err err)
{
    char id[OID_TEXT_BYTES];
    oid_format(order->id, id);
    log_error("an order cannot be moved on", "consultation=%s status=%s reason=%s", id,
              order->status, error_row(err)->reason);
}

static enum err settle_left_behind(struct call *call, bool *more)
{
    struct timestamp before = {call->now.ms - ORDER_SETTLING_MS};
    struct condition conditions[] = {WHERE(consultation, unsettled, IS, true),
                                     WHERE(consultation, updated_at, AT_MOST, before)};
    struct query query = {.conditions = conditions, .condition_count = 2, .limit = BATCH};
    struct object_list list;
    TRY(store_find(call->store, call->arena, COLLECTION_CONSULTATIONS, &query, &list));
    const struct consultation *orders = list.items;
    bool is_any_settled = false;
    for (size_t i = 0; i < list.count; i++) {
        struct consultation order = orders[i];
        enum err err = order_settle(call, &order);
        if (err == ERR_STORE) {
            return err;
        }
        if (err != ERR_OK) {
            complain(&orders[i], err);
        }
        is_any_settled = is_any_settled || (err == ERR_OK && !order.unsettled);
    }
    *more = *more || (list.count == BATCH && is_any_settled);
    return ERR_OK;
}

/* An order that cannot be moved must not stand before the others for ever. */
static enum err put_off(struct call *call, const struct consultation *order)
{
    struct condition conditions[] = {WHERE(consultation, status, IS, order->status),
                                     WHERE(consultation, due, IS, order->due)};
    struct timestamp later = {call->now.ms + PUT_OFF_MS};
    struct change change = SET(consultation, due, later);
    struct consultation after;
    enum err err = store_update(call->store, call->arena, COLLECTION_CONSULTATIONS, order->id,
                                conditions, ARRAY_LENGTH(conditions), &change, 1, &after);
    return err == ERR_ABSENT ? ERR_OK : err;
}

static enum err move_one(struct call *call, const struct consultation *due, bool *moved)
{
    struct consultation order = *due;
    *moved = false;
    enum err err = order_settle(call, &order);
    if (err == ERR_OK) {
        err = order_make_due_move(call, &order, moved);
    }
    if (err != ERR_OK && err != ERR_STORE) {
        complain(due, err);
        return put_off(call, due);
    }
    return err;
}

static enum err move_due(struct call *call, const char *status, bool *more)
{
    struct condition conditions[] = {WHERE(consultation, status, IS, status),
                                     WHERE(consultation, due, AT_MOST, call->now)};
    struct query query = {.conditions = conditions,
                          .condition_count = 2,
                          .sort = {SORT_UP(consultation, due)},
                          .limit = BATCH};
    struct object_list list;
    TRY(store_find(call->store, call->arena, COLLECTION_CONSULTATIONS, &query, &list));
    const struct consultation *orders = list.items;
    bool is_any_moved = false;
    for (size_t i = 0; i < list.count; i++) {
        bool moved;
        TRY(move_one(call, &orders[i], &moved));
        is_any_moved = is_any_moved || moved;
    }
    *more = *more || (list.count == BATCH && is_any_moved);
    return ERR_OK;
}

enum err sweep(struct call *call, bool *more)
{
    static const char *const moved_by_time[] = {UNPAID, PAID, ANSWERING};
    *more = false;
    TRY(settle_left_behind(call, more));
    for (size_t i = 0; i < ARRAY_LENGTH(moved_by_time); i++) {
        TRY(move_due(call, moved_by_time[i], more));
    }
    return ERR_OK;
}
