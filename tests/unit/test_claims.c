/* A writer that is slower than others wait for it, or that dies, on a store that rolls nothing back, while another
 * node does what it would rule out: right before each of its calls of the store, in turn. One of the two always
 * finds the other, however long it was held up. */
#include "support_store.h"

#include <stdio.h>
#include <string.h>

#include "server/api/moves.h"
#include "server/api/posts.h"
#include "support_fake_store.h"
#include "support_provider.h"
#include "support_stories.h"

#define TAKEN_FOR_DEAD_MS 40000
#define CALLS_MAX 200

/* Two nodes on one store. */
struct scene {
    struct world here, there;
    enum err (*meanwhile)(struct scene *); /* what the other node does, */
    int64_t after_ms;                      /* after so long */
    enum err meanwhile_err;
    struct consultation order;
};

/* An order that is over. With it the node begins its chain of the record, whose first row takes as many calls as
 * there are chains. */
static void live_before(struct world *world)
{
    struct consultation order = world_order(world);
    const struct consultation_update in = {order.id, CANCELLED};
    assert_int_equal(world_call(world, "/consultation/update", &in, &order), ERR_OK);
}

static void scene_open(struct scene *scene, struct store_fixture *fixture)
{
    static int number;
    const struct store_settings settings = {
        .url = fixture->url, .timeout_ms = 10000, .pool_size = 4};
    struct store *inner;
    char why[256], name[16];
    store_fixture_let_go(fixture);
    assert_int_equal(store_open(&settings, &inner, why), ERR_OK);
    struct store *fake = fake_store_wrap(inner);
    fake_store_be_not_atomic(fake);
    snprintf(name, sizeof name, "n%d-", number++); /* all are in one store */
    memset(scene, 0, sizeof *scene);
    world_open_named(&scene->here, fake, name);
    scene->here.rolls_back = false;
    scene->here.settings->provider = provider_witness();
    snprintf(name, sizeof name, "n%d-", number++);
    world_open_beside(&scene->there, &scene->here, name);
    scene->there.settings->provider = provider_witness();
    live_before(&scene->here);
    live_before(&scene->there);
    world_take_people(&scene->there, &scene->here);
}

static void scene_close(struct scene *scene)
{
    world_close(&scene->there);
    world_close(&scene->here);
}

static void meddle(void *data)
{
    struct scene *scene = data;
    world_shift(&scene->here, scene->after_ms);
    scene->meanwhile_err = scene->meanwhile(scene);
}

static void meddle_at(struct scene *scene, enum err (*meanwhile)(struct scene *), int64_t after_ms,
                      int n)
{
    scene->meanwhile = meanwhile;
    scene->after_ms = after_ms;
    scene->meanwhile_err = ERR_ABSENT;
    fake_store_meddle_at(scene->here.store, meddle, scene, n);
}

/* Whether there was an n-th call. */
static bool was_met(struct scene *scene, int n)
{
    const bool is_met = fake_store_calls(scene->here.store) >= n;
    fake_store_meddle_at(scene->here.store, NULL, NULL, 0);
    assert_true(n < CALLS_MAX);
    return is_met;
}

/* ---- Orders and patients ------------------------------------------------------------------ */

static enum err order(struct world *world)
{
    const struct consultation_create in = {.content = "头有点疼",
                                           .patient_id = world->patient_id,
                                           .doctor_id = world->doctor.id,
                                           .consultation_reason = "在线复诊"};
    struct consultation out;
    world_as(world, world->user);
    return world_call(world, "/consultation/create", &in, &out);
}

static enum err order_there(struct scene *scene)
{
    return order(&scene->there);
}

static enum err delete_patient(struct world *world)
{
    const struct by_id in = {world->patient_id};
    struct nothing out;
    world_as(world, world->user);
    return world_call(world, "/api/patient/delete", &in, &out);
}

static enum err delete_there(struct scene *scene)
{
    return delete_patient(&scene->there);
}

/* By their user, as the list of orders is. */
static int64_t count_open(struct world *world)
{
    const struct condition conditions[] = {WHERE(consultation, user_id, IS, world->user.id),
                                           WHERE(consultation, status, IS, UNPAID)};
    const struct query query = {.conditions = conditions, .condition_count = 2};
    int64_t count;
    assert_int_equal(store_count(world->session, COLLECTION_CONSULTATIONS, &query, &count), ERR_OK);
    return count;
}

static bool is_patient_deleted(struct world *world)
{
    struct patient patient;
    assert_int_equal(
        store_get(world->session, world->arena, COLLECTION_PATIENTS, world->patient_id, &patient),
        ERR_OK);
    return patient.deleted_at.ms != 0;
}

static void order_twice(struct store_fixture *fixture, int64_t after_ms)
{
    bool is_met = true;
    for (int n = 1; is_met; n++) {
        struct scene scene;
        scene_open(&scene, fixture);
        meddle_at(&scene, order_there, after_ms, n);
        const enum err err = order(&scene.here);
        is_met = was_met(&scene, n);
        assert_int_equal(count_open(&scene.here), 1);
        assert_int_equal((err == ERR_OK) + (scene.meanwhile_err == ERR_OK), 1);
        assert_true(err == ERR_OK || err == ERR_ORDER_OPEN || err == ERR_BUSY);
        scene_close(&scene);
    }
}

static void a_pair_has_one_open_order_however_slow_a_node_is(void **state)
{
    order_twice(*state, 0);
    order_twice(*state, TAKEN_FOR_DEAD_MS);
}

/* `does` here, and the other of the two there. */
static void order_or_delete(struct store_fixture *fixture, enum err (*does)(struct world *),
                            enum err (*meanwhile)(struct scene *), int64_t after_ms)
{
    bool is_met = true;
    for (int n = 1; is_met; n++) {
        struct scene scene;
        scene_open(&scene, fixture);
        meddle_at(&scene, meanwhile, after_ms, n);
        const enum err err = does(&scene.here);
        is_met = was_met(&scene, n);
        const bool is_deleted = is_patient_deleted(&scene.here);
        const bool is_here = err == ERR_OK;
        assert_int_equal(count_open(&scene.here), !is_deleted);
        assert_int_equal(is_here + (scene.meanwhile_err == ERR_OK), 1);
        assert_int_equal(is_here, is_deleted == (does == delete_patient));
        scene_close(&scene);
    }
}

static void a_patient_is_deleted_or_has_an_order_made_meanwhile(void **state)
{
    order_or_delete(*state, order, delete_there, 0);
    order_or_delete(*state, order, delete_there, TAKEN_FOR_DEAD_MS);
    order_or_delete(*state, delete_patient, order_there, 0);
    order_or_delete(*state, delete_patient, order_there, TAKEN_FOR_DEAD_MS);
}

static void an_order_that_died_holds_up_neither_the_next_nor_a_deletion(void **state)
{
    bool was_hit = true;
    for (int n = 1; was_hit; n++) {
        struct scene scene;
        scene_open(&scene, *state);
        fake_store_fail_how(scene.here.store, FAKE_STAYS_DOWN, n);
        const enum err err = order(&scene.here);
        was_hit = fake_store_calls(scene.here.store) >= n;
        assert_int_equal(err, was_hit ? ERR_STORE : ERR_OK);
        fake_store_fail_how(scene.here.store, FAKE_REFUSES, 0);
        world_shift(&scene.here, TAKEN_FOR_DEAD_MS);
        const bool is_there = count_open(&scene.there) == 1;
        assert_int_equal(order(&scene.there), is_there ? ERR_ORDER_OPEN : ERR_OK);
        assert_int_equal(delete_patient(&scene.there), ERR_PATIENT_HAS_ORDER);
        assert_int_equal(count_open(&scene.there), 1);
        scene_close(&scene);
        if (!is_there) {
            scene_open(&scene, *state);
            fake_store_fail_how(scene.here.store, FAKE_STAYS_DOWN, n);
            assert_int_equal(order(&scene.here), ERR_STORE);
            fake_store_fail_how(scene.here.store, FAKE_REFUSES, 0);
            world_shift(&scene.here, TAKEN_FOR_DEAD_MS);
            assert_int_equal(delete_patient(&scene.there), ERR_OK);
            assert_int_equal(order(&scene.there), ERR_PATIENT_DELETED);
            scene_close(&scene);
        }
    }
}

/* ---- Replies ------------------------------------------------------------------------------ */

static enum err reply(struct world *world, const struct consultation *order, const char *text,
                      const char *client_msg_id)
{
    struct message out;
    return world_send(world, world->doctor, order, text, client_msg_id, &out);
}

/* As many as there may be, once what the other node was at is given up. */
static enum err reply_there(struct scene *scene)
{
    world_sweep_all(&scene->there);
    enum err err = ERR_OK;
    for (int i = 0; i < 3 && err == ERR_OK; i++) {
        err = reply(&scene->there, &scene->order, "那边", NULL);
    }
    return err;
}

static enum err repeat_there(struct scene *scene)
{
    world_sweep_all(&scene->there);
    return reply(&scene->there, &scene->order, "这边", "r1");
}

/* Of one text, or any. */
static int64_t count_live(struct scene *scene, const char *text)
{
    size_t count;
    int64_t live = 0;
    const struct message *messages = world_messages(&scene->here, scene->order.chat_id, &count);
    for (size_t i = 0; i < count; i++) {
        live += strcmp(messages[i].direction, "doctor->user") == 0 &&
                strcmp(messages[i].type, "01") == 0 && !messages[i].is_retract &&
                (text == NULL || strcmp(messages[i].text.plain, text) == 0);
    }
    return live;
}

/* What is there is counted, shown and unread once. */
static void assert_all_is_well(struct scene *scene)
{
    world_shift(&scene->here, TAKEN_FOR_DEAD_MS);
    world_sweep_all(&scene->here);
    const struct consultation order = world_read_order(&scene->here, scene->order.id);
    assert_false(order.unsettled);
    assert_int_equal(order.reply_count, count_live(scene, NULL));
    assert_int_equal(order.reply_count, order.replies.count);
    assert_true(order.reply_count <= 3);
    size_t count;
    const struct message *messages = world_messages(&scene->here, scene->order.chat_id, &count);
    while (strcmp(messages[count - 1].type, "06") == 0) {
        count--;
    }
    assert_true(
        oid_equal(world_chat(&scene->here, order.chat_id).last_msg_id, messages[count - 1].id));
}

static void assert_all_is_unread_once(struct scene *scene)
{
    size_t count;
    const struct message *messages = world_messages(&scene->here, scene->order.chat_id, &count);
    int64_t unread = 0;
    for (size_t i = 0; i < count; i++) {
        unread += message_is_for(&messages[i], SIDE_USER);
    }
    struct chat chat = world_chat(&scene->here, scene->order.chat_id);
    chat_view(scene->here.arena, &chat, SIDE_USER);
    assert_int_equal(chat.unread, unread);
}

static void reply_while(struct store_fixture *fixture, const char *client_msg_id,
                        enum err (*meanwhile)(struct scene *), int64_t after_ms)
{
    bool is_met = true;
    for (int n = 1; is_met; n++) {
        struct scene scene;
        scene_open(&scene, fixture);
        scene.order = world_paid_order(&scene.here);
        meddle_at(&scene, meanwhile, after_ms, n);
        const enum err err = reply(&scene.here, &scene.order, "这边", client_msg_id);
        is_met = was_met(&scene, n);
        assert_all_is_well(&scene);
        const bool is_there = count_live(&scene, "这边") == 1;
        const bool is_told =
            err == ERR_OK || (meanwhile == repeat_there && scene.meanwhile_err == ERR_OK);
        assert_int_equal(is_there, is_told);
        assert_true(is_there || count_live(&scene, NULL) == 3);
        assert_true(err == ERR_OK || err == ERR_BUSY || err == ERR_REPLY_QUOTA_EXCEEDED);
        if (client_msg_id != NULL) {
            assert_int_equal(reply(&scene.here, &scene.order, "这边", client_msg_id),
                             is_there ? ERR_OK : ERR_REPLY_QUOTA_EXCEEDED);
            assert_all_is_well(&scene);
        }
        if (meanwhile == repeat_there) {
            assert_all_is_unread_once(&scene);
        }
        scene_close(&scene);
    }
}

static void an_order_has_three_live_replies_however_slow_a_node_is(void **state)
{
    reply_while(*state, NULL, reply_there, 0);
    reply_while(*state, NULL, reply_there, TAKEN_FOR_DEAD_MS);
    reply_while(*state, "r1", reply_there, TAKEN_FOR_DEAD_MS);
}

static void a_reply_that_was_given_up_can_be_sent_again(void **state)
{
    reply_while(*state, "r1", repeat_there, 0);
    reply_while(*state, "r1", repeat_there, TAKEN_FOR_DEAD_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pair_has_one_open_order_however_slow_a_node_is),
        cmocka_unit_test(a_patient_is_deleted_or_has_an_order_made_meanwhile),
        cmocka_unit_test(an_order_that_died_holds_up_neither_the_next_nor_a_deletion),
        cmocka_unit_test(an_order_has_three_live_replies_however_slow_a_node_is),
        cmocka_unit_test(a_reply_that_was_given_up_can_be_sent_again),
    };
    return RUN_ON_EVERY_BACKEND("claims", tests);
}
