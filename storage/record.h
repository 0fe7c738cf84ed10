/* Worker only. What both backends do with a record besides storing it. */
#ifndef CONSULTD_STORAGE_RECORD_H
#define CONSULTD_STORAGE_RECORD_H

#include "storage/store.h"

/* Whether the field is stored: everything but views and objects. */
bool field_is_stored(const struct field *field);

/* One value that can be compared and set, no list and no object. */
bool kind_is_scalar(enum kind kind);

/* Whether a value given for the field is an absent one (shape.h); a bool never is. */
bool value_is_absent(const struct field *field, union value value);

/* Whether the query asks for one record by its id alone. */
bool query_is_by_id(enum collection collection, const struct query *query);

/* Makes every field of the record absent (a bool false, a number NUMBER_ABSENT): what a reader
 * starts from, so that fields that are not stored, views too, count as not given. */
void record_clear(const struct shape *shape, void *record);

/* A growing array of records in an arena. */
struct record_rows {
    struct arena *arena;
    const struct shape *shape;
    int64_t limit; /* how many there will be at most; 0: not known */
    char *items;
    size_t count, room;
};

/* Returns a cleared record at the end of the array; valid until the next call. */
void *record_rows_add(struct record_rows *rows);

#endif
