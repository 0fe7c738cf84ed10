/* What many jobs do together on MongoDB: what becomes of each, whatever comes in between, and what a lost
 * answer leaves. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support_proxy.h"
#include "support_store.h"

#define CHATS 3

/* A store behind a proxy, with chats 1 to CHATS, and the same one without it for others. */
struct hall {
    struct store_fixture *others;
    struct proxy *proxy;
    struct store *store;
    struct store_session *session;
};

static uint16_t server_port(const char *url)
{
    const char *host = strstr(url, "://") + 3;
    const char *colon = strchr(host, ':');
    return (uint16_t)(colon == NULL ? 27017 : strtol(colon + 1, NULL, 10));
}

static int setup(void **state)
{
    struct hall *hall = calloc(1, sizeof(*hall));
    char url[512], why[256];
    assert_non_null(hall);
    hall->others = store_fixture_new(BACKEND_MONGODB);
    hall->proxy = proxy_new(server_port(hall->others->url));
    const char *name = strrchr(hall->others->url, '/');
    const size_t length = strcspn(name, "?");
    snprintf(url, sizeof(url), "mongodb://127.0.0.1:%u%.*s?directConnection=true&retryWrites=false",
             proxy_port(hall->proxy), (int)length, name);
    const struct store_settings settings = {.url = url, .timeout_ms = 4000, .pool_size = 4};
    if (store_open(&settings, &hall->store, why) != ERR_OK) {
        fail_msg("through the proxy: %s", why);
    }
    assert_int_equal(store_session_open(hall->store, true, &hall->session), ERR_OK);
    for (uint32_t i = 1; i <= CHATS; i++) {
        const struct chat chat = {.id = oid_number(i),
                                  .type = "01",
                                  .status = true,
                                  .user_id = oid_number(100 + i),
                                  .doctor_id = oid_number(200),
                                  .last_seq = 10 * i,
                                  .rev = 1000};
        assert_int_equal(store_insert(hall->others->session, COLLECTION_CHATS, &chat), ERR_OK);
    }
    *state = hall;
    return 0;
}

static int teardown(void **state)
{
    struct hall *hall = *state;
    store_session_close(hall->session);
    store_close(hall->store);
    proxy_free(hall->proxy);
    store_fixture_free(hall->others);
    free(hall);
    return 0;
}

/* ---- What a job does ----------------------------------------------------------------------- */

static void begin(struct hall *hall)
{
    const struct oid ids[CHATS + 1] = {oid_number(1), oid_number(2), oid_number(3), oid_number(4)};
    assert_int_equal(store_batch_begin(hall->session, ids, CHATS + 1), ERR_OK);
}

static uint32_t message_number(uint32_t chat)
{
    return 1000 + chat;
}

static struct oid message_id(uint32_t chat)
{
    return oid_number(message_number(chat));
}

static struct message message_in(uint32_t chat, int64_t seq)
{
    return (struct message){.id = message_id(chat),
                            .chat_id = oid_number(chat),
                            .type = "01",
                            .text = {.plain = "in a batch"},
                            .direction = "user->doctor",
                            .seq = seq};
}

/* As a handler sends: not there yet, a place, and there. */
static enum err send_as(struct hall *hall, uint32_t chat, struct oid id)
{
    struct arena *arena = hall->others->arena;
    struct chat before, after;
    struct message message;
    TRY(store_get(hall->session, arena, COLLECTION_CHATS, oid_number(chat), &before));
    const enum err err = store_get(hall->session, arena, COLLECTION_MESSAGES, id, &message);
    if (err != ERR_ABSENT) {
        return err;
    }
    const struct condition is_open = WHERE(chat, status, IS, true);
    const struct change changes[] = {
        INC(chat, last_seq, 1),           INC(chat, doctor_total, 1),
        SET(chat, last_msg_id, id),       SET(chat, last_msg_content, "in a batch"),
        PUSH_LAST(chat, counted_ids, id), MAX(chat, rev, 2000)};
    TRY(store_update(hall->session, arena, COLLECTION_CHATS, oid_number(chat), &is_open, 1, changes,
                     ARRAY_LENGTH(changes), &after));
    assert_int_equal(after.last_seq, before.last_seq + 1);
    message = message_in(chat, after.last_seq);
    message.id = id;
    return store_insert(hall->session, COLLECTION_MESSAGES, &message);
}

static enum err send(struct hall *hall, uint32_t chat)
{
    return send_as(hall, chat, message_id(chat));
}

/* The n-th message of a chat, from 0. */
static enum batch_place sends_nth(struct hall *hall, uint32_t chat, uint32_t n)
{
    store_batch_mark(hall->session);
    return send_as(hall, chat, oid_number(message_number(chat) + 100 * n)) == ERR_OK
               ? store_batch_keep(hall->session)
               : store_batch_drop(hall->session);
}

static void sends(struct hall *hall, uint32_t chat)
{
    store_batch_mark(hall->session);
    assert_int_equal(send(hall, chat), ERR_OK);
    assert_int_equal(store_batch_keep(hall->session), BATCH_JOINS);
}

/* ---- What is there then -------------------------------------------------------------------- */

static struct chat chat_stored(struct hall *hall, uint32_t number)
{
    struct chat chat;
    assert_int_equal(store_get(hall->others->session, hall->others->arena, COLLECTION_CHATS,
                               oid_number(number), &chat),
                     ERR_OK);
    return chat;
}

static bool is_sent(struct hall *hall, uint32_t chat)
{
    struct message message;
    const enum err err = store_get(hall->others->session, hall->others->arena, COLLECTION_MESSAGES,
                                   message_id(chat), &message);
    return err == ERR_OK && strcmp(message.text.plain, "in a batch") == 0;
}

static void assert_sent(struct hall *hall, uint32_t chat, bool was_sent)
{
    assert_int_equal(chat_stored(hall, chat).last_seq, 10 * chat + was_sent);
    assert_int_equal(is_sent(hall, chat), was_sent);
}

static void change_chat(struct hall *hall, uint32_t chat, struct change change)
{
    assert_int_equal(store_update(hall->others->session, hall->others->arena, COLLECTION_CHATS,
                                  oid_number(chat), NULL, 0, &change, 1, NULL),
                     ERR_OK);
}

static void insert_message(struct hall *hall, struct message message)
{
    message.text.plain = "another";
    assert_int_equal(store_insert(hall->others->session, COLLECTION_MESSAGES, &message), ERR_OK);
}

static int64_t count_of(struct hall *hall, enum collection collection)
{
    const struct query all = {.limit = 0};
    int64_t count = -1;
    assert_int_equal(store_count(hall->others->session, collection, &all, &count), ERR_OK);
    return count;
}

/* ---- The tests ----------------------------------------------------------------------------- */

static void what_jobs_do_is_written_in_four_requests(void **state)
{
    struct hall *hall = *state;
    (void)proxy_count(hall->proxy, "in a batch");
    begin(hall);
    for (uint32_t i = 1; i <= CHATS; i++) {
        sends(hall, i);
    }
    assert_int_equal(count_of(hall, COLLECTION_MESSAGES), 0);
    assert_int_equal(store_batch_write(hall->session), ERR_OK);
    for (uint32_t i = 1; i <= CHATS; i++) {
        assert_int_equal(store_batch_outcome(hall->session, i - 1), BATCH_WRITTEN);
        assert_sent(hall, i, true);
        assert_int_equal(chat_stored(hall, i).doctor_total, 1);
        assert_int_equal(chat_stored(hall, i).rev, 2000);
    }
    store_batch_end(hall->session);
    assert_int_equal(proxy_count(hall->proxy, "in a batch"), 2); /* the chats and the messages */
    assert_int_equal(count_of(hall, COLLECTION_CHATS), CHATS);
}

static void a_chat_that_somebody_changed_is_left_alone(void **state)
{
    struct hall *hall = *state;
    const struct change changes[] = {SET(chat, status, false), INC(chat, last_seq, 1),
                                     SET(chat, user_read_seq, 4), INC(chat, doctor_total, -1),
                                     SET(chat, deadline, ((struct timestamp){7}))};
    for (size_t i = 0; i < ARRAY_LENGTH(changes); i++) {
        begin(hall);
        sends(hall, 1);
        sends(hall, 2);
        change_chat(hall, 2, changes[i]); /* under a stamp that tells nothing */
        const struct chat changed = chat_stored(hall, 2);
        assert_int_equal(store_batch_write(hall->session), ERR_OK);
        assert_int_equal(store_batch_outcome(hall->session, 0),
                         i == 0 ? BATCH_WRITTEN : BATCH_REPEATED);
        assert_int_equal(store_batch_outcome(hall->session, 1), BATCH_CHANGED);
        store_batch_end(hall->session);
        assert_int_equal(chat_stored(hall, 2).last_seq, changed.last_seq);
        assert_int_equal(chat_stored(hall, 2).status, changed.status);
        assert_false(is_sent(hall, 2));
        assert_sent(hall, 1, true);
        change_chat(hall, 2, SET(chat, status, true));
    }
    assert_int_equal(count_of(hall, COLLECTION_CHATS), CHATS);
}

static void assert_outcomes(struct hall *hall, const enum batch_outcome *expected, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(store_batch_outcome(hall->session, i), expected[i]);
    }
}

static void several_jobs_of_a_chat_build_on_each_other(void **state)
{
    struct hall *hall = *state;
    (void)proxy_count(hall->proxy, "in a batch");
    begin(hall);
    for (uint32_t n = 0; n < 5; n++) {
        for (uint32_t chat = 1; chat <= 2; chat++) {
            assert_int_equal(sends_nth(hall, chat, n), BATCH_JOINS);
        }
    }
    assert_int_equal(store_batch_write(hall->session), ERR_OK);
    store_batch_end(hall->session);
    assert_int_equal(proxy_count(hall->proxy, "in a batch"), 2); /* the chats and the messages */
    for (uint32_t chat = 1; chat <= 2; chat++) {
        const struct chat stored = chat_stored(hall, chat);
        assert_int_equal(stored.last_seq, 10 * chat + 5);
        assert_int_equal(stored.doctor_total, 5);
        assert_int_equal(stored.counted_ids.count, 5);
        for (uint32_t n = 0; n < 5; n++) {
            const struct oid id = oid_number(message_number(chat) + 100 * n);
            struct message message;
            assert_true(oid_equal(stored.counted_ids.items[n], id));
            assert_int_equal(store_get(hall->others->session, hall->others->arena,
                                       COLLECTION_MESSAGES, id, &message),
                             ERR_OK);
            assert_int_equal(message.seq, 10 * chat + 1 + n);
        }
    }
}

/* Whatever somebody else does to a chat, its jobs are written together or not at all. */
static void jobs_of_a_chat_share_what_becomes_of_it(void **state)
{
    struct hall *hall = *state;
    begin(hall);
    for (uint32_t n = 0; n < 3; n++) {
        for (uint32_t chat = 1; chat <= 3; chat++) {
            assert_int_equal(sends_nth(hall, chat, n), BATCH_JOINS);
        }
    }
    change_chat(hall, 2, SET(chat, user_read_seq, 4));
    struct message again = message_in(3, 30);
    again.id = oid_number(message_number(3) + 100);
    insert_message(hall, again);
    assert_int_equal(store_batch_write(hall->session), ERR_OK);
    const enum batch_outcome expected[] = {BATCH_WRITTEN, BATCH_CHANGED, BATCH_CHANGED,
                                           BATCH_WRITTEN, BATCH_CHANGED, BATCH_REPEATED,
                                           BATCH_WRITTEN, BATCH_CHANGED, BATCH_CHANGED};
    assert_outcomes(hall, expected, ARRAY_LENGTH(expected));
    store_batch_end(hall->session);
    assert_int_equal(chat_stored(hall, 1).last_seq, 13);
    assert_int_equal(chat_stored(hall, 2).last_seq, 20);
    assert_int_equal(chat_stored(hall, 3).last_seq, 30);
    assert_int_equal(count_of(hall, COLLECTION_MESSAGES), 4);
}

/* What a batch inserts, none of its jobs can see: whoever would have to waits for the next one. */
static void what_others_of_the_batch_insert_is_for_the_next_one(void **state)
{
    struct hall *hall = *state;
    struct arena *arena = hall->others->arena;
    struct object_list found;
    struct chat chat;
    const struct condition conditions[] = {WHERE(message, chat_id, IS, oid_number(1)),
                                           WHERE(message, seq, AT_MOST, 11)};
    const struct query query = {
        .conditions = conditions, .condition_count = ARRAY_LENGTH(conditions), .limit = 1};
    begin(hall);
    sends(hall, 1);
    assert_int_equal(sends_nth(hall, 1, 0), BATCH_LATER); /* the same message */
    store_batch_mark(hall->session);
    assert_int_equal(store_get(hall->session, arena, COLLECTION_CHATS, oid_number(1), &chat),
                     ERR_OK);
    assert_int_equal(chat.last_seq, 11);
    assert_int_equal(store_find(hall->session, arena, COLLECTION_MESSAGES, &query, &found),
                     ERR_BUSY);
    assert_int_equal(store_batch_drop(hall->session), BATCH_LATER);
    store_batch_mark(hall->session); /* a failure that the others may have brought about */
    assert_int_equal(store_get(hall->session, arena, COLLECTION_CHATS, oid_number(1), &chat),
                     ERR_OK);
    assert_int_equal(store_batch_drop(hall->session), BATCH_LATER);
    assert_int_equal(sends_nth(hall, 1, 1), BATCH_JOINS);
    assert_int_equal(store_batch_write(hall->session), ERR_OK);
    store_batch_end(hall->session);
    assert_int_equal(chat_stored(hall, 1).last_seq, 12);
    begin(hall);
    store_batch_mark(hall->session);
    assert_int_equal(store_get(hall->session, arena, COLLECTION_CHATS, oid_number(1), &chat),
                     ERR_OK);
    assert_int_equal(store_find(hall->session, arena, COLLECTION_MESSAGES, &query, &found), ERR_OK);
    assert_int_equal(found.count, 1);
    assert_int_equal(store_batch_keep(hall->session), BATCH_JOINS);
    store_batch_end(hall->session);
}

static void a_newer_stamp_is_not_taken_back(void **state)
{
    struct hall *hall = *state;
    begin(hall);
    sends(hall, 1);
    change_chat(hall, 1, MAX(chat, rev, 3000));
    assert_int_equal(store_batch_write(hall->session), ERR_OK);
    assert_int_equal(store_batch_outcome(hall->session, 0), BATCH_WRITTEN);
    store_batch_end(hall->session);
    assert_int_equal(chat_stored(hall, 1).rev, 3000);
    assert_sent(hall, 1, true);
}

static void a_message_that_is_there_already_takes_no_place(void **state)
{
    struct hall *hall = *state;
    insert_message(hall, message_in(2, 3));
    begin(hall);
    sends(hall, 1);
    sends(hall, 2);
    assert_int_equal(store_batch_write(hall->session), ERR_OK);
    assert_int_equal(store_batch_outcome(hall->session, 0), BATCH_WRITTEN);
    assert_int_equal(store_batch_outcome(hall->session, 1), BATCH_REPEATED);
    store_batch_end(hall->session);
    assert_sent(hall, 1, true);
    assert_sent(hall, 2, false);
}

/* Three jobs; the place of the second one's message is another's. */
static void begin_where_a_place_is_taken(struct hall *hall)
{
    struct message message = message_in(2, 21);
    message.id = oid_number(77);
    insert_message(hall, message);
    begin(hall);
    sends(hall, 1);
    sends(hall, 2);
    sends(hall, 3);
}

static void assert_the_second_is_refused(struct hall *hall)
{
    assert_int_equal(store_batch_outcome(hall->session, 0), BATCH_WRITTEN);
    assert_int_equal(store_batch_outcome(hall->session, 1), BATCH_REFUSED);
    assert_int_equal(store_batch_outcome(hall->session, 2), BATCH_WRITTEN);
}

static void a_message_whose_place_is_taken_is_refused_after_it_was_counted(void **state)
{
    struct hall *hall = *state;
    begin_where_a_place_is_taken(hall);
    assert_int_equal(store_batch_write(hall->session), ERR_OK);
    assert_the_second_is_refused(hall);
    store_batch_end(hall->session);
    assert_int_equal(chat_stored(hall, 2).last_seq, 21);
    assert_false(is_sent(hall, 2));
    assert_sent(hall, 3, true);
}

static void what_a_batch_cannot_do_leaves_nothing_behind(void **state)
{
    struct hall *hall = *state;
    struct arena *arena = hall->others->arena;
    struct store_session *s = hall->session;
    const struct user user = {.id = oid_number(5), .open_id = "x"};
    const struct change change = INC(chat, last_seq, 1);
    const struct query all = {.limit = 0};
    struct object_list found;
    struct chat chat;
    struct message message;
    int64_t count;
    begin(hall);
    sends(hall, 1);
    for (int what = 0; what < 9; what++) {
        store_batch_mark(s);
        assert_int_equal(send(hall, 2), ERR_OK);
        const struct message second = message_in(3, 9);
        const enum err errs[] = {
            what != 0 ? ERR_OK : store_insert(s, COLLECTION_USERS, &user),
            what != 1 ? ERR_OK : store_insert(s, COLLECTION_MESSAGES, &second),
            what != 2 ? ERR_OK
                      : store_update(s, arena, COLLECTION_CHATS, oid_number(3), NULL, 0, &change, 1,
                                     NULL),
            what != 3 ? ERR_OK : store_get(s, arena, COLLECTION_CHATS, oid_number(1), &chat),
            what != 4 ? ERR_OK : store_get(s, arena, COLLECTION_CHATS, oid_number(50), &chat),
            what != 5 ? ERR_OK : store_find(s, arena, COLLECTION_MESSAGES, &all, &found),
            what != 6 ? ERR_OK : store_count(s, COLLECTION_USERS, &all, &count),
            what != 7 ? ERR_OK : store_insert_many(s, COLLECTION_USERS, &user, 1),
            what != 8 ? ERR_OK : store_remove(s, COLLECTION_USERS, user.id, NULL, 0),
        };
        assert_int_equal(errs[what], ERR_BUSY);
        assert_int_equal(store_get(s, arena, COLLECTION_CHATS, oid_number(2), &chat), ERR_BUSY);
        assert_int_equal(store_batch_keep(s), BATCH_NEVER);
    }
    store_batch_mark(s); /* who only asks whether a message is there is not told that it is not */
    assert_int_equal(store_get(s, arena, COLLECTION_MESSAGES, message_id(3), &message), ERR_ABSENT);
    assert_int_equal(store_batch_keep(s), BATCH_NEVER);
    store_batch_mark(s);
    assert_int_equal(store_get(s, arena, COLLECTION_MESSAGES, message_id(3), &message), ERR_ABSENT);
    assert_int_equal(store_batch_drop(s), BATCH_NEVER);
    store_batch_mark(s); /* a chat that there is none of is told, and other reading is done */
    assert_int_equal(store_get(s, arena, COLLECTION_CHATS, oid_number(4), &chat), ERR_ABSENT);
    assert_int_equal(store_find(s, arena, COLLECTION_USERS, &all, &found), ERR_OK);
    assert_int_equal(store_batch_drop(s), BATCH_JOINS);
    assert_int_equal(store_batch_write(s), ERR_OK);
    assert_int_equal(store_batch_outcome(s, 0), BATCH_WRITTEN);
    store_batch_end(s);
    assert_sent(hall, 1, true);
    assert_sent(hall, 2, false);
    assert_sent(hall, 3, false);
    assert_int_equal(count_of(hall, COLLECTION_USERS), 0);
}

static void a_batch_whose_store_is_away_says_so_at_each_step(void **state)
{
    struct hall *hall = *state;
    const struct oid id = oid_number(1);
    proxy_set_down(hall->proxy, true);
    assert_int_equal(store_batch_begin(hall->session, &id, 1), ERR_STORE);
    proxy_set_down(hall->proxy, false);
    enum err err = ERR_STORE;
    for (int i = 0; i < 60 && err != ERR_OK; i++) {
        err = store_batch_begin(hall->session, &id, 1);
    }
    assert_int_equal(err, ERR_OK);
    sends(hall, 1);
    proxy_set_down(hall->proxy, true);
    assert_int_equal(store_batch_write(hall->session), ERR_STORE);
    store_batch_end(hall->session);
    assert_sent(hall, 1, false);
}

/* As with a single update, which is not repeated either: nobody knows. */
static void chats_whose_answer_is_lost_are_written_and_nobody_knows(void **state)
{
    struct hall *hall = *state;
    begin(hall);
    sends(hall, 1);
    sends(hall, 2);
    proxy_lose_answer(hall->proxy, "$set");
    assert_int_equal(store_batch_write(hall->session), ERR_STORE);
    store_batch_end(hall->session);
    for (uint32_t i = 1; i <= 2; i++) {
        const struct chat stored = chat_stored(hall, i);
        assert_int_equal(stored.last_seq, 10 * i + 1);
        assert_int_equal(stored.counted_ids.count, 1);
        assert_true(oid_equal(stored.counted_ids.items[0], message_id(i)));
        assert_false(is_sent(hall, i));
    }
}

static void messages_whose_answer_is_lost_are_found_to_be_ours(void **state)
{
    struct hall *hall = *state;
    begin_where_a_place_is_taken(hall);
    proxy_lose_answer(hall->proxy, "insert");
    assert_int_equal(store_batch_write(hall->session), ERR_OK);
    assert_the_second_is_refused(hall);
    store_batch_end(hall->session);
    assert_sent(hall, 1, true);
    assert_sent(hall, 3, true);
}

static void an_abandoned_batch_leaves_nothing_and_the_next_one_begins_afresh(void **state)
{
    struct hall *hall = *state;
    begin(hall);
    sends(hall, 1);
    store_batch_end(hall->session);
    assert_sent(hall, 1, false);
    change_chat(hall, 1, SET(chat, last_seq, 15));
    begin(hall);
    sends(hall, 1);
    assert_int_equal(store_batch_write(hall->session), ERR_OK);
    assert_int_equal(store_batch_outcome(hall->session, 0), BATCH_WRITTEN);
    store_batch_end(hall->session);
    assert_int_equal(chat_stored(hall, 1).last_seq, 16);
}

static void no_server(void **state)
{
    (void)state;
    skip();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    struct CMUnitTest tests[] = {
        TEST(what_jobs_do_is_written_in_four_requests),
        TEST(a_chat_that_somebody_changed_is_left_alone),
        TEST(several_jobs_of_a_chat_build_on_each_other),
        TEST(jobs_of_a_chat_share_what_becomes_of_it),
        TEST(what_others_of_the_batch_insert_is_for_the_next_one),
        TEST(a_newer_stamp_is_not_taken_back),
        TEST(a_message_that_is_there_already_takes_no_place),
        TEST(a_message_whose_place_is_taken_is_refused_after_it_was_counted),
        TEST(what_a_batch_cannot_do_leaves_nothing_behind),
        TEST(a_batch_whose_store_is_away_says_so_at_each_step),
        TEST(chats_whose_answer_is_lost_are_written_and_nobody_knows),
        TEST(messages_whose_answer_is_lost_are_found_to_be_ours),
        TEST(an_abandoned_batch_leaves_nothing_and_the_next_one_begins_afresh),
    };
    if (!backend_is_there(BACKEND_MONGODB)) {
        printf("SKIPPED: batches on MongoDB: set CONSULTD_TEST_MONGODB_URI\n");
        for (size_t i = 0; i < ARRAY_LENGTH(tests); i++) {
            tests[i].test_func = no_server;
            tests[i].setup_func = NULL;
            tests[i].teardown_func = NULL;
        }
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
