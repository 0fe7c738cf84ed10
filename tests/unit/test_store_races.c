/* Several sessions at once on one record: conditional updates leave exactly one winner, on every
 * backend. The threads start together at a barrier; what is asserted holds for any interleaving. */
#include "support_store.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS 8
#define ROUNDS 20
#define SEQ_ROUNDS 200

struct racer;
typedef enum err (*move_fn)(struct racer *racer, int round);

struct racer {
    struct store_session *session;
    struct arena *arena;
    pthread_barrier_t *start;
    move_fn move;
    uint32_t number;
    int rounds;
    bool in_runs;             /* each move a run of its own, committed */
    int won, lost, duplicate; /* ERR_OK, ERR_ABSENT, ERR_DUPLICATE */
    int failed;               /* anything else */
};

static void *race_one(void *argument)
{
    struct racer *racer = argument;
    pthread_barrier_wait(racer->start);
    for (int round = 0; round < racer->rounds; round++) {
        enum err err = racer->in_runs ? store_begin(racer->session) : ERR_OK;
        err = err == ERR_OK ? racer->move(racer, round) : err;
        if (racer->in_runs) {
            const enum err committed = store_commit(racer->session);
            err = committed == ERR_OK ? err : committed;
        }
        racer->won += err == ERR_OK;
        racer->lost += err == ERR_ABSENT;
        racer->duplicate += err == ERR_DUPLICATE;
        racer->failed += err != ERR_OK && err != ERR_ABSENT && err != ERR_DUPLICATE;
        arena_reset(racer->arena);
    }
    return NULL;
}

/* Lets all threads make their moves and returns the sum of what they got. */
static struct racer race(struct store_fixture *f, move_fn move, int rounds, bool in_runs)
{
    struct racer racers[THREADS], sum = {.won = 0};
    pthread_t threads[THREADS];
    pthread_barrier_t start;
    assert_int_equal(pthread_barrier_init(&start, NULL, THREADS), 0);
    for (uint32_t i = 0; i < THREADS; i++) {
        racers[i] = (struct racer){.session = store_fixture_session(f, true),
                                   .arena = arena_new(4096),
                                   .start = &start,
                                   .move = move,
                                   .number = i + 1,
                                   .rounds = rounds,
                                   .in_runs = in_runs};
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, race_one, &racers[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        if (racers[i].failed > 0) {
            fail_msg("the store failed: %s", store_trouble(racers[i].session));
        }
        sum.won += racers[i].won;
        sum.lost += racers[i].lost;
        sum.duplicate += racers[i].duplicate;
        store_session_close(racers[i].session);
        arena_free(racers[i].arena);
    }
    pthread_barrier_destroy(&start);
    return sum;
}

static void insert_order(struct store_fixture *f)
{
    const struct consultation order = {
        .id = oid_number(1), .consultation_no = "H0-1", .status = "03"};
    assert_int_equal(store_insert(f->session, COLLECTION_CONSULTATIONS, &order), ERR_OK);
}

static struct consultation read_order(struct store_fixture *f)
{
    struct consultation order;
    assert_int_equal(
        store_get(f->session, f->arena, COLLECTION_CONSULTATIONS, oid_number(1), &order), ERR_OK);
    return order;
}

static enum err add_one(struct racer *racer, int round)
{
    struct consultation after;
    const struct change change = INC(consultation, fee, 1);
    (void)round;
    return store_update(racer->session, racer->arena, COLLECTION_CONSULTATIONS, oid_number(1), NULL,
                        0, &change, 1, racer->number % 2 == 0 ? &after : NULL);
}

static void no_addition_is_lost(void **state)
{
    struct store_fixture *f = *state;
    insert_order(f);
    const struct racer sum = race(f, add_one, ROUNDS, false);
    assert_int_equal(sum.won, THREADS * ROUNDS);
    assert_int_equal(read_order(f).fee, THREADS * ROUNDS);
}

static void no_addition_is_lost_between_runs(void **state)
{
    struct store_fixture *f = *state;
    insert_order(f);
    const struct racer sum = race(f, add_one, ROUNDS, true);
    assert_int_equal(sum.won, THREADS * ROUNDS);
    assert_int_equal(read_order(f).fee, THREADS * ROUNDS);
}

/* How places in a chat are taken: each of those who add must be told a number of its own. */
static int64_t taken[THREADS * SEQ_ROUNDS];

static enum err take_number(struct racer *racer, int round)
{
    struct consultation after;
    const struct change change = INC(consultation, start_seq, 1);
    TRY(store_update(racer->session, racer->arena, COLLECTION_CONSULTATIONS, oid_number(1), NULL, 0,
                     &change, 1, &after));
    taken[(racer->number - 1) * SEQ_ROUNDS + (uint32_t)round] = after.start_seq;
    return ERR_OK;
}

static int compare_numbers(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void no_number_is_told_to_two_who_add(void **state)
{
    struct store_fixture *f = *state;
    insert_order(f);
    const struct racer sum = race(f, take_number, SEQ_ROUNDS, false);
    assert_int_equal(sum.won, THREADS * SEQ_ROUNDS);
    qsort(taken, THREADS * SEQ_ROUNDS, sizeof *taken, compare_numbers);
    for (int i = 0; i < THREADS * SEQ_ROUNDS; i++) {
        assert_int_equal(taken[i], i + 1);
    }
}

static enum err take_order(struct racer *racer, int round)
{
    struct consultation after;
    const struct condition is_waiting = WHERE(consultation, status, IS, "03");
    const struct change changes[] = {SET(consultation, status, "04"),
                                     SET(consultation, start_seq, racer->number)};
    (void)round;
    return store_update(racer->session, racer->arena, COLLECTION_CONSULTATIONS, oid_number(1),
                        &is_waiting, 1, changes, 2, &after);
}

static void of_racing_moves_exactly_one_wins(void **state)
{
    struct store_fixture *f = *state;
    insert_order(f);
    const struct racer sum = race(f, take_order, 1, false);
    assert_int_equal(sum.won, 1);
    assert_int_equal(sum.lost, THREADS - 1);
    assert_string_equal(read_order(f).status, "04");
}

/* The gate of contract 3: at most three live replies, a repeated one counted once. */
static enum err reply(struct racer *racer, int round)
{
    struct consultation after;
    const struct oid id = oid_number(racer->number * 100 + (uint32_t)(round / 2));
    const struct condition conditions[] = {WHERE(consultation, reply_count, BELOW, 3),
                                           WHERE(consultation, replies, LACKS, id)};
    const struct change changes[] = {PUSH(consultation, replies, id),
                                     INC(consultation, reply_count, 1)};
    return store_update(racer->session, racer->arena, COLLECTION_CONSULTATIONS, oid_number(1),
                        conditions, 2, changes, 2, &after);
}

static void exactly_three_replies_pass_the_gate(void **state)
{
    struct store_fixture *f = *state;
    insert_order(f);
    const struct racer sum = race(f, reply, 6, false);
    const struct consultation order = read_order(f);
    assert_int_equal(sum.won, 3);
    assert_int_equal(sum.lost, THREADS * 6 - 3);
    assert_int_equal(order.reply_count, 3);
    assert_int_equal(order.replies.count, 3);
    assert_false(oid_equal(order.replies.items[0], order.replies.items[1]));
    assert_false(oid_equal(order.replies.items[1], order.replies.items[2]));
    assert_false(oid_equal(order.replies.items[0], order.replies.items[2]));
}

static enum err insert_message(struct racer *racer, int round)
{
    const struct message message = {
        .id = oid_number((uint32_t)round + 1), .chat_id = oid_number(1), .seq = round + 1};
    return store_insert(racer->session, COLLECTION_MESSAGES, &message);
}

static void of_racing_inserts_of_one_id_exactly_one_wins(void **state)
{
    struct store_fixture *f = *state;
    const struct racer sum = race(f, insert_message, ROUNDS, false);
    assert_int_equal(sum.won, ROUNDS);
    assert_int_equal(sum.duplicate, (THREADS - 1) * ROUNDS);
}

static enum err insert_seq(struct racer *racer, int round)
{
    const struct message message = {.id = oid_number(racer->number * 1000 + (uint32_t)round),
                                    .chat_id = oid_number(1),
                                    .seq = round + 1};
    return store_insert(racer->session, COLLECTION_MESSAGES, &message);
}

static void of_racing_inserts_at_one_unique_place_exactly_one_wins(void **state)
{
    struct store_fixture *f = *state;
    const struct racer sum = race(f, insert_seq, ROUNDS, false);
    assert_int_equal(sum.won, ROUNDS);
    assert_int_equal(sum.duplicate, (THREADS - 1) * ROUNDS);
}

static enum err insert_batch(struct racer *racer, int round)
{
    struct message messages[5];
    (void)round;
    for (uint32_t i = 0; i < 5; i++) {
        messages[i] =
            (struct message){.id = oid_number(i + 1), .chat_id = oid_number(1), .seq = i + 1};
    }
    return store_insert_many(racer->session, COLLECTION_MESSAGES, messages, 5);
}

static void racing_inserts_of_the_same_many_all_succeed(void **state)
{
    struct store_fixture *f = *state;
    const struct query all = {.limit = 0};
    int64_t count = 0;
    const struct racer sum = race(f, insert_batch, 4, false);
    assert_int_equal(sum.won, THREADS * 4);
    assert_int_equal(store_count(f->session, COLLECTION_MESSAGES, &all, &count), ERR_OK);
    assert_int_equal(count, 5);
}

/* Readers beside the writers: a reader never sees the one field changed without the other. */
static enum err write_or_read(struct racer *racer, int round)
{
    struct consultation order;
    if (racer->number <= 2) {
        const struct change changes[] = {INC(consultation, fee, 1),
                                         INC(consultation, start_seq, 1)};
        return store_update(racer->session, racer->arena, COLLECTION_CONSULTATIONS, oid_number(1),
                            NULL, 0, changes, 2, NULL);
    }
    (void)round;
    TRY(store_get(racer->session, racer->arena, COLLECTION_CONSULTATIONS, oid_number(1), &order));
    return order.fee == order.start_seq ? ERR_OK : ERR_INTERNAL;
}

static void readers_see_whole_changes(void **state)
{
    struct store_fixture *f = *state;
    insert_order(f);
    const struct racer sum = race(f, write_or_read, ROUNDS, false);
    assert_int_equal(sum.won, THREADS * ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_addition_is_lost),
        cmocka_unit_test(no_addition_is_lost_between_runs),
        cmocka_unit_test(no_number_is_told_to_two_who_add),
        cmocka_unit_test(of_racing_moves_exactly_one_wins),
        cmocka_unit_test(exactly_three_replies_pass_the_gate),
        cmocka_unit_test(of_racing_inserts_of_one_id_exactly_one_wins),
        cmocka_unit_test(of_racing_inserts_at_one_unique_place_exactly_one_wins),
        cmocka_unit_test(racing_inserts_of_the_same_many_all_succeed),
        cmocka_unit_test(readers_see_whole_changes),
    };
    return RUN_ON_EVERY_BACKEND("races", tests);
}
