/* Any text, as JSON. We take what another parser takes, and find the same in it. */
#include "fuzz.h"
#include "json_compared.h"

static struct arena *arena;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (arena == NULL) {
        arena = arena_new(65536);
    }
    json_compared(arena, (const char *)data, size);
    return 0;
}
