/* What follows from a move happens exactly once although the process is killed, for real, around
 * any of its calls of the store.
 *
 * Each story is told once for every call that its act makes: by a process of its own, which ends
 * itself by SIGKILL right after that call, on a store that outlives it (a file, a MongoDB server).
 * Right before a call is the same as right after the one before it; before the first one is told
 * too. Then another process's sweeper comes, whoever had no answer asks again, and all must stand
 * as if nothing had happened: the order, its payment, what went back at the provider, the messages
 * and their order, unread of both sides, and what both are told. */
#include "support_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/api/moves.h"
#include "support_fake_store.h"
#include "support_provider.h"
#include "support_stories.h"

#define CALLS_MAX 200
#define CHILD_FAILED 3

/* What a process tells about its story before it is killed. */
struct told_case {
    struct account user, doctor;
    struct oid order_id;
    int64_t shift_ms;
    enum fake_failure how;
    int n;
    bool is_killed;
};

/* Shared with the processes. */
static struct told_case *told_case;
static char *expected; /* how everything stands when nobody was killed */

static struct store *open_store(const struct store_fixture *fixture)
{
    const struct store_settings settings = {
        .url = fixture->url, .timeout_ms = 10000, .pool_size = 4};
    struct store *store;
    char why[256];
    if (store_open(&settings, &store, why) != ERR_OK) {
        fail_msg("the store does not open: %s", why);
    }
    return store;
}

struct life {
    const struct store_fixture *fixture;
    const struct story *story;
    struct told_case *told;
    char name[64];
};

/* A process from birth to death: people of its own, what comes before, and the act. */
static void live(void *data)
{
    const struct life *life = data;
    const struct store_fixture *fixture = life->fixture;
    struct told_case *mine = life->told;
    struct world world;
    struct consultation order;
    struct store *store = fake_store_wrap(open_store(fixture));
    world_open_named(&world, store, life->name);
    world.rolls_back = fixture->backend == BACKEND_SQLITE_FILE;
    world.settings->provider = provider_witness();
    life->story->prepare(&world, &order);
    mine->user = world.user;
    mine->doctor = world.doctor;
    mine->order_id = order.id;
    mine->shift_ms = world.shift_ms;
    fake_store_fail_how(store, mine->how, mine->n);
    enum err err = life->story->act(&world, &order);
    fake_store_fail_how(store, FAKE_REFUSES, 0);
    world_close(&world);
    _exit(err == ERR_OK ? EXIT_SUCCESS : CHILD_FAILED);
}

/* In a process of its own: ids begin with what is random of a process. */
static int in_process(void (*run)(void *), void *data)
{
    fflush(stdout);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        setenv("CMOCKA_TEST_ABORT", "1", 1); /* what fails here must not run on as another suite */
        run(data);
        _exit(EXIT_SUCCESS);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

/* Another process finds what the one before it has left. */
static void check(void *data)
{
    const struct life *life = data;
    struct told_case *told = life->told;
    struct world world;
    struct consultation order;
    char got[STORY_TEXT_MAX];
    world_open_named(&world, open_store(life->fixture), life->name);
    world.rolls_back = life->fixture->backend == BACKEND_SQLITE_FILE;
    world.settings->provider = provider_witness();
    world.user = told->user;
    world.doctor = told->doctor;
    world_shift(&world, told->shift_ms + 2 * ORDER_SETTLING_MS);
    assert_int_equal(story_sweep(&world), ERR_OK);
    order = world_read_order(&world, told->order_id);
    if (told->is_killed) {
        assert_int_equal(life->story->act(&world, &order), ERR_OK);
        assert_int_equal(story_sweep(&world), ERR_OK);
    }
    story_describe(&world, told->order_id, got);
    world_close(&world);
    if (told->n == 0) {
        assert_memory_equal(got, life->story->status, 2);
        assert_non_null(strstr(got, "unsettled 0"));
        memcpy(expected, got, sizeof got);
    } else if (strcmp(expected, got) != 0) {
        fail_msg("\"%s\", killed after call %d:\nexpected %s\ngot %s", life->story->name, told->n,
                 expected, got);
    }
}

/* Returns whether there was such a call. */
static bool tell(const struct store_fixture *fixture, const struct story *story,
                 enum fake_failure how, int n)
{
    struct life life = {.fixture = fixture, .story = story, .told = told_case};
    *told_case = (struct told_case){.how = how, .n = n};
    snprintf(life.name, sizeof life.name, "%d-%d-", (int)how, n);
    int status = in_process(live, &life);
    told_case->is_killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    if (!told_case->is_killed && !(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS)) {
        fail_msg("\"%s\", call %d: the process ended with %x", story->name, n, (unsigned)status);
    }
    snprintf(life.name, sizeof life.name, "after-%d-%d-", (int)how, n);
    assert_int_equal(in_process(check, &life), 0);
    return told_case->is_killed;
}

static void *shared(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(memory != MAP_FAILED);
    return memory;
}

static void a_process_killed_after_any_call_leaves_nothing_undone(void **state)
{
    struct store_fixture *given = *state;
    int killed = 0;
    if (given->backend == BACKEND_SQLITE_MEMORY) {
        skip(); /* nothing of it outlives a process */
    }
    told_case = shared(sizeof *told_case);
    expected = shared(STORY_TEXT_MAX);
    (void)provider_witness();
    store_fixture_let_go(given);
    for (size_t i = 0; i < story_count; i++) {
        struct store_fixture *fixture = store_fixture_new(given->backend);
        store_fixture_let_go(fixture);
        assert_false(tell(fixture, &stories[i], FAKE_REFUSES, 0));
        assert_true(tell(fixture, &stories[i], FAKE_KILLED_BEFORE, 1));
        for (int n = 1; tell(fixture, &stories[i], FAKE_KILLED_AFTER, n); n++) {
            assert_true(n < CALLS_MAX);
            killed++;
        }
        store_fixture_free(fixture);
    }
    print_message("%d processes were killed\n", killed);
    assert_true(killed > (int)story_count * 4);
    munmap(told_case, sizeof *told_case);
    munmap(expected, STORY_TEXT_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_killed_after_any_call_leaves_nothing_undone),
    };
    return RUN_ON_EVERY_BACKEND("killed processes", tests);
}
