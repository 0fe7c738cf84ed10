/* One thread, one poll over all connections; what it is to do next is told under one lock.
 *
 * The thread holds the lock while it handles what poll reported, never while it polls, and a pipe
 * wakes it when something was told. A connection is two sockets; a chunk that is read from one is
 * written to the other at once, blocking, as a test's traffic is small. */
#include "support_proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 64
#define CHUNK_BYTES 65536

struct connection {
    int client, server; /* -1: none */
    bool is_cut_on_answer;
};

struct proxy {
    pthread_t thread;
    int listener;
    int wake[2];
    uint16_t port, target;
    pthread_mutex_t lock; /* guards all below */
    struct connection connections[CONNECTIONS_MAX];
    bool is_down, is_frozen, is_ended;
    char lose[64];    /* the text of the request whose answer is lost; "": none */
    char instead[64]; /* the text of the request that is answered here */
    char counted[64];
    char late[64]; /* the text of the request that is late */
    int late_ms;
    int count;
    unsigned char answer[1024];
    size_t answer_length;
};

static void die(const char *what)
{
    perror(what);
    abort();
}

static struct sockaddr_in address_of(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static bool contains(const unsigned char *bytes, size_t length, const char *text)
{
    const size_t text_length = strlen(text);
    for (size_t i = 0; text_length > 0 && i + text_length <= length; i++) {
        if (memcmp(bytes + i, text, text_length) == 0) {
            return true;
        }
    }
    return false;
}

static void send_all(int fd, const unsigned char *bytes, size_t length)
{
    while (length > 0) {
        const ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent <= 0) {
            return; /* the other side is gone; its own end says so */
        }
        bytes += sent;
        length -= (size_t)sent;
    }
}

static void connection_cut(struct connection *connection)
{
    if (connection->client >= 0) {
        close(connection->client);
        close(connection->server);
        connection->client = -1;
        connection->server = -1;
    }
}

/* ---- The thread --------------------------------------------------------------------------- */

static void accept_one(struct proxy *proxy)
{
    const int client = accept(proxy->listener, NULL, NULL);
    if (client < 0) {
        return;
    }
    struct connection *free_one = NULL;
    for (size_t i = 0; i < CONNECTIONS_MAX && free_one == NULL; i++) {
        free_one = proxy->connections[i].client < 0 ? &proxy->connections[i] : NULL;
    }
    const int server = socket(AF_INET, SOCK_STREAM, 0);
    const struct sockaddr_in target = address_of(proxy->target);
    if (proxy->is_down || free_one == NULL ||
        connect(server, (const struct sockaddr *)&target, sizeof(target)) != 0) {
        close(client);
        close(server);
        return;
    }
    const int one = 1;
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    *free_one = (struct connection){.client = client, .server = server};
}

/* A request: forwards it, or does what was told for it. */
static void handle_request(struct proxy *proxy, struct connection *connection,
                           const unsigned char *bytes, size_t length)
{
    if (length >= 8 && contains(bytes, length, proxy->instead)) {
        memcpy(proxy->answer + 8, bytes + 4, 4);
        send_all(connection->client, proxy->answer, proxy->answer_length);
        proxy->instead[0] = '\0';
        return;
    }
    if (contains(bytes, length, proxy->lose)) {
        connection->is_cut_on_answer = true;
        proxy->lose[0] = '\0';
    }
    if (contains(bytes, length, proxy->late)) {
        (void)poll(NULL, 0, proxy->late_ms);
        proxy->late[0] = '\0';
    }
    proxy->count += contains(bytes, length, proxy->counted);
    send_all(connection->server, bytes, length);
}

static void handle_side(struct proxy *proxy, struct connection *connection, bool is_client)
{
    static unsigned char bytes[CHUNK_BYTES]; /* of the one thread of one proxy at a time */
    const int fd = is_client ? connection->client : connection->server;
    const ssize_t got = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (got <= 0 || (!is_client && connection->is_cut_on_answer)) {
        connection_cut(connection);
    } else if (is_client) {
        handle_request(proxy, connection, bytes, (size_t)got);
    } else {
        send_all(connection->client, bytes, (size_t)got);
    }
}

/* Fills `polled` with the pipe, the listener and both ends of each connection. */
static nfds_t collect(struct proxy *proxy, struct pollfd *polled)
{
    nfds_t count = 0;
    polled[count++] = (struct pollfd){.fd = proxy->wake[0], .events = POLLIN};
    polled[count++] = (struct pollfd){.fd = proxy->listener, .events = POLLIN};
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        const bool moves = proxy->connections[i].client >= 0 && !proxy->is_frozen;
        polled[count++] =
            (struct pollfd){.fd = moves ? proxy->connections[i].client : -1, .events = POLLIN};
        polled[count++] =
            (struct pollfd){.fd = moves ? proxy->connections[i].server : -1, .events = POLLIN};
    }
    return count;
}

static void handle_all(struct proxy *proxy, const struct pollfd *polled)
{
    char drained[64];
    if (polled[0].revents != 0 && read(proxy->wake[0], drained, sizeof(drained)) < 0) {
        die("read");
    }
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        struct connection *connection = &proxy->connections[i];
        for (size_t side = 0; side < 2; side++) {
            const struct pollfd *end = &polled[2 + 2 * i + side];
            const int now = side == 0 ? connection->client : connection->server;
            if (end->revents != 0 && end->fd >= 0 && end->fd == now) {
                handle_side(proxy, connection, side == 0);
            }
        }
    }
    if (polled[1].revents != 0) {
        accept_one(proxy);
    }
}

static void *proxy_run(void *argument)
{
    struct proxy *proxy = argument;
    struct pollfd polled[2 + 2 * CONNECTIONS_MAX];
    pthread_mutex_lock(&proxy->lock);
    while (!proxy->is_ended) {
        const nfds_t count = collect(proxy, polled);
        pthread_mutex_unlock(&proxy->lock);
        const int ready = poll(polled, count, -1);
        pthread_mutex_lock(&proxy->lock);
        if (ready > 0) {
            handle_all(proxy, polled);
        }
    }
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        connection_cut(&proxy->connections[i]);
    }
    pthread_mutex_unlock(&proxy->lock);
    return NULL;
}

/* ---- What it is told ---------------------------------------------------------------------- */

struct proxy *proxy_new(uint16_t port)
{
    struct proxy *proxy = calloc(1, sizeof(*proxy));
    struct sockaddr_in address = address_of(0);
    socklen_t length = sizeof(address);
    if (proxy == NULL || pipe(proxy->wake) != 0) {
        die("proxy");
    }
    proxy->target = port;
    proxy->listener = socket(AF_INET, SOCK_STREAM, 0);
    if (proxy->listener < 0 ||
        bind(proxy->listener, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(proxy->listener, 64) != 0 ||
        getsockname(proxy->listener, (struct sockaddr *)&address, &length) != 0) {
        die("listen");
    }
    proxy->port = ntohs(address.sin_port);
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        proxy->connections[i] = (struct connection){.client = -1, .server = -1};
    }
    pthread_mutex_init(&proxy->lock, NULL);
    if (pthread_create(&proxy->thread, NULL, proxy_run, proxy) != 0) {
        die("pthread_create");
    }
    return proxy;
}

static void tell(struct proxy *proxy)
{
    pthread_mutex_unlock(&proxy->lock);
    if (write(proxy->wake[1], "", 1) != 1) {
        die("write");
    }
}

void proxy_free(struct proxy *proxy)
{
    pthread_mutex_lock(&proxy->lock);
    proxy->is_ended = true;
    tell(proxy);
    pthread_join(proxy->thread, NULL);
    close(proxy->listener);
    close(proxy->wake[0]);
    close(proxy->wake[1]);
    pthread_mutex_destroy(&proxy->lock);
    free(proxy);
}

uint16_t proxy_port(const struct proxy *proxy)
{
    return proxy->port;
}

void proxy_set_down(struct proxy *proxy, bool is_down)
{
    pthread_mutex_lock(&proxy->lock);
    proxy->is_down = is_down;
    for (size_t i = 0; is_down && i < CONNECTIONS_MAX; i++) {
        connection_cut(&proxy->connections[i]);
    }
    tell(proxy);
}

void proxy_set_frozen(struct proxy *proxy, bool is_frozen)
{
    pthread_mutex_lock(&proxy->lock);
    proxy->is_frozen = is_frozen;
    tell(proxy);
}

void proxy_lose_answer(struct proxy *proxy, const char *text)
{
    pthread_mutex_lock(&proxy->lock);
    snprintf(proxy->lose, sizeof(proxy->lose), "%s", text);
    tell(proxy);
}

void proxy_delay(struct proxy *proxy, const char *text, int ms)
{
    pthread_mutex_lock(&proxy->lock);
    snprintf(proxy->late, sizeof(proxy->late), "%s", text);
    proxy->late_ms = ms;
    tell(proxy);
}

void proxy_answer(struct proxy *proxy, const char *text, const void *answer, size_t length)
{
    pthread_mutex_lock(&proxy->lock);
    if (length > sizeof(proxy->answer)) {
        die("the answer is too long");
    }
    snprintf(proxy->instead, sizeof(proxy->instead), "%s", text);
    memcpy(proxy->answer, answer, length);
    proxy->answer_length = length;
    tell(proxy);
}

int proxy_count(struct proxy *proxy, const char *text)
{
    pthread_mutex_lock(&proxy->lock);
    const int count = proxy->count;
    proxy->count = 0;
    snprintf(proxy->counted, sizeof(proxy->counted), "%s", text);
    tell(proxy);
    return count;
}
