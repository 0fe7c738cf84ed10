/* A table of at most AUDIT_STRETCH_ROWS orders in twice as many places; it is emptied where a stretch
 * ends, which is 24 bytes to clear for each row. */
#include "server/audit_stretch.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/hash.h"
#include "protocol/memory.h"
#include "server/api/audit.h"
#include "server/audit_chain.h"

#define SLOTS ((size_t)2 * AUDIT_STRETCH_ROWS)

struct audit_stretch {
    struct oid end; /* the stretch's last place; none: nothing was met */
    struct oid orders[SLOTS];
};

struct oid audit_stretch_end(struct oid row)
{
    const int64_t before = audit_number(row) / AUDIT_STRETCH_ROWS * AUDIT_STRETCH_ROWS;
    return audit_place(row, before + AUDIT_STRETCH_ROWS - 1);
}

struct audit_stretch *audit_stretch_new(void)
{
    struct audit_stretch *stretch = memory_resize(NULL, sizeof *stretch);
    audit_stretch_forget(stretch);
    return stretch;
}

void audit_stretch_free(struct audit_stretch *stretch)
{
    free(stretch);
}

void audit_stretch_forget(struct audit_stretch *stretch)
{
    memset(stretch, 0, sizeof *stretch);
}

bool audit_stretch_meet(struct audit_stretch *stretch, const struct audit_row *row)
{
    const struct oid end = audit_stretch_end(row->id);
    const struct oid order = row->consultation_id;
    if (oid_is_none(order)) {
        return false;
    }
    if (!oid_equal(end, stretch->end)) {
        audit_stretch_forget(stretch);
        stretch->end = end;
    }
    size_t at = hash_bytes(HASH_START, order.bytes, OID_BYTES) % SLOTS;
    while (!oid_is_none(stretch->orders[at]) && !oid_equal(stretch->orders[at], order)) {
        at = (at + 1) % SLOTS;
    }
    const bool was_met = !oid_is_none(stretch->orders[at]);
    stretch->orders[at] = order;
    return was_met && audit_is_sending(row);
}
