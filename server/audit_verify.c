/* Verifying the record.
 *
 *     rows of a chain      1, 2, 3 … without a hole, each with the hash of the one before, and its own
 *     heads that are named by first rows and by --against: each must be there, with that hash
 *     what a row seals     the stored record has the hash that the row holds, unless it was purged
 *     messages             each has its row
 *     rows that stand aside of the index of orders are found by it (audit_stretch.h)
 *
 * Rows are read in the order of their ids, a page at a time: chains lie one behind the other. What a
 * chain's first row names can only be checked when all rows have been read. Memory: 12 bytes for
 * each message sent. */
#include "server/audit_verify.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/memory.h"
#include "server/api/audit.h"
#include "server/api/posts.h"
#include "server/audit_stretch.h"
#include "server/audit_walk.h"

#define PAGE_ROWS 1000
#define UNRECORDED_LINES 20
#define ARENA_BYTES 65536

struct claim {
    struct audit_head head;
    char by[AUDIT_CHAIN_TEXT_BYTES]; /* the chain whose first row says so; "" for --against */
};

struct verification {
    struct store_session *session;
    struct audit_hasher *hasher;
    struct audit_stretch *stretch; /* of the row that is being read */
    struct arena *page;            /* of the page that is being read */
    struct audit_report *report;
    struct strbuf *findings, *heads;
    struct audit_head last; /* the row before; none at first */
    struct timestamp since; /* the first row of all */
    struct claim *claims;   /* owned */
    size_t claim_count, claim_room;
    struct oid *sent; /* owned: the messages that have a row */
    size_t sent_count, sent_room;
};

int64_t audit_report_faults(const struct audit_report *report)
{
    return report->changed + report->dropped + report->broken + report->contents_changed +
           report->contents_missing;
}

/* "row <chain> <number>: …" */
static void find_fault(struct verification *v, struct oid row, const char *what)
{
    char chain[AUDIT_CHAIN_TEXT_BYTES];
    audit_chain_name(row, chain);
    strbuf_add_format(v->findings, "row %s %lld: %s\n", chain, (long long)audit_number(row), what);
}

static bool is_same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* ---- Claims ------------------------------------------------------------------------------- */

static void claim_add(struct verification *v, const struct audit_head *head, const char *by)
{
    if (v->claim_count == v->claim_room) {
        v->claim_room = v->claim_room == 0 ? 64 : 2 * v->claim_room;
        v->claims = memory_resize(v->claims, v->claim_room * sizeof *v->claims);
    }
    struct claim *claim = &v->claims[v->claim_count++];
    *claim = (struct claim){.head = *head};
    strncpy(claim->by, by, sizeof claim->by - 1);
}

static enum err check_claim(struct verification *v, const struct claim *claim)
{
    struct audit_row row;
    enum err err = store_get(v->session, v->page, COLLECTION_AUDIT, claim->head.row, &row);
    if (err != ERR_OK && err != ERR_ABSENT) {
        return err;
    }
    if (err == ERR_OK && is_same(row.hash, claim->head.hash)) {
        return ERR_OK;
    }
    v->report->dropped += err == ERR_ABSENT;
    v->report->changed += err == ERR_OK;
    find_fault(v, claim->head.row,
               err == ERR_ABSENT ? "is gone: the end of the chain was cut off" : "is another one");
    strbuf_add_format(v->findings, "  named by %s%s\n",
                      claim->by[0] != '\0' ? "chain " : "--against", claim->by);
    return ERR_OK;
}

/* ---- What rows seal ----------------------------------------------------------------------- */

/* A purge takes an order's messages alone, or all that belongs to it. */
static enum err was_purged(struct verification *v, const struct audit_row *row,
                           enum collection collection, bool *out)
{
    struct condition conditions[] = {
        WHERE(audit_row, consultation_id, IS, row->consultation_id),
        WHERE(audit_row, is_aside, IS, false),
        WHERE(audit_row, action, IS, audit_action_row(AUDIT_PURGE)->word),
        WHERE(audit_row, result, IS, PURGED_RECORD),
    };
    const size_t any_purge = ARRAY_LENGTH(conditions) - 1;
    struct query query = {.conditions = conditions,
                          .condition_count = collection == COLLECTION_MESSAGES
                                                 ? any_purge
                                                 : ARRAY_LENGTH(conditions)};
    int64_t count;
    TRY(store_count(v->session, COLLECTION_AUDIT, &query, &count));
    *out = count > 0;
    return ERR_OK;
}

static enum err check_content(struct verification *v, const struct audit_row *row,
                              enum collection collection, const void *record)
{
    if (record == NULL) {
        bool is_purged;
        TRY(was_purged(v, row, collection, &is_purged));
        if (!is_purged) {
            v->report->contents_missing++;
            find_fault(v, row->id, "what it tells of is gone, and no purge took it");
        }
        return ERR_OK;
    }
    char hash[AUDIT_HASH_TEXT_BYTES];
    audit_hash_record(v->hasher, collection_row(collection)->shape, record, hash);
    bool is_undone = strcmp(row->action, audit_action_row(AUDIT_RETRACT)->word) == 0 &&
                     !((const struct message *)record)->is_retract;
    v->report->contents++;
    if (!is_same(hash, row->content) || is_undone) {
        v->report->contents_changed++;
        find_fault(v, row->id, "what it tells of is no longer what was written");
    }
    return ERR_OK;
}

/* Checks what the page's rows seal of one collection. */
static enum err check_contents(struct verification *v, const struct audit_row *rows, size_t count,
                               enum collection collection)
{
    const struct shape *shape = collection_row(collection)->shape;
    struct oid *ids = arena_array(v->page, count, sizeof *ids);
    const struct audit_row **sealing = arena_array(v->page, count, sizeof *sealing);
    size_t id_count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct audit_action_row *action = audit_action_find(rows[i].action);
        if (rows[i].content != NULL && action != NULL && action->collection == collection) {
            sealing[id_count] = &rows[i];
            ids[id_count++] = rows[i].subject;
        }
    }
    struct condition condition = {
        .offset = shape->fields[0].offset, .compare = ONE_OF, .value = {.oids = {ids, id_count}}};
    struct query query = {.conditions = &condition, .condition_count = 1};
    struct object_list found;
    TRY(store_find(v->session, v->page, collection, &query, &found));
    for (size_t i = 0; i < id_count; i++) {
        const void *record = NULL;
        for (size_t j = 0; j < found.count && record == NULL; j++) {
            const char *at = (const char *)found.items + j * shape->size;
            if (memcmp(at + shape->fields[0].offset, ids[i].bytes, OID_BYTES) == 0) {
                record = at;
            }
        }
        TRY(check_content(v, sealing[i], collection, record));
    }
    return ERR_OK;
}

static enum err check_all_contents(struct verification *v, const struct audit_row *rows,
                                   size_t count)
{
    bool is_done[COLLECTION_COUNT] = {false};
    for (enum audit_action action = 0; action < AUDIT_ACTION_COUNT; action++) {
        enum collection collection = audit_action_row(action)->collection;
        if (collection != COLLECTION_NONE && !is_done[collection]) {
            is_done[collection] = true;
            TRY(check_contents(v, rows, count, collection));
        }
    }
    return ERR_OK;
}

static void note_sent(struct verification *v, const struct audit_row *row)
{
    if (!audit_is_sending(row)) {
        return;
    }
    if (v->sent_count == v->sent_room) {
        v->sent_room = v->sent_room == 0 ? 4096 : 2 * v->sent_room;
        v->sent = memory_resize(v->sent, v->sent_room * sizeof *v->sent);
    }
    v->sent[v->sent_count++] = row->subject;
}

/* ---- Rows --------------------------------------------------------------------------------- */

static void end_chain(struct verification *v)
{
    if (!oid_is_none(v->last.row)) {
        audit_head_write(v->heads, &v->last);
    }
}

/* The first row of a chain, if it is the first: what it names is remembered. */
static void begin_chain(struct verification *v, const struct audit_row *row)
{
    end_chain(v);
    v->report->chains++;
    v->last = (struct audit_head){.row = audit_place(row->id, 0)};
    if (v->since.ms == 0 || row->at.ms < v->since.ms) {
        v->since = row->at;
    }
    size_t count;
    char chain[AUDIT_CHAIN_TEXT_BYTES];
    audit_chain_name(row->id, chain);
    const char *details = row->details != NULL ? row->details : "";
    struct audit_head *heads = audit_heads_parse(v->page, details, &count, NULL);
    for (size_t i = 0; i < count && audit_number(row->id) == 1; i++) {
        claim_add(v, &heads[i], chain);
    }
}

static void check_row(struct verification *v, const struct audit_row *row)
{
    if (memcmp(row->id.bytes, v->last.row.bytes, AUDIT_CHAIN_BYTES) != 0) {
        begin_chain(v, row);
    }
    int64_t missing = audit_number(row->id) - audit_number(v->last.row) - 1;
    if (missing > 0) {
        v->report->dropped += missing;
        find_fault(v, row->id, "rows before it are missing");
    } else if (!is_same(row->previous, v->last.hash[0] != '\0' ? v->last.hash : NULL)) {
        v->report->broken++;
        find_fault(v, row->id, "does not follow the row before it");
    }
    char hash[AUDIT_HASH_TEXT_BYTES];
    audit_hash_record(v->hasher, &audit_row_shape, row, hash);
    if (!is_same(hash, row->hash)) {
        v->report->changed++;
        find_fault(v, row->id, "was changed");
    }
    const bool may_stand_aside = audit_stretch_meet(v->stretch, row);
    if (row->is_aside && !may_stand_aside) {
        v->report->changed++;
        find_fault(v, row->id, "cannot be found by its order");
    }
    v->report->rows++;
    v->last.row = row->id;
    strncpy(v->last.hash, row->hash != NULL ? row->hash : "", AUDIT_HASH_TEXT_BYTES - 1);
    note_sent(v, row);
}

/* A page of a collection behind `after`, in the order of its ids. */
static enum err next_page(struct verification *v, enum collection collection, struct oid after,
                          struct object_list *out)
{
    size_t id = collection_row(collection)->shape->fields[0].offset;
    struct condition condition = {id, ABOVE, {.oid = after}};
    struct query query = {.conditions = &condition,
                          .condition_count = oid_is_none(after) ? 0 : 1,
                          .sort = {{id, false, true}},
                          .limit = PAGE_ROWS};
    arena_reset(v->page);
    return store_find(v->session, v->page, collection, &query, out);
}

static enum err check_rows(struct verification *v)
{
    struct object_list page;
    for (struct oid after = OID_NONE;;) {
        TRY(next_page(v, COLLECTION_AUDIT, after, &page));
        const struct audit_row *rows = page.items;
        if (page.count == 0) {
            break;
        }
        for (size_t i = 0; i < page.count; i++) {
            check_row(v, &rows[i]);
        }
        after = rows[page.count - 1].id;
        TRY(check_all_contents(v, rows, page.count));
    }
    end_chain(v);
    for (size_t i = 0; i < v->claim_count; i++) {
        TRY(check_claim(v, &v->claims[i]));
    }
    return ERR_OK;
}

/* ---- Messages ----------------------------------------------------------------------------- */

static int compare_ids(const void *a, const void *b)
{
    return memcmp(a, b, OID_BYTES);
}

/* No row without an order stands aside, and there may be very many: they are not read, but counted. */
static enum err has_row_without_order(struct verification *v, const struct message *message,
                                      bool *out)
{
    const struct condition conditions[] = {
        WHERE(audit_row, consultation_id, IS, OID_NONE),
        WHERE(audit_row, is_aside, IS, false),
        WHERE(audit_row, subject, IS, message->id),
        WHERE(audit_row, action, IS, audit_action_row(AUDIT_SEND)->word),
    };
    const struct query query = {.conditions = conditions,
                                .condition_count = ARRAY_LENGTH(conditions)};
    int64_t count = 0;
    TRY(store_count(v->session, COLLECTION_AUDIT, &query, &count));
    *out = count > 0;
    return ERR_OK;
}

static enum err has_row_of_sending(struct verification *v, const struct message *message, bool *out)
{
    if (oid_is_none(message->consultation_id)) {
        return has_row_without_order(v, message, out);
    }
    struct arena *arena = arena_new(ARENA_BYTES);
    struct audit_row *rows = NULL;
    size_t count = 0;
    const enum err err =
        audit_walk_order(v->session, arena, message->consultation_id, &rows, &count);
    *out = false;
    for (size_t i = 0; i < count && !*out; i++) {
        *out = oid_equal(rows[i].subject, message->id) && audit_is_sending(&rows[i]);
    }
    arena_free(arena);
    return err;
}

/* Asks again before it says so: the message may be newer than the rows that were read. */
static enum err find_unrecorded(struct verification *v, const struct message *message)
{
    if (message_is_ruled_out(message) || message->created_at.ms < v->since.ms ||
        (v->sent_count > 0 &&
         bsearch(&message->id, v->sent, v->sent_count, sizeof *v->sent, compare_ids) != NULL)) {
        return ERR_OK;
    }
    bool is_recorded = false;
    TRY(has_row_of_sending(v, message, &is_recorded));
    if (!is_recorded && v->report->unrecorded++ < UNRECORDED_LINES) {
        char id[OID_TEXT_BYTES];
        oid_format(message->id, id);
        strbuf_add_format(v->findings, "message %s: has no row\n", id);
    }
    return ERR_OK;
}

static enum err check_messages(struct verification *v)
{
    struct object_list page;
    if (v->sent_count > 0) {
        qsort(v->sent, v->sent_count, sizeof *v->sent, compare_ids);
    }
    for (struct oid after = OID_NONE;;) {
        TRY(next_page(v, COLLECTION_MESSAGES, after, &page));
        const struct message *messages = page.items;
        if (page.count == 0) {
            return ERR_OK;
        }
        for (size_t i = 0; i < page.count; i++) {
            TRY(find_unrecorded(v, &messages[i]));
        }
        after = messages[page.count - 1].id;
    }
}

enum err audit_verify(struct store_session *session, const struct audit_head *against,
                      size_t against_count, struct audit_report *report, struct strbuf *findings,
                      struct strbuf *heads)
{
    *report = (struct audit_report){.rows = 0};
    struct verification v = {.session = session,
                             .hasher = audit_hasher_new(),
                             .stretch = audit_stretch_new(),
                             .page = arena_new(ARENA_BYTES),
                             .report = report,
                             .findings = findings,
                             .heads = heads};
    for (size_t i = 0; i < against_count; i++) {
        claim_add(&v, &against[i], "");
    }
    enum err err = check_rows(&v);
    if (err == ERR_OK) {
        err = check_messages(&v);
    }
    free(v.claims);
    free(v.sent);
    arena_free(v.page);
    audit_hasher_free(v.hasher);
    audit_stretch_free(v.stretch);
    return err;
}
