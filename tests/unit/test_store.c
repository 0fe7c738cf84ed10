/* What store.h promises of reading, and of the store itself, told once and run over every
 * backend. */
#include "support_store.h"

#include "storage/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The largest record of all. */
union any_record {
    struct user user;
    struct patient patient;
    struct doctor doctor;
    struct chat chat;
    struct message message;
    struct consultation consultation;
    struct payment payment;
};

static struct oid shape_id(const struct shape *shape, const void *record)
{
    return *(const struct oid *)(const void *)((const char *)record + shape->fields[0].offset);
}

/* ---- Round trips -------------------------------------------------------------------------- */

static void every_record_reads_back_as_it_was_written(void **state)
{
    struct store_fixture *f = *state;
    for (int c = 0; c < COLLECTION_COUNT; c++) {
        const struct shape *shape = collection_row((enum collection)c)->shape;
        for (uint32_t i = 0; i < nasty_text_count; i++) {
            union any_record written, read;
            char text[200]; /* made unlike the others': some texts are unique */
            snprintf(text, sizeof(text), "%s%s", nasty_texts[i], i % 2 == 0 ? "" : "!");
            record_fill(shape, f->arena, &written, 1 + i * 500, text);
            assert_int_equal(store_insert(f->session, (enum collection)c, &written), ERR_OK);
            assert_int_equal(store_get(f->session, f->arena, (enum collection)c,
                                       shape_id(shape, &written), &read),
                             ERR_OK);
            assert_records_equal(shape, &written, &read);
        }
    }
}

static void a_record_with_nothing_but_its_id_reads_back_so(void **state)
{
    struct store_fixture *f = *state;
    for (int c = 0; c < COLLECTION_COUNT; c++) {
        const struct shape *shape = collection_row((enum collection)c)->shape;
        union any_record written, read;
        record_clear(shape, &written);
        *(struct oid *)(void *)((char *)&written + shape->fields[0].offset) = oid_number(9);
        memset(&read, 0xff, sizeof(read));
        assert_int_equal(store_insert(f->session, (enum collection)c, &written), ERR_OK);
        assert_int_equal(store_get(f->session, f->arena, (enum collection)c, oid_number(9), &read),
                         ERR_OK);
        assert_records_equal(shape, &written, &read);
    }
}

static void views_are_absent_in_what_is_read(void **state)
{
    struct store_fixture *f = *state;
    const struct consultation written = {
        .id = oid_number(1), .consultation_no = "H0-1", .replies_left = 3};
    struct consultation read;
    assert_int_equal(store_insert(f->session, COLLECTION_CONSULTATIONS, &written), ERR_OK);
    assert_int_equal(
        store_get(f->session, f->arena, COLLECTION_CONSULTATIONS, oid_number(1), &read), ERR_OK);
    assert_true(read.replies_left == NUMBER_ABSENT);
    assert_null(read.patient);
    assert_null(read.doctor);
}

static void notices_with_any_of_their_parts_read_back(void **state)
{
    struct store_fixture *f = *state;
    static const char *const part[] = {NULL, "部分\n"};
    for (uint32_t i = 0; i < 16; i++) {
        const struct message written = {
            .id = oid_number(i + 1),
            .chat_id = oid_number(1),
            .seq = i + 1,
            .text = {.is_notice = true,
                     .doctor = {.type = part[i & 1], .text = part[i >> 1 & 1]},
                     .user = {.type = part[i >> 2 & 1], .text = part[i >> 3 & 1]}}};
        struct message read;
        assert_int_equal(store_insert(f->session, COLLECTION_MESSAGES, &written), ERR_OK);
        assert_int_equal(
            store_get(f->session, f->arena, COLLECTION_MESSAGES, oid_number(i + 1), &read), ERR_OK);
        assert_records_equal(&message_shape, &written, &read);
    }
}

static void numbers_keep_all_their_bits(void **state)
{
    struct store_fixture *f = *state;
    static const int64_t numbers[] = {0, 1, -1, 9007199254740993, INT64_MAX, INT64_MIN + 1};
    for (uint32_t i = 0; i < ARRAY_LENGTH(numbers); i++) {
        const struct user written = {.id = oid_number(i + 1), .phone = numbers[i]};
        struct user read;
        assert_int_equal(store_insert(f->session, COLLECTION_USERS, &written), ERR_OK);
        assert_int_equal(
            store_get(f->session, f->arena, COLLECTION_USERS, oid_number(i + 1), &read), ERR_OK);
        assert_true(read.phone == numbers[i]);
    }
}

/* ---- Queries ------------------------------------------------------------------------------ */

/* Patients 1 to 5: sex 0 1 2 absent absent, names by the table, user 1 or 2 in turn. */
static void insert_patients(struct store_fixture *f)
{
    static const char *const names[] = {"Anna 100%", "anna_b", "Bob\\", NULL, "李四.*"};
    for (uint32_t i = 0; i < ARRAY_LENGTH(names); i++) {
        const struct patient patient = {
            .id = oid_number(i + 1),
            .user_id = i % 2 == 0 ? oid_number(100) : oid_number(200),
            .name = names[i],
            .sex = i < 3 ? (int64_t)i : NUMBER_ABSENT,
            .deleted_at = {.ms = i == 4 ? 1700000000000 : 0},
        };
        assert_int_equal(store_insert(f->session, COLLECTION_PATIENTS, &patient), ERR_OK);
    }
}

/* Asserts that exactly the patients whose numbers are the digits of `expected` are found, and that
 * counting agrees. */
static void expect_patients(struct store_fixture *f, const struct condition *conditions,
                            size_t count, const char *expected)
{
    const struct query query = {
        .conditions = conditions, .condition_count = count, .sort = {SORT_UP(patient, id)}};
    struct object_list found;
    int64_t counted = -1;
    char numbers[16] = "";
    assert_int_equal(store_find(f->session, f->arena, COLLECTION_PATIENTS, &query, &found), ERR_OK);
    assert_int_equal(store_count(f->session, COLLECTION_PATIENTS, &query, &counted), ERR_OK);
    for (size_t i = 0; i < found.count && i < sizeof(numbers) - 1; i++) {
        const struct patient *patient = (const struct patient *)found.items + i;
        numbers[i] = (char)('0' + patient->id.bytes[11]);
        numbers[i + 1] = '\0';
    }
    assert_string_equal(numbers, expected);
    assert_int_equal(counted, found.count);
}

#define EXPECT(expected, ...)                                                                      \
    do {                                                                                           \
        const struct condition all_[] = {__VA_ARGS__};                                             \
        expect_patients(f, all_, ARRAY_LENGTH(all_), expected);                                    \
    } while (0)

static void each_comparison_finds_what_it_says(void **state)
{
    struct store_fixture *f = *state;
    insert_patients(f);
    expect_patients(f, NULL, 0, "12345");
    EXPECT("2", WHERE(patient, id, IS, oid_number(2)));
    EXPECT("135", WHERE(patient, user_id, IS, oid_number(100)));
    EXPECT("2", WHERE(patient, name, IS, "anna_b"));
    EXPECT("", WHERE(patient, name, IS, "anna"));
    EXPECT("1", WHERE(patient, sex, IS, 0));
    EXPECT("2345", WHERE(patient, sex, IS_NOT, 0));
    EXPECT("1345", WHERE(patient, name, IS_NOT, "anna_b"));
    EXPECT("1", WHERE(patient, sex, BELOW, 1));
    EXPECT("12", WHERE(patient, sex, AT_MOST, 1));
    EXPECT("3", WHERE(patient, sex, ABOVE, 1));
    EXPECT("23", WHERE(patient, sex, AT_LEAST, 1));
    EXPECT("5", WHERE(patient, deleted_at, AT_LEAST, ((struct timestamp){1700000000000})));
    EXPECT("", WHERE(patient, deleted_at, BELOW, ((struct timestamp){1700000000000})));
    EXPECT("345", WHERE(patient, id, ABOVE, oid_number(2)));
    EXPECT("3", WHERE(patient, user_id, IS, oid_number(100)), WHERE(patient, sex, ABOVE, 0));
}

static void an_absent_value_is_compared_as_absent(void **state)
{
    struct store_fixture *f = *state;
    insert_patients(f);
    EXPECT("45", WHERE_ABSENT(patient, sex));
    EXPECT("45", WHERE(patient, sex, IS, NUMBER_ABSENT));
    EXPECT("123", WHERE(patient, sex, IS_NOT, NUMBER_ABSENT));
    EXPECT("4", WHERE(patient, name, IS, NULL));
    EXPECT("1235", WHERE(patient, name, IS_NOT, NULL));
    EXPECT("1234", WHERE(patient, deleted_at, IS, TIME_NONE));
    EXPECT("1234", WHERE_ABSENT(patient, deleted_at));
    EXPECT("", WHERE(patient, user_id, IS, OID_NONE));
}

static void several_conditions_on_one_field_all_hold(void **state)
{
    struct store_fixture *f = *state;
    insert_patients(f);
    EXPECT("2", WHERE(patient, sex, ABOVE, 0), WHERE(patient, sex, BELOW, 2));
    EXPECT("24", WHERE(patient, id, IS_NOT, oid_number(1)),
           WHERE(patient, id, IS_NOT, oid_number(3)), WHERE(patient, id, IS_NOT, oid_number(5)));
    EXPECT("", WHERE(patient, sex, IS, 1), WHERE(patient, sex, IS, 2));
}

static void one_of_finds_each_of_its_list_and_nothing_for_an_empty_one(void **state)
{
    struct store_fixture *f = *state;
    insert_patients(f);
    struct oid ids[40];
    for (uint32_t i = 0; i < ARRAY_LENGTH(ids); i++) {
        ids[i] = oid_number(i + 1);
    }
    static const char *const expected[] = {"", "1", "12", "123", "1234", "12345"};
    for (size_t count = 0; count <= ARRAY_LENGTH(ids); count++) {
        const struct oid_list list = {.items = ids, .count = count};
        EXPECT(expected[count < 5 ? count : 5], WHERE_ONE_OF_IDS(patient, id, list));
    }
    static const char *const names[] = {"Bob\\", "nobody", "anna_b"};
    EXPECT("23", WHERE_ONE_OF_TEXTS(patient, name, ((struct text_list){names, 3})));
    EXPECT("", WHERE_ONE_OF_TEXTS(patient, name, ((struct text_list){names, 0})));
    EXPECT("", WHERE(patient, sex, IS, 1),
           WHERE_ONE_OF_TEXTS(patient, name, ((struct text_list){NULL, 0})));
}

static void contains_takes_its_text_literally_and_ignores_ascii_case(void **state)
{
    struct store_fixture *f = *state;
    insert_patients(f);
    EXPECT("12", WHERE(patient, name, CONTAINS, "ANNA"));
    EXPECT("1", WHERE(patient, name, CONTAINS, "0%"));
    EXPECT("1", WHERE(patient, name, CONTAINS, "%"));
    EXPECT("2", WHERE(patient, name, CONTAINS, "_"));
    EXPECT("3", WHERE(patient, name, CONTAINS, "\\"));
    EXPECT("5", WHERE(patient, name, CONTAINS, ".*"));
    EXPECT("5", WHERE(patient, name, CONTAINS, "四"));
    EXPECT("", WHERE(patient, name, CONTAINS, "^"));
    EXPECT("", WHERE(patient, name, CONTAINS, "(a|b)"));
    EXPECT("", WHERE(patient, name, CONTAINS, "\\E"));
    EXPECT("1235", WHERE(patient, name, CONTAINS, ""));
}

/* SQLite's LIKE takes the first two for the same character; a regular expression that ignores case
 * takes the Kelvin sign for k, and a capital I with a dot for i. */
static void contains_tells_all_characters_apart(void **state)
{
    struct store_fixture *f = *state;
    static const char *const names[] = {"a\xEF\xBF\xBD", "b\xEF\xBF\xBF", "c\xE2\x84\xAA",
                                        "d\xC4\xB0"};
    for (uint32_t i = 0; i < ARRAY_LENGTH(names); i++) {
        const struct patient patient = {.id = oid_number(i + 1), .name = names[i]};
        assert_int_equal(store_insert(f->session, COLLECTION_PATIENTS, &patient), ERR_OK);
    }
    EXPECT("1", WHERE(patient, name, CONTAINS, "\xEF\xBF\xBD"));
    EXPECT("2", WHERE(patient, name, CONTAINS, "\xEF\xBF\xBF"));
    EXPECT("3", WHERE(patient, name, CONTAINS, "\xE2\x84\xAA"));
    EXPECT("", WHERE(patient, name, CONTAINS, "k"));
    EXPECT("4", WHERE(patient, name, CONTAINS, "\xC4\xB0"));
    EXPECT("", WHERE(patient, name, CONTAINS, "i"));
}

static void a_bool_is_true_or_false(void **state)
{
    struct store_fixture *f = *state;
    for (uint32_t i = 1; i <= 3; i++) {
        const struct doctor doctor = {.id = oid_number(i), .disabled = i == 2};
        assert_int_equal(store_insert(f->session, COLLECTION_DOCTORS, &doctor), ERR_OK);
    }
    const struct {
        struct condition condition;
        int64_t count;
    } cases[] = {{WHERE(doctor, disabled, IS, true), 1},
                 {WHERE(doctor, disabled, IS, false), 2},
                 {WHERE(doctor, disabled, IS_NOT, true), 2},
                 {WHERE(doctor, disabled, IS_NOT, false), 1}};
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        const struct query query = {.conditions = &cases[i].condition, .condition_count = 1};
        int64_t count = -1;
        assert_int_equal(store_count(f->session, COLLECTION_DOCTORS, &query, &count), ERR_OK);
        assert_int_equal(count, cases[i].count);
    }
}

/* Asserts the order of the patients found, as digits. */
/* Its index has, of SQLite, only those in which the bool is true. */
static void retracted_messages_are_found_by_their_stamps(void **state)
{
    struct store_fixture *f = *state;
    for (uint32_t i = 1; i <= 6; i++) {
        const struct message message = {.id = oid_number(i),
                                        .chat_id = oid_number(100 + i % 2),
                                        .seq = i,
                                        .rev = i,
                                        .is_retract = i == 1 || i == 5};
        assert_int_equal(store_insert(f->session, COLLECTION_MESSAGES, &message), ERR_OK);
    }
    const struct change retracts[] = {SET(message, is_retract, true), SET(message, rev, 7)};
    assert_int_equal(store_update(f->session, f->arena, COLLECTION_MESSAGES, oid_number(3), NULL, 0,
                                  retracts, 2, NULL),
                     ERR_OK);
    const struct oid chats[] = {oid_number(101), oid_number(999)};
    struct condition conditions[] = {
        WHERE_ONE_OF_IDS(message, chat_id, ((struct oid_list){chats, 2})),
        WHERE(message, rev, ABOVE, 1), WHERE(message, is_retract, IS, true)};
    const struct query query = {
        .conditions = conditions, .condition_count = 3, .sort = {SORT_UP(message, rev)}};
    struct object_list found;
    assert_int_equal(store_find(f->session, f->arena, COLLECTION_MESSAGES, &query, &found), ERR_OK);
    const struct message *messages = found.items;
    assert_int_equal(found.count, 2);
    assert_int_equal(messages[0].seq, 5);
    assert_int_equal(messages[1].seq, 3);
    conditions[1] = WHERE(message, rev, ABOVE, 0);
    conditions[2] = WHERE(message, is_retract, IS, false);
    assert_int_equal(store_find(f->session, f->arena, COLLECTION_MESSAGES, &query, &found), ERR_OK);
    assert_int_equal(found.count, 0);
}

static void expect_order(struct store_fixture *f, struct query query, const char *expected)
{
    struct object_list found;
    char numbers[16] = "";
    assert_int_equal(store_find(f->session, f->arena, COLLECTION_PATIENTS, &query, &found), ERR_OK);
    assert_true(found.count < sizeof(numbers));
    for (size_t i = 0; i < found.count; i++) {
        numbers[i] = (char)('0' + ((const struct patient *)found.items + i)->id.bytes[11]);
        numbers[i + 1] = '\0';
    }
    assert_string_equal(numbers, expected);
}

static void sorting_takes_absent_values_as_smallest(void **state)
{
    struct store_fixture *f = *state;
    insert_patients(f);
    expect_order(f, (struct query){.sort = {SORT_UP(patient, sex), SORT_UP(patient, id)}}, "45123");
    expect_order(f, (struct query){.sort = {SORT_DOWN(patient, sex), SORT_DOWN(patient, id)}},
                 "32154");
    expect_order(f, (struct query){.sort = {SORT_DOWN(patient, deleted_at), SORT_UP(patient, id)}},
                 "51234");
    expect_order(f, (struct query){.sort = {SORT_UP(patient, user_id), SORT_DOWN(patient, id)}},
                 "53142");
    expect_order(f, (struct query){.sort = {SORT_UP(patient, name)}}, "41325");
}

static void skip_and_limit_cut_a_page_out_of_the_order(void **state)
{
    struct store_fixture *f = *state;
    insert_patients(f);
    struct query query = {.sort = {SORT_UP(patient, id)}, .limit = 2};
    expect_order(f, query, "12");
    query.skip = 2;
    expect_order(f, query, "34");
    query.skip = 4;
    expect_order(f, query, "5");
    query.skip = 5;
    expect_order(f, query, "");
    query.limit = 0;
    query.skip = 3;
    expect_order(f, query, "45");
    int64_t count = 0;
    assert_int_equal(store_count(f->session, COLLECTION_PATIENTS, &query, &count), ERR_OK);
    assert_int_equal(count, 5); /* neither is looked at */
}

static void many_records_come_back_whole_and_in_order(void **state)
{
    struct store_fixture *f = *state;
    enum { COUNT = 1500 };
    struct message *messages = calloc(COUNT, sizeof(*messages));
    assert_non_null(messages);
    for (uint32_t i = 0; i < COUNT; i++) {
        messages[i] = (struct message){.id = oid_number(i + 1),
                                       .chat_id = oid_number(7),
                                       .seq = i + 1,
                                       .text = {.plain = "一条消息"}};
    }
    assert_int_equal(store_insert_many(f->session, COLLECTION_MESSAGES, messages, COUNT), ERR_OK);
    free(messages);
    const struct condition of_chat = WHERE(message, chat_id, IS, oid_number(7));
    struct query query = {
        .conditions = &of_chat, .condition_count = 1, .sort = {SORT_DOWN(message, seq)}};
    for (int64_t limit = 0; limit <= COUNT; limit += 500) {
        struct object_list found;
        query.limit = limit;
        assert_int_equal(store_find(f->session, f->arena, COLLECTION_MESSAGES, &query, &found),
                         ERR_OK);
        assert_int_equal(found.count, limit == 0 ? COUNT : limit);
        for (size_t i = 0; i < found.count; i++) {
            const struct message *message = (const struct message *)found.items + i;
            assert_int_equal(message->seq, COUNT - (int64_t)i);
            assert_string_equal(message->text.plain, "一条消息");
        }
    }
}

static void what_is_not_there_is_absent(void **state)
{
    struct store_fixture *f = *state;
    struct user user;
    const struct query all = {.limit = 0};
    struct object_list found = {.count = 1};
    assert_int_equal(store_get(f->session, f->arena, COLLECTION_USERS, oid_number(1), &user),
                     ERR_ABSENT);
    assert_int_equal(store_find_one(f->session, f->arena, COLLECTION_USERS, &all, &user),
                     ERR_ABSENT);
    assert_int_equal(store_find(f->session, f->arena, COLLECTION_USERS, &all, &found), ERR_OK);
    assert_int_equal(found.count, 0);
}

static void find_one_gives_the_first_of_the_order(void **state)
{
    struct store_fixture *f = *state;
    insert_patients(f);
    const struct query newest = {.sort = {SORT_DOWN(patient, id)}, .skip = 1};
    struct patient patient;
    assert_int_equal(store_find_one(f->session, f->arena, COLLECTION_PATIENTS, &newest, &patient),
                     ERR_OK);
    assert_int_equal(patient.id.bytes[11], 4);
}

/* ---- The store itself --------------------------------------------------------------------- */

static void another_session_sees_what_was_written(void **state)
{
    struct store_fixture *f = *state;
    struct store_session *reader = store_fixture_session(f, false);
    struct user read;
    for (uint32_t i = 1; i <= 3; i++) {
        const struct user user = {.id = oid_number(i)};
        assert_int_equal(store_insert(f->session, COLLECTION_USERS, &user), ERR_OK);
        assert_int_equal(store_get(reader, f->arena, COLLECTION_USERS, oid_number(i), &read),
                         ERR_OK);
    }
    store_session_close(reader);
}

static void a_run_of_jobs_is_visible_to_itself_and_stays_after_commit(void **state)
{
    struct store_fixture *f = *state;
    const struct user users[] = {{.id = oid_number(1)}, {.id = oid_number(2)}};
    struct user read;
    assert_int_equal(store_begin(f->session), ERR_OK);
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(store_mark(f->session), ERR_OK);
        assert_int_equal(store_insert(f->session, COLLECTION_USERS, &users[i]), ERR_OK);
        assert_int_equal(
            store_get(f->session, f->arena, COLLECTION_USERS, oid_number(i + 1), &read), ERR_OK);
    }
    assert_int_equal(store_commit(f->session), ERR_OK);
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(
            store_get(f->session, f->arena, COLLECTION_USERS, oid_number(i + 1), &read), ERR_OK);
    }
}

static void a_refused_insert_does_not_harm_the_run(void **state)
{
    struct store_fixture *f = *state;
    const struct user users[] = {
        {.id = oid_number(1)}, {.id = oid_number(1)}, {.id = oid_number(2)}};
    const struct query all = {.limit = 0};
    int64_t count = 0;
    assert_int_equal(store_begin(f->session), ERR_OK);
    assert_int_equal(store_insert(f->session, COLLECTION_USERS, &users[0]), ERR_OK);
    assert_int_equal(store_insert(f->session, COLLECTION_USERS, &users[1]), ERR_DUPLICATE);
    assert_int_equal(store_insert_many(f->session, COLLECTION_USERS, &users[1], 2), ERR_OK);
    assert_int_equal(store_commit(f->session), ERR_OK);
    assert_int_equal(store_count(f->session, COLLECTION_USERS, &all, &count), ERR_OK);
    assert_int_equal(count, 2);
}

static void a_store_has_a_name_of_its_own(void **state)
{
    struct store_fixture *f = *state;
    struct store_fixture *other = store_fixture_new(f->backend);
    assert_int_equal(strlen(store_id(f->store)), 16);
    assert_int_equal(strspn(store_id(f->store), "0123456789abcdef"), 16);
    assert_string_not_equal(store_id(f->store), store_id(other->store));
    store_fixture_free(other);
}

static void the_store_answers_a_ping(void **state)
{
    struct store_fixture *f = *state;
    assert_int_equal(store_ping(f->session), ERR_OK);
    assert_string_equal(store_trouble(f->session), "");
    assert_ptr_equal(store_of_session(f->session), f->store);
    assert_true(store_writers_max(f->store) >= 1);
    assert_int_equal(store_is_ordered(f->store), f->backend != BACKEND_MONGODB);
}

static void reopening_keeps_records_name_and_newest_stamp(void **state)
{
    struct store_fixture *f = *state;
    if (f->backend == BACKEND_SQLITE_MEMORY) {
        return; /* is gone when it is closed */
    }
    const struct chat chats[] = {{.id = oid_number(1), .rev = 41}, {.id = oid_number(2), .rev = 7}};
    char id[17];
    snprintf(id, sizeof(id), "%s", store_id(f->store));
    assert_int_equal(store_newest_rev(f->store), 0);
    assert_int_equal(store_insert_many(f->session, COLLECTION_CHATS, chats, 2), ERR_OK);
    store_fixture_reopen(f);
    assert_string_equal(store_id(f->store), id);
    assert_int_equal(store_newest_rev(f->store), 41);
    const struct consultation consultation = {.id = oid_number(3), .rev = 42};
    assert_int_equal(store_insert(f->session, COLLECTION_CONSULTATIONS, &consultation), ERR_OK);
    store_fixture_reopen(f);
    struct chat read;
    assert_int_equal(store_newest_rev(f->store), 42);
    assert_int_equal(store_get(f->session, f->arena, COLLECTION_CHATS, oid_number(2), &read),
                     ERR_OK);
    assert_int_equal(read.rev, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_record_reads_back_as_it_was_written),
        cmocka_unit_test(a_record_with_nothing_but_its_id_reads_back_so),
        cmocka_unit_test(views_are_absent_in_what_is_read),
        cmocka_unit_test(notices_with_any_of_their_parts_read_back),
        cmocka_unit_test(numbers_keep_all_their_bits),
        cmocka_unit_test(each_comparison_finds_what_it_says),
        cmocka_unit_test(an_absent_value_is_compared_as_absent),
        cmocka_unit_test(several_conditions_on_one_field_all_hold),
        cmocka_unit_test(one_of_finds_each_of_its_list_and_nothing_for_an_empty_one),
        cmocka_unit_test(contains_takes_its_text_literally_and_ignores_ascii_case),
        cmocka_unit_test(contains_tells_all_characters_apart),
        cmocka_unit_test(a_bool_is_true_or_false),
        cmocka_unit_test(retracted_messages_are_found_by_their_stamps),
        cmocka_unit_test(sorting_takes_absent_values_as_smallest),
        cmocka_unit_test(skip_and_limit_cut_a_page_out_of_the_order),
        cmocka_unit_test(many_records_come_back_whole_and_in_order),
        cmocka_unit_test(what_is_not_there_is_absent),
        cmocka_unit_test(find_one_gives_the_first_of_the_order),
        cmocka_unit_test(another_session_sees_what_was_written),
        cmocka_unit_test(a_run_of_jobs_is_visible_to_itself_and_stays_after_commit),
        cmocka_unit_test(a_refused_insert_does_not_harm_the_run),
        cmocka_unit_test(a_store_has_a_name_of_its_own),
        cmocka_unit_test(the_store_answers_a_ping),
        cmocka_unit_test(reopening_keeps_records_name_and_newest_stamp),
    };
    return RUN_ON_EVERY_BACKEND("store", tests);
}
