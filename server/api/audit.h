/* Worker only. Notes for the record: what a call did, to be appended to the audit before the call
 * is answered. Contract 3 (audit trail: who, what, when).
 *
 * A handler notes what it has done, after it did it; the runner of jobs appends the notes of a run
 * to its writer's chain (audit_chain.h) before the run is committed, so that nothing that was
 * answered is without its row. What a handler notes in another lane goes through the WRITE lane
 * for its row before the answer leaves. A call that fails leaves no notes where it leaves no
 * changes either (SQLite); with MongoDB, where its changes stay, its notes stay too.
 *
 *     audit_note(call, &(struct audit_note){.action = AUDIT_SEND,
 *                                           .consultation_id = message->consultation_id,
 *                                           .subject = message->id,
 *                                           .content = message});
 *
 * Never a message's text, a name, a phone or a certificate number: ids, states and versions. */
#ifndef CONSULTD_SERVER_API_AUDIT_H
#define CONSULTD_SERVER_API_AUDIT_H

#include "server/call.h"

enum audit_action {
#define AUDIT(name, word, collection, chinese) AUDIT_##name,
#include "server/audit.def"
#undef AUDIT
    AUDIT_ACTION_COUNT
};

#define COLLECTION_NONE COLLECTION_COUNT /* an action that seals no record */

/* What a row of AUDIT_PURGE has as its result: an order's messages are gone, or all that belongs to it. */
#define PURGED_MESSAGES "messages"
#define PURGED_RECORD "record"

struct audit_action_row {
    const char *word;
    const char *chinese;
    enum collection collection; /* COLLECTION_NONE: seals nothing */
};

const struct audit_action_row *audit_action_row(enum audit_action action);
/* NULL: there is no such word. */
const struct audit_action_row *audit_action_find(const char *word);
/* Whether the row tells of a message that was sent. */
bool audit_is_sending(const struct audit_row *row);

struct audit_note {
    enum audit_action action;
    const char *actor;          /* NULL: who calls, "system" where nobody is signed in */
    struct oid actor_id;        /* with `actor`, where it has an id */
    struct oid consultation_id; /* what an exported consultation is found by */
    struct oid subject;         /* the record that it was done to */
    const char *result;         /* at most 32 bytes: "03", "PAID", "ok", "failed", "2" */
    const char *details;        /* more, for people: "from=01"; at most 1,024 bytes */
    const void *content;        /* the record that was written, of the action's collection */
    bool outlives_failure;      /* kept although the call fails: a sign-in that was refused */
};

/* Adds a row to the call's notes; all it is given is copied. */
void audit_note(struct call *call, const struct audit_note *note);

/* The same for what is found done already, perhaps by a process that died before its row was
 * written: a repeated send, a step of a settlement. The row is written unless there is one of the
 * same action, subject and result. Needs a consultation_id. With SQLite change and row came to be
 * together, so that nothing is done. */
void audit_note_again(struct call *call, const struct audit_note *note);

/* A doctor read something of a patient's. Nothing when the caller is a user: its own records. */
void audit_note_read(struct call *call, enum audit_action action, struct oid consultation_id,
                     struct oid subject);

/* Writes the notes so far, now, where a run does not do it atomically (MongoDB): before a mark that
 * says "all is done" goes, and before an order moves on. Elsewhere nothing. */
MUST_USE enum err audit_write_now(struct call *call);

/* Forgets the notes of a failed call, but for those that outlive it and, where its changes stay,
 * all. For the runner of jobs. */
void audit_forget_failed(struct call *call);

/* One note as gathered; audit_chain.c makes rows of them. */
struct audit_entry {
    struct audit_entry *next;
    struct audit_row row; /* without id, content, previous, hash */
    const char *content;  /* canonical bytes, `content_length` of them; NULL: none */
    size_t content_length;
    bool is_repeatable, outlives_failure;
};

#endif
