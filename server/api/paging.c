/* Pages and joins: a list is read by one query, what belongs to its rows by a second one with
 * all their ids. */
#include "server/api/paging.h"

#include <string.h>

void page_begin(int64_t skip, int64_t limit, struct query *query, struct page *page)
{
    page->skip = skip == NUMBER_ABSENT ? 0 : skip;
    page->limit = limit == NUMBER_ABSENT ? PAGE_LIMIT_DEFAULT : limit;
    query->skip = page->skip;
    query->limit = page->limit;
}

enum err page_read(struct call *call, enum collection collection, const struct query *query,
                   struct page *page)
{
    TRY(store_count(call->store, collection, query, &page->total));
    return store_find(call->store, call->arena, collection, query, &page->items);
}

void *list_copy(struct arena *arena, const struct object_list *list, size_t item_bytes)
{
    if (list->count == 0) {
        return NULL;
    }
    void *copy = arena_array(arena, list->count, item_bytes);
    memcpy(copy, list->items, list->count * item_bytes);
    return copy;
}

enum err records_by_ids(struct call *call, enum collection collection, struct oid_list ids,
                        struct object_list *out)
{
    *out = (struct object_list){NULL, 0};
    if (ids.count == 0) {
        return ERR_OK;
    }
    /* Every stored record begins with its id, so the offset is the same for all. */
    struct condition condition = {0, ONE_OF, value_of_oids(ids)};
    struct query query = {.conditions = &condition, .condition_count = 1};
    return store_find(call->store, call->arena, collection, &query, out);
}

const void *record_of_id(const struct object_list *list, size_t item_bytes, struct oid id)
{
    const unsigned char *items = list->items;
    for (size_t i = 0; i < list->count; i++) {
        struct oid candidate;
        memcpy(&candidate, items + i * item_bytes, sizeof candidate);
        if (oid_equal(candidate, id)) {
            return items + i * item_bytes;
        }
    }
    return NULL;
}
