/* The operations of a SQLite session: from a call of store.h to a statement, and its rows back.
 *
 * In a hopeful run chats are kept in memory (kept.h): each is read once, changed there, and written when the
 * run ends or SQLite is asked for more than one by its id. There a record that is doubted is not looked for
 * either: SQLite looks when it is inserted. If it is there after all, or is not inserted, the job has relied on
 * what nobody knows, and is run again (store_has_assumed).
 *
 * What must hold: no statement stays unreset when a call returns (it would hold a snapshot), and a
 * failed call leaves nothing of itself behind.
 *
 * Worker only; a session has one thread at a time. */
#include "storage/sqlite_session.h"

#include "storage/kept.h"
#include "storage/record.h"
#include "storage/shape_sql.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define AT_ONCE_MAX 16 /* records of one statement; more save no more */

static struct sqlite_session *of(struct store_session *session)
{
    return (struct sqlite_session *)session;
}

/* ---- What is taken for granted --------------------------------------------------------------- */

static bool assume_absent(struct sqlite_session *s, enum collection collection, struct oid id)
{
    if (!s->is_hopeful || !s->in_job || s->asks || s->has_assumed) {
        return false;
    }
    s->has_assumed = true;
    s->assumed_in = collection;
    s->assumed_id = id;
    return true;
}

static bool is_assumed(const struct sqlite_session *s, enum collection collection,
                       const void *record)
{
    struct oid id;
    memcpy(&id, record, sizeof(id)); /* the id is the first member of every record */
    return collection == s->assumed_in && oid_equal(id, s->assumed_id);
}

/* ---- Rows ------------------------------------------------------------------------------------ */

/* Steps a statement that returns no rows, to its end. */
static enum err run_plan(struct sqlite_session *s, const struct plan *plan)
{
    sqlite3_stmt *statement = NULL;
    int rc = statements_ready(&s->statements, plan, &statement);
    if (rc != SQLITE_OK) {
        return sqlite_outcome(s, rc);
    }
    rc = sqlite3_step(statement);
    assert(rc != SQLITE_ROW);
    statement_done(statement);
    return sqlite_outcome(s, rc);
}

enum err sqlite_insert(struct store_session *session, enum collection collection,
                       const void *record)
{
    struct sqlite_session *s = of(session);
    TRY(sqlite_writing(s));
    const struct plan plan = {
        .operation = PLAN_INSERT, .collection = collection, .records = record, .record_count = 1};
    const enum err err = run_plan(s, &plan);
    if (err == ERR_DUPLICATE && s->has_assumed) {
        return ERR_BUSY; /* it may be the one that was taken to be absent */
    }
    TRY(err);
    s->has_written = true;
    s->has_assumed = s->has_assumed && !is_assumed(s, collection, record);
    return ERR_OK;
}

/* So many of `count` go into one statement: of few sizes, so that there are few statements. */
static size_t at_once(size_t count)
{
    size_t power = AT_ONCE_MAX;
    while (power > count) {
        power /= 2;
    }
    return power;
}

static enum err insert_each(struct sqlite_session *s, enum collection collection,
                            const void *records, size_t count)
{
    const size_t size = collection_row(collection)->shape->size;
    for (size_t done = 0; done < count;) {
        const struct plan plan = {.operation = PLAN_INSERT_OR_PASS,
                                  .collection = collection,
                                  .records = (const char *)records + done * size,
                                  .record_count = at_once(count - done)};
        TRY(run_plan(s, &plan));
        s->has_written = true;
        done += plan.record_count;
    }
    return ERR_OK;
}

/* All or nothing, and one sync: a transaction of its own, or a savepoint in the run's. */
enum err sqlite_insert_many(struct store_session *session, enum collection collection,
                            const void *records, size_t count)
{
    struct sqlite_session *s = of(session);
    TRY(sqlite_writing(s));
    if (s->is_hopeful) {
        const enum err hoped = insert_each(s, collection, records, count);
        s->is_spoilt = s->is_spoilt || (hoped != ERR_OK && count > 1);
        return hoped;
    }
    const bool nested = s->in_transaction;
    TRY(sqlite_control(s, nested ? CONTROL_BATCH_OPEN : CONTROL_BEGIN));
    enum err err = insert_each(s, collection, records, count);
    if (err == ERR_OK) {
        err = sqlite_control(s, nested ? CONTROL_BATCH_KEEP : CONTROL_COMMIT);
    }
    if (err == ERR_OK || sqlite3_get_autocommit(s->db) != 0) {
        return err;
    }
    enum err undone = sqlite_control(s, nested ? CONTROL_BATCH_UNDO : CONTROL_ROLLBACK);
    if (nested && undone == ERR_OK) {
        undone = sqlite_control(s, CONTROL_BATCH_KEEP);
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
        return sqlite_outcome(s, rc);
    }
    struct record_rows rows = {
        .arena = arena, .shape = collection_row(collection)->shape, .limit = query->limit};
    enum err err = ERR_OK;
    bool is_over = false;
    while (err == ERR_OK && !is_over && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
        void *record = record_rows_add(&rows);
        err = read_row(s, statement, arena, rows.shape, record);
        is_over = err == ERR_OK && query->is_last != NULL && query->is_last(record, query->data);
    }
    statement_done(statement);
    TRY(err);
    TRY(is_over ? ERR_OK : sqlite_outcome(s, rc));
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

enum err sqlite_flush(struct sqlite_session *s)
{
    for (struct kept_record *at; (at = kept_take_unwritten(s->kept)) != NULL;) {
        const enum err err = write_kept(s, at);
        if (err != ERR_OK) {
            s->is_lost = true; /* nobody would write it any more */
            return err;
        }
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

enum err sqlite_find(struct store_session *session, struct arena *arena, enum collection collection,
                     const struct query *query, struct object_list *out)
{
    struct sqlite_session *s = of(session);
    if (query->is_doubted && assume_absent(s, collection, query->conditions[0].value.oid)) {
        return ERR_OK;
    }
    if (s->is_hopeful && kept_holds(collection) && query_is_by_id(collection, query)) {
        TRY(sqlite_open_transaction(s)); /* it is about to be changed, and may be kept already */
        return find_kept(s, arena, collection, query, out);
    }
    if (keeps(s, collection)) {
        TRY(sqlite_flush(s));
    }
    return select_rows(s, arena, collection, query, out);
}

enum err sqlite_count(struct store_session *session, enum collection collection,
                      const struct query *query, int64_t *out)
{
    struct sqlite_session *s = of(session);
    if (keeps(s, collection)) {
        TRY(sqlite_flush(s));
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
    return rc == SQLITE_ROW ? ERR_OK : sqlite_trouble(s, rc);
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
        return sqlite_outcome(s, rc);
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
    const enum err stepped = sqlite_outcome(s, rc);
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

enum err sqlite_update(struct store_session *session, struct arena *arena,
                       enum collection collection, struct oid id,
                       const struct condition *conditions, size_t condition_count,
                       const struct change *changes, size_t change_count, void *after)
{
    struct sqlite_session *s = of(session);
    if (s->is_hopeful && kept_holds(collection)) {
        TRY(sqlite_open_transaction(s));
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
    TRY(sqlite_writing(s));
    if (after != NULL) {
        return run_returning(s, &plan, arena, after);
    }
    return run_changing(s, &plan);
}

enum err sqlite_remove(struct store_session *session, enum collection collection, struct oid id,
                       const struct condition *conditions, size_t condition_count)
{
    struct sqlite_session *s = of(session);
    struct condition all[CONDITIONS_MAX + 1];
    plan_with_id(all, collection, id, conditions, condition_count);
    const struct plan plan = {.operation = PLAN_REMOVE,
                              .collection = collection,
                              .conditions = all,
                              .condition_count = condition_count + 1};
    s->is_spoilt = s->is_spoilt || (s->is_hopeful && kept_holds(collection));
    TRY(sqlite_writing(s));
    return run_changing(s, &plan);
}
