/* Strings, variables and substitution for the transcript runner.
 *
 * A story's texts hold references in braces. An opening brace that is not followed by one of the
 * forms below is left as it is, so JSON needs no escaping:
 *
 *   {name} {name+1} {name-1}   a variable, or a number variable moved by a constant
 *   {2001 x 字}                 the text so many times
 *   {idno 11000019900307001}   17 digits and the check digit of GB 11643
 *   {b64url name}              the variable's text in base64url, for hand-made tokens
 *   {hmac key text}            HMAC-SHA256 of the variable text with the variable key, in hex
 *
 * Nothing is freed here: a story is a short process (talk.h). */
#include "talk.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void text_add(struct text *text, const char *bytes, size_t length)
{
    if (text->length + length + 1 > text->room) {
        text->room = (text->length + length + 1) * 2;
        text->bytes = realloc(text->bytes, text->room);
        if (text->bytes == NULL) {
            abort();
        }
    }
    if (length > 0) {
        memcpy(text->bytes + text->length, bytes, length);
    }
    text->length += length;
    text->bytes[text->length] = '\0';
}

static void text_addv(struct text *text, const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    char *formatted = malloc((size_t)length + 1);
    if (length < 0 || formatted == NULL) {
        abort();
    }
    vsnprintf(formatted, (size_t)length + 1, format, arguments);
    text_add(text, formatted, (size_t)length);
    free(formatted);
}

void text_addf(struct text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    text_addv(text, format, arguments);
    va_end(arguments);
}

char *text_copy(const char *bytes, size_t length)
{
    struct text text = {0};
    text_add(&text, bytes, length);
    return text.bytes;
}

char *text_printf(const char *format, ...)
{
    struct text text = {0};
    va_list arguments;
    va_start(arguments, format);
    text_addv(&text, format, arguments);
    va_end(arguments);
    return text.bytes;
}

const char *skip_blanks(const char *at)
{
    while (isspace((unsigned char)*at)) {
        at++;
    }
    return at;
}

char *take_word(const char **at)
{
    const char *start = skip_blanks(*at);
    const char *end = start;
    while (*end != '\0' && !isspace((unsigned char)*end)) {
        end++;
    }
    *at = skip_blanks(end);
    return text_copy(start, (size_t)(end - start));
}

bool take_if(const char **at, const char *word)
{
    const char *rest = *at;
    if (strcmp(take_word(&rest), word) != 0) {
        return false;
    }
    *at = rest;
    return true;
}

static void add_code_point(struct text *text, unsigned code)
{
    char utf8[3];
    if (code < 0x80) {
        utf8[0] = (char)code;
        text_add(text, utf8, 1);
    } else if (code < 0x800) {
        utf8[0] = (char)(0xc0 | code >> 6);
        utf8[1] = (char)(0x80 | (code & 0x3f));
        text_add(text, utf8, 2);
    } else {
        utf8[0] = (char)(0xe0 | code >> 12);
        utf8[1] = (char)(0x80 | (code >> 6 & 0x3f));
        utf8[2] = (char)(0x80 | (code & 0x3f));
        text_add(text, utf8, 3);
    }
}

/* Undoes one escape at `at` (just after the backslash); returns where it ends. */
static const char *add_unescaped(struct text *text, const char *at)
{
    static const char names[] = "nrt0\"\\";
    static const char values[] = "\n\r\t\0\"\\";
    const char *known = *at == '\0' ? NULL : strchr(names, *at);
    if (known != NULL) {
        text_add(text, &values[known - names], 1);
        return at + 1;
    }
    size_t digits = *at == 'x' ? 2 : 4;
    char hex[5] = "";
    memcpy(hex, at + 1, strnlen(at + 1, digits));
    unsigned code = (unsigned)strtoul(hex, NULL, 16);
    if (*at == 'x') {
        char byte = (char)code;
        text_add(text, &byte, 1);
    } else {
        add_code_point(text, code);
    }
    return at + 1 + strlen(hex);
}

char *take_quoted(struct story *story, const char **at, size_t *length)
{
    const char *from = skip_blanks(*at);
    if (*from != '"') {
        story_fail(story, "a \"quoted string\" is wanted here: %s", from);
    }
    struct text text = {0};
    text_add(&text, "", 0);
    for (from++; *from != '"';) {
        const char *end = NULL;
        json_t *value = *from == '{' ? take_reference(story, from, &end) : NULL;
        if (*from == '\0') {
            story_fail(story, "a quoted string does not end");
        } else if (value != NULL) {
            char *plain = json_is_string(value)
                              ? text_copy(json_string_value(value), json_string_length(value))
                              : json_dumps(value, JSON_ENCODE_ANY);
            text_add(&text, plain, strlen(plain));
            from = end;
        } else if (*from == '\\') {
            from = add_unescaped(&text, from + 1);
        } else {
            text_add(&text, from++, 1);
        }
    }
    *at = skip_blanks(from + 1);
    if (length != NULL) {
        *length = text.length;
    }
    return text.bytes;
}

json_t *variable(struct story *story, const char *name)
{
    json_t *value = json_object_get(story->variables, name);
    if (value == NULL) {
        story_fail(story, "there is no variable {%s} here", name);
    }
    return value;
}

/* The 17 digits and their check digit of GB 11643. */
static json_t *identity_number(struct story *story, const char *digits)
{
    static const int weights[17] = {7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2};
    if (strlen(digits) != 17) {
        story_fail(story, "{idno …} wants 17 digits");
    }
    int sum = 0;
    for (int i = 0; i < 17; i++) {
        sum += (digits[i] - '0') * weights[i];
    }
    return json_string(text_printf("%s%c", digits, "10X98765432"[sum % 11]));
}

static json_t *base64url(struct story *story, const char *name)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    json_t *value = variable(story, name);
    const unsigned char *bytes = (const unsigned char *)json_string_value(value);
    size_t length = json_string_length(value);
    struct text text = {0};
    text_add(&text, "", 0);
    for (size_t i = 0; i < length; i += 3) {
        size_t left = length - i < 3 ? length - i : 3;
        unsigned group = (unsigned)bytes[i] << 16;
        group |= left > 1 ? (unsigned)bytes[i + 1] << 8 : 0;
        group |= left > 2 ? bytes[i + 2] : 0;
        for (size_t digit = 0; digit < left + 1; digit++) {
            text_add(&text, &alphabet[group >> (18 - 6 * digit) & 63], 1);
        }
    }
    return json_string(text.bytes);
}

static json_t *repeated(const char *inner)
{
    char *after = NULL;
    long times = strtol(inner, &after, 10);
    struct text text = {0};
    text_add(&text, "", 0);
    for (long i = 0; i < times; i++) {
        text_add(&text, after + 3, strlen(after + 3));
    }
    return json_string(text.bytes);
}

/* {name}, {name+1}, {name-1}; NULL if `inner` is not of that form. */
static json_t *named(struct story *story, const char *inner)
{
    size_t length = 0;
    if (!isalpha((unsigned char)*inner)) {
        return NULL;
    }
    while (isalnum((unsigned char)inner[length]) || strchr("_.", inner[length]) != NULL) {
        if (inner[length] == '\0') {
            return json_incref(variable(story, inner));
        }
        length++;
    }
    if (inner[length] != '+' && inner[length] != '-') {
        return NULL;
    }
    char *after = NULL;
    long long moved = strtoll(inner + length, &after, 10);
    if (*after != '\0') {
        return NULL;
    }
    json_t *value = variable(story, text_copy(inner, length));
    return json_integer(json_integer_value(value) + moved);
}

static json_t *signature(struct story *story, const char *names)
{
    size_t length = strcspn(names, " ");
    if (names[length] == '\0') {
        story_fail(story, "{hmac …} wants two variables: key and text");
    }
    json_t *key = variable(story, text_copy(names, length));
    json_t *signed_text = variable(story, names + length + 1);
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned count = 0;
    HMAC(EVP_sha256(), json_string_value(key), (int)json_string_length(key),
         (const unsigned char *)json_string_value(signed_text), json_string_length(signed_text),
         bytes, &count);
    char hex[2 * EVP_MAX_MD_SIZE + 1] = "";
    for (unsigned i = 0; i < count; i++) {
        snprintf(hex + 2 * i, 3, "%02x", (unsigned)bytes[i]);
    }
    return json_string(hex);
}

json_t *take_reference(struct story *story, const char *at, const char **end)
{
    const char *close = strchr(at, '}');
    if (close == NULL || !isalnum((unsigned char)at[1])) {
        return NULL;
    }
    char *inner = text_copy(at + 1, (size_t)(close - at - 1));
    *end = close + 1;
    size_t digits = strspn(inner, "0123456789");
    if (digits > 0) {
        return strncmp(inner + digits, " x ", 3) == 0 ? repeated(inner) : NULL;
    }
    if (strncmp(inner, "idno ", 5) == 0) {
        return identity_number(story, inner + 5);
    }
    if (strncmp(inner, "b64url ", 7) == 0) {
        return base64url(story, inner + 7);
    }
    if (strncmp(inner, "hmac ", 5) == 0) {
        return signature(story, inner + 5);
    }
    return named(story, inner);
}

static char *expand(struct story *story, const char *at, bool as_json)
{
    struct text text = {0};
    bool in_string = false;
    text_add(&text, "", 0);
    while (*at != '\0') {
        const char *end = NULL;
        json_t *value = *at == '{' ? take_reference(story, at, &end) : NULL;
        if (value != NULL) {
            bool bare = json_is_string(value) && (in_string || !as_json);
            char *dumped = json_dumps(value, JSON_ENCODE_ANY);
            if (bare && !as_json) {
                text_add(&text, json_string_value(value), json_string_length(value));
            } else if (bare) {
                text_add(&text, dumped + 1, strlen(dumped) - 2);
            } else {
                text_add(&text, dumped, strlen(dumped));
            }
            at = end;
            continue;
        }
        if (as_json && in_string && *at == '\\' && at[1] != '\0') {
            text_add(&text, at++, 1);
        } else if (as_json && *at == '"') {
            in_string = !in_string;
        }
        text_add(&text, at++, 1);
    }
    return text.bytes;
}

char *expand_json(struct story *story, const char *json)
{
    return expand(story, json, true);
}

char *expand_plain(struct story *story, const char *plain)
{
    return expand(story, plain, false);
}
