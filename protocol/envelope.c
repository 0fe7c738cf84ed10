/* The only writer of replies and events (contract 1 and 4), so that what every client parses is
 * decided in one place.
 *
 *     REST    {"code":200,"msg":"…","data":…}             flat: {"code":"200","msg":"…","token":…}
 *     socket  {"id":1,"code":200,"msg":"…","data":…}      flat: fields under data, code a number
 *     failure {["id":1,]"code":409,"msg":"…","error":{"reason":"…",["field":"…",]"retry":false}}
 *     event   {"event":"…",["cursor":"…",]["data":…]}
 *
 * Nothing a client sent is written but its own `id`, which was parsed and written anew before.
 * Any thread; the strbuf is the caller's. */
#include "protocol/envelope.h"

#include <assert.h>
#include <string.h>

#define DATA ",\"data\":"

static const struct event_row events[EVENT_COUNT] = {
#define EVENT(name, wire_, record, durable_)                                                       \
    [EVENT_##name] = {.wire = (wire_), .shape = &record##_shape, .durable = (durable_)},
#include "protocol/events.def"
#undef EVENT
};

const struct event_row *event_row(enum event event)
{
    assert((unsigned)event < EVENT_COUNT);
    return &events[event];
}

/* Writes `{` and the id of a socket call, if there is one. */
static void open_answer(struct strbuf *buffer, const char *id_json)
{
    strbuf_add_char(buffer, '{');
    if (id_json != NULL) {
        strbuf_add_literal(buffer, "\"id\":");
        strbuf_add_text(buffer, id_json);
        strbuf_add_char(buffer, ',');
    }
}

static void write_page(struct strbuf *buffer, const struct shape *shape, const struct page *page)
{
    strbuf_add_literal(buffer, "{\"items\":");
    shape_write_list(buffer, shape, &page->items, 0);
    strbuf_add_literal(buffer, ",\"page_info\":{\"skip\":");
    strbuf_add_number(buffer, page->skip);
    strbuf_add_literal(buffer, ",\"limit\":");
    strbuf_add_number(buffer, page->limit);
    strbuf_add_literal(buffer, ",\"total\":");
    strbuf_add_number(buffer, page->total);
    strbuf_add_literal(buffer, "}}");
}

/* Writes the members of a record into the object that is open: a comma takes the place of its
 * opening brace, and its closing brace is taken back. */
static void write_flat(struct strbuf *buffer, const struct shape *shape, const void *record)
{
    size_t start = buffer->length;
    shape_write(buffer, shape, record, 0);
    bool is_empty = buffer->length == start + 2;
    char *text = buffer->memory + buffer->room;
    text[start] = ',';
    buffer->length = is_empty ? start : buffer->length - 1;
    text[buffer->length] = '\0';
}

/* What lies between members may differ in records that are the same: then it is written once more. */
static void write_object(struct strbuf *buffer, const struct shape *shape, const void *record,
                         const struct written *written)
{
    bool is_written = written != NULL && written->shape == shape &&
                      memcmp(written->record, record, shape->size) == 0;
    if (is_written) {
        strbuf_add(buffer, written->text, written->length);
    } else {
        shape_write(buffer, shape, record, 0);
    }
}

void envelope_success(struct strbuf *buffer, const struct reply_form *form, const void *out,
                      const char *id_json, const struct written *written)
{
    open_answer(buffer, id_json);
    strbuf_add_text(buffer, form->code_is_text ? "\"code\":\"200\"" : "\"code\":200");
    strbuf_add_literal(buffer, ",\"msg\":");
    strbuf_add_json(buffer, form->msg);

    enum reply_kind kind = form->kind;
    if (kind == REPLY_FLAT) {
        write_flat(buffer, form->shape, out);
    } else if (kind != REPLY_NONE) {
        strbuf_add_literal(buffer, DATA);
    }
    switch (kind) {
    case REPLY_NONE:
    case REPLY_FLAT:
        break;
    case REPLY_OBJECT:
        write_object(buffer, form->shape, out, written);
        break;
    case REPLY_LIST:
        shape_write_list(buffer, form->shape, out, 0);
        break;
    case REPLY_PAGE:
        write_page(buffer, form->shape, out);
        break;
    }
    strbuf_add_char(buffer, '}');
}

void envelope_failure(struct strbuf *buffer, enum err err, const struct fault *fault,
                      const char *id_json)
{
    static const struct fault none = {.field = ""};
    const struct error_row *row = error_row(err);
    if (fault == NULL) {
        fault = &none;
    }
    open_answer(buffer, id_json);
    strbuf_add_literal(buffer, "\"code\":");
    strbuf_add_number(buffer, row->status);
    strbuf_add_literal(buffer, ",\"msg\":");
    strbuf_add_json(buffer, fault->detail[0] == '\0' ? row->sentence : fault->detail);
    strbuf_add_literal(buffer, ",\"error\":{\"reason\":");
    strbuf_add_json(buffer, row->reason);
    if (fault->field[0] != '\0') {
        strbuf_add_literal(buffer, ",\"field\":");
        strbuf_add_json(buffer, fault->field);
    }
    strbuf_add_text(buffer, row->retry ? ",\"retry\":true" : ",\"retry\":false");
    if (fault->after_ms > 0) {
        strbuf_add_literal(buffer, ",\"afterMs\":");
        strbuf_add_number(buffer, fault->after_ms);
    }
    strbuf_add_literal(buffer, "}}");
}

void envelope_event(struct strbuf *buffer, enum event event, const char *cursor, const void *record)
{
    const struct event_row *row = event_row(event);
    strbuf_add_literal(buffer, "{\"event\":");
    strbuf_add_json(buffer, row->wire);
    if (cursor != NULL) {
        strbuf_add_literal(buffer, ",\"cursor\":");
        strbuf_add_json(buffer, cursor);
    }
    if (record != NULL) {
        strbuf_add_literal(buffer, DATA);
        shape_write(buffer, row->shape, record, 0);
    }
    strbuf_add_char(buffer, '}');
}

/* What stands before it holds neither quotes nor commas of a client's. */
struct written envelope_event_record(enum event event, const void *record, const char *text,
                                     size_t length)
{
    const char *data = strstr(text, DATA);
    assert(data != NULL);
    const char *start = data + sizeof DATA - 1;
    return (struct written){.shape = event_row(event)->shape,
                            .record = record,
                            .text = start,
                            .length = length - (size_t)(start - text) - 1};
}
