/* Any thread, but a file: its connection's. A VFS in front of SQLite's own, that does something of its own with
 * one kind of file and passes on all else: what sqlite_log.c and sqlite_paced.c share. */
#ifndef CONSULTD_STORAGE_SQLITE_WRAP_H
#define CONSULTD_STORAGE_SQLITE_WRAP_H

#include <sqlite3.h>
#include <stddef.h>

#define WRAPPED_FILE_BYTES 4096 /* room for a file: more than any VFS wants */

/* The beginning of a wrapped file, whose struct has at most WRAPPED_FILE_BYTES. */
struct wrapped_file {
    sqlite3_file base; /* must come first */
    sqlite3_file *real;
};

typedef int (*vfs_open_fn)(sqlite3_vfs *, const char *, sqlite3_file *, int, int *);

/* Registers `vfs` under the name: SQLite's own, but for `open`. Its zName stays NULL where there is none. */
void wrap_register(sqlite3_vfs *vfs, const char *name, vfs_open_fn open);

/* What `open` does: a file whose flags have `kind` gets `methods` and, cleared, `bytes` of struct; any other is
 * SQLite's own. What stands behind is asked for each time: tests put a failing disk there. */
int wrap_open(const char *name, sqlite3_file *base, int flags, int *out, int kind, size_t bytes,
              const sqlite3_io_methods *methods);
/* Closes the real file and frees it. */
int wrap_close(sqlite3_file *base);

/* Methods that only pass on. */
int wrap_lock(sqlite3_file *base, int kind);
int wrap_unlock(sqlite3_file *base, int kind);
int wrap_is_reserved(sqlite3_file *base, int *out);
int wrap_sector_size(sqlite3_file *base);
int wrap_characteristics(sqlite3_file *base);

#endif
