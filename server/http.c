/* HTTP/1.1: what can be said of a request without parsing it, and the way of its answer.
 *
 *   HTTP_WAITING --headers--> HTTP_READING --body--> HTTP_WORKING --job back--> HTTP_ANSWERING --.
 *        ^                        |    `-- answered at once -----------------------^    ^        |
 *        |                        `-- refused early --> HTTP_DISCARDING --body's end ---'        |
 *        `----------------- the answer is out, the connection is kept ---------------------------'
 *
 * One request at a time: while a worker has it nothing more is read, so pipelined requests are
 * answered in order and a client that never reads its answers stops being read itself.
 *
 * What libwebsockets 4.1.6 gets wrong is closed here, each with a test that sends the bytes:
 *  - Transfer-Encoding is not understood: 411. A Content-Length that is no plain number (given
 *    twice, it arrives as "5,5") is 400. Where the end of a body is not known the connection is
 *    closed after the answer, so that nothing behind it is taken for a request.
 *  - Without Content-Length it waits for 100 MB of a POST's body; there is none: it is {}.
 *  - "Expect: 100-continue" is not answered by it.
 *  - A connection that waits for its worker is neither read nor *written* by its poll loop while
 *    reading is switched off. So answers don't go through it: they are sent on the socket, and
 *    what the kernel has no room for is tried again by a timer of 20 ms that runs only then.
 *  - A kept connection that cannot be written to when it is told that the answer is over makes it
 *    spin. So it is told also that it can be.
 *  - What was received behind a request (pipelining) it keeps, and parses the next one from there.
 *    If that has a body it takes the headers for the body, and then turns in a loop for ever. So
 *    such a request is answered 503 and the connection closed; without a body all goes well.
 *  - A header that it doesn't know and whose name begins like one that it knows ("X-Auth", as
 *    X-Auth-Token does) swallows the header behind it, a Content-Length too, and a body would be taken for the
 *    next request. So a connection is kept only behind a request whose length was seen: a GET without
 *    one ends it. The swallowed header is not seen by us either; as the last one it makes the request
 *    wait until request_seconds are over.
 *  - Its timer for idle connections walks a list of all; we have our own (conn.c).
 *
 * A body that is refused early is still read and thrown away for a while: closing at once would
 * make the kernel reset the connection, and the client would never see why. */
#include "server/http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "protocol/envelope.h"
#include "protocol/memory.h"
#include "server/auth.h"
#include "server/health.h"
#include "server/log.h"
#include "server/loop_parts.h"
#include "server/metrics.h"
#include "server/origins.h"
#include "server/page.h"
#include "server/request.h"

#define BODY_BYTES_MIN 1024
#define ANSWER_KEPT_MAX 16384 /* a larger buffer is given back after the answer */
#define RETRY_US 20000
#define AT_ONCE_US 1
#define ALLOW_CALL "Allow: POST, OPTIONS\r\nCache-Control: no-store\r\n"
#define ALLOW_PAGE "Allow: GET, HEAD, OPTIONS\r\nCache-Control: no-store\r\n"
#define PREFLIGHT                                                                                  \
    "Allow: POST, OPTIONS\r\nAccess-Control-Allow-Methods: POST\r\n"                               \
    "Access-Control-Allow-Headers: authorization, content-type\r\n"                                \
    "Access-Control-Max-Age: 600\r\n"
#define PAGE_POLICY                                                                                \
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "           \
    "img-src 'self' https: http: data:; media-src 'self' https: http: data:; "                     \
    "connect-src 'self' ws: wss: http: https:; base-uri 'none'; form-action 'none'; "              \
    "frame-ancestors 'none'\r\nReferrer-Policy: no-referrer\r\nCache-Control: no-cache\r\n"

/* ---- The answer's way out ------------------------------------------------------------------ */

void http_hang_up(struct conn *conn)
{
    lws_set_timeout(conn->wsi, PENDING_TIMEOUT_HTTP_KEEPALIVE_IDLE, LWS_TO_KILL_ASYNC);
}

static bool has_unsent(const struct conn *conn)
{
    return conn->http.sent < conn->http.answer.length;
}

/* False: the connection is broken. */
static bool send_some(struct conn *conn)
{
    struct http *http = &conn->http;
    while (has_unsent(conn)) {
        ssize_t sent = send(lws_get_socket_fd(conn->wsi), strbuf_text(&http->answer) + http->sent,
                            http->answer.length - http->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent < 0) {
            return errno == EAGAIN || errno == EWOULDBLOCK;
        }
        http->sent += (size_t)sent;
    }
    return true;
}

static void answer_is_out(struct http *http)
{
    http->sent = 0;
    strbuf_clear(&http->answer);
    if (http->answer.size > ANSWER_KEPT_MAX) {
        strbuf_free(&http->answer);
    }
}

static void try_again(struct conn *conn);

static void on_retry(lws_sorted_usec_list_t *timer)
{
    struct loop *loop = lws_container_of(timer, struct loop, retry);
    ASSERT_LOOP(loop);
    loop->was_useful = true;
    size_t count = loop->stuck_count;
    struct conn_handle *stuck = loop->stuck;
    loop->stuck = NULL;
    loop->stuck_count = 0;
    loop->stuck_size = 0;
    for (size_t i = 0; i < count; i++) {
        struct conn *conn = conn_find(loop->conns, stuck[i]);
        if (conn != NULL) {
            try_again(conn);
        }
    }
    free(stuck);
}

static void retry_in(struct conn *conn, lws_usec_t us)
{
    struct loop *loop = conn->loop;
    if (loop->stuck_count == 0 || us < RETRY_US) {
        lws_sul_schedule(loop->context, 0, &loop->retry, on_retry, us);
    }
    if (loop->stuck_count == loop->stuck_size) {
        loop->stuck_size = loop->stuck_size == 0 ? 16 : loop->stuck_size * 2;
        loop->stuck = memory_resize(loop->stuck, loop->stuck_size * sizeof *loop->stuck);
    }
    loop->stuck[loop->stuck_count++] = conn->handle;
}

/* The library is ready for the next request when it has heard that the connection can be written to.
 * All was sent, so it hears that at once and the kernel is not asked. What it holds of the next
 * request it looks into behind an event. */
static void begin_anew(struct conn *conn)
{
    struct lws_context *context = conn->loop->context;
    struct lws_pollfd writable = {
        .fd = lws_get_socket_fd(conn->wsi), .events = LWS_POLLOUT, .revents = LWS_POLLOUT};
    conn->http.is_pipelined = request_is_buffered(conn->wsi);
    if (conn->http.is_pipelined) {
        lws_cancel_service(context);
    }
    (void)lws_service_fd(context, &writable); /* may close the connection */
}

/* In HTTP_ANSWERING, outside of the library's callbacks: sends, and when all is out gets ready for
 * the next request. */
static int answer_go_on(struct conn *conn)
{
    struct http *http = &conn->http;
    if (!send_some(conn)) {
        return -1;
    }
    if (has_unsent(conn)) {
        retry_in(conn, RETRY_US);
        return 0;
    }
    answer_is_out(http);
    if (!http->keep_alive) {
        return -1;
    }
    conn_move(conn, HTTP_WAITING);
    conn_arm(conn->loop->conns, conn, TIMER_IDLE);
    lws_rx_flow_control(conn->wsi, 1);
    if (lws_http_transaction_completed(conn->wsi)) {
        return -1;
    }
    lws_set_timeout(conn->wsi, NO_PENDING_TIMEOUT, 0);
    begin_anew(conn);
    return 0;
}

/* A worker's answer goes all the way. One that is given within a callback is only sent: the
 * library does not know yet whether it holds more than this request. */
static int answer_begin(struct conn *conn)
{
    bool is_outside = conn->state == HTTP_WORKING;
    conn_move(conn, HTTP_ANSWERING);
    conn_arm(conn->loop->conns, conn, TIMER_REQUEST);
    lws_rx_flow_control(conn->wsi, 0);
    if (is_outside) {
        return answer_go_on(conn);
    }
    if (!send_some(conn) || (!has_unsent(conn) && !conn->http.keep_alive)) {
        return -1;
    }
    retry_in(conn, AT_ONCE_US);
    return 0;
}

/* What the kernel had no room for. */
static void try_again(struct conn *conn)
{
    int outcome = 0;
    if (conn->state == HTTP_ANSWERING) {
        outcome = answer_go_on(conn);
    } else if (conn->state == HTTP_DISCARDING) {
        outcome = send_some(conn) ? 0 : -1;
        if (outcome == 0 && has_unsent(conn)) {
            retry_in(conn, RETRY_US);
        }
    }
    if (outcome < 0) {
        http_hang_up(conn);
    }
}

static void request_forget(struct http *http)
{
    free(http->body);
    free(http->token);
    free(http->headers);
    free(http->origin);
    http->body = NULL;
    http->token = NULL;
    http->headers = NULL;
    http->origin = NULL;
    http->length = 0;
    http->size = 0;
    http->route = NULL;
}

int http_answer(struct conn *conn, const struct reply *reply)
{
    struct http *http = &conn->http;
    struct reply whole = *reply;
    whole.origin = http->origin;
    whole.is_head = http->is_head;
    if (conn->loop->phase != LOOP_SERVING) {
        http->keep_alive = false;
    }
    bool is_early = conn->state == HTTP_READING && http->expected > 0;
    if (is_early) {
        http->keep_alive = false; /* the next request could come together with this one's body */
    }
    reply_write(&http->answer, &whole, http->keep_alive);
    request_forget(http);
    if (is_early) {
        conn_move(conn, HTTP_DISCARDING);
        conn_arm(conn->loop->conns, conn, TIMER_LINGER);
        try_again(conn);
        return 0;
    }
    return answer_begin(conn);
}

int http_fail(struct conn *conn, enum err err, const char *headers)
{
    struct strbuf text;
    strbuf_init(&text, 0);
    envelope_failure(&text, err, NULL, NULL);
    struct reply reply = {.status = error_row(err)->status,
                          .type = REPLY_JSON,
                          .text = strbuf_text(&text),
                          .length = text.length,
                          .headers = headers};
    int outcome = http_answer(conn, &reply);
    strbuf_free(&text);
    return outcome;
}

/* ---- To a worker and back ------------------------------------------------------------------ */

int http_submit(struct conn *conn, struct job *job)
{
    struct http *http = &conn->http;
    job->from = conn->handle;
    job->route = http->route;
    job->body = http->body;
    job->length = http->length;
    job->token = http->token;
    job->headers = http->headers;
    http->body = NULL;
    http->token = NULL;
    http->headers = NULL;
    if (jobs_submit(conn->loop->jobs, job) != ERR_OK) {
        job_free(conn->loop->jobs, job);
        return http_fail(conn, ERR_BUSY, NULL);
    }
    conn_move(conn, HTTP_WORKING);
    conn_arm(conn->loop->conns, conn, TIMER_NONE);
    lws_rx_flow_control(conn->wsi, 0);
    return 0;
}

static int submit_call(struct conn *conn)
{
    struct job *job = job_new(conn->loop->jobs, JOB_REST);
    job->lane = conn->http.route->lane;
    job->queue = jobs_queue_of(conn->loop->jobs, conn->http.body, conn->http.length);
    return http_submit(conn, job);
}

void http_finished(struct conn *conn, struct job *job)
{
    assert(conn->state == HTTP_WORKING && job->answer != NULL);
    struct reply reply = {.status = job->status,
                          .type = REPLY_JSON,
                          .text = frame_text(job->answer),
                          .length = frame_length(job->answer)};
    if (http_answer(conn, &reply) < 0) {
        http_hang_up(conn);
    }
}

/* ---- Requests ------------------------------------------------------------------------------ */

static int answer_page(struct conn *conn, const char *path, size_t length)
{
    const struct page_file *file = page_find(conn->loop->page, path, length);
    if (file == NULL) {
        return http_fail(conn, ERR_NOT_FOUND, NULL);
    }
    char known[64];
    bool is_known = request_header(conn->wsi, WSI_TOKEN_HTTP_IF_NONE_MATCH, known, sizeof known) &&
                    strstr(known, file->tag) != NULL;
    char headers[sizeof PAGE_POLICY + 64];
    snprintf(headers, sizeof headers, "%sETag: %s\r\n", PAGE_POLICY, file->tag);
    struct reply reply = {.status = is_known ? 304 : 200,
                          .type = is_known ? NULL : file->type,
                          .text = file->text,
                          .length = file->length,
                          .headers = headers};
    return http_answer(conn, &reply);
}

static int answer_preflight(struct conn *conn, bool is_call)
{
    const char *allow = is_call ? ALLOW_CALL : ALLOW_PAGE;
    struct reply reply = {.status = 204,
                          .headers = is_call && conn->http.origin != NULL ? PREFLIGHT : allow};
    return http_answer(conn, &reply);
}

static int request_call(struct conn *conn, const struct request *request)
{
    struct http *http = &conn->http;
    if (http->route == NULL) {
        return http_fail(conn, ERR_UNKNOWN_CALL, NULL);
    }
    if (request->method != METHOD_POST) {
        return http_fail(conn, ERR_METHOD_NOT_ALLOWED, ALLOW_CALL);
    }
    if (!request->is_json && http->expected > 0) {
        return http_fail(conn, ERR_WRONG_CONTENT_TYPE, NULL);
    }
    char header[REQUEST_HEADERS_MAX];
    if (request_header(conn->wsi, WSI_TOKEN_HTTP_AUTHORIZATION, header, sizeof header)) {
        http->token = text_copy(token_of_header(header));
    }
    http->headers = request_headers_for(conn->wsi, http->route->name);
    if (request->has_length) {
        if (request->expects_continue && http->expected > 0) {
            strbuf_add_literal(&http->answer, "HTTP/1.1 100 Continue\r\n\r\n");
            bool is_sent = send_some(conn) && !has_unsent(conn);
            answer_is_out(http);
            return is_sent ? 0 : -1;
        }
        return 0; /* http_body_ended follows, also after none */
    }
    return submit_call(conn);
}

/* Bytes of body that the library will hand out before it is ready for another request. */
static size_t body_to_come(const struct request *request)
{
    if (request->length > 0) {
        return request->length;
    }
    bool has_no_end = request->is_chunked || request->is_malformed;
    return has_no_end && request->method == METHOD_POST ? SIZE_MAX : 0;
}

static enum err check_framing(const struct request *request, const struct loop *loop)
{
    if (request->is_chunked) {
        return ERR_LENGTH_REQUIRED;
    }
    if (request->is_malformed) {
        return ERR_MALFORMED_REQUEST;
    }
    if (request->length > (size_t)loop->settings->body_max) {
        return ERR_TOO_LARGE;
    }
    return ERR_OK;
}

static bool path_is_page(const struct loop *loop, const char *path, size_t length)
{
    return health_is_path(path, length) || page_find(loop->page, path, length) != NULL;
}

int http_request(struct conn *conn, const char *path, size_t length)
{
    struct loop *loop = conn->loop;
    struct http *http = &conn->http;
    ASSERT_LOOP(loop);
    lws_set_timeout(conn->wsi, NO_PENDING_TIMEOUT, 0);
    conn_move(conn, HTTP_READING);
    conn_arm(loop->conns, conn, TIMER_REQUEST);
    struct request request;
    request_read(conn->wsi, &request);
    enum err err = check_framing(&request, loop);
    http->expected = body_to_come(&request);
    http->keep_alive = request.may_keep_alive && err == ERR_OK &&
                       (request.method == METHOD_POST || request.length == 0);
    http->is_head = request.method == METHOD_HEAD;
    char origin[REQUEST_ORIGIN_MAX];
    if (request_header(conn->wsi, WSI_TOKEN_ORIGIN, origin, sizeof origin) &&
        origins_has(loop->origins, origin)) {
        http->origin = text_copy(origin);
    }
    if (http->is_pipelined && request.may_have_body) {
        http->keep_alive = false;
        http->expected = 0;
        (void)http_fail(conn, ERR_BUSY, NULL);
        return -1;
    }
    if (err != ERR_OK) {
        return http_fail(conn, err, NULL);
    }
    http->route = route_find(path, length);
    bool is_call = http->route != NULL || path_is_call(path, length);
    if (request.method == METHOD_OPTIONS) {
        return answer_preflight(conn, is_call);
    }
    if (is_call || (request.method == METHOD_POST && !path_is_page(loop, path, length))) {
        return request_call(conn, &request);
    }
    if (request.method != METHOD_GET && request.method != METHOD_HEAD) {
        return http_fail(conn, ERR_METHOD_NOT_ALLOWED, ALLOW_PAGE);
    }
    if (metrics_is_path(path, length)) {
        return metrics_request(conn);
    }
    return health_is_path(path, length) ? health_request(conn, path, length)
                                        : answer_page(conn, path, length);
}

int http_body(struct conn *conn, const char *bytes, size_t length)
{
    struct http *http = &conn->http;
    ASSERT_LOOP(conn->loop);
    if (conn->state != HTTP_READING) {
        return 0; /* thrown away */
    }
    if (http->length + length > http->size) {
        size_t size = http->size < BODY_BYTES_MIN ? BODY_BYTES_MIN : http->size;
        while (size < http->length + length) {
            size *= 2;
        }
        http->body = memory_resize(http->body, size);
        http->size = size;
    }
    if (length > 0) {
        memcpy(http->body + http->length, bytes, length);
    }
    http->length += length;
    return 0;
}

int http_body_ended(struct conn *conn)
{
    struct http *http = &conn->http;
    ASSERT_LOOP(conn->loop);
    if (conn->state == HTTP_READING && http->route != NULL) {
        http->expected = 0;
        return submit_call(conn);
    }
    if (conn->state == HTTP_DISCARDING) {
        http->expected = 0;
        return answer_begin(conn);
    }
    return 0; /* the library says it again when more is received behind the body */
}

/* ---- Sockets ------------------------------------------------------------------------------- */

static int refuse_upgrade(struct conn *conn, enum err err, const char *headers)
{
    conn->http.keep_alive = false;
    conn->http.expected = 0;
    conn_move(conn, HTTP_READING);
    (void)http_fail(conn, err, headers);
    return -1;
}

int http_upgrade(struct conn *conn)
{
    struct loop *loop = conn->loop;
    struct lws *wsi = conn->wsi;
    ASSERT_LOOP(loop);
    char value[REQUEST_HEADERS_MAX];
    if (lws_hdr_total_length(wsi, WSI_TOKEN_UPGRADE) <= 0 || conn->state != HTTP_WAITING ||
        conn->http.is_pipelined) {
        return -1; /* CVE-2025-11677: refused already, and its headers are gone */
    }
    if (!request_header(wsi, WSI_TOKEN_UPGRADE, value, sizeof value) ||
        (strcasecmp(value, "websocket") != 0 && strcasecmp(value, "h2c") != 0)) {
        return -1; /* the library has answered that already */
    }
    struct request request;
    request_read(wsi, &request);
    if (loop->phase != LOOP_SERVING) {
        return refuse_upgrade(conn, ERR_STOPPING, NULL);
    }
    const bool is_socket_wanted = strcasecmp(value, "websocket") == 0;
    if (!request_is_socket(wsi, &request)) {
        return refuse_upgrade(conn, is_socket_wanted ? ERR_UNKNOWN_CALL : ERR_MALFORMED_REQUEST,
                              NULL);
    }
    if (!is_socket_wanted || !request_is_handshake(wsi)) {
        return refuse_upgrade(conn, ERR_MALFORMED_REQUEST,
                              "Sec-WebSocket-Version: 13\r\nCache-Control: no-store\r\n");
    }
    char origin[REQUEST_ORIGIN_MAX];
    char host[REQUEST_ORIGIN_MAX] = "";
    if (lws_hdr_total_length(wsi, WSI_TOKEN_ORIGIN) > 0) {
        (void)request_header(wsi, WSI_TOKEN_HOST, host, sizeof host);
        conn->socket.origin_is_refused =
            !request_header(wsi, WSI_TOKEN_ORIGIN, origin, sizeof origin) ||
            (!origins_has(loop->origins, origin) && !origin_is_own(origin, host));
    }
    if (request_header(wsi, WSI_TOKEN_HTTP_AUTHORIZATION, value, sizeof value)) {
        conn->socket.token = text_copy(token_of_header(value));
    }
    return 0;
}

/* ---- Time ---------------------------------------------------------------------------------- */

void http_expired(struct conn *conn, enum conn_timer timer)
{
    if (timer != TIMER_IDLE) {
        log_debug("a request took too long", "state=%d", (int)conn->state);
    }
    http_hang_up(conn);
}

void http_stop(struct conn *conn)
{
    if (conn->state == HTTP_WAITING) {
        http_hang_up(conn);
    }
}
