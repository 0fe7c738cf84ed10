/* Loop only. Requests and answers of a connection. Contract 1.
 *
 * Functions that return int are called within a callback of the network library and return what
 * that must: 0, or -1 to close the connection. */
#ifndef CONSULTD_SERVER_HTTP_H
#define CONSULTD_SERVER_HTTP_H

#include "server/conn.h"
#include "server/reply.h"

/* The headers of a request are complete; `path` is decoded, without query. */
int http_request(struct conn *conn, const char *path, size_t length);
/* Bytes of its body, and its end. */
int http_body(struct conn *conn, const char *bytes, size_t length);
int http_body_ended(struct conn *conn);

/* The request wants another protocol. 0: it may become a socket; -1 after it has been refused. */
int http_upgrade(struct conn *conn);

/* A worker has handed back the connection's JOB_REST. */
void http_finished(struct conn *conn, struct job *job);

/* A timer has run out. */
void http_expired(struct conn *conn, enum conn_timer timer);

/* The server stops: an idle connection is closed, a busy one after its answer. */
void http_stop(struct conn *conn);

/* Answers the request in HTTP_READING or HTTP_WORKING. Returns -1 when the connection is to be
 * closed, also to callers outside of callbacks, who then do it with http_hang_up. */
int http_answer(struct conn *conn, const struct reply *reply);
int http_fail(struct conn *conn, enum err err, const char *headers);

/* Closes from outside of the connection's own callbacks. */
void http_hang_up(struct conn *conn);

/* Gives the request to a worker. Returns as http_answer (the lane may be full). */
int http_submit(struct conn *conn, struct job *job);

#endif
