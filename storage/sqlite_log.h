/* Any thread. SQLite's write-ahead log with fewer system calls: what a commit writes goes to the file in
 * one piece before it is synced. */
#ifndef CONSULTD_STORAGE_SQLITE_LOG_H
#define CONSULTD_STORAGE_SQLITE_LOG_H

/* The name of the VFS to open connections with; made at the first call. NULL: SQLite has none that it
 * could stand in front of. */
const char *sqlite_log_vfs(void);

#endif
