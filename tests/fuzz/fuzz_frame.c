/* A frame of the live socket, as it arrives. Whatever it was, the answer that goes out, with the
 * client's own id in it, is sound JSON. */
#include <assert.h>
#include <jansson.h>
#include <string.h>

#include "fuzz.h"
#include "protocol/envelope.h"
#include "protocol/json.h"

static struct arena *arena;

static void check_answer(enum err err, const struct fault *fault, const char *id_json)
{
    struct strbuf answer;
    strbuf_init(&answer, 0);
    envelope_failure(&answer, err, fault, id_json);
    json_error_t why;
    json_t *root = json_loadb(strbuf_text(&answer), answer.length, JSON_REJECT_DUPLICATES, &why);
    assert(root != NULL && (json_object_get(root, "id") != NULL) == (id_json != NULL));
    json_decref(root);
    strbuf_free(&answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (arena == NULL) {
        arena = arena_new(65536);
    }
    struct socket_call call;
    struct fault fault = {.field = ""};
    enum err err = socket_call_parse((const char *)data, size, arena, &call, &fault);
    if (err == ERR_OK) {
        assert(call.call != NULL && call.call[0] != '\0' &&
               call.data.root->kind == JSON_KIND_OBJECT);
        check_answer(ERR_NOT_FOUND, NULL, call.id_json);
    } else {
        assert(error_row(err)->status < 500);
        check_answer(err, &fault, call.id_json);
    }
    arena_reset(arena);
    return 0;
}
