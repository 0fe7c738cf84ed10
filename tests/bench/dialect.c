/* The dialects, one after the other, and their table. Nothing is parsed: an answer is known by how
 * it begins, a message by its marker: "#b" with the run, the pair's number and its own. */
#include "tests/bench/dialect.h"

#include <stdio.h>
#include <string.h>

#define MARKER "#b"
#define PAIR_DIGITS 6

static bool begins(const char *text, size_t length, const char *word)
{
    size_t wanted = strlen(word);
    return length >= wanted && memcmp(text, word, wanted) == 0;
}

const char *find(const char *text, size_t length, const char *word)
{
    const size_t wanted = strlen(word);
    const char *end = text + length;
    const char *at = text;
    while ((at = memchr(at, word[0], (size_t)(end - at))) != NULL) {
        if ((size_t)(end - at) < wanted) {
            return NULL;
        }
        if (memcmp(at, word, wanted) == 0) {
            return at;
        }
        at++;
    }
    return NULL;
}

/* Takes the digits at *text off. */
static uint32_t take_number(const char **text, const char *end)
{
    uint32_t number = 0;
    for (; *text < end && **text >= '0' && **text <= '9'; (*text)++) {
        number = number * 10 + (uint32_t)(**text - '0');
    }
    return number;
}

static uint32_t message_number(uint32_t written)
{
    return written - NUMBER_LEAST;
}

void marked_text(uint32_t run, uint32_t pair, size_t bytes, char *out)
{
    static const char words[] = "医生您好，我这两天一直咳嗽，夜里更厉害，";
    int length =
        snprintf(out, bytes + 1, MARKER "%u.%0*u.%s# ", run, PAIR_DIGITS, pair, NUMBER_PLACE);
    size_t at = (size_t)length;
    while (at + sizeof words - 1 <= bytes) {
        memcpy(out + at, words, sizeof words - 1);
        at += sizeof words - 1;
    }
    memset(out + at, '.', bytes - at);
    out[bytes] = '\0';
}

/* Tells of the message in the text; false: it has no marker. */
static bool tell_delivered(struct party *party, const char *text, size_t length)
{
    const char *at = find(text, length, MARKER);
    if (at == NULL) {
        return false;
    }
    const char *end = text + length;
    at += sizeof MARKER - 1;
    uint32_t run = take_number(&at, end);
    at++;
    uint32_t pair = take_number(&at, end);
    at++;
    uint32_t number = take_number(&at, end);
    if (run != party->identity.run) {
        return true; /* of one before ours; a client that resumes may be told again */
    }
    party->kind->delivered(party, pair, message_number(number));
    return true;
}

static void become_ready(struct party *party)
{
    party->is_ready = true;
    party->kind->ready(party);
}

static void say(struct party *party, const char *text)
{
    websocket_send(&party->websocket, text, strlen(text));
}

/* ---- consultd ------------------------------------------------------------------------------ */

static void consultd_path(const struct identity *identity, char path[PATH_BYTES])
{
    (void)identity;
    snprintf(path, PATH_BYTES, "/ws");
}

static void consultd_opened(struct party *party)
{
    const struct identity *identity = &party->identity;
    char text[1024];
    if (identity->cursor != NULL) {
        snprintf(text, sizeof text,
                 "{\"id\":1,\"call\":\"connect\",\"data\":{\"token\":\"%s\",\"cursor\":\"%s\"}}",
                 identity->token, identity->cursor);
    } else {
        snprintf(text, sizeof text, "{\"id\":1,\"call\":\"connect\",\"data\":{\"token\":\"%s\"}}",
                 identity->token);
    }
    say(party, text);
}

static void keep_cursor(struct party *party, const char *text, size_t length)
{
    static const char key[] = "\"cursor\":\"";
    const char *at = find(text, length, key);
    if (at != NULL) {
        at += sizeof key - 1;
        const char *end = memchr(at, '"', (size_t)(text + length - at));
        if (end != NULL && (size_t)(end - at) < sizeof party->cursor) {
            memcpy(party->cursor, at, (size_t)(end - at));
            party->cursor[end - at] = '\0';
        }
    }
}

static void consultd_text(struct party *party, const char *text, size_t length)
{
    static const char answer[] = "{\"id\":";
    static const char code[] = ",\"code\":200,";
    const char *end = text + length;
    if (begins(text, length, answer)) {
        const char *at = text + sizeof answer - 1;
        uint32_t number = take_number(&at, end);
        bool is_good = begins(at, (size_t)(end - at), code);
        if (number >= NUMBER_LEAST) {
            party->kind->acknowledged(party, message_number(number), is_good);
        } else if (!is_good) {
            party->kind->closed(party, "connect was refused");
        } else if (party->identity.cursor != NULL) {
            party->is_reset = find(at, (size_t)(end - at), "\"resumed\":true") == NULL;
        }
    } else if (begins(text, length, "{\"event\":\"message.created\"")) {
        (void)tell_delivered(party, text, length);
    } else if (begins(text, length, "{\"event\":\"synced\"")) {
        keep_cursor(party, text, length);
        become_ready(party);
    }
}

static int consultd_message(const struct letter *letter, char frame[FRAME_MOST])
{
    return snprintf(frame, FRAME_MOST,
                    "{\"id\":%s,\"call\":\"/api/consultation/chat/message/create\",\"data\":{"
                    "\"chatId\":\"%s\",\"consultationId\":\"%s\",\"type\":\"01\",\"text\":\"%s\","
                    "\"direction\":\"user->doctor\",\"clientMsgId\":\"%u-%s\"}}",
                    NUMBER_PLACE, letter->chat, letter->order, letter->text, letter->run,
                    NUMBER_PLACE);
}

/* ---- relay: of our own, see relay.c -------------------------------------------------------- */

static void relay_path(const struct identity *identity, char path[PATH_BYTES])
{
    snprintf(path, PATH_BYTES, "/%u", identity->number);
}

static void relay_opened(struct party *party)
{
    char text[16];
    snprintf(text, sizeof text, "%08u", party->identity.number);
    say(party, text);
}

static void relay_text(struct party *party, const char *text, size_t length)
{
    if (begins(text, length, "+")) {
        const char *at = text + 1;
        party->kind->acknowledged(party, message_number(take_number(&at, text + length)), true);
    } else if (begins(text, length, "ok")) {
        become_ready(party);
    } else {
        (void)tell_delivered(party, text, length);
    }
}

static int relay_message(const struct letter *letter, char frame[FRAME_MOST])
{
    return snprintf(frame, FRAME_MOST, "%08u %s %s", letter->receiver, NUMBER_PLACE, letter->text);
}

/* ---- json: of the Node servers ------------------------------------------------------------- */

static void json_path(const struct identity *identity, char path[PATH_BYTES])
{
    snprintf(path, PATH_BYTES, "/ws?name=n%u", identity->number);
}

static void json_text(struct party *party, const char *text, size_t length)
{
    static const char answer[] = "{\"id\":";
    const char *end = text + length;
    if (begins(text, length, answer)) {
        const char *at = text + sizeof answer - 1;
        uint32_t number = take_number(&at, end);
        bool is_good = begins(at, (size_t)(end - at), ",\"ok\":true}");
        party->kind->acknowledged(party, message_number(number), is_good);
    } else {
        (void)tell_delivered(party, text, length);
    }
}

static int json_message(const struct letter *letter, char frame[FRAME_MOST])
{
    return snprintf(frame, FRAME_MOST, "{\"id\":%s,\"to\":\"n%u\",\"text\":\"%s\"}", NUMBER_PLACE,
                    letter->receiver, letter->text);
}

/* ---- socketio: socket.io 4 in engine.io 4 -------------------------------------------------- */

static void socketio_path(const struct identity *identity, char path[PATH_BYTES])
{
    snprintf(path, PATH_BYTES, "/socket.io/?EIO=4&transport=websocket&name=n%u", identity->number);
}

static void socketio_opened(struct party *party)
{
    (void)party; /* the server says its 0{…} first */
}

static void socketio_text(struct party *party, const char *text, size_t length)
{
    if (begins(text, length, "43")) {
        const char *at = text + 2;
        uint32_t number = take_number(&at, text + length);
        party->kind->acknowledged(party, message_number(number), true);
    } else if (begins(text, length, "42")) {
        (void)tell_delivered(party, text, length);
    } else if (begins(text, length, "40")) {
        become_ready(party);
    } else if (begins(text, length, "44")) {
        party->kind->closed(party, "connect was refused");
    } else if (begins(text, length, "2")) {
        say(party, "3");
    } else if (begins(text, length, "0")) {
        say(party, "40");
    }
}

static int socketio_message(const struct letter *letter, char frame[FRAME_MOST])
{
    return snprintf(frame, FRAME_MOST, "42%s[\"send\",{\"to\":\"n%u\",\"text\":\"%s\"}]",
                    NUMBER_PLACE, letter->receiver, letter->text);
}

/* ---- centrifuge: its JSON protocol --------------------------------------------------------- */

static void centrifuge_path(const struct identity *identity, char path[PATH_BYTES])
{
    (void)identity;
    snprintf(path, PATH_BYTES, "/connection/websocket");
}

static void centrifuge_opened(struct party *party)
{
    char text[64];
    snprintf(text, sizeof text, "{\"id\":1,\"connect\":{\"name\":\"n%u\"}}",
             party->identity.number);
    say(party, text);
}

static void centrifuge_line(struct party *party, const char *text, size_t length)
{
    static const char answer[] = "{\"id\":";
    const char *end = text + length;
    if (begins(text, length, answer)) {
        const char *at = text + sizeof answer - 1;
        uint32_t number = take_number(&at, end);
        if (number >= NUMBER_LEAST) {
            bool is_good = begins(at, (size_t)(end - at), ",\"publish\":");
            party->kind->acknowledged(party, message_number(number), is_good);
        } else if (begins(at, (size_t)(end - at), ",\"connect\":")) {
            become_ready(party);
        } else {
            party->kind->closed(party, "connect was refused");
        }
    } else if (length == 2 && begins(text, length, "{}")) {
        say(party, "{}");
    } else {
        (void)tell_delivered(party, text, length);
    }
}

/* A frame may hold several replies, a line each. */
static void centrifuge_text(struct party *party, const char *text, size_t length)
{
    const char *end = text + length;
    while (text < end) {
        const char *line_end = memchr(text, '\n', (size_t)(end - text));
        line_end = line_end == NULL ? end : line_end;
        if (line_end > text) {
            centrifuge_line(party, text, (size_t)(line_end - text));
        }
        text = line_end + 1;
    }
}

static int centrifuge_message(const struct letter *letter, char frame[FRAME_MOST])
{
    return snprintf(frame, FRAME_MOST,
                    "{\"id\":%s,\"publish\":{\"channel\":\"u:n%u\",\"data\":{\"text\":\"%s\"}}}",
                    NUMBER_PLACE, letter->receiver, letter->text);
}

/* ---- All of them --------------------------------------------------------------------------- */

static const struct dialect dialects[] = {
    {"consultd", true, consultd_path, consultd_opened, consultd_text, consultd_message},
    {"relay", false, relay_path, relay_opened, relay_text, relay_message},
    {"json", false, json_path, NULL, json_text, json_message},
    {"socketio", false, socketio_path, socketio_opened, socketio_text, socketio_message},
    {"centrifuge", false, centrifuge_path, centrifuge_opened, centrifuge_text, centrifuge_message},
};

const struct dialect *dialect_named(const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(dialects); i++) {
        if (strcmp(dialects[i].name, name) == 0) {
            return &dialects[i];
        }
    }
    return NULL;
}

static void on_opened(struct websocket *websocket)
{
    struct party *party = (struct party *)websocket;
    if (party->dialect->opened != NULL) {
        party->dialect->opened(party);
    } else {
        become_ready(party);
    }
}

static void on_text(struct websocket *websocket, const char *text, size_t length)
{
    struct party *party = (struct party *)websocket;
    party->dialect->text(party, text, length);
}

static void on_closed(struct websocket *websocket, const char *why)
{
    struct party *party = (struct party *)websocket;
    party->is_ready = false;
    party->kind->closed(party, why);
}

void party_open(struct party *party, struct wire *wire, const struct target *target)
{
    static const struct websocket_kind kind = {on_opened, on_text, on_closed};
    char path[PATH_BYTES];
    party->is_ready = false;
    party->dialect->path(&party->identity, path);
    websocket_open(&party->websocket, wire, &kind, target, path);
}

void party_close(struct party *party)
{
    party->is_ready = false;
    websocket_close(&party->websocket);
}
