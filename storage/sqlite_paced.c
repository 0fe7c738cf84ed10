/* A sync of a file waits until the disk has all that was written to it, and whoever syncs another
 * file of the same disk meanwhile, as each commit does, waits behind it. A copied log is tens of
 * megabytes. Here the file is synced after each so many bytes, so that a commit waits behind a
 * little at most.
 *
 * What is no database file is SQLite's own. One thread at a time uses a connection and its files. */
#include "storage/sqlite_paced.h"
#include "storage/sqlite_wrap.h"

#include <pthread.h>
#include <sqlite3.h>

#define VFS_NAME "consultd-paced"
#define UNSYNCED_MAX 1048576

struct paced_file {
    struct wrapped_file file; /* must come first */
    int unsynced;             /* bytes */
};

static struct paced_file *of(sqlite3_file *base)
{
    return (struct paced_file *)base;
}

static const sqlite3_io_methods *methods_of(sqlite3_file *base)
{
    return of(base)->file.real->pMethods;
}

static int paced_write(sqlite3_file *base, const void *bytes, int count, sqlite3_int64 offset)
{
    struct paced_file *file = of(base);
    int rc = methods_of(base)->xWrite(file->file.real, bytes, count, offset);
    file->unsynced += count;
    if (rc == SQLITE_OK && file->unsynced >= UNSYNCED_MAX) {
        rc = methods_of(base)->xSync(file->file.real, SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY);
        file->unsynced = 0;
    }
    return rc;
}

static int paced_sync(sqlite3_file *base, int flags)
{
    of(base)->unsynced = 0;
    return methods_of(base)->xSync(of(base)->file.real, flags);
}

/* ---- Everything else is passed on ------------------------------------------------------------ */

static int paced_read(sqlite3_file *base, void *out, int count, sqlite3_int64 offset)
{
    return methods_of(base)->xRead(of(base)->file.real, out, count, offset);
}

static int paced_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    return methods_of(base)->xTruncate(of(base)->file.real, size);
}

static int paced_size(sqlite3_file *base, sqlite3_int64 *size)
{
    return methods_of(base)->xFileSize(of(base)->file.real, size);
}

static int paced_control(sqlite3_file *base, int operation, void *argument)
{
    return methods_of(base)->xFileControl(of(base)->file.real, operation, argument);
}

static int paced_shm_map(sqlite3_file *base, int page, int bytes, int extends, void volatile **out)
{
    return methods_of(base)->xShmMap(of(base)->file.real, page, bytes, extends, out);
}

static int paced_shm_lock(sqlite3_file *base, int offset, int count, int flags)
{
    return methods_of(base)->xShmLock(of(base)->file.real, offset, count, flags);
}

static void paced_shm_barrier(sqlite3_file *base)
{
    methods_of(base)->xShmBarrier(of(base)->file.real);
}

static int paced_shm_unmap(sqlite3_file *base, int deletes)
{
    return methods_of(base)->xShmUnmap(of(base)->file.real, deletes);
}

/* ---- The VFS ------------------------------------------------------------------------------- */

static const sqlite3_io_methods paced_methods = {
    .iVersion = 2,
    .xClose = wrap_close,
    .xRead = paced_read,
    .xWrite = paced_write,
    .xTruncate = paced_truncate,
    .xSync = paced_sync,
    .xFileSize = paced_size,
    .xLock = wrap_lock,
    .xUnlock = wrap_unlock,
    .xCheckReservedLock = wrap_is_reserved,
    .xFileControl = paced_control,
    .xSectorSize = wrap_sector_size,
    .xDeviceCharacteristics = wrap_characteristics,
    .xShmMap = paced_shm_map,
    .xShmLock = paced_shm_lock,
    .xShmBarrier = paced_shm_barrier,
    .xShmUnmap = paced_shm_unmap,
};

static int vfs_open(sqlite3_vfs *self, const char *name, sqlite3_file *base, int flags, int *out)
{
    (void)self;
    return wrap_open(name, base, flags, out, SQLITE_OPEN_MAIN_DB, sizeof(struct paced_file),
                     &paced_methods);
}

static sqlite3_vfs paced_vfs;

static void register_vfs(void)
{
    wrap_register(&paced_vfs, VFS_NAME, vfs_open);
}

const char *sqlite_paced_vfs(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, register_vfs);
    return paced_vfs.zName;
}
