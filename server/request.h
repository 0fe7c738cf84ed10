/* Loop only. What the headers of a request say, read from the library before they are gone. */
#ifndef CONSULTD_SERVER_REQUEST_H
#define CONSULTD_SERVER_REQUEST_H

#include <libwebsockets.h>

#include "protocol/base.h"

#define REQUEST_HEADERS_MAX 8192 /* bytes of all headers of a request together */
#define REQUEST_ORIGIN_MAX 512

enum method { METHOD_GET, METHOD_HEAD, METHOD_POST, METHOD_OPTIONS, METHOD_OTHER };

struct request {
    enum method method;
    size_t length; /* Content-Length; 0 where there is none */
    bool has_length;
    bool is_chunked;    /* Transfer-Encoding of any kind */
    bool is_malformed;  /* a Content-Length that is no plain number */
    bool may_have_body; /* the library may wait for one */
    bool is_json;       /* Content-Type: application/json, with parameters or without */
    bool expects_continue;
    bool may_keep_alive; /* HTTP/1.1, with a Content-Length, and no "Connection: close" */
};

void request_read(struct lws *wsi, struct request *out);

/* Copies a header. False: it is not there, empty, or longer than `size` - 1. */
bool request_header(struct lws *wsi, enum lws_token_indexes token, char *out, size_t size);

/* The headers that the endpoint's handler is given (headers.def): "name:value\n" each. Caller owns;
 * NULL: none. */
char *request_headers_for(struct lws *wsi, const char *endpoint);

/* Whether the library holds bytes of a next request. Right after lws_http_transaction_completed. */
bool request_is_buffered(struct lws *wsi);

/* Whether it is GET /ws. */
bool request_is_socket(struct lws *wsi, const struct request *request);
/* Whether version, key and subprotocol are such that the library can go on. */
bool request_is_handshake(struct lws *wsi);

/* Whether the path lies where only endpoints are. */
bool path_is_call(const char *path, size_t length);

/* A copy on the heap, caller owns; NULL of NULL. */
char *text_copy(const char *text);

#endif
