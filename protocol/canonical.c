/* Canonical bytes of a record, see the header for the layout.
 *
 * Nothing here may ever change its output for a record that has been hashed before: a hash is
 * compared years later. tests/unit/test_canonical.c holds known bytes. */
#include "protocol/canonical.h"

#include <string.h>

#define LENGTH_BYTES 4
#define LENGTH_ABSENT UINT32_MAX

static void put_big_endian(char *out, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        out[i] = (char)(unsigned char)(value >> (8 * (bytes - 1 - i)));
    }
}

static void add_number(struct strbuf *out, uint64_t value, size_t bytes)
{
    char text[8];
    put_big_endian(text, value, bytes);
    strbuf_add(out, text, bytes);
}

/* A text after its length. */
static void add_part(struct strbuf *out, const char *text)
{
    if (text == NULL) {
        add_number(out, LENGTH_ABSENT, LENGTH_BYTES);
        return;
    }
    size_t length = strlen(text);
    add_number(out, length, LENGTH_BYTES);
    strbuf_add(out, text, length);
}

static void add_message_text(struct strbuf *out, const struct message_text *text)
{
    if (!text->is_notice) {
        strbuf_add_char(out, 'P');
        strbuf_add_text(out, text->plain);
        return;
    }
    strbuf_add_char(out, 'N');
    add_part(out, text->doctor.type);
    add_part(out, text->doctor.text);
    add_part(out, text->user.type);
    add_part(out, text->user.text);
}

static void add_texts(struct strbuf *out, const struct text_list *texts)
{
    for (size_t i = 0; i < texts->count; i++) {
        add_part(out, texts->items[i]);
    }
}

static void add_oids(struct strbuf *out, const struct oid *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        strbuf_add(out, (const char *)items[i].bytes, OID_BYTES);
    }
}

static void add_value(struct strbuf *out, enum kind kind, const void *member)
{
    switch (kind) {
    case KIND_OID:
        add_oids(out, member, 1);
        break;
    case KIND_TEXT:
        strbuf_add_text(out, *(const char *const *)member);
        break;
    case KIND_NUMBER:
        add_number(out, (uint64_t) * (const int64_t *)member, 8);
        break;
    case KIND_BOOL:
        strbuf_add_char(out, 1);
        break;
    case KIND_TIME:
        add_number(out, (uint64_t)((const struct timestamp *)member)->ms, 8);
        break;
    case KIND_TEXT_LIST:
        add_texts(out, member);
        break;
    case KIND_OID_LIST:
        add_oids(out, ((const struct oid_list *)member)->items,
                 ((const struct oid_list *)member)->count);
        break;
    case KIND_MESSAGE_TEXT:
        add_message_text(out, member);
        break;
    case KIND_MAYBE:
    case KIND_OBJECT:
    case KIND_OBJECT_LIST:
        break;
    }
}

static bool is_sealed(const struct field *field, const void *record)
{
    bool is_object = field->kind == KIND_OBJECT || field->kind == KIND_OBJECT_LIST;
    if (is_object || (field->flags & (VIEW | UNSEALED)) != 0 || field_is_absent(field, record)) {
        return false;
    }
    return field->kind != KIND_BOOL || *(const bool *)((const char *)record + field->offset);
}

/* Its name, a NUL, and room for the length of its value. */
static void add_name(struct strbuf *out, const struct field *field)
{
    size_t length = field->name_length + 1 + LENGTH_BYTES;
    char *end = strbuf_reserve(out, length);
    memcpy(end, field->name, field->name_length + 1);
    out->length += length;
    end[length] = '\0';
}

void canonical_write(struct strbuf *out, const struct shape *shape, const void *record)
{
    for (size_t i = 0; i < shape->count; i++) {
        const struct field *field = &shape->fields[i];
        if (!is_sealed(field, record)) {
            continue;
        }
        add_name(out, field);
        size_t length_at = out->length - LENGTH_BYTES;
        add_value(out, field->kind, (const char *)record + field->offset);
        size_t length = out->length - length_at - LENGTH_BYTES;
        put_big_endian(out->memory + out->room + length_at, length, LENGTH_BYTES);
    }
}
