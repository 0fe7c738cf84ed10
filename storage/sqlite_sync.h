/* Any thread. What was committed to a SQLite store and is not on disk yet, and syncing it apart from the
 * commit: while one run's log is synced, the next one is made. */
#ifndef CONSULTD_STORAGE_SQLITE_SYNC_H
#define CONSULTD_STORAGE_SQLITE_SYNC_H

#include "storage/store.h"

struct late_sync;

/* For the store whose file has this path; its log is opened once more. ERR_STORE: it cannot be. Caller
 * owns; late_sync_free before the last connection is closed. */
MUST_USE enum err late_sync_new(const char *path, struct late_sync **out);
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
