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

struct late_sync {
    _Atomic uint64_t begun, ended, synced;
    pthread_mutex_t lock; /* of the file: one syncs, the others have what it did */
    sqlite3_file *log;    /* lock; owned */
    bool has_failed;      /* lock */
    char name[];          /* of the log; the file may point to it */
};

static int open_log(struct late_sync *sync)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    const int flags = SQLITE_OPEN_WAL | SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    sync->log = memory_resize(NULL, (size_t)vfs->szOsFile);
    memset(sync->log, 0, (size_t)vfs->szOsFile);
    return vfs->xOpen(vfs, sync->name, sync->log, flags, NULL);
}

enum err late_sync_new(const char *path, struct late_sync **out)
{
    static const char suffix[] = "-wal";
    const size_t length = strlen(path);
    struct late_sync *sync = memory_resize(NULL, sizeof(*sync) + length + sizeof(suffix));
    memset(sync, 0, sizeof(*sync));
    memcpy(sync->name, path, length);
    memcpy(sync->name + length, suffix, sizeof(suffix));
    pthread_mutex_init(&sync->lock, NULL);
    if (open_log(sync) != SQLITE_OK) {
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
    if (sync->log->pMethods != NULL) {
        sync->log->pMethods->xClose(sync->log);
    }
    free(sync->log);
    pthread_mutex_destroy(&sync->lock);
    free(sync);
}

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
