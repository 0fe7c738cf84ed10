/* A hospital in memory for handler tests: a store, a clock that can be moved, a caller, and the
 * events that calls have emitted. */
#ifndef CONSULTD_TESTS_SUPPORT_WORLD_H
#define CONSULTD_TESTS_SUPPORT_WORLD_H

#include "server/audit_chain.h"
#include "server/attendance.h"
#include "server/call.h"
#include "server/clock.h"
#include "server/config.h"

#define WORLD_EVENTS_MAX 4096

struct world {
    struct store *store; /* owned */
    struct store_session *session;
    struct clock *clock;
    struct settings *settings;
    struct attempts *attempts;
    struct attendance *attendance; /* owned; of this world alone */
    struct arena *arena;
    struct audit_chain *chain; /* what calls note goes here */
    struct call call;
    char shift_path[64];
    int64_t shift_ms;
    bool is_guest;   /* store and time are another world's */
    bool rolls_back; /* as with SQLite: a failed call leaves nothing */
    /* What was emitted, in order. */
    struct {
        struct account audience;
        struct frame *frame;
    } events[WORLD_EVENTS_MAX];
    size_t event_count;
    /* The people of most stories. */
    struct account user, other_user, doctor, other_doctor;
    struct oid patient_id;
};

/* Opens `store` (owned from now on) with two doctors and two users, one with a patient. */
void world_open(struct world *world, struct store *store);
/* The same with people of other names, so that several may share what is stored. */
void world_open_named(struct world *world, struct store *store, const char *name);
/* The same within the store and the time of another world, which must outlive it: another node. */
void world_open_beside(struct world *world, const struct world *host, const char *name);
/* Its user, doctor and patient are the other world's from now on. */
void world_take_people(struct world *world, const struct world *other);
/* The same over sqlite::memory:. */
void world_open_memory(struct world *world);
void world_close(struct world *world);

/* Who calls from now on. */
void world_as(struct world *world, struct account account);
void world_shift(struct world *world, int64_t ms);

/* Runs the handler of a path as a worker would: what it returns, and on failure nothing kept. */
enum err world_call(struct world *world, const char *path, const void *in, void *out);

/* One turn of the sweeper, both halves, as the server's duty; then all that is to be done now. */
enum err world_sweep(struct world *world, bool *more);
void world_sweep_all(struct world *world);

/* Finishes what the order's last move has left, as whoever meets it does. */
enum err world_settle(struct world *world, struct oid order_id);

/* Gets the call ready for functions that are no handlers. */
struct call *world_ready(struct world *world);
/* Records what was noted since; returns `err`, or what recording failed with. */
enum err world_record(struct world *world, enum err err);

/* As after a process that was killed: another one writes a chain of its own. */
void world_restart(struct world *world);

/* Forgets the events; counts those for an account that hold `text`. */
void world_forget_events(struct world *world);
size_t world_events(const struct world *world, struct account audience, const char *text);

/* Short cuts of most stories; each asserts success. */
struct consultation world_order(struct world *world);
struct consultation world_paid_order(struct world *world);
struct consultation world_read_order(struct world *world, struct oid id);
enum err world_send(struct world *world, struct account from, const struct consultation *order,
                    const char *text, const char *client_msg_id, struct message *out);
/* All messages of a chat, oldest first, in the arena. */
const struct message *world_messages(struct world *world, struct oid chat_id, size_t *count);
struct chat world_chat(struct world *world, struct oid chat_id);

#endif
