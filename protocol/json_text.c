/* Texts within JSON. They are walked eight bytes at a time while they are plain ASCII; a text
 * without escapes is not copied at all. Half of a pair of \u escapes is no character, and
 * U+0000 is refused, because further on all texts end with it. */
#include "protocol/json_text.h"

#include "protocol/eight.h"

#include <string.h>

static bool is_within(unsigned char byte, unsigned char low, unsigned char high)
{
    return byte >= low && byte <= high;
}

/* The length of the UTF-8 sequence of several bytes at `text`, 0 if it is none (Unicode, table
 * 3-7: only the second byte's range depends on the first). */
static size_t sequence_length(const unsigned char *text, size_t left)
{
    unsigned char first = text[0];
    size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4 || left < length) {
        return 0;
    }
    unsigned char low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    unsigned char high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    bool is_sound = is_within(text[1], low, high) &&
                    (length < 3 || is_within(text[2], 0x80, 0xBF)) &&
                    (length < 4 || is_within(text[3], 0x80, 0xBF));
    return is_sound ? length : 0;
}

static bool are_eight_plain(const char *text)
{
    uint64_t bytes = eight_load(text);
    return ((bytes | eight_below_blank(bytes) | eight_equal(bytes, '"') |
             eight_equal(bytes, '\\')) &
            EIGHT_TOPS) == 0;
}

static bool is_plain(char byte)
{
    return (unsigned char)byte >= 0x20 && (unsigned char)byte < 0x80 && byte != '"' && byte != '\\';
}

/* Moves over plain bytes; stops at any other, or at the end. */
static const char *pass_plain(const char *at, const char *end)
{
    while (end - at >= 8 && are_eight_plain(at)) {
        at += 8;
    }
    while (at < end && is_plain(*at)) {
        at++;
    }
    return at;
}

/* Moves to the quote or backslash that ends a run of characters. False at anything else. */
static bool pass_run(const char **at, const char *end)
{
    const char *byte = pass_plain(*at, end);
    while (byte < end && (unsigned char)*byte >= 0x80) {
        size_t length = sequence_length((const unsigned char *)byte, (size_t)(end - byte));
        byte += length;
        if (length == 0) {
            break;
        }
        if (byte < end && is_plain(*byte)) {
            byte = pass_plain(byte, end);
        }
    }
    *at = byte;
    return byte < end && (*byte == '"' || *byte == '\\');
}

/* The value of a hex digit in either case, or 16. */
static unsigned hex_value(char digit)
{
    if (digit >= '0' && digit <= '9') {
        return (unsigned)(digit - '0');
    }
    char lower = digit | 0x20;
    return lower >= 'a' && lower <= 'f' ? (unsigned)(lower - 'a') + 10 : 16;
}

/* Takes \uXXXX; moves nowhere if it is none. */
static bool take_unit(const char **at, const char *end, unsigned *out)
{
    const char *text = *at;
    if (end - text < 6 || text[0] != '\\' || text[1] != 'u') {
        return false;
    }
    unsigned unit = 0;
    for (int i = 2; i < 6; i++) {
        unsigned value = hex_value(text[i]);
        if (value > 15) {
            return false;
        }
        unit = unit * 16 + value;
    }
    *at += 6;
    *out = unit;
    return true;
}

static char *put_character(char *out, unsigned code)
{
    if (code < 0x80) {
        *out++ = (char)code;
        return out;
    }
    if (code < 0x800) {
        *out++ = (char)(0xC0 | code >> 6);
    } else if (code < 0x10000) {
        *out++ = (char)(0xE0 | code >> 12);
        *out++ = (char)(0x80 | (code >> 6 & 0x3F));
    } else {
        *out++ = (char)(0xF0 | code >> 18);
        *out++ = (char)(0x80 | (code >> 12 & 0x3F));
        *out++ = (char)(0x80 | (code >> 6 & 0x3F));
    }
    *out++ = (char)(0x80 | (code & 0x3F));
    return out;
}

/* A character by its number; those beyond U+FFFF are a pair of units. */
static bool take_coded(const char **at, const char *end, char **out)
{
    unsigned code, low;
    if (!take_unit(at, end, &code) || code == 0 || (code >= 0xDC00 && code <= 0xDFFF)) {
        return false;
    }
    if (code >= 0xD800 && code <= 0xDBFF) {
        if (!take_unit(at, end, &low) || low < 0xDC00 || low > 0xDFFF) {
            return false;
        }
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    *out = put_character(*out, code);
    return true;
}

/* Takes what a backslash begins. Writes fewer bytes than it takes. */
static bool take_escape(const char **at, const char *end, char **out)
{
    static const char meanings[128] = {['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
                                       ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t'};
    unsigned char letter = end - *at > 1 ? (unsigned char)(*at)[1] : 0;
    if (letter == 'u') {
        return take_coded(at, end, out);
    }
    ++*at;
    if (letter >= sizeof(meanings) || meanings[letter] == '\0') {
        return false;
    }
    ++*at;
    *(*out)++ = meanings[letter];
    return true;
}

/* How many bytes lie between `at` and the closing quote, or the end. */
static size_t bytes_left(const char *at, const char *end)
{
    const char *byte = at;
    while (byte < end && *byte != '"') {
        byte += *byte == '\\' && end - byte > 1 ? 2 : 1;
    }
    return (size_t)(byte - at);
}

/* Copies a text without its escapes. `*at` is the first one's backslash. */
static bool unescape(const char **at, const char *end, struct arena *arena, const char **text,
                     uint32_t *length)
{
    size_t run = (size_t)(*at - *text);
    char *copy = arena_bytes(arena, run + bytes_left(*at, end));
    char *out = copy;
    const char *start = *text;
    while (true) {
        memcpy(out, start, run);
        out += run;
        if (**at == '"') {
            break;
        }
        if (!take_escape(at, end, &out)) {
            return false;
        }
        start = *at;
        if (!pass_run(at, end)) {
            return false;
        }
        run = (size_t)(*at - start);
    }
    *text = copy;
    *length = (uint32_t)(out - copy);
    return true;
}

bool json_text_take(const char **at, const char *end, struct arena *arena, const char **text,
                    uint32_t *length)
{
    *text = ++*at;
    if (!pass_run(at, end)) {
        return false;
    }
    *length = (uint32_t)(*at - *text);
    if (**at == '\\' && !unescape(at, end, arena, text, length)) {
        return false;
    }
    ++*at;
    return true;
}
