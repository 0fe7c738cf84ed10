/* Main thread only. The one loop of the program: it accepts, reads bytes, wraps them in jobs,
 * fans out events and writes frames; it parses no large JSON, touches no store, and never waits.
 *
 * How main.c uses it:
 *
 *     loop_block_signals();                 before anything that may start a thread
 *     store_open(…); clock_new(…, store_newest_rev(store)); attempts_new(…);
 *     loop_start(&loop_settings, &loop, why) → prints "listening on http://HOST:PORT"
 *     int code = loop_run(loop);            returns after SIGTERM or SIGINT
 *     loop_free(loop); attempts_free(…); clock_free(…); store_close(…);
 *
 * loop_start makes the jobs (workers) and the bus itself, from settings. Contract 1, 4 and 5. */
#ifndef CONSULTD_SERVER_LOOP_H
#define CONSULTD_SERVER_LOOP_H

#include "server/auth.h"
#include "server/clock.h"
#include "server/config.h"
#include "storage/store.h"

struct loop;

/* All is borrowed, and must live until loop_free. */
struct loop_settings {
    const struct settings *settings;
    struct store *store;
    struct clock *clock;
    struct attempts *attempts;
    const char *web_root; /* folder of the static page; "" or NULL: none. main.c works out what
                             an empty settings->web_root means */
};

/* Blocks SIGTERM and SIGINT, which the loop then reads from a descriptor, and ignores SIGPIPE.
 * To be called before the first thread starts: threads inherit it. */
void loop_block_signals(void);

/* Starts workers and bus, listens on settings->listen, and prints "listening on
 * http://HOST:PORT" on stdout, flushed, once connections are accepted. ERR_INTERNAL or ERR_STORE
 * with a sentence in `why` (bad address, address in use, no worker could open the store); then
 * *out is NULL. Caller owns. */
MUST_USE enum err loop_start(const struct loop_settings *settings, struct loop **out,
                             char why[256]);

/* Serves until SIGTERM or SIGINT; then stops accepting, finishes what was accepted, tells sockets
 * 4100 (stopping.c), and returns the exit code within drain_seconds: 0, also when they ran out; 1
 * after a second signal. */
int loop_run(struct loop *loop);

/* After loop_run: whether no worker has anything left. If one has, it waits for a store that does
 * not answer, and loop_free would wait with it. */
bool loop_is_worked_off(const struct loop *loop);

/* Stops the workers (waiting for what they run) and the bus, frees all. */
void loop_free(struct loop *loop);

#endif
