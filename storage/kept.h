/* Worker only. The records that a run or a batch of jobs has in its hands: read once, changed in memory,
 * written once at its end, however many of its jobs changed them. Chats are kept: every
 * message changes one, and three of a chat's indexes with it.
 *
 * What a condition or a change means is the same here as in SQL: tests/unit/test_store_kept.c holds one
 * against the other. What cannot be told in memory (lists of texts, substrings) is not tried: kept_can. */
#ifndef CONSULTD_STORAGE_KEPT_H
#define CONSULTD_STORAGE_KEPT_H

#include "storage/store.h"

#define KEPT_FIELDS_MAX 64 /* of a record */

struct kept; /* what a session keeps */

struct kept_record {
    struct kept_record *next; /* in its bucket */
    struct kept_record *next_unwritten, *next_changed;
    bool is_listed; /* among the unwritten */
    enum collection collection;
    uint64_t dirty;   /* a bit for each field, by its place in the shape, that is not written yet */
    uint64_t touched; /* those that the job `saved_in` has changed */
    int64_t saved_in; /* 0: none */
    void *before;     /* the record as it was before that job */
    void *record;
    size_t number; /* how many were kept before it, since kept_forget */
};

struct kept *kept_new(void);
void kept_free(struct kept *kept);

/* Whether records of the collection are kept. */
bool kept_holds(enum collection collection);
/* Whether these conditions and changes can be told in memory. */
bool kept_can(enum collection collection, const struct condition *conditions,
              size_t condition_count, const struct change *changes, size_t change_count);

struct oid kept_id(const struct kept_record *kept);
/* The kept record with this id; NULL: it is not kept. */
struct kept_record *kept_find(const struct kept *kept, enum collection collection, struct oid id);
/* Keeps a copy of a record as it is stored; its texts and lists are in kept_arena, or live as long. */
struct kept_record *kept_add(struct kept *kept, enum collection collection, const void *record);
/* Where texts of kept records live, until kept_forget. */
struct arena *kept_arena(struct kept *kept);

/* Copies the record for a job, texts into its arena: it outlives what is kept. */
void kept_copy(const struct kept_record *kept, struct arena *arena, void *out);

bool kept_meets(const struct kept_record *kept, const struct condition *conditions, size_t count);
/* Makes the changes in memory; texts are copied. */
void kept_change(struct kept *kept, struct kept_record *record, const struct change *changes,
                 size_t count);

/* A job begins; and: what was changed since it began is taken back. */
void kept_mark(struct kept *kept);
void kept_undo(struct kept *kept);

/* The next one that has changes which are not written yet, in the order in which they came to have them;
 * NULL: none. It leaves the list, and its `dirty` is cleared by whoever writes it. */
struct kept_record *kept_take_unwritten(struct kept *kept);
/* Returns how many changes make the stored record what the kept one is. */
size_t kept_unwritten(const struct kept_record *kept, struct change changes[KEPT_FIELDS_MAX]);

/* The run is stored: what is kept stays, for the next one, unless it has become much. */
void kept_settle(struct kept *kept);
/* Keeps nothing any more: the run was taken back, or somebody else has written. */
void kept_forget(struct kept *kept);

#endif
