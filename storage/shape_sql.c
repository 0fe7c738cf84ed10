/* Values between structs and SQLite, one column per field.
 *
 * Lists are one column each, in forms that plain SQL can change and search within one UPDATE
 * (atomicity comes from there): an oid list is its ids in hex, each followed by a space, so that
 * append is `||`, removal is replace() and membership is instr(), and no id can be found across
 * the border of two others. A text list is only ever read and written whole.
 *
 * A notice (the object form of a message's text) is a BLOB of its four texts in the order
 * doctor.type, doctor.text, user.type, user.text, each as
 *
 *     00                 absent
 *     01 text… 00        present
 *
 * and the storage class, TEXT or BLOB, tells it from a plain text: any text round-trips.
 *
 * Worker only; whoever owns the statement calls. */
#include "storage/shape_sql.h"

#include <assert.h>
#include <string.h>

#define NOTICE_TEXTS 4

const char *sql_type(const struct field *field)
{
    static const char *const types[] = {
        [KIND_OID] = "BLOB",      [KIND_TEXT] = "TEXT",        [KIND_NUMBER] = "INTEGER",
        [KIND_BOOL] = "INTEGER",  [KIND_TIME] = "INTEGER",     [KIND_TEXT_LIST] = "BLOB",
        [KIND_OID_LIST] = "TEXT", [KIND_MESSAGE_TEXT] = "ANY",
    };
    assert((size_t)field->kind < ARRAY_LENGTH(types));
    return types[field->kind];
}

/* ---- In ----------------------------------------------------------------------------------- */

/* Binds the buffer's content, copied, as a BLOB or a TEXT, and frees the buffer. */
static int bind_and_free(sqlite3_stmt *statement, int at, struct strbuf *buffer, bool is_text)
{
    const char *bytes = strbuf_text(buffer);
    const int rc =
        is_text ? sqlite3_bind_text64(statement, at, bytes, buffer->length, SQLITE_TRANSIENT,
                                      SQLITE_UTF8)
                : sqlite3_bind_blob64(statement, at, bytes, buffer->length, SQLITE_TRANSIENT);
    strbuf_free(buffer);
    return rc;
}

static int bind_text_list(sqlite3_stmt *statement, int at, const struct text_list *list)
{
    if (list->count == 0) {
        return sqlite3_bind_null(statement, at);
    }
    struct strbuf buffer;
    strbuf_init(&buffer, 0);
    for (size_t i = 0; i < list->count; i++) {
        strbuf_add(&buffer, list->items[i], strlen(list->items[i]) + 1);
    }
    return bind_and_free(statement, at, &buffer, false);
}

static void add_list_item(struct strbuf *buffer, struct oid id)
{
    char hex[OID_TEXT_BYTES];
    oid_format(id, hex);
    strbuf_add(buffer, hex, OID_TEXT_BYTES - 1);
    strbuf_add_char(buffer, ' ');
}

static int bind_oid_list(sqlite3_stmt *statement, int at, const struct oid_list *list)
{
    if (list->count == 0) {
        return sqlite3_bind_null(statement, at);
    }
    struct strbuf buffer;
    strbuf_init(&buffer, 0);
    for (size_t i = 0; i < list->count; i++) {
        add_list_item(&buffer, list->items[i]);
    }
    return bind_and_free(statement, at, &buffer, true);
}

static int bind_message_text(sqlite3_stmt *statement, int at, const struct message_text *text)
{
    if (!text->is_notice) {
        return text->plain == NULL
                   ? sqlite3_bind_null(statement, at)
                   : sqlite3_bind_text(statement, at, text->plain, -1, SQLITE_STATIC);
    }
    const char *const parts[NOTICE_TEXTS] = {text->doctor.type, text->doctor.text, text->user.type,
                                             text->user.text};
    struct strbuf buffer;
    strbuf_init(&buffer, 0);
    for (size_t i = 0; i < NOTICE_TEXTS; i++) {
        strbuf_add_char(&buffer, parts[i] == NULL ? '\0' : '\1');
        if (parts[i] != NULL) {
            strbuf_add(&buffer, parts[i], strlen(parts[i]) + 1);
        }
    }
    return bind_and_free(statement, at, &buffer, false);
}

int sql_bind_field(sqlite3_stmt *statement, int at, const struct field *field, const void *record)
{
    const void *member = (const char *)record + field->offset;
    switch (field->kind) {
    case KIND_OID:
        return oid_is_none(*(const struct oid *)member)
                   ? sqlite3_bind_null(statement, at)
                   : sqlite3_bind_blob(statement, at, member, OID_BYTES, SQLITE_STATIC);
    case KIND_TEXT: /* a NULL text is bound as NULL */
        return sqlite3_bind_text(statement, at, *(const char *const *)member, -1, SQLITE_STATIC);
    case KIND_NUMBER:
        return field_is_absent(field, record)
                   ? sqlite3_bind_null(statement, at)
                   : sqlite3_bind_int64(statement, at, *(const int64_t *)member);
    case KIND_BOOL:
        return sqlite3_bind_int(statement, at, *(const bool *)member);
    case KIND_TIME:
        return field_is_absent(field, record)
                   ? sqlite3_bind_null(statement, at)
                   : sqlite3_bind_int64(statement, at, ((const struct timestamp *)member)->ms);
    case KIND_TEXT_LIST:
        return bind_text_list(statement, at, member);
    case KIND_OID_LIST:
        return bind_oid_list(statement, at, member);
    case KIND_MESSAGE_TEXT:
        return bind_message_text(statement, at, member);
    default:
        assert(false && "a field that is not stored");
        return SQLITE_MISUSE;
    }
}

int sql_bind_value(sqlite3_stmt *statement, int at, const struct field *field, union value value)
{
    switch (field->kind) {
    case KIND_OID: /* copied: the value is this function's own */
        return oid_is_none(value.oid)
                   ? sqlite3_bind_null(statement, at)
                   : sqlite3_bind_blob(statement, at, value.oid.bytes, OID_BYTES, SQLITE_TRANSIENT);
    case KIND_TEXT:
        return sqlite3_bind_text(statement, at, value.text, -1, SQLITE_STATIC);
    case KIND_NUMBER:
        return value.number == NUMBER_ABSENT ? sqlite3_bind_null(statement, at)
                                             : sqlite3_bind_int64(statement, at, value.number);
    case KIND_BOOL:
        return sqlite3_bind_int(statement, at, value.boolean);
    case KIND_TIME:
        return value.time.ms == 0 ? sqlite3_bind_null(statement, at)
                                  : sqlite3_bind_int64(statement, at, value.time.ms);
    case KIND_TEXT_LIST:
        return bind_text_list(statement, at, &value.texts);
    case KIND_OID_LIST:
        return bind_oid_list(statement, at, &value.oids);
    default:
        assert(false && "a value that cannot be compared or set");
        return SQLITE_MISUSE;
    }
}

int sql_bind_list_item(sqlite3_stmt *statement, int at, struct oid id)
{
    char item[SQL_LIST_ITEM_BYTES + 1];
    oid_format(id, item);
    item[SQL_LIST_ITEM_BYTES - 1] = ' ';
    return sqlite3_bind_text(statement, at, item, SQL_LIST_ITEM_BYTES, SQLITE_TRANSIENT);
}

/* ---- Out ---------------------------------------------------------------------------------- */

/* A value's bytes as text or blob; NULL with length 0 for an empty blob. */
static const char *value_bytes(sqlite3_value *value, size_t *length)
{
    const char *bytes = sqlite3_value_type(value) == SQLITE_TEXT
                            ? (const char *)sqlite3_value_text(value)
                            : sqlite3_value_blob(value);
    *length = bytes == NULL ? 0 : (size_t)sqlite3_value_bytes(value);
    return bytes;
}

/* Texts with their NULs, one behind the other; items point into one copy of them. */
static bool read_text_list(const char *bytes, size_t length, struct arena *arena,
                           struct text_list *out)
{
    if (length == 0 || bytes[length - 1] != '\0') {
        return false;
    }
    const char *copy = arena_text(arena, bytes, length);
    size_t count = 0;
    for (size_t i = 0; i < length; i++) {
        count += copy[i] == '\0';
    }
    const char **items = arena_array(arena, count, sizeof(*items));
    for (size_t i = 0; i < count; i++) {
        items[i] = copy;
        copy += strlen(copy) + 1;
    }
    *out = (struct text_list){.items = items, .count = count};
    return true;
}

static bool read_oid_list(const char *text, size_t length, struct arena *arena,
                          struct oid_list *out)
{
    if (length % SQL_LIST_ITEM_BYTES != 0) {
        return false;
    }
    const size_t count = length / SQL_LIST_ITEM_BYTES;
    struct oid *items = count == 0 ? NULL : arena_array(arena, count, sizeof(*items));
    for (size_t i = 0; i < count; i++) {
        if (!oid_parse(text + i * SQL_LIST_ITEM_BYTES, SQL_LIST_ITEM_BYTES - 1, &items[i])) {
            return false;
        }
    }
    *out = (struct oid_list){.items = items, .count = count};
    return true;
}

static bool read_notice(const char *bytes, size_t length, struct arena *arena,
                        struct message_text *out)
{
    const char *parts[NOTICE_TEXTS] = {NULL};
    size_t at = 0;
    for (size_t i = 0; i < NOTICE_TEXTS; i++) {
        if (at == length) {
            return false;
        }
        if (bytes[at++] == '\1') {
            const char *end = memchr(bytes + at, '\0', length - at);
            if (end == NULL) {
                return false;
            }
            const size_t part_length = (size_t)(end - (bytes + at));
            parts[i] = arena_text(arena, bytes + at, part_length);
            at += part_length + 1;
        }
    }
    *out = (struct message_text){.is_notice = true,
                                 .doctor = {.type = parts[0], .text = parts[1]},
                                 .user = {.type = parts[2], .text = parts[3]}};
    return at == length;
}

/* The storage class that a stored value of the kind has; 0 for message texts, which have two. */
static int storage_class(enum kind kind)
{
    static const int classes[] = {
        [KIND_OID] = SQLITE_BLOB,      [KIND_TEXT] = SQLITE_TEXT,    [KIND_NUMBER] = SQLITE_INTEGER,
        [KIND_BOOL] = SQLITE_INTEGER,  [KIND_TIME] = SQLITE_INTEGER, [KIND_TEXT_LIST] = SQLITE_BLOB,
        [KIND_OID_LIST] = SQLITE_TEXT, [KIND_MESSAGE_TEXT] = 0,
    };
    return classes[kind];
}

static bool read_message_text(sqlite3_value *value, struct arena *arena, struct message_text *out)
{
    size_t length = 0;
    const bool is_plain = sqlite3_value_type(value) == SQLITE_TEXT;
    const char *bytes = value_bytes(value, &length);
    if (bytes == NULL) {
        return false;
    }
    if (is_plain) {
        *out = (struct message_text){.plain = arena_text(arena, bytes, length)};
        return true;
    }
    return read_notice(bytes, length, arena, out);
}

bool sql_read_field(sqlite3_stmt *statement, int at, const struct field *field, struct arena *arena,
                    void *record)
{
    /* Without SQLite's own mutexes (sqlite_file.c) this one may be looked into. */
    sqlite3_value *value = sqlite3_column_value(statement, at);
    const int type = sqlite3_value_type(value);
    const int expected = storage_class(field->kind);
    if (type == SQLITE_NULL) {
        return true; /* the record was cleared */
    }
    if (expected != 0 && type != expected) {
        return false;
    }
    void *member = (char *)record + field->offset;
    size_t length = 0;
    const char *bytes;
    switch (field->kind) {
    case KIND_OID:
        bytes = value_bytes(value, &length);
        if (length != OID_BYTES) {
            return false;
        }
        memcpy(member, bytes, OID_BYTES);
        return true;
    case KIND_TEXT:
        bytes = value_bytes(value, &length);
        *(const char **)member = bytes == NULL ? NULL : arena_text(arena, bytes, length);
        return bytes != NULL;
    case KIND_NUMBER:
        *(int64_t *)member = sqlite3_value_int64(value);
        return true;
    case KIND_BOOL:
        *(bool *)member = sqlite3_value_int(value) != 0;
        return true;
    case KIND_TIME:
        ((struct timestamp *)member)->ms = sqlite3_value_int64(value);
        return time_is_writable(*(struct timestamp *)member);
    case KIND_TEXT_LIST:
        bytes = value_bytes(value, &length);
        return read_text_list(bytes, length, arena, member);
    case KIND_OID_LIST:
        bytes = value_bytes(value, &length);
        return read_oid_list(bytes, length, arena, member);
    case KIND_MESSAGE_TEXT:
        return read_message_text(value, arena, member);
    default:
        assert(false && "a field that is not stored");
        return false;
    }
}
