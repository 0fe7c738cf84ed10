/* Any thread. Looking at eight bytes of a text at once, for whoever walks texts that are nearly
 * always plain. For each question: subtracting borrows into a byte's top bit exactly when the
 * lowest such byte is there, so the answer is right for the eight, though not for which of them. */
#ifndef CONSULTD_PROTOCOL_EIGHT_H
#define CONSULTD_PROTOCOL_EIGHT_H

#include "protocol/base.h"

#include <string.h>

#define EIGHT_ONES UINT64_C(0x0101010101010101)
#define EIGHT_TOPS (EIGHT_ONES << 7)

static inline uint64_t eight_load(const char *text)
{
    uint64_t bytes;
    memcpy(&bytes, text, sizeof(bytes));
    return bytes;
}

/* Each answers with a bit of EIGHT_TOPS if there is such a byte (other bits mean nothing). */

static inline uint64_t eight_below_blank(uint64_t bytes)
{
    return (bytes - EIGHT_ONES * 0x20) & ~bytes;
}

static inline uint64_t eight_equal(uint64_t bytes, unsigned char byte)
{
    uint64_t same = bytes ^ (EIGHT_ONES * byte);
    return (same - EIGHT_ONES) & ~same;
}

#endif
