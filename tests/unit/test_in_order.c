/* The gate of a socket: in whatever order the messages of a chat come, and whatever is lost of them, a
 * socket is told them in their order. */
#include "server/in_order.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FROM_REV 1000
#define ROWS_MAX 16

static struct in_order order;
static struct frame_queue out;
static struct emission rows[ROWS_MAX];
static size_t row_count;
static int64_t now_ms;

static struct oid chat_number(unsigned number)
{
    struct oid id = OID_NONE;
    memcpy(id.bytes, &number, sizeof number);
    id.bytes[OID_BYTES - 1] = 1;
    return id;
}

/* Frames with their kind and seq as text: "c5", "r5". Stamps rise with the seq. */
static struct frame *frame_of(enum place_kind kind, unsigned chat, int64_t seq, int64_t rev)
{
    struct frame_place place = {kind, chat_number(chat), seq, rev};
    struct strbuf text;
    strbuf_init(&text, FRAME_ROOM);
    strbuf_add_format(&text, "%c%lld", " crvd"[kind], (long long)seq);
    return frame_take_placed(&text, &place);
}

static enum in_order_result put_of(unsigned chat, enum place_kind kind, int64_t seq, int64_t rev,
                                   bool is_told)
{
    struct frame *frame = frame_of(kind, chat, seq, rev);
    enum in_order_result result =
        in_order_put(&order, frame_place(frame), is_told ? frame : NULL, now_ms, &out);
    frame_drop(frame);
    return result;
}

static void put(enum place_kind kind, int64_t seq)
{
    assert_int_equal(put_of(1, kind, seq, FROM_REV + seq, kind != PLACE_VOID), IN_ORDER_OK);
}

static void created(int64_t seq)
{
    put(PLACE_CREATED, seq);
}

/* The socket's own message, which its answer has told. */
static void sent(int64_t seq)
{
    assert_int_equal(put_of(1, PLACE_CREATED, seq, FROM_REV + seq, false), IN_ORDER_OK);
}

static void known(int64_t seq, bool is_told)
{
    struct frame_place place = {PLACE_CREATED, chat_number(1), seq, FROM_REV};
    in_order_know(&order, &place, is_told);
}

/* What has been let out since, "c1 c2". */
static void assert_out(const char *expected)
{
    char text[1024] = "";
    while (out.count > 0) {
        struct frame *frame = frame_queue_at(&out, 0);
        size_t length = strlen(text);
        snprintf(text + length, sizeof text - length, "%s%.*s", length > 0 ? " " : "",
                 (int)frame_length(frame), frame_text(frame));
        frame_queue_pop(&out);
    }
    assert_string_equal(text, expected);
}

/* ---- The store ------------------------------------------------------------------------------ */

static void row(enum place_kind kind, int64_t seq, int64_t rev)
{
    assert_true(row_count < ROWS_MAX);
    rows[row_count] = (struct emission){.frame = frame_of(kind, 1, seq, rev), .rev = rev};
    if (row_count > 0) {
        rows[row_count - 1].next = &rows[row_count];
    }
    row_count++;
}

static struct in_order_ask ask_once(void)
{
    struct in_order_ask asks[4];
    assert_int_equal(in_order_asks(&order, asks, 4), 1);
    return asks[0];
}

static void assert_no_ask(void)
{
    struct in_order_ask ask;
    assert_int_equal(in_order_asks(&order, &ask, 1), 0);
}

static enum in_order_result answer_of(struct in_order_ask ask, int64_t lowest, bool is_answered)
{
    ask.lowest = lowest;
    ask.is_answered = is_answered;
    enum in_order_result result =
        in_order_answer(&order, &ask, 1, row_count > 0 ? rows : NULL, now_ms, &out);
    for (size_t i = 0; i < row_count; i++) {
        frame_drop(rows[i].frame);
    }
    row_count = 0;
    return result;
}

static void answer(struct in_order_ask ask, int64_t lowest, bool is_answered)
{
    assert_int_equal(answer_of(ask, lowest, is_answered), IN_ORDER_OK);
}

static int setup(void **state)
{
    (void)state;
    now_ms = 0;
    in_order_begin(&order, FROM_REV);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    in_order_clear(&order);
    frame_queue_clear(&out);
    return 0;
}

static void pass_time(int64_t ms)
{
    now_ms += ms;
    in_order_give_up(&order, now_ms, &out);
}

/* ---- Tests ---------------------------------------------------------------------------------- */

static void what_comes_in_order_goes_out_at_once(void **state)
{
    (void)state;
    created(1);
    created(2);
    created(3);
    assert_out("c1 c2 c3");
    assert_no_ask();
    assert_int_equal(order.item_count, 0);
}

static void what_overtook_waits_for_what_it_overtook(void **state)
{
    (void)state;
    created(1);
    created(4);
    created(3);
    assert_out("c1");
    created(2);
    assert_out("c2 c3 c4");
    assert_int_equal(order.bytes, 0);
}

static void chats_do_not_wait_for_each_other(void **state)
{
    (void)state;
    created(1);
    created(3);
    assert_int_equal(put_of(2, PLACE_CREATED, 1, FROM_REV + 1, true), IN_ORDER_OK);
    assert_out("c1 c1");
}

static void what_the_bus_lost_the_store_has(void **state)
{
    (void)state;
    created(1);
    created(4);
    struct in_order_ask ask = ask_once();
    assert_true(ask.is_sure && ask.above == 1 && ask.below == 4);
    assert_no_ask();
    row(PLACE_CREATED, 2, FROM_REV + 2);
    row(PLACE_RETRACTED, 3, FROM_REV + 9);
    answer(ask, 3, true);
    assert_out("c1 c2 r3 c4");
}

static void what_comes_while_the_store_is_asked_is_told_once(void **state)
{
    (void)state;
    created(1);
    created(3);
    struct in_order_ask ask = ask_once();
    created(2);
    row(PLACE_CREATED, 2, FROM_REV + 2);
    answer(ask, 2, true);
    assert_out("c1 c2 c3");
}

static void what_is_not_stored_is_asked_for_again_and_given_up(void **state)
{
    (void)state;
    created(1);
    created(3);
    assert_out("c1");
    answer(ask_once(), 0, true);
    assert_no_ask();
    pass_time(1000);
    answer(ask_once(), 0, true);
    pass_time(IN_ORDER_WAIT_MS - 1001);
    assert_out("");
    pass_time(1);
    assert_out("c3");
    created(4);
    assert_out("c4");
}

static void each_waits_only_for_its_own_time(void **state)
{
    (void)state;
    created(1);
    created(3);
    now_ms = 2000;
    created(5);
    created(7);
    assert_out("c1");
    pass_time(IN_ORDER_WAIT_MS - 2000);
    assert_out("c3");
    pass_time(2000);
    assert_out("c5 c7");
}

static void what_comes_after_it_was_given_up_is_too_late(void **state)
{
    (void)state;
    created(1);
    created(3);
    pass_time(IN_ORDER_WAIT_MS);
    assert_out("c1 c3");
    created(1); /* what was told before is not */
    created(3);
    assert_out("");
    assert_int_equal(put_of(1, PLACE_CREATED, 2, FROM_REV + 2, true), IN_ORDER_TOO_LATE);
}

static void what_the_store_has_after_it_was_given_up_is_too_late(void **state)
{
    (void)state;
    created(1);
    created(3);
    struct in_order_ask ask = ask_once();
    pass_time(IN_ORDER_WAIT_MS);
    row(PLACE_CREATED, 2, FROM_REV + 2);
    assert_int_equal(answer_of(ask, 2, true), IN_ORDER_TOO_LATE);
}

static void a_seq_without_a_message_is_not_waited_for(void **state)
{
    (void)state;
    created(1);
    created(3);
    put(PLACE_VOID, 2);
    put(PLACE_VOID, 4);
    created(5);
    assert_out("c1 c3 c5");
}

static void a_retraction_stands_for_the_message(void **state)
{
    (void)state;
    created(1);
    put(PLACE_RETRACTED, 2);
    created(3);
    assert_out("c1 r2 c3");
    created(5);
    put(PLACE_RETRACTED, 5); /* of what is held: its content goes nowhere */
    created(4);
    assert_out("c4 r5");
    put(PLACE_RETRACTED, 3);
    assert_out("r3");
}

/* What the socket has sent is not told, and what was taken back not any more; that it was is told. */
static void a_retraction_is_told_also_of_what_is_not(void **state)
{
    (void)state;
    created(1);
    sent(3);
    put(PLACE_RETRACTED, 3);
    created(2);
    assert_out("c1 c2 r3");
    put(PLACE_RETRACTED, 5);
    sent(5); /* as what comes late of a message that was told as retracted: nothing to tell */
    created(4);
    assert_out("c4 r5");
}

static void a_receipt_comes_behind_the_message(void **state)
{
    (void)state;
    created(1);
    put(PLACE_READ, 9); /* nothing is held: at once */
    created(3);
    put(PLACE_READ, 3);
    put(PLACE_READ, 1);
    assert_out("c1 d9 d1");
    created(2);
    assert_out("c2 c3 d3");
    put(PLACE_READ, 3);
    assert_out("d3");
}

static void a_chat_that_is_new_to_the_socket_is_asked_for(void **state)
{
    (void)state;
    created(9);
    struct in_order_ask ask = ask_once();
    assert_true(!ask.is_sure && ask.below == 9);
    assert_out("");
    row(PLACE_CREATED, 8, FROM_REV + 8); /* lost */
    row(PLACE_CREATED, 7, FROM_REV);     /* the client has it */
    answer(ask, 7, true);
    assert_out("c8 c9");
    assert_no_ask();
}

static void a_chat_that_is_new_to_the_socket_may_have_a_gap(void **state)
{
    (void)state;
    created(9);
    row(PLACE_CREATED, 7, FROM_REV);
    answer(ask_once(), 7, true);
    assert_out("");
    struct in_order_ask ask = ask_once();
    assert_true(ask.is_sure && ask.above == 7 && ask.below == 9);
    created(8);
    assert_out("c8 c9");
}

static void more_that_is_new_is_asked_for_further_down(void **state)
{
    (void)state;
    created(9);
    row(PLACE_CREATED, 8, FROM_REV + 8);
    row(PLACE_CREATED, 7, FROM_REV + 7);
    answer(ask_once(), 7, false);
    struct in_order_ask ask = ask_once();
    assert_true(!ask.is_sure && ask.below == 7);
    row(PLACE_CREATED, 6, FROM_REV);
    answer(ask, 6, true);
    assert_out("c7 c8 c9");
}

static void where_the_store_has_nothing_below_all_may_be_under_way(void **state)
{
    (void)state;
    created(3);
    answer(ask_once(), 0, true);
    created(1);
    created(2);
    assert_out("c1 c2 c3");
}

static void a_store_that_does_not_answer_is_waited_for_as_long(void **state)
{
    (void)state;
    created(9);
    (void)ask_once();
    pass_time(IN_ORDER_WAIT_MS);
    created(10);
    assert_out("c9 c10");
}

static void own_messages_wait_for_nothing_and_are_not_told(void **state)
{
    (void)state;
    sent(8);
    sent(9);
    assert_int_equal(order.item_count, 0);
    created(10);
    struct in_order_ask ask = ask_once();
    assert_true(!ask.is_sure && ask.below == 8);
    row(PLACE_CREATED, 7, FROM_REV + 7);
    row(PLACE_CREATED, 6, FROM_REV);
    answer(ask, 6, true);
    assert_out("c7 c10");
}

static void behind_an_own_message_another_may_still_come(void **state)
{
    (void)state;
    created(1);
    sent(3);
    pass_time(IN_ORDER_WAIT_MS);
    created(2); /* no greater one was told */
    created(4);
    assert_out("c1 c2 c4");
}

static void what_a_replay_told_is_known(void **state)
{
    (void)state;
    known(6, true);
    known(7, true);
    known(9, true);
    created(10);
    assert_out("c10");
    created(7); /* that is not told again */
    assert_out("");
    assert_int_equal(put_of(1, PLACE_CREATED, 8, FROM_REV + 8, true), IN_ORDER_TOO_LATE);
}

static void what_was_stored_before_but_comes_below_a_replay_is_too_late(void **state)
{
    (void)state;
    known(6, true);
    assert_int_equal(put_of(1, PLACE_CREATED, 5, FROM_REV + 1, true), IN_ORDER_TOO_LATE);
}

static void an_old_message_told_again_is_told(void **state)
{
    (void)state;
    known(6, true);
    assert_int_equal(put_of(1, PLACE_CREATED, 2, FROM_REV - 5, true), IN_ORDER_OK);
    assert_int_equal(put_of(2, PLACE_CREATED, 9, FROM_REV, true), IN_ORDER_OK);
    assert_out("c2 c9");
    assert_no_ask();
}

static void what_the_lists_have_is_not_told_but_may_come(void **state)
{
    (void)state;
    known(6, false);
    known(8, false);
    created(7);
    created(9);
    assert_out("c7 c9");
}

static void the_idlest_chat_is_forgotten_and_what_was_told_in_it_is_old(void **state)
{
    (void)state;
    for (unsigned chat = 1; chat <= IN_ORDER_CHATS_MAX + 1; chat++) {
        assert_int_equal(put_of(chat, PLACE_CREATED, 1, FROM_REV + chat, true), IN_ORDER_OK);
    }
    assert_int_equal(order.count, IN_ORDER_CHATS_MAX);
    assert_int_equal(order.from_rev, FROM_REV + 1);
    frame_queue_clear(&out);
    created(2);
    struct in_order_ask ask = ask_once();
    assert_true(!ask.is_sure);
    row(PLACE_CREATED, 1, FROM_REV + 1);
    answer(ask, 1, true);
    assert_out("c2");
}

static void what_is_held_is_counted(void **state)
{
    (void)state;
    created(1);
    created(3);
    created(4);
    assert_int_equal(order.item_count, 2);
    assert_int_equal(order.bytes, 2 * (IN_ORDER_ITEM_BYTES + 2));
    in_order_clear(&order);
    assert_int_equal(order.bytes, 0);
}

/* By chance: events come in any order, twice, or never; some seqs stay empty. Whatever happens, no
 * first telling comes behind a greater one, and everything is told but what came too late. */
static void nothing_is_told_out_of_order_whatever_happens(void **state)
{
    (void)state;
    enum { MESSAGES = 40 };
    uint32_t random = 7;
    for (int round = 0; round < 500; round++) {
        setup(NULL);
        bool is_stored[MESSAGES + 1] = {false}, was_told[MESSAGES + 1] = {false};
        int64_t greatest = 0;
        bool is_over = false;
        for (int step = 0; step < 400 && !is_over; step++) {
            random = random * 1664525u + 1013904223u;
            int64_t seq = (int64_t)((random >> 8) % (uint32_t)(step / 8 + 1)) + 1;
            seq = seq > MESSAGES ? MESSAGES : seq;
            unsigned what = (random >> 24) % 8;
            struct in_order_ask ask;
            if (what < 5 && seq % 7 != 3) {
                is_stored[seq] = true;
                is_over = put_of(1, PLACE_CREATED, seq, FROM_REV + seq, true) != IN_ORDER_OK;
            } else if (what == 5 && seq % 7 == 3) {
                is_over = put_of(1, PLACE_VOID, seq, FROM_REV + seq, false) != IN_ORDER_OK;
            } else if (what == 6 && in_order_asks(&order, &ask, 1) == 1) {
                int64_t lowest = 0;
                for (int64_t i = 1; ask.is_sure && i < ask.below; i++) {
                    if (i > ask.above && is_stored[i] && row_count < ROWS_MAX) {
                        row(PLACE_CREATED, i, FROM_REV + i);
                    }
                }
                for (int64_t i = ask.below - 1; !ask.is_sure && i > 0 && row_count < 4; i--) {
                    if (is_stored[i]) {
                        row(PLACE_CREATED, i, FROM_REV + i);
                        lowest = i;
                    }
                }
                is_over = answer_of(ask, lowest, row_count < 4) != IN_ORDER_OK;
            } else if (what == 7) {
                pass_time(500);
            }
            for (; out.count > 0; frame_queue_pop(&out)) {
                int64_t told = frame_place(frame_queue_at(&out, 0))->seq;
                assert_true(was_told[told] || told > greatest);
                was_told[told] = true;
                greatest = told > greatest ? told : greatest;
            }
        }
        pass_time(2 * IN_ORDER_WAIT_MS);
        assert_true(is_over || order.item_count == 0);
        teardown(NULL);
    }
}

#define HERE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        HERE(what_comes_in_order_goes_out_at_once),
        HERE(what_overtook_waits_for_what_it_overtook),
        HERE(chats_do_not_wait_for_each_other),
        HERE(what_the_bus_lost_the_store_has),
        HERE(what_comes_while_the_store_is_asked_is_told_once),
        HERE(what_is_not_stored_is_asked_for_again_and_given_up),
        HERE(each_waits_only_for_its_own_time),
        HERE(what_comes_after_it_was_given_up_is_too_late),
        HERE(what_the_store_has_after_it_was_given_up_is_too_late),
        HERE(a_seq_without_a_message_is_not_waited_for),
        HERE(a_retraction_stands_for_the_message),
        HERE(a_retraction_is_told_also_of_what_is_not),
        HERE(a_receipt_comes_behind_the_message),
        HERE(a_chat_that_is_new_to_the_socket_is_asked_for),
        HERE(a_chat_that_is_new_to_the_socket_may_have_a_gap),
        HERE(more_that_is_new_is_asked_for_further_down),
        HERE(where_the_store_has_nothing_below_all_may_be_under_way),
        HERE(a_store_that_does_not_answer_is_waited_for_as_long),
        HERE(own_messages_wait_for_nothing_and_are_not_told),
        HERE(behind_an_own_message_another_may_still_come),
        HERE(what_a_replay_told_is_known),
        HERE(what_was_stored_before_but_comes_below_a_replay_is_too_late),
        HERE(an_old_message_told_again_is_told),
        HERE(what_the_lists_have_is_not_told_but_may_come),
        HERE(the_idlest_chat_is_forgotten_and_what_was_told_in_it_is_old),
        HERE(what_is_held_is_counted),
        cmocka_unit_test(nothing_is_told_out_of_order_whatever_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
