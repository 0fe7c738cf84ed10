/* Host names, looked up by a thread of their own.
 *
 * hiredis resolves names with a blocking getaddrinfo. When a machine with Redis and DNS goes away,
 * each attempt would stop the loop, and with it every socket, for seconds. So names are looked up
 * here and hiredis is only given numbers.
 *
 * The thread cannot be stopped while it waits for DNS, and nobody shall wait for it: the struct is
 * held by both sides, and freed by whoever lets go last. The thread writes its fields and then
 * `state` (release); its holder reads `state` (acquire) and then the fields. */
#include "server/bus_lookup.h"

#include "protocol/memory.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ADDRESSES_MAX 8

struct bus_lookup {
    atomic_int holders;
    atomic_int state; /* enum bus_lookup_state */
    char host[256];
    /* The thread's until state leaves RUNS, then nobody writes. */
    size_t count;
    char addresses[ADDRESSES_MAX][BUS_ADDRESS_TEXT_BYTES];
    char why[BUS_ADDRESS_TEXT_BYTES];
};

bool bus_lookup_is_needless(const char *host)
{
    struct in6_addr address;
    return inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1;
}

static void *look_up(void *data)
{
    struct bus_lookup *lookup = data;
    struct addrinfo wanted = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int error = getaddrinfo(lookup->host, NULL, &wanted, &found);
    for (struct addrinfo *at = found; at != NULL && lookup->count < ADDRESSES_MAX;
         at = at->ai_next) {
        if (getnameinfo(at->ai_addr, at->ai_addrlen, lookup->addresses[lookup->count],
                        BUS_ADDRESS_TEXT_BYTES, NULL, 0, NI_NUMERICHOST) == 0) {
            lookup->count++;
        }
    }
    if (found != NULL) {
        freeaddrinfo(found);
    }
    if (lookup->count == 0) {
        snprintf(lookup->why, sizeof(lookup->why), "%s",
                 error != 0 ? gai_strerror(error) : "no address");
    }
    atomic_store_explicit(&lookup->state, lookup->count > 0 ? BUS_LOOKUP_FOUND : BUS_LOOKUP_FAILED,
                          memory_order_release);
    bus_lookup_drop(lookup);
    return NULL;
}

struct bus_lookup *bus_lookup_start(const char *host)
{
    struct bus_lookup *lookup = memory_resize(NULL, sizeof(*lookup));
    memset(lookup, 0, sizeof(*lookup));
    snprintf(lookup->host, sizeof(lookup->host), "%s", host);
    atomic_init(&lookup->holders, 2);
    atomic_init(&lookup->state, BUS_LOOKUP_RUNS);

    /* Signals are for the main thread. */
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    int error = pthread_create(&thread, NULL, look_up, lookup);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0) {
        free(lookup);
        return NULL;
    }
    pthread_detach(thread);
    return lookup;
}

enum bus_lookup_state bus_lookup_poll(const struct bus_lookup *lookup, unsigned turn,
                                      char address[BUS_ADDRESS_TEXT_BYTES])
{
    int state = atomic_load_explicit(&lookup->state, memory_order_acquire);
    if (state == BUS_LOOKUP_FOUND) {
        memcpy(address, lookup->addresses[turn % lookup->count], BUS_ADDRESS_TEXT_BYTES);
    } else if (state == BUS_LOOKUP_FAILED) {
        memcpy(address, lookup->why, BUS_ADDRESS_TEXT_BYTES);
    }
    return (enum bus_lookup_state)state;
}

void bus_lookup_drop(struct bus_lookup *lookup)
{
    if (lookup != NULL && atomic_fetch_sub(&lookup->holders, 1) == 1) {
        free(lookup);
    }
}
