/* Nothing is lost, also where another process was slow or died: what a resume, a check and a
 * repair find then. The store is one that keeps no order and whose runs are not atomic, as
 * MongoDB is, without its being needed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/api/emit.h"
#include "server/api/posts.h"
#include "server/api/replay.h"
#include "server/jobs.h"
#include "storage/backend.h"
#include "support_fake_store.h"
#include "support_world.h"

#define CALLS_MAX 100
#define SETTLED_MS INT64_C(60000) /* whoever is unsettled then is dead */

static struct world world;
static struct job job;

static void open_world(bool is_ordered)
{
    struct store_settings settings = {.url = "sqlite::memory:"};
    struct store *store;
    char why[256];
    assert_int_equal(store_open(&settings, &store, why), ERR_OK);
    store = fake_store_wrap(store);
    store->ordered = is_ordered;
    world_open(&world, store);
    world.rolls_back = false;
    world_shift(&world, SETTLED_MS); /* its people are no news */
}

static int setup(void **state)
{
    (void)state;
    open_world(false);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_close(&world);
    return 0;
}

/* ---- Jobs --------------------------------------------------------------------------------- */

/* As a worker does with the job. */
static void dispatch(void)
{
    job.call = (struct call){.arena = world.arena,
                             .store = world.session,
                             .settings = world.settings,
                             .clock = world.clock,
                             .attempts = world.attempts};
    assert_int_equal(dispatch_run(&job), ERR_OK);
    assert_int_equal(job.err, ERR_OK);
}

static void run(enum job_kind kind, struct account account, int64_t rev, const char *cursor)
{
    const struct job before = job;
    job = (struct job){.kind = kind,
                       .lane = LANE_READ,
                       .arena = world.arena,
                       .who = {account, INT64_MAX},
                       .cursor = cursor,
                       .cursor_rev = rev,
                       .asked = before.asked,
                       .id_json = kind == JOB_RESUME ? "7" : NULL};
    dispatch();
}

/* How many frames of the job's replay have both texts. Frees what the job holds. */
static size_t told(const char *first, const char *second)
{
    size_t count = 0;
    for (struct emission *at = job.replay; at != NULL; at = at->next) {
        const char *text = frame_text(at->frame);
        count += strstr(text, first) != NULL && strstr(text, second) != NULL;
        frame_drop(at->frame);
    }
    frame_drop(job.answer);
    job.answer = NULL;
    job.replay = NULL;
    return count;
}

static const char *cursor_at(int64_t rev)
{
    char *cursor = arena_alloc(world.arena, CURSOR_TEXT_BYTES);
    cursor_format(store_id(world.store), rev, cursor);
    return cursor;
}

static void a_cursor_is_read_as_it_was_written(void **state)
{
    (void)state;
    static const int64_t revs[] = {0, 1, 15, 16, 1528627491958000, INT64_C(0xfffffffffffffff)};
    for (size_t i = 0; i < ARRAY_LENGTH(revs); i++) {
        char cursor[CURSOR_TEXT_BYTES], expected[CURSOR_TEXT_BYTES];
        int64_t rev = -1;
        cursor_format("0123456789abcdef", revs[i], cursor);
        snprintf(expected, sizeof expected, "0123456789abcdef.%llx", (unsigned long long)revs[i]);
        assert_string_equal(cursor, expected);
        assert_true(cursor_parse(cursor, "0123456789abcdef", &rev));
        assert_int_equal(rev, revs[i]);
    }
}

static size_t told_by_resume(struct account account, int64_t rev, const char *first,
                             const char *second)
{
    run(JOB_RESUME, account, 0, cursor_at(rev));
    return told(first, second);
}

static bool has_news(struct account account, int64_t rev)
{
    struct oid strangers[] = {world.other_user.id, account.id, world.other_doctor.id};
    job.asked = (struct oid_list){strangers, ARRAY_LENGTH(strangers)};
    run(JOB_CHECK, (struct account){.role = account.role}, rev, NULL);
    assert_false(job.has_news[0]);
    assert_false(job.has_news[2]);
    return job.has_news[1];
}

/* ---- A slow write ------------------------------------------------------------------------- */

/* Another node's process has passed the chat's gate, with an old stamp, and has not yet stored its
 * message. */
static struct message pass_gate(const struct consultation *order)
{
    struct message message;
    assert_int_equal(world_send(&world, world.user, order, "先到", NULL, &message), ERR_OK);
    struct chat chat = world_chat(&world, order->chat_id);
    message.id.bytes[0] ^= 1;
    message.seq = chat.last_seq + 1;
    message.text.plain = "慢了";
    message.rev = clock_stamp(world.clock);
    struct change changes[] = {INC(chat, last_seq, 1), MAX(chat, rev, message.rev)};
    assert_int_equal(store_update(world.session, world.arena, COLLECTION_CHATS, chat.id, NULL, 0,
                                  changes, ARRAY_LENGTH(changes), NULL),
                     ERR_OK);
    return message;
}

static void a_write_that_becomes_visible_late_is_found(void **state)
{
    (void)state;
    struct consultation order = world_paid_order(&world);
    int64_t before = clock_stamp(world.clock);
    struct message late = pass_gate(&order);
    struct message newer;
    assert_int_equal(world_send(&world, world.user, &order, "后到", NULL, &newer), ERR_OK);
    assert_true(newer.rev > late.rev);
    assert_int_equal(told_by_resume(world.doctor, before, "message.created", "后到"), 1);
    assert_int_equal(told_by_resume(world.doctor, before, "message.created", "慢了"), 0);
    world_shift(&world, 25000);
    int64_t synced = clock_stamp(world.clock); /* where that client stands now */
    assert_int_equal(store_insert(world.session, COLLECTION_MESSAGES, &late), ERR_OK);

    assert_true(has_news(world.doctor, synced));
    assert_true(has_news(world.user, synced));
    run(JOB_REPAIR, world.doctor, synced, NULL);
    assert_int_equal(told("message.created", "慢了"), 1);
    assert_int_equal(told_by_resume(world.doctor, synced, "message.created", "慢了"), 1);
    /* It was looked for by its stamp, so that a store that keeps the order need not look back. */
    world.store->ordered = true;
    assert_false(has_news(world.doctor, synced));
    assert_int_equal(told_by_resume(world.doctor, synced, "message", "慢了"), 0);
}

static void what_a_process_that_stood_still_wrote_is_stamped_again(void **state)
{
    (void)state;
    struct message message, other;
    struct consultation order = world_paid_order(&world);
    assert_int_equal(world_send(&world, world.user, &order, "停了", NULL, &message), ERR_OK);
    assert_int_equal(world_send(&world, world.user, &order, "别的", NULL, &other), ERR_OK);
    struct call *call = world_ready(&world);
    struct chat chat = world_chat(&world, order.chat_id);
    emit_message(call, &chat, &message, false);
    emit_consultation(call, &order);
    world_shift(&world, SETTLED_MS); /* after it began, and before it is told */
    int64_t synced = clock_stamp(world.clock);
    assert_false(has_news(world.doctor, synced));
    assert_int_equal(replay_stamp_late(call), ERR_OK);
    /* So that a socket takes it for news. */
    assert_true(frame_place(call->first_emission->frame)->rev > synced);
    assert_true(call->first_emission->rev > synced);
    call_forget_emissions(call);
    assert_true(has_news(world.doctor, synced));
    assert_true(has_news(world.user, synced));
    assert_int_equal(told_by_resume(world.doctor, synced, "message.created", "停了"), 1);
    assert_int_equal(told_by_resume(world.doctor, synced, "message.created", "别的"), 0);
    assert_int_equal(told_by_resume(world.user, synced, "consultation.updated", ""), 1);
    /* Not after a call that took no longer than usual. */
    world_shift(&world, SETTLED_MS);
    synced = clock_stamp(world.clock);
    call = world_ready(&world);
    emit_message(call, &chat, &other, false);
    assert_int_equal(replay_stamp_late(call), ERR_OK);
    call_forget_emissions(call);
    assert_false(has_news(world.doctor, synced));
}

static void a_chats_messages_are_replayed_by_seq_whatever_their_stamps(void **state)
{
    (void)state;
    struct consultation order = world_paid_order(&world);
    int64_t before = clock_stamp(world.clock);
    struct message first = pass_gate(&order), second = pass_gate(&order);
    int64_t rev = first.rev;
    first.rev = second.rev;
    second.rev = rev;
    first.text.plain = "其一";
    second.text.plain = "其二";
    second.id.bytes[0] ^= 2;
    assert_true(first.seq < second.seq);
    assert_int_equal(store_insert(world.session, COLLECTION_MESSAGES, &first), ERR_OK);
    assert_int_equal(store_insert(world.session, COLLECTION_MESSAGES, &second), ERR_OK);
    run(JOB_RESUME, world.doctor, 0, cursor_at(before));
    bool is_first_told = false, is_second_told = false;
    for (struct emission *at = job.replay; at != NULL; at = at->next) {
        is_first_told = is_first_told || strstr(frame_text(at->frame), "\"其一\"") != NULL;
        is_second_told = is_second_told || strstr(frame_text(at->frame), "\"其二\"") != NULL;
        assert_true(is_first_told || !is_second_told);
    }
    assert_true(is_second_told);
    (void)told("", "");
}

/* ---- In a store that is ordered ------------------------------------------------------------- */

/* As the user that sends them: `count` messages; the first of them, by their seqs, go into `ids`. */
static void send_many(const struct consultation *order, size_t count, struct oid *ids)
{
    for (size_t i = 0; i < count; i++) {
        struct message message;
        assert_int_equal(world_send(&world, world.user, order, "一句", NULL, &message), ERR_OK);
        ids[i] = message.id;
    }
    world_forget_events(&world);
}

static void retract(struct oid id)
{
    struct message out;
    struct by_id in = {id};
    world_as(&world, world.user);
    assert_int_equal(world_call(&world, "/api/consultation/chat/message/retract", &in, &out),
                     ERR_OK);
    world_forget_events(&world);
}

/* What the doctor is told by a resume; complete: not refused for its length. */
static void assert_resume(int64_t rev, bool is_complete, size_t created, size_t retracted)
{
    run(JOB_RESUME, world.doctor, 0, cursor_at(rev));
    assert_int_equal(strstr(frame_text(job.answer), "\"resumed\":true") != NULL, is_complete);
    size_t found_created = 0, found_retracted = 0;
    for (struct emission *at = job.replay; at != NULL; at = at->next) {
        found_created += strstr(frame_text(at->frame), "message.created") != NULL;
        found_retracted += strstr(frame_text(at->frame), "message.retracted") != NULL;
    }
    (void)told("", "");
    assert_int_equal(found_created, created);
    assert_int_equal(found_retracted, retracted);
}

#define SENT_MOST 130

static void new_messages_are_found_whatever_their_number(void **state)
{
    (void)state;
    static const size_t counts[] = {1, 2, 3, 4, 8, 9, 15, 16, 17, 64, 65, 125};
    struct oid old[ARRAY_LENGTH(counts)], ids[SENT_MOST];
    world_close(&world);
    open_world(true);
    struct consultation order = world_paid_order(&world);
    send_many(&order, ARRAY_LENGTH(counts), old);
    for (size_t i = 0; i < ARRAY_LENGTH(counts); i++) {
        int64_t rev = clock_stamp(world.clock);
        send_many(&order, counts[i], ids);
        assert_resume(rev, true, counts[i], 0);
        /* The oldest of them, the one in the middle and the newest; and one that the client knows. */
        retract(ids[0]);
        retract(ids[counts[i] / 2]);
        retract(ids[counts[i] - 1]);
        retract(old[i]);
        size_t retracted = counts[i] < 3 ? counts[i] : 3;
        assert_resume(rev, true, counts[i] - retracted, retracted + 1);
        assert_resume(clock_stamp(world.clock), true, 0, 0);
    }
}

static void retractions_alone_are_found_however_old_the_messages(void **state)
{
    (void)state;
    struct oid ids[SENT_MOST];
    world_close(&world);
    open_world(true);
    struct consultation order = world_paid_order(&world);
    send_many(&order, SENT_MOST, ids);
    int64_t rev = clock_stamp(world.clock);
    retract(ids[0]);
    assert_resume(rev, true, 0, 1);
    for (size_t i = 1; i < SENT_MOST; i++) {
        retract(ids[i]);
    }
    assert_resume(rev, true, 0, SENT_MOST);
    rev = clock_stamp(world.clock);
    assert_resume(rev, true, 0, 0);
    send_many(&order, 1, ids);
    assert_resume(rev, true, 1, 0);
}

static void a_resume_of_as_many_as_may_be_is_complete(void **state)
{
    (void)state;
    struct oid ids[SENT_MOST];
    world_close(&world);
    open_world(true);
    world.settings->resume_items = 20;
    struct consultation order = world_paid_order(&world);
    send_many(&order, 8, ids);
    int64_t rev = clock_stamp(world.clock);
    send_many(&order, 20, ids + 8);
    assert_resume(rev, true, 20, 0);
    for (size_t i = 8; i < 16; i++) {
        retract(ids[i]);
    }
    assert_resume(rev, true, 12, 8);
    retract(ids[0]);
    assert_resume(rev, false, 0, 0);
    for (size_t most = 1; most < 16; most++) {
        world.settings->resume_items = (int64_t)most;
        rev = clock_stamp(world.clock);
        send_many(&order, most, ids);
        assert_resume(rev, true, most, 0);
        send_many(&order, 1, ids);
        assert_resume(rev, false, 0, 0);
    }
}

/* What the account missed, read by seq and by stamps; returns how many frames it is told. */
static int64_t assert_same_both_ways(struct account account, int64_t rev, int64_t limit)
{
    struct replay by_seq, by_stamps;
    struct call *call = world_ready(&world);
    world.store->ordered = true;
    assert_int_equal(replay_since(call, account, rev, limit, &by_seq), ERR_OK);
    world.store->ordered = false;
    assert_int_equal(replay_since(call, account, rev, limit, &by_stamps), ERR_OK);
    world.store->ordered = true;
    assert_int_equal(by_seq.is_complete, by_stamps.is_complete);
    assert_int_equal(by_seq.newest, by_stamps.newest);
    int64_t count = 0;
    struct emission *other = by_stamps.first;
    for (struct emission *at = by_seq.first; at != NULL; at = at->next) {
        assert_non_null(other);
        assert_string_equal(frame_text(at->frame), frame_text(other->frame));
        assert_true(at->rev == other->rev);
        frame_drop(at->frame);
        frame_drop(other->frame);
        other = other->next;
        count++;
    }
    assert_null(other);
    return count;
}

static void assert_stamps_grow_with_seqs(struct oid chat_id)
{
    size_t count;
    int64_t newest = 0;
    const struct message *messages = world_messages(&world, chat_id, &count);
    for (size_t i = 0; i < count; i++) {
        assert_true(messages[i].is_retract || messages[i].rev > newest);
        newest = messages[i].is_retract ? newest : messages[i].rev;
    }
}

#define TURNS 160

static void what_is_found_by_seq_is_what_is_found_by_stamps(void **state)
{
    (void)state;
    struct oid sent[TURNS];
    int64_t revs[TURNS];
    size_t sent_count = 0;
    world_close(&world);
    open_world(true);
    const struct account doctor = world.doctor;
    struct consultation orders[2] = {world_paid_order(&world)};
    world.doctor = world.other_doctor;
    orders[1] = world_paid_order(&world);
    world.doctor = doctor;
    unsigned dice = 7;
    for (size_t i = 0; i < TURNS; i++) {
        dice = dice * 1103515245U + 12345U;
        unsigned face = dice >> 16;
        revs[i] = clock_stamp(world.clock);
        if (face % 4 == 0 && sent_count > 0) {
            size_t at = face / 4 % sent_count;
            retract(sent[at]);
            sent[at] = sent[--sent_count];
        } else {
            send_many(&orders[face / 16 % 8 == 0], 1, &sent[sent_count++]);
        }
    }
    send_many(&orders[1], 1, sent);
    for (size_t i = 0; i < TURNS; i++) {
        int64_t all = assert_same_both_ways(world.user, revs[i], 0);
        (void)assert_same_both_ways(world.doctor, revs[i], 0);
        assert_true(all > 0);
        /* A frame for each item and each chat: as many items as may be, and one fewer, are among these. */
        for (int64_t limit = all < 6 ? 1 : all - 5; limit <= all; limit++) {
            (void)assert_same_both_ways(world.user, revs[i], limit);
            (void)assert_same_both_ways(world.doctor, revs[i], limit);
        }
    }
    assert_stamps_grow_with_seqs(orders[0].chat_id);
    assert_stamps_grow_with_seqs(orders[1].chat_id);
}

/* ---- What one socket lacks ------------------------------------------------------------------ */

/* The seqs of the rows that the store has for the question, "4 5 "; frees what the job holds. */
static void assert_rows(struct in_order_ask ask, int64_t from_rev, const char *seqs, int64_t lowest,
                        bool is_answered)
{
    char text[512] = "";
    job = (struct job){.kind = JOB_MISSING,
                       .lane = LANE_READ,
                       .arena = world.arena,
                       .who = {world.doctor, INT64_MAX},
                       .cursor_rev = from_rev,
                       .asks = &ask,
                       .ask_count = 1};
    dispatch();
    for (struct emission *at = job.replay; at != NULL; at = at->next) {
        const struct frame_place *place = frame_place(at->frame);
        size_t length = strlen(text);
        assert_true(oid_equal(place->chat_id, ask.chat_id) && place->rev == at->rev);
        snprintf(text + length, sizeof text - length, "%lld ", (long long)place->seq);
    }
    (void)told("", "");
    assert_string_equal(text, seqs);
    assert_int_equal(ask.lowest, lowest);
    assert_true(ask.is_sure || ask.is_answered == is_answered);
}

static void what_a_socket_lacks_is_read_by_seq(void **state)
{
    (void)state;
    struct message message;
    struct consultation order = world_paid_order(&world);
    int64_t from_rev = clock_stamp(world.clock);
    assert_int_equal(world_chat(&world, order.chat_id).last_seq, 5);
    for (int i = 6; i <= 15; i++) {
        assert_int_equal(world_send(&world, world.user, &order, "有", NULL, &message), ERR_OK);
    }
    struct in_order_ask ask = {.chat_id = order.chat_id, .above = 6, .below = 10, .is_sure = true};
    assert_rows(ask, from_rev, "7 8 9 ", 9, true);
    ask.above = 9;
    assert_rows(ask, from_rev, "", 0, true);
    /* Down to one that the client knows; of more that are new, the next ones. */
    ask = (struct in_order_ask){.chat_id = order.chat_id, .below = 8};
    assert_rows(ask, from_rev, "7 6 5 ", 5, true);
    ask.below = 15;
    assert_rows(ask, from_rev, "14 13 12 11 10 9 8 7 ", 7, false);
    ask.below = 4;
    assert_rows(ask, 0, "3 2 1 ", 1, true);
    ask.below = 1;
    assert_rows(ask, 0, "", 0, true);
}

static void a_seq_that_was_taken_in_vain_is_told_as_void(void **state)
{
    (void)state;
    struct message stored,
        draft = {.type = "01", .text = {.plain = "又"}, .direction = "user->doctor"};
    struct consultation order = world_paid_order(&world);
    assert_int_equal(world_send(&world, world.user, &order, "又", NULL, &stored), ERR_OK);
    struct call *call = world_ready(&world);
    struct places taken = {.id = stored.id};
    struct chat chat;
    draft.id = stored.id;
    draft.chat_id = order.chat_id;
    assert_int_equal(post_take_seq(call, &draft, NULL, 0, &taken, &chat), ERR_OK);
    assert_int_equal(post_give_back(call, &taken, &chat, &stored), ERR_OK);
    const struct emission *first = call->first_emission;
    assert_non_null(first);
    assert_non_null(first->next);
    assert_null(first->next->next);
    assert_int_equal(first->audience.role, ROLE_USER);
    assert_int_equal(first->next->audience.role, ROLE_DOCTOR);
    for (const struct emission *at = first; at != NULL; at = at->next) {
        const struct frame_place *place = frame_place(at->frame);
        assert_int_equal(place->kind, PLACE_VOID);
        assert_true(place->seq == draft.seq && oid_equal(place->chat_id, order.chat_id));
        assert_true(place->rev != 0 && place->rev == at->rev);
    }
    call_forget_emissions(call);
    /* The store may have refused what it has taken itself before: that place is none in vain. */
    chat.last_seq = stored.seq - 1;
    assert_int_equal(post_give_back(call, &taken, &chat, &stored), ERR_OK);
    assert_null(call->first_emission);
}

/* ---- Checks ------------------------------------------------------------------------------- */

static void a_check_says_who_has_news(void **state)
{
    (void)state;
    struct message message, out;
    world.store->ordered = true;
    struct consultation order = world_paid_order(&world);
    int64_t rev = clock_stamp(world.clock);
    assert_false(has_news(world.user, rev));
    assert_false(has_news(world.doctor, rev));
    assert_int_equal(world_send(&world, world.user, &order, "新的", NULL, &message), ERR_OK);
    assert_true(has_news(world.user, rev));
    assert_true(has_news(world.doctor, rev));
    rev = clock_stamp(world.clock);
    assert_false(has_news(world.doctor, rev));
    struct by_id in = {message.id};
    assert_int_equal(world_call(&world, "/api/consultation/chat/message/retract", &in, &out),
                     ERR_OK);
    assert_true(has_news(world.doctor, rev));
    /* Of an order alone, without its chat. */
    rev = clock_stamp(world.clock);
    struct change change = MAX(consultation, rev, clock_stamp(world.clock));
    assert_int_equal(store_update(world.session, world.arena, COLLECTION_CONSULTATIONS, order.id,
                                  NULL, 0, &change, 1, NULL),
                     ERR_OK);
    assert_true(has_news(world.user, rev));
    assert_true(has_news(world.doctor, rev));
}

/* ---- After a process that died ------------------------------------------------------------ */

static void a_retraction_that_was_cut_short_is_told_when_it_is_repeated(void **state)
{
    (void)state;
    world_close(&world);
    for (int n = 1; n < CALLS_MAX; n++) {
        struct message message, out;
        open_world(true);
        struct consultation order = world_paid_order(&world);
        assert_int_equal(world_send(&world, world.user, &order, "说错了", NULL, &message), ERR_OK);
        int64_t rev = clock_stamp(world.clock);
        struct by_id in = {message.id};
        fake_store_fail_how(world.store, FAKE_REFUSES, n);
        enum err err = world_call(&world, "/api/consultation/chat/message/retract", &in, &out);
        fake_store_fail_at(world.store, 0);
        if (err == ERR_OK) {
            assert_true(n > 3);
            return;
        }
        world_forget_events(&world);
        assert_int_equal(world_call(&world, "/api/consultation/chat/message/retract", &in, &out),
                         ERR_OK);
        assert_int_equal(world_events(&world, world.doctor, "message.retracted"), 1);
        assert_int_equal(told_by_resume(world.doctor, rev, "message.retracted", ""), 1);
        assert_string_equal(world_chat(&world, order.chat_id).last_msg_content, "[消息已撤回]");
        world_close(&world);
    }
    fail_msg("the call never succeeded");
}

/* The disclaimer is posted by a sweeper long after its place was reserved by a process that died, and
 * others have come behind that; a client whose cursor lies between the two is told. */
static void what_is_finished_for_a_dead_process_is_replayed(void **state)
{
    (void)state;
    world_close(&world);
    for (int n = 1; n < CALLS_MAX; n++) {
        struct message message;
        open_world(true);
        struct consultation order = world_paid_order(&world);
        fake_store_fail_how(world.store, FAKE_REFUSES, n);
        enum err err = world_send(&world, world.doctor, &order, "回复", "d-1", &message);
        fake_store_fail_at(world.store, 0);
        if (err == ERR_OK) {
            assert_true(n > 5);
            return;
        }
        struct oid behind[5];
        send_many(&order, ARRAY_LENGTH(behind), behind);
        world_shift(&world, SETTLED_MS);
        int64_t rev = clock_stamp(world.clock);
        assert_int_equal(world_send(&world, world.doctor, &order, "回复", "d-1", &message), ERR_OK);
        world_sweep_all(&world);
        assert_stamps_grow_with_seqs(order.chat_id);
        size_t count, newer = 0;
        const struct message *messages = world_messages(&world, order.chat_id, &count);
        for (size_t i = 0; i < count; i++) {
            newer += messages[i].rev > rev;
        }
        assert_int_equal(told_by_resume(world.user, rev, "message.created", ""), newer);
        world_close(&world);
    }
    fail_msg("the call never succeeded");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(a_cursor_is_read_as_it_was_written),
        TEST(a_write_that_becomes_visible_late_is_found),
        TEST(what_a_process_that_stood_still_wrote_is_stamped_again),
        TEST(a_chats_messages_are_replayed_by_seq_whatever_their_stamps),
        TEST(new_messages_are_found_whatever_their_number),
        TEST(retractions_alone_are_found_however_old_the_messages),
        TEST(a_resume_of_as_many_as_may_be_is_complete),
        TEST(what_is_found_by_seq_is_what_is_found_by_stamps),
        TEST(what_a_socket_lacks_is_read_by_seq),
        TEST(a_seq_that_was_taken_in_vain_is_told_as_void),
        TEST(a_check_says_who_has_news),
        TEST(a_retraction_that_was_cut_short_is_told_when_it_is_repeated),
        TEST(what_is_finished_for_a_dead_process_is_replayed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
