/* A VFS in front of SQLite's own that gathers what is written to a write-ahead log.
 *
 * SQLite writes a log frame by frame, two calls each: 24 bytes of header, 4,096 of page. A run of messages
 * is some hundred frames, one behind the other. Here they are put together, and written at the
 * latest before the log is synced, read, measured or cut; so whatever SQLite does after that finds
 * the file as it left it. With synchronous=FULL each commit syncs the log before it tells other
 * connections how long it is, so that they never look for what is still gathered.
 *
 * A write that fails is told by the sync (or whatever else made it happen), as SQLite expects of a
 * disk that finds out late; the commit fails then.
 *
 * A commit may be told to leave its sync to others (sqlite_log_leave_unsynced): what it would sync is
 * written then, and that is all. What must hold: of a log that begins anew the header is synced before any frame
 * is written, or a power cut might leave old frames, which are in the file already, in front of newer ones; and
 * whoever copies the log syncs it first. So one sync is left out, the first after a frame: it is the commit's
 * own, and comes before all that follows from the commit.
 *
 * All files but logs are SQLite's own. One thread at a time uses a connection and its files. */
#include "storage/sqlite_log.h"
#include "storage/sqlite_wrap.h"

#include "protocol/memory.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define VFS_NAME "consultd"
#define GATHERED_MAX ((size_t)126976) /* SQLite's own VFS writes less than 128 KiB at once */

struct log_file {
    struct wrapped_file file; /* must come first */
    char *gathered;           /* owned; NULL until there is something */
    size_t count;
    sqlite3_int64 offset;  /* of the first gathered byte */
    bool ends_with_header; /* what was written last, and is not synced, is the log's header */
    bool leaves_unsynced;  /* the next sync that is not the header's */
};

static struct log_file *of(sqlite3_file *base)
{
    return (struct log_file *)base;
}

/* ---- Gathering ----------------------------------------------------------------------------- */

static int write_gathered(struct log_file *file)
{
    const size_t count = file->count;
    file->count = 0;
    return count == 0 ? SQLITE_OK
                      : file->file.real->pMethods->xWrite(file->file.real, file->gathered,
                                                          (int)count, file->offset);
}

static int log_write(sqlite3_file *base, const void *bytes, int count, sqlite3_int64 offset)
{
    struct log_file *file = of(base);
    file->ends_with_header = offset == 0;
    const bool follows = offset == file->offset + (sqlite3_int64)file->count;
    if (file->count > 0 && (!follows || file->count + (size_t)count > GATHERED_MAX)) {
        const int rc = write_gathered(file);
        if (rc != SQLITE_OK) {
            return rc;
        }
    }
    if ((size_t)count > GATHERED_MAX) {
        return file->file.real->pMethods->xWrite(file->file.real, bytes, count, offset);
    }
    if (file->gathered == NULL) {
        file->gathered = memory_resize(NULL, GATHERED_MAX);
    }
    if (file->count == 0) {
        file->offset = offset;
    }
    memcpy(file->gathered + file->count, bytes, (size_t)count);
    file->count += (size_t)count;
    return SQLITE_OK;
}

/* ---- Everything else: first what was gathered ---------------------------------------------- */

#define AFTER_GATHERED(base, call)                                                                 \
    do {                                                                                           \
        sqlite3_file *real = of(base)->file.real;                                                  \
        const int written = write_gathered(of(base));                                              \
        return written != SQLITE_OK ? written : real->pMethods->call;                              \
    } while (0)

static int log_read(sqlite3_file *base, void *out, int count, sqlite3_int64 offset)
{
    AFTER_GATHERED(base, xRead(real, out, count, offset));
}

static int log_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    AFTER_GATHERED(base, xTruncate(real, size));
}

static int log_sync(sqlite3_file *base, int flags)
{
    struct log_file *file = of(base);
    if (file->leaves_unsynced && !file->ends_with_header) {
        file->leaves_unsynced = false;
        return write_gathered(file);
    }
    file->ends_with_header = false;
    AFTER_GATHERED(base, xSync(real, flags));
}

static int log_size(sqlite3_file *base, sqlite3_int64 *size)
{
    AFTER_GATHERED(base, xFileSize(real, size));
}

static int log_control(sqlite3_file *base, int operation, void *argument)
{
    AFTER_GATHERED(base, xFileControl(real, operation, argument));
}

static int log_close(sqlite3_file *base)
{
    struct log_file *file = of(base);
    const int written = write_gathered(file);
    free(file->gathered);
    const int closed = wrap_close(base);
    return written != SQLITE_OK ? written : closed;
}

/* ---- The VFS ------------------------------------------------------------------------------- */

static const sqlite3_io_methods log_methods = {
    .iVersion = 1,
    .xClose = log_close,
    .xRead = log_read,
    .xWrite = log_write,
    .xTruncate = log_truncate,
    .xSync = log_sync,
    .xFileSize = log_size,
    .xLock = wrap_lock,
    .xUnlock = wrap_unlock,
    .xCheckReservedLock = wrap_is_reserved,
    .xFileControl = log_control,
    .xSectorSize = wrap_sector_size,
    .xDeviceCharacteristics = wrap_characteristics,
};

static int vfs_open(sqlite3_vfs *self, const char *name, sqlite3_file *base, int flags, int *out)
{
    (void)self;
    return wrap_open(name, base, flags, out, SQLITE_OPEN_WAL, sizeof(struct log_file),
                     &log_methods);
}

static sqlite3_vfs log_vfs;

static void register_vfs(void)
{
    wrap_register(&log_vfs, VFS_NAME, vfs_open);
}

const char *sqlite_log_vfs(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, register_vfs);
    return log_vfs.zName;
}

void sqlite_log_leave_unsynced(sqlite3 *db, bool leaves)
{
    sqlite3_file *file = NULL;
    const int rc = sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &file);
    if (rc == SQLITE_OK && file != NULL && file->pMethods == &log_methods) {
        of(file)->leaves_unsynced = leaves;
    }
}
