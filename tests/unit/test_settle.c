/* What follows from a move happens exactly once, also when the process dies between any two calls
 * of the store, and also on a store that rolls nothing back.
 *
 * Each story is told once for every call it makes: that call and all after it fail, as for a
 * process that was killed there; then the sweeper of another process finds what was left, and
 * whoever had no answer asks again. In the end there must be the same messages, in the same
 * order, and the same rows of the record, as when nothing had failed. Then the same with one call whose answer is lost although
 * it was carried out.
 *
 * And with another node that does its part, or the very same, between any two calls of the store. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/api/chats.h"
#include "server/api/emit.h"
#include "server/api/moves.h"
#include "server/api/posts.h"
#include "server/audit_verify.h"
#include "support_fake_store.h"
#include "support_provider.h"
#include "support_store.h"
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

/* ---- Another node in between -------------------------------------------------------------- */

#define MEDDLE_AFTER_MS 7 /* so that its times are others */

struct meddler {
    struct world world; /* of the same people */
    const struct story *story;
    const struct consultation *order;
    bool acts;   /* does the same; false: only settles what it finds */
    bool sweeps; /* only what a sweeper does, whose time has come just now */
    bool posts;  /* another system's messages into both chats, besides */
};

static enum err post(struct world *world, struct oid chat_id, const char *type, const char *text,
                     const char *client_msg_id)
{
    struct system_message_create in = {
        .chat_id = chat_id, .type = type, .text = text, .client_msg_id = client_msg_id};
    struct message out;
    world_as(world, (struct account){ROLE_SERVICE, {{1}}});
    return world_call(world, "/system/message/create", &in, &out);
}

static enum err post_to_user(struct world *world, const char *text, const char *client_msg_id)
{
    return post(world, chat_id_of_user(world->user.id), "01", text, client_msg_id);
}

/* Calls again as apps do, when a race was lost. */
static enum err act_on(struct world *world, const struct story *story, struct consultation order)
{
    enum err err = ERR_BUSY;
    for (int i = 0; i < 3 && err == ERR_BUSY; i++) {
        err = story->act(world, &order);
    }
    return err;
}

static void meddle(void *data)
{
    struct meddler *meddler = data;
    struct world *world = &meddler->world;
    world_shift(world, MEDDLE_AFTER_MS);
    if (meddler->acts) {
        assert_int_equal(act_on(world, meddler->story, *meddler->order), ERR_OK);
    } else if (meddler->sweeps) {
        assert_int_equal(story_sweep(world), ERR_OK);
    } else {
        assert_int_equal(world_settle(world, meddler->order->id), ERR_OK);
    }
    if (meddler->posts) {
        assert_int_equal(post_to_user(world, "另一条", NULL), ERR_OK);
        assert_int_equal(post(world, meddler->order->chat_id, "02", "处方", NULL), ERR_OK);
    }
}

static bool is_frame_of(struct world *world, const char *text, const struct message *message,
                        enum side side)
{
    struct frame *frame = message_frame(store_id(world->store), message, side);
    bool is_same = strcmp(frame_text(frame), text) == 0;
    frame_drop(frame);
    return is_same;
}

/* Every message that was told is one that is stored, as it is stored. */
static void assert_told_as_stored(struct world *world, const struct world *teller,
                                  struct oid chat_id, struct oid system_chat_id)
{
    size_t counts[2];
    const struct message *lists[] = {world_messages(world, chat_id, &counts[0]),
                                     world_messages(world, system_chat_id, &counts[1])};
    for (size_t i = 0; i < teller->event_count; i++) {
        const char *text = frame_text(teller->events[i].frame);
        enum side side = teller->events[i].audience.role == ROLE_USER ? SIDE_USER : SIDE_DOCTOR;
        bool is_found = strstr(text, "\"message.created\"") == NULL;
        for (size_t j = 0; j < 2; j++) {
            for (size_t k = 0; k < counts[j] && !is_found; k++) {
                is_found = is_frame_of(world, text, &lists[j][k], side);
            }
        }
        if (!is_found) {
            fail_msg("this was told and is not stored: %s", text);
        }
    }
}

/* Nobody has read any of it. */
static void assert_all_is_unread_once(struct world *world, const char *name, int n)
{
    size_t count;
    world_messages(world, chat_id_of_user(world->user.id), &count);
    struct chat chat = world_chat(world, chat_id_of_user(world->user.id));
    chat_view(world->arena, &chat, SIDE_USER);
    if (chat.unread != (int64_t)count) {
        fail_msg("%s, call %d: %d unread of %zu in the system chat", name, n, (int)chat.unread,
                 count);
    }
}

static bool has_gap(struct world *world, struct oid chat_id)
{
    size_t count;
    world_messages(world, chat_id, &count);
    return world_chat(world, chat_id).last_seq != (int64_t)count;
}

/* A chat's list shows the newest message that is no notice. */
static void assert_the_newest_is_shown(struct world *world, struct oid chat_id, const char *name,
                                       int n)
{
    size_t count;
    const struct message *messages = world_messages(world, chat_id, &count);
    while (count > 0 && strcmp(messages[count - 1].type, MESSAGE_NOTICE) == 0) {
        count--;
    }
    const struct chat chat = world_chat(world, chat_id);
    const struct oid newest = count > 0 ? messages[count - 1].id : OID_NONE;
    if (!oid_equal(chat.last_msg_id, newest) ||
        (count > 0 && chat.last_msg_time.ms != messages[count - 1].created_at.ms)) {
        fail_msg("%s, call %d: \"%s\" is shown", name, n, chat.last_msg_content);
    }
}

/* Tells a story in which another node does its part right before the n-th call. `gaps` counts those after
 * which places of a chat are empty. */
static bool tell_with_another(const struct story *story, struct meddler meddler, int n, char *text,
                              int *gaps)
{
    struct world world;
    struct consultation order;
    meddler.story = story;
    meddler.order = &order;
    open_fake(&world);
    world.settings->provider = provider_witness();
    story->prepare(&world, &order);
    world_open_beside(&meddler.world, &world, "b-");
    meddler.world.settings->provider = provider_witness();
    world_take_people(&meddler.world, &world);
    world_forget_events(&world);
    fake_store_meddle_at(world.store, meddle, &meddler, n);
    assert_int_equal(act_on(&world, story, order), ERR_OK);
    bool was_there = n > 0 && fake_store_calls(world.store) >= n;
    fake_store_meddle_at(world.store, NULL, NULL, 0);
    world_shift(&world, 80000);
    assert_int_equal(story_sweep(&world), ERR_OK);
    story_describe(&world, order.id, text);
    append_record(&world, &order, text);
    assert_all_is_unread_once(&world, story->name, n);
    assert_the_newest_is_shown(&world, order.chat_id, story->name, n);
    assert_the_newest_is_shown(&world, chat_id_of_user(world.user.id), story->name, n);
    const bool left_gap =
        has_gap(&world, order.chat_id) || has_gap(&world, chat_id_of_user(world.user.id));
    if (left_gap && meddler.sweeps) {
        fail_msg("%s, call %d: places were taken in vain", story->name, n);
    }
    *gaps += left_gap;
    assert_told_as_stored(&world, &world, order.chat_id, chat_id_of_user(world.user.id));
    assert_told_as_stored(&world, &meddler.world, order.chat_id, chat_id_of_user(world.user.id));
    world_close(&meddler.world);
    world_close(&world);
    return was_there;
}

/* `is_same_end`: all ends must be the one without another node. */
static void tell_all_with_another(const struct story *all, size_t count, struct meddler meddler,
                                  bool is_same_end)
{
    for (size_t i = 0; i < count; i++) {
        char expected[STORY_TEXT_MAX], got[STORY_TEXT_MAX];
        int gaps = 0;
        tell_with_another(&all[i], meddler, 0, expected, &gaps);
        int n = 1;
        while (tell_with_another(&all[i], meddler, n, got, &gaps)) {
            if (is_same_end && strcmp(expected, got) != 0) {
                fail_msg("%s, call %d:\n expected %s\n got      %s", all[i].name, n, expected, got);
            }
            assert_true(++n < CALLS_MAX);
        }
        assert_true(n > 4);
    }
}

static void another_node_that_settles_between_any_two_calls_changes_nothing(void **state)
{
    (void)state;
    tell_all_with_another(stories, story_count, (struct meddler){.acts = false}, true);
}

static void another_node_that_does_the_same_between_any_two_calls_changes_nothing(void **state)
{
    (void)state;
    tell_all_with_another(stories, story_count, (struct meddler){.acts = true}, true);
}

/* Two that do the same at once: who finds that the other has taken the places looks whether it has written
 * them down, too, and takes others only where it comes between the one and the other. */
static void places_are_taken_in_vain_only_between_two_calls(void **state)
{
    static const char *const names[] = {"pay", "first reply", "complete"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        char text[STORY_TEXT_MAX];
        int gaps = 0;
        int n = 1;
        while (tell_with_another(story_named(names[i]), (struct meddler){.acts = false}, n, text,
                                 &gaps)) {
            assert_true(++n < CALLS_MAX);
        }
        assert_int_equal(gaps, 1);
    }
}

static void prepare_nothing(struct world *world, struct consultation *order)
{
    *order = world_order(world);
}

static void prepare_free(struct world *world, struct consultation *order)
{
    struct change free_of_charge = SET(doctor, image_and_text_price, 0);
    assert_int_equal(store_update(world->session, world->arena, COLLECTION_DOCTORS,
                                  world->doctor.id, NULL, 0, &free_of_charge, 1, NULL),
                     ERR_OK);
    *order = world_order(world);
}

static enum err begin_free(struct world *world, struct consultation *order)
{
    return story_named("begin to pay")->act(world, order);
}

/* Several nodes sweep every few seconds, and one of them always comes while another is at something. */
static void a_sweeper_leaves_to_another_node_what_that_is_about_to_do(void **state)
{
    static const struct story free_order = {"an order that costs nothing", prepare_free, begin_free,
                                            PAID};
    (void)state;
    tell_all_with_another(stories, story_count, (struct meddler){.sweeps = true}, true);
    tell_all_with_another(&free_order, 1, (struct meddler){.sweeps = true}, true);
}

static enum err post_once(struct world *world, struct consultation *order)
{
    (void)order;
    return post_to_user(world, "报告已出", "s1");
}

static void what_two_nodes_post_at_once_is_unread_once_also_with_others_in_between(void **state)
{
    static const struct story post = {"another system's message", prepare_nothing, post_once,
                                      UNPAID};
    (void)state;
    tell_all_with_another(&post, 1, (struct meddler){.acts = true, .posts = true}, false);
    tell_all_with_another(stories, story_count, (struct meddler){.acts = false, .posts = true},
                          false);
    tell_all_with_another(stories, story_count, (struct meddler){.acts = true, .posts = true},
                          false);
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

/* ---- A chat that lags behind its messages --------------------------------------------------- */

static void say_to_system_chat(struct world *world, int count)
{
    for (int i = 0; i < count; i++) {
        assert_int_equal(post_to_user(world, "一条", NULL), ERR_OK);
    }
}

/* As in a copy of a database that was made while it was in use: what it gives away next is taken. */
static void set_chat_back(struct world *world, struct oid chat_id)
{
    size_t count;
    const struct message *messages = world_messages(world, chat_id, &count);
    struct change change = SET(chat, last_seq, messages[count - 1].seq - 3);
    assert_int_equal(store_update(world->session, world->arena, COLLECTION_CHATS, chat_id, NULL, 0,
                                  &change, 1, NULL),
                     ERR_OK);
}

/* Two orders of a pair, one after the other; before each move both chats lag behind. */
static struct consultation live_with_a_lag(struct world *world, bool lags)
{
    static const char *const acts[] = {"pay", "first reply", "complete", "pay",
                                       "ask for the money back"};
    struct consultation order;
    struct oid system_chat_id = chat_id_of_user(world->user.id);
    world->settings->provider = provider_witness();
    say_to_system_chat(world, 5);
    for (size_t i = 0; i < ARRAY_LENGTH(acts); i++) {
        if (strcmp(acts[i], "pay") == 0) {
            story_named("pay")->prepare(world, &order);
        }
        if (lags && i > 0) {
            set_chat_back(world, order.chat_id);
            set_chat_back(world, system_chat_id);
        }
        assert_int_equal(act_on(world, story_named(acts[i]), order), ERR_OK);
        assert_false(world_read_order(world, order.id).unsettled);
    }
    assert_told_as_stored(world, world, order.chat_id, system_chat_id);
    return order;
}

/* `open` makes the world. As much must come to be as without a lag, and all of it be told; the same
 * unless some of what is posted together finds its place and some does not. */
static void assert_lag_changes_nothing(void (*open)(struct world *world), bool is_same)
{
    char texts[2][STORY_TEXT_MAX] = {"", ""};
    size_t counts[2], told[2];
    for (int lags = 0; lags <= 1; lags++) {
        struct world world;
        open(&world);
        world.rolls_back = false; /* there will be gaps */
        struct consultation order = live_with_a_lag(&world, lags);
        world_messages(&world, order.chat_id, &counts[lags]);
        if (is_same) {
            story_describe(&world, order.id, texts[lags]);
            append_record(&world, &order, texts[lags]);
        }
        told[lags] = world_events(&world, world.user, "message.created");
        world_close(&world);
    }
    assert_string_equal(texts[0], texts[1]);
    assert_int_equal(counts[0], counts[1]);
    assert_int_equal(told[0], told[1]);
}

/* Another node that has counted the message itself right before one call, and something else right before the
 * next one, as two nodes do that are sent the same at once. */
struct toggler {
    struct world *world;
    struct store_session *session;
    struct oid chat_id, message_id;
    int left; /* so many calls more */
};

static void toggle(void *data)
{
    struct toggler *toggler = data;
    const struct oid counted = toggler->left % 2 == 0 ? toggler->message_id : oid_number(4711);
    struct change change =
        SET_IDS(chat, counted_ids, ((struct oid_list){.items = &counted, .count = 1}));
    assert_int_equal(store_update(toggler->session, NULL, COLLECTION_CHATS, toggler->chat_id, NULL,
                                  0, &change, 1, NULL),
                     ERR_OK);
    toggler->left--;
    fake_store_meddle_at(toggler->world->store, toggle, toggler, toggler->left > 0 ? 1 : 0);
}

static void a_message_finds_its_place_also_when_others_take_theirs_in_between(void **state)
{
    (void)state;
    for (int calls = 1; calls <= 9; calls++) {
        struct world world;
        open_fake(&world);
        const struct consultation order = world_paid_order(&world);
        const struct account user = {.role = ROLE_USER, .id = world.user.id};
        struct toggler toggler = {.world = &world,
                                  .chat_id = order.chat_id,
                                  .message_id = message_id_of(order.chat_id, "user", "m-1"),
                                  .left = calls};
        assert_int_equal(store_session_open(world.store, true, &toggler.session), ERR_OK);
        fake_store_meddle_at(world.store, toggle, &toggler, 1);
        struct message sent;
        assert_int_equal(world_send(&world, user, &order, "有人插队", "m-1", &sent), ERR_OK);
        fake_store_meddle_at(world.store, NULL, NULL, 0);
        assert_true(oid_equal(sent.id, toggler.message_id));
        store_session_close(toggler.session);
        world_close(&world);
    }
}

static void orders_go_on_where_a_chat_lags_behind_its_messages(void **state)
{
    (void)state;
    assert_lag_changes_nothing(open_fake, true);
    assert_lag_changes_nothing(world_open_memory, true);
}

static struct store_fixture *fixture;

static void open_fixture(struct world *world)
{
    struct store_settings settings = {.url = fixture->url, .timeout_ms = 10000, .pool_size = 4};
    struct store *store;
    char why[256], name[16];
    static int number;
    assert_int_equal(store_open(&settings, &store, why), ERR_OK);
    snprintf(name, sizeof name, "n%d-", number++); /* both are in one database */
    world_open_named(world, store, name);
}

static void orders_go_on_where_a_chat_lags_and_some_places_are_free(void **state)
{
    (void)state;
    if (!backend_is_there(BACKEND_MONGODB)) {
        skip();
    }
    fixture = store_fixture_new(BACKEND_MONGODB);
    store_fixture_let_go(fixture);
    assert_lag_changes_nothing(open_fixture, false);
    store_fixture_free(fixture);
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
    world_shift(&world, ORDER_SETTLING_MS + 1000); /* a move may be a little later than now */
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

/* ---- The next order ----------------------------------------------------------------------- */

/* An order that nobody answered in time, by a node that has not written yet what follows. */
static struct consultation leave_expired(struct world *world)
{
    struct consultation order = world_paid_order(world);
    world_shift(world, 49 * HOUR_MS);
    struct call *call = world_ready(world);
    assert_int_equal(world_record(world, order_move_only(call, &order, EXPIRED, NULL)), ERR_OK);
    return order;
}

struct settler {
    struct world world; /* the node that moved the order */
    struct oid order_id;
};

static void settle(void *data)
{
    struct settler *settler = data;
    assert_int_equal(world_settle(&settler->world, settler->order_id), ERR_OK);
}

/* Makes the next order; right before the n-th call of it, the one before is settled. */
static bool order_again(int n)
{
    struct world world;
    struct settler settler;
    open_fake(&world);
    world.settings->provider = provider_witness();
    struct consultation before = leave_expired(&world);
    world_open_beside(&settler.world, &world, "b-");
    settler.world.settings->provider = provider_witness();
    settler.order_id = before.id;
    fake_store_meddle_at(world.store, settle, &settler, n);
    struct consultation next = world_order(&world);
    bool was_there = n > 0 && fake_store_calls(world.store) >= n;
    fake_store_meddle_at(world.store, NULL, NULL, 0);
    struct chat chat = world_chat(&world, before.chat_id);
    assert_true(oid_equal(chat.open_consultation_id, next.id));
    assert_false(chat.status);
    /* Everything of the one before is said, and before anything of the next. */
    assert_false(world_read_order(&world, before.id).unsettled);
    size_t count;
    const struct message *messages = world_messages(&world, before.chat_id, &count);
    assert_true(count > 0);
    assert_true(oid_equal(messages[count - 1].consultation_id, before.id));
    assert_string_equal(messages[count - 1].text.doctor.type, "咨询结束");
    world_close(&settler.world);
    world_close(&world);
    return was_there;
}

static void a_new_order_is_made_while_another_node_ends_the_one_before(void **state)
{
    (void)state;
    order_again(0);
    int n = 1;
    while (order_again(n)) {
        assert_true(++n < CALLS_MAX);
    }
    assert_true(n > 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_killed_between_any_two_calls_leaves_nothing_undone),
        cmocka_unit_test(a_lost_answer_of_the_store_doubles_nothing),
        cmocka_unit_test(another_node_that_settles_between_any_two_calls_changes_nothing),
        cmocka_unit_test(another_node_that_does_the_same_between_any_two_calls_changes_nothing),
        cmocka_unit_test(places_are_taken_in_vain_only_between_two_calls),
        cmocka_unit_test(a_sweeper_leaves_to_another_node_what_that_is_about_to_do),
        cmocka_unit_test(what_two_nodes_post_at_once_is_unread_once_also_with_others_in_between),
        cmocka_unit_test(a_message_finds_its_place_also_when_others_take_theirs_in_between),
        cmocka_unit_test(orders_go_on_where_a_chat_lags_behind_its_messages),
        cmocka_unit_test(orders_go_on_where_a_chat_lags_and_some_places_are_free),
        cmocka_unit_test(a_reply_whose_sender_died_is_given_back),
        cmocka_unit_test(a_new_order_is_made_while_another_node_ends_the_one_before),
        cmocka_unit_test(two_sweepers_at_once_do_everything_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
