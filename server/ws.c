/* The bytes of a socket.
 *
 * In: pieces are put together into a message, a message waits for the one before it, and a
 * socket of which too much waits is not read for a while. Reading goes on meanwhile otherwise, so
 * that pongs are heard and a client that leaves is noticed.
 *
 * Messages never overtake each other: one of a socket's frames is with a worker at a time, but for
 * those that write. Of these the next follows at once into the WRITE lane if the one before is there,
 * too, in the same queue, which keeps the order of a connection (jobs_keep_order): all that a client sends without waiting shares
 * one commit, or is in the next batch, is answered in order, and in the order of its events. What reads waits for what was written
 * before it, and what follows waits for what reads. This rests on the lane that a frame is found to be for:
 * whoever is taken for a writer is one. It is found by parsing the frame, which is made ready for its
 * worker thereby (dispatch_prepare), when all that came before it has left: of a socket one frame at
 * most waits as a job, the others as their bytes. The lane of a large frame is a guess, which does not take for
 * a writer what may be none, a frame that says "call" twice; only one that spells its own "call" with escapes, and
 * has another one within its data, could come to be overtaken, and only its answer and what it reads
 * would show it (contract 4 lets answers overtake each other). A writer never goes on into another lane.
 *
 * Out: frames are shared, carry their header, and wait in a queue. When a turn of the loop has
 * ended, all that a socket was told in it goes out with one call of the system, straight to the
 * descriptor: no TLS ends in this program, no extension is offered and a socket is never a stream
 * of HTTP/2 (http_upgrade), so that there is nothing between a frame and the wire. What the kernel
 * has no room for waits until the library says that there is. The library still writes pongs, pings
 * and close frames, at times of its own; so the rest of a frame that was sent in part is handed over
 * to it, as it then lets nothing in between, and nothing of ours is written before that is gone.
 *
 * Closing: the library forgets the close frame if bytes wait in it, so every close that we decide
 * takes one way: WS_CLOSING, then from the writable callback, with nothing partly sent. What still
 * must be told goes first. A client that reads nothing is cut off after LINGER. */
#include "server/ws.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "protocol/memory.h"
#include "server/fanout.h"
#include "server/gaps.h"
#include "server/live.h"
#include "server/log.h"
#include "server/loop_parts.h"

#define EPHEMERAL_MAX 65536 /* bytes waiting; with more, what has no cursor is dropped */
#define INBOUND_MAX 65536   /* bytes of received frames waiting; with more we don't read */
#define WRITE_MAX 262144    /* bytes in one turn, so that others get theirs */
#define AHEAD_MAX 64        /* frames of a socket with workers */
#define AHEAD_BYTES 65536   /* of them; one alone may have more */
#define FRAMES_AT_ONCE 64   /* of one call of the system */
#define FRESH_MIN 64
#define MESSAGE_BYTES_MIN 1024
#define PINGS_UNANSWERED_MAX 2
#define CALL_COST 1000 /* of a socket's credit */

/* The writable callback comes once there is room. */
static void await_writable(struct conn *conn)
{
    if (!conn->socket.awaits_writable) {
        conn->socket.awaits_writable = true;
        lws_callback_on_writable(conn->wsi);
    }
}

/* ---- Opening and closing ------------------------------------------------------------------- */

void ws_opened(struct conn *conn)
{
    struct loop *loop = conn->loop;
    ASSERT_LOOP(loop);
    struct socket *socket = &conn->socket;
    lws_set_timeout(conn->wsi, NO_PENDING_TIMEOUT, 0);
    conn_move(conn, WS_NEW);
    conn_arm(loop->conns, conn, TIMER_CONNECT);
    socket->credit = 2 * CALL_COST * loop->settings->socket_calls_per_second;
    socket->credit_ms = clock_monotonic_ms();
    if (socket->origin_is_refused) {
        ws_close(conn, CLOSE_ORIGIN);
    }
}

void ws_close(struct conn *conn, int code)
{
    ASSERT_LOOP(conn->loop);
    if (conn->state == WS_CLOSING) {
        return;
    }
    live_leave(conn);
    conn_move(conn, WS_CLOSING);
    conn->socket.close_code = code;
    frame_queue_clear(&conn->socket.held);
    in_order_clear(&conn->socket.order);
    conn_arm(conn->loop->conns, conn, TIMER_LINGER);
    lws_rx_flow_control(conn->wsi, 1); /* to hear the answer to our close frame */
    await_writable(conn);
}

bool ws_is_settled(const struct conn *conn)
{
    return conn->state == WS_CLOSING || (conn->socket.jobs == 0 && conn->socket.next == NULL);
}

/* ---- In ------------------------------------------------------------------------------------ */

static void pause_reading(struct conn *conn, bool is_paused)
{
    if (conn->socket.is_paused != is_paused) {
        conn->socket.is_paused = is_paused;
        lws_rx_flow_control(conn->wsi, is_paused ? 0 : 1);
    }
}

/* A bucket that holds two seconds' worth of calls. */
static bool has_credit(struct conn *conn)
{
    struct socket *socket = &conn->socket;
    int64_t rate = conn->loop->settings->socket_calls_per_second;
    int64_t now_ms = clock_monotonic_ms();
    int64_t most = 2 * CALL_COST * rate;
    int64_t credit = socket->credit + (now_ms - socket->credit_ms) * rate;
    socket->credit_ms = now_ms;
    socket->credit = credit > most ? most : credit;
    if (socket->credit < CALL_COST) {
        return false;
    }
    socket->credit -= CALL_COST;
    return true;
}

/* Whether the next frame may go to a worker while others of this socket are there. It leaves half of
 * the lane to the first frames of others, which are refused if it is full. */
static bool may_follow(const struct conn *conn)
{
    const struct socket *socket = &conn->socket;
    const struct job *next = socket->next;
    struct jobs *jobs = conn->loop->jobs;
    return conn->state != WS_NEW && socket->lane == LANE_WRITE && next->lane == LANE_WRITE &&
           socket->queue == next->queue && socket->jobs < AHEAD_MAX &&
           socket->job_bytes + next->length <= AHEAD_BYTES && jobs_keep_order(jobs) &&
           jobs_pending(jobs) < (size_t)conn->loop->settings->lane_max / 2;
}

/* Makes the job of a frame that has none before it that waits; its text goes over. */
static void make_next(struct conn *conn, char *text, size_t length)
{
    struct loop *loop = conn->loop;
    struct job *job = job_new(loop->jobs, JOB_FRAME);
    assert(conn->socket.next == NULL);
    job->from = conn->handle;
    job->body = text;
    job->length = length;
    job->queue = jobs_queue_of(loop->jobs, text, length);
    dispatch_prepare(job, loop->scratch);
    conn->socket.next = job;
}

static void append_inbound(struct socket *socket, char *text, size_t length)
{
    struct inbound *inbound = memory_resize(NULL, sizeof *inbound);
    *inbound = (struct inbound){.text = text, .length = length};
    if (socket->last_inbound == NULL) {
        socket->first_inbound = inbound;
    } else {
        socket->last_inbound->next = inbound;
    }
    socket->last_inbound = inbound;
}

/* The job of the oldest frame that waits, for a worker. */
static struct job *take_next(struct conn *conn)
{
    struct socket *socket = &conn->socket;
    struct job *job = socket->next;
    struct inbound *inbound = socket->first_inbound;
    socket->next = NULL;
    socket->inbound_bytes -= job->length;
    if (inbound != NULL) {
        socket->first_inbound = inbound->next;
        socket->last_inbound = inbound->next == NULL ? NULL : socket->last_inbound;
        make_next(conn, inbound->text, inbound->length);
        free(inbound);
    }
    job->who = socket->who;
    job->fanned_out_rev = fanout_newest_rev(conn->loop->fanout);
    if (conn->state == WS_NEW && socket->token != NULL) {
        job->token = memory_resize(NULL, strlen(socket->token) + 1);
        strcpy(job->token, socket->token);
    }
    return job;
}

void ws_next_frames(struct conn *conn)
{
    struct loop *loop = conn->loop;
    struct socket *socket = &conn->socket;
    while (conn->state != WS_CLOSING && socket->next != NULL &&
           (socket->jobs == 0 || may_follow(conn))) {
        struct job *job = take_next(conn);
        enum lane lane = job->lane; /* not ours any more, once it is submitted */
        unsigned queue = job->queue;
        size_t length = job->length;
        if (jobs_submit(loop->jobs, job) != ERR_OK) {
            job_free(loop->jobs, job);
            ws_close(conn, CLOSE_INTERNAL); /* an id to answer by is not known */
            return;
        }
        socket->jobs++;
        socket->lane = lane;
        socket->queue = queue;
        socket->job_bytes += length;
    }
    if (conn->state != WS_CLOSING && !socket->is_leaving) {
        pause_reading(conn, socket->inbound_bytes > INBOUND_MAX);
    }
}

static void message_is_whole(struct conn *conn)
{
    struct socket *socket = &conn->socket;
    if (!has_credit(conn)) {
        ws_close(conn, CLOSE_TOO_MANY_CALLS);
        return;
    }
    char *text = socket->message;
    size_t length = socket->message_length;
    socket->message = NULL;
    socket->message_length = 0;
    socket->message_size = 0;
    socket->inbound_bytes += length;
    if (socket->next == NULL) {
        make_next(conn, text, length);
    } else {
        append_inbound(socket, text, length);
    }
    pause_reading(conn, socket->inbound_bytes > INBOUND_MAX || socket->is_leaving);
    ws_next_frames(conn);
}

void ws_received(struct conn *conn, const char *bytes, size_t length, bool is_binary, bool is_last)
{
    struct socket *socket = &conn->socket;
    ASSERT_LOOP(conn->loop);
    if (conn->state == WS_CLOSING) {
        return;
    }
    if (is_binary) {
        ws_close(conn, CLOSE_BINARY);
        return;
    }
    size_t whole = socket->message_length + length;
    if (whole > (size_t)conn->loop->settings->body_max) {
        ws_close(conn, CLOSE_TOO_LARGE);
        return;
    }
    if (whole > socket->message_size || socket->message == NULL) {
        size_t size = is_last ? whole + 1 : socket->message_size * 2;
        size = size < whole + 1 ? whole + MESSAGE_BYTES_MIN : size;
        socket->message = memory_resize(socket->message, size);
        socket->message_size = size;
    }
    if (length > 0) {
        memcpy(socket->message + socket->message_length, bytes, length);
    }
    socket->message_length = whole;
    if (is_last) {
        message_is_whole(conn);
    }
}

void ws_ponged(struct conn *conn)
{
    conn->socket.pings_unanswered = 0;
}

/* ---- Out ----------------------------------------------------------------------------------- */

/* Sends the oldest frames with one call; *wanted: how many bytes they have. Returns what the kernel
 * took, or -1 with errno. */
static ssize_t send_oldest(struct conn *conn, size_t *wanted)
{
    const struct frame_queue *out = &conn->socket.out;
    struct iovec pieces[FRAMES_AT_ONCE];
    size_t count = out->count < FRAMES_AT_ONCE ? out->count : FRAMES_AT_ONCE;
    *wanted = 0;
    for (size_t i = 0; i < count; i++) {
        struct frame_bytes bytes = frame_bytes(frame_queue_at(out, i));
        pieces[i] = (struct iovec){(void *)(uintptr_t)bytes.first, bytes.count};
        *wanted += bytes.count;
    }
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = count};
    return sendmsg(lws_get_socket_fd(conn->wsi), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Drops what was sent; the library gets the rest of a frame that was sent in part. False: the
 * connection is broken. */
static bool drop_sent(struct conn *conn, size_t sent)
{
    struct frame_queue *out = &conn->socket.out;
    while (sent > 0) {
        struct frame_bytes bytes = frame_bytes(frame_queue_at(out, 0));
        if (sent < bytes.count) {
            unsigned char *rest = (unsigned char *)(uintptr_t)bytes.first + sent;
            if (lws_write(conn->wsi, rest, bytes.count - sent, LWS_WRITE_RAW) < 0) {
                return false;
            }
            sent = bytes.count;
        }
        sent -= bytes.count;
        frame_queue_pop(out);
    }
    return true;
}

/* As much as the socket takes. False: the connection is broken. */
static bool write_frames(struct conn *conn)
{
    struct frame_queue *out = &conn->socket.out;
    size_t written = 0;
    size_t wanted = 0;
    while (out->count > 0 && written < WRITE_MAX && !lws_partial_buffered(conn->wsi)) {
        ssize_t sent = send_oldest(conn, &wanted);
        if (sent < 0) {
            return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
        }
        if (!drop_sent(conn, (size_t)sent)) {
            return false;
        }
        written += (size_t)sent;
    }
    if (out->bytes < conn->socket.asked_bytes) {
        conn->socket.asked_bytes = out->bytes;
    }
    return true;
}

static void flush_soon(struct conn *conn)
{
    struct loop *loop = conn->loop;
    if (conn->socket.is_fresh || conn->socket.awaits_writable) {
        return;
    }
    if (loop->fresh_count == loop->fresh_size) {
        loop->fresh_size = loop->fresh_size == 0 ? FRESH_MIN : loop->fresh_size * 2;
        loop->fresh = memory_resize(loop->fresh, loop->fresh_size * sizeof *loop->fresh);
    }
    conn->socket.is_fresh = true;
    loop->fresh[loop->fresh_count++] = conn->handle;
}

/* What is broken is found out in the writable callback, where a connection can be closed. */
void ws_flush(struct loop *loop)
{
    ASSERT_LOOP(loop);
    for (size_t i = 0; i < loop->fresh_count; i++) {
        struct conn *conn = conn_find(loop->conns, loop->fresh[i]);
        if (conn == NULL) {
            continue;
        }
        conn->socket.is_fresh = false;
        if (conn->socket.awaits_writable) {
            continue;
        }
        if (!write_frames(conn) || conn->socket.out.count > 0) {
            await_writable(conn);
        }
    }
    loop->fresh_count = 0;
}

void ws_order_moved(struct conn *conn, enum in_order_result result)
{
    if (result == IN_ORDER_TOO_LATE) {
        log_info("a message came too late to be told in order; the socket resumes", "slot=%u",
                 conn->handle.slot);
        ws_close(conn, CLOSE_INTERNAL);
        return;
    }
    if (conn->socket.out.count > 0) {
        flush_soon(conn);
    }
    gaps_ask(conn);
}

static void tell_in_order(struct conn *conn, const struct frame_place *place, struct frame *frame)
{
    struct socket *socket = &conn->socket;
    ws_order_moved(conn,
                   in_order_put(&socket->order, place, frame, clock_monotonic_ms(), &socket->out));
}

void ws_pass_over(struct conn *conn, struct frame *frame)
{
    const struct frame_place *place = frame_place(frame);
    if (conn->socket.order.is_on && place->kind != PLACE_NONE && place->kind != PLACE_READ) {
        tell_in_order(conn, place, NULL);
    }
}

/* To a socket that is live. */
static void tell_now(struct conn *conn, struct frame *frame, enum ws_kind kind)
{
    struct socket *socket = &conn->socket;
    const struct frame_place *place = frame_place(frame);
    bool has_place = socket->order.is_on && place->kind != PLACE_NONE && kind != WS_ANSWER;
    if (has_place && kind != WS_REPLAYED) {
        tell_in_order(conn, place, frame);
        return;
    }
    if (has_place) {
        in_order_know(&socket->order, place, true);
    }
    frame_queue_push(&socket->out, frame);
    flush_soon(conn);
}

void ws_tell(struct conn *conn, struct frame *frame, enum ws_kind kind)
{
    struct socket *socket = &conn->socket;
    ASSERT_LOOP(conn->loop);
    if (conn->state == WS_CLOSING) {
        return;
    }
    size_t waiting = socket->out.bytes + socket->held.bytes + socket->order.bytes;
    if (kind == WS_EPHEMERAL && waiting > EPHEMERAL_MAX) {
        return;
    }
    size_t most = (size_t)conn->loop->settings->socket_queue_max;
    /* What reads is alone with a worker, and what writes has small answers: at most one answer that is
     * larger than the room itself waits, in front of what else may. */
    size_t together = waiting + frame_length(frame);
    if (kind == WS_ANSWER && waiting <= most && together > most + socket->asked_bytes) {
        socket->asked_bytes = together;
    }
    if (together > most + socket->asked_bytes) {
        frame_queue_clear(&socket->out);
        ws_close(conn, CLOSE_TOO_SLOW);
        return;
    }
    if (kind != WS_ANSWER && conn->state != WS_LIVE) {
        frame_queue_push(&socket->held, frame);
        return;
    }
    tell_now(conn, frame, kind);
}

static bool is_not_taken_back(const void *told, const struct frame *frame)
{
    return !told_is_taken_back(told, frame);
}

/* Lets out what was held, one after the other, through the gate. */
static void release_in_order(struct conn *conn)
{
    struct frame_queue held = conn->socket.held;
    conn->socket.held = (struct frame_queue){.bytes = 0};
    while (held.count > 0 && conn->state != WS_CLOSING) {
        struct frame *frame = frame_queue_at(&held, 0);
        if (told_is_taken_back(&conn->socket.member.session->told, frame)) {
            ws_pass_over(conn, frame);
        } else {
            tell_now(conn, frame, WS_DURABLE);
        }
        frame_queue_pop(&held);
    }
    frame_queue_clear(&held);
}

void ws_release_held(struct conn *conn)
{
    if (conn->socket.order.is_on) {
        release_in_order(conn);
        return;
    }
    const struct told *told = &conn->socket.member.session->told;
    frame_queue_keep_only(&conn->socket.held, is_not_taken_back, told);
    frame_queue_append(&conn->socket.out, &conn->socket.held);
    flush_soon(conn);
}

/* One byte: the library does not report a pong without payload, and a pong echoes. False: the
 * connection is broken. */
static bool write_ping(struct conn *conn)
{
    unsigned char ping[LWS_PRE + 1] = {0};
    return lws_write(conn->wsi, ping + LWS_PRE, 1, LWS_WRITE_PING) >= 0;
}

int ws_writable(struct conn *conn)
{
    struct socket *socket = &conn->socket;
    ASSERT_LOOP(conn->loop);
    if (lws_partial_buffered(conn->wsi)) {
        return 0; /* the library calls again when it is gone */
    }
    socket->awaits_writable = false;
    if (socket->ping_is_due && conn->state != WS_CLOSING) {
        socket->ping_is_due = false;
        if (!write_ping(conn)) {
            return -1;
        }
    }
    if (!write_frames(conn)) {
        return -1;
    }
    if (socket->out.count > 0 || lws_partial_buffered(conn->wsi)) {
        await_writable(conn);
        return 0;
    }
    if (conn->state == WS_CLOSING && socket->close_code != 0) {
        lws_close_reason(conn->wsi, (enum lws_close_status)socket->close_code, NULL, 0);
        socket->close_code = 0; /* said once; the library waits for the answer */
        return -1;
    }
    return 0;
}

/* ---- Time ---------------------------------------------------------------------------------- */

static void ping(struct conn *conn)
{
    struct socket *socket = &conn->socket;
    if (socket->pings_unanswered >= PINGS_UNANSWERED_MAX && !socket->is_paused) {
        ws_close(conn, CLOSE_NO_PONG);
        return;
    }
    socket->pings_unanswered++;
    bool is_last = socket->pings_unanswered >= PINGS_UNANSWERED_MAX;
    conn_arm(conn->loop->conns, conn, is_last ? TIMER_PONG : TIMER_PING);
    /* At once if nothing waits, as with nearly all: asking when there is room costs as much again. */
    bool must_wait =
        socket->awaits_writable || socket->out.count > 0 || lws_partial_buffered(conn->wsi);
    if (must_wait || !write_ping(conn)) {
        socket->ping_is_due = true; /* what is broken is found out in the writable callback */
        await_writable(conn);
    }
}

void ws_expired(struct conn *conn, enum conn_timer timer)
{
    if (timer == TIMER_PING || timer == TIMER_PONG) {
        ping(conn);
    } else if (timer == TIMER_CONNECT) {
        ws_close(conn, CLOSE_NO_CONNECT);
    } else {
        log_debug("a socket did not take its close frame", "code=%d", conn->socket.close_code);
        lws_set_timeout(conn->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
    }
}
