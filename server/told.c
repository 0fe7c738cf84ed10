/* A ring of hashes, with the time each was told: of the texts of frames, and of the ids of retracted
 * messages, which are read off the text where protocol/envelope.c has put them. It grows while its
 * oldest entry is still worth remembering, up to TOLD_MAX; most accounts need a few entries or none.
 *
 * Each message that is told asks for its retraction: without one that is known nothing is searched.
 *
 * Two texts are held to be the same when 63 bits agree. The texts of one account in two minutes
 * are thousands at most: that two of them meet by chance has odds of 1 to 10^12. */
#include "server/told.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/envelope.h"
#include "protocol/id.h"
#include "protocol/hash.h"
#include "protocol/memory.h"

#define SIZE_MIN 16
#define IS_RETRACTION UINT64_C(1)

struct told_frame {
    uint64_t hash; /* its last bit: IS_RETRACTION, or nothing */
    int64_t at_ms;
};

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

static uint64_t hash_of_text(const struct frame *frame)
{
    return hash_bytes(HASH_START, frame_text(frame), frame_length(frame)) & ~IS_RETRACTION;
}

/* The hash of the message's id, if the frame is such an event of a message:
 *     {"event":"message.created","cursor":"…","data":{"id":"0123456789abcdef01234567",… */
static bool hash_of_message(const struct frame *frame, enum event event, uint64_t *hash)
{
    static const char start[] = "{\"event\":\"", data[] = "\"data\":{\"id\":\"";
    const char *name = event_row(event)->wire;
    const char *text = frame_text(frame);
    size_t length = strlen(name);
    if (strncmp(text, start, sizeof start - 1) != 0 ||
        strncmp(text + sizeof start - 1, name, length) != 0 ||
        text[sizeof start - 1 + length] != '"') {
        return false;
    }
    const char *id = strstr(text, data);
    if (id == NULL || strlen(id) < sizeof data - 1 + OID_TEXT_BYTES - 1) {
        return false;
    }
    *hash = hash_bytes(HASH_START, id + sizeof data - 1, OID_TEXT_BYTES - 1) | IS_RETRACTION;
    return true;
}

static void note(struct told *told, uint64_t hash, int64_t now_ms)
{
    if (told->count == told->size) {
        bool is_old = told->count > 0 && now_ms - told->ring[told->start].at_ms > TOLD_MS;
        if (is_old || told->size >= TOLD_MAX) {
            told->retractions -= told->ring[told->start].hash & IS_RETRACTION;
            told->start = (told->start + 1) % told->size;
            told->count--;
        } else {
            grow(told);
        }
    }
    told->ring[(told->start + told->count) % told->size] =
        (struct told_frame){.hash = hash, .at_ms = now_ms};
    told->retractions += hash & IS_RETRACTION;
    told->count++;
}

void told_note(struct told *told, const struct frame *frame, int64_t now_ms)
{
    note(told, hash_of_text(frame), now_ms);
    told_note_retraction(told, frame, now_ms);
}

void told_note_retraction(struct told *told, const struct frame *frame, int64_t now_ms)
{
    uint64_t hash;
    if (hash_of_message(frame, EVENT_MESSAGE_RETRACTED, &hash)) {
        note(told, hash, now_ms);
    }
}

static bool has(const struct told *told, uint64_t hash)
{
    for (size_t i = told->count; i-- > 0;) {
        if (told->ring[(told->start + i) % told->size].hash == hash) {
            return true;
        }
    }
    return false;
}

bool told_has(const struct told *told, const struct frame *frame)
{
    return told->count > 0 && has(told, hash_of_text(frame));
}

bool told_is_taken_back(const struct told *told, const struct frame *frame)
{
    uint64_t hash;
    return told->retractions > 0 && hash_of_message(frame, EVENT_MESSAGE_CREATED, &hash) &&
           has(told, hash);
}
