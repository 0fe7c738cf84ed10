/* Ids and points in time as they are written down. Pure functions, no clock, any thread.
 *
 * The calendar counts years from March, so that the leap day is the last day of a year and the
 * months before it have lengths that one formula gives: (153 * month + 2) / 5 days precede
 * month 0 (March) to 11 (February). Eras of 400 years have 146,097 days each. */
#include "protocol/id.h"

#include <assert.h>
#include <string.h>

#define DAYS_OF_ERA 146097u
#define DAYS_TO_1970 719468u /* from 0000-03-01 */
#define MS_OF_DAY INT64_C(86400000)
#define MS_OF_YEAR_10000 INT64_C(253402300800000)

bool oid_is_none(struct oid id)
{
    return oid_equal(id, OID_NONE);
}

bool oid_equal(struct oid a, struct oid b)
{
    return memcmp(a.bytes, b.bytes, OID_BYTES) == 0;
}

/* One more than what a lower-case hex digit is worth; 0: it is none. */
static const uint8_t hex_worth[UINT8_MAX + 1] = {
    ['0'] = 1, ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9, ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
};

bool oid_parse(const char *text, size_t length, struct oid *out)
{
    if (length != 2 * OID_BYTES) {
        return false;
    }
    struct oid id;
    for (size_t i = 0; i < OID_BYTES; i++) {
        unsigned high = hex_worth[(uint8_t)text[2 * i]];
        unsigned low = hex_worth[(uint8_t)text[2 * i + 1]];
        if (high == 0 || low == 0) {
            return false;
        }
        id.bytes[i] = (uint8_t)((high - 1) * 16 + low - 1);
    }
    if (oid_is_none(id)) {
        return false;
    }
    *out = id;
    return true;
}

#define PAIRS(high)                                                                                \
    high "0" high "1" high "2" high "3" high "4" high "5" high "6" high "7" high "8" high "9" high \
         "a" high "b" high "c" high "d" high "e" high "f"

/* The two digits of each byte: an id is most of what is written in hex. */
static const char hex_pairs[] =
    PAIRS("0") PAIRS("1") PAIRS("2") PAIRS("3") PAIRS("4") PAIRS("5") PAIRS("6") PAIRS("7")
        PAIRS("8") PAIRS("9") PAIRS("a") PAIRS("b") PAIRS("c") PAIRS("d") PAIRS("e") PAIRS("f");

void hex_format(const uint8_t *bytes, size_t count, char *text)
{
    for (size_t i = 0; i < count; i++) {
        memcpy(text + 2 * i, hex_pairs + (size_t)2 * bytes[i], 2);
    }
}

void oid_format(struct oid id, char text[OID_TEXT_BYTES])
{
    hex_format(id.bytes, OID_BYTES, text);
    text[2 * OID_BYTES] = '\0';
}

/* Writes a number below 100. */
static void put_two(char *text, unsigned number)
{
    text[0] = (char)('0' + number / 10);
    text[1] = (char)('0' + number % 10);
}

/* Writes YYYY-MM-DD of a day since 1970-01-01. */
static void put_date(char *text, unsigned day)
{
    unsigned since = day + DAYS_TO_1970;
    unsigned era = since / DAYS_OF_ERA;
    unsigned day_of_era = since % DAYS_OF_ERA;
    unsigned year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / (DAYS_OF_ERA - 1)) /
        365;
    unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    unsigned month = (5 * day_of_year + 2) / 153; /* 0 is March */
    unsigned year = era * 400 + year_of_era + (month >= 10 ? 1 : 0);

    put_two(text, year / 100);
    put_two(text + 2, year % 100);
    put_two(text + 5, month < 10 ? month + 3 : month - 9);
    put_two(text + 8, day_of_year - (153 * month + 2) / 5 + 1);
}

bool time_is_writable(struct timestamp time)
{
    return time.ms >= 0 && time.ms < MS_OF_YEAR_10000;
}

void time_format(struct timestamp time, char text[TIME_TEXT_BYTES])
{
    assert(time_is_writable(time));
    /* Both parts fit 32 bits, whose divisions are cheaper; there are seventeen. */
    unsigned ms = (unsigned)(time.ms % MS_OF_DAY);
    memcpy(text, "0000-00-00T00:00:00.000Z", TIME_TEXT_BYTES);
    put_date(text, (unsigned)(time.ms / MS_OF_DAY));
    put_two(text + 11, ms / 3600000);
    put_two(text + 14, ms / 60000 % 60);
    put_two(text + 17, ms / 1000 % 60);
    put_two(text + 20, ms % 1000 / 10);
    text[22] = (char)('0' + ms % 10);
}

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Whether the calendar has the day; before 1582-10-15 there was another calendar. */
static bool is_day(int year, int month, int day)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (year < 1582 || year > 9999 || month < 1 || month > 12 || day < 1) {
        return false;
    }
    if (year == 1582 && (month < 10 || (month == 10 && day < 15))) {
        return false;
    }
    return day <= lengths[month - 1] + (month == 2 && is_leap(year) ? 1 : 0);
}

bool day_number(int year, int month, int day, int64_t *out)
{
    if (!is_day(year, month, day)) {
        return false;
    }
    int64_t from_march = month > 2 ? month - 3 : month + 9;
    int64_t march_year = month > 2 ? year : year - 1;
    int64_t year_of_era = march_year % 400;
    int64_t day_of_year = (153 * from_march + 2) / 5 + day - 1;
    *out = march_year / 400 * DAYS_OF_ERA + year_of_era * 365 + year_of_era / 4 -
           year_of_era / 100 + day_of_year - DAYS_TO_1970;
    return true;
}
