/* Patterns: what a story expects of a JSON value.
 *
 *   {"a": P, …}        an object with at least these members     = {"a": P}   with no others
 *   [P, P]             an array of exactly these, in this order  [P, …, ...]  that begins so
 *   has [P, P]         an array with a different element for each
 *   "x" 1 true null    just this value; references are replaced in strings
 *   {name} {name+1}    the value of a variable
 *   $name  $name:id    anything (or: of that type), kept as a variable; twice: the same value
 *   absent             no such member
 *   any string nonempty number integer bool object array id time      a type
 *   contains "x"  starts "x"     of a text
 *   > 1  >= 1  < 1  <= 1         of a number, or of two texts by bytes (times sort so)
 *   not P
 *   count N            an array of N elements
 *
 * A pattern is read into a small tree and then held against the value, because an array's elements
 * may have to be tried several times. Variables are bound only if all of it matches. */
#include "talk.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum kind {
    LITERAL,  /* value */
    OBJECT,   /* names, parts; exact */
    ARRAY,    /* parts; exact unless it ends in ... */
    HAS,      /* parts */
    CAPTURE,  /* name; parts[0] if there is a type */
    TYPE,     /* name */
    ABSENT,   /* */
    CONTAINS, /* value, a text */
    STARTS,   /* value, a text */
    COMPARE,  /* name is the operator; value */
    NOT,      /* parts[0] */
    COUNT     /* value */
};

struct pattern {
    enum kind kind;
    char *name;
    json_t *value;
    bool (*is)(json_t *value); /* TYPE */
    bool is_exact;
    size_t count;
    char **names;
    struct pattern **parts;
};

struct match {
    struct story *story;
    json_t *bound;
    char *reason; /* of the last mismatch */
};

static struct pattern *parse(struct story *story, const char **at);

static struct pattern *new_pattern(enum kind kind)
{
    struct pattern *pattern = calloc(1, sizeof *pattern);
    if (pattern == NULL) {
        abort();
    }
    pattern->kind = kind;
    return pattern;
}

static void add_part(struct pattern *pattern, char *name, struct pattern *part)
{
    size_t count = pattern->count + 1;
    pattern->parts = realloc(pattern->parts, count * sizeof *pattern->parts);
    pattern->names = realloc(pattern->names, count * sizeof *pattern->names);
    if (pattern->parts == NULL || pattern->names == NULL) {
        abort();
    }
    pattern->names[pattern->count] = name;
    pattern->parts[pattern->count] = part;
    pattern->count = count;
}

static json_t *parse_text(struct story *story, const char **at)
{
    size_t length = 0;
    char *text = take_quoted(story, at, &length);
    return json_stringn_nocheck(text, length);
}

static struct pattern *parse_object(struct story *story, const char **at, bool is_exact)
{
    struct pattern *pattern = new_pattern(OBJECT);
    pattern->is_exact = is_exact;
    *at = skip_blanks(*at + 1);
    while (**at != '}') {
        char *name = take_quoted(story, at, NULL);
        if (**at != ':') {
            story_fail(story, "a colon is wanted in the pattern here: %s", *at);
        }
        *at = skip_blanks(*at + 1);
        add_part(pattern, name, parse(story, at));
        if (**at == ',') {
            *at = skip_blanks(*at + 1);
        } else if (**at != '}') {
            story_fail(story, "a comma or } is wanted in the pattern here: %s", *at);
        }
    }
    *at = skip_blanks(*at + 1);
    return pattern;
}

static struct pattern *parse_array(struct story *story, const char **at, enum kind kind)
{
    struct pattern *pattern = new_pattern(kind);
    pattern->is_exact = true;
    if (**at != '[') {
        story_fail(story, "[ is wanted in the pattern here: %s", *at);
    }
    *at = skip_blanks(*at + 1);
    while (**at != ']') {
        if (strncmp(*at, "...", 3) == 0) {
            pattern->is_exact = false;
            *at = skip_blanks(*at + 3);
        } else {
            add_part(pattern, NULL, parse(story, at));
        }
        if (**at == ',') {
            *at = skip_blanks(*at + 1);
        } else if (**at != ']') {
            story_fail(story, "a comma or ] is wanted in the pattern here: %s", *at);
        }
    }
    *at = skip_blanks(*at + 1);
    return pattern;
}

static char *parse_name(const char **at)
{
    size_t length = 0;
    while (isalnum((unsigned char)(*at)[length]) || (*at)[length] == '_' || (*at)[length] == '.') {
        length++;
    }
    char *name = text_copy(*at, length);
    *at += length;
    return name;
}

static bool is_any(json_t *value)
{
    return value != NULL;
}

static bool is_text(json_t *value)
{
    return json_is_string(value);
}

static bool is_nonempty(json_t *value)
{
    return json_string_length(value) > 0;
}

static bool is_number(json_t *value)
{
    return json_is_number(value);
}

static bool is_integer(json_t *value)
{
    return json_is_integer(value);
}

static bool is_bool(json_t *value)
{
    return json_is_boolean(value);
}

static bool is_object(json_t *value)
{
    return json_is_object(value);
}

static bool is_array(json_t *value)
{
    return json_is_array(value);
}

static bool is_id(json_t *value)
{
    const char *text = json_is_string(value) ? json_string_value(value) : "";
    return strlen(text) == 24 && strspn(text, "0123456789abcdef") == 24;
}

/* 2018-06-10T10:44:51.958Z */
static bool is_time(json_t *value)
{
    const char *text = json_is_string(value) ? json_string_value(value) : "";
    const char *shape = "0000-00-00T00:00:00.000Z";
    for (; *shape != '\0'; shape++, text++) {
        if (*shape == '0' ? !isdigit((unsigned char)*text) : *text != *shape) {
            return false;
        }
    }
    return *text == '\0';
}

static const struct {
    const char *name;
    bool (*is)(json_t *value);
} types[] = {
    {"any", is_any},       {"array", is_array},     {"bool", is_bool},
    {"id", is_id},         {"integer", is_integer}, {"nonempty", is_nonempty},
    {"number", is_number}, {"object", is_object},   {"string", is_text},
    {"time", is_time},
};

static struct pattern *type_pattern(struct story *story, char *name)
{
    struct pattern *pattern = new_pattern(TYPE);
    pattern->name = name;
    for (size_t i = 0; i < ARRAY_LENGTH(types); i++) {
        if (strcmp(name, types[i].name) == 0) {
            pattern->is = types[i].is;
            return pattern;
        }
    }
    story_fail(story, "there is no type \"%s\" for a pattern", name);
}

static struct pattern *parse_capture(struct story *story, const char **at)
{
    struct pattern *pattern = new_pattern(CAPTURE);
    ++*at;
    pattern->name = parse_name(at);
    if (**at == ':') {
        ++*at;
        add_part(pattern, NULL, type_pattern(story, parse_name(at)));
    }
    *at = skip_blanks(*at);
    return pattern;
}

/* A number, or a comparison with a number, a text or a reference. */
static json_t *parse_value(struct story *story, const char **at)
{
    const char *end = NULL;
    if (**at == '"') {
        return parse_text(story, at);
    }
    json_t *value = **at == '{' ? take_reference(story, *at, &end) : NULL;
    if (value != NULL) {
        *at = skip_blanks(end);
        return value;
    }
    size_t length = strspn(*at, "+-.0123456789eE");
    char *number = text_copy(*at, length);
    value = json_loads(number, JSON_DECODE_ANY, NULL);
    if (value == NULL) {
        story_fail(story, "the pattern cannot be read here: %s", *at);
    }
    *at = skip_blanks(*at + length);
    return value;
}

static struct pattern *parse_comparison(struct story *story, const char **at)
{
    struct pattern *pattern = new_pattern(COMPARE);
    size_t length = (*at)[1] == '=' ? 2 : 1;
    pattern->name = text_copy(*at, length);
    *at = skip_blanks(*at + length);
    pattern->value = parse_value(story, at);
    return pattern;
}

static struct pattern *parse_word(struct story *story, const char **at)
{
    char *word = parse_name(at);
    *at = skip_blanks(*at);
    if (strcmp(word, "true") == 0 || strcmp(word, "false") == 0 || strcmp(word, "null") == 0) {
        struct pattern *pattern = new_pattern(LITERAL);
        pattern->value = json_loads(word, JSON_DECODE_ANY, NULL);
        return pattern;
    }
    if (strcmp(word, "absent") == 0) {
        return new_pattern(ABSENT);
    }
    if (strcmp(word, "has") == 0) {
        return parse_array(story, at, HAS);
    }
    if (strcmp(word, "not") == 0) {
        struct pattern *pattern = new_pattern(NOT);
        add_part(pattern, NULL, parse(story, at));
        return pattern;
    }
    if (strcmp(word, "contains") == 0 || strcmp(word, "starts") == 0) {
        struct pattern *pattern = new_pattern(*word == 'c' ? CONTAINS : STARTS);
        pattern->value = parse_text(story, at);
        return pattern;
    }
    if (strcmp(word, "count") == 0) {
        struct pattern *pattern = new_pattern(COUNT);
        pattern->value = parse_value(story, at);
        return pattern;
    }
    return type_pattern(story, word);
}

static struct pattern *parse(struct story *story, const char **at)
{
    const char *end = NULL;
    *at = skip_blanks(*at);
    if (**at == '{' && take_reference(story, *at, &end) == NULL) {
        return parse_object(story, at, false);
    }
    if (**at == '=' && *skip_blanks(*at + 1) == '{') {
        *at = skip_blanks(*at + 1);
        return parse_object(story, at, true);
    }
    if (**at == '[') {
        return parse_array(story, at, ARRAY);
    }
    if (**at == '$') {
        return parse_capture(story, at);
    }
    if (**at == '<' || **at == '>') {
        return parse_comparison(story, at);
    }
    if (isalpha((unsigned char)**at)) {
        return parse_word(story, at);
    }
    struct pattern *pattern = new_pattern(LITERAL);
    pattern->value = parse_value(story, at);
    return pattern;
}

/* ---- matching ---- */

static bool matches(struct match *match, const struct pattern *pattern, json_t *value,
                    const char *where);

static char *shown(json_t *value)
{
    char *dumped = value == NULL ? NULL : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    if (dumped == NULL) {
        return text_printf("nothing");
    }
    return strlen(dumped) > 400 ? text_printf("%.400s…", dumped) : dumped;
}

static bool mismatch(struct match *match, const char *where, const char *wanted, json_t *value)
{
    match->reason = text_printf("%s: expected %s, got %s", *where == '\0' ? "the whole" : where,
                                wanted, shown(value));
    return false;
}

static bool same_value(json_t *left, json_t *right)
{
    if (json_is_number(left) && json_is_number(right)) {
        return fabs(json_number_value(left) - json_number_value(right)) < 1e-9;
    }
    return json_equal(left, right) != 0;
}

static bool object_matches(struct match *match, const struct pattern *pattern, json_t *value,
                           const char *where)
{
    if (!json_is_object(value)) {
        return mismatch(match, where, "an object", value);
    }
    for (size_t i = 0; i < pattern->count; i++) {
        char *inner = text_printf("%s%s%s", where, *where == '\0' ? "" : ".", pattern->names[i]);
        if (!matches(match, pattern->parts[i], json_object_get(value, pattern->names[i]), inner)) {
            return false;
        }
    }
    const char *key;
    json_t *member;
    json_object_foreach(value, key, member)
    {
        bool is_known = !pattern->is_exact;
        for (size_t i = 0; i < pattern->count && !is_known; i++) {
            is_known = strcmp(pattern->names[i], key) == 0;
        }
        if (!is_known) {
            return mismatch(match, where, text_printf("no member \"%s\"", key), value);
        }
    }
    return true;
}

static bool array_matches(struct match *match, const struct pattern *pattern, json_t *value,
                          const char *where)
{
    size_t size = json_array_size(value);
    if (!json_is_array(value) || size < pattern->count ||
        (pattern->is_exact && size != pattern->count)) {
        return mismatch(
            match, where,
            text_printf("an array of %s%zu", pattern->is_exact ? "" : "at least ", pattern->count),
            value);
    }
    for (size_t i = 0; i < pattern->count; i++) {
        char *inner = text_printf("%s[%zu]", where, i);
        if (!matches(match, pattern->parts[i], json_array_get(value, i), inner)) {
            return false;
        }
    }
    return true;
}

/* Each part takes the first element left that it matches; so put the stricter parts first. */
static bool has_matches(struct match *match, const struct pattern *pattern, json_t *value,
                        const char *where)
{
    json_t *left = json_copy(value);
    for (size_t i = 0; i < pattern->count; i++) {
        size_t at = 0;
        while (at < json_array_size(left) &&
               !matches(match, pattern->parts[i], json_array_get(left, at), where)) {
            at++;
        }
        if (at >= json_array_size(left)) {
            const char *last = match->reason != NULL ? match->reason : "";
            return mismatch(match, where,
                            text_printf("an element for pattern %zu of `has` (%s)", i + 1, last),
                            value);
        }
        json_array_remove(left, at);
    }
    return true;
}

static bool capture_matches(struct match *match, const struct pattern *pattern, json_t *value,
                            const char *where)
{
    json_t *before = json_object_get(match->bound, pattern->name);
    if (value == NULL) {
        return mismatch(match, where, "something", value);
    }
    if (before != NULL && !same_value(before, value)) {
        return mismatch(match, where, text_printf("again %s", shown(before)), value);
    }
    if (pattern->count > 0 && !matches(match, pattern->parts[0], value, where)) {
        return false;
    }
    json_object_set(match->bound, pattern->name, value);
    return true;
}

static bool comparison_matches(struct match *match, const struct pattern *pattern, json_t *value,
                               const char *where)
{
    double difference;
    if (json_is_number(value) && json_is_number(pattern->value)) {
        difference = json_number_value(value) - json_number_value(pattern->value);
    } else if (json_is_string(value) && json_is_string(pattern->value)) {
        difference = strcmp(json_string_value(value), json_string_value(pattern->value));
    } else {
        return mismatch(match, where, "something comparable", value);
    }
    bool allows_equal = pattern->name[1] == '=';
    bool is_so = pattern->name[0] == '>' ? difference > 0 : difference < 0;
    bool is_equal = !(difference < 0) && !(difference > 0);
    if (is_so || (allows_equal && is_equal)) {
        return true;
    }
    return mismatch(match, where, text_printf("%s %s", pattern->name, shown(pattern->value)),
                    value);
}

static bool not_matches(struct match *match, const struct pattern *pattern, json_t *value,
                        const char *where)
{
    json_t *before = json_copy(match->bound);
    bool is_match = matches(match, pattern->parts[0], value, where);
    match->bound = before;
    return is_match ? mismatch(match, where, "something else", value) : true;
}

static bool text_matches(struct match *match, const struct pattern *pattern, json_t *value,
                         const char *where)
{
    const char *wanted = json_string_value(pattern->value);
    const char *text = json_string_value(value);
    const char *found = text == NULL ? NULL : strstr(text, wanted);
    if (found != NULL && (pattern->kind == CONTAINS || found == text)) {
        return true;
    }
    return mismatch(match, where,
                    text_printf("a text that %s \"%s\"",
                                pattern->kind == CONTAINS ? "contains" : "starts with", wanted),
                    value);
}

static bool matches(struct match *match, const struct pattern *pattern, json_t *value,
                    const char *where)
{
    switch (pattern->kind) {
    case OBJECT:
        return object_matches(match, pattern, value, where);
    case ARRAY:
        return array_matches(match, pattern, value, where);
    case HAS:
        return has_matches(match, pattern, value, where);
    case CAPTURE:
        return capture_matches(match, pattern, value, where);
    case CONTAINS:
    case STARTS:
        return text_matches(match, pattern, value, where);
    case COMPARE:
        return comparison_matches(match, pattern, value, where);
    case NOT:
        return not_matches(match, pattern, value, where);
    case ABSENT:
        return value == NULL ? true : mismatch(match, where, "absence", value);
    case TYPE:
        return pattern->is(value) ? true : mismatch(match, where, pattern->name, value);
    case COUNT:
        return json_is_array(value) &&
                       (json_int_t)json_array_size(value) == json_integer_value(pattern->value)
                   ? true
                   : mismatch(match, where, text_printf("an array of %s", shown(pattern->value)),
                              value);
    case LITERAL:
    default:
        return value != NULL && same_value(pattern->value, value)
                   ? true
                   : mismatch(match, where, shown(pattern->value), value);
    }
}

char *pattern_mismatch(struct story *story, const char *pattern, json_t *value, const char **end)
{
    const char *at = pattern;
    struct pattern *tree = parse(story, &at);
    if (end != NULL) {
        *end = at;
    } else if (*at != '\0') {
        story_fail(story, "this is too much after the pattern: %s", at);
    }
    struct match match = {.story = story, .bound = json_object()};
    if (!matches(&match, tree, value, "")) {
        return match.reason;
    }
    json_object_update(story->variables, match.bound);
    return NULL;
}
