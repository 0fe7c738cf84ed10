/* Attendance in Redis, so that every node sees who is where. Keys, all behind the bus's prefix and
 * "consultd:attendance:":
 *
 *     node:<node>     lives as long as the node: each beat sets it anew, with a time-out
 *     new:<node>      set, with the same time-out, by a beat that does not find the one above
 *     nodes           hash of all nodes -> when each last beat, ms: who is to be looked after
 *     of:<node>       set of the accounts that the node holds
 *     at:<account>    set of the nodes that hold the account; one counts while its node: key lives
 *     seen:<account>  when the account was last online, ms; only grows; kept for SEEN_SECONDS
 *
 * An account is online when one of its nodes lives; so with a killed node all of its accounts go
 * offline at once, when its key runs out, and whichever node beats next takes them out and tells.
 * But one that is new does not: where all have been cut off from Redis for longer than the time-out,
 * the first that is back finds the others' keys run out, and they are about to be back, too.
 * Each step is one script, and so happens as a whole. An idle node costs Redis one command a beat.
 *
 * Only the beat connects, once for each thread that may ask; the others take a connection that is
 * there or know nothing. A command that fails or takes too long cuts all: Redis is then left alone
 * until the next beat. From there on the node has another name, so that what could not be noted
 * meanwhile (who left!) runs out with the old one.
 *
 * The lock guards the list of idle connections; it is never held while Redis is asked. Needs Redis 5
 * (SPOP within a script). */
#include "server/attendance_backend.h"

#include <assert.h>
#include <hiredis/hiredis.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/memory.h"
#include "server/bus_address.h"
#include "server/bus_lookup.h"
#include "server/log.h"

#define BASE_BYTES 96
#define NODE_BYTES 17
#define ACCOUNT_BYTES (2 + OID_TEXT_BYTES)
#define ARGUMENTS_MAX (8 + 2 * ATTENDANCE_BATCH_MAX)
#define SEEN_SECONDS 7776000 /* 90 days */
#define MS_PER_SECOND 1000

/* ---- Scripts ------------------------------------------------------------------------------- */

#define SCRIPT_BASE                                                                                \
    "local base = ARGV[1] "                                                                        \
    "local function lives(node) return redis.call('EXISTS', base .. 'node:' .. node) == 1 end "    \
    "local function is_online(account) "                                                           \
    "  for _, node in ipairs(redis.call('SMEMBERS', base .. 'at:' .. account)) do "                \
    "    if lives(node) then return true end "                                                     \
    "  end "                                                                                       \
    "  return false "                                                                              \
    "end "                                                                                         \
    "local function note_seen(account, ms, seconds) "                                              \
    "  local key = base .. 'seen:' .. account "                                                    \
    "  if tonumber(redis.call('GET', key) or 0) < tonumber(ms) then "                              \
    "    redis.call('SET', key, ms, 'EX', seconds) "                                               \
    "  end "                                                                                       \
    "end "

/* base, accounts: for each "1", or when it was last seen, or "". */
static const char look_script[] =
    SCRIPT_BASE "local answer = {} "
                "for i = 2, #ARGV do "
                "  answer[i - 1] = is_online(ARGV[i]) and '1' "
                "                  or redis.call('GET', base .. 'seen:' .. ARGV[i]) or '' "
                "end "
                "return answer";

/* base, node, now, seconds, then pairs of an account and when it left, 0: it has come. For each 1:
 * it was, or is, nowhere else. */
static const char note_script[] =
    SCRIPT_BASE "local node, answer = ARGV[2], {} "
                "for i = 5, #ARGV, 2 do "
                "  local account, left = ARGV[i], ARGV[i + 1] "
                "  local is_news "
                "  if left == '0' then "
                "    is_news = not is_online(account) "
                "    redis.call('HSETNX', base .. 'nodes', node, ARGV[3]) "
                "    redis.call('SADD', base .. 'at:' .. account, node) "
                "    redis.call('SADD', base .. 'of:' .. node, account) "
                "  else "
                "    redis.call('SREM', base .. 'at:' .. account, node) "
                "    redis.call('SREM', base .. 'of:' .. node, account) "
                "    is_news = not is_online(account) "
                "    if is_news then "
                "      note_seen(account, left, ARGV[4]) "
                "    end "
                "  end "
                "  answer[#answer + 1] = is_news and 1 or 0 "
                "end "
                "return answer";

/* base, node, now, seconds, time-out in ms, most: whether the node was known as living, whether
 * there is more, then pairs of an account that went with a dead node and when it was last seen: none
 * while the node is new. */
static const char beat_script[] =
    SCRIPT_BASE "local node, most = ARGV[2], tonumber(ARGV[6]) "
                "local answer = {lives(node) and 1 or 0, 0} "
                "if answer[1] == 0 then "
                "  redis.call('SET', base .. 'new:' .. node, '1', 'PX', ARGV[5]) "
                "end "
                "redis.call('SET', base .. 'node:' .. node, '1', 'PX', ARGV[5]) "
                "redis.call('HSET', base .. 'nodes', node, ARGV[3]) "
                "if redis.call('EXISTS', base .. 'new:' .. node) == 1 then return answer end "
                "local all = redis.call('HGETALL', base .. 'nodes') "
                "for i = 1, #all, 2 do "
                "  local other, beat = all[i], all[i + 1] "
                "  if not lives(other) then "
                "    local taken = redis.call('SPOP', base .. 'of:' .. other, most) "
                "    most = most - #taken "
                "    for _, account in ipairs(taken) do "
                "      redis.call('SREM', base .. 'at:' .. account, other) "
                "      if not is_online(account) then "
                "        note_seen(account, beat, ARGV[4]) "
                "        answer[#answer + 1] = account "
                "        answer[#answer + 1] = redis.call('GET', base .. 'seen:' .. account) "
                "      end "
                "    end "
                "    if redis.call('SCARD', base .. 'of:' .. other) == 0 then "
                "      redis.call('HDEL', base .. 'nodes', other) "
                "    else "
                "      answer[2] = 1 "
                "    end "
                "  end "
                "end "
                "return answer";

/* ---- Connections --------------------------------------------------------------------------- */

struct attendance_redis {
    struct attendance base;
    struct bus_address address;
    char place[BUS_HOST_BYTES + 16]; /* for logs */
    char base_name[BASE_BYTES];
    int64_t timeout_ms;
    size_t connections; /* threads that may ask at a time */
    /* Of the thread that beats. */
    struct bus_lookup *lookup; /* owned */
    unsigned attempts;
    bool is_outage_logged;

    pthread_mutex_t lock;
    redisContext **idle;   /* lock; owned, and each in it */
    size_t idle_count;     /* lock */
    bool is_up;            /* lock */
    char node[NODE_BYTES]; /* lock; another one with each beginning */
};

static struct attendance_redis *redis_of(struct attendance *attendance)
{
    return (struct attendance_redis *)(void *)attendance;
}

/* An idle connection, and the node's name. NULL: there is none. */
static redisContext *take_idle(struct attendance_redis *redis, char node[NODE_BYTES])
{
    redisContext *taken = NULL;
    pthread_mutex_lock(&redis->lock);
    if (redis->idle_count > 0) {
        taken = redis->idle[--redis->idle_count];
        memcpy(node, redis->node, NODE_BYTES);
    }
    pthread_mutex_unlock(&redis->lock);
    return taken;
}

/* Closes all that are idle; those in use go when they are given back. */
static void cut(struct attendance_redis *redis)
{
    pthread_mutex_lock(&redis->lock);
    redis->is_up = false;
    pthread_mutex_unlock(&redis->lock);
    char node[NODE_BYTES];
    redisContext *connection;
    while ((connection = take_idle(redis, node)) != NULL) {
        redisFree(connection);
    }
}

static void give_back(struct attendance_redis *redis, redisContext *connection)
{
    pthread_mutex_lock(&redis->lock);
    bool is_wanted = redis->is_up && redis->idle_count < redis->connections;
    if (is_wanted) {
        redis->idle[redis->idle_count++] = connection;
    }
    pthread_mutex_unlock(&redis->lock);
    if (!is_wanted) {
        redisFree(connection);
    }
}

static void log_outage(struct attendance_redis *redis, const char *why)
{
    if (!redis->is_outage_logged) {
        log_warning("who is online is not known", "redis=%s why=%s", redis->place, why);
        redis->is_outage_logged = true;
    }
}

/* One connection that Redis has answered. NULL with the reason logged. */
static redisContext *connect_one(struct attendance_redis *redis, const char *host)
{
    const struct timeval limit = {.tv_usec = ATTENDANCE_TIMEOUT_MS * 1000};
    const struct bus_address *address = &redis->address;
    redisContext *connection = address->path[0] != '\0'
                                   ? redisConnectUnixWithTimeout(address->path, limit)
                                   : redisConnectWithTimeout(host, address->port, limit);
    if (connection == NULL) {
        memory_exhausted();
    }
    if (connection->err == 0 && redisSetTimeout(connection, limit) == REDIS_OK) {
        redisReply *reply = address->password[0] != '\0'
                                ? redisCommand(connection, "AUTH %s", address->password)
                                : redisCommand(connection, "PING");
        bool is_good = reply != NULL && reply->type != REDIS_REPLY_ERROR;
        if (reply != NULL && !is_good) {
            log_outage(redis, reply->str);
        }
        freeReplyObject(reply);
        if (is_good) {
            return connection;
        }
    }
    log_outage(redis, connection->errstr[0] != '\0' ? connection->errstr : "refused");
    redisFree(connection);
    return NULL;
}

/* The host as numbers, without waiting for DNS. False: not yet, or not known. */
static bool find_host(struct attendance_redis *redis, char host[BUS_HOST_BYTES])
{
    if (redis->address.path[0] != '\0' || bus_lookup_is_needless(redis->address.host)) {
        memcpy(host, redis->address.host, BUS_HOST_BYTES);
        return true;
    }
    if (redis->lookup == NULL) {
        redis->lookup = bus_lookup_start(redis->address.host);
        return false;
    }
    char text[BUS_ADDRESS_TEXT_BYTES];
    enum bus_lookup_state state = bus_lookup_poll(redis->lookup, redis->attempts++, text);
    if (state == BUS_LOOKUP_RUNS) {
        return false;
    }
    bus_lookup_drop(redis->lookup);
    redis->lookup = NULL;
    if (state == BUS_LOOKUP_FAILED) {
        log_outage(redis, text);
        return false;
    }
    snprintf(host, BUS_HOST_BYTES, "%s", text);
    return true;
}

static void name_the_node(char node[NODE_BYTES])
{
    unsigned char random[(NODE_BYTES - 1) / 2];
    if (RAND_bytes(random, sizeof random) != 1) {
        memory_exhausted(); /* nothing random to be had; as hopeless */
    }
    for (size_t i = 0; i < sizeof random; i++) {
        snprintf(node + 2 * i, 3, "%02x", random[i]);
    }
}

static bool is_connected(struct attendance_redis *redis)
{
    pthread_mutex_lock(&redis->lock);
    bool is_up = redis->is_up;
    pthread_mutex_unlock(&redis->lock);
    return is_up;
}

/* The beating thread only. */
static bool connect_all(struct attendance_redis *redis)
{
    char host[BUS_HOST_BYTES];
    if (!find_host(redis, host)) {
        return false;
    }
    redisContext *first = connect_one(redis, host);
    if (first == NULL) {
        return false;
    }
    pthread_mutex_lock(&redis->lock);
    redis->is_up = true;
    name_the_node(redis->node);
    pthread_mutex_unlock(&redis->lock);
    give_back(redis, first);
    for (size_t i = 1; i < redis->connections; i++) {
        redisContext *next = connect_one(redis, host);
        if (next == NULL) {
            cut(redis);
            return false;
        }
        give_back(redis, next);
    }
    return true;
}

/* ---- Asking -------------------------------------------------------------------------------- */

/* EVAL and what a script is told. Texts that are not the caller's are in `room`. */
struct question {
    const char *arguments[ARGUMENTS_MAX];
    int count;
    char room[ARGUMENTS_MAX][ACCOUNT_BYTES];
    char node[NODE_BYTES];
};

static void add_text(struct question *question, const char *text)
{
    assert(question->count < ARGUMENTS_MAX);
    question->arguments[question->count++] = text;
}

static void add_number(struct question *question, int64_t number)
{
    char *text = question->room[question->count];
    snprintf(text, ACCOUNT_BYTES, "%lld", (long long)number);
    add_text(question, text);
}

static void add_account(struct question *question, struct account account)
{
    char *text = question->room[question->count];
    text[0] = account.role == ROLE_USER ? 'u' : 'd';
    text[1] = ':';
    oid_format(account.id, text + 2);
    add_text(question, text);
}

static void begin(struct question *question, const char *script,
                  const struct attendance_redis *redis)
{
    question->count = 0;
    add_text(question, "EVAL");
    add_text(question, script);
    add_text(question, "0");
    add_text(question, redis->base_name);
}

/* A script about what this node says, now. Returns the connection to ask by; NULL: Redis is away. */
static redisContext *begin_as_node(struct attendance_redis *redis, const char *script,
                                   struct timestamp now, struct question *question)
{
    redisContext *connection = take_idle(redis, question->node);
    if (connection != NULL) {
        begin(question, script, redis);
        add_text(question, question->node);
        add_number(question, now.ms);
        add_number(question, SEEN_SECONDS);
    }
    return connection;
}

/* An array of at least `least` elements; NULL: Redis is away now. Caller frees. */
static redisReply *ask(struct attendance_redis *redis, redisContext *connection,
                       struct question *question, size_t least)
{
    redisReply *reply = redisCommandArgv(connection, question->count, question->arguments, NULL);
    bool is_good = reply != NULL && reply->type == REDIS_REPLY_ARRAY && reply->elements >= least;
    if (is_good) {
        give_back(redis, connection);
        return reply;
    }
    log_debug("attendance is cut", "redis=%s why=%s", redis->place,
              reply != NULL && reply->type == REDIS_REPLY_ERROR ? reply->str : connection->errstr);
    freeReplyObject(reply);
    redisFree(connection);
    cut(redis);
    return NULL;
}

static bool redis_look(struct attendance *attendance, struct attendee *attendees, size_t count)
{
    struct attendance_redis *redis = redis_of(attendance);
    char node[NODE_BYTES];
    redisContext *connection = take_idle(redis, node);
    if (connection == NULL) {
        return false;
    }
    struct question question;
    begin(&question, look_script, redis);
    for (size_t i = 0; i < count; i++) {
        add_account(&question, attendees[i].account);
    }
    redisReply *reply = ask(redis, connection, &question, count);
    if (reply == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const char *text =
            reply->element[i]->type == REDIS_REPLY_STRING ? reply->element[i]->str : "";
        attendees[i].is_online = strcmp(text, "1") == 0;
        attendees[i].last_seen.ms = attendees[i].is_online ? 0 : strtoll(text, NULL, 10);
    }
    freeReplyObject(reply);
    return true;
}

static bool redis_note(struct attendance *attendance, struct timestamp now,
                       struct attendance_change *changes, size_t count)
{
    struct attendance_redis *redis = redis_of(attendance);
    struct question question;
    redisContext *connection = begin_as_node(redis, note_script, now, &question);
    if (connection == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const struct attendee *attendee = &changes[i].attendee;
        add_account(&question, attendee->account);
        add_number(&question, attendee->is_online ? 0 : attendee->last_seen.ms);
    }
    redisReply *reply = ask(redis, connection, &question, count);
    if (reply == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        changes[i].is_news = reply->element[i]->integer == 1;
    }
    freeReplyObject(reply);
    return true;
}

/* An account as add_account wrote it. */
static bool parse_account(const redisReply *reply, struct account *out)
{
    if (reply->type != REDIS_REPLY_STRING || reply->len != ACCOUNT_BYTES - 1) {
        return false;
    }
    out->role = reply->str[0] == 'u' ? ROLE_USER : ROLE_DOCTOR;
    return oid_parse(reply->str + 2, OID_TEXT_BYTES - 1, &out->id);
}

static void read_beat(const redisReply *reply, struct attendance_beat *out)
{
    out->asks_for_all = reply->element[0]->integer == 0;
    out->has_more = reply->element[1]->integer == 1;
    for (size_t i = 2; i + 1 < reply->elements && out->gone_count < ATTENDANCE_BATCH_MAX; i += 2) {
        struct attendee *attendee = &out->gone[out->gone_count];
        const redisReply *beat = reply->element[i + 1];
        *attendee = (struct attendee){.is_online = false};
        if (parse_account(reply->element[i], &attendee->account) &&
            beat->type == REDIS_REPLY_STRING) {
            attendee->last_seen.ms = strtoll(beat->str, NULL, 10);
            out->gone_count++;
        }
    }
}

static bool redis_beat(struct attendance *attendance, struct timestamp now,
                       struct attendance_beat *out)
{
    struct attendance_redis *redis = redis_of(attendance);
    if (!is_connected(redis) && !connect_all(redis)) {
        return false;
    }
    struct question question;
    redisContext *connection = begin_as_node(redis, beat_script, now, &question);
    if (connection == NULL) {
        return false;
    }
    add_number(&question, redis->timeout_ms);
    add_number(&question, ATTENDANCE_BATCH_MAX);
    redisReply *reply = ask(redis, connection, &question, 2);
    if (reply == NULL) {
        log_outage(redis, "no answer to a beat");
        return false;
    }
    read_beat(reply, out);
    freeReplyObject(reply);
    redis->is_outage_logged = false;
    return true;
}

/* ---- Opening ------------------------------------------------------------------------------- */

static struct attendance *open_at(const struct bus_address *address,
                                  const struct attendance_settings *settings)
{
    struct attendance_redis *redis = memory_resize(NULL, sizeof *redis);
    *redis = (struct attendance_redis){.address = *address,
                                       .timeout_ms = settings->timeout_seconds * MS_PER_SECOND,
                                       .connections = settings->connections};
    bus_address_describe(address, redis->place);
    snprintf(redis->base_name, sizeof redis->base_name, "%s%sconsultd:attendance:", address->prefix,
             address->prefix[0] != '\0' ? ":" : "");
    redis->idle = memory_resize(NULL, settings->connections * sizeof(redisContext *));
    pthread_mutex_init(&redis->lock, NULL);
    return &redis->base;
}

static struct attendance *redis_open(const char *rest, const struct attendance_settings *settings,
                                     char why[256])
{
    struct bus_address address;
    return bus_address_parse(rest, &address, why) ? open_at(&address, settings) : NULL;
}

static struct attendance *redis_open_unix(const char *rest,
                                          const struct attendance_settings *settings, char why[256])
{
    struct bus_address address;
    return bus_address_parse_unix(rest, &address, why) ? open_at(&address, settings) : NULL;
}

static void redis_close(struct attendance *attendance)
{
    struct attendance_redis *redis = redis_of(attendance);
    cut(redis);
    bus_lookup_drop(redis->lookup);
    OPENSSL_cleanse(&redis->address, sizeof redis->address);
    pthread_mutex_destroy(&redis->lock);
    free(redis->idle);
    free(redis);
}

const struct attendance_ops attendance_redis_ops = {
    .open = redis_open,
    .close = redis_close,
    .look = redis_look,
    .note = redis_note,
    .beat = redis_beat,
};

const struct attendance_ops attendance_redis_unix_ops = {
    .open = redis_open_unix,
    .close = redis_close,
    .look = redis_look,
    .note = redis_note,
    .beat = redis_beat,
};
