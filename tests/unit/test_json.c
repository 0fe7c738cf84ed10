/* JSON to values: what each text becomes, where texts lie, bounds and places; and the same answers
 * as another parser on the fuzz targets' inputs and on thousands of made texts. Wrong texts in
 * general are test_document.c's. */
#include "protocol/json.h"

#include <dirent.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "protocol/strbuf.h"
#include "tests/fuzz/json_compared.h"

static struct arena *arena;
static struct fault fault;

static int setup(void **state)
{
    (void)state;
    arena = arena_new(1024);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static const struct json *parsed(const char *text)
{
    const struct json *value = NULL;
    assert_int_equal(json_parse(arena, text, strlen(text), &value, &fault), ERR_OK);
    return value;
}

static void refused_at(const char *text, int line, int column, const char *what)
{
    const struct json *value = NULL;
    char detail[160];
    snprintf(detail, sizeof detail, "请求内容不是合法的 JSON：第 %d 行第 %d 列%s", line, column,
             what);
    assert_int_equal(json_parse(arena, text, strlen(text), &value, &fault), ERR_MALFORMED_JSON);
    assert_string_equal(fault.detail, detail);
    assert_string_equal(fault.field, "");
    assert_null(value);
}

static void is_text(const struct json *value, const char *expected)
{
    assert_int_equal(value->kind, JSON_KIND_TEXT);
    assert_int_equal(value->length, strlen(expected));
    assert_memory_equal(value->text, expected, value->length);
}

/* ---- Values ------------------------------------------------------------------------------- */

static void each_kind_is_told_from_the_others(void **state)
{
    (void)state;
    assert_int_equal(parsed("null")->kind, JSON_KIND_NULL);
    assert_int_equal(parsed("true")->kind, JSON_KIND_BOOL);
    assert_true(parsed("true")->is_true);
    assert_int_equal(parsed("false")->kind, JSON_KIND_BOOL);
    assert_false(parsed("false")->is_true);
    assert_int_equal(parsed("1")->kind, JSON_KIND_INTEGER);
    assert_int_equal(parsed("1.0")->kind, JSON_KIND_REAL);
    assert_int_equal(parsed("1e0")->kind, JSON_KIND_REAL);
    is_text(parsed("\"1\""), "1");
    assert_int_equal(parsed("[]")->kind, JSON_KIND_ARRAY);
    assert_int_equal(parsed("{}")->kind, JSON_KIND_OBJECT);
}

static void items_and_members_keep_their_order(void **state)
{
    (void)state;
    const struct json *array = parsed(" [ 1 , [ ] , 3 ] ");
    assert_int_equal(array->length, 3);
    assert_int_equal(array->first->integer, 1);
    assert_int_equal(array->first->next->kind, JSON_KIND_ARRAY);
    assert_int_equal(array->first->next->length, 0);
    assert_null(array->first->next->first);
    assert_int_equal(array->first->next->next->integer, 3);
    assert_null(array->first->next->next->next);

    const struct json *object = parsed("{ \"b\" : 1 , \"a\" : { \"b\" : 2 } }");
    assert_int_equal(object->length, 2);
    assert_memory_equal(object->first->name, "b", 1);
    assert_memory_equal(object->first->next->name, "a", 1);
    assert_null(object->first->next->next);
}

static void a_member_is_found_by_its_whole_name(void **state)
{
    (void)state;
    const struct json *object = parsed("{\"\":1,\"ab\":2,\"a\":3,\"abc\":4,\"\\u0062\":5}");
    assert_int_equal(json_member(object, "a")->integer, 3);
    assert_int_equal(json_member(object, "ab")->integer, 2);
    assert_int_equal(json_member(object, "abc")->integer, 4);
    assert_int_equal(json_member(object, "b")->integer, 5);
    assert_null(json_member(object, "abcd"));
    assert_null(json_member(object, "c"));
    assert_null(json_member(parsed("{}"), "a"));
}

static void integers_reach_to_both_ends_of_64_bits(void **state)
{
    (void)state;
    assert_int_equal(parsed("0")->integer, 0);
    assert_int_equal(parsed("-0")->integer, 0);
    assert_true(parsed("9223372036854775807")->integer == INT64_MAX);
    assert_true(parsed("-9223372036854775808")->integer == INT64_MIN);
    refused_at("9223372036854775808", 1, 19, "的数字过大");
    refused_at("[-9223372036854775809]", 1, 21, "的数字过大");
    refused_at("[184467440737095516160]", 1, 22, "的数字过大");
}

static void reals_are_those_of_the_c_library_and_finite(void **state)
{
    (void)state;
    assert_true(parsed("-1.25e-2")->real == -1.25e-2);
    assert_true(parsed("0.1")->real == 0.1);
    assert_true(parsed("1E+2")->real == 100);
    assert_true(parsed("1e-999")->real == 0);
    assert_true(parsed("123456789012345678901234567890.0")->real ==
                123456789012345678901234567890.0);
    refused_at("[1e999]", 1, 6, "的数字过大");
    refused_at("-1e999", 1, 6, "的数字过大");
}

static void a_number_with_anything_missing_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"-",  "1.",  ".5",  "1.e5", "1e",  "1e+", "+1",
                                        "01", "-01", "--1", "0x10", "1_0", "00",  "1.5.5"};
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        const struct json *value;
        assert_int_equal(json_parse(arena, texts[i], strlen(texts[i]), &value, &fault),
                         ERR_MALFORMED_JSON);
    }
}

/* ---- Texts -------------------------------------------------------------------------------- */

static void a_text_without_escapes_lies_in_what_was_sent(void **state)
{
    (void)state;
    const char *text = "[\"你好, this is plain\",\"\"]";
    const struct json *array = parsed(text);
    is_text(array->first, "你好, this is plain");
    assert_ptr_equal(array->first->text, text + 2);
    is_text(array->first->next, "");
}

static void escapes_are_replaced_wherever_they_stand(void **state)
{
    (void)state;
    is_text(parsed("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), "\"\\/\b\f\n\r\t");
    is_text(parsed("\"\\u0041\\u00e9\\u4F60\\ud83D\\uDe00\""), "A\xC3\xA9你\xF0\x9F\x98\x80");
    is_text(parsed("\"\\uFFFF\\ud800\\udc00\\udbff\\udfff\\u0080\\u07ff\\u0800\""),
            "\xEF\xBF\xBF\xF0\x90\x80\x80\xF4\x8F\xBF\xBF\xC2\x80\xDF\xBF\xE0\xA0\x80");
    is_text(parsed("\"before\\nbetween, rather long\\tafter\""),
            "before\nbetween, rather long\tafter");
    is_text(parsed("\"你\\n好\""), "你\n好");
}

/* Texts are walked eight bytes at a time: what is special is seen at each place of each length. */
static void no_place_in_a_text_is_overlooked(void **state)
{
    (void)state;
    static const char *const wrong[] = {"\x1F", "\x01", "\n", "\x80", "\xFF", "\\x", "\""};
    for (size_t length = 0; length < 40; length++) {
        for (size_t at = 0; at <= length; at++) {
            char before[64] = "", text[128], expected[128];
            memset(before, 'a', length);
            snprintf(text, sizeof text, "\"%.*s\\n%s\"", (int)at, before, before + at);
            snprintf(expected, sizeof expected, "%.*s\n%s", (int)at, before, before + at);
            is_text(parsed(text), expected);
            snprintf(text, sizeof text, "\"%.*s\x7F你%s\"", (int)at, before, before + at);
            snprintf(expected, sizeof expected, "%.*s\x7F你%s", (int)at, before, before + at);
            is_text(parsed(text), expected);
            for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
                const struct json *value;
                snprintf(text, sizeof text, "\"%.*s%s%s\"", (int)at, before, wrong[i], before + at);
                assert_int_equal(json_parse(arena, text, strlen(text), &value, &fault),
                                 ERR_MALFORMED_JSON);
            }
        }
        arena_reset(arena);
    }
}

/* ---- Bounds ------------------------------------------------------------------------------- */

static enum err parse_repeated(const char *before, const char *piece, size_t count,
                               const char *after)
{
    struct strbuf text;
    strbuf_init(&text, 0);
    strbuf_add_text(&text, before);
    for (size_t i = 0; i < count; i++) {
        strbuf_add_text(&text, piece);
    }
    strbuf_add_text(&text, after);
    const struct json *value;
    enum err err = json_parse(arena, strbuf_text(&text), text.length, &value, &fault);
    strbuf_free(&text);
    return err;
}

static void an_opening_bracket_and_a_comma_count_as_a_value_each(void **state)
{
    (void)state;
    assert_int_equal(parse_repeated("[0", ",0", JSON_VALUES_MAX - 1, "]"), ERR_OK);
    assert_int_equal(parse_repeated("[0", ",0", JSON_VALUES_MAX, "]"), ERR_TOO_DEEP);
    assert_int_equal(parse_repeated("[[]", ",[]", JSON_VALUES_MAX / 2 - 1, "]"), ERR_OK);
    assert_int_equal(parse_repeated("[[],0", ",[]", JSON_VALUES_MAX / 2 - 1, "]"), ERR_TOO_DEEP);
    assert_string_equal(fault.field, "");
}

static void depth_is_counted_down_again(void **state)
{
    (void)state;
    assert_int_equal(parse_repeated("[[[[0]]],", "{\"a\":[[]]},", 500, "0]"), ERR_OK);
    assert_int_equal(parse_repeated("", "[", JSON_DEPTH_MAX + 1, ""), ERR_TOO_DEEP);
    assert_string_equal(fault.detail, "");
    assert_int_equal(parse_repeated("", "[", JSON_DEPTH_MAX, ""), ERR_MALFORMED_JSON);
}

static void what_comes_first_decides_what_a_text_is_refused_for(void **state)
{
    (void)state;
    assert_int_equal(parse_repeated("[}", "[", 100, ""), ERR_MALFORMED_JSON);
    assert_int_equal(parse_repeated("", "[", 100, "}"), ERR_TOO_DEEP);
}

/* ---- Names given twice -------------------------------------------------------------------- */

/* An object of `count` members "m0000", "m0001" and so on; the last one's name is `last`. */
static char *object_of(size_t count, const char *last)
{
    struct strbuf text;
    strbuf_init(&text, 0);
    strbuf_add_char(&text, '{');
    for (size_t i = 0; i + 1 < count; i++) {
        strbuf_add_format(&text, "\"m%04zu\":0,", i);
    }
    strbuf_add_format(&text, "\"%s\":0}", last);
    return strbuf_take(&text);
}

static void a_name_given_twice_is_found_in_objects_of_any_size(void **state)
{
    (void)state;
    static const size_t counts[] = {2, 3, 15, 16, 17, 18, 100, 4096};
    for (size_t i = 0; i < ARRAY_LENGTH(counts); i++) {
        const int end = (int)(counts[i] - 1) * 10 + 8;
        char *text = object_of(counts[i], "other");
        assert_int_equal(parsed(text)->length, counts[i]);
        free(text);
        text = object_of(counts[i], "m0000");
        refused_at(text, 1, end, "的字段名重复");
        free(text);
        text = object_of(counts[i], "m\\u003000\\u0030");
        refused_at(text, 1, end + 10, "的字段名重复");
        free(text);
        arena_reset(arena);
    }
}

static void of_several_names_given_twice_the_first_is_blamed(void **state)
{
    (void)state;
    refused_at("{\"a\":1,\"b\":1,\n\"b\":1,\n\"a\":1}", 2, 3, "的字段名重复");
    refused_at("{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"i\":1,\"j\":1,"
               "\"k\":1,\"l\":1,\"m\":1,\"n\":1,\"o\":1,\"p\":1,\n\"b\":1,\n\"a\":1}",
               2, 3, "的字段名重复");
}

/* ---- Places ------------------------------------------------------------------------------- */

static void a_fault_names_the_byte_that_cannot_be_right(void **state)
{
    (void)state;
    const struct json *value;
    assert_int_equal(json_parse(arena, NULL, 0, &value, &fault), ERR_MALFORMED_JSON);
    refused_at("", 1, 1, "");
    refused_at("  ", 1, 2, "");
    refused_at("{\"a\":1", 1, 6, "");
    refused_at("{'a':1}", 1, 2, "");
    refused_at("[1,]", 1, 4, "");
    refused_at("{\"a\":1,}", 1, 8, "");
    refused_at("[nulL]", 1, 5, "");
    refused_at("{} x", 1, 4, "");
    refused_at("[\"你好\",\r\n\t\"你\" 1]", 2, 6, "");
    refused_at("[\"a\\x\"]", 1, 5, "");
    refused_at("[\"a\nb\"]", 1, 4, "");
    refused_at("[\"你\xC0\"]", 1, 4, "");
}

/* ---- Beside another parser ---------------------------------------------------------------- */

/* Both parsers' word on an exact copy, so that ASan sees a read behind the end. */
static bool compared(const char *text, size_t length)
{
    char *copy = malloc(length == 0 ? 1 : length);
    assert_non_null(copy);
    memcpy(copy, text, length);
    bool is_good = json_compared(arena, copy, length);
    free(copy);
    return is_good;
}

static void every_sequence_of_bytes_is_utf8_or_not_for_both(void **state)
{
    (void)state;
    static const unsigned char thirds[] = {'a', 0x7F, 0x80, 0x9F, 0xBF, 0xC0, 0xFF};
    for (unsigned first = 0; first < 256; first++) {
        for (unsigned second = 0; second < 256; second++) {
            char two[] = {'"', (char)first, (char)second, '"'};
            compared(two, sizeof two);
            for (size_t i = 0; i < ARRAY_LENGTH(thirds) && first >= 0xC0; i++) {
                char three[] = {'"', (char)first, (char)second, (char)thirds[i], '"'};
                char four[] = {'"', (char)first, (char)second, (char)thirds[i], (char)0x80, '"'};
                compared(three, sizeof three);
                compared(four, sizeof four);
            }
        }
    }
}

static void every_unit_of_an_escape_is_good_or_not_for_both(void **state)
{
    (void)state;
    for (unsigned unit = 0; unit < 0x10000; unit++) {
        char text[64];
        compared(text, (size_t)snprintf(text, sizeof text, "\"\\u%04x\"", unit));
        if (unit % 16 == 0) {
            compared(text, (size_t)snprintf(text, sizeof text, "\"\\u%04X\\uDC00\"", unit));
            compared(text, (size_t)snprintf(text, sizeof text, "\"\\ud8ff\\u%04x\"", unit));
        }
    }
}

static uint64_t state_of_chance = 20180610;

static unsigned chance(unsigned below)
{
    state_of_chance = state_of_chance * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (unsigned)(state_of_chance >> 33) % below;
}

static const char *const pieces[] = {
    "null",
    "true",
    "false",
    "0",
    "-0",
    "-7",
    "12.50",
    "1e3",
    "-1E-2",
    "1e999",
    "9223372036854775807",
    "9223372036854775808",
    "\"\"",
    "\"a\"",
    "\"你好\"",
    "\"\\n\"",
    "\"\\u4f60\"",
    "\"\\ud83d\\ude00\"",
    "\"\\ud83d\"",
    "[]",
    "{}",
    "[1,2]",
    "{\"a\":1}",
    " ",
    "\t\r\n",
    ",",
    ":",
    "\"",
    "\\",
    "[",
    "]",
    "{",
    "}",
    "-",
    ".",
    "e",
    "\xE4\xBD",
    "\xF0\x9F\x98\x80",
    "\"a long text without anything special in it\"",
    "\\u0000",
    "\x1F",
    "\x7F",
};

static void add_piece(struct strbuf *out)
{
    strbuf_add_text(out, pieces[chance(ARRAY_LENGTH(pieces))]);
}

/* A text that is JSON but for its pieces. */
static void add_made(struct strbuf *out, unsigned depth)
{
    unsigned kind = chance(depth > 4 ? 1 : 3);
    if (kind == 0) {
        strbuf_add_text(out, pieces[chance(18)]);
        return;
    }
    unsigned count = chance(chance(40) == 0 ? 30 : 5);
    strbuf_add_char(out, kind == 1 ? '[' : '{');
    for (unsigned i = 0; i < count; i++) {
        strbuf_add_text(out, i > 0 ? "," : chance(4) == 0 ? " " : "");
        if (kind == 2) {
            strbuf_add_format(out, chance(8) == 0 ? "\"\\u0061%u\":" : "\"a%u\":", chance(60));
        }
        add_made(out, depth + 1);
    }
    strbuf_add_char(out, kind == 1 ? ']' : '}');
}

/* Puts a piece, or nothing, in place of a few bytes of the text. */
static void mutate(struct strbuf *text)
{
    struct strbuf changed;
    strbuf_init(&changed, 0);
    size_t at = chance((unsigned)text->length + 1);
    size_t gone = chance(4);
    gone = gone > text->length - at ? text->length - at : gone;
    strbuf_add(&changed, strbuf_text(text), at);
    if (chance(3) > 0) {
        add_piece(&changed);
    }
    strbuf_add(&changed, strbuf_text(text) + at + gone, text->length - at - gone);
    strbuf_free(text);
    *text = changed;
}

static void made_and_mutated_texts_are_the_same_to_both(void **state)
{
    (void)state;
    unsigned good = 0, bad = 0;
    for (unsigned i = 0; i < 20000; i++) {
        struct strbuf text;
        strbuf_init(&text, 0);
        add_made(&text, 0);
        for (unsigned changes = chance(4); changes > 0; changes--) {
            mutate(&text);
        }
        if (compared(strbuf_text(&text), text.length)) {
            good++;
        } else {
            bad++;
        }
        strbuf_free(&text);
    }
    assert_in_range(good, 3000, 17000);
    assert_in_range(bad, 3000, 17000);
}

/* Whole, cut off after each byte, and from each byte on. */
static unsigned compare_file(const char *folder, const char *name)
{
    char path[1024], bytes[8192];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t length = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    for (size_t i = 0; i <= length; i++) {
        compared(bytes, i);
        compared(bytes + i, length - i);
    }
    return 1;
}

static void the_fuzz_targets_inputs_are_the_same_to_both(void **state)
{
    (void)state;
    static const char *const folders[] = {"json", "frame", "request", "token"};
    for (size_t i = 0; i < ARRAY_LENGTH(folders); i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/tests/fuzz/corpus/%s", CONSULTD_SOURCE_DIR, folders[i]);
        DIR *folder = opendir(path);
        assert_non_null(folder);
        unsigned count = 0;
        struct dirent *entry;
        while ((entry = readdir(folder)) != NULL) {
            count += entry->d_name[0] != '.' ? compare_file(path, entry->d_name) : 0;
        }
        closedir(folder);
        assert_in_range(count, 5, 1000);
    }
}

#define JSON_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        JSON_TEST(each_kind_is_told_from_the_others),
        JSON_TEST(items_and_members_keep_their_order),
        JSON_TEST(a_member_is_found_by_its_whole_name),
        JSON_TEST(integers_reach_to_both_ends_of_64_bits),
        JSON_TEST(reals_are_those_of_the_c_library_and_finite),
        JSON_TEST(a_number_with_anything_missing_is_refused),
        JSON_TEST(a_text_without_escapes_lies_in_what_was_sent),
        JSON_TEST(escapes_are_replaced_wherever_they_stand),
        JSON_TEST(no_place_in_a_text_is_overlooked),
        JSON_TEST(an_opening_bracket_and_a_comma_count_as_a_value_each),
        JSON_TEST(depth_is_counted_down_again),
        JSON_TEST(what_comes_first_decides_what_a_text_is_refused_for),
        JSON_TEST(a_name_given_twice_is_found_in_objects_of_any_size),
        JSON_TEST(of_several_names_given_twice_the_first_is_blamed),
        JSON_TEST(a_fault_names_the_byte_that_cannot_be_right),
        JSON_TEST(every_sequence_of_bytes_is_utf8_or_not_for_both),
        JSON_TEST(every_unit_of_an_escape_is_good_or_not_for_both),
        JSON_TEST(made_and_mutated_texts_are_the_same_to_both),
        JSON_TEST(the_fuzz_targets_inputs_are_the_same_to_both),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
