/* The SQLite backend: sessions, runs of jobs, and the operations.
 *
 * A session is one connection. A run (begin … commit) starts no transaction by itself: the first
 * write does, with BEGIN IMMEDIATE, and likewise a job's savepoint. Reads before it see the last
 * commit, reads after it see the run's own writes; a run that only reads costs nothing.
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
 * What must hold: no statement stays unreset when a call returns (it would hold a snapshot), and a
 * failed call leaves nothing of itself behind.
 *
 * Worker only; a store is shared and constant after opening, a session has one thread at a time. */
#include "storage/backend.h"
#include "storage/record.h"
#include "storage/kept.h"
#include "storage/shape_sql.h"
#include "storage/sqlite_file.h"
#include "storage/sqlite_statements.h"

#include "protocol/memory.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct sqlite_store {
    struct store head;
    struct sqlite_file file;
    int statement_log; /* -1: none */
};

struct sqlite_session {
    struct store_session head;
    sqlite3 *db;
    struct statements statements;
    struct kept *kept; /* of hopeful runs; owned */
    unsigned
        kept_version; /* of the file, see sqlite_file_version, when they were last known to be as stored */
    bool writes;
    bool in_run;         /* between begin and commit or abandon */
    bool is_hopeful;     /* see store_begin_hopeful */
    bool in_transaction; /* the run has written */
    bool in_job;         /* between mark and the next mark or the run's end */
    bool has_savepoint;  /* the job has written */
    bool has_written;    /* the same in a hopeful run, in which there are no savepoints */
    bool is_spoilt;      /* a hopeful run holds what should have been taken back */
    bool is_lost;        /* the run's transaction is gone or beyond repair */
};

static struct sqlite_session *of(struct store_session *session)
{
    return (struct sqlite_session *)session;
}

/* Keeps what SQLite says for the log. Its texts for errors name no values. */
static enum err trouble(struct sqlite_session *s, int rc)
{
    snprintf(s->head.trouble, sizeof(s->head.trouble), "sqlite error %d: %s", rc,
             sqlite3_errstr(rc));
    if (s->in_transaction && sqlite3_get_autocommit(s->db) != 0) {
        s->is_lost = true;
    }
    return ERR_STORE;
}

static enum err outcome(struct sqlite_session *s, int rc)
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
        return trouble(s, rc);
    }
}

static enum err control(struct sqlite_session *s, enum control control)
{
    return outcome(s, statements_control(&s->statements, control));
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
        (void)control(s, CONTROL_ROLLBACK); /* fails only where SQLite has rolled back already */
    }
    kept_forget(s->kept);
    run_forget(s);
}

static enum err flush(struct sqlite_session *s);

static enum err sqlite_commit(struct store_session *session)
{
    struct sqlite_session *s = of(session);
    assert(s->in_run);
    enum err err = s->is_lost ? ERR_STORE : s->is_spoilt ? ERR_BUSY : flush(s);
    if (err == ERR_OK && s->in_transaction) {
        err = control(s, CONTROL_COMMIT);
    }
    if (err != ERR_OK || !s->is_hopeful) {
        sqlite_abandon(session); /* after a commit that went well there is nothing to roll back */
        return err;
    }
    if (s->in_transaction) {
        kept_settle(s->kept);
        s->kept_version = sqlite_file_version(s->db);
    }
    run_forget(s);
    return ERR_OK;
}

/* Ends the job's savepoint. `undo`: takes back what was written since. */
static enum err savepoint_close(struct sqlite_session *s, bool undo)
{
    if (!s->has_savepoint || s->is_lost) {
        return s->is_lost ? ERR_STORE : ERR_OK;
    }
    enum err err = undo ? control(s, CONTROL_JOB_UNDO) : ERR_OK;
    if (err == ERR_OK) {
        err = control(s, CONTROL_JOB_KEEP);
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

/* Opens the run's transaction: from here on nobody else writes. */
static enum err open_transaction(struct sqlite_session *s)
{
    assert(s->writes && s->in_run);
    if (s->is_lost) {
        return ERR_STORE;
    }
    if (!s->in_transaction) {
        TRY(control(s, CONTROL_BEGIN));
        s->in_transaction = true;
        if (sqlite_file_version(s->db) != s->kept_version) {
            kept_forget(s->kept); /* a subcommand may have changed what is kept */
        }
    }
    return ERR_OK;
}

/* Before every write: opens the transaction and the savepoint that it belongs to. */
static enum err writing(struct sqlite_session *s)
{
    assert(s->writes);
    if (!s->in_run) {
        return ERR_OK;
    }
    TRY(open_transaction(s));
    if (s->in_job && !s->has_savepoint && !s->is_hopeful) {
        TRY(control(s, CONTROL_JOB_OPEN));
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

/* ---- Operations --------------------------------------------------------------------------- */

/* Steps a statement that returns no rows, to its end. */
static enum err run_plan(struct sqlite_session *s, const struct plan *plan)
{
    sqlite3_stmt *statement = NULL;
    int rc = statements_ready(&s->statements, plan, &statement);
    if (rc != SQLITE_OK) {
        return outcome(s, rc);
    }
    rc = sqlite3_step(statement);
    assert(rc != SQLITE_ROW);
    statement_done(statement);
    return outcome(s, rc);
}

static enum err sqlite_insert(struct store_session *session, enum collection collection,
                              const void *record)
{
    struct sqlite_session *s = of(session);
    TRY(writing(s));
    const struct plan plan = {.operation = PLAN_INSERT, .collection = collection, .record = record};
    TRY(run_plan(s, &plan));
    s->has_written = true;
    return ERR_OK;
}

static enum err insert_each(struct sqlite_session *s, enum collection collection,
                            const void *records, size_t count)
{
    const size_t size = collection_row(collection)->shape->size;
    for (size_t i = 0; i < count; i++) {
        const struct plan plan = {.operation = PLAN_INSERT_OR_PASS,
                                  .collection = collection,
                                  .record = (const char *)records + i * size};
        TRY(run_plan(s, &plan));
        s->has_written = true;
    }
    return ERR_OK;
}

/* All or nothing, and one sync: a transaction of its own, or a savepoint in the run's. */
static enum err sqlite_insert_many(struct store_session *session, enum collection collection,
                                   const void *records, size_t count)
{
    struct sqlite_session *s = of(session);
    TRY(writing(s));
    if (s->is_hopeful) {
        const enum err hoped = insert_each(s, collection, records, count);
        s->is_spoilt = s->is_spoilt || (hoped != ERR_OK && count > 1);
        return hoped;
    }
    const bool nested = s->in_transaction;
    TRY(control(s, nested ? CONTROL_BATCH_OPEN : CONTROL_BEGIN));
    enum err err = insert_each(s, collection, records, count);
    if (err == ERR_OK) {
        err = control(s, nested ? CONTROL_BATCH_KEEP : CONTROL_COMMIT);
    }
    if (err == ERR_OK || sqlite3_get_autocommit(s->db) != 0) {
        return err;
    }
    enum err undone = control(s, nested ? CONTROL_BATCH_UNDO : CONTROL_ROLLBACK);
    if (nested && undone == ERR_OK) {
        undone = control(s, CONTROL_BATCH_KEEP);
    }
    if (undone != ERR_OK) {
        s->is_lost = s->in_run;
        return undone;
    }
    return err;
}

/* Reads the statement's row into a cleared record. */
static enum err read_row(struct sqlite_session *s, sqlite3_stmt *statement, struct arena *arena,
                         const struct shape *shape, void *record)
{
    int column = 0;
    for (size_t i = 0; i < shape->count; i++) {
        const struct field *field = &shape->fields[i];
        if (field_is_stored(field) && !sql_read_field(statement, column++, field, arena, record)) {
            snprintf(s->head.trouble, sizeof(s->head.trouble), "a stored %s has a damaged %s",
                     shape->name, field->name);
            return ERR_STORE;
        }
    }
    return ERR_OK;
}

static enum err select_rows(struct sqlite_session *s, struct arena *arena,
                            enum collection collection, const struct query *query,
                            struct object_list *out)
{
    const struct plan plan = {.operation = PLAN_SELECT,
                              .collection = collection,
                              .conditions = query->conditions,
                              .condition_count = query->condition_count,
                              .sort = {query->sort[0], query->sort[1]},
                              .skip = query->skip,
                              .limit = query->limit};
    sqlite3_stmt *statement = NULL;
    int rc = statements_ready(&s->statements, &plan, &statement);
    if (rc != SQLITE_OK) {
        return outcome(s, rc);
    }
    struct record_rows rows = {
        .arena = arena, .shape = collection_row(collection)->shape, .limit = query->limit};
    enum err err = ERR_OK;
    while (err == ERR_OK && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
        err = read_row(s, statement, arena, rows.shape, record_rows_add(&rows));
    }
    statement_done(statement);
    TRY(err);
    TRY(outcome(s, rc));
    *out = (struct object_list){.items = rows.items, .count = rows.count};
    return ERR_OK;
}

/* Runs a plan that changes a record, or none. */
static enum err run_changing(struct sqlite_session *s, const struct plan *plan)
{
    TRY(run_plan(s, plan));
    if (sqlite3_changes(s->db) == 0) {
        return ERR_ABSENT;
    }
    s->has_written = true;
    return ERR_OK;
}

/* ---- Kept records -------------------------------------------------------------------------- */

static bool keeps(const struct sqlite_session *s, enum collection collection)
{
    return s->is_hopeful && s->in_transaction && kept_holds(collection);
}

static enum err write_kept(struct sqlite_session *s, struct kept_record *kept)
{
    struct change changes[KEPT_FIELDS_MAX];
    const struct condition is_it = plan_id_is(kept->collection, kept_id(kept));
    const struct plan plan = {.operation = PLAN_UPDATE,
                              .collection = kept->collection,
                              .conditions = &is_it,
                              .condition_count = 1,
                              .changes = changes,
                              .change_count = kept_unwritten(kept, changes)};
    TRY(run_plan(s, &plan));
    kept->dirty = 0;
    return ERR_OK;
}

/* Writes what was changed in memory only: before the commit, and before SQLite is asked for more than
 * one record by its id. */
static enum err flush(struct sqlite_session *s)
{
    for (struct kept_record *at; (at = kept_take_unwritten(s->kept)) != NULL;) {
        TRY(write_kept(s, at));
    }
    return ERR_OK;
}

/* The record with this id, kept from now on. ERR_ABSENT: there is none. */
static enum err keep(struct sqlite_session *s, enum collection collection, struct oid id,
                     struct kept_record **out)
{
    *out = kept_find(s->kept, collection, id);
    if (*out != NULL) {
        return ERR_OK;
    }
    const struct condition is_it = plan_id_is(collection, id);
    struct object_list found;
    const struct query query = {.conditions = &is_it, .condition_count = 1, .limit = 1};
    TRY(select_rows(s, kept_arena(s->kept), collection, &query, &found));
    if (found.count == 0) {
        return ERR_ABSENT;
    }
    *out = kept_add(s->kept, collection, found.items);
    return ERR_OK;
}

static enum err find_kept(struct sqlite_session *s, struct arena *arena, enum collection collection,
                          const struct query *query, struct object_list *out)
{
    struct kept_record *kept;
    const enum err err = keep(s, collection, query->conditions[0].value.oid, &kept);
    if (err == ERR_OK) {
        void *record = arena_alloc(arena, collection_row(collection)->shape->size);
        kept_copy(kept, arena, record);
        *out = (struct object_list){.items = record, .count = 1};
    }
    return err == ERR_ABSENT ? ERR_OK : err;
}

static enum err sqlite_find(struct store_session *session, struct arena *arena,
                            enum collection collection, const struct query *query,
                            struct object_list *out)
{
    struct sqlite_session *s = of(session);
    if (keeps(s, collection)) {
        if (query_is_by_id(collection, query)) {
            return find_kept(s, arena, collection, query, out);
        }
        TRY(flush(s));
    }
    return select_rows(s, arena, collection, query, out);
}

static enum err sqlite_count(struct store_session *session, enum collection collection,
                             const struct query *query, int64_t *out)
{
    struct sqlite_session *s = of(session);
    if (keeps(s, collection)) {
        TRY(flush(s));
    }
    const struct plan plan = {.operation = PLAN_COUNT,
                              .collection = collection,
                              .conditions = query->conditions,
                              .condition_count = query->condition_count};
    sqlite3_stmt *statement = NULL;
    int rc = statements_ready(&s->statements, &plan, &statement);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(statement);
        *out = rc == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
        statement_done(statement);
    }
    return rc == SQLITE_ROW ? ERR_OK : trouble(s, rc);
}

/* Steps an UPDATE … RETURNING: one row, or none where a condition fails. SQLite changes first and
 * returns rows then, and outside of a run it commits with the last step. */
static enum err run_returning(struct sqlite_session *s, const struct plan *plan,
                              struct arena *arena, void *after)
{
    const struct shape *shape = collection_row(plan->collection)->shape;
    sqlite3_stmt *statement = NULL;
    int rc = statements_ready(&s->statements, plan, &statement);
    if (rc != SQLITE_OK) {
        return outcome(s, rc);
    }
    enum err err = ERR_ABSENT;
    rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) {
        s->has_written = true;
        record_clear(shape, after);
        err = read_row(s, statement, arena, shape, after);
        rc = sqlite3_step(statement);
    }
    statement_done(statement);
    const enum err stepped = outcome(s, rc);
    return stepped != ERR_OK ? stepped : err;
}

static enum err update_kept(struct sqlite_session *s, struct arena *arena,
                            enum collection collection, struct oid id,
                            const struct condition *conditions, size_t condition_count,
                            const struct change *changes, size_t change_count, void *after)
{
    struct kept_record *kept;
    TRY(keep(s, collection, id, &kept));
    if (!kept_meets(kept, conditions, condition_count)) {
        return ERR_ABSENT;
    }
    kept_change(s->kept, kept, changes, change_count);
    if (after != NULL) {
        kept_copy(kept, arena, after);
    }
    return ERR_OK;
}

static enum err sqlite_update(struct store_session *session, struct arena *arena,
                              enum collection collection, struct oid id,
                              const struct condition *conditions, size_t condition_count,
                              const struct change *changes, size_t change_count, void *after)
{
    struct sqlite_session *s = of(session);
    if (s->is_hopeful && kept_holds(collection)) {
        TRY(open_transaction(s));
        if (kept_can(collection, conditions, condition_count, changes, change_count)) {
            return update_kept(s, arena, collection, id, conditions, condition_count, changes,
                               change_count, after);
        }
        s->is_spoilt = true; /* SQLite would change what is kept here */
    }
    struct condition all[CONDITIONS_MAX + 1];
    plan_with_id(all, collection, id, conditions, condition_count);
    const struct plan plan = {
        .operation = after == NULL ? PLAN_UPDATE : PLAN_UPDATE_RETURNING,
        .collection = collection,
        .conditions = all,
        .condition_count = condition_count + 1,
        .changes = changes,
        .change_count = change_count,
    };
    TRY(writing(s));
    if (after != NULL) {
        return run_returning(s, &plan, arena, after);
    }
    return run_changing(s, &plan);
}

static enum err sqlite_remove(struct store_session *session, enum collection collection,
                              struct oid id, const struct condition *conditions,
                              size_t condition_count)
{
    struct sqlite_session *s = of(session);
    struct condition all[CONDITIONS_MAX + 1];
    plan_with_id(all, collection, id, conditions, condition_count);
    const struct plan plan = {.operation = PLAN_REMOVE,
                              .collection = collection,
                              .conditions = all,
                              .condition_count = condition_count + 1};
    s->is_spoilt = s->is_spoilt || (s->is_hopeful && kept_holds(collection));
    TRY(writing(s));
    return run_changing(s, &plan);
}

static enum err sqlite_inspect_session(struct store_session *session, struct strbuf *out)
{
    return sqlite_inspect(of(session)->db, out);
}

static enum err sqlite_drop_old_indexes(struct store_session *session)
{
    return outcome(of(session), sqlite_schema_drop_old_indexes(of(session)->db));
}

/* A full disk can be read: only writing tells, and one page may find room where a message does not.
 * MAX never lowers what a newer program has set. */
static enum err sqlite_ping(struct store_session *session)
{
    struct sqlite_session *s = of(session);
    if (!sqlite_file_has_room(&((const struct sqlite_store *)session->store)->file)) {
        return trouble(s, SQLITE_FULL);
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
    .open = sqlite_open,
    .close = sqlite_close,
    .session_open = sqlite_session_open,
    .session_close = sqlite_session_close,
    .begin = sqlite_begin,
    .begin_hopeful = sqlite_begin_hopeful,
    .commit = sqlite_commit,
    .abandon = sqlite_abandon,
    .look = sqlite_look,
    .look_away = sqlite_look_away,
    .mark = sqlite_mark,
    .undo = sqlite_undo,
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
