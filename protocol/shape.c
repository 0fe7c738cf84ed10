/* What every reader of a shape shares: finding a row, and what counts as absent.
 *
 * Shapes are constant tables, so any thread may use them. A member is read through a pointer of
 * its own C type; only objects, whose types are not known here, are read by memcpy. */
#include "protocol/shape.h"

#include <assert.h>
#include <string.h>

/* Rows stand in the order of their members, or nearly, and most members are no smaller than the others: the row
 * is where it would be if all were of one size, or a few rows before. */
const struct field *shape_field(const struct shape *shape, size_t offset)
{
    assert(offset < shape->size);
    const size_t likely = (uint32_t)offset * (uint32_t)shape->count / (uint32_t)shape->size;
    for (size_t i = likely + 1; i-- > 0;) {
        if (shape->fields[i].offset == offset) {
            return &shape->fields[i];
        }
    }
    for (size_t i = likely + 1; i < shape->count; i++) {
        if (shape->fields[i].offset == offset) {
            return &shape->fields[i];
        }
    }
    assert(false); /* no member begins there */
    return NULL;
}

static bool message_text_is_absent(const struct message_text *text)
{
    return !text->is_notice && text->plain == NULL;
}

static bool pointer_is_null(const void *member)
{
    const void *pointer;
    memcpy(&pointer, member, sizeof(pointer));
    return pointer == NULL;
}

bool field_is_absent(const struct field *field, const void *record)
{
    const void *member = (const char *)record + field->offset;
    switch (field->kind) {
    case KIND_OID:
        return oid_is_none(*(const struct oid *)member);
    case KIND_TEXT:
        return *(const char *const *)member == NULL;
    case KIND_NUMBER:
        return *(const int64_t *)member == NUMBER_ABSENT;
    case KIND_BOOL:
        return false;
    case KIND_TIME:
        return ((const struct timestamp *)member)->ms == 0;
    case KIND_TEXT_LIST:
        return ((const struct text_list *)member)->count == 0;
    case KIND_OID_LIST:
        return ((const struct oid_list *)member)->count == 0;
    case KIND_MESSAGE_TEXT:
        return message_text_is_absent(member);
    case KIND_MAYBE:
        return !((const struct maybe *)member)->is_known;
    case KIND_OBJECT:
        return pointer_is_null(member);
    case KIND_OBJECT_LIST:
        return ((const struct object_list *)member)->count == 0;
    }
    assert(false); /* a row of no known kind */
    return false;
}
