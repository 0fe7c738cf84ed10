/* A small WebSocket client for the transcript runner.
 *
 * Small and our own, because stories also send what a proper client never would: frames that are
 * not masked, binary ones, cut connections, sockets that stop reading. It asks for no extension.
 * What arrives is sorted at once: answers to calls by their id, all else (events, and answers
 * nobody asked for) into one list in order of arrival, from which `expect` takes what it matches.
 *
 *   frame:  FIN+opcode | MASK+length | 0, 2 or 8 bytes of length | 4 of mask if MASK | payload */
#include "talk.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum opcode { CONTINUATION = 0, TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10 };

struct ws {
    const char *name; /* as the story calls it: actor, or actor.which */
    struct actor *actor;
    int tcp;             /* -1: not open */
    bool is_deaf;        /* does not read */
    bool is_mute;        /* does not answer pings */
    bool is_gone;        /* the server ended the connection */
    int close_code;      /* of the server's close frame, 0: none came */
    struct text input;   /* bytes not yet parsed */
    struct text message; /* fragments so far */
    json_t *received;    /* array: events and other frames not yet expected */
    json_t *pending;     /* array: keys of calls not yet answered, oldest first */
    json_t *answers;     /* key of a call -> its answer */
    json_t *names;       /* key of a call -> what was called */
    int last_id;
    json_int_t last_answered; /* id of the call whose answer came last */
    bool has_overtaken;       /* an answer came before that of an earlier call */
};

static struct ws *find_socket(struct story *story, const char *name)
{
    for (int i = 0; i < story->socket_count; i++) {
        if (strcmp(story->sockets[i]->name, name) == 0) {
            return story->sockets[i];
        }
    }
    struct ws *ws = calloc(1, sizeof *ws);
    if (ws == NULL || story->socket_count == MAX_SOCKETS) {
        story_fail(story, "too many sockets");
    }
    ws->name = name;
    ws->actor = story_actor(story, name);
    ws->tcp = -1;
    story->sockets[story->socket_count++] = ws;
    return ws;
}

/* ---- bytes out ---- */

static void send_bytes(struct story *story, struct ws *ws, const char *bytes, size_t length)
{
    if (ws->tcp < 0 && (ws->is_gone || ws->close_code != 0)) {
        return; /* as below */
    }
    if (ws->tcp < 0) {
        story_fail(story, "ws %s is not open", ws->name);
    }
    while (length > 0) {
        ssize_t sent = send(ws->tcp, bytes, length, MSG_NOSIGNAL);
        if (sent < 0 && (errno == EPIPE || errno == ECONNRESET)) {
            return; /* the server has closed; what the story expects of that, it says next */
        }
        if (sent < 0) {
            story_fail(story, "ws %s: cannot send: %s", ws->name, strerror(errno));
        }
        bytes += sent;
        length -= (size_t)sent;
    }
}

static void send_frame(struct story *story, struct ws *ws, enum opcode opcode, const char *payload,
                       size_t length)
{
    static const unsigned char mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    struct text frame = {0};
    unsigned char head[14] = {(unsigned char)(0x80 | opcode)};
    size_t size = 2;
    if (length < 126) {
        head[1] = (unsigned char)(0x80 | length);
    } else if (length < 65536) {
        head[1] = 0x80 | 126;
        head[2] = (unsigned char)(length >> 8);
        head[3] = (unsigned char)length;
        size = 4;
    } else {
        head[1] = 0x80 | 127;
        for (size_t i = 0; i < 8; i++) {
            head[2 + i] = (unsigned char)((uint64_t)length >> (56 - 8 * i));
        }
        size = 10;
    }
    memcpy(head + size, mask, sizeof mask);
    text_add(&frame, (char *)head, size + sizeof mask);
    text_add(&frame, payload, length);
    for (size_t i = 0; i < length; i++) {
        char *byte = &frame.bytes[size + sizeof mask + i];
        *byte = (char)((unsigned char)*byte ^ mask[i % 4]);
    }
    send_bytes(story, ws, frame.bytes, frame.length);
}

static void send_text(struct story *story, struct ws *ws, const char *text, size_t length)
{
    story_heard(story, "ws %s> %.*s", ws->name, (int)length, text);
    send_frame(story, ws, TEXT, text, length);
}

/* ---- bytes in ---- */

static void hang_up(struct ws *ws)
{
    if (ws->tcp >= 0) {
        close(ws->tcp);
        ws->tcp = -1;
    }
}

static bool is_pending(struct ws *ws, const char *key)
{
    size_t index;
    json_t *pending;
    json_array_foreach(ws->pending, index, pending)
    {
        if (strcmp(json_string_value(pending), key) == 0) {
            return true;
        }
    }
    return false;
}

static void take_message(struct story *story, struct ws *ws)
{
    json_t *frame = json_loadb(ws->message.bytes, ws->message.length, 0, NULL);
    story_heard(story, "ws %s< %s", ws->name, ws->message.bytes);
    ws->message.length = 0;
    if (!json_is_object(frame)) {
        story_fail(story, "ws %s: the server sent a frame that is not a JSON object: %s", ws->name,
                   ws->message.bytes);
    }
    json_t *id = json_object_get(frame, "id");
    char *key = id == NULL ? NULL : json_dumps(id, JSON_ENCODE_ANY);
    json_t *cursor = json_object_get(frame, "cursor");
    if (json_is_string(cursor)) {
        json_object_set(story->variables, text_printf("%s.cursor", ws->name), cursor);
    }
    if (json_object_get(frame, "event") != NULL) {
        check_event(story, ws->name, frame);
        story_answered(story, "socket", NULL, 0, NULL, frame);
    } else {
        check_answer(story, frame);
    }
    if (key == NULL || !is_pending(ws, key)) {
        json_array_append(ws->received, frame);
        return;
    }
    const char *name = json_string_value(json_object_get(ws->names, key));
    story_answered(story, "socket", name, code_of(frame), NULL, frame);
    if (name[0] == '/' && code_of(frame) == 200) {
        story_reached(story, "POST", name);
    }
    json_object_set(ws->answers, key, frame);
    ws->has_overtaken = ws->has_overtaken || json_integer_value(id) < ws->last_answered;
    ws->last_answered = json_integer_value(id);
}

static void take_close(struct story *story, struct ws *ws, const char *payload, size_t length)
{
    const unsigned char *code = (const unsigned char *)payload;
    ws->close_code = length < 2 ? 1005 : code[0] << 8 | code[1];
    story_heard(story, "ws %s< close %d %.*s", ws->name, ws->close_code,
                length < 2 ? 0 : (int)length - 2, length < 2 ? "" : payload + 2);
    send_frame(story, ws, CLOSE, payload, length < 2 ? 0 : 2);
    hang_up(ws);
}

static void take_frame(struct story *story, struct ws *ws, unsigned char first, const char *payload,
                       size_t length)
{
    enum opcode opcode = first & 15u;
    if (opcode == PING && !ws->is_mute) {
        send_frame(story, ws, PONG, payload, length);
    } else if (opcode == CLOSE) {
        take_close(story, ws, payload, length);
    } else if (opcode == TEXT || opcode == CONTINUATION) {
        text_add(&ws->message, payload, length);
        if ((first & 0x80) != 0) {
            take_message(story, ws);
        }
    } else if (opcode != PONG && opcode != PING) {
        story_fail(story, "ws %s: the server sent a frame with opcode %d", ws->name, (int)opcode);
    }
}

/* Takes the first whole frame off the input; false if there is none yet. */
static bool parse_frame(struct story *story, struct ws *ws)
{
    const unsigned char *at = (const unsigned char *)ws->input.bytes;
    size_t head = 2;
    if (ws->input.length < head) {
        return false;
    }
    uint64_t length = at[1] & 127u;
    size_t extra = length == 126 ? 2 : length == 127 ? 8 : 0;
    if ((at[1] & 0x80u) != 0 || (at[0] & 0x70u) != 0) {
        story_fail(story, "ws %s: the server sent a masked or extended frame", ws->name);
    }
    if (ws->input.length < head + extra) {
        return false;
    }
    if (extra > 0) {
        length = 0;
    }
    for (size_t i = 0; i < extra; i++) {
        length = length << 8 | at[head + i];
    }
    head += extra;
    if (ws->input.length < head + length) {
        return false;
    }
    char *payload = text_copy(ws->input.bytes + head, (size_t)length);
    unsigned char first = at[0];
    ws->input.length -= head + (size_t)length;
    memmove(ws->input.bytes, ws->input.bytes + head + length, ws->input.length);
    take_frame(story, ws, first, payload, (size_t)length);
    free(payload);
    return true;
}

static void receive(struct story *story, struct ws *ws)
{
    char bytes[65536];
    ssize_t got = recv(ws->tcp, bytes, sizeof bytes, 0);
    if (got > 0) {
        text_add(&ws->input, bytes, (size_t)got);
        while (ws->tcp >= 0 && parse_frame(story, ws)) {
        }
    } else {
        ws->is_gone = true;
        story_heard(story, "ws %s< end of the connection", ws->name);
        hang_up(ws);
    }
}

/* Reads once from every socket that has something; false if none had. */
static bool pump_once(struct story *story, int wait_ms)
{
    struct pollfd waited[MAX_SOCKETS];
    struct ws *of[MAX_SOCKETS];
    nfds_t count = 0;
    for (int i = 0; i < story->socket_count; i++) {
        struct ws *ws = story->sockets[i];
        if (ws->tcp >= 0 && !ws->is_deaf) {
            waited[count] = (struct pollfd){.fd = ws->tcp, .events = POLLIN};
            of[count++] = ws;
        }
    }
    if (poll(waited, count, wait_ms) <= 0) {
        return false;
    }
    for (nfds_t i = 0; i < count; i++) {
        if (waited[i].revents != 0) {
            receive(story, of[i]);
        }
    }
    return true;
}

void ws_pump(struct story *story, int wait_ms)
{
    nodes_drain(story);
    while (pump_once(story, wait_ms)) {
        wait_ms = 0;
    }
}

/* ---- what a story says ---- */

static void open_socket(struct story *story, struct ws *ws, const char *at)
{
    int wanted = *at == '\0' ? 101 : atoi(at);
    hang_up(ws);
    *ws = (struct ws){.name = ws->name, .actor = ws->actor};
    ws->received = json_array();
    ws->pending = json_array();
    ws->answers = json_object();
    ws->names = json_object();
    check_forget_socket(story, ws->name);
    ws->tcp = node_connect(story, ws->actor->node);
    struct timeval limit = {.tv_sec = story->deadline_ms / 1000};
    setsockopt(ws->tcp, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    char *extra = text_printf("%s", story->headers.bytes != NULL ? story->headers.bytes : "");
    struct text request = {0};
    text_addf(&request,
              "GET /ws HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\n"
              "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
              story->nodes[ws->actor->node].port);
    for (char *line = strtok(extra, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        text_addf(&request, "%s\r\n", line);
    }
    text_addf(&request, "\r\n");
    story->headers.length = 0;
    text_add(&story->headers, "", 0);
    send_bytes(story, ws, request.bytes, request.length);

    /* The raw reader knows how to read an answer; it leaves what comes after it. */
    int raw = story->raw;
    struct text raw_input = story->raw_input;
    story->raw = ws->tcp;
    story->raw_input = (struct text){0};
    raw_read_reply(story);
    ws->input = story->raw_input;
    story->raw = raw;
    story->raw_input = raw_input;
    if (story->reply.status != wanted) {
        story_fail(story, "ws %s open: expected %d, got %d", ws->name, wanted, story->reply.status);
    }
    char *accept = reply_header(&story->reply, "Sec-WebSocket-Accept");
    if (wanted != 101) {
        hang_up(ws);
    } else if (accept == NULL || strcmp(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") != 0) {
        story_fail(story, "ws %s open: a wrong Sec-WebSocket-Accept", ws->name);
    }
    while (ws->tcp >= 0 && parse_frame(story, ws)) {
    }
}

static void call(struct story *story, struct ws *ws, const char *name, json_t *data)
{
    json_t *frame = json_pack("{s:i, s:s}", "id", ++ws->last_id, "call", name);
    if (data != NULL) {
        json_object_set_new(frame, "data", data);
    }
    char *key = text_printf("%d", ws->last_id);
    json_array_append_new(ws->pending, json_string(key));
    json_object_set_new(ws->names, key, json_string(name));
    char *text = json_dumps(frame, JSON_COMPACT);
    check_note_secrets(story, text);
    send_text(story, ws, text, strlen(text));
}

/* The JSON object in the rest of the line, with references replaced; NULL if there is none. */
static json_t *take_data(struct story *story, const char *at)
{
    if (*at == '\0') {
        return NULL;
    }
    json_error_t error;
    json_t *data = json_loads(expand_json(story, at), JSON_DECODE_ANY, &error);
    if (data == NULL) {
        story_fail(story, "this is not JSON: %s (%s)", at, error.text);
    }
    return data;
}

static void say_connect(struct story *story, struct ws *ws, const char *at)
{
    json_t *data = json_object();
    if (ws->actor->token != NULL) {
        json_object_set_new(data, "token", json_string(ws->actor->token));
    }
    json_t *more = take_data(story, at);
    if (more != NULL) {
        json_object_update(data, more);
    }
    call(story, ws, "connect", data);
}

static void say_call(struct story *story, struct ws *ws, const char *at)
{
    char *name = take_word(&at);
    call(story, ws, name, take_data(story, at));
}

static void say_send(struct story *story, struct ws *ws, const char *at)
{
    size_t length = 0;
    bool is_text = take_if(&at, "text");
    bool is_binary = !is_text && take_if(&at, "binary");
    bool is_bytes = !is_text && !is_binary && take_if(&at, "bytes");
    if (!is_text && !is_binary && !is_bytes) {
        char *json = expand_json(story, at);
        check_note_secrets(story, json);
        send_text(story, ws, json, strlen(json));
        return;
    }
    char *bytes = take_quoted(story, &at, &length);
    if (is_bytes) {
        story_heard(story, "ws %s> %zu bytes of our own", ws->name, length);
        send_bytes(story, ws, bytes, length);
    } else if (is_binary) {
        story_heard(story, "ws %s> a binary frame of %zu bytes", ws->name, length);
        send_frame(story, ws, BINARY, bytes, length);
    } else {
        send_text(story, ws, bytes, length);
    }
}

/* Waits a little for more; fails when the deadline has passed or nothing more can come. */
static void wait_for_more(struct story *story, struct ws *ws, int64_t deadline, const char *what)
{
    int64_t left = deadline - now_ms();
    if (left <= 0 || ws->tcp < 0) {
        char *rest = json_dumps(ws->received, JSON_INDENT(2));
        story_fail(story, "ws %s: expected %s, %s; not expected so far: %s", ws->name, what,
                   ws->tcp >= 0 ? text_printf("not there within %d ms", story->deadline_ms)
                   : ws->close_code != 0
                       ? text_printf("but the server closed with %d", ws->close_code)
                       : text_printf("but the socket is not open"),
                   rest);
    }
    ws_pump(story, (int)left);
}

static json_t *wait_for_answer(struct story *story, struct ws *ws, const char *key)
{
    int64_t deadline = now_ms() + story->deadline_ms;
    while (json_object_get(ws->answers, key) == NULL) {
        wait_for_more(story, ws, deadline, text_printf("the answer to call %s", key));
    }
    return json_object_get(ws->answers, key);
}

static void expect_answer(struct story *story, struct ws *ws, int status, const char *pattern)
{
    json_t *first = json_array_get(ws->pending, 0);
    if (first == NULL) {
        story_fail(story, "ws %s: every call has been answered", ws->name);
    }
    char *key = text_printf("%s", json_string_value(first));
    json_t *answer = wait_for_answer(story, ws, key);
    json_array_remove(ws->pending, 0);
    int got = code_of(answer);
    char *shown = json_dumps(answer, JSON_COMPACT);
    if (got != status) {
        story_fail(story, "ws %s: expected %d, got %s", ws->name, status, shown);
    }
    char *why = *pattern == '\0' ? NULL : pattern_mismatch(story, pattern, answer, NULL);
    if (why != NULL) {
        story_fail(story, "ws %s: %s", ws->name, why);
    }
}

/* Takes the first received frame that matches, waiting for it. */
static void expect_event(struct story *story, struct ws *ws, const char *pattern)
{
    int64_t deadline = now_ms() + story->deadline_ms;
    char *why = NULL;
    for (size_t at = 0;; at++) {
        while (at >= json_array_size(ws->received)) {
            wait_for_more(story, ws, deadline,
                          text_printf("%s%s%s", pattern, why == NULL ? "" : "; the last one came ",
                                      why == NULL ? "" : why));
        }
        why = pattern_mismatch(story, pattern, json_array_get(ws->received, at), NULL);
        if (why == NULL) {
            json_array_remove(ws->received, at);
            return;
        }
    }
}

static void expect_next(struct story *story, struct ws *ws, const char *pattern)
{
    int64_t deadline = now_ms() + story->deadline_ms;
    while (json_array_size(ws->received) == 0) {
        wait_for_more(story, ws, deadline, text_printf("next %s", pattern));
    }
    char *why = pattern_mismatch(story, pattern, json_array_get(ws->received, 0), NULL);
    if (why != NULL) {
        story_fail(story, "ws %s: next: %s", ws->name, why);
    }
    json_array_remove(ws->received, 0);
}

/* All that the server had for this socket has arrived once it answers a ping sent now. */
static void barrier(struct story *story, struct ws *ws)
{
    call(story, ws, "ping", NULL);
    char *key = text_printf("%d", ws->last_id);
    (void)wait_for_answer(story, ws, key);
    json_array_remove(ws->pending, json_array_size(ws->pending) - 1);
}

static void expect_none(struct story *story, struct ws *ws, const char *pattern)
{
    barrier(story, ws);
    size_t index;
    json_t *frame;
    json_array_foreach(ws->received, index, frame)
    {
        if (pattern_mismatch(story, pattern, frame, NULL) == NULL) {
            story_fail(story, "ws %s: expected none of %s, got %s", ws->name, pattern,
                       json_dumps(frame, JSON_COMPACT));
        }
    }
}

static void expect_close(struct story *story, struct ws *ws, int code)
{
    int64_t deadline = now_ms() + story->deadline_ms;
    while (ws->close_code == 0) {
        wait_for_more(story, ws, deadline, text_printf("close %d", code));
    }
    if (ws->close_code != code) {
        story_fail(story, "ws %s: expected close %d, got close %d", ws->name, code, ws->close_code);
    }
}

static void expect_gone(struct story *story, struct ws *ws)
{
    int64_t deadline = now_ms() + story->deadline_ms;
    while (!ws->is_gone) {
        wait_for_more(story, ws, deadline, "the end of the connection");
    }
}

/* Once all calls have been answered. */
static void expect_ordered(struct story *story, const struct ws *ws)
{
    if (json_array_size(ws->pending) > 0 || ws->has_overtaken) {
        story_fail(story, "ws %s: the answers did not come in the order of the calls", ws->name);
    }
}

/* A close frame may not get through to a socket that does not read; its end does. */
static void expect_ended(struct story *story, struct ws *ws, int code)
{
    int64_t deadline = now_ms() + story->deadline_ms;
    while (!ws->is_gone && ws->close_code == 0) {
        wait_for_more(story, ws, deadline, "the end of the connection");
    }
    if (ws->close_code != 0) {
        expect_close(story, ws, code);
    }
}

static void say_expect(struct story *story, struct ws *ws, const char *at)
{
    if (ws->received == NULL) {
        story_fail(story, "ws %s was never open", ws->name);
    }
    if (*at >= '0' && *at <= '9') {
        char *status = take_word(&at);
        expect_answer(story, ws, atoi(status), at);
    } else if (take_if(&at, "close")) {
        expect_close(story, ws, atoi(at));
    } else if (take_if(&at, "ended")) {
        expect_ended(story, ws, atoi(at));
    } else if (take_if(&at, "gone")) {
        expect_gone(story, ws);
    } else if (take_if(&at, "ordered")) {
        expect_ordered(story, ws);
    } else if (take_if(&at, "none")) {
        expect_none(story, ws, at);
    } else if (take_if(&at, "next")) {
        expect_next(story, ws, at);
    } else {
        expect_event(story, ws, at);
    }
    story->expectations++;
}

/* Open, connect, be told 200 and that everything missed has been told. */
static void say_online(struct story *story, struct ws *ws, const char *at)
{
    open_socket(story, ws, "");
    say_connect(story, ws, at);
    expect_answer(story, ws, 200, "");
    expect_event(story, ws, "{\"event\": \"synced\"}");
}

static void say_forget(struct story *story, struct ws *ws, const char *at)
{
    (void)at;
    barrier(story, ws);
    json_array_clear(ws->received);
}

static void say_close(struct story *story, struct ws *ws, const char *at)
{
    unsigned code = *at == '\0' ? 1000 : (unsigned)atoi(at);
    char payload[2] = {(char)(code >> 8), (char)(code & 255)};
    send_frame(story, ws, CLOSE, payload, sizeof payload);
    story_heard(story, "ws %s> close %u", ws->name, code);
    hang_up(ws);
}

static void say_cut(struct story *story, struct ws *ws, const char *at)
{
    (void)at;
    struct linger abrupt = {.l_onoff = 1};
    setsockopt(ws->tcp, SOL_SOCKET, SO_LINGER, &abrupt, sizeof abrupt);
    story_heard(story, "ws %s> cut", ws->name);
    hang_up(ws);
}

static void say_deaf(struct story *story, struct ws *ws, const char *at)
{
    (void)story;
    (void)at;
    ws->is_deaf = true;
}

static void say_hears(struct story *story, struct ws *ws, const char *at)
{
    (void)story;
    (void)at;
    ws->is_deaf = false;
}

static void say_mute(struct story *story, struct ws *ws, const char *at)
{
    (void)story;
    (void)at;
    ws->is_mute = true;
}

void ws_statement(struct story *story, const char *at)
{
    static const struct {
        const char *word;
        void (*say)(struct story *story, struct ws *ws, const char *at);
    } words[] = {
        {"call", say_call}, {"close", say_close},   {"connect", say_connect}, {"cut", say_cut},
        {"deaf", say_deaf}, {"expect", say_expect}, {"forget", say_forget},   {"hears", say_hears},
        {"mute", say_mute}, {"online", say_online}, {"open", open_socket},    {"send", say_send},
    };
    struct ws *ws = find_socket(story, take_word(&at));
    char *word = take_word(&at);
    for (size_t i = 0; i < ARRAY_LENGTH(words); i++) {
        if (strcmp(word, words[i].word) == 0) {
            words[i].say(story, ws, at);
            return;
        }
    }
    story_fail(story, "a socket cannot \"%s\"", word);
}
