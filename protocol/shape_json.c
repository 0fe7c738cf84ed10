/* Structs to JSON text, straight from the tables: no tree of values in between.
 *
 * Lists of messages and orders are most of what the server writes, so this is its hot path: a
 * field costs one copy of its name and one of its value. Each row of a shape becomes one member,
 * in the shape's order; what is absent leaves no member behind, unless ALWAYS says so.
 *
 * What must hold: a SECRET row is never written (contract 1, Personal data). This file is the
 * only way from a record to a client, so that is decided here and nowhere else.
 *
 * Any thread; the strbuf is the caller's. */
#include "protocol/shape.h"

#include <string.h>

/* Writes `"name":`, with a comma before it unless it is the object's first member. The names of
 * shapes are ours: nothing in them wants escaping. */
static void write_name(struct strbuf *out, const char *name, size_t length, bool *is_first)
{
    char *end = strbuf_reserve(out, length + 4);
    char *start = end;
    if (!*is_first) {
        *end++ = ',';
    }
    *is_first = false;
    *end++ = '"';
    memcpy(end, name, length);
    end += length;
    *end++ = '"';
    *end++ = ':';
    *end = '\0';
    out->length += (size_t)(end - start);
}

static void write_oid(struct strbuf *out, const struct field *field, const void *member)
{
    (void)field;
    char *end = strbuf_reserve(out, OID_TEXT_BYTES + 1);
    *end = '"';
    oid_format(*(const struct oid *)member, end + 1);
    memcpy(end + OID_TEXT_BYTES, "\"", 2);
    out->length += OID_TEXT_BYTES + 1;
}

static void write_text(struct strbuf *out, const struct field *field, const void *member)
{
    (void)field;
    strbuf_add_json(out, *(const char *const *)member);
}

static void write_number(struct strbuf *out, const struct field *field, const void *member)
{
    (void)field;
    strbuf_add_number(out, *(const int64_t *)member);
}

static void write_bool(struct strbuf *out, const struct field *field, const void *member)
{
    (void)field;
    strbuf_add_text(out, *(const bool *)member ? "true" : "false");
}

static void write_maybe(struct strbuf *out, const struct field *field, const void *member)
{
    (void)field;
    strbuf_add_text(out, ((const struct maybe *)member)->is_true ? "true" : "false");
}

static void write_time(struct strbuf *out, const struct field *field, const void *member)
{
    (void)field;
    char *end = strbuf_reserve(out, TIME_TEXT_BYTES + 1);
    *end = '"';
    time_format(*(const struct timestamp *)member, end + 1);
    memcpy(end + TIME_TEXT_BYTES, "\"", 2);
    out->length += TIME_TEXT_BYTES + 1;
}

static void write_text_list(struct strbuf *out, const struct field *field, const void *member)
{
    const struct text_list *list = member;
    strbuf_add_char(out, '[');
    for (size_t i = 0; i < list->count; i++) {
        if (i > 0) {
            strbuf_add_char(out, ',');
        }
        write_text(out, field, &list->items[i]);
    }
    strbuf_add_char(out, ']');
}

static void write_oid_list(struct strbuf *out, const struct field *field, const void *member)
{
    const struct oid_list *list = member;
    strbuf_add_char(out, '[');
    for (size_t i = 0; i < list->count; i++) {
        if (i > 0) {
            strbuf_add_char(out, ',');
        }
        write_oid(out, field, &list->items[i]);
    }
    strbuf_add_char(out, ']');
}

/* One side's part of a notice; nothing when that side has none. */
static void write_notice_part(struct strbuf *out, const char *name, const struct notice_part *part,
                              bool *is_first)
{
    if (part->text == NULL) {
        return;
    }
    write_name(out, name, strlen(name), is_first);
    strbuf_add_char(out, '{');
    bool is_first_inside = true;
    if (part->type != NULL) {
        write_name(out, "type", 4, &is_first_inside);
        strbuf_add_json(out, part->type);
    }
    write_name(out, "text", 4, &is_first_inside);
    strbuf_add_json(out, part->text);
    strbuf_add_char(out, '}');
}

static void write_message_text(struct strbuf *out, const struct field *field, const void *member)
{
    (void)field;
    const struct message_text *text = member;
    if (!text->is_notice) {
        strbuf_add_json(out, text->plain);
        return;
    }
    bool is_first = true;
    strbuf_add_char(out, '{');
    write_notice_part(out, "doctorMsg", &text->doctor, &is_first);
    write_notice_part(out, "userMsg", &text->user, &is_first);
    strbuf_add_char(out, '}');
}

static void write_object(struct strbuf *out, const struct field *field, const void *member)
{
    const void *object;
    memcpy(&object, member, sizeof(object));
    shape_write(out, field->sub, object, field->flags & UNDERSCORE_ID);
}

static void write_object_list(struct strbuf *out, const struct field *field, const void *member)
{
    shape_write_list(out, field->sub, member, field->flags & UNDERSCORE_ID);
}

/* How a value of each kind is written, and what stands for an absent one that is ALWAYS there
 * (NULL: such a one is left out all the same). */
static const struct {
    void (*write)(struct strbuf *out, const struct field *field, const void *member);
    const char *absent;
} writers[] = {
    [KIND_OID] = {write_oid, "null"},
    [KIND_TEXT] = {write_text, "\"\""},
    [KIND_NUMBER] = {write_number, NULL},
    [KIND_BOOL] = {write_bool, NULL},
    [KIND_TIME] = {write_time, "null"},
    [KIND_TEXT_LIST] = {write_text_list, "[]"},
    [KIND_OID_LIST] = {write_oid_list, "[]"},
    [KIND_MESSAGE_TEXT] = {write_message_text, "\"\""},
    [KIND_MAYBE] = {write_maybe, NULL},
    [KIND_OBJECT] = {write_object, NULL},
    [KIND_OBJECT_LIST] = {write_object_list, "[]"},
};

static void write_field(struct strbuf *out, const struct field *field, const char *name,
                        size_t name_length, const void *record, bool *is_first)
{
    const void *member = (const char *)record + field->offset;
    if (field_is_absent(field, record)) {
        const char *absent = writers[field->kind].absent;
        if ((field->flags & ALWAYS) != 0 && absent != NULL) {
            write_name(out, name, name_length, is_first);
            strbuf_add_text(out, absent);
        }
        return;
    }
    if ((field->flags & OMIT_FALSE) != 0 && field->kind == KIND_BOOL && !*(const bool *)member) {
        return;
    }
    write_name(out, name, name_length, is_first);
    writers[field->kind].write(out, field, member);
}

void shape_write(struct strbuf *out, const struct shape *shape, const void *record, unsigned flags)
{
    bool is_first = true;
    strbuf_add_char(out, '{');
    for (size_t i = 0; i < shape->count; i++) {
        const struct field *field = &shape->fields[i];
        if ((field->flags & SECRET) != 0) {
            continue;
        }
        /* A record's own id is its first row. */
        unsigned own = i == 0 ? field->flags | flags : 0;
        if ((own & UNDERSCORE_ID) != 0 && field->kind == KIND_OID) {
            write_field(out, field, "_id", 3, record, &is_first);
        }
        write_field(out, field, field->name, field->name_length, record, &is_first);
    }
    strbuf_add_char(out, '}');
}

void shape_write_list(struct strbuf *out, const struct shape *shape, const struct object_list *list,
                      unsigned flags)
{
    strbuf_add_char(out, '[');
    const size_t before = out->length;
    for (size_t i = 0; i < list->count; i++) {
        if (i > 0) {
            strbuf_add_char(out, ',');
        }
        shape_write(out, shape, (const char *)list->items + i * shape->size, flags);
        if (i == 0) { /* the others will be about as long */
            const size_t length = out->length - before;
            strbuf_reserve(out, (list->count - 1) * (length + length / 8));
        }
    }
    strbuf_add_char(out, ']');
}
