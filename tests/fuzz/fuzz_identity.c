/* Identity numbers and birthdays. A birthday that was read reads as itself; a masked number shows
 * its first three and last four characters at most. */
#include <assert.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "server/certificate.h"

#define TODAY 20700 /* in 2026 */
#define MASKED_BYTES 257

static void try_birthday(const char *text)
{
    char birthday[11], again[11];
    if (birthday_parse(text, TODAY, birthday)) {
        assert(strlen(birthday) == 10);
        assert(birthday_parse(birthday, TODAY, again) && strcmp(birthday, again) == 0);
    }
}

static void try_number(const char *text)
{
    char birthday[11], again[11];
    int64_t sex;
    if (certificate_check(text, TODAY, birthday, &sex)) {
        assert(strlen(text) == 18 && (sex == 0 || sex == 1));
        assert(birthday_parse(birthday, TODAY, again) && strcmp(birthday, again) == 0);
    }
}

/* Only ever called with what a request let through: valid UTF-8 of at most 64 characters. */
static void try_mask(const char *text, size_t length)
{
    json_t *string = json_stringn(text, length);
    if (string != NULL && strlen(text) == length && length < MASKED_BYTES) {
        char masked[MASKED_BYTES];
        certificate_mask(text, masked, sizeof masked);
        json_t *sound = json_string(masked);
        assert(sound != NULL);
        assert(length < 8 || strcmp(masked, text) != 0 || strchr(text, '*') != NULL);
        json_decref(sound);
    }
    json_decref(string);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    try_birthday(text);
    try_number(text);
    try_mask(text, size);
    free(text);
    return 0;
}
