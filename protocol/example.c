/* Examples, put together from the table field by field, so that a new row has one, too, and none
 * can show a field that is gone. Two examples of one request or record are the same.
 *
 * Any thread; the strbuf is the caller's. */
#include "protocol/example.h"

#include <string.h>

#define ANY_SHAPE "*"

struct example {
    const char *shape; /* ANY_SHAPE: of all that have no row of their own */
    const char *field;
    const char *json;
    bool is_alone; /* shown at the field, but not in the whole: it excludes another one */
};

#define EXAMPLE(shape, field, json) {#shape, field, json, false},
#define EXAMPLE_ALONE(shape, field, json) {#shape, field, json, true},
static const struct example examples[] = {
#include "protocol/examples.def"
};
#undef EXAMPLE
#undef EXAMPLE_ALONE

static const struct example *find(const struct shape *shape, const struct field *field)
{
    const struct example *found = NULL;
    for (size_t i = 0; i < ARRAY_LENGTH(examples); i++) {
        const struct example *row = &examples[i];
        if (strcmp(row->field, field->name) != 0) {
            continue;
        }
        if (strcmp(row->shape, shape->name) == 0) {
            return row;
        }
        if (strcmp(row->shape, ANY_SHAPE) == 0) {
            found = row;
        }
    }
    return found;
}

/* What stands for a value of each kind and format that has no row; NULL: nothing does. */
static const char *derived(const struct field *field)
{
    static const char *const by_kind[] = {
        [KIND_OID] = "\"5b1cbbcfe3d2c87d31bac936\"",
        [KIND_BOOL] = "false",
        [KIND_MAYBE] = "true",
        [KIND_TIME] = "\"2018-06-10T10:44:51.958Z\"",
        [KIND_TEXT_LIST] = NULL,
        [KIND_OBJECT_LIST] = NULL,
    };
    static const char *const by_format[] = {
        [FORMAT_URL] = "\"https://img.example.com/a.jpg\"",
        [FORMAT_PHONE] = "13300000001",
        [FORMAT_DATE] = "\"1949-12-31\"",
    };
    bool is_scalar = field->kind == KIND_TEXT || field->kind == KIND_NUMBER;
    if (is_scalar) {
        return field->format < ARRAY_LENGTH(by_format) ? by_format[field->format] : NULL;
    }
    return field->kind < ARRAY_LENGTH(by_kind) ? by_kind[field->kind] : NULL;
}

bool example_exists(const struct shape *shape, const struct field *field)
{
    return find(shape, field) != NULL || field->choices != NULL || field->sub != NULL ||
           derived(field) != NULL;
}

void example_write_field(struct strbuf *out, const struct shape *shape, const struct field *field,
                         bool as_request)
{
    const struct example *row = find(shape, field);
    if (field->sub != NULL) {
        strbuf_add_text(out, field->kind == KIND_OBJECT_LIST ? "[" : "");
        example_write(out, field->sub, as_request, field->flags & UNDERSCORE_ID);
        strbuf_add_text(out, field->kind == KIND_OBJECT_LIST ? "]" : "");
    } else if (row != NULL) {
        strbuf_add_text(out, row->json);
    } else if (field->choices != NULL) {
        strbuf_add_char(out, '"');
        strbuf_add(out, field->choices, strcspn(field->choices, "|"));
        strbuf_add_char(out, '"');
    } else if (derived(field) != NULL) {
        strbuf_add_text(out, derived(field));
    }
}

static bool is_in_whole(const struct shape *shape, size_t at, bool as_request)
{
    const struct field *field = &shape->fields[at];
    const struct example *row = find(shape, field);
    bool is_hidden = (field->flags & (as_request ? SECRET | VIEW : SECRET)) != 0;
    bool is_another_choice = as_request && at > shape->one_of_from && at < shape->one_of_to;
    return !is_hidden && !is_another_choice && (row == NULL || !row->is_alone) &&
           example_exists(shape, field);
}

static void add_member(struct strbuf *out, const char *name, bool *is_first)
{
    strbuf_add_text(out, *is_first ? "" : ",");
    *is_first = false;
    strbuf_add_json(out, name);
    strbuf_add_char(out, ':');
}

void example_write_members(struct strbuf *out, const struct shape *shape, bool as_request,
                           unsigned flags)
{
    bool is_first = true;
    for (size_t i = 0; i < shape->count; i++) {
        const struct field *field = &shape->fields[i];
        if (!is_in_whole(shape, i, as_request)) {
            continue;
        }
        bool is_underscored = i == 0 && !as_request && field->kind == KIND_OID &&
                              ((field->flags | flags) & UNDERSCORE_ID) != 0;
        if (is_underscored) {
            add_member(out, "_id", &is_first);
            example_write_field(out, shape, field, as_request);
        }
        add_member(out, field->name, &is_first);
        example_write_field(out, shape, field, as_request);
    }
}

void example_write(struct strbuf *out, const struct shape *shape, bool as_request, unsigned flags)
{
    strbuf_add_char(out, '{');
    example_write_members(out, shape, as_request, flags);
    strbuf_add_char(out, '}');
}
