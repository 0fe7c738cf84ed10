/* A ring of hashes of texts, with the time each was told. It grows while its oldest entry is
 * still worth remembering, up to TOLD_MAX; most accounts need a few entries or none.
 *
 * Two texts are held to be the same when 64 bits agree. The texts of one account in two minutes
 * are thousands at most: that two of them meet by chance has odds of 1 to 10^12. */
#include "server/told.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/memory.h"

#define SIZE_MIN 16
#define HASH_START UINT64_C(14695981039346656037)
#define HASH_PRIME UINT64_C(1099511628211)

struct told_frame {
    uint64_t hash;
    int64_t at_ms;
};

static uint64_t hash_of(const struct frame *frame)
{
    const char *text = frame_text(frame);
    size_t length = frame_length(frame);
    uint64_t hash = HASH_START;
    for (size_t i = 0; i < length; i++) {
        hash = (hash ^ (unsigned char)text[i]) * HASH_PRIME;
    }
    return hash;
}

void told_free(struct told *told)
{
    free(told->ring);
    *told = (struct told){.count = 0};
}

static void grow(struct told *told)
{
    size_t size = told->size == 0 ? SIZE_MIN : told->size * 2;
    struct told_frame *ring = memory_resize(NULL, size * sizeof *ring);
    for (size_t i = 0; i < told->count; i++) {
        ring[i] = told->ring[(told->start + i) % told->size];
    }
    free(told->ring);
    told->ring = ring;
    told->size = size;
    told->start = 0;
}

void told_note(struct told *told, const struct frame *frame, int64_t now_ms)
{
    if (told->count == told->size) {
        bool is_old = told->count > 0 && now_ms - told->ring[told->start].at_ms > TOLD_MS;
        if (is_old || told->size >= TOLD_MAX) {
            told->start = (told->start + 1) % told->size;
            told->count--;
        } else {
            grow(told);
        }
    }
    told->ring[(told->start + told->count) % told->size] =
        (struct told_frame){.hash = hash_of(frame), .at_ms = now_ms};
    told->count++;
}

bool told_has(const struct told *told, const struct frame *frame)
{
    if (told->count == 0) {
        return false;
    }
    uint64_t hash = hash_of(frame);
    for (size_t i = told->count; i-- > 0;) {
        if (told->ring[(told->start + i) % told->size].hash == hash) {
            return true;
        }
    }
    return false;
}
