/* Worker only. One worker's session of a MongoDB database: what the files of the backend share. */
#ifndef CONSULTD_STORAGE_MONGO_SESSION_H
#define CONSULTD_STORAGE_MONGO_SESSION_H

#include "storage/mongo_database.h"

struct mongo_batch; /* mongo_batch.h */

struct mongo_session {
    struct store_session head;
    mongoc_client_t *client; /* of the pool; NULL before the first operation */
    mongoc_collection_t *collections[COLLECTION_COUNT]; /* made when first used; owned */
    struct mongo_batch *batch;                          /* owned */
};

/* The driver's handle; the session's. ERR_STORE: no connection is free. */
MUST_USE enum err mongo_collection_of(struct mongo_session *s, enum collection collection,
                                      mongoc_collection_t **out);

/* Keeps what the driver says for the log. Returns ERR_STORE. */
enum err mongo_trouble(struct mongo_session *s, const bson_error_t *error);

/* Whether a write of several documents, ordered or not, failed by duplicates alone; is_refused[i] is set
 * for each of the `count` that were refused for that. False: something else went wrong, or they are not
 * all accounted for, and nobody knows what was written. */
MUST_USE bool mongo_only_refused(const bson_t *reply, const bson_error_t *error, size_t count,
                                 bool *is_refused);

/* Inserts the documents, each whatever becomes of the others; is_refused[i] (of `count`, all false):
 * its id, or a unique index, is taken. A connection that is lost lets it be tried once more; what the first
 * try has inserted may then be refused. */
MUST_USE enum err mongo_insert_each(struct mongo_session *s, enum collection collection,
                                    bson_t *const *documents, size_t count, bool *is_refused);

#endif
