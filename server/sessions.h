/* Loop only. Who is online on this node: the sockets of each account, oldest first. Contract 4. */
#ifndef CONSULTD_SERVER_SESSIONS_H
#define CONSULTD_SERVER_SESSIONS_H

#include "server/account.h"
#include "server/told.h"

struct session;

/* The place of one socket in the list of its account; all zero: in none. Part of the socket. */
struct session_member {
    struct session *session;
    struct session_member *older, *newer;
};

/* An account with at least one socket here. Freed with its last member. */
struct session {
    struct session *next_in_bucket;
    struct account account;
    struct session_member *oldest, *newest;
    size_t count;
    /* What fanout.c keeps of it. */
    bool is_subscribed;    /* events of other nodes arrive */
    bool is_repair_queued; /* what it missed is to be read from the store, from repair_rev */
    int64_t repair_rev;
    int64_t checked_rev; /* nothing before this stamp was missed */
    struct told told;
};

struct sessions;

struct sessions *sessions_new(void);
/* All members must have left. */
void sessions_free(struct sessions *sessions);

/* NULL: the account has no socket here. */
struct session *sessions_find(const struct sessions *sessions, struct account account);

/* Adds the socket as the account's newest. The session is new if its count is 1. */
struct session *sessions_join(struct sessions *sessions, struct account account,
                              struct session_member *member);

/* Takes the socket out. True: it was the account's last, and the session is gone. */
bool sessions_leave(struct sessions *sessions, struct session_member *member);

/* Calls for each account; `each` must not add or take out any. */
void sessions_each(struct sessions *sessions, void (*each)(void *data, struct session *session),
                   void *data);

#endif
