/* Starts and ends Redis servers for tests. A server dies with the test's process (PDEATHSIG), so
 * a crashed test leaves none behind. */
#include "support_redis.h"

#include <errno.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define START_TIMEOUT_MS 20000

bool redis_server_is_installed(void)
{
    return system("command -v redis-server >/dev/null 2>&1") == 0;
}

static int choose_port(void)
{
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(address);
    assert_true(listener >= 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    close(listener);
    return ntohs(address.sin_port);
}

static void become_redis(const struct redis_server *server, int output)
{
    char port[16];
    snprintf(port, sizeof(port), "%d", server->port);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    execlp("redis-server", "redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "",
           "--appendonly", "no", "--dir", server->folder, "--unixsocket", server->socket,
           (char *)NULL);
    _exit(127);
}

/* Reads what Redis prints until it says that it is ready. */
static bool wait_until_ready(int output)
{
    char text[16384];
    size_t length = 0;
    while (length + 1 < sizeof(text)) {
        struct pollfd wanted = {.fd = output, .events = POLLIN};
        if (poll(&wanted, 1, START_TIMEOUT_MS) != 1) {
            return false;
        }
        ssize_t got = read(output, text + length, sizeof(text) - 1 - length);
        if (got <= 0) {
            return false;
        }
        length += (size_t)got;
        text[length] = '\0';
        if (strstr(text, "Ready to accept connections") != NULL) {
            return true;
        }
    }
    return false;
}

static bool try_to_start(struct redis_server *server)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    (void)fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    (void)fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    server->pid = fork();
    assert_true(server->pid >= 0);
    if (server->pid == 0) {
        become_redis(server, ends[1]);
    }
    close(ends[1]);
    server->output = ends[0];
    if (wait_until_ready(server->output)) {
        return true;
    }
    redis_server_kill(server);
    return false;
}

void redis_server_start_again(struct redis_server *server)
{
    assert_int_equal(server->pid, 0);
    if (!try_to_start(server)) {
        fail_msg("redis-server does not start on port %d", server->port);
    }
}

void redis_server_start(struct redis_server *server)
{
    *server = (struct redis_server){.folder = "/tmp/consultd-redis-XXXXXX"};
    assert_non_null(mkdtemp(server->folder));
    snprintf(server->socket, sizeof(server->socket), "%s/redis.sock", server->folder);
    for (int attempt = 0; attempt < 5; attempt++) {
        server->port = choose_port(); /* somebody may take it meanwhile, hence the attempts */
        if (try_to_start(server)) {
            return;
        }
    }
    fail_msg("redis-server does not start");
}

void redis_server_kill(struct redis_server *server)
{
    if (server->pid != 0) {
        kill(server->pid, SIGKILL);
        waitpid(server->pid, NULL, 0);
        close(server->output);
        server->pid = 0;
    }
}

void redis_server_freeze(const struct redis_server *server)
{
    assert_int_equal(kill(server->pid, SIGSTOP), 0);
}

void redis_server_thaw(const struct redis_server *server)
{
    assert_int_equal(kill(server->pid, SIGCONT), 0);
}

void redis_server_remove(struct redis_server *server)
{
    redis_server_kill(server);
    unlink(server->socket);
    rmdir(server->folder);
}

long long redis_server_ask(const struct redis_server *server, int count, const char **arguments,
                           const size_t *lengths)
{
    redisContext *redis = redisConnectUnix(server->socket);
    assert_non_null(redis);
    assert_int_equal(redis->err, 0);
    redisReply *reply = redisCommandArgv(redis, count, arguments, lengths);
    assert_non_null(reply);
    if (reply->type == REDIS_REPLY_ERROR) {
        fail_msg("%s: %s", arguments[0], reply->str);
    }
    long long answer = reply->integer;
    if (reply->type == REDIS_REPLY_ARRAY) {
        answer = (long long)reply->elements;
        if (reply->elements == 2 && reply->element[1]->type == REDIS_REPLY_INTEGER) {
            answer = reply->element[1]->integer; /* PUBSUB NUMSUB: [channel, number] */
        }
    }
    freeReplyObject(reply);
    redisFree(redis);
    return answer;
}
