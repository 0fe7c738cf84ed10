/* Loop only. /livez and /readyz: for whoever watches over the process. */
#ifndef CONSULTD_SERVER_HEALTH_H
#define CONSULTD_SERVER_HEALTH_H

#include "server/conn.h"

bool health_is_path(const char *path, size_t length);

/* Answers, or asks a worker for the store's state first. Returns as http_answer. */
int health_request(struct conn *conn, const char *path, size_t length);

/* The worker's word: a JOB_DUTY of the connection. */
void health_finished(struct conn *conn, struct job *job);

#endif
