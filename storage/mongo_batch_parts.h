/* Worker only. What the files of a batch on MongoDB share: mongo_batch.c runs its jobs in memory,
 * mongo_batch_write.c writes what they did. */
#ifndef CONSULTD_STORAGE_MONGO_BATCH_PARTS_H
#define CONSULTD_STORAGE_MONGO_BATCH_PARTS_H

#include "storage/mongo_batch.h"

#include "storage/kept.h"

/* What one job does. */
struct batch_item {
    struct batch_chat *chat; /* that it has seen; NULL: none */
    bool has_changed;        /* the chat */
    bson_t *message;         /* to be inserted; owned; NULL: none is */
    struct oid message_id;
    bool has_assumed;    /* that message_id is not there */
    size_t next_of_chat; /* the job before it that sends to its chat, counted from 1; 0: none */
    enum batch_outcome outcome;
};

/* What they come to. */
struct batch_chat {
    struct kept_record *kept;
    struct chat as_read;
    bool is_changed;    /* by a job that is kept */
    bool is_put_off;    /* it is not written: its jobs are to be tried again */
    size_t last_sender; /* see next_of_chat */
    size_t messages;
};

struct mongo_batch {
    bool is_open;           /* between begin and write: operations are for a job */
    enum batch_place place; /* of the job, by what it has asked for so far */
    struct kept *kept;
    struct arena *arena; /* of what is read and made for it */
    struct oid *ids;     /* the chats that were asked for, there or not; owned */
    size_t id_count;
    struct batch_chat *chats; /* arena: those that are there, by kept_record.number */
    size_t chat_count;
    struct batch_item
        *items; /* owned: of jobs that were kept, and behind them of the one that runs */
    size_t count, room;
};

/* Those of the records with these ids that are there. */
MUST_USE enum err mongo_find_by_ids(struct mongo_session *s, struct arena *arena,
                                    enum collection collection, const struct oid *ids, size_t count,
                                    struct object_list *out);

/* Writes what the jobs did, and sets the outcome of each. ERR_STORE: nobody knows what of it is written. */
MUST_USE enum err mongo_batch_write(struct mongo_session *s);

#endif
