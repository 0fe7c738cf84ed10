/* Worker only. What an account missed: everything created, retracted or moved since a stamp, as
 * the frames it would have received. Contract 4, "Nothing is lost". */
#ifndef CONSULTD_SERVER_API_REPLAY_H
#define CONSULTD_SERVER_API_REPLAY_H

#include "server/call.h"
#include "server/in_order.h"

struct replay {
    struct emission *first; /* frames by their stamps, in a chat by seq; references held */
    int64_t newest;         /* the greatest stamp among them; 0 if there are none */
    bool is_complete;       /* false: more than `limit` items, and no frames at all */
};

/* Reads what `account` missed since `rev`; at most `limit` items, 0 for no limit. After them come
 * chat.updated events (without cursor) for the chats that changed. On an error nothing is held. */
MUST_USE enum err replay_since(struct call *call, struct account account, int64_t rev,
                               int64_t limit, struct replay *out);

/* Which of the accounts `ids`, all of one role, had an order or a chat changed since `rev`:
 * has_news[i] for ids.items[i]. Two queries for all of them. */
MUST_USE enum err replay_find_news(struct call *call, enum role role, struct oid_list ids,
                                   int64_t rev, bool *has_news);

/* Answers what a socket of `account` asks (in_order.h), to which all up to `from_rev` is known: fills
 * the out part of `asks`, and links the messages found, REPLAY_GAP_ROWS of an ask that is sure and
 * REPLAY_START_ROWS of one that is not at most; references held. One query by index for each. */
#define REPLAY_GAP_ROWS 100
#define REPLAY_START_ROWS 8
MUST_USE enum err replay_missing(struct call *call, struct account account, int64_t from_rev,
                                 struct in_order_ask *asks, size_t ask_count,
                                 struct emission **first);

/* After a call of the WRITE lane that took longer than a replay can look back for (its process
 * stood still): gives what the call has emitted a fresh stamp in the store, so that whoever resumes
 * or checks from now on finds it. What is told of it keeps its old cursor, but its place has a fresh
 * stamp, so that nobody takes it for one told long ago. */
MUST_USE enum err replay_stamp_late(struct call *call);

/* How far back a replay must begin for a cursor at `rev`: with a store that does not order its
 * writes, a slow one may become visible after a newer one was seen. */
int64_t replay_start(const struct store *store, int64_t rev);

#endif
