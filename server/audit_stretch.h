/* Worker only. Which orders have been met in the stretch of a chain that is being written or read.
 *
 * The rows of an order are found by an index. Most rows tell of a message that was sent, and an entry
 * for each would be a tenth of what a message costs with SQLite. So a chain is divided into stretches,
 * each of the places whose number divided by AUDIT_STRETCH_ROWS is the same, and of an order's rows of
 * sending in a stretch only one that no other row of the order comes before is in the index. The others stand
 * aside (`is_aside`): who looks for an order's rows (audit_walk_order) goes over the stretches in
 * which the index has one. With MongoDB the index has all rows, and none stands aside. */
#ifndef CONSULTD_SERVER_AUDIT_STRETCH_H
#define CONSULTD_SERVER_AUDIT_STRETCH_H

#include "protocol/records.h"

#include <stdbool.h>

#define AUDIT_STRETCH_ROWS 4096

/* The last place of the stretch that `row` is in. */
struct oid audit_stretch_end(struct oid row);

struct audit_stretch;
struct audit_stretch *audit_stretch_new(void); /* owned by the caller */
void audit_stretch_free(struct audit_stretch *stretch);

/* Whether this row may stand aside: it is of sending, and its order was met in its stretch before. From now on
 * the order was met. Rows come in the order of their places; their `is_aside` is not looked at. */
bool audit_stretch_meet(struct audit_stretch *stretch, const struct audit_row *row);

/* Meets them anew: rows that were taken for written were not. */
void audit_stretch_forget(struct audit_stretch *stretch);

#endif
