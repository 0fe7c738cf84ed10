/* From connect to live, where that fails. There is no connection below: the two functions of the library that
 * closing a socket calls are here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <semaphore.h>

#include "server/fanout.h"
#include "server/live.h"
#include "server/loop_parts.h"
#include "server/presence.h"
#include "support_world.h"

#define CLOSE_INTERNAL 4105

int lws_rx_flow_control(struct lws *wsi, int enable)
{
    (void)wsi;
    (void)enable;
    return 0;
}

int lws_callback_on_writable(struct lws *wsi)
{
    (void)wsi;
    return 0;
}

static sem_t is_taken, may_end;

static enum err hold_the_reader(struct job *job)
{
    (void)job;
    sem_post(&is_taken);
    sem_wait(&may_end);
    return ERR_OK;
}

static void wake_nobody(void *data)
{
    (void)data;
}

static void submit_to_reader(struct jobs *jobs)
{
    struct job *job = job_new(jobs, JOB_FRAME);
    job->lane = LANE_READ;
    assert_int_equal(jobs_submit(jobs, job), ERR_OK);
}

/* A pool whose lane READ has room for one job, which is there. */
static struct jobs *start_full_jobs(const struct world *world)
{
    struct jobs *jobs;
    const struct jobs_settings settings = {.store = world->store,
                                           .settings = world->settings,
                                           .clock = world->clock,
                                           .attempts = world->attempts,
                                           .attendance = world->attendance,
                                           .readers = 1,
                                           .writers = 1,
                                           .lane_max = 1,
                                           .run_max = 1,
                                           .wake = wake_nobody,
                                           .run = hold_the_reader};
    sem_init(&is_taken, 0, 0);
    sem_init(&may_end, 0, 0);
    assert_int_equal(jobs_start(&settings, &jobs), ERR_OK);
    submit_to_reader(jobs);
    sem_wait(&is_taken);
    submit_to_reader(jobs);
    return jobs;
}

static void end_full_jobs(struct jobs *jobs)
{
    sem_post(&may_end);
    sem_post(&may_end);
    jobs_stop(jobs);
    sem_destroy(&is_taken);
    sem_destroy(&may_end);
}

static void start_loop(struct loop *loop, const struct world *world)
{
    int64_t interval_ms[TIMER_COUNT];
    char why[256];
    conn_intervals(world->settings, interval_ms);
    *loop = (struct loop){.thread = pthread_self(),
                          .settings = world->settings,
                          .store = world->store,
                          .clock = world->clock,
                          .jobs = start_full_jobs(world),
                          .conns = conns_new(1, interval_ms),
                          .sessions = sessions_new(),
                          .phase = LOOP_OVER}; /* presence asks no worker */
    loop->fanout = fanout_new(loop);
    loop->presence = presence_new(loop);
    const struct bus_hooks hooks = fanout_hooks(loop->fanout);
    loop->bus = bus_open("local:", NULL, NULL, &hooks, why);
    assert_non_null(loop->bus);
}

static void end_loop(struct loop *loop)
{
    end_full_jobs(loop->jobs);
    bus_close(loop->bus);
    presence_free(loop->presence);
    fanout_free(loop->fanout);
    sessions_free(loop->sessions);
    conns_free(loop->conns);
}

/* The bus confirms at once, and there is no room for the job that would read what was missed: the
 * account's only socket is closed, and its session gone, while it is being signed in. */
static void a_socket_that_is_closed_while_it_is_subscribed_is_left_alone(void **state)
{
    (void)state;
    struct world world;
    struct loop loop;
    world_open_memory(&world);
    start_loop(&loop, &world);
    struct conn *conn = conn_new(loop.conns, &loop);
    conn_move(conn, WS_NEW);
    conn->socket.jobs = 1;
    struct job *connect = job_new(loop.jobs, JOB_FRAME);
    connect->from = conn->handle;
    connect->who = (struct caller){world.user, INT64_MAX};
    connect->verdict = VERDICT_SIGN_IN;
    live_finished(conn, connect);
    assert_int_equal(conn->state, WS_CLOSING);
    assert_int_equal(conn->socket.close_code, CLOSE_INTERNAL);
    assert_null(conn->socket.member.session);
    assert_null(sessions_find(loop.sessions, world.user));
    job_free(loop.jobs, connect);
    conn_free(loop.conns, conn);
    end_loop(&loop);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_socket_that_is_closed_while_it_is_subscribed_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
