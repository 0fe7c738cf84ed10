/* Comma-separated values, RFC 4180. Stricter than most: a quote in the middle of a field that does
 * not begin with one, or text behind a closing quote, is an error instead of a guess, because what
 * is guessed wrong ends up in a dictionary that doctors use. */
#include "server/csv.h"

#include <string.h>

#include "protocol/strbuf.h"

void csv_begin(struct csv *csv, const char *text, size_t length)
{
    bool has_mark = length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0;
    *csv = (struct csv){.at = has_mark ? text + 3 : text, .end = text + length, .line = 1};
}

/* How many bytes end a line here; 0: none do. */
static size_t line_end(const struct csv *csv)
{
    if (csv->at < csv->end && csv->at[0] == '\n') {
        return 1;
    }
    return csv->at + 1 < csv->end && csv->at[0] == '\r' && csv->at[1] == '\n' ? 2 : 0;
}

static bool pass_line_end(struct csv *csv)
{
    size_t bytes = line_end(csv);
    csv->at += bytes;
    csv->line += bytes > 0 ? 1 : 0;
    return bytes > 0;
}

/* At a quote. The field without its quotes; NULL: it is not closed. */
static const char *quoted(struct csv *csv, struct arena *arena)
{
    struct strbuf field;
    strbuf_init(&field, 0);
    const char *out = NULL;
    for (csv->at++; csv->at < csv->end && out == NULL; csv->at++) {
        if (*csv->at == '"' && (csv->at + 1 == csv->end || csv->at[1] != '"')) {
            out = arena_text(arena, strbuf_text(&field), field.length);
        } else {
            csv->at += *csv->at == '"' ? 1 : 0;
            csv->line += *csv->at == '\n' ? 1 : 0;
            strbuf_add_char(&field, *csv->at);
        }
    }
    strbuf_free(&field);
    return out;
}

static const char *plain(struct csv *csv, struct arena *arena, const char **trouble)
{
    const char *start = csv->at;
    while (csv->at < csv->end && *csv->at != ',' && line_end(csv) == 0) {
        if (*csv->at == '"') {
            *trouble = "a quote within a field that does not begin with one";
        }
        csv->at++;
    }
    return arena_text(arena, start, (size_t)(csv->at - start));
}

static void pass_line(struct csv *csv)
{
    while (csv->at < csv->end && !pass_line_end(csv)) {
        csv->at++;
    }
}

bool csv_next(struct csv *csv, struct arena *arena, struct csv_record *out)
{
    while (pass_line_end(csv)) {
    }
    *out = (struct csv_record){.line = csv->line};
    if (csv->at == csv->end) {
        return false;
    }
    for (;;) {
        bool is_quoted = csv->at < csv->end && *csv->at == '"';
        const char *field = is_quoted ? quoted(csv, arena) : plain(csv, arena, &out->trouble);
        if (field == NULL) {
            out->trouble = "a quote that is never closed";
            return true;
        }
        if (out->count < CSV_FIELDS_MAX) {
            out->fields[out->count] = field;
        }
        out->count++;
        if (csv->at == csv->end || pass_line_end(csv)) {
            return true;
        }
        if (*csv->at != ',') {
            out->trouble = "text behind a closing quote";
            pass_line(csv);
            return true;
        }
        csv->at++;
    }
}
