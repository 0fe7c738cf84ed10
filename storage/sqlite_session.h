/* Worker only. One worker's session of a SQLite database: what the files of the backend share. */
#ifndef CONSULTD_STORAGE_SQLITE_SESSION_H
#define CONSULTD_STORAGE_SQLITE_SESSION_H

#include "storage/backend.h"
#include "storage/sqlite_file.h"
#include "storage/sqlite_statements.h"

struct kept; /* kept.h */

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
    bool asks;           /* the job takes nothing for granted any more */
    bool has_assumed;    /* the job has been told that a record is not there, unasked */
    enum collection assumed_in;
    struct oid assumed_id;
    bool is_spoilt; /* a hopeful run holds what should have been taken back */
    bool is_lost;   /* the run's transaction is gone or beyond repair */
};

/* ---- Of runs: sqlite.c ---------------------------------------------------------------------- */

/* Keeps what SQLite says for the log. Returns ERR_STORE. */
enum err sqlite_trouble(struct sqlite_session *s, int rc);
/* What SQLite's result comes to: ERR_OK, ERR_DUPLICATE, or ERR_STORE, which is kept for the log. */
MUST_USE enum err sqlite_outcome(struct sqlite_session *s, int rc);
/* Runs a statement that begins or ends a transaction. ERR_STORE. */
enum err sqlite_control(struct sqlite_session *s, enum control control);

/* Opens the run's transaction: from here on nobody else writes. ERR_STORE. */
MUST_USE enum err sqlite_open_transaction(struct sqlite_session *s);
/* Before every write: opens the transaction and the savepoint that it belongs to. ERR_STORE. */
MUST_USE enum err sqlite_writing(struct sqlite_session *s);

/* ---- Of records: sqlite_records.c ----------------------------------------------------------- */

/* Writes what was changed in memory only: before the commit, and before SQLite is asked for more than
 * one record by its id. ERR_STORE. */
MUST_USE enum err sqlite_flush(struct sqlite_session *s);

/* See store.h. */
enum err sqlite_insert(struct store_session *session, enum collection collection,
                       const void *record);
enum err sqlite_insert_many(struct store_session *session, enum collection collection,
                            const void *records, size_t count);
enum err sqlite_find(struct store_session *session, struct arena *arena, enum collection collection,
                     const struct query *query, struct object_list *out);
enum err sqlite_count(struct store_session *session, enum collection collection,
                      const struct query *query, int64_t *out);
enum err sqlite_update(struct store_session *session, struct arena *arena,
                       enum collection collection, struct oid id,
                       const struct condition *conditions, size_t condition_count,
                       const struct change *changes, size_t change_count, void *after);
enum err sqlite_remove(struct store_session *session, enum collection collection, struct oid id,
                       const struct condition *conditions, size_t condition_count);

#endif
