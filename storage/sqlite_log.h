/* Any thread. SQLite's write-ahead log with fewer system calls: what a commit writes goes to the file in
 * one piece before it is synced. */
#ifndef CONSULTD_STORAGE_SQLITE_LOG_H
#define CONSULTD_STORAGE_SQLITE_LOG_H

#include <stdbool.h>

/* The name of the VFS to open connections with; made at the first call. NULL: SQLite has none that it
 * could stand in front of. */
const char *sqlite_log_vfs(void);

struct sqlite3;

/* The connection's thread only, right before a commit: its log is written and not synced by it, but its
 * beginning is. Again with `leaves` false when the commit has ended. A connection of another VFS syncs. */
void sqlite_log_leave_unsynced(struct sqlite3 *db, bool leaves);

#endif
