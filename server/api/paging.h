/* Worker only. Pages, and joining records by id, as the lists need them. */
#ifndef CONSULTD_SERVER_API_PAGING_H
#define CONSULTD_SERVER_API_PAGING_H

#include "server/call.h"

/* Fills the query's and the page's skip and limit from a request, with the defaults of
 * contract 1 (skip 0, limit 10) where absent. */
void page_begin(int64_t skip, int64_t limit, struct query *query, struct page *page);

/* Runs the query for the page's items and its total. */
MUST_USE enum err page_read(struct call *call, enum collection collection,
                            const struct query *query, struct page *page);

/* A copy of a list's items that may be changed; NULL when it is empty. */
void *list_copy(struct arena *arena, const struct object_list *list, size_t item_bytes);

/* Reads the records with these ids, which all have `id` as first member: the list's order is not
 * the ids'. */
MUST_USE enum err records_by_ids(struct call *call, enum collection collection, struct oid_list ids,
                                 struct object_list *out);

/* The record with this id in such a list; NULL: none. `item_bytes` is the record's size. */
const void *record_of_id(const struct object_list *list, size_t item_bytes, struct oid id);

#endif
