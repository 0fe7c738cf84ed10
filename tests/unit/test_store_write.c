/* What store.h promises of inserting and changing, told once and run over every backend. */
#include "support_store.h"

#include <stdlib.h>
#include <string.h>

/* ---- Inserting ---------------------------------------------------------------------------- */

static void a_taken_id_is_a_duplicate_and_the_first_record_stays(void **state)
{
    struct store_fixture *f = *state;
    const struct user first = {.id = oid_number(1), .open_id = "first"};
    const struct user second = {.id = oid_number(1), .open_id = "second"};
    struct user read;
    assert_int_equal(store_insert(f->session, COLLECTION_USERS, &first), ERR_OK);
    assert_int_equal(store_insert(f->session, COLLECTION_USERS, &second), ERR_DUPLICATE);
    assert_int_equal(store_insert(f->session, COLLECTION_USERS, &first), ERR_DUPLICATE);
    assert_int_equal(store_get(f->session, f->arena, COLLECTION_USERS, oid_number(1), &read),
                     ERR_OK);
    assert_string_equal(read.open_id, "first");
}

static struct message message_of(uint32_t id, uint32_t chat, int64_t seq)
{
    return (struct message){.id = oid_number(id), .chat_id = oid_number(chat), .seq = seq};
}

static int64_t message_count(struct store_fixture *f)
{
    const struct query all = {.limit = 0};
    int64_t count = -1;
    assert_int_equal(store_count(f->session, COLLECTION_MESSAGES, &all, &count), ERR_OK);
    return count;
}

static void a_taken_place_in_a_unique_index_is_a_duplicate(void **state)
{
    struct store_fixture *f = *state;
    const struct message messages[] = {message_of(1, 1, 1), message_of(2, 1, 1),
                                       message_of(3, 2, 1), message_of(4, 1, 2)};
    assert_int_equal(store_insert(f->session, COLLECTION_MESSAGES, &messages[0]), ERR_OK);
    assert_int_equal(store_insert(f->session, COLLECTION_MESSAGES, &messages[1]), ERR_DUPLICATE);
    assert_int_equal(store_insert(f->session, COLLECTION_MESSAGES, &messages[2]), ERR_OK);
    assert_int_equal(store_insert(f->session, COLLECTION_MESSAGES, &messages[3]), ERR_OK);
    assert_int_equal(message_count(f), 3);
}

static void inserting_many_again_passes_over_what_is_there(void **state)
{
    struct store_fixture *f = *state;
    struct message messages[] = {message_of(1, 1, 1), message_of(2, 1, 2), message_of(3, 1, 3)};
    struct message read;
    assert_int_equal(store_insert(f->session, COLLECTION_MESSAGES, &messages[1]), ERR_OK);
    messages[1].type = "06"; /* another content: the one that is there stays */
    for (int i = 0; i < 2; i++) {
        assert_int_equal(store_insert_many(f->session, COLLECTION_MESSAGES, messages, 3), ERR_OK);
        assert_int_equal(message_count(f), 3);
    }
    assert_int_equal(store_get(f->session, f->arena, COLLECTION_MESSAGES, oid_number(2), &read),
                     ERR_OK);
    assert_null(read.type);
    assert_int_equal(store_insert_many(f->session, COLLECTION_MESSAGES, NULL, 0), ERR_OK);
}

static void one_id_twice_among_many_is_stored_once(void **state)
{
    struct store_fixture *f = *state;
    const struct message messages[] = {message_of(1, 1, 1), message_of(1, 1, 1),
                                       message_of(1, 1, 9)};
    struct message read;
    assert_int_equal(store_insert_many(f->session, COLLECTION_MESSAGES, messages, 3), ERR_OK);
    assert_int_equal(message_count(f), 1);
    assert_int_equal(store_get(f->session, f->arena, COLLECTION_MESSAGES, oid_number(1), &read),
                     ERR_OK);
    assert_int_equal(read.seq, 1);
}

static void a_taken_unique_place_among_many_is_a_duplicate(void **state)
{
    struct store_fixture *f = *state;
    const struct message there = message_of(9, 1, 2);
    const struct message messages[] = {message_of(1, 1, 1), message_of(2, 1, 2),
                                       message_of(3, 1, 3)};
    struct message read;
    assert_int_equal(store_insert(f->session, COLLECTION_MESSAGES, &there), ERR_OK);
    assert_int_equal(store_insert_many(f->session, COLLECTION_MESSAGES, messages, 3),
                     ERR_DUPLICATE);
    assert_int_equal(store_get(f->session, f->arena, COLLECTION_MESSAGES, oid_number(2), &read),
                     ERR_ABSENT);
    assert_int_equal(store_get(f->session, f->arena, COLLECTION_MESSAGES, oid_number(9), &read),
                     ERR_OK);
}

/* However they are shared out among statements. */
static void many_of_any_number_are_stored_each(void **state)
{
    struct store_fixture *f = *state;
    enum { MOST = 40 };
    int64_t all = 0;
    for (uint32_t count = 1; count <= MOST; count++) {
        struct message messages[MOST];
        for (uint32_t i = 0; i < count; i++) {
            messages[i] = message_of(1000 * count + i, count, i);
        }
        const struct message there = message_of(1000 * count + count / 2, count, MOST);
        assert_int_equal(store_insert(f->session, COLLECTION_MESSAGES, &there), ERR_OK);
        assert_int_equal(store_insert_many(f->session, COLLECTION_MESSAGES, messages, count),
                         ERR_OK);
        all += count;
        assert_int_equal(message_count(f), all);
        for (uint32_t i = 0; i < count; i++) {
            struct message read;
            assert_int_equal(
                store_get(f->session, f->arena, COLLECTION_MESSAGES, messages[i].id, &read),
                ERR_OK);
            assert_int_equal(read.seq, i == count / 2 ? MOST : i);
        }
    }
}

/* ---- Changing ----------------------------------------------------------------------------- */

static const struct consultation order = {
    .fee = 2500, .reply_count = NUMBER_ABSENT, .rev = 10, .start_seq = NUMBER_ABSENT};

static void insert_order(struct store_fixture *f)
{
    struct consultation consultation = order;
    consultation.id = oid_number(1);
    consultation.consultation_no = "H0-0000000000000001";
    consultation.status = "03";
    assert_int_equal(store_insert(f->session, COLLECTION_CONSULTATIONS, &consultation), ERR_OK);
}

/* Makes one change of order 1 and returns what it is then, as told and as read again. */
static struct consultation change_order(struct store_fixture *f, struct change change)
{
    struct consultation after, read;
    assert_int_equal(store_update(f->session, f->arena, COLLECTION_CONSULTATIONS, oid_number(1),
                                  NULL, 0, &change, 1, &after),
                     ERR_OK);
    assert_int_equal(
        store_get(f->session, f->arena, COLLECTION_CONSULTATIONS, oid_number(1), &read), ERR_OK);
    assert_records_equal(&consultation_shape, &after, &read);
    return after;
}

static void fields_are_set_and_unset(void **state)
{
    struct store_fixture *f = *state;
    static const char *const urls[] = {"http://example.invalid/1", "http://example.invalid/2"};
    const struct change images = {.offset = offsetof(struct consultation, images),
                                  .kind = CHANGE_SET,
                                  .value = {.texts = {.items = urls, .count = 2}}};
    insert_order(f);
    assert_string_equal(change_order(f, SET(consultation, status, "04")).status, "04");
    assert_string_equal(change_order(f, SET(consultation, content, "it's \"%\"")).content,
                        "it's \"%\"");
    assert_int_equal(change_order(f, SET(consultation, fee, 0)).fee, 0);
    assert_true(change_order(f, SET(consultation, evaluated, true)).evaluated);
    assert_false(change_order(f, SET(consultation, evaluated, false)).evaluated);
    assert_int_equal(change_order(f, SET(consultation, due, ((struct timestamp){5}))).due.ms, 5);
    assert_true(oid_equal(change_order(f, SET(consultation, user_id, oid_number(3))).user_id,
                          oid_number(3)));
    assert_string_equal(change_order(f, images).images.items[1], urls[1]);

    assert_null(change_order(f, UNSET(consultation, content)).content);
    assert_true(change_order(f, UNSET(consultation, fee)).fee == NUMBER_ABSENT);
    assert_int_equal(change_order(f, UNSET(consultation, due)).due.ms, 0);
    assert_int_equal(change_order(f, UNSET(consultation, images)).images.count, 0);
    assert_true(oid_is_none(change_order(f, UNSET(consultation, user_id)).user_id));
    assert_null(change_order(f, UNSET(consultation, content)).content); /* again */
}

static void setting_an_absent_value_unsets(void **state)
{
    struct store_fixture *f = *state;
    insert_order(f);
    const struct condition no_status = WHERE_ABSENT(consultation, status);
    const struct query query = {.conditions = &no_status, .condition_count = 1};
    int64_t count = -1;
    assert_null(change_order(f, SET(consultation, status, NULL)).status);
    assert_int_equal(store_count(f->session, COLLECTION_CONSULTATIONS, &query, &count), ERR_OK);
    assert_int_equal(count, 1);
    assert_true(change_order(f, SET(consultation, fee, NUMBER_ABSENT)).fee == NUMBER_ABSENT);
}

static void numbers_are_added_to_and_raised(void **state)
{
    struct store_fixture *f = *state;
    insert_order(f);
    assert_int_equal(change_order(f, INC(consultation, fee, 5)).fee, 2505);
    assert_int_equal(change_order(f, INC(consultation, fee, -6)).fee, 2499);
    assert_int_equal(change_order(f, INC(consultation, reply_count, 1)).reply_count, 1);
    assert_int_equal(change_order(f, MAX(consultation, rev, 9)).rev, 10);
    assert_int_equal(change_order(f, MAX(consultation, rev, 11)).rev, 11);
    assert_int_equal(change_order(f, MAX(consultation, start_seq, 3)).start_seq, 3);
    assert_int_equal(change_order(f, MAX(consultation, due, ((struct timestamp){7}))).due.ms, 7);
    assert_int_equal(change_order(f, MAX(consultation, due, ((struct timestamp){6}))).due.ms, 7);
}

static void ids_are_pushed_to_and_pulled_from_a_list(void **state)
{
    struct store_fixture *f = *state;
    insert_order(f);
    const struct oid a = oid_number(0xa0a0a0), b = oid_number(0x0b0b0b);
    struct oid_list replies = change_order(f, PUSH(consultation, replies, a)).replies;
    assert_int_equal(replies.count, 1);
    assert_true(oid_equal(replies.items[0], a));
    replies = change_order(f, PUSH(consultation, replies, b)).replies;
    assert_int_equal(replies.count, 2);
    assert_true(oid_equal(replies.items[1], b));
    replies = change_order(f, PULL(consultation, replies, a)).replies;
    assert_int_equal(replies.count, 1);
    assert_true(oid_equal(replies.items[0], b));
    assert_int_equal(change_order(f, PULL(consultation, replies, a)).replies.count, 1);
    assert_int_equal(change_order(f, PULL(consultation, replies, b)).replies.count, 0);
    assert_int_equal(change_order(f, PULL(consultation, replies, b)).replies.count, 0);
    assert_int_equal(change_order(f, PUSH(consultation, replies, b)).replies.count, 1);
    assert_int_equal(change_order(f, UNSET(consultation, replies)).replies.count, 0);
    assert_int_equal(change_order(f, PULL(consultation, replies, b)).replies.count, 0);
}

static void of_a_list_the_last_ids_stay(void **state)
{
    struct store_fixture *f = *state;
    insert_order(f);
    for (uint32_t i = 1; i <= PUSH_LAST_KEEPS + 3; i++) {
        const struct oid_list ids =
            change_order(f, PUSH_LAST(consultation, replies, oid_number(i))).replies;
        const uint32_t first = i <= PUSH_LAST_KEEPS ? 1 : i - PUSH_LAST_KEEPS + 1;
        assert_int_equal(ids.count, i - first + 1);
        assert_true(oid_equal(ids.items[0], oid_number(first)));
        assert_true(oid_equal(ids.items[ids.count - 1], oid_number(i)));
    }
    const struct oid ids[] = {oid_number(7), oid_number(8)};
    const struct oid_list two = {.items = ids, .count = ARRAY_LENGTH(ids)}, none = {.count = 0};
    const struct oid_list set = change_order(f, SET_IDS(consultation, replies, two)).replies;
    assert_int_equal(set.count, 2);
    assert_true(oid_equal(set.items[1], oid_number(8)));
    assert_int_equal(change_order(f, SET_IDS(consultation, replies, none)).replies.count, 0);
}

static int64_t orders_where(struct store_fixture *f, struct condition condition)
{
    const struct query query = {.conditions = &condition, .condition_count = 1};
    int64_t count = -1;
    assert_int_equal(store_count(f->session, COLLECTION_CONSULTATIONS, &query, &count), ERR_OK);
    return count;
}

static void an_id_list_holds_or_lacks_an_id(void **state)
{
    struct store_fixture *f = *state;
    const struct oid in = {{0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0, 1, 2, 3, 4}};
    const struct oid like = {{0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0, 0x10, 0x20, 0x30, 0x41}};
    insert_order(f);
    assert_int_equal(orders_where(f, WHERE(consultation, replies, HOLDS, in)), 0);
    assert_int_equal(orders_where(f, WHERE(consultation, replies, LACKS, in)), 1);
    assert_int_equal(orders_where(f, WHERE_ABSENT(consultation, replies)), 1);
    change_order(f, PUSH(consultation, replies, in));
    change_order(f, PUSH(consultation, replies, in));
    assert_int_equal(orders_where(f, WHERE(consultation, replies, HOLDS, in)), 1);
    assert_int_equal(orders_where(f, WHERE(consultation, replies, LACKS, in)), 0);
    assert_int_equal(orders_where(f, WHERE(consultation, replies, HOLDS, like)), 0);
    assert_int_equal(orders_where(f, WHERE(consultation, replies, LACKS, like)), 1);
    assert_int_equal(orders_where(f, WHERE_ABSENT(consultation, replies)), 0);
    change_order(f, PULL(consultation, replies, in)); /* all of them */
    assert_int_equal(orders_where(f, WHERE(consultation, replies, HOLDS, in)), 0);
    assert_int_equal(orders_where(f, WHERE_ABSENT(consultation, replies)), 1);
}

static void a_change_happens_only_where_all_conditions_hold(void **state)
{
    struct store_fixture *f = *state;
    insert_order(f);
    const struct change changes[] = {SET(consultation, status, "04"), INC(consultation, fee, 1)};
    const struct condition wrong[] = {WHERE(consultation, status, IS, "03"),
                                      WHERE(consultation, fee, ABOVE, 2500)};
    const struct condition right[] = {WHERE(consultation, status, IS, "03"),
                                      WHERE(consultation, fee, AT_LEAST, 2500)};
    struct consultation after = {.fee = -1};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(store_update(f->session, f->arena, COLLECTION_CONSULTATIONS, oid_number(1),
                                      wrong, 2, changes, 2, i == 0 ? &after : NULL),
                         ERR_ABSENT);
        assert_int_equal(store_update(f->session, f->arena, COLLECTION_CONSULTATIONS, oid_number(2),
                                      right, 2, changes, 2, i == 0 ? &after : NULL),
                         ERR_ABSENT);
    }
    assert_int_equal(orders_where(f, WHERE(consultation, fee, IS, 2500)), 1);
    assert_int_equal(store_update(f->session, f->arena, COLLECTION_CONSULTATIONS, oid_number(1),
                                  right, 2, changes, 2, NULL),
                     ERR_OK);
    assert_int_equal(store_update(f->session, f->arena, COLLECTION_CONSULTATIONS, oid_number(1),
                                  right, 2, changes, 2, &after),
                     ERR_ABSENT);
    assert_int_equal(orders_where(f, WHERE(consultation, fee, IS, 2501)), 1);
}

static void an_empty_list_of_values_lets_no_change_happen(void **state)
{
    struct store_fixture *f = *state;
    insert_order(f);
    const struct condition none =
        WHERE_ONE_OF_TEXTS(consultation, status, ((struct text_list){NULL, 0}));
    const struct change change = SET(consultation, status, "04");
    assert_int_equal(store_update(f->session, f->arena, COLLECTION_CONSULTATIONS, oid_number(1),
                                  &none, 1, &change, 1, NULL),
                     ERR_ABSENT);
}

static void a_change_onto_a_taken_unique_place_is_a_duplicate(void **state)
{
    struct store_fixture *f = *state;
    const struct message messages[] = {message_of(1, 1, 1), message_of(2, 1, 2)};
    const struct change change = SET(message, seq, 1);
    struct message after;
    assert_int_equal(store_insert_many(f->session, COLLECTION_MESSAGES, messages, 2), ERR_OK);
    assert_int_equal(store_update(f->session, f->arena, COLLECTION_MESSAGES, oid_number(2), NULL, 0,
                                  &change, 1, &after),
                     ERR_DUPLICATE);
    assert_int_equal(store_update(f->session, f->arena, COLLECTION_MESSAGES, oid_number(2), NULL, 0,
                                  &change, 1, NULL),
                     ERR_DUPLICATE);
    assert_int_equal(store_get(f->session, f->arena, COLLECTION_MESSAGES, oid_number(2), &after),
                     ERR_OK);
    assert_int_equal(after.seq, 2);
}

static void a_record_is_removed_only_where_all_conditions_hold(void **state)
{
    struct store_fixture *f = *state;
    insert_order(f);
    struct condition conditions[] = {
        WHERE(consultation, status, IS, "99"),
        WHERE(consultation, id, IS, oid_number(1)),
    };
    struct consultation read;
    assert_int_equal(
        store_remove(f->session, COLLECTION_CONSULTATIONS, oid_number(1), conditions, 2),
        ERR_ABSENT);
    assert_int_equal(store_remove(f->session, COLLECTION_CONSULTATIONS, oid_number(4000), NULL, 0),
                     ERR_ABSENT);
    struct condition nothing = WHERE_ONE_OF_IDS(consultation, id, ((struct oid_list){NULL, 0}));
    assert_int_equal(store_remove(f->session, COLLECTION_CONSULTATIONS, oid_number(1), &nothing, 1),
                     ERR_ABSENT);
    assert_int_equal(
        store_get(f->session, f->arena, COLLECTION_CONSULTATIONS, oid_number(1), &read), ERR_OK);
    assert_int_equal(
        store_remove(f->session, COLLECTION_CONSULTATIONS, oid_number(1), &conditions[1], 1),
        ERR_OK);
    assert_int_equal(
        store_get(f->session, f->arena, COLLECTION_CONSULTATIONS, oid_number(1), &read),
        ERR_ABSENT);
    assert_int_equal(store_remove(f->session, COLLECTION_CONSULTATIONS, oid_number(1), NULL, 0),
                     ERR_ABSENT);
}

/* Where a run is atomic. */
static void an_undone_removal_leaves_the_record(void **state)
{
    struct store_fixture *f = *state;
    if (!store_is_atomic(f->store)) {
        assert_int_equal(f->backend, BACKEND_MONGODB);
        return;
    }
    insert_order(f);
    struct consultation read;
    assert_int_equal(store_begin(f->session), ERR_OK);
    assert_int_equal(store_mark(f->session), ERR_OK);
    assert_int_equal(store_remove(f->session, COLLECTION_CONSULTATIONS, oid_number(1), NULL, 0),
                     ERR_OK);
    assert_int_equal(store_undo(f->session), ERR_OK);
    assert_int_equal(store_commit(f->session), ERR_OK);
    assert_int_equal(
        store_get(f->session, f->arena, COLLECTION_CONSULTATIONS, oid_number(1), &read), ERR_OK);
}

static void the_notice_of_a_message_can_be_taken_away(void **state)
{
    struct store_fixture *f = *state;
    struct message message = message_of(1, 1, 1), after;
    message.text = (struct message_text){.is_notice = true, .user = {.text = "温馨提示"}};
    const struct change change = UNSET(message, text);
    assert_int_equal(store_insert(f->session, COLLECTION_MESSAGES, &message), ERR_OK);
    assert_int_equal(store_update(f->session, f->arena, COLLECTION_MESSAGES, oid_number(1), NULL, 0,
                                  &change, 1, &after),
                     ERR_OK);
    assert_false(after.text.is_notice);
    assert_null(after.text.plain);
}

static void a_shut_session_asks_nothing_and_goes_on_when_it_is_opened(void **state)
{
    struct store_fixture *f = *state;
    insert_order(f);
    struct consultation second = {.id = oid_number(2)}, read;
    struct object_list found;
    int64_t count;
    const struct query all = {.limit = 0};
    const struct change change = SET(consultation, status, "02");
    const enum collection in = COLLECTION_CONSULTATIONS;
    store_shut(f->session, true);
    assert_int_equal(store_insert(f->session, in, &second), ERR_STORE);
    assert_int_equal(store_insert_many(f->session, in, &second, 1), ERR_STORE);
    assert_int_equal(store_get(f->session, f->arena, in, oid_number(1), &read), ERR_STORE);
    assert_int_equal(store_find(f->session, f->arena, in, &all, &found), ERR_STORE);
    assert_int_equal(store_count(f->session, in, &all, &count), ERR_STORE);
    assert_int_equal(
        store_update(f->session, f->arena, in, oid_number(1), NULL, 0, &change, 1, NULL),
        ERR_STORE);
    assert_int_equal(store_remove(f->session, in, oid_number(1), NULL, 0), ERR_STORE);
    assert_int_equal(store_ping(f->session), ERR_STORE);
    assert_non_null(strstr(store_trouble(f->session), "not asked"));
    store_shut(f->session, false);
    assert_int_equal(store_count(f->session, in, &all, &count), ERR_OK);
    assert_int_equal(count, 1);
    assert_int_equal(store_get(f->session, f->arena, in, oid_number(1), &read), ERR_OK);
    assert_string_not_equal(read.status, "02");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_taken_id_is_a_duplicate_and_the_first_record_stays),
        cmocka_unit_test(a_taken_place_in_a_unique_index_is_a_duplicate),
        cmocka_unit_test(inserting_many_again_passes_over_what_is_there),
        cmocka_unit_test(many_of_any_number_are_stored_each),
        cmocka_unit_test(one_id_twice_among_many_is_stored_once),
        cmocka_unit_test(a_taken_unique_place_among_many_is_a_duplicate),
        cmocka_unit_test(fields_are_set_and_unset),
        cmocka_unit_test(setting_an_absent_value_unsets),
        cmocka_unit_test(numbers_are_added_to_and_raised),
        cmocka_unit_test(ids_are_pushed_to_and_pulled_from_a_list),
        cmocka_unit_test(of_a_list_the_last_ids_stay),
        cmocka_unit_test(an_id_list_holds_or_lacks_an_id),
        cmocka_unit_test(a_change_happens_only_where_all_conditions_hold),
        cmocka_unit_test(an_empty_list_of_values_lets_no_change_happen),
        cmocka_unit_test(a_change_onto_a_taken_unique_place_is_a_duplicate),
        cmocka_unit_test(a_record_is_removed_only_where_all_conditions_hold),
        cmocka_unit_test(an_undone_removal_leaves_the_record),
        cmocka_unit_test(the_notice_of_a_message_can_be_taken_away),
        cmocka_unit_test(a_shut_session_asks_nothing_and_goes_on_when_it_is_opened),
    };
    return RUN_ON_EVERY_BACKEND("writing", tests);
}
