/* A VFS that forwards everything to the default one, but for the failures it was told.
 *
 * A file of it is our head followed by the real file, both in the memory that SQLite hands out.
 * The counters are atomic: several connections write. Shared memory and locks are forwarded as
 * they are; a failing disk does not harm them. Who copies a log takes a lock of its own first. */
#include "support_vfs.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#define COPIER_LOCK 1 /* of the locks in shared memory: SQLite's format of its log's index */

struct file {
    sqlite3_file base;
    bool is_log, is_database;
    sqlite3_file *real; /* behind this struct */
};

static sqlite3_vfs shim;
static sqlite3_vfs *real_vfs;
static atomic_bool is_full, sync_fails, read_fails;
static atomic_int fill_in; /* writes until the disk is full; 0: never */
static atomic_int unsynced, log_syncs, early_copies;
static atomic_llong log_bytes;

static pthread_mutex_t hold_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t hold_changed = PTHREAD_COND_INITIALIZER;
static bool holds; /* hold_lock */
static int held;   /* hold_lock; syncs that wait */

static pthread_mutex_t copies_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t copies_changed = PTHREAD_COND_INITIALIZER;
static int copies; /* copies_lock */

void vfs_set_full(bool value)
{
    atomic_store(&is_full, value);
}

void vfs_fill_at(int n)
{
    atomic_store(&is_full, false);
    atomic_store(&fill_in, n);
}

void vfs_set_sync_fails(bool value)
{
    atomic_store(&sync_fails, value);
}

void vfs_set_read_fails(bool value)
{
    atomic_store(&read_fails, value);
}

int vfs_unsynced_log_writes(void)
{
    return atomic_load(&unsynced);
}

int vfs_log_syncs(void)
{
    return atomic_load(&log_syncs);
}

long long vfs_log_bytes(void)
{
    return atomic_load(&log_bytes);
}

int vfs_early_copies(void)
{
    return atomic_load(&early_copies);
}

void vfs_hold_log_syncs(bool value)
{
    pthread_mutex_lock(&hold_lock);
    holds = value;
    pthread_cond_broadcast(&hold_changed);
    pthread_mutex_unlock(&hold_lock);
}

void vfs_wait_for_held_sync(void)
{
    pthread_mutex_lock(&hold_lock);
    while (held == 0) {
        pthread_cond_wait(&hold_changed, &hold_lock);
    }
    pthread_mutex_unlock(&hold_lock);
}

static void wait_while_held(void)
{
    pthread_mutex_lock(&hold_lock);
    held++;
    pthread_cond_broadcast(&hold_changed);
    while (holds) {
        pthread_cond_wait(&hold_changed, &hold_lock);
    }
    held--;
    pthread_mutex_unlock(&hold_lock);
}

int vfs_log_copies(void)
{
    pthread_mutex_lock(&copies_lock);
    const int count = copies;
    pthread_mutex_unlock(&copies_lock);
    return count;
}

void vfs_wait_for_log_copies(int count)
{
    pthread_mutex_lock(&copies_lock);
    while (copies < count) {
        pthread_cond_wait(&copies_changed, &copies_lock);
    }
    pthread_mutex_unlock(&copies_lock);
}

static void count_copy(void)
{
    pthread_mutex_lock(&copies_lock);
    copies++;
    pthread_cond_broadcast(&copies_changed);
    pthread_mutex_unlock(&copies_lock);
}

static sqlite3_file *real_of(sqlite3_file *file)
{
    return ((struct file *)file)->real;
}

#define REAL(file, method, ...) (real_of(file)->pMethods->method(real_of(file), __VA_ARGS__))

static int file_close(sqlite3_file *file)
{
    return real_of(file)->pMethods->xClose(real_of(file));
}

static int file_read(sqlite3_file *file, void *buffer, int bytes, sqlite3_int64 offset)
{
    return atomic_load(&read_fails) ? SQLITE_IOERR_READ : REAL(file, xRead, buffer, bytes, offset);
}

static bool disk_is_full(void)
{
    if (atomic_load(&fill_in) > 0 && atomic_fetch_sub(&fill_in, 1) == 1) {
        atomic_store(&is_full, true);
    }
    return atomic_load(&is_full);
}

static int file_write(sqlite3_file *file, const void *buffer, int bytes, sqlite3_int64 offset)
{
    if (disk_is_full()) {
        return SQLITE_FULL;
    }
    if (((struct file *)file)->is_log) {
        atomic_fetch_add(&unsynced, 1);
        atomic_fetch_add(&log_bytes, bytes);
    }
    if (((struct file *)file)->is_database && atomic_load(&unsynced) > 0) {
        atomic_fetch_add(&early_copies, 1);
    }
    return REAL(file, xWrite, buffer, bytes, offset);
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    return REAL(file, xTruncate, size);
}

static int file_sync(sqlite3_file *file, int flags)
{
    if (((struct file *)file)->is_log) {
        wait_while_held();
    }
    if (atomic_load(&sync_fails)) {
        return SQLITE_IOERR_FSYNC;
    }
    if (((struct file *)file)->is_log) {
        atomic_store(&unsynced, 0);
        atomic_fetch_add(&log_syncs, 1);
    }
    return REAL(file, xSync, flags);
}

static int file_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return REAL(file, xFileSize, size);
}

static int file_lock(sqlite3_file *file, int lock)
{
    return REAL(file, xLock, lock);
}

static int file_unlock(sqlite3_file *file, int lock)
{
    return REAL(file, xUnlock, lock);
}

static int file_check_lock(sqlite3_file *file, int *out)
{
    return REAL(file, xCheckReservedLock, out);
}

static int file_control(sqlite3_file *file, int operation, void *argument)
{
    return REAL(file, xFileControl, operation, argument);
}

static int file_sector_size(sqlite3_file *file)
{
    return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int file_characteristics(sqlite3_file *file)
{
    return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static int file_shm_map(sqlite3_file *file, int page, int bytes, int extend, void volatile **out)
{
    return REAL(file, xShmMap, page, bytes, extend, out);
}

static int file_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
    const int rc = REAL(file, xShmLock, offset, n, flags);
    if (rc == SQLITE_OK && offset == COPIER_LOCK && n == 1 &&
        flags == (SQLITE_SHM_LOCK | SQLITE_SHM_EXCLUSIVE)) {
        count_copy();
    }
    return rc;
}

static void file_shm_barrier(sqlite3_file *file)
{
    real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int file_shm_unmap(sqlite3_file *file, int delete_flag)
{
    return REAL(file, xShmUnmap, delete_flag);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_lock,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_characteristics,
    .xShmMap = file_shm_map,
    .xShmLock = file_shm_lock,
    .xShmBarrier = file_shm_barrier,
    .xShmUnmap = file_shm_unmap,
};

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *base, int flags, int *out)
{
    (void)vfs;
    struct file *file = (struct file *)base;
    file->real = (sqlite3_file *)(file + 1);
    file->is_log = (flags & SQLITE_OPEN_WAL) != 0;
    file->is_database = (flags & SQLITE_OPEN_MAIN_DB) != 0;
    const int rc = real_vfs->xOpen(real_vfs, name, file->real, flags, out);
    file->base.pMethods = file->real->pMethods == NULL ? NULL : &methods;
    return rc;
}

void vfs_install(void)
{
    if (real_vfs != NULL) {
        return;
    }
    real_vfs = sqlite3_vfs_find(NULL);
    memcpy(&shim, real_vfs, sizeof(shim)); /* its other methods work on names, not on files */
    shim.pNext = NULL;
    shim.zName = "consultd-test";
    shim.szOsFile = (int)sizeof(struct file) + real_vfs->szOsFile;
    shim.xOpen = vfs_open;
    sqlite3_vfs_register(&shim, 1);
}
