/* From connect to live.
 *
 *   WS_NEW --connect is proven--> WS_JOINING: registered, events are held
 *               its account's first socket here: subscribe, and wait for that
 *               JOB_RESUME reads what was missed
 *          --it is back--> answer, replay, synced, what was held --> WS_LIVE
 *
 * The socket is registered and subscribed before what it missed is read, so there is no hole
 * between; what is both read and held is told once. A bus that is down keeps nobody waiting: when
 * it is back, fanout.c repairs what was missed. */
#include "server/live.h"

#include <string.h>

#include "server/api/replay.h"
#include "server/fanout.h"
#include "server/loop_parts.h"
#include "server/presence.h"
#include "server/stopping.h"
#include "server/ws.h"

/* ---- In and out of the session ------------------------------------------------------------- */

void live_leave(struct conn *conn)
{
    struct loop *loop = conn->loop;
    struct socket *socket = &conn->socket;
    if (socket->resume != NULL) {
        job_free(loop->jobs, socket->resume);
        socket->resume = NULL;
    }
    if (socket->next != NULL) {
        job_free(loop->jobs, socket->next);
        socket->next = NULL;
    }
    if (socket->member.session == NULL) {
        return;
    }
    struct account account = socket->member.session->account;
    if (sessions_leave(loop->sessions, &socket->member)) {
        bus_unsubscribe(loop->bus, account);
        presence_left(loop->presence, account);
    }
}

static void note_expiry(struct loop *loop, const struct caller *who)
{
    if (who->expires_ms < loop->next_expiry_ms) {
        loop->next_expiry_ms = who->expires_ms;
    }
}

/* What JOB_RESUME must know of the connect call outlives the job that parsed it. */
static struct job *make_resume(struct loop *loop, const struct job *connect)
{
    struct job *job = job_new(loop->jobs, JOB_RESUME);
    job->lane = LANE_READ;
    job->from = connect->from;
    job->who = connect->who;
    if (connect->cursor != NULL) {
        job->cursor = arena_text(job->arena, connect->cursor, strlen(connect->cursor));
    }
    if (connect->id_json != NULL) {
        job->id_json = arena_text(job->arena, connect->id_json, strlen(connect->id_json));
    }
    return job;
}

static void sign_in(struct conn *conn, const struct job *connect)
{
    struct loop *loop = conn->loop;
    struct socket *socket = &conn->socket;
    conn_move(conn, WS_JOINING);
    conn_arm(loop->conns, conn, TIMER_PING);
    socket->who = connect->who;
    note_expiry(loop, &socket->who);
    socket->resume = make_resume(loop, connect);
    socket->jobs = 1; /* its next frame waits until it is live */
    socket->lane = LANE_READ;
    struct account account = connect->who.account;
    struct session *session = sessions_join(loop->sessions, account, &socket->member);
    if (session->count == 1) {
        fanout_session_began(loop->fanout, session);
        presence_came(loop->presence, account);
    }
    if (session->count > (size_t)loop->settings->sockets_per_account) {
        ws_close(conn_of_member(session->oldest), CLOSE_TOO_MANY_SOCKETS);
    }
    if (session->count == 1 && !session->is_subscribed) {
        bus_subscribe(loop->bus, account); /* may call back at once: live_go_on */
    }
    session = socket->member.session;
    if (session == NULL) {
        return; /* the lane was full, which has closed the socket */
    }
    if (session->is_subscribed || !bus_is_up(loop->bus)) {
        live_go_on(conn);
    }
}

void live_go_on(struct conn *conn)
{
    struct loop *loop = conn->loop;
    struct job *job = conn->socket.resume;
    if (job == NULL) {
        return;
    }
    conn->socket.resume = NULL;
    job->fanned_out_rev = fanout_newest_rev(loop->fanout);
    job->wants_known = !fanout_is_alone(loop->fanout) || fanout_may_overtake(loop->fanout);
    if (jobs_submit(loop->jobs, job) != ERR_OK) {
        job_free(loop->jobs, job);
        ws_close(conn, CLOSE_INTERNAL);
    }
}

/* ---- Jobs that come back ------------------------------------------------------------------- */

static bool is_not_told(const void *told, const struct frame *frame)
{
    return !told_has(told, frame);
}

/* What was stored when the replay was read the client knows, by that or by its lists. */
static void begin_order(struct conn *conn, const struct job *job)
{
    struct loop *loop = conn->loop;
    struct in_order *order = &conn->socket.order;
    if (!fanout_may_overtake(loop->fanout)) {
        return;
    }
    in_order_begin(order, replay_start(loop->store, job->call.now.ms * 1000));
    for (const struct emission *at = job->known; at != NULL; at = at->next) {
        if (frame_place(at->frame)->kind != PLACE_NONE) {
            in_order_know(order, frame_place(at->frame), false);
        }
    }
}

static void resumed(struct conn *conn, struct job *job)
{
    if (job->err != ERR_OK) {
        ws_close(conn, CLOSE_INTERNAL);
        return;
    }
    conn_move(conn, WS_LIVE);
    begin_order(conn, job);
    fanout_resumed(conn->loop->fanout, conn->socket.member.session, job);
    /* A replay, which resume_items bounds, does not make a socket too slow: a client that missed
     * more than socket_queue_max would be closed at every resume and never catch up. */
    for (struct emission *at = job->replay; at != NULL; at = at->next) {
        conn->socket.asked_bytes += frame_length(at->frame);
    }
    struct told told = {.count = 0};
    for (struct emission *at = job->replay; at != NULL; at = at->next) {
        told_note(&told, at->frame, 0);
        ws_tell(conn, at->frame, WS_REPLAYED);
    }
    /* What was both read and held would come again, behind newer ones. */
    if (conn->state == WS_LIVE) {
        frame_queue_keep_only(&conn->socket.held, is_not_told, &told);
        ws_release_held(conn);
    }
    told_free(&told);
}

static void follow_verdict(struct conn *conn, struct job *job)
{
    switch (job->verdict) {
    case VERDICT_GO_ON:
        break;
    case VERDICT_SIGN_IN:
        sign_in(conn, job);
        break;
    case VERDICT_RENEW:
        conn->socket.who.expires_ms = job->who.expires_ms;
        note_expiry(conn->loop, &conn->socket.who);
        break;
    case VERDICT_CLOSE:
        ws_close(conn, job->close_code);
        break;
    }
}

void live_finished(struct conn *conn, struct job *job)
{
    ASSERT_LOOP(conn->loop);
    if (conn->state == WS_CLOSING) {
        return;
    }
    assert(conn->socket.jobs > 0 && conn->socket.job_bytes >= job->length);
    conn->socket.jobs--;
    conn->socket.job_bytes -= job->length;
    if (job->answer != NULL) {
        ws_tell(conn, job->answer, WS_ANSWER);
    }
    if (conn->state == WS_CLOSING) {
        return; /* too slow */
    }
    if (job->kind == JOB_RESUME) {
        resumed(conn, job);
    } else {
        follow_verdict(conn, job);
    }
    ws_next_frames(conn);
    stopping_settled(conn);
}

/* ---- Tokens -------------------------------------------------------------------------------- */

void live_check_tokens(struct loop *loop)
{
    int64_t now_ms = clock_now(loop->clock).ms;
    if (now_ms < loop->next_expiry_ms) {
        return;
    }
    loop->next_expiry_ms = INT64_MAX;
    size_t at = 0;
    struct conn *conn;
    while ((conn = conns_next(loop->conns, &at)) != NULL) {
        if (conn->socket.member.session == NULL) {
            continue;
        }
        if (conn->socket.who.expires_ms <= now_ms) {
            ws_close(conn, CLOSE_TOKEN_RAN_OUT);
        } else {
            note_expiry(loop, &conn->socket.who);
        }
    }
}
