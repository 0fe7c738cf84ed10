/* Loop only. GET /metrics: the invariants, and how much the bus lost, as Prometheus text. For
 * operators: without the option metrics_token it is answered to this machine itself only (a
 * loopback address, and not through a proxy); with it, to whoever has it as a Bearer token. */
#ifndef CONSULTD_SERVER_METRICS_H
#define CONSULTD_SERVER_METRICS_H

#include "server/conn.h"

bool metrics_is_path(const char *path, size_t length);

/* Answers, or lets a worker count first: no oftener than every metrics_seconds. Returns as
 * http_answer. */
int metrics_request(struct conn *conn);

/* The worker's counts: a JOB_DUTY. The connection may be gone (NULL). */
void metrics_finished(struct loop *loop, struct conn *conn, struct job *job);

#endif
