/* The API documents: what is served is what was reviewed (tests/golden), and the tables that only
 * they read say nothing about what does not exist. */
#include <jansson.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "protocol/example.h"
#include "server/asyncapi.h"
#include "server/openapi.h"
#include "server/refusals.h"

/* The whole file; caller frees. */
static char *read_golden(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/tests/golden/%s", CONSULTD_SOURCE_DIR, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long length = ftell(file);
    rewind(file);
    char *text = calloc(1, (size_t)length + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, (size_t)length, file), (size_t)length);
    fclose(file);
    return text;
}

static void assert_is_golden(const char *name, void (*write)(struct strbuf *out))
{
    struct strbuf written;
    strbuf_init(&written, 0);
    write(&written);
    char *golden = read_golden(name);
    const char *text = strbuf_text(&written);
    size_t same = 0;
    while (text[same] != '\0' && text[same] == golden[same]) {
        same++;
    }
    if (text[same] != golden[same]) {
        fail_msg("the API has changed: `make golden`, and review tests/golden/%s at: %.200s", name,
                 text + same);
    }
    free(golden);
    strbuf_free(&written);
}

static void what_is_served_was_reviewed(void **state)
{
    (void)state;
    assert_is_golden("openapi.json", openapi_write);
    assert_is_golden("asyncapi.json", asyncapi_write);
}

static void every_request_example_binds(void **state)
{
    (void)state;
    size_t count;
    const struct route *all = routes(&count);
    for (size_t i = 0; i < count; i++) {
        struct strbuf example;
        strbuf_init(&example, 0);
        example_write(&example, all[i].in, true, 0);
        struct document document;
        struct fault fault = {.field = ""};
        struct arena *arena = arena_new(1024);
        assert_int_equal(
            document_parse(&document, arena, strbuf_text(&example), example.length, &fault),
            ERR_OK);
        void *in = arena_alloc(arena, all[i].in->size);
        enum err err = document_bind(&document, all[i].in, arena, in, &fault);
        if (err != ERR_OK) {
            fail_msg("%s: the example's %s is %s", all[i].path, fault.field,
                     error_row(err)->reason);
        }
        arena_free(arena);
        strbuf_free(&example);
    }
}

static void assert_has_examples(const struct shape *shape, unsigned hidden)
{
    for (size_t i = 0; i < shape->count; i++) {
        const struct field *field = &shape->fields[i];
        if ((field->flags & hidden) != 0) {
            continue;
        }
        if (!example_exists(shape, field)) {
            fail_msg("protocol/examples.def has no example for %s.%s", shape->name, field->name);
        }
        if (field->sub != NULL) {
            assert_has_examples(field->sub, hidden);
        }
    }
}

static void every_field_has_an_example(void **state)
{
    (void)state;
    size_t count;
    const struct route *all = routes(&count);
    for (size_t i = 0; i < count; i++) {
        assert_has_examples(all[i].in, SECRET | VIEW);
        assert_has_examples(all[i].reply.shape, SECRET);
    }
    for (int event = 0; event < EVENT_COUNT; event++) {
        assert_has_examples(event_row((enum event)event)->shape, SECRET);
    }
}

static void notes_and_refusals_are_of_endpoints_that_exist(void **state)
{
    (void)state;
    static const char *const names[] = {
#define REFUSAL(route, reason) #route,
#include "server/refusals.def"
#undef REFUSAL
#define NOTE(route, text) #route,
#include "server/notes.def"
#undef NOTE
    };
    size_t count;
    const struct route *all = routes(&count);
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        size_t at = 0;
        while (at < count && strcmp(all[at].name, names[i]) != 0) {
            at++;
        }
        bool is_of_socket = strcmp(names[i], "connect") == 0 || strcmp(names[i], "typing") == 0;
        if (at == count && !is_of_socket) {
            fail_msg("refusals.def or notes.def: there is no endpoint %s", names[i]);
        }
    }
}

static const struct route *route_of(const char *path)
{
    const struct route *route = route_find(path, strlen(path));
    assert_non_null(route);
    return route;
}

static void refusals_follow_from_rows_access_and_table(void **state)
{
    (void)state;
    const struct route *send = route_of("/api/consultation/chat/message/create");
    assert_true(route_may_refuse(send, ERR_EXACTLY_ONE_CONTENT));
    assert_true(route_may_refuse(send, ERR_TOKEN_EXPIRED));
    assert_true(route_may_refuse(send, ERR_REPLY_QUOTA_EXCEEDED));
    assert_true(route_may_refuse(send, ERR_INVALID_URL));
    assert_false(route_may_refuse(send, ERR_INVALID_PHONE));
    assert_false(route_may_refuse(send, ERR_TOO_MANY_ATTEMPTS));
    const struct route *signup = route_of("/api/user/signup");
    assert_false(route_may_refuse(signup, ERR_NOT_SIGNED_IN));
    assert_false(route_may_refuse(signup, ERR_INVALID_ID));
    assert_true(route_may_refuse(signup, ERR_INVALID_PHONE));
    assert_true(route_may_refuse(signup, ERR_STORE));
    const struct route *departments = route_of("/api/department/list");
    assert_false(route_may_refuse(departments, ERR_MISSING_FIELD));
    assert_true(route_may_refuse(departments, ERR_MALFORMED_JSON));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_served_was_reviewed),
        cmocka_unit_test(every_request_example_binds),
        cmocka_unit_test(every_field_has_an_example),
        cmocka_unit_test(notes_and_refusals_are_of_endpoints_that_exist),
        cmocka_unit_test(refusals_follow_from_rows_access_and_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
