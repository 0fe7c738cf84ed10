/* Ids and times: what is refused, and agreement with the C library's calendar day by day. */
#include "protocol/id.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

static bool parses(const char *text)
{
    struct oid id;
    return oid_parse(text, strlen(text), &id);
}

static void an_id_survives_being_written_and_read(void **state)
{
    (void)state;
    struct oid id;
    char text[OID_TEXT_BYTES];
    assert_true(oid_parse("0123456789abcdef00ff10a5", 24, &id));
    assert_int_equal(id.bytes[0], 0x01);
    assert_int_equal(id.bytes[11], 0xA5);
    oid_format(id, text);
    assert_string_equal(text, "0123456789abcdef00ff10a5");
}

static void what_is_not_24_lower_case_hex_digits_is_no_id(void **state)
{
    (void)state;
    assert_false(parses(""));
    assert_false(parses("0123456789abcdef00ff10a"));
    assert_false(parses("0123456789abcdef00ff10a55"));
    assert_false(parses("0123456789ABCDEF00ff10a5"));
    assert_false(parses("0123456789abcdeg00ff10a5"));
    assert_false(parses("0123456789abcde/00ff10a5"));
    assert_false(parses("0123456789abcde:00ff10a5"));
    assert_false(parses("0123456789abcde`00ff10a5"));
    assert_false(parses("0123456789abcde\xC3\xA9"
                        "0ff10a5"));
}

static void the_id_of_zeroes_is_none_and_not_parsed(void **state)
{
    (void)state;
    assert_false(parses("000000000000000000000000"));
    assert_true(parses("000000000000000000000001"));
    assert_true(oid_is_none(OID_NONE));
    struct oid id = OID_NONE;
    id.bytes[11] = 1;
    assert_false(oid_is_none(id));
}

static void a_refused_id_leaves_the_target_alone(void **state)
{
    (void)state;
    struct oid id = {{7}};
    assert_false(oid_parse("000000000000000000000000", 24, &id));
    assert_int_equal(id.bytes[0], 7);
}

static void ids_are_equal_when_all_their_bytes_are(void **state)
{
    (void)state;
    struct oid a = {{1, 2, 3}};
    struct oid b = a;
    assert_true(oid_equal(a, b));
    b.bytes[11] = 1;
    assert_false(oid_equal(a, b));
}

static void assert_time(int64_t ms, const char *expected)
{
    char text[TIME_TEXT_BYTES];
    time_format((struct timestamp){ms}, text);
    assert_string_equal(text, expected);
}

static void times_are_written_as_iso_8601_with_milliseconds(void **state)
{
    (void)state;
    assert_time(0, "1970-01-01T00:00:00.000Z");
    assert_time(1, "1970-01-01T00:00:00.001Z");
    assert_time(1528627491958, "2018-06-10T10:44:51.958Z");
    assert_time(951782399999, "2000-02-28T23:59:59.999Z");
    assert_time(951782400000, "2000-02-29T00:00:00.000Z");
    assert_time(INT64_C(4107542400000), "2100-03-01T00:00:00.000Z");
    assert_time(INT64_C(253402300799999), "9999-12-31T23:59:59.999Z");
}

static void times_agree_with_the_c_library_on_every_day(void **state)
{
    (void)state;
    for (int64_t day = 0; day < 2932897; day += day < 60000 ? 1 : 97) {
        time_t seconds = (time_t)(day * 86400 + day % 86400);
        struct tm parts;
        assert_non_null(gmtime_r(&seconds, &parts));
        char expected[64];
        strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%S.007Z", &parts);
        assert_time((int64_t)seconds * 1000 + 7, expected);
    }
}

static void days_agree_with_the_c_library_before_and_after_1970(void **state)
{
    (void)state;
    for (int64_t day = -141427; day < 2932897; day += 13) {
        time_t seconds = (time_t)(day * 86400);
        struct tm parts;
        assert_non_null(gmtime_r(&seconds, &parts));
        int64_t number = 1;
        assert_true(day_number(parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, &number));
        assert_int_equal(number, day);
    }
}

static void the_known_calendar_has_two_ends(void **state)
{
    (void)state;
    int64_t day;
    assert_true(day_number(1582, 10, 15, &day));
    assert_int_equal(day, -141427);
    assert_false(day_number(1582, 10, 14, &day));
    assert_false(day_number(1582, 9, 30, &day));
    assert_false(day_number(1581, 12, 31, &day));
    assert_true(day_number(9999, 12, 31, &day));
    assert_false(day_number(10000, 1, 1, &day));
}

static void days_that_no_month_has_are_refused(void **state)
{
    (void)state;
    int64_t day;
    assert_true(day_number(2000, 2, 29, &day));
    assert_true(day_number(2024, 2, 29, &day));
    assert_false(day_number(1900, 2, 29, &day));
    assert_false(day_number(2023, 2, 29, &day));
    assert_false(day_number(2024, 2, 30, &day));
    assert_false(day_number(2024, 4, 31, &day));
    assert_false(day_number(2024, 12, 32, &day));
    assert_false(day_number(2024, 0, 1, &day));
    assert_false(day_number(2024, 13, 1, &day));
    assert_false(day_number(2024, 1, 0, &day));
    assert_false(day_number(2024, -1, -1, &day));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_survives_being_written_and_read),
        cmocka_unit_test(what_is_not_24_lower_case_hex_digits_is_no_id),
        cmocka_unit_test(the_id_of_zeroes_is_none_and_not_parsed),
        cmocka_unit_test(a_refused_id_leaves_the_target_alone),
        cmocka_unit_test(ids_are_equal_when_all_their_bytes_are),
        cmocka_unit_test(times_are_written_as_iso_8601_with_milliseconds),
        cmocka_unit_test(times_agree_with_the_c_library_on_every_day),
        cmocka_unit_test(days_agree_with_the_c_library_before_and_after_1970),
        cmocka_unit_test(the_known_calendar_has_two_ends),
        cmocka_unit_test(days_that_no_month_has_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
