/* Chains lie one behind the other in the order of their ids, so that going over them takes one look
 * at the end of each: the last row below a chain's first place is the head of the one before. */
#include "server/audit_walk.h"

#include <stdlib.h>
#include <string.h>

#include "server/audit_stretch.h"

#define HEADS_STEP 64

/* The last row below `before`, or of all when that is none. ERR_ABSENT: there is none. */
static enum err last_below(struct store_session *session, struct arena *arena, struct oid before,
                           struct audit_row *out)
{
    struct condition condition = WHERE(audit_row, id, BELOW, before);
    struct query query = {.conditions = &condition,
                          .condition_count = oid_is_none(before) ? 0 : 1,
                          .sort = {SORT_DOWN(audit_row, id)}};
    return store_find_one(session, arena, COLLECTION_AUDIT, &query, out);
}

/* The heads of all chains, newest chain first, as an array in the arena. */
static enum err find_heads(struct store_session *session, struct arena *arena,
                           struct audit_head **out, size_t *count)
{
    struct audit_head *heads = NULL;
    size_t room = 0;
    struct oid before = OID_NONE;
    struct audit_row row;
    enum err err;
    *count = 0;
    while ((err = last_below(session, arena, before, &row)) == ERR_OK) {
        if (*count == room) {
            struct audit_head *more = arena_array(arena, room + HEADS_STEP, sizeof *more);
            if (room > 0) {
                memcpy(more, heads, room * sizeof *more);
            }
            heads = more;
            room += HEADS_STEP;
        }
        struct audit_head *head = &heads[(*count)++];
        head->row = row.id;
        strncpy(head->hash, row.hash != NULL ? row.hash : "", AUDIT_HASH_TEXT_BYTES - 1);
        before = audit_place(row.id, 0);
    }
    *out = heads;
    return err == ERR_ABSENT ? ERR_OK : err;
}

/* Takes out of `heads` (newest chain first) what `named` names as far as it goes. */
static void strike(struct audit_head *heads, size_t count, const struct audit_head *named)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = memcmp(heads[middle].row.bytes, named->row.bytes, AUDIT_CHAIN_BYTES);
        if (order == 0) {
            if (audit_number(named->row) >= audit_number(heads[middle].row)) {
                heads[middle].hash[0] = '\0';
            }
            return;
        }
        low = order > 0 ? middle + 1 : low;
        high = order > 0 ? high : middle;
    }
}

enum err audit_walk_unnamed_heads(struct store_session *session, struct arena *arena,
                                  struct strbuf *out)
{
    struct audit_head *heads;
    size_t count;
    TRY(find_heads(session, arena, &heads, &count));
    for (size_t i = 0; i < count; i++) {
        struct audit_row first;
        enum err err =
            store_get(session, arena, COLLECTION_AUDIT, audit_place(heads[i].row, 1), &first);
        if (err == ERR_ABSENT || (err == ERR_OK && first.details == NULL)) {
            continue; /* verifying says so; writing goes on */
        }
        TRY(err);
        size_t named_count;
        struct audit_head *named = audit_heads_parse(arena, first.details, &named_count, NULL);
        for (size_t j = 0; j < named_count; j++) {
            strike(heads, count, &named[j]);
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (heads[i].hash[0] != '\0') {
            audit_head_write(out, &heads[i]);
        }
    }
    return ERR_OK;
}

/* ---- The rows of an order ------------------------------------------------------------------- */

struct rows {
    struct audit_row *items; /* in the arena */
    size_t count, room;
};

static void rows_add(struct rows *rows, struct arena *arena, const struct object_list *found)
{
    if (rows->count + found->count > rows->room) {
        rows->room = 2 * (rows->count + found->count);
        struct audit_row *more = arena_array(arena, rows->room, sizeof *more);
        if (rows->count > 0) {
            memcpy(more, rows->items, rows->count * sizeof *more);
        }
        rows->items = more;
    }
    if (found->count > 0) {
        memcpy(rows->items + rows->count, found->items, found->count * sizeof *rows->items);
        rows->count += found->count;
    }
}

static int compare_rows(const void *a, const void *b)
{
    return memcmp(((const struct audit_row *)a)->id.bytes, ((const struct audit_row *)b)->id.bytes,
                  OID_BYTES);
}

static void rows_sort(struct rows *rows)
{
    if (rows->count > 1) {
        qsort(rows->items, rows->count, sizeof *rows->items, compare_rows);
    }
}

enum err audit_walk_order(struct store_session *session, struct arena *arena,
                          struct oid consultation_id, struct audit_row **out, size_t *count)
{
    const struct condition in_index[] = {WHERE(audit_row, consultation_id, IS, consultation_id),
                                         WHERE(audit_row, is_aside, IS, false)};
    const struct query query = {.conditions = in_index, .condition_count = 2};
    struct object_list found;
    struct rows rows = {.count = 0};
    TRY(store_find(session, arena, COLLECTION_AUDIT, &query, &found));
    rows_add(&rows, arena, &found);
    rows_sort(&rows);
    struct oid end = OID_NONE;
    const size_t in_index_count = store_is_atomic(store_of_session(session)) ? rows.count : 0;
    for (size_t i = 0; i < in_index_count; i++) {
        const struct oid first = rows.items[i].id;
        if (oid_equal(audit_stretch_end(first), end)) {
            continue;
        }
        end = audit_stretch_end(first);
        const struct condition aside[] = {WHERE(audit_row, consultation_id, IS, consultation_id),
                                          WHERE(audit_row, is_aside, IS, true),
                                          WHERE(audit_row, id, ABOVE, first),
                                          WHERE(audit_row, id, AT_MOST, end)};
        const struct query behind = {.conditions = aside, .condition_count = ARRAY_LENGTH(aside)};
        TRY(store_find(session, arena, COLLECTION_AUDIT, &behind, &found));
        rows_add(&rows, arena, &found);
    }
    *out = rows.items;
    *count = rows.count;
    return ERR_OK;
}
