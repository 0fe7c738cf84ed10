/* Worker only. What a handler gets, and how it says what happened.
 *
 * A handler is a straight function (call, in) -> (err, out): it reads and writes the store,
 * blocking, and emits events. It never sees a socket, JSON or a thread. Everything it allocates
 * comes from call->arena. What it emits leaves the process only after its writes are durable;
 * when it fails, nothing of it does. */
#ifndef CONSULTD_SERVER_CALL_H
#define CONSULTD_SERVER_CALL_H

#include "protocol/envelope.h"
#include "server/account.h"
#include "server/frame.h"
#include "storage/store.h"

struct settings;    /* config.h */
struct clock;       /* clock.h */
struct attempts;    /* auth.h */
struct attendance;  /* attendance.h */
struct audit_chain; /* audit_chain.h */
struct token_cache; /* token_cache.h */
struct audit_entry; /* api/audit.h */

/* A request as it came over the network, for handlers that prove signatures. All empty: it came
 * over the socket, or from the server itself. */
struct raw_request {
    const char *body;
    size_t length;
    const char *headers; /* those of the endpoint's rows in headers.def, "name:value\n" each */
};

/* An event on its way to one account. */
struct emission {
    struct emission *next;
    struct account audience;
    struct frame *frame; /* a reference is held */
    int64_t rev;         /* the change's stamp; 0: ephemeral, dropped first when a socket is slow */
    bool not_to_origin;  /* the calling socket gets the answer instead */
};

/* How often what others were quicker with is tried before it is given up (ERR_BUSY). */
#define RACES_MAX 8

struct call {
    struct arena *arena;
    struct store_session *store;
    const char *store_id; /* of the store, for cursors; set by dispatch.c */
    const struct settings *settings;
    struct clock *clock;
    struct attempts *attempts;     /* failed sign-ins, shared by all workers */
    struct attendance *attendance; /* who is online, shared by all workers */
    struct caller who;
    struct timestamp now; /* of this call; the same for all it writes */
    struct raw_request raw;
    struct fault fault;
    struct emission *first_emission, *last_emission;
    struct written written; /* in the frame of an emission: most likely what is answered, too */
    struct audit_entry *first_note, *last_note; /* for the record, see api/audit.h */
    struct audit_chain *chain;                  /* where they go; NULL outside of the WRITE lane */
    struct token_cache *tokens;                 /* the worker's; NULL: it keeps none */
    const char *operator_name;                  /* operator:<login> of a subcommand, else NULL */
    /* A handler of a SLOW row that has something to write says so: it sets goes_on and what it
     * carries (in the arena), returns ERR_OK, and is called again in the WRITE lane, where
     * `carried` is what it carried. Until then `carried` is NULL. */
    bool goes_on;
    const void *carried;
    /* The place in its chat that was taken for the call's message (api/messages.c). If a batch takes it and
     * cannot insert the message, the call is run again and goes on from there. NULL: none. */
    const void *chat_place;
    bool wants_sweep; /* what was written left something for the sweeper to do at once */
};

/* Says which field is to blame and returns `err`: return call_blame(call, ERR_…, "userId"). */
enum err call_blame(struct call *call, enum err err, const char *field);

/* Replaces the sentence answered with the error (at most 159 bytes; no personal data). */
enum err call_explain(struct call *call, enum err err, const char *field, const char *format, ...)
    PRINTF_LIKE(4, 5);

/* The value of a header (its name in lower case) in the arena; NULL: there is none. */
const char *header_find(struct arena *arena, const char *headers, const char *name);

/* A fresh stamp, greater than any given before on this node, for `rev` of what is written. */
int64_t call_stamp(struct call *call);

/* Adds an event for `audience`. The frame's reference goes over. `rev` 0: ephemeral. */
void call_emit(struct call *call, struct account audience, struct frame *frame, int64_t rev,
               bool not_to_origin);

/* Drops all emissions (a failed call, an abandoned run). */
void call_forget_emissions(struct call *call);

#endif
