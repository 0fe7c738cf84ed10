/* Any thread, one at a time. A growing text, the target of every writer.
 *
 * `room` bytes are kept free in front of the text, so that the loop can hand the very same
 * memory to the network library, which wants to write a header there. */
#ifndef CONSULTD_PROTOCOL_STRBUF_H
#define CONSULTD_PROTOCOL_STRBUF_H

#include "protocol/base.h"

#define NUMBER_TEXT_BYTES 21 /* -9223372036854775808 and the NUL */

struct strbuf {
    char *memory;  /* owned; the text starts at memory + room; NULL before the first write */
    size_t room;   /* bytes kept free in front */
    size_t length; /* of the text, without the NUL that always follows it */
    size_t size;   /* of memory */
};

/* An empty text with `room` bytes kept in front. Nothing is allocated yet. */
void strbuf_init(struct strbuf *buffer, size_t room);

/* Frees the memory; the strbuf is empty again. */
void strbuf_free(struct strbuf *buffer);

/* Keeps the memory, forgets the text. */
void strbuf_clear(struct strbuf *buffer);

/* The text, NUL-terminated; "" when empty. Valid until the next write. */
const char *strbuf_text(const struct strbuf *buffer);

/* Hands over memory (the text at +room, NUL-terminated) and leaves the strbuf empty. Caller
 * owns, free() it. NULL when nothing was ever written. */
char *strbuf_take(struct strbuf *buffer);

/* Makes memory for `bytes` more. */
void strbuf_grow(struct strbuf *buffer, size_t bytes);

/* Makes room for `bytes` more and returns where they go; the caller writes there, ends with a NUL
 * at the new end, and adds what it wrote to buffer->length. For writers that format in place. */
static inline char *strbuf_reserve(struct strbuf *buffer, size_t bytes)
{
    if (buffer->memory == NULL || bytes >= buffer->size - buffer->room - buffer->length) {
        strbuf_grow(buffer, bytes);
    }
    return buffer->memory + buffer->room + buffer->length;
}

void strbuf_add(struct strbuf *buffer, const char *text, size_t length);
void strbuf_add_text(struct strbuf *buffer, const char *text);
void strbuf_add_char(struct strbuf *buffer, char character);
void strbuf_add_number(struct strbuf *buffer, int64_t number);
void strbuf_add_format(struct strbuf *buffer, const char *format, ...) PRINTF_LIKE(2, 3);

/* Writes `number` and a NUL; returns its length. */
size_t number_format(int64_t number, char text[NUMBER_TEXT_BYTES]);

/* Adds `text` (valid UTF-8) as a JSON string with its quotes. */
void strbuf_add_json(struct strbuf *buffer, const char *text);

/* The literal without its NUL: strbuf_add_literal(b, "{\"code\":"). */
#define strbuf_add_literal(buffer, literal) strbuf_add((buffer), "" literal, sizeof(literal) - 1)

#endif
