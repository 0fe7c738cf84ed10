/* Whom presence is told: the other side of open chats, of so many at most, and of news only. */
#include "server/api/online.h"
#include "support_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    world_open_memory(world);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    world_close(*state);
    free(*state);
    return 0;
}

/* The account comes, or leaves at `left`. */
static void change(struct world *world, struct account account, int64_t left)
{
    struct online_work work = {.count = 1, .wants_beat = true};
    work.changes[0].attendee =
        (struct attendee){.account = account, .is_online = left == 0, .last_seen = {left}};
    world_forget_events(world);
    struct call *call = world_ready(world);
    assert_int_equal(online_run(call, &work), ERR_OK);
    assert_true(work.is_up);
    size_t emitted = 0;
    for (const struct emission *at = call->first_emission; at != NULL; at = at->next) {
        assert_true(at->rev == 0); /* ephemeral */
        emitted++;
    }
    assert_true(emitted <= (size_t)world->settings->presence_chats);
}

static size_t count(const struct world *world, struct account audience, const char *text)
{
    size_t found = 0;
    for (const struct emission *at = world->call.first_emission; at != NULL; at = at->next) {
        bool is_for = at->audience.role == audience.role &&
                      oid_equal(at->audience.id, audience.id) &&
                      strstr(frame_text(at->frame), "\"event\":\"presence\"") != NULL;
        found += is_for && strstr(frame_text(at->frame), text) != NULL ? 1 : 0;
    }
    return found;
}

static void only_the_other_side_of_an_open_chat_is_told(void **state)
{
    struct world *world = *state;
    (void)world_order(world);
    change(world, world->doctor, 0); /* not paid: the chat is not open */
    assert_int_equal(count(world, world->user, ""), 0);
}

static void it_is_told_once_and_says_who(void **state)
{
    struct world *world = *state;
    (void)world_paid_order(world);
    change(world, world->doctor, 0);
    assert_int_equal(count(world, world->user, "\"side\":\"doctor\",\"doctorId\":\""), 1);
    assert_int_equal(count(world, world->user, "\"online\":true}"), 1);
    assert_int_equal(count(world, world->doctor, ""), 0);
    call_forget_emissions(&world->call);
    change(world, world->doctor, 0);
    assert_int_equal(count(world, world->user, ""), 0); /* no news */
    call_forget_emissions(&world->call);
    change(world, world->doctor, 1528620291958);
    assert_int_equal(
        count(world, world->user, "\"online\":false,\"lastSeen\":\"2018-06-10T08:44:51.958Z\"}"),
        1);
    call_forget_emissions(&world->call);
    change(world, world->other_doctor, 0); /* has no chat with anybody */
    assert_null(world->call.first_emission);
}

static void no_more_are_told_than_presence_chats(void **state)
{
    struct world *world = *state;
    struct consultation order = world_paid_order(world);
    struct chat chat = world_chat(world, order.chat_id);
    for (uint8_t i = 1; i < 5; i++) {
        chat.id = (struct oid){{0xee, i}};
        assert_int_equal(store_insert(world->session, COLLECTION_CHATS, &chat), ERR_OK);
    }
    world->settings->presence_chats = 3;
    change(world, world->user, 0);
    assert_int_equal(count(world, world->doctor, "\"side\":\"user\",\"userId\":\""), 3);
    call_forget_emissions(&world->call);
    world->settings->presence_chats = 0;
    change(world, world->doctor, 0);
    assert_null(world->call.first_emission);
}

#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_WORLD(only_the_other_side_of_an_open_chat_is_told),
        WITH_WORLD(it_is_told_once_and_says_who),
        WITH_WORLD(no_more_are_told_than_presence_chats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
