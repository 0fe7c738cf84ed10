/* Any thread. Tables that describe structs, and what is done with them.
 *
 * A record or a request is a plain C struct. Its shape says for each member the name on the
 * wire, the kind (read off the member's C type, so that table and struct cannot disagree), the
 * limits and a line of documentation. The same table binds JSON to the struct, writes the
 * struct as JSON, becomes SQL columns and BSON fields in storage, and the API document.
 *
 *     struct patient { struct oid id; const char *name; ... };
 *     FIELD(patient, name, "name", REQUIRED, 1, 64, "姓名")
 *
 * Absent values: an all-zero oid, a NULL text, NUMBER_ABSENT, a zero timestamp, a NULL object.
 * A bool has no absent value: what was not sent is false; a view that may be unknown is a maybe.
 * A list that was not sent is empty. */
#ifndef CONSULTD_PROTOCOL_SHAPE_H
#define CONSULTD_PROTOCOL_SHAPE_H

#include "protocol/arena.h"
#include "protocol/base.h"
#include "protocol/id.h"
#include "protocol/strbuf.h"

#define NUMBER_ABSENT INT64_MIN

struct text_list {
    const char *const *items;
    size_t count;
};

struct oid_list {
    const struct oid *items;
    size_t count;
};

static inline bool oid_list_holds(struct oid_list list, struct oid id)
{
    for (size_t i = 0; i < list.count; i++) {
        if (oid_equal(list.items[i], id)) {
            return true;
        }
    }
    return false;
}

/* `count` structs of one shape, one behind the other. */
struct object_list {
    const void *items;
    size_t count;
};

/* One side's part of a type-06 notice (document 8.4, text.doctorMsg and text.userMsg). */
struct notice_part {
    const char *type; /* "咨询开始"; NULL where the example has none */
    const char *text; /* NULL: this side has no part */
};

/* The field `text` of a message: a plain string, or the object of a type-06 notice. */
struct message_text {
    const char *plain; /* NULL when it is a notice or absent */
    bool is_notice;
    struct notice_part doctor;
    struct notice_part user;
};

/* A bool of a view that may be unknown. Zeroed: it is. */
struct maybe {
    bool is_known;
    bool is_true;
};

enum kind {
    KIND_OID,
    KIND_TEXT,
    KIND_NUMBER,
    KIND_BOOL,
    KIND_TIME,
    KIND_TEXT_LIST,
    KIND_OID_LIST,
    KIND_MESSAGE_TEXT,
    KIND_MAYBE,      /* written to clients only */
    KIND_OBJECT,     /* const struct X *; `sub` is its shape; never stored */
    KIND_OBJECT_LIST /* struct object_list; `sub` is the items' shape; never stored */
};

#define PHONE_MIN INT64_C(13000000000) /* Mainland mobile numbers */
#define PHONE_MAX INT64_C(19999999999)

enum format {
    FORMAT_NONE,
    FORMAT_URL,     /* http:// or https:// */
    FORMAT_PHONE,   /* a number: 1[3-9] and 9 digits */
    FORMAT_VISIBLE, /* printable ASCII without spaces: keys and ids of other systems */
    FORMAT_DIGITS,  /* 0-9 only */
    FORMAT_DATE     /* YYYY-MM-DD; in requests YYYYMMDD, too. That there is such a day is checked
                       by the handler */
};

/* Flags of a field. */
enum {
    REQUIRED = 1 << 0,      /* in a request: must be there and not empty; in a reply: always is */
    LOOSE = 1 << 1,         /* a number also as numeric string; a list also as a JSON text */
    SECRET = 1 << 2,        /* stored, never written to a client */
    VIEW = 1 << 3,          /* written to clients, never stored */
    ALWAYS = 1 << 4,        /* written even when absent: "" for text, null for a time, [] */
    OMIT_FALSE = 1 << 5,    /* a false bool is not written */
    UNDERSCORE_ID = 1 << 6, /* an id written as `_id` and `id`; on an object: its id so */
    MULTILINE = 1 << 7,     /* a text that may hold \n and \t */
    UNSEALED = 1 << 8       /* changes after the record was made: no hash covers it (canonical.h) */
};

struct shape;

struct field {
    const char *name;        /* on the wire and in the store */
    size_t name_length;      /* 0 where it is never written */
    const char *doc;         /* one line, Chinese, for the API document */
    const struct shape *sub; /* of KIND_OBJECT and KIND_OBJECT_LIST */
    const char *choices;     /* "01|02|06", or NULL: the only values of a text */
    int64_t min, max;        /* text: code points; number: value; list: items. max 0: no limit */
    int64_t item_max;        /* text list: code points of an item */
    size_t offset;           /* of the member */
    enum kind kind;
    enum format format;
    unsigned flags;
};

struct shape {
    const char *name;           /* of the struct, e.g. "patient" */
    size_t size;                /* of the struct */
    const struct field *fields; /* the first one is `id` in records that are stored */
    size_t count;
    unsigned one_of_from, one_of_to; /* fields [from, to): exactly one is given; 0,0: no rule */
};

/* The kind of a member, by its C type. Anything else is a compile error. */
#define KIND_OF(type, member)                                                                      \
    _Generic(((struct type *)0)->member, struct oid: KIND_OID, const char *: KIND_TEXT,            \
             int64_t: KIND_NUMBER, bool: KIND_BOOL, struct timestamp: KIND_TIME,                   \
             struct text_list: KIND_TEXT_LIST, struct oid_list: KIND_OID_LIST,                     \
             struct message_text: KIND_MESSAGE_TEXT, struct maybe: KIND_MAYBE,                     \
             struct object_list: KIND_OBJECT_LIST)

/* One row of a shape. FIELD is the usual one, the others name what is special about theirs. */
#define FIELD_BASE(type, member, wire, kind_, flags_, min_, max_, doc_)                            \
    .name = (wire), .name_length = sizeof("" wire) - 1, .doc = (doc_), .min = (min_),              \
    .max = (max_), .offset = offsetof(struct type, member), .kind = (kind_), .flags = (flags_)
#define FIELD(type, member, wire, flags, min, max, doc)                                            \
    {                                                                                              \
        FIELD_BASE(type, member, wire, KIND_OF(type, member), flags, min, max, doc)                \
    }
#define FIELD_CHOICE(type, member, wire, flags, choices_, doc)                                     \
    {                                                                                              \
        FIELD_BASE(type, member, wire, KIND_OF(type, member), flags, 0, 0, doc),                   \
            .choices = (choices_)                                                                  \
    }
#define FIELD_FORMAT(type, member, wire, flags, format_, max, doc)                                 \
    {                                                                                              \
        FIELD_BASE(type, member, wire, KIND_OF(type, member), flags, 0, max, doc),                 \
            .format = (format_)                                                                    \
    }
#define FIELD_LIST(type, member, wire, flags, format_, max, item_max_, doc)                        \
    {                                                                                              \
        FIELD_BASE(type, member, wire, KIND_OF(type, member), flags, 0, max, doc),                 \
            .format = (format_), .item_max = (item_max_)                                           \
    }
#define FIELD_OBJECT(type, member, wire, flags, sub_, doc)                                         \
    {                                                                                              \
        FIELD_BASE(type, member, wire, KIND_OBJECT, flags, 0, 0, doc), .sub = &(sub_)              \
    }
#define FIELD_OBJECTS(type, member, wire, flags, sub_, max, doc)                                   \
    {                                                                                              \
        FIELD_BASE(type, member, wire, KIND_OF(type, member), flags, 0, max, doc), .sub = &(sub_)  \
    }

#define SHAPE(type, fields_)                                                                       \
    {                                                                                              \
#type, sizeof(struct type), fields_, ARRAY_LENGTH(fields_), 0, 0                           \
    }

/* The field whose member lies at `offset`; asserts that there is one. */
const struct field *shape_field(const struct shape *shape, size_t offset);

/* Whether the field's value in `record` counts as absent (see above; a bool never does). */
bool field_is_absent(const struct field *field, const void *record);

/* ---- JSON in ------------------------------------------------------------------------------ */

struct json;

/* A parsed JSON text: an object in the arena that it was parsed with, pointing into the text. */
struct document {
    const struct json *root; /* json.h; NULL after a failure */
    struct arena *arena;
};

/* Parses `length` bytes into `out`. The text must be one JSON object, UTF-8, no duplicate keys,
 * at most 16 deep and 4,096 values (an empty array or object counts as two); length 0 is `{}`.
 * On ERR_MALFORMED_JSON fault->detail names line and column. Valid until the arena resets, and as
 * long as `text` stays as it is. */
MUST_USE enum err document_parse(struct document *out, struct arena *arena, const char *text,
                                 size_t length, struct fault *fault);

/* Fills `record` (shape->size bytes, zeroed here first) from the document, copying all text into
 * the arena, which may be another one than the document's: nothing of the document is kept, and it
 * is as good afterwards as before. Trims texts, applies limits and formats, ignores unknown names, takes null and ""
 * as absent. The first violation found, in the order of the shape's fields, is returned with
 * fault->field naming it: ERR_MISSING_FIELD, ERR_INVALID_TYPE, ERR_INVALID_ID, ERR_TOO_LONG,
 * ERR_EXACTLY_ONE_CONTENT and others. Contract 1. */
MUST_USE enum err document_bind(const struct document *document, const struct shape *shape,
                                struct arena *arena, void *record, struct fault *fault);

/* The frame {"id":…,"call":"…","data":{…}} of the live socket (contract 4). */
struct socket_call {
    const char *id_json;  /* the client's id as JSON text, ready to be echoed; NULL: none given */
    const char *call;     /* NULL never */
    struct document data; /* of `data`; an empty object when absent */
};

/* Parses one frame. ERR_MALFORMED_JSON (also of no bytes), ERR_TOO_DEEP and ERR_NOT_AN_OBJECT mean
 * that it is no frame at all;
 * ERR_INVALID_TYPE/ERR_MISSING_FIELD with fault->field "id", "call" or "data" otherwise: then
 * out->id_json is set if a usable id was there. Texts live in the arena. An id is an integer or
 * a string of at most 64 bytes; null is none. On failure there is no document. */
MUST_USE enum err socket_call_parse(const char *text, size_t length, struct arena *arena,
                                    struct socket_call *out, struct fault *fault);

/* ---- JSON out ----------------------------------------------------------------------------- */

/* Writes `record` as a JSON object. SECRET fields never, absent ones not unless ALWAYS.
 * `flags`: 0 or UNDERSCORE_ID (write the record's own id as both `_id` and `id`). */
void shape_write(struct strbuf *out, const struct shape *shape, const void *record, unsigned flags);

/* Writes a JSON array of such objects. */
void shape_write_list(struct strbuf *out, const struct shape *shape, const struct object_list *list,
                      unsigned flags);

/* Writes our own JSON text, in which no blanks stand between values, anew with each member on a
 * line of its own, for people to read and compare. */
void document_indent(struct strbuf *out, const char *text);

/* ---- Schema ------------------------------------------------------------------------------- */

/* Writes the JSON Schema (2020-12) of a request body (as_request) or of what shape_write makes.
 * `refs` is what a reference to another shape's schema begins with ("#/components/schemas/"; the
 * shape's name follows); NULL: nested shapes are described in place. */
void shape_write_schema(struct strbuf *out, const struct shape *shape, bool as_request,
                        const char *refs);

#endif
