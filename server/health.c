/* Health. /livez says that the loop turns. /readyz says whether requests should be sent here: it
 * asks the store through the worker that writes, as a call would, so that it sees what a call would
 * see: a store that hangs, a full disk, a lane with too much waiting. A bus
 * that is down is told, but does not make the node unready: it keeps serving (contract 4). */
#include "server/health.h"

#include <stdio.h>
#include <string.h>

#include "server/http.h"
#include "server/loop_parts.h"

static const char live_path[] = "/livez";
static const char ready_path[] = "/readyz";

static bool is_path(const char *path, size_t length, const char *wanted)
{
    return strlen(wanted) == length && memcmp(path, wanted, length) == 0;
}

bool health_is_path(const char *path, size_t length)
{
    return is_path(path, length, live_path) || is_path(path, length, ready_path);
}

static int answer(struct conn *conn, const char *status, bool store_is_up)
{
    char text[96];
    int length =
        snprintf(text, sizeof text, "{\"status\":\"%s\",\"store\":\"%s\",\"bus\":\"%s\"}", status,
                 store_is_up ? "up" : "down", bus_is_up(conn->loop->bus) ? "up" : "down");
    struct reply reply = {.status = strcmp(status, "ok") == 0 ? 200 : 503,
                          .type = REPLY_JSON,
                          .text = text,
                          .length = (size_t)length};
    return http_answer(conn, &reply);
}

int health_request(struct conn *conn, const char *path, size_t length)
{
    if (is_path(path, length, live_path)) {
        static const char alive[] = "{\"status\":\"ok\"}";
        struct reply reply = {
            .status = 200, .type = REPLY_JSON, .text = alive, .length = sizeof alive - 1};
        return http_answer(conn, &reply);
    }
    struct job *job = job_new(conn->loop->jobs, JOB_DUTY);
    job->duty = DUTY_PING;
    job->lane = LANE_WRITE;
    return http_submit(conn, job);
}

void health_finished(struct conn *conn, struct job *job)
{
    bool store_is_up = job->err == ERR_OK;
    if (answer(conn, store_is_up ? "ok" : "unready", store_is_up) < 0) {
        http_hang_up(conn);
    }
}
