/* Structs to JSON: what is written, what is left out, and what must never leave the server. */
#include "protocol/records.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#define ID "0102030405060708090a0b0c"
#define ID_2 "ff02030405060708090a0b0c"

static const struct oid id = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}};
static const struct oid id_2 = {{255, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}};

static void assert_written(const struct shape *shape, const void *record, unsigned flags,
                           const char *expected)
{
    struct strbuf buffer;
    strbuf_init(&buffer, 16);
    shape_write(&buffer, shape, record, flags);
    assert_string_equal(strbuf_text(&buffer), expected);
    assert_int_equal(buffer.length, strlen(expected));
    strbuf_free(&buffer);
}

/* A shape with one row of each kind, twice: once plain, once ALWAYS. */
struct inner {
    struct oid id;
    int64_t count;
};

struct sample {
    struct oid oid, oid_always;
    const char *text, *text_always;
    int64_t number, number_always;
    bool flag, flag_omit;
    struct timestamp time, time_always;
    struct text_list texts, texts_always;
    struct oid_list oids, oids_always;
    struct message_text message, message_always;
    const struct inner *object;
    struct object_list objects, objects_always;
    const char *secret;
};

static const struct field inner_fields[] = {
    FIELD(inner, id, "id", ALWAYS, 0, 0, "-"),
    FIELD(inner, count, "count", 0, 0, 0, "-"),
};
static const struct shape inner_shape = SHAPE(inner, inner_fields);

static const struct field sample_fields[] = {
    FIELD(sample, oid, "oid", 0, 0, 0, "-"),
    FIELD(sample, oid_always, "oidAlways", ALWAYS, 0, 0, "-"),
    FIELD(sample, text, "text", 0, 0, 0, "-"),
    FIELD(sample, text_always, "textAlways", ALWAYS, 0, 0, "-"),
    FIELD(sample, number, "number", 0, 0, 0, "-"),
    FIELD(sample, number_always, "numberAlways", ALWAYS, 0, 0, "-"),
    FIELD(sample, flag, "flag", 0, 0, 0, "-"),
    FIELD(sample, flag_omit, "flagOmit", OMIT_FALSE, 0, 0, "-"),
    FIELD(sample, time, "time", 0, 0, 0, "-"),
    FIELD(sample, time_always, "timeAlways", ALWAYS, 0, 0, "-"),
    FIELD(sample, texts, "texts", 0, 0, 0, "-"),
    FIELD(sample, texts_always, "textsAlways", ALWAYS, 0, 0, "-"),
    FIELD(sample, oids, "oids", 0, 0, 0, "-"),
    FIELD(sample, oids_always, "oidsAlways", ALWAYS, 0, 0, "-"),
    FIELD(sample, message, "message", 0, 0, 0, "-"),
    FIELD(sample, message_always, "messageAlways", ALWAYS, 0, 0, "-"),
    FIELD_OBJECT(sample, object, "object", VIEW, inner_shape, "-"),
    FIELD_OBJECTS(sample, objects, "objects", 0, inner_shape, 0, "-"),
    FIELD_OBJECTS(sample, objects_always, "objectsAlways", ALWAYS | UNDERSCORE_ID, inner_shape, 0,
                  "-"),
    FIELD(sample, secret, "secret", SECRET | ALWAYS, 0, 0, "-"),
};
static const struct shape sample_shape = SHAPE(sample, sample_fields);

static void what_is_absent_is_left_out_unless_always(void **state)
{
    (void)state;
    struct sample sample = {.number = NUMBER_ABSENT, .number_always = NUMBER_ABSENT};
    assert_written(&sample_shape, &sample, 0,
                   "{\"oidAlways\":null,\"textAlways\":\"\",\"flag\":false,\"timeAlways\":null,"
                   "\"textsAlways\":[],\"oidsAlways\":[],\"messageAlways\":\"\","
                   "\"objectsAlways\":[]}");
}

static void every_kind_is_written_in_the_order_of_the_shape(void **state)
{
    (void)state;
    static const char *const texts[] = {"a\"b", "您好"};
    const struct oid oids[] = {id, id_2};
    const struct inner inners[] = {{id, 1}, {id_2, NUMBER_ABSENT}};
    struct sample sample = {
        .oid = id,
        .oid_always = id_2,
        .text = "t\n",
        .text_always = "u",
        .number = 0,
        .number_always = -5,
        .flag = true,
        .flag_omit = true,
        .time = {1528627491958},
        .time_always = {1},
        .texts = {texts, 2},
        .texts_always = {texts, 1},
        .oids = {oids, 2},
        .oids_always = {oids, 1},
        .message = {.plain = "m"},
        .message_always = {.is_notice = true},
        .object = &inners[0],
        .objects = {inners, 2},
        .objects_always = {inners, 1},
        .secret = "never",
    };
    assert_written(
        &sample_shape, &sample, 0,
        "{\"oid\":\"" ID "\",\"oidAlways\":\"" ID_2 "\",\"text\":\"t\\n\",\"textAlways\":\"u\","
        "\"number\":0,\"numberAlways\":-5,\"flag\":true,\"flagOmit\":true,"
        "\"time\":\"2018-06-10T10:44:51.958Z\",\"timeAlways\":\"1970-01-01T00:00:00.001Z\","
        "\"texts\":[\"a\\\"b\",\"您好\"],\"textsAlways\":[\"a\\\"b\"],"
        "\"oids\":[\"" ID "\",\"" ID_2 "\"],\"oidsAlways\":[\"" ID "\"],"
        "\"message\":\"m\",\"messageAlways\":{},\"object\":{\"id\":\"" ID "\",\"count\":1},"
        "\"objects\":[{\"id\":\"" ID "\",\"count\":1},{\"id\":\"" ID_2 "\"}],"
        "\"objectsAlways\":[{\"_id\":\"" ID "\",\"id\":\"" ID "\",\"count\":1}]}");
}

static void a_shape_without_fields_is_an_empty_object(void **state)
{
    (void)state;
    static const struct shape empty = {"empty", 1, NULL, 0, 0, 0};
    assert_written(&empty, "", 0, "{}");
    assert_written(&empty, "", UNDERSCORE_ID, "{}");
}

static void a_notice_holds_the_parts_it_has(void **state)
{
    (void)state;
    static const struct field fields[] = {
        FIELD(message, text, "text", MULTILINE, 0, 0, "-"),
    };
    static const struct shape shape = SHAPE(message, fields);
    struct message message = {
        .text = {.is_notice = true, .doctor = {"咨询开始", "d"}, .user = {"咨询开始", "u"}}};
    assert_written(&shape, &message, 0,
                   "{\"text\":{\"doctorMsg\":{\"type\":\"咨询开始\",\"text\":\"d\"},"
                   "\"userMsg\":{\"type\":\"咨询开始\",\"text\":\"u\"}}}");
    message.text.doctor.text = NULL;
    message.text.user.type = NULL;
    assert_written(&shape, &message, 0, "{\"text\":{\"userMsg\":{\"text\":\"u\"}}}");
    message.text.user.text = NULL;
    assert_written(&shape, &message, 0, "{\"text\":{}}");
    message.text.is_notice = false;
    assert_written(&shape, &message, 0, "{}");
    message.text.plain = "";
    assert_written(&shape, &message, 0, "{\"text\":\"\"}");
}

static void an_own_id_is_written_twice_on_demand_and_never_thrice(void **state)
{
    (void)state;
    struct inner inner = {id, 3};
    assert_written(&inner_shape, &inner, UNDERSCORE_ID,
                   "{\"_id\":\"" ID "\",\"id\":\"" ID "\",\"count\":3}");
    struct diagnosis diagnosis = {.id = id, .created_at = {1}};
    static const char expected[] = "{\"_id\":\"" ID "\",\"id\":\"" ID "\","
                                   "\"created_at\":\"1970-01-01T00:00:00.001Z\"}";
    assert_written(&diagnosis_shape, &diagnosis, 0, expected);
    assert_written(&diagnosis_shape, &diagnosis, UNDERSCORE_ID, expected);
}

static void an_order_embeds_its_people_with_both_ids_and_no_secret(void **state)
{
    (void)state;
    const struct patient patient = {.id = id,
                                    .phone = NUMBER_ABSENT,
                                    .sex = 0,
                                    .created_at = {1},
                                    .updated_at = {1},
                                    .deleted_at = {2}};
    const struct doctor doctor = {.id = id_2,
                                  .password = "scrypt$secret",
                                  .open_id = "wechat-secret",
                                  .image_and_text_price = 5000,
                                  .weight = NUMBER_ABSENT,
                                  .created_at = {1},
                                  .updated_at = {1}};
    struct consultation order = {.id = id, .patient = &patient, .doctor = &doctor};
    struct strbuf buffer;
    strbuf_init(&buffer, 0);
    shape_write(&buffer, &consultation_shape, &order, 0);
    const char *text = strbuf_text(&buffer);
    assert_null(strstr(text, "secret"));
    assert_null(strstr(text, "password"));
    assert_null(strstr(text, "replyCount"));
    assert_non_null(strstr(text, "{\"id\":\"" ID "\""));
    assert_non_null(strstr(text, "\"patient\":{\"_id\":\"" ID "\",\"id\":\"" ID "\",\"sex\":0,"));
    assert_non_null(strstr(text, "\"deleted_at\":\"1970-01-01T00:00:00.002Z\""));
    assert_non_null(strstr(text, "\"doctor\":{\"_id\":\"" ID_2 "\",\"id\":\"" ID_2 "\",\"image"));
    strbuf_free(&buffer);
}

static void no_record_has_a_way_to_write_a_secret(void **state)
{
    (void)state;
    const struct doctor doctor = {.id = id,
                                  .password = "S3CRET",
                                  .open_id = "S3CRET",
                                  .image_and_text_price = 1,
                                  .weight = 1,
                                  .disabled = true};
    const struct doctor_session session = {.token = "t", .doctor = &doctor};
    struct strbuf buffer;
    strbuf_init(&buffer, 0);
    shape_write(&buffer, &doctor_shape, &doctor, UNDERSCORE_ID);
    shape_write(&buffer, &doctor_session_shape, &session, 0);
    assert_null(strstr(strbuf_text(&buffer), "S3CRET"));
    assert_null(strstr(strbuf_text(&buffer), "disabled"));
    strbuf_free(&buffer);
}

static void a_list_is_an_array_of_records(void **state)
{
    (void)state;
    const struct inner inners[] = {{id, 1}, {id_2, 2}};
    struct object_list list = {inners, 2};
    struct strbuf buffer;
    strbuf_init(&buffer, 0);
    shape_write_list(&buffer, &inner_shape, &list, 0);
    assert_string_equal(strbuf_text(&buffer),
                        "[{\"id\":\"" ID "\",\"count\":1},{\"id\":\"" ID_2 "\",\"count\":2}]");
    strbuf_clear(&buffer);
    shape_write_list(&buffer, &inner_shape, &(struct object_list){inners, 1}, UNDERSCORE_ID);
    assert_string_equal(strbuf_text(&buffer),
                        "[{\"_id\":\"" ID "\",\"id\":\"" ID "\",\"count\":1}]");
    strbuf_clear(&buffer);
    shape_write_list(&buffer, &inner_shape, &(struct object_list){NULL, 0}, 0);
    assert_string_equal(strbuf_text(&buffer), "[]");
    strbuf_free(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_absent_is_left_out_unless_always),
        cmocka_unit_test(every_kind_is_written_in_the_order_of_the_shape),
        cmocka_unit_test(a_shape_without_fields_is_an_empty_object),
        cmocka_unit_test(a_notice_holds_the_parts_it_has),
        cmocka_unit_test(an_own_id_is_written_twice_on_demand_and_never_thrice),
        cmocka_unit_test(an_order_embeds_its_people_with_both_ids_and_no_secret),
        cmocka_unit_test(no_record_has_a_way_to_write_a_secret),
        cmocka_unit_test(a_list_is_an_array_of_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
