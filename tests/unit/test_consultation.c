/* The life of an order, told to the handlers over an embedded store: notices, the three replies,
 * the 48 hours, retraction, refund. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "server/api/chats.h"
#include "server/api/emit.h"
#include "server/api/moves.h"
#include "server/api/posts.h"
#include "support_world.h"

#define HOUR_MS INT64_C(3600000)
#define MINUTE_MS INT64_C(60000)

static int open_world(void **state)
{
    static struct world world;
    world_open_memory(&world);
    *state = &world;
    return 0;
}

static int close_world(void **state)
{
    world_close(*state);
    return 0;
}

static void paying_tells_both_sides_and_posts_the_content(void **state)
{
    struct world *world = *state;
    struct consultation order = world_paid_order(world);
    assert_string_equal(order.status, "03");
    assert_false(order.unsettled);
    assert_int_equal(order.deadline.ms - order.paid_at.ms, 48 * HOUR_MS);
    size_t count;
    const struct message *messages = world_messages(world, order.chat_id, &count);
    assert_int_equal(count, 5);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(messages[i].seq, i + 1);
    }
    assert_string_equal(messages[0].text.doctor.type, "咨询开始");
    assert_non_null(strstr(messages[0].text.doctor.text, "购买了您的咨询服务，请在48小时内回复。"));
    assert_string_equal(messages[0].text.user.text, "您提交的病历信息已经发送给医生，请等待回复。");
    assert_null(messages[1].text.doctor.text);
    assert_non_null(strstr(messages[1].text.user.text, "医生最多回复三次。"));
    assert_string_equal(messages[1].direction, "doctor->user");
    assert_string_equal(messages[2].text.plain, "头有点疼");
    assert_string_equal(messages[4].image, "https://demo.invalid/b.jpg");
    struct chat chat = world_chat(world, order.chat_id);
    assert_true(chat.status);
    assert_string_equal(chat.last_msg_content, "[图片]");
    assert_int_equal(world_events(world, world->doctor, "message.created"), 5);
    assert_int_equal(world_events(world, world->doctor, "温馨提示"), 0);
    assert_int_equal(world_events(world, world->user, "温馨提示"), 1);
    assert_int_equal(world_events(world, world->doctor, "\"status\":\"03\""), 1);
}

static void unread_leaves_out_what_a_side_does_not_see(void **state)
{
    struct world *world = *state;
    struct consultation order = world_paid_order(world);
    struct chat chat = world_chat(world, order.chat_id);
    chat_view(world->arena, &chat, SIDE_DOCTOR);
    assert_int_equal(chat.unread, 4); /* the start notice, the content and two images */
    chat_view(world->arena, &chat, SIDE_USER);
    assert_int_equal(chat.unread, 2); /* the start notice and the tips */
    struct chat_read in = {order.chat_id, 3};
    struct read_receipt receipt;
    world_as(world, world->doctor);
    assert_int_equal(world_call(world, "/api/chat/read", &in, &receipt), ERR_OK);
    assert_int_equal(receipt.unread, 2);
    in.seq = 1; /* reading back changes nothing */
    assert_int_equal(world_call(world, "/api/chat/read", &in, &receipt), ERR_OK);
    assert_int_equal(receipt.seq, 3);
    assert_int_equal(receipt.unread, 2);
    in.seq = 1000;
    assert_int_equal(world_call(world, "/api/chat/read", &in, &receipt), ERR_OK);
    assert_int_equal(receipt.seq, 5);
    assert_int_equal(receipt.unread, 0);
}

static void first_reply_moves_the_order_and_is_followed_by_the_disclaimer(void **state)
{
    struct world *world = *state;
    struct consultation order = world_paid_order(world);
    struct message reply;
    assert_int_equal(world_send(world, world->doctor, &order, "多喝水", NULL, &reply), ERR_OK);
    assert_int_equal(reply.seq, 6);
    order = world_read_order(world, order.id);
    assert_string_equal(order.status, "04");
    assert_false(order.unsettled);
    size_t count;
    const struct message *messages = world_messages(world, order.chat_id, &count);
    assert_int_equal(count, 7);
    assert_non_null(strstr(messages[6].text.user.text, "仅供参考"));
    assert_int_equal(world_events(world, world->user, "仅供参考"), 1);
    assert_int_equal(world_send(world, world->doctor, &order, "多休息", NULL, &reply), ERR_OK);
    assert_int_equal(world_events(world, world->user, "仅供参考"), 1); /* once per order */
    messages = world_messages(world, order.chat_id, &count);
    assert_int_equal(count, 8);
}

static void fourth_reply_is_refused_and_retracting_gives_one_back(void **state)
{
    struct world *world = *state;
    struct consultation order = world_paid_order(world);
    struct message replies[4];
    for (int i = 0; i < 3; i++) {
        assert_int_equal(world_send(world, world->doctor, &order, "答", NULL, &replies[i]), ERR_OK);
    }
    assert_int_equal(world_send(world, world->doctor, &order, "答", NULL, &replies[3]),
                     ERR_REPLY_QUOTA_EXCEEDED);
    struct by_id in = {replies[1].id};
    struct message retracted;
    assert_int_equal(world_call(world, "/api/consultation/chat/message/retract", &in, &retracted),
                     ERR_OK);
    assert_true(retracted.is_retract);
    assert_string_equal(retracted.text.plain, "答");
    assert_int_equal(world_read_order(world, order.id).reply_count, 2);
    assert_int_equal(world_call(world, "/api/consultation/chat/message/retract", &in, &retracted),
                     ERR_OK);
    assert_int_equal(world_read_order(world, order.id).reply_count, 2);
    assert_int_equal(world_send(world, world->doctor, &order, "再答", NULL, &replies[3]), ERR_OK);
    struct message view = message_view(&retracted, SIDE_USER);
    assert_null(view.text.plain);
}

static void patient_is_not_limited_to_three(void **state)
{
    struct world *world = *state;
    struct consultation order = world_paid_order(world);
    struct message message;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(world_send(world, world->user, &order, "问", NULL, &message), ERR_OK);
    }
    assert_int_equal(message.seq, 10);
}

static void sending_after_48_hours_is_refused(void **state)
{
    struct world *world = *state;
    struct consultation order = world_paid_order(world);
    struct message message;
    world_shift(world, 48 * HOUR_MS - MINUTE_MS);
    assert_int_equal(world_send(world, world->user, &order, "问", NULL, &message), ERR_OK);
    world_shift(world, MINUTE_MS);
    assert_int_equal(world_send(world, world->user, &order, "问", NULL, &message),
                     ERR_CONSULTATION_NOT_OPEN);
    assert_int_equal(world_send(world, world->doctor, &order, "答", NULL, &message),
                     ERR_CONSULTATION_NOT_OPEN);
    assert_int_equal(world_read_order(world, order.id).reply_count, 0);
}

static void same_client_msg_id_makes_one_message(void **state)
{
    struct world *world = *state;
    struct consultation order = world_paid_order(world);
    struct message first, again;
    assert_int_equal(world_send(world, world->doctor, &order, "答", "key-1", &first), ERR_OK);
    assert_int_equal(world_send(world, world->doctor, &order, "答", "key-1", &again), ERR_OK);
    assert_true(oid_equal(first.id, again.id));
    assert_int_equal(first.seq, again.seq);
    assert_int_equal(world_read_order(world, order.id).reply_count, 1);
    assert_int_equal(world_send(world, world->doctor, &order, "另答", "key-1", &again),
                     ERR_CLIENT_MSG_ID_CONFLICT);
    /* The other side's keys are its own. */
    assert_int_equal(world_send(world, world->user, &order, "问", "key-1", &again), ERR_OK);
    world_shift(world, 49 * HOUR_MS); /* however long ago */
    assert_int_equal(world_send(world, world->doctor, &order, "答", "key-1", &again), ERR_OK);
    assert_true(oid_equal(first.id, again.id));
}

/* Two that are alike for 252 bytes, and two that look alike. */
static void client_msg_ids_that_differ_anywhere_are_two(void **state)
{
    struct world *world = *state;
    struct consultation order = world_paid_order(world);
    char one[4 * KEY_MAX_LENGTH + 1] = "", other[4 * KEY_MAX_LENGTH + 1] = "";
    for (size_t i = 0; i < KEY_MAX_LENGTH - 1; i++) {
        memcpy(one + 4 * i, "😀", 5);
    }
    memcpy(other, one, sizeof other);
    strcat(one, "甲");
    strcat(other, "乙");
    const char *const ids[] = {one, other, "caf\xC3\xA9", "cafe\xCC\x81"};
    struct message first[ARRAY_LENGTH(ids)], again;
    for (size_t i = 0; i < ARRAY_LENGTH(ids); i++) {
        assert_int_equal(world_send(world, world->user, &order, "问", ids[i], &first[i]), ERR_OK);
        assert_string_equal(first[i].client_msg_id, ids[i]);
        assert_int_equal(first[i].seq, first[0].seq + (int64_t)i);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(ids); i++) {
        assert_int_equal(world_send(world, world->user, &order, "问", ids[i], &again), ERR_OK);
        assert_true(oid_equal(first[i].id, again.id));
    }
}

/* Whatever a new message would have been refused for, or would have changed. */
static void a_repeated_send_is_the_first_one_and_changes_nothing(void **state)
{
    struct world *world = *state;
    struct consultation order = world_paid_order(world);
    struct message first, again;
    assert_int_equal(world_send(world, world->doctor, &order, "答", "key-1", &first), ERR_OK);
    struct by_id in = {first.id};
    assert_int_equal(world_call(world, "/api/consultation/chat/message/retract", &in, &again),
                     ERR_OK);
    struct chat before = world_chat(world, order.chat_id);
    assert_int_equal(world_send(world, world->doctor, &order, "答", "key-1", &again), ERR_OK);
    assert_true(oid_equal(first.id, again.id) && again.is_retract);
    assert_int_equal(world_read_order(world, order.id).reply_count, 0); /* it has been given back */
    for (int i = 0; i < 3; i++) {
        assert_int_equal(world_send(world, world->doctor, &order, "再答", NULL, &again), ERR_OK);
    }
    assert_int_equal(world_send(world, world->doctor, &order, "答", "key-1", &again), ERR_OK);
    assert_int_equal(world_send(world, world->doctor, &order, "答", "key-2", &again),
                     ERR_REPLY_QUOTA_EXCEEDED);
    struct chat after = world_chat(world, order.chat_id);
    assert_int_equal(after.last_seq, before.last_seq + 3);
    assert_int_equal(after.user_total, before.user_total + 3);
}

static void retracting_has_its_limits(void **state)
{
    struct world *world = *state;
    struct consultation order = world_paid_order(world);
    struct message message, out;
    assert_int_equal(world_send(world, world->user, &order, "问", NULL, &message), ERR_OK);
    struct by_id in = {message.id};
    const char *path = "/api/consultation/chat/message/retract";
    world_as(world, world->doctor);
    assert_int_equal(world_call(world, path, &in, &out), ERR_NOT_YOURS);
    world_as(world, world->other_user);
    assert_int_equal(world_call(world, path, &in, &out), ERR_NOT_YOURS);
    world_as(world, world->user);
    world_shift(world, 5 * MINUTE_MS + 1);
    assert_int_equal(world_call(world, path, &in, &out), ERR_RETRACT_TOO_LATE);
    size_t count;
    const struct message *messages = world_messages(world, order.chat_id, &count);
    struct by_id notice = {messages[0].id};
    assert_int_equal(world_call(world, path, &notice, &out), ERR_NOT_RETRACTABLE);
}

static void retracting_the_last_message_shows_in_the_chat(void **state)
{
    struct world *world = *state;
    struct consultation order = world_paid_order(world);
    struct message first, last, out;
    assert_int_equal(world_send(world, world->user, &order, "一", NULL, &first), ERR_OK);
    assert_int_equal(world_send(world, world->user, &order, "二", NULL, &last), ERR_OK);
    struct by_id in = {first.id};
    const char *path = "/api/consultation/chat/message/retract";
    assert_int_equal(world_call(world, path, &in, &out), ERR_OK);
    assert_string_equal(world_chat(world, order.chat_id).last_msg_content, "二");
    in.id = last.id;
    world_forget_events(world);
    assert_int_equal(world_call(world, path, &in, &out), ERR_OK);
    assert_string_equal(world_chat(world, order.chat_id).last_msg_content, "[消息已撤回]");
    assert_int_equal(world_events(world, world->doctor, "message.retracted"), 1);
    assert_int_equal(world_events(world, world->doctor, "二"), 0);
    assert_int_equal(world_events(world, world->user, "\"text\":\"二\""), 1);
}

static enum err ask(struct world *world, struct account who, struct oid id, const char *status,
                    struct consultation *out)
{
    struct consultation_update in = {id, status};
    world_as(world, who);
    return world_call(world, "/consultation/update", &in, out);
}

static void cancelling_closes_the_payment_and_tells_the_user(void **state)
{
    struct world *world = *state;
    struct consultation order = world_order(world);
    struct by_consultation by = {order.id};
    struct payment payment;
    assert_int_equal(world_call(world, "/consultation/payment/create", &by, &payment), ERR_OK);
    assert_int_equal(ask(world, world->doctor, order.id, "02", &order), ERR_ILLEGAL_TRANSITION);
    assert_int_equal(ask(world, world->other_user, order.id, "02", &order), ERR_NOT_YOURS);
    assert_int_equal(ask(world, world->user, order.id, "02", &order), ERR_OK);
    assert_string_equal(order.status, "02");
    assert_int_equal(ask(world, world->user, order.id, "02", &order), ERR_ILLEGAL_TRANSITION);
    size_t count;
    const struct message *messages = world_messages(world, chat_id_of_user(world->user.id), &count);
    assert_int_equal(count, 1);
    assert_non_null(strstr(messages[0].text.plain, order.consultation_no));
    /* Paid all the same, a moment too late: the money goes back, the order stays cancelled. */
    struct sandbox_pay pay = {payment.out_trade_no};
    assert_int_equal(world_call(world, "/consultation/payment/sandbox/pay", &pay, &payment),
                     ERR_OK);
    assert_string_equal(payment.status, "REFUNDING");
    world_sweep_all(world);
    assert_int_equal(world_call(world, "/consultation/payment/sandbox/pay", &pay, &payment),
                     ERR_OK);
    assert_string_equal(payment.status, "REFUNDED");
    assert_string_equal(world_read_order(world, order.id).status, "02");
    world_order(world); /* the pair is free again */
}

static void refund_before_a_reply_ends_the_order(void **state)
{
    struct world *world = *state;
    struct consultation order = world_paid_order(world);
    assert_int_equal(ask(world, world->user, order.id, "07", &order), ERR_ILLEGAL_TRANSITION);
    assert_int_equal(ask(world, world->user, order.id, "06", &order), ERR_OK);
    assert_string_equal(order.status, "06");
    assert_false(world_chat(world, order.chat_id).status);
    struct message message;
    assert_int_equal(world_send(world, world->user, &order, "问", NULL, &message),
                     ERR_CONSULTATION_NOT_OPEN);
    world_sweep_all(world);
    assert_string_equal(world_read_order(world, order.id).status, "09");
    assert_int_equal(world_events(world, world->doctor, "咨询结束"), 1);
    world_order(world);
}

static void completing_needs_a_reply(void **state)
{
    struct world *world = *state;
    struct consultation order = world_paid_order(world);
    struct message reply, out;
    assert_int_equal(world_send(world, world->doctor, &order, "答", NULL, &reply), ERR_OK);
    assert_int_equal(ask(world, world->user, order.id, "06", &order), ERR_ILLEGAL_TRANSITION);
    struct by_id in = {reply.id};
    world_as(world, world->doctor);
    assert_int_equal(world_call(world, "/api/consultation/chat/message/retract", &in, &out),
                     ERR_OK);
    assert_int_equal(ask(world, world->doctor, order.id, "07", &order), ERR_ILLEGAL_TRANSITION);
    order = world_read_order(world, order.id);
    assert_int_equal(world_send(world, world->doctor, &order, "答", NULL, &reply), ERR_OK);
    assert_int_equal(ask(world, world->doctor, order.id, "07", &order), ERR_OK);
    assert_string_equal(order.status, "07");
    assert_int_equal(world_events(world, world->user, "咨询结束"), 1);
}

/* A call that was held up, or another node's clock: a client takes the newer one of two events by this. */
static void a_move_is_newer_than_what_was_there(void **state)
{
    struct world *world = *state;
    struct consultation order = world_paid_order(world);
    struct consultation before, after;
    struct message reply;
    world_shift(world, MINUTE_MS);
    assert_int_equal(world_send(world, world->doctor, &order, "多喝水", NULL, &reply), ERR_OK);
    before = world_read_order(world, order.id);
    world_shift(world, -MINUTE_MS);
    assert_int_equal(world_send(world, world->doctor, &order, "多休息", NULL, &reply), ERR_OK);
    after = world_read_order(world, order.id);
    assert_true(after.updated_at.ms >= before.updated_at.ms);
    assert_int_equal(ask(world, world->user, order.id, "07", &after), ERR_OK);
    assert_true(after.updated_at.ms > before.updated_at.ms);
}

static void one_pair_has_one_open_order(void **state)
{
    struct world *world = *state;
    struct consultation order = world_order(world);
    struct consultation_create in = {.content = "又来",
                                     .patient_id = world->patient_id,
                                     .doctor_id = world->doctor.id,
                                     .consultation_reason = "在线复诊"};
    struct consultation out;
    assert_int_equal(world_call(world, "/consultation/create", &in, &out), ERR_ORDER_OPEN);
    struct by_id by = {world->patient_id};
    struct nothing nothing;
    assert_int_equal(world_call(world, "/api/patient/delete", &by, &nothing),
                     ERR_PATIENT_HAS_ORDER);
    in.doctor_id = world->other_doctor.id; /* another doctor is another pair */
    assert_int_equal(world_call(world, "/consultation/create", &in, &out), ERR_OK);
    assert_int_equal(ask(world, world->user, out.id, "02", &out), ERR_OK);
    assert_int_equal(ask(world, world->user, order.id, "02", &out), ERR_OK);
    assert_int_equal(world_call(world, "/api/patient/delete", &by, &nothing), ERR_OK);
    assert_int_equal(world_call(world, "/consultation/create", &in, &out), ERR_PATIENT_DELETED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define STORY(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)
        STORY(paying_tells_both_sides_and_posts_the_content),
        STORY(unread_leaves_out_what_a_side_does_not_see),
        STORY(first_reply_moves_the_order_and_is_followed_by_the_disclaimer),
        STORY(fourth_reply_is_refused_and_retracting_gives_one_back),
        STORY(patient_is_not_limited_to_three),
        STORY(sending_after_48_hours_is_refused),
        STORY(same_client_msg_id_makes_one_message),
        STORY(client_msg_ids_that_differ_anywhere_are_two),
        STORY(a_repeated_send_is_the_first_one_and_changes_nothing),
        STORY(retracting_has_its_limits),
        STORY(retracting_the_last_message_shows_in_the_chat),
        STORY(cancelling_closes_the_payment_and_tells_the_user),
        STORY(refund_before_a_reply_ends_the_order),
        STORY(completing_needs_a_reply),
        STORY(a_move_is_newer_than_what_was_there),
        STORY(one_pair_has_one_open_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
