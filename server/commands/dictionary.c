/* consultd dictionary import.
 *
 * The file is read and looked at to its end before the store is touched: if a line is wrong, all
 * wrong lines are named and nothing is added. What is good is added in batches, each a short
 * transaction, so that a server on the same file is not kept waiting; an import that is broken off
 * is simply repeated. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "protocol/memory.h"
#include "server/api/diagnoses.h"
#include "server/command.h"
#include "server/csv.h"

#define FILE_MAX_BYTES 67108864
#define BLOCK_BYTES 65536
#define BATCH_ENTRIES 1000
#define LINES_NAMED_MAX 100
#define RESULT_BYTES 32

static const struct field entry_fields[] = {
    FIELD(diagnosis_entry, code, "code", 0, 0, KEY_MAX_LENGTH, ""),
    FIELD(diagnosis_entry, name, "name", REQUIRED, 1, NAME_MAX_LENGTH, ""),
};
static const struct shape entry_shape = SHAPE(diagnosis_entry, entry_fields);

struct import {
    struct command_run *run;
    struct diagnosis_entry *entries; /* owned; their texts are in the run's arena */
    size_t count, room, bad;
};

/* ---- The file ----------------------------------------------------------------------------- */

static int read_file(const struct command_run *run, const char *path, struct strbuf *out)
{
    FILE *file = fopen(path, "re");
    char block[BLOCK_BYTES];
    if (file == NULL) {
        return command_complain(run, COMMAND_USAGE, "%.200s: %s", path, strerror(errno));
    }
    size_t got;
    while (out->length <= FILE_MAX_BYTES && (got = fread(block, 1, sizeof block, file)) > 0) {
        strbuf_add(out, block, got);
    }
    bool is_read = ferror(file) == 0;
    fclose(file);
    if (!is_read) {
        return command_complain(run, COMMAND_USAGE, "%.200s cannot be read", path);
    }
    if (out->length > FILE_MAX_BYTES) {
        return command_complain(run, COMMAND_USAGE, "%.200s is larger than 64 MiB", path);
    }
    if (memchr(strbuf_text(out), '\0', out->length) != NULL) {
        return command_complain(run, COMMAND_USAGE, "%.200s is no text: it has a NUL byte", path);
    }
    return COMMAND_DONE;
}

static void name_line(struct import *import, int line, const char *trouble)
{
    if (import->bad++ < LINES_NAMED_MAX) {
        fprintf(import->run->complaints, "line %d: %s\n", line, trouble);
    }
}

static const char *trouble_of(enum err err, const struct fault *fault)
{
    bool is_name = strcmp(fault->field, "name") == 0;
    switch (err) {
    case ERR_MISSING_FIELD:
        return "it has no name";
    case ERR_TOO_LONG:
        return is_name ? "its name has more than 64 characters"
                       : "its code has more than 64 characters";
    case ERR_INVALID_TEXT:
        return is_name ? "its name has a control character" : "its code has a control character";
    default:
        return "it is not UTF-8";
    }
}

static enum err bind(struct import *import, const struct csv_record *record,
                     struct diagnosis_entry *out, struct fault *fault)
{
    struct document document;
    struct strbuf text;
    *out = (struct diagnosis_entry){.code = NULL};
    strbuf_init(&text, 0);
    strbuf_add_literal(&text, "{\"code\":");
    strbuf_add_json(&text, record->fields[0]);
    strbuf_add_literal(&text, ",\"name\":");
    strbuf_add_json(&text, record->fields[1]);
    strbuf_add_char(&text, '}');
    struct arena *arena = import->run->call.arena;
    enum err err = document_parse(&document, arena, strbuf_text(&text), text.length, fault);
    if (err == ERR_OK) {
        err = document_bind(&document, &entry_shape, arena, out, fault);
    }
    strbuf_free(&text);
    out->code = out->code == NULL ? "" : out->code;
    return err;
}

static bool is_heading(const struct csv_record *record)
{
    return record->count == 2 && strcmp(record->fields[0], "code") == 0 &&
           strcmp(record->fields[1], "name") == 0;
}

static void take_record(struct import *import, const struct csv_record *record, bool is_first)
{
    struct fault fault = {.field = ""};
    if (record->trouble != NULL) {
        name_line(import, record->line, record->trouble);
        return;
    }
    if (record->count != 2) {
        name_line(import, record->line, "it must have two fields, code and name");
        return;
    }
    if (is_first && is_heading(record)) {
        return;
    }
    if (import->count == import->room) {
        import->room = import->room == 0 ? BATCH_ENTRIES : 2 * import->room;
        import->entries = memory_resize(import->entries, import->room * sizeof *import->entries);
    }
    enum err err = bind(import, record, &import->entries[import->count], &fault);
    if (err == ERR_OK) {
        import->count++;
    } else {
        name_line(import, record->line, trouble_of(err, &fault));
    }
}

/* All entries of the file; false: wrong lines were named. */
static bool take_entries(struct import *import, const struct strbuf *text)
{
    struct arena *arena = arena_new(BLOCK_BYTES);
    struct csv csv;
    struct csv_record record;
    csv_begin(&csv, strbuf_text(text), text->length);
    for (bool is_first = true; csv_next(&csv, arena, &record); is_first = false) {
        take_record(import, &record, is_first);
        arena_reset(arena);
    }
    arena_free(arena);
    if (import->bad > LINES_NAMED_MAX) {
        fprintf(import->run->complaints, "… and %zu more\n", import->bad - LINES_NAMED_MAX);
    }
    return import->bad == 0;
}

/* ---- The store ---------------------------------------------------------------------------- */

static enum err add_batch(struct command_run *run, const struct diagnosis_entry *entries,
                          size_t count, size_t *added)
{
    char result[RESULT_BYTES];
    size_t fresh = 0;
    TRY(command_begin(run));
    enum err err = diagnoses_insert(run->call.store, run->call.now, entries, count, &fresh);
    if (err != ERR_OK) {
        command_abandon(run);
        return err;
    }
    if (fresh > 0) {
        snprintf(result, sizeof result, "%zu", fresh);
        command_note(run, OID_NONE, result);
    }
    err = command_commit(run);
    *added += err == ERR_OK ? fresh : 0;
    return err;
}

static int add_all(const struct import *import)
{
    struct command_run *run = import->run;
    bool is_watched = isatty(fileno(run->complaints)) != 0;
    size_t added = 0;
    enum err err = ERR_OK;
    for (size_t at = 0; at < import->count && err == ERR_OK; at += BATCH_ENTRIES) {
        size_t some = import->count - at < BATCH_ENTRIES ? import->count - at : BATCH_ENTRIES;
        err = add_batch(run, import->entries + at, some, &added);
        if (is_watched) {
            fprintf(run->complaints, "\r%zu of %zu", at + some, import->count);
        }
    }
    if (is_watched) {
        fprintf(run->complaints, "\n");
    }
    if (err != ERR_OK) {
        command_store_failed(run);
        return command_complain(run, COMMAND_TROUBLE,
                                "%zu were added before; importing again adds the rest", added);
    }
    fprintf(run->out, "%zu added, %zu there already\n", added, import->count - added);
    return COMMAND_DONE;
}

int command_dictionary_import(struct command_run *run, const struct dictionary_import_options *in)
{
    struct import import = {.run = run};
    struct strbuf text;
    strbuf_init(&text, 0);
    int code = read_file(run, in->file, &text);
    if (code == COMMAND_DONE && !take_entries(&import, &text)) {
        code = command_complain(run, COMMAND_USAGE, "%zu lines are wrong; nothing was added",
                                import.bad);
    } else if (code == COMMAND_DONE && in->dry_run) {
        fprintf(run->out, "%zu are good; nothing was added\n", import.count);
    } else if (code == COMMAND_DONE) {
        code = add_all(&import);
    }
    strbuf_free(&text);
    free(import.entries);
    return code;
}
