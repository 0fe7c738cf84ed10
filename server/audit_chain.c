/* One writer's chain of the record: notes become rows, rows get their places and hashes, and a run's
 * rows are written in one go at its end.
 *
 * What must hold: a row is hashed over the bytes that are stored, in the order of its number, and
 * a number is used once. So the chain's end in memory moves on with each row added, and goes back to
 * where it was when an atomic store has taken the run back. Where the store is not atomic a failed
 * write may have left some rows: they, and no others, belong at these places, so they are kept here
 * and written again, before any newer one, until that succeeds. insert_many passes over those that
 * are there.
 *
 * A chain is never continued by another process: each opens its own. Its first row names the heads
 * of the others, those that no first row has named yet, so that a chain's first row stays short
 * however often a node was started.
 *
 * Worker only; a chain belongs to one thread at a time. */
#include "server/audit_chain.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/memory.h"
#include "server/api/audit.h"
#include "server/audit_stretch.h"
#include "server/audit_walk.h"
#include "server/auth.h"

#define ARENA_BYTES 65536
#define NODE_BYTES 192
#define RANDOM_BYTES 3

struct audit_chain {
    struct audit_hasher *hasher;
    struct arena *arena;    /* texts of `rows` */
    struct audit_row *rows; /* owned; added and not settled, one behind the other */
    size_t count, room;
    char node[NODE_BYTES];
    struct audit_stretch *stretch;   /* of the chain's end; NULL: no row stands aside */
    struct audit_head end, settled;  /* the last row added; the last that is surely stored */
    bool is_open, was_open, is_kept; /* is_kept: the store may have what was not settled */
};

struct audit_chain *audit_chain_new(const char *node)
{
    struct audit_chain *chain = memory_resize(NULL, sizeof *chain);
    memset(chain, 0, sizeof *chain);
    chain->hasher = audit_hasher_new();
    chain->arena = arena_new(ARENA_BYTES);
    strncpy(chain->node, node, NODE_BYTES - 1);
    return chain;
}

void audit_chain_free(struct audit_chain *chain)
{
    if (chain == NULL) {
        return;
    }
    audit_hasher_free(chain->hasher);
    audit_stretch_free(chain->stretch);
    arena_free(chain->arena);
    free(chain->rows);
    free(chain);
}

/* ---- Rows --------------------------------------------------------------------------------- */

static const char *keep(struct audit_chain *chain, const char *text)
{
    return text == NULL ? NULL : arena_text(chain->arena, text, strlen(text));
}

/* Gives the row its place behind the chain's end, and makes it the end. */
static void seal(struct audit_chain *chain, struct audit_row *row)
{
    int64_t number = audit_number(chain->end.row) + 1;
    row->id = audit_place(chain->end.row, number);
    row->previous = number == 1 ? NULL : keep(chain, chain->end.hash);
    audit_hash_record(chain->hasher, &audit_row_shape, row, chain->end.hash);
    row->hash = keep(chain, chain->end.hash);
    chain->end.row = row->id;
    if (chain->stretch != NULL) {
        row->is_aside = audit_stretch_meet(chain->stretch, row);
    }
}

static struct audit_row *row_add(struct audit_chain *chain)
{
    if (chain->count == chain->room) {
        chain->room = chain->room == 0 ? 64 : 2 * chain->room;
        chain->rows = memory_resize(chain->rows, chain->room * sizeof *chain->rows);
    }
    return &chain->rows[chain->count++];
}

static void add_entry(struct audit_chain *chain, const struct audit_entry *entry)
{
    struct audit_row *row = row_add(chain);
    *row = entry->row;
    row->actor = keep(chain, row->actor);
    row->result = keep(chain, row->result);
    row->details = keep(chain, row->details);
    if (entry->content != NULL) {
        char hash[AUDIT_HASH_TEXT_BYTES];
        audit_hash_bytes(chain->hasher, entry->content, entry->content_length, hash);
        row->content = keep(chain, hash);
    }
    seal(chain, row);
}

/* ---- Opening ------------------------------------------------------------------------------ */

static struct oid new_chain(struct timestamp now)
{
    struct oid row = OID_NONE;
    for (size_t i = 0; i < AUDIT_CHAIN_BYTES - RANDOM_BYTES; i++) {
        row.bytes[i] = (uint8_t)(now.ms / 1000 >> (24 - 8 * i));
    }
    random_bytes(row.bytes + AUDIT_CHAIN_BYTES - RANDOM_BYTES, RANDOM_BYTES);
    return row;
}

/* The first row, alone: should the name be taken, which the store would say, nothing is lost. */
static enum err open(struct audit_chain *chain, struct store_session *session, struct timestamp now)
{
    struct arena *arena = arena_new(ARENA_BYTES);
    struct strbuf details;
    strbuf_init(&details, 0);
    strbuf_add_format(&details, "%s\n", chain->node);
    enum err err = audit_walk_unnamed_heads(session, arena, &details);
    if (err == ERR_OK) {
        struct audit_row row = {.at = now,
                                .actor = "system",
                                .action = audit_action_row(AUDIT_CHAIN_OPEN)->word,
                                .details = strbuf_text(&details)};
        chain->end = (struct audit_head){.row = new_chain(now)};
        seal(chain, &row);
        err = store_insert(session, COLLECTION_AUDIT, &row);
    }
    strbuf_free(&details);
    arena_free(arena);
    if (err != ERR_OK) {
        return ERR_STORE;
    }
    chain->is_open = true;
    chain->is_kept = !store_is_atomic(store_of_session(session));
    if (!chain->is_kept && chain->stretch == NULL) {
        chain->stretch = audit_stretch_new();
    }
    if (chain->is_kept) {
        chain->settled = chain->end;
        chain->was_open = true;
    }
    return ERR_OK;
}

/* ---- Adding ------------------------------------------------------------------------------- */

static bool is_same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool is_added(const struct audit_chain *chain, const struct audit_row *row)
{
    for (size_t i = 0; i < chain->count; i++) {
        const struct audit_row *added = &chain->rows[i];
        if (oid_equal(added->subject, row->subject) && is_same(added->action, row->action) &&
            is_same(added->result, row->result)) {
            return true;
        }
    }
    return false;
}

/* Whether a row of the same action, subject and result is there. */
static enum err is_recorded(const struct audit_chain *chain, struct store_session *session,
                            const struct audit_row *row, bool *out)
{
    struct condition conditions[] = {
        WHERE(audit_row, consultation_id, IS, row->consultation_id),
        WHERE(audit_row, subject, IS, row->subject),
        WHERE(audit_row, action, IS, row->action),
        WHERE(audit_row, result, IS, row->result),
    };
    struct query query = {.conditions = conditions, .condition_count = ARRAY_LENGTH(conditions)};
    int64_t count = 0;
    *out = is_added(chain, row);
    if (!*out) {
        TRY(store_count(session, COLLECTION_AUDIT, &query, &count));
        *out = count > 0;
    }
    return ERR_OK;
}

/* Takes the notes out of the call whose rows are there already. */
static enum err drop_recorded(const struct audit_chain *chain, struct store_session *session,
                              struct call *call)
{
    struct audit_entry **link = &call->first_note;
    call->last_note = NULL;
    while (*link != NULL) {
        bool is_there = false;
        if ((*link)->is_repeatable) {
            TRY(is_recorded(chain, session, &(*link)->row, &is_there));
        }
        if (is_there) {
            *link = (*link)->next;
        } else {
            call->last_note = *link;
            link = &(*link)->next;
        }
    }
    return ERR_OK;
}

enum err audit_chain_add(struct audit_chain *chain, struct store_session *session,
                         struct call *call)
{
    if (call->first_note == NULL) {
        return ERR_OK;
    }
    TRY(drop_recorded(chain, session, call));
    if (call->first_note != NULL && !chain->is_open) {
        TRY(open(chain, session, call->now));
    }
    for (const struct audit_entry *at = call->first_note; at != NULL; at = at->next) {
        add_entry(chain, at);
    }
    return ERR_OK;
}

/* ---- Writing ------------------------------------------------------------------------------ */

enum err audit_chain_write(struct audit_chain *chain, struct store_session *session)
{
    enum err err = store_insert_many(session, COLLECTION_AUDIT, chain->rows, chain->count);
    assert(err != ERR_DUPLICATE); /* there is no other unique index */
    return err;
}

void audit_chain_settle(struct audit_chain *chain, bool is_committed)
{
    if (!is_committed && chain->is_kept) {
        return; /* to be written again */
    }
    if (is_committed) {
        chain->settled = chain->end;
        chain->was_open = chain->is_open;
    } else {
        chain->end = chain->settled;
        chain->is_open = chain->was_open;
        if (chain->stretch != NULL) {
            audit_stretch_forget(chain->stretch);
        }
    }
    chain->count = 0;
    arena_reset(chain->arena);
}

enum err audit_chain_record(struct audit_chain *chain, struct store_session *session,
                            struct call *call)
{
    enum err err = audit_chain_add(chain, session, call);
    if (err == ERR_OK) {
        err = audit_chain_write(chain, session);
    }
    if (err != ERR_OK) {
        audit_chain_settle(chain, false);
    }
    return err;
}
