/* The body of a request: parsed and bound to an endpoint's struct. The first line is the
 * path, the rest is the body.
 *
 * What was bound is written as JSON and bound again: that must succeed and come out the same, so
 * whatever a handler stores of a request can also be read back by its rules. What was refused
 * names a place, in whole characters. */
#include <assert.h>
#include <jansson.h>
#include <string.h>

#include "fuzz.h"
#include "server/route.h"

static struct arena *arena;

static bool is_utf8(const char *text)
{
    json_t *string = json_string(text);
    bool is_sound = string != NULL;
    json_decref(string);
    return is_sound;
}

static enum err bind(const struct shape *shape, const char *text, size_t length, void *record)
{
    struct fault fault = {.field = ""};
    struct document document;
    enum err err = document_parse(&document, arena, text, length, &fault);
    if (err == ERR_OK) {
        err = document_bind(&document, shape, arena, record, &fault);
    }
    assert(err == ERR_OK || error_row(err)->status < 500);
    assert(is_utf8(fault.field) && is_utf8(fault.detail));
    return err;
}

static const char *path_of(size_t row)
{
    size_t count;
    return routes(&count)[row].path;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (arena == NULL) {
        arena = arena_new(65536);
    }
    size_t count;
    const struct route *all = routes(&count);
    const struct shape *shape = all[fuzz_pick(&data, &size, count, path_of)].in;
    void *record = arena_alloc(arena, shape->size);
    if (bind(shape, (const char *)data, size, record) == ERR_OK) {
        struct strbuf once, twice;
        strbuf_init(&once, 0);
        strbuf_init(&twice, 0);
        shape_write(&once, shape, record, 0);
        assert(bind(shape, strbuf_text(&once), once.length, record) == ERR_OK);
        shape_write(&twice, shape, record, 0);
        assert(strcmp(strbuf_text(&once), strbuf_text(&twice)) == 0);
        strbuf_free(&once);
        strbuf_free(&twice);
    }
    arena_reset(arena);
    return 0;
}
