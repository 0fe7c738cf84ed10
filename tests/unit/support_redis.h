/* A Redis of the test's own: on a free port of 127.0.0.1 and a Unix socket, gone with the test. */
#ifndef CONSULTD_TESTS_SUPPORT_REDIS_H
#define CONSULTD_TESTS_SUPPORT_REDIS_H

#include "protocol/base.h"

#include <sys/types.h>

struct redis_server {
    pid_t pid; /* 0 while it does not run */
    int port;
    char folder[64];
    char socket[96];
    int output; /* what it prints; read end of a pipe */
};

/* Whether redis-server is installed. */
bool redis_server_is_installed(void);

/* Chooses a port and a folder, starts, and waits until it accepts. Fails the test when it won't. */
void redis_server_start(struct redis_server *server);

/* Starts it again at the same place after redis_server_kill. */
void redis_server_start_again(struct redis_server *server);

/* SIGKILL, and waits for its end. Nothing happens when it does not run. */
void redis_server_kill(struct redis_server *server);

/* SIGSTOP and SIGCONT. */
void redis_server_freeze(const struct redis_server *server);
void redis_server_thaw(const struct redis_server *server);

/* Kills and removes the folder. */
void redis_server_remove(struct redis_server *server);

/* One command over a connection of its own; the integer or the number of elements answered. Fails
 * the test on an error answer. `arguments` as redisCommandArgv takes them. */
long long redis_server_ask(const struct redis_server *server, int count, const char **arguments,
                           const size_t *lengths);

#endif
