/* Commits are counted when they begin and when they have ended, since others see them from some moment in
 * between. A sync that begins now takes to disk what has ended, and what can be seen of one that has not; but
 * only of the former it is known afterwards.
 *
 *     synced <= ended <= begun, and begun - ended is 0 or 1 */
#include "storage/sqlite_sync.h"

#include "protocol/memory.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RENEW_BYTES 65536 /* SQLite's own VFS writes less than 128 KiB at once */

struct late_sync {
    _Atomic uint64_t begun, ended, synced;
    pthread_mutex_t lock; /* of the file: one syncs, the others have what it did */
    sqlite3_file *log;    /* lock; owned */
    bool has_failed;      /* lock */
};

/* As long as the connection; the log's file may point to it. */
static const char *log_name(sqlite3 *db)
{
    return sqlite3_filename_wal(sqlite3_db_filename(db, "main"));
}

/* The log is there: whoever opened the store first has read it. Close what was opened, however it went. */
static int open_log(const char *name, sqlite3_file **out)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    const int flags = SQLITE_OPEN_WAL | SQLITE_OPEN_READWRITE;
    *out = memory_resize(NULL, (size_t)vfs->szOsFile);
    memset(*out, 0, (size_t)vfs->szOsFile);
    return vfs->xOpen(vfs, name, *out, flags, NULL);
}

static void close_log(sqlite3_file *log)
{
    if (log != NULL && log->pMethods != NULL) {
        log->pMethods->xClose(log);
    }
    free(log);
}

enum err late_sync_new(sqlite3 *db, struct late_sync **out)
{
    struct late_sync *sync = memory_resize(NULL, sizeof(*sync));
    memset(sync, 0, sizeof(*sync));
    pthread_mutex_init(&sync->lock, NULL);
    if (open_log(log_name(db), &sync->log) != SQLITE_OK) {
        late_sync_free(sync);
        return ERR_STORE;
    }
    *out = sync;
    return ERR_OK;
}

void late_sync_free(struct late_sync *sync)
{
    if (sync == NULL) {
        return;
    }
    close_log(sync->log);
    pthread_mutex_destroy(&sync->lock);
    free(sync);
}

/* ---- A log that was found ---------------------------------------------------------------------- */

static int renew(sqlite3_file *log)
{
    const sqlite3_io_methods *methods = log->pMethods;
    sqlite3_int64 size = 0;
    int rc = methods->xFileSize(log, &size);
    char *bytes = memory_resize(NULL, RENEW_BYTES);
    for (sqlite3_int64 at = 0; rc == SQLITE_OK && at < size; at += RENEW_BYTES) {
        const int count = size - at < RENEW_BYTES ? (int)(size - at) : RENEW_BYTES;
        rc = methods->xRead(log, bytes, count, at);
        rc = rc == SQLITE_OK ? methods->xWrite(log, bytes, count, at) : rc;
    }
    free(bytes);
    return rc == SQLITE_OK && size > 0 ? methods->xSync(log, SQLITE_SYNC_NORMAL) : rc;
}

enum err log_renew(sqlite3 *db)
{
    const char *name = log_name(db);
    sqlite3_file *log = NULL;
    if (access(name, F_OK) != 0) {
        return ERR_OK;
    }
    int rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (rc != SQLITE_OK) {
        return ERR_STORE;
    }
    rc = open_log(name, &log);
    rc = rc == SQLITE_OK ? renew(log) : rc;
    close_log(log);
    const int ended = sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return rc == SQLITE_OK && ended == SQLITE_OK ? ERR_OK : ERR_STORE;
}

/* ---- Commits ----------------------------------------------------------------------------------- */

void late_sync_begin(struct late_sync *sync)
{
    atomic_fetch_add(&sync->begun, 1);
}

void late_sync_end(struct late_sync *sync)
{
    atomic_fetch_add(&sync->ended, 1);
}

bool late_sync_is_done(struct late_sync *sync)
{
    return atomic_load(&sync->synced) == atomic_load(&sync->begun);
}

enum err late_sync_wait(struct late_sync *sync)
{
    const uint64_t seen = atomic_load(&sync->begun);
    pthread_mutex_lock(&sync->lock);
    if (atomic_load(&sync->synced) < seen && !sync->has_failed) {
        const uint64_t ended = atomic_load(&sync->ended);
        const int rc =
            sync->log->pMethods->xSync(sync->log, SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY);
        sync->has_failed = rc != SQLITE_OK;
        if (!sync->has_failed) {
            atomic_store(&sync->synced, ended);
        }
    }
    const bool has_failed = sync->has_failed;
    pthread_mutex_unlock(&sync->lock);
    return has_failed ? ERR_STORE : ERR_OK;
}
