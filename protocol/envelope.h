/* Any thread. The only writer of replies and events: {code,msg,data}, page_info, and the frames
 * of the live socket. Contract 1 (Success, Failure) and 4. */
#ifndef CONSULTD_PROTOCOL_ENVELOPE_H
#define CONSULTD_PROTOCOL_ENVELOPE_H

#include "protocol/requests.h"

enum reply_kind {
    REPLY_NONE,   /* no data */
    REPLY_OBJECT, /* data is one record */
    REPLY_LIST,   /* data is an array; out is struct object_list */
    REPLY_PAGE,   /* data is {items, page_info}; out is struct page */
    REPLY_FLAT    /* the record's fields stand beside code (document 1.2) */
};

struct page {
    struct object_list items;
    int64_t skip, limit, total;
};

/* How an endpoint answers. */
struct reply_form {
    enum reply_kind kind;
    const struct shape *shape; /* of the record or of the items */
    bool code_is_text;         /* "200" at 1.1, 1.2 and 2.1, 200 elsewhere */
    const char *msg;           /* "操作成功" */
};

/* The default page of contract 1. */
#define PAGE_LIMIT_DEFAULT 10

enum event {
#define EVENT(name, wire, record, durable) EVENT_##name,
#include "protocol/events.def"
#undef EVENT
    EVENT_COUNT
};

struct event_row {
    const char *wire;          /* "message.created" */
    const struct shape *shape; /* of its data */
    bool durable;
};

const struct event_row *event_row(enum event event);

/* A record and the text that it was written as. All zero: none. */
struct written {
    const struct shape *shape;
    const void *record;
    const char *text; /* `length` bytes, no NUL */
    size_t length;
};

/* Writes the answer to a call. `id_json` is the socket call's id as JSON text, or NULL for REST:
 * then the frame has no `id`. `out` is what `form->kind` says. Everything else is the same on
 * both ways in (contract 4). If `out` is the one record that was `written` (NULL: none), its text is taken
 * over. */
void envelope_success(struct strbuf *buffer, const struct reply_form *form, const void *out,
                      const char *id_json, const struct written *written);

/* Writes a failure: {"code":409,"msg":…,"error":{"reason":…,"field":…,"retry":…,"afterMs":…}}.
 * `fault` may be NULL. */
void envelope_failure(struct strbuf *buffer, enum err err, const struct fault *fault,
                      const char *id_json);

/* Writes an event. `cursor` NULL: none. `record` NULL: no data (synced). */
void envelope_event(struct strbuf *buffer, enum event event, const char *cursor,
                    const void *record);

/* The record that an event was written with, and where it stands in the event's text. */
struct written envelope_event_record(enum event event, const void *record, const char *text,
                                     size_t length);

#endif
