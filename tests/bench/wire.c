/* Level-triggered epoll. All reads go into one buffer; only what a reader leaves there, a part of a
 * frame, is copied to its connection. */
#include "tests/bench/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define READ_BYTES (256 * 1024)
#define EVENTS_MOST 512
#define BYTES_LEAST 512

struct wire {
    int epoll;
    struct link **dirty; /* have something to send */
    size_t dirty_count, dirty_room;
    char buffer[READ_BYTES];
};

void give_up(const char *format, ...)
{
    va_list arguments;
    fflush(stdout);
    fputs("consultd-bench: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputs("\n", stderr);
    exit(EXIT_FAILURE);
}

int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * NS_PER_SECOND + now.tv_nsec;
}

int64_t ns_of(double seconds)
{
    return (int64_t)(seconds * (double)NS_PER_SECOND);
}

void *must_allocate(size_t bytes)
{
    void *made = calloc(1, bytes);
    if (made == NULL) {
        give_up("no memory");
    }
    return made;
}

void bytes_reserve(struct bytes *bytes, size_t more)
{
    if (bytes->room - bytes->length >= more) {
        return;
    }
    size_t room = bytes->room < BYTES_LEAST ? BYTES_LEAST : bytes->room;
    while (room < bytes->length + more) {
        room *= 2;
    }
    bytes->at = realloc(bytes->at, room);
    if (bytes->at == NULL) {
        give_up("no memory");
    }
    bytes->room = room;
}

void bytes_add(struct bytes *bytes, const char *at, size_t length)
{
    bytes_reserve(bytes, length);
    memcpy(bytes->at + bytes->length, at, length);
    bytes->length += length;
}

bool target_parse(const char *text, struct target *out)
{
    const char *colon = strrchr(text, ':');
    if (colon == NULL || (size_t)(colon - text) >= sizeof out->host) {
        return false;
    }
    char *end;
    unsigned long port = strtoul(colon + 1, &end, 10);
    memcpy(out->host, text, (size_t)(colon - text));
    out->host[colon - text] = '\0';
    out->port = (uint16_t)port;
    struct in_addr address;
    return *end == '\0' && port > 0 && port <= UINT16_MAX &&
           inet_pton(AF_INET, out->host, &address) == 1;
}

struct wire *wire_new(void)
{
    struct wire *wire = must_allocate(sizeof *wire);
    wire->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (wire->epoll < 0) {
        give_up("epoll: %s", strerror(errno));
    }
    return wire;
}

void wire_free(struct wire *wire)
{
    close(wire->epoll);
    free(wire->dirty);
    free(wire);
}

/* ---- Connections --------------------------------------------------------------------------- */

static void watch(struct link *link, int operation, uint32_t events)
{
    struct epoll_event event = {.events = events, .data = {.ptr = link}};
    if (epoll_ctl(link->wire->epoll, operation, link->descriptor, &event) != 0) {
        give_up("epoll_ctl: %s", strerror(errno));
    }
}

void link_open(struct link *link, struct wire *wire, const struct link_kind *kind,
               const struct target *target)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(target->port)};
    int one = 1;
    inet_pton(AF_INET, target->host, &address.sin_addr);
    link->kind = kind;
    link->wire = wire;
    link->in.length = link->out.length = link->sent = 0;
    link->is_open = link->is_dirty = false;
    link->waits_for_room = true;
    link->descriptor = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (link->descriptor < 0) {
        give_up("socket: %s", strerror(errno));
    }
    (void)setsockopt(link->descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(link->descriptor, (struct sockaddr *)&address, sizeof address) != 0 &&
        errno != EINPROGRESS) {
        give_up("%s:%d: %s", target->host, target->port, strerror(errno));
    }
    watch(link, EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT);
}

/* Whoever is in the list of those who have something to send must not stay there. */
static void forget(struct link *link)
{
    struct wire *wire = link->wire;
    for (size_t i = 0; link->is_dirty && i < wire->dirty_count; i++) {
        if (wire->dirty[i] == link) {
            wire->dirty[i] = NULL;
            link->is_dirty = false;
        }
    }
}

void link_close(struct link *link)
{
    if (link->descriptor < 0) {
        return;
    }
    forget(link);
    close(link->descriptor);
    link->descriptor = -1;
    link->is_open = false;
}

void link_free(struct link *link)
{
    free(link->in.at);
    free(link->out.at);
    link->in = link->out = (struct bytes){0};
}

static void fail(struct link *link, const char *why)
{
    link_close(link);
    link->kind->closed(link, why);
}

/* ---- Sending ------------------------------------------------------------------------------- */

char *link_room(struct link *link, size_t length)
{
    bytes_reserve(&link->out, length);
    return link->out.at + link->out.length;
}

void link_filled(struct link *link, size_t length)
{
    struct wire *wire = link->wire;
    link->out.length += length;
    if (link->is_dirty || link->waits_for_room) {
        return;
    }
    if (wire->dirty_count == wire->dirty_room) {
        wire->dirty_room = wire->dirty_room == 0 ? EVENTS_MOST : 2 * wire->dirty_room;
        wire->dirty = realloc(wire->dirty, wire->dirty_room * sizeof(struct link *));
        if (wire->dirty == NULL) {
            give_up("no memory");
        }
    }
    wire->dirty[wire->dirty_count++] = link;
    link->is_dirty = true;
}

void link_send(struct link *link, const char *bytes, size_t length)
{
    memcpy(link_room(link, length), bytes, length);
    link_filled(link, length);
}

static void flush(struct link *link)
{
    while (link->descriptor >= 0 && link->is_open && link->sent < link->out.length) {
        ssize_t sent = send(link->descriptor, link->out.at + link->sent,
                            link->out.length - link->sent, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) {
            if (!link->waits_for_room) {
                link->waits_for_room = true;
                watch(link, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
            }
            return;
        }
        if (sent < 0) {
            fail(link, strerror(errno));
            return;
        }
        link->sent += (size_t)sent;
    }
    link->sent = link->out.length = 0;
    if (link->descriptor >= 0 && link->is_open && link->waits_for_room) {
        link->waits_for_room = false;
        watch(link, EPOLL_CTL_MOD, EPOLLIN);
    }
}

static void flush_all(struct wire *wire)
{
    for (size_t i = 0; i < wire->dirty_count; i++) {
        struct link *link = wire->dirty[i];
        if (link != NULL) {
            link->is_dirty = false;
            flush(link);
        }
    }
    wire->dirty_count = 0;
}

/* ---- Receiving ----------------------------------------------------------------------------- */

/* Hands over what came behind what was left before. */
static void receive_more(struct link *link, const char *bytes, size_t length)
{
    bytes_add(&link->in, bytes, length);
    size_t taken = link->kind->received(link, link->in.at, link->in.length);
    if (link->descriptor < 0) {
        return;
    }
    link->in.length -= taken;
    memmove(link->in.at, link->in.at + taken, link->in.length);
}

static void receive(struct link *link)
{
    char *buffer = link->wire->buffer;
    ssize_t got = recv(link->descriptor, buffer, READ_BYTES, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (got <= 0) {
        fail(link, got == 0 ? "closed by the server" : strerror(errno));
        return;
    }
    if (link->in.length > 0) {
        receive_more(link, buffer, (size_t)got);
        return;
    }
    size_t taken = link->kind->received(link, buffer, (size_t)got);
    if (link->descriptor >= 0 && taken < (size_t)got) {
        bytes_add(&link->in, buffer + taken, (size_t)got - taken);
    }
}

static void serve(struct link *link, uint32_t events)
{
    if ((events & EPOLLOUT) != 0 && !link->is_open) {
        int error = 0;
        socklen_t length = sizeof error;
        (void)getsockopt(link->descriptor, SOL_SOCKET, SO_ERROR, &error, &length);
        if (error != 0) {
            fail(link, strerror(error));
            return;
        }
        link->is_open = true;
        link->kind->connected(link);
    }
    if ((events & EPOLLOUT) != 0 && link->descriptor >= 0) {
        flush(link);
    }
    if ((events & ~(uint32_t)EPOLLOUT) != 0 && link->descriptor >= 0) {
        receive(link);
    }
}

void wire_turn(struct wire *wire, int64_t until_ns)
{
    struct epoll_event events[EVENTS_MOST];
    flush_all(wire);
    int64_t wait_ns = until_ns - now_ns();
    struct timespec wait = {0};
    if (wait_ns > 0) {
        wait.tv_sec = (time_t)(wait_ns / NS_PER_SECOND);
        wait.tv_nsec = (long)(wait_ns % NS_PER_SECOND);
    }
    int count = epoll_pwait2(wire->epoll, events, EVENTS_MOST, &wait, NULL);
    for (int i = 0; i < count; i++) {
        struct link *link = events[i].data.ptr;
        if (link->descriptor >= 0) { /* not closed by another of this turn */
            serve(link, events[i].events);
            flush(link);
        }
    }
    flush_all(wire);
}
