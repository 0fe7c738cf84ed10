/* Memory that lives as long as one job: a bump pointer through a chain of blocks.
 *
 *     arena -> newest block -> older block -> ... -> NULL
 *              [used | free]   [full]
 *
 * Each new block is at least twice as large as the one before, so a job that needs much makes few
 * blocks. A reset keeps only the newest, which is the largest: after a few jobs one block holds
 * all that a usual job needs and the heap is left in peace. A block made large by an unusual job
 * is given back instead of being kept for ever.
 *
 * What must hold: everything handed out is aligned for any type, and zeroed where promised. One
 * owner, one thread at a time; there are no locks. */
#include "protocol/arena.h"

#include "protocol/memory.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES_MIN 256
#define BLOCK_BYTES_KEPT ((size_t)1 << 20) /* the largest block that outlives a reset */

struct block {
    struct block *older;
    size_t size; /* of data, in bytes */
    size_t used;
    max_align_t data[];
};

struct arena {
    struct block *newest;
    size_t block_bytes; /* of the first block */
};

static struct block *block_new(size_t bytes, struct block *older)
{
    struct block *block = memory_resize(NULL, sizeof(*block) + bytes);
    block->older = older;
    block->size = bytes;
    block->used = 0;
    return block;
}

static void blocks_free(struct block *block)
{
    while (block != NULL) {
        struct block *older = block->older;
        free(block);
        block = older;
    }
}

struct arena *arena_new(size_t block_bytes)
{
    assert(block_bytes >= BLOCK_BYTES_MIN);
    struct arena *arena = memory_resize(NULL, sizeof(*arena));
    arena->block_bytes = block_bytes;
    arena->newest = block_new(block_bytes, NULL);
    return arena;
}

void arena_free(struct arena *arena)
{
    if (arena == NULL) {
        return;
    }
    blocks_free(arena->newest);
    free(arena);
}

void arena_reset(struct arena *arena)
{
    blocks_free(arena->newest->older);
    arena->newest->older = NULL;
    arena->newest->used = 0;
    if (arena->newest->size > BLOCK_BYTES_KEPT && arena->newest->size > arena->block_bytes) {
        free(arena->newest);
        arena->newest = block_new(arena->block_bytes, NULL);
    }
}

void *arena_bytes(struct arena *arena, size_t bytes)
{
    const size_t alignment = _Alignof(max_align_t);
    assert(bytes <= PTRDIFF_MAX / 4);
    size_t rounded = (bytes + alignment - 1) / alignment * alignment;

    struct block *block = arena->newest;
    if (rounded > block->size - block->used) {
        size_t doubled = block->size * 2;
        block = block_new(rounded > doubled ? rounded : doubled, block);
        arena->newest = block;
    }
    void *memory = (char *)block->data + block->used;
    block->used += rounded;
    return memory;
}

void *arena_alloc(struct arena *arena, size_t bytes)
{
    return memset(arena_bytes(arena, bytes), 0, bytes);
}

void *arena_array(struct arena *arena, size_t count, size_t bytes)
{
    assert(bytes == 0 || count <= SIZE_MAX / bytes);
    return arena_alloc(arena, count * bytes);
}

char *arena_text(struct arena *arena, const char *text, size_t length)
{
    char *copy = arena_bytes(arena, length + 1);
    memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

char *arena_format(struct arena *arena, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    assert(length >= 0);

    char *text = arena_bytes(arena, (size_t)length + 1);
    vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}
