/* The SQLite backend: sessions and runs of jobs. The operations are in sqlite_records.c.
 *
 * A session is one connection. A run (begin … commit) starts no transaction by itself: the first
 * write does, with BEGIN IMMEDIATE, and likewise a job's savepoint; in a hopeful run also who asks for a chat,
 * since only within a transaction is it known whether the one that is kept is still as stored. Reads before it
 * see the last commit, reads after it see the run's own writes; a run that reads nothing else costs nothing.
 *
 *     begin   mark   read   write             mark           write      commit
 *                           BEGIN+SAVEPOINT   RELEASE        SAVEPOINT  RELEASE+COMMIT: on disk
 *
 * When the disk is full or fails, SQLite may roll the whole transaction back on its own, jobs of
 * the run that went well before included. The run is lost then: what is still tried in it fails,
 * and so does its commit, so that every job of it is answered ERR_STORE. The next run starts
 * afresh. The same holds where a savepoint cannot be rolled back to.
 *
 * A session that looks (store_look) reads in one transaction, which its first read begins.
 *
 * Without a run every write is its own transaction, on disk when it returns.
 *
 * Worker only; a store is shared and constant after opening, a session has one thread at a time. */
#include "storage/sqlite_session.h"

#include "storage/kept.h"
#include "storage/sqlite_log.h"
#include "storage/sqlite_sync.h"

#include "protocol/memory.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct sqlite_session *of(struct store_session *session)
{
    return (struct sqlite_session *)session;
}

/* SQLite's texts for errors name no values. */
enum err sqlite_trouble(struct sqlite_session *s, int rc)
{
    snprintf(s->head.trouble, sizeof(s->head.trouble), "sqlite error %d: %s", rc,
             sqlite3_errstr(rc));
    if (s->in_transaction && sqlite3_get_autocommit(s->db) != 0) {
        s->is_lost = true;
    }
    return ERR_STORE;
}

enum err sqlite_outcome(struct sqlite_session *s, int rc)
{
    switch (rc) {
    case SQLITE_OK:
    case SQLITE_DONE:
        return ERR_OK;
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_ROWID:
        return ERR_DUPLICATE;
    default:
        return sqlite_trouble(s, rc);
    }
}

enum err sqlite_control(struct sqlite_session *s, enum control control)
{
    return sqlite_outcome(s, statements_control(&s->statements, control));
}

/* ---- Opening ------------------------------------------------------------------------------ */

static void log_close(const struct sqlite_store *store)
{
    if (store->statement_log >= 0) {
        close(store->statement_log);
    }
}

static enum err sqlite_open(const struct store_settings *settings, struct store **out,
                            char why[256])
{
    struct sqlite_store *store = memory_resize(NULL, sizeof(*store));
    memset(store, 0, sizeof(*store));
    store->head.ops = &sqlite_ops;
    store->head.ordered = true;
    store->head.atomic = true;
    store->head.writers_max = 1;
    store->statement_log = -1;
    if (settings->statements_file != NULL) {
        store->statement_log =
            open(settings->statements_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    }
    const enum err err = sqlite_file_open(&store->file, settings, why);
    if (err != ERR_OK) {
        log_close(store);
        free(store);
        return err;
    }
    *out = &store->head;
    return ERR_OK;
}

static void sqlite_close(struct store *head)
{
    struct sqlite_store *store = (struct sqlite_store *)head;
    sqlite_file_close(&store->file);
    log_close(store);
    free(store);
}

static enum err sqlite_session_open(struct store *head, bool writes, struct store_session **out)
{
    const struct sqlite_store *store = (const struct sqlite_store *)head;
    sqlite3 *db = NULL;
    if (sqlite_file_connect(&store->file, writes, &db) != SQLITE_OK) {
        return ERR_STORE;
    }
    struct sqlite_session *s = memory_resize(NULL, sizeof(*s));
    memset(s, 0, sizeof(*s));
    s->head.ops = &sqlite_ops;
    s->head.store = head;
    s->db = db;
    s->writes = writes;
    s->kept = kept_new();
    statements_init(&s->statements, db, store->statement_log);
    *out = &s->head;
    return ERR_OK;
}

static void sqlite_abandon(struct store_session *session);

static void sqlite_session_close(struct store_session *session)
{
    struct sqlite_session *s = of(session);
    if (s->in_run) {
        sqlite_abandon(session);
    }
    statements_look_away(&s->statements);
    statements_free(&s->statements);
    kept_free(s->kept);
    const int rc = sqlite3_close(s->db);
    assert(rc == SQLITE_OK);
    (void)rc;
    free(s);
}

/* ---- Runs --------------------------------------------------------------------------------- */

static void run_forget(struct sqlite_session *s)
{
    s->in_run = false;
    s->is_hopeful = false;
    s->has_written = false;
    s->has_assumed = false;
    s->is_spoilt = false;
    s->in_transaction = false;
    s->in_job = false;
    s->has_savepoint = false;
    s->is_lost = false;
}

static enum err sqlite_begin(struct store_session *session)
{
    struct sqlite_session *s = of(session);
    assert(!s->in_run);
    s->in_run = true;
    return ERR_OK;
}

static enum err sqlite_begin_hopeful(struct store_session *session)
{
    TRY(sqlite_begin(session));
    of(session)->is_hopeful = true;
    return ERR_OK;
}

static void sqlite_abandon(struct store_session *session)
{
    struct sqlite_session *s = of(session);
    assert(s->in_run);
    if (sqlite3_get_autocommit(s->db) == 0) {
        sqlite_control(s, CONTROL_ROLLBACK); /* fails only where SQLite has done so already */
    }
    kept_forget(s->kept);
    run_forget(s);
}

static struct late_sync *late_sync_of(const struct store *store)
{
    return ((const struct sqlite_store *)store)->file.late_sync;
}

static enum err commit_unsynced(struct sqlite_session *s)
{
    struct late_sync *sync = late_sync_of(s->head.store);
    late_sync_begin(sync);
    sqlite_log_leave_unsynced(s->db, true);
    const enum err err = sqlite_control(s, CONTROL_COMMIT);
    sqlite_log_leave_unsynced(s->db, false);
    late_sync_end(sync);
    return err;
}

static enum err end_run(struct sqlite_session *s, enum err (*commit)(struct sqlite_session *))
{
    assert(s->in_run);
    enum err err = s->is_lost ? ERR_STORE : s->is_spoilt ? ERR_BUSY : sqlite_flush(s);
    if (err == ERR_OK && s->in_transaction) {
        err = commit(s);
    }
    if (err != ERR_OK || !s->is_hopeful) {
        sqlite_abandon(&s->head); /* after a commit that went well there is nothing to roll back */
        return err;
    }
    if (s->in_transaction) {
        kept_settle(s->kept);
        s->kept_version = sqlite_file_version(s->db);
    }
    run_forget(s);
    return ERR_OK;
}

static enum err commit_synced(struct sqlite_session *s)
{
    return sqlite_control(s, CONTROL_COMMIT);
}

static enum err sqlite_commit(struct store_session *session)
{
    return end_run(of(session), commit_synced);
}

static enum err sqlite_commit_early(struct store_session *session)
{
    struct sqlite_session *s = of(session);
    return end_run(s, late_sync_of(session->store) == NULL ? commit_synced : commit_unsynced);
}

static bool sqlite_is_synced(const struct store *store)
{
    struct late_sync *sync = late_sync_of(store);
    return sync == NULL || late_sync_is_done(sync);
}

static enum err sqlite_sync(const struct store *store)
{
    struct late_sync *sync = late_sync_of(store);
    return sync == NULL ? ERR_OK : late_sync_wait(sync);
}

/* Ends the job's savepoint. `undo`: takes back what was written since. */
static enum err savepoint_close(struct sqlite_session *s, bool undo)
{
    if (!s->has_savepoint || s->is_lost) {
        return s->is_lost ? ERR_STORE : ERR_OK;
    }
    enum err err = undo ? sqlite_control(s, CONTROL_JOB_UNDO) : ERR_OK;
    if (err == ERR_OK) {
        err = sqlite_control(s, CONTROL_JOB_KEEP);
    }
    s->has_savepoint = false;
    if (err != ERR_OK) {
        s->is_lost = true;
    }
    return err;
}

static enum err sqlite_mark(struct store_session *session)
{
    struct sqlite_session *s = of(session);
    assert(s->in_run);
    s->in_job = true;
    s->has_written = false;
    s->asks = false;
    s->has_assumed = false;
    kept_mark(s->kept);
    return savepoint_close(s, false);
}

static enum err sqlite_undo(struct store_session *session)
{
    struct sqlite_session *s = of(session);
    assert(s->in_run && s->in_job);
    kept_undo(s->kept);
    if (s->is_hopeful && s->has_written) {
        s->is_spoilt = true;
        return ERR_BUSY;
    }
    return savepoint_close(s, true);
}

static bool sqlite_has_assumed(const struct store_session *session)
{
    return ((const struct sqlite_session *)session)->has_assumed;
}

static enum err sqlite_mark_again(struct store_session *session)
{
    TRY(sqlite_undo(session));
    TRY(sqlite_mark(session));
    of(session)->asks = true;
    return ERR_OK;
}

enum err sqlite_open_transaction(struct sqlite_session *s)
{
    assert(s->writes && s->in_run);
    if (s->is_lost) {
        return ERR_STORE;
    }
    if (!s->in_transaction) {
        TRY(sqlite_control(s, CONTROL_BEGIN));
        s->in_transaction = true;
        if (sqlite_file_version(s->db) != s->kept_version) {
            kept_forget(s->kept); /* a subcommand may have changed what is kept */
        }
    }
    return ERR_OK;
}

enum err sqlite_writing(struct sqlite_session *s)
{
    assert(s->writes);
    if (!s->in_run) {
        return ERR_OK;
    }
    TRY(sqlite_open_transaction(s));
    if (s->in_job && !s->has_savepoint && !s->is_hopeful) {
        TRY(sqlite_control(s, CONTROL_JOB_OPEN));
        s->has_savepoint = true;
    }
    return ERR_OK;
}

/* In memory a reader keeps the writer waiting: there each call looks for itself. */
static void sqlite_look(struct store_session *session)
{
    struct sqlite_session *s = of(session);
    assert(!s->writes);
    s->statements.looks = !((const struct sqlite_store *)session->store)->file.in_memory;
}

static void sqlite_look_away(struct store_session *session)
{
    statements_look_away(&of(session)->statements);
}

static enum err sqlite_inspect_session(struct store_session *session, struct strbuf *out)
{
    return sqlite_inspect(of(session)->db, out);
}

static enum err sqlite_drop_old_indexes(struct store_session *session)
{
    return sqlite_outcome(of(session), sqlite_schema_drop_old_indexes(of(session)->db));
}

/* A full disk can be read: only writing tells, and one page may find room where a message does not.
 * MAX never lowers what a newer program has set. */
static enum err sqlite_ping(struct store_session *session)
{
    struct sqlite_session *s = of(session);
    if (!sqlite_file_has_room(&((const struct sqlite_store *)session->store)->file)) {
        return sqlite_trouble(s, SQLITE_FULL);
    }
    if (s->writes) {
        const struct change same = MAX(store_info, version, STORE_VERSION);
        return sqlite_update(session, NULL, COLLECTION_STORE_INFO, store_info_id, NULL, 0, &same, 1,
                             NULL);
    }
    int64_t count = 0;
    const struct query all = {.limit = 1};
    return sqlite_count(session, COLLECTION_STORE_INFO, &all, &count);
}

const struct store_ops sqlite_ops = {
    .scheme = "sqlite:",
    .check_url = sqlite_file_check_url,
    .open = sqlite_open,
    .close = sqlite_close,
    .session_open = sqlite_session_open,
    .session_close = sqlite_session_close,
    .begin = sqlite_begin,
    .begin_hopeful = sqlite_begin_hopeful,
    .commit = sqlite_commit,
    .commit_early = sqlite_commit_early,
    .is_synced = sqlite_is_synced,
    .sync = sqlite_sync,
    .abandon = sqlite_abandon,
    .look = sqlite_look,
    .look_away = sqlite_look_away,
    .mark = sqlite_mark,
    .undo = sqlite_undo,
    .has_assumed = sqlite_has_assumed,
    .mark_again = sqlite_mark_again,
    .insert = sqlite_insert,
    .insert_many = sqlite_insert_many,
    .find = sqlite_find,
    .count = sqlite_count,
    .update = sqlite_update,
    .remove = sqlite_remove,
    .backup = sqlite_backup,
    .restore = sqlite_restore,
    .drop_old_indexes = sqlite_drop_old_indexes,
    .inspect = sqlite_inspect_session,
    .ping = sqlite_ping,
};
