/* Any thread. One line per event: JSON on a pipe or file, plain text on a terminal. Never
 * personal data: ids, counts, reasons and durations only. */
#ifndef CONSULTD_SERVER_LOG_H
#define CONSULTD_SERVER_LOG_H

#include "protocol/base.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* The one global of the program. */
void log_set_level(enum log_level level);
/* "error" … "debug"; false: none of them. */
bool log_level_parse(const char *text, enum log_level *out);

/* `what` is a fixed sentence; the rest is printf of "name=value" pairs, or NULL for none:
 * log_warning("bus is down", "url=%s error=%s", url, error). */
void log_error(const char *what, const char *format, ...) PRINTF_LIKE(2, 3);
void log_warning(const char *what, const char *format, ...) PRINTF_LIKE(2, 3);
void log_info(const char *what, const char *format, ...) PRINTF_LIKE(2, 3);
void log_debug(const char *what, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
