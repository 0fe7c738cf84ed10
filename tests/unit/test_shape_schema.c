/* Shapes as JSON Schema: exact texts for each kind, and for all shapes the agreement of the
 * schema with what the writer writes. */
#include "protocol/requests.h"

#include <jansson.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct inner {
    struct oid id;
    int64_t count;
};

struct sample {
    struct oid oid;
    const char *text, *choice, *url, *key, *digits;
    int64_t number, phone, any;
    bool flag;
    struct timestamp time;
    struct text_list list;
    struct oid_list oids;
    struct message_text message;
    const struct inner *object;
    struct object_list objects;
};

static const struct field inner_fields[] = {
    FIELD(inner, id, "id", ALWAYS, 0, 0, "-"),
    FIELD(inner, count, "count", REQUIRED, 0, 0, "-"),
};
static const struct shape inner_shape = SHAPE(inner, inner_fields);

/* Asserts the schema of a shape with this one row. */
static void assert_schema_of(struct field field, bool as_request, const char *expected)
{
    struct shape shape = {"one", sizeof(struct sample), &field, 1, 0, 0};
    struct strbuf buffer;
    strbuf_init(&buffer, 0);
    shape_write_schema(&buffer, &shape, as_request, NULL);
    assert_string_equal(strbuf_text(&buffer), expected);
    strbuf_free(&buffer);
}

#define OBJECT_OF(name, schema) "{\"type\":\"object\",\"properties\":{\"" name "\":" schema "}"
#define OPTIONAL(name, schema) OBJECT_OF(name, schema) "}"
#define NEEDED(name, schema) OBJECT_OF(name, schema) ",\"required\":[\"" name "\"]}"
#define OID_SCHEMA "{\"type\":\"string\",\"pattern\":\"^[0-9a-f]{24}$\""
#define OID_EXAMPLE ",\"examples\":[\"5b1cbbcfe3d2c87d31bac936\"]}"
#define TIME_EXAMPLE ",\"examples\":[\"2018-06-10T10:44:51.958Z\"]}"
#define INNER_SCHEMA                                                                               \
    "\"id\":" OID_SCHEMA ",\"description\":\"-\"" OID_EXAMPLE ","                                  \
    "\"count\":{\"type\":\"integer\",\"description\":\"-\"}}"
#define LINE "[^\\\\u0000-\\\\u001f\\\\u007f-\\\\u009f]*"
#define MARK "[^\\\\u0000-\\\\u001f\\\\u007f-\\\\u009f \\\\u00a0\\\\u3000]"

static void an_id_has_a_pattern(void **state)
{
    (void)state;
    static const struct field plain = FIELD(sample, oid, "oid", REQUIRED, 0, 0, "编号");
    assert_schema_of(plain, true,
                     NEEDED("oid", OID_SCHEMA ",\"description\":\"编号\"" OID_EXAMPLE));
    static const struct field optional = FIELD(sample, oid, "oid", 0, 0, 0, "编号");
    assert_schema_of(optional, false,
                     OPTIONAL("oid", OID_SCHEMA ",\"description\":\"编号\"" OID_EXAMPLE));
}

static void null_and_nothing_count_as_absent_in_requests(void **state)
{
    (void)state;
    static const struct field oid = FIELD(sample, oid, "oid", 0, 0, 0, "-");
    assert_schema_of(oid, true,
                     OPTIONAL("oid", "{\"type\":[\"string\",\"null\"],\"pattern\":"
                                     "\"^([0-9a-f]{24})?$\",\"description\":\"-\"" OID_EXAMPLE));
    static const struct field flag = FIELD(sample, flag, "f", 0, 0, 0, "-");
    assert_schema_of(flag, true,
                     OPTIONAL("f", "{\"type\":[\"boolean\",\"string\",\"null\"],\"maxLength\":0,"
                                   "\"description\":\"-\",\"examples\":[false]}"));
    static const struct field any = FIELD(sample, any, "a", 0, 0, 0, "-");
    assert_schema_of(any, true,
                     OPTIONAL("a", "{\"type\":[\"integer\",\"string\",\"null\"],\"maxLength\":0,"
                                   "\"description\":\"-\"}"));
}

static void what_is_always_there_may_be_null(void **state)
{
    (void)state;
    static const struct field oid = FIELD(sample, oid, "oid", ALWAYS, 0, 0, "-");
    assert_schema_of(oid, false,
                     NEEDED("oid", "{\"type\":[\"string\",\"null\"],\"pattern\":"
                                   "\"^[0-9a-f]{24}$\",\"description\":\"-\"" OID_EXAMPLE));
    static const struct field time = FIELD(sample, time, "time", ALWAYS, 0, 0, "-");
    assert_schema_of(time, false,
                     NEEDED("time", "{\"type\":[\"string\",\"null\"],\"format\":\"date-time\","
                                    "\"description\":\"-\"" TIME_EXAMPLE));
    static const struct field sure = FIELD(sample, time, "time", ALWAYS | REQUIRED, 0, 0, "-");
    assert_schema_of(sure, false,
                     NEEDED("time", "{\"type\":\"string\",\"format\":\"date-time\","
                                    "\"description\":\"-\"" TIME_EXAMPLE));
    static const struct field own = FIELD(sample, oid, "id", ALWAYS, 0, 0, "-");
    assert_schema_of(own, false, NEEDED("id", OID_SCHEMA ",\"description\":\"-\"" OID_EXAMPLE));
}

static void texts_have_their_limits(void **state)
{
    (void)state;
    static const struct field text = FIELD(sample, text, "t", REQUIRED, 0, 64, "-");
    assert_schema_of(text, true,
                     NEEDED("t", "{\"type\":\"string\",\"minLength\":1,\"maxLength\":64,"
                                 "\"pattern\":\"^" LINE MARK LINE "$\",\"description\":\"-\"}"));
    static const struct field left_out = FIELD(sample, text, "t", 0, 1, 64, "-");
    assert_schema_of(left_out, true,
                     OPTIONAL("t", "{\"type\":[\"string\",\"null\"],\"maxLength\":64,"
                                   "\"pattern\":\"^" LINE "$\",\"description\":\"-\"}"));
    static const struct field maybe = FIELD(sample, text, "t", ALWAYS, 1, 0, "-");
    assert_schema_of(maybe, false, NEEDED("t", "{\"type\":\"string\",\"description\":\"-\"}"));
    static const struct field choice = FIELD_CHOICE(sample, choice, "c", 0, "01|a->b", "-");
    assert_schema_of(choice, true,
                     OPTIONAL("c", "{\"type\":[\"string\",\"null\"],\"enum\":[\"01\",\"a->b\","
                                   "\"\",null],\"description\":\"-\",\"examples\":[\"01\"]}"));
    assert_schema_of(choice, false,
                     OPTIONAL("c", "{\"type\":\"string\",\"enum\":[\"01\",\"a->b\"],"
                                   "\"description\":\"-\",\"examples\":[\"01\"]}"));
    static const struct field key =
        FIELD_FORMAT(sample, key, "k", REQUIRED, FORMAT_VISIBLE, 0, "-");
    assert_schema_of(key, true,
                     NEEDED("k", "{\"type\":\"string\",\"minLength\":1,\"pattern\":"
                                 "\"^([!-~]+)$\",\"description\":\"-\"}"));
    static const struct field digits = FIELD_FORMAT(sample, digits, "d", 0, FORMAT_DIGITS, 0, "-");
    assert_schema_of(digits, true,
                     OPTIONAL("d", "{\"type\":[\"string\",\"null\"],\"pattern\":\"^([0-9]+)?$\","
                                   "\"description\":\"-\"}"));
    static const struct field date = FIELD_FORMAT(sample, text, "b", 0, FORMAT_DATE, 10, "-");
    assert_schema_of(date, false,
                     OPTIONAL("b", "{\"type\":\"string\",\"maxLength\":10,\"format\":\"date\","
                                   "\"description\":\"-\",\"examples\":[\"1949-12-31\"]}"));
}

static void loose_numbers_are_numbers_or_text_in_requests_only(void **state)
{
    (void)state;
    static const struct field number = FIELD(sample, number, "x", LOOSE, -1, 5, "-");
    assert_schema_of(number, true,
                     OPTIONAL("x", "{\"type\":[\"integer\",\"string\",\"null\"],\"minimum\":-1,"
                                   "\"maximum\":5,\"pattern\":\"^(-?[0-9]{1,18})?$\","
                                   "\"description\":\"-\"}"));
    assert_schema_of(number, false,
                     OPTIONAL("x", "{\"type\":\"integer\",\"minimum\":-1,\"maximum\":5,"
                                   "\"description\":\"-\"}"));
    static const struct field phone =
        FIELD_FORMAT(sample, phone, "p", REQUIRED | LOOSE, FORMAT_PHONE, 0, "-");
    assert_schema_of(phone, true,
                     NEEDED("p", "{\"type\":[\"integer\",\"string\"],\"minimum\":13000000000,"
                                 "\"maximum\":19999999999,\"pattern\":\"^(1[3-9][0-9]{9})$\","
                                 "\"description\":\"-\",\"examples\":[13300000001]}"));
    static const struct field any = FIELD(sample, any, "a", ALWAYS, 0, 0, "-");
    assert_schema_of(any, false, OPTIONAL("a", "{\"type\":\"integer\",\"description\":\"-\"}"));
}

static void the_digits_of_a_loose_number_keep_its_range(void **state)
{
    (void)state;
    static const struct {
        int64_t min, max;
        const char *pattern;
    } ranges[] = {
        {0, 1, "^([0-1])?$"},
        {1, 100, "^([1-9][0-9]{0,1}|10{2})?$"},
        {0, 1000000000, "^(0|[1-9][0-9]{0,8}|10{9})?$"},
        {0, INT64_C(9007199254740991), "^([0-9]{1,15})?$"},
        {1, INT64_C(9007199254740991), "^([1-9][0-9]{0,14})?$"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(ranges); i++) {
        struct field field = FIELD(sample, number, "x", LOOSE, 0, 0, "-");
        field.min = ranges[i].min;
        field.max = ranges[i].max;
        char expected[256];
        snprintf(expected, sizeof expected,
                 OPTIONAL("x", "{\"type\":[\"integer\",\"string\",\"null\"],\"minimum\":%d,"
                               "\"maximum\":%lld,\"pattern\":\"%s\",\"description\":\"-\"}"),
                 (int)ranges[i].min, (long long)ranges[i].max, ranges[i].pattern);
        assert_schema_of(field, true, expected);
    }
}

static void bools_are_always_answered_unless_omitted(void **state)
{
    (void)state;
    static const struct field flag = FIELD(sample, flag, "f", 0, 0, 0, "-");
    assert_schema_of(
        flag, false,
        NEEDED("f", "{\"type\":\"boolean\",\"description\":\"-\",\"examples\":[false]}"));
    static const struct field omit = FIELD(sample, flag, "f", OMIT_FALSE, 0, 0, "-");
    assert_schema_of(
        omit, false,
        OPTIONAL("f", "{\"type\":\"boolean\",\"description\":\"-\",\"examples\":[false]}"));
}

static void lists_describe_their_items(void **state)
{
    (void)state;
    static const struct field list =
        FIELD_LIST(sample, list, "l", LOOSE | REQUIRED, FORMAT_NONE, 9, 4, "-");
    assert_schema_of(list, false,
                     NEEDED("l", "{\"type\":\"array\",\"items\":{\"type\":\"string\","
                                 "\"minLength\":1,\"maxLength\":4},\"minItems\":1,\"maxItems\":9,"
                                 "\"description\":\"-\"}"));
#define ITEM                                                                                       \
    "\\\"[^\\\\u0000-\\\\u001f\\\\u007f-\\\\u009f \\\\u00a0\\\\u3000\\\"\\\\\\\\]"                 \
    "[^\\\\u0000-\\\\u001f\\\\u007f-\\\\u009f\\\"\\\\\\\\]{0,3}\\\""
    assert_schema_of(list, true,
                     NEEDED("l", "{\"type\":[\"array\",\"string\"],\"items\":{\"type\":\"string\","
                                 "\"minLength\":1,\"maxLength\":4,\"pattern\":\"^" LINE MARK LINE
                                 "$\"},\"minItems\":1,\"maxItems\":9,\"contentMediaType\":"
                                 "\"application/json\",\"pattern\":\"^\\\\[" ITEM "(," ITEM
                                 "){0,8}\\\\]$\",\"description\":\"-\"}"));
#undef ITEM
    static const struct field oids = FIELD(sample, oids, "o", REQUIRED, 0, 0, "-");
    assert_schema_of(oids, true,
                     NEEDED("o", "{\"type\":\"array\",\"items\":" OID_SCHEMA "},\"minItems\":1,"
                                 "\"description\":\"-\"}"));
}

static void objects_are_described_in_place_or_by_reference(void **state)
{
    (void)state;
    static const struct field object =
        FIELD_OBJECT(sample, object, "o", VIEW | UNDERSCORE_ID, inner_shape, "人");
    assert_schema_of(object, false,
                     OPTIONAL("o", "{\"type\":\"object\",\"properties\":{\"_id\":" OID_SCHEMA
                                   ",\"description\":\"-\"" OID_EXAMPLE "," INNER_SCHEMA
                                   ",\"required\":[\"_id\",\"id\",\"count\"],"
                                   "\"description\":\"人\"}"));
    static const struct field objects =
        FIELD_OBJECTS(sample, objects, "o", REQUIRED, inner_shape, 2, "-");
    assert_schema_of(objects, false,
                     NEEDED("o",
                            "{\"type\":\"array\",\"items\":{\"type\":\"object\","
                            "\"properties\":{" INNER_SCHEMA ",\"required\":[\"id\",\"count\"]},"
                            "\"minItems\":1,\"maxItems\":2,\"description\":\"-\"}"));
    struct shape shape = {"one", sizeof(struct sample), &object, 1, 0, 0};
    struct strbuf buffer;
    strbuf_init(&buffer, 0);
    shape_write_schema(&buffer, &shape, false, "#/x/");
    assert_string_equal(
        strbuf_text(&buffer),
        OPTIONAL("o", "{\"allOf\":[{\"$ref\":\"#/x/inner\"}],\"properties\":{\"_id\":" OID_SCHEMA
                      "}},\"required\":[\"_id\"],\"description\":\"人\"}"));
    strbuf_free(&buffer);
}

static void a_message_text_is_text_or_notice(void **state)
{
    (void)state;
    static const struct field text = FIELD(sample, message, "m", 0, 0, 2000, "-");
#define PART                                                                                       \
    "{\"type\":\"object\",\"properties\":{\"type\":{\"type\":\"string\"},"                         \
    "\"text\":{\"type\":\"string\"}},\"required\":[\"text\"]}"
    assert_schema_of(text, false,
                     OPTIONAL("m", "{\"oneOf\":[{\"type\":\"string\",\"maxLength\":2000},"
                                   "{\"type\":\"object\",\"properties\":{\"doctorMsg\":" PART
                                   ",\"userMsg\":" PART "},\"additionalProperties\":false}],"
                                   "\"description\":\"-\"}"));
#undef PART
}

static void secrets_are_never_shown_and_views_not_in_requests(void **state)
{
    (void)state;
    static const char none[] = "{\"type\":\"object\",\"properties\":{}}";
    static const struct field secret = FIELD(sample, text, "s", SECRET | REQUIRED, 0, 0, "-");
    assert_schema_of(secret, true, none);
    assert_schema_of(secret, false, none);
    static const struct field view = FIELD(sample, text, "v", VIEW | REQUIRED, 0, 0, "-");
    assert_schema_of(view, true, none);
    assert_schema_of(view, false,
                     NEEDED("v", "{\"type\":\"string\",\"minLength\":1,\"description\":\"-\"}"));
}

static json_t *schema_of(const struct shape *shape, bool as_request)
{
    struct strbuf buffer;
    strbuf_init(&buffer, 0);
    shape_write_schema(&buffer, shape, as_request, NULL);
    json_t *schema = json_loads(strbuf_text(&buffer), JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(schema);
    strbuf_free(&buffer);
    return schema;
}

static void exactly_one_content_is_part_of_a_send(void **state)
{
    (void)state;
    json_t *schema = schema_of(&message_create_shape, true);
    json_t *one_of = json_object_get(schema, "oneOf");
    static const char *const names[] = {"text", "image", "audio"};
    assert_int_equal(json_array_size(one_of), ARRAY_LENGTH(names));
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        json_t *required = json_object_get(json_array_get(one_of, i), "required");
        assert_string_equal(json_string_value(json_array_get(required, 0)), names[i]);
    }
    json_decref(schema);
}

static const struct shape *const all_shapes[] = {
    &user_shape,
    &patient_shape,
    &department_shape,
    &doctor_shape,
    &reason_shape,
    &question_shape,
    &diagnosis_shape,
    &diagnosis_term_shape,
    &chat_shape,
    &message_shape,
    &consultation_shape,
    &payment_shape,
    &user_session_shape,
    &doctor_session_shape,
    &read_receipt_shape,
    &typing_shape,
    &presence_shape,
    &connected_shape,
    &nothing_shape,
    &message_create_shape,
    &patient_create_shape,
    &message_filter_shape,
    &consultation_create_shape,
};

/* What the writer makes of a record of which nothing is known. */
static json_t *write_bare(const struct shape *shape)
{
    char *record = calloc(1, shape->size);
    assert_non_null(record);
    for (size_t i = 0; i < shape->count; i++) {
        if (shape->fields[i].kind == KIND_NUMBER) {
            *(int64_t *)(void *)(record + shape->fields[i].offset) = NUMBER_ABSENT;
        }
    }
    struct strbuf buffer;
    strbuf_init(&buffer, 0);
    shape_write(&buffer, shape, record, 0);
    json_t *written = json_loads(strbuf_text(&buffer), JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(written);
    strbuf_free(&buffer);
    free(record);
    return written;
}

static void a_reply_requires_only_what_is_always_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(all_shapes); i++) {
        json_t *schema = schema_of(all_shapes[i], false);
        json_t *written = write_bare(all_shapes[i]);
        json_t *properties = json_object_get(schema, "properties");
        size_t required = 0;
        size_t at;
        json_t *name;
        json_array_foreach(json_object_get(schema, "required"), at, name)
        {
            const struct field *fields = all_shapes[i]->fields;
            size_t row = 0;
            while (strcmp(fields[row].name, json_string_value(name)) != 0 &&
                   strcmp("_id", json_string_value(name)) != 0) {
                row++;
            }
            bool is_promised = (fields[row].flags & REQUIRED) != 0; /* by the handler */
            assert_true(is_promised || json_object_get(written, json_string_value(name)) != NULL);
            assert_non_null(json_object_get(properties, json_string_value(name)));
            required++;
        }
        assert_true(required >= json_object_size(written));
        json_decref(written);
        json_decref(schema);
    }
}

static void every_shape_describes_its_rows_as_request_too(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(all_shapes); i++) {
        json_t *schema = schema_of(all_shapes[i], true);
        size_t shown = 0;
        for (size_t row = 0; row < all_shapes[i]->count; row++) {
            shown += (all_shapes[i]->fields[row].flags & (SECRET | VIEW)) == 0 ? 1 : 0;
        }
        assert_int_equal(json_object_size(json_object_get(schema, "properties")), shown);
        json_decref(schema);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_has_a_pattern),
        cmocka_unit_test(null_and_nothing_count_as_absent_in_requests),
        cmocka_unit_test(what_is_always_there_may_be_null),
        cmocka_unit_test(texts_have_their_limits),
        cmocka_unit_test(loose_numbers_are_numbers_or_text_in_requests_only),
        cmocka_unit_test(the_digits_of_a_loose_number_keep_its_range),
        cmocka_unit_test(bools_are_always_answered_unless_omitted),
        cmocka_unit_test(lists_describe_their_items),
        cmocka_unit_test(objects_are_described_in_place_or_by_reference),
        cmocka_unit_test(a_message_text_is_text_or_notice),
        cmocka_unit_test(secrets_are_never_shown_and_views_not_in_requests),
        cmocka_unit_test(exactly_one_content_is_part_of_a_send),
        cmocka_unit_test(a_reply_requires_only_what_is_always_written),
        cmocka_unit_test(every_shape_describes_its_rows_as_request_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
