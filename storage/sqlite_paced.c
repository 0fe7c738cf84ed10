/* A sync of a file waits until the disk has all that was written to it, and whoever syncs another
 * file of the same disk meanwhile, as each commit does, waits behind it. A copied log is tens of
 * megabytes. Here the file is synced after each so many bytes, so that a commit waits behind a
 * little at most.
 *
 * What is no database file is SQLite's own. One thread at a time uses a connection and its files. */
#include "storage/sqlite_paced.h"

#include "protocol/memory.h"

#include <assert.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#define VFS_NAME "consultd-paced"
#define UNSYNCED_MAX 1048576
#define FILE_BYTES 4096 /* more than any VFS wants for a file */

struct paced_file {
    sqlite3_file base; /* must come first */
    sqlite3_file *real;
    int unsynced; /* bytes */
};

static struct paced_file *of(sqlite3_file *base)
{
    return (struct paced_file *)base;
}

static const sqlite3_io_methods *methods_of(sqlite3_file *base)
{
    return of(base)->real->pMethods;
}

static int paced_write(sqlite3_file *base, const void *bytes, int count, sqlite3_int64 offset)
{
    struct paced_file *file = of(base);
    int rc = methods_of(base)->xWrite(file->real, bytes, count, offset);
    file->unsynced += count;
    if (rc == SQLITE_OK && file->unsynced >= UNSYNCED_MAX) {
        rc = methods_of(base)->xSync(file->real, SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY);
        file->unsynced = 0;
    }
    return rc;
}

static int paced_sync(sqlite3_file *base, int flags)
{
    of(base)->unsynced = 0;
    return methods_of(base)->xSync(of(base)->real, flags);
}

static int paced_close(sqlite3_file *base)
{
    const int rc = methods_of(base)->xClose(of(base)->real);
    free(of(base)->real);
    return rc;
}

/* ---- Everything else is passed on ------------------------------------------------------------ */

static int paced_read(sqlite3_file *base, void *out, int count, sqlite3_int64 offset)
{
    return methods_of(base)->xRead(of(base)->real, out, count, offset);
}

static int paced_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    return methods_of(base)->xTruncate(of(base)->real, size);
}

static int paced_size(sqlite3_file *base, sqlite3_int64 *size)
{
    return methods_of(base)->xFileSize(of(base)->real, size);
}

static int paced_lock(sqlite3_file *base, int kind)
{
    return methods_of(base)->xLock(of(base)->real, kind);
}

static int paced_unlock(sqlite3_file *base, int kind)
{
    return methods_of(base)->xUnlock(of(base)->real, kind);
}

static int paced_is_reserved(sqlite3_file *base, int *out)
{
    return methods_of(base)->xCheckReservedLock(of(base)->real, out);
}

static int paced_control(sqlite3_file *base, int operation, void *argument)
{
    return methods_of(base)->xFileControl(of(base)->real, operation, argument);
}

static int paced_sector_size(sqlite3_file *base)
{
    return methods_of(base)->xSectorSize(of(base)->real);
}

static int paced_characteristics(sqlite3_file *base)
{
    return methods_of(base)->xDeviceCharacteristics(of(base)->real);
}

static int paced_shm_map(sqlite3_file *base, int page, int bytes, int extends, void volatile **out)
{
    return methods_of(base)->xShmMap(of(base)->real, page, bytes, extends, out);
}

static int paced_shm_lock(sqlite3_file *base, int offset, int count, int flags)
{
    return methods_of(base)->xShmLock(of(base)->real, offset, count, flags);
}

static void paced_shm_barrier(sqlite3_file *base)
{
    methods_of(base)->xShmBarrier(of(base)->real);
}

static int paced_shm_unmap(sqlite3_file *base, int deletes)
{
    return methods_of(base)->xShmUnmap(of(base)->real, deletes);
}

/* ---- The VFS ------------------------------------------------------------------------------- */

static const sqlite3_io_methods paced_methods = {
    .iVersion = 2,
    .xClose = paced_close,
    .xRead = paced_read,
    .xWrite = paced_write,
    .xTruncate = paced_truncate,
    .xSync = paced_sync,
    .xFileSize = paced_size,
    .xLock = paced_lock,
    .xUnlock = paced_unlock,
    .xCheckReservedLock = paced_is_reserved,
    .xFileControl = paced_control,
    .xSectorSize = paced_sector_size,
    .xDeviceCharacteristics = paced_characteristics,
    .xShmMap = paced_shm_map,
    .xShmLock = paced_shm_lock,
    .xShmBarrier = paced_shm_barrier,
    .xShmUnmap = paced_shm_unmap,
};

static int open_paced(sqlite3_vfs *vfs, const char *name, struct paced_file *file, int flags,
                      int *out)
{
    *file = (struct paced_file){.base = {.pMethods = NULL}};
    file->real = memory_resize(NULL, (size_t)vfs->szOsFile);
    memset(file->real, 0, (size_t)vfs->szOsFile);
    const int rc = vfs->xOpen(vfs, name, file->real, flags, out);
    if (rc == SQLITE_OK) {
        file->base.pMethods = &paced_methods;
        return SQLITE_OK;
    }
    if (file->real->pMethods != NULL) {
        file->real->pMethods->xClose(file->real);
    }
    free(file->real);
    return rc;
}

/* What stands behind is asked for each time: tests put a failing disk there. */
static int vfs_open(sqlite3_vfs *self, const char *name, sqlite3_file *base, int flags, int *out)
{
    (void)self;
    sqlite3_vfs *real = sqlite3_vfs_find(NULL);
    assert(real->szOsFile <= FILE_BYTES);
    return (flags & SQLITE_OPEN_MAIN_DB) != 0 ? open_paced(real, name, of(base), flags, out)
                                              : real->xOpen(real, name, base, flags, out);
}

static sqlite3_vfs paced_vfs;

static void register_vfs(void)
{
    const sqlite3_vfs *real = sqlite3_vfs_find(NULL);
    if (real != NULL) {
        paced_vfs = *real;
        paced_vfs.zName = VFS_NAME;
        paced_vfs.szOsFile = FILE_BYTES;
        paced_vfs.xOpen = vfs_open;
        paced_vfs.pNext = NULL;
        (void)sqlite3_vfs_register(&paced_vfs, 0); /* fails only without memory */
    }
}

const char *sqlite_paced_vfs(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, register_vfs);
    return paced_vfs.zName;
}
