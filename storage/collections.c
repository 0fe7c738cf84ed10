/* The table of collections and the table of their indexes, both read off collections.def.
 *
 * Constant after compilation, so any thread may read them. A backend walks them at open to make
 * tables and indexes; nothing else in the room names a collection. */
#include "storage/store.h"

#include <assert.h>

static const struct collection_row collections[COLLECTION_COUNT] = {
#define COLLECTION(name_, record_, stored_)                                                        \
    [COLLECTION_##name_] = {.name = (stored_), .shape = &record_##_shape},
#define INDEX(...)
#define PARTIAL_INDEX(...)
#include "storage/collections.def"
#undef COLLECTION
#undef INDEX
#undef PARTIAL_INDEX
};

/* One to four members become their offsets and their number. */
#define MEMBERS_1(type, a) .offsets = {offsetof(struct type, a)}, .count = 1
#define MEMBERS_2(type, a, b)                                                                      \
    .offsets = {offsetof(struct type, a), offsetof(struct type, b)}, .count = 2
#define MEMBERS_3(type, a, b, c)                                                                   \
    .offsets = {offsetof(struct type, a), offsetof(struct type, b), offsetof(struct type, c)},     \
    .count = 3
#define MEMBERS_4(type, a, b, c, d)                                                                \
    .offsets = {offsetof(struct type, a), offsetof(struct type, b), offsetof(struct type, c),      \
                offsetof(struct type, d)},                                                         \
    .count = 4
#define MEMBERS_PICK(a, b, c, d, pick, ...) pick
#define MEMBERS(type, ...)                                                                         \
    MEMBERS_PICK(__VA_ARGS__, MEMBERS_4, MEMBERS_3, MEMBERS_2, MEMBERS_1, 0)(type, __VA_ARGS__)

static const struct index_row indexes[] = {
#define COLLECTION(...)
#define INDEX(collection_, name_, unique_, type_, ...)                                             \
    {.collection = COLLECTION_##collection_,                                                       \
     .name = (name_),                                                                              \
     .unique = (unique_),                                                                          \
     MEMBERS(type_, __VA_ARGS__)},
#define PARTIAL_INDEX(collection_, name_, bool_, wanted_, type_, ...)                              \
    {.collection = COLLECTION_##collection_,                                                       \
     .name = (name_),                                                                              \
     .is_partial = true,                                                                           \
     .bool_offset = offsetof(struct type_, bool_),                                                 \
     .wanted = (wanted_),                                                                          \
     MEMBERS(type_, __VA_ARGS__)},
#include "storage/collections.def"
#undef COLLECTION
#undef INDEX
#undef PARTIAL_INDEX
};

const struct collection_row *collection_row(enum collection collection)
{
    assert((unsigned)collection < COLLECTION_COUNT);
    return &collections[collection];
}

const struct index_row *index_rows(size_t *count)
{
    *count = ARRAY_LENGTH(indexes);
    return indexes;
}
