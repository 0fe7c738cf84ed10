/* A file of comma-separated values. Every good record, written again with all fields in quotes, is
 * read as the same record; lines only go up, and reading ends. */
#include "fuzz.h"
#include "protocol/strbuf.h"
#include "server/csv.h"

static struct arena *arena;

static void write_again(const struct csv_record *record, struct strbuf *out)
{
    for (size_t i = 0; i < record->count; i++) {
        strbuf_add_text(out, i > 0 ? ",\"" : "\"");
        for (const char *at = record->fields[i]; *at != '\0'; at++) {
            strbuf_add_text(out, *at == '"' ? "\"" : "");
            strbuf_add_char(out, *at);
        }
        strbuf_add_char(out, '"');
    }
    strbuf_add_char(out, '\n');
}

static void check_record(const struct csv_record *record)
{
    struct strbuf text;
    strbuf_init(&text, 0);
    write_again(record, &text);
    struct csv csv;
    struct csv_record again;
    csv_begin(&csv, strbuf_text(&text), text.length);
    assert(csv_next(&csv, arena, &again));
    assert(again.trouble == NULL && again.count == record->count);
    for (size_t i = 0; i < record->count; i++) {
        assert(strcmp(again.fields[i], record->fields[i]) == 0);
    }
    assert(!csv_next(&csv, arena, &again));
    strbuf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (arena == NULL) {
        arena = arena_new(65536);
    }
    if (size == 0 || memchr(data, '\0', size) != NULL) {
        return 0; /* the import refuses it before */
    }
    struct csv csv;
    struct csv_record record;
    int line = 0;
    size_t count = 0;
    csv_begin(&csv, (const char *)data, size);
    while (csv_next(&csv, arena, &record)) {
        assert(record.line > line && ++count <= size);
        line = record.line;
        if (record.trouble == NULL && record.count <= CSV_FIELDS_MAX) {
            check_record(&record);
        }
    }
    arena_reset(arena);
    return 0;
}
