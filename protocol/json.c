/* JSON text to a tree of values, in one pass. A message's frame was a fifth of the cost of storing
 * it with a general JSON library, which builds a hash table for each object and asks the heap for
 * each value; here a value costs one struct of the job's arena. Texts are json_text.c's.
 *
 *     {"a":[1,"b"]}     object -first-> "a" array -first-> 1 -next-> "b"
 *
 * Bounds are checked while counting, before anything is allocated for what is beyond them, and
 * arrays in arrays are followed by recursion, which they bound. Names given twice are looked for when
 * an object is complete: pair by pair in the usual small one; in a large one by sorting, so that
 * nobody makes us compare millions.
 *
 * Faults name the place of the byte that cannot be right (the last letter of a wrong word, the last
 * digit of a number that is too large), never what was sent. Nothing here knows where the text ends
 * but by `end`: there need be no NUL. */
#include "protocol/json.h"

#include "protocol/json_text.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NODES_AT_ONCE 16
#define PAIRWISE_MAX 16 /* members that are compared each with each */

struct parser {
    const char *start, *at, *end;
    struct arena *arena;
    struct fault *fault;
    struct json *nodes; /* allocated ahead */
    unsigned nodes_left;
    unsigned depth;
    unsigned values;
};

/* ---- Bytes -------------------------------------------------------------------------------- */

/* The byte at hand, or NUL, which stands nowhere in JSON, at the end. */
static char peek(const struct parser *parser)
{
    return parser->at < parser->end ? *parser->at : '\0';
}

static char peek_behind_blanks(struct parser *parser)
{
    char byte = peek(parser);
    while (byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t') {
        parser->at++;
        byte = peek(parser);
    }
    return byte;
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

static bool is_letter(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

/* ---- Refusing ----------------------------------------------------------------------------- */

/* Names the place of `at`: columns count characters, not bytes. */
static enum err refuse_at(struct parser *parser, const char *at, const char *what)
{
    int line = 1;
    int column = 0;
    for (const char *byte = parser->start; byte <= at && byte < parser->end; byte++) {
        if (*byte == '\n' && byte < at) {
            line++;
            column = 0;
        } else if (((unsigned char)*byte & 0xC0) != 0x80) {
            column++;
        }
    }
    struct fault *fault = parser->fault;
    *fault = (struct fault){.after_ms = 0};
    snprintf(fault->detail, sizeof(fault->detail), "%s：第 %d 行第 %d 列%s",
             error_row(ERR_MALFORMED_JSON)->sentence, line, column > 0 ? column : 1, what);
    return ERR_MALFORMED_JSON;
}

/* Blames the byte at hand, or the end of the word that it begins. */
static enum err refuse(struct parser *parser)
{
    const char *at = parser->at;
    while (parser->end - at > 1 && is_letter(at[0]) && is_letter(at[1])) {
        at++;
    }
    return refuse_at(parser, at, "");
}

static enum err refuse_number(struct parser *parser)
{
    return refuse_at(parser, parser->at - 1, "的数字过大");
}

static enum err refuse_bounds(struct parser *parser)
{
    *parser->fault = (struct fault){.after_ms = 0};
    return ERR_TOO_DEEP;
}

/* ---- Numbers and words -------------------------------------------------------------------- */

/* Moves over digits, of which there must be one. */
static enum err pass_digits(struct parser *parser)
{
    if (!is_digit(peek(parser))) {
        return refuse(parser);
    }
    while (is_digit(peek(parser))) {
        parser->at++;
    }
    return ERR_OK;
}

/* strtod wants a NUL behind the number, and a point in it: the program never sets a locale. */
static enum err take_real(struct parser *parser, const char *start, struct json *value)
{
    if (peek(parser) == '.') {
        parser->at++;
        TRY(pass_digits(parser));
    }
    if (peek(parser) == 'e' || peek(parser) == 'E') {
        parser->at++;
        parser->at += peek(parser) == '+' || peek(parser) == '-' ? 1 : 0;
        TRY(pass_digits(parser));
    }
    value->kind = JSON_KIND_REAL;
    value->real = strtod(arena_text(parser->arena, start, (size_t)(parser->at - start)), NULL);
    return isfinite(value->real) ? ERR_OK : refuse_number(parser);
}

static enum err take_integer(struct parser *parser, const char *digits, bool is_negative,
                             struct json *value)
{
    const uint64_t max = (uint64_t)INT64_MAX + (is_negative ? 1 : 0);
    uint64_t size = 0;
    for (const char *digit = digits; digit < parser->at; digit++) {
        uint64_t ones = (uint64_t)(*digit - '0');
        if (size > (max - ones) / 10) {
            return refuse_number(parser);
        }
        size = size * 10 + ones;
    }
    value->kind = JSON_KIND_INTEGER;
    value->integer = !is_negative || size == 0 ? (int64_t)size : -(int64_t)(size - 1) - 1;
    return ERR_OK;
}

static enum err take_number(struct parser *parser, struct json *value)
{
    const char *start = parser->at;
    bool is_negative = *start == '-';
    parser->at += is_negative ? 1 : 0;
    const char *digits = parser->at;
    if (peek(parser) == '0') {
        parser->at++; /* no other digit may follow */
    } else {
        TRY(pass_digits(parser));
    }
    char next = peek(parser);
    return next == '.' || next == 'e' || next == 'E'
               ? take_real(parser, start, value)
               : take_integer(parser, digits, is_negative, value);
}

static enum err take_word(struct parser *parser, struct json *value)
{
    static const struct {
        const char *word;
        enum json_kind kind;
        bool is_true;
    } words[] = {{"null", JSON_KIND_NULL, false},
                 {"true", JSON_KIND_BOOL, true},
                 {"false", JSON_KIND_BOOL, false}};
    const char *start = parser->at;
    while (is_letter(peek(parser))) {
        parser->at++;
    }
    size_t length = (size_t)(parser->at - start);
    for (size_t i = 0; i < ARRAY_LENGTH(words); i++) {
        if (strlen(words[i].word) == length && memcmp(words[i].word, start, length) == 0) {
            value->kind = words[i].kind;
            value->is_true = words[i].is_true;
            return ERR_OK;
        }
    }
    parser->at = start;
    return refuse(parser);
}

/* ---- Arrays and objects ------------------------------------------------------------------- */

static struct json *new_node(struct parser *parser)
{
    if (parser->nodes_left == 0) {
        parser->nodes = arena_array(parser->arena, NODES_AT_ONCE, sizeof(struct json));
        parser->nodes_left = NODES_AT_ONCE;
    }
    parser->nodes_left--;
    return parser->nodes++;
}

/* The order of member names that finds equal ones; equal ones as they were written. */
static int compare_names(const void *left, const void *right)
{
    const struct json *a = *(const struct json *const *)left;
    const struct json *b = *(const struct json *const *)right;
    if (a->name_length != b->name_length) {
        return a->name_length < b->name_length ? -1 : 1;
    }
    int order = memcmp(a->name, b->name, a->name_length);
    return order != 0 ? order : (a->at > b->at) - (a->at < b->at);
}

static bool have_same_name(const struct json *a, const struct json *b)
{
    return a->name_length == b->name_length && memcmp(a->name, b->name, a->name_length) == 0;
}

/* The first member whose name was there before, or NULL. */
static const struct json *find_repeated(const struct json *object)
{
    for (const struct json *member = object->first; member != NULL; member = member->next) {
        for (const struct json *before = object->first; before != member; before = before->next) {
            if (have_same_name(before, member)) {
                return member;
            }
        }
    }
    return NULL;
}

/* The same for many members. */
static const struct json *find_repeated_sorted(struct parser *parser, const struct json *object)
{
    const struct json **sorted = arena_array(parser->arena, object->length, sizeof(*sorted));
    size_t count = 0;
    for (const struct json *member = object->first; member != NULL; member = member->next) {
        sorted[count++] = member;
    }
    qsort(sorted, count, sizeof(*sorted), compare_names);
    const struct json *found = NULL;
    for (size_t i = 1; i < count; i++) {
        if (have_same_name(sorted[i - 1], sorted[i]) &&
            (found == NULL || sorted[i]->at < found->at)) {
            found = sorted[i];
        }
    }
    return found;
}

/* Returns ERR_MALFORMED_JSON for a text that json_text_take does not take. */
static enum err take_text(struct parser *parser, const char **text, uint32_t *length)
{
    return json_text_take(&parser->at, parser->end, parser->arena, text, length)
               ? ERR_OK
               : refuse_at(parser, parser->at, "");
}

static enum err check_names(struct parser *parser, const struct json *object)
{
    const struct json *repeated = object->length <= PAIRWISE_MAX
                                      ? find_repeated(object)
                                      : find_repeated_sorted(parser, object);
    return repeated == NULL ? ERR_OK
                            : refuse_at(parser, parser->start + repeated->at, "的字段名重复");
}

static enum err take_value(struct parser *parser, struct json *value);

/* Takes a member's name and the colon behind it. */
static enum err take_name(struct parser *parser, struct json *member)
{
    if (peek_behind_blanks(parser) != '"') {
        return refuse(parser);
    }
    TRY(take_text(parser, &member->name, &member->name_length));
    member->at = (uint32_t)(parser->at - 1 - parser->start);
    if (peek_behind_blanks(parser) != ':') {
        return refuse(parser);
    }
    parser->at++;
    return ERR_OK;
}

/* Takes an array or object whose opening bracket is at hand. */
static enum err take_items(struct parser *parser, struct json *value, char close)
{
    struct json **link = &value->first;
    value->kind = close == '}' ? JSON_KIND_OBJECT : JSON_KIND_ARRAY;
    if (++parser->depth > JSON_DEPTH_MAX) {
        return refuse_bounds(parser);
    }
    char next;
    do {
        parser->at++; /* the bracket, or a comma */
        if (++parser->values > JSON_VALUES_MAX) {
            return refuse_bounds(parser);
        }
        if (value->length == 0 && peek_behind_blanks(parser) == close) {
            break;
        }
        struct json *item = new_node(parser);
        if (close == '}') {
            TRY(take_name(parser, item));
        }
        TRY(take_value(parser, item));
        *link = item;
        link = &item->next;
        value->length++;
        next = peek_behind_blanks(parser);
    } while (next == ',');
    if (peek(parser) != close) {
        return refuse(parser);
    }
    parser->at++;
    parser->depth--;
    return close == '}' ? check_names(parser, value) : ERR_OK;
}

static enum err take_value(struct parser *parser, struct json *value)
{
    char first = peek_behind_blanks(parser);
    switch (first) {
    case '"':
        value->kind = JSON_KIND_TEXT;
        return take_text(parser, &value->text, &value->length);
    case '{':
        return take_items(parser, value, '}');
    case '[':
        return take_items(parser, value, ']');
    default:
        return first == '-' || is_digit(first) ? take_number(parser, value)
                                               : take_word(parser, value);
    }
}

enum err json_parse(struct arena *arena, const char *text, size_t length, const struct json **out,
                    struct fault *fault)
{
    assert(length < UINT32_MAX);
    struct parser parser = {.start = text, .at = text, .arena = arena, .fault = fault};
    parser.end = length > 0 ? text + length : text; /* NULL where there is nothing */
    struct json *value = new_node(&parser);
    TRY(take_value(&parser, value));
    peek_behind_blanks(&parser);
    if (parser.at < parser.end) {
        return refuse(&parser);
    }
    *out = value;
    return ERR_OK;
}

const struct json *json_member(const struct json *object, const char *name)
{
    for (const struct json *member = object->first; member != NULL; member = member->next) {
        if (member->name_length > 0 && *member->name == *name &&
            strncmp(name, member->name, member->name_length) == 0 &&
            name[member->name_length] == '\0') {
            return member;
        }
    }
    return NULL;
}
