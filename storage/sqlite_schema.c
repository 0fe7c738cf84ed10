/* Tables, columns and indexes of a SQLite store, made from the shapes.
 *
 * A table has one column per stored field (shape_sql.h says of what type) and the id as its key;
 * it keeps SQLite's own row numbers, so that rows are appended and only the small index of ids is
 * written at random places. Tables are STRICT: a value of a wrong type is refused, not stored.
 *
 * The stored form only ever grows: a field that is new in a shape becomes a new column at the next
 * open, NULL (or false) in the rows that are there. A column that holds another type than the
 * shape wants cannot be mended here and is refused. All of it is one transaction, so that a crash
 * leaves the old form or the new one.
 *
 * Names come from our own tables, never from outside: they are the only thing that is written
 * into SQL.
 *
 * Called once at open, before any session exists. */
#include "storage/shape_sql.h"
#include "storage/sqlite_file.h"

#include <stdio.h>
#include <string.h>

static enum err complain(sqlite3 *db, const char *what, char why[256])
{
    snprintf(why, 256, "cannot prepare the store (%s): %s", what, sqlite3_errmsg(db));
    return ERR_STORE;
}

static enum err run(sqlite3 *db, const char *sql, char why[256])
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) {
        return complain(db, "schema", why);
    }
    return ERR_OK;
}

static void add_column(struct strbuf *sql, const struct field *field)
{
    strbuf_add_format(sql, "\"%s\" %s%s", field->name, sql_type(field),
                      field->kind == KIND_BOOL ? " NOT NULL DEFAULT 0" : "");
}

static enum err table_make(sqlite3 *db, const struct collection_row *row, char why[256])
{
    struct strbuf sql;
    strbuf_init(&sql, 0);
    strbuf_add_format(&sql, "CREATE TABLE IF NOT EXISTS \"%s\" (", row->name);
    for (size_t i = 0; i < row->shape->count; i++) {
        const struct field *field = &row->shape->fields[i];
        if (field_is_stored(field)) {
            strbuf_add_text(&sql, i == 0 ? "" : ",");
            add_column(&sql, field);
            strbuf_add_text(&sql, i == 0 ? " NOT NULL PRIMARY KEY" : "");
        }
    }
    strbuf_add_literal(&sql, ") STRICT");
    const enum err err = run(db, strbuf_text(&sql), why);
    strbuf_free(&sql);
    return err;
}

static enum err column_add(sqlite3 *db, const struct collection_row *row, const struct field *field,
                           char why[256])
{
    struct strbuf sql;
    strbuf_init(&sql, 0);
    strbuf_add_format(&sql, "ALTER TABLE \"%s\" ADD COLUMN ", row->name);
    add_column(&sql, field);
    const enum err err = run(db, strbuf_text(&sql), why);
    strbuf_free(&sql);
    return err;
}

/* Looks the column up with `columns` (table, column -> type), and adds it where it is missing. */
static enum err column_make(sqlite3 *db, sqlite3_stmt *columns, const struct collection_row *row,
                            const struct field *field, char why[256])
{
    sqlite3_bind_text(columns, 1, row->name, -1, SQLITE_STATIC);
    sqlite3_bind_text(columns, 2, field->name, -1, SQLITE_STATIC);
    const int rc = sqlite3_step(columns);
    enum err err = ERR_OK;
    if (rc == SQLITE_ROW) {
        const char *type = (const char *)sqlite3_column_text(columns, 0);
        if (type == NULL || strcmp(type, sql_type(field)) != 0) {
            snprintf(why, 256, "column %s.%s of the store holds %.20s, not %s", row->name,
                     field->name, type == NULL ? "?" : type, sql_type(field));
            err = ERR_STORE;
        }
    } else if (rc != SQLITE_DONE) {
        err = complain(db, "columns", why);
    }
    sqlite3_reset(columns);
    return rc == SQLITE_DONE ? column_add(db, row, field, why) : err;
}

static enum err columns_make(sqlite3 *db, const struct collection_row *row, char why[256])
{
    sqlite3_stmt *columns = NULL;
    if (sqlite3_prepare_v2(db, "SELECT type FROM pragma_table_info(?1) WHERE name = ?2", -1,
                           &columns, NULL) != SQLITE_OK) {
        return complain(db, "columns", why);
    }
    enum err err = ERR_OK;
    for (size_t i = 0; i < row->shape->count && err == ERR_OK; i++) {
        if (field_is_stored(&row->shape->fields[i])) {
            err = column_make(db, columns, row, &row->shape->fields[i], why);
        }
    }
    sqlite3_finalize(columns);
    return err;
}

static const char *bool_of_partial(const struct index_row *index)
{
    return shape_field(collection_row(index->collection)->shape, index->bool_offset)->name;
}

/* A partial index says in its name of what: another store may have all records in one. */
static void add_index_name(struct strbuf *out, const struct index_row *index)
{
    strbuf_add_format(out, "%s_%s", collection_row(index->collection)->name, index->name);
    if (index->is_partial) {
        strbuf_add_format(out, index->wanted ? "_%s" : "_not_%s", bool_of_partial(index));
    }
}

static enum err index_make(sqlite3 *db, const struct index_row *index, char why[256])
{
    const struct collection_row *row = collection_row(index->collection);
    struct strbuf sql;
    strbuf_init(&sql, 0);
    strbuf_add_format(&sql, "CREATE %sINDEX IF NOT EXISTS \"", index->unique ? "UNIQUE " : "");
    add_index_name(&sql, index);
    strbuf_add_format(&sql, "\" ON \"%s\" (", row->name);
    for (size_t i = 0; i < index->count; i++) {
        strbuf_add_format(&sql, i == 0 ? "\"%s\"" : ",\"%s\"",
                          shape_field(row->shape, index->offsets[i])->name);
    }
    strbuf_add_char(&sql, ')');
    if (index->is_partial) {
        strbuf_add_format(&sql, " WHERE \"%s\"=%d", bool_of_partial(index), index->wanted);
    }
    const enum err err = run(db, strbuf_text(&sql), why);
    strbuf_free(&sql);
    return err;
}

/* How many records share one value of a field that an index begins with, about; others: FEW. */
static const struct {
    const char *field;
    int records;
} crowds[] = {{"status", 20000}, {"doctorId", 2000}, {"departmentId", 100}, {"gram", 100}};

#define FEW 5
#define ALL 1000000

/* Tells SQLite's planner what to expect of an index, in the form that ANALYZE would write. With
 * numbers of our own, plans are the same in an empty store as in a full one, and among several
 * indexes the one of a patient is taken before the one of a doctor. */
static enum err expectation_set(sqlite3 *db, const struct index_row *index, char why[256])
{
    const struct collection_row *row = collection_row(index->collection);
    const char *first = shape_field(row->shape, index->offsets[0])->name;
    int records = index->unique && index->count == 1 ? 1 : FEW;
    for (size_t i = 0; i < ARRAY_LENGTH(crowds); i++) {
        if (strcmp(crowds[i].field, first) == 0) {
            records = crowds[i].records;
        }
    }
    struct strbuf sql;
    strbuf_init(&sql, 0);
    strbuf_add_format(&sql, "INSERT INTO sqlite_stat1 VALUES ('%s','", row->name);
    add_index_name(&sql, index);
    strbuf_add_format(&sql, "','%d", ALL);
    for (size_t i = 0; i < index->count; i++) {
        strbuf_add_format(&sql, " %d", records);
        records = records > FEW && i + 2 < index->count ? records / 4 : 1;
    }
    strbuf_add_literal(&sql, "')");
    const enum err err = run(db, strbuf_text(&sql), why);
    strbuf_free(&sql);
    return err;
}

/* Refuses a store of another version before anything in it is touched. A store that has no
 * version yet is new. */
static enum err version_check(sqlite3 *db, bool upgrades, char why[256])
{
    sqlite3_stmt *statement = NULL;
    const char *sql = "SELECT 1 FROM sqlite_schema WHERE type='table' AND name='store_info'";
    int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    rc = rc == SQLITE_OK ? sqlite3_step(statement) : rc;
    sqlite3_finalize(statement);
    if (rc == SQLITE_DONE) {
        return ERR_OK;
    }
    statement = NULL;
    if (rc == SQLITE_ROW) {
        rc = sqlite3_prepare_v2(db, "SELECT max(version) FROM store_info", -1, &statement, NULL);
        rc = rc == SQLITE_OK ? sqlite3_step(statement) : rc;
    }
    enum err err = ERR_OK;
    if (rc != SQLITE_ROW) {
        err = complain(db, "version", why);
    } else if (sqlite3_column_int64(statement, 0) > STORE_VERSION) {
        snprintf(why, 256, STORE_NEWER_SENTENCE, (int64_t)sqlite3_column_int64(statement, 0),
                 STORE_VERSION);
        err = ERR_STORE;
    }
    if (err == ERR_OK && !upgrades && sqlite3_column_int64(statement, 0) > 0 &&
        sqlite3_column_int64(statement, 0) < STORE_VERSION) {
        snprintf(why, 256, STORE_OLDER_SENTENCE, (int64_t)sqlite3_column_int64(statement, 0),
                 STORE_VERSION);
        err = ERR_STORE;
    }
    sqlite3_finalize(statement);
    return err;
}

static enum err make_all(sqlite3 *db, bool upgrades, char why[256])
{
    TRY(version_check(db, upgrades, why));
    for (int i = 0; i < COLLECTION_COUNT; i++) {
        const struct collection_row *row = collection_row((enum collection)i);
        TRY(table_make(db, row, why));
        TRY(columns_make(db, row, why));
    }
    size_t count = 0;
    const struct index_row *indexes = index_rows(&count);
    for (size_t i = 0; i < count; i++) {
        TRY(index_make(db, &indexes[i], why));
    }
    TRY(run(db, "ANALYZE sqlite_schema; DELETE FROM sqlite_stat1", why));
    for (size_t i = 0; i < count; i++) {
        TRY(expectation_set(db, &indexes[i], why));
    }
    return ERR_OK;
}

static bool has_row(const char *name)
{
    size_t count = 0;
    bool has = false;
    const struct index_row *indexes = index_rows(&count);
    for (size_t i = 0; i < count && !has; i++) {
        struct strbuf indexed;
        strbuf_init(&indexed, 0);
        add_index_name(&indexed, &indexes[i]);
        has = strcmp(name, strbuf_text(&indexed)) == 0;
        strbuf_free(&indexed);
    }
    return has;
}

/* The names are gathered first: a statement that reads the schema would keep it from changing. */
int sqlite_schema_drop_old_indexes(sqlite3 *db)
{
    sqlite3_stmt *names = NULL;
    struct strbuf sql;
    strbuf_init(&sql, 0);
    int rc = sqlite3_prepare_v2(
        db, "SELECT name FROM sqlite_schema WHERE type='index' AND sql IS NOT NULL", -1, &names,
        NULL);
    while (rc == SQLITE_OK && (rc = sqlite3_step(names)) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(names, 0);
        if (name != NULL && !has_row(name)) {
            strbuf_add_format(&sql, "DROP INDEX IF EXISTS \"%s\";", name);
        }
        rc = SQLITE_OK;
    }
    sqlite3_finalize(names);
    if (rc == SQLITE_DONE) {
        rc = sqlite3_exec(db, strbuf_text(&sql), NULL, NULL, NULL);
    }
    strbuf_free(&sql);
    return rc;
}

enum err sqlite_schema_make(sqlite3 *db, bool upgrades, char why[256])
{
    TRY(run(db, "BEGIN IMMEDIATE", why));
    enum err err = make_all(db, upgrades, why);
    if (err == ERR_OK) {
        err = run(db, "COMMIT", why);
    }
    if (err != ERR_OK) {
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    }
    return err;
}
