/* Loop only. What the parts of the live side (http, ws, live, fanout, loop) share: one struct,
 * filled by loop.c before the first connection. */
#ifndef CONSULTD_SERVER_LOOP_PARTS_H
#define CONSULTD_SERVER_LOOP_PARTS_H

#include <assert.h>
#include <ev.h>
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
struct gaps;
struct origins;
struct page;
struct presence_watch;

enum loop_phase {
    LOOP_SERVING, /* accepts and serves */
    LOOP_LEAVING, /* the listener is closed; sockets are told 4100, some at a time */
    LOOP_ENDING,  /* all were told; waits for answers to be given and connections to end */
    LOOP_OVER     /* loop_run returns */
};

struct loop {
    pthread_t thread;
    const struct settings *settings; /* borrowed */
    struct store *store;             /* borrowed */
    struct clock *clock;             /* borrowed */
    struct lws_context *context;
    struct ev_loop *events;    /* on which the context runs */
    struct lws_vhost *clients; /* where accepted connections live */
    struct lws_vhost *inside;  /* listener, signals, bus: no client gets there */
    struct lws *listener;      /* NULL once closed */
    struct jobs *jobs;
    struct arena *scratch; /* for what is over when a function returns: whoever uses it resets it */
    struct bus *bus;
    struct conns *conns;
    struct sessions *sessions;
    struct fanout *fanout;
    struct gaps *gaps;
    struct attendance *attendance;
    struct presence_watch *presence;
    struct page *page;
    struct origins *origins;
    lws_sorted_usec_list_t tick;  /* once a second */
    lws_sorted_usec_list_t retry; /* while an HTTP answer waits for room in the kernel */
    struct conn_handle *stuck;    /* the connections of `retry` */
    size_t stuck_count, stuck_size;
    ev_timer late;               /* for the library's next event of time, see loop.c */
    lws_usec_t late_for_us;      /* when that is due; 0: `late` is not running */
    lws_sorted_usec_list_t beat; /* every BEAT_MS while busy */
    unsigned turns;              /* since the last tick */
    struct conn_handle *fresh;   /* sockets that were told something in this turn */
    size_t fresh_count, fresh_size;
    int64_t next_expiry_ms;              /* no token of a socket runs out before; wall time */
    int64_t invariants[INVARIANT_COUNT]; /* as last counted */
    int64_t counted_ms;                  /* monotonic; 0 before */
    int64_t made_good;                   /* events told that the bus had lost, since the start */
    int64_t next_sweep_ms;               /* monotonic */
    lws_sorted_usec_list_t stopping;     /* every slice, from SIGTERM on */
    int64_t drain_ends_ms;               /* monotonic, as the next two: loop_run returns */
    int64_t grace_ends_ms;               /* connections without a request are hung up */
    int64_t goodbye_ends_ms;             /* whoever was told last has had time to answer */
    size_t leave_at;                     /* of conns_next: who is told next */
    size_t leave_slice;                  /* sockets told at a time */
    enum loop_phase phase;
    int exit_code;
    bool is_sweeping; /* a sweep is with a worker */
    bool was_useful;  /* since the loop last turned, something was done */
};

/* Our own mistake: called from a worker. */
#define ASSERT_LOOP(loop) assert(pthread_equal(pthread_self(), (loop)->thread))

#endif
