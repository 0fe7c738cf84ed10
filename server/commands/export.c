/* consultd export. The act is recorded before anything is written, and is the export's own last
 * row; files that are there already are not touched. */
#include "server/export.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "server/api/audit.h"
#include "server/command.h"

/* Writes a new file that only its owner may read. */
static int write_file(const struct command_run *run, const char *path, const struct strbuf *text)
{
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    const char *at = strbuf_text(text);
    size_t left = text->length;
    bool is_written = file >= 0;
    while (is_written && left > 0) {
        ssize_t done = write(file, at, left);
        is_written = done > 0;
        at += done > 0 ? done : 0;
        left -= done > 0 ? (size_t)done : 0;
    }
    is_written = is_written && fsync(file) == 0;
    int trouble = errno;
    if (file >= 0) {
        close(file);
    }
    if (!is_written) {
        return command_complain(run, COMMAND_TROUBLE, "cannot write %.200s: %s", path,
                                strerror(trouble));
    }
    fprintf(run->out, "%s\n", path);
    return COMMAND_DONE;
}

static int write_both(struct command_run *run, const char *directory, const struct dossier *dossier)
{
    const char *base = arena_format(run->call.arena, "%s/consultation-%s", directory,
                                    dossier->order.consultation_no);
    struct strbuf json, page;
    strbuf_init(&json, 0);
    strbuf_init(&page, 0);
    export_write_json(&json, dossier);
    export_write_page(&page, run->call.arena, dossier);
    int code = write_file(run, arena_format(run->call.arena, "%s.json", base), &json);
    if (code == COMMAND_DONE) {
        code = write_file(run, arena_format(run->call.arena, "%s.html", base), &page);
    }
    strbuf_free(&json);
    strbuf_free(&page);
    return code;
}

static enum err record_export(struct command_run *run, struct oid id)
{
    TRY(command_begin(run));
    audit_note(&run->call,
               &(struct audit_note){.action = AUDIT_EXPORT, .consultation_id = id, .subject = id});
    return command_commit(run);
}

int command_export(struct command_run *run, const struct export_options *in)
{
    struct dossier dossier;
    enum err err = export_read(&run->call, in->consultation, &dossier);
    if (err == ERR_CONSULTATION_NOT_FOUND) {
        return command_complain(run, COMMAND_TROUBLE, "there is no such consultation");
    }
    if (err == ERR_OK) {
        err = record_export(run, in->consultation);
    }
    if (err == ERR_OK) {
        err = export_read(&run->call, in->consultation, &dossier); /* with the row just written */
    }
    if (err != ERR_OK) {
        return command_store_failed(run);
    }
    return write_both(run, in->directory != NULL ? in->directory : ".", &dossier);
}
