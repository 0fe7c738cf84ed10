/* Any thread. Compiler attributes and the handful of macros that every room shares.
 * The only file where compiler extensions are allowed. */
#ifndef CONSULTD_PROTOCOL_BASE_H
#define CONSULTD_PROTOCOL_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_at, first_at) __attribute__((format(printf, format_at, first_at)))
#else
#define MUST_USE
#define PRINTF_LIKE(format_at, first_at)
#endif

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* Every error the program knows; errors.def has names, HTTP statuses and sentences. */
enum err {
    ERR_OK = 0,
#define ERROR(name, status, retry, sentence) ERR_##name,
#include "protocol/errors.def"
#undef ERROR
    ERR_COUNT
};

/* Returns at once with the error of `expression`. For handlers, where the arena owns all. */
#define TRY(expression)                                                                            \
    do {                                                                                           \
        enum err try_err_ = (expression);                                                          \
        if (try_err_ != ERR_OK) {                                                                  \
            return try_err_;                                                                       \
        }                                                                                          \
    } while (0)

/* The row of errors.def behind an error. */
struct error_row {
    const char *reason;   /* UPPER_SNAKE, as answered in error.reason */
    int status;           /* HTTP status and `code` */
    bool retry;           /* whether the same call may succeed later */
    const char *sentence; /* for a person, in Chinese */
};

/* Returns the row of `err`; never NULL; asserts that err is one of the list and not ERR_OK. */
const struct error_row *error_row(enum err err);

/* What went wrong with one request: filled by whoever finds it, answered by envelope.c. */
struct fault {
    char field[64];   /* the field to blame, e.g. "images[2]"; "" where none is */
    char detail[160]; /* replaces the row's sentence when not ""; never holds a value sent */
    int64_t after_ms; /* when to try again; 0 where unknown */
};

#endif
