/* Binding JSON to structs: every rule of contract 1 about values, at both sides of each limit.
 *
 * Most tests use the `sample` shape below, which has one field per rule. */
#include "protocol/requests.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

struct answer {
    struct oid question_id;
    int64_t score;
};

struct sample {
    struct oid id;
    const char *name;
    const char *note;
    const char *choice;
    const char *url;
    const char *key;
    const char *digits, *date;
    int64_t phone, strict, loose, any;
    bool flag;
    struct text_list tags, images;
    struct oid_list friends;
    struct object_list answers;
    const struct answer *best;
    int64_t secret, view;
};

static const struct field answer_fields[] = {
    FIELD(answer, question_id, "questionId", REQUIRED, 0, 0, "-"),
    FIELD(answer, score, "score", LOOSE, 1, 5, "-"),
};
static const struct shape answer_shape = SHAPE(answer, answer_fields);

static const struct field sample_fields[] = {
    FIELD(sample, id, "id", 0, 0, 0, "-"),
    FIELD(sample, name, "name", 0, 2, 4, "-"),
    FIELD(sample, note, "note", MULTILINE, 0, 0, "-"),
    FIELD_CHOICE(sample, choice, "choice", 0, "01|02|user->doctor", "-"),
    FIELD_FORMAT(sample, url, "url", 0, FORMAT_URL, 30, "-"),
    FIELD_FORMAT(sample, key, "key", 0, FORMAT_VISIBLE, 8, "-"),
    FIELD_FORMAT(sample, digits, "digits", 0, FORMAT_DIGITS, 8, "-"),
    FIELD_FORMAT(sample, date, "date", 0, FORMAT_DATE, 10, "-"),
    FIELD_FORMAT(sample, phone, "phone", LOOSE, FORMAT_PHONE, 0, "-"),
    FIELD(sample, strict, "strict", 0, 0, 100, "-"),
    FIELD(sample, loose, "loose", LOOSE, -5, 5, "-"),
    FIELD(sample, any, "any", LOOSE, 0, 0, "-"),
    FIELD(sample, flag, "flag", 0, 0, 0, "-"),
    FIELD_LIST(sample, tags, "tags", 0, FORMAT_NONE, 3, 4, "-"),
    FIELD_LIST(sample, images, "images", LOOSE, FORMAT_URL, 3, 30, "-"),
    FIELD_LIST(sample, friends, "friends", LOOSE, FORMAT_NONE, 2, 0, "-"),
    FIELD_OBJECTS(sample, answers, "answers", LOOSE, answer_shape, 2, "-"),
    FIELD_OBJECT(sample, best, "best", 0, answer_shape, "-"),
    FIELD(sample, secret, "secret", SECRET, 0, 0, "-"),
    FIELD(sample, view, "view", VIEW, 0, 0, "-"),
};
static const struct shape sample_shape = SHAPE(sample, sample_fields);

#define ID "0123456789abcdef01234567"

static struct arena *arena;
static struct sample sample;
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

static enum err bind_to(const struct shape *shape, const char *json, void *record)
{
    struct document document;
    assert_int_equal(document_parse(&document, arena, json, strlen(json), &fault), ERR_OK);
    memset(record, 0x55, shape->size);
    memset(&fault, 'x', sizeof(fault));
    return document_bind(&document, shape, arena, record, &fault);
}

/* Binds {"<field>":<value>} to `sample`. */
static enum err bind(const char *field, const char *value)
{
    char json[16384];
    int length = snprintf(json, sizeof(json), "{\"%s\":%s}", field, value);
    assert_in_range(length, 1, sizeof(json) - 1);
    return bind_to(&sample_shape, json, &sample);
}

static void refuses(const char *field, const char *value, enum err err, const char *blamed)
{
    assert_int_equal(bind(field, value), err);
    assert_string_equal(fault.field, blamed);
    assert_string_equal(fault.detail, "");
    assert_int_equal(fault.after_ms, 0);
}

static void nothing_sent_leaves_everything_absent(void **state)
{
    (void)state;
    assert_int_equal(bind("unknown", "[{\"id\":1}]"), ERR_OK);
    for (size_t i = 0; i < sample_shape.count; i++) {
        if (sample_fields[i].kind != KIND_BOOL) {
            assert_true(field_is_absent(&sample_fields[i], &sample));
        }
    }
    assert_false(sample.flag);
    assert_int_equal(sample.strict, NUMBER_ABSENT);
}

static void null_and_blank_count_as_absent_for_every_kind(void **state)
{
    (void)state;
    static const char *const nothings[] = {"null", "\"\"", "\" \\t\\r\\n\"",
                                           "\"\xE3\x80\x80\xC2\xA0\""};
    for (size_t i = 0; i < sample_shape.count; i++) {
        for (size_t j = 0; j < ARRAY_LENGTH(nothings); j++) {
            assert_int_equal(bind(sample_fields[i].name, nothings[j]), ERR_OK);
            assert_true(sample_fields[i].kind == KIND_BOOL ||
                        field_is_absent(&sample_fields[i], &sample));
        }
    }
}

static void null_and_blank_are_missing_where_required(void **state)
{
    (void)state;
    struct by_id by_id;
    static const char *const bodies[] = {"{}", "{\"id\":null}", "{\"id\":\"\"}", "{\"id\":\" \"}"};
    for (size_t i = 0; i < ARRAY_LENGTH(bodies); i++) {
        assert_int_equal(bind_to(&by_id_shape, bodies[i], &by_id), ERR_MISSING_FIELD);
        assert_string_equal(fault.field, "id");
        assert_string_equal(fault.detail, "");
    }
    assert_int_equal(bind_to(&by_id_shape, "{\"id\":\"" ID "\"}", &by_id), ERR_OK);
}

static void rows_that_are_not_the_clients_are_not_bound(void **state)
{
    (void)state;
    assert_int_equal(bind("secret", "7"), ERR_OK);
    assert_int_equal(sample.secret, NUMBER_ABSENT);
    assert_int_equal(bind("view", "\"of any type\""), ERR_OK);
    assert_int_equal(sample.view, NUMBER_ABSENT);
}

static void ids_are_24_lower_case_hex_digits(void **state)
{
    (void)state;
    char text[OID_TEXT_BYTES];
    assert_int_equal(bind("id", "\" " ID "\\n\""), ERR_OK);
    oid_format(sample.id, text);
    assert_string_equal(text, ID);
    refuses("id", "\"0123456789ABCDEF01234567\"", ERR_INVALID_ID, "id");
    refuses("id", "\"0123456789abcdef0123456\"", ERR_INVALID_ID, "id");
    refuses("id", "\"0123456789abcdef012345678\"", ERR_INVALID_ID, "id");
    refuses("id", "\"000000000000000000000000\"", ERR_INVALID_ID, "id");
    refuses("id", "\"{\\\"$gt\\\":1}\"", ERR_INVALID_ID, "id");
    refuses("id", "1", ERR_INVALID_TYPE, "id");
    refuses("id", "{\"$gt\":\"\"}", ERR_INVALID_TYPE, "id");
    refuses("id", "true", ERR_INVALID_TYPE, "id");
}

static void texts_are_trimmed_of_ascii_and_wide_blanks(void **state)
{
    (void)state;
    assert_int_equal(
        bind("name", "\" \\t\\r\\n\\f\\u000b\xC2\xA0\xE3\x80\x80王 小\xE3\x80\x80 \\n\""), ERR_OK);
    assert_string_equal(sample.name, "王 小");
}

static void texts_are_counted_in_code_points(void **state)
{
    (void)state;
    assert_int_equal(bind("name", "\"一二三四\""), ERR_OK);
    assert_int_equal(bind("name", "\"  一二三四  \""), ERR_OK);
    assert_int_equal(bind("name", "\"😀😀😀😀\""), ERR_OK);
    assert_int_equal(bind("name", "\"\\ud83d\\ude00éab\""), ERR_OK);
    refuses("name", "\"一二三四五\"", ERR_TOO_LONG, "name");
    refuses("name", "\"abcde\"", ERR_TOO_LONG, "name");
    refuses("name", "\"e\\u0301e\\u0301e\"", ERR_TOO_LONG, "name");
    assert_int_equal(bind("name", "\"ab\""), ERR_OK);
    refuses("name", "\"a\"", ERR_INVALID_VALUE, "name");
}

static void a_text_without_maximum_has_none(void **state)
{
    (void)state;
    char value[10004];
    snprintf(value, sizeof(value), "\"%010000d\"", 0);
    assert_int_equal(bind("note", value), ERR_OK);
    assert_int_equal(strlen(sample.note), 10000);
}

static void control_characters_are_refused_in_texts(void **state)
{
    (void)state;
    for (unsigned code = 1; code <= 0xA1; code++) {
        char value[32];
        snprintf(value, sizeof(value), "\"a\\u%04xb\"", code);
        bool is_control = code < 0x20 || (code >= 0x7F && code <= 0x9F);
        bool is_line = code == '\n' || code == '\t';
        assert_int_equal(bind("name", value), is_control ? ERR_INVALID_TEXT : ERR_OK);
        assert_int_equal(bind("note", value), is_control && !is_line ? ERR_INVALID_TEXT : ERR_OK);
    }
    refuses("name", "\"a\\nb\"", ERR_INVALID_TEXT, "name");
    assert_int_equal(bind("note", "\"a\\n\\tb\""), ERR_OK);
    assert_string_equal(sample.note, "a\n\tb");
}

static void a_text_is_a_json_string(void **state)
{
    (void)state;
    static const char *const values[] = {"1", "1.5", "true", "false", "[]", "{}", "[\"ab\"]"};
    static const char *const fields[] = {"name", "note", "choice", "url", "key", "digits"};
    for (size_t i = 0; i < ARRAY_LENGTH(values); i++) {
        for (size_t j = 0; j < ARRAY_LENGTH(fields); j++) {
            refuses(fields[j], values[i], ERR_INVALID_TYPE, fields[j]);
        }
    }
}

static void a_choice_is_one_of_the_row(void **state)
{
    (void)state;
    assert_int_equal(bind("choice", "\"01\""), ERR_OK);
    assert_int_equal(bind("choice", "\" 02 \""), ERR_OK);
    assert_string_equal(sample.choice, "02");
    assert_int_equal(bind("choice", "\"user->doctor\""), ERR_OK);
    static const char *const wrong[] = {"\"03\"",  "\"0\"",    "\"01|02\"",       "\"|\"",
                                        "\"010\"", "\"user\"", "\"USER->DOCTOR\""};
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        refuses("choice", wrong[i], ERR_INVALID_VALUE, "choice");
    }
}

static void urls_have_a_scheme_and_a_host(void **state)
{
    (void)state;
    static const char *const good[] = {
        "http://a",       "https://a",         "HTTPS://a.cn/x?y=z#w",
        "http://a:80/",   "http://u@a/",       "http://u:p@a",
        "https://[::1]/", "http://医院.cn/图", "  http://a/b.png  ",
    };
    static const char *const bad[] = {
        "a",
        "http",
        "http:",
        "http:/a",
        "http://",
        "http:///a",
        "http://?a",
        "http://#a",
        "http://:80",
        "http://u@",
        "http://u@/a",
        "http://u@:8",
        "ftp://a",
        "javascript:1",
        "//a",
        "http://a b",
        "http://a/ b",
        "httpx://a",
        "data:,a",
        "http//a",
        "xhttp://a",
        "http://a\\u3000b",
        "http://a\\u00a0b",
        "http://\\\\a",
    };
    char value[64];
    for (size_t i = 0; i < ARRAY_LENGTH(good); i++) {
        snprintf(value, sizeof(value), "\"%s\"", good[i]);
        assert_int_equal(bind("url", value), ERR_OK);
    }
    assert_string_equal(sample.url, "http://a/b.png");
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        snprintf(value, sizeof(value), "\"%s\"", bad[i]);
        refuses("url", value, ERR_INVALID_URL, "url");
    }
    refuses("url", "\"http://a\\nb\"", ERR_INVALID_TEXT, "url");
}

static void keys_are_visible_ascii(void **state)
{
    (void)state;
    assert_int_equal(bind("key", "\"!a-Z~09_\""), ERR_OK);
    refuses("key", "\"a b\"", ERR_INVALID_VALUE, "key");
    refuses("key", "\"é\"", ERR_INVALID_VALUE, "key");
    refuses("key", "\"键\"", ERR_INVALID_VALUE, "key");
    refuses("key", "\"a\\u007f\"", ERR_INVALID_TEXT, "key");
    refuses("key", "\"123456789\"", ERR_TOO_LONG, "key");
}

static void digits_are_digits(void **state)
{
    (void)state;
    assert_int_equal(bind("digits", "\"00123456\""), ERR_OK);
    assert_string_equal(sample.digits, "00123456");
    refuses("digits", "\"-1\"", ERR_INVALID_VALUE, "digits");
    refuses("digits", "\"1a\"", ERR_INVALID_VALUE, "digits");
    refuses("digits", "\"１２\"", ERR_INVALID_VALUE, "digits");
    refuses("digits", "12", ERR_INVALID_TYPE, "digits");
}

static void dates_have_one_of_two_forms(void **state)
{
    (void)state;
    assert_int_equal(bind("date", "\"19491231\""), ERR_OK);
    assert_int_equal(bind("date", "\" 1949-12-31 \""), ERR_OK);
    assert_string_equal(sample.date, "1949-12-31");
    static const char *const bad[] = {"\"1949-12\"", "\"1949/12/31\"", "\"194912311\"",
                                      "\"1949-1231\"", "\"x9491231\""};
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        refuses("date", bad[i], ERR_INVALID_BIRTHDAY, "date");
    }
}

static void phones_are_numbers_or_text_of_eleven_digits(void **state)
{
    (void)state;
    assert_int_equal(bind("phone", "13000000000"), ERR_OK);
    assert_int_equal(bind("phone", "\"19999999999\""), ERR_OK);
    assert_int_equal(sample.phone, INT64_C(19999999999));
    static const char *const bad[] = {"12999999999",
                                      "20000000000",
                                      "0",
                                      "-1",
                                      "\"12999999999\"",
                                      "\"20000000000\"",
                                      "\"abc\"",
                                      "\"138-0000-0000\"",
                                      "\"+8613800000000\"",
                                      "\"99999999999999999999\""};
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        refuses("phone", bad[i], ERR_INVALID_PHONE, "phone");
    }
    refuses("phone", "13000000000.5", ERR_INVALID_TYPE, "phone");
    refuses("phone", "[13000000000]", ERR_INVALID_TYPE, "phone");
}

static void numbers_have_limits_on_both_sides(void **state)
{
    (void)state;
    assert_int_equal(bind("strict", "0"), ERR_OK);
    assert_int_equal(sample.strict, 0);
    assert_int_equal(bind("strict", "100"), ERR_OK);
    refuses("strict", "-1", ERR_OUT_OF_RANGE, "strict");
    refuses("strict", "101", ERR_OUT_OF_RANGE, "strict");
    assert_int_equal(bind("loose", "-5"), ERR_OK);
    assert_int_equal(sample.loose, -5);
    refuses("loose", "-6", ERR_OUT_OF_RANGE, "loose");
    refuses("loose", "\"6\"", ERR_OUT_OF_RANGE, "loose");
}

static void numbers_are_whole_and_text_only_where_loose(void **state)
{
    (void)state;
    static const char *const values[] = {"1.5", "1e-2", "true", "[]", "{}", "\"1\""};
    for (size_t i = 0; i < ARRAY_LENGTH(values); i++) {
        refuses("strict", values[i], ERR_INVALID_TYPE, "strict");
    }
    assert_int_equal(bind("loose", "\"-5\""), ERR_OK);
    assert_int_equal(sample.loose, -5);
    assert_int_equal(bind("loose", "\" 003 \""), ERR_OK);
    assert_int_equal(sample.loose, 3);
    static const char *const texts[] = {"\"-\"",   "\"+1\"",  "\"1.0\"", "\"1e0\"", "\"0x1\"",
                                        "\"--1\"", "\"1 2\"", "\"１\"",  "\"NaN\"", "0.5"};
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        refuses("loose", texts[i], ERR_INVALID_TYPE, "loose");
    }
}

static void a_whole_number_may_be_written_with_a_fraction_or_exponent(void **state)
{
    (void)state;
    assert_int_equal(bind("strict", "1.0"), ERR_OK);
    assert_int_equal(sample.strict, 1);
    assert_int_equal(bind("strict", "1e2"), ERR_OK);
    assert_int_equal(sample.strict, 100);
    assert_int_equal(bind("strict", "-0.0"), ERR_OK);
    assert_int_equal(sample.strict, 0);
    assert_int_equal(bind("any", "9007199254740991.0"), ERR_OK);
    assert_true(sample.any == INT64_C(9007199254740991));
    refuses("any", "9007199254740992.0", ERR_OUT_OF_RANGE, "any");
    refuses("any", "-1e300", ERR_OUT_OF_RANGE, "any");
    refuses("strict", "1.01e2", ERR_OUT_OF_RANGE, "strict");
}

static void numbers_beyond_64_bits_do_not_wrap_nor_turn_absent(void **state)
{
    (void)state;
    assert_int_equal(bind("any", "9223372036854775807"), ERR_OK);
    assert_true(sample.any == INT64_MAX);
    assert_int_equal(bind("any", "\"9223372036854775807\""), ERR_OK);
    assert_true(sample.any == INT64_MAX);
    assert_int_equal(bind("any", "\"-9223372036854775807\""), ERR_OK);
    assert_true(sample.any == -INT64_MAX);
    refuses("any", "-9223372036854775808", ERR_OUT_OF_RANGE, "any");
    refuses("any", "\"-9223372036854775808\"", ERR_OUT_OF_RANGE, "any");
    refuses("any", "\"9223372036854775808\"", ERR_OUT_OF_RANGE, "any");
    refuses("any", "\"18446744073709551617\"", ERR_OUT_OF_RANGE, "any");
    refuses("any", "\"99999999999999999999999999999999\"", ERR_OUT_OF_RANGE, "any");
}

static void bools_are_true_or_false(void **state)
{
    (void)state;
    assert_int_equal(bind("flag", "true"), ERR_OK);
    assert_true(sample.flag);
    assert_int_equal(bind("flag", "false"), ERR_OK);
    assert_false(sample.flag);
    refuses("flag", "1", ERR_INVALID_TYPE, "flag");
    refuses("flag", "\"true\"", ERR_INVALID_TYPE, "flag");
}

static void lists_are_arrays_and_text_only_where_loose(void **state)
{
    (void)state;
    assert_int_equal(bind("tags", "[\" a \",\"b\"]"), ERR_OK);
    assert_int_equal(sample.tags.count, 2);
    assert_string_equal(sample.tags.items[0], "a");
    assert_int_equal(bind("tags", "[]"), ERR_OK);
    assert_int_equal(sample.tags.count, 0);
    refuses("tags", "\"[]\"", ERR_INVALID_TYPE, "tags");
    refuses("tags", "{}", ERR_INVALID_TYPE, "tags");
    refuses("tags", "1", ERR_INVALID_TYPE, "tags");
    assert_int_equal(bind("images", "\" [\\\"http://a\\\", \\\"http://b\\\"] \""), ERR_OK);
    assert_int_equal(sample.images.count, 2);
    assert_string_equal(sample.images.items[1], "http://b");
    assert_int_equal(bind("images", "\"[]\""), ERR_OK);
    assert_int_equal(sample.images.count, 0);
}

static void text_that_holds_no_array_is_no_list(void **state)
{
    (void)state;
    static const char *const values[] = {
        "\"http://a\"", "\"[\"",    "\"{}\"",   "\"1\"",
        "\"null\"",     "\"[1,]\"", "\"[] x\"", "\"[{\\\"a\\\":1,\\\"a\\\":1}]\"",
        "{}",           "true",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(values); i++) {
        refuses("images", values[i], ERR_INVALID_TYPE, "images");
    }
    refuses("images", "\"[[[[[[[[[[[[[[[[[[[[\"", ERR_TOO_DEEP, "images");
}

static void list_items_are_checked_and_named(void **state)
{
    (void)state;
    assert_int_equal(bind("tags", "[\"一二三四\",\"b\",\"c\"]"), ERR_OK);
    refuses("tags", "[\"a\",\"b\",\"c\",\"d\"]", ERR_TOO_MANY, "tags");
    refuses("tags", "[\"a\",\"abcde\"]", ERR_TOO_LONG, "tags[1]");
    refuses("tags", "[\"a\",\"b\",3]", ERR_INVALID_TYPE, "tags[2]");
    refuses("tags", "[null]", ERR_INVALID_TYPE, "tags[0]");
    refuses("tags", "[\"\"]", ERR_INVALID_VALUE, "tags[0]");
    refuses("tags", "[\"  \"]", ERR_INVALID_VALUE, "tags[0]");
    refuses("tags", "[\"a\\nb\"]", ERR_INVALID_TEXT, "tags[0]");
    refuses("images", "[\"http://a\",\"b\"]", ERR_INVALID_URL, "images[1]");
    refuses("images", "\"[\\\"http://a\\\",\\\"b\\\"]\"", ERR_INVALID_URL, "images[1]");
    refuses("images", "[\"\"]", ERR_INVALID_URL, "images[0]");
}

static void id_lists_hold_ids(void **state)
{
    (void)state;
    assert_int_equal(bind("friends", "[\"" ID "\",\"" ID "\"]"), ERR_OK);
    assert_int_equal(sample.friends.count, 2);
    assert_int_equal(sample.friends.items[1].bytes[0], 1);
    assert_int_equal(bind("friends", "\"[\\\"" ID "\\\"]\""), ERR_OK);
    assert_int_equal(sample.friends.count, 1);
    refuses("friends", "[\"" ID "\",\"x\"]", ERR_INVALID_ID, "friends[1]");
    refuses("friends", "[5]", ERR_INVALID_TYPE, "friends[0]");
    refuses("friends", "[1,2,3]", ERR_TOO_MANY, "friends");
}

static void object_lists_are_bound_by_their_own_shape(void **state)
{
    (void)state;
    static const char *const good[] = {
        "[{\"questionId\":\"" ID "\",\"score\":5},{\"questionId\":\"" ID "\"}]",
        "\"[{\\\"questionId\\\":\\\"" ID "\\\",\\\"score\\\":\\\"5\\\"},"
        "{\\\"questionId\\\":\\\"" ID "\\\"}]\"",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(good); i++) {
        assert_int_equal(bind("answers", good[i]), ERR_OK);
        assert_int_equal(sample.answers.count, 2);
        const struct answer *answers = sample.answers.items;
        assert_int_equal(answers[0].score, 5);
        assert_int_equal(answers[1].score, NUMBER_ABSENT);
        assert_false(oid_is_none(answers[1].question_id));
    }
    refuses("answers", "[{\"questionId\":\"" ID "\"},{\"questionId\":\"" ID "\",\"score\":6}]",
            ERR_OUT_OF_RANGE, "answers[1].score");
    refuses("answers", "[{\"score\":1}]", ERR_MISSING_FIELD, "answers[0].questionId");
    refuses("answers", "[7]", ERR_INVALID_TYPE, "answers[0]");
    refuses("answers", "[{},{},{}]", ERR_TOO_MANY, "answers");
    refuses("answers", "{}", ERR_INVALID_TYPE, "answers");
}

static void an_object_is_bound_by_its_own_shape(void **state)
{
    (void)state;
    assert_int_equal(bind("best", "{\"questionId\":\"" ID "\",\"score\":5}"), ERR_OK);
    assert_int_equal(sample.best->score, 5);
    assert_int_equal(bind("best", "null"), ERR_OK);
    assert_null(sample.best);
    refuses("best", "{\"questionId\":\"" ID "\",\"score\":6}", ERR_OUT_OF_RANGE, "best.score");
    refuses("best", "{}", ERR_MISSING_FIELD, "best.questionId");
    refuses("best", "[]", ERR_INVALID_TYPE, "best");
    refuses("best", "\"{}\"", ERR_INVALID_TYPE, "best");
}

static void a_required_list_must_not_be_empty(void **state)
{
    (void)state;
    static const struct field fields[] = {
        FIELD_LIST(sample, images, "images", REQUIRED | LOOSE, FORMAT_URL, 3, 30, "-"),
    };
    static const struct shape shape = SHAPE(sample, fields);
    static const char *const bodies[] = {"{}", "{\"images\":[]}", "{\"images\":\"[]\"}"};
    for (size_t i = 0; i < ARRAY_LENGTH(bodies); i++) {
        assert_int_equal(bind_to(&shape, bodies[i], &sample), ERR_MISSING_FIELD);
        assert_string_equal(fault.field, "images");
    }
    assert_int_equal(bind_to(&shape, "{\"images\":[\"http://a\"]}", &sample), ERR_OK);
}

static void the_first_violation_in_the_order_of_the_shape_is_blamed(void **state)
{
    (void)state;
    assert_int_equal(bind_to(&sample_shape, "{\"key\":1,\"choice\":1,\"name\":\"ab\"}", &sample),
                     ERR_INVALID_TYPE);
    assert_string_equal(fault.field, "choice");
}

static void texts_outlive_the_document_and_success_leaves_the_fault_alone(void **state)
{
    (void)state;
    assert_int_equal(bind("name", "\"abc\""), ERR_OK);
    assert_string_equal(sample.name, "abc"); /* the document is freed by now */
    assert_int_equal(fault.field[0], 'x');
}

/* ---- Requests ----------------------------------------------------------------------------- */

#define SEND                                                                                       \
    "\"chatId\":\"" ID "\",\"consultationId\":\"" ID "\",\"type\":\"01\","                         \
    "\"direction\":\"user->doctor\""

static void a_message_has_exactly_one_of_text_image_and_audio(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        enum err err;
    } cases[] = {
        {"{" SEND ",\"text\":\"您好\"}", ERR_OK},
        {"{" SEND ",\"text\":\"\",\"image\":\"http://a/b.png\",\"audio\":null}", ERR_OK},
        {"{" SEND ",\"audio\":\"https://a/b.mp3\"}", ERR_OK},
        {"{" SEND "}", ERR_EXACTLY_ONE_CONTENT},
        {"{" SEND ",\"text\":\" \\n \"}", ERR_EXACTLY_ONE_CONTENT},
        {"{" SEND ",\"text\":\"a\",\"image\":\"http://a\"}", ERR_EXACTLY_ONE_CONTENT},
        {"{" SEND ",\"text\":\"a\",\"image\":\"http://a\",\"audio\":\"http://a\"}",
         ERR_EXACTLY_ONE_CONTENT},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct message_create message;
        assert_int_equal(bind_to(&message_create_shape, cases[i].body, &message), cases[i].err);
        if (cases[i].err != ERR_OK) {
            assert_string_equal(fault.field, "");
            assert_string_equal(fault.detail, "");
        }
    }
}

static void a_page_takes_numbers_as_text(void **state)
{
    (void)state;
    struct consultation_filter filter;
    assert_int_equal(
        bind_to(&consultation_filter_shape, "{\"skip\":\"0\",\"limit\":\"100\"}", &filter), ERR_OK);
    assert_int_equal(filter.skip, 0);
    assert_int_equal(filter.limit, 100);
    assert_int_equal(bind_to(&consultation_filter_shape, "{\"limit\":0}", &filter),
                     ERR_OUT_OF_RANGE);
    assert_int_equal(bind_to(&consultation_filter_shape, "{\"limit\":101}", &filter),
                     ERR_OUT_OF_RANGE);
    assert_int_equal(bind_to(&consultation_filter_shape, "{\"skip\":-1}", &filter),
                     ERR_OUT_OF_RANGE);
    assert_int_equal(bind_to(&consultation_filter_shape, "{}", &filter), ERR_OK);
    assert_int_equal(filter.limit, NUMBER_ABSENT);
}

static void texts_and_client_msg_ids_are_counted_in_characters(void **state)
{
    (void)state;
    static const struct {
        const char *field, *start, *character;
        int max;
    } cases[] = {{"text", "{" SEND ",\"text\":\"", "疼", 2000},
                 {"clientMsgId", "{" SEND ",\"text\":\"a\",\"clientMsgId\":\" 第 ", "😀", 62}};
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        char body[8192];
        struct message_create message;
        size_t length = (size_t)snprintf(body, sizeof(body), "%s", cases[i].start);
        for (int j = 0; j < cases[i].max; j++) {
            length +=
                (size_t)snprintf(body + length, sizeof(body) - length, "%s", cases[i].character);
        }
        snprintf(body + length, sizeof(body) - length, "\"}");
        assert_int_equal(bind_to(&message_create_shape, body, &message), ERR_OK);
        snprintf(body + length, sizeof(body) - length, "%s\"}", cases[i].character);
        assert_int_equal(bind_to(&message_create_shape, body, &message), ERR_TOO_LONG);
        assert_string_equal(fault.field, cases[i].field);
    }
}

static void a_shape_without_fields_takes_anything(void **state)
{
    (void)state;
    struct nothing nothing;
    assert_int_equal(bind_to(&nothing_shape, "{\"a\":{\"b\":[1]}}", &nothing), ERR_OK);
}

static void a_row_is_found_by_its_member(void **state)
{
    (void)state;
    assert_ptr_equal(shape_field(&sample_shape, offsetof(struct sample, url)), &sample_fields[4]);
    assert_ptr_equal(shape_field(&sample_shape, 0), &sample_fields[0]);
    const struct shape *const shapes[] = {&sample_shape, &message_shape, &chat_shape,
                                          &consultation_shape};
    for (size_t i = 0; i < ARRAY_LENGTH(shapes); i++) {
        for (size_t j = 0; j < shapes[i]->count; j++) {
            assert_ptr_equal(shape_field(shapes[i], shapes[i]->fields[j].offset),
                             &shapes[i]->fields[j]);
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_sent_leaves_everything_absent),
        TEST(null_and_blank_count_as_absent_for_every_kind),
        TEST(null_and_blank_are_missing_where_required),
        TEST(rows_that_are_not_the_clients_are_not_bound),
        TEST(ids_are_24_lower_case_hex_digits),
        TEST(texts_are_trimmed_of_ascii_and_wide_blanks),
        TEST(texts_are_counted_in_code_points),
        TEST(a_text_without_maximum_has_none),
        TEST(control_characters_are_refused_in_texts),
        TEST(a_text_is_a_json_string),
        TEST(a_choice_is_one_of_the_row),
        TEST(urls_have_a_scheme_and_a_host),
        TEST(keys_are_visible_ascii),
        TEST(digits_are_digits),
        TEST(dates_have_one_of_two_forms),
        TEST(phones_are_numbers_or_text_of_eleven_digits),
        TEST(numbers_have_limits_on_both_sides),
        TEST(numbers_are_whole_and_text_only_where_loose),
        TEST(a_whole_number_may_be_written_with_a_fraction_or_exponent),
        TEST(numbers_beyond_64_bits_do_not_wrap_nor_turn_absent),
        TEST(bools_are_true_or_false),
        TEST(lists_are_arrays_and_text_only_where_loose),
        TEST(text_that_holds_no_array_is_no_list),
        TEST(list_items_are_checked_and_named),
        TEST(id_lists_hold_ids),
        TEST(object_lists_are_bound_by_their_own_shape),
        TEST(an_object_is_bound_by_its_own_shape),
        TEST(a_required_list_must_not_be_empty),
        TEST(the_first_violation_in_the_order_of_the_shape_is_blamed),
        TEST(texts_outlive_the_document_and_success_leaves_the_fault_alone),
        TEST(a_message_has_exactly_one_of_text_image_and_audio),
        TEST(a_page_takes_numbers_as_text),
        TEST(texts_and_client_msg_ids_are_counted_in_characters),
        TEST(a_shape_without_fields_takes_anything),
        TEST(a_row_is_found_by_its_member),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
