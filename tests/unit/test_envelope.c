/* Replies, failures and events, byte by byte as contract 1 and 4 show them. */
#include "protocol/envelope.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#define ID "0102030405060708090a0b0c"
#define REASON                                                                                     \
    "{\"id\":\"" ID "\",\"reason\":\"复诊\",\"created_at\":\"1970-01-01T00:00:00.001Z\","        \
    "\"updated_at\":\"1970-01-01T00:00:00.001Z\"}"

static const struct reason reasons[] = {
    {{{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}}, "复诊", 7, {1}, {1}},
    {{{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}}, "复诊", 8, {1}, {1}},
};

static void assert_success(struct reply_form form, const void *out, const char *id_json,
                           const char *expected)
{
    struct strbuf buffer;
    strbuf_init(&buffer, 16);
    form.msg = "操作成功";
    envelope_success(&buffer, &form, out, id_json, NULL);
    assert_string_equal(strbuf_text(&buffer), expected);
    assert_int_equal(buffer.length, strlen(expected));
    strbuf_free(&buffer);
}

static void assert_failure(enum err err, const struct fault *fault, const char *id_json,
                           const char *expected)
{
    struct strbuf buffer;
    strbuf_init(&buffer, 16);
    envelope_failure(&buffer, err, fault, id_json);
    assert_string_equal(strbuf_text(&buffer), expected);
    strbuf_free(&buffer);
}

static void a_reply_without_data_has_none(void **state)
{
    (void)state;
    struct reply_form form = {.kind = REPLY_NONE};
    assert_success(form, NULL, NULL, "{\"code\":200,\"msg\":\"操作成功\"}");
    assert_success(form, NULL, "7", "{\"id\":7,\"code\":200,\"msg\":\"操作成功\"}");
    form.code_is_text = true;
    assert_success(form, NULL, NULL, "{\"code\":\"200\",\"msg\":\"操作成功\"}");
}

static void a_record_and_a_list_stand_under_data(void **state)
{
    (void)state;
    struct reply_form form = {.kind = REPLY_OBJECT, .shape = &reason_shape};
    assert_success(form, &reasons[0], NULL,
                   "{\"code\":200,\"msg\":\"操作成功\",\"data\":" REASON "}");
    form.kind = REPLY_LIST;
    assert_success(form, &(struct object_list){reasons, 2}, NULL,
                   "{\"code\":200,\"msg\":\"操作成功\",\"data\":[" REASON "," REASON "]}");
    assert_success(form, &(struct object_list){NULL, 0}, "\"a\"",
                   "{\"id\":\"a\",\"code\":200,\"msg\":\"操作成功\",\"data\":[]}");
}

static void a_page_says_where_it_is(void **state)
{
    (void)state;
    struct reply_form form = {.kind = REPLY_PAGE, .shape = &reason_shape};
    assert_success(form, &(struct page){{reasons, 1}, 20, 10, 21}, NULL,
                   "{\"code\":200,\"msg\":\"操作成功\",\"data\":{\"items\":[" REASON
                   "],\"page_info\":{\"skip\":20,\"limit\":10,\"total\":21}}}");
    assert_success(form, &(struct page){{NULL, 0}, 0, 10, 0}, NULL,
                   "{\"code\":200,\"msg\":\"操作成功\",\"data\":{\"items\":[],"
                   "\"page_info\":{\"skip\":0,\"limit\":10,\"total\":0}}}");
}

static void a_flat_reply_stands_beside_code(void **state)
{
    (void)state;
    struct reply_form form = {
        .kind = REPLY_FLAT, .shape = &user_session_shape, .code_is_text = true};
    struct user_session session = {"t", reasons[0].id, "", "open-1"};
    assert_success(form, &session, NULL,
                   "{\"code\":\"200\",\"msg\":\"操作成功\",\"token\":\"t\",\"userId\":\"" ID
                   "\",\"usersig\":\"\",\"identifier\":\"open-1\"}");
    assert_success(
        form, &session, "1",
        "{\"id\":1,\"code\":\"200\",\"msg\":\"操作成功\",\"token\":\"t\",\"userId\":\"" ID
        "\",\"usersig\":\"\",\"identifier\":\"open-1\"}");
}

static void a_flat_reply_may_be_empty(void **state)
{
    (void)state;
    struct reply_form form = {.kind = REPLY_FLAT, .shape = &nothing_shape};
    assert_success(form, &(struct nothing){false}, NULL, "{\"code\":200,\"msg\":\"操作成功\"}");
}

static void a_failure_names_its_reason(void **state)
{
    (void)state;
    assert_failure(ERR_ORDER_OPEN, NULL, NULL,
                   "{\"code\":409,\"msg\":\"与该医生还有未结束的订单\",\"error\":"
                   "{\"reason\":\"ORDER_OPEN\",\"retry\":false}}");
}

static void a_failure_names_field_and_time_only_where_known(void **state)
{
    (void)state;
    struct fault fault = {.field = "images[2]"};
    assert_failure(ERR_TOO_LONG, &fault, "\"x\"",
                   "{\"id\":\"x\",\"code\":400,\"msg\":\"字段内容过长\",\"error\":"
                   "{\"reason\":\"TOO_LONG\",\"field\":\"images[2]\",\"retry\":false}}");
    struct fault later = {.detail = "请 3 秒后再试", .after_ms = 3000};
    assert_failure(ERR_TOO_MANY_ATTEMPTS, &later, NULL,
                   "{\"code\":429,\"msg\":\"请 3 秒后再试\",\"error\":"
                   "{\"reason\":\"TOO_MANY_ATTEMPTS\",\"retry\":true,\"afterMs\":3000}}");
    struct fault nothing = {.after_ms = -1};
    assert_failure(ERR_BUSY, &nothing, NULL,
                   "{\"code\":503,\"msg\":\"服务器繁忙，请稍后再试\",\"error\":"
                   "{\"reason\":\"BUSY\",\"retry\":true}}");
}

/* Whether some of the text is not ASCII, as a Chinese sentence must be. */
static bool is_foreign(const char *text)
{
    while (*text != '\0' && (unsigned char)*text < 0x80) {
        text++;
    }
    return *text != '\0';
}

static void every_error_has_a_row_fit_to_be_answered(void **state)
{
    (void)state;
    for (int err = ERR_OK + 1; err < ERR_COUNT; err++) {
        const struct error_row *row = error_row((enum err)err);
        assert_in_range(row->status, 400, 503);
        assert_true(is_foreign(row->sentence));
        assert_int_equal(strspn(row->reason, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_"), strlen(row->reason));
        assert_int_equal(row->retry, row->status == 429 || row->status == 503);
    }
}

static void an_event_has_cursor_and_data_where_given(void **state)
{
    (void)state;
    struct strbuf buffer;
    strbuf_init(&buffer, 16);
    struct typing typing = {reasons[0].id, "user"};
    envelope_event(&buffer, EVENT_TYPING, NULL, &typing);
    assert_string_equal(strbuf_text(&buffer), "{\"event\":\"typing\",\"data\":{\"chatId\":\"" ID
                                              "\",\"side\":\"user\"}}");
    strbuf_clear(&buffer);
    envelope_event(&buffer, EVENT_SYNCED, "s-1", NULL);
    assert_string_equal(strbuf_text(&buffer), "{\"event\":\"synced\",\"cursor\":\"s-1\"}");
    strbuf_clear(&buffer);
    struct message message = {.id = reasons[0].id,
                              .text = {.is_notice = true},
                              .seq = 1,
                              .created_at = {1},
                              .updated_at = {1}};
    envelope_event(&buffer, EVENT_MESSAGE_CREATED, "s-2", &message);
    assert_string_equal(strbuf_text(&buffer),
                        "{\"event\":\"message.created\",\"cursor\":\"s-2\",\"data\":{\"id\":\"" ID
                        "\",\"text\":{},\"seq\":1,\"created_at\":\"1970-01-01T00:00:00.001Z\","
                        "\"updated_at\":\"1970-01-01T00:00:00.001Z\"}}");
    strbuf_free(&buffer);
}

static void an_answer_takes_over_what_was_written_in_an_event(void **state)
{
    (void)state;
    struct message message = {.id = reasons[0].id,
                              .seq = 7,
                              .text = {.plain = "\",\"data\":{"},
                              .user_total = NUMBER_ABSENT,
                              .doctor_total = NUMBER_ABSENT};
    struct strbuf event, alone, answer;
    strbuf_init(&event, 16);
    strbuf_init(&alone, 0);
    strbuf_init(&answer, 0);
    envelope_event(&event, EVENT_MESSAGE_CREATED, "a.1", &message);
    shape_write(&alone, &message_shape, &message, 0);
    struct written written =
        envelope_event_record(EVENT_MESSAGE_CREATED, &message, strbuf_text(&event), event.length);
    assert_int_equal(written.length, alone.length);
    assert_memory_equal(written.text, strbuf_text(&alone), alone.length);
    struct reply_form form = {.kind = REPLY_OBJECT, .shape = &message_shape, .msg = ""};
    struct message same = message;
    written.text = "{}";
    written.length = 2;
    envelope_success(&answer, &form, &same, "1", &written);
    assert_string_equal(strbuf_text(&answer), "{\"id\":1,\"code\":200,\"msg\":\"\",\"data\":{}}");
    same.seq = 8; /* not what was written */
    strbuf_clear(&answer);
    envelope_success(&answer, &form, &same, "1", &written);
    assert_non_null(strstr(strbuf_text(&answer), "\"seq\":8"));
    form.shape = &reason_shape;
    strbuf_clear(&answer);
    envelope_success(&answer, &form, &reasons[0], "1", &written);
    assert_non_null(strstr(strbuf_text(&answer), REASON));
    strbuf_free(&answer);
    strbuf_free(&alone);
    strbuf_free(&event);
}

static void every_event_has_a_row(void **state)
{
    (void)state;
    for (int event = 0; event < EVENT_COUNT; event++) {
        assert_non_null(event_row((enum event)event)->wire);
        assert_non_null(event_row((enum event)event)->shape);
    }
    assert_true(event_row(EVENT_MESSAGE_RETRACTED)->durable);
    assert_ptr_equal(event_row(EVENT_MESSAGE_RETRACTED)->shape, &message_shape);
    assert_false(event_row(EVENT_TYPING)->durable);
}

static void answers_follow_one_another_in_one_buffer(void **state)
{
    (void)state;
    struct strbuf buffer;
    strbuf_init(&buffer, 0);
    struct reply_form form = {.kind = REPLY_FLAT, .shape = &nothing_shape, .msg = "操作成功"};
    strbuf_add_literal(&buffer, "before");
    envelope_success(&buffer, &form, &(struct nothing){false}, NULL, NULL);
    assert_string_equal(strbuf_text(&buffer), "before{\"code\":200,\"msg\":\"操作成功\"}");
    strbuf_free(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reply_without_data_has_none),
        cmocka_unit_test(a_record_and_a_list_stand_under_data),
        cmocka_unit_test(a_page_says_where_it_is),
        cmocka_unit_test(a_flat_reply_stands_beside_code),
        cmocka_unit_test(a_flat_reply_may_be_empty),
        cmocka_unit_test(a_failure_names_its_reason),
        cmocka_unit_test(a_failure_names_field_and_time_only_where_known),
        cmocka_unit_test(every_error_has_a_row_fit_to_be_answered),
        cmocka_unit_test(an_event_has_cursor_and_data_where_given),
        cmocka_unit_test(an_answer_takes_over_what_was_written_in_an_event),
        cmocka_unit_test(every_event_has_a_row),
        cmocka_unit_test(answers_follow_one_another_in_one_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
