/* Worker only, but mongo_database_open, which any thread calls once. The MongoDB database of a
 * store: its URL, its pool of connections, its indexes. mongo.c does the rest. */
#ifndef CONSULTD_STORAGE_MONGO_DATABASE_H
#define CONSULTD_STORAGE_MONGO_DATABASE_H

#include "storage/shape_bson.h"

#include "storage/backend.h"

struct mongo_database {
    mongoc_uri_t *uri;          /* owned */
    mongoc_client_pool_t *pool; /* owned */
    char name[64];
};

/* Opens the pool and makes the indexes that are missing. On ERR_STORE `why` says what to do and
 * nothing is left open. */
MUST_USE enum err mongo_database_open(struct mongo_database *database,
                                      const struct store_settings *settings, char why[256]);
/* Any thread. See store_check_url. */
MUST_USE enum err mongo_database_check_url(const char *url, char why[256]);
void mongo_database_close(struct mongo_database *database);

/* Whether the server answers a ping; false: *error says why not. */
MUST_USE bool mongo_answers(mongoc_client_t *client, const char *name, bson_error_t *error);

/* Drops the collection's indexes that no row of collections.def stands for. */
MUST_USE bool mongo_drop_old_indexes(mongoc_collection_t *in, enum collection collection,
                                     bson_error_t *error);

/* Writes what is known of an error without anything that was stored. */
void mongo_describe(const bson_error_t *error, char *text, size_t bytes);

#endif
