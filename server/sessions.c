/* A hash table of the accounts online here. It knows sockets only by a member struct inside them,
 * so that it can be tested without any, and a socket is found and left without searching.
 *
 * ObjectIds made in the same second on one machine differ in their last bytes only, so all bytes
 * go into the hash. The table doubles when it holds more accounts than buckets, and never shrinks:
 * it has 8 bytes for each account that was ever online at a time. */
#include "server/sessions.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/hash.h"
#include "protocol/memory.h"

#define BUCKETS_MIN 64 /* a power of two */

struct sessions {
    struct session **buckets;
    size_t bucket_count;
    size_t count;
};

static struct session **buckets_new(size_t count)
{
    struct session **buckets = memory_resize(NULL, count * sizeof *buckets);
    memset(buckets, 0, count * sizeof *buckets);
    return buckets;
}

struct sessions *sessions_new(void)
{
    struct sessions *sessions = memory_resize(NULL, sizeof *sessions);
    *sessions = (struct sessions){.buckets = buckets_new(BUCKETS_MIN), .bucket_count = BUCKETS_MIN};
    return sessions;
}

void sessions_free(struct sessions *sessions)
{
    if (sessions == NULL) {
        return;
    }
    assert(sessions->count == 0);
    free(sessions->buckets);
    free(sessions);
}

static struct session **bucket_of(const struct sessions *sessions, struct account account)
{
    const unsigned char role = (unsigned char)account.role;
    uint64_t hash = hash_bytes(hash_bytes(HASH_START, &role, 1), account.id.bytes, OID_BYTES);
    return &sessions->buckets[(hash >> 32) & (sessions->bucket_count - 1)];
}

static struct session **link_of(const struct sessions *sessions, struct account account)
{
    struct session **link = bucket_of(sessions, account);
    while (*link != NULL &&
           ((*link)->account.role != account.role || !oid_equal((*link)->account.id, account.id))) {
        link = &(*link)->next_in_bucket;
    }
    return link;
}

struct session *sessions_find(const struct sessions *sessions, struct account account)
{
    return *link_of(sessions, account);
}

static void grow(struct sessions *sessions)
{
    struct session **old = sessions->buckets;
    size_t old_count = sessions->bucket_count;
    sessions->bucket_count = old_count * 2;
    sessions->buckets = buckets_new(sessions->bucket_count);
    for (size_t i = 0; i < old_count; i++) {
        struct session *session = old[i];
        while (session != NULL) {
            struct session *next = session->next_in_bucket;
            struct session **bucket = bucket_of(sessions, session->account);
            session->next_in_bucket = *bucket;
            *bucket = session;
            session = next;
        }
    }
    free(old);
}

static struct session *session_new(struct sessions *sessions, struct account account)
{
    if (sessions->count >= sessions->bucket_count) {
        grow(sessions);
    }
    struct session *session = memory_resize(NULL, sizeof *session);
    struct session **bucket = bucket_of(sessions, account);
    *session = (struct session){.account = account, .next_in_bucket = *bucket};
    *bucket = session;
    sessions->count++;
    return session;
}

struct session *sessions_join(struct sessions *sessions, struct account account,
                              struct session_member *member)
{
    assert(account.role != ROLE_NONE && member->session == NULL);
    struct session *session = sessions_find(sessions, account);
    if (session == NULL) {
        session = session_new(sessions, account);
    }
    *member = (struct session_member){.session = session, .older = session->newest};
    if (session->newest != NULL) {
        session->newest->newer = member;
    } else {
        session->oldest = member;
    }
    session->newest = member;
    session->count++;
    return session;
}

bool sessions_leave(struct sessions *sessions, struct session_member *member)
{
    struct session *session = member->session;
    assert(session != NULL && session->count > 0);
    if (member->older != NULL) {
        member->older->newer = member->newer;
    } else {
        session->oldest = member->newer;
    }
    if (member->newer != NULL) {
        member->newer->older = member->older;
    } else {
        session->newest = member->older;
    }
    *member = (struct session_member){.session = NULL};
    session->count--;
    if (session->count > 0) {
        return false;
    }
    struct session **link = link_of(sessions, session->account);
    assert(*link == session);
    *link = session->next_in_bucket;
    sessions->count--;
    told_free(&session->told);
    free(session);
    return true;
}

void sessions_each(struct sessions *sessions, void (*each)(void *data, struct session *session),
                   void *data)
{
    for (size_t i = 0; i < sessions->bucket_count; i++) {
        for (struct session *at = sessions->buckets[i]; at != NULL; at = at->next_in_bucket) {
            each(data, at);
        }
    }
}
