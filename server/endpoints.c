/* What a test has to know of each endpoint to send wrong things to it: who may call it, and every
 * rule of every field. The API document says the same to a reader, but softens some of it; this is
 * the table as it stands. */
#include "server/endpoints.h"

#include <assert.h>

#include "server/route.h"

/* Taken from the rows as they are written, so that a new kind of access has its name here, too. */
static const struct {
    const char *access, *lane;
} words[] = {
#define ROUTE(clause, path, name, lane_, access_, request, kind, record, code, sentence, summary)  \
    {#access_, #lane_},
#include "server/routes.def"
#undef ROUTE
};

static const char *const kind_names[] = {
    [KIND_OID] = "oid",
    [KIND_TEXT] = "text",
    [KIND_NUMBER] = "number",
    [KIND_BOOL] = "bool",
    [KIND_TIME] = "time",
    [KIND_TEXT_LIST] = "text list",
    [KIND_OID_LIST] = "id list",
    [KIND_MESSAGE_TEXT] = "message text",
    [KIND_MAYBE] = "bool",
    [KIND_OBJECT] = "object",
    [KIND_OBJECT_LIST] = "object list",
};

static const char *const format_names[] = {
    [FORMAT_NONE] = "",           [FORMAT_URL] = "url",       [FORMAT_PHONE] = "phone",
    [FORMAT_VISIBLE] = "visible", [FORMAT_DIGITS] = "digits", [FORMAT_DATE] = "date",
};

static void add_text(struct strbuf *buffer, const char *name, const char *text)
{
    strbuf_add_format(buffer, "\"%s\":", name);
    strbuf_add_json(buffer, text);
    strbuf_add_char(buffer, ',');
}

static void add_flag(struct strbuf *buffer, const char *name, bool is_set)
{
    strbuf_add_format(buffer, "\"%s\":%s,", name, is_set ? "true" : "false");
}

static void add_limit(struct strbuf *buffer, const char *name, int64_t limit)
{
    strbuf_add_format(buffer, "\"%s\":", name);
    strbuf_add_number(buffer, limit);
    strbuf_add_char(buffer, ',');
}

static void add_fields(struct strbuf *buffer, const struct shape *shape)
{
    const char *comma = "";
    strbuf_add_char(buffer, '[');
    for (size_t i = 0; i < shape->count; i++) {
        const struct field *field = &shape->fields[i];
        if ((field->flags & (SECRET | VIEW)) != 0) {
            continue;
        }
        assert(field->kind < ARRAY_LENGTH(kind_names) &&
               field->format < ARRAY_LENGTH(format_names) && format_names[field->format] != NULL);
        strbuf_add_text(buffer, comma);
        strbuf_add_char(buffer, '{');
        add_text(buffer, "name", field->name);
        add_text(buffer, "kind", kind_names[field->kind]);
        add_text(buffer, "format", format_names[field->format]);
        add_text(buffer, "choices", field->choices != NULL ? field->choices : "");
        add_flag(buffer, "required", (field->flags & REQUIRED) != 0);
        add_flag(buffer, "loose", (field->flags & LOOSE) != 0);
        add_flag(buffer, "multiline", (field->flags & MULTILINE) != 0);
        add_flag(buffer, "oneOf", i >= shape->one_of_from && i < shape->one_of_to);
        add_limit(buffer, "min", field->min);
        add_limit(buffer, "max", field->max);
        add_limit(buffer, "itemMax", field->item_max);
        strbuf_add_literal(buffer, "\"fields\":");
        if (field->sub != NULL) {
            add_fields(buffer, field->sub);
        } else {
            strbuf_add_literal(buffer, "[]");
        }
        strbuf_add_char(buffer, '}');
        comma = ",";
    }
    strbuf_add_char(buffer, ']');
}

void endpoints_print(FILE *out)
{
    struct strbuf buffer;
    strbuf_init(&buffer, 0);
    size_t count;
    const struct route *all = routes(&count);
    assert(count == ARRAY_LENGTH(words));
    for (size_t i = 0; i < count; i++) {
        strbuf_add_text(&buffer, i == 0 ? "[{" : ",\n{");
        add_text(&buffer, "path", all[i].path);
        add_text(&buffer, "name", all[i].name);
        add_text(&buffer, "access", words[i].access);
        add_text(&buffer, "lane", words[i].lane);
        strbuf_add_literal(&buffer, "\"request\":");
        add_fields(&buffer, all[i].in);
        strbuf_add_char(&buffer, '}');
    }
    strbuf_add_literal(&buffer, "]\n");
    fputs(strbuf_text(&buffer), out);
    strbuf_free(&buffer);
}
