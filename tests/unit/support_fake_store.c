/* A backend whose operations are another one's, but for the call that was told to fail.
 *
 * It stands where a backend stands, below store.c, so that whatever is tested runs unchanged. The
 * count and the number of the failing call are atomic: several sessions may be at work. */
#include "support_fake_store.h"

#include "storage/backend.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

struct fake_store {
    struct store head;
    struct store *inner; /* owned */
    atomic_int calls;
    atomic_int fail_at; /* 0: never */
    _Atomic enum fake_failure how;
    fake_meddle_fn meddle; /* NULL: none is left to be called */
    void *meddle_data;
    int meddle_at;
};

struct fake_session {
    struct store_session head;
    struct store_session *inner; /* owned */
};

extern const struct store_ops fake_ops;

static struct fake_store *store_of(struct store_session *session)
{
    return (struct fake_store *)session->store;
}

static struct store_session *inner_of(struct store_session *session)
{
    return ((struct fake_session *)session)->inner;
}

/* What becomes of a call: whether it is carried out, and whether it says so. */
struct fate {
    bool happens;
    bool is_told;
    bool is_last; /* the process ends after it */
};

/* The end of a call. */
static enum err told(struct fate fate, enum err err)
{
    if (fate.is_last) {
        raise(SIGKILL);
    }
    return fate.is_told ? err : ERR_STORE;
}

static struct fate next_fate(struct store_session *session)
{
    struct fake_store *store = store_of(session);
    const int call = atomic_fetch_add(&store->calls, 1) + 1;
    if (store->meddle != NULL && call == store->meddle_at) {
        const fake_meddle_fn meddle = store->meddle;
        store->meddle = NULL;
        meddle(store->meddle_data);
    }
    const int fail_at = atomic_load(&store->fail_at);
    const enum fake_failure how = atomic_load(&store->how);
    const bool fails = fail_at > 0 && (how == FAKE_STAYS_DOWN ? call >= fail_at : call == fail_at);
    if (fails) {
        snprintf(session->trouble, sizeof(session->trouble), "the test wants call %d to fail",
                 call);
    }
    if (fails && how == FAKE_KILLED_BEFORE) {
        raise(SIGKILL);
    }
    bool happens = !fails || how == FAKE_LOSES_ANSWER || how == FAKE_KILLED_AFTER;
    return (struct fate){
        .happens = happens, .is_told = !fails, .is_last = how == FAKE_KILLED_AFTER && fails};
}

#define FORWARD(session, call)                                                                     \
    do {                                                                                           \
        const struct fate fate_ = next_fate(session);                                              \
        const enum err err_ = fate_.happens ? (call) : ERR_STORE;                                  \
        return told(fate_, err_);                                                                  \
    } while (0)

static enum err fake_open(const struct store_settings *settings, struct store **out, char why[256])
{
    (void)settings;
    *out = NULL;
    snprintf(why, 256, "a fake store has no URL");
    return ERR_STORE;
}

static void fake_close(struct store *head)
{
    struct fake_store *store = (struct fake_store *)head;
    store_close(store->inner);
    free(store);
}

static enum err fake_session_open(struct store *head, bool writes, struct store_session **out)
{
    struct fake_session *session = calloc(1, sizeof(*session));
    if (session == NULL) {
        return ERR_STORE;
    }
    const enum err err =
        store_session_open(((struct fake_store *)head)->inner, writes, &session->inner);
    if (err != ERR_OK) {
        free(session);
        return err;
    }
    session->head.ops = &fake_ops;
    session->head.store = head;
    *out = &session->head;
    return ERR_OK;
}

static void fake_session_close(struct store_session *session)
{
    store_session_close(inner_of(session));
    free(session);
}

static enum err fake_begin(struct store_session *session)
{
    FORWARD(session, store_begin(inner_of(session)));
}

/* A run ends with its commit, however that went. */
static enum err fake_commit(struct store_session *session)
{
    const struct fate fate = next_fate(session);
    if (!fate.happens) {
        store_abandon(inner_of(session));
        return ERR_STORE;
    }
    const enum err err = store_commit(inner_of(session));
    return told(fate, err);
}

static void fake_abandon(struct store_session *session)
{
    store_abandon(inner_of(session));
}

static enum err fake_mark(struct store_session *session)
{
    FORWARD(session, store_mark(inner_of(session)));
}

static enum err fake_undo(struct store_session *session)
{
    FORWARD(session, store_undo(inner_of(session)));
}

static enum err fake_insert(struct store_session *session, enum collection collection,
                            const void *record)
{
    FORWARD(session, store_insert(inner_of(session), collection, record));
}

static enum err fake_insert_many(struct store_session *session, enum collection collection,
                                 const void *records, size_t count)
{
    FORWARD(session, store_insert_many(inner_of(session), collection, records, count));
}

static enum err fake_find(struct store_session *session, struct arena *arena,
                          enum collection collection, const struct query *query,
                          struct object_list *out)
{
    FORWARD(session, store_find(inner_of(session), arena, collection, query, out));
}

static enum err fake_count(struct store_session *session, enum collection collection,
                           const struct query *query, int64_t *out)
{
    FORWARD(session, store_count(inner_of(session), collection, query, out));
}

static enum err fake_update(struct store_session *session, struct arena *arena,
                            enum collection collection, struct oid id,
                            const struct condition *conditions, size_t condition_count,
                            const struct change *changes, size_t change_count, void *after)
{
    FORWARD(session, store_update(inner_of(session), arena, collection, id, conditions,
                                  condition_count, changes, change_count, after));
}

static enum err fake_remove(struct store_session *session, enum collection collection,
                            struct oid id, const struct condition *conditions,
                            size_t condition_count)
{
    FORWARD(session, store_remove(inner_of(session), collection, id, conditions, condition_count));
}

static enum err fake_ping(struct store_session *session)
{
    FORWARD(session, store_ping(inner_of(session)));
}

const struct store_ops fake_ops = {
    .scheme = "fake:",
    .open = fake_open,
    .close = fake_close,
    .session_open = fake_session_open,
    .session_close = fake_session_close,
    .begin = fake_begin,
    .commit = fake_commit,
    .abandon = fake_abandon,
    .mark = fake_mark,
    .undo = fake_undo,
    .insert = fake_insert,
    .insert_many = fake_insert_many,
    .find = fake_find,
    .count = fake_count,
    .update = fake_update,
    .remove = fake_remove,
    .ping = fake_ping,
};

struct store *fake_store_wrap(struct store *inner)
{
    struct fake_store *store = calloc(1, sizeof(*store));
    if (store == NULL) {
        abort();
    }
    store->head = *inner;
    store->head.ops = &fake_ops;
    store->inner = inner;
    return &store->head;
}

void fake_store_be_not_atomic(struct store *store)
{
    store->atomic = false;
    store->ordered = false;
}

void fake_store_fail_how(struct store *head, enum fake_failure how, int n)
{
    struct fake_store *store = (struct fake_store *)head;
    atomic_store(&store->how, how);
    atomic_store(&store->calls, 0);
    atomic_store(&store->fail_at, n);
}

void fake_store_fail_at(struct store *store, int n)
{
    fake_store_fail_how(store, FAKE_REFUSES, n);
}

void fake_store_meddle_at(struct store *head, fake_meddle_fn meddle, void *data, int n)
{
    struct fake_store *store = (struct fake_store *)head;
    fake_store_fail_at(head, 0);
    store->meddle = n > 0 ? meddle : NULL;
    store->meddle_data = data;
    store->meddle_at = n;
}

int fake_store_calls(const struct store *head)
{
    return atomic_load(&((const struct fake_store *)head)->calls);
}
