/* consultd audit verify. */
#include <errno.h>
#include <string.h>

#include "server/audit_verify.h"
#include "server/command.h"

#define FILE_MAX_BYTES 16777216

/* Reads a file whole, into the arena. NULL: it cannot be read. */
static const char *read_file(struct arena *arena, const char *path)
{
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return NULL;
    }
    struct strbuf text;
    strbuf_init(&text, 0);
    char block[4096];
    for (size_t got;
         text.length < FILE_MAX_BYTES && (got = fread(block, 1, sizeof block, file)) > 0;) {
        strbuf_add(&text, block, got);
    }
    bool is_read = ferror(file) == 0;
    fclose(file);
    const char *copy = is_read ? arena_text(arena, strbuf_text(&text), text.length) : NULL;
    strbuf_free(&text);
    return copy;
}

static void say(const struct command_run *run, const struct audit_report *report, bool is_atomic)
{
    fprintf(run->out,
            "%lld rows in %lld chains, %lld records compared with what was written\n"
            "changed %lld, dropped %lld, out of order %lld, records changed %lld, records missing "
            "%lld, messages without a row %lld\n",
            (long long)report->rows, (long long)report->chains, (long long)report->contents,
            (long long)report->changed, (long long)report->dropped, (long long)report->broken,
            (long long)report->contents_changed, (long long)report->contents_missing,
            (long long)report->unrecorded);
    if (report->unrecorded > 0 && !is_atomic) {
        fprintf(run->out, "a message without a row: its process died between the two, or it was "
                          "put there by somebody else\n");
    }
}

int command_audit_verify(struct command_run *run, const struct audit_verify_options *in)
{
    const char *path = in->against;
    struct audit_head *against = NULL;
    size_t count = 0;
    int bad_line = 0;
    if (path != NULL) {
        const char *text = read_file(run->call.arena, path);
        if (text == NULL) {
            return command_complain(run, COMMAND_USAGE, "cannot read %.200s: %s", path,
                                    strerror(errno));
        }
        against = audit_heads_parse(run->call.arena, text, &count, &bad_line);
        if (bad_line > 0 || count == 0) {
            return command_complain(run, COMMAND_USAGE,
                                    "%.200s:%d: no head <chain> <number> <hash>", path,
                                    bad_line > 0 ? bad_line : 1);
        }
    }
    struct audit_report report;
    struct strbuf findings, heads;
    strbuf_init(&findings, 0);
    strbuf_init(&heads, 0);
    int code = COMMAND_DONE;
    if (audit_verify(run->call.store, against, count, &report, &findings, &heads) != ERR_OK) {
        code = command_store_failed(run);
    } else {
        bool is_atomic = store_is_atomic(store_of_session(run->call.store));
        fputs(strbuf_text(&findings), run->out);
        say(run, &report, is_atomic);
        fputs(strbuf_text(&heads), run->out);
        bool is_whole = audit_report_faults(&report) == 0 && (report.unrecorded == 0 || !is_atomic);
        fputs(is_whole ? "the record is whole\n" : "THE RECORD IS NOT WHOLE\n", run->out);
        code = is_whole ? COMMAND_DONE : COMMAND_FOUND;
    }
    strbuf_free(&findings);
    strbuf_free(&heads);
    return code;
}
