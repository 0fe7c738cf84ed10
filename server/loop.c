/* The loop: one thread, and the parts that live on it.
 *
 * libwebsockets runs on a loop of libev (epoll), which is ours: its own poll(2) looks at every
 * connection in every turn, and so a message cost twice as much beside 10,000 idle sockets. What the
 * sockets were told leaves at the end of a turn. The library starts a timer of libev for its next
 * event of time, but cannot make one shorter that runs. So a timer of ours wakes it for what it would
 * be late for. That is heard when libev has nothing else to do; while it is busy, a beat sees to it
 * that none of the library's timers runs for long.
 *
 * We listen ourselves and hand accepted connections over: the library can neither tell a free
 * port before it serves, nor stop listening without closing everything. Listener, signals and the
 * bus are descriptors of a virtual host of their own, where no client gets.
 *
 * How it comes to its end is told in stopping.c. */
#include "server/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "protocol/memory.h"
#include "server/asyncapi.h"
#include "server/bus_redis.h"
#include "server/fanout.h"
#include "server/gaps.h"
#include "server/health.h"
#include "server/http.h"
#include "server/listen.h"
#include "server/live.h"
#include "server/log.h"
#include "server/loop_parts.h"
#include "server/metrics.h"
#include "server/openapi.h"
#include "server/origins.h"
#include "server/page.h"
#include "server/presence.h"
#include "server/request.h"
#include "server/stopping.h"
#include "server/ws.h"

#define WHY_BYTES 256
#define ACCEPT_MAX 64         /* connections of one turn */
#define SPARE_DESCRIPTORS 256 /* store, bus, listener, files */
#define CONNECTIONS_MIN 16
#define READ_BYTES 16384              /* of one read of a body */
#define FRAGMENT_BYTES 2048           /* of one read of a socket; each socket has such a buffer */
#define WRITE_BYTES (4 * 1024 * 1024) /* more than any frame: it is written whole */
#define IDLE_TURNS_MAX 50             /* of the loop, without anything done */
#define NAP_NS 1000000                /* of a loop that spins */
#define LATE_US 1000                  /* so late is what the library's own timer has missed */
#define BEAT_MS 20                    /* at most this late is what is due in a busy loop */
#define BUSY_TURNS 200                /* of the loop in a second */
#define MS_PER_SECOND 1000
#define SCRATCH_BYTES 32768

/* ---- What workers hand back ---------------------------------------------------------------- */

static void finish_duty(struct loop *loop, struct conn *conn, struct job *job)
{
    switch (job->duty) {
    case DUTY_SWEEP:
        loop->is_sweeping = false;
        break;
    case DUTY_PRESENCE:
        presence_finished(loop->presence, job);
        break;
    case DUTY_COUNT:
        metrics_finished(loop, conn, job);
        break;
    case DUTY_PING:
        if (conn != NULL) {
            health_finished(conn, job);
        }
        break;
    }
}

static void sweep_if_due(struct loop *loop, int64_t now_ms);

/* The sweeper follows at once where something was left for it. */
static void sweep_if_wanted(struct loop *loop, const struct job *job)
{
    if (job->err == ERR_OK && job->call.wants_sweep) {
        loop->next_sweep_ms = 0;
        sweep_if_due(loop, clock_monotonic_ms());
    }
}

static void finish(struct loop *loop, struct job *job)
{
    fanout_job(loop->fanout, job);
    struct conn *conn = conn_find(loop->conns, job->from); /* NULL: it is gone, and nobody waits */
    switch (job->kind) {
    case JOB_REST:
        if (conn != NULL) {
            http_finished(conn, job);
        }
        break;
    case JOB_FRAME:
    case JOB_RESUME:
        if (conn != NULL) {
            live_finished(conn, job);
        }
        break;
    case JOB_REPAIR:
        fanout_repaired(loop->fanout, job);
        break;
    case JOB_CHECK:
        fanout_checked(loop->fanout, job);
        break;
    case JOB_MISSING:
        if (conn != NULL) {
            gaps_answered(conn, job);
        }
        break;
    case JOB_DUTY:
        finish_duty(loop, conn, job);
        break;
    }
    sweep_if_wanted(loop, job);
}

static void collect(struct loop *loop)
{
    struct job *job = jobs_collect(loop->jobs);
    while (job != NULL) {
        loop->was_useful = true;
        struct job *next = job->next;
        job->next = NULL;
        finish(loop, job);
        job_free(loop->jobs, job);
        job = next;
    }
    stopping_go_on(loop);
}

static void wake(void *data)
{
    struct loop *loop = data;
    lws_cancel_service(loop->context);
}

/* ---- Connections --------------------------------------------------------------------------- */

static void connection_is_gone(struct loop *loop, struct lws *wsi)
{
    struct conn *conn = lws_get_opaque_user_data(wsi);
    if (conn == NULL) {
        return;
    }
    lws_set_opaque_user_data(wsi, NULL);
    live_leave(conn_check(conn));
    conn_free(loop->conns, conn);
    stopping_go_on(loop);
}

static int on_client(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                     size_t length)
{
    (void)user;
    struct conn *conn = lws_get_opaque_user_data(wsi);
    if (reason == LWS_CALLBACK_WSI_DESTROY) {
        connection_is_gone(lws_context_user(lws_get_context(wsi)), wsi);
        return 0;
    }
    if (conn == NULL) {
        return 0; /* what the library says before we know the connection */
    }
    conn->loop->was_useful = true;
    switch (reason) {
    case LWS_CALLBACK_HTTP:
        return http_request(conn, in, length);
    case LWS_CALLBACK_HTTP_BODY:
        return http_body(conn, in, length);
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
        return http_body_ended(conn);
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
        return http_upgrade(conn);
    case LWS_CALLBACK_ESTABLISHED:
        ws_opened(conn);
        return 0;
    case LWS_CALLBACK_RECEIVE:
        ws_received(conn, in, length, lws_frame_is_binary(wsi),
                    lws_is_final_fragment(wsi) && lws_remaining_packet_payload(wsi) == 0);
        return 0;
    case LWS_CALLBACK_RECEIVE_PONG:
        ws_ponged(conn);
        return 0;
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return ws_writable(conn);
    case LWS_CALLBACK_RAW_ADOPT:
    case LWS_CALLBACK_RAW_RX:
        return -1; /* after CONNECT the library takes what comes for a protocol of ours */
    default:
        return 0;
    }
}

/* Takes over one accepted descriptor. */
static void adopt(struct loop *loop, int descriptor)
{
    struct conn *conn = conn_new(loop->conns, loop);
    if (conn == NULL) {
        close(descriptor); /* connections_max are open */
        return;
    }
    lws_sock_file_fd_type both = {.sockfd = descriptor};
    struct lws *wsi = lws_adopt_descriptor_vhost(loop->clients, LWS_ADOPT_HTTP | LWS_ADOPT_SOCKET,
                                                 both, NULL, NULL);
    if (wsi == NULL) {
        conn_free(loop->conns, conn); /* the library has closed the descriptor */
        return;
    }
    conn->wsi = wsi;
    lws_set_opaque_user_data(wsi, conn);
    lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0);
    conn_arm(loop->conns, conn, TIMER_REQUEST);
}

static int accept_some(struct loop *loop, struct lws *listener)
{
    int descriptor = (int)(intptr_t)lws_get_opaque_user_data(listener);
    loop->was_useful = true;
    for (int i = 0; i < ACCEPT_MAX || loop->phase != LOOP_SERVING; i++) {
        int accepted = listen_accept(descriptor);
        if (accepted >= 0) {
            adopt(loop, accepted);
        } else if (errno != EINTR && errno != ECONNABORTED) {
            if (errno != EAGAIN && errno != EWOULDBLOCK) {
                log_warning("a connection could not be accepted", "error=%s", strerror(errno));
            }
            break;
        }
    }
    return 0;
}

/* ---- Descriptors of our own ---------------------------------------------------------------- */

static int on_listener(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                       size_t length)
{
    (void)user;
    (void)in;
    (void)length;
    struct loop *loop = lws_context_user(lws_get_context(wsi));
    if (reason == LWS_CALLBACK_RAW_RX_FILE) {
        return accept_some(loop, wsi);
    }
    if (reason == LWS_CALLBACK_RAW_CLOSE_FILE && loop->phase == LOOP_LEAVING) {
        return accept_some(loop, wsi); /* what the kernel has accepted meanwhile */
    }
    if (reason == LWS_CALLBACK_EVENT_WAIT_CANCELLED && loop->jobs != NULL) {
        collect(loop);
    }
    return 0;
}

static int on_signal(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                     size_t length)
{
    (void)user;
    (void)in;
    (void)length;
    if (reason == LWS_CALLBACK_RAW_RX_FILE) {
        struct signalfd_siginfo signal;
        int descriptor = (int)(intptr_t)lws_get_opaque_user_data(wsi);
        while (read(descriptor, &signal, sizeof signal) == (ssize_t)sizeof signal) {
            stopping_signal(lws_context_user(lws_get_context(wsi)));
        }
    }
    return 0;
}

static const struct lws_protocols client_protocol = {.name = "consultd",
                                                     .callback = on_client,
                                                     .rx_buffer_size = FRAGMENT_BYTES,
                                                     .tx_packet_size = WRITE_BYTES};
static const struct lws_protocols listener_protocol = {.name = "consultd-listener",
                                                       .callback = on_listener};
static const struct lws_protocols signal_protocol = {.name = "consultd-signals",
                                                     .callback = on_signal};

static struct lws *watch(struct loop *loop, int descriptor, const char *protocol)
{
    lws_sock_file_fd_type file = {.filefd = descriptor};
    struct lws *wsi =
        lws_adopt_descriptor_vhost(loop->inside, LWS_ADOPT_RAW_FILE_DESC, file, protocol, NULL);
    if (wsi != NULL) {
        lws_set_opaque_user_data(wsi, (void *)(intptr_t)descriptor);
    }
    return wsi;
}

/* ---- Time ---------------------------------------------------------------------------------- */

static void check_timers(struct loop *loop, int64_t now_ms)
{
    for (enum conn_timer timer = TIMER_IDLE; timer < TIMER_COUNT; timer++) {
        struct conn *conn;
        while ((conn = conns_due(loop->conns, timer, now_ms)) != NULL) {
            if (conn_is_socket(conn)) {
                ws_expired(conn, timer);
            } else {
                http_expired(conn, timer);
            }
        }
    }
}

static void sweep_if_due(struct loop *loop, int64_t now_ms)
{
    if (loop->is_sweeping || now_ms < loop->next_sweep_ms || loop->phase != LOOP_SERVING) {
        return;
    }
    loop->next_sweep_ms = now_ms + loop->settings->sweep_seconds * MS_PER_SECOND;
    struct job *job = job_new(loop->jobs, JOB_DUTY);
    job->duty = DUTY_SWEEP;
    job->lane = LANE_SLOW;
    if (jobs_submit(loop->jobs, job) != ERR_OK) {
        job_free(loop->jobs, job);
        return; /* a full lane has more urgent work */
    }
    loop->is_sweeping = true;
}

static void on_beat(lws_sorted_usec_list_t *timer)
{
    struct loop *loop = lws_container_of(timer, struct loop, beat);
    loop->was_useful = true;
    lws_sul_schedule(loop->context, 0, &loop->beat, on_beat, BEAT_MS * LWS_US_PER_MS);
}

static void beat_if_busy(struct loop *loop)
{
    bool is_busy = loop->turns > BUSY_TURNS;
    loop->turns = 0;
    lws_sul_schedule(loop->context, 0, &loop->beat, on_beat,
                     is_busy ? BEAT_MS * LWS_US_PER_MS : LWS_SET_TIMER_USEC_CANCEL);
}

static void on_tick(lws_sorted_usec_list_t *timer)
{
    struct loop *loop = lws_container_of(timer, struct loop, tick);
    int64_t now_ms = clock_monotonic_ms();
    loop->was_useful = true;
    check_timers(loop, now_ms);
    live_check_tokens(loop);
    fanout_tick(loop->fanout);
    gaps_tick(loop->gaps);
    presence_tick(loop->presence);
    sweep_if_due(loop, now_ms);
    stopping_go_on(loop);
    beat_if_busy(loop);
    lws_sul_schedule(loop->context, 0, &loop->tick, on_tick, LWS_US_PER_SEC);
}

/* When the first of the library's events of time is due; the tick always is in their list. */
static lws_usec_t next_event_us(const struct loop *loop)
{
    const struct lws_dll2 *first = loop->tick.list.owner->head;
    return lws_container_of(first, lws_sorted_usec_list_t, list)->us;
}

/* The library looks at the time after each event of another kind; here it gets one. */
static void on_late(struct ev_loop *events, ev_timer *timer, int reason)
{
    (void)events;
    (void)reason;
    struct loop *loop = timer->data;
    bool is_missed = next_event_us(loop) == loop->late_for_us;
    loop->late_for_us = 0;
    if (is_missed) {
        lws_cancel_service(loop->context);
    }
}

/* Before a turn: our timer follows the library's next event. It does not fire in two turns that follow
 * each other, as the library would not come to look at the time then. */
static void watch_next_event(struct loop *loop)
{
    lws_usec_t due_us = next_event_us(loop);
    if (due_us == loop->late_for_us) {
        return;
    }
    loop->late_for_us = due_us;
    lws_usec_t wait_us = due_us - lws_now_usecs();
    wait_us = (wait_us > 0 ? wait_us : 0) + LATE_US;
    ev_timer_stop(loop->events, &loop->late);
    ev_now_update(loop->events);
    ev_timer_set(&loop->late, (double)wait_us / LWS_US_PER_SEC, 0);
    ev_timer_start(loop->events, &loop->late);
}

/* ---- Starting ------------------------------------------------------------------------------ */

void loop_block_signals(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static void on_library_log(int level, const char *line)
{
    if (level == LLL_ERR) {
        log_warning("the network library complains", "line=%.*s", (int)strcspn(line, "\n"), line);
    }
}

/* Sets the process's limit of descriptors to what connections_max needs, neither less nor more:
 * the library makes tables of that size, and with a smaller size of its own it would search them.
 * Returns how many connections that allows. */
static size_t connections_allowed(const struct settings *settings)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)settings->connections_max + SPARE_DESCRIPTORS;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return CONNECTIONS_MIN;
    }
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur == wanted) {
        return (size_t)settings->connections_max;
    }
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    size_t allowed = limit.rlim_cur > SPARE_DESCRIPTORS + CONNECTIONS_MIN
                         ? (size_t)limit.rlim_cur - SPARE_DESCRIPTORS
                         : CONNECTIONS_MIN;
    log_warning("fewer connections than connections_max: the limit of descriptors is lower",
                "connections=%zu", allowed);
    return allowed;
}

static bool make_context(struct loop *loop)
{
    static const struct lws_protocols *clients[] = {&client_protocol, NULL};
    static const struct lws_protocols *inside[] = {&listener_protocol, &signal_protocol,
                                                   &bus_redis_protocol, NULL};
    static const lws_retry_bo_t no_pings = {.retry_ms_table_count = 0}; /* we have our own */
    lws_set_log_level(LLL_ERR, on_library_log);
    loop->events = ev_loop_new(EVFLAG_NOENV);
    if (loop->events == NULL) {
        return false;
    }
    ev_init(&loop->late, on_late);
    loop->late.data = loop;
    void *events[] = {loop->events};
    unsigned request_seconds = (unsigned)loop->settings->request_seconds;
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS | LWS_SERVER_OPTION_VALIDATE_UTF8 |
                   LWS_SERVER_OPTION_LIBEV,
        .foreign_loops = events,
        .user = loop,
        .max_http_header_data2 = REQUEST_HEADERS_MAX,
        .pt_serv_buf_size = READ_BYTES,
        .timeout_secs = request_seconds,
        .timeout_secs_ah_idle = request_seconds, /* for the headers of a request to arrive */
        .retry_and_idle_policy = &no_pings,
        .server_string = "consultd",
        .gid = -1,
        .uid = -1,
    };
    loop->context = lws_create_context(&info);
    if (loop->context == NULL) {
        return false;
    }
    info.port = CONTEXT_PORT_NO_LISTEN_SERVER;
    info.vhost_name = "clients";
    info.pprotocols = clients;
    info.keepalive_timeout = 1; /* taken away at once by http.c: its list is slow */
    loop->clients = lws_create_vhost(loop->context, &info);
    info.port = CONTEXT_PORT_NO_LISTEN;
    info.vhost_name = "inside";
    info.pprotocols = inside;
    loop->inside = lws_create_vhost(loop->context, &info);
    return loop->clients != NULL && loop->inside != NULL;
}

static bool watch_signals(struct loop *loop)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    int descriptor = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    return descriptor >= 0 && watch(loop, descriptor, signal_protocol.name) != NULL;
}

/* Made once; no request waits for it. */
static void add_document(struct page *page, const char *path, void (*write)(struct strbuf *out))
{
    struct strbuf text;
    strbuf_init(&text, 0);
    write(&text);
    page_add(page, path, REPLY_JSON, strbuf_text(&text), text.length);
    strbuf_free(&text);
}

static void make_parts(struct loop *loop, const struct loop_settings *given)
{
    const struct settings *settings = given->settings;
    int64_t intervals[TIMER_COUNT];
    conn_intervals(settings, intervals);
    loop->thread = pthread_self();
    loop->settings = settings;
    loop->store = given->store;
    loop->clock = given->clock;
    loop->next_expiry_ms = INT64_MAX;
    loop->scratch = arena_new(SCRATCH_BYTES);
    loop->conns = conns_new(connections_allowed(settings), intervals);
    loop->sessions = sessions_new();
    loop->origins = origins_new(settings->cors_origins);
    loop->page = page_load(given->web_root);
    add_document(loop->page, "/openapi.json", openapi_write);
    add_document(loop->page, "/asyncapi.json", asyncapi_write);
    loop->fanout = fanout_new(loop);
    loop->gaps = gaps_new(loop);
    loop->presence = presence_new(loop);
}

static enum err start_jobs(struct loop *loop, const struct loop_settings *given)
{
    const struct settings *settings = given->settings;
    struct jobs_settings jobs_settings = {
        .store = given->store,
        .settings = settings,
        .clock = given->clock,
        .attempts = given->attempts,
        .attendance = loop->attendance,
        .readers = (int)settings->readers,
        .writers = (int)settings->writers,
        .lane_max = (size_t)settings->lane_max,
        .run_max = (size_t)settings->run_max,
        .wake = wake,
        .wake_data = loop,
    };
    return jobs_start(&jobs_settings, &loop->jobs);
}

static struct attendance *open_attendance(const struct settings *settings, char why[WHY_BYTES])
{
    struct attendance_settings attendance_settings = {
        .bus = settings->bus,
        .timeout_seconds = settings->presence_seconds,
        .connections = (size_t)settings->readers,
    };
    return attendance_open(&attendance_settings, why);
}

static enum err start(struct loop *loop, const struct loop_settings *given, char why[WHY_BYTES])
{
    if (!make_context(loop) || !watch_signals(loop)) {
        snprintf(why, WHY_BYTES,
                 "the network library could not be started; it needs libwebsockets-evlib-ev");
        return ERR_INTERNAL;
    }
    char address[LISTEN_ADDRESS_BYTES];
    int descriptor = listen_open(given->settings->listen, address, why);
    if (descriptor < 0) {
        return ERR_INTERNAL;
    }
    struct bus_hooks hooks = fanout_hooks(loop->fanout);
    loop->bus = bus_open(given->settings->bus, loop->context, loop->inside, &hooks, why);
    loop->attendance = loop->bus != NULL ? open_attendance(given->settings, why) : NULL;
    if (loop->attendance == NULL) {
        close(descriptor);
        return ERR_INTERNAL;
    }
    enum err err = start_jobs(loop, given);
    if (err != ERR_OK) {
        snprintf(why, WHY_BYTES, "the workers could not be started");
        close(descriptor);
        return err;
    }
    loop->listener = watch(loop, descriptor, listener_protocol.name);
    if (loop->listener == NULL) {
        close(descriptor);
        snprintf(why, WHY_BYTES, "the listener could not be watched");
        return ERR_INTERNAL;
    }
    lws_sul_schedule(loop->context, 0, &loop->tick, on_tick, LWS_US_PER_SEC);
    printf("listening on http://%s\n", address);
    fflush(stdout);
    return ERR_OK;
}

enum err loop_start(const struct loop_settings *given, struct loop **out, char why[WHY_BYTES])
{
    struct loop *loop = memory_resize(NULL, sizeof *loop);
    memset(loop, 0, sizeof *loop);
    make_parts(loop, given);
    enum err err = start(loop, given, why);
    if (err != ERR_OK) {
        loop_free(loop);
        *out = NULL;
        return err;
    }
    *out = loop;
    return ERR_OK;
}

/* The library spins in some states, e.g. when a request is received behind one that a
 * worker still has. Nothing is done in such a turn, and after some of them we pause for a moment,
 * so that a client cannot burn a processor. */
static void nap_if_spinning(struct loop *loop, int *idle_turns)
{
    *idle_turns = loop->was_useful ? 0 : *idle_turns + 1;
    loop->was_useful = false;
    if (*idle_turns > IDLE_TURNS_MAX) {
        const struct timespec nap = {.tv_nsec = NAP_NS};
        nanosleep(&nap, NULL);
    }
}

bool loop_is_worked_off(const struct loop *loop)
{
    return jobs_pending(loop->jobs) == 0;
}

int loop_run(struct loop *loop)
{
    int idle_turns = 0;
    while (loop->phase != LOOP_OVER) {
        watch_next_event(loop);
        loop->turns++;
        (void)ev_run(loop->events, EVRUN_ONCE);
        ws_flush(loop);
        nap_if_spinning(loop, &idle_turns);
    }
    return loop->exit_code;
}

/* Connections go while the bus and the workers are still there to be told; the bus before the
 * context, which gives the last descriptors back. */
static void close_connections(struct loop *loop)
{
    size_t at = 0;
    struct conn *conn;
    while ((conn = conns_next(loop->conns, &at)) != NULL) {
        live_leave(conn);
    }
}

void loop_free(struct loop *loop)
{
    if (loop == NULL) {
        return;
    }
    close_connections(loop);
    bus_close(loop->bus);
    jobs_stop(loop->jobs);
    loop->jobs = NULL;
    attendance_close(loop->attendance);
    if (loop->context != NULL) {
        lws_sul_schedule(loop->context, 0, &loop->tick, NULL, LWS_SET_TIMER_USEC_CANCEL);
        lws_sul_schedule(loop->context, 0, &loop->retry, NULL, LWS_SET_TIMER_USEC_CANCEL);
        lws_sul_schedule(loop->context, 0, &loop->stopping, NULL, LWS_SET_TIMER_USEC_CANCEL);
        lws_sul_schedule(loop->context, 0, &loop->beat, NULL, LWS_SET_TIMER_USEC_CANCEL);
        loop->phase = LOOP_OVER;
        lws_context_destroy(loop->context);
    }
    if (loop->events != NULL) {
        ev_loop_destroy(loop->events);
    }
    presence_free(loop->presence);
    fanout_free(loop->fanout);
    gaps_free(loop->gaps);
    page_free(loop->page);
    origins_free(loop->origins);
    sessions_free(loop->sessions);
    conns_free(loop->conns);
    arena_free(loop->scratch);
    free(loop->stuck);
    free(loop->fresh);
    free(loop);
}
