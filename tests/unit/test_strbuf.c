/* The growing text: adding, the room in front, numbers, and every escape of JSON. */
#include "protocol/strbuf.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void assert_json(const char *text, const char *json)
{
    struct strbuf buffer;
    strbuf_init(&buffer, 0);
    strbuf_add_json(&buffer, text);
    assert_string_equal(strbuf_text(&buffer), json);
    assert_int_equal(buffer.length, strlen(json));
    strbuf_free(&buffer);
}

static void an_empty_text_is_a_text(void **state)
{
    (void)state;
    struct strbuf buffer;
    strbuf_init(&buffer, 16);
    assert_string_equal(strbuf_text(&buffer), "");
    assert_null(buffer.memory);
    assert_null(strbuf_take(&buffer));
    strbuf_clear(&buffer);
    strbuf_free(&buffer);
    strbuf_add(&buffer, "", 0);
    assert_string_equal(strbuf_text(&buffer), "");
    strbuf_free(&buffer);
}

static void a_text_grows_byte_by_byte_over_every_size(void **state)
{
    (void)state;
    struct strbuf buffer;
    strbuf_init(&buffer, 3);
    for (size_t i = 0; i < 5000; i++) {
        strbuf_add_char(&buffer, (char)('a' + i % 26));
        assert_int_equal(buffer.length, i + 1);
        assert_int_equal(strbuf_text(&buffer)[i + 1], '\0');
    }
    for (size_t i = 0; i < 5000; i++) {
        assert_int_equal(strbuf_text(&buffer)[i], 'a' + i % 26);
    }
    strbuf_free(&buffer);
}

static void room_in_front_is_kept_and_handed_over(void **state)
{
    (void)state;
    struct strbuf buffer;
    strbuf_init(&buffer, 16);
    strbuf_add_text(&buffer, "text");
    memset(buffer.memory, 'H', 16);
    for (int i = 0; i < 1000; i++) {
        strbuf_add_literal(&buffer, "more");
    }
    char *memory = strbuf_take(&buffer);
    assert_null(buffer.memory);
    assert_int_equal(buffer.room, 16);
    assert_memory_equal(memory, "HHHHHHHHHHHHHHHHtextmore", 24);
    assert_int_equal(strlen(memory + 16), 4 + 4 * 1000);
    free(memory);
    strbuf_add_text(&buffer, "again");
    assert_string_equal(strbuf_text(&buffer), "again");
    strbuf_free(&buffer);
}

static void clearing_forgets_the_text_and_keeps_the_memory(void **state)
{
    (void)state;
    struct strbuf buffer;
    strbuf_init(&buffer, 0);
    strbuf_add_text(&buffer, "text");
    char *memory = buffer.memory;
    strbuf_clear(&buffer);
    assert_string_equal(strbuf_text(&buffer), "");
    assert_ptr_equal(buffer.memory, memory);
    strbuf_free(&buffer);
}

static void numbers_are_written_like_printf_does(void **state)
{
    (void)state;
    static const int64_t numbers[] = {0,   1,         -1,        9,         10,        -10,      99,
                                      100, 123456789, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < ARRAY_LENGTH(numbers); i++) {
        struct strbuf buffer;
        strbuf_init(&buffer, 0);
        strbuf_add_number(&buffer, numbers[i]);
        char expected[32];
        snprintf(expected, sizeof(expected), "%lld", (long long)numbers[i]);
        assert_string_equal(strbuf_text(&buffer), expected);
        strbuf_free(&buffer);
    }
}

static void format_grows_the_text_as_needed(void **state)
{
    (void)state;
    struct strbuf buffer;
    strbuf_init(&buffer, 8);
    strbuf_add_format(&buffer, "%s=%d;", "a", 1);
    strbuf_add_format(&buffer, "%03000d", 7);
    assert_int_equal(buffer.length, 4 + 3000);
    assert_memory_equal(strbuf_text(&buffer), "a=1;000", 7);
    strbuf_free(&buffer);
}

static void json_escapes_what_json_must_and_nothing_else(void **state)
{
    (void)state;
    assert_json("", "\"\"");
    assert_json("plain", "\"plain\"");
    assert_json("\"", "\"\\\"\"");
    assert_json("\\", "\"\\\\\"");
    assert_json("a/b", "\"a/b\"");
    assert_json("\b\t\n\f\r", "\"\\b\\t\\n\\f\\r\"");
    assert_json("\x01\x0b\x1f", "\"\\u0001\\u000b\\u001f\"");
    assert_json("\x20\x7f", "\"\x20\x7f\"");
    assert_json("您好😀é", "\"您好😀é\"");
}

static void json_finds_a_special_byte_at_every_place(void **state)
{
    (void)state;
    static const char specials[] = {'"', '\\', '\n', '\x1f'};
    static const char *const escapes[] = {"\\\"", "\\\\", "\\n", "\\u001f"};
    for (size_t length = 1; length <= 40; length++) {
        for (size_t at = 0; at < length; at++) {
            for (size_t special = 0; special < ARRAY_LENGTH(specials); special++) {
                char text[64] = "";
                memset(text, '!', length);
                text[at] = specials[special];
                char json[160];
                snprintf(json, sizeof(json), "\"%.*s%s%s\"", (int)at, text, escapes[special],
                         text + at + 1);
                assert_json(text, json);
            }
        }
    }
}

static void json_leaves_every_other_byte_alone_at_every_place(void **state)
{
    (void)state;
    for (int byte = 0x20; byte < 0x100; byte++) {
        if (byte == '"' || byte == '\\') {
            continue;
        }
        for (size_t at = 0; at < 17; at++) {
            char text[18] = "";
            memset(text, 'a', 17);
            text[at] = (char)byte;
            char json[32];
            snprintf(json, sizeof(json), "\"%s\"", text);
            assert_json(text, json);
        }
    }
}

static void json_of_nothing_but_escapes_fits(void **state)
{
    (void)state;
    char text[3001] = "";
    memset(text, 1, 3000);
    struct strbuf buffer;
    strbuf_init(&buffer, 16);
    strbuf_add_json(&buffer, text);
    assert_int_equal(buffer.length, 2 + 6 * 3000);
    assert_int_equal(strlen(strbuf_text(&buffer)), buffer.length);
    strbuf_free(&buffer);
}

static void reserved_bytes_can_be_written_in_place(void **state)
{
    (void)state;
    struct strbuf buffer;
    strbuf_init(&buffer, 5);
    strbuf_add_text(&buffer, "a");
    for (size_t bytes = 1; bytes < 2000; bytes *= 3) {
        char *end = strbuf_reserve(&buffer, bytes);
        memset(end, 'b', bytes);
        end[bytes] = '\0';
        buffer.length += bytes;
    }
    assert_int_equal(strlen(strbuf_text(&buffer)), buffer.length);
    strbuf_free(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_text_is_a_text),
        cmocka_unit_test(a_text_grows_byte_by_byte_over_every_size),
        cmocka_unit_test(room_in_front_is_kept_and_handed_over),
        cmocka_unit_test(clearing_forgets_the_text_and_keeps_the_memory),
        cmocka_unit_test(numbers_are_written_like_printf_does),
        cmocka_unit_test(format_grows_the_text_as_needed),
        cmocka_unit_test(json_escapes_what_json_must_and_nothing_else),
        cmocka_unit_test(json_finds_a_special_byte_at_every_place),
        cmocka_unit_test(json_leaves_every_other_byte_alone_at_every_place),
        cmocka_unit_test(json_of_nothing_but_escapes_fits),
        cmocka_unit_test(reserved_bytes_can_be_written_in_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
