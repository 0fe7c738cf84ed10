/* REST for the transcript runner: libcurl sessions, and one raw connection for bytes that no
 * proper client would send.
 *
 * Each actor has one session, kept alive over its requests, as a browser or a phone would; a
 * `together` block gives every call a connection of its own, so that the calls really race. */
#include "talk.h"

#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TOGETHER_POLL_MS = 20 };

/* What libcurl needs until the answer is whole. */
struct exchange {
    CURL *curl;
    struct curl_slist *headers;
    struct text head;
    struct text body;
    char error[CURL_ERROR_SIZE];
};

static size_t take_head(char *bytes, size_t size, size_t count, void *context)
{
    struct exchange *exchange = context;
    if (count >= 5 && memcmp(bytes, "HTTP/", 5) == 0) {
        exchange->head.length = 0; /* after a 100 Continue the real head follows */
    }
    text_add(&exchange->head, bytes, size * count);
    return size * count;
}

static size_t take_body(char *bytes, size_t size, size_t count, void *context)
{
    struct exchange *exchange = context;
    text_add(&exchange->body, bytes, size * count);
    return size * count;
}

static void add_headers(struct story *story, struct exchange *exchange, const struct actor *actor)
{
    bool has_type = false;
    char *lines = text_printf("%s", story->headers.bytes != NULL ? story->headers.bytes : "");
    for (char *line = strtok(lines, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        exchange->headers = curl_slist_append(exchange->headers, line);
        has_type = has_type || strncasecmp(line, "Content-Type:", 13) == 0;
    }
    if (!has_type) {
        exchange->headers = curl_slist_append(exchange->headers, "Content-Type: application/json");
    }
    if (actor->token != NULL) {
        exchange->headers = curl_slist_append(
            exchange->headers, text_printf("Authorization: Bearer %s", actor->token));
    }
    exchange->headers = curl_slist_append(exchange->headers, "Expect:");
}

static void prepare(struct story *story, struct exchange *exchange, const struct actor *actor,
                    const char *method, const char *path)
{
    struct node *node = &story->nodes[actor->node];
    if (actor->node >= story->node_count || node->pid == 0) {
        story_fail(story, "node %d is not running", actor->node + 1);
    }
    add_headers(story, exchange, actor);
    text_add(&exchange->head, "", 0);
    text_add(&exchange->body, "", 0);
    CURL *curl = exchange->curl;
    curl_easy_reset(curl);
    curl_easy_setopt(curl, CURLOPT_URL, text_printf("http://127.0.0.1:%d%s", node->port, path));
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, exchange->headers);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_head);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, exchange);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, exchange);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, exchange->error);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)story->deadline_ms);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
}

static void set_body(struct exchange *exchange, const char *body, size_t length)
{
    curl_easy_setopt(exchange->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)length);
    curl_easy_setopt(exchange->curl, CURLOPT_COPYPOSTFIELDS, body);
}

static struct reply finish(struct exchange *exchange)
{
    long status = 0;
    curl_easy_getinfo(exchange->curl, CURLINFO_RESPONSE_CODE, &status);
    struct reply reply = {.status = (int)status,
                          .headers = exchange->head.bytes,
                          .body = exchange->body.bytes,
                          .body_length = exchange->body.length};
    reply.json = json_loadb(reply.body, reply.body_length, JSON_DECODE_ANY, NULL);
    curl_slist_free_all(exchange->headers);
    return reply;
}

void http_request(struct story *story, const char *method, const char *path, const char *body,
                  size_t body_length)
{
    struct actor *actor = story->actor;
    if (actor->curl == NULL) {
        actor->curl = curl_easy_init();
    }
    struct exchange exchange = {.curl = actor->curl};
    prepare(story, &exchange, actor, method, path);
    if (body != NULL) {
        set_body(&exchange, body, body_length);
    } else if (strcmp(method, "POST") == 0) {
        set_body(&exchange, "", 0);
    }
    if (strcmp(method, "HEAD") == 0) {
        curl_easy_setopt(exchange.curl, CURLOPT_NOBODY, 1L);
    }
    story_heard(story, "%s> %s %s %s", actor->name, method, path, body != NULL ? body : "");
    CURLcode code = curl_easy_perform(exchange.curl);
    if (code != CURLE_OK) {
        story_fail(story, "%s %s: %s (%s)", method, path, curl_easy_strerror(code), exchange.error);
    }
    story->reply = finish(&exchange);
    story->headers.length = 0;
    text_add(&story->headers, "", 0);
    story_heard(story, "%s< %d %s", actor->name, story->reply.status, story->reply.body);
}

void http_together(struct story *story, struct together_call *calls, int count)
{
    struct exchange exchanges[MAX_TOGETHER] = {0};
    CURLM *multi = curl_multi_init();
    for (int i = 0; i < count; i++) {
        exchanges[i].curl = curl_easy_init();
        prepare(story, &exchanges[i], &calls[i].actor, calls[i].method, calls[i].path);
        set_body(&exchanges[i], calls[i].body, strlen(calls[i].body));
        curl_multi_add_handle(multi, exchanges[i].curl);
        story_heard(story, "%s> %s %s %s (together)", calls[i].actor.name, calls[i].method,
                    calls[i].path, calls[i].body);
    }
    int running = count;
    while (running > 0) {
        curl_multi_perform(multi, &running);
        if (running > 0) {
            curl_multi_poll(multi, NULL, 0, TOGETHER_POLL_MS, NULL);
            ws_pump(story, 0); /* so that no socket of the story looks like one that won't read */
        }
    }
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(multi, &left)) != NULL) {
        if (message->msg == CURLMSG_DONE && message->data.result != CURLE_OK) {
            story_fail(story, "one of the calls made together: %s",
                       curl_easy_strerror(message->data.result));
        }
    }
    for (int i = 0; i < count; i++) {
        calls[i].reply = finish(&exchanges[i]);
        story_heard(story, "%s< %d %s", calls[i].actor.name, calls[i].reply.status,
                    calls[i].reply.body);
        curl_multi_remove_handle(multi, exchanges[i].curl);
        curl_easy_cleanup(exchanges[i].curl);
    }
    curl_multi_cleanup(multi);
}

char *reply_mismatch(struct story *story, const struct reply *reply, int status,
                     const char *pattern)
{
    if (reply->status != status) {
        return text_printf("expected %d, got %d %s", status, reply->status, reply->body);
    }
    if (*pattern == '\0') {
        return NULL;
    }
    if (reply->json == NULL) {
        return text_printf("expected JSON, got \"%s\"", reply->body);
    }
    return pattern_mismatch(story, pattern, reply->json, NULL);
}

/* ---- the raw connection ---- */

/* Adds what the server sends to raw_input; false once it has closed. */
static bool raw_receive(struct story *story, int64_t deadline, const char *what)
{
    struct pollfd waited = {.fd = story->raw, .events = POLLIN};
    int64_t left = deadline - now_ms();
    if (story->raw < 0) {
        story_fail(story, "there is no raw connection; say `raw open` first");
    }
    if (left <= 0 || poll(&waited, 1, (int)left) <= 0) {
        story_fail(story, "raw: expected %s within %d ms, got \"%s\"", what, story->deadline_ms,
                   story->raw_input.bytes);
    }
    char bytes[4096];
    ssize_t got = recv(story->raw, bytes, sizeof bytes, 0);
    if (got > 0) {
        text_add(&story->raw_input, bytes, (size_t)got);
        story_heard(story, "raw< %.*s", (int)got, bytes);
    }
    return got > 0;
}

char *reply_header(const struct reply *reply, const char *name)
{
    size_t length = strlen(name);
    const char *line = reply->headers;
    while (line != NULL && *line != '\0') {
        if (strncasecmp(line, name, length) == 0 && line[length] == ':') {
            const char *value = skip_blanks(line + length + 1);
            return text_copy(value, strcspn(value, "\r\n"));
        }
        line = strchr(line, '\n');
        line = line == NULL ? NULL : line + 1;
    }
    return NULL;
}

void raw_read_reply(struct story *story)
{
    struct text *input = &story->raw_input;
    int64_t deadline = now_ms() + story->deadline_ms;
    char *end;
    text_add(input, "", 0);
    while ((end = strstr(input->bytes, "\r\n\r\n")) == NULL) {
        if (!raw_receive(story, deadline, "an HTTP answer")) {
            story_fail(story, "raw: expected an HTTP answer, got the end of the connection");
        }
    }
    size_t head = (size_t)(end + 4 - input->bytes);
    struct reply reply = {.headers = text_copy(input->bytes, head)};
    char *length = reply_header(&reply, "Content-Length");
    size_t body = length == NULL ? 0 : (size_t)strtoul(length, NULL, 10);
    while (input->length < head + body && raw_receive(story, deadline, "the whole answer")) {
    }
    if (input->length < head + body) {
        story_fail(story, "raw: the answer's body is shorter than it said");
    }
    reply.body = text_copy(input->bytes + head, body);
    reply.body_length = body;
    sscanf(reply.headers, "HTTP/1.%*d %d", &reply.status);
    reply.json = json_loadb(reply.body, body, JSON_DECODE_ANY, NULL);
    story->reply = reply;
    char *rest = text_copy(input->bytes + head + body, input->length - head - body);
    size_t rest_length = input->length - head - body;
    input->length = 0;
    text_add(input, rest, rest_length);
}

void raw_expect_closed(struct story *story)
{
    int64_t deadline = now_ms() + story->deadline_ms;
    while (raw_receive(story, deadline, "the end of the connection")) {
    }
    close(story->raw);
    story->raw = -1;
}
