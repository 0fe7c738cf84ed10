/* What a worker answers to bytes: REST bodies, frames of the socket, resuming. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/api/emit.h"
#include "server/auth.h"
#include "server/jobs.h"
#include "support_world.h"

#define HOUR_MS INT64_C(3600000)

static struct world world;
static struct job job;
static char answer[65536];

static int setup(void **state)
{
    (void)state;
    world_open_memory(&world);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_close(&world);
    return 0;
}

static void begin(enum job_kind kind, enum lane lane)
{
    job = (struct job){.kind = kind, .lane = lane, .arena = world.arena};
    job.call = (struct call){.arena = world.arena,
                             .store = world.session,
                             .settings = world.settings,
                             .clock = world.clock,
                             .attempts = world.attempts};
}

/* Runs the job; keeps the answer's text. */
static enum err run(void)
{
    enum err err = dispatch_run(&job);
    answer[0] = '\0';
    if (job.answer != NULL) {
        snprintf(answer, sizeof answer, "%s", frame_text(job.answer));
        frame_drop(job.answer);
        job.answer = NULL;
    }
    call_forget_emissions(&job.call);
    return err;
}

static int rest(const char *path, const char *token, const char *body)
{
    const struct route *route = route_find(path, strlen(path));
    assert_non_null(route);
    begin(JOB_REST, route->lane);
    job.route = route;
    job.body = (char *)(uintptr_t)body;
    job.length = strlen(body);
    job.token = (char *)(uintptr_t)token;
    assert_int_equal(run(), ERR_OK);
    return job.status;
}

static const char *token_of(struct account account)
{
    const char *token;
    assert_int_equal(
        token_make(world.arena, world.settings, account, clock_now(world.clock), &token), ERR_OK);
    return token;
}

static struct caller signed_in(struct account account)
{
    return (struct caller){account, clock_now(world.clock).ms + HOUR_MS};
}

static enum err frame(struct caller who, enum lane lane, const char *text)
{
    begin(JOB_FRAME, lane);
    job.who = who;
    job.body = (char *)(uintptr_t)text;
    job.length = strlen(text);
    return run();
}

/* As the loop does it; what it needs for that is gone afterwards. */
static void prepare(struct caller who, const char *text, size_t length)
{
    struct arena *scratch = arena_new(256);
    begin(JOB_FRAME, LANE_SLOW);
    job.who = who;
    job.body = (char *)(uintptr_t)text;
    job.length = length;
    dispatch_prepare(&job, scratch);
    arena_free(scratch);
}

static enum lane lane_of(const char *text, size_t length)
{
    prepare((struct caller){.expires_ms = 0}, text, length);
    return job.lane;
}

/* The frame with blanks behind it, `length` bytes in all. */
static const char *padded(const char *text, size_t length)
{
    char *long_text = arena_alloc(world.arena, length + 1);
    memset(long_text, ' ', length);
    memcpy(long_text, text, strlen(text));
    return long_text;
}

static void answers(const char *part)
{
    if (strstr(answer, part) == NULL) {
        fail_msg("expected %s in %s", part, answer);
    }
}

static void rest_checks_json_then_access_then_fields(void **state)
{
    (void)state;
    assert_int_equal(rest("/api/user/signup", NULL, "{\"openId\":\"x\""), 400);
    answers("\"reason\":\"MALFORMED_JSON\"");
    assert_int_equal(rest("/api/user/signup", NULL, "[]"), 400);
    answers("\"reason\":\"NOT_AN_OBJECT\"");
    assert_int_equal(rest("/api/user/signup", NULL, ""), 400);
    answers("\"field\":\"openId\"");
    assert_int_equal(rest("/api/user/signup", NULL, "{\"openId\":\"demo-a\"}"), 200);
    answers("{\"code\":\"200\",\"msg\":\"注册成功\"");
    assert_int_equal(rest("/api/patient/list", NULL, "{}"), 401);
    answers("\"reason\":\"NOT_SIGNED_IN\"");
    assert_int_equal(rest("/api/patient/list", token_of(world.doctor), "{}"), 403);
    answers("\"reason\":\"NOT_YOURS\"");
    assert_int_equal(rest("/api/patient/list", token_of(world.user), "{}"), 400);
    answers("\"reason\":\"MISSING_FIELD\"");
    world_shift(&world, 0);
    const char *token = token_of(world.user);
    world_shift(&world, 25 * HOUR_MS);
    assert_int_equal(rest("/api/patient/list", token, "{}"), 401);
    answers("\"reason\":\"TOKEN_EXPIRED\"");
}

static void sign_in_has_its_fields_beside_the_code(void **state)
{
    (void)state;
    assert_int_equal(rest("/api/user/signin", NULL, "{\"openId\":\"user-one\"}"), 200);
    answers("{\"code\":\"200\",\"msg\":\"登录成功\",\"token\":\"");
    answers("\"identifier\":\"user-one\"");
    assert_int_equal(rest("/api/user/signin", NULL, "{\"openId\":\"nobody\"}"), 404);
    answers("USER_NOT_FOUND");
}

static void frames_that_are_none_close_the_socket(void **state)
{
    (void)state;
    static const char *const broken[] = {"hello", "[]", "{}", "{\"call\":7}",
                                         "{\"call\":\"ping\",\"data\":[]}"};
    for (size_t i = 0; i < ARRAY_LENGTH(broken); i++) {
        assert_int_equal(frame(signed_in(world.user), LANE_READ, broken[i]), ERR_OK);
        assert_int_equal(job.verdict, VERDICT_CLOSE);
        assert_int_equal(job.close_code, 4000);
        answers("\"code\":400");
    }
}

static void connect_comes_first(void **state)
{
    (void)state;
    struct caller nobody = {{ROLE_NONE, OID_NONE}, 0};
    assert_int_equal(frame(nobody, LANE_READ, "{\"id\":1,\"call\":\"/api/user/signup\"}"), ERR_OK);
    assert_int_equal(job.close_code, 4001);
    answers("\"id\":1");
    char text[2048];
    snprintf(text, sizeof text,
             "{\"id\":1,\"call\":\"connect\",\"data\":{\"token\":\"%s\",\"cursor\":\"c\"}}",
             token_of(world.doctor));
    assert_int_equal(frame(nobody, LANE_READ, text), ERR_OK);
    assert_int_equal(job.verdict, VERDICT_SIGN_IN);
    assert_true(oid_equal(job.who.account.id, world.doctor.id));
    assert_string_equal(job.cursor, "c");
    assert_string_equal(job.id_json, "1");
    assert_string_equal(answer, ""); /* it follows when the socket is subscribed */
    assert_int_equal(frame(signed_in(world.doctor), LANE_READ, text), ERR_OK);
    assert_int_equal(job.verdict, VERDICT_RENEW);
    answers("\"resumed\":true");
    assert_int_equal(frame(signed_in(world.user), LANE_READ, text), ERR_OK);
    answers("\"reason\":\"NOT_YOURS\"");
    assert_int_equal(job.verdict, VERDICT_GO_ON);
    assert_int_equal(
        frame(nobody, LANE_READ, "{\"id\":1,\"call\":\"connect\",\"data\":{\"token\":\"no\"}}"),
        ERR_OK);
    assert_int_equal(job.close_code, 4001);
}

static void a_token_that_ran_out_closes_with_4002(void **state)
{
    (void)state;
    struct caller old = {world.user, clock_now(world.clock).ms};
    assert_int_equal(frame(old, LANE_READ, "{\"id\":1,\"call\":\"/api/patient/list\"}"), ERR_OK);
    assert_int_equal(job.close_code, 4002);
}

static void a_call_in_the_wrong_lane_is_handed_over(void **state)
{
    (void)state;
    static const char text[] =
        "{\"id\":1,\"call\":\"/api/chat/read\",\"data\":{\"chatId\":\"5b1cfd29aee9ede033ba754c\","
        "\"seq\":1}}";
    assert_int_equal(frame(signed_in(world.user), LANE_READ, text), ERR_BUSY);
    assert_int_equal(job.lane, LANE_WRITE);
    assert_int_equal(frame(signed_in(world.user), LANE_WRITE, text), ERR_OK);
    answers("\"reason\":\"CHAT_NOT_FOUND\"");
    assert_int_equal(lane_of(text, strlen(text)), LANE_WRITE);
    assert_int_equal(lane_of("{\"call\"", 7), LANE_READ);
    assert_int_equal(lane_of("{\"call\":\"", 9), LANE_READ);
    assert_int_equal(lane_of("", 0), LANE_READ);
}

/* What is taken for a writer is not waited for by the writers behind it. The lane of a small frame is
 * known, that of a large one a guess. */
static void only_what_must_write_is_taken_for_a_writer(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum lane lane, guess;
    } frames[] = {
        {"{\"call\":\"/api/chat/read\",\"data\":{}}", LANE_WRITE, LANE_WRITE},
        {"{\"data\":{\"text\":\"the \\\"call\\\"\"},\"call\":\"/api/chat/read\"}", LANE_WRITE,
         LANE_WRITE},
        {"{\"data\":{\"call\":\"/api/chat/read\"},\"call\":\"/api/chat/detail\"}", LANE_READ,
         LANE_READ},
        {"{\"call\":\"/api/chat/read\",\"data\":{\"call\":1}}", LANE_WRITE, LANE_READ},
        {"{\"id\":\"call\",\"call\":\"/api/chat/read\"}", LANE_WRITE, LANE_READ},
        {"{\"c\\u0061ll\":\"/api/chat/read\"}", LANE_WRITE, LANE_READ},
        {"{\"call\":\"/api/chat/detail\",\"data\":{}}", LANE_READ, LANE_READ},
        {"{\"call\":\"/api/chat/read\",\"data\":{}", LANE_WRITE, LANE_WRITE}, /* broken */
        {"{\"call\":\"ping\"}", LANE_READ, LANE_READ},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(frames); i++) {
        const char *text = frames[i].text;
        assert_int_equal(lane_of(text, strlen(text)), frames[i].lane);
        assert_int_equal(lane_of(padded(text, FRAME_READY_MAX), FRAME_READY_MAX), frames[i].lane);
        assert_int_equal(lane_of(padded(text, FRAME_READY_MAX + 1), FRAME_READY_MAX + 1),
                         frames[i].guess);
    }
}

/* What is told of a frame. */
struct outcome {
    enum err result, err;
    enum lane lane;
    enum verdict verdict;
    int close_code;
    const char *answer; /* arena */
};

static struct outcome run_in(enum lane lane)
{
    job.lane = lane;
    struct outcome outcome = {.result = run(), .err = job.err, .lane = job.lane};
    outcome.verdict = job.verdict;
    outcome.close_code = job.close_code;
    outcome.answer = arena_text(world.arena, answer, strlen(answer));
    return outcome;
}

static void assert_alike(const struct outcome *one, const struct outcome *other)
{
    assert_int_equal(one->result, other->result);
    assert_int_equal(one->err, other->err);
    assert_int_equal(one->lane, other->lane);
    assert_int_equal(one->verdict, other->verdict);
    assert_int_equal(one->close_code, other->close_code);
    assert_string_equal(one->answer, other->answer);
}

static const struct {
    const char *text;
    bool is_ready;
} both_ways[] = {
    {"{\"id\":1,\"call\":\"/api/patient/list\",\"data\":{\"userId\":\"USER\"}}", true},
    {"{\"call\":\"/api/patient/list\",\"data\":{\"userId\":\"USER\"}}", true},
    {"{\"id\":\"\\u00e9\\\"\",\"call\":\"/api/chat/"
     "read\",\"data\":{\"chatId\":\"USER\",\"seq\":\"1\"}}",
     true},
    {"{\"id\":1,\"call\":\"/api/doctor/chat/list\",\"data\":{}}", false},
    {"{\"id\":1,\"call\":\"/api/chat/read\",\"data\":{\"chatId\":\"USER\",\"seq\":-1}}", false},
    {"{\"id\":1,\"call\":\"/api/chat/read\",\"data\":{\"chatId\":\"USER\"}}", false},
    {"{\"id\":1,\"call\":\"/api/chat/read\",\"data\":[]}", false},
    {"{\"id\":1,\"call\":\"/api/chat/read\"", false},
    {"{\"id\":[],\"call\":\"/api/chat/read\"}", false},
    {"{\"id\":1,\"call\":\"/api/no/such\",\"data\":{}}", false},
    {"{\"id\":1,\"call\":\"ping\"}", false},
    {"{\"id\":1,\"call\":\"typing\",\"data\":{\"chatId\":\"no\"}}", false},
    {"", false},
};

/* Runs the frame in each lane, as a worker parses it and as the loop has made it ready. */
static void assert_answered_alike(struct caller who, const char *text, bool is_ready)
{
    for (enum lane lane = LANE_READ; lane < LANE_COUNT; lane++) {
        prepare(who, text, strlen(text));
        assert_int_equal(job.ready != NULL, is_ready);
        struct outcome ready = run_in(lane);
        begin(JOB_FRAME, lane);
        job.who = who;
        job.body = (char *)(uintptr_t)text;
        job.length = strlen(text);
        struct outcome parsed = run_in(lane);
        assert_alike(&ready, &parsed);
    }
}

static void a_frame_is_answered_alike_whoever_parses_it(void **state)
{
    (void)state;
    char id[OID_TEXT_BYTES];
    oid_format(world.user.id, id);
    const struct caller who[] = {
        signed_in(world.user),
        signed_in(world.doctor),
        {{ROLE_NONE, OID_NONE}, 0},
        {world.user, clock_now(world.clock).ms},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(both_ways); i++) {
        char *text = arena_text(world.arena, both_ways[i].text, strlen(both_ways[i].text));
        char *user = strstr(text, "USER");
        if (user != NULL) {
            text = arena_format(world.arena, "%.*s%s%s", (int)(user - text), text, id, user + 4);
        }
        for (size_t j = 0; j < ARRAY_LENGTH(who); j++) {
            assert_answered_alike(who[j], text, both_ways[i].is_ready);
        }
    }
}

static void only_frames_that_are_not_large_are_made_ready(void **state)
{
    (void)state;
    static const char text[] = "{\"id\":1,\"call\":\"/api/chat/read\",\"data\":{\"chatId\":"
                               "\"5b1cfd29aee9ede033ba754c\",\"seq\":1}}";
    prepare(signed_in(world.user), padded(text, FRAME_READY_MAX), FRAME_READY_MAX);
    assert_non_null(job.ready);
    const struct chat_read *in = job.ready->in;
    assert_ptr_equal(job.ready->route->in, &chat_read_shape);
    assert_int_equal(in->seq, 1);
    assert_string_equal(job.ready->id_json, "1");
    assert_int_equal(run(), ERR_OK);
    answers("\"reason\":\"CHAT_NOT_FOUND\"");
    prepare(signed_in(world.user), padded(text, FRAME_READY_MAX + 1), FRAME_READY_MAX + 1);
    assert_null(job.ready);
    assert_int_equal(run(), ERR_OK);
    answers("\"reason\":\"CHAT_NOT_FOUND\"");
}

/* In the wrong lane, in the right one, and there again: a run that is taken back is run anew. */
static void what_is_ready_is_so_for_each_run(void **state)
{
    (void)state;
    struct consultation order = world_paid_order(&world);
    char chat[OID_TEXT_BYTES], id[OID_TEXT_BYTES];
    oid_format(order.chat_id, chat);
    oid_format(order.id, id);
    const char *text = arena_format(
        world.arena,
        "{\"id\":7,\"call\":\"/api/consultation/chat/message/create\",\"data\":{\"chatId\":\"%s\","
        "\"consultationId\":\"%s\",\"type\":\"01\",\"direction\":\"user->doctor\","
        "\"clientMsgId\":\"m\",\"text\":\" \\u4f60\\u597d \"}}",
        chat, id);
    prepare(signed_in(world.user), text, strlen(text));
    assert_int_equal(run_in(LANE_READ).result, ERR_BUSY);
    struct outcome first = run_in(LANE_WRITE);
    assert_int_equal(first.err, ERR_OK);
    assert_non_null(strstr(first.answer, "\"text\":\"你好\""));
    assert_non_null(strstr(first.answer, "\"id\":7"));
    job.id_json = NULL; /* as jobs_forget_outcome does */
    struct outcome again = run_in(LANE_WRITE);
    assert_alike(&first, &again);
}

/* The values of a list that is given as a text are gone, what was taken of them is not. */
static void what_is_ready_needs_nothing_of_what_was_parsed(void **state)
{
    (void)state;
    static const char text[] =
        "{\"call\":\"/consultation/create\",\"data\":{\"images\":\"[\\\"https://a/1\\\"]\","
        "\"content\":\"c\",\"consultationReason\":\"r\","
        "\"doctorId\":\"5b1cfd29aee9ede033ba754c\","
        "\"patientId\":\"5b1cfd29aee9ede033ba754c\"}}";
    prepare(signed_in(world.user), text, strlen(text));
    assert_non_null(job.ready);
    const struct consultation_create *in = job.ready->in;
    assert_int_equal(in->images.count, 1);
    assert_string_equal(in->images.items[0], "https://a/1");
    assert_string_equal(in->content, "c");
    assert_null(job.ready->id_json);
}

static void a_call_without_id_gets_no_answer(void **state)
{
    (void)state;
    assert_int_equal(frame(signed_in(world.user), LANE_READ, "{\"call\":\"ping\"}"), ERR_OK);
    assert_string_equal(answer, "");
    assert_int_equal(frame(signed_in(world.user), LANE_READ, "{\"call\":\"/no/such\"}"), ERR_OK);
    assert_string_equal(answer, "");
    assert_int_equal(frame(signed_in(world.user), LANE_READ, "{\"id\":\"a\",\"call\":\"/no\"}"),
                     ERR_OK);
    answers("\"id\":\"a\"");
    answers("\"reason\":\"UNKNOWN_CALL\"");
}

/* ---- Resume ------------------------------------------------------------------------------- */

static char replayed[65536];

static void resume(struct account account, const char *cursor)
{
    begin(JOB_RESUME, LANE_READ);
    job.who = signed_in(account);
    job.cursor = cursor;
    job.id_json = "7";
    job.fanned_out_rev = clock_stamp(world.clock);
    assert_int_equal(run(), ERR_OK);
    replayed[0] = '\0';
    for (struct emission *at = job.replay; at != NULL; at = at->next) {
        size_t length = strlen(replayed);
        snprintf(replayed + length, sizeof replayed - length, "%s\n", frame_text(at->frame));
        frame_drop(at->frame);
    }
}

static size_t count_of(const char *part)
{
    size_t count = 0;
    for (const char *at = replayed; (at = strstr(at, part)) != NULL; at += strlen(part)) {
        count++;
    }
    return count;
}

static const char *cursor_now(void)
{
    char *cursor = arena_alloc(world.arena, CURSOR_TEXT_BYTES);
    cursor_format(store_id(world.store), clock_stamp(world.clock), cursor);
    return cursor;
}

static void resuming_brings_what_was_missed_and_no_more(void **state)
{
    (void)state;
    struct message message;
    struct consultation order = world_paid_order(&world);
    const char *cursor = cursor_now();
    assert_int_equal(world_send(&world, world.user, &order, "缺一", NULL, &message), ERR_OK);
    assert_int_equal(world_send(&world, world.user, &order, "缺二", NULL, &message), ERR_OK);
    resume(world.doctor, cursor);
    answers("\"id\":7");
    answers("\"resumed\":true");
    answers(cursor); /* only what it has received may move it */
    assert_int_equal(count_of("message.created"), 2);
    assert_true(strstr(replayed, "缺一") < strstr(replayed, "缺二"));
    assert_int_equal(count_of("\"event\":\"synced\""), 1);
    assert_null(strstr(strstr(replayed, "\"event\":\"synced\""), "message"));
    resume(world.doctor, cursor_now());
    assert_int_equal(count_of("message.created"), 0);
    resume(world.other_doctor, cursor);
    assert_int_equal(count_of("message"), 0);
}

static void a_retracted_message_is_replayed_without_its_content(void **state)
{
    (void)state;
    struct message message, out;
    struct consultation order = world_paid_order(&world);
    const char *cursor = cursor_now();
    assert_int_equal(world_send(&world, world.user, &order, "说错了", NULL, &message), ERR_OK);
    struct by_id in = {message.id};
    assert_int_equal(world_call(&world, "/api/consultation/chat/message/retract", &in, &out),
                     ERR_OK);
    resume(world.doctor, cursor);
    assert_int_equal(count_of("message.retracted"), 1);
    assert_int_equal(count_of("说错了"), 0);
    resume(world.user, cursor);
    assert_int_equal(count_of("\"text\":\"说错了\""), 1);
}

static void notices_are_replayed_with_the_sides_own_part(void **state)
{
    (void)state;
    const char *cursor = cursor_now();
    world_paid_order(&world);
    resume(world.doctor, cursor);
    assert_int_equal(count_of("message.created"), 5);
    assert_int_equal(count_of("userMsg"), 0);
    assert_int_equal(count_of("\"text\":{}"), 1); /* the tips */
    assert_int_equal(count_of("consultation.updated"), 1);
    resume(world.user, cursor);
    assert_int_equal(count_of("doctorMsg"), 0);
    assert_int_equal(count_of("温馨提示"), 1);
}

static void a_cursor_that_is_of_no_use_is_said_so(void **state)
{
    (void)state;
    struct message message;
    struct consultation order = world_paid_order(&world);
    static const char *const useless[] = {
        NULL, "", "x", "0123456789abcdef.1f", "..", "0123456789abcdef."};
    for (size_t i = 0; i < ARRAY_LENGTH(useless); i++) {
        resume(world.doctor, useless[i]);
        answers("\"resumed\":false");
        assert_int_equal(count_of("message"), 0);
        assert_int_equal(count_of("synced"), 1);
    }
    const char *old = cursor_now();
    world_shift(&world, 8 * 24 * HOUR_MS);
    resume(world.doctor, old);
    answers("\"resumed\":false");
    world_shift(&world, -8 * 24 * HOUR_MS);
    const char *cursor = cursor_now();
    world.settings->resume_items = 3;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(world_send(&world, world.user, &order, "问", NULL, &message), ERR_OK);
    }
    resume(world.doctor, cursor);
    answers("\"resumed\":true");
    assert_int_equal(world_send(&world, world.user, &order, "问", NULL, &message), ERR_OK);
    resume(world.doctor, cursor);
    answers("\"resumed\":false"); /* all of the gap or nothing */
    assert_int_equal(count_of("message"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(rest_checks_json_then_access_then_fields),
        TEST(sign_in_has_its_fields_beside_the_code),
        TEST(frames_that_are_none_close_the_socket),
        TEST(connect_comes_first),
        TEST(a_token_that_ran_out_closes_with_4002),
        TEST(a_call_in_the_wrong_lane_is_handed_over),
        TEST(only_what_must_write_is_taken_for_a_writer),
        TEST(a_frame_is_answered_alike_whoever_parses_it),
        TEST(only_frames_that_are_not_large_are_made_ready),
        TEST(what_is_ready_is_so_for_each_run),
        TEST(what_is_ready_needs_nothing_of_what_was_parsed),
        TEST(a_call_without_id_gets_no_answer),
        TEST(resuming_brings_what_was_missed_and_no_more),
        TEST(a_retracted_message_is_replayed_without_its_content),
        TEST(notices_are_replayed_with_the_sides_own_part),
        TEST(a_cursor_that_is_of_no_use_is_said_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
