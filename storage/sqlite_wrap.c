/* The real file lies in memory of its own, as only the VFS behind knows its size. */
#include "storage/sqlite_wrap.h"

#include "protocol/memory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static sqlite3_file *real_of(sqlite3_file *base)
{
    return ((struct wrapped_file *)base)->real;
}

/* ---- The VFS ------------------------------------------------------------------------------- */

void wrap_register(sqlite3_vfs *vfs, const char *name, vfs_open_fn open)
{
    const sqlite3_vfs *real = sqlite3_vfs_find(NULL);
    if (real != NULL) {
        *vfs = *real;
        vfs->zName = name;
        vfs->szOsFile = WRAPPED_FILE_BYTES;
        vfs->xOpen = open;
        vfs->pNext = NULL;
        (void)sqlite3_vfs_register(vfs, 0); /* fails only without memory; then opening fails */
    }
}

static int open_wrapped(sqlite3_vfs *real, const char *name, struct wrapped_file *file, int flags,
                        int *out)
{
    file->real = memory_resize(NULL, (size_t)real->szOsFile);
    memset(file->real, 0, (size_t)real->szOsFile);
    const int rc = real->xOpen(real, name, file->real, flags, out);
    if (rc == SQLITE_OK) {
        return SQLITE_OK;
    }
    if (file->real->pMethods != NULL) {
        file->real->pMethods->xClose(file->real);
    }
    free(file->real);
    return rc;
}

int wrap_open(const char *name, sqlite3_file *base, int flags, int *out, int kind, size_t bytes,
              const sqlite3_io_methods *methods)
{
    sqlite3_vfs *real = sqlite3_vfs_find(NULL);
    assert(real->szOsFile <= WRAPPED_FILE_BYTES && bytes <= WRAPPED_FILE_BYTES);
    if ((flags & kind) == 0) {
        return real->xOpen(real, name, base, flags, out);
    }
    memset(base, 0, bytes);
    const int rc = open_wrapped(real, name, (struct wrapped_file *)base, flags, out);
    if (rc == SQLITE_OK) {
        base->pMethods = methods;
    }
    return rc;
}

int wrap_close(sqlite3_file *base)
{
    const int rc = real_of(base)->pMethods->xClose(real_of(base));
    free(real_of(base));
    return rc;
}

/* ---- Passed on ------------------------------------------------------------------------------ */

int wrap_lock(sqlite3_file *base, int kind)
{
    return real_of(base)->pMethods->xLock(real_of(base), kind);
}

int wrap_unlock(sqlite3_file *base, int kind)
{
    return real_of(base)->pMethods->xUnlock(real_of(base), kind);
}

int wrap_is_reserved(sqlite3_file *base, int *out)
{
    return real_of(base)->pMethods->xCheckReservedLock(real_of(base), out);
}

int wrap_sector_size(sqlite3_file *base)
{
    return real_of(base)->pMethods->xSectorSize(real_of(base));
}

int wrap_characteristics(sqlite3_file *base)
{
    return real_of(base)->pMethods->xDeviceCharacteristics(real_of(base));
}
