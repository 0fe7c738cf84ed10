/* Any thread. What was committed to a SQLite store and is not on disk yet, and syncing it apart from the
 * commit: while one run's log is synced, the next one is made. */
#ifndef CONSULTD_STORAGE_SQLITE_SYNC_H
#define CONSULTD_STORAGE_SQLITE_SYNC_H

#include "storage/store.h"

#include <sqlite3.h>

struct late_sync;

/* Writes a log that was found once more, as it is, and syncs it, before anything is added to it: a process that
 * could not sync it may have left in the system's cache what is not on disk and never gets there, since the system
 * takes it for written; and SQLite reads a log only as far as it is whole. `db`: a connection outside of a
 * transaction; nobody else writes meanwhile. No log: nothing happens. ERR_STORE: it cannot be. */
MUST_USE enum err log_renew(sqlite3 *db);

/* For the store that `db` has open, which outlives it; its log is opened once more. ERR_STORE: it cannot be. Caller
 * owns; late_sync_free before the last connection is closed. */
MUST_USE enum err late_sync_new(sqlite3 *db, struct late_sync **out);
/* NULL: nothing happens. */
void late_sync_free(struct late_sync *sync);

/* Around each commit that leaves its log unsynced, however it went. One thread. */
void late_sync_begin(struct late_sync *sync);
void late_sync_end(struct late_sync *sync);

/* Whether all that anybody can see of such commits is on disk. */
bool late_sync_is_done(struct late_sync *sync);
/* Returns when all of it is that anybody could see when this was called. ERR_STORE: nobody knows what is on
 * disk, now and from now on: the system tells once only. */
MUST_USE enum err late_sync_wait(struct late_sync *sync);

#endif
