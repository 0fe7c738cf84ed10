/* As much of HTTP as a server with Content-Length needs; others end the program. */
#include "tests/bench/http.h"

#include <stdio.h>
#include <stdlib.h>
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

/* The body's length by its header in the head of `length` bytes. */
static size_t content_length(const char *head, size_t length)
{
    static const char name[] = "\ncontent-length:";
    const size_t wanted = sizeof name - 1;
    for (size_t i = 0; i + wanted < length; i++) {
        if (head[i] == '\n' && strncasecmp(head + i, name, wanted) == 0) {
            return (size_t)strtoul(head + i + wanted, NULL, 10);
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
        const size_t body = content_length(bytes, head);
        if (length - head < body) {
            return 0;
        }
        int status = head > 12 ? atoi(bytes + sizeof "HTTP/1.1" - 1) : 0;
        http->answered(http, status, bytes + head, body);
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
