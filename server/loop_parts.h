/* Loop only. What the parts of the live side (http, ws, live, fanout, loop) share: one struct,
 * filled by loop.c before the first connection. */
#ifndef CONSULTD_SERVER_LOOP_PARTS_H
#define CONSULTD_SERVER_LOOP_PARTS_H

#include <assert.h>
#include <libwebsockets.h>
#include <pthread.h>

#include "server/api/invariants.h"
#include "server/attendance.h"
#include "server/bus.h"
#include "server/clock.h"
#include "server/config.h"
#include "server/conn.h"
#include "server/jobs.h"
#include "server/sessions.h"

struct fanout;
struct origins;
struct page;
struct presence_watch;

enum loop_phase {
    LOOP_SERVING,   /* accepts and serves */
    LOOP_FINISHING, /* the listener is closed; what was accepted is finished */
    LOOP_LEAVING,   /* sockets are told 4100; waits for connections to end */
    LOOP_OVER       /* loop_run returns */
};

struct loop {
    pthread_t thread;
    const struct settings *settings; /* borrowed */
    struct store *store;             /* borrowed */
    struct clock *clock;             /* borrowed */
    struct lws_context *context;
    struct lws_vhost *clients; /* where accepted connections live */
    struct lws_vhost *inside;  /* listener, signals, bus: no client gets there */
    struct lws *listener;      /* NULL once closed */
    struct jobs *jobs;
    struct bus *bus;
    struct conns *conns;
    struct sessions *sessions;
    struct fanout *fanout;
    struct attendance *attendance;
    struct presence_watch *presence;
    struct page *page;
    struct origins *origins;
    lws_sorted_usec_list_t tick;  /* once a second */
    lws_sorted_usec_list_t retry; /* while an HTTP answer waits for room in the kernel */
    struct conn_handle *stuck;    /* the connections of `retry` */
    size_t stuck_count, stuck_size;
    int64_t next_expiry_ms;              /* no token of a socket runs out before; wall time */
    int64_t invariants[INVARIANT_COUNT]; /* as last counted */
    int64_t counted_ms;                  /* monotonic; 0 before */
    int64_t next_sweep_ms;               /* monotonic */
    int64_t phase_ends_ms;               /* monotonic: the phase of stopping lasts no longer */
    int64_t drain_ends_ms;
    enum loop_phase phase;
    int exit_code;
    bool is_sweeping; /* a sweep is with a worker */
    bool was_useful;  /* since the poll loop last turned, something was done */
};

/* Our own mistake: called from a worker. */
#define ASSERT_LOOP(loop) assert(pthread_equal(pthread_self(), (loop)->thread))

#endif
