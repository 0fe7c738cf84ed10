/* Writes HTTP answers into one buffer, so that head and body leave in one packet where they fit.
 *
 * Every answer says nosniff and no-store unless it brings caching of its own: JSON answers are
 * about patients. Nothing says which program or version answers. */
#include "server/reply.h"

#include <assert.h>

static const struct {
    int status;
    const char *phrase;
} phrases[] = {
    {200, "OK"},
    {204, "No Content"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {409, "Conflict"},
    {411, "Length Required"},
    {413, "Content Too Large"},
    {415, "Unsupported Media Type"},
    {429, "Too Many Requests"},
    {500, "Internal Server Error"},
    {503, "Service Unavailable"},
};

static const char *phrase_of(int status)
{
    for (size_t i = 0; i < ARRAY_LENGTH(phrases); i++) {
        if (phrases[i].status == status) {
            return phrases[i].phrase;
        }
    }
    return "Status"; /* clients go by the number */
}

void reply_write(struct strbuf *out, const struct reply *reply, bool keep_alive)
{
    assert(reply->status >= 100 && reply->status <= 599);
    strbuf_add_literal(out, "HTTP/1.1 ");
    strbuf_add_number(out, reply->status);
    strbuf_add_char(out, ' ');
    strbuf_add_text(out, phrase_of(reply->status));
    if (reply->type != NULL) {
        strbuf_add_literal(out, "\r\nContent-Type: ");
        strbuf_add_text(out, reply->type);
        strbuf_add_literal(out, "\r\nContent-Length: ");
        strbuf_add_number(out, (int64_t)reply->length);
    }
    strbuf_add_literal(out, "\r\n");
    if (reply->headers != NULL) {
        strbuf_add_text(out, reply->headers);
    } else {
        strbuf_add_literal(out, "Cache-Control: no-store\r\n");
    }
    strbuf_add_literal(out, "X-Content-Type-Options: nosniff\r\n");
    if (reply->origin != NULL) {
        strbuf_add_format(out, "Access-Control-Allow-Origin: %s\r\nVary: Origin\r\n",
                          reply->origin);
    }
    if (!keep_alive) {
        strbuf_add_literal(out, "Connection: close\r\n");
    }
    strbuf_add_literal(out, "\r\n");
    if (reply->type != NULL && !reply->is_head) {
        strbuf_add(out, reply->text, reply->length);
    }
}
