/* Worker only. The storage interface: one narrow set of operations over shaped records, two
 * backends (SQLite, MongoDB), chosen by URL. Contract 5.
 *
 * Records go in and come out as the structs of protocol/records.h; what is stored of them is
 * what their shape does not mark as VIEW, and views are absent in what is read. An absent value
 * (see shape.h) is not stored: to SET one is to unset, IS and IS_NOT with one ask whether the field
 * is absent, and no other comparison may be given one. A bool that was never stored is false; an
 * empty list is absent.
 *
 * There are no transactions across records for the caller to rely on: uniqueness comes from
 * derived ids and unique indexes, and every change is one conditional update of one record. With
 * SQLite the runner of jobs does wrap them (begin, mark, commit), so that a failed job leaves
 * nothing and one sync serves many jobs; with MongoDB those calls do nothing and each operation is
 * durable (majority, journaled) when it returns.
 *
 * Everything blocks, ten seconds at most (settings.timeout_ms), then ERR_STORE. All functions
 * return ERR_OK or ERR_STORE, and those named below besides. A `struct store` may be shared; a
 * `struct store_session` belongs to one thread at a time. */
#ifndef CONSULTD_STORAGE_STORE_H
#define CONSULTD_STORAGE_STORE_H

#include "protocol/records.h"

struct store;
struct store_session;

enum collection {
#define COLLECTION(name, record, stored) COLLECTION_##name,
#define INDEX(...)
#define PARTIAL_INDEX(...)
#include "storage/collections.def"
#undef COLLECTION
#undef INDEX
#undef PARTIAL_INDEX
    COLLECTION_COUNT
};

#define INDEX_MEMBERS_MAX 4
#define CONDITIONS_MAX 12

struct index_row {
    enum collection collection;
    const char *name;
    bool unique;
    bool is_partial;
    size_t bool_offset; /* is_partial: see collections.def */
    bool wanted;
    size_t offsets[INDEX_MEMBERS_MAX]; /* of the members in the record */
    size_t count;
};

struct collection_row {
    const char *name; /* stored */
    const struct shape *shape;
};

const struct collection_row *collection_row(enum collection collection);
/* All indexes of all collections. */
const struct index_row *index_rows(size_t *count);

/* ---- Conditions, changes, queries --------------------------------------------------------- */

enum compare {
    IS,       /* equal */
    IS_NOT,   /* different or absent */
    BELOW,    /* < */
    AT_MOST,  /* <= */
    ABOVE,    /* > */
    AT_LEAST, /* >= */
    ONE_OF,   /* equal to one of a list; an empty list matches nothing */
    ABSENT,   /* not stored */
    HOLDS,    /* an id list that has this id */
    LACKS,    /* an id list that has not (or is absent) */
    CONTAINS  /* a text with this substring, taken literally; ASCII case is ignored */
};

/* A value of the kind of the field it is compared with or written to. */
union value {
    struct oid oid;
    const char *text;
    int64_t number;
    bool boolean;
    struct timestamp time;
    struct text_list texts;
    struct oid_list oids;
};

struct condition {
    size_t offset; /* of the member */
    enum compare compare;
    union value value;
};

enum change_kind {
    CHANGE_SET,
    CHANGE_UNSET,
    CHANGE_INC,
    CHANGE_MAX,
    CHANGE_PUSH_LAST,
    CHANGE_PUSH,
    CHANGE_PULL
};

#define PUSH_LAST_KEEPS 16

struct change {
    size_t offset;
    enum change_kind kind;
    union value value;
};

static inline union value value_of_oid(struct oid oid)
{
    return (union value){.oid = oid};
}
static inline union value value_of_text(const char *text)
{
    return (union value){.text = text};
}
static inline union value value_of_number(int64_t number)
{
    return (union value){.number = number};
}
static inline union value value_of_bool(bool boolean)
{
    return (union value){.boolean = boolean};
}
static inline union value value_of_time(struct timestamp time)
{
    return (union value){.time = time};
}
static inline union value value_of_texts(struct text_list texts)
{
    return (union value){.texts = texts};
}
static inline union value value_of_oids(struct oid_list oids)
{
    return (union value){.oids = oids};
}

/* Picks the maker of a value by the member's type: a value of another type does not compile. */
#define VALUE_FOR(type, member)                                                                    \
    _Generic(((struct type *)0)->member, struct oid: value_of_oid, const char *: value_of_text,    \
             int64_t: value_of_number, bool: value_of_bool, struct timestamp: value_of_time,       \
             struct text_list: value_of_texts, struct oid_list: value_of_oid)

/* WHERE(chat, user_id, IS, id); WHERE(consultation, replies, HOLDS, reply_id). */
#define WHERE(type, member, compare_, value_)                                                      \
    ((struct condition){offsetof(struct type, member), compare_, VALUE_FOR(type, member)(value_)})
#define WHERE_ABSENT(type, member)                                                                 \
    ((struct condition){offsetof(struct type, member), ABSENT, {.number = 0}})
/* WHERE_ONE_OF_IDS(patient, id, list), WHERE_ONE_OF_TEXTS(consultation, status, list). */
#define WHERE_ONE_OF_IDS(type, member, list)                                                       \
    ((struct condition){offsetof(struct type, member), ONE_OF, value_of_oids(list)})
#define WHERE_ONE_OF_TEXTS(type, member, list)                                                     \
    ((struct condition){offsetof(struct type, member), ONE_OF, value_of_texts(list)})

#define SET(type, member, value_)                                                                  \
    ((struct change){offsetof(struct type, member), CHANGE_SET, VALUE_FOR(type, member)(value_)})
/* SET_IDS(chat, counted_ids, list): the whole list. */
#define SET_IDS(type, member, list)                                                                \
    ((struct change){offsetof(struct type, member), CHANGE_SET, value_of_oids(list)})
#define UNSET(type, member)                                                                        \
    ((struct change){offsetof(struct type, member), CHANGE_UNSET, {.number = 0}})
/* Adds to a number (an absent one counts as 0); returns nothing, see store_update's `after`. */
#define INC(type, member, by)                                                                      \
    ((struct change){offsetof(struct type, member), CHANGE_INC, value_of_number(by)})
/* Sets the number or time if it is greater than what is stored (or that is absent). */
#define MAX(type, member, value_)                                                                  \
    ((struct change){offsetof(struct type, member), CHANGE_MAX, VALUE_FOR(type, member)(value_)})
/* Appends an id to, or removes it from, an id list. */
#define PUSH(type, member, oid_)                                                                   \
    ((struct change){offsetof(struct type, member), CHANGE_PUSH, value_of_oid(oid_)})
/* Appends an id, of which the last PUSH_LAST_KEEPS stay. Not beside a PUSH. */
#define PUSH_LAST(type, member, oid_)                                                              \
    ((struct change){offsetof(struct type, member), CHANGE_PUSH_LAST, value_of_oid(oid_)})
#define PULL(type, member, oid_)                                                                   \
    ((struct change){offsetof(struct type, member), CHANGE_PULL, value_of_oid(oid_)})

/* SORT_UP(message, seq), SORT_DOWN(chat, last_msg_time). Absent values count as smallest. */
#define SORT_UP(type, member)                                                                      \
    {                                                                                              \
        offsetof(struct type, member), false, true                                                 \
    }
#define SORT_DOWN(type, member)                                                                    \
    {                                                                                              \
        offsetof(struct type, member), true, true                                                  \
    }

struct sort {
    size_t offset;
    bool down;
    bool used;
};

typedef bool (*record_is_fn)(const void *record, const void *data);

struct query {
    const struct condition *conditions; /* all must hold */
    size_t condition_count;             /* at most CONDITIONS_MAX */
    struct sort sort[2];
    int64_t skip;    /* 0 or more */
    int64_t limit;   /* 0: no limit */
    bool is_doubted; /* see store_get_doubted */
    /* NULL, or: whether reading ends with this record, asked with `data`. Only of an ordered store. */
    record_is_fn is_last;
    const void *data;
};

/* ---- Opening ------------------------------------------------------------------------------ */

struct store_settings {
    const char *url;    /* sqlite:PATH (also sqlite::memory:), mongodb://…; mongodb+srv too */
    int64_t timeout_ms; /* the longest that an operation may take, 10,000 by default */
    int64_t pool_size;  /* MongoDB: connections at most */
    bool beside;        /* beside the process that serves, which alone holds the lock */
    bool must_exist;    /* SQLite: no file is made */
    bool upgrades;      /* brings an older store forward, instead of refusing it */
    /* SQLite, for tests: a file that each new form of a statement is added to, a line each, without
     * values. NULL: none. */
    const char *statements_file;
};

/* Opens the store, makes what is missing (file, tables, columns, collections, indexes), and
 * refuses a newer or older version of the stored form. On failure `why` holds a sentence for the operator (never a
 * password of the URL) and *out is NULL. SQLite: one process per file; a second one is refused
 * by a lock beside it, but for those that say they work beside the first. Any thread, once. Caller owns; store_close after all sessions are closed. */
MUST_USE enum err store_open(const struct store_settings *settings, struct store **out,
                             char why[256]);
void store_close(struct store *store);

/* Whether the URL is one that store_open understands; nothing is looked for, on the disk or in the
 * network. ERR_STORE: `why` holds the sentence of store_open. Any thread. */
MUST_USE enum err store_check_url(const char *url, char why[256]);

/* Copies the store as it is now into the new file `to`, which only its owner may read, also while
 * others write. SQLite only. On failure nothing is left of it, and `why` says why. */
MUST_USE enum err store_backup(const struct store_settings *settings, const char *to,
                               char why[256]);

/* Puts a copy that store_backup made in the store's place, under a new store_id: what a client has
 * seen since is gone, so that its cursor must not be known. What was there before is kept beside
 * it, as PATH.replaced-<seconds>. Refused while any process has the store open. SQLite only. */
MUST_USE enum err store_restore(const struct store_settings *settings, const char *from,
                                char why[256]);

/* What the database itself finds wrong with its files, a line each (SQLite; else nothing). */
struct strbuf;
MUST_USE enum err store_inspect(struct store_session *session, struct strbuf *out);

/* Whether changes become visible in the order of their stamps (SQLite: one writer; MongoDB: no,
 * so that a resume must look back a while). Any thread. */
bool store_is_ordered(const struct store *store);
/* Whether a run's changes come to be together or not at all (SQLite: yes, MongoDB: each by itself).
 * Any thread. */
bool store_is_atomic(const struct store *store);
/* How many workers may write at a time: 1 for SQLite. Any thread. */
int store_writers_max(const struct store *store);
/* 16 hex digits made when the store was first opened. Any thread. */
const char *store_id(const struct store *store);
/* The version that the stored form had before it was opened, and the one that it has now. */
int64_t store_version_found(const struct store *store);
int64_t store_version(void);
/* The newest stamp in the store when it was opened, 0 if none: new stamps must be greater. */
int64_t store_newest_rev(const struct store *store);

/* A session for one worker; `writes`: whether it may write. Caller owns. */
MUST_USE enum err store_session_open(struct store *store, bool writes, struct store_session **out);
void store_session_close(struct store_session *session);
/* The store it belongs to. */
const struct store *store_of_session(const struct store_session *session);

/* While it is shut, whatever is asked of the session fails at once with ERR_STORE, without asking
 * the store: for work that has waited long enough for a store that does not answer. Runs can be
 * begun and ended. */
void store_shut(struct store_session *session, bool is_shut);

/* What lay behind the session's last ERR_STORE, for the log: the backend's own words or number,
 * never a stored value, never a password. "" before any. Valid until the next call. */
#define STORE_TROUBLE_BYTES 160
const char *store_trouble(const struct store_session *session);

/* ---- Working ------------------------------------------------------------------------------ */

/* A run of jobs: begin … commit, or abandon, which undoes all of it (SQLite). Nothing of the run
 * may be told to anybody before commit returned ERR_OK: then it is on disk (WAL,
 * synchronous=FULL). A transaction is started by the first write only. */
MUST_USE enum err store_begin(struct store_session *session);
/* The same in the hope that no job will have to be taken back: SQLite makes no savepoints, and keeps what
 * many jobs of a run change (chats) in memory until the commit; who asks for one starts the transaction.
 * Where a job has to be taken back that has written by then, store_undo or store_commit returns ERR_BUSY:
 * abandon the run, and run its jobs again after store_begin. */
MUST_USE enum err store_begin_hopeful(struct store_session *session);
MUST_USE enum err store_commit(struct store_session *session);
/* The same, but what was written need not be on disk yet, though others can see it: nothing that comes of it
 * may be told to anybody before store_sync. Where the store has no such thing it is store_commit. */
MUST_USE enum err store_commit_early(struct store_session *session);
/* Any thread. Whether all is on disk that anybody can see of early commits. */
bool store_is_synced(const struct store *store);
/* Any thread. Waits until all of it is that can be seen now. ERR_STORE: nobody knows what is on disk, now and from now
 * on, and only a process that begins anew finds out. */
MUST_USE enum err store_sync(const struct store *store);
void store_abandon(struct store_session *session);

/* One job within a run, between begin and its end. After store_mark, store_undo takes back what
 * the job wrote (SQLite; nothing with MongoDB). A job that wrote nothing costs nothing. */
MUST_USE enum err store_mark(struct store_session *session);
MUST_USE enum err store_undo(struct store_session *session);

/* Whether the job has been told that a record is not there (store_get_doubted) without its being asked for,
 * and has not inserted it since, which proves it: nothing that such a job has done or would answer may be kept.
 * Only in a hopeful run. */
bool store_has_assumed(const struct store_session *session);
/* Takes the job back, as store_undo, and begins it once more; now all that it asks for is asked for. ERR_BUSY:
 * see store_begin_hopeful. */
MUST_USE enum err store_mark_again(struct store_session *session);

/* Until store_look_away a session that only reads sees the store as it was at its first look, which is
 * cheaper than finding the newest state for each call (SQLite in a file; elsewhere each call sees
 * what is there). To be ended soon: meanwhile the log of the store cannot begin anew. */
void store_look(struct store_session *session);
void store_look_away(struct store_session *session);

/* ---- Batches ------------------------------------------------------------------------------
 *
 * Where each operation is durable by itself (MongoDB) a run saves nothing. There jobs that each change one
 * chat and insert one message at most share a batch: they run in memory, one after the other, each on what the
 * one before it did, and what they did is written in a few operations, whatever their number:
 *
 *     store_batch_begin (mark, a job's operations, keep or drop)… store_batch_write, outcome…, end
 *
 * What a job may ask for: one of the chats that were named, by its id, and changes of it; the insertion of one
 * message, before or after asking whether it is there, which is answered no until all is written; and, before
 * that, any other reading, but of messages where others of the batch insert some in its chat. All else, and
 * all after it, is ERR_BUSY, and the job is not for this batch.
 *
 * Without a session's store_batch_begin nothing of this is used. */
bool store_has_batches(const struct store *store);

enum batch_place {
    BATCH_JOINS, /* the job is part of the batch */
    BATCH_LATER, /* not of this one, since it would see or repeat what others of it only insert later */
    BATCH_NEVER /* it asks for what a batch cannot do */
};

enum batch_outcome {
    BATCH_WRITTEN, /* all that the job did is durable */
    BATCH_CHANGED, /* nothing of it is: somebody else has changed its chat, or another job of it repeats */
    BATCH_REPEATED, /* nothing of it is: what it would insert is there already */
    BATCH_REFUSED   /* its change of the chat is durable, its insertion was refused */
};

/* Reads the chats (each named once) and opens a batch. ERR_STORE: none is open. */
MUST_USE enum err store_batch_begin(struct store_session *session, const struct oid *chats,
                                    size_t count);
/* A job begins. */
void store_batch_mark(struct store_session *session);
/* It went well. BATCH_JOINS: the n-th time it is answered, for the job that has the number n - 1. Otherwise it is
 * as if it had not been run. */
enum batch_place store_batch_keep(struct store_session *session);
/* It failed; what it did is taken back. BATCH_JOINS: it has relied on nothing that might be different by now, so
 * that its failure may be told; it has no number. */
enum batch_place store_batch_drop(struct store_session *session);
/* Writes what the jobs did; then the session's operations are the store's again. ERR_STORE: nobody knows what
 * of it is written, of any of them. */
MUST_USE enum err store_batch_write(struct store_session *session);
/* What became of the job `number`, from 0. After a store_batch_write that went well. */
enum batch_outcome store_batch_outcome(struct store_session *session, size_t number);
/* Ends the batch, written or not. */
void store_batch_end(struct store_session *session);

/* ---- Operations --------------------------------------------------------------------------- */

/* Inserts a record. ERR_DUPLICATE: its id, or a unique index, is taken; nothing was written. */
MUST_USE enum err store_insert(struct store_session *session, enum collection collection,
                               const void *record);

/* Inserts `count` records that lie one behind the other, in one round trip. Those whose id is
 * taken are passed over: repeating is harmless. ERR_DUPLICATE: one whose id is free met a unique
 * index; then none were inserted (SQLite), or the others were (MongoDB). */
MUST_USE enum err store_insert_many(struct store_session *session, enum collection collection,
                                    const void *records, size_t count);

/* Reads one record into `record` (of the collection's struct). ERR_ABSENT: there is none. */
MUST_USE enum err store_get(struct store_session *session, struct arena *arena,
                            enum collection collection, struct oid id, void *record);

/* The same of a record that is hardly ever there, and that the caller inserts if it is not. In a hopeful run
 * it is told to be absent unasked, once for each job: see store_has_assumed. The insertion is ERR_BUSY where a
 * record is in its way. */
MUST_USE enum err store_get_doubted(struct store_session *session, struct arena *arena,
                                    enum collection collection, struct oid id, void *record);

/* Reads the records that meet the query, as an array in the arena. */
MUST_USE enum err store_find(struct store_session *session, struct arena *arena,
                             enum collection collection, const struct query *query,
                             struct object_list *out);

/* The first one of them, in the query's order. ERR_ABSENT: none. */
MUST_USE enum err store_find_one(struct store_session *session, struct arena *arena,
                                 enum collection collection, const struct query *query,
                                 void *record);

/* Counts them; skip, limit and sort are not looked at. */
MUST_USE enum err store_count(struct store_session *session, enum collection collection,
                              const struct query *query, int64_t *out);

/* Changes the one record with this id if the other conditions hold too, atomically. ERR_ABSENT:
 * there is none, or a condition fails; ERR_DUPLICATE: a unique index has it already; nothing was
 * changed then. No field may be changed twice. `after` (may be NULL) receives the record as it is
 * after the change. With MongoDB, ERR_STORE may mean that the change happened and its answer was
 * lost: conditions must make it harmless to ask again. */
MUST_USE enum err store_update(struct store_session *session, struct arena *arena,
                               enum collection collection, struct oid id,
                               const struct condition *conditions, size_t condition_count,
                               const struct change *changes, size_t change_count, void *after);

/* Removes the one record with this id, for good, if the conditions hold too. ERR_ABSENT: there is
 * none, or a condition fails. Only for what is older than the retention periods (server/purge.c);
 * tests/check_rooms holds all others to that. */
MUST_USE enum err store_remove(struct store_session *session, enum collection collection,
                               struct oid id, const struct condition *conditions,
                               size_t condition_count);

/* Whether the store answers now: the health page. With SQLite also whether the disk has room, and a
 * session that writes writes, to find out whether it takes it; within a run, the commit says so. */
MUST_USE enum err store_ping(struct store_session *session);

#endif
