/* Our JSON parser beside another one, jansson, which has been in use for long: they must take the
 * same texts and find the same values in them. Used by the fuzz target and by the unit test.
 *
 * Two differences: jansson overlooks a NUL behind a number or a word (what it puts back into its
 * buffer it takes for the buffer's end), ours takes none anywhere; and whether a text that is
 * malformed as well as too deep or too long is called one or the other, ours says by what it meets
 * first. */
#ifndef CONSULTD_TESTS_FUZZ_JSON_COMPARED_H
#define CONSULTD_TESTS_FUZZ_JSON_COMPARED_H

#include "protocol/json.h"

#include <assert.h>
#include <jansson.h>
#include <string.h>

/* Whether brackets and commas outside strings, if such they are, keep within the bounds. */
static inline bool json_compared_is_within_bounds(const char *text, size_t length)
{
    size_t depth = 0, values = 0;
    bool is_string = false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '"') {
            is_string = !is_string;
        } else if (is_string) {
            i += text[i] == '\\' ? 1 : 0;
        } else if (text[i] == '{' || text[i] == '[') {
            values++;
            depth++;
        } else if (text[i] == '}' || text[i] == ']') {
            depth -= depth > 0 ? 1 : 0;
        } else if (text[i] == ',') {
            values++;
        }
        if (depth > JSON_DEPTH_MAX || values > JSON_VALUES_MAX) {
            return false;
        }
    }
    return true;
}

static inline void json_compared_items(const struct json *ours, json_t *theirs);

static inline void json_compared_value(const struct json *ours, json_t *theirs)
{
    switch (ours->kind) {
    case JSON_KIND_NULL:
        assert(json_is_null(theirs));
        break;
    case JSON_KIND_BOOL:
        assert(json_is_boolean(theirs) && json_is_true(theirs) == ours->is_true);
        break;
    case JSON_KIND_INTEGER:
        assert(json_is_integer(theirs) && json_integer_value(theirs) == ours->integer);
        break;
    case JSON_KIND_REAL: {
        double real = json_real_value(theirs);
        assert(json_is_real(theirs) && memcmp(&real, &ours->real, sizeof real) == 0);
        break;
    }
    case JSON_KIND_TEXT:
        assert(json_is_string(theirs) && json_string_length(theirs) == ours->length);
        assert(memcmp(json_string_value(theirs), ours->text, ours->length) == 0);
        break;
    case JSON_KIND_ARRAY:
    case JSON_KIND_OBJECT:
        json_compared_items(ours, theirs);
        break;
    }
}

static inline void json_compared_items(const struct json *ours, json_t *theirs)
{
    const bool is_object = ours->kind == JSON_KIND_OBJECT;
    assert(is_object ? json_is_object(theirs) : json_is_array(theirs));
    size_t count = 0;
    for (const struct json *item = ours->first; item != NULL; item = item->next) {
        json_t *same = is_object ? json_object_getn(theirs, item->name, item->name_length)
                                 : json_array_get(theirs, count);
        assert(same != NULL);
        json_compared_value(item, same);
        count++;
    }
    assert(count == ours->length);
    assert(count == (is_object ? json_object_size(theirs) : json_array_size(theirs)));
}

/* Asserts that both agree on `text`; returns whether it is good. Resets the arena. */
static inline bool json_compared(struct arena *arena, const char *text, size_t length)
{
    struct fault fault;
    const struct json *ours = NULL;
    enum err err = json_parse(arena, text, length, &ours, &fault);
    json_error_t why;
    json_t *theirs = json_loadb(text, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
    const bool has_nul = length > 0 && memchr(text, '\0', length) != NULL;
    const bool is_within = json_compared_is_within_bounds(text, length);
    if (has_nul) {
        assert(err != ERR_OK);
    } else if (theirs != NULL && is_within) {
        assert(err == ERR_OK);
        json_compared_value(ours, theirs);
    } else if (theirs != NULL) {
        assert(err == ERR_TOO_DEEP);
    } else {
        assert(err == ERR_MALFORMED_JSON || (err == ERR_TOO_DEEP && !is_within));
        assert(fault.field[0] == '\0' && (fault.detail[0] != '\0') == (err == ERR_MALFORMED_JSON));
    }
    json_decref(theirs);
    arena_reset(arena);
    return err == ERR_OK;
}

#endif
