/* Any thread. Identity documents of patients (contract 1, Identity). */
#ifndef CONSULTD_SERVER_CERTIFICATE_H
#define CONSULTD_SERVER_CERTIFICATE_H

#include "protocol/base.h"

/* Whether `number` is an 18-digit citizen identity number: GB 11643 checksum (a last x counts as
 * X), a real date of birth from 1850-01-01 to `today` (days since 1970). Gives the date as
 * YYYY-MM-DD and the sex (0 female, 1 male). */
bool certificate_check(const char *number, int64_t today, char birthday[11], int64_t *sex);

/* Reads YYYYMMDD or YYYY-MM-DD, a real day from 1850-01-01 to `today`; gives YYYY-MM-DD. */
bool birthday_parse(const char *text, int64_t today, char birthday[11]);

/* First 3 and last 4 characters, stars between; short numbers are starred whole. Works on code
 * points. `out` has 4 * NAME_MAX_LENGTH + 1 bytes. */
void certificate_mask(const char *number, char *out, size_t size);

#endif
