/* Records of one batch in memory, or of runs, from one to the next.
 *
 * A table of chains. Copies and texts lie in an arena that is reset when they have become much, or
 * are not to be trusted any more; a text stays where it is until then, whatever replaces it. A job's first
 * change of a record saves the record as it was, so that a job that fails can be taken back here as the
 * database takes back its own.
 *
 * Worker only; belongs to one session. */
#include "storage/kept.h"

#include "protocol/arena.h"
#include "protocol/memory.h"
#include "storage/record.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 2048
#define ARENA_BYTES 65536
#define KEPT_BYTES_MAX ((size_t)4 * 1024 * 1024) /* some thousand chats, and what they said */

struct kept {
    struct arena *arena;
    struct kept_record *buckets[BUCKETS];
    struct kept_record *unwritten, **last; /* in the order in which they were changed */
    struct kept_record *changed;           /* in this job */
    size_t count;                          /* of those that are kept */
    size_t bytes;                          /* about what is held; 0: nothing is kept */
    int64_t job;
};

struct kept *kept_new(void)
{
    struct kept *kept = memory_resize(NULL, sizeof(*kept));
    *kept = (struct kept){.arena = arena_new(ARENA_BYTES), .job = 1};
    kept->last = &kept->unwritten;
    return kept;
}

void kept_free(struct kept *kept)
{
    if (kept != NULL) {
        arena_free(kept->arena);
        free(kept);
    }
}

bool kept_holds(enum collection collection)
{
    return collection == COLLECTION_CHATS;
}

struct arena *kept_arena(struct kept *kept)
{
    return kept->arena;
}

/* ---- What can be told in memory ------------------------------------------------------------ */

static bool can_hold(const struct field *field)
{
    return kind_is_scalar(field->kind) || field->kind == KIND_OID_LIST;
}

bool kept_can(enum collection collection, const struct condition *conditions,
              size_t condition_count, const struct change *changes, size_t change_count)
{
    const struct shape *shape = collection_row(collection)->shape;
    assert(shape->count <= KEPT_FIELDS_MAX);
    for (size_t i = 0; i < condition_count; i++) {
        const enum compare compare = conditions[i].compare;
        if (!can_hold(shape_field(shape, conditions[i].offset)) || compare == ONE_OF ||
            compare == CONTAINS) {
            return false;
        }
    }
    for (size_t i = 0; i < change_count; i++) {
        if (!can_hold(shape_field(shape, changes[i].offset)) ||
            changes[i].kind > CHANGE_PUSH_LAST) {
            return false;
        }
    }
    return true;
}

/* ---- Finding ------------------------------------------------------------------------------- */

struct oid kept_id(const struct kept_record *kept)
{
    struct oid id;
    memcpy(&id, kept->record, sizeof(id)); /* the id is the first member of every record */
    return id;
}

/* The last bytes of ids differ, whether they are derived or counted. */
static size_t bucket_of(struct oid id)
{
    return (id.bytes[OID_BYTES - 1] ^ id.bytes[0]) % BUCKETS;
}

struct kept_record *kept_find(const struct kept *kept, enum collection collection, struct oid id)
{
    struct kept_record *record = kept->buckets[bucket_of(id)];
    while (record != NULL &&
           !(record->collection == collection && oid_equal(kept_id(record), id))) {
        record = record->next;
    }
    return record;
}

struct kept_record *kept_add(struct kept *kept, enum collection collection, const void *record)
{
    const size_t size = collection_row(collection)->shape->size;
    assert(collection_row(collection)->shape->fields[0].offset == 0);
    struct kept_record *added = ARENA_NEW(kept->arena, struct kept_record);
    added->collection = collection;
    added->number = kept->count++;
    added->record = arena_alloc(kept->arena, size);
    memcpy(added->record, record, size);
    struct kept_record **bucket = &kept->buckets[bucket_of(kept_id(added))];
    added->next = *bucket;
    *bucket = added;
    kept->bytes += 3 * size; /* as it is, as it was, and its texts */
    return added;
}

static struct oid_list oid_list_copy(struct arena *arena, struct oid_list list)
{
    if (list.count == 0) {
        return (struct oid_list){.count = 0};
    }
    struct oid *items = arena_array(arena, list.count, sizeof(*items));
    memcpy(items, list.items, list.count * sizeof(*items));
    return (struct oid_list){.items = items, .count = list.count};
}

void kept_copy(const struct kept_record *kept, struct arena *arena, void *out)
{
    const struct shape *shape = collection_row(kept->collection)->shape;
    memcpy(out, kept->record, shape->size);
    for (size_t i = 0; i < shape->count; i++) {
        void *member = (char *)out + shape->fields[i].offset;
        if (shape->fields[i].kind == KIND_TEXT) {
            const char **text = member;
            *text = *text == NULL ? NULL : arena_text(arena, *text, strlen(*text));
        } else if (shape->fields[i].kind == KIND_OID_LIST) {
            struct oid_list *list = member;
            *list = oid_list_copy(arena, *list);
        }
    }
}

/* ---- Conditions ---------------------------------------------------------------------------- */

static const void *member_of(const struct kept_record *kept, size_t offset)
{
    return (const char *)kept->record + offset;
}

static int compare_numbers(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

/* As SQLite compares: texts and ids by their bytes. Neither side is absent. */
static int compare(const struct field *field, const void *member, union value value)
{
    switch (field->kind) {
    case KIND_OID:
        return memcmp(member, value.oid.bytes, OID_BYTES);
    case KIND_TEXT:
        return strcmp(*(const char *const *)member, value.text);
    case KIND_BOOL:
        return *(const bool *)member - value.boolean;
    case KIND_TIME:
        return compare_numbers(((const struct timestamp *)member)->ms, value.time.ms);
    default:
        return compare_numbers(*(const int64_t *)member, value.number);
    }
}

static bool meets(const struct kept_record *kept, const struct field *field,
                  const struct condition *condition)
{
    const bool is_absent = field->kind != KIND_BOOL && field_is_absent(field, kept->record);
    if (condition->compare == HOLDS || condition->compare == LACKS) {
        const struct oid_list *list = member_of(kept, field->offset);
        return oid_list_holds(*list, condition->value.oid) == (condition->compare == HOLDS);
    }
    if (condition->compare == ABSENT) {
        return is_absent;
    }
    if (value_is_absent(field, condition->value)) {
        return is_absent == (condition->compare == IS);
    }
    if (is_absent) {
        return condition->compare == IS_NOT;
    }
    const int order = compare(field, member_of(kept, field->offset), condition->value);
    switch (condition->compare) {
    case IS:
        return order == 0;
    case IS_NOT:
        return order != 0;
    case BELOW:
        return order < 0;
    case AT_MOST:
        return order <= 0;
    case ABOVE:
        return order > 0;
    case AT_LEAST:
        return order >= 0;
    default:
        assert(false && "a condition that kept_can refuses");
        return false;
    }
}

bool kept_meets(const struct kept_record *kept, const struct condition *conditions, size_t count)
{
    const struct shape *shape = collection_row(kept->collection)->shape;
    for (size_t i = 0; i < count; i++) {
        if (!meets(kept, shape_field(shape, conditions[i].offset), &conditions[i])) {
            return false;
        }
    }
    return true;
}

/* ---- Changes ------------------------------------------------------------------------------- */

static void save(struct kept *kept, struct kept_record *record)
{
    if (record->saved_in == kept->job) {
        return;
    }
    const size_t size = collection_row(record->collection)->shape->size;
    if (record->before == NULL) {
        record->before = arena_alloc(kept->arena, size);
    }
    memcpy(record->before, record->record, size);
    record->touched = 0;
    record->saved_in = kept->job;
    record->next_changed = kept->changed;
    kept->changed = record;
}

static const char *copy_text(struct kept *kept, const char *text)
{
    const size_t length = strlen(text);
    kept->bytes += length;
    return arena_text(kept->arena, text, length);
}

static struct oid_list copy_ids(struct kept *kept, struct oid_list ids)
{
    kept->bytes += ids.count * sizeof(*ids.items);
    return oid_list_copy(kept->arena, ids);
}

static void set(struct kept *kept, const struct field *field, void *member, union value value)
{
    switch (field->kind) {
    case KIND_OID:
        memcpy(member, &value.oid, sizeof(value.oid));
        break;
    case KIND_TEXT:
        *(const char **)member = value.text == NULL ? NULL : copy_text(kept, value.text);
        break;
    case KIND_BOOL:
        *(bool *)member = value.boolean;
        break;
    case KIND_TIME:
        *(struct timestamp *)member = value.time;
        break;
    case KIND_OID_LIST:
        *(struct oid_list *)member = copy_ids(kept, value.oids);
        break;
    default:
        *(int64_t *)member = value.number;
        break;
    }
}

static void clear(const struct field *field, void *member)
{
    const union value absent = {.number = field->kind == KIND_NUMBER ? NUMBER_ABSENT : 0};
    if (field->kind == KIND_OID) {
        memset(member, 0, sizeof(struct oid));
    } else if (field->kind == KIND_OID_LIST) {
        memset(member, 0, sizeof(struct oid_list));
    } else {
        set(NULL, field, member, absent);
    }
}

static void push_last(struct kept *kept, struct oid_list *list, struct oid id)
{
    const size_t stay = list->count < PUSH_LAST_KEEPS ? list->count : (size_t)PUSH_LAST_KEEPS - 1;
    struct oid *items = arena_array(kept->arena, stay + 1, sizeof(*items));
    if (stay > 0) {
        memcpy(items, list->items + list->count - stay, stay * sizeof(*items));
    }
    items[stay] = id;
    *list = (struct oid_list){.items = items, .count = stay + 1};
    kept->bytes += list->count * sizeof(*items);
}

static void change_one(struct kept *kept, struct kept_record *record, const struct field *field,
                       const struct change *change)
{
    void *member = (char *)record->record + field->offset;
    const bool is_absent = field->kind != KIND_BOOL && field_is_absent(field, record->record);
    switch (change->kind) {
    case CHANGE_SET:
        set(kept, field, member, change->value);
        break;
    case CHANGE_UNSET:
        clear(field, member);
        break;
    case CHANGE_INC:
        *(int64_t *)member = (is_absent ? 0 : *(int64_t *)member) + change->value.number;
        break;
    case CHANGE_MAX:
        if (is_absent || compare(field, member, change->value) < 0) {
            set(kept, field, member, change->value);
        }
        break;
    case CHANGE_PUSH_LAST:
        push_last(kept, member, change->value.oid);
        break;
    default:
        assert(false && "a change that kept_can refuses");
    }
}

static void list_unwritten(struct kept *kept, struct kept_record *record)
{
    if (!record->is_listed) {
        record->is_listed = true;
        record->next_unwritten = NULL;
        *kept->last = record;
        kept->last = &record->next_unwritten;
    }
}

void kept_change(struct kept *kept, struct kept_record *record, const struct change *changes,
                 size_t count)
{
    const struct shape *shape = collection_row(record->collection)->shape;
    save(kept, record);
    for (size_t i = 0; i < count; i++) {
        const struct field *field = shape_field(shape, changes[i].offset);
        change_one(kept, record, field, &changes[i]);
        record->touched |= UINT64_C(1) << (field - shape->fields);
    }
    record->dirty |= record->touched;
    list_unwritten(kept, record);
}

/* ---- Jobs and runs -------------------------------------------------------------------------- */

void kept_mark(struct kept *kept)
{
    kept->changed = NULL;
    kept->job++;
}

/* What has been written meanwhile is written again as it was. */
void kept_undo(struct kept *kept)
{
    for (struct kept_record *at = kept->changed; at != NULL; at = at->next_changed) {
        const struct shape *shape = collection_row(at->collection)->shape;
        memcpy(at->record, at->before, shape->size);
        at->dirty |= at->touched;
        at->saved_in = 0;
        list_unwritten(kept, at);
    }
    kept_mark(kept);
}

struct kept_record *kept_take_unwritten(struct kept *kept)
{
    struct kept_record *record = kept->unwritten;
    if (record != NULL) {
        record->is_listed = false;
        kept->unwritten = record->next_unwritten;
        kept->last = kept->unwritten == NULL ? &kept->unwritten : kept->last;
    }
    return record;
}

static union value value_in(const struct field *field, const void *record)
{
    const void *member = (const char *)record + field->offset;
    union value value;
    switch (field->kind) {
    case KIND_OID:
        memcpy(&value.oid, member, sizeof(value.oid));
        break;
    case KIND_TEXT:
        value.text = *(const char *const *)member;
        break;
    case KIND_BOOL:
        value.boolean = *(const bool *)member;
        break;
    case KIND_TIME:
        value.time = *(const struct timestamp *)member;
        break;
    case KIND_OID_LIST:
        value.oids = *(const struct oid_list *)member;
        break;
    default:
        value.number = *(const int64_t *)member;
        break;
    }
    return value;
}

size_t kept_unwritten(const struct kept_record *kept, struct change changes[KEPT_FIELDS_MAX])
{
    const struct shape *shape = collection_row(kept->collection)->shape;
    size_t count = 0;
    for (size_t i = 0; i < shape->count; i++) {
        if ((kept->dirty >> i & 1) != 0) {
            const struct field *field = &shape->fields[i];
            changes[count++] = (struct change){.offset = field->offset,
                                               .kind = CHANGE_SET,
                                               .value = value_in(field, kept->record)};
        }
    }
    return count;
}

void kept_settle(struct kept *kept)
{
    assert(kept->unwritten == NULL);
    kept_mark(kept);
    if (kept->bytes > KEPT_BYTES_MAX) {
        kept_forget(kept);
    }
}

void kept_forget(struct kept *kept)
{
    if (kept->bytes == 0) {
        return;
    }
    memset(kept->buckets, 0, sizeof(kept->buckets));
    kept->unwritten = NULL;
    kept->last = &kept->unwritten;
    kept->changed = NULL;
    kept->count = 0;
    kept->bytes = 0;
    arena_reset(kept->arena);
}
