/* Any thread, one at a time. Memory that lives as long as one job.
 *
 * A job allocates freely and nobody frees: the arena is reset when the job is over. Blocks are
 * kept over resets, so that a busy worker allocates nothing in the steady state. */
#ifndef CONSULTD_PROTOCOL_ARENA_H
#define CONSULTD_PROTOCOL_ARENA_H

#include "protocol/base.h"

struct arena;

/* Makes an arena whose first block has `block_bytes` (at least 256). Caller owns; free with
 * arena_free. Never NULL: running out of memory ends the program, here and below, because a
 * server that cannot get a few KiB cannot answer either. */
struct arena *arena_new(size_t block_bytes);

/* Frees the arena and all that was allocated from it. NULL is allowed. */
void arena_free(struct arena *arena);

/* Forgets all allocations; keeps up to one block of memory for the next job. */
void arena_reset(struct arena *arena);

/* Returns `bytes` zeroed bytes, aligned for any type; valid until the arena resets. */
void *arena_alloc(struct arena *arena, size_t bytes);

/* The same, not zeroed: for whoever writes all of it. */
void *arena_bytes(struct arena *arena, size_t bytes);

/* Zeroed memory for `count` items of `bytes` each; asserts that the product fits. */
void *arena_array(struct arena *arena, size_t count, size_t bytes);

/* Copies `length` bytes of `text` and adds a NUL; valid until the arena resets. */
char *arena_text(struct arena *arena, const char *text, size_t length);

/* printf into the arena; valid until the arena resets. */
char *arena_format(struct arena *arena, const char *format, ...) PRINTF_LIKE(2, 3);

#define ARENA_NEW(arena, type) ((type *)arena_alloc((arena), sizeof(type)))

#endif
