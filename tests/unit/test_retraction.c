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

/* Two nodes on one store, and an order with a reply. */
struct scene {
    struct world here, there;
    struct consultation order;
    struct message reply;
    enum err (*meanwhile)(struct scene *); /* what the other node does */
    enum err meanwhile_err;
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
    scene->there.user = scene->here.user;
    scene->there.doctor = scene->here.doctor;
    scene->there.patient_id = scene->here.patient_id;
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

static enum err complete(struct world *world, struct account who, struct oid id)
{
    struct consultation_update in = {id, COMPLETED};
    struct consultation out;
    world_as(world, who);
    return world_call(world, "/consultation/update", &in, &out);
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
    scene->meanwhile_err = scene->meanwhile(scene);
}

static enum err user_completes(struct scene *scene)
{
    return complete(&scene->there, scene->there.user, scene->order.id);
}

static enum err sweeper_ends(struct scene *scene)
{
    world_sweep_all(&scene->there);
    return ERR_OK;
}

/* The retraction with the other node's doing before each of its calls of the store, in turn. */
static void retract_while(enum err (*meanwhile)(struct scene *), int64_t replied_after_ms,
                          int64_t retracted_after_ms)
{
    bool was_met = true;
    for (int n = 1; was_met; n++) {
        struct scene scene;
        scene_open(&scene, replied_after_ms);
        world_shift(&scene.here, retracted_after_ms);
        scene.meanwhile = meanwhile;
        fake_store_meddle_at(scene.here.store, meddle, &scene, n);
        enum err err = retract(&scene.here, scene.reply.id);
        was_met = fake_store_calls(scene.here.store) >= n;
        fake_store_meddle_at(scene.here.store, NULL, NULL, 0);
        world_shift(&scene.here, SETTLED_MS);
        world_sweep_all(&scene.here);
        struct consultation order = world_read_order(&scene.here, scene.order.id);
        assert_int_equal(order.reply_count, count_live(&scene));
        assert_true(strcmp(order.status, COMPLETED) != 0 || count_live(&scene) == 1);
        assert_true(err == ERR_OK || err == ERR_CONSULTATION_NOT_OPEN);
        scene_close(&scene);
    }
}

static void an_order_that_ends_meanwhile_has_its_reply_or_is_not_completed(void **state)
{
    (void)state;
    retract_while(user_completes, 0, 0);
}

static void the_48_hours_that_end_meanwhile_find_a_reply_or_none(void **state)
{
    (void)state;
    retract_while(sweeper_ends, 48 * HOUR_MS - 60000, 61000);
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

/* The same reply, sent again through the other node, and taken back there. */
static enum err repeats_and_retracts(struct scene *scene)
{
    struct message reply;
    enum err err =
        world_send(&scene->there, scene->there.doctor, &scene->order, "又答", "r2", &reply);
    return err != ERR_OK ? err : retract(&scene->there, reply.id);
}

static void a_reply_that_comes_late_to_its_retraction_is_neither_counted_nor_shown(void **state)
{
    (void)state;
    bool was_met = true;
    for (int n = 1; was_met; n++) {
        struct scene scene;
        struct message reply;
        scene_open(&scene, 0);
        scene.meanwhile = repeats_and_retracts;
        fake_store_meddle_at(scene.here.store, meddle, &scene, n);
        enum err err =
            world_send(&scene.here, scene.here.doctor, &scene.order, "又答", "r2", &reply);
        was_met = fake_store_calls(scene.here.store) >= n;
        fake_store_meddle_at(scene.here.store, NULL, NULL, 0);
        world_shift(&scene.here, SETTLED_MS);
        world_sweep_all(&scene.here);
        if (was_met && err == ERR_OK && scene.meanwhile_err == ERR_OK) {
            struct consultation order = world_read_order(&scene.here, scene.order.id);
            struct chat chat = world_chat(&scene.here, scene.order.chat_id);
            assert_int_equal(count_live(&scene), 1);
            assert_int_equal(order.reply_count, 1);
            assert_string_not_equal(chat.last_msg_content, "又答");
        }
        scene_close(&scene);
    }
}

static enum err doctor_replies(struct scene *scene)
{
    struct message reply;
    return world_send(&scene->there, scene->there.doctor, &scene->order, "又答", "r2", &reply);
}

static void a_completion_is_not_called_illegal_for_a_reply_on_its_way(void **state)
{
    (void)state;
    bool was_met = true;
    for (int n = 1; was_met; n++) {
        struct scene scene;
        scene_open(&scene, 0);
        scene.meanwhile = doctor_replies;
        fake_store_meddle_at(scene.here.store, meddle, &scene, n);
        enum err err = complete(&scene.here, scene.here.user, scene.order.id);
        was_met = fake_store_calls(scene.here.store) >= n;
        fake_store_meddle_at(scene.here.store, NULL, NULL, 0);
        assert_true(err == ERR_OK || err == ERR_BUSY);
        scene_close(&scene);
    }
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
