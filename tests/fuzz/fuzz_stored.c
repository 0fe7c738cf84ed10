/* A document as a database may hold it, written by another program or another version. The first
 * line is the collection, the rest is BSON. What can be read as a record is written and read
 * again, and is the same. */
#include <assert.h>
#include <string.h>

#include "fuzz.h"
#include "storage/shape_bson.h"

static struct arena *arena;

static void write_again(const struct shape *shape, const void *record, struct strbuf *out)
{
    bson_t document = BSON_INITIALIZER;
    shape_bson_write(&document, shape, record);
    void *again = arena_alloc(arena, shape->size);
    assert(shape_bson_read(&document, shape, arena, again, NULL));
    bson_destroy(&document);
    shape_write(out, shape, again, 0);
}

static const char *name_of(size_t row)
{
    return collection_row((enum collection)row)->name;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const size_t row = fuzz_pick(&data, &size, COLLECTION_COUNT, name_of);
    bson_t document;
    if (!bson_init_static(&document, data, size) ||
        !bson_validate(&document, BSON_VALIDATE_NONE, NULL)) {
        return 0;
    }
    if (arena == NULL) {
        arena = arena_new(65536);
    }
    const struct shape *shape = collection_row((enum collection)row)->shape;
    void *record = arena_alloc(arena, shape->size);
    if (shape_bson_read(&document, shape, arena, record, NULL)) {
        struct strbuf once, twice;
        strbuf_init(&once, 0);
        strbuf_init(&twice, 0);
        shape_write(&once, shape, record, 0);
        write_again(shape, record, &twice);
        assert(strcmp(strbuf_text(&once), strbuf_text(&twice)) == 0);
        strbuf_free(&once);
        strbuf_free(&twice);
    }
    arena_reset(arena);
    return 0;
}
