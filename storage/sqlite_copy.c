/* Backup and restore of a SQLite file.
 *
 * A backup is taken within one read transaction, so that it is the store of one moment however long
 * the copying takes; with WAL that keeps no writer waiting. It is written beside its name first and
 * gets its name when it is whole, checked and on disk.
 *
 *     PATH ──copy──▶ FILE.part ──rename──▶ FILE
 *     FILE ──copy──▶ PATH.restoring ──new id──rename──▶ PATH      PATH ──link──▶ PATH.replaced-…
 *
 * A restore holds both locks, of the server and of the subcommands, so that nobody has the old file
 * open who could still write to it. PATH exists at every moment, as the old store or the new one: a
 * server that found none would make an empty one. */
#include "storage/sqlite_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define SCHEME "sqlite:"
#define OLDEST_VERSION 1

/* ---- Looking ------------------------------------------------------------------------------ */

enum err sqlite_inspect(sqlite3 *db, struct strbuf *out)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(db, "PRAGMA integrity_check(100)", -1, &statement, NULL);
    while (rc == SQLITE_OK && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
        const char *line = (const char *)sqlite3_column_text(statement, 0);
        if (line != NULL && strcmp(line, "ok") != 0) {
            strbuf_add_format(out, "%s\n", line);
        }
        rc = SQLITE_OK;
    }
    sqlite3_finalize(statement);
    if (rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB) {
        strbuf_add_format(out, "%s\n", sqlite3_errstr(rc));
        return ERR_OK;
    }
    return rc == SQLITE_DONE ? ERR_OK : ERR_STORE;
}

/* Whether the file is a sound store of a version that is known, `oldest` or newer. */
static enum err judge(sqlite3 *db, const char *name, int64_t oldest, char why[256])
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(db, "SELECT max(version) FROM store_info", -1, &statement, NULL);
    rc = rc == SQLITE_OK ? sqlite3_step(statement) : rc;
    int64_t version = rc == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    sqlite3_finalize(statement);
    if (version == 0) {
        snprintf(why, 256, "%.200s is no store of consultd", name);
        return ERR_STORE;
    }
    if (version > STORE_VERSION) {
        snprintf(why, 256, STORE_NEWER_SENTENCE, version, STORE_VERSION);
        return ERR_STORE;
    }
    if (version < oldest) {
        snprintf(why, 256,
                 "%.80s is of store version %" PRId64
                 ", this consultd has %d: upgrade a copy of it "
                 "first (consultd db upgrade --store sqlite:COPY), and restore that",
                 name, version, STORE_VERSION);
        return ERR_STORE;
    }
    struct strbuf findings;
    strbuf_init(&findings, 0);
    enum err err = sqlite_inspect(db, &findings);
    if (err != ERR_OK || findings.length > 0) {
        snprintf(why, 256, "%.150s is damaged: %.60s", name, strbuf_text(&findings));
        err = ERR_STORE;
    }
    strbuf_free(&findings);
    return err;
}

/* ---- Copying ------------------------------------------------------------------------------ */

static enum err complain(sqlite3 *db, const char *name, char why[256])
{
    snprintf(why, 256, "%.180s: %s", name, db == NULL ? "no memory" : sqlite3_errmsg(db));
    return ERR_STORE;
}

static enum err open_file(const char *name, int64_t timeout_ms, sqlite3 **out, char why[256])
{
    *out = NULL;
    if (access(name, R_OK) != 0) {
        snprintf(why, 256, "%.180s: %s", name, strerror(errno));
        return ERR_STORE;
    }
    if (sqlite3_open_v2(name, out, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) !=
        SQLITE_OK) {
        return complain(*out, name, why);
    }
    sqlite3_busy_timeout(*out, (int)timeout_ms);
    return ERR_OK;
}

/* A new empty file that only its owner may read. `store`: it belongs to whoever has that, or its folder, where
 * root makes it for another user; NULL: to us. */
static enum err make_file(const char *name, const char *store, char why[256])
{
    const int fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        snprintf(why, 256, "%.180s: %s", name, strerror(errno));
        return ERR_STORE;
    }
    const enum err err = store == NULL ? ERR_OK : sqlite_file_give(fd, store);
    if (err != ERR_OK) {
        snprintf(why, 256, "%.180s: %s", name, strerror(errno));
    }
    close(fd);
    return err;
}

static enum err sync_file(const char *name, char why[256])
{
    const int fd = open(name, O_RDWR | O_CLOEXEC);
    const bool is_synced = fd >= 0 && fsync(fd) == 0;
    if (!is_synced) {
        snprintf(why, 256, "%.180s: %s", name, strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
    return is_synced ? ERR_OK : ERR_STORE;
}

static enum err copy_pages(sqlite3 *from, sqlite3 *to, const char *name, char why[256])
{
    sqlite3_backup *copying = sqlite3_backup_init(to, "main", from, "main");
    if (copying == NULL) {
        return complain(to, name, why);
    }
    (void)sqlite3_backup_step(copying, -1);
    return sqlite3_backup_finish(copying) == SQLITE_OK ? ERR_OK : complain(to, name, why);
}

/* Copies the open store into the empty file `name`; `id` NULL: keeps its id. */
static enum err copy_into(sqlite3 *from, const char *name, const char *id, char why[256])
{
    sqlite3 *to = NULL;
    char sql[80];
    snprintf(sql, sizeof(sql), "UPDATE store_info SET storeId='%s'", id == NULL ? "" : id);
    enum err err = open_file(name, 0, &to, why);
    if (err == ERR_OK) {
        err = copy_pages(from, to, name, why);
    }
    if (err == ERR_OK &&
        (sqlite3_exec(to, "PRAGMA journal_mode=DELETE", NULL, NULL, NULL) != SQLITE_OK ||
         (id != NULL && sqlite3_exec(to, sql, NULL, NULL, NULL) != SQLITE_OK))) {
        err = complain(to, name, why);
    }
    if (err == ERR_OK) {
        err = judge(to, name, OLDEST_VERSION, why);
    }
    sqlite3_close(to);
    return err == ERR_OK ? sync_file(name, why) : err;
}

/* ---- Backup ------------------------------------------------------------------------------- */

static enum err backup_open(const char *name, const char *to, int64_t timeout_ms, char why[256])
{
    char part[PATH_MAX];
    sqlite3 *db = NULL;
    if (access(to, F_OK) == 0) {
        snprintf(why, 256, "%.200s is there already", to);
        return ERR_STORE;
    }
    if (snprintf(part, sizeof(part), "%s.part", to) >= (int)sizeof(part)) {
        snprintf(why, 256, "the path of the backup is too long");
        return ERR_STORE;
    }
    enum err err = open_file(name, timeout_ms, &db, why);
    /* The snapshot is that of the first read. */
    if (err == ERR_OK &&
        sqlite3_exec(db, "BEGIN; SELECT 1 FROM sqlite_schema", NULL, NULL, NULL) != SQLITE_OK) {
        err = complain(db, name, why);
    }
    if (err == ERR_OK) {
        /* There already: another backup makes it, or one was broken off. */
        err = make_file(part, NULL, why);
    }
    if (err == ERR_OK) {
        err = copy_into(db, part, NULL, why);
        if (err == ERR_OK && rename(part, to) != 0) {
            snprintf(why, 256, "%.180s: %s", to, strerror(errno));
            err = ERR_STORE;
        }
        if (err != ERR_OK) {
            unlink(part);
        }
        sqlite_file_sync_folder(to);
    }
    sqlite3_close(db);
    return err;
}

enum err sqlite_backup(const struct store_settings *settings, const char *to, char why[256])
{
    char *name = sqlite_file_resolve(settings->url + strlen(SCHEME));
    int lock = -1;
    enum err err = ERR_STORE;
    if (access(name, F_OK) != 0) {
        snprintf(why, 256, "there is no store at %.200s", name);
    } else {
        err = sqlite_file_lock(name, ".commands", LOCK_SH, &lock, why);
    }
    if (err == ERR_OK) {
        err = backup_open(name, to, settings->timeout_ms, why);
    }
    if (lock >= 0) {
        close(lock);
    }
    free(name);
    return err;
}

/* ---- Restore ------------------------------------------------------------------------------ */

/* Brings what is only in the log into the file that is to be kept. A damaged one stays as it is,
 * with its log; one that somebody has open, past our locks, is not touched. */
static enum err settle_old(const char *name, char why[256])
{
    sqlite3 *db = NULL;
    enum err err = open_file(name, 0, &db, why);
    if (err == ERR_OK &&
        sqlite3_exec(db, "PRAGMA journal_mode=DELETE", NULL, NULL, NULL) == SQLITE_BUSY) {
        snprintf(why, 256, "another process has %.200s open", name);
        err = ERR_STORE;
    }
    sqlite3_close(db);
    return err;
}

/* Also where the file itself has been moved away: SQLite would take the log that it left for the new one's. */
static enum err keep_old(const char *name, char why[256])
{
    static const char *const suffixes[] = {"", "-wal", "-journal"};
    char from[PATH_MAX], kept[PATH_MAX];
    const long long now = (long long)time(NULL);
    if (access(name, F_OK) == 0) {
        TRY(settle_old(name, why));
    }
    for (size_t i = 0; i < ARRAY_LENGTH(suffixes); i++) {
        snprintf(from, sizeof(from), "%s%s", name, suffixes[i]);
        snprintf(kept, sizeof(kept), "%s.replaced-%lld%s", name, now, suffixes[i]);
        if (access(from, F_OK) == 0 && (i == 0 ? link(from, kept) : rename(from, kept)) != 0) {
            snprintf(why, 256, "%.180s: %s", kept, strerror(errno));
            return ERR_STORE;
        }
    }
    snprintf(from, sizeof(from), "%s-shm", name);
    unlink(from);
    return ERR_OK;
}

static enum err replace(const char *name, const char *from, char why[256])
{
    char part[PATH_MAX], id[17];
    sqlite3 *db = NULL;
    if (!store_id_make(id) ||
        snprintf(part, sizeof(part), "%s.restoring", name) >= (int)sizeof(part) - 40) {
        snprintf(why, 256, "no random numbers, or the path of the store is too long");
        return ERR_STORE;
    }
    unlink(part); /* ours alone, under both locks: of a restore that was broken off */
    enum err err = open_file(from, 0, &db, why);
    if (err == ERR_OK) {
        err = judge(db, from, STORE_VERSION, why);
    }
    if (err == ERR_OK) {
        err = make_file(part, name, why);
    }
    if (err == ERR_OK) {
        err = copy_into(db, part, id, why);
    }
    sqlite3_close(db);
    if (err == ERR_OK) {
        err = keep_old(name, why);
    }
    if (err == ERR_OK && rename(part, name) != 0) {
        snprintf(why, 256, "%.180s: %s", name, strerror(errno));
        err = ERR_STORE;
    }
    if (err != ERR_OK) {
        unlink(part);
    }
    sqlite_file_sync_folder(name);
    return err;
}

enum err sqlite_restore(const struct store_settings *settings, const char *from, char why[256])
{
    char *name = sqlite_file_resolve(settings->url + strlen(SCHEME));
    int served = -1, commands = -1;
    enum err err = sqlite_file_lock(name, ".lock", LOCK_EX, &served, why);
    if (err == ERR_OK) {
        err = sqlite_file_lock(name, ".commands", LOCK_EX, &commands, why);
    }
    if (err == ERR_OK) {
        err = replace(name, from, why);
    }
    if (commands >= 0) {
        close(commands);
    }
    if (served >= 0) {
        close(served);
    }
    free(name);
    return err;
}
