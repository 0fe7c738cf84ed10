/* A doctor's retraction on a store that rolls nothing back, while another node ends the order or writes, and where
 * its process dies: a reply that counts is one that can be seen, and the other way round. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/api/moves.h"
#include "support_fake_store.h"
#include "support_provider.h"
#include "support_store.h"
#include "support_stories.h"

#define HOUR_MS INT64_C(3600000)
#define SETTLED_MS 80000 /* later than what somebody may still be at */

struct scene;

/* What somebody does at one of the nodes. */
typedef enum err (*deed_fn)(struct scene *, struct world *node);

/* Two nodes on one store, and an order with a reply. */
struct scene {
    struct world here, there;
    struct consultation order;
    struct message reply;
    deed_fn meanwhile;           /* what is done there */
    bool was_met;                /* it came in between */
    enum err err, meanwhile_err; /* what became of either's call */
};

static void scene_open(struct scene *scene, int64_t replied_after_ms)
{
    struct store_settings settings = {.url = "sqlite::memory:"};
    struct store *inner;
    char why[256];
    memset(scene, 0, sizeof *scene);
    assert_int_equal(store_open(&settings, &inner, why), ERR_OK);
    struct store *fake = fake_store_wrap(inner);
    fake_store_be_not_atomic(fake);
    world_open(&scene->here, fake);
    scene->here.rolls_back = false;
    scene->here.settings->provider = provider_witness();
    scene->order = world_paid_order(&scene->here);
    world_shift(&scene->here, replied_after_ms);
    assert_int_equal(
        world_send(&scene->here, scene->here.doctor, &scene->order, "答", "r1", &scene->reply),
        ERR_OK);
    world_open_beside(&scene->there, &scene->here, "b-");
    scene->there.settings->provider = provider_witness();
    world_take_people(&scene->there, &scene->here);
}

static void scene_close(struct scene *scene)
{
    world_close(&scene->there);
    world_close(&scene->here);
}

static enum err retract(struct world *world, struct oid id)
{
    struct by_id in = {id};
    struct message out;
    world_as(world, world->doctor);
    return world_call(world, "/api/consultation/chat/message/retract", &in, &out);
}

static int64_t count_live(struct scene *scene)
{
    size_t count;
    int64_t live = 0;
    const struct message *messages = world_messages(&scene->here, scene->order.chat_id, &count);
    for (size_t i = 0; i < count; i++) {
        live += strcmp(messages[i].direction, "doctor->user") == 0 &&
                strcmp(messages[i].type, "01") == 0 && !messages[i].is_retract;
    }
    return live;
}

static void meddle(void *data)
{
    struct scene *scene = data;
    scene->was_met = true;
    scene->meanwhile_err = scene->meanwhile(scene, &scene->there);
}

/* What is done here, with what is done there before each of its calls of the store, in turn; each time what is left
 * then is checked. */
struct race {
    deed_fn act, meanwhile;
    void (*check)(struct scene *);
    int64_t replied_after_ms, acted_after_ms;
};

static void run_race(const struct race *race)
{
    bool was_met = true;
    for (int n = 1; was_met; n++) {
        struct scene scene;
        scene_open(&scene, race->replied_after_ms);
        world_shift(&scene.here, race->acted_after_ms);
        scene.meanwhile = race->meanwhile;
        fake_store_meddle_at(scene.here.store, meddle, &scene, n);
        scene.err = race->act(&scene, &scene.here);
        was_met = scene.was_met;
        fake_store_meddle_at(scene.here.store, NULL, NULL, 0);
        world_shift(&scene.here, SETTLED_MS);
        world_sweep_all(&scene.here);
        race->check(&scene);
        scene_close(&scene);
    }
}

static enum err retracts(struct scene *scene, struct world *node)
{
    return retract(node, scene->reply.id);
}

static enum err user_completes(struct scene *scene, struct world *node)
{
    struct consultation_update in = {scene->order.id, COMPLETED};
    struct consultation out;
    world_as(node, node->user);
    return world_call(node, "/consultation/update", &in, &out);
}

static enum err sweeper_ends(struct scene *scene, struct world *node)
{
    (void)scene;
    world_sweep_all(node);
    return ERR_OK;
}

static void check_that_the_reply_counts_if_it_is_seen(struct scene *scene)
{
    struct consultation order = world_read_order(&scene->here, scene->order.id);
    assert_int_equal(order.reply_count, count_live(scene));
    assert_true(strcmp(order.status, COMPLETED) != 0 || count_live(scene) == 1);
    assert_true(scene->err == ERR_OK || scene->err == ERR_CONSULTATION_NOT_OPEN);
}

static void an_order_that_ends_meanwhile_has_its_reply_or_is_not_completed(void **state)
{
    (void)state;
    run_race(&(struct race){.act = retracts,
                            .meanwhile = user_completes,
                            .check = check_that_the_reply_counts_if_it_is_seen});
}

static void the_48_hours_that_end_meanwhile_find_a_reply_or_none(void **state)
{
    (void)state;
    run_race(&(struct race){.act = retracts,
                            .meanwhile = sweeper_ends,
                            .check = check_that_the_reply_counts_if_it_is_seen,
                            .replied_after_ms = 48 * HOUR_MS - 60000,
                            .acted_after_ms = 61000});
}

static void a_retraction_that_was_begun_is_finished(void **state)
{
    (void)state;
    bool was_hit = true;
    for (int n = 1; was_hit; n++) {
        struct scene scene;
        scene_open(&scene, 0);
        fake_store_fail_how(scene.here.store, FAKE_STAYS_DOWN, n);
        enum err err = retract(&scene.here, scene.reply.id);
        was_hit = fake_store_calls(scene.here.store) >= n;
        assert_int_equal(err, was_hit ? ERR_STORE : ERR_OK);
        fake_store_fail_how(scene.here.store, FAKE_REFUSES, 0);
        world_shift(&scene.there, SETTLED_MS);
        world_sweep_all(&scene.there);
        struct consultation order = world_read_order(&scene.there, scene.order.id);
        assert_int_equal(order.reply_count, count_live(&scene));
        assert_false(order.unsettled);
        scene_close(&scene);
    }
}

static enum err replies_again(struct scene *scene, struct world *node)
{
    struct message reply;
    return world_send(node, node->doctor, &scene->order, "又答", "r2", &reply);
}

static enum err replies_again_and_retracts(struct scene *scene, struct world *node)
{
    struct message reply;
    enum err err = world_send(node, node->doctor, &scene->order, "又答", "r2", &reply);
    return err != ERR_OK ? err : retract(node, reply.id);
}

static void check_that_only_the_first_reply_is_left(struct scene *scene)
{
    if (scene->was_met && scene->err == ERR_OK && scene->meanwhile_err == ERR_OK) {
        struct consultation order = world_read_order(&scene->here, scene->order.id);
        struct chat chat = world_chat(&scene->here, scene->order.chat_id);
        assert_int_equal(count_live(scene), 1);
        assert_int_equal(order.reply_count, 1);
        assert_string_not_equal(chat.last_msg_content, "又答");
    }
}

static void a_reply_that_comes_late_to_its_retraction_is_neither_counted_nor_shown(void **state)
{
    (void)state;
    run_race(&(struct race){.act = replies_again,
                            .meanwhile = replies_again_and_retracts,
                            .check = check_that_only_the_first_reply_is_left});
}

static void check_that_it_is_done_or_tried_again(struct scene *scene)
{
    assert_true(scene->err == ERR_OK || scene->err == ERR_BUSY);
}

static void a_completion_is_not_called_illegal_for_a_reply_on_its_way(void **state)
{
    (void)state;
    run_race(&(struct race){.act = user_completes,
                            .meanwhile = replies_again,
                            .check = check_that_it_is_done_or_tried_again});
}

/* Clients drop what is older than what they have. */
static void a_clock_that_is_behind_does_not_make_a_retraction_older_than_its_message(void **state)
{
    (void)state;
    struct scene scene;
    scene_open(&scene, 0);
    world_shift(&scene.here, -1500);
    assert_int_equal(retract(&scene.here, scene.reply.id), ERR_OK);
    struct message after;
    assert_int_equal(store_get(scene.here.session, scene.here.arena, COLLECTION_MESSAGES,
                               scene.reply.id, &after),
                     ERR_OK);
    assert_true(after.is_retract);
    assert_true(after.updated_at.ms > scene.reply.updated_at.ms);
    scene_close(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_order_that_ends_meanwhile_has_its_reply_or_is_not_completed),
        cmocka_unit_test(the_48_hours_that_end_meanwhile_find_a_reply_or_none),
        cmocka_unit_test(a_retraction_that_was_begun_is_finished),
        cmocka_unit_test(a_reply_that_comes_late_to_its_retraction_is_neither_counted_nor_shown),
        cmocka_unit_test(a_completion_is_not_called_illegal_for_a_reply_on_its_way),
        cmocka_unit_test(a_clock_that_is_behind_does_not_make_a_retraction_older_than_its_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
