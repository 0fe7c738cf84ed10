/* Worker only. The record: rows chained by hashes, one chain per writer.
 *
 * A row's id is its place: seven bytes name the chain (four of the time it was opened, three
 * random), five count 1, 2, 3 …. So a number can't be taken twice, and rows lie in the store in
 * the order in which they were written. Each row holds the hash of the row before, and its own over
 * all its fields (canonical.h): SHA-256, lower-case hex.
 *
 * The first row of a chain names the heads of all chains there were, so that cutting off the end of
 * an older chain is seen. What is newest can be cut unseen only by somebody whose heads nobody kept
 * elsewhere: `consultd audit verify` prints them, and takes them with --against. */
#ifndef CONSULTD_SERVER_AUDIT_CHAIN_H
#define CONSULTD_SERVER_AUDIT_CHAIN_H

#include "server/call.h"

#define AUDIT_CHAIN_BYTES 7
#define AUDIT_CHAIN_TEXT_BYTES 15 /* 14 hex digits and the NUL */
#define AUDIT_HASH_TEXT_BYTES 65
#define AUDIT_NUMBER_MAX ((INT64_C(1) << 40) - 1)

/* The row `number` of the chain that `row` is of. */
struct oid audit_place(struct oid row, int64_t number);
int64_t audit_number(struct oid row);
/* The chain's name: the first 14 hex digits of its rows' ids. */
void audit_chain_name(struct oid row, char text[AUDIT_CHAIN_TEXT_BYTES]);

/* ---- Hashes ------------------------------------------------------------------------------- */

struct audit_hasher;
struct audit_hasher *audit_hasher_new(void);
void audit_hasher_free(struct audit_hasher *hasher);
/* Hex of SHA-256 over `length` bytes. */
void audit_hash_bytes(struct audit_hasher *hasher, const void *bytes, size_t length,
                      char out[AUDIT_HASH_TEXT_BYTES]);
/* Over a record's canonical bytes. A row's hash is that of its own record. */
void audit_hash_record(struct audit_hasher *hasher, const struct shape *shape, const void *record,
                       char out[AUDIT_HASH_TEXT_BYTES]);

/* ---- Heads -------------------------------------------------------------------------------- */

/* The newest row of a chain, as somebody saw it. */
struct audit_head {
    struct oid row;
    char hash[AUDIT_HASH_TEXT_BYTES];
};

/* "head <chain> <number> <hash>", one per line; other lines are passed over. Returns an array in
 * the arena. *bad_line (may be NULL): the first line that begins so and goes on otherwise, or 0. */
struct audit_head *audit_heads_parse(struct arena *arena, const char *text, size_t *count,
                                     int *bad_line);
void audit_head_write(struct strbuf *out, const struct audit_head *head);

/* ---- Writing ------------------------------------------------------------------------------ */

struct audit_chain;

/* A chain that is opened by its first row; `node` (copied) says in it who writes. */
struct audit_chain *audit_chain_new(const char *node);
void audit_chain_free(struct audit_chain *chain);

/* Adds the notes of a call behind the chain's last row, to be written by audit_chain_write. Notes
 * made by audit_note_again whose rows are there are taken out of the call. ERR_STORE: the chain cannot be opened, or what is there cannot be read; nothing was added. */
MUST_USE enum err audit_chain_add(struct audit_chain *chain, struct store_session *session,
                                  struct call *call);

/* Writes what was added, in one go. ERR_STORE: it failed; audit_chain_settle(false) is due. */
MUST_USE enum err audit_chain_write(struct audit_chain *chain, struct store_session *session);

/* Both, for one call. On failure audit_chain_settle(false) has been done. */
MUST_USE enum err audit_chain_record(struct audit_chain *chain, struct store_session *session,
                                     struct call *call);

/* Says what became of what was written: the run was committed or not. With MongoDB nobody knows
 * what a failed write has left: its rows are kept and written again before any other. */
void audit_chain_settle(struct audit_chain *chain, bool is_committed);

#endif
