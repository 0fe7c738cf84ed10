/* Copying SQLite's log into the file, in a thread of its own.
 *
 * Left to itself SQLite copies the log within whichever commit makes it long, and that commit, with
 * all that waits behind it, takes as long as copying does. */
#ifndef CONSULTD_STORAGE_SQLITE_CHECKPOINT_H
#define CONSULTD_STORAGE_SQLITE_CHECKPOINT_H

#include "storage/sqlite_file.h"

struct checkpointer;

/* Starts the thread, with a connection of its own to the file. `pages`: how long the log becomes
 * before it is copied, in pages of 4 KiB; 1 or more. ERR_STORE: no connection or no thread; nothing
 * is left then. Any thread. Caller owns; checkpointer_stop after all watched connections are closed. */
MUST_USE enum err checkpointer_start(const struct sqlite_file *file, int pages,
                                     struct checkpointer **out);
/* Ends a copy that is under way first. NULL: nothing happens. */
void checkpointer_stop(struct checkpointer *checkpointer);

/* Has the log looked after whenever `db` has committed, instead of what SQLite does by itself.
 * Several connections may be watched; each from the thread that uses it. */
void checkpointer_watch(struct checkpointer *checkpointer, sqlite3 *db);

#endif
