/* Records, conditions and changes as BSON documents, driven by the shape.
 *
 * Everything is built by this program's own tables: no name and no operator comes from outside,
 * and values are BSON values, never text to be parsed. Texts are UTF-8 already: JSON is refused if its
 * are not (json_text.c). So the driver need not look at each document again where there are many.
 *
 * Two conditions may fall on one field (seq above this and below that). The first one on a field
 * stands in the filter itself, the others beside it in an $and, so that no key is there twice.
 *
 * What must hold: a record that was written reads back equal. A bool has no absent value, so that
 * "is false" asks for "is not true": what was stored before the field existed counts as false,
 * as it does when it is read. An id list is absent when it is missing or empty: $pull leaves an
 * empty one behind.
 *
 * Worker only; the documents belong to the caller. */
#include "storage/shape_bson.h"

#include "storage/record.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* libbson's appends fail only for documents over 2 GiB. */
static void must(bool appended)
{
    assert(appended);
}

const char *shape_bson_name(const struct shape *shape, const struct field *field)
{
    return field == &shape->fields[0] ? "_id" : field->name;
}

/* ---- Values ------------------------------------------------------------------------------- */

static void add_oid(bson_t *out, const char *name, struct oid id)
{
    bson_oid_t oid;
    memcpy(oid.bytes, id.bytes, sizeof(oid.bytes));
    must(bson_append_oid(out, name, -1, &oid));
}

static void add_text(bson_t *out, const char *name, const char *text)
{
    must(bson_append_utf8(out, name, -1, text, -1));
}

static const char *index_name(size_t index, char buffer[16])
{
    const char *name = NULL;
    bson_uint32_to_string((uint32_t)index, &name, buffer, 16);
    return name;
}

static void add_texts(bson_t *out, const char *name, const struct text_list *list)
{
    bson_t array;
    char buffer[16];
    must(bson_append_array_begin(out, name, -1, &array));
    for (size_t i = 0; i < list->count; i++) {
        add_text(&array, index_name(i, buffer), list->items[i]);
    }
    must(bson_append_array_end(out, &array));
}

static void add_oids(bson_t *out, const char *name, const struct oid_list *list)
{
    bson_t array;
    char buffer[16];
    must(bson_append_array_begin(out, name, -1, &array));
    for (size_t i = 0; i < list->count; i++) {
        add_oid(&array, index_name(i, buffer), list->items[i]);
    }
    must(bson_append_array_end(out, &array));
}

static void add_notice_part(bson_t *out, const char *name, const struct notice_part *part)
{
    if (part->type == NULL && part->text == NULL) {
        return;
    }
    bson_t child;
    must(bson_append_document_begin(out, name, -1, &child));
    if (part->type != NULL) {
        add_text(&child, "type", part->type);
    }
    if (part->text != NULL) {
        add_text(&child, "text", part->text);
    }
    must(bson_append_document_end(out, &child));
}

static void add_message_text(bson_t *out, const char *name, const struct message_text *text)
{
    if (!text->is_notice) {
        add_text(out, name, text->plain);
        return;
    }
    bson_t child;
    must(bson_append_document_begin(out, name, -1, &child));
    add_notice_part(&child, "doctorMsg", &text->doctor);
    add_notice_part(&child, "userMsg", &text->user);
    must(bson_append_document_end(out, &child));
}

/* A scalar or a text list of the field's kind, present. */
static void add_value(bson_t *out, const char *name, const struct field *field, union value value)
{
    switch (field->kind) {
    case KIND_OID:
        add_oid(out, name, value.oid);
        return;
    case KIND_TEXT:
        add_text(out, name, value.text);
        return;
    case KIND_NUMBER:
        must(bson_append_int64(out, name, -1, value.number));
        return;
    case KIND_BOOL:
        must(bson_append_bool(out, name, -1, value.boolean));
        return;
    case KIND_TIME:
        must(bson_append_date_time(out, name, -1, value.time.ms));
        return;
    case KIND_TEXT_LIST:
        add_texts(out, name, &value.texts);
        return;
    case KIND_OID_LIST:
        add_oids(out, name, &value.oids);
        return;
    default:
        assert(false && "a value that cannot be compared or set");
    }
}

static void add_field(bson_t *out, const char *name, const struct field *field, const void *record)
{
    const void *member = (const char *)record + field->offset;
    switch (field->kind) {
    case KIND_OID:
        add_oid(out, name, *(const struct oid *)member);
        return;
    case KIND_TEXT:
        add_text(out, name, *(const char *const *)member);
        return;
    case KIND_NUMBER:
        must(bson_append_int64(out, name, -1, *(const int64_t *)member));
        return;
    case KIND_BOOL:
        must(bson_append_bool(out, name, -1, *(const bool *)member));
        return;
    case KIND_TIME:
        must(bson_append_date_time(out, name, -1, ((const struct timestamp *)member)->ms));
        return;
    case KIND_TEXT_LIST:
        add_texts(out, name, member);
        return;
    case KIND_OID_LIST:
        add_oids(out, name, member);
        return;
    case KIND_MESSAGE_TEXT:
        add_message_text(out, name, member);
        return;
    default:
        assert(false && "a field that is not stored");
    }
}

void shape_bson_write(bson_t *out, const struct shape *shape, const void *record)
{
    for (size_t i = 0; i < shape->count; i++) {
        const struct field *field = &shape->fields[i];
        if (field_is_stored(field) && !field_is_absent(field, record)) {
            add_field(out, shape_bson_name(shape, field), field, record);
        }
    }
}

/* ---- Reading ------------------------------------------------------------------------------ */

static bool read_text(const bson_iter_t *iter, struct arena *arena, const char **out)
{
    if (!BSON_ITER_HOLDS_UTF8(iter)) {
        return false;
    }
    uint32_t length = 0;
    const char *text = bson_iter_utf8(iter, &length);
    *out = arena_text(arena, text, length);
    return true;
}

static bool read_number(const bson_iter_t *iter, int64_t *out)
{
    if (BSON_ITER_HOLDS_DOUBLE(iter)) {
        const double number = bson_iter_double(iter);
        if (!(number > -9.2e18 && number < 9.2e18)) {
            return false;
        }
        *out = (int64_t)number;
        return true;
    }
    if (!BSON_ITER_HOLDS_INT(iter)) {
        return false;
    }
    *out = bson_iter_as_int64(iter);
    return true;
}

static bool read_oid(const bson_iter_t *iter, struct oid *out)
{
    if (!BSON_ITER_HOLDS_OID(iter)) {
        return false;
    }
    memcpy(out->bytes, bson_iter_oid(iter)->bytes, OID_BYTES);
    return true;
}

/* Steps into an array; *count is how many items it has. */
static bool enter_array(const bson_iter_t *iter, bson_iter_t *items, size_t *count)
{
    bson_iter_t counted;
    if (!BSON_ITER_HOLDS_ARRAY(iter) || !bson_iter_recurse(iter, &counted) ||
        !bson_iter_recurse(iter, items)) {
        return false;
    }
    *count = 0;
    while (bson_iter_next(&counted)) {
        (*count)++;
    }
    return true;
}

static bool read_text_list(const bson_iter_t *iter, struct arena *arena, struct text_list *out)
{
    bson_iter_t items;
    size_t count = 0;
    if (!enter_array(iter, &items, &count)) {
        return false;
    }
    const char **texts = arena_array(arena, count + 1, sizeof(*texts));
    for (size_t i = 0; i < count && bson_iter_next(&items); i++) {
        if (!read_text(&items, arena, &texts[i])) {
            return false;
        }
    }
    *out = (struct text_list){.items = texts, .count = count};
    return true;
}

static bool read_oid_list(const bson_iter_t *iter, struct arena *arena, struct oid_list *out)
{
    bson_iter_t items;
    size_t count = 0;
    if (!enter_array(iter, &items, &count)) {
        return false;
    }
    struct oid *oids = arena_array(arena, count + 1, sizeof(*oids));
    for (size_t i = 0; i < count && bson_iter_next(&items); i++) {
        if (!read_oid(&items, &oids[i])) {
            return false;
        }
    }
    *out = (struct oid_list){.items = oids, .count = count};
    return true;
}

static bool read_notice_part(const bson_iter_t *iter, struct arena *arena, struct notice_part *out)
{
    bson_iter_t child;
    if (!BSON_ITER_HOLDS_DOCUMENT(iter) || !bson_iter_recurse(iter, &child)) {
        return false;
    }
    bool is_sound = true;
    while (is_sound && bson_iter_next(&child)) {
        if (strcmp(bson_iter_key(&child), "type") == 0) {
            is_sound = read_text(&child, arena, &out->type);
        } else if (strcmp(bson_iter_key(&child), "text") == 0) {
            is_sound = read_text(&child, arena, &out->text);
        }
    }
    return is_sound;
}

static bool read_message_text(const bson_iter_t *iter, struct arena *arena,
                              struct message_text *out)
{
    if (BSON_ITER_HOLDS_UTF8(iter)) {
        return read_text(iter, arena, &out->plain);
    }
    bson_iter_t child;
    if (!BSON_ITER_HOLDS_DOCUMENT(iter) || !bson_iter_recurse(iter, &child)) {
        return false;
    }
    out->is_notice = true;
    bool is_sound = true;
    while (is_sound && bson_iter_next(&child)) {
        if (strcmp(bson_iter_key(&child), "doctorMsg") == 0) {
            is_sound = read_notice_part(&child, arena, &out->doctor);
        } else if (strcmp(bson_iter_key(&child), "userMsg") == 0) {
            is_sound = read_notice_part(&child, arena, &out->user);
        }
    }
    return is_sound;
}

static bool read_field(const bson_iter_t *iter, const struct field *field, struct arena *arena,
                       void *record)
{
    void *member = (char *)record + field->offset;
    if (BSON_ITER_HOLDS_NULL(iter)) {
        return true; /* absent: the record was cleared */
    }
    switch (field->kind) {
    case KIND_OID:
        return read_oid(iter, member);
    case KIND_TEXT:
        return read_text(iter, arena, member);
    case KIND_NUMBER:
        return read_number(iter, member);
    case KIND_BOOL:
        *(bool *)member = bson_iter_as_bool(iter);
        return BSON_ITER_HOLDS_BOOL(iter) || BSON_ITER_HOLDS_NUMBER(iter);
    case KIND_TIME:
        ((struct timestamp *)member)->ms =
            BSON_ITER_HOLDS_DATE_TIME(iter) ? bson_iter_date_time(iter) : 0;
        return BSON_ITER_HOLDS_DATE_TIME(iter) && time_is_writable(*(struct timestamp *)member);
    case KIND_TEXT_LIST:
        return read_text_list(iter, arena, member);
    case KIND_OID_LIST:
        return read_oid_list(iter, arena, member);
    case KIND_MESSAGE_TEXT:
        return read_message_text(iter, arena, member);
    default:
        assert(false && "a field that is not stored");
        return false;
    }
}

/* The stored field of that name, looked for from the one after the last: documents mostly have
 * their fields in the shape's order. */
static const struct field *named_field(const struct shape *shape, const char *name, size_t *from)
{
    for (size_t i = 0; i < shape->count; i++) {
        const size_t at = (*from + i) % shape->count;
        const struct field *field = &shape->fields[at];
        if (field_is_stored(field) && strcmp(shape_bson_name(shape, field), name) == 0) {
            *from = at + 1;
            return field;
        }
    }
    return NULL;
}

bool shape_bson_read(const bson_t *document, const struct shape *shape, struct arena *arena,
                     void *record, const struct field **blame)
{
    bson_iter_t iter;
    record_clear(shape, record);
    if (!bson_iter_init(&iter, document)) {
        return false;
    }
    size_t from = 0;
    while (bson_iter_next(&iter)) {
        const struct field *field = named_field(shape, bson_iter_key(&iter), &from);
        if (field != NULL && !read_field(&iter, field, arena, record)) {
            if (blame != NULL) {
                *blame = field;
            }
            return false;
        }
    }
    return true;
}

/* ---- Conditions --------------------------------------------------------------------------- */

static void add_exists(bson_t *out, const char *name, bool exists)
{
    bson_t child;
    must(bson_append_document_begin(out, name, -1, &child));
    must(bson_append_bool(&child, "$exists", -1, exists));
    must(bson_append_document_end(out, &child));
}

/* {name: {operator: value}} */
static void add_compared(bson_t *out, const char *name, const char *operator,
                         const struct field * field, union value value)
{
    bson_t child;
    must(bson_append_document_begin(out, name, -1, &child));
    add_value(&child, operator, field, value);
    must(bson_append_document_end(out, &child));
}

static void add_in(bson_t *out, const char *name, const struct field *field, union value value)
{
    bson_t child;
    must(bson_append_document_begin(out, name, -1, &child));
    if (field->kind == KIND_OID) {
        add_oids(&child, "$in", &value.oids);
    } else {
        add_texts(&child, "$in", &value.texts);
    }
    must(bson_append_document_end(out, &child));
}

static bool is_ascii_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* A regular expression that is the text itself: what could mean something is escaped. ASCII letters
 * stand in either case; the option "i" would also take K for the Kelvin sign, and a dotted I for i. */
static void add_contains(bson_t *out, const char *name, const char *text)
{
    struct strbuf pattern;
    strbuf_init(&pattern, 0);
    for (const char *c = text; *c != '\0'; c++) {
        if (is_ascii_letter(*c)) {
            strbuf_add_format(&pattern, "[%c%c]", *c & ~0x20, *c | 0x20);
            continue;
        }
        if (strchr("\\^$.|?*+()[]{}", *c) != NULL) {
            strbuf_add_char(&pattern, '\\');
        }
        strbuf_add_char(&pattern, *c);
    }
    bson_t child;
    must(bson_append_document_begin(out, name, -1, &child));
    add_text(&child, "$regex", strbuf_text(&pattern));
    must(bson_append_document_end(out, &child));
    strbuf_free(&pattern);
}

static void add_absent(bson_t *out, const char *name, const struct field *field, bool absent)
{
    if (field->kind != KIND_OID_LIST && field->kind != KIND_TEXT_LIST) {
        add_exists(out, name, !absent);
        return;
    }
    char first[128]; /* a list is there when it has a first item */
    must(snprintf(first, sizeof(first), "%s.0", name) < (int)sizeof(first));
    add_exists(out, first, !absent);
}

/* IS and IS_NOT. */
static void add_equality(bson_t *out, const char *name, const struct field *field, bool equal,
                         union value value)
{
    if (value_is_absent(field, value)) {
        add_absent(out, name, field, equal);
        return;
    }
    if (field->kind == KIND_BOOL && !value.boolean) {
        equal = !equal;
        value.boolean = true;
    }
    if (equal) {
        add_value(out, name, field, value);
    } else {
        add_compared(out, name, "$ne", field, value);
    }
}

static void add_lacks(bson_t *out, const char *name, struct oid id)
{
    bson_t child;
    must(bson_append_document_begin(out, name, -1, &child));
    add_oid(&child, "$ne", id);
    must(bson_append_document_end(out, &child));
}

static void add_condition(bson_t *out, const struct shape *shape, const struct condition *condition)
{
    static const char *const operators[] = {
        [BELOW] = "$lt", [AT_MOST] = "$lte", [ABOVE] = "$gt", [AT_LEAST] = "$gte"};
    const struct field *field = shape_field(shape, condition->offset);
    const char *name = shape_bson_name(shape, field);
    const union value value = condition->value;
    switch (condition->compare) {
    case IS:
    case IS_NOT:
        add_equality(out, name, field, condition->compare == IS, value);
        return;
    case BELOW:
    case AT_MOST:
    case ABOVE:
    case AT_LEAST:
        add_compared(out, name, operators[condition->compare], field, value);
        return;
    case ONE_OF:
        add_in(out, name, field, value);
        return;
    case ABSENT:
        add_absent(out, name, field, true);
        return;
    case HOLDS:
        add_oid(out, name, value.oid);
        return;
    case LACKS:
        add_lacks(out, name, value.oid);
        return;
    case CONTAINS:
        add_contains(out, name, value.text);
        return;
    }
}

static bool is_first_of_field(const struct condition *conditions, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (conditions[i].offset == conditions[at].offset) {
            return false;
        }
    }
    return true;
}

void shape_bson_filter(bson_t *out, const struct shape *shape, const struct condition *conditions,
                       size_t count)
{
    size_t more = 0;
    for (size_t i = 0; i < count; i++) {
        if (is_first_of_field(conditions, i)) {
            add_condition(out, shape, &conditions[i]);
        } else {
            more++;
        }
    }
    if (more == 0) {
        return;
    }
    bson_t all, one;
    char buffer[16];
    size_t index = 0;
    must(bson_append_array_begin(out, "$and", -1, &all));
    for (size_t i = 0; i < count; i++) {
        if (!is_first_of_field(conditions, i)) {
            must(bson_append_document_begin(&all, index_name(index++, buffer), -1, &one));
            add_condition(&one, shape, &conditions[i]);
            must(bson_append_document_end(&all, &one));
        }
    }
    must(bson_append_array_end(out, &all));
}

/* ---- Changes and sorts -------------------------------------------------------------------- */

/* What a change is in the store: setting an absent value is unsetting. */
static enum change_kind stored_kind(const struct field *field, const struct change *change)
{
    const bool unsets = change->kind == CHANGE_SET && value_is_absent(field, change->value);
    return unsets ? CHANGE_UNSET : change->kind;
}

static void add_push_last(bson_t *out, const char *name, struct oid id)
{
    const struct oid_list one = {.items = &id, .count = 1};
    bson_t child;
    must(bson_append_document_begin(out, name, -1, &child));
    add_oids(&child, "$each", &one);
    must(bson_append_int32(&child, "$slice", -1, -PUSH_LAST_KEEPS));
    must(bson_append_document_end(out, &child));
}

static void add_change(bson_t *out, const char *name, const struct field *field,
                       enum change_kind kind, union value value)
{
    switch (kind) {
    case CHANGE_SET:
    case CHANGE_INC:
    case CHANGE_MAX:
        add_value(out, name, field, value);
        return;
    case CHANGE_UNSET:
        add_text(out, name, "");
        return;
    case CHANGE_PUSH_LAST:
        add_push_last(out, name, value.oid);
        return;
    case CHANGE_PUSH:
    case CHANGE_PULL:
        add_oid(out, name, value.oid);
        return;
    }
}

void shape_bson_changes(bson_t *out, const struct shape *shape, const struct change *changes,
                        size_t count)
{
    static const char *const operators[] = {
        [CHANGE_SET] = "$set",   [CHANGE_UNSET] = "$unset",    [CHANGE_INC] = "$inc",
        [CHANGE_MAX] = "$max",   [CHANGE_PUSH_LAST] = "$push", [CHANGE_PUSH] = "$push",
        [CHANGE_PULL] = "$pull",
    };
    for (size_t kind = 0; kind < ARRAY_LENGTH(operators); kind++) {
        bson_t child;
        bool is_begun = false;
        for (size_t i = 0; i < count; i++) {
            const struct field *field = shape_field(shape, changes[i].offset);
            if (stored_kind(field, &changes[i]) != (enum change_kind)kind) {
                continue;
            }
            if (!is_begun) {
                must(bson_append_document_begin(out, operators[kind], -1, &child));
                is_begun = true;
            }
            add_change(&child, shape_bson_name(shape, field), field, (enum change_kind)kind,
                       changes[i].value);
        }
        if (is_begun) {
            must(bson_append_document_end(out, &child));
        }
    }
}

void shape_bson_sort(bson_t *out, const struct shape *shape, const struct sort sort[2])
{
    for (size_t i = 0; i < 2 && sort[i].used; i++) {
        const struct field *field = shape_field(shape, sort[i].offset);
        must(bson_append_int32(out, shape_bson_name(shape, field), -1, sort[i].down ? -1 : 1));
    }
}
