/* Logs: one write(2) per line, so that lines of several threads never mix. */
#include "server/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "protocol/id.h"
#include "protocol/strbuf.h"

#define DETAILS_BYTES 512

static atomic_int current_level = LOG_LEVEL_INFO;

static const char *const level_names[] = {"error", "warning", "info", "debug"};

void log_set_level(enum log_level level)
{
    atomic_store(&current_level, level);
}

bool log_level_parse(const char *text, enum log_level *out)
{
    for (size_t i = 0; i < ARRAY_LENGTH(level_names); i++) {
        if (strcmp(text, level_names[i]) == 0) {
            *out = (enum log_level)i;
            return true;
        }
    }
    return false;
}

static void write_line(struct strbuf *line)
{
    strbuf_add_char(line, '\n');
    const char *at = strbuf_text(line);
    size_t left = line->length;
    while (left > 0) {
        ssize_t written = write(STDERR_FILENO, at, left);
        if (written <= 0) {
            break; /* nowhere to complain to */
        }
        at += written;
        left -= (size_t)written;
    }
    strbuf_free(line);
}

PRINTF_LIKE(3, 0)
static void log_line(enum log_level level, const char *what, const char *format, va_list arguments)
{
    if ((int)level > atomic_load_explicit(&current_level, memory_order_relaxed)) {
        return;
    }
    char details[DETAILS_BYTES] = "";
    if (format != NULL) {
        vsnprintf(details, sizeof details, format, arguments);
    }
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    char when[TIME_TEXT_BYTES];
    time_format((struct timestamp){(int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000}, when);
    struct strbuf line;
    strbuf_init(&line, 0);
    if (isatty(STDERR_FILENO)) {
        strbuf_add_format(&line, "%s %-7s %s %s", when, level_names[level], what, details);
    } else {
        strbuf_add_format(&line, "{\"time\":\"%s\",\"level\":\"%s\",\"what\":", when,
                          level_names[level]);
        strbuf_add_json(&line, what);
        if (details[0] != '\0') {
            strbuf_add_literal(&line, ",\"details\":");
            strbuf_add_json(&line, details);
        }
        strbuf_add_char(&line, '}');
    }
    write_line(&line);
}

#define LOG_FUNCTION(name, level)                                                                  \
    void name(const char *what, const char *format, ...)                                           \
    {                                                                                              \
        va_list arguments;                                                                         \
        va_start(arguments, format);                                                               \
        log_line(level, what, format, arguments);                                                  \
        va_end(arguments);                                                                         \
    }
LOG_FUNCTION(log_error, LOG_LEVEL_ERROR)
LOG_FUNCTION(log_warning, LOG_LEVEL_WARNING)
LOG_FUNCTION(log_info, LOG_LEVEL_INFO)
LOG_FUNCTION(log_debug, LOG_LEVEL_DEBUG)
