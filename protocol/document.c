/* JSON text in: documents, and the frames of the live socket; and our own JSON set out in lines.
 *
 * Faults name places, never what was sent. Any thread; all memory is the arena's. */
#include "protocol/json.h"

#include "protocol/shape.h"

#include <stdio.h>

#define CALL_ID_BYTES_MAX 64

static const struct json empty_object = {.kind = JSON_KIND_OBJECT};

/* Returns `err` with nothing but `field` to blame. */
static enum err refuse(struct fault *fault, enum err err, const char *field)
{
    *fault = (struct fault){.after_ms = 0};
    snprintf(fault->field, sizeof(fault->field), "%s", field);
    return err;
}

static enum err parse_object(struct arena *arena, const char *text, size_t length,
                             const struct json **out, struct fault *fault)
{
    TRY(json_parse(arena, text, length, out, fault));
    return (*out)->kind == JSON_KIND_OBJECT ? ERR_OK : refuse(fault, ERR_NOT_AN_OBJECT, "");
}

enum err document_parse(struct document *out, struct arena *arena, const char *text, size_t length,
                        struct fault *fault)
{
    const struct json *root = &empty_object;
    *out = (struct document){.arena = arena};
    if (length > 0) {
        TRY(parse_object(arena, text, length, &root, fault));
    }
    out->root = root;
    return ERR_OK;
}

/* The member, or NULL when it is not there or null. */
static const struct json *given(const struct json *frame, const char *name)
{
    const struct json *value = json_member(frame, name);
    return value == NULL || value->kind == JSON_KIND_NULL ? NULL : value;
}

/* Takes the id of a call: written anew, so that what is echoed is always sound JSON. */
static enum err take_id(const struct json *frame, struct arena *arena, struct socket_call *out,
                        struct fault *fault)
{
    const struct json *id = given(frame, "id");
    if (id == NULL) {
        return ERR_OK;
    }
    if (id->kind == JSON_KIND_INTEGER) {
        char number[NUMBER_TEXT_BYTES];
        size_t length = number_format(id->integer, number);
        out->id_json = arena_text(arena, number, length);
        return ERR_OK;
    }
    if (id->kind != JSON_KIND_TEXT || id->length > CALL_ID_BYTES_MAX) {
        return refuse(fault, ERR_INVALID_TYPE, "id");
    }
    struct strbuf buffer;
    strbuf_init(&buffer, 0);
    strbuf_add_json(&buffer, arena_text(arena, id->text, id->length));
    out->id_json = arena_text(arena, strbuf_text(&buffer), buffer.length);
    strbuf_free(&buffer);
    return ERR_OK;
}

static enum err take_call(const struct json *frame, struct arena *arena, struct socket_call *out,
                          struct fault *fault)
{
    const struct json *call = given(frame, "call");
    if (call == NULL) {
        return refuse(fault, ERR_MISSING_FIELD, "call");
    }
    if (call->kind != JSON_KIND_TEXT) {
        return refuse(fault, ERR_INVALID_TYPE, "call");
    }
    if (call->length == 0) {
        return refuse(fault, ERR_MISSING_FIELD, "call");
    }
    out->call = arena_text(arena, call->text, call->length);
    return ERR_OK;
}

static enum err take_data(const struct json *frame, struct arena *arena, struct socket_call *out,
                          struct fault *fault)
{
    const struct json *data = given(frame, "data");
    if (data == NULL) {
        data = &empty_object;
    }
    if (data->kind != JSON_KIND_OBJECT) {
        return refuse(fault, ERR_INVALID_TYPE, "data");
    }
    out->data = (struct document){data, arena};
    return ERR_OK;
}

enum err socket_call_parse(const char *text, size_t length, struct arena *arena,
                           struct socket_call *out, struct fault *fault)
{
    *out = (struct socket_call){.call = ""};
    const struct json *frame;
    TRY(parse_object(arena, text, length, &frame, fault));
    TRY(take_id(frame, arena, out, fault));
    TRY(take_call(frame, arena, out, fault));
    return take_data(frame, arena, out, fault);
}

/* ---- Lines -------------------------------------------------------------------------------- */

static void add_line(struct strbuf *out, size_t depth)
{
    strbuf_add_char(out, '\n');
    for (size_t i = 0; i < depth; i++) {
        strbuf_add_char(out, ' ');
    }
}

/* Adds the string at `text` as it is; returns what is behind it. */
static const char *add_string(struct strbuf *out, const char *text)
{
    const char *end = text + 1;
    while (*end != '"') {
        end += *end == '\\' ? 2 : 1;
    }
    strbuf_add(out, text, (size_t)(end + 1 - text));
    return end + 1;
}

void document_indent(struct strbuf *out, const char *text)
{
    size_t depth = 0;
    while (*text != '\0') {
        if (*text == '"') {
            text = add_string(out, text);
            continue;
        }
        bool is_opening = *text == '{' || *text == '[';
        bool is_closing = *text == '}' || *text == ']';
        if (is_closing && text[-1] != '{' && text[-1] != '[') {
            add_line(out, depth - 1);
        }
        strbuf_add_char(out, *text);
        depth += is_opening ? 1 : 0;
        depth -= is_closing ? 1 : 0;
        if (*text == ':') {
            strbuf_add_char(out, ' ');
        }
        if (*text == ',' || (is_opening && text[1] != '}' && text[1] != ']')) {
            add_line(out, depth);
        }
        text++;
    }
    strbuf_add_char(out, '\n');
}
