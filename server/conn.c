/* Connections: slots, states, timers.
 *
 * A slot is used again when its connection has gone, with the next generation, so that an answer
 * that comes late finds nobody instead of a stranger. The table of slots grows up to the limit of
 * connections.
 *
 * Timers are lists, one for each kind: as its interval is constant, what is armed last is due
 * last. One look at each head a second is all it takes, with 10 connections or 10,000. */
#include "server/conn.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/memory.h"
#include "server/clock.h"
#include "server/config.h"

#define CONN_MAGIC 0x636f6e6eu /* "conn" */
#define SLOTS_MIN 64

#define MS_PER_SECOND INT64_C(1000)
#define LINGER_SECONDS 15 /* for a peer that must first read what the kernel holds for it */
#define PONG_SECONDS 8

struct slot {
    struct conn *conn; /* NULL: free */
    uint32_t generation;
    uint32_t next_free; /* slot + 1; 0: none */
};

struct timer_list {
    struct conn *first, *last;
    int64_t interval_ms;
};

struct conns {
    struct slot *slots;
    size_t slot_count, max, count;
    uint32_t first_free; /* slot + 1; 0: none */
    struct timer_list timers[TIMER_COUNT];
};

void conn_intervals(const struct settings *settings, int64_t out_ms[TIMER_COUNT])
{
    int64_t pong_seconds =
        settings->ping_seconds < PONG_SECONDS ? settings->ping_seconds : PONG_SECONDS;
    const int64_t intervals_ms[TIMER_COUNT] = {
        [TIMER_IDLE] = settings->keep_alive_seconds * MS_PER_SECOND,
        [TIMER_REQUEST] = settings->request_seconds * MS_PER_SECOND,
        [TIMER_LINGER] = LINGER_SECONDS * MS_PER_SECOND,
        [TIMER_CONNECT] = settings->connect_seconds * MS_PER_SECOND,
        [TIMER_PING] = settings->ping_seconds * MS_PER_SECOND,
        [TIMER_PONG] = pong_seconds * MS_PER_SECOND,
    };
    memcpy(out_ms, intervals_ms, sizeof intervals_ms);
}

/* ---- Slots -------------------------------------------------------------------------------- */

struct conns *conns_new(size_t max, const int64_t interval_ms[TIMER_COUNT])
{
    struct conns *conns = memory_resize(NULL, sizeof *conns);
    *conns = (struct conns){.max = max};
    for (size_t i = 0; i < TIMER_COUNT; i++) {
        conns->timers[i].interval_ms = interval_ms[i];
    }
    return conns;
}

void conns_free(struct conns *conns)
{
    if (conns == NULL) {
        return;
    }
    assert(conns->count == 0);
    free(conns->slots);
    free(conns);
}

static void slots_grow(struct conns *conns)
{
    size_t old = conns->slot_count;
    size_t count = old == 0 ? SLOTS_MIN : old * 2;
    count = count > conns->max ? conns->max : count;
    conns->slots = memory_resize(conns->slots, count * sizeof *conns->slots);
    for (size_t i = count; i-- > old;) {
        conns->slots[i] = (struct slot){.generation = 0, .next_free = conns->first_free};
        conns->first_free = (uint32_t)i + 1;
    }
    conns->slot_count = count;
}

struct conn *conn_new(struct conns *conns, struct loop *loop)
{
    if (conns->count >= conns->max) {
        return NULL;
    }
    if (conns->first_free == 0) {
        slots_grow(conns);
    }
    uint32_t index = conns->first_free - 1;
    struct slot *slot = &conns->slots[index];
    conns->first_free = slot->next_free;
    slot->generation = slot->generation == UINT32_MAX ? 1 : slot->generation + 1;
    struct conn *conn = memory_resize(NULL, sizeof *conn);
    *conn = (struct conn){.magic = CONN_MAGIC,
                          .handle = {.slot = index, .generation = slot->generation},
                          .state = HTTP_WAITING,
                          .loop = loop};
    strbuf_init(&conn->http.answer, 0);
    slot->conn = conn;
    conns->count++;
    return conn;
}

static void inbound_free(struct socket *socket)
{
    while (socket->first_inbound != NULL) {
        struct inbound *inbound = socket->first_inbound;
        socket->first_inbound = inbound->next;
        free(inbound->text);
        free(inbound);
    }
}

void conn_free(struct conns *conns, struct conn *conn)
{
    assert(conn->socket.member.session == NULL && conn->socket.resume == NULL &&
           conn->socket.next == NULL);
    conn_arm(conns, conn, TIMER_NONE);
    struct slot *slot = &conns->slots[conn->handle.slot];
    assert(slot->conn == conn);
    slot->conn = NULL;
    slot->next_free = conns->first_free;
    conns->first_free = conn->handle.slot + 1;
    conns->count--;
    free(conn->http.body);
    free(conn->http.token);
    free(conn->http.headers);
    free(conn->http.origin);
    strbuf_free(&conn->http.answer);
    free(conn->socket.token);
    free(conn->socket.message);
    inbound_free(&conn->socket);
    frame_queue_clear(&conn->socket.out);
    frame_queue_clear(&conn->socket.held);
    in_order_clear(&conn->socket.order);
    conn->magic = 0;
    free(conn);
}

struct conn *conn_find(const struct conns *conns, struct conn_handle handle)
{
    if (handle.generation == 0 || handle.slot >= conns->slot_count) {
        return NULL;
    }
    const struct slot *slot = &conns->slots[handle.slot];
    return slot->generation == handle.generation ? slot->conn : NULL;
}

struct conn *conn_check(void *pointer)
{
    struct conn *conn = pointer;
    assert(conn->magic == CONN_MAGIC);
    return conn;
}

struct conn *conn_of_member(struct session_member *member)
{
    char *start = (char *)member - offsetof(struct conn, socket.member);
    return conn_check(start);
}

size_t conns_count(const struct conns *conns)
{
    return conns->count;
}

struct conn *conns_next(const struct conns *conns, size_t *at)
{
    while (*at < conns->slot_count) {
        struct conn *conn = conns->slots[(*at)++].conn;
        if (conn != NULL) {
            return conn;
        }
    }
    return NULL;
}

/* ---- States ------------------------------------------------------------------------------- */

#define TO(state) (1u << (state))

/* From each state to which others. */
static const uint32_t moves[CONN_STATES] = {
    [HTTP_WAITING] = TO(HTTP_READING) | TO(WS_NEW),
    [HTTP_READING] = TO(HTTP_WORKING) | TO(HTTP_ANSWERING) | TO(HTTP_DISCARDING),
    [HTTP_WORKING] = TO(HTTP_ANSWERING),
    [HTTP_ANSWERING] = TO(HTTP_WAITING),
    [HTTP_DISCARDING] = TO(HTTP_ANSWERING),
    [WS_NEW] = TO(WS_JOINING) | TO(WS_CLOSING),
    [WS_JOINING] = TO(WS_LIVE) | TO(WS_CLOSING),
    [WS_LIVE] = TO(WS_REPAIRING) | TO(WS_CLOSING),
    [WS_REPAIRING] = TO(WS_LIVE) | TO(WS_CLOSING),
    [WS_CLOSING] = 0,
};

void conn_move(struct conn *conn, enum conn_state to)
{
    assert((moves[conn->state] & TO(to)) != 0);
    conn->state = to;
}

bool conn_is_socket(const struct conn *conn)
{
    return conn->state >= WS_NEW;
}

/* ---- Timers ------------------------------------------------------------------------------- */

static void timer_stop(struct conns *conns, struct conn *conn)
{
    struct timer_list *list = &conns->timers[conn->timer];
    if (conn->timer_before != NULL) {
        conn->timer_before->timer_after = conn->timer_after;
    } else {
        list->first = conn->timer_after;
    }
    if (conn->timer_after != NULL) {
        conn->timer_after->timer_before = conn->timer_before;
    } else {
        list->last = conn->timer_before;
    }
    conn->timer = TIMER_NONE;
}

void conn_arm(struct conns *conns, struct conn *conn, enum conn_timer timer)
{
    if (conn->timer != TIMER_NONE) {
        timer_stop(conns, conn);
    }
    if (timer == TIMER_NONE) {
        return;
    }
    struct timer_list *list = &conns->timers[timer];
    conn->timer = timer;
    conn->due_ms = clock_monotonic_ms() + list->interval_ms;
    conn->timer_before = list->last;
    conn->timer_after = NULL;
    if (list->last != NULL) {
        list->last->timer_after = conn;
    } else {
        list->first = conn;
    }
    list->last = conn;
}

struct conn *conns_due(struct conns *conns, enum conn_timer timer, int64_t now_ms)
{
    struct conn *conn = conns->timers[timer].first;
    if (conn == NULL || conn->due_ms > now_ms) {
        return NULL;
    }
    timer_stop(conns, conn);
    return conn;
}
