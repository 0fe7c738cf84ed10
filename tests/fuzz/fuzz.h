/* What every fuzz target gives: one function that takes any bytes. It must neither crash, leak nor
 * fail an assertion, and asserts itself what must hold of what came out. libFuzzer (make fuzz) or
 * replay.c (make test) calls it. */
#ifndef CONSULTD_TESTS_FUZZ_FUZZ_H
#define CONSULTD_TESTS_FUZZ_FUZZ_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Always 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The input as a text, a NUL behind it. Caller frees. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    assert(text != NULL);
    if (size > 0) {
        memcpy(text, data, size);
    }
    text[size] = '\0';
    return text;
}

/* An input whose first line picks one of a table's rows by its name, so that the corpus stays good
 * when the table grows. A line that is no name picks some row all the same. Moves *data and *size
 * behind the line. */
static inline size_t fuzz_pick(const uint8_t **data, size_t *size, size_t count,
                               const char *(*name_of)(size_t row))
{
    const uint8_t *end = *size > 0 ? memchr(*data, '\n', *size) : NULL;
    size_t length = end != NULL ? (size_t)(end - *data) : 0;
    size_t sum = 0, picked = SIZE_MAX;
    for (size_t i = 0; i < length; i++) {
        sum += (*data)[i];
    }
    for (size_t row = 0; row < count; row++) {
        if (strlen(name_of(row)) == length && memcmp(name_of(row), *data, length) == 0) {
            picked = row;
        }
    }
    *data += end != NULL ? length + 1 : 0;
    *size -= end != NULL ? length + 1 : 0;
    return picked != SIZE_MAX ? picked : sum % count;
}

#endif
