/* A gap is asked for at once, since a message before the one that came is either under way on the bus,
 * or the bus has lost it, or it is being stored: in the first two cases the store has it. After that
 * it is asked for with each tick until it is given up. So what is held is told after a read of the
 * store by index, a few milliseconds, or, behind a seq that stays empty, after IN_ORDER_WAIT_MS and
 * a tick.
 *
 * What is found is told to all sockets of the account, as by a repair: they lack it, too. */
#include "server/gaps.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/memory.h"
#include "server/clock.h"
#include "server/fanout.h"
#include "server/loop_parts.h"
#include "server/ws.h"

#define ASKS_MAX 64 /* chats of one question */
#define LIST_MIN 16

struct gaps {
    struct loop *loop;
    struct conn_handle *waiting; /* owned; sockets of which something is held, or was */
    size_t count, size;
};

struct gaps *gaps_new(struct loop *loop)
{
    struct gaps *gaps = memory_resize(NULL, sizeof *gaps);
    *gaps = (struct gaps){.loop = loop};
    return gaps;
}

void gaps_free(struct gaps *gaps)
{
    if (gaps != NULL) {
        free(gaps->waiting);
        free(gaps);
    }
}

static void list(struct gaps *gaps, struct conn_handle handle)
{
    if (gaps->count == gaps->size) {
        gaps->size = gaps->size == 0 ? LIST_MIN : gaps->size * 2;
        gaps->waiting = memory_resize(gaps->waiting, gaps->size * sizeof *gaps->waiting);
    }
    gaps->waiting[gaps->count++] = handle;
}

void gaps_ask(struct conn *conn)
{
    struct loop *loop = conn->loop;
    struct in_order *order = &conn->socket.order;
    ASSERT_LOOP(loop);
    if (order->item_count == 0) {
        return;
    }
    if (!order->is_listed) {
        order->is_listed = true;
        list(loop->gaps, conn->handle);
    }
    if (order->is_asking) {
        return;
    }
    struct in_order_ask asks[ASKS_MAX];
    size_t count = in_order_asks(order, asks, ASKS_MAX);
    if (count == 0) {
        return;
    }
    struct job *job = job_new(loop->jobs, JOB_MISSING);
    job->lane = LANE_READ;
    job->from = conn->handle;
    job->who = conn->socket.who;
    job->cursor_rev = order->from_rev;
    job->asks = arena_array(job->arena, count, sizeof *job->asks);
    memcpy(job->asks, asks, count * sizeof *asks);
    job->ask_count = count;
    if (jobs_submit(loop->jobs, job) != ERR_OK) {
        job_free(loop->jobs, job); /* the lane is full: with the next tick */
        return;
    }
    order->is_asking = true;
}

void gaps_answered(struct conn *conn, struct job *job)
{
    struct in_order *order = &conn->socket.order;
    ASSERT_LOOP(conn->loop);
    order->is_asking = false;
    if (job->err != ERR_OK) {
        return; /* with the next tick */
    }
    for (const struct emission *at = job->replay; at != NULL; at = at->next) {
        if (at->rev > job->cursor_rev) {
            fanout_tell_found(conn->loop->fanout, job->who.account, at);
        }
    }
    if (conn->state != WS_CLOSING) {
        ws_order_moved(conn, in_order_answer(order, job->asks, job->ask_count, job->replay,
                                             clock_monotonic_ms(), &conn->socket.out));
    }
}

/* False: nothing is held for it any more. */
static bool go_on(struct gaps *gaps, struct conn_handle handle)
{
    struct conn *conn = conn_find(gaps->loop->conns, handle);
    if (conn == NULL) {
        return false;
    }
    struct in_order *order = &conn->socket.order;
    if (order->item_count > 0) {
        in_order_give_up(order, clock_monotonic_ms(), &conn->socket.out);
        ws_order_moved(conn, IN_ORDER_OK);
    }
    order->is_listed = order->item_count > 0;
    return order->is_listed;
}

void gaps_tick(struct gaps *gaps)
{
    ASSERT_LOOP(gaps->loop);
    size_t kept = 0;
    for (size_t i = 0; i < gaps->count; i++) {
        if (go_on(gaps, gaps->waiting[i])) {
            gaps->waiting[kept++] = gaps->waiting[i];
        }
    }
    gaps->count = kept;
}
