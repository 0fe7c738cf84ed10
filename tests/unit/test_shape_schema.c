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
    shape_write_schema(&buffer, &shape, as_request);
    assert_string_equal(strbuf_text(&buffer), expected);
    strbuf_free(&buffer);
}

#define OBJECT_OF(name, schema) "{\"type\":\"object\",\"properties\":{\"" name "\":" schema "}"
#define OPTIONAL(name, schema) OBJECT_OF(name, schema) "}"
#define NEEDED(name, schema) OBJECT_OF(name, schema) ",\"required\":[\"" name "\"]}"
#define OID_SCHEMA "{\"type\":\"string\",\"pattern\":\"^[0-9a-f]{24}$\""
#define INNER_SCHEMA                                                                               \
    "\"id\":" OID_SCHEMA ",\"description\":\"-\"},"                                                \
    "\"count\":{\"type\":\"integer\",\"description\":\"-\"}}"

static void an_id_has_a_pattern(void **state)
{
    (void)state;
    static const struct field plain = FIELD(sample, oid, "oid", REQUIRED, 0, 0, "编号");
    assert_schema_of(plain, true, NEEDED("oid", OID_SCHEMA ",\"description\":\"编号\"}"));
    static const struct field optional = FIELD(sample, oid, "oid", 0, 0, 0, "编号");
    assert_schema_of(optional, false, OPTIONAL("oid", OID_SCHEMA ",\"description\":\"编号\"}"));
}

static void what_is_always_there_may_be_null(void **state)
{
    (void)state;
    static const struct field oid = FIELD(sample, oid, "oid", ALWAYS, 0, 0, "-");
    assert_schema_of(
        oid, false,
        NEEDED("oid", "{\"oneOf\":[" OID_SCHEMA "},{\"type\":\"null\"}],\"description\":\"-\"}"));
    static const struct field time = FIELD(sample, time, "time", ALWAYS, 0, 0, "-");
    assert_schema_of(time, false,
                     NEEDED("time", "{\"oneOf\":[{\"type\":\"string\",\"format\":\"date-time\"},"
                                    "{\"type\":\"null\"}],\"description\":\"-\"}"));
    static const struct field sure = FIELD(sample, time, "time", ALWAYS | REQUIRED, 0, 0, "-");
    assert_schema_of(sure, false,
                     NEEDED("time", "{\"type\":\"string\",\"format\":\"date-time\","
                                    "\"description\":\"-\"}"));
    static const struct field own = FIELD(sample, oid, "id", ALWAYS, 0, 0, "-");
    assert_schema_of(own, false, NEEDED("id", OID_SCHEMA ",\"description\":\"-\"}"));
}

static void texts_have_their_limits(void **state)
{
    (void)state;
    static const struct field text = FIELD(sample, text, "text", REQUIRED, 0, 64, "-");
    assert_schema_of(text, true,
                     NEEDED("text", "{\"type\":\"string\",\"minLength\":1,\"maxLength\":64,"
                                    "\"description\":\"-\"}"));
    static const struct field maybe = FIELD(sample, text, "text", ALWAYS, 1, 0, "-");
    assert_schema_of(maybe, false, NEEDED("text", "{\"type\":\"string\",\"description\":\"-\"}"));
    static const struct field choice = FIELD_CHOICE(sample, choice, "c", 0, "01|a->b", "-");
    assert_schema_of(choice, true,
                     OPTIONAL("c", "{\"type\":\"string\",\"enum\":[\"01\",\"a->b\"],"
                                   "\"description\":\"-\"}"));
    static const struct field url = FIELD_FORMAT(sample, url, "u", 0, FORMAT_URL, 9, "-");
    assert_schema_of(url, true,
                     OPTIONAL("u", "{\"type\":\"string\",\"maxLength\":9,\"format\":\"uri\","
                                   "\"pattern\":\"^[Hh][Tt][Tt][Pp][Ss]?://\","
                                   "\"description\":\"-\"}"));
    static const struct field key = FIELD_FORMAT(sample, key, "k", 0, FORMAT_VISIBLE, 0, "-");
    assert_schema_of(key, true,
                     OPTIONAL("k", "{\"type\":\"string\",\"pattern\":\"^[!-~]+$\","
                                   "\"description\":\"-\"}"));
    static const struct field digits = FIELD_FORMAT(sample, digits, "d", 0, FORMAT_DIGITS, 0, "-");
    assert_schema_of(digits, true,
                     OPTIONAL("d", "{\"type\":\"string\",\"pattern\":\"^[0-9]+$\","
                                   "\"description\":\"-\"}"));
}

static void loose_numbers_are_numbers_or_text_in_requests_only(void **state)
{
    (void)state;
    static const struct field number = FIELD(sample, number, "n", LOOSE, -1, 5, "-");
    assert_schema_of(number, true,
                     OPTIONAL("n", "{\"oneOf\":[{\"type\":\"integer\",\"minimum\":-1,"
                                   "\"maximum\":5},{\"type\":\"string\",\"pattern\":"
                                   "\"^-?[0-9]+$\"}],\"description\":\"-\"}"));
    assert_schema_of(number, false,
                     OPTIONAL("n", "{\"type\":\"integer\",\"minimum\":-1,\"maximum\":5,"
                                   "\"description\":\"-\"}"));
    static const struct field phone = FIELD_FORMAT(sample, phone, "p", LOOSE, FORMAT_PHONE, 0, "-");
    assert_schema_of(phone, true,
                     OPTIONAL("p", "{\"oneOf\":[{\"type\":\"integer\",\"minimum\":13000000000,"
                                   "\"maximum\":19999999999},{\"type\":\"string\",\"pattern\":"
                                   "\"^1[3-9][0-9]{9}$\"}],\"description\":\"-\"}"));
    static const struct field any = FIELD(sample, any, "a", ALWAYS, 0, 0, "-");
    assert_schema_of(any, false, OPTIONAL("a", "{\"type\":\"integer\",\"description\":\"-\"}"));
}

static void bools_are_always_answered_unless_omitted(void **state)
{
    (void)state;
    static const struct field flag = FIELD(sample, flag, "f", 0, 0, 0, "-");
    assert_schema_of(flag, false, NEEDED("f", "{\"type\":\"boolean\",\"description\":\"-\"}"));
    assert_schema_of(flag, true, OPTIONAL("f", "{\"type\":\"boolean\",\"description\":\"-\"}"));
    static const struct field omit = FIELD(sample, flag, "f", OMIT_FALSE, 0, 0, "-");
    assert_schema_of(omit, false, OPTIONAL("f", "{\"type\":\"boolean\",\"description\":\"-\"}"));
}

static void lists_describe_their_items(void **state)
{
    (void)state;
    static const struct field list =
        FIELD_LIST(sample, list, "l", LOOSE | REQUIRED, FORMAT_NONE, 9, 4, "-");
    static const char array[] = "{\"type\":\"array\",\"items\":{\"type\":\"string\","
                                "\"minLength\":1,\"maxLength\":4},\"minItems\":1,\"maxItems\":9";
    char expected[512];
    snprintf(expected, sizeof(expected),
             NEEDED("l", "{\"oneOf\":[%s},{\"type\":\"string\",\"contentMediaType\":"
                         "\"application/json\"}],\"description\":\"-\"}"),
             array);
    assert_schema_of(list, true, expected);
    snprintf(expected, sizeof(expected), NEEDED("l", "%s,\"description\":\"-\"}"), array);
    assert_schema_of(list, false, expected);
    static const struct field oids = FIELD(sample, oids, "o", 0, 0, 0, "-");
    assert_schema_of(
        oids, true,
        OPTIONAL("o", "{\"type\":\"array\",\"items\":" OID_SCHEMA "},\"description\":\"-\"}"));
}

static void objects_are_described_in_place(void **state)
{
    (void)state;
    static const struct field object =
        FIELD_OBJECT(sample, object, "o", VIEW | UNDERSCORE_ID, inner_shape, "人");
    assert_schema_of(object, false,
                     OPTIONAL("o", "{\"type\":\"object\",\"properties\":{\"_id\":" OID_SCHEMA
                                   ",\"description\":\"-\"}," INNER_SCHEMA
                                   ",\"required\":[\"_id\",\"id\",\"count\"],"
                                   "\"description\":\"人\"}"));
    static const struct field objects =
        FIELD_OBJECTS(sample, objects, "o", REQUIRED, inner_shape, 2, "-");
    assert_schema_of(objects, true,
                     NEEDED("o", "{\"type\":\"array\",\"items\":{\"type\":\"object\","
                                 "\"properties\":{" INNER_SCHEMA ",\"required\":[\"count\"]},"
                                 "\"minItems\":1,\"maxItems\":2,\"description\":\"-\"}"));
}

static void a_message_text_is_text_or_notice(void **state)
{
    (void)state;
    static const struct field text = FIELD(sample, message, "text", 0, 0, 2000, "-");
#define PART                                                                                       \
    "{\"type\":\"object\",\"properties\":{\"type\":{\"type\":\"string\"},"                         \
    "\"text\":{\"type\":\"string\"}},\"required\":[\"text\"]}"
    assert_schema_of(text, false,
                     OPTIONAL("text", "{\"oneOf\":[{\"type\":\"string\",\"maxLength\":2000},"
                                      "{\"type\":\"object\",\"properties\":{\"doctorMsg\":" PART
                                      ",\"userMsg\":" PART "}}],\"description\":\"-\"}"));
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
    shape_write_schema(&buffer, shape, as_request);
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
    &user_shape,           &patient_shape,        &department_shape,
    &doctor_shape,         &reason_shape,         &question_shape,
    &diagnosis_shape,      &chat_shape,           &message_shape,
    &consultation_shape,   &payment_shape,        &user_session_shape,
    &doctor_session_shape, &read_receipt_shape,   &typing_shape,
    &connected_shape,      &nothing_shape,        &message_create_shape,
    &patient_create_shape, &message_filter_shape, &consultation_create_shape,
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
        cmocka_unit_test(what_is_always_there_may_be_null),
        cmocka_unit_test(texts_have_their_limits),
        cmocka_unit_test(loose_numbers_are_numbers_or_text_in_requests_only),
        cmocka_unit_test(bools_are_always_answered_unless_omitted),
        cmocka_unit_test(lists_describe_their_items),
        cmocka_unit_test(objects_are_described_in_place),
        cmocka_unit_test(a_message_text_is_text_or_notice),
        cmocka_unit_test(secrets_are_never_shown_and_views_not_in_requests),
        cmocka_unit_test(exactly_one_content_is_part_of_a_send),
        cmocka_unit_test(a_reply_requires_only_what_is_always_written),
        cmocka_unit_test(every_shape_describes_its_rows_as_request_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
