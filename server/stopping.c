/* Stopping: nothing that was accepted goes without its answer, and nobody comes back in a crowd.
 *
 *     SERVING -> LEAVING            -> ENDING                        -> OVER
 *     SIGTERM    the listener is       every socket was told; what      loop_run returns
 *                closed; sockets are   is left gets its answer and
 *                told 4100, some at    says goodbye
 *                a time
 *
 * Sockets. Thousands of clients that are told 4100 at once come back at once, to nodes that have
 * their own to serve. So they are told SLICE_MIN at a time, or as many as it takes to be through
 * before drain_seconds are over. Whoever has not been told yet is served as ever: a call made while
 * we stop waits for nothing. Who is told is not read any more; its close frame follows the answers
 * to what was read.
 *
 * Requests. What the kernel has accepted for us is taken before the listener is closed, because a
 * connection that dies in its queue may carry a request already. Answers say `Connection: close`,
 * and GRACE_MS later connections without a request are hung up: time for one on its way.
 *
 * All ends within drain_seconds. A worker that still waits for a store then is left behind. */
#include "server/stopping.h"

#include "server/http.h"
#include "server/log.h"
#include "server/ws.h"

#define SLICE_MS 100
#define SLICE_MIN 50    /* sockets told in one slice at least */
#define GRACE_MS 250    /* for requests on their way on open connections */
#define GOODBYE_MS 2000 /* for close frames to be answered */
#define MS_PER_SECOND 1000
#define EXIT_TROUBLE 1

/* ---- Sockets ------------------------------------------------------------------------------- */

static void tell(struct conn *conn)
{
    struct loop *loop = conn->loop;
    loop->goodbye_ends_ms = clock_monotonic_ms() + GOODBYE_MS;
    ws_close(conn, CLOSE_STOPPING);
}

void stopping_settled(struct conn *conn)
{
    if (conn->socket.is_leaving && conn->state != WS_CLOSING && ws_is_settled(conn)) {
        tell(conn);
    }
}

/* Tells the next ones; false: there are no more. */
static bool tell_some(struct loop *loop)
{
    size_t told = 0;
    struct conn *conn;
    while (told < loop->leave_slice && (conn = conns_next(loop->conns, &loop->leave_at)) != NULL) {
        if (conn_is_socket(conn) && conn->state != WS_CLOSING) {
            conn->socket.is_leaving = true;
            lws_rx_flow_control(conn->wsi, 0);
            stopping_settled(conn);
            told++;
        }
    }
    return told == loop->leave_slice;
}

static size_t count_sockets(struct loop *loop)
{
    size_t at = 0;
    size_t count = 0;
    struct conn *conn;
    while ((conn = conns_next(loop->conns, &at)) != NULL) {
        count += conn_is_socket(conn) ? 1 : 0;
    }
    return count;
}

/* How many of a slice: all within `span_ms`. */
static size_t slice_of(size_t sockets, int64_t span_ms)
{
    size_t slices = span_ms < SLICE_MS ? 1 : (size_t)(span_ms / SLICE_MS);
    size_t slice = (sockets + slices - 1) / slices;
    return slice < SLICE_MIN ? SLICE_MIN : slice;
}

/* ---- Requests ------------------------------------------------------------------------------ */

static void hang_up_idle(struct loop *loop)
{
    size_t at = 0;
    struct conn *conn;
    while ((conn = conns_next(loop->conns, &at)) != NULL) {
        if (!conn_is_socket(conn)) {
            http_stop(conn);
        }
    }
}

/* A request or an answer is on its way, or a socket waits for its last answer. */
static bool has_business(struct loop *loop)
{
    size_t at = 0;
    struct conn *conn;
    while ((conn = conns_next(loop->conns, &at)) != NULL) {
        if (conn->state != WS_CLOSING) {
            return true;
        }
    }
    return false;
}

/* ---- Phases -------------------------------------------------------------------------------- */

static void close_unsettled(struct loop *loop)
{
    size_t at = 0;
    struct conn *conn;
    while ((conn = conns_next(loop->conns, &at)) != NULL) {
        if (conn_is_socket(conn)) {
            ws_close(conn, CLOSE_STOPPING);
        }
    }
}

/* Nothing is left, or what is left has had its time. */
static bool is_over(struct loop *loop, int64_t now_ms)
{
    if (now_ms >= loop->drain_ends_ms) {
        return true;
    }
    if (jobs_pending(loop->jobs) > 0) {
        return false;
    }
    return conns_count(loop->conns) == 0 ||
           (now_ms >= loop->goodbye_ends_ms && !has_business(loop));
}

void stopping_go_on(struct loop *loop)
{
    if (loop->phase != LOOP_ENDING) {
        return;
    }
    if (is_over(loop, clock_monotonic_ms())) {
        loop->phase = LOOP_OVER;
        lws_cancel_service(loop->context);
    }
}

static void on_slice(lws_sorted_usec_list_t *timer)
{
    struct loop *loop = lws_container_of(timer, struct loop, stopping);
    ASSERT_LOOP(loop);
    int64_t now_ms = clock_monotonic_ms();
    loop->was_useful = true;
    if (now_ms >= loop->grace_ends_ms) {
        hang_up_idle(loop);
    }
    if (loop->phase == LOOP_LEAVING && !tell_some(loop)) {
        loop->phase = LOOP_ENDING;
    }
    if (now_ms >= loop->drain_ends_ms - GOODBYE_MS) {
        close_unsettled(loop);
    }
    lws_sul_schedule(loop->context, 0, &loop->stopping, on_slice, SLICE_MS * LWS_US_PER_MS);
    stopping_go_on(loop);
}

void stopping_signal(struct loop *loop)
{
    if (loop->phase != LOOP_SERVING) {
        log_warning("stopped by a second signal", NULL);
        loop->exit_code = EXIT_TROUBLE;
        loop->phase = LOOP_OVER;
        return;
    }
    int64_t drain_ms = loop->settings->drain_seconds * MS_PER_SECOND;
    int64_t now_ms = clock_monotonic_ms();
    size_t sockets = count_sockets(loop);
    log_info("stopping", "connections=%zu sockets=%zu", conns_count(loop->conns), sockets);
    loop->phase = LOOP_LEAVING;
    loop->drain_ends_ms = now_ms + drain_ms;
    loop->grace_ends_ms = now_ms + GRACE_MS;
    loop->goodbye_ends_ms = now_ms + GRACE_MS;
    loop->leave_at = 0;
    loop->leave_slice = slice_of(sockets, drain_ms - GOODBYE_MS - MS_PER_SECOND);
    lws_set_timeout(loop->listener, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
    loop->listener = NULL;
    on_slice(&loop->stopping);
}
