/* Any thread. Ids and points in time as they are written down (contract 1, Ids and Times).
 * The clock is always handed in: this room has none. */
#ifndef CONSULTD_PROTOCOL_ID_H
#define CONSULTD_PROTOCOL_ID_H

#include "protocol/base.h"

#define OID_BYTES 12
#define OID_TEXT_BYTES 25  /* 24 hex digits and the NUL */
#define TIME_TEXT_BYTES 25 /* 2018-06-10T10:44:51.958Z and the NUL */

/* An ObjectId. All zero means "none". */
struct oid {
    uint8_t bytes[OID_BYTES];
};

/* Milliseconds since 1970 UTC. 0 means "none". */
struct timestamp {
    int64_t ms;
};

#define OID_NONE ((struct oid){{0}})
#define TIME_NONE ((struct timestamp){0})

bool oid_is_none(struct oid id);
bool oid_equal(struct oid a, struct oid b);

/* Parses exactly 24 lower-case hex digits; false otherwise, and for the all-zero id. */
bool oid_parse(const char *text, size_t length, struct oid *out);

/* Writes two lower-case hex digits for each byte, and no NUL. */
void hex_format(const uint8_t *bytes, size_t count, char *text);

/* Writes 24 hex digits and a NUL. */
void oid_format(struct oid id, char text[OID_TEXT_BYTES]);

/* Whether time_format can write it. */
bool time_is_writable(struct timestamp time);

/* Writes ISO 8601 UTC with milliseconds, e.g. 2018-06-10T10:44:51.958Z. Years 1970 to 9999;
 * asserts otherwise. */
void time_format(struct timestamp time, char text[TIME_TEXT_BYTES]);

/* A day of the calendar as days since 1970-01-01; false when there is no such day
 * (1582-10-15 to 9999-12-31 are known). */
bool day_number(int year, int month, int day, int64_t *out);

#endif
