/* Worker only. A batch on MongoDB: see store.h for what it promises. mongo.c asks here first while one is
 * open. */
#ifndef CONSULTD_STORAGE_MONGO_BATCH_H
#define CONSULTD_STORAGE_MONGO_BATCH_H

#include "storage/mongo_session.h"

struct mongo_batch *mongo_batch_new(void);
void mongo_batch_free(struct mongo_batch *batch);

/* ---- The operations of a job ---------------------------------------------------------------- */

/* Whether the session is within a batch, so that the next three must be asked. */
bool mongo_batch_is_open(const struct mongo_session *s);

/* What a find, an update, an insertion comes to in memory: *err as of store.h. False: the store is to be
 * asked for it. */
bool mongo_batch_finds(struct mongo_session *s, struct arena *arena, enum collection collection,
                       const struct query *query, struct object_list *out, enum err *err);
enum err mongo_batch_update(struct mongo_session *s, struct arena *arena,
                            enum collection collection, struct oid id,
                            const struct condition *conditions, size_t condition_count,
                            const struct change *changes, size_t change_count, void *after);
enum err mongo_batch_insert(struct mongo_session *s, enum collection collection,
                            const void *record);
/* Anything else is not for a batch. */
enum err mongo_batch_refuse(struct mongo_session *s);

/* ---- The batch ------------------------------------------------------------------------------ */

extern const struct batch_ops mongo_batch_ops;

#endif
