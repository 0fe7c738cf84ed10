/* What waits together for MongoDB, as the pool runs it: messages of many senders, in the order of each, once
 * each, counted and recorded once, whatever comes in between. */
#include "support_store.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/api/posts.h"
#include "server/auth.h"
#include "server/jobs.h"
#include "server/route.h"
#include "support_world.h"

#define FRAMES_MAX 256
#define SEND "/api/consultation/chat/message/create"

/* A node: a pool of its own, with a store of its own. */
struct node {
    struct store *store;
    struct jobs *jobs;
    pthread_mutex_t lock;
    pthread_cond_t woken;
    bool is_woken; /* lock */
    struct job *done[FRAMES_MAX];
    size_t done_count, sent;
};

struct scene {
    struct store_fixture *fixture;
    struct world world;
    struct consultation order;
    struct chat before;
    struct node nodes[2];
    size_t node_count;
};

static struct store *open_store(const struct store_fixture *fixture)
{
    const struct store_settings settings = {
        .url = fixture->url, .timeout_ms = 10000, .pool_size = 8};
    struct store *store;
    char why[256];
    if (store_open(&settings, &store, why) != ERR_OK) {
        fail_msg("the store does not open: %s", why);
    }
    return store;
}

static struct chat read_chat(struct scene *scene)
{
    struct chat chat;
    assert_int_equal(store_get(scene->world.session, scene->world.arena, COLLECTION_CHATS,
                               scene->order.chat_id, &chat),
                     ERR_OK);
    return chat;
}

static int setup(void **state)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    assert_non_null(scene);
    scene->fixture = store_fixture_new(BACKEND_MONGODB);
    world_open(&scene->world, open_store(scene->fixture));
    scene->order = world_paid_order(&scene->world);
    scene->before = read_chat(scene);
    *state = scene;
    return 0;
}

static void wake(void *data)
{
    struct node *node = data;
    pthread_mutex_lock(&node->lock);
    node->is_woken = true;
    pthread_cond_signal(&node->woken);
    pthread_mutex_unlock(&node->lock);
}

static struct node *start_with(struct scene *scene, int writers, size_t run_max)
{
    struct node *node = &scene->nodes[scene->node_count++];
    pthread_mutex_init(&node->lock, NULL);
    pthread_cond_init(&node->woken, NULL);
    node->store = open_store(scene->fixture);
    const struct jobs_settings settings = {.store = node->store,
                                           .settings = scene->world.settings,
                                           .clock = scene->world.clock,
                                           .attempts = scene->world.attempts,
                                           .attendance = scene->world.attendance,
                                           .readers = 1,
                                           .writers = writers,
                                           .lane_max = FRAMES_MAX,
                                           .run_max = run_max,
                                           .wake = wake,
                                           .wake_data = node};
    assert_int_equal(jobs_start(&settings, &node->jobs), ERR_OK);
    return node;
}

static struct node *start(struct scene *scene, int writers)
{
    return start_with(scene, writers, FRAMES_MAX);
}

static int teardown(void **state)
{
    struct scene *scene = *state;
    for (size_t i = 0; i < scene->node_count; i++) {
        struct node *node = &scene->nodes[i];
        for (size_t j = 0; j < node->done_count; j++) {
            job_free(node->jobs, node->done[j]);
        }
        jobs_stop(node->jobs);
        store_close(node->store);
        pthread_mutex_destroy(&node->lock);
        pthread_cond_destroy(&node->woken);
    }
    world_close(&scene->world);
    store_fixture_free(scene->fixture);
    free(scene);
    return 0;
}

/* ---- Frames --------------------------------------------------------------------------------- */

static void submit(struct node *node, struct account who, uint32_t slot, char *body, unsigned queue)
{
    struct job *job = job_new(node->jobs, JOB_FRAME);
    job->lane = LANE_WRITE;
    job->from = (struct conn_handle){slot, 1};
    job->who = (struct caller){who, INT64_MAX};
    job->body = body;
    job->length = strlen(body);
    job->queue = queue;
    assert_int_equal(jobs_submit(node->jobs, job), ERR_OK);
    node->sent++;
}

#define ITS_OWN UINT_MAX

/* A socket's next frame in a queue; `client_msg_id` NULL: none. */
static void say_in(struct scene *scene, struct node *node, struct account who, uint32_t slot,
                   const char *client_msg_id, unsigned queue)
{
    char chat[OID_TEXT_BYTES], order[OID_TEXT_BYTES], with_id[80] = "";
    char *body = malloc(600);
    assert_non_null(body);
    oid_format(scene->order.chat_id, chat);
    oid_format(scene->order.id, order);
    if (client_msg_id != NULL) {
        snprintf(with_id, sizeof with_id, ",\"clientMsgId\":\"%s\"", client_msg_id);
    }
    snprintf(body, 600,
             "{\"call\":\"" SEND "\",\"id\":%zu,\"data\":{\"chatId\":\"%s\",\"consultationId\":"
             "\"%s\",\"type\":\"01\",\"text\":\"好\",\"direction\":\"%s\"%s}}",
             node->sent, chat, order, who.role == ROLE_USER ? "user->doctor" : "doctor->user",
             with_id);
    submit(node, who, slot, body,
           queue == ITS_OWN ? jobs_queue_of(node->jobs, body, strlen(body)) : queue);
}

/* The same in the queue that the loop would put it in. */
static void say(struct scene *scene, struct node *node, struct account who, uint32_t slot,
                const char *client_msg_id)
{
    say_in(scene, node, who, slot, client_msg_id, ITS_OWN);
}

static void await_all(struct node *node)
{
    while (node->done_count < node->sent) {
        pthread_mutex_lock(&node->lock);
        while (!node->is_woken) {
            pthread_cond_wait(&node->woken, &node->lock);
        }
        node->is_woken = false;
        pthread_mutex_unlock(&node->lock);
        for (struct job *job = jobs_collect(node->jobs), *after; job != NULL; job = after) {
            after = job->next;
            node->done[node->done_count++] = job;
        }
    }
}

static int64_t number_behind(const char *text, const char *key)
{
    const char *at = strstr(text, key);
    return at == NULL ? -1 : strtol(at + strlen(key), NULL, 10);
}

/* All went well, and what each socket sent was answered in its order, with seqs that rise unless some were
 * sent twice. */
static void assert_answered(const struct node *node, bool seqs_rise)
{
    int64_t last[16] = {0}, last_seq[16] = {0};
    for (size_t i = 0; i < node->done_count; i++) {
        const struct job *job = node->done[i];
        const int64_t id = number_behind(frame_text(job->answer), "\"id\":") + 1;
        const int64_t seq = number_behind(frame_text(job->answer), "\"seq\":");
        assert_int_equal(job->err, ERR_OK);
        assert_true(id > last[job->from.slot]);
        assert_true(!seqs_rise || seq > last_seq[job->from.slot]);
        last[job->from.slot] = id;
        last_seq[job->from.slot] = seq;
    }
}

/* ---- What is there then ---------------------------------------------------------------------- */

/* The messages that were sent lie behind each other, were each counted for who reads them, and have a row
 * each. */
static void assert_stored(struct scene *scene, int64_t to_doctor, int64_t to_user)
{
    struct world *world = &scene->world;
    const struct chat chat = read_chat(scene);
    assert_int_equal(chat.doctor_total - scene->before.doctor_total, to_doctor);
    assert_int_equal(chat.user_total - scene->before.user_total, to_user);
    size_t count;
    const struct message *messages = world_messages(world, chat.id, &count);
    assert_int_equal(chat.last_seq, count);
    for (size_t i = 0; i < count; i++) {
        struct condition conditions[] = {
            WHERE(audit_row, consultation_id, IS, scene->order.id),
            WHERE(audit_row, subject, IS, messages[i].id),
            WHERE(audit_row, action, IS, "message.send"),
        };
        const struct query query = {.conditions = conditions,
                                    .condition_count = ARRAY_LENGTH(conditions)};
        int64_t rows = 0;
        assert_int_equal(messages[i].seq, i + 1);
        assert_int_equal(store_count(world->session, COLLECTION_AUDIT, &query, &rows), ERR_OK);
        assert_int_equal(rows, 1);
    }
}

/* ---- The tests ----------------------------------------------------------------------------- */

static void many_senders_share_batches_and_keep_their_order(void **state)
{
    struct scene *scene = *state;
    struct node *node = start(scene, 1);
    for (int i = 0; i < 20; i++) {
        for (uint32_t slot = 1; slot <= 4; slot++) {
            say(scene, node, scene->world.user, slot, NULL);
        }
    }
    await_all(node);
    assert_answered(node, true);
    assert_stored(scene, 80, 0);
}

static void replies_go_their_own_way_in_the_order_of_their_socket(void **state)
{
    struct scene *scene = *state;
    scene->world.settings->reply_limit = 100;
    for (int writers = 1; writers <= 4; writers += 3) {
        struct node *node = start(scene, writers);
        for (int i = 0; i < 5; i++) {
            say(scene, node, scene->world.user, 1, NULL);
            say(scene, node, scene->world.doctor, 2, NULL);
            say(scene, node, scene->world.user, 3, NULL);
            say(scene, node, scene->world.doctor, 2, NULL);
        }
        await_all(node);
        assert_answered(node, true);
    }
    /* The disclaimer, after the first reply, is counted for both. */
    assert_stored(scene, 21, 21);
    assert_int_equal(world_read_order(&scene->world, scene->order.id).reply_count, 20);
}

static void what_is_sent_twice_at_once_is_there_once(void **state)
{
    struct scene *scene = *state;
    struct node *node = start(scene, 1);
    for (int i = 0; i < 10; i++) {
        char id[16];
        snprintf(id, sizeof id, "m-%d", i);
        for (uint32_t slot = 1; slot <= 4; slot++) {
            say(scene, node, scene->world.user, slot, id);
        }
    }
    await_all(node);
    assert_answered(node, false);
    assert_stored(scene, 10, 0);
}

static void two_nodes_write_into_one_chat(void **state)
{
    struct scene *scene = *state;
    scene->world.settings->reply_limit = 100;
    struct node *patients = start(scene, 1);
    struct node *doctors = start(scene, 2);
    for (int i = 0; i < 15; i++) {
        char id[16];
        snprintf(id, sizeof id, "m-%d", i);
        say(scene, patients, scene->world.user, 1, id);
        say(scene, patients, scene->world.user, 2, NULL);
        say(scene, doctors, scene->world.user, 3, NULL);
        say(scene, doctors, scene->world.doctor, 4, NULL);
    }
    await_all(patients);
    await_all(doctors);
    assert_answered(patients, true);
    assert_answered(doctors, true);
    assert_stored(scene, 46, 16);
}

static void a_chat_that_is_shut_refuses_all_of_a_batch(void **state)
{
    struct scene *scene = *state;
    struct node *node = start(scene, 1);
    world_shift(&scene->world, INT64_C(49) * 3600 * 1000);
    for (uint32_t slot = 1; slot <= 4; slot++) {
        say(scene, node, scene->world.user, slot, NULL);
    }
    await_all(node);
    for (size_t i = 0; i < node->done_count; i++) {
        assert_int_equal(node->done[i]->err, ERR_CONSULTATION_NOT_OPEN);
        assert_null(node->done[i]->call.first_emission);
    }
    assert_int_equal(read_chat(scene).last_seq, scene->before.last_seq);
}

/* As in a copy of a database that was made while it was in use. */
static void a_place_that_was_taken_in_vain_is_counted_once(void **state)
{
    struct scene *scene = *state;
    struct node *node = start(scene, 1);
    const struct message other = {.id = oid_number(77),
                                  .chat_id = scene->order.chat_id,
                                  .consultation_id = scene->order.id,
                                  .type = "01",
                                  .text = {.plain = "x"},
                                  .direction = "user->doctor",
                                  .seq = scene->before.last_seq + 1};
    assert_int_equal(store_insert(scene->world.session, COLLECTION_MESSAGES, &other), ERR_OK);
    say(scene, node, scene->world.user, 1, NULL);
    await_all(node);
    assert_answered(node, true);
    assert_int_equal(number_behind(frame_text(node->done[0]->answer), "\"seq\":"),
                     scene->before.last_seq + 2);
    const struct chat chat = read_chat(scene);
    assert_int_equal(chat.doctor_total, scene->before.doctor_total + 1);
    assert_int_equal(chat.last_seq, scene->before.last_seq + 2);
}

/* ---- A batch step by step -------------------------------------------------------------------- */

static struct message_create text_of(const struct scene *scene, const char *client_msg_id)
{
    return (struct message_create){.chat_id = scene->order.chat_id,
                                   .consultation_id = scene->order.id,
                                   .type = "01",
                                   .text = "好",
                                   .direction = "user->doctor",
                                   .client_msg_id = client_msg_id};
}

/* The message is sent in a batch that is refused, since its place is taken. Returns what is left of the
 * place. */
static const void *send_in_vain(struct scene *scene, const struct message_create *in)
{
    struct world *world = &scene->world;
    const struct route *route = route_find(SEND, strlen(SEND));
    const struct message other = {.id = oid_number(77),
                                  .chat_id = scene->order.chat_id,
                                  .type = "01",
                                  .text = {.plain = "x"},
                                  .direction = "user->doctor",
                                  .seq = scene->before.last_seq + 1};
    struct message out;
    assert_int_equal(store_insert(world->session, COLLECTION_MESSAGES, &other), ERR_OK);
    world_as(world, world->user);
    struct call *call = world_ready(world);
    assert_int_equal(store_batch_begin(world->session, &in->chat_id, 1), ERR_OK);
    store_batch_mark(world->session);
    assert_int_equal(route->handler(call, in, &out), ERR_OK);
    assert_int_equal(store_batch_keep(world->session), BATCH_JOINS);
    assert_int_equal(store_batch_write(world->session), ERR_OK);
    assert_int_equal(store_batch_outcome(world->session, 0), BATCH_REFUSED);
    store_batch_end(world->session);
    return call->chat_place;
}

/* Meanwhile another node has stored the same message: that one is the answer, and nobody waits for the place
 * that was taken in vain. */
static void who_was_refused_finds_the_message_of_another_node(void **state)
{
    struct scene *scene = *state;
    struct world *world = &scene->world;
    const struct route *route = route_find(SEND, strlen(SEND));
    const struct message_create in = text_of(scene, "m-1");
    const void *place = send_in_vain(scene, &in);
    struct message first, again;
    assert_int_equal(world_send(world, world->user, &scene->order, "好", "m-1", &first), ERR_OK);
    struct call *call = world_ready(world);
    call->chat_place = place;
    assert_int_equal(route->handler(call, &in, &again), ERR_OK);
    assert_true(oid_equal(again.id, first.id));
    assert_int_equal(again.seq, first.seq);
    size_t voids = 0;
    for (const struct emission *at = call->first_emission; at != NULL; at = at->next) {
        const struct frame_place *told = frame_place(at->frame);
        voids += told->kind == PLACE_VOID && told->seq == scene->before.last_seq + 1;
    }
    assert_int_equal(voids, 2); /* to both sides */
    assert_int_equal(read_chat(scene).doctor_total, scene->before.doctor_total + 1);
}

/* A process that died after the chats of its batch were written: who sends again is not counted again. */
static void a_batch_that_ended_between_its_steps_is_made_good(void **state)
{
    struct scene *scene = *state;
    struct world *world = &scene->world;
    const struct message_create in = text_of(scene, "m-1");
    struct message out;
    (void)send_in_vain(scene, &in);
    assert_int_equal(read_chat(scene).doctor_total, scene->before.doctor_total + 1);
    assert_int_equal(world_send(world, world->user, &scene->order, "好", "m-1", &out), ERR_OK);
    assert_int_equal(out.seq, scene->before.last_seq + 2);
    assert_int_equal(read_chat(scene).doctor_total, scene->before.doctor_total + 1);
}

/* The same, after the chat of several messages: each that is sent again finds itself counted, also after others,
 * and what is new is counted. */
static void all_that_a_batch_has_counted_is_remembered(void **state)
{
    struct scene *scene = *state;
    struct world *world = &scene->world;
    const struct oid chat_id = scene->order.chat_id;
    const struct oid ids[] = {message_id_of(chat_id, "user", "m-1"),
                              message_id_of(chat_id, "user", "m-2"),
                              message_id_of(chat_id, "user", "m-3")};
    const struct change changes[] = {
        INC(chat, last_seq, 3),
        INC(chat, doctor_total, 3),
        SET_IDS(chat, counted_ids, ((struct oid_list){.items = ids, .count = ARRAY_LENGTH(ids)})),
    };
    assert_int_equal(store_update(world->session, world->arena, COLLECTION_CHATS, chat_id, NULL, 0,
                                  changes, ARRAY_LENGTH(changes), NULL),
                     ERR_OK);
    for (int i = 1; i <= 4; i++) {
        char id[16];
        struct message out;
        snprintf(id, sizeof id, "m-%d", i);
        assert_int_equal(world_send(world, world->user, &scene->order, "好", id, &out), ERR_OK);
        assert_int_equal(out.seq, scene->before.last_seq + 2 + 2 * i);
        assert_true(i > 1 || out.doctor_total == scene->before.doctor_total + 1);
        assert_int_equal(world_send(world, world->user, &scene->order, "别的", NULL, &out), ERR_OK);
        assert_int_equal(read_chat(scene).doctor_total,
                         scene->before.doctor_total + (i <= 3 ? 3 : 4) + i);
    }
}

static void one_sender_shares_a_batch_with_itself_in_one_chat(void **state)
{
    struct scene *scene = *state;
    struct node *node = start_with(scene, 1, 40);
    for (int i = 0; i < 70; i++) { /* more than a batch may have, or a chat in one */
        say(scene, node, scene->world.user, 1, NULL);
    }
    await_all(node);
    assert_answered(node, true);
    assert_stored(scene, 70, 0);
    assert_true(read_chat(scene).counted_ids.count > 1);
}

/* What is sent again waits for the batch of the first, and nothing of its sender passes it. */
static void a_repetition_within_a_batch_keeps_its_place_in_line(void **state)
{
    struct scene *scene = *state;
    struct node *node = start(scene, 1);
    for (int i = 0; i < 12; i++) {
        char id[16];
        snprintf(id, sizeof id, "m-%d", i / 3);
        say(scene, node, scene->world.user, 1, id);
        say(scene, node, scene->world.user, 2, NULL);
        say(scene, node, scene->world.user, 2, i % 4 == 0 ? id : NULL);
    }
    await_all(node);
    assert_answered(node, false);
    assert_stored(scene, 4 + 12 + 9, 0);
}

/* What is run by itself frees its sender for the next call as soon as it is told, in whatever queue that is. */
static void a_sender_goes_on_in_another_queue(void **state)
{
    struct scene *scene = *state;
    struct node *node = start(scene, 4);
    char chat[OID_TEXT_BYTES], body[100];
    oid_format(scene->order.chat_id, chat);
    snprintf(body, sizeof body, "{\"chatId\":\"%s\"}", chat);
    const unsigned other = 1 - jobs_queue_of(node->jobs, body, strlen(body));
    for (int i = 0; i < FRAMES_MAX / 2; i++) {
        char *alone = strdup("{\"call\":\"" SEND "\",\"id\":1,\"data\":{}}");
        assert_non_null(alone);
        submit(node, scene->world.user, 1, alone, other);
        await_all(node);
        say(scene, node, scene->world.user, 1, NULL);
        await_all(node);
    }
    assert_stored(scene, FRAMES_MAX / 2, 0);
}

/* Slots 28 and 12279, generation 1, have one mark: one of them must not be taken for free when a job of the other
 * is done. What waits in each queue for itself comes with a message, so that both are planned before either
 * is handed on. */
static void senders_with_one_mark_keep_their_order(void **state)
{
    enum { ROUNDS = 20, SLOT = 28, ITS_TWIN = 12279 };
    struct scene *scene = *state;
    struct node *node = start(scene, 4);
    scene->world.settings->reply_limit = 2 * ROUNDS;
    for (int i = 0; i < ROUNDS; i++) {
        for (unsigned queue = 0; queue < 2; queue++) {
            say_in(scene, node, scene->world.user, queue + 1, NULL, queue);
            say_in(scene, node, scene->world.doctor, queue == 0 ? SLOT : ITS_TWIN, NULL, queue);
        }
    }
    await_all(node);
    int64_t last[2] = {0};
    for (size_t i = 0; i < node->done_count; i++) {
        const struct job *job = node->done[i];
        assert_int_equal(job->err, ERR_OK);
        if (job->from.slot == SLOT || job->from.slot == ITS_TWIN) {
            const int64_t id = number_behind(frame_text(job->answer), "\"id\":") + 1;
            assert_true(id > last[job->from.slot == SLOT]);
            last[job->from.slot == SLOT] = id;
        }
    }
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
        TEST(many_senders_share_batches_and_keep_their_order),
        TEST(replies_go_their_own_way_in_the_order_of_their_socket),
        TEST(what_is_sent_twice_at_once_is_there_once),
        TEST(two_nodes_write_into_one_chat),
        TEST(a_chat_that_is_shut_refuses_all_of_a_batch),
        TEST(a_place_that_was_taken_in_vain_is_counted_once),
        TEST(who_was_refused_finds_the_message_of_another_node),
        TEST(a_batch_that_ended_between_its_steps_is_made_good),
        TEST(all_that_a_batch_has_counted_is_remembered),
        TEST(one_sender_shares_a_batch_with_itself_in_one_chat),
        TEST(a_repetition_within_a_batch_keeps_its_place_in_line),
        TEST(a_sender_goes_on_in_another_queue),
        TEST(senders_with_one_mark_keep_their_order),
    };
    if (!backend_is_there(BACKEND_MONGODB)) {
        printf("SKIPPED: batches of jobs: set CONSULTD_TEST_MONGODB_URI\n");
        for (size_t i = 0; i < ARRAY_LENGTH(tests); i++) {
            tests[i].test_func = no_server;
            tests[i].setup_func = NULL;
            tests[i].teardown_func = NULL;
        }
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
