/* The listening socket: the first address of the host that can be bound. */
#include "server/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WHY_BYTES 256
#define BACKLOG 4096
#define HOST_BYTES 256

/* Cuts "HOST:PORT" at its last colon; brackets of an IPv6 address are taken off. */
static bool split(const char *both, char host[HOST_BYTES], const char **port)
{
    const char *colon = strrchr(both, ':');
    if (colon == NULL || (size_t)(colon - both) >= HOST_BYTES) {
        return false;
    }
    *port = colon + 1;
    size_t length = (size_t)(colon - both);
    if (length >= 2 && both[0] == '[' && both[length - 1] == ']') {
        both++;
        length -= 2;
    }
    memcpy(host, both, length);
    host[length] = '\0';
    return true;
}

static int bind_and_listen(const struct addrinfo *at)
{
    int one = 1;
    int descriptor = socket(at->ai_family, at->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0) {
        return -1;
    }
    /* Restarting must not wait for the old connections' last minutes. */
    (void)setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(descriptor, at->ai_addr, at->ai_addrlen) != 0 || listen(descriptor, BACKLOG) != 0) {
        int error = errno;
        close(descriptor);
        errno = error;
        return -1;
    }
    return descriptor;
}

static void say_address(int descriptor, char address[LISTEN_ADDRESS_BYTES])
{
    struct sockaddr_storage name;
    socklen_t length = sizeof name;
    char host[48] = "", port[8] = "";
    if (getsockname(descriptor, (struct sockaddr *)&name, &length) == 0) {
        (void)getnameinfo((struct sockaddr *)&name, length, host, sizeof host, port, sizeof port,
                          NI_NUMERICHOST | NI_NUMERICSERV);
    }
    if (name.ss_family == AF_INET6) {
        snprintf(address, LISTEN_ADDRESS_BYTES, "[%s]:%s", host, port);
    } else {
        snprintf(address, LISTEN_ADDRESS_BYTES, "%s:%s", host, port);
    }
}

int listen_open(const char *host_and_port, char address[LISTEN_ADDRESS_BYTES], char why[WHY_BYTES])
{
    char host[HOST_BYTES];
    const char *port;
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    if (!split(host_and_port, host, &port) || getaddrinfo(host, port, &hints, &list) != 0) {
        snprintf(why, WHY_BYTES, "listen: there is no address %.120s", host_and_port);
        return -1;
    }
    int descriptor = -1;
    for (const struct addrinfo *at = list; at != NULL && descriptor < 0; at = at->ai_next) {
        descriptor = bind_and_listen(at);
    }
    freeaddrinfo(list);
    if (descriptor < 0) {
        snprintf(why, WHY_BYTES, "listen: %.120s: %s", host_and_port, strerror(errno));
        return -1;
    }
    say_address(descriptor, address);
    return descriptor;
}

int listen_accept(int descriptor)
{
    int accepted = accept(descriptor, NULL, NULL);
    int one = 1;
    if (accepted >= 0) {
        /* Answers and frames are written whole: there is nothing to wait for. */
        (void)setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        (void)fcntl(accepted, F_SETFL, fcntl(accepted, F_GETFL) | O_NONBLOCK);
        (void)fcntl(accepted, F_SETFD, FD_CLOEXEC);
    }
    return accepted;
}
