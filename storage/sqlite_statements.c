/* From a plan to a bound statement: key, look-up, SQL on a miss, binding.
 *
 * The key is the plan's form in a few bytes; it costs a walk over the plan but no text. The SQL is
 * written only on a miss. Key, SQL and binding walk the plan in the same order (changes, then
 * conditions, then limit and skip), so that parameter ?N is the N-th value of that walk; no value
 * is ever written into SQL, but which of its two a bool is to be: a partial index is found by that.
 * A ONE_OF list is padded with its last item to the next power of two,
 * so that lists of all lengths share a few statements.
 *
 * What must hold: a statement that was handed out is reset before the next one is asked for in the
 * same form, and in any case before the call returns: an unreset SELECT would hold its snapshot
 * and keep the log of the database from being cut.
 *
 * Worker only: a cache belongs to one session, a session to one thread at a time. */
#include "storage/sqlite_statements.h"

#include "protocol/hash.h"
#include "protocol/memory.h"
#include "storage/record.h"
#include "storage/shape_sql.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEY_BYTES 512
#define STATEMENTS_MAX 512

struct statement {
    struct statement *next;
    sqlite3_stmt *prepared; /* owned */
    uint64_t hash;
    size_t key_length;
    uint8_t key[]; /* key_length bytes */
};

struct condition plan_id_is(enum collection collection, struct oid id)
{
    return (struct condition){.offset = collection_row(collection)->shape->fields[0].offset,
                              .compare = IS,
                              .value = {.oid = id}};
}

void plan_with_id(struct condition all[CONDITIONS_MAX + 1], enum collection collection,
                  struct oid id, const struct condition *conditions, size_t condition_count)
{
    all[0] = plan_id_is(collection, id);
    if (condition_count > 0) {
        memcpy(&all[1], conditions, condition_count * sizeof(*conditions));
    }
}

/* ---- The key ------------------------------------------------------------------------------ */

struct key {
    uint8_t bytes[KEY_BYTES];
    size_t length;
};

static void key_add(struct key *key, size_t value)
{
    assert(key->length + 2 <= KEY_BYTES && value <= UINT16_MAX);
    key->bytes[key->length++] = (uint8_t)(value & 0xff);
    key->bytes[key->length++] = (uint8_t)(value >> 8);
}

static const struct field *plan_field(const struct plan *plan, size_t offset)
{
    return shape_field(collection_row(plan->collection)->shape, offset);
}

/* How many parameters a list of `count` items takes. */
static size_t padded(size_t count)
{
    size_t room = 1;
    while (room < count) {
        room *= 2;
    }
    return room;
}

static size_t list_count(const struct field *field, const struct condition *condition)
{
    return field->kind == KIND_OID ? condition->value.oids.count : condition->value.texts.count;
}

/* IS and IS_NOT with an absent value ask whether the field is absent. */
static bool asks_for_absence(const struct field *field, const struct condition *condition)
{
    if (condition->compare != IS && condition->compare != IS_NOT) {
        return condition->compare == ABSENT;
    }
    switch (field->kind) {
    case KIND_OID:
        return oid_is_none(condition->value.oid);
    case KIND_TEXT:
        return condition->value.text == NULL;
    case KIND_NUMBER:
        return condition->value.number == NUMBER_ABSENT;
    case KIND_TIME:
        return condition->value.time.ms == 0;
    default:
        return false;
    }
}

/* Of conditions whose value is part of the statement: none is bound. */
static bool is_written(const struct field *field, const struct condition *condition)
{
    return field->kind == KIND_BOOL && condition->compare == IS;
}

static void plan_key(const struct plan *plan, struct key *key)
{
    key->length = 0;
    key_add(key, (size_t)plan->operation << 8 | (size_t)plan->collection);
    key_add(key, plan->record_count);
    key_add(key, plan->change_count);
    for (size_t i = 0; i < plan->change_count; i++) {
        key_add(key, plan->changes[i].offset);
        key_add(key, plan->changes[i].kind);
    }
    key_add(key, plan->condition_count);
    for (size_t i = 0; i < plan->condition_count; i++) {
        const struct condition *condition = &plan->conditions[i];
        const struct field *field = plan_field(plan, condition->offset);
        key_add(key, condition->offset);
        key_add(key, (size_t)condition->compare << 1 | asks_for_absence(field, condition));
        if (condition->compare == ONE_OF) {
            key_add(key, padded(list_count(field, condition)));
        } else if (is_written(field, condition)) {
            key_add(key, condition->value.boolean);
        }
    }
    for (size_t i = 0; i < ARRAY_LENGTH(plan->sort) && plan->sort[i].used; i++) {
        key_add(key, plan->sort[i].offset);
        key_add(key, plan->sort[i].down);
    }
}

/* ---- The SQL ------------------------------------------------------------------------------ */

static void add_column_names(struct strbuf *sql, const struct shape *shape)
{
    const char *comma = "";
    for (size_t i = 0; i < shape->count; i++) {
        if (field_is_stored(&shape->fields[i])) {
            strbuf_add_format(sql, "%s\"%s\"", comma, shape->fields[i].name);
            comma = ",";
        }
    }
}

static void add_parameters(struct strbuf *sql, size_t count, int *next)
{
    for (size_t i = 0; i < count; i++) {
        strbuf_add_format(sql, i == 0 ? "?%d" : ",?%d", (*next)++);
    }
}

static void add_insert(struct strbuf *sql, const struct plan *plan)
{
    const struct collection_row *row = collection_row(plan->collection);
    size_t columns = 0;
    for (size_t i = 0; i < row->shape->count; i++) {
        columns += field_is_stored(&row->shape->fields[i]);
    }
    strbuf_add_format(sql, "INSERT INTO \"%s\" (", row->name);
    add_column_names(sql, row->shape);
    strbuf_add_literal(sql, ") VALUES ");
    int next = 1;
    for (size_t i = 0; i < plan->record_count; i++) {
        strbuf_add_text(sql, i == 0 ? "(" : ",(");
        add_parameters(sql, columns, &next);
        strbuf_add_char(sql, ')');
    }
    if (plan->operation == PLAN_INSERT_OR_PASS) {
        strbuf_add_literal(sql, " ON CONFLICT (\"id\") DO NOTHING");
    }
}

static void add_change(struct strbuf *sql, const struct field *field, enum change_kind kind,
                       int *next)
{
    const char *name = field->name;
    strbuf_add_format(sql, "\"%s\"=", name);
    switch (kind) {
    case CHANGE_SET:
        strbuf_add_format(sql, "?%d", (*next)++);
        break;
    case CHANGE_UNSET:
        strbuf_add_text(sql, field->kind == KIND_BOOL ? "0" : "NULL");
        break;
    case CHANGE_INC:
        strbuf_add_format(sql, "ifnull(\"%s\",0)+?%d", name, (*next)++);
        break;
    case CHANGE_MAX:
        strbuf_add_format(sql, "max(ifnull(\"%s\",?%d),?%d)", name, *next, *next);
        (*next)++;
        break;
    case CHANGE_PUSH_LAST:
        strbuf_add_format(sql, "substr(ifnull(\"%s\",'')||?%d,-%d)", name, (*next)++,
                          PUSH_LAST_KEEPS * SQL_LIST_ITEM_BYTES);
        break;
    case CHANGE_PUSH:
        strbuf_add_format(sql, "ifnull(\"%s\",'')||?%d", name, (*next)++);
        break;
    case CHANGE_PULL:
        strbuf_add_format(sql, "nullif(replace(\"%s\",?%d,''),'')", name, (*next)++);
        break;
    }
}

static void add_condition(struct strbuf *sql, const struct plan *plan,
                          const struct condition *condition, int *next)
{
    static const struct {
        const char *before, *middle, *after; /* before "name" middle ?N after */
    } forms[] = {
        [IS] = {"", "=", ""},
        [IS_NOT] = {"", " IS NOT ", ""},
        [BELOW] = {"", "<", ""},
        [AT_MOST] = {"", "<=", ""},
        [ABOVE] = {"", ">", ""},
        [AT_LEAST] = {"", ">=", ""},
        [HOLDS] = {"instr(", ",", ")>0"},
        [LACKS] = {"ifnull(instr(", ",", "),0)=0"},
        [CONTAINS] = {"instr(lower(", "),lower(", "))>0"}, /* LIKE takes some characters for one */
    };
    const struct field *field = plan_field(plan, condition->offset);
    const enum compare compare = condition->compare;
    if (asks_for_absence(field, condition)) {
        strbuf_add_format(sql, "\"%s\" IS %sNULL", field->name, compare == IS_NOT ? "NOT " : "");
    } else if (compare == ONE_OF) {
        strbuf_add_format(sql, "\"%s\" IN (", field->name);
        add_parameters(sql, padded(list_count(field, condition)), next);
        strbuf_add_char(sql, ')');
    } else if (is_written(field, condition)) {
        strbuf_add_format(sql, "\"%s\"=%d", field->name, condition->value.boolean);
    } else {
        strbuf_add_format(sql, "%s\"%s\"%s?%d%s", forms[compare].before, field->name,
                          forms[compare].middle, (*next)++, forms[compare].after);
    }
}

static void add_where(struct strbuf *sql, const struct plan *plan, int *next)
{
    for (size_t i = 0; i < plan->condition_count; i++) {
        strbuf_add_text(sql, i == 0 ? " WHERE " : " AND ");
        add_condition(sql, plan, &plan->conditions[i], next);
    }
}

static void add_update(struct strbuf *sql, const struct plan *plan)
{
    const struct collection_row *row = collection_row(plan->collection);
    int next = 1;
    strbuf_add_format(sql, "UPDATE \"%s\" SET ", row->name);
    for (size_t i = 0; i < plan->change_count; i++) {
        if (i > 0) {
            strbuf_add_char(sql, ',');
        }
        add_change(sql, plan_field(plan, plan->changes[i].offset), plan->changes[i].kind, &next);
    }
    add_where(sql, plan, &next);
    if (plan->operation == PLAN_UPDATE_RETURNING) {
        strbuf_add_literal(sql, " RETURNING ");
        add_column_names(sql, row->shape);
    }
}

static void add_select(struct strbuf *sql, const struct plan *plan)
{
    const struct collection_row *row = collection_row(plan->collection);
    int next = 1;
    strbuf_add_literal(sql, "SELECT ");
    if (plan->operation == PLAN_COUNT) {
        strbuf_add_literal(sql, "count(*)");
    } else {
        add_column_names(sql, row->shape);
    }
    strbuf_add_format(sql, " FROM \"%s\"", row->name);
    add_where(sql, plan, &next);
    for (size_t i = 0; i < ARRAY_LENGTH(plan->sort) && plan->sort[i].used; i++) {
        strbuf_add_format(sql, "%s\"%s\"%s", i == 0 ? " ORDER BY " : ",",
                          plan_field(plan, plan->sort[i].offset)->name,
                          plan->sort[i].down ? " DESC" : "");
    }
    if (plan->operation == PLAN_SELECT) {
        strbuf_add_format(sql, " LIMIT ?%d OFFSET ?%d", next, next + 1);
    }
}

static void add_remove(struct strbuf *sql, const struct plan *plan)
{
    int next = 1;
    strbuf_add_format(sql, "DELETE FROM \"%s\"", collection_row(plan->collection)->name);
    add_where(sql, plan, &next);
}

static void plan_sql(const struct plan *plan, struct strbuf *sql)
{
    switch (plan->operation) {
    case PLAN_SELECT:
    case PLAN_COUNT:
        add_select(sql, plan);
        break;
    case PLAN_INSERT:
    case PLAN_INSERT_OR_PASS:
        add_insert(sql, plan);
        break;
    case PLAN_UPDATE:
    case PLAN_UPDATE_RETURNING:
        add_update(sql, plan);
        break;
    case PLAN_REMOVE:
        add_remove(sql, plan);
        break;
    }
}

/* ---- Binding ------------------------------------------------------------------------------ */

static int bind_change(sqlite3_stmt *statement, int *next, const struct field *field,
                       const struct change *change)
{
    switch (change->kind) {
    case CHANGE_UNSET:
        return SQLITE_OK;
    case CHANGE_PUSH_LAST:
    case CHANGE_PUSH:
    case CHANGE_PULL:
        return sql_bind_list_item(statement, (*next)++, change->value.oid);
    default:
        return sql_bind_value(statement, (*next)++, field, change->value);
    }
}

static int bind_list(sqlite3_stmt *statement, int *next, const struct field *field,
                     const struct condition *condition)
{
    const size_t count = list_count(field, condition);
    int rc = SQLITE_OK;
    for (size_t i = 0; i < padded(count) && rc == SQLITE_OK; i++) {
        const size_t item = i < count ? i : count - 1;
        rc = field->kind == KIND_OID
                 ? sqlite3_bind_blob(statement, (*next)++, condition->value.oids.items[item].bytes,
                                     OID_BYTES, SQLITE_STATIC)
                 : sqlite3_bind_text(statement, (*next)++, condition->value.texts.items[item], -1,
                                     SQLITE_STATIC);
    }
    return rc;
}

static int bind_condition(sqlite3_stmt *statement, int *next, const struct field *field,
                          const struct condition *condition)
{
    if (asks_for_absence(field, condition) || is_written(field, condition)) {
        return SQLITE_OK;
    }
    switch (condition->compare) {
    case ONE_OF:
        return bind_list(statement, next, field, condition);
    case HOLDS:
    case LACKS:
        return sql_bind_list_item(statement, (*next)++, condition->value.oid);
    default:
        return sql_bind_value(statement, (*next)++, field, condition->value);
    }
}

static int bind_record(sqlite3_stmt *statement, int *next, const struct shape *shape,
                       const void *record)
{
    int rc = SQLITE_OK;
    for (size_t i = 0; i < shape->count && rc == SQLITE_OK; i++) {
        if (field_is_stored(&shape->fields[i])) {
            rc = sql_bind_field(statement, (*next)++, &shape->fields[i], record);
        }
    }
    return rc;
}

static int plan_bind(const struct plan *plan, sqlite3_stmt *statement)
{
    int next = 1;
    int rc = SQLITE_OK;
    for (size_t i = 0; i < plan->record_count && rc == SQLITE_OK; i++) {
        const struct shape *shape = collection_row(plan->collection)->shape;
        rc = bind_record(statement, &next, shape, (const char *)plan->records + i * shape->size);
    }
    for (size_t i = 0; i < plan->change_count && rc == SQLITE_OK; i++) {
        const struct change *change = &plan->changes[i];
        rc = bind_change(statement, &next, plan_field(plan, change->offset), change);
    }
    for (size_t i = 0; i < plan->condition_count && rc == SQLITE_OK; i++) {
        const struct condition *condition = &plan->conditions[i];
        rc = bind_condition(statement, &next, plan_field(plan, condition->offset), condition);
    }
    if (plan->operation == PLAN_SELECT && rc == SQLITE_OK) {
        rc = sqlite3_bind_int64(statement, next, plan->limit == 0 ? -1 : plan->limit);
        if (rc == SQLITE_OK) {
            rc = sqlite3_bind_int64(statement, next + 1, plan->skip);
        }
    }
    return rc;
}

/* ---- The cache ---------------------------------------------------------------------------- */

void statements_init(struct statements *statements, sqlite3 *db, int log)
{
    memset(statements, 0, sizeof(*statements));
    statements->db = db;
    statements->log = log;
}

static void forget_plans(struct statements *statements)
{
    for (size_t i = 0; i < STATEMENT_BUCKETS; i++) {
        struct statement *next = NULL;
        for (struct statement *s = statements->buckets[i]; s != NULL; s = next) {
            next = s->next;
            sqlite3_finalize(s->prepared);
            free(s);
        }
        statements->buckets[i] = NULL;
    }
    statements->count = 0;
}

void statements_free(struct statements *statements)
{
    forget_plans(statements);
    for (size_t i = 0; i < CONTROL_COUNT; i++) {
        sqlite3_finalize(statements->controls[i]);
        statements->controls[i] = NULL;
    }
}

static struct statement *find_statement(struct statements *statements, const struct key *key,
                                        uint64_t hash)
{
    struct statement *s = statements->buckets[hash % STATEMENT_BUCKETS];
    while (s != NULL && !(s->hash == hash && s->key_length == key->length &&
                          memcmp(s->key, key->bytes, key->length) == 0)) {
        s = s->next;
    }
    return s;
}

static int prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out)
{
    return sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL);
}

/* One write, so that the lines of several sessions and processes do not mix. */
static void log_form(const struct statements *statements, struct strbuf *sql)
{
    if (statements->log >= 0) {
        strbuf_add_char(sql, '\n');
        const ssize_t written = write(statements->log, strbuf_text(sql), sql->length);
        assert(written == (ssize_t)sql->length);
    }
}

/* Prepares the plan's statement and keeps it. The cache is bounded: should calls come in more
 * forms than it holds, it starts afresh. */
static int add_statement(struct statements *statements, const struct plan *plan,
                         const struct key *key, uint64_t hash, sqlite3_stmt **out)
{
    struct strbuf sql;
    strbuf_init(&sql, 0);
    plan_sql(plan, &sql);
    const int rc = prepare(statements->db, strbuf_text(&sql), out);
    log_form(statements, &sql);
    strbuf_free(&sql);
    if (rc != SQLITE_OK) {
        return rc;
    }
    if (statements->count == STATEMENTS_MAX) {
        forget_plans(statements);
    }
    struct statement *s = memory_resize(NULL, sizeof(*s) + key->length);
    s->prepared = *out;
    s->hash = hash;
    s->key_length = key->length;
    memcpy(s->key, key->bytes, key->length);
    s->next = statements->buckets[hash % STATEMENT_BUCKETS];
    statements->buckets[hash % STATEMENT_BUCKETS] = s;
    statements->count++;
    return SQLITE_OK;
}

/* Begins the transaction that holds what is seen, where there is none yet. */
static int look(struct statements *statements)
{
    return statements->looks && sqlite3_get_autocommit(statements->db) != 0
               ? statements_control(statements, CONTROL_LOOK)
               : SQLITE_OK;
}

void statements_look_away(struct statements *statements)
{
    if (statements->looks && sqlite3_get_autocommit(statements->db) == 0) {
        const int rc = statements_control(statements, CONTROL_COMMIT);
        assert(rc == SQLITE_OK); /* nothing was written that could fail */
    }
    statements->looks = false;
}

int statements_ready(struct statements *statements, const struct plan *plan, sqlite3_stmt **out)
{
    struct key key;
    plan_key(plan, &key);
    const uint64_t hash = hash_bytes(HASH_START, key.bytes, key.length);
    const struct statement *known = find_statement(statements, &key, hash);
    *out = known == NULL ? NULL : known->prepared;
    int rc = look(statements);
    if (rc == SQLITE_OK && known == NULL) {
        rc = add_statement(statements, plan, &key, hash, out);
    }
    if (rc == SQLITE_OK) {
        rc = plan_bind(plan, *out);
        if (rc != SQLITE_OK) {
            statement_done(*out);
        }
    }
    return rc;
}

int statement_done(sqlite3_stmt *statement)
{
    const int rc = sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return rc;
}

int statements_control(struct statements *statements, enum control control)
{
    static const char *const sql[CONTROL_COUNT] = {
        [CONTROL_BEGIN] = "BEGIN IMMEDIATE",
        [CONTROL_LOOK] = "BEGIN",
        [CONTROL_COMMIT] = "COMMIT",
        [CONTROL_ROLLBACK] = "ROLLBACK",
        [CONTROL_JOB_OPEN] = "SAVEPOINT job",
        [CONTROL_JOB_KEEP] = "RELEASE job",
        [CONTROL_JOB_UNDO] = "ROLLBACK TO job",
        [CONTROL_BATCH_OPEN] = "SAVEPOINT batch",
        [CONTROL_BATCH_KEEP] = "RELEASE batch",
        [CONTROL_BATCH_UNDO] = "ROLLBACK TO batch",
    };
    sqlite3_stmt **statement = &statements->controls[control];
    if (*statement == NULL) {
        const int rc = prepare(statements->db, sql[control], statement);
        if (rc != SQLITE_OK) {
            return rc;
        }
    }
    const int rc = sqlite3_step(*statement);
    sqlite3_reset(*statement);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}
