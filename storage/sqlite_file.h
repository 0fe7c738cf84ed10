/* Worker only, but sqlite_file_open, which any thread calls once. The file of a SQLite store: its
 * lock, its connections, its tables. sqlite.c does the rest. */
#ifndef CONSULTD_STORAGE_SQLITE_FILE_H
#define CONSULTD_STORAGE_SQLITE_FILE_H

#include "storage/backend.h"

#include <sqlite3.h>

struct sqlite_file {
    char *name; /* of the file, or the URI of a store in memory; owned */
    bool in_memory;
    bool beside;     /* as in store_settings */
    int lock;        /* descriptor that holds the lock of PATH.lock, or PATH.commands; -1: none */
    int timeout_ms;  /* how long a connection waits for another one */
    sqlite3 *keeper; /* open as long as the store: a store in memory lives in it */
};

/* Locks and opens the file behind the URL (sqlite:PATH, sqlite::memory:), and makes the tables,
 * columns and indexes that are missing. On ERR_STORE `why` says what to do, and nothing is left
 * open. */
MUST_USE enum err sqlite_file_open(struct sqlite_file *file, const struct store_settings *settings,
                                   char why[256]);
void sqlite_file_close(struct sqlite_file *file);

/* Another connection to the file. Returns SQLITE_OK or its error; caller closes *out, which is
 * NULL on an error. */
MUST_USE int sqlite_file_connect(const struct sqlite_file *file, bool writes, sqlite3 **out);

/* Makes what is missing of tables, columns and indexes, in one transaction. */
MUST_USE enum err sqlite_schema_make(sqlite3 *db, char why[256]);

#endif
