/* Worker only. The dictionary of diagnoses and the terms it is searched by (document 11.1).
 *
 * Whoever adds a diagnosis does it here (the demo, the import), so that none is without terms. */
#ifndef CONSULTD_SERVER_API_DIAGNOSES_H
#define CONSULTD_SERVER_API_DIAGNOSES_H

#include "storage/store.h"

struct diagnosis_entry {
    const char *code; /* "" for none, at most KEY_MAX_LENGTH code points */
    const char *name; /* valid UTF-8, 1 to NAME_MAX_LENGTH code points */
};

/* The id under which the dictionary keeps it: of code and name, so importing twice makes one. */
struct oid diagnosis_id_of(const struct diagnosis_entry *entry);

/* Adds the entries that are not there yet, with their terms. Repeating is harmless, also after a
 * crash in the middle: a diagnosis is written after its terms. `inserted` (may be NULL): how many
 * were new. ERR_OK or ERR_STORE. */
MUST_USE enum err diagnoses_insert(struct store_session *session, struct timestamp now,
                                   const struct diagnosis_entry *entries, size_t count,
                                   size_t *inserted);

/* Makes the terms of a dictionary that was written before there were any. Costs two reads when
 * there is nothing to do. `indexed` (may be NULL): how many diagnoses were done. */
MUST_USE enum err diagnoses_index(struct store_session *session, size_t *indexed);

#endif
