/* JSON text in: parsing with bounds, and the frames of the live socket.
 *
 * The library parses by recursion and builds a node per value, so a small hostile text could make
 * it work and allocate out of proportion. Before it sees a text, one cheap pass over the bytes
 * counts how deep brackets nest and how many values there can be: an opening bracket and a comma
 * each announce one value at most. Strings are skipped, their escapes minded; whether the text is
 * JSON at all is left to the library.
 *
 * Faults name places, never what was sent. Any thread; a document belongs to whoever parsed it. */
#include "protocol/json_text.h"

#include "protocol/memory.h"
#include "protocol/shape.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CALL_ID_BYTES_MAX 64

/* The index of the quote that ends the string starting at `start`, or `length`. */
static size_t string_end(const char *text, size_t length, size_t start)
{
    size_t i = start + 1;
    while (i < length && text[i] != '"') {
        i += text[i] == '\\' ? 2 : 1;
    }
    return i < length ? i : length;
}

static bool is_within_bounds(const char *text, size_t length)
{
    size_t depth = 0;
    size_t values = 0;
    for (size_t i = 0; i < length; i++) {
        switch (text[i]) {
        case '"':
            i = string_end(text, length, i);
            break;
        case '{':
        case '[':
            depth++;
            values++;
            break;
        case '}':
        case ']':
            depth -= depth > 0 ? 1 : 0;
            break;
        case ',':
            values++;
            break;
        default:
            break;
        }
        if (depth > JSON_DEPTH_MAX || values > JSON_VALUES_MAX) {
            return false;
        }
    }
    return true;
}

/* Returns `err` with nothing but `field` to blame. */
static enum err refuse(struct fault *fault, enum err err, const char *field)
{
    *fault = (struct fault){.after_ms = 0};
    snprintf(fault->field, sizeof(fault->field), "%s", field);
    return err;
}

/* The library's error as a fault: where, and in two cases what. */
static enum err refuse_text(struct fault *fault, const json_error_t *error)
{
    enum json_error_code code = json_error_code(error);
    if (code == json_error_out_of_memory) {
        memory_exhausted();
    }
    const char *what = "";
    if (code == json_error_duplicate_key) {
        what = "的字段名重复";
    } else if (code == json_error_numeric_overflow) {
        what = "的数字过大";
    }
    *fault = (struct fault){.after_ms = 0};
    snprintf(fault->detail, sizeof(fault->detail), "%s：第 %d 行第 %d 列%s",
             error_row(ERR_MALFORMED_JSON)->sentence, error->line > 0 ? error->line : 1,
             error->column > 0 ? error->column : 1, what);
    return ERR_MALFORMED_JSON;
}

enum err json_text_parse(const char *text, size_t length, json_t **out, struct fault *fault)
{
    if (!is_within_bounds(text, length)) {
        return refuse(fault, ERR_TOO_DEEP, "");
    }
    json_error_t error;
    json_t *value = json_loadb(text, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (value == NULL) {
        return refuse_text(fault, &error);
    }
    *out = value;
    return ERR_OK;
}

static enum err parse_object(const char *text, size_t length, json_t **out, struct fault *fault)
{
    json_t *value;
    TRY(json_text_parse(text, length, &value, fault));
    if (!json_is_object(value)) {
        json_decref(value);
        return refuse(fault, ERR_NOT_AN_OBJECT, "");
    }
    *out = value;
    return ERR_OK;
}

static json_t *empty_object(void)
{
    json_t *object = json_object();
    if (object == NULL) {
        memory_exhausted();
    }
    return object;
}

enum err document_parse(struct document *out, const char *text, size_t length, struct fault *fault)
{
    json_t *root = NULL;
    out->root = NULL;
    if (length == 0) {
        root = empty_object();
    } else {
        TRY(parse_object(text, length, &root, fault));
    }
    out->root = root;
    return ERR_OK;
}

void document_free(struct document *document)
{
    json_decref(document->root);
    document->root = NULL;
}

/* Takes the id of a call: written anew, so that what is echoed is always sound JSON. */
static enum err take_id(const json_t *frame, struct arena *arena, struct socket_call *out,
                        struct fault *fault)
{
    const json_t *id = json_object_get(frame, "id");
    if (id == NULL || json_is_null(id)) {
        return ERR_OK;
    }
    if (json_is_integer(id)) {
        out->id_json = arena_format(arena, "%" PRId64, (int64_t)json_integer_value(id));
        return ERR_OK;
    }
    if (!json_is_string(id) || json_string_length(id) > CALL_ID_BYTES_MAX) {
        return refuse(fault, ERR_INVALID_TYPE, "id");
    }
    struct strbuf buffer;
    strbuf_init(&buffer, 0);
    strbuf_add_json(&buffer, json_string_value(id));
    out->id_json = arena_text(arena, strbuf_text(&buffer), buffer.length);
    strbuf_free(&buffer);
    return ERR_OK;
}

static enum err take_call(const json_t *frame, struct arena *arena, struct socket_call *out,
                          struct fault *fault)
{
    const json_t *call = json_object_get(frame, "call");
    if (call == NULL || json_is_null(call)) {
        return refuse(fault, ERR_MISSING_FIELD, "call");
    }
    if (!json_is_string(call)) {
        return refuse(fault, ERR_INVALID_TYPE, "call");
    }
    if (json_string_length(call) == 0) {
        return refuse(fault, ERR_MISSING_FIELD, "call");
    }
    out->call = arena_text(arena, json_string_value(call), json_string_length(call));
    return ERR_OK;
}

static enum err take_data(const json_t *frame, struct socket_call *out, struct fault *fault)
{
    json_t *data = json_object_get(frame, "data");
    if (data == NULL || json_is_null(data)) {
        out->data.root = empty_object();
        return ERR_OK;
    }
    if (!json_is_object(data)) {
        return refuse(fault, ERR_INVALID_TYPE, "data");
    }
    out->data.root = json_incref(data);
    return ERR_OK;
}

static enum err take_parts(const json_t *frame, struct arena *arena, struct socket_call *out,
                           struct fault *fault)
{
    TRY(take_id(frame, arena, out, fault));
    TRY(take_call(frame, arena, out, fault));
    return take_data(frame, out, fault);
}

enum err socket_call_parse(const char *text, size_t length, struct arena *arena,
                           struct socket_call *out, struct fault *fault)
{
    *out = (struct socket_call){.call = ""};
    json_t *frame;
    TRY(parse_object(text, length, &frame, fault));
    enum err err = take_parts(frame, arena, out, fault);
    json_decref(frame);
    return err;
}

void document_indent(struct strbuf *out, const char *text)
{
    json_error_t why;
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &why);
    assert(root != NULL); /* our own writing */
    char *lines = json_dumps(root, JSON_INDENT(1));
    assert(lines != NULL);
    strbuf_add_text(out, lines);
    strbuf_add_char(out, '\n');
    free(lines);
    json_decref(root);
}
