/* Worker only. What a backend fills in. store.c checks arguments and forwards; see store.h for
 * what each function promises. Adding a backend: one file that fills struct store_ops, one row
 * in store.c. */
#ifndef CONSULTD_STORAGE_BACKEND_H
#define CONSULTD_STORAGE_BACKEND_H

#include "storage/record.h"
#include "storage/store.h"

#include <inttypes.h>

/* The version of the stored form; the steps from one to the next are in store.c. New fields and
 * indexes need no new version. */
#define STORE_VERSION 4
#define STORE_NEWER_SENTENCE                                                                       \
    "the store was written by a newer consultd (store version %" PRId64 ", this one knows %d)"

/* 16 random hex digits and a NUL; false: the system has none. */
MUST_USE bool store_id_make(char text[17]);

struct strbuf;

#define STORE_OLDER_SENTENCE                                                                       \
    "the store is of version %" PRId64 ", this consultd needs %d: stop all servers, make a "       \
    "backup, then run: consultd db upgrade"

/* Where a session has batches: see store.h. */
struct batch_ops {
    enum err (*begin)(struct store_session *session, const struct oid *chats, size_t count);
    void (*mark)(struct store_session *session);
    enum batch_place (*keep)(struct store_session *session);
    enum batch_place (*drop)(struct store_session *session);
    enum err (*write)(struct store_session *session);
    enum batch_outcome (*outcome)(struct store_session *session, size_t number);
    void (*end)(struct store_session *session);
};

struct store_ops {
    const char *scheme; /* of the URL, e.g. "sqlite:" */
    enum err (*check_url)(const char *url, char why[256]);
    enum err (*open)(const struct store_settings *settings, struct store **out, char why[256]);
    void (*close)(struct store *store);
    enum err (*session_open)(struct store *store, bool writes, struct store_session **out);
    void (*session_close)(struct store_session *session);
    enum err (*begin)(struct store_session *session);
    enum err (*begin_hopeful)(struct store_session *session); /* NULL: as begin */
    enum err (*commit)(struct store_session *session);
    enum err (*commit_early)(struct store_session *session); /* these three NULL: as commit, */
    bool (*is_synced)(const struct store *store);            /* and always synced */
    enum err (*sync)(const struct store *store);
    void (*abandon)(struct store_session *session);
    enum err (*mark)(struct store_session *session);
    enum err (*undo)(struct store_session *session);
    bool (*has_assumed)(const struct store_session *session); /* both NULL: it never assumes */
    enum err (*mark_again)(struct store_session *session);
    void (*look)(struct store_session *session); /* both NULL: nothing is to be done */
    void (*look_away)(struct store_session *session);
    const struct batch_ops *batch; /* NULL: it has none */
    enum err (*insert)(struct store_session *session, enum collection collection,
                       const void *record);
    enum err (*insert_many)(struct store_session *session, enum collection collection,
                            const void *records, size_t count);
    enum err (*find)(struct store_session *session, struct arena *arena, enum collection collection,
                     const struct query *query, struct object_list *out);
    enum err (*count)(struct store_session *session, enum collection collection,
                      const struct query *query, int64_t *out);
    enum err (*update)(struct store_session *session, struct arena *arena,
                       enum collection collection, struct oid id,
                       const struct condition *conditions, size_t condition_count,
                       const struct change *changes, size_t change_count, void *after);
    enum err (*remove)(struct store_session *session, enum collection collection, struct oid id,
                       const struct condition *conditions, size_t condition_count);
    /* NULL where the database has tools of its own for it. */
    enum err (*backup)(const struct store_settings *settings, const char *to, char why[256]);
    enum err (*restore)(const struct store_settings *settings, const char *from, char why[256]);
    /* Drops the indexes that collections.def does not have (any more). Repeatable. */
    enum err (*drop_old_indexes)(struct store_session *session);
    enum err (*inspect)(struct store_session *session, struct strbuf *out);
    enum err (*ping)(struct store_session *session);
};

/* The common head of every backend's store and session: the first member of both. */
struct store {
    const struct store_ops *ops;
    bool ordered;
    bool atomic;
    int writers_max;
    char store_id[17];
    int64_t newest_rev;
    int64_t found_version; /* before the upgrade that opening it has done, if any */
};

struct store_session {
    const struct store_ops *ops;
    struct store *store;
    bool is_shut;                      /* see store_shut */
    char trouble[STORE_TROUBLE_BYTES]; /* see store_trouble */
};

extern const struct store_ops sqlite_ops, mongo_ops;

/* The record that names the store, in COLLECTION_STORE_INFO. */
extern const struct oid store_info_id;

#endif
