/* Which accounts a node holds, and how they look on Redis.
 *
 * The table is open addressing with linear probing; removal moves followers back, so there are no
 * tombstones. The ids come from our own store, so nobody can aim for collisions.
 *
 * A channel that is left and taken again before Redis has answered has confirmations of both times
 * under way. They come in the order of the commands, so counting tells which one is meant: the
 * account is subscribed when the last SUBSCRIBE asked for has been confirmed. That is why a channel
 * stays in the table until the last confirmation, held or not.
 *
 * Payloads come from other nodes, possibly of another version, possibly from a stranger on the same
 * Redis: parsed strictly, to the byte. Loop only. */
#include "server/bus_channels.h"

#include "protocol/hash.h"
#include "protocol/memory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define SIZE_AT_FIRST 64
#define NODE_DIGITS (BUS_NODE_TEXT_BYTES - 1)

static const char name_after_prefix[] = "consultd:";

static bool account_equal(struct account a, struct account b)
{
    return a.role == b.role && oid_equal(a.id, b.id);
}

static size_t account_hash(struct account account)
{
    uint64_t hash = hash_bytes(HASH_START ^ (uint64_t)account.role, account.id.bytes, OID_BYTES);
    return (size_t)(hash ^ (hash >> 32));
}

/* The slot of the account, or the free one where it belongs. Needs a free slot. */
static size_t slot_of(const struct bus_channels *channels, struct account account)
{
    size_t slot = account_hash(account) & (channels->size - 1);
    while (channels->slots[slot].account.role != ROLE_NONE &&
           !account_equal(channels->slots[slot].account, account)) {
        slot = (slot + 1) & (channels->size - 1);
    }
    return slot;
}

static void grow(struct bus_channels *channels)
{
    struct bus_channels bigger = {
        .size = channels->size == 0 ? SIZE_AT_FIRST : channels->size * 2,
        .count = channels->count,
    };
    bigger.slots = memory_resize(NULL, bigger.size * sizeof(*bigger.slots));
    memset(bigger.slots, 0, bigger.size * sizeof(*bigger.slots));
    for (size_t i = 0; i < channels->size; i++) {
        if (channels->slots[i].account.role != ROLE_NONE) {
            bigger.slots[slot_of(&bigger, channels->slots[i].account)] = channels->slots[i];
        }
    }
    free(channels->slots);
    *channels = bigger;
}

void bus_channels_free(struct bus_channels *channels)
{
    free(channels->slots);
    *channels = (struct bus_channels){.size = 0};
}

struct bus_channel *bus_channels_find(struct bus_channels *channels, struct account account)
{
    if (channels->count == 0) {
        return NULL;
    }
    struct bus_channel *found = &channels->slots[slot_of(channels, account)];
    return found->account.role != ROLE_NONE ? found : NULL;
}

struct bus_channel *bus_channels_put(struct bus_channels *channels, struct account account)
{
    if ((channels->count + 1) * 4 > channels->size * 3) {
        grow(channels);
    }
    struct bus_channel *channel = &channels->slots[slot_of(channels, account)];
    if (channel->account.role == ROLE_NONE) {
        *channel = (struct bus_channel){.account = account};
        channels->count++;
    }
    return channel;
}

void bus_channels_release(struct bus_channels *channels, struct bus_channel *channel)
{
    if (channel->is_held || channel->asked > 0 || channel->leaving > 0) {
        return;
    }
    size_t mask = channels->size - 1;
    size_t hole = (size_t)(channel - channels->slots);
    for (size_t next = (hole + 1) & mask; channels->slots[next].account.role != ROLE_NONE;
         next = (next + 1) & mask) {
        size_t home = account_hash(channels->slots[next].account) & mask;
        if (((next - home) & mask) >= ((next - hole) & mask)) {
            channels->slots[hole] = channels->slots[next];
            hole = next;
        }
    }
    channels->slots[hole] = (struct bus_channel){.is_held = false};
    channels->count--;
}

struct account *bus_channels_unconfirmed(const struct bus_channels *channels, size_t *count)
{
    struct account *accounts = memory_resize(NULL, (channels->count + 1) * sizeof(*accounts));
    *count = 0;
    for (size_t i = 0; i < channels->size; i++) {
        const struct bus_channel *channel = &channels->slots[i];
        if (channel->account.role != ROLE_NONE && channel->is_held && channel->asked > 0) {
            accounts[(*count)++] = channel->account;
        }
    }
    return accounts;
}

void bus_channels_cut(struct bus_channels *channels)
{
    struct bus_channels held = {.size = 0};
    for (size_t i = 0; i < channels->size; i++) {
        if (channels->slots[i].account.role != ROLE_NONE && channels->slots[i].is_held) {
            bus_channels_put(&held, channels->slots[i].account)->is_held = true;
        }
    }
    bus_channels_free(channels);
    *channels = held;
}

/* "PREFIX:consultd:" or "consultd:". */
static size_t write_start(const char *prefix, char name[BUS_CHANNEL_BYTES])
{
    size_t length = strlen(prefix);
    assert(length + 1 + sizeof name_after_prefix + 2 + OID_TEXT_BYTES <= BUS_CHANNEL_BYTES);
    memcpy(name, prefix, length);
    if (length > 0) {
        name[length++] = ':';
    }
    memcpy(name + length, name_after_prefix, sizeof name_after_prefix);
    return length + sizeof name_after_prefix - 1;
}

/* By role; that of nobody is never used. */
static const char role_letters[] = {
    [ROLE_NONE] = '-', [ROLE_USER] = 'u', [ROLE_DOCTOR] = 'd', [ROLE_SERVICE] = 's', '\0'};

size_t bus_channel_name(const char *prefix, struct account account, char name[BUS_CHANNEL_BYTES])
{
    size_t length = write_start(prefix, name);
    name[length] = role_letters[account.role];
    name[length + 1] = ':';
    oid_format(account.id, name + length + 2);
    return length + 2 + OID_TEXT_BYTES - 1;
}

bool bus_channel_parse(const char *prefix, const char *name, size_t length, struct account *out)
{
    char start[BUS_CHANNEL_BYTES];
    size_t start_length = write_start(prefix, start);
    if (length != start_length + 2 + OID_TEXT_BYTES - 1 || memcmp(name, start, start_length) != 0 ||
        name[start_length + 1] != ':') {
        return false;
    }
    char role = name[start_length];
    const char *letter = role != '\0' ? strchr(role_letters + ROLE_USER, role) : NULL;
    if (letter == NULL) {
        return false;
    }
    out->role = (enum role)(letter - role_letters);
    return oid_parse(name + start_length + 2, OID_TEXT_BYTES - 1, &out->id);
}

/* By kind of place; that of none is never used. */
static const char place_letters[PLACE_KINDS + 1] = {
    [PLACE_NONE] = '-', [PLACE_CREATED] = 'c', [PLACE_RETRACTED] = 'r',
    [PLACE_VOID] = 'v', [PLACE_READ] = 'd',    '\0'};

size_t bus_payload_header(const char *node, int64_t rev, const struct frame_place *place,
                          char header[BUS_HEADER_BYTES])
{
    size_t at = strlen(node);
    memcpy(header, node, at);
    header[at++] = ' ';
    at += number_format(rev, header + at);
    if (place->kind != PLACE_NONE) {
        header[at++] = ' ';
        header[at++] = place_letters[place->kind];
        header[at++] = ' ';
        oid_format(place->chat_id, header + at);
        at += OID_TEXT_BYTES - 1;
        header[at++] = ' ';
        at += number_format(place->seq, header + at);
    }
    header[at++] = '\n';
    assert(at < BUS_HEADER_BYTES);
    return at;
}

/* Reads digits from *at on, and moves it behind them. */
static bool parse_number(const char *text, size_t length, size_t *at, int64_t *out)
{
    size_t start = *at;
    int64_t number = 0;
    for (; *at < length && text[*at] >= '0' && text[*at] <= '9'; (*at)++) {
        int value = text[*at] - '0';
        if (number > (INT64_MAX - value) / 10) {
            return false;
        }
        number = number * 10 + value;
    }
    *out = number;
    return *at > start;
}

/* " c 5b1cf1c7d2f4a80001a2b3c5 12" */
static bool parse_place(const char *text, size_t length, size_t *at, struct frame_place *out)
{
    const size_t id = *at + 3, seq = id + OID_TEXT_BYTES;
    if (seq >= length || text[*at] != ' ' || text[*at + 2] != ' ' || text[seq - 1] != ' ') {
        return false;
    }
    char kind = text[*at + 1];
    const char *letter = kind != '\0' ? strchr(place_letters + PLACE_CREATED, kind) : NULL;
    if (letter == NULL || !oid_parse(text + id, OID_TEXT_BYTES - 1, &out->chat_id)) {
        return false;
    }
    out->kind = (enum place_kind)(letter - place_letters);
    *at = seq;
    return parse_number(text, length, at, &out->seq) && out->seq > 0 && out->seq <= SEQ_MAX;
}

static bool parse_node(const char *payload, size_t length, char node[BUS_NODE_TEXT_BYTES])
{
    if (length < NODE_DIGITS + 1 || payload[NODE_DIGITS] != ' ') {
        return false;
    }
    for (size_t i = 0; i < NODE_DIGITS; i++) {
        char digit = payload[i];
        if ((digit < '0' || digit > '9') && (digit < 'a' || digit > 'f')) {
            return false;
        }
    }
    memcpy(node, payload, NODE_DIGITS);
    node[NODE_DIGITS] = '\0';
    return true;
}

bool bus_payload_parse(const char *payload, size_t length, struct bus_payload *out)
{
    struct bus_event *event = &out->event;
    *event = (struct bus_event){.place = {.kind = PLACE_NONE}};
    size_t at = NODE_DIGITS + 1;
    if (!parse_node(payload, length, out->node) ||
        !parse_number(payload, length, &at, &event->rev)) {
        return false;
    }
    if (at < length && payload[at] == ' ') {
        if (!parse_place(payload, length, &at, &event->place)) {
            return false;
        }
        event->place.rev = event->rev;
    }
    if (at >= length || payload[at] != '\n') {
        return false;
    }
    event->text = payload + at + 1;
    event->length = length - at - 1;
    return (event->length == 0) == (event->place.kind == PLACE_VOID);
}

void bus_add_count(struct strbuf *command, char kind, size_t count)
{
    strbuf_add_char(command, kind);
    strbuf_add_number(command, (int64_t)count);
    strbuf_add_literal(command, "\r\n");
}

void bus_add_bulk(struct strbuf *command, const char *text, size_t length)
{
    bus_add_count(command, '$', length);
    strbuf_add(command, text, length);
    strbuf_add_literal(command, "\r\n");
}
