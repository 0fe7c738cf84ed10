/* The bus over Redis's publish and subscribe.
 *
 * Two connections, because one that has subscribed may not publish. They live and die together: a
 * node that can only speak or only listen is of no use to anybody, so when one is lost both are cut
 * and both are opened again. That leaves one small machine:
 *
 *       .--------------------- cut: pause, 50 ms growing to 2 s ----------------------.
 *       v                                                                             |
 *     WAITING -> LOOKING_UP -> CONNECTING -> SUBSCRIBING -> UP                        |
 *        (a name only)   (AUTH, PING on both)  (every account held)  ----- any -------'
 *
 * The commands of a fresh start: AUTH and PING on both; once both have answered, SUBSCRIBE for all
 * accounts held in batches; once each is confirmed the bus is up.
 *
 * A connection can be dead without a sign (a cut cable, a stopped Redis). Every interval each is
 * asked for one: the publisher by PING; the subscriber by SUBSCRIBE to a channel of this node's own
 * that it already has, since hiredis 0.14 cannot tell the answer to a PING from a message there.
 * Whoever has said nothing at all for two intervals is cut; 3 s make that 9 s at most. Intervals
 * are counted, not measured: a loop that was itself stopped for a minute cuts nobody. The same rule
 * bounds connecting. That channel also keeps the count of subscriptions above zero, which hiredis
 * 0.14 would take for the end of the subscribed state.
 *
 * What is on the bus may be lost, the store is the truth: what is published while Redis is away is
 * forgotten, and what waits for a slow one is bounded, beyond that it is cut and the repair after
 * on_up finds what was missed.
 *
 * hiredis frees a context within its own calls, and calls every pending callback with a NULL reply
 * then. Rules that keep that harmless: a callback with a NULL reply returns; links are forgotten
 * before hooks are called; nothing touches a link after what may lose it. Loop only; owned by the
 * loop. */
#include "server/bus_redis.h"

#include "protocol/id.h"
#include "protocol/memory.h"
#include "server/bus_address.h"
#include "server/bus_backend.h"
#include "server/bus_channels.h"
#include "server/bus_link.h"
#include "server/bus_lookup.h"
#include "server/log.h"

#include <assert.h>
#include <hiredis/async.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUS_MAGIC 0x62757372u /* "busr" */
#define PING_MS 3000
#define SILENT_INTERVALS_MAX 2
#define EARLY_BYTES 65536
#define PAUSE_MIN_MS 50
#define PAUSE_MAX_MS 2000
#define LOOKUP_POLL_MS 10
#define SUBSCRIBE_BATCH 512

enum phase {
    PHASE_WAITING,     /* no links; the timer starts the next attempt */
    PHASE_LOOKING_UP,  /* no links; the timer asks whether DNS has answered */
    PHASE_CONNECTING,  /* links are opening or greeting; from here on the timer ticks */
    PHASE_SUBSCRIBING, /* both have greeted; Redis has not confirmed all accounts yet */
    PHASE_UP,
    PHASE_COUNT
};

/* One of the two connections. */
struct side {
    struct bus_link *link; /* NULL outside CONNECTING to UP; owned */
    bool is_ready;         /* has answered the first PING */
    bool was_heard;        /* since the last tick */
    int silent_intervals;
};

struct bus_redis {
    struct bus base;
    uint32_t magic;
    struct lws_context *context;
    struct lws_vhost *vhost;
    struct bus_address address;
    char place[BUS_HOST_BYTES + 16]; /* for logs */
    char node[BUS_NODE_TEXT_BYTES];  /* tells our own messages from others' */
    char own_channel[BUS_CHANNEL_BYTES];

    enum phase phase;
    struct side subscriber;
    struct side publisher;
    size_t left;               /* waited at the publisher when it was last flushed early */
    struct bus_lookup *lookup; /* in PHASE_LOOKING_UP only; owned */
    unsigned attempts;
    lws_sorted_usec_list_t timer;
    int ping_ms;
    unsigned pause_ms; /* before the next attempt */
    uint64_t random;
    bool is_outage_logged;
    bool is_stranger_logged;

    struct bus_channels channels;
    size_t unconfirmed;    /* channels of SUBSCRIBE commands that Redis has not answered yet */
    struct strbuf command; /* built here, copied by hiredis */
};

static void on_timer(lws_sorted_usec_list_t *timer);

static struct bus_redis *bus_check(void *pointer)
{
    struct bus_redis *bus = pointer;
    assert(bus->magic == BUS_MAGIC);
    return bus;
}

static void set_phase(struct bus_redis *bus, enum phase next)
{
    static const bool allowed[PHASE_COUNT][PHASE_COUNT] = {
        [PHASE_WAITING] = {[PHASE_LOOKING_UP] = true, [PHASE_CONNECTING] = true},
        [PHASE_LOOKING_UP] = {[PHASE_CONNECTING] = true, [PHASE_WAITING] = true},
        [PHASE_CONNECTING] = {[PHASE_SUBSCRIBING] = true, [PHASE_WAITING] = true},
        [PHASE_SUBSCRIBING] = {[PHASE_UP] = true, [PHASE_WAITING] = true},
        [PHASE_UP] = {[PHASE_WAITING] = true},
    };
    assert(allowed[bus->phase][next]);
    bus->phase = next;
}

static void start_timer(struct bus_redis *bus, unsigned delay_ms)
{
    lws_sul_schedule(bus->context, 0, &bus->timer, on_timer, (lws_usec_t)delay_ms * LWS_US_PER_MS);
}

/* ---- down --------------------------------------------------------------------------------- */

/* Half of the pause and up to another half, by chance: nodes cut together come back apart. */
static unsigned next_pause(struct bus_redis *bus)
{
    bus->random ^= bus->random << 13;
    bus->random ^= bus->random >> 7;
    bus->random ^= bus->random << 17;
    unsigned half = bus->pause_ms / 2;
    bus->pause_ms = bus->pause_ms * 2 < PAUSE_MAX_MS ? bus->pause_ms * 2 : PAUSE_MAX_MS;
    return half + (unsigned)(bus->random % (half + 1));
}

/* Tells those who wait for a confirmation that will not come: with the bus down, being subscribed
 * means no more than being held. A hook may change the table, hence the list. */
static void confirm_the_waiting(struct bus_redis *bus, const struct account *waiting, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct bus_channel *channel = bus_channels_find(&bus->channels, waiting[i]);
        if (channel != NULL && channel->is_held) {
            bus->base.hooks.on_subscribed(bus->base.hooks.data, waiting[i]);
        }
    }
}

static void close_links(struct bus_redis *bus)
{
    struct bus_link *subscriber = bus->subscriber.link;
    struct bus_link *publisher = bus->publisher.link;
    bus->subscriber = (struct side){.link = NULL};
    bus->publisher = (struct side){.link = NULL};
    bus_link_close(subscriber);
    bus_link_close(publisher);
}

/* The only way down, from any phase. */
static void cut(struct bus_redis *bus, const char *why)
{
    bool was_up = bus->phase == PHASE_UP;
    if (!bus->is_outage_logged) {
        log_warning("the bus is down", "redis=%s why=%s", bus->place, why);
        bus->is_outage_logged = true;
    } else {
        log_debug("the bus is still down", "redis=%s why=%s", bus->place, why);
    }
    set_phase(bus, PHASE_WAITING);
    bus_lookup_drop(bus->lookup);
    bus->lookup = NULL;
    close_links(bus);
    size_t count;
    struct account *waiting = bus_channels_unconfirmed(&bus->channels, &count);
    bus_channels_cut(&bus->channels);
    bus->unconfirmed = 0;
    start_timer(bus, next_pause(bus));
    if (was_up) {
        bus->base.hooks.on_down(bus->base.hooks.data);
        confirm_the_waiting(bus, waiting, count);
    }
    free(waiting);
}

static void on_link_lost(void *data, struct bus_link *link, const char *why)
{
    struct bus_redis *bus = bus_check(data);
    struct side *side = bus->subscriber.link == link ? &bus->subscriber : &bus->publisher;
    assert(side->link == link);
    side->link = NULL;
    cut(bus, why);
}

/* ---- what Redis says ---------------------------------------------------------------------- */

static void on_message(struct bus_redis *bus, const redisReply *name, const redisReply *payload)
{
    struct account account;
    if (payload->type != REDIS_REPLY_STRING ||
        !bus_channel_parse(bus->address.prefix, name->str, name->len, &account)) {
        return; /* our own channel: somebody else plays there */
    }
    struct bus_channel *channel = bus_channels_find(&bus->channels, account);
    if (channel == NULL || !channel->is_held || channel->asked > 0) {
        return; /* left already, or not confirmed yet */
    }
    struct bus_payload heard;
    if (!bus_payload_parse(payload->str, payload->len, &heard)) {
        if (!bus->is_stranger_logged) {
            log_warning("the bus carries what no node wrote; it is ignored", "channel=%s bytes=%zu",
                        name->str, (size_t)payload->len);
            bus->is_stranger_logged = true;
        }
        return;
    }
    if (strcmp(heard.node, bus->node) != 0) {
        bus->base.hooks.on_event(bus->base.hooks.data, account, &heard.event);
    }
}

static void go_up(struct bus_redis *bus)
{
    set_phase(bus, PHASE_UP);
    log_info("the bus is up", "redis=%s accounts=%zu", bus->place, bus->channels.count);
    bus->is_outage_logged = false;
    bus->is_stranger_logged = false;
    bus->base.hooks.on_up(bus->base.hooks.data);
}

static void on_confirmed(struct bus_redis *bus, const redisReply *name)
{
    struct account account;
    if (bus->unconfirmed > 0) {
        bus->unconfirmed--;
    }
    if (bus_channel_parse(bus->address.prefix, name->str, name->len, &account)) {
        struct bus_channel *channel = bus_channels_find(&bus->channels, account);
        if (channel != NULL && channel->asked > 0) {
            channel->asked--;
            bool is_last = channel->is_held && channel->asked == 0;
            bus_channels_release(&bus->channels, channel);
            if (is_last) {
                bus->base.hooks.on_subscribed(bus->base.hooks.data, account);
            }
        }
    }
    if (bus->phase == PHASE_SUBSCRIBING && bus->unconfirmed == 0) {
        go_up(bus);
    }
}

static void on_left(struct bus_redis *bus, const redisReply *name)
{
    struct account account;
    if (!bus_channel_parse(bus->address.prefix, name->str, name->len, &account)) {
        return;
    }
    struct bus_channel *channel = bus_channels_find(&bus->channels, account);
    if (channel != NULL && channel->leaving > 0) {
        channel->leaving--;
        bus_channels_release(&bus->channels, channel);
    }
}

/* Everything on the subscriber after SUBSCRIBE: [kind, channel, payload or count]. */
static void on_pushed(redisAsyncContext *redis, void *reply_pointer, void *data)
{
    (void)redis;
    const redisReply *reply = reply_pointer;
    struct bus_redis *bus = bus_check(data);
    if (reply == NULL) {
        return;
    }
    bus->subscriber.was_heard = true;
    if (reply->type == REDIS_REPLY_ERROR) {
        cut(bus, reply->str);
        return;
    }
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3 ||
        reply->element[0]->type != REDIS_REPLY_STRING ||
        reply->element[1]->type != REDIS_REPLY_STRING) {
        return;
    }
    const char *kind = reply->element[0]->str;
    if (strcmp(kind, "message") == 0) {
        on_message(bus, reply->element[1], reply->element[2]);
    } else if (strcmp(kind, "subscribe") == 0) {
        on_confirmed(bus, reply->element[1]);
    } else if (strcmp(kind, "unsubscribe") == 0) {
        on_left(bus, reply->element[1]);
    }
}

/* Any command's plain answer. False: there is nothing to go on with. */
static bool take_answer(struct bus_redis *bus, struct side *side, const redisReply *reply)
{
    if (reply == NULL) {
        return false;
    }
    side->was_heard = true;
    if (reply->type == REDIS_REPLY_ERROR) {
        cut(bus, reply->str);
        return false;
    }
    return true;
}

static struct side *side_of(struct bus_redis *bus, const redisAsyncContext *redis)
{
    return bus->subscriber.link != NULL && bus_link_redis(bus->subscriber.link) == redis
               ? &bus->subscriber
               : &bus->publisher;
}

/* To AUTH and PUBLISH. */
static void on_answer(redisAsyncContext *redis, void *reply, void *data)
{
    struct bus_redis *bus = bus_check(data);
    (void)take_answer(bus, side_of(bus, redis), reply);
}

/* ---- what we say -------------------------------------------------------------------------- */

/* hiredis refuses a command only when the link is on its way out; on_link_lost follows. */
static void send_command(struct bus_redis *bus, struct side *side, redisCallbackFn *answer)
{
    (void)redisAsyncFormattedCommand(bus_link_redis(side->link), answer, bus,
                                     strbuf_text(&bus->command), bus->command.length);
}

static void begin_command(struct bus_redis *bus, const char *verb, size_t arguments)
{
    strbuf_clear(&bus->command);
    bus_add_count(&bus->command, '*', arguments + 1);
    bus_add_bulk(&bus->command, verb, strlen(verb));
}

static void add_channel(struct bus_redis *bus, struct account account)
{
    char name[BUS_CHANNEL_BYTES];
    size_t length = bus_channel_name(bus->address.prefix, account, name);
    bus_add_bulk(&bus->command, name, length);
}

static void send_ping(struct bus_redis *bus, struct side *side, redisCallbackFn *answer)
{
    begin_command(bus, "PING", 0);
    send_command(bus, side, answer);
}

/* A sign of life from the subscriber; see above. */
static void send_own_channel(struct bus_redis *bus)
{
    begin_command(bus, "SUBSCRIBE", 1);
    bus_add_bulk(&bus->command, bus->own_channel, strlen(bus->own_channel));
    bus->unconfirmed++;
    send_command(bus, &bus->subscriber, on_pushed);
}

static void subscribe_to_all(struct bus_redis *bus)
{
    set_phase(bus, PHASE_SUBSCRIBING);
    size_t left = bus->channels.count; /* nothing but held ones before SUBSCRIBING */
    size_t slot = 0;
    while (left > 0) {
        size_t batch = left < SUBSCRIBE_BATCH ? left : SUBSCRIBE_BATCH;
        left -= batch;
        begin_command(bus, "SUBSCRIBE", batch);
        for (; batch > 0; slot++) {
            struct bus_channel *channel = &bus->channels.slots[slot];
            if (channel->account.role != ROLE_NONE) {
                assert(channel->is_held && channel->asked == 0);
                channel->asked++;
                bus->unconfirmed++;
                add_channel(bus, channel->account);
                batch--;
            }
        }
        send_command(bus, &bus->subscriber, on_pushed);
    }
    send_own_channel(bus);
}

/* To PING. */
static void on_pong(redisAsyncContext *redis, void *reply, void *data)
{
    struct bus_redis *bus = bus_check(data);
    struct side *side = side_of(bus, redis);
    if (!take_answer(bus, side, reply)) {
        return;
    }
    side->is_ready = true;
    if (bus->phase == PHASE_CONNECTING && bus->subscriber.is_ready && bus->publisher.is_ready) {
        subscribe_to_all(bus);
    }
}

static void greet(struct bus_redis *bus, struct side *side)
{
    const char *password = bus->address.password;
    if (password[0] != '\0') {
        begin_command(bus, "AUTH", 1);
        bus_add_bulk(&bus->command, password, strlen(password));
        send_command(bus, side, on_answer);
    }
    send_ping(bus, side, on_pong);
}

/* ---- attempts and ticks ------------------------------------------------------------------- */

static void connect_to(struct bus_redis *bus, const char *numeric)
{
    struct bus_link_target target = {
        .path = bus->address.path[0] != '\0' ? bus->address.path : NULL,
        .address = numeric,
        .port = bus->address.port,
    };
    char why[128] = "";
    set_phase(bus, PHASE_CONNECTING);
    bus->subscriber.link = bus_link_open(bus->vhost, &target, on_link_lost, bus, why);
    if (bus->subscriber.link != NULL) {
        bus->publisher.link = bus_link_open(bus->vhost, &target, on_link_lost, bus, why);
    }
    if (bus->publisher.link == NULL) {
        cut(bus, why);
        return;
    }
    greet(bus, &bus->subscriber);
    greet(bus, &bus->publisher);
    start_timer(bus, (unsigned)bus->ping_ms);
}

static void begin_attempt(struct bus_redis *bus)
{
    bus->attempts++;
    if (bus->address.path[0] != '\0' || bus_lookup_is_needless(bus->address.host)) {
        connect_to(bus, bus->address.host);
        return;
    }
    set_phase(bus, PHASE_LOOKING_UP);
    bus->lookup = bus_lookup_start(bus->address.host);
    if (bus->lookup == NULL) {
        cut(bus, "no thread to look up the host");
        return;
    }
    start_timer(bus, LOOKUP_POLL_MS);
}

static void continue_lookup(struct bus_redis *bus)
{
    char text[BUS_ADDRESS_TEXT_BYTES];
    switch (bus_lookup_poll(bus->lookup, bus->attempts, text)) {
    case BUS_LOOKUP_RUNS:
        start_timer(bus, LOOKUP_POLL_MS);
        return;
    case BUS_LOOKUP_FAILED:
        cut(bus, text);
        return;
    case BUS_LOOKUP_FOUND:
        bus_lookup_drop(bus->lookup);
        bus->lookup = NULL;
        connect_to(bus, text);
        return;
    }
}

/* True while the side is alive. */
static bool listen_for(struct side *side)
{
    side->silent_intervals = side->was_heard ? 0 : side->silent_intervals + 1;
    side->was_heard = false;
    return side->silent_intervals < SILENT_INTERVALS_MAX;
}

static void tick(struct bus_redis *bus)
{
    bool hears = listen_for(&bus->subscriber);
    bool speaks = listen_for(&bus->publisher);
    if (!hears || !speaks) {
        cut(bus, "no answer");
        return;
    }
    if (bus->phase == PHASE_UP) {
        bus->pause_ms = PAUSE_MIN_MS; /* not before it has stayed up a while */
    }
    if (bus->phase != PHASE_CONNECTING) {
        send_own_channel(bus);
        send_ping(bus, &bus->publisher, on_pong);
    }
    start_timer(bus, (unsigned)bus->ping_ms);
}

static void on_timer(lws_sorted_usec_list_t *timer)
{
    struct bus_redis *bus = bus_check(lws_container_of(timer, struct bus_redis, timer));
    switch (bus->phase) {
    case PHASE_WAITING:
        begin_attempt(bus);
        return;
    case PHASE_LOOKING_UP:
        continue_lookup(bus);
        return;
    default:
        tick(bus);
        return;
    }
}

/* ---- the bus ------------------------------------------------------------------------------ */

static void name_the_node(struct bus_redis *bus)
{
    unsigned char random[8];
    if (RAND_bytes(random, sizeof(random)) != 1) {
        memory_exhausted(); /* nothing random to be had; as hopeless */
    }
    hex_format(random, sizeof(random), bus->node);
    for (size_t i = 0; i < sizeof(random); i++) {
        bus->random = bus->random << 8 | random[i];
    }
    bus->random |= 1; /* xorshift stays at 0 */
    const char *prefix = bus->address.prefix;
    snprintf(bus->own_channel, sizeof(bus->own_channel), "%s%sconsultd:node:%s", prefix,
             prefix[0] != '\0' ? ":" : "", bus->node);
}

static struct bus *redis_open_at(const struct bus_address *address, struct lws_context *context,
                                 struct lws_vhost *vhost, const struct bus_hooks *hooks)
{
    struct bus_redis *bus = memory_resize(NULL, sizeof(*bus));
    memset(bus, 0, sizeof(*bus));
    bus->base.hooks = *hooks;
    bus->magic = BUS_MAGIC;
    bus->context = context;
    bus->vhost = vhost;
    bus->address = *address;
    bus->ping_ms = PING_MS;
    bus->pause_ms = PAUSE_MIN_MS;
    bus_address_describe(address, bus->place);
    name_the_node(bus);
    strbuf_init(&bus->command, 0);
    begin_attempt(bus);
    return &bus->base;
}

static struct bus *redis_open(const char *rest, struct lws_context *context,
                              struct lws_vhost *vhost, const struct bus_hooks *hooks, char why[256])
{
    struct bus_address address;
    return bus_address_parse(rest, &address, why) ? redis_open_at(&address, context, vhost, hooks)
                                                  : NULL;
}

static struct bus *redis_open_unix(const char *rest, struct lws_context *context,
                                   struct lws_vhost *vhost, const struct bus_hooks *hooks,
                                   char why[256])
{
    struct bus_address address;
    return bus_address_parse_unix(rest, &address, why)
               ? redis_open_at(&address, context, vhost, hooks)
               : NULL;
}

static void redis_close(struct bus *base)
{
    struct bus_redis *bus = bus_check(base);
    lws_sul_cancel(&bus->timer);
    bus_lookup_drop(bus->lookup);
    if (bus->publisher.link != NULL) {
        bus_link_flush(bus->publisher.link);
    }
    close_links(bus);
    bus_channels_free(&bus->channels);
    strbuf_free(&bus->command);
    OPENSSL_cleanse(&bus->address, sizeof(bus->address));
    bus->magic = 0;
    free(bus);
}

static void redis_subscribe(struct bus *base, struct account account)
{
    struct bus_redis *bus = bus_check(base);
    struct bus_channel *channel = bus_channels_put(&bus->channels, account);
    channel->is_held = true;
    if (bus->phase == PHASE_SUBSCRIBING || bus->phase == PHASE_UP) {
        channel->asked++;
        bus->unconfirmed++;
        begin_command(bus, "SUBSCRIBE", 1);
        add_channel(bus, account);
        send_command(bus, &bus->subscriber, on_pushed);
    }
    if (bus->phase != PHASE_UP) {
        bus->base.hooks.on_subscribed(bus->base.hooks.data, account);
    }
}

static void redis_unsubscribe(struct bus *base, struct account account)
{
    struct bus_redis *bus = bus_check(base);
    struct bus_channel *channel = bus_channels_find(&bus->channels, account);
    if (channel == NULL || !channel->is_held) {
        return;
    }
    channel->is_held = false;
    if (bus->phase == PHASE_SUBSCRIBING || bus->phase == PHASE_UP) {
        channel->leaving++;
        begin_command(bus, "UNSUBSCRIBE", 1);
        add_channel(bus, account);
        send_command(bus, &bus->subscriber, NULL);
        return;
    }
    bus_channels_release(&bus->channels, channel);
}

/* Much is published in a turn of a busy loop, and the loop writes to each socket once in a turn: too little, so
 * that more and more would wait until the bus was cut. */
static void flush_early(struct bus_redis *bus)
{
    const size_t waiting = bus_link_waiting(bus->publisher.link);
    bus->left = waiting < bus->left ? 0 : bus->left;
    if (waiting - bus->left >= EARLY_BYTES) {
        bus_link_flush(bus->publisher.link);
        bus->left = bus_link_waiting(bus->publisher.link);
    }
}

static void redis_publish(struct bus *base, struct account account, int64_t rev,
                          const struct frame *frame)
{
    struct bus_redis *bus = bus_check(base);
    if (!bus->publisher.is_ready) {
        return;
    }
    char header[BUS_HEADER_BYTES];
    size_t header_length = bus_payload_header(bus->node, rev, frame_place(frame), header);
    size_t length = header_length + frame_length(frame);
    if (bus_link_waiting(bus->publisher.link) + length > BUS_PENDING_MAX) {
        cut(bus, "too much waits for it");
        return;
    }
    begin_command(bus, "PUBLISH", 2);
    add_channel(bus, account);
    bus_add_count(&bus->command, '$', length);
    strbuf_add(&bus->command, header, header_length);
    strbuf_add(&bus->command, frame_text(frame), frame_length(frame));
    strbuf_add_literal(&bus->command, "\r\n");
    send_command(bus, &bus->publisher, on_answer);
    flush_early(bus);
}

static bool redis_is_up(const struct bus *base)
{
    return ((const struct bus_redis *)base)->phase == PHASE_UP;
}

void bus_redis_set_ping_ms(struct bus *base, int ping_ms)
{
    struct bus_redis *bus = bus_check(base);
    bus->ping_ms = ping_ms;
    if (bus->phase >= PHASE_CONNECTING) {
        start_timer(bus, (unsigned)ping_ms);
    }
}

const struct bus_ops bus_redis_ops = {
    .check = bus_address_check,
    .open = redis_open,
    .close = redis_close,
    .subscribe = redis_subscribe,
    .unsubscribe = redis_unsubscribe,
    .publish = redis_publish,
    .is_up = redis_is_up,
};

const struct bus_ops bus_redis_unix_ops = {
    .check = bus_address_check_unix,
    .open = redis_open_unix,
    .close = redis_close,
    .subscribe = redis_subscribe,
    .unsubscribe = redis_unsubscribe,
    .publish = redis_publish,
    .is_up = redis_is_up,
};
