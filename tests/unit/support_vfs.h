/* Any thread. A disk for SQLite that can fail and that remembers what was not synced.
 *
 * It stands between SQLite and the real file system, as SQLite's default VFS, for the process that
 * called vfs_install: every store file opened after that. Failures are for all files at once. */
#ifndef CONSULTD_TESTS_SUPPORT_VFS_H
#define CONSULTD_TESTS_SUPPORT_VFS_H

#include <stdbool.h>

/* Makes it SQLite's default VFS, once; later calls do nothing. */
void vfs_install(void);

/* Whether the disk is full: every write fails with SQLITE_FULL. */
void vfs_set_full(bool is_full);

/* Lets the n-th write from now fail with SQLITE_FULL, and all after it; 0: none. */
void vfs_fill_at(int n);

/* Whether syncing fails with SQLITE_IOERR_FSYNC. */
void vfs_set_sync_fails(bool fails);

/* Whether reading fails with SQLITE_IOERR_READ. */
void vfs_set_read_fails(bool fails);

/* Writes to write-ahead logs that no sync has followed yet, and syncs of logs, since the start. */
int vfs_unsynced_log_writes(void);
int vfs_log_syncs(void);

/* Bytes written to logs, since the start. */
long long vfs_log_bytes(void);

/* Writes to database files while a log had some that no sync had followed yet, since the start. */
int vfs_early_copies(void);

/* How often somebody began to copy a log, since the start. Waits until it is `count` at least. */
int vfs_log_copies(void);
void vfs_wait_for_log_copies(int count);

/* While it holds them, syncs of logs wait. */
void vfs_hold_log_syncs(bool holds);
/* Returns when one waits. */
void vfs_wait_for_held_sync(void);

#endif
