/* The sweeper. It needs no memory of what it did: what is due stands in the orders, indexed by
 * (status, due) and by `unsettled`, and what was missed while no node ran is found the same way. */
#include "server/api/sweep.h"

#include "server/api/moves.h"

#define BATCH 50

static enum err settle_left_behind(struct call *call, bool *more)
{
    struct timestamp before = {call->now.ms - ORDER_SETTLING_MS};
    struct condition conditions[] = {WHERE(consultation, unsettled, IS, true),
                                     WHERE(consultation, updated_at, AT_MOST, before)};
    struct query query = {.conditions = conditions, .condition_count = 2, .limit = BATCH};
    struct object_list list;
    TRY(store_find(call->store, call->arena, COLLECTION_CONSULTATIONS, &query, &list));
    const struct consultation *orders = list.items;
    for (size_t i = 0; i < list.count; i++) {
        struct consultation order = orders[i];
        TRY(order_settle(call, &order));
        TRY(order_refund(call, &order));
    }
    *more = *more || list.count == BATCH;
    return ERR_OK;
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
    for (size_t i = 0; i < list.count; i++) {
        struct consultation order = orders[i];
        bool moved;
        TRY(order_settle(call, &order));
        TRY(order_make_due_move(call, &order, &moved));
    }
    *more = *more || list.count == BATCH;
    return ERR_OK;
}

enum err sweep(struct call *call, bool *more)
{
    static const char *const moved_by_time[] = {UNPAID, PAID, ANSWERING, EXPIRED, REFUND_ASKED};
    *more = false;
    TRY(settle_left_behind(call, more));
    for (size_t i = 0; i < ARRAY_LENGTH(moved_by_time); i++) {
        TRY(move_due(call, moved_by_time[i], more));
    }
    return ERR_OK;
}
