/* Attendance of a single node: a tree of the accounts that were online since the program started,
 * some 100 bytes each. A restart forgets when they were last seen: their apps come back at once.
 *
 * One lock guards the tree; nothing is called while it is held. */
#include "server/attendance_backend.h"

#include <pthread.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/memory.h"

struct attendance_local {
    struct attendance base;
    pthread_mutex_t lock;
    void *tree;    /* lock; of struct attendee, owned */
    bool is_begun; /* lock; the first beat was there */
};

static struct attendance_local *local_of(struct attendance *attendance)
{
    return (struct attendance_local *)(void *)attendance;
}

static int compare(const void *left, const void *right)
{
    const struct account *a = &((const struct attendee *)left)->account;
    const struct account *b = &((const struct attendee *)right)->account;
    return a->role != b->role ? (int)a->role - (int)b->role
                              : memcmp(a->id.bytes, b->id.bytes, OID_BYTES);
}

static struct attendance *local_open(const char *rest, const struct attendance_settings *settings,
                                     char why[256])
{
    (void)settings;
    if (rest[0] != '\0') {
        snprintf(why, 256, "nothing may follow local:");
        return NULL;
    }
    struct attendance_local *local = memory_resize(NULL, sizeof *local);
    *local = (struct attendance_local){.tree = NULL};
    pthread_mutex_init(&local->lock, NULL);
    return &local->base;
}

static void local_close(struct attendance *attendance)
{
    struct attendance_local *local = local_of(attendance);
    while (local->tree != NULL) {
        struct attendee *attendee = *(struct attendee **)local->tree;
        tdelete(attendee, &local->tree, compare);
        free(attendee);
    }
    pthread_mutex_destroy(&local->lock);
    free(local);
}

static bool local_look(struct attendance *attendance, struct attendee *attendees, size_t count)
{
    struct attendance_local *local = local_of(attendance);
    pthread_mutex_lock(&local->lock);
    for (size_t i = 0; i < count; i++) {
        struct attendee *const *found = tfind(&attendees[i], &local->tree, compare);
        attendees[i].is_online = found != NULL && (*found)->is_online;
        attendees[i].last_seen = found != NULL ? (*found)->last_seen : TIME_NONE;
    }
    pthread_mutex_unlock(&local->lock);
    return true;
}

/* The account's own place in the tree. */
static struct attendee *place_of(struct attendance_local *local, const struct attendee *attendee)
{
    struct attendee **found = tsearch(attendee, &local->tree, compare);
    if (found == NULL) {
        memory_exhausted();
    }
    if (*found == attendee) { /* the tree has taken the caller's as its own */
        *found = memory_resize(NULL, sizeof **found);
        **found = (struct attendee){.account = attendee->account};
    }
    return *found;
}

static bool local_note(struct attendance *attendance, struct timestamp now,
                       struct attendance_change *changes, size_t count)
{
    (void)now;
    struct attendance_local *local = local_of(attendance);
    pthread_mutex_lock(&local->lock);
    for (size_t i = 0; i < count; i++) {
        struct attendance_change *change = &changes[i];
        struct attendee *place = place_of(local, &change->attendee);
        change->is_news = place->is_online != change->attendee.is_online;
        *place = change->attendee;
    }
    pthread_mutex_unlock(&local->lock);
    return true;
}

static bool local_beat(struct attendance *attendance, struct timestamp now,
                       struct attendance_beat *out)
{
    (void)now;
    struct attendance_local *local = local_of(attendance);
    pthread_mutex_lock(&local->lock);
    out->asks_for_all = !local->is_begun;
    local->is_begun = true;
    pthread_mutex_unlock(&local->lock);
    return true;
}

const struct attendance_ops attendance_local_ops = {
    .open = local_open,
    .close = local_close,
    .look = local_look,
    .note = local_note,
    .beat = local_beat,
};
