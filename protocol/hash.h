/* Any thread. FNV-1a, 64 bits: for tables, and for telling texts apart; not against somebody who chooses what
 * is hashed. */
#ifndef CONSULTD_PROTOCOL_HASH_H
#define CONSULTD_PROTOCOL_HASH_H

#include <stddef.h>
#include <stdint.h>

#define HASH_START UINT64_C(14695981039346656037)

/* Goes on from `hash`: HASH_START, or what came of the bytes before these. */
static inline uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t length)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < length; i++) {
        hash = (hash ^ at[i]) * UINT64_C(1099511628211);
    }
    return hash;
}

#endif
