/* Single-threaded. Connections by the thousand on one epoll, with as few system calls as there can
 * be: one big read of a connection that has something, and what its reader has to send meanwhile
 * leaves in one write when it is done. */
#ifndef CONSULTD_BENCH_WIRE_H
#define CONSULTD_BENCH_WIRE_H

#include "protocol/base.h"

struct wire;
struct link;

/* What the owner of connections of one kind does. */
struct link_kind {
    void (*connected)(struct link *link);
    /* What has come and was not taken yet. Returns how much of it is taken; the rest comes again
     * with more behind it. The bytes may be changed. */
    size_t (*received)(struct link *link, char *bytes, size_t length);
    /* The other side has closed, or `why` it failed. Not called for link_close. */
    void (*closed)(struct link *link, const char *why);
};

struct bytes {
    char *at; /* owned */
    size_t length, room;
};

struct link {
    const struct link_kind *kind;
    struct wire *wire;
    struct bytes in, out;
    size_t sent; /* of out */
    int descriptor;
    bool is_open, is_dirty, waits_for_room;
};

#define HOST_BYTES 64

/* Where connections go: "127.0.0.1:8080". */
struct target {
    char host[HOST_BYTES];
    uint16_t port;
};

bool target_parse(const char *text, struct target *out);

struct wire *wire_new(void); /* caller owns */
void wire_free(struct wire *wire);

/* Begins to connect; `link` stays the caller's and must outlive the connection. Ends the program
 * when there are no descriptors left. */
void link_open(struct link *link, struct wire *wire, const struct link_kind *kind,
               const struct target *target);
void link_close(struct link *link);
/* Frees what a closed connection still holds. */
void link_free(struct link *link);

/* Room for `length` bytes more to send, which leave at the end of this turn; link_filled says how
 * many were written there. */
char *link_room(struct link *link, size_t length);
void link_filled(struct link *link, size_t length);
void link_send(struct link *link, const char *bytes, size_t length);

/* Sends what is there, waits until `until_ns` for something to come, and hands it to its reader. */
void wire_turn(struct wire *wire, int64_t until_ns);

#define NS_PER_SECOND INT64_C(1000000000)

/* Nanoseconds of a clock that never jumps. */
int64_t now_ns(void);
int64_t ns_of(double seconds);

/* Ends the program with a sentence. */
_Noreturn void give_up(const char *format, ...) PRINTF_LIKE(1, 2);

/* malloc that never fails. */
void *must_allocate(size_t bytes);
void bytes_reserve(struct bytes *bytes, size_t more);
void bytes_add(struct bytes *bytes, const char *at, size_t length);

#endif
