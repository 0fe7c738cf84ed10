/* A writer that is slower than others wait for it, or that dies, on a store that rolls nothing back, while another
 * node does what it would rule out: right before each of its calls of the store, in turn. One of the two always
 * finds the other, however long it was held up. */
#include "support_store.h"

#include <stdio.h>
#include <string.h>

#include "server/api/moves.h"
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
    scene->there.user = scene->here.user;
    scene->there.doctor = scene->here.doctor;
    scene->there.patient_id = scene->here.patient_id;
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pair_has_one_open_order_however_slow_a_node_is),
        cmocka_unit_test(a_patient_is_deleted_or_has_an_order_made_meanwhile),
        cmocka_unit_test(an_order_that_died_holds_up_neither_the_next_nor_a_deletion),
    };
    return RUN_ON_EVERY_BACKEND("claims", tests);
}
