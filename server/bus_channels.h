/* Loop only. The channels of one bus: which accounts are held, what Redis has still to confirm,
 * and how channels and payloads are written.
 *
 *     channel   [PREFIX:]consultd:u:5b1cf1c7d2f4a80001a2b3c4      (u user, d doctor)
 *     payload   0123456789abcdef 1528620291958000\n{"event":...}  (sender's node, rev, the frame)
 *               0123456789abcdef 1528620291958000 c 5b1cf1c7d2f4a80001a2b3c5 12\n{"event":...}
 *                   (and the frame's place: its kind, the chat, the seq)
 *
 * A node of a version before places passes over a payload that has one, as one that the bus has lost,
 * and finds what was in it by its next round; what such a node sends has none. */
#ifndef CONSULTD_SERVER_BUS_CHANNELS_H
#define CONSULTD_SERVER_BUS_CHANNELS_H

#include "protocol/strbuf.h"
#include "server/account.h"
#include "server/bus.h"

#define BUS_NODE_TEXT_BYTES 17 /* 16 hex digits and the NUL */
#define BUS_CHANNEL_BYTES 128
#define BUS_HEADER_BYTES 96

struct bus_channel {
    struct account account;
    bool is_held;     /* the node has a socket of the account */
    unsigned asked;   /* SUBSCRIBEs that Redis has not confirmed yet */
    unsigned leaving; /* the same for UNSUBSCRIBE */
};

/* A hash table by account. A found channel is valid until the next put or remove. */
struct bus_channels {
    struct bus_channel *slots; /* role NONE: free; owned */
    size_t size;               /* a power of two, or 0 */
    size_t count;
};

void bus_channels_free(struct bus_channels *channels);
struct bus_channel *bus_channels_find(struct bus_channels *channels, struct account account);
struct bus_channel *bus_channels_put(struct bus_channels *channels, struct account account);
/* Removes the channel when nothing is left of it: not held, and nothing to be confirmed. */
void bus_channels_release(struct bus_channels *channels, struct bus_channel *channel);
/* The held accounts that Redis has still to confirm, and their number. Caller owns, free() it. */
struct account *bus_channels_unconfirmed(const struct bus_channels *channels, size_t *count);
/* The connection is gone: nothing will be confirmed any more, only what is held stays. */
void bus_channels_cut(struct bus_channels *channels);

/* Writes the name of an account's channel and returns its length. */
size_t bus_channel_name(const char *prefix, struct account account, char name[BUS_CHANNEL_BYTES]);
/* The opposite; false: not such a name. */
bool bus_channel_parse(const char *prefix, const char *name, size_t length, struct account *out);

/* A payload taken apart; the texts lie in the payload. */
struct bus_payload {
    char node[BUS_NODE_TEXT_BYTES];
    struct bus_event event;
};

/* Writes what stands before a frame in its payload, and returns its length. */
size_t bus_payload_header(const char *node, int64_t rev, const struct frame_place *place,
                          char header[BUS_HEADER_BYTES]);
/* False: malformed. */
bool bus_payload_parse(const char *payload, size_t length, struct bus_payload *out);

/* Appends how many parts ('*') or bytes ('$') follow, in Redis's protocol. */
void bus_add_count(struct strbuf *command, char kind, size_t count);
/* Appends one bulk string of it. */
void bus_add_bulk(struct strbuf *command, const char *text, size_t length);

#endif
