/* Reads the headers that matter. The library joins a header that came several times with commas,
 * so that a repeated Content-Length is no number any more, and a repeated Authorization no token:
 * nobody has to choose one of them. */
#include "server/request.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "protocol/memory.h"
#include "protocol/strbuf.h"

#define LENGTH_DIGITS_MAX 15
#define KEY_LENGTH 24 /* of Sec-WebSocket-Key: 16 bytes in base64 */

bool request_header(struct lws *wsi, enum lws_token_indexes token, char *out, size_t size)
{
    return lws_hdr_copy(wsi, out, (int)size, token) > 0;
}

static const struct {
    const char *endpoint, *name;
} header_rows[] = {
#define HEADER(endpoint, name) {#endpoint, name ":"},
#include "server/headers.def"
#undef HEADER
};

char *request_headers_for(struct lws *wsi, const char *endpoint)
{
    struct strbuf text;
    strbuf_init(&text, 0);
    for (size_t i = 0; i < ARRAY_LENGTH(header_rows); i++) {
        const char *name = header_rows[i].name;
        char value[REQUEST_HEADERS_MAX];
        if (strcmp(header_rows[i].endpoint, endpoint) == 0 &&
            lws_hdr_custom_copy(wsi, value, sizeof value, name, (int)strlen(name)) > 0) {
            strbuf_add_format(&text, "%s%s\n", name, value);
        }
    }
    return strbuf_take(&text);
}

static enum method method_of(struct lws *wsi)
{
    char *path;
    int length;
    switch (lws_http_get_uri_and_method(wsi, &path, &length)) {
    case LWSHUMETH_GET:
        return METHOD_GET;
    case LWSHUMETH_HEAD:
        return METHOD_HEAD;
    case LWSHUMETH_POST:
        return METHOD_POST;
    case LWSHUMETH_OPTIONS:
        return METHOD_OPTIONS;
    default:
        return METHOD_OTHER;
    }
}

static void read_length(struct lws *wsi, struct request *out)
{
    char text[LENGTH_DIGITS_MAX + 2];
    if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) <= 0) {
        return;
    }
    if (!request_header(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH, text, sizeof text) ||
        strspn(text, "0123456789") != strlen(text)) {
        out->is_malformed = true;
        return;
    }
    out->has_length = true;
    out->length = (size_t)strtoull(text, NULL, 10);
}

/* Whether a list of words, separated by commas, has this one. */
static bool list_has(const char *list, const char *word)
{
    size_t length = strlen(word);
    while (*list != '\0') {
        list += strspn(list, ", \t");
        size_t item = strcspn(list, ", \t");
        if (item == length && strncasecmp(list, word, length) == 0) {
            return true;
        }
        list += item;
    }
    return false;
}

/* The library takes a name with a blank behind it for one that it does not know; another server perhaps not. */
static bool has_blank_before_colon(struct lws *wsi)
{
    static const char *const names[] = {
        "transfer-encoding :", "transfer-encoding\t:", "content-length :", "content-length\t:"};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        if (lws_hdr_custom_length(wsi, names[i], (int)strlen(names[i])) >= 0) {
            return true;
        }
    }
    return false;
}

static bool is_json(struct lws *wsi)
{
    static const char json[] = "application/json";
    char type[256];
    if (!request_header(wsi, WSI_TOKEN_HTTP_CONTENT_TYPE, type, sizeof type)) {
        return false;
    }
    size_t length = strcspn(type, "; \t");
    return length == sizeof json - 1 && strncasecmp(type, json, length) == 0;
}

static bool keeps_alive(struct lws *wsi)
{
    char text[256];
    if (!request_header(wsi, WSI_TOKEN_HTTP, text, sizeof text) || strcmp(text, "HTTP/1.1") != 0) {
        return false;
    }
    if (lws_hdr_total_length(wsi, WSI_TOKEN_CONNECTION) <= 0) {
        return true;
    }
    return request_header(wsi, WSI_TOKEN_CONNECTION, text, sizeof text) && !list_has(text, "close");
}

void request_read(struct lws *wsi, struct request *out)
{
    *out = (struct request){.method = method_of(wsi)};
    read_length(wsi, out);
    out->is_malformed = out->is_malformed || has_blank_before_colon(wsi);
    out->is_chunked = lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0;
    out->is_json = is_json(wsi);
    char text[64];
    out->expects_continue = request_header(wsi, WSI_TOKEN_HTTP_EXPECT, text, sizeof text) &&
                            strcasecmp(text, "100-continue") == 0;
    /* A POST or PUT without length has no body for us, but the library waits for one. */
    out->may_have_body = out->method == METHOD_POST || out->method == METHOD_OTHER ||
                         out->has_length || out->is_malformed;
    /* One that is not seen may be there all the same (http.c). */
    out->may_keep_alive = out->has_length && keeps_alive(wsi);
}

/* It keeps its table of headers only if it has something to parse into it, and lws_hdr_custom_copy
 * writes to its target only if there is a table. */
bool request_is_buffered(struct lws *wsi)
{
    char probe[2] = "?";
    (void)lws_hdr_custom_copy(wsi, probe, (int)sizeof probe, "-:", 2);
    return probe[0] == '\0';
}

bool request_is_socket(struct lws *wsi, const struct request *request)
{
    char *path;
    int length;
    return request->method == METHOD_GET && lws_http_get_uri_and_method(wsi, &path, &length) >= 0 &&
           length == 3 && memcmp(path, "/ws", 3) == 0;
}

bool request_is_handshake(struct lws *wsi)
{
    char version[8];
    char key[64];
    /* The library closes without a word where it does not know the subprotocol, and would take
     * the name of any protocol within the program. */
    return request_header(wsi, WSI_TOKEN_VERSION, version, sizeof version) &&
           strcmp(version, "13") == 0 && request_header(wsi, WSI_TOKEN_KEY, key, sizeof key) &&
           strlen(key) == KEY_LENGTH && lws_hdr_total_length(wsi, WSI_TOKEN_PROTOCOL) <= 0 &&
           lws_hdr_total_length(wsi, WSI_TOKEN_HOST) > 0;
}

bool path_is_call(const char *path, size_t length)
{
    static const char *const places[] = {"/api/", "/consultation/", "/dictionary/", "/treatment/",
                                         "/system/"};
    for (size_t i = 0; i < ARRAY_LENGTH(places); i++) {
        size_t place = strlen(places[i]);
        if (length >= place && memcmp(path, places[i], place) == 0) {
            return true;
        }
    }
    return false;
}

char *text_copy(const char *text)
{
    if (text == NULL) {
        return NULL;
    }
    size_t size = strlen(text) + 1;
    char *copy = memory_resize(NULL, size);
    memcpy(copy, text, size);
    return copy;
}
