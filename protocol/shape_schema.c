/* Shapes as JSON Schema (2020-12), for the API document: the very rows that bind a request and
 * write a reply, so that the document cannot promise anything else.
 *
 * One function per kind opens a schema and leaves it open, `type` (or `oneOf`) first and each
 * further keyword with its comma before it; whoever called adds the description and the closing
 * brace. A request's schema is a little stricter than the server: it does not say that null and
 * "" count as absent, nor that blanks are trimmed, which contract 1 says once for all.
 *
 * Any thread; the strbuf is the caller's. */
#include "protocol/shape.h"

#include <assert.h>
#include <string.h>

#define PATTERN_OID "^[0-9a-f]{24}$"

/* What is described: the side decides which rows there are and which of them are required. */
struct view {
    bool as_request;
    unsigned flags; /* UNDERSCORE_ID: the object's own id is there as `_id`, too */
};

static void open_object(struct strbuf *out, const struct shape *shape, struct view view);

static bool is_shown(const struct field *field, struct view view)
{
    unsigned hidden = view.as_request ? SECRET | VIEW : SECRET;
    return (field->flags & hidden) == 0;
}

/* Whether the writer answers an absent value of this row as null. The rows that are known to be
 * there always are the record's own id and what is REQUIRED. */
static bool is_nullable(const struct field *field, struct view view, bool is_own_id)
{
    bool has_null = field->kind == KIND_OID || field->kind == KIND_TIME;
    return !view.as_request && has_null && !is_own_id &&
           (field->flags & (ALWAYS | REQUIRED)) == ALWAYS;
}

static bool is_required(const struct field *field, struct view view)
{
    if (view.as_request || (field->flags & REQUIRED) != 0) {
        return (field->flags & REQUIRED) != 0;
    }
    switch (field->kind) {
    case KIND_BOOL:
        return (field->flags & OMIT_FALSE) == 0;
    case KIND_NUMBER:
    case KIND_OBJECT:
        return false; /* left out when absent, ALWAYS or not */
    default:
        return (field->flags & ALWAYS) != 0;
    }
}

static void add_limit(struct strbuf *out, const char *keyword, int64_t limit)
{
    strbuf_add_format(out, ",\"%s\":", keyword);
    strbuf_add_number(out, limit);
}

static void add_choices(struct strbuf *out, const char *choices)
{
    strbuf_add_literal(out, ",\"enum\":[\"");
    for (const char *at = choices; *at != '\0'; at++) {
        if (*at == '|') {
            strbuf_add_literal(out, "\",\"");
        } else {
            strbuf_add_char(out, *at);
        }
    }
    strbuf_add_literal(out, "\"]");
}

static void open_oid(struct strbuf *out, const struct field *field, struct view view)
{
    (void)field;
    (void)view;
    strbuf_add_literal(out, "{\"type\":\"string\",\"pattern\":\"" PATTERN_OID "\"");
}

/* A text with its limits: a field's, or those of a list's items. */
static void open_limited_text(struct strbuf *out, const struct field *field, int64_t min,
                              int64_t max)
{
    static const char *const formats[] = {
        [FORMAT_NONE] = "",
        [FORMAT_URL] = ",\"format\":\"uri\",\"pattern\":\"^[Hh][Tt][Tt][Pp][Ss]?://\"",
        [FORMAT_VISIBLE] = ",\"pattern\":\"^[!-~]+$\"",
        [FORMAT_DIGITS] = ",\"pattern\":\"^[0-9]+$\"",
    };
    assert(field->format < ARRAY_LENGTH(formats) && field->format != FORMAT_PHONE);
    strbuf_add_literal(out, "{\"type\":\"string\"");
    if (min > 0) {
        add_limit(out, "minLength", min);
    }
    if (max > 0) {
        add_limit(out, "maxLength", max);
    }
    if (field->choices != NULL) {
        add_choices(out, field->choices);
    }
    strbuf_add_text(out, formats[field->format]);
}

static void open_text(struct strbuf *out, const struct field *field, struct view view)
{
    bool may_be_empty = !view.as_request && (field->flags & ALWAYS) != 0;
    int64_t required = (field->flags & REQUIRED) != 0 && field->choices == NULL ? 1 : 0;
    int64_t min = field->min > required ? field->min : required;
    open_limited_text(out, field, may_be_empty ? 0 : min, field->max);
}

static void open_number(struct strbuf *out, const struct field *field, struct view view)
{
    bool is_phone = field->format == FORMAT_PHONE;
    bool is_loose = view.as_request && (field->flags & LOOSE) != 0;
    strbuf_add_text(out, is_loose ? "{\"oneOf\":[{\"type\":\"integer\"" : "{\"type\":\"integer\"");
    if (is_phone || field->min != 0 || field->max != 0) {
        add_limit(out, "minimum", is_phone ? PHONE_MIN : field->min);
        add_limit(out, "maximum", is_phone ? PHONE_MAX : field->max);
    }
    if (is_loose) {
        strbuf_add_literal(out, "},{\"type\":\"string\",\"pattern\":\"");
        strbuf_add_text(out, is_phone ? "^1[3-9][0-9]{9}$" : "^-?[0-9]+$");
        strbuf_add_literal(out, "\"}]");
    }
}

static void open_bool(struct strbuf *out, const struct field *field, struct view view)
{
    (void)field;
    (void)view;
    strbuf_add_literal(out, "{\"type\":\"boolean\"");
}

static void open_time(struct strbuf *out, const struct field *field, struct view view)
{
    (void)field;
    (void)view;
    strbuf_add_literal(out, "{\"type\":\"string\",\"format\":\"date-time\"");
}

static void open_item(struct strbuf *out, const struct field *field, struct view view)
{
    if (field->kind == KIND_TEXT_LIST) {
        open_limited_text(out, field, 1, field->item_max);
    } else if (field->kind == KIND_OID_LIST) {
        open_oid(out, field, view);
    } else {
        open_object(out, field->sub, (struct view){view.as_request, field->flags & UNDERSCORE_ID});
    }
}

static void open_list(struct strbuf *out, const struct field *field, struct view view)
{
    bool is_loose = view.as_request && (field->flags & LOOSE) != 0;
    strbuf_add_text(out, is_loose ? "{\"oneOf\":[{\"type\":\"array\",\"items\":"
                                  : "{\"type\":\"array\",\"items\":");
    open_item(out, field, view);
    strbuf_add_char(out, '}');
    if ((field->flags & REQUIRED) != 0) {
        add_limit(out, "minItems", 1);
    }
    if (field->max > 0) {
        add_limit(out, "maxItems", field->max);
    }
    if (is_loose) {
        strbuf_add_literal(out, "},{\"type\":\"string\",\"contentMediaType\":"
                                "\"application/json\"}]");
    }
}

static void open_message_text(struct strbuf *out, const struct field *field, struct view view)
{
#define PART                                                                                       \
    "{\"type\":\"object\",\"properties\":{\"type\":{\"type\":\"string\"},"                         \
    "\"text\":{\"type\":\"string\"}},\"required\":[\"text\"]}"
    strbuf_add_literal(out, "{\"oneOf\":[");
    open_text(out, field, view);
    strbuf_add_literal(out, "},{\"type\":\"object\",\"properties\":{\"doctorMsg\":" PART
                            ",\"userMsg\":" PART "}}]");
#undef PART
}

static void open_sub(struct strbuf *out, const struct field *field, struct view view)
{
    open_object(out, field->sub, (struct view){view.as_request, field->flags & UNDERSCORE_ID});
}

static void (*const openers[])(struct strbuf *out, const struct field *field, struct view view) = {
    [KIND_OID] = open_oid,       [KIND_TEXT] = open_text,
    [KIND_NUMBER] = open_number, [KIND_BOOL] = open_bool,
    [KIND_TIME] = open_time,     [KIND_TEXT_LIST] = open_list,
    [KIND_OID_LIST] = open_list, [KIND_MESSAGE_TEXT] = open_message_text,
    [KIND_OBJECT] = open_sub,    [KIND_OBJECT_LIST] = open_list,
};

static void add_name(struct strbuf *out, const char *name, bool *is_first)
{
    if (!*is_first) {
        strbuf_add_char(out, ',');
    }
    *is_first = false;
    strbuf_add_json(out, name);
}

static void add_property(struct strbuf *out, const char *name, const struct field *field,
                         struct view view, bool is_own_id, bool *is_first)
{
    add_name(out, name, is_first);
    strbuf_add_char(out, ':');
    bool is_null_too = is_nullable(field, view, is_own_id);
    if (is_null_too) {
        strbuf_add_literal(out, "{\"oneOf\":[");
    }
    openers[field->kind](out, field, view);
    if (is_null_too) {
        strbuf_add_literal(out, "},{\"type\":\"null\"}]");
    }
    strbuf_add_literal(out, ",\"description\":");
    strbuf_add_json(out, field->doc);
    strbuf_add_char(out, '}');
}

/* Whether the row is the record's own id, written as `_id` as well. */
static bool is_underscored(const struct shape *shape, size_t row, struct view view)
{
    return row == 0 && !view.as_request && shape->fields[0].kind == KIND_OID &&
           ((shape->fields[0].flags | view.flags) & UNDERSCORE_ID) != 0;
}

static bool is_own_id(const struct shape *shape, size_t row)
{
    return row == 0 && strcmp(shape->fields[0].name, "id") == 0;
}

static void add_properties(struct strbuf *out, const struct shape *shape, struct view view)
{
    bool is_first = true;
    strbuf_add_literal(out, ",\"properties\":{");
    for (size_t i = 0; i < shape->count; i++) {
        const struct field *field = &shape->fields[i];
        if (!is_shown(field, view)) {
            continue;
        }
        if (is_underscored(shape, i, view)) {
            add_property(out, "_id", field, view, is_own_id(shape, i), &is_first);
        }
        add_property(out, field->name, field, view, is_own_id(shape, i), &is_first);
    }
    strbuf_add_char(out, '}');
}

static void add_required(struct strbuf *out, const struct shape *shape, struct view view)
{
    bool is_first = true;
    for (size_t i = 0; i < shape->count; i++) {
        const struct field *field = &shape->fields[i];
        if (!is_shown(field, view) || !is_required(field, view)) {
            continue;
        }
        if (is_first) {
            strbuf_add_literal(out, ",\"required\":[");
        }
        if (is_underscored(shape, i, view)) {
            add_name(out, "_id", &is_first);
        }
        add_name(out, field->name, &is_first);
    }
    if (!is_first) {
        strbuf_add_char(out, ']');
    }
}

static void add_one_of(struct strbuf *out, const struct shape *shape)
{
    if (shape->one_of_from == shape->one_of_to) {
        return;
    }
    strbuf_add_literal(out, ",\"oneOf\":[");
    for (unsigned i = shape->one_of_from; i < shape->one_of_to; i++) {
        strbuf_add_text(out, i == shape->one_of_from ? "{\"required\":[" : ",{\"required\":[");
        strbuf_add_json(out, shape->fields[i].name);
        strbuf_add_literal(out, "]}");
    }
    strbuf_add_char(out, ']');
}

static void open_object(struct strbuf *out, const struct shape *shape, struct view view)
{
    strbuf_add_literal(out, "{\"type\":\"object\"");
    add_properties(out, shape, view);
    add_required(out, shape, view);
    if (view.as_request) {
        add_one_of(out, shape);
    }
}

void shape_write_schema(struct strbuf *out, const struct shape *shape, bool as_request)
{
    open_object(out, shape, (struct view){as_request, 0});
    strbuf_add_char(out, '}');
}
