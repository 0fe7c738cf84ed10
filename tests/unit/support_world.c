/* See support_world.h. */
#include "support_world.h"

#include <fcntl.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/auth.h"
#include "server/api/audit.h"
#include "server/api/chats.h"
#include "server/api/errands.h"
#include "server/api/moves.h"
#include "server/api/sweep.h"
#include "server/route.h"

static void make_shift_file(struct world *world)
{
    int64_t zero = 0;
    snprintf(world->shift_path, sizeof world->shift_path, "/tmp/consultd-clock-XXXXXX");
    int file = mkstemp(world->shift_path);
    assert_true(file >= 0);
    assert_int_equal(write(file, &zero, sizeof zero), sizeof zero);
    close(file);
}

static void load_settings(struct world *world)
{
    char program[] = "consultd", demo[] = "--demo";
    char *arguments[] = {program, demo, NULL};
    enum errand errand = ERRAND_SERVE;
    char why[256];
    if (!settings_load(2, arguments, &world->settings, &errand, why)) {
        fail_msg("%s", why);
    }
}

static struct account sign_up(struct world *world, const char *open_id)
{
    struct user_signup in = {.open_id = open_id, .phone = NUMBER_ABSENT};
    struct nothing out;
    assert_int_equal(world_call(world, "/api/user/signup", &in, &out), ERR_OK);
    return (struct account){ROLE_USER, id_derive_text("user", open_id)};
}

static void add_patient(struct world *world)
{
    struct patient_create in = {.user_id = world->user.id,
                                .phone = INT64_C(13900000000),
                                .certificate_type = "05",
                                .certificate_no = "P0000001",
                                .name = "试用人甲",
                                .birthday = "1990-02-28",
                                .sex = 1};
    struct patient out;
    world_as(world, world->user);
    assert_int_equal(world_call(world, "/api/patient/create", &in, &out), ERR_OK);
    world->patient_id = out.id;
}

/* Without passwords, which take long to hash: nobody signs in here. */
static struct account add_doctor(struct world *world, const char *sn)
{
    struct timestamp now = clock_now(world->clock);
    struct doctor doctor = {.id = id_derive_text("doctor", sn),
                            .doctor_sn = sn,
                            .doctor_name = "林演示",
                            .identifier = arena_format(world->arena, "doctor-%s", sn),
                            .image_and_text_open = true,
                            .image_and_text_price = 2000,
                            .created_at = now,
                            .updated_at = now};
    assert_int_equal(store_insert(world->session, COLLECTION_DOCTORS, &doctor), ERR_OK);
    assert_int_equal(
        chat_system_make_doctor(world->session, now, clock_stamp(world->clock), &doctor), ERR_OK);
    return (struct account){ROLE_DOCTOR, doctor.id};
}

static void move_in(struct world *world, const char *name)
{
    load_settings(world);
    world->clock = clock_new(world->shift_path, store_newest_rev(world->store));
    assert_non_null(world->clock);
    world->attempts = attempts_new(world->settings->signin_attempts);
    char why[256];
    world->attendance = attendance_open(
        &(struct attendance_settings){.bus = "local:", .timeout_seconds = 15, .connections = 1},
        why);
    world->arena = arena_new(4096);
    world->chain = audit_chain_new("node=test");
    assert_int_equal(store_session_open(world->store, true, &world->session), ERR_OK);
    world->doctor = add_doctor(world, arena_format(world->arena, "%s00001", name));
    world->other_doctor = add_doctor(world, arena_format(world->arena, "%s00002", name));
    world->user = sign_up(world, arena_format(world->arena, "%suser-one", name));
    world->other_user = sign_up(world, arena_format(world->arena, "%suser-two", name));
    add_patient(world);
    world_forget_events(world);
}

void world_open_named(struct world *world, struct store *store, const char *name)
{
    memset(world, 0, sizeof *world);
    world->store = store;
    world->rolls_back = true;
    make_shift_file(world);
    move_in(world, name);
}

void world_open(struct world *world, struct store *store)
{
    world_open_named(world, store, "");
}

void world_open_beside(struct world *world, const struct world *host, const char *name)
{
    memset(world, 0, sizeof *world);
    world->store = host->store;
    world->is_guest = true;
    world->rolls_back = host->rolls_back;
    world->shift_ms = host->shift_ms;
    memcpy(world->shift_path, host->shift_path, sizeof world->shift_path);
    move_in(world, name);
}

void world_take_people(struct world *world, const struct world *other)
{
    world->user = other->user;
    world->doctor = other->doctor;
    world->patient_id = other->patient_id;
}

void world_open_memory(struct world *world)
{
    struct store_settings settings = {.url = "sqlite::memory:"};
    struct store *store;
    char why[256];
    assert_int_equal(store_open(&settings, &store, why), ERR_OK);
    world_open(world, store);
}

void world_close(struct world *world)
{
    world_forget_events(world);
    call_forget_emissions(&world->call);
    audit_chain_free(world->chain);
    store_session_close(world->session);
    if (!world->is_guest) {
        store_close(world->store);
        unlink(world->shift_path);
    }
    clock_free(world->clock);
    attempts_free(world->attempts);
    attendance_close(world->attendance);
    settings_free(world->settings);
    arena_free(world->arena);
}

void world_as(struct world *world, struct account account)
{
    world->call.who = (struct caller){account, INT64_MAX};
}

void world_shift(struct world *world, int64_t ms)
{
    world->shift_ms += ms;
    int file = open(world->shift_path, O_WRONLY);
    assert_true(file >= 0);
    assert_int_equal(pwrite(file, &world->shift_ms, sizeof world->shift_ms, 0),
                     sizeof world->shift_ms);
    close(file);
}

struct call *world_ready(struct world *world)
{
    struct caller who = world->call.who;
    call_forget_emissions(&world->call);
    world->call = (struct call){.arena = world->arena,
                                .store = world->session,
                                .store_id = store_id(world->store),
                                .settings = world->settings,
                                .clock = world->clock,
                                .attempts = world->attempts,
                                .chain = world->chain,
                                .attendance = world->attendance,
                                .who = who,
                                .now = clock_now(world->clock)};
    return &world->call;
}

static void keep_events(struct world *world)
{
    for (struct emission *at = world->call.first_emission; at != NULL; at = at->next) {
        assert_true(world->event_count < WORLD_EVENTS_MAX);
        world->events[world->event_count].audience = at->audience;
        world->events[world->event_count].frame = frame_keep(at->frame);
        world->event_count++;
    }
    call_forget_emissions(&world->call);
}

enum err world_record(struct world *world, enum err err)
{
    if (err != ERR_OK) {
        audit_forget_failed(&world->call);
    }
    enum err recorded = audit_chain_record(world->chain, world->session, &world->call);
    if (recorded == ERR_OK) {
        audit_chain_settle(world->chain, true);
    }
    world->call.first_note = NULL;
    world->call.last_note = NULL;
    return err != ERR_OK ? err : recorded;
}

void world_restart(struct world *world)
{
    audit_chain_free(world->chain);
    world->chain = audit_chain_new("node=test-again");
}

/* As the runner of jobs does where a failed job leaves nothing. */
static void begin_job(struct world *world)
{
    if (world->rolls_back) {
        assert_int_equal(store_begin_hopeful(world->session), ERR_OK);
        assert_int_equal(store_mark(world->session), ERR_OK);
    }
}

/* It was alone in its run. */
static void undo_job(struct world *world, bool is_to_be_run_again)
{
    enum err err =
        is_to_be_run_again ? store_mark_again(world->session) : store_undo(world->session);
    if (err == ERR_BUSY) {
        store_abandon(world->session);
        err = store_begin(world->session);
        err = err == ERR_OK ? store_mark(world->session) : err;
    }
    assert_int_equal(err, ERR_OK);
}

static enum err end_job(struct world *world, enum err err)
{
    if (err != ERR_OK) {
        call_forget_emissions(&world->call);
    }
    if (world->rolls_back) {
        if (err != ERR_OK) {
            undo_job(world, false);
        }
    }
    err = world_record(world, err);
    if (world->rolls_back) {
        assert_int_equal(store_commit(world->session), ERR_OK);
    }
    keep_events(world);
    return err;
}

enum err world_call(struct world *world, const char *path, const void *in, void *out)
{
    const struct route *route = route_find(path, strlen(path));
    assert_non_null(route);
    struct call *call = world_ready(world);
    begin_job(world);
    enum err err = route->handler(call, in, out);
    if (store_has_assumed(world->session)) {
        undo_job(world, true);
        call = world_ready(world);
        err = route->handler(call, in, out);
    }
    if (err == ERR_OK && call->goes_on) {
        const void *carried = call->carried;
        call = world_ready(world);
        call->carried = carried;
        err = route->handler(call, in, out);
    }
    return end_job(world, err);
}

enum err world_sweep(struct world *world, bool *more)
{
    struct call *call = world_ready(world);
    struct errands errands;
    TRY(errands_ask(call, &errands));
    begin_job(world);
    enum err err = errands_write(call, &errands);
    if (err == ERR_OK) {
        err = sweep(call, more);
    }
    err = end_job(world, err);
    *more = *more || call->wants_sweep || errands.more;
    return err;
}

void world_sweep_all(struct world *world)
{
    bool more = true;
    for (int i = 0; more; i++) {
        assert_true(i < 1000);
        assert_int_equal(world_sweep(world, &more), ERR_OK);
    }
}

enum err world_settle(struct world *world, struct oid order_id)
{
    struct consultation order;
    struct call *call = world_ready(world);
    begin_job(world);
    return end_job(world, order_get(call, order_id, &order));
}

void world_forget_events(struct world *world)
{
    for (size_t i = 0; i < world->event_count; i++) {
        frame_drop(world->events[i].frame);
    }
    world->event_count = 0;
}

size_t world_events(const struct world *world, struct account audience, const char *text)
{
    size_t count = 0;
    for (size_t i = 0; i < world->event_count; i++) {
        bool is_for = world->events[i].audience.role == audience.role &&
                      oid_equal(world->events[i].audience.id, audience.id);
        if (is_for && strstr(frame_text(world->events[i].frame), text) != NULL) {
            count++;
        }
    }
    return count;
}

struct consultation world_order(struct world *world)
{
    static const char *const images[] = {"https://demo.invalid/a.jpg",
                                         "https://demo.invalid/b.jpg"};
    struct consultation_create in = {.content = "头有点疼",
                                     .patient_id = world->patient_id,
                                     .doctor_id = world->doctor.id,
                                     .consultation_reason = "在线复诊",
                                     .images = {images, 2}};
    struct consultation order;
    world_as(world, world->user);
    assert_int_equal(world_call(world, "/consultation/create", &in, &order), ERR_OK);
    return order;
}

struct consultation world_paid_order(struct world *world)
{
    struct consultation order = world_order(world);
    struct by_consultation by = {order.id};
    struct payment payment;
    assert_int_equal(world_call(world, "/consultation/payment/create", &by, &payment), ERR_OK);
    struct sandbox_pay pay = {payment.out_trade_no};
    assert_int_equal(world_call(world, "/consultation/payment/sandbox/pay", &pay, &payment),
                     ERR_OK);
    return world_read_order(world, order.id);
}

struct consultation world_read_order(struct world *world, struct oid id)
{
    struct consultation order;
    assert_int_equal(store_get(world->session, world->arena, COLLECTION_CONSULTATIONS, id, &order),
                     ERR_OK);
    return order;
}

enum err world_send(struct world *world, struct account from, const struct consultation *order,
                    const char *text, const char *client_msg_id, struct message *out)
{
    struct message_create in = {.chat_id = order->chat_id,
                                .consultation_id = order->id,
                                .type = "01",
                                .direction =
                                    from.role == ROLE_USER ? "user->doctor" : "doctor->user",
                                .client_msg_id = client_msg_id,
                                .text = text};
    world_as(world, from);
    return world_call(world, "/api/consultation/chat/message/create", &in, out);
}

const struct message *world_messages(struct world *world, struct oid chat_id, size_t *count)
{
    struct condition condition = WHERE(message, chat_id, IS, chat_id);
    struct query query = {
        .conditions = &condition, .condition_count = 1, .sort = {SORT_UP(message, seq)}};
    struct object_list list;
    assert_int_equal(store_find(world->session, world->arena, COLLECTION_MESSAGES, &query, &list),
                     ERR_OK);
    *count = list.count;
    return list.items;
}

struct chat world_chat(struct world *world, struct oid chat_id)
{
    struct chat chat;
    assert_int_equal(store_get(world->session, world->arena, COLLECTION_CHATS, chat_id, &chat),
                     ERR_OK);
    return chat;
}
