/* The dictionary, found by any part of a name.
 *
 * Chinese names have no words to go by, and no index that every store has finds the middle of a
 * text. So each name is also stored by its grams: every character and every pair of neighbours in
 * it, one small record each, indexed by (gram, code) and the name. A keyword of one or two characters is one
 * gram, read page by page in the order of the codes and counted within the index. A longer one
 * has several pairs: the rarest of them is read, and what it finds is compared with the whole
 * keyword, within the index. The cost follows what the rarest pair finds, not the dictionary.
 *
 * ASCII letters are folded, as in the comparison of stored texts. Terms have ids derived from gram
 * and diagnosis and are written before it, so a diagnosis that is there has all of them. */
#include "server/api/diagnoses.h"

#include <assert.h>
#include <string.h>

#include "server/api/api.h"
#include "server/api/paging.h"
#include "server/auth.h"

#define BATCH 64
#define GRAM_BYTES 9 /* two characters and the NUL */
#define GRAMS_MAX (2 * NAME_MAX_LENGTH)

struct gram {
    char text[GRAM_BYTES];
    bool is_pair;
};

struct grams {
    struct gram items[GRAMS_MAX];
    size_t count;
};

/* Bytes of the UTF-8 character that begins with this byte. */
static size_t character_bytes(unsigned char first)
{
    return first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

static void grams_add(struct grams *grams, const char *start, size_t bytes, bool is_pair)
{
    struct gram gram = {.is_pair = is_pair};
    assert(bytes < GRAM_BYTES);
    for (size_t i = 0; i < bytes; i++) {
        const char c = start[i];
        gram.text[i] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    for (size_t i = 0; i < grams->count; i++) {
        if (strcmp(grams->items[i].text, gram.text) == 0) {
            return;
        }
    }
    assert(grams->count < GRAMS_MAX);
    grams->items[grams->count++] = gram;
}

/* All distinct grams of a text of at most NAME_MAX_LENGTH characters. Returns its length. */
static size_t grams_of(const char *text, struct grams *out)
{
    size_t characters = 0;
    size_t before = 0; /* bytes of the character before */
    out->count = 0;
    for (const char *at = text; *at != '\0'; characters++) {
        const size_t bytes = character_bytes((unsigned char)*at);
        grams_add(out, at, bytes, false);
        if (before > 0) {
            grams_add(out, at - before, before + bytes, true);
        }
        before = bytes;
        at += bytes;
    }
    return characters;
}

struct oid diagnosis_id_of(const struct diagnosis_entry *entry)
{
    const void *const words[] = {entry->code, entry->name};
    const size_t lengths[] = {strlen(entry->code), strlen(entry->name)};
    return id_derive("diagnosis", 2, words, lengths);
}

/* ---- Writing ------------------------------------------------------------------------------ */

static enum err insert_terms(struct store_session *session, struct arena *arena,
                             const struct diagnosis *diagnoses, size_t count)
{
    struct diagnosis_term *terms = arena_array(arena, count * GRAMS_MAX, sizeof *terms);
    size_t made = 0;
    for (size_t i = 0; i < count; i++) {
        struct grams grams;
        grams_of(diagnoses[i].name, &grams);
        for (size_t j = 0; j < grams.count; j++) {
            const char *gram = arena_text(arena, grams.items[j].text, strlen(grams.items[j].text));
            const void *const words[] = {gram, diagnoses[i].id.bytes};
            const size_t lengths[] = {strlen(gram), OID_BYTES};
            terms[made++] = (struct diagnosis_term){
                .id = id_derive("diagnosis term", 2, words, lengths),
                .gram = gram,
                .code = diagnoses[i].code,
                .diagnosis_id = diagnoses[i].id,
                .name = grams.items[j].is_pair ? diagnoses[i].name : NULL,
            };
        }
    }
    return store_insert_many(session, COLLECTION_DIAGNOSIS_TERMS, terms, made);
}

static enum err find_stored(struct store_session *session, struct arena *arena,
                            const struct diagnosis *diagnoses, size_t count,
                            struct object_list *out)
{
    struct oid ids[BATCH];
    for (size_t i = 0; i < count; i++) {
        ids[i] = diagnoses[i].id;
    }
    const struct condition condition =
        WHERE_ONE_OF_IDS(diagnosis, id, ((struct oid_list){ids, count}));
    const struct query query = {.conditions = &condition, .condition_count = 1};
    return store_find(session, arena, COLLECTION_DIAGNOSES, &query, out);
}

/* Keeps of `diagnoses` those that are not stored; returns how many. */
static size_t keep_new(struct diagnosis *diagnoses, size_t count, const struct object_list *stored)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (record_of_id(stored, sizeof *diagnoses, diagnoses[i].id) == NULL) {
            diagnoses[kept++] = diagnoses[i];
        }
    }
    return kept;
}

static enum err insert_batch(struct store_session *session, struct arena *arena,
                             struct timestamp now, const struct diagnosis_entry *entries,
                             size_t count, size_t *inserted)
{
    struct diagnosis diagnoses[BATCH];
    for (size_t i = 0; i < count; i++) {
        diagnoses[i] = (struct diagnosis){
            .id = diagnosis_id_of(&entries[i]),
            .name = entries[i].name,
            .code = entries[i].code[0] == '\0' ? NULL : entries[i].code,
            .created_at = now,
        };
    }
    struct object_list stored;
    TRY(find_stored(session, arena, diagnoses, count, &stored));
    const size_t fresh = keep_new(diagnoses, count, &stored);
    TRY(insert_terms(session, arena, diagnoses, fresh));
    TRY(store_insert_many(session, COLLECTION_DIAGNOSES, diagnoses, fresh));
    *inserted += fresh;
    return ERR_OK;
}

enum err diagnoses_insert(struct store_session *session, struct timestamp now,
                          const struct diagnosis_entry *entries, size_t count, size_t *inserted)
{
    struct arena *arena = arena_new(65536);
    size_t fresh = 0;
    enum err err = ERR_OK;
    for (size_t at = 0; at < count && err == ERR_OK; at += BATCH) {
        const size_t some = count - at < BATCH ? count - at : BATCH;
        err = insert_batch(session, arena, now, entries + at, some, &fresh);
        arena_reset(arena);
    }
    arena_free(arena);
    if (inserted != NULL) {
        *inserted = fresh;
    }
    return err;
}

/* ---- Terms for what was there before ------------------------------------------------------ */

/* Whether all is done. Terms are made in the order of the ids, so the last one tells. */
static enum err last_has_terms(struct store_session *session, struct arena *arena, bool *out)
{
    const struct query last = {.sort = {SORT_DOWN(diagnosis, id)}, .limit = 1};
    struct diagnosis diagnosis;
    const enum err err = store_find_one(session, arena, COLLECTION_DIAGNOSES, &last, &diagnosis);
    *out = err == ERR_ABSENT;
    if (err != ERR_OK) {
        return err == ERR_ABSENT ? ERR_OK : err;
    }
    struct grams grams;
    grams_of(diagnosis.name, &grams);
    const struct condition conditions[] = {
        WHERE(diagnosis_term, gram, IS, grams.items[0].text),
        WHERE(diagnosis_term, code, IS, diagnosis.code),
        WHERE(diagnosis_term, diagnosis_id, IS, diagnosis.id),
    };
    const struct query query = {.conditions = conditions,
                                .condition_count = ARRAY_LENGTH(conditions)};
    int64_t count = 0;
    TRY(store_count(session, COLLECTION_DIAGNOSIS_TERMS, &query, &count));
    *out = count > 0;
    return ERR_OK;
}

static enum err index_batch(struct store_session *session, struct arena *arena, struct oid *after,
                            size_t *done, size_t *count)
{
    const struct condition condition = WHERE(diagnosis, id, ABOVE, *after);
    const struct query query = {.conditions = &condition,
                                .condition_count = oid_is_none(*after) ? 0 : 1,
                                .sort = {SORT_UP(diagnosis, id)},
                                .limit = BATCH};
    struct object_list list;
    TRY(store_find(session, arena, COLLECTION_DIAGNOSES, &query, &list));
    const struct diagnosis *diagnoses = list.items;
    TRY(insert_terms(session, arena, diagnoses, list.count));
    if (list.count > 0) {
        *after = diagnoses[list.count - 1].id;
    }
    *count = list.count;
    *done += list.count;
    return ERR_OK;
}

enum err diagnoses_index(struct store_session *session, size_t *indexed)
{
    struct arena *arena = arena_new(65536);
    struct oid after = OID_NONE;
    size_t done = 0;
    size_t count = BATCH;
    bool is_done = false;
    enum err err = last_has_terms(session, arena, &is_done);
    while (err == ERR_OK && !is_done && count == BATCH) {
        arena_reset(arena);
        err = index_batch(session, arena, &after, &done, &count);
    }
    arena_free(arena);
    if (indexed != NULL) {
        *indexed = done;
    }
    return err;
}

/* ---- 11.1 --------------------------------------------------------------------------------- */

/* The gram to look for: the keyword itself when it is one, else its rarest pair. */
static enum err choose_gram(struct call *call, const char *keyword, const char **gram,
                            bool *is_whole)
{
    struct grams grams;
    const size_t length = grams_of(keyword, &grams);
    *is_whole = length <= 2;
    int64_t fewest = INT64_MAX;
    for (size_t i = 0; i < grams.count; i++) {
        if (grams.items[i].is_pair != (length > 1)) {
            continue;
        }
        int64_t count = 0;
        if (!*is_whole) {
            const struct condition condition = WHERE(diagnosis_term, gram, IS, grams.items[i].text);
            const struct query query = {.conditions = &condition, .condition_count = 1};
            TRY(store_count(call->store, COLLECTION_DIAGNOSIS_TERMS, &query, &count));
        }
        if (count < fewest) {
            fewest = count;
            *gram = arena_text(call->arena, grams.items[i].text, strlen(grams.items[i].text));
        }
    }
    return ERR_OK;
}

/* Puts in place of the terms found the diagnoses they lead to, in the same order. */
static enum err replace_terms(struct call *call, struct object_list *list)
{
    const struct diagnosis_term *terms = list->items;
    struct oid *ids = arena_array(call->arena, list->count, sizeof *ids);
    for (size_t i = 0; i < list->count; i++) {
        ids[i] = terms[i].diagnosis_id;
    }
    struct object_list stored;
    TRY(records_by_ids(call, COLLECTION_DIAGNOSES, (struct oid_list){ids, list->count}, &stored));
    struct diagnosis *diagnoses = arena_array(call->arena, list->count, sizeof *diagnoses);
    size_t found = 0;
    for (size_t i = 0; i < list->count; i++) {
        const struct diagnosis *one = record_of_id(&stored, sizeof *diagnoses, ids[i]);
        if (one != NULL) { /* else its import was cut off; repeating it brings it */
            diagnoses[found++] = *one;
        }
    }
    *list = (struct object_list){.items = diagnoses, .count = found};
    return ERR_OK;
}

static enum err list_by_keyword(struct call *call, const struct diagnosis_filter *in,
                                struct page *out)
{
    const char *gram = "";
    bool is_whole;
    TRY(choose_gram(call, in->keyword, &gram, &is_whole));
    struct condition conditions[] = {WHERE(diagnosis_term, gram, IS, gram),
                                     WHERE(diagnosis_term, name, CONTAINS, in->keyword)};
    struct query query = {
        .conditions = conditions,
        .condition_count = is_whole ? 1 : 2,
        .sort = {SORT_UP(diagnosis_term, code), SORT_UP(diagnosis_term, diagnosis_id)}};
    page_begin(in->skip, in->limit, &query, out);
    TRY(page_read(call, COLLECTION_DIAGNOSIS_TERMS, &query, out));
    return replace_terms(call, &out->items);
}

enum err api_diagnosis_list(struct call *call, const struct diagnosis_filter *in, struct page *out)
{
    if (in->keyword != NULL) {
        return list_by_keyword(call, in, out);
    }
    struct query query = {.sort = {SORT_UP(diagnosis, code), SORT_UP(diagnosis, id)}};
    page_begin(in->skip, in->limit, &query, out);
    return page_read(call, COLLECTION_DIAGNOSES, &query, out);
}
