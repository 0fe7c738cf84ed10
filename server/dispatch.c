/* What a worker does with one job: parse, check, run the handler, encode the answer.
 *
 * REST and the socket meet here: both come down to a row of the table, a caller and a JSON
 * document. The order of checks is the order in which a client can mend things: is it JSON, is
 * there such a call, is the caller signed in and of the right kind, are the fields right, and
 * then the handler's own rules. Whatever fails, nothing has been changed: the runner takes back
 * what a failed handler wrote (SQLite), or the handler wrote nothing that could not be repeated.
 *
 * The loop has room where the one writer of SQLite has none. So it parses and binds the frames of sockets
 * (dispatch_prepare); a worker does so with those that are large, and again with those that something is wrong
 * with: what is checked before the fields comes before them in any case. */
#include <limits.h>
#include <string.h>

#include "server/api/chats.h"
#include "server/api/emit.h"
#include "server/api/errands.h"
#include "server/api/invariants.h"
#include "server/api/online.h"
#include "server/api/replay.h"
#include "server/api/service_keys.h"
#include "server/api/sweep.h"
#include "server/clock.h"
#include "server/close_codes.h"
#include "server/config.h"
#include "server/jobs.h"
#include "server/log.h"
#include "server/token_cache.h"

#define HTTP_OK 200
#define MICROSECONDS_PER_DAY (INT64_C(86400) * 1000000)
#define CLOCKS_DIFFER_REV INT64_C(5000000) /* a node's clock is ahead of another's by less */

/* ---- Answers ------------------------------------------------------------------------------ */

static void answer_success(struct job *job, const struct reply_form *form, const void *out,
                           const char *id_json)
{
    struct strbuf buffer;
    strbuf_init(&buffer, FRAME_ROOM);
    envelope_success(&buffer, form, out, id_json, &job->call.written);
    job->answer = frame_take(&buffer);
    job->status = HTTP_OK;
}

/* On a socket a call without id gets no answer, unless the frame itself is wrong. */
static void answer_failure(struct job *job, enum err err, const char *id_json, bool is_due)
{
    job->err = err;
    job->status = error_row(err)->status;
    call_forget_emissions(&job->call);
    if (is_due) {
        struct strbuf buffer;
        strbuf_init(&buffer, FRAME_ROOM);
        envelope_failure(&buffer, err, &job->call.fault, id_json);
        job->answer = frame_take(&buffer);
    }
}

void dispatch_fail(struct job *job, enum err err)
{
    bool had_answer = job->answer != NULL;
    frame_drop(job->answer);
    job->answer = NULL;
    job->call.fault = (struct fault){.after_ms = 0};
    job->verdict = VERDICT_GO_ON;
    bool is_due = job->kind == JOB_REST || (had_answer && job->id_json != NULL);
    answer_failure(job, err, job->kind == JOB_REST ? NULL : job->id_json, is_due);
}

/* ---- A row of the table ------------------------------------------------------------------- */

static enum err check_access(const struct route *route, const struct caller *who)
{
    enum role role = who->account.role;
    if (route->access == ACCESS_OPEN) {
        return ERR_OK;
    }
    if (role == ROLE_NONE) {
        return ERR_NOT_SIGNED_IN;
    }
    bool is_right_role = (route->access == ACCESS_SIGNED && role != ROLE_SERVICE) ||
                         (route->access == ACCESS_USER && role == ROLE_USER) ||
                         (route->access == ACCESS_DOCTOR && role == ROLE_DOCTOR) ||
                         (route->access == ACCESS_SERVICE && role == ROLE_SERVICE);
    return is_right_role ? ERR_OK : ERR_NOT_YOURS;
}

/* A token of a user or doctor, or a service key. */
static enum err verify(struct call *call, const char *token, struct caller *out)
{
    return service_key_is(token)
               ? service_key_verify(call, token, out)
               : token_cache_verify(call->tokens, call->settings, token, call->now, out);
}

/* Runs the row's handler on a parsed document, or on `in` (NULL: not made yet). */
static enum err run_route(struct call *call, const struct route *route,
                          const struct document *document, const void *in, void **out)
{
    TRY(check_access(route, &call->who));
    if (in == NULL) {
        void *bound = arena_alloc(call->arena, route->in->size);
        TRY(document_bind(document, route->in, call->arena, bound, &call->fault));
        in = bound;
    }
    *out = arena_alloc(call->arena, route->out_size);
    enum err err = route->handler(call, in, *out);
    if (err == ERR_DUPLICATE || err == ERR_ABSENT) {
        log_error("a handler let a storage answer through", "route=%s", route->name);
        return ERR_INTERNAL;
    }
    TRY(err);
    return route->lane == LANE_WRITE ? replay_stamp_late(call) : ERR_OK;
}

static enum err run_rest(struct job *job, void **out)
{
    struct call *call = &job->call;
    if (job->route->access != ACCESS_OPEN) {
        TRY(verify(call, job->token, &call->who));
    }
    struct document document;
    TRY(document_parse(&document, call->arena, job->body, job->length, &call->fault));
    return run_route(call, job->route, &document, NULL, out);
}

/* A handler has more to do in the WRITE lane: takes along what it carries. */
static bool goes_on(struct job *job)
{
    if (!job->call.goes_on) {
        return false;
    }
    job->carried = job->call.carried;
    job->lane = LANE_WRITE;
    return true;
}

/* Returns ERR_BUSY if the job goes on in another lane. */
static enum err dispatch_rest(struct job *job)
{
    void *out = NULL;
    enum err err = run_rest(job, &out);
    if (err == ERR_OK && goes_on(job)) {
        return ERR_BUSY;
    }
    if (err == ERR_OK) {
        answer_success(job, &job->route->reply, out, NULL);
    } else {
        answer_failure(job, err, NULL, true);
    }
    return ERR_OK;
}

/* ---- Calls that only the socket has ------------------------------------------------------- */

static const struct reply_form plain_reply = {REPLY_NONE, &nothing_shape, false, "操作成功"};
static const struct reply_form connected_reply = {REPLY_OBJECT, &connected_shape, false,
                                                  "操作成功"};

static void close_with(struct job *job, int close_code)
{
    job->verdict = VERDICT_CLOSE;
    job->close_code = close_code;
}

/* Where the store cannot say whose the token is it is not known to be bad: who is signed in stays, and who is not
 * comes again. */
static void refuse_connect(struct job *job, enum err err)
{
    if (err != ERR_STORE && err != ERR_BUSY) {
        close_with(job, err == ERR_TOKEN_EXPIRED ? CLOSE_TOKEN_RAN_OUT : CLOSE_NOT_SIGNED_IN);
    } else if (job->call.who.account.role == ROLE_NONE) {
        close_with(job, CLOSE_INTERNAL);
    }
}

static enum err run_ping(struct job *job, const struct document *data)
{
    (void)data;
    if (job->id_json != NULL) {
        answer_success(job, &plain_reply, NULL, job->id_json);
    }
    return ERR_OK;
}

static enum err run_typing(struct job *job, const struct document *data)
{
    struct by_chat in;
    struct chat chat;
    enum side side;
    TRY(document_bind(data, &by_chat_shape, job->call.arena, &in, &job->call.fault));
    TRY(chat_get_own(&job->call, in.chat_id, "chatId", &chat, &side));
    emit_typing(&job->call, &chat, side);
    return run_ping(job, data);
}

static struct connected connected_as(const struct job *job, struct account account)
{
    struct connected connected = {.ping_interval = job->call.settings->ping_seconds};
    if (account.role == ROLE_USER) {
        connected.user_id = account.id;
    } else if (account.role == ROLE_DOCTOR) {
        connected.doctor_id = account.id;
    }
    return connected;
}

/* The first connect proves who it is; the rest of the answer follows from JOB_RESUME, when the
 * socket is subscribed. A later one renews the token. */
static enum err run_connect(struct job *job, const struct document *data)
{
    struct call *call = &job->call;
    struct socket_connect in;
    struct caller who;
    TRY(document_bind(data, &socket_connect_shape, call->arena, &in, &call->fault));
    const char *token = in.token != NULL ? in.token : job->token;
    enum err err = verify(call, token, &who);
    if (err != ERR_OK) {
        refuse_connect(job, err);
        return err;
    }
    struct account before = call->who.account;
    if (before.role == ROLE_NONE) {
        job->who = who;
        job->cursor = in.cursor;
        job->verdict = VERDICT_SIGN_IN;
        return ERR_OK;
    }
    if (before.role != who.account.role || !oid_equal(before.id, who.account.id)) {
        return call_blame(call, ERR_NOT_YOURS, "token"); /* a socket stays its account's */
    }
    job->who = who;
    job->verdict = VERDICT_RENEW;
    char cursor[CURSOR_TEXT_BYTES];
    cursor_format(call->store_id, job->fanned_out_rev, cursor);
    struct connected connected = connected_as(job, who.account);
    connected.cursor = in.cursor != NULL ? in.cursor : cursor;
    connected.resumed = true; /* nothing was interrupted */
    if (job->id_json != NULL) {
        answer_success(job, &connected_reply, &connected, job->id_json);
    }
    return ERR_OK;
}

typedef enum err (*socket_call_fn)(struct job *job, const struct document *data);

static const struct {
    const char *name;
    socket_call_fn run;
    bool needs_sign_in;
} socket_calls[] = {
    {"connect", run_connect, false},
    {"ping", run_ping, false},
    {"typing", run_typing, true},
};

/* ---- Frames ------------------------------------------------------------------------------- */

static enum err check_signed_in(struct job *job)
{
    if (job->call.who.account.role == ROLE_NONE) {
        close_with(job, CLOSE_NOT_SIGNED_IN); /* connect comes first (contract 4) */
        return ERR_NOT_SIGNED_IN;
    }
    if (job->call.who.expires_ms <= job->call.now.ms) {
        close_with(job, CLOSE_TOKEN_RAN_OUT);
        return ERR_TOKEN_EXPIRED;
    }
    if (job->call.who.account.role == ROLE_SERVICE &&
        service_key_check(&job->call, job->call.who.account.id) == ERR_NOT_SIGNED_IN) {
        close_with(job, CLOSE_NOT_SIGNED_IN); /* disabled meanwhile */
        return ERR_NOT_SIGNED_IN;
    }
    return ERR_OK;
}

/* `route` NULL: there is no such call. `data`: of a job that is not ready. */
static enum err run_endpoint(struct job *job, const struct route *route,
                             const struct document *data)
{
    TRY(check_signed_in(job));
    if (route == NULL) {
        return call_blame(&job->call, ERR_UNKNOWN_CALL, "call");
    }
    if (route->lane != job->lane && job->carried == NULL) {
        job->lane = route->lane;
        return ERR_OK; /* dispatch_frame sees that the job was moved */
    }
    void *out = NULL;
    const void *in = job->ready != NULL ? job->ready->in : NULL;
    TRY(run_route(&job->call, route, data, in, &out));
    if (goes_on(job)) {
        return ERR_OK;
    }
    if (job->id_json != NULL) {
        answer_success(job, &route->reply, out, job->id_json);
    }
    return ERR_OK;
}

static enum err run_frame(struct job *job, const struct socket_call *frame)
{
    for (size_t i = 0; i < ARRAY_LENGTH(socket_calls); i++) {
        if (strcmp(socket_calls[i].name, frame->call) == 0) {
            if (socket_calls[i].needs_sign_in) {
                TRY(check_signed_in(job));
            }
            return socket_calls[i].run(job, &frame->data);
        }
    }
    return run_endpoint(job, route_find(frame->call, strlen(frame->call)), &frame->data);
}

static enum err run_ready(struct job *job)
{
    job->id_json = job->ready->id_json;
    return run_endpoint(job, job->ready->route, NULL);
}

/* *is_call: false if it is no frame at all. */
static enum err parse_and_run(struct job *job, bool *is_call)
{
    struct socket_call frame = {.id_json = NULL};
    enum err err =
        socket_call_parse(job->body, job->length, job->call.arena, &frame, &job->call.fault);
    job->id_json = frame.id_json;
    *is_call = err == ERR_OK;
    return err == ERR_OK ? run_frame(job, &frame) : err;
}

/* Returns ERR_BUSY if the job belongs into another lane, where it starts anew. */
static enum err dispatch_frame(struct job *job)
{
    enum lane lane = job->lane;
    bool is_call = true;
    enum err err = job->ready != NULL ? run_ready(job) : parse_and_run(job, &is_call);
    if (job->lane != lane) {
        return ERR_BUSY;
    }
    if (err != ERR_OK) {
        answer_failure(job, err, job->id_json, job->id_json != NULL || !is_call);
    }
    if (!is_call) {
        close_with(job, CLOSE_NOT_A_FRAME);
    }
    return ERR_OK;
}

/* ---- Resume ------------------------------------------------------------------------------- */

/* Whether the client's cursor is one that this store can go on from: no older than it keeps, and not from a time
 * that is still to come, when a clock was ahead. */
static bool cursor_is_good(struct job *job, int64_t *rev)
{
    if (job->cursor == NULL || !cursor_parse(job->cursor, job->call.store_id, rev)) {
        return false;
    }
    int64_t reach = job->call.settings->resume_days * MICROSECONDS_PER_DAY;
    int64_t now = job->call.now.ms * 1000;
    int64_t newest = job->fanned_out_rev > now ? job->fanned_out_rev : now;
    return now - *rev <= reach && *rev <= newest + CLOCKS_DIFFER_REV;
}

/* Where a client stands that has seen all that this node has told until now. */
static int64_t standing(const struct job *job)
{
    return store_is_ordered(store_of_session(job->call.store)) ? job->fanned_out_rev
                                                               : job->call.now.ms * 1000;
}

static void append_synced(struct job *job, struct emission *replay, int64_t rev)
{
    char cursor[CURSOR_TEXT_BYTES];
    cursor_format(job->call.store_id, rev, cursor);
    struct strbuf buffer;
    strbuf_init(&buffer, FRAME_ROOM);
    envelope_event(&buffer, EVENT_SYNCED, cursor, NULL);
    struct emission *synced = ARENA_NEW(job->call.arena, struct emission);
    *synced = (struct emission){.frame = frame_take(&buffer)};
    struct emission **tail = &replay;
    while (*tail != NULL) {
        tail = &(*tail)->next;
    }
    *tail = synced;
    job->replay = replay;
}

/* What a repair soon after would find and the client needs not be told: a client that was resumed
 * has it from the replay, any other will read it from the lists. */
static enum err read_known(struct job *job, const struct replay *replay)
{
    if (!job->wants_known || replay->is_complete) {
        return ERR_OK;
    }
    struct call *call = &job->call;
    struct replay known;
    int64_t from = replay_start(store_of_session(call->store), call->now.ms * 1000);
    TRY(replay_since(call, job->who.account, from, 0, &known));
    job->known = known.first;
    return ERR_OK;
}

/* The answer to connect, what was missed, and synced. The answer's cursor is still the client's
 * own when it is resumed: only what it has received may move it. */
static enum err run_resume(struct job *job)
{
    struct call *call = &job->call;
    struct replay replay = {.is_complete = false};
    int64_t rev = 0;
    if (cursor_is_good(job, &rev)) {
        int64_t from = replay_start(store_of_session(call->store), rev);
        TRY(replay_since(call, job->who.account, from, call->settings->resume_items, &replay));
    }
    TRY(read_known(job, &replay));
    int64_t now = standing(job);
    int64_t newest = replay.newest > now ? replay.newest : now;
    char cursor[CURSOR_TEXT_BYTES];
    cursor_format(call->store_id, replay.is_complete ? rev : now, cursor);
    struct connected connected = connected_as(job, job->who.account);
    connected.cursor = cursor;
    connected.resumed = replay.is_complete;
    if (job->id_json != NULL) {
        answer_success(job, &connected_reply, &connected, job->id_json);
    }
    append_synced(job, replay.first, newest > rev || !replay.is_complete ? newest : rev);
    return ERR_OK;
}

static enum err run_repair(struct job *job)
{
    struct call *call = &job->call;
    struct replay replay;
    int64_t from = replay_start(store_of_session(call->store), job->cursor_rev);
    TRY(replay_since(call, job->who.account, from, 0, &replay));
    job->replay = replay.first;
    return ERR_OK;
}

static enum err run_missing(struct job *job)
{
    return replay_missing(&job->call, job->who.account, job->cursor_rev, job->asks, job->ask_count,
                          &job->replay);
}

static enum err run_check(struct job *job)
{
    struct call *call = &job->call;
    bool *has_news = arena_array(call->arena, job->asked.count, sizeof *has_news);
    int64_t from = replay_start(store_of_session(call->store), job->cursor_rev);
    job->has_news = has_news;
    return replay_find_news(call, job->who.account.role, job->asked, from, has_news);
}

/* The sweeper's half in the SLOW lane: asks payment providers, and goes on in the WRITE lane with
 * what they said, or with nothing if the store failed: there it will say so again. */
static enum err ask_before_sweep(struct job *job)
{
    struct errands *errands = ARENA_NEW(job->call.arena, struct errands);
    if (errands_ask(&job->call, errands) != ERR_OK) {
        *errands = (struct errands){.count = 0};
    }
    job->carried = errands;
    job->lane = LANE_WRITE;
    return ERR_BUSY;
}

static enum err run_sweep(struct job *job)
{
    const struct errands *errands = job->carried;
    bool more;
    TRY(errands_write(&job->call, errands));
    TRY(sweep(&job->call, &more));
    job->call.wants_sweep = job->call.wants_sweep || more || errands->more;
    return ERR_OK;
}

static enum err count_invariants(struct job *job)
{
    int64_t *counts = arena_array(job->call.arena, INVARIANT_COUNT, sizeof *counts);
    job->counts = counts;
    return invariants_count(&job->call, counts);
}

/* The server's own work. Returns ERR_BUSY if the job goes on in another lane. */
static enum err dispatch_duty(struct job *job)
{
    enum err err = ERR_OK;
    switch (job->duty) {
    case DUTY_COUNT:
        err = count_invariants(job);
        break;
    case DUTY_PING:
        err = store_ping(job->call.store);
        break;
    case DUTY_PRESENCE:
        err = online_run(&job->call, job->online);
        break;
    case DUTY_SWEEP:
        if (job->carried == NULL) {
            return ask_before_sweep(job);
        }
        err = run_sweep(job);
        break;
    }
    if (err != ERR_OK) {
        answer_failure(job, err, NULL, false);
    }
    return ERR_OK;
}

/* ---- Entry -------------------------------------------------------------------------------- */

static void begin(struct job *job)
{
    struct call *call = &job->call;
    call->who = job->who;
    call->now = clock_now(call->clock);
    call->store_id = store_id(store_of_session(call->store));
    call->fault = (struct fault){.after_ms = 0};
    call->carried = job->carried;
    if (job->kind == JOB_REST) {
        call->raw = (struct raw_request){job->body, job->length, job->headers};
    }
    job->err = ERR_OK;
    job->verdict = VERDICT_GO_ON;
}

enum err dispatch_run(struct job *job)
{
    begin(job);
    enum err err = ERR_OK;
    switch (job->kind) {
    case JOB_REST:
        return dispatch_rest(job);
    case JOB_FRAME:
        return dispatch_frame(job);
    case JOB_RESUME:
        err = run_resume(job);
        break;
    case JOB_REPAIR:
        err = run_repair(job);
        break;
    case JOB_CHECK:
        err = run_check(job);
        break;
    case JOB_MISSING:
        err = run_missing(job);
        break;
    case JOB_DUTY:
        return dispatch_duty(job);
    }
    if (err != ERR_OK) {
        answer_failure(job, err, job->id_json, job->id_json != NULL);
    }
    return ERR_OK;
}

/* ---- The loop's part ---------------------------------------------------------------------- */

/* The position of the first `key`, in its quotes, at or after `at`; `length` if there is none, or nothing behind it.
 * After Horspool: the byte where the key would end says how far away the next place for it is, so that no text, also
 * one of nothing but quotes, takes the loop much longer than any other. */
static size_t find_key(const char *text, size_t at, size_t length, const char *key)
{
    const size_t key_length = strlen(key);
    const size_t last = key_length - 1;
    unsigned char steps[UCHAR_MAX + 1];
    memset(steps, (int)key_length, sizeof steps);
    for (size_t i = 0; i < last; i++) {
        steps[(unsigned char)key[i]] = (unsigned char)(last - i);
    }
    while (at + key_length < length &&
           (text[at + last] != key[last] || memcmp(text + at, key, last) != 0)) {
        at += steps[(unsigned char)text[at + last]];
    }
    return at + key_length < length ? at : length;
}

/* The position of the first quote at or after `at`; `length` if there is none. */
static size_t find_quote(const char *text, size_t at, size_t length)
{
    const char *found = at < length ? memchr(text + at, '"', length - at) : NULL;
    return found != NULL ? (size_t)(found - text) : length;
}

/* The text behind the first `key`: from *begin to before *end. False: there is none. */
static bool find_value(const char *text, size_t length, const char *key, size_t *begin, size_t *end)
{
    *begin = find_quote(text, find_key(text, 0, length, key) + strlen(key), length) + 1;
    *end = find_quote(text, *begin, length);
    return *end < length;
}

/* The row that a frame calls; NULL: none, or that is not certain. */
static const struct route *guess_route(const char *text, size_t length)
{
    static const char key[] = "\"call\"";
    size_t name, end;
    if (!find_value(text, length, key, &name, &end) ||
        find_key(text, end + 1, length, key) < length) {
        return NULL; /* of two one is part of its data */
    }
    return route_find(text + name, end - name);
}

/* Binds the call's fields; leaves the job as it is if they are not right. */
static void make_ready(struct job *job, const struct route *route, const struct socket_call *frame)
{
    struct fault fault;
    void *in = arena_alloc(job->arena, route->in->size);
    if (document_bind(&frame->data, route->in, job->arena, in, &fault) != ERR_OK) {
        return;
    }
    struct ready_call *ready = ARENA_NEW(job->arena, struct ready_call);
    *ready = (struct ready_call){.route = route, .in = in};
    if (frame->id_json != NULL) {
        ready->id_json = arena_text(job->arena, frame->id_json, strlen(frame->id_json));
    }
    job->ready = ready;
}

void dispatch_prepare(struct job *job, struct arena *scratch)
{
    struct socket_call frame;
    struct fault fault;
    const struct route *route;
    if (job->length <= FRAME_READY_MAX &&
        socket_call_parse(job->body, job->length, scratch, &frame, &fault) == ERR_OK) {
        route = route_find(frame.call, strlen(frame.call));
        if (route != NULL) {
            make_ready(job, route, &frame);
        }
    } else {
        route = guess_route(job->body, job->length);
    }
    job->lane = route != NULL ? route->lane : LANE_READ;
    arena_reset(scratch);
}

bool dispatch_find_chat(const char *text, size_t length, struct oid *chat)
{
    size_t id, end;
    return find_value(text, length, "\"chatId\"", &id, &end) &&
           oid_parse(text + id, end - id, chat);
}

bool dispatch_guess_chat(const struct job *job, struct oid *chat)
{
    bool is_rest = job->kind == JOB_REST;
    if (!is_rest && job->kind != JOB_FRAME) {
        return false;
    }
    const struct route *route = is_rest              ? job->route
                                : job->ready != NULL ? job->ready->route
                                                     : guess_route(job->body, job->length);
    bool sends = route != NULL && route->in == &message_create_shape;
    bool reads = route != NULL && route->in == &chat_read_shape;
    bool is_reply = sends && job->who.account.role == ROLE_DOCTOR; /* it changes its order, too */
    return (sends || reads) && !is_reply && dispatch_find_chat(job->body, job->length, chat);
}
