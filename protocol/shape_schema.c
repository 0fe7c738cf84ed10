/* Shapes as JSON Schema (2020-12), for the API document: the very rows that bind a request and
 * write a reply, so that the document cannot promise anything else.
 *
 * One function per kind opens a schema and leaves it open, `type` (or `allOf`, `oneOf`) first and
 * each further keyword with its comma before it; whoever called adds the description, an example
 * and the closing brace. A request's schema says what is accepted loosely, too: null and "" for
 * what is optional, digits as text for a LOOSE number, a JSON text for a LOOSE list. Keywords apply
 * to values of their own type only, so one flat schema does for all of them. What it leaves out is
 * that blanks around a text are trimmed (contract 1), which no app needs to rely on.
 *
 * Any thread; the strbuf is the caller's. */
#include "protocol/shape.h"

#include <assert.h>
#include <string.h>

#include "protocol/example.h"

#define PATTERN_OID "[0-9a-f]{24}"
/* Characters inside a JSON text's regular expression: what texts never hold (C0, DEL, C1), with
 * and without \n and \t; and the blanks that are trimmed. */
#define CONTROLS "\\\\u0000-\\\\u001f\\\\u007f-\\\\u009f"
#define CONTROLS_MULTILINE "\\\\u0000-\\\\u0008\\\\u000b-\\\\u001f\\\\u007f-\\\\u009f"
#define BLANKS " \\\\u00a0\\\\u3000"
#define IN_URL "\\\\u0000-\\\\u0020\\\\u007f-\\\\u00a0\\\\u3000"
#define SCHEME "[Hh][Tt][Tt][Pp][Ss]?://"

/* What is described: the side decides which rows there are and which of them are required. */
struct view {
    bool as_request;
    unsigned flags;   /* UNDERSCORE_ID: the object's own id is there as `_id`, too */
    const char *refs; /* what precedes a shape's name where others refer to it; NULL: in place */
};

static void open_object(struct strbuf *out, const struct shape *shape, struct view view);

static bool is_shown(const struct field *field, struct view view)
{
    unsigned hidden = view.as_request ? SECRET | VIEW : SECRET;
    return (field->flags & hidden) == 0;
}

/* Whether null and "" are as good as nothing. */
static bool is_optional(const struct field *field, struct view view)
{
    return view.as_request && (field->flags & REQUIRED) == 0;
}

static bool is_loose(const struct field *field, struct view view)
{
    return view.as_request && (field->flags & LOOSE) != 0;
}

/* Whether the writer answers an absent value of this row as null. The rows that are known to be
 * there always are a record's own id and what is REQUIRED. */
static bool is_nullable(const struct field *field, struct view view)
{
    bool has_null = field->kind == KIND_OID || field->kind == KIND_TIME;
    return !view.as_request && has_null && strcmp(field->name, "id") != 0 &&
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
    case KIND_MAYBE:
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

/* Opens a schema of values of this type, and of whatever else stands for one. */
static void open_type(struct strbuf *out, const char *type, bool may_be_text, bool may_be_null)
{
    bool are_several = may_be_text || may_be_null;
    strbuf_add_format(out, are_several ? "{\"type\":[\"%s\"" : "{\"type\":\"%s\"", type);
    strbuf_add_text(out, may_be_text ? ",\"string\"" : "");
    strbuf_add_text(out, may_be_null ? ",\"null\"" : "");
    strbuf_add_text(out, are_several ? "]" : "");
}

/* ---- Ids, times, bools, numbers ------------------------------------------------------------ */

static void open_oid(struct strbuf *out, const struct field *field, struct view view)
{
    bool is_left_out = is_optional(field, view);
    open_type(out, "string", false, is_left_out || is_nullable(field, view));
    strbuf_add_text(out, is_left_out ? ",\"pattern\":\"^(" PATTERN_OID ")?$\""
                                     : ",\"pattern\":\"^" PATTERN_OID "$\"");
}

static void open_time(struct strbuf *out, const struct field *field, struct view view)
{
    open_type(out, "string", false, is_nullable(field, view));
    strbuf_add_literal(out, ",\"format\":\"date-time\"");
}

static void open_bool(struct strbuf *out, const struct field *field, struct view view)
{
    bool is_left_out = is_optional(field, view);
    open_type(out, "boolean", is_left_out, is_left_out);
    if (is_left_out) {
        add_limit(out, "maxLength", 0);
    }
}

static void open_maybe(struct strbuf *out, const struct field *field, struct view view)
{
    (void)field;
    (void)view;
    open_type(out, "boolean", false, false);
}

/* The digits of the numbers from min (0 or more) to max: exact up to 9 and up to a power of ten,
 * else all with fewer digits than max. */
static void add_digits(struct strbuf *out, int64_t min, int64_t max)
{
    int places = 0;
    int64_t power = 1;
    while (power <= max / 10) {
        power *= 10;
        places++;
    }
    if (max < 10) {
        strbuf_add_format(out, "[%d-%d]", (int)min, (int)max);
    } else if (power == max) {
        strbuf_add_text(out, min == 0 ? "0|" : "");
        strbuf_add_format(out, "[1-9][0-9]{0,%d}|10{%d}", places - 1, places);
    } else {
        strbuf_add_format(out, min == 0 ? "[0-9]{1,%d}" : "[1-9][0-9]{0,%d}",
                          min == 0 ? places : places - 1);
    }
}

static void add_number_text(struct strbuf *out, const struct field *field, bool is_left_out)
{
    strbuf_add_literal(out, ",\"pattern\":\"^(");
    if (field->format == FORMAT_PHONE) {
        strbuf_add_literal(out, "1[3-9][0-9]{9}");
    } else if (field->min < 0 || field->max == 0) {
        strbuf_add_literal(out, "-?[0-9]{1,18}");
    } else {
        add_digits(out, field->min, field->max);
    }
    strbuf_add_text(out, is_left_out ? ")?$\"" : ")$\"");
}

static void open_number(struct strbuf *out, const struct field *field, struct view view)
{
    bool is_phone = field->format == FORMAT_PHONE;
    bool is_left_out = is_optional(field, view);
    open_type(out, "integer", is_left_out || is_loose(field, view), is_left_out);
    if (is_phone || field->min != 0 || field->max != 0) {
        add_limit(out, "minimum", is_phone ? PHONE_MIN : field->min);
        add_limit(out, "maximum", is_phone ? PHONE_MAX : field->max);
    }
    if (is_loose(field, view)) {
        add_number_text(out, field, is_left_out);
    } else if (is_left_out) {
        add_limit(out, "maxLength", 0);
    }
}

/* ---- Texts --------------------------------------------------------------------------------- */

static void add_choices(struct strbuf *out, const char *choices, bool is_left_out)
{
    strbuf_add_literal(out, ",\"enum\":[\"");
    for (const char *at = choices; *at != '\0'; at++) {
        if (*at == '|') {
            strbuf_add_literal(out, "\",\"");
        } else {
            strbuf_add_char(out, *at);
        }
    }
    strbuf_add_text(out, is_left_out ? "\",\"\",null]" : "\"]");
}

/* What a sent text of each format must be, if it is not empty. */
static const char *const patterns[] = {
    [FORMAT_NONE] = NULL, /* see add_plain_pattern */
    [FORMAT_URL] =
        SCHEME "[^" IN_URL "/?#\\\\\\\\:@][^" IN_URL "/?#\\\\\\\\@]*([/?#][^" IN_URL "]*)?",
    [FORMAT_VISIBLE] = "[!-~]+",
    [FORMAT_DIGITS] = "[0-9]+",
    [FORMAT_DATE] = "[0-9]{8}|[0-9]{4}-[0-9]{2}-[0-9]{2}",
};

/* No control characters; what is needed holds something besides blanks. */
static void add_plain_pattern(struct strbuf *out, bool is_multiline, bool is_left_out)
{
    const char *controls = is_multiline ? CONTROLS_MULTILINE : CONTROLS;
    const char *blanks = is_multiline ? "\\\\n\\\\t" BLANKS : BLANKS;
    strbuf_add_format(out, ",\"pattern\":\"^[^%s]*", controls);
    if (!is_left_out) {
        strbuf_add_format(out, "[^%s%s][^%s]*", controls, blanks, controls);
    }
    strbuf_add_literal(out, "$\"");
}

static void add_pattern(struct strbuf *out, const struct field *field, bool is_left_out)
{
    assert(field->format < ARRAY_LENGTH(patterns) && field->format != FORMAT_PHONE);
    if (field->choices != NULL) {
        add_choices(out, field->choices, is_left_out);
    } else if (field->format == FORMAT_NONE) {
        add_plain_pattern(out, (field->flags & MULTILINE) != 0, is_left_out);
    } else {
        strbuf_add_format(out, is_left_out ? ",\"pattern\":\"^(%s)?$\"" : ",\"pattern\":\"^(%s)$\"",
                          patterns[field->format]);
    }
}

static void add_text_limits(struct strbuf *out, int64_t min, int64_t max)
{
    if (min > 0) {
        add_limit(out, "minLength", min);
    }
    if (max > 0) {
        add_limit(out, "maxLength", max);
    }
}

static void add_reply_format(struct strbuf *out, const struct field *field)
{
    static const char *const formats[] = {
        [FORMAT_URL] = ",\"pattern\":\"^" SCHEME "\"",
        [FORMAT_VISIBLE] = ",\"pattern\":\"^[!-~]+$\"",
        [FORMAT_DIGITS] = ",\"pattern\":\"^[0-9]+$\"",
        [FORMAT_DATE] = ",\"format\":\"date\"",
    };
    assert(field->format < ARRAY_LENGTH(formats) && field->format != FORMAT_PHONE);
    if (field->choices != NULL) {
        add_choices(out, field->choices, false);
    } else if (formats[field->format] != NULL) {
        strbuf_add_text(out, formats[field->format]);
    }
}

static void open_text(struct strbuf *out, const struct field *field, struct view view)
{
    bool is_left_out = is_optional(field, view);
    bool may_be_empty = is_left_out || (!view.as_request && (field->flags & ALWAYS) != 0);
    int64_t required = (field->flags & REQUIRED) != 0 && field->choices == NULL ? 1 : 0;
    int64_t min = field->min > required ? field->min : required;
    open_type(out, "string", false, is_left_out);
    add_text_limits(out, may_be_empty ? 0 : min, field->max);
    if (view.as_request) {
        add_pattern(out, field, is_left_out);
    } else {
        add_reply_format(out, field);
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
                            ",\"userMsg\":" PART "},\"additionalProperties\":false}]");
#undef PART
}

/* ---- Lists and objects --------------------------------------------------------------------- */

static void open_text_item(struct strbuf *out, const struct field *field, struct view view)
{
    open_type(out, "string", false, false);
    add_text_limits(out, 1, field->item_max);
    if (view.as_request) {
        add_pattern(out, field, false);
    } else {
        add_reply_format(out, field);
    }
}

/* Whether a record's own id is written as `_id` as well. */
static bool has_underscored_id(const struct shape *shape, struct view view)
{
    return !view.as_request && shape->count > 0 && shape->fields[0].kind == KIND_OID &&
           ((shape->fields[0].flags | view.flags) & UNDERSCORE_ID) != 0;
}

/* An object of a shape that has its own place: a reference, and what is special here. */
static void open_reference(struct strbuf *out, const struct shape *shape, struct view view)
{
    strbuf_add_format(out, "{\"allOf\":[{\"$ref\":\"%s%s\"}]", view.refs, shape->name);
    struct view elsewhere = {view.as_request, 0, view.refs};
    if (has_underscored_id(shape, view) && !has_underscored_id(shape, elsewhere)) {
        strbuf_add_literal(out, ",\"properties\":{\"_id\":");
        open_oid(out, &shape->fields[0], view);
        strbuf_add_literal(out, "}},\"required\":[\"_id\"]");
    }
}

static void open_sub(struct strbuf *out, const struct field *field, struct view view)
{
    struct view inner = {view.as_request, field->flags & UNDERSCORE_ID, view.refs};
    if (view.refs != NULL) {
        open_reference(out, field->sub, inner);
    } else {
        open_object(out, field->sub, inner);
    }
}

static void open_item(struct strbuf *out, const struct field *field, struct view view)
{
    static const struct field oid = {.name = "id", .kind = KIND_OID, .flags = REQUIRED};
    if (field->kind == KIND_TEXT_LIST) {
        open_text_item(out, field, view);
    } else if (field->kind == KIND_OID_LIST) {
        open_oid(out, &oid, view);
    } else {
        open_sub(out, field, view);
    }
}

/* The JSON text of a list of texts: without escapes, which say nothing that can't be said plainly.
 */
static void add_list_text(struct strbuf *out, const struct field *field, bool is_left_out)
{
    assert(field->kind == KIND_TEXT_LIST && field->item_max > 0 && field->max > 0);
    struct strbuf item;
    strbuf_init(&item, 0);
    if (field->format == FORMAT_URL) {
        strbuf_add_format(&item, "\\\"" SCHEME "[0-9A-Za-z][^" IN_URL "\\\"\\\\\\\\@]{0,%d}\\\"",
                          (int)field->item_max - (int)sizeof("https://"));
    } else {
        strbuf_add_format(
            &item, "\\\"[^" CONTROLS BLANKS "\\\"\\\\\\\\][^" CONTROLS "\\\"\\\\\\\\]{0,%d}\\\"",
            (int)field->item_max - 1);
    }
    bool may_be_empty = (field->flags & REQUIRED) == 0;
    strbuf_add_format(out, ",\"pattern\":\"^%s\\\\[%s%s(,%s){0,%d}%s\\\\]%s$\"",
                      is_left_out ? "(" : "", may_be_empty ? "(" : "", strbuf_text(&item),
                      strbuf_text(&item), (int)field->max - 1, may_be_empty ? ")?" : "",
                      is_left_out ? ")?" : "");
    strbuf_free(&item);
}

static void open_list(struct strbuf *out, const struct field *field, struct view view)
{
    bool is_left_out = is_optional(field, view);
    open_type(out, "array", is_left_out || is_loose(field, view), is_left_out);
    strbuf_add_literal(out, ",\"items\":");
    open_item(out, field, view);
    strbuf_add_char(out, '}');
    if ((field->flags & REQUIRED) != 0) {
        add_limit(out, "minItems", 1);
    }
    if (field->max > 0) {
        add_limit(out, "maxItems", field->max);
    }
    if (is_loose(field, view)) {
        strbuf_add_literal(out, ",\"contentMediaType\":\"application/json\"");
        add_list_text(out, field, is_left_out);
    } else if (is_left_out) {
        add_limit(out, "maxLength", 0);
    }
}

static void (*const openers[])(struct strbuf *out, const struct field *field, struct view view) = {
    [KIND_OID] = open_oid,          [KIND_TEXT] = open_text,
    [KIND_NUMBER] = open_number,    [KIND_BOOL] = open_bool,
    [KIND_TIME] = open_time,        [KIND_TEXT_LIST] = open_list,
    [KIND_OID_LIST] = open_list,    [KIND_MESSAGE_TEXT] = open_message_text,
    [KIND_MAYBE] = open_maybe,      [KIND_OBJECT] = open_sub,
    [KIND_OBJECT_LIST] = open_list,
};

static void add_name(struct strbuf *out, const char *name, bool *is_first)
{
    if (!*is_first) {
        strbuf_add_char(out, ',');
    }
    *is_first = false;
    strbuf_add_json(out, name);
}

static void add_property(struct strbuf *out, const char *name, const struct shape *shape,
                         const struct field *field, struct view view, bool *is_first)
{
    add_name(out, name, is_first);
    strbuf_add_char(out, ':');
    openers[field->kind](out, field, view);
    strbuf_add_literal(out, ",\"description\":");
    strbuf_add_json(out, field->doc);
    bool is_composed = field->kind == KIND_OBJECT || field->kind == KIND_OBJECT_LIST;
    if (!is_composed && example_exists(shape, field)) {
        strbuf_add_literal(out, ",\"examples\":[");
        example_write_field(out, shape, field, view.as_request);
        strbuf_add_char(out, ']');
    }
    strbuf_add_char(out, '}');
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
        if (i == 0 && has_underscored_id(shape, view)) {
            add_property(out, "_id", shape, field, view, &is_first);
        }
        add_property(out, field->name, shape, field, view, &is_first);
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
        if (i == 0 && has_underscored_id(shape, view)) {
            add_name(out, "_id", &is_first);
        }
        add_name(out, field->name, &is_first);
    }
    if (!is_first) {
        strbuf_add_char(out, ']');
    }
}

/* Exactly one of the rows is there and not blank. */
static void add_one_of(struct strbuf *out, const struct shape *shape)
{
    if (shape->one_of_from == shape->one_of_to) {
        return;
    }
    strbuf_add_literal(out, ",\"oneOf\":[");
    for (unsigned i = shape->one_of_from; i < shape->one_of_to; i++) {
        const char *name = shape->fields[i].name;
        strbuf_add_text(out, i == shape->one_of_from ? "" : ",");
        strbuf_add_format(out,
                          "{\"required\":[\"%s\"],\"properties\":{\"%s\":{\"type\":\"string\","
                          "\"pattern\":\"[^\\\\n\\\\t" BLANKS "]\"}}}",
                          name, name);
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

void shape_write_schema(struct strbuf *out, const struct shape *shape, bool as_request,
                        const char *refs)
{
    open_object(out, shape, (struct view){as_request, 0, refs});
    strbuf_add_char(out, '}');
}
