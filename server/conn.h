/* Loop only. One connection: its state, its timer, and what HTTP and the socket keep of it.
 *
 * Workers know a connection by its handle (slot and generation); a handle of a connection that is
 * gone finds nothing. Contract 4. */
#ifndef CONSULTD_SERVER_CONN_H
#define CONSULTD_SERVER_CONN_H

#include "server/frame_queue.h"
#include "server/in_order.h"
#include "server/jobs.h"
#include "server/sessions.h"

struct loop;
struct lws;

enum conn_state {
    HTTP_WAITING,    /* for a request, or for the rest of its headers */
    HTTP_READING,    /* the headers are there, the body is arriving */
    HTTP_WORKING,    /* a worker has the request; nothing is read */
    HTTP_ANSWERING,  /* the answer's bytes are leaving; nothing is read */
    HTTP_DISCARDING, /* answered before its body was there: that is read and thrown away */
    WS_NEW,          /* a socket; nobody has proven who it is */
    WS_JOINING,      /* signed in; waits for its subscription and replay; events are held */
    WS_LIVE,         /* events go out as they come */
    WS_REPAIRING,    /* the bus was away: events are held until what was missed is told */
    WS_CLOSING,      /* nothing is read; what waits goes out, then the close frame */
    CONN_STATES
};

/* A connection waits for at most one thing at a time. Each list has a constant interval, so it is
 * sorted by itself. */
enum conn_timer {
    TIMER_NONE,
    TIMER_IDLE,    /* HTTP_WAITING: keep_alive_seconds */
    TIMER_REQUEST, /* a request's body to arrive, an answer to leave: request_seconds */
    TIMER_LINGER,  /* HTTP_DISCARDING, WS_CLOSING */
    TIMER_CONNECT, /* WS_NEW: connect_seconds */
    TIMER_PING,    /* signed in: ping_seconds */
    TIMER_PONG,    /* the last ping that may stay unanswered is out: PONG_SECONDS */
    TIMER_COUNT
};

/* A frame that was received and waits, but not the oldest one. */
struct inbound {
    struct inbound *next;
    char *text; /* owned */
    size_t length;
};

/* A request and its answer. */
struct http {
    const struct route *route; /* NULL: the health page, or answered already */
    char *body;                /* owned */
    size_t length, size;
    size_t expected; /* bytes of body still to come; SIZE_MAX: no end is known */
    char *token;     /* owned; NULL: none */
    char *headers;   /* owned; for the handler, see headers.def; NULL: none */
    char *origin;    /* owned; of a page that may read the answer; NULL: none */
    bool keep_alive;
    bool is_head;
    bool is_pipelined; /* the library has received the request's beginning already */
    struct strbuf answer;
    size_t sent; /* bytes of `answer` */
};

struct socket {
    struct caller who;
    struct session_member member;
    char *token; /* owned; of the upgrade; NULL: none */
    bool origin_is_refused;
    char *message; /* owned; the fragments so far */
    size_t message_length, message_size;
    struct job *next; /* owned; of the oldest frame that waits, its lane is known; NULL: none */
    struct inbound *first_inbound, *last_inbound; /* those behind it */
    size_t inbound_bytes;                         /* of all that wait */
    bool is_paused;                               /* not read, because too much waits */
    unsigned jobs;      /* its frames that are with workers, or its replay */
    enum lane lane;     /* of all `jobs` */
    unsigned queue;     /* the same */
    size_t job_bytes;   /* of all `jobs` */
    bool is_leaving;    /* the server stops: not read any more, told 4100 once it is settled */
    struct job *resume; /* owned; waits for the subscription */
    struct frame_queue out;
    struct frame_queue held; /* until it is live */
    struct in_order order;   /* off where nothing can overtake */
    size_t asked_bytes; /* of a replay or an answer that still wait, besides socket_queue_max */
    int close_code;     /* WS_CLOSING */
    int pings_unanswered;
    bool ping_is_due;
    bool is_fresh;        /* among the loop's `fresh`: something new waits in `out` */
    bool awaits_writable; /* the library was asked to say when more can be written */
    int64_t credit;       /* of calls, in thousandths */
    int64_t credit_ms;    /* when it was last filled up; monotonic */
};

struct conn {
    uint32_t magic;
    struct conn_handle handle;
    enum conn_state state;
    struct loop *loop;
    struct lws *wsi; /* NULL before the library has taken the connection */
    enum conn_timer timer;
    int64_t due_ms; /* monotonic */
    struct conn *timer_before, *timer_after;
    struct http http;
    struct socket socket;
};

struct conns;
struct settings;

/* The interval of each kind of timer. A peer that went away without a word is gone within a minute
 * at the default ping_seconds: two pings, and PONG_SECONDS for the answer. */
void conn_intervals(const struct settings *settings, int64_t out_ms[TIMER_COUNT]);

/* Room for `max` connections; `interval_ms` for each kind of timer. Caller owns. */
struct conns *conns_new(size_t max, const int64_t interval_ms[TIMER_COUNT]);
/* All connections must be gone. */
void conns_free(struct conns *conns);

/* A connection in HTTP_WAITING, or NULL: there are `max`. Freed with conn_free, which drops all
 * that it owns; its socket must have left its session. */
struct conn *conn_new(struct conns *conns, struct loop *loop);
void conn_free(struct conns *conns, struct conn *conn);

/* The connection behind a handle; NULL: it is gone. */
struct conn *conn_find(const struct conns *conns, struct conn_handle handle);
/* Checks what comes back through a void pointer. */
struct conn *conn_check(void *pointer);
/* The connection whose socket has this member. */
struct conn *conn_of_member(struct session_member *member);

size_t conns_count(const struct conns *conns);
/* Walks all: start with *at 0; NULL: no more. The one returned last may be freed. */
struct conn *conns_next(const struct conns *conns, size_t *at);

/* The only way from one state to another; asserts that there is one. */
void conn_move(struct conn *conn, enum conn_state to);
bool conn_is_socket(const struct conn *conn);

/* Starts the timer anew, instead of the one that ran; TIMER_NONE: stops it. */
void conn_arm(struct conns *conns, struct conn *conn, enum conn_timer timer);
/* Takes a connection of this list whose time has come, its timer stopped; NULL: none. */
struct conn *conns_due(struct conns *conns, enum conn_timer timer, int64_t now_ms);

#endif
