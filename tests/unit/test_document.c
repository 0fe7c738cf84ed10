/* Parsing: what is JSON and what is not, the bounds on depth and number, and the frames of the
 * live socket. */
#include "protocol/shape.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct fault fault;

/* ---- Documents ---------------------------------------------------------------------------- */

static enum err parse_bytes(const char *text, size_t length)
{
    /* An exact copy on the heap, so that ASan sees a read behind the end. */
    char *copy = malloc(length == 0 ? 1 : length);
    assert_non_null(copy);
    memcpy(copy, text, length);
    memset(&fault, 'x', sizeof(fault));
    struct arena *arena = arena_new(256);
    struct document document;
    enum err err = document_parse(&document, arena, copy, length, &fault);
    if (err == ERR_OK) {
        assert_non_null(document.root);
    } else {
        assert_null(document.root);
        assert_string_equal(fault.field, "");
        assert_int_equal(fault.after_ms, 0);
    }
    arena_free(arena);
    free(copy);
    return err;
}

static enum err parse(const char *text)
{
    return parse_bytes(text, strlen(text));
}

static void an_object_is_parsed_and_nothing_is_an_empty_one(void **state)
{
    (void)state;
    assert_int_equal(parse(""), ERR_OK);
    assert_int_equal(parse("{}"), ERR_OK);
    assert_int_equal(parse(" \r\n\t{\"a\":[1,2.5,\"x\",null,true,{}]} "), ERR_OK);
}

static void other_values_are_no_object(void **state)
{
    (void)state;
    static const char *const texts[] = {"[]", "[{}]", "1", "-1.5", "\"a\"", "null", "true"};
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        assert_int_equal(parse(texts[i]), ERR_NOT_AN_OBJECT);
        assert_string_equal(fault.detail, "");
    }
}

static void what_is_not_json_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        " ",
        "\n",
        "{",
        "}",
        "{]",
        "{}}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{'a':1}",
        "{a:1}",
        "{\"a\":01}",
        "{\"a\":+1}",
        "{} {}",
        "{\"a\":\"",
        "{\"a\":\"\\",
        "{\"a\":\"\\x\"}",
        "{\"a\":NaN}",
        "{\"a\":undefined}",
        "\xEF\xBB\xBF{}",
        "// c\n{}",
        "{\"a\":\"\n\"}",
        "{\"a\":\"\t\"}",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        assert_int_equal(parse(texts[i]), ERR_MALFORMED_JSON);
        assert_string_not_equal(fault.detail, "");
    }
}

static void the_detail_names_line_and_column_and_never_the_input(void **state)
{
    (void)state;
    assert_int_equal(parse("{\n  \"a\": 1,\n    secret\n}"), ERR_MALFORMED_JSON);
    assert_string_equal(fault.detail, "请求内容不是合法的 JSON：第 3 行第 10 列");
    assert_int_equal(parse("\n\n"), ERR_MALFORMED_JSON);
    assert_string_equal(fault.detail, "请求内容不是合法的 JSON：第 3 行第 1 列");
}

static void a_name_given_twice_is_refused(void **state)
{
    (void)state;
    assert_int_equal(parse("{\"a\":1,\"a\":1}"), ERR_MALFORMED_JSON);
    assert_non_null(strstr(fault.detail, "重复"));
    assert_int_equal(parse("{\"a\":1,\"\\u0061\":1}"), ERR_MALFORMED_JSON);
    assert_int_equal(parse("{\"b\":{\"a\":1,\"a\":1}}"), ERR_MALFORMED_JSON);
    assert_int_equal(parse("{\"a\":{\"a\":1},\"b\":{\"a\":1}}"), ERR_OK);
}

static void nul_is_refused_raw_and_escaped(void **state)
{
    (void)state;
    assert_int_equal(parse_bytes("{\"a\":\"\0\"}", 9), ERR_MALFORMED_JSON);
    assert_int_equal(parse_bytes("{}\0", 3), ERR_MALFORMED_JSON);
    assert_int_equal(parse_bytes("\0", 1), ERR_MALFORMED_JSON);
    assert_int_equal(parse_bytes("{\"a\":1\0}", 8), ERR_MALFORMED_JSON);
    assert_int_equal(parse_bytes("{\"a\":true\0}", 11), ERR_MALFORMED_JSON);
    assert_int_equal(parse("{\"a\":\"\\u0000\"}"), ERR_MALFORMED_JSON);
    assert_int_equal(parse("{\"\\u0000\":1}"), ERR_MALFORMED_JSON);
}

static void utf8_must_be_sound(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\x80",             /* a continuation alone */
        "\xC3",             /* cut off */
        "\xC0\xAF",         /* overlong '/' */
        "\xE0\x80\xAF",     /* overlong */
        "\xE4\xBD",         /* cut off */
        "\xED\xA0\x80",     /* a surrogate */
        "\xF4\x90\x80\x80", /* beyond U+10FFFF */
        "\xF8\x88\x80\x80\x80",
        "\xFF",
        "\\ud800",       /* half a pair */
        "\\udc00\\ud800" /* the wrong way round */
    };
    char text[64];
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        snprintf(text, sizeof(text), "{\"a\":\"%s\"}", bad[i]);
        assert_int_equal(parse(text), ERR_MALFORMED_JSON);
        snprintf(text, sizeof(text), "{\"%s\":1}", bad[i]);
        assert_int_equal(parse(text), ERR_MALFORMED_JSON);
    }
    assert_int_equal(parse("{\"a\":\"\xF4\x8F\xBF\xBF\xED\x9F\xBF\\ud83d\\ude00\"}"), ERR_OK);
}

static void numbers_too_large_to_hold_are_refused(void **state)
{
    (void)state;
    assert_int_equal(parse("{\"a\":9223372036854775807}"), ERR_OK);
    assert_int_equal(parse("{\"a\":-9223372036854775808}"), ERR_OK);
    assert_int_equal(parse("{\"a\":9223372036854775808}"), ERR_MALFORMED_JSON);
    assert_non_null(strstr(fault.detail, "过大"));
    assert_int_equal(parse("{\"a\":1e999}"), ERR_MALFORMED_JSON);
}

/* {"a":[[...]]} with `depth` brackets in all. */
static enum err parse_nested(size_t depth, const char *open, const char *close)
{
    char text[4096] = "{\"a\":";
    for (size_t i = 1; i < depth; i++) {
        strcat(text, open);
    }
    strcat(text, depth > 1 && open[0] == '{' ? "1" : "");
    strcat(text, depth == 1 ? "1" : "");
    for (size_t i = 1; i < depth; i++) {
        strcat(text, close);
    }
    strcat(text, "}");
    return parse(text);
}

static void sixteen_levels_are_allowed_and_seventeen_are_not(void **state)
{
    (void)state;
    assert_int_equal(parse_nested(1, "[", "]"), ERR_OK);
    assert_int_equal(parse_nested(16, "[", "]"), ERR_OK);
    assert_int_equal(parse_nested(17, "[", "]"), ERR_TOO_DEEP);
    assert_int_equal(parse_nested(16, "{\"a\":", "}"), ERR_OK);
    assert_int_equal(parse_nested(17, "{\"a\":", "}"), ERR_TOO_DEEP);
    assert_int_equal(parse_nested(300, "[", "]"), ERR_TOO_DEEP);
}

static void a_bomb_of_brackets_is_refused_before_it_is_parsed(void **state)
{
    (void)state;
    char text[65536];
    memset(text, '[', sizeof(text));
    assert_int_equal(parse_bytes(text, sizeof(text)), ERR_TOO_DEEP);
    for (size_t i = 1; i + 2 < sizeof(text); i += 3) {
        memcpy(text + i, "[],", 3);
    }
    assert_int_equal(parse_bytes(text, sizeof(text)), ERR_TOO_DEEP);
    memset(text, '}', sizeof(text));
    assert_int_equal(parse_bytes(text, sizeof(text)), ERR_MALFORMED_JSON);
}

static enum err parse_members(size_t count)
{
    struct strbuf buffer;
    strbuf_init(&buffer, 0);
    for (size_t i = 0; i < count; i++) {
        strbuf_add_format(&buffer, "%c\"%zx\":0", i == 0 ? '{' : ',', i);
    }
    strbuf_add_char(&buffer, '}');
    enum err err = parse_bytes(strbuf_text(&buffer), buffer.length);
    strbuf_free(&buffer);
    return err;
}

static void a_text_may_hold_4096_values(void **state)
{
    (void)state;
    assert_int_equal(parse_members(4096), ERR_OK);
    assert_int_equal(parse_members(4097), ERR_TOO_DEEP);
}

static void brackets_and_commas_in_strings_do_not_count(void **state)
{
    (void)state;
    char text[20000] = "{\"a\":\"";
    for (int i = 0; i < 4200; i++) {
        strcat(text, "[,");
    }
    strcat(text, "\\\"[[[[[[[[[[[[[[[[[[[[[[\\\\\"}");
    assert_int_equal(parse(text), ERR_OK);
    /* After an escaped backslash the string is over: these do count. */
    assert_int_equal(parse("{\"a\":\"\\\\\",\"b\":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}"),
                     ERR_TOO_DEEP);
}

/* ---- Lines -------------------------------------------------------------------------------- */

static void our_json_is_set_out_with_a_line_for_each_member(void **state)
{
    (void)state;
    struct strbuf out;
    strbuf_init(&out, 0);
    document_indent(&out, "{\"a\":[1,{\"b\":\"x,{\\\":[你\\\\\"},[]],\"c\":{},\"d\":[\"\"]}");
    assert_string_equal(strbuf_text(&out),
                        "{\n \"a\": [\n  1,\n  {\n   \"b\": \"x,{\\\":[你\\\\\"\n  },\n  []\n ],\n"
                        " \"c\": {},\n \"d\": [\n  \"\"\n ]\n}\n");
    strbuf_free(&out);
}

/* ---- Frames ------------------------------------------------------------------------------- */

struct frame {
    struct arena *arena;
    struct socket_call call;
};

static int frame_setup(void **state)
{
    static struct frame frame;
    frame.arena = arena_new(256);
    frame.call.data.root = NULL;
    *state = &frame;
    return 0;
}

static int frame_teardown(void **state)
{
    struct frame *frame = *state;
    arena_free(frame->arena);
    return 0;
}

static enum err parse_frame(struct frame *frame, const char *text)
{
    memset(&fault, 'x', sizeof(fault));
    return socket_call_parse(text, strlen(text), frame->arena, &frame->call, &fault);
}

static void a_frame_has_id_call_and_data(void **state)
{
    struct frame *frame = *state;
    assert_int_equal(parse_frame(frame, "{\"id\":5,\"call\":\"ping\",\"data\":{\"id\":1}}"),
                     ERR_OK);
    assert_string_equal(frame->call.id_json, "5");
    assert_string_equal(frame->call.call, "ping");
    assert_non_null(frame->call.data.root);
}

static void a_frame_may_lack_id_and_data(void **state)
{
    struct frame *frame = *state;
    assert_int_equal(parse_frame(frame, "{\"call\":\"ping\"}"), ERR_OK);
    assert_null(frame->call.id_json);
    assert_non_null(frame->call.data.root);
    assert_int_equal(parse_frame(frame, "{\"id\":null,\"call\":\"ping\",\"data\":null}"), ERR_OK);
    assert_null(frame->call.id_json);
    assert_non_null(frame->call.data.root);
}

static void an_id_is_an_integer_or_a_short_string(void **state)
{
    struct frame *frame = *state;
    static const struct {
        const char *sent, *echoed;
    } ids[] = {
        {"0", "0"},
        {"-7", "-7"},
        {"9223372036854775807", "9223372036854775807"},
        {"-9223372036854775808", "-9223372036854775808"},
        {"\"a\"", "\"a\""},
        {"\"\"", "\"\""},
        {"\"\\u0022\\n\\u4f60\"", "\"\\\"\\n你\""},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(ids); i++) {
        char text[128];
        snprintf(text, sizeof(text), "{\"id\":%s,\"call\":\"ping\"}", ids[i].sent);
        assert_int_equal(parse_frame(frame, text), ERR_OK);
        assert_string_equal(frame->call.id_json, ids[i].echoed);
    }
}

static enum err parse_frame_with_long_id(struct frame *frame, int bytes)
{
    char text[256];
    snprintf(text, sizeof(text), "{\"id\":\"%0*d\",\"call\":\"ping\"}", bytes, 0);
    return parse_frame(frame, text);
}

static void an_id_has_at_most_64_bytes(void **state)
{
    struct frame *frame = *state;
    assert_int_equal(parse_frame_with_long_id(frame, 64), ERR_OK);
    assert_int_equal(strlen(frame->call.id_json), 66);
    assert_int_equal(parse_frame_with_long_id(frame, 65), ERR_INVALID_TYPE);
    assert_string_equal(fault.field, "id");
    assert_null(frame->call.id_json);
}

static void other_ids_are_refused(void **state)
{
    struct frame *frame = *state;
    static const char *const ids[] = {"1.5", "1.0", "1e3", "true", "[]", "{}"};
    for (size_t i = 0; i < ARRAY_LENGTH(ids); i++) {
        char text[128];
        snprintf(text, sizeof(text), "{\"id\":%s,\"call\":\"ping\"}", ids[i]);
        assert_int_equal(parse_frame(frame, text), ERR_INVALID_TYPE);
        assert_string_equal(fault.field, "id");
        assert_null(frame->call.id_json);
        assert_null(frame->call.data.root);
    }
}

static void a_frame_must_say_what_it_calls(void **state)
{
    struct frame *frame = *state;
    static const struct {
        const char *text;
        enum err err;
    } frames[] = {
        {"{}", ERR_MISSING_FIELD},
        {"{\"id\":3}", ERR_MISSING_FIELD},
        {"{\"id\":3,\"call\":null}", ERR_MISSING_FIELD},
        {"{\"id\":3,\"call\":\"\"}", ERR_MISSING_FIELD},
        {"{\"id\":3,\"call\":3}", ERR_INVALID_TYPE},
        {"{\"id\":3,\"call\":[\"ping\"]}", ERR_INVALID_TYPE},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(frames); i++) {
        assert_int_equal(parse_frame(frame, frames[i].text), frames[i].err);
        assert_string_equal(fault.field, "call");
        assert_string_equal(fault.detail, "");
        if (i > 0) {
            assert_string_equal(frame->call.id_json, "3");
        }
    }
}

static void data_must_be_an_object(void **state)
{
    struct frame *frame = *state;
    static const char *const values[] = {"[]", "\"{}\"", "\"\"", "1", "false"};
    for (size_t i = 0; i < ARRAY_LENGTH(values); i++) {
        char text[128];
        snprintf(text, sizeof(text), "{\"id\":\"a\",\"call\":\"ping\",\"data\":%s}", values[i]);
        assert_int_equal(parse_frame(frame, text), ERR_INVALID_TYPE);
        assert_string_equal(fault.field, "data");
        assert_string_equal(frame->call.id_json, "\"a\"");
    }
}

static void what_is_no_frame_has_no_id(void **state)
{
    struct frame *frame = *state;
    assert_int_equal(parse_frame(frame, ""), ERR_MALFORMED_JSON);
    assert_int_equal(parse_frame(frame, "{\"id\":1"), ERR_MALFORMED_JSON);
    assert_int_equal(parse_frame(frame, "[1]"), ERR_NOT_AN_OBJECT);
    assert_int_equal(parse_frame(frame, "{\"id\":1,\"id\":2,\"call\":\"ping\"}"),
                     ERR_MALFORMED_JSON);
    assert_int_equal(
        parse_frame(frame,
                    "{\"id\":1,\"call\":\"a\",\"data\":{\"a\":[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]}}"),
        ERR_TOO_DEEP);
    assert_null(frame->call.id_json);
}

#define FRAME_TEST(test) cmocka_unit_test_setup_teardown(test, frame_setup, frame_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_object_is_parsed_and_nothing_is_an_empty_one),
        cmocka_unit_test(other_values_are_no_object),
        cmocka_unit_test(what_is_not_json_is_refused),
        cmocka_unit_test(the_detail_names_line_and_column_and_never_the_input),
        cmocka_unit_test(a_name_given_twice_is_refused),
        cmocka_unit_test(nul_is_refused_raw_and_escaped),
        cmocka_unit_test(utf8_must_be_sound),
        cmocka_unit_test(numbers_too_large_to_hold_are_refused),
        cmocka_unit_test(sixteen_levels_are_allowed_and_seventeen_are_not),
        cmocka_unit_test(a_bomb_of_brackets_is_refused_before_it_is_parsed),
        cmocka_unit_test(a_text_may_hold_4096_values),
        cmocka_unit_test(brackets_and_commas_in_strings_do_not_count),
        cmocka_unit_test(our_json_is_set_out_with_a_line_for_each_member),
        FRAME_TEST(a_frame_has_id_call_and_data),
        FRAME_TEST(a_frame_may_lack_id_and_data),
        FRAME_TEST(an_id_is_an_integer_or_a_short_string),
        FRAME_TEST(an_id_has_at_most_64_bytes),
        FRAME_TEST(other_ids_are_refused),
        FRAME_TEST(a_frame_must_say_what_it_calls),
        FRAME_TEST(data_must_be_an_object),
        FRAME_TEST(what_is_no_frame_has_no_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
