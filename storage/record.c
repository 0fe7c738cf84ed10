/* Records as the backends see them: which fields count, what an empty one is, and arrays of them.
 *
 * An array grows by doubling in the job's arena; what it grew out of stays there until the job is
 * over, which is at most as much again. */
#include "storage/record.h"

#include <string.h>

#define ROWS_FIRST_ROOM 16

bool field_is_stored(const struct field *field)
{
    return (field->flags & VIEW) == 0 && field->kind != KIND_MAYBE && field->kind != KIND_OBJECT &&
           field->kind != KIND_OBJECT_LIST;
}

bool kind_is_scalar(enum kind kind)
{
    return kind == KIND_OID || kind == KIND_TEXT || kind == KIND_NUMBER || kind == KIND_BOOL ||
           kind == KIND_TIME;
}

bool value_is_absent(const struct field *field, union value value)
{
    switch (field->kind) {
    case KIND_OID:
        return oid_is_none(value.oid);
    case KIND_TEXT:
        return value.text == NULL;
    case KIND_NUMBER:
        return value.number == NUMBER_ABSENT;
    case KIND_TIME:
        return value.time.ms == 0;
    case KIND_TEXT_LIST:
        return value.texts.count == 0;
    case KIND_OID_LIST:
        return value.oids.count == 0;
    default:
        return false;
    }
}

void record_clear(const struct shape *shape, void *record)
{
    memset(record, 0, shape->size);
    for (size_t i = 0; i < shape->count; i++) {
        if (shape->fields[i].kind == KIND_NUMBER) {
            *(int64_t *)(void *)((char *)record + shape->fields[i].offset) = NUMBER_ABSENT;
        }
    }
}

static size_t first_room(const struct record_rows *rows)
{
    const bool are_few = rows->limit > 0 && rows->limit < ROWS_FIRST_ROOM;
    return are_few ? (size_t)rows->limit : ROWS_FIRST_ROOM;
}

void *record_rows_add(struct record_rows *rows)
{
    const size_t size = rows->shape->size;
    if (rows->count == rows->room) {
        const size_t room = rows->room == 0 ? first_room(rows) : rows->room * 2;
        char *items = arena_bytes(rows->arena, room * size); /* cleared one by one */
        if (rows->count > 0) {
            memcpy(items, rows->items, rows->count * size);
        }
        rows->items = items;
        rows->room = room;
    }
    void *record = rows->items + rows->count++ * size;
    record_clear(rows->shape, record);
    return record;
}

bool query_is_by_id(enum collection collection, const struct query *query)
{
    return query->condition_count == 1 && query->conditions[0].compare == IS &&
           query->conditions[0].offset == collection_row(collection)->shape->fields[0].offset &&
           query->skip == 0;
}
