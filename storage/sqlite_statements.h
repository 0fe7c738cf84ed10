/* Worker only. Prepared statements of one SQLite connection, made once per form of a call.
 *
 * A plan is what a call of store.h asks for. Its form (operation, collection, which fields are
 * compared and changed and how, which are sorted by) decides the SQL; its values are bound. Calls
 * come from a fixed set of places, so after a while nothing is prepared any more. */
#ifndef CONSULTD_STORAGE_SQLITE_STATEMENTS_H
#define CONSULTD_STORAGE_SQLITE_STATEMENTS_H

#include "storage/store.h"

#include <sqlite3.h>

enum plan_operation {
    PLAN_SELECT,
    PLAN_COUNT,
    PLAN_INSERT,
    PLAN_INSERT_OR_PASS, /* does nothing where the id is taken */
    PLAN_UPDATE,
    PLAN_UPDATE_RETURNING,
    PLAN_REMOVE
};

struct plan {
    enum plan_operation operation;
    enum collection collection;
    const struct condition *conditions;
    size_t condition_count;
    const struct change *changes; /* PLAN_UPDATE… */
    size_t change_count;
    struct sort sort[2]; /* PLAN_SELECT */
    int64_t skip, limit; /* PLAN_SELECT; limit 0: none */
    const void *records; /* PLAN_INSERT…: one behind the other */
    size_t record_count;
};

/* Statements that begin and end transactions. */
enum control {
    CONTROL_BEGIN,
    CONTROL_LOOK, /* a transaction that only reads */
    CONTROL_COMMIT,
    CONTROL_ROLLBACK,
    CONTROL_JOB_OPEN, /* a savepoint */
    CONTROL_JOB_KEEP,
    CONTROL_JOB_UNDO,   /* takes back what came after; the savepoint stays until KEEP */
    CONTROL_BATCH_OPEN, /* a savepoint within one call */
    CONTROL_BATCH_KEEP,
    CONTROL_BATCH_UNDO,
    CONTROL_COUNT
};

#define STATEMENT_BUCKETS 64

struct statement;

struct statements {
    sqlite3 *db;                                  /* borrowed */
    int log;                                      /* of new forms, borrowed; -1: none */
    struct statement *buckets[STATEMENT_BUCKETS]; /* chains, owned */
    size_t count;
    sqlite3_stmt *controls[CONTROL_COUNT];
    bool looks; /* all reads see what the first one sees, until statements_look_away */
};

/* The condition of a record's id, and with it the others: for plans. */
struct condition plan_id_is(enum collection collection, struct oid id);
void plan_with_id(struct condition all[CONDITIONS_MAX + 1], enum collection collection,
                  struct oid id, const struct condition *conditions, size_t condition_count);

/* `log`: a file that each new form is added to, a line each; -1: none. */
void statements_init(struct statements *statements, sqlite3 *db, int log);
/* Finalizes all. */
void statements_free(struct statements *statements);

/* The statement for the plan with its values bound, ready to be stepped. It belongs to the cache;
 * give it back with statement_done before the plan's values die. Returns SQLITE_OK or its error,
 * then there is nothing to give back. */
MUST_USE int statements_ready(struct statements *statements, const struct plan *plan,
                              sqlite3_stmt **out);

/* Resets the statement, which ends its read of the database, and forgets its values. Returns what
 * sqlite3_reset returns: the error that the last step met, if any. */
int statement_done(sqlite3_stmt *statement);

/* Ends `looks`. */
void statements_look_away(struct statements *statements);

/* Runs a control statement. Returns SQLITE_OK or its error. */
MUST_USE int statements_control(struct statements *statements, enum control control);

#endif
