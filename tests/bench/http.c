/* As much of HTTP as a server with Content-Length needs; others end the program. */
#include "tests/bench/http.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define HEAD_MOST 1024

static void on_connected(struct link *link)
{
    struct http *http = (struct http *)link;
    http->connected(http);
}

static void on_closed(struct link *link, const char *why)
{
    (void)link;
    give_up("a kept-alive connection: %s", why);
}

/* The number at `at`; it need not end with a NUL. */
static size_t take_number(const char *at, const char *end)
{
    size_t number = 0;
    while (at < end && *at == ' ') {
        at++;
    }
    for (; at < end && *at >= '0' && *at <= '9'; at++) {
        number = number * 10 + (size_t)(*at - '0');
    }
    return number;
}

/* The body's length by its header in the head of `length` bytes. */
static size_t content_length(const char *head, size_t length)
{
    static const char name[] = "\ncontent-length:";
    const size_t wanted = sizeof name - 1;
    for (size_t i = 0; i + wanted < length; i++) {
        if (head[i] == '\n' && strncasecmp(head + i, name, wanted) == 0) {
            return take_number(head + i + wanted, head + length);
        }
    }
    give_up("an answer without Content-Length");
}

static size_t on_received(struct link *link, char *bytes, size_t length)
{
    struct http *http = (struct http *)link;
    for (size_t i = 3; i < length; i++) {
        if (bytes[i] != '\n' || memcmp(bytes + i - 3, "\r\n\r\n", 4) != 0) {
            continue;
        }
        const size_t head = i + 1;
        if (head < sizeof "HTTP/1.1 200") {
            give_up("an answer that is not HTTP");
        }
        const size_t body = content_length(bytes, head);
        if (length - head < body) {
            return 0;
        }
        size_t status = take_number(bytes + sizeof "HTTP/1.1" - 1, bytes + head);
        http->answered(http, (int)status, bytes + head, body);
        return head + body;
    }
    return 0;
}

void http_open(struct http *http, struct wire *wire)
{
    static const struct link_kind kind = {on_connected, on_received, on_closed};
    link_open(&http->link, wire, &kind, http->target);
}

void http_post(struct http *http, const char *path, const char *token, const char *body)
{
    const size_t length = strlen(body);
    char *room = link_room(&http->link, HEAD_MOST + length);
    int head = snprintf(room, HEAD_MOST,
                        "POST %s HTTP/1.1\r\nHost: %s:%d\r\nContent-Type: application/json\r\n"
                        "Content-Length: %zu\r\n%s%s%s\r\n",
                        path, http->target->host, http->target->port, length,
                        token != NULL ? "Authorization: Bearer " : "", token != NULL ? token : "",
                        token != NULL ? "\r\n" : "");
    memcpy(room + head, body, length);
    link_filled(&http->link, (size_t)head + length);
}
