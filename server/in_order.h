/* Loop only. The gate through which a socket is told the messages of its chats: a message.created
 * never comes behind one with a greater seq (contract 4), in whatever order the events come and
 * whatever the bus has lost. What the gate knows to be told is not told again; an older message may
 * be at any time.
 *
 * Each chat has a line: what was passed, what is held behind a gap. What fills a gap comes by itself,
 * or from the store, which the owner asks (gaps.h); what never comes is given up after
 * IN_ORDER_WAIT_MS, and if it comes later after all, it is IN_ORDER_TOO_LATE for this socket. */
#ifndef CONSULTD_SERVER_IN_ORDER_H
#define CONSULTD_SERVER_IN_ORDER_H

#include "server/call.h"
#include "server/frame_queue.h"

/* How long a message is held behind one that does not come; a tick more until that is noticed. Far
 * less than a replay looks back (api/replay.c): what is held when a socket goes is in its resume. */
#define IN_ORDER_WAIT_MS 3000
/* Chats that a socket remembers; of one more the one that was silent longest is forgotten. */
#define IN_ORDER_CHATS_MAX 256
/* Ranges given up that a line remembers; the oldest is forgotten. */
#define IN_ORDER_GAPS_MAX 16
/* What a held event counts besides its text. */
#define IN_ORDER_ITEM_BYTES 64

/* All zero: off, everything may pass. */
struct in_order {
    struct in_order_line *lines; /* owned */
    size_t count, size;
    bool is_on;
    int64_t from_rev; /* what is not newer the client had before this socket */
    uint64_t uses;
    size_t item_count;
    size_t bytes;   /* held, IN_ORDER_ITEM_BYTES for each event included */
    bool is_asking; /* the owner's, as the next: a question is with a worker */
    bool is_listed; /* it is on the list of those that wait */
};

enum in_order_result {
    IN_ORDER_OK,
    IN_ORDER_TOO_LATE /* a greater seq was told: the socket must go, its resume has both */
};

/* From now on: what has a stamp up to `from_rev` is known to the client. */
void in_order_begin(struct in_order *order, int64_t from_rev);
/* Drops all; off. */
void in_order_clear(struct in_order *order);

/* An event of the replay is told at once (`is_told`), or the client will find it in its lists. */
void in_order_know(struct in_order *order, const struct frame_place *place, bool is_told);

/* An event has come: it is put into `out`, or held; and `out` gets what was held behind it. `frame`
 * NULL: there is nothing to tell this socket, but the seq is not missing. Keeps a reference. */
MUST_USE enum in_order_result in_order_put(struct in_order *order, const struct frame_place *place,
                                           struct frame *frame, int64_t now_ms,
                                           struct frame_queue *out);

/* Gives up what was waited for long enough: `out` gets what was held behind it. The rest is to be
 * asked for again. */
void in_order_give_up(struct in_order *order, int64_t now_ms, struct frame_queue *out);

/* A question to the store: which messages has this chat, below `below`, that this socket was not told?
 * If `is_sure`, above `above`, oldest first; if not, newest first down to one that the client knows. */
struct in_order_ask {
    struct oid chat_id;
    int64_t above, below;
    bool is_sure;
    /* The worker's answer to one that was not sure: no message below is new. The rows themselves are
     * emissions. */
    bool is_answered;
    int64_t lowest; /* of the rows; 0: there is none */
};

/* What is to be asked and was not yet: at most `max` questions; their number. */
size_t in_order_asks(struct in_order *order, struct in_order_ask *asks, size_t max);
/* The answer: all rows, of all `asks`, each with a place. */
MUST_USE enum in_order_result in_order_answer(struct in_order *order,
                                              const struct in_order_ask *asks, size_t ask_count,
                                              const struct emission *rows, int64_t now_ms,
                                              struct frame_queue *out);

#endif
