/* Worker only. A shape's fields as BSON, and the conditions and changes of store.h as documents.
 *
 *     kind            BSON
 *     oid             ObjectId
 *     text            string
 *     number          int64; read from int32 and double too
 *     bool            bool
 *     time            date
 *     text list       array of strings
 *     oid list        array of ObjectIds
 *     message text    string, or {doctorMsg: {type, text}, userMsg: {type, text}}
 *
 * Field names are the shape's, but `id`, the first one, is `_id`. Absent fields are not written;
 * read, they may be missing or null, and fields that the shape does not know are passed over. */
#ifndef CONSULTD_STORAGE_SHAPE_BSON_H
#define CONSULTD_STORAGE_SHAPE_BSON_H

/* First, and all of it: the driver's headers need <sys/param.h>'s MAX, which is a change of a
 * record in store.h. */
#include <mongoc/mongoc.h>
#undef MAX

#include "storage/store.h"

/* The field's name in the store. */
const char *shape_bson_name(const struct shape *shape, const struct field *field);

/* Appends the record's stored fields to `out`, an initialised document. */
void shape_bson_write(bson_t *out, const struct shape *shape, const void *record);

/* Fills the record from the document; texts are copied into the arena. False when a stored value
 * is not of its field's kind; *blame (may be NULL) is that field then. */
MUST_USE bool shape_bson_read(const bson_t *document, const struct shape *shape,
                              struct arena *arena, void *record, const struct field **blame);

/* Appends the filter that holds where all conditions do. */
void shape_bson_filter(bson_t *out, const struct shape *shape, const struct condition *conditions,
                       size_t count);

/* Appends the update operators ($set, $inc, …) that make the changes. */
void shape_bson_changes(bson_t *out, const struct shape *shape, const struct change *changes,
                        size_t count);

/* Appends {name: 1 or -1, …} for the sorts that are used. */
void shape_bson_sort(bson_t *out, const struct shape *shape, const struct sort sort[2]);

#endif
