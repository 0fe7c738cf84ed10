/* Worker only, except to open and close. Which accounts are online, on whatever node: kept where
 * the bus is, within the process or in Redis. Contract 4 (presence).
 *
 * This is a help for people, and nothing else depends on it. When Redis is away nothing is known,
 * nothing fails, and no call waits: a command may take ATTENDANCE_TIMEOUT_MS, and after one that did
 * not come back Redis is left alone until the next beat. */
#ifndef CONSULTD_SERVER_ATTENDANCE_H
#define CONSULTD_SERVER_ATTENDANCE_H

#include "protocol/base.h"
#include "server/account.h"

#define ATTENDANCE_TIMEOUT_MS 500
#define ATTENDANCE_BATCH_MAX 64 /* accounts of one call below */

struct attendance;

struct attendance_settings {
    const char *bus;         /* URL of the bus, see bus_open; valid until attendance_open returns */
    int64_t timeout_seconds; /* a node without a beat for so long is dead */
    size_t connections;      /* threads that may ask at a time */
};

/* NULL with `why` filled on a bad URL only. Nothing is connected yet. Caller owns. */
struct attendance *attendance_open(const struct attendance_settings *settings, char why[256]);
/* No thread may use it any more. NULL is allowed. */
void attendance_close(struct attendance *attendance);

/* An account as others see it. */
struct attendee {
    struct account account;
    bool is_online;
    struct timestamp last_seen; /* none while online, and of who never was */
};

/* Fills in what is known of `count` accounts. False: nothing is known now. */
MUST_USE bool attendance_look(struct attendance *attendance, struct attendee *attendees,
                              size_t count);

/* An account's first socket on this node has come, or its last one has gone. */
struct attendance_change {
    struct attendee attendee; /* `last_seen`: when it left */
    bool is_news;             /* out: it was, or is, nowhere else */
};

/* Notes what happened on this node. False: nothing is noted, and with the next beat all accounts
 * are asked for. */
MUST_USE bool attendance_note(struct attendance *attendance, struct timestamp now,
                              struct attendance_change *changes, size_t count);

/* What a beat has found. */
struct attendance_beat {
    bool asks_for_all; /* none of this node's accounts is known (any more): note them all */
    bool has_more;     /* more than fit have gone: beat again */
    struct attendee gone[ATTENDANCE_BATCH_MAX]; /* went offline with a node that died */
    size_t gone_count;
};

/* A sign of life of this node; finds what dead ones have left. One thread at a time. False: nothing
 * is known, try again in a moment. */
MUST_USE bool attendance_beat(struct attendance *attendance, struct timestamp now,
                              struct attendance_beat *out);

#endif
