/* Worker only, but sqlite_file_open, which any thread calls once. The file of a SQLite store: its
 * lock, its connections, its tables. sqlite.c does the rest. */
#ifndef CONSULTD_STORAGE_SQLITE_FILE_H
#define CONSULTD_STORAGE_SQLITE_FILE_H

#include "storage/backend.h"

#include "protocol/strbuf.h"

#include <sqlite3.h>

struct checkpointer; /* sqlite_checkpoint.h */
struct late_sync;    /* sqlite_sync.h */

struct sqlite_file {
    char *name; /* of the file, or the URI of a store in memory; owned */
    bool in_memory;
    bool beside;     /* as in store_settings */
    int lock;        /* descriptor that holds the lock of PATH.lock, or PATH.commands; -1: none */
    int timeout_ms;  /* how long a connection waits for another one */
    sqlite3 *keeper; /* open as long as the store: a store in memory lives in it */
    struct checkpointer *checkpointer; /* NULL: in memory, or beside the process that serves */
    struct late_sync *late_sync;       /* NULL: the same */
};

/* Locks and opens the file behind the URL (sqlite:PATH, sqlite::memory:), and makes the tables,
 * columns and indexes that are missing. On ERR_STORE `why` says what to do, and nothing is left
 * open. */
MUST_USE enum err sqlite_file_open(struct sqlite_file *file, const struct store_settings *settings,
                                   char why[256]);
void sqlite_file_close(struct sqlite_file *file);

/* The path with links followed, of a file that need not be there; as it is where its folder is not there either.
 * Caller frees. */
MUST_USE char *sqlite_file_resolve(const char *path);

/* See store_check_url. */
MUST_USE enum err sqlite_file_check_url(const char *url, char why[256]);

/* Locks PATH<suffix>, made if it is not there: `how` is LOCK_EX (".lock": who serves; both: who
 * replaces the file) or LOCK_SH (".commands": who works beside). Caller closes *out, which is -1 if
 * it was not opened. */
MUST_USE enum err sqlite_file_lock(const char *name, const char *suffix, int how, int *out,
                                   char why[256]);

/* Where root works on what is another user's: gives the open file to whoever has the store `name`, or its folder
 * where it is not there. ERR_STORE: it cannot be given; errno says why. */
MUST_USE enum err sqlite_file_give(int fd, const char *name);

/* Syncs the folder of `path`, so that a file just made in it outlives a power cut. */
void sqlite_file_sync_folder(const char *path);

/* sqlite_copy.c: see store_backup and store_restore. */
MUST_USE enum err sqlite_backup(const struct store_settings *settings, const char *to,
                                char why[256]);
MUST_USE enum err sqlite_restore(const struct store_settings *settings, const char *from,
                                 char why[256]);
/* All that SQLite finds wrong with the file, a line each. */
MUST_USE enum err sqlite_inspect(sqlite3 *db, struct strbuf *out);

/* Another connection to the file; of one that writes the log is looked after. Returns SQLITE_OK or its error; caller closes *out, which is
 * NULL on an error. */
MUST_USE int sqlite_file_connect(const struct sqlite_file *file, bool writes, sqlite3 **out);

/* The same for one that only copies the log, see sqlite_paced.h. Not for a store in memory. */
MUST_USE int sqlite_file_connect_paced(const struct sqlite_file *file, sqlite3 **out);

/* Whether the disk has what a run of a few messages needs at least. */
bool sqlite_file_has_room(const struct sqlite_file *file);

/* Another number whenever a connection, this one too, has committed; within a transaction the number of
 * what is read. */
unsigned sqlite_file_version(sqlite3 *db);

/* Makes what is missing of tables, columns and indexes, in one transaction. `upgrades`: also in a
 * store of an older version. */
MUST_USE enum err sqlite_schema_make(sqlite3 *db, bool upgrades, char why[256]);

/* Drops the indexes that no row of collections.def stands for. */
MUST_USE int sqlite_schema_drop_old_indexes(sqlite3 *db);

#endif
