/* Identity documents. A citizen identity number is 6 digits of a region, the date of birth, a
 * serial number whose last digit is odd for men, and a check character by ISO 7064 MOD 11-2
 * (GB 11643). */
#include "server/certificate.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "protocol/id.h"

#define NUMBER_LENGTH 18
#define DATE_AT 6
#define SERIAL_END 16
#define EARLIEST_YEAR 1850
#define SHOWN_BEFORE 3
#define SHOWN_AFTER 4

static bool is_digits(const char *text, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!isdigit((unsigned char)text[i])) {
            return false;
        }
    }
    return true;
}

static int number_of(const char *digits, size_t count)
{
    int number = 0;
    for (size_t i = 0; i < count; i++) {
        number = number * 10 + (digits[i] - '0');
    }
    return number;
}

/* Eight digits, a day from EARLIEST_YEAR to today. */
static bool read_day(const char *digits, int64_t today, char birthday[11])
{
    int year = number_of(digits, 4), month = number_of(digits + 4, 2);
    int day = number_of(digits + 6, 2);
    int64_t days;
    if (year < EARLIEST_YEAR || !day_number(year, month, day, &days) || days > today) {
        return false;
    }
    memcpy(birthday, digits, 4);
    birthday[4] = '-';
    memcpy(birthday + 5, digits + 4, 2);
    birthday[7] = '-';
    memcpy(birthday + 8, digits + 6, 2);
    birthday[10] = '\0';
    return true;
}

static char check_character(const char *number)
{
    static const int weights[NUMBER_LENGTH - 1] = {7, 9, 10, 5,  8, 4, 2, 1, 6,
                                                   3, 7, 9,  10, 5, 8, 4, 2};
    static const char characters[] = "10X98765432";
    int sum = 0;
    for (size_t i = 0; i < NUMBER_LENGTH - 1; i++) {
        sum += weights[i] * (number[i] - '0');
    }
    return characters[sum % 11];
}

bool certificate_check(const char *number, int64_t today, char birthday[11], int64_t *sex)
{
    if (strlen(number) != NUMBER_LENGTH || !is_digits(number, NUMBER_LENGTH - 1)) {
        return false;
    }
    if (toupper((unsigned char)number[NUMBER_LENGTH - 1]) != check_character(number)) {
        return false;
    }
    *sex = (number[SERIAL_END] - '0') % 2;
    return read_day(number + DATE_AT, today, birthday);
}

bool birthday_parse(const char *text, int64_t today, char birthday[11])
{
    char digits[9] = {0};
    if (strlen(text) == 8 && is_digits(text, 8)) {
        memcpy(digits, text, 8);
    } else if (strlen(text) == 10 && text[4] == '-' && text[7] == '-') {
        memcpy(digits, text, 4);
        memcpy(digits + 4, text + 5, 2);
        memcpy(digits + 6, text + 8, 2);
    }
    return is_digits(digits, 8) && read_day(digits, today, birthday);
}

/* The bytes of the first `points` code points; all bytes if there are fewer. */
static size_t bytes_of_points(const char *text, size_t points)
{
    size_t at = 0;
    while (text[at] != '\0' && points > 0) {
        at++;
        while (((unsigned char)text[at] & 0xC0) == 0x80) {
            at++;
        }
        points--;
    }
    return at;
}

static size_t count_points(const char *text)
{
    size_t count = 0;
    for (; *text != '\0'; text++) {
        count += ((unsigned char)*text & 0xC0) != 0x80;
    }
    return count;
}

void certificate_mask(const char *number, char *out, size_t size)
{
    size_t points = count_points(number);
    bool is_short = points <= SHOWN_BEFORE + SHOWN_AFTER;
    size_t head = is_short ? 0 : bytes_of_points(number, SHOWN_BEFORE);
    size_t tail = is_short ? strlen(number) : bytes_of_points(number, points - SHOWN_AFTER);
    size_t stars = is_short ? points : points - SHOWN_BEFORE - SHOWN_AFTER;
    static const char all_stars[] =
        "****************************************************************";
    snprintf(out, size, "%.*s%.*s%s", (int)head, number, (int)stars, all_stars, number + tail);
}
