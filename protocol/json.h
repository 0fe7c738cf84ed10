/* Any thread. Inside this room only: JSON text (RFC 8259, nothing beside it) to a tree of values in
 * an arena, within the bounds of contract 1. document.c and shape_bind.c use it.
 *
 * Texts and names hold valid UTF-8 and no NUL, and are not terminated: they lie in the parsed text
 * itself, or unescaped in the arena. */
#ifndef CONSULTD_PROTOCOL_JSON_H
#define CONSULTD_PROTOCOL_JSON_H

#include "protocol/arena.h"
#include "protocol/base.h"

/* Each opening bracket and each comma counts as a value: so an empty array or object counts as two,
 * and the outermost value not at all. */
#define JSON_DEPTH_MAX 16
#define JSON_VALUES_MAX 4096

enum json_kind {
    JSON_KIND_NULL,
    JSON_KIND_BOOL,
    JSON_KIND_INTEGER, /* no fraction and no exponent, as written */
    JSON_KIND_REAL,
    JSON_KIND_TEXT,
    JSON_KIND_ARRAY,
    JSON_KIND_OBJECT
};

struct json {
    struct json *next; /* the next item or member; NULL: the last */
    const char *name;  /* of a member */
    union {
        bool is_true;
        int64_t integer;
        double real;
        const char *text;
        struct json *first; /* item or member; NULL: none */
    };
    uint32_t name_length;
    uint32_t length; /* bytes of a text, items of an array, members of an object */
    uint32_t at;     /* where the member's name ends in the parsed text */
    enum json_kind kind;
};

/* Parses one JSON value of any kind (`text` may be NULL when there are no bytes): no names twice in
 * an object, no NUL, no integer that is not an int64_t, no real that is not finite. Returns
 * ERR_TOO_DEEP, or ERR_MALFORMED_JSON with fault->detail naming line and column. On success `*out`
 * is valid until the arena resets, and as long as `text` stays as it is. */
MUST_USE enum err json_parse(struct arena *arena, const char *text, size_t length,
                             const struct json **out, struct fault *fault);

/* The member of an object with this name, or NULL. */
const struct json *json_member(const struct json *object, const char *name);

#endif
