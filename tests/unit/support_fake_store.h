/* Any thread. A store that fails when it is told to, around one that works.
 *
 * Every call of store.h that can fail is counted, over all sessions of the store: begin, commit,
 * mark, undo, insert, insert_many, find, count, update, remove, ping (get and find_one are finds). A test
 * lets a handler run once to learn how many calls it makes, and then again, in fresh stores, with
 * the first, the second, … of them failing. */
#ifndef CONSULTD_TESTS_SUPPORT_FAKE_STORE_H
#define CONSULTD_TESTS_SUPPORT_FAKE_STORE_H

#include "storage/store.h"

enum fake_failure {
    FAKE_REFUSES,       /* the call does nothing and says ERR_STORE */
    FAKE_LOSES_ANSWER,  /* the call is carried out, and says ERR_STORE all the same */
    FAKE_KILLED_BEFORE, /* the process ends by SIGKILL before the call is carried out */
    FAKE_KILLED_AFTER,  /* the same after it */
    FAKE_STAYS_DOWN     /* this call and all after it do nothing and say ERR_STORE */
};

/* Wraps a store. The wrapper owns it: store_close closes both. Sessions that are opened of the
 * wrapper fail as told, others of `inner` do not. */
struct store *fake_store_wrap(struct store *inner);

/* Lets it say that a run is not atomic and changes are not ordered, as with MongoDB. Before any session
 * is opened. */
void fake_store_be_not_atomic(struct store *store);

/* Lets the n-th call from now fail (1: the next one) by doing nothing; 0: none. */
void fake_store_fail_at(struct store *store, int n);

/* The same, failing in a way of one's own choice. A commit that refuses abandons the run. */
void fake_store_fail_how(struct store *store, enum fake_failure how, int n);

/* Lets something happen once, right before the n-th call from now is carried out, as when another
 * node comes in between: it may use the store, in a session of its own. 0: nothing happens. Only
 * where one thread uses the store. */
typedef void (*fake_meddle_fn)(void *data);
void fake_store_meddle_at(struct store *store, fake_meddle_fn meddle, void *data, int n);

/* How many calls were made since the store was wrapped or last told when to fail. */
int fake_store_calls(const struct store *store);

#endif
