/* One connection to Redis: hiredis 0.14 inside the poll loop of libwebsockets 4.1.6.
 *
 * hiredis asks for read and write events through five hooks and wants its two handlers called;
 * libwebsockets adopts any file descriptor as a "raw file" and calls a protocol's callback. This
 * file joins the two:
 *
 *     redisAsyncContext -- fd --.                  .-- dup(fd) -- struct lws
 *            |                  one TCP connection                    |
 *            '------------------- struct bus_link -------------------'
 *
 * Both sides close their descriptor, so each has its own. Either side may end first, and neither
 * can be ended from everywhere: hiredis puts off its end while one of its callbacks runs, and a
 * struct lws must not be closed within its own callback. So the link holds a pointer to each side,
 * each side clears its own when it goes, and the link's memory goes with the later one:
 *
 *     hiredis first (error, EOF, bus_link_close): cleanup hook -> ask lws to close -> RAW_CLOSE
 *     lws first (hang-up, end of the context):    RAW_CLOSE -> redisAsyncFree -> cleanup hook
 *
 * The cleanup hook is the one place that tells of a loss: hiredis's own connect and disconnect
 * callbacks each miss some of the ways to fail.
 *
 * Two traps of 4.1.6's raw files are closed here. After the WRITEABLE callback lws takes write
 * interest away, also when that callback has just asked for it: a command larger than the socket's
 * buffer would stay half sent for ever. So what is asked for in there is asked again by a timer
 * that fires right after. And every protocol of a vhost can be asked for by a WebSocket client by
 * name: those are refused.
 *
 * Reading is never switched off: hiredis wants it from the first write to the end, and before that
 * nothing but an error can arrive. */
#include "server/bus_link.h"

#include "protocol/memory.h"
#include "server/bus_redis.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <hiredis/async.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_BYTES 16384
#define READS_AT_ONCE 32       /* half a megabyte, some milliseconds */
#define LINK_MAGIC 0x6c696e6bu /* "link" */

struct bus_link {
    uint32_t magic;
    redisAsyncContext *redis; /* NULL once hiredis has gone */
    struct lws *wsi;          /* NULL once lws has gone */
    bus_link_lost_fn lost;    /* NULL: told, or closed by us */
    void *data;               /* for lost */
    bool is_in_writeable;     /* lws will take write interest away when we return */
    lws_sorted_usec_list_t ask_again;
};

static struct bus_link *link_check(void *pointer)
{
    struct bus_link *link = pointer;
    assert(link->magic == LINK_MAGIC);
    return link;
}

static void link_free_if_gone(struct bus_link *link)
{
    if (link->redis == NULL && link->wsi == NULL) {
        link->magic = 0;
        free(link);
    }
}

/* ---- hiredis asks ------------------------------------------------------------------------- */

static void on_ask_again(lws_sorted_usec_list_t *timer)
{
    struct bus_link *link = lws_container_of(timer, struct bus_link, ask_again);
    lws_callback_on_writable(link_check(link)->wsi);
}

static void hook_ignored(void *data)
{
    (void)data;
}

static void hook_add_write(void *data)
{
    struct bus_link *link = link_check(data);
    if (link->wsi == NULL) {
        return;
    }
    if (link->is_in_writeable) {
        lws_sul_schedule(lws_get_context(link->wsi), 0, &link->ask_again, on_ask_again, 1);
        return;
    }
    lws_callback_on_writable(link->wsi);
}

static void hook_cleanup(void *data)
{
    struct bus_link *link = link_check(data);
    redisAsyncContext *redis = link->redis;
    char why[128];
    snprintf(why, sizeof(why), "%s", redis->c.errstr[0] != '\0' ? redis->c.errstr : "closed");
    memset(&redis->ev, 0, sizeof(redis->ev));
    link->redis = NULL;
    lws_sul_cancel(&link->ask_again);
    if (link->wsi != NULL) {
        lws_set_timeout(link->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
    }
    bus_link_lost_fn lost = link->lost;
    link->lost = NULL;
    if (lost != NULL) {
        lost(link->data, link, why);
    }
    link_free_if_gone(link);
}

/* ---- lws calls ---------------------------------------------------------------------------- */

/* Returns what the callback must: -1 makes lws close its side. */
static int link_writeable(struct bus_link *link)
{
    if (link->redis == NULL) {
        return -1;
    }
    link->is_in_writeable = true;
    redisAsyncHandleWrite(link->redis);
    link->is_in_writeable = false;
    return link->redis != NULL ? 0 : -1;
}

static bool has_more(const struct bus_link *link)
{
    int bytes = 0;
    return link->redis != NULL && ioctl(link->redis->c.fd, FIONREAD, &bytes) == 0 &&
           bytes >= READ_BYTES;
}

/* hiredis reads READ_BYTES at a time. In a busy loop a turn takes long: with one read in each, Redis would have
 * to keep more than it is willing to (32 MB for a subscriber), and hang up. */
static int link_readable(struct bus_link *link)
{
    if (link->redis == NULL) {
        return -1;
    }
    redisAsyncHandleRead(link->redis);
    for (int i = 1; i < READS_AT_ONCE && has_more(link); i++) {
        redisAsyncHandleRead(link->redis);
    }
    return link->redis != NULL ? 0 : -1;
}

/* lws hung up by itself: a refused connection, a reset, the end of the context. */
static void link_closed(struct bus_link *link)
{
    link->wsi = NULL;
    lws_sul_cancel(&link->ask_again);
    if (link->redis == NULL) {
        link_free_if_gone(link);
        return;
    }
    redisContext *plain = &link->redis->c;
    int error = 0;
    socklen_t size = sizeof(error);
    if (plain->errstr[0] == '\0' &&
        getsockopt(plain->fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error != 0) {
        snprintf(plain->errstr, sizeof(plain->errstr), "%s", strerror(error));
    }
    redisAsyncFree(link->redis);
}

static int on_lws(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                  size_t length)
{
    (void)user;
    (void)in;
    (void)length;
    struct bus_link *link;
    switch (reason) {
    case LWS_CALLBACK_RAW_RX_FILE:
        link = lws_get_opaque_user_data(wsi);
        return link != NULL ? link_readable(link_check(link)) : -1;
    case LWS_CALLBACK_RAW_WRITEABLE_FILE:
        link = lws_get_opaque_user_data(wsi);
        return link != NULL ? link_writeable(link_check(link)) : -1;
    case LWS_CALLBACK_RAW_CLOSE_FILE:
        link = lws_get_opaque_user_data(wsi);
        if (link != NULL) {
            lws_set_opaque_user_data(wsi, NULL);
            link_closed(link_check(link));
        }
        return 0;
    case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
    case LWS_CALLBACK_FILTER_NETWORK_CONNECTION:
    case LWS_CALLBACK_ESTABLISHED:
    case LWS_CALLBACK_RAW_ADOPT:
        return -1; /* not for clients */
    default:
        return 0;
    }
}

const struct lws_protocols bus_redis_protocol = {
    .name = "consultd-redis",
    .callback = on_lws,
};

/* ---- for the bus -------------------------------------------------------------------------- */

/* Gives lws its own descriptor of the connection. False: no descriptors left, or the like. */
static bool link_adopt(struct bus_link *link, struct lws_vhost *vhost)
{
    int copy = fcntl(link->redis->c.fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0) {
        return false;
    }
    lws_adopt_desc_t wanted = {
        .vh = vhost,
        .type = LWS_ADOPT_RAW_FILE_DESC,
        .fd = {.filefd = copy},
        .vh_prot_name = bus_redis_protocol.name,
        .opaque = link,
    };
    link->wsi = lws_adopt_descriptor_vhost_via_info(&wanted);
    return link->wsi != NULL;
}

struct bus_link *bus_link_open(struct lws_vhost *vhost, const struct bus_link_target *target,
                               bus_link_lost_fn lost, void *data, char why[128])
{
    assert(lws_vhost_name_to_protocol(vhost, bus_redis_protocol.name) != NULL);
    redisAsyncContext *redis = target->path != NULL
                                   ? redisAsyncConnectUnix(target->path)
                                   : redisAsyncConnect(target->address, target->port);
    if (redis == NULL) {
        memory_exhausted();
    }
    if (redis->err != 0) {
        snprintf(why, 128, "%s", redis->c.errstr);
        redisAsyncFree(redis);
        return NULL;
    }
    struct bus_link *link = memory_resize(NULL, sizeof(*link));
    *link = (struct bus_link){.magic = LINK_MAGIC, .redis = redis, .data = data};
    if (!link_adopt(link, vhost)) {
        snprintf(why, 128, "cannot be watched: %s", strerror(errno));
        redisAsyncFree(redis);
        link->redis = NULL;
        link_free_if_gone(link);
        return NULL;
    }
    (void)fcntl(redis->c.fd, F_SETFD, FD_CLOEXEC);
    link->lost = lost;
    redis->ev.data = link;
    redis->ev.addRead = hook_ignored;
    redis->ev.delRead = hook_ignored;
    redis->ev.addWrite = hook_add_write;
    redis->ev.delWrite = hook_ignored;
    redis->ev.cleanup = hook_cleanup;
    return link;
}

redisAsyncContext *bus_link_redis(const struct bus_link *link)
{
    assert(link->redis != NULL);
    return link->redis;
}

size_t bus_link_waiting(const struct bus_link *link)
{
    return sdslen(link->redis->c.obuf);
}

void bus_link_flush(struct bus_link *link)
{
    redisContext *plain = &link->redis->c;
    if ((plain->flags & REDIS_CONNECTED) == 0) {
        return;
    }
    int is_done = 0;
    size_t before;
    do {
        before = sdslen(plain->obuf);
        if (redisBufferWrite(plain, &is_done) != REDIS_OK) {
            return; /* the next read finds out too */
        }
    } while (is_done == 0 && sdslen(plain->obuf) < before);
}

void bus_link_close(struct bus_link *link)
{
    if (link == NULL) {
        return;
    }
    link_check(link)->lost = NULL;
    redisAsyncFree(link->redis);
}
