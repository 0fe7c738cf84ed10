/* The record: every action leaves its row, and whatever is done to the rows or to what they tell of
 * is found, on every store. */
#include "support_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/api/audit.h"
#include "server/auth.h"
#include "server/audit_stretch.h"
#include "server/audit_verify.h"
#include "server/audit_walk.h"
#include "support_fake_store.h"
#include "support_world.h"

/* ---- A world over the store of a fixture --------------------------------------------------- */

static struct audit_report report;
static char found[4096], heads_text[4096];

static void open_world(struct world *world, struct store_fixture *f)
{
    world_open(world, f->store);
    world->rolls_back = store_is_atomic(f->store);
}

/* The store stays the fixture's. */
static void close_world(struct world *world)
{
    world->store = NULL;
    world_close(world);
}

static int64_t verify_against(struct world *world, const struct audit_head *against, size_t count)
{
    struct strbuf findings, heads;
    strbuf_init(&findings, 0);
    strbuf_init(&heads, 0);
    assert_int_equal(audit_verify(world->session, against, count, &report, &findings, &heads),
                     ERR_OK);
    snprintf(found, sizeof found, "%s", strbuf_text(&findings));
    snprintf(heads_text, sizeof heads_text, "%s", strbuf_text(&heads));
    strbuf_free(&findings);
    strbuf_free(&heads);
    return audit_report_faults(&report);
}

static int64_t verify(struct world *world)
{
    return verify_against(world, NULL, 0);
}

/* All rows, in the order of their ids. */
static const struct audit_row *all_rows(struct world *world, size_t *count)
{
    struct query query = {.sort = {SORT_UP(audit_row, id)}};
    struct object_list list;
    assert_int_equal(store_find(world->session, world->arena, COLLECTION_AUDIT, &query, &list),
                     ERR_OK);
    *count = list.count;
    return list.items;
}

static struct audit_row last_row(struct world *world)
{
    size_t count;
    const struct audit_row *rows = all_rows(world, &count);
    assert_true(count > 0);
    return rows[count - 1];
}

/* A paid order with a message of each side, one of them retracted. */
static struct consultation told(struct world *world, struct message *sent)
{
    struct message message;
    struct consultation order = world_paid_order(world);
    assert_int_equal(world_send(world, world->user, &order, "发错了", "m1", &message), ERR_OK);
    struct by_id in = {message.id};
    assert_int_equal(world_call(world, "/api/consultation/chat/message/retract", &in, &message),
                     ERR_OK);
    assert_int_equal(world_send(world, world->doctor, &order, "多喝水", "m2", sent), ERR_OK);
    return order;
}

static void assert_last(struct world *world, const char *actor, struct oid actor_id,
                        const char *action, const char *result, struct oid subject)
{
    struct audit_row row = last_row(world);
    assert_string_equal(row.actor, actor);
    assert_true(oid_equal(row.actor_id, actor_id));
    assert_string_equal(row.action, action);
    if (result == NULL) {
        assert_null(row.result);
    } else {
        assert_string_equal(row.result, result);
    }
    assert_true(oid_equal(row.subject, subject));
}

/* ---- Rows --------------------------------------------------------------------------------- */

static void sign_ins_are_recorded_also_those_that_fail(void **state)
{
    struct world world;
    open_world(&world, *state);
    struct user_signin in = {.open_id = "user-one"};
    struct user_session out;
    assert_int_equal(world_call(&world, "/api/user/signin", &in, &out), ERR_OK);
    assert_last(&world, "user", world.user.id, "account.signin", "ok", world.user.id);
    in.open_id = "nobody";
    assert_int_equal(world_call(&world, "/api/user/signin", &in, &out), ERR_USER_NOT_FOUND);
    struct oid nobody = id_derive_text("user", "nobody");
    assert_last(&world, "user", nobody, "account.signin", "failed", nobody);
    struct doctor_signin wrong = {.doctor_sn = "00001", .password = "wrong"};
    struct doctor_session session;
    assert_int_equal(world_call(&world, "/api/doctor/signin", &wrong, &session), ERR_SIGNIN_FAILED);
    assert_last(&world, "doctor", world.doctor.id, "account.signin", "failed", world.doctor.id);
    assert_int_equal(verify(&world), 0);
    close_world(&world);
}

static void what_a_doctor_reads_is_recorded_and_what_a_user_reads_is_not(void **state)
{
    struct world world;
    struct message sent;
    open_world(&world, *state);
    struct consultation order = told(&world, &sent);
    struct by_consultation by = {order.id};
    struct object_list list;
    size_t before, after;
    all_rows(&world, &before);
    world_as(&world, world.user);
    assert_int_equal(world_call(&world, "/consultation/chatmessage", &by, &list), ERR_OK);
    all_rows(&world, &after);
    assert_int_equal(after, before);
    world_as(&world, world.doctor);
    assert_int_equal(world_call(&world, "/consultation/chatmessage", &by, &list), ERR_OK);
    assert_last(&world, "doctor", world.doctor.id, "message.read", NULL, order.chat_id);
    struct by_id patient = {world.patient_id};
    struct patient out;
    assert_int_equal(world_call(&world, "/api/patient/detail", &patient, &out), ERR_OK);
    assert_last(&world, "doctor", world.doctor.id, "patient.read", NULL, world.patient_id);
    assert_true(oid_equal(last_row(&world).consultation_id, order.id));
    /* A refusal shows nothing. */
    world_as(&world, world.other_doctor);
    assert_int_equal(world_call(&world, "/consultation/chatmessage", &by, &list), ERR_NOT_YOURS);
    assert_last(&world, "doctor", world.doctor.id, "patient.read", NULL, world.patient_id);
    close_world(&world);
}

static void no_text_of_a_message_is_in_a_row(void **state)
{
    struct world world;
    struct message sent;
    open_world(&world, *state);
    told(&world, &sent);
    size_t count;
    const struct audit_row *rows = all_rows(&world, &count);
    assert_true(count > 10);
    for (size_t i = 0; i < count; i++) {
        const char *texts[] = {rows[i].actor, rows[i].action, rows[i].result, rows[i].details};
        for (size_t j = 0; j < ARRAY_LENGTH(texts); j++) {
            for (const char *at = texts[j] != NULL ? texts[j] : ""; *at != '\0'; at++) {
                assert_true((unsigned char)*at < 0x80); /* all that people say here is Chinese */
            }
        }
    }
    close_world(&world);
}

static void rows_follow_each_other_over_several_chains(void **state)
{
    struct world world;
    struct message sent;
    open_world(&world, *state);
    told(&world, &sent);
    world_restart(&world);
    world_as(&world, world.doctor);
    struct by_id patient = {world.patient_id};
    struct patient out;
    assert_int_equal(world_call(&world, "/api/patient/detail", &patient, &out), ERR_OK);
    assert_int_equal(verify(&world), 0);
    assert_int_equal(report.chains, 2);
    assert_int_equal(report.unrecorded, 0);
    assert_true(report.contents > 5);
    size_t count;
    struct audit_head *heads = audit_heads_parse(world.arena, heads_text, &count, NULL);
    assert_int_equal(count, 2);
    assert_int_equal(verify_against(&world, heads, count), 0);
    close_world(&world);
}

/* ---- Tampering ---------------------------------------------------------------------------- */

static void a_changed_row_is_found(void **state)
{
    struct world world;
    struct message sent;
    open_world(&world, *state);
    told(&world, &sent);
    size_t count;
    const struct audit_row *rows = all_rows(&world, &count);
    struct change change = SET(audit_row, actor, "nobody");
    assert_int_equal(store_update(world.session, world.arena, COLLECTION_AUDIT, rows[3].id, NULL, 0,
                                  &change, 1, NULL),
                     ERR_OK);
    assert_int_equal(verify(&world), 1);
    assert_int_equal(report.changed, 1);
    assert_non_null(strstr(found, " 4: was changed"));
    /* Also one whose own hash was mended: then the next one does not follow. */
    struct audit_row row = rows[3];
    char hash[AUDIT_HASH_TEXT_BYTES];
    row.actor = "nobody";
    struct audit_hasher *hasher = audit_hasher_new();
    audit_hash_record(hasher, &audit_row_shape, &row, hash);
    audit_hasher_free(hasher);
    change = SET(audit_row, hash, hash);
    assert_int_equal(store_update(world.session, world.arena, COLLECTION_AUDIT, rows[3].id, NULL, 0,
                                  &change, 1, NULL),
                     ERR_OK);
    assert_int_equal(verify(&world), 1);
    assert_int_equal(report.broken, 1);
    assert_non_null(strstr(found, " 5: does not follow"));
    close_world(&world);
}

static void a_dropped_row_is_found(void **state)
{
    struct world world;
    struct message sent;
    open_world(&world, *state);
    told(&world, &sent);
    size_t count;
    const struct audit_row *rows = all_rows(&world, &count);
    assert_int_equal(store_remove(world.session, COLLECTION_AUDIT, rows[2].id, NULL, 0), ERR_OK);
    assert_int_equal(verify(&world), 1);
    assert_int_equal(report.dropped, 1);
    assert_non_null(strstr(found, " 4: rows before it are missing"));
    /* The first row of all. */
    assert_int_equal(store_remove(world.session, COLLECTION_AUDIT, rows[0].id, NULL, 0), ERR_OK);
    verify(&world);
    assert_int_equal(report.dropped, 2);
    close_world(&world);
}

static void two_rows_that_changed_places_are_found(void **state)
{
    struct world world;
    struct message sent;
    open_world(&world, *state);
    told(&world, &sent);
    size_t count;
    const struct audit_row *rows = all_rows(&world, &count);
    struct audit_row swapped[] = {rows[2], rows[5]};
    swapped[0].id = rows[5].id;
    swapped[1].id = rows[2].id;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(store_remove(world.session, COLLECTION_AUDIT, swapped[i].id, NULL, 0),
                         ERR_OK);
        assert_int_equal(store_insert(world.session, COLLECTION_AUDIT, &swapped[i]), ERR_OK);
    }
    assert_true(verify(&world) >= 4);
    assert_int_equal(report.changed, 2);
    assert_true(report.broken >= 2);
    close_world(&world);
}

static void the_end_that_was_cut_off_is_found_by_heads_kept_elsewhere(void **state)
{
    struct world world;
    struct message sent;
    open_world(&world, *state);
    told(&world, &sent);
    assert_int_equal(verify(&world), 0);
    char kept[sizeof heads_text];
    memcpy(kept, heads_text, sizeof kept);
    struct audit_row last = last_row(&world);
    assert_int_equal(store_remove(world.session, COLLECTION_AUDIT, last.id, NULL, 0), ERR_OK);
    assert_int_equal(verify(&world), 0); /* nothing else can know of it */
    size_t count;
    struct audit_head *heads = audit_heads_parse(world.arena, kept, &count, NULL);
    assert_int_equal(count, 1);
    assert_int_equal(verify_against(&world, heads, count), 1);
    assert_int_equal(report.dropped, 1);
    assert_non_null(strstr(found, "named by --against"));
    close_world(&world);
}

static void the_end_of_an_older_chain_is_found_by_the_next_one(void **state)
{
    struct world world;
    struct message sent;
    open_world(&world, *state);
    told(&world, &sent);
    struct audit_row last = last_row(&world);
    world_restart(&world);
    struct user_signin in = {.open_id = "user-one"};
    struct user_session out;
    assert_int_equal(world_call(&world, "/api/user/signin", &in, &out), ERR_OK);
    assert_int_equal(store_remove(world.session, COLLECTION_AUDIT, last.id, NULL, 0), ERR_OK);
    assert_int_equal(verify(&world), 1);
    assert_int_equal(report.dropped, 1);
    assert_non_null(strstr(found, "the end of the chain was cut off"));
    close_world(&world);
}

static void a_message_that_was_changed_removed_or_slipped_in_is_found(void **state)
{
    struct world world;
    struct message sent;
    open_world(&world, *state);
    struct consultation order = told(&world, &sent);
    struct change image = SET(message, image, "https://img.example/x.jpg");
    assert_int_equal(store_update(world.session, world.arena, COLLECTION_MESSAGES, sent.id, NULL, 0,
                                  &image, 1, NULL),
                     ERR_OK);
    assert_int_equal(verify(&world), 1);
    assert_int_equal(report.contents_changed, 1);
    /* A retraction that was undone. */
    size_t count;
    const struct message *messages = world_messages(&world, order.chat_id, &count);
    struct change undone = SET(message, is_retract, false);
    for (size_t i = 0; i < count; i++) {
        if (messages[i].is_retract) {
            assert_int_equal(store_update(world.session, world.arena, COLLECTION_MESSAGES,
                                          messages[i].id, NULL, 0, &undone, 1, NULL),
                             ERR_OK);
        }
    }
    verify(&world);
    assert_int_equal(report.contents_changed, 2);
    assert_int_equal(store_remove(world.session, COLLECTION_MESSAGES, sent.id, NULL, 0), ERR_OK);
    verify(&world);
    assert_int_equal(report.contents_missing, 1);
    assert_int_equal(report.unrecorded, 0);
    sent.id = oid_number(77);
    sent.client_msg_id = NULL;
    assert_int_equal(store_insert(world.session, COLLECTION_MESSAGES, &sent), ERR_OK);
    verify(&world);
    assert_int_equal(report.unrecorded, 1);
    close_world(&world);
}

static void record_purge(struct world *world, struct oid order, const char *what)
{
    audit_note(world_ready(world), &(struct audit_note){.action = AUDIT_PURGE,
                                                        .consultation_id = order,
                                                        .subject = order,
                                                        .result = what});
    assert_int_equal(world_record(world, ERR_OK), ERR_OK);
}

static void a_purge_of_messages_took_nothing_else(void **state)
{
    struct world world;
    open_world(&world, *state);
    const struct oid order = oid_number(5);
    const struct treatment_version version = {.id = oid_number(6), .consultation_id = order};
    audit_note(world_ready(&world), &(struct audit_note){.action = AUDIT_TREATMENT,
                                                         .consultation_id = order,
                                                         .subject = version.id,
                                                         .content = &version});
    assert_int_equal(world_record(&world, ERR_OK), ERR_OK);
    record_purge(&world, order, PURGED_MESSAGES);
    verify(&world);
    assert_int_equal(report.contents_missing, 1);
    record_purge(&world, order, PURGED_RECORD);
    verify(&world);
    assert_int_equal(report.contents_missing, 0);
    close_world(&world);
}

/* ---- Writing ------------------------------------------------------------------------------ */

static void heads_are_read_as_they_are_written(void **state)
{
    (void)state;
    struct arena *arena = arena_new(4096);
    struct audit_head head = {.row = audit_place(oid_number(3), AUDIT_NUMBER_MAX)};
    memset(head.hash, 'a', AUDIT_HASH_TEXT_BYTES - 1);
    assert_int_equal(audit_number(head.row), AUDIT_NUMBER_MAX);
    head.row.bytes[0] = 9;
    struct strbuf text;
    strbuf_init(&text, 0);
    strbuf_add_text(&text, "12 rows\n");
    audit_head_write(&text, &head);
    size_t count;
    int bad_line;
    struct audit_head *heads = audit_heads_parse(arena, strbuf_text(&text), &count, &bad_line);
    assert_int_equal(count, 1);
    assert_int_equal(bad_line, 0);
    assert_true(oid_equal(heads[0].row, head.row));
    assert_string_equal(heads[0].hash, head.hash);
    strbuf_add_text(&text, "head 0102 3 abc\n");
    audit_heads_parse(arena, strbuf_text(&text), &count, &bad_line);
    assert_int_equal(bad_line, 3);
    strbuf_free(&text);
    arena_free(arena);
}

/* A run whose rows cannot be written is lost whole, and the chain goes on from where it was. */
static void a_run_without_its_rows_leaves_nothing(void **state)
{
    (void)state;
    struct world world;
    struct store_settings settings = {
        .url = "sqlite::memory:", .timeout_ms = 10000, .pool_size = 4};
    struct store *inner;
    char why[256];
    assert_int_equal(store_open(&settings, &inner, why), ERR_OK);
    world_open(&world, fake_store_wrap(inner));
    struct call *call = world_ready(&world);
    struct audit_note note = {.action = AUDIT_ADMIN, .result = "1"};
    struct department department = {.id = oid_number(1), .name = "心内科"};
    for (int n = 1; n <= 2; n++) { /* the run that opens the chain, and one after */
        assert_int_equal(store_begin(world.session), ERR_OK);
        assert_int_equal(store_insert(world.session, COLLECTION_DEPARTMENTS, &department), ERR_OK);
        audit_note(call, &note);
        assert_int_equal(audit_chain_add(world.chain, world.session, call), ERR_OK);
        fake_store_fail_at(world.store, 1);
        assert_int_equal(audit_chain_write(world.chain, world.session), ERR_STORE);
        store_abandon(world.session);
        audit_chain_settle(world.chain, false);
        struct department absent;
        assert_int_equal(
            store_get(world.session, world.arena, COLLECTION_DEPARTMENTS, department.id, &absent),
            ERR_ABSENT);
        call = world_ready(&world);
        audit_note(call, &note);
        assert_int_equal(world_record(&world, ERR_OK), ERR_OK);
        call = world_ready(&world);
        assert_int_equal(verify(&world), 0);
        assert_int_equal(report.rows, 1 + n);
    }
    world_close(&world);
}

/* ---- Rows that stand aside ------------------------------------------------------------------- */

/* A row for each of `count` messages of `orders` orders that take turns; a hundred in a run. */
static void record_sent(struct world *world, uint32_t orders, uint32_t from, uint32_t count)
{
    for (uint32_t i = from; i < from + count;) {
        struct call *call = world_ready(world);
        for (size_t j = 0; j < 100 && i < from + count; j++, i++) {
            audit_note(call, &(struct audit_note){.action = AUDIT_SEND,
                                                  .consultation_id = oid_number(1 + i % orders),
                                                  .subject = oid_number(1000 + i)});
        }
        assert_int_equal(world_record(world, ERR_OK), ERR_OK);
    }
}

static size_t count_in_index(struct world *world)
{
    size_t count, in_index = 0;
    const struct audit_row *rows = all_rows(world, &count);
    for (size_t i = 0; i < count; i++) {
        in_index += !rows[i].is_aside && !oid_is_none(rows[i].consultation_id);
    }
    return in_index;
}

static int compare_places(const void *a, const void *b)
{
    const struct audit_row *x = a, *y = b;
    return memcmp(x->id.bytes, y->id.bytes, OID_BYTES);
}

/* Places 2 to 4095 are the first stretch, and then 4,096 each are one. */
static void an_order_is_in_the_index_once_for_each_stretch_and_all_its_rows_are_found(void **state)
{
    const uint32_t orders = 3, count = 2 * AUDIT_STRETCH_ROWS + 500;
    struct world world;
    open_world(&world, *state);
    record_sent(&world, orders, 0, count);
    assert_int_equal(count_in_index(&world), world.rolls_back ? 3 * orders : count);
    for (uint32_t order = 0; order < orders; order++) {
        struct audit_row *rows;
        size_t found_count;
        assert_int_equal(audit_walk_order(world.session, world.arena, oid_number(1 + order), &rows,
                                          &found_count),
                         ERR_OK);
        assert_int_equal(found_count, (count - order + orders - 1) / orders);
        qsort(rows, found_count, sizeof *rows, compare_places);
        for (uint32_t i = 0; i < found_count; i++) {
            assert_true(oid_equal(rows[i].subject, oid_number(1000 + order + i * orders)));
        }
    }
    assert_int_equal(verify(&world), 0);
    close_world(&world);
}

static void an_order_without_rows_has_none(void **state)
{
    struct world world;
    struct audit_row *rows;
    size_t count;
    open_world(&world, *state);
    record_sent(&world, 1, 0, 3);
    assert_int_equal(audit_walk_order(world.session, world.arena, oid_number(99), &rows, &count),
                     ERR_OK);
    assert_int_equal(count, 0);
    close_world(&world);
}

static void only_rows_of_sending_stand_aside(void **state)
{
    struct world world;
    struct message sent;
    open_world(&world, *state);
    struct consultation order = told(&world, &sent);
    size_t count, of_order = 0, found_count;
    const struct audit_row *rows = all_rows(&world, &count);
    struct audit_row *found_rows;
    for (size_t i = 0; i < count; i++) {
        of_order += oid_equal(rows[i].consultation_id, order.id);
        assert_true(!rows[i].is_aside || strcmp(rows[i].action, "message.send") == 0);
    }
    assert_int_equal(
        audit_walk_order(world.session, world.arena, order.id, &found_rows, &found_count), ERR_OK);
    assert_int_equal(found_count, of_order);
    close_world(&world);
}

/* The first row of an order is lost with its run: the next one is in the index in its stead. */
static void what_a_lost_run_has_met_is_met_anew(void **state)
{
    struct world world;
    open_world(&world, *state);
    if (!world.rolls_back) {
        close_world(&world);
        return; /* there lost rows are written again */
    }
    record_sent(&world, 1, 0, 1);
    struct call *call = world_ready(&world);
    audit_note(call, &(struct audit_note){.action = AUDIT_SEND, .consultation_id = oid_number(7)});
    assert_int_equal(audit_chain_add(world.chain, world.session, call), ERR_OK);
    audit_chain_settle(world.chain, false);
    record_sent(&world, 1, 6, 1);
    call = world_ready(&world);
    audit_note(call, &(struct audit_note){.action = AUDIT_SEND, .consultation_id = oid_number(7)});
    assert_int_equal(world_record(&world, ERR_OK), ERR_OK);
    assert_false(last_row(&world).is_aside);
    assert_int_equal(verify(&world), 0);
    close_world(&world);
}

static void a_row_that_was_put_aside_is_found(void **state)
{
    struct world world;
    open_world(&world, *state);
    record_sent(&world, 2, 0, 2);
    const struct change aside = SET(audit_row, is_aside, true);
    assert_int_equal(store_update(world.session, world.arena, COLLECTION_AUDIT, last_row(&world).id,
                                  NULL, 0, &aside, 1, NULL),
                     ERR_OK);
    assert_int_equal(verify(&world), 1);
    assert_int_equal(report.changed, 1);
    assert_non_null(strstr(found, "cannot be found by its order"));
    close_world(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sign_ins_are_recorded_also_those_that_fail),
        cmocka_unit_test(what_a_doctor_reads_is_recorded_and_what_a_user_reads_is_not),
        cmocka_unit_test(no_text_of_a_message_is_in_a_row),
        cmocka_unit_test(rows_follow_each_other_over_several_chains),
        cmocka_unit_test(a_changed_row_is_found),
        cmocka_unit_test(a_dropped_row_is_found),
        cmocka_unit_test(two_rows_that_changed_places_are_found),
        cmocka_unit_test(the_end_that_was_cut_off_is_found_by_heads_kept_elsewhere),
        cmocka_unit_test(the_end_of_an_older_chain_is_found_by_the_next_one),
        cmocka_unit_test(a_message_that_was_changed_removed_or_slipped_in_is_found),
        cmocka_unit_test(a_purge_of_messages_took_nothing_else),
        cmocka_unit_test(an_order_is_in_the_index_once_for_each_stretch_and_all_its_rows_are_found),
        cmocka_unit_test(an_order_without_rows_has_none),
        cmocka_unit_test(only_rows_of_sending_stand_aside),
        cmocka_unit_test(what_a_lost_run_has_met_is_met_anew),
        cmocka_unit_test(a_row_that_was_put_aside_is_found),
    };
    const struct CMUnitTest alone[] = {
        cmocka_unit_test(heads_are_read_as_they_are_written),
        cmocka_unit_test(a_run_without_its_rows_leaves_nothing),
    };
    return RUN_ON_EVERY_BACKEND("audit", tests) +
           cmocka_run_group_tests_name("audit, alone", alone, NULL, NULL);
}
