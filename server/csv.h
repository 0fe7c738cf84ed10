/* Any thread, one at a time. Comma-separated values as RFC 4180 has them, one record after another.
 * Lines may end with CR LF or LF; a byte order mark in front is passed over. */
#ifndef CONSULTD_SERVER_CSV_H
#define CONSULTD_SERVER_CSV_H

#include "protocol/arena.h"

#define CSV_FIELDS_MAX 16

struct csv {
    const char *at, *end;
    int line; /* that `at` is in, from 1 */
};

struct csv_record {
    const char *fields[CSV_FIELDS_MAX]; /* in the arena; valid until it resets */
    size_t count;                       /* may be more than CSV_FIELDS_MAX: the rest is dropped */
    int line;                           /* that it begins in */
    const char *trouble;                /* why it is no record; NULL: it is one */
};

/* `text` stays the caller's and must outlive the reading; it may not hold a NUL. */
void csv_begin(struct csv *csv, const char *text, size_t length);

/* The next record; empty lines are passed over. False: there is none. A bad record ends with its
 * line; a quote that is never closed takes all the rest with it. */
bool csv_next(struct csv *csv, struct arena *arena, struct csv_record *out);

#endif
