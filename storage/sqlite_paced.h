/* Any thread. A VFS for the connection that copies SQLite's log into the file: it syncs the file every so
 * often, instead of once at the end. */
#ifndef CONSULTD_STORAGE_SQLITE_PACED_H
#define CONSULTD_STORAGE_SQLITE_PACED_H

/* Its name, for sqlite3_open_v2; registered with the first call. */
const char *sqlite_paced_vfs(void);

#endif
