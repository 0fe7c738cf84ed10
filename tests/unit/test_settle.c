/* What follows from a move happens exactly once, also when the process dies between any two calls
 * of the store, and also on a store that rolls nothing back.
 *
 * Each story is told once for every call it makes: that call and all after it fail, as for a
 * process that was killed there; then the sweeper of another process finds what was left, and
 * whoever had no answer asks again. In the end there must be the same messages, in the same
 * order, and the same rows of the record, as when nothing had failed. Then the same with one call whose answer is lost although
 * it was carried out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/api/chats.h"
#include "server/api/moves.h"
#include "server/audit_verify.h"
#include "support_fake_store.h"
#include "support_provider.h"
#include "support_stories.h"

#define HOUR_MS INT64_C(3600000)
#define CALLS_MAX 200

static void open_fake(struct world *world)
{
    struct store_settings settings = {.url = "sqlite::memory:"};
    struct store *inner;
    char why[256];
    assert_int_equal(store_open(&settings, &inner, why), ERR_OK);
    struct store *fake = fake_store_wrap(inner);
    fake_store_be_not_atomic(fake);
    world_open(world, fake);
    world->rolls_back = false;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* What the record says was done to the order, each thing once; all messages must be in it. */
static void append_record(struct world *world, const struct consultation *order, char *text)
{
    struct audit_report report;
    struct strbuf findings, heads;
    strbuf_init(&findings, 0);
    strbuf_init(&heads, 0);
    assert_int_equal(audit_verify(world->session, NULL, 0, &report, &findings, &heads), ERR_OK);
    if (audit_report_faults(&report) != 0 || report.unrecorded != 0) {
        fail_msg("%s", strbuf_text(&findings));
    }
    strbuf_free(&findings);
    strbuf_free(&heads);
    struct condition condition = WHERE(audit_row, consultation_id, IS, order->id);
    struct query query = {.conditions = &condition, .condition_count = 1};
    struct object_list list;
    assert_int_equal(store_find(world->session, world->arena, COLLECTION_AUDIT, &query, &list),
                     ERR_OK);
    const struct audit_row *rows = list.items;
    const char **things = arena_array(world->arena, list.count, sizeof *things);
    for (size_t i = 0; i < list.count; i++) {
        things[i] = arena_format(world->arena, "%s %s|", rows[i].action,
                                 rows[i].result != NULL ? rows[i].result : "");
    }
    qsort(things, list.count, sizeof *things, compare_texts);
    size_t length = strlen(text);
    for (size_t i = 0; i < list.count; i++) {
        if (i == 0 || strcmp(things[i], things[i - 1]) != 0) {
            length += (size_t)snprintf(text + length, STORY_TEXT_MAX - length, "%s", things[i]);
        }
    }
}

/* Tells a story with the n-th call failing; the description of the end goes to `text`. Returns
 * whether the act made so many calls at all. */
static bool tell(const struct story *story, enum fake_failure how, int n, char *text)
{
    struct world world;
    struct consultation order;
    open_fake(&world);
    world.settings->provider = provider_witness();
    story->prepare(&world, &order);
    fake_store_fail_how(world.store, how, n);
    enum err err = story->act(&world, &order);
    bool was_hit = n > 0 && fake_store_calls(world.store) >= n;
    if (n == 0) {
        assert_int_equal(err, ERR_OK);
        assert_int_equal(story_sweep(&world), ERR_OK);
    } else if (was_hit) {
        assert_int_equal(err, ERR_STORE);
    }
    fake_store_fail_how(world.store, FAKE_REFUSES, 0);
    if (was_hit && how == FAKE_STAYS_DOWN) {
        world_restart(&world);
    }
    if (was_hit) {
        /* It is nobody's work in progress any more, and payments are looked at. */
        world_shift(&world, 80000);
        assert_int_equal(story_sweep(&world), ERR_OK);
        assert_int_equal(story->act(&world, &order), ERR_OK);
        assert_int_equal(story_sweep(&world), ERR_OK);
    }
    story_describe(&world, order.id, text);
    append_record(&world, &order, text);
    world_close(&world);
    return was_hit;
}

static void tell_all(enum fake_failure how)
{
    for (size_t i = 0; i < story_count; i++) {
        char expected[STORY_TEXT_MAX], got[STORY_TEXT_MAX];
        tell(&stories[i], how, 0, expected);
        assert_memory_equal(expected, stories[i].status, 2);
        assert_non_null(strstr(expected, "unsettled 0"));
        int n = 1;
        while (tell(&stories[i], how, n, got)) {
            if (strcmp(expected, got) != 0) {
                fail_msg("story %zu, call %d:\n expected %s\n got      %s", i, n, expected, got);
            }
            assert_true(++n < CALLS_MAX);
        }
        assert_true(n > 4); /* the story does something */
    }
}

static void a_process_killed_between_any_two_calls_leaves_nothing_undone(void **state)
{
    (void)state;
    tell_all(FAKE_STAYS_DOWN);
}

static void a_lost_answer_of_the_store_doubles_nothing(void **state)
{
    (void)state;
    tell_all(FAKE_LOSES_ANSWER);
}

static void two_sweepers_at_once_do_everything_once(void **state)
{
    (void)state;
    struct world world;
    struct consultation order;
    open_fake(&world);
    order = world_paid_order(&world);
    world_shift(&world, 49 * HOUR_MS);
    world.settings->provider = provider_witness();
    char once[STORY_TEXT_MAX], twice[STORY_TEXT_MAX];
    assert_int_equal(story_sweep(&world), ERR_OK);
    story_describe(&world, order.id, once);
    assert_int_equal(story_sweep(&world), ERR_OK);
    story_describe(&world, order.id, twice);
    assert_string_equal(once, twice);
    world_close(&world);
}

static void a_reply_whose_sender_died_is_given_back(void **state)
{
    (void)state;
    struct world world;
    struct consultation order;
    open_fake(&world);
    order = world_paid_order(&world);
    struct message out;
    /* Lets the reply be taken and nothing after it. */
    int n = 0;
    do {
        fake_store_fail_how(world.store, FAKE_STAYS_DOWN, ++n);
        world_send(&world, world.doctor, &order, "答", NULL, &out);
        fake_store_fail_how(world.store, FAKE_REFUSES, 0);
    } while (world_read_order(&world, order.id).reply_count == 0);
    world_shift(&world, ORDER_SETTLING_MS);
    assert_int_equal(story_sweep(&world), ERR_OK);
    order = world_read_order(&world, order.id);
    assert_int_equal(order.reply_count, 0);
    assert_false(order.unsettled);
    assert_int_equal(order.disclaimer_seq, 0);
    world_shift(&world, 49 * HOUR_MS); /* nobody answered: the money goes back */
    assert_int_equal(story_sweep(&world), ERR_OK);
    assert_string_equal(world_read_order(&world, order.id).status, EXPIRED_REFUNDED);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_killed_between_any_two_calls_leaves_nothing_undone),
        cmocka_unit_test(a_lost_answer_of_the_store_doubles_nothing),
        cmocka_unit_test(a_reply_whose_sender_died_is_given_back),
        cmocka_unit_test(two_sweepers_at_once_do_everything_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
