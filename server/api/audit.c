/* Notes for the record, gathered in the call like emissions. What becomes of them is
 * audit_chain.c's. */
#include "server/api/audit.h"

#include <assert.h>
#include <string.h>

#include "protocol/canonical.h"
#include "server/audit_chain.h"

#define RESULT_MAX 32
#define DETAILS_MAX 1024

static const struct audit_action_row actions[] = {
#define AUDIT(name, word_, collection_, chinese_)                                                  \
    [AUDIT_##                                                                                      \
        name] = {.word = (word_), .chinese = (chinese_), .collection = COLLECTION_##collection_},
#include "server/audit.def"
#undef AUDIT
};

const struct audit_action_row *audit_action_row(enum audit_action action)
{
    assert((unsigned)action < AUDIT_ACTION_COUNT);
    return &actions[action];
}

const struct audit_action_row *audit_action_find(const char *word)
{
    for (size_t i = 0; i < AUDIT_ACTION_COUNT; i++) {
        if (strcmp(actions[i].word, word) == 0) {
            return &actions[i];
        }
    }
    return NULL;
}

bool audit_is_sending(const struct audit_row *row)
{
    return row->action != NULL && strcmp(row->action, actions[AUDIT_SEND].word) == 0;
}

static const char *copy(struct call *call, const char *text, size_t max)
{
    if (text == NULL) {
        return NULL;
    }
    size_t length = strlen(text);
    assert(length <= max);
    return arena_text(call->arena, text, length);
}

static void name_actor(const struct call *call, const struct audit_note *note,
                       struct audit_row *row)
{
    static const char *const names[] = {[ROLE_NONE] = "system",
                                        [ROLE_USER] = "user",
                                        [ROLE_DOCTOR] = "doctor",
                                        [ROLE_SERVICE] = "service"};
    if (note->actor != NULL) {
        row->actor = arena_text(call->arena, note->actor, strlen(note->actor));
        row->actor_id = note->actor_id;
    } else if (call->operator_name != NULL) {
        row->actor = call->operator_name;
    } else {
        row->actor = names[call->who.account.role];
        row->actor_id = call->who.account.id;
    }
}

static void seal_content(struct call *call, const struct audit_note *note,
                         struct audit_entry *entry)
{
    enum collection collection = actions[note->action].collection;
    if (note->content == NULL) {
        return;
    }
    assert(collection != COLLECTION_NONE);
    struct strbuf bytes;
    strbuf_init(&bytes, 0);
    canonical_write(&bytes, collection_row(collection)->shape, note->content);
    entry->content = arena_text(call->arena, strbuf_text(&bytes), bytes.length);
    entry->content_length = bytes.length;
    strbuf_free(&bytes);
}

static struct audit_entry *add(struct call *call, const struct audit_note *note)
{
    struct audit_entry *entry = ARENA_NEW(call->arena, struct audit_entry);
    entry->row = (struct audit_row){
        .at = call->now,
        .action = actions[note->action].word,
        .consultation_id = note->consultation_id,
        .subject = note->subject,
        .result = copy(call, note->result, RESULT_MAX),
        .details = copy(call, note->details, DETAILS_MAX),
    };
    entry->outlives_failure = note->outlives_failure;
    name_actor(call, note, &entry->row);
    seal_content(call, note, entry);
    if (call->last_note == NULL) {
        call->first_note = entry;
    } else {
        call->last_note->next = entry;
    }
    call->last_note = entry;
    return entry;
}

void audit_note(struct call *call, const struct audit_note *note)
{
    add(call, note);
}

void audit_note_read(struct call *call, enum audit_action action, struct oid consultation_id,
                     struct oid subject)
{
    if (call->who.account.role == ROLE_DOCTOR) {
        struct audit_note note = {
            .action = action, .consultation_id = consultation_id, .subject = subject};
        add(call, &note);
    }
}

static bool is_same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool is_noted(const struct call *call, const struct audit_note *note)
{
    for (const struct audit_entry *at = call->first_note; at != NULL; at = at->next) {
        if (is_same(at->row.action, actions[note->action].word) &&
            oid_equal(at->row.subject, note->subject) && is_same(at->row.result, note->result)) {
            return true;
        }
    }
    return false;
}

void audit_note_again(struct call *call, const struct audit_note *note)
{
    assert(!oid_is_none(note->consultation_id));
    if (!store_is_atomic(store_of_session(call->store)) && !is_noted(call, note)) {
        add(call, note)->is_repeatable = true;
    }
}

enum err audit_write_now(struct call *call)
{
    if (call->chain == NULL || call->first_note == NULL ||
        store_is_atomic(store_of_session(call->store))) {
        return ERR_OK;
    }
    TRY(audit_chain_record(call->chain, call->store, call));
    audit_chain_settle(call->chain, true);
    call->first_note = NULL;
    call->last_note = NULL;
    return ERR_OK;
}

void audit_forget_failed(struct call *call)
{
    if (!store_is_atomic(store_of_session(call->store))) {
        return;
    }
    struct audit_entry *at = call->first_note;
    call->first_note = NULL;
    call->last_note = NULL;
    for (struct audit_entry *next; at != NULL; at = next) {
        next = at->next;
        at->next = NULL;
        if (!at->outlives_failure) {
            continue;
        }
        if (call->last_note == NULL) {
            call->first_note = at;
        } else {
            call->last_note->next = at;
        }
        call->last_note = at;
    }
}
