/* A growing text. Sizes double, so that adding is constant time in the long run.
 *
 * What must hold once memory is there: room + length < size, and the byte behind the text is NUL.
 * The memory has one owner, the strbuf, until strbuf_take hands it over; one thread at a time.
 *
 * strbuf_add_json is where a busy server spends its writing time: it looks at eight bytes at
 * once, because nearly all texts (Chinese ones too) hold nothing that JSON wants escaped. */
#include "protocol/strbuf.h"

#include "protocol/eight.h"
#include "protocol/memory.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BYTES 512
#define ESCAPE_BYTES_MAX 6 /* \u001f */

void strbuf_init(struct strbuf *buffer, size_t room)
{
    *buffer = (struct strbuf){.memory = NULL, .room = room};
}

void strbuf_free(struct strbuf *buffer)
{
    free(buffer->memory);
    strbuf_init(buffer, buffer->room);
}

void strbuf_clear(struct strbuf *buffer)
{
    buffer->length = 0;
    if (buffer->memory != NULL) {
        buffer->memory[buffer->room] = '\0';
    }
}

const char *strbuf_text(const struct strbuf *buffer)
{
    return buffer->memory == NULL ? "" : buffer->memory + buffer->room;
}

char *strbuf_take(struct strbuf *buffer)
{
    char *memory = buffer->memory;
    strbuf_init(buffer, buffer->room);
    return memory;
}

void strbuf_grow(struct strbuf *buffer, size_t bytes)
{
    assert(bytes <= PTRDIFF_MAX / 4 && buffer->size <= PTRDIFF_MAX / 4);
    size_t needed = buffer->room + buffer->length + bytes + 1;
    size_t size = buffer->size == 0 ? buffer->room + FIRST_BYTES : buffer->size * 2;
    buffer->size = size < needed ? needed : size;
    buffer->memory = memory_resize(buffer->memory, buffer->size);
}

void strbuf_add(struct strbuf *buffer, const char *text, size_t length)
{
    char *end = strbuf_reserve(buffer, length);
    memcpy(end, text, length);
    end[length] = '\0';
    buffer->length += length;
}

void strbuf_add_text(struct strbuf *buffer, const char *text)
{
    strbuf_add(buffer, text, strlen(text));
}

void strbuf_add_char(struct strbuf *buffer, char character)
{
    char *end = strbuf_reserve(buffer, 1);
    end[0] = character;
    end[1] = '\0';
    buffer->length++;
}

size_t number_format(int64_t number, char text[NUMBER_TEXT_BYTES])
{
    char digits[NUMBER_TEXT_BYTES];
    char *first = digits + sizeof(digits) - 1;
    *first = '\0';
    /* Unsigned, because the lowest number has no positive twin. */
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    do {
        *--first = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (number < 0) {
        *--first = '-';
    }
    size_t length = (size_t)(digits + sizeof(digits) - 1 - first);
    memcpy(text, first, length + 1);
    return length;
}

void strbuf_add_number(struct strbuf *buffer, int64_t number)
{
    char *end = strbuf_reserve(buffer, NUMBER_TEXT_BYTES - 1);
    buffer->length += number_format(number, end);
}

void strbuf_add_format(struct strbuf *buffer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    assert(length >= 0);

    char *end = strbuf_reserve(buffer, (size_t)length);
    vsnprintf(end, (size_t)length + 1, format, again);
    va_end(again);
    buffer->length += (size_t)length;
}

static bool any_of_eight_is_special(const char *text)
{
    uint64_t bytes = eight_load(text);
    return ((eight_below_blank(bytes) | eight_equal(bytes, '"') | eight_equal(bytes, '\\')) &
            EIGHT_TOPS) != 0;
}

static bool is_special(char character)
{
    return (unsigned char)character < 0x20 || character == '"' || character == '\\';
}

/* How many bytes from `text` on can be copied as they are. */
static size_t plain_run(const char *text, size_t length)
{
    size_t run = 0;
    while (length - run >= 8 && !any_of_eight_is_special(text + run)) {
        run += 8;
    }
    while (run < length && !is_special(text[run])) {
        run++;
    }
    return run;
}

/* Writes the escape of a special character to `out`; returns its length. */
static size_t escape(char character, char out[ESCAPE_BYTES_MAX])
{
    static const char hex[] = "0123456789abcdef";
    static const char letters[0x20] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    unsigned char code = (unsigned char)character;

    out[0] = '\\';
    if (code >= 0x20) {
        out[1] = character;
        return 2;
    }
    if (letters[code] != '\0') {
        out[1] = letters[code];
        return 2;
    }
    memcpy(out + 1, "u00", 3);
    out[4] = hex[code >> 4];
    out[5] = hex[code & 15];
    return 6;
}

void strbuf_add_json(struct strbuf *buffer, const char *text)
{
    size_t left = strlen(text);
    char *end = strbuf_reserve(buffer, left + 2);
    char *start = end;
    *end++ = '"';
    for (;;) {
        size_t run = plain_run(text, left);
        memcpy(end, text, run);
        end += run;
        text += run;
        left -= run;
        if (left == 0) {
            break;
        }
        buffer->length += (size_t)(end - start);
        end = strbuf_reserve(buffer, ESCAPE_BYTES_MAX + left);
        start = end;
        end += escape(*text, end);
        text++;
        left--;
    }
    *end++ = '"';
    *end = '\0';
    buffer->length += (size_t)(end - start);
}
