/* Worker only. A shape's fields as SQLite columns.
 *
 *     kind            column    value
 *     oid             BLOB      the 12 bytes
 *     text            TEXT      as it is
 *     number, time    INTEGER   time in ms since 1970
 *     bool            INTEGER   0 or 1, never NULL
 *     text list       BLOB      each text with its NUL, one behind the other
 *     oid list        TEXT      each id as 24 hex digits and a space
 *     message text    ANY       TEXT: plain; BLOB: a notice, see shape_sql.c
 *
 * Absent is NULL. */
#ifndef CONSULTD_STORAGE_SHAPE_SQL_H
#define CONSULTD_STORAGE_SHAPE_SQL_H

#include "storage/store.h"

#include <sqlite3.h>

#define SQL_LIST_ITEM_BYTES 25 /* of an oid list */

/* The declared type of the field's column, e.g. "TEXT". */
const char *sql_type(const struct field *field);

/* Binds the record's field as parameter `at`. Texts are not copied: the record must live until
 * the statement is reset and its bindings are cleared. Returns SQLITE_OK or its error. */
MUST_USE int sql_bind_field(sqlite3_stmt *statement, int at, const struct field *field,
                            const void *record);

/* Binds a scalar or text list of the field's kind; an absent one as NULL. As above. */
MUST_USE int sql_bind_value(sqlite3_stmt *statement, int at, const struct field *field,
                            union value value);

/* Binds an id as an oid list holds it: hex digits and the space. Copied. */
MUST_USE int sql_bind_list_item(sqlite3_stmt *statement, int at, struct oid id);

/* Reads column `at` (from 0) of the current row into the record's field; texts are copied into
 * the arena. False when the stored value is not of the field's kind. */
MUST_USE bool sql_read_field(sqlite3_stmt *statement, int at, const struct field *field,
                             struct arena *arena, void *record);

#endif
