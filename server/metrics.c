/* Metrics. Counting what must never be costs the store something, so that is good for
 * metrics_seconds, whoever asks; how many events were made good is known at any time. */
#include "server/metrics.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "server/auth.h"
#include "server/http.h"
#include "server/loop_parts.h"
#include "server/request.h"

#define MS_PER_SECOND 1000
#define TOKEN_BYTES 512
#define METRIC "consultd_invariant_violations"
#define MADE_GOOD "consultd_events_made_good_total"

static const char metrics_path[] = "/metrics";

static const struct {
    const char *name;
} rows[] = {
#define INVARIANT(name, help) {#name},
#include "server/invariants.def"
#undef INVARIANT
};

bool metrics_is_path(const char *path, size_t length)
{
    return length == sizeof metrics_path - 1 && memcmp(path, metrics_path, length) == 0;
}

static bool is_loopback(const struct conn *conn)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    if (getpeername(lws_get_socket_fd(conn->wsi), (struct sockaddr *)&address, &length) != 0) {
        return false;
    }
    if (address.ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address;
        return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    }
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address;
    bool is_mapped = IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr) && v6->sin6_addr.s6_addr[12] == 127;
    return address.ss_family == AF_INET6 && (IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr) || is_mapped);
}

static enum err check_reader(struct conn *conn)
{
    const char *wanted = conn->loop->settings->metrics_token;
    char header[TOKEN_BYTES];
    if (wanted[0] == '\0') {
        bool is_passed_on = lws_hdr_total_length(conn->wsi, WSI_TOKEN_X_FORWARDED_FOR) > 0;
        return is_loopback(conn) && !is_passed_on ? ERR_OK : ERR_NOT_YOURS;
    }
    if (!request_header(conn->wsi, WSI_TOKEN_HTTP_AUTHORIZATION, header, sizeof header)) {
        return ERR_NOT_SIGNED_IN;
    }
    const char *token = token_of_header(header);
    return token != NULL && text_equal_secretly(token, wanted) ? ERR_OK : ERR_NOT_SIGNED_IN;
}

static int answer(struct conn *conn)
{
    struct strbuf text;
    strbuf_init(&text, 0);
    strbuf_add_literal(&text, "# HELP " METRIC " What must never be. All must read 0.\n"
                              "# TYPE " METRIC " gauge\n");
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        char line[256];
        int length = snprintf(line, sizeof line, METRIC "{invariant=\"%s\"} %" PRId64 "\n",
                              rows[i].name, conn->loop->invariants[i]);
        strbuf_add(&text, line, (size_t)length);
    }
    strbuf_add_literal(&text, "# HELP " MADE_GOOD " Events told to an account from the store, "
                              "since the bus had lost them.\n"
                              "# TYPE " MADE_GOOD " counter\n");
    char line[96];
    int length = snprintf(line, sizeof line, MADE_GOOD " %" PRId64 "\n", conn->loop->made_good);
    strbuf_add(&text, line, (size_t)length);
    struct reply reply = {.status = 200,
                          .type = "text/plain; version=0.0.4; charset=utf-8",
                          .text = strbuf_text(&text),
                          .length = text.length,
                          .headers = "Cache-Control: no-store\r\n"};
    int outcome = http_answer(conn, &reply);
    strbuf_free(&text);
    return outcome;
}

int metrics_request(struct conn *conn)
{
    struct loop *loop = conn->loop;
    enum err err = check_reader(conn);
    if (err != ERR_OK) {
        return http_fail(conn, err, NULL);
    }
    int64_t good_until_ms = loop->counted_ms + loop->settings->metrics_seconds * MS_PER_SECOND;
    if (loop->counted_ms != 0 && clock_monotonic_ms() < good_until_ms) {
        return answer(conn);
    }
    struct job *job = job_new(loop->jobs, JOB_DUTY);
    job->duty = DUTY_COUNT;
    job->lane = LANE_READ;
    return http_submit(conn, job);
}

void metrics_finished(struct loop *loop, struct conn *conn, struct job *job)
{
    if (job->err == ERR_OK) {
        memcpy(loop->invariants, job->counts, sizeof loop->invariants);
        loop->counted_ms = clock_monotonic_ms();
    }
    if (conn == NULL) {
        return;
    }
    int outcome = job->err == ERR_OK ? answer(conn) : http_fail(conn, job->err, NULL);
    if (outcome < 0) {
        http_hang_up(conn);
    }
}
