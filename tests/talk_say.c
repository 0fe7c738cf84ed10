/* The statements of a story, but for blocks: each is one function here, found by its first word
 * in the table of say_statement(). talk.c opens with the list of them. */
#include "talk.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct actor *story_actor(struct story *story, const char *name)
{
    size_t length = strcspn(name, ".");
    for (int i = 0; i < story->actor_count; i++) {
        const char *known = story->actors[i].name;
        if (strlen(known) == length && strncmp(known, name, length) == 0) {
            return &story->actors[i];
        }
    }
    if (story->actor_count == MAX_ACTORS) {
        story_fail(story, "too many actors");
    }
    struct actor *actor = &story->actors[story->actor_count++];
    actor->name = text_copy(name, length);
    return actor;
}

int take_node(struct story *story, const char **at)
{
    int node = atoi(take_word(at));
    if (node < 1 || node > story->node_count) {
        story_fail(story, "there is no node %d; the story has %d", node, story->node_count);
    }
    return node - 1;
}

static void say_nodes(struct story *story, const char *at)
{
    story->node_count = atoi(at);
    if (story->node_count < 1 || story->node_count > MAX_NODES) {
        story_fail(story, "1 to %d nodes", MAX_NODES);
    }
}

static void say_apart(struct story *story, const char *at)
{
    story->nodes[take_node(story, &at)].is_apart = true;
}

static void say_needs(struct story *story, const char *at)
{
    (void)story;
    (void)at; /* tests/run reads it and chooses the stores and buses */
}

static void say_server(struct story *story, const char *at)
{
    while (*at != '\0') {
        char *word = take_word(&at);
        char **list = *word == '-' || strchr(word, '=') == NULL ? story->server_arguments
                                                                : story->server_environment;
        size_t count = 0;
        while (list[count] != NULL) {
            count++;
        }
        if (count == MAX_SERVER_WORDS) {
            story_fail(story, "too many words for the server");
        }
        list[count] = word;
    }
}

static void say_as(struct story *story, const char *at)
{
    story->actor = story_actor(story, take_word(&at));
    if (take_if(&at, "on")) {
        story->actor->node = take_node(story, &at);
    }
}

static void set_token(struct story *story, struct actor *actor, const char *token)
{
    actor->token = text_printf("%s", token);
    check_note_secret(story, token);
    json_object_set_new(story->variables, text_printf("%s.token", actor->name), json_string(token));
}

static void say_token(struct story *story, const char *at)
{
    if (take_if(&at, "none")) {
        story->actor->token = NULL;
    } else {
        set_token(story, story->actor, take_quoted(story, &at, NULL));
    }
}

static void say_header(struct story *story, const char *at)
{
    text_addf(&story->headers, "%s\n", take_quoted(story, &at, NULL));
}

/* After a sign-in the actor goes by what it was given: its token, {NAME.token} and {NAME.id}. */
static void keep_token(struct story *story, const char *path)
{
    size_t length = strlen(path);
    json_t *json = story->reply.json;
    json_t *from = json_object_get(json, "token") != NULL ? json : json_object_get(json, "data");
    const char *token = json_string_value(json_object_get(from, "token"));
    if (length < 7 || strcmp(path + length - 7, "/signin") != 0 || token == NULL) {
        return;
    }
    json_t *id = json_object_get(from, "userId");
    id = id != NULL ? id : json_object_get(from, "doctorId");
    set_token(story, story->actor, token);
    json_object_set(story->variables, text_printf("%s.id", story->actor->name), id);
}

static void request(struct story *story, const char *method, const char *at)
{
    size_t length = 0;
    char *body = NULL;
    char *path = expand_plain(story, take_word(&at));
    if (take_if(&at, "body")) {
        body = take_quoted(story, &at, &length);
    } else if (*at != '\0') {
        body = expand_json(story, at);
        length = strlen(body);
        check_note_secrets(story, body);
    }
    http_request(story, method, path, body, length);
    check_reply(story, path, &story->reply);
    if (strcmp(method, "POST") == 0) {
        story_answered(story, "rest", path, story->reply.status, body, story->reply.json);
    }
    if (story->reply.status == 200) {
        story_reached(story, method, path);
        keep_token(story, path);
    }
}

static void say_expect(struct story *story, const char *at)
{
    char *why;
    if (take_if(&at, "header")) {
        char *name = take_quoted(story, &at, NULL);
        char *value = reply_header(&story->reply, name);
        why = pattern_mismatch(story, at, value == NULL ? NULL : json_string(value), NULL);
    } else if (take_if(&at, "body")) {
        why = pattern_mismatch(story, at, json_string(story->reply.body), NULL);
    } else {
        char *status = take_word(&at);
        why = reply_mismatch(story, &story->reply, atoi(status), at);
    }
    if (why != NULL) {
        story_fail(story, "%s", why);
    }
    story->expectations++;
}

static void say_set(struct story *story, const char *at)
{
    char *name = take_word(&at);
    if (!take_if(&at, "=")) {
        story_fail(story, "set NAME = VALUE");
    }
    char *json = expand_json(story, at);
    json_t *value = json_loads(json, JSON_DECODE_ANY, NULL);
    if (value == NULL) {
        story_fail(story, "this is not JSON: %s", json);
    }
    json_object_set(story->variables, name, value);
}

static int64_t take_duration(struct story *story, const char **at)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    char *word = take_word(at);
    char *unit = NULL;
    long long count = strtoll(word, &unit, 10);
    for (size_t i = 0; i < ARRAY_LENGTH(units); i++) {
        if (strcmp(unit, units[i].unit) == 0) {
            return count * units[i].ms;
        }
    }
    story_fail(story, "\"%s\" is not a duration like +48h or 40s", word);
}

static void say_clock(struct story *story, const char *at)
{
    while (*at != '\0') {
        *story->clock += take_duration(story, &at);
    }
    story_heard(story, "the clock is %lld ms ahead", (long long)*story->clock);
}

static void say_deadline(struct story *story, const char *at)
{
    story->deadline_ms = (int)take_duration(story, &at);
}

static void say_raw(struct story *story, const char *at)
{
    size_t length = 0;
    if (take_if(&at, "open")) {
        if (story->raw >= 0) {
            close(story->raw);
        }
        story->raw = node_connect(story, story->actor->node);
        story->raw_input.length = 0;
        text_add(&story->raw_input, "", 0);
    } else if (take_if(&at, "send")) {
        char *bytes = take_quoted(story, &at, &length);
        story_heard(story, "raw> %s", bytes);
        if (send(story->raw, bytes, length, MSG_NOSIGNAL) != (ssize_t)length) {
            story_fail(story, "raw: cannot send: %s", strerror(errno));
        }
    } else if (!take_if(&at, "expect")) {
        story_fail(story, "raw open, raw send or raw expect");
    } else if (take_if(&at, "closed")) {
        raw_expect_closed(story);
        story->expectations++;
    } else {
        raw_read_reply(story);
        say_expect(story, at);
    }
}

static void say_start(struct story *story, const char *at)
{
    (void)take_if(&at, "node");
    node_start(story, take_node(story, &at));
}

static void say_stop(struct story *story, const char *at)
{
    (void)take_if(&at, "node");
    node_stop(story, take_node(story, &at));
}

static void say_restart(struct story *story, const char *at)
{
    say_stop(story, at);
    say_start(story, at);
}

static void say_kill(struct story *story, const char *at)
{
    (void)take_if(&at, "node");
    node_kill(story, take_node(story, &at), SIGKILL);
}

static void say_freeze(struct story *story, const char *at)
{
    (void)take_if(&at, "node");
    node_kill(story, take_node(story, &at), SIGSTOP);
}

static void say_thaw(struct story *story, const char *at)
{
    (void)take_if(&at, "node");
    node_kill(story, take_node(story, &at), SIGCONT);
}

static void say_redis(struct story *story, const char *at)
{
    redis_command(story, take_quoted(story, &at, NULL));
}

bool say_statement(struct story *story, const char *at, char **last_request)
{
    static const struct {
        const char *word;
        void (*say)(struct story *story, const char *at);
    } words[] = {
        {"apart", say_apart},       {"as", say_as},           {"clock", say_clock},
        {"deadline", say_deadline}, {"expect", say_expect},   {"freeze", say_freeze},
        {"header", say_header},     {"command", say_command}, {"read", say_read},
        {"kill", say_kill},         {"needs", say_needs},     {"nodes", say_nodes},
        {"raw", say_raw},           {"redis", say_redis},     {"restart", say_restart},
        {"server", say_server},     {"set", say_set},         {"start", say_start},
        {"stop", say_stop},         {"thaw", say_thaw},       {"token", say_token},
        {"ws", ws_statement},
    };
    static const char *const methods[] = {"DELETE", "GET",  "HEAD", "OPTIONS",
                                          "PATCH",  "POST", "PUT"};
    const char *whole = at;
    char *word = take_word(&at);
    for (size_t i = 0; i < ARRAY_LENGTH(words); i++) {
        if (strcmp(word, words[i].word) == 0) {
            words[i].say(story, at);
            return true;
        }
    }
    for (size_t i = 0; i < ARRAY_LENGTH(methods); i++) {
        if (strcmp(word, methods[i]) == 0) {
            *last_request = text_printf("%s", whole);
            request(story, word, at);
            return true;
        }
    }
    return false;
}

void say_eventually(struct story *story, const char *at, const char *last_request)
{
    int64_t deadline = now_ms() + story->deadline_ms;
    char *status = take_word(&at);
    if (last_request == NULL) {
        story_fail(story, "nothing was requested so far");
    }
    for (;;) {
        char *why = reply_mismatch(story, &story->reply, atoi(status), at);
        if (why == NULL) {
            story->expectations++;
            return;
        }
        if (now_ms() > deadline) {
            story_fail(story, "not within %d ms: %s", story->deadline_ms, why);
        }
        ws_pump(story, 20);
        const char *again = last_request;
        char *method = take_word(&again);
        request(story, method, again);
    }
}
