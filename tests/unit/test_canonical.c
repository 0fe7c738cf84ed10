/* Canonical bytes: known ones, for ever; and what must not change them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/canonical.h"
#include "protocol/records.h"

static void assert_bytes(const struct shape *shape, const void *record, const char *bytes,
                         size_t length)
{
    struct strbuf out;
    strbuf_init(&out, 8);
    canonical_write(&out, shape, record);
    assert_int_equal(out.length, length);
    assert_memory_equal(strbuf_text(&out), bytes, length);
    strbuf_free(&out);
}

static void a_row_has_these_bytes_for_ever(void **state)
{
    (void)state;
    struct audit_row row = {.id = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}},
                            .at = {0x0102030405060708},
                            .actor = "system",
                            .action = "message.send",
                            .hash = "not covered"};
    static const char bytes[] = "id\0\0\0\0\x0c\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c"
                                "at\0\0\0\0\x08\x01\x02\x03\x04\x05\x06\x07\x08"
                                "actor\0\0\0\0\x06system"
                                "action\0\0\0\0\x0cmessage.send";
    assert_bytes(&audit_row_shape, &row, bytes, sizeof bytes - 1);
}

static void a_message_has_these_bytes_for_ever(void **state)
{
    (void)state;
    struct message message = {.id = {{1}},
                              .type = "06",
                              .text = {.is_notice = true, .user = {"a", "bc"}},
                              .seq = 258,
                              .is_retract = true,
                              .user_total = 7,
                              .rev = 9,
                              .updated_at = {5}};
    static const char bytes[] = "id\0\0\0\0\x0c\x01\0\0\0\0\0\0\0\0\0\0\0"
                                "type\0\0\0\0\x02"
                                "06"
                                "text\0\0\0\0\x14N\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\x01"
                                "a\0\0\0\x02"
                                "bc"
                                "seq\0\0\0\0\x08\0\0\0\0\0\0\x01\x02";
    assert_bytes(&message_shape, &message, bytes, sizeof bytes - 1);
}

static void lists_keep_their_items_apart(void **state)
{
    (void)state;
    const char *one[] = {"ab", "c"}, *other[] = {"a", "bc"};
    struct consultation a = {.images = {one, 2}}, b = {.images = {other, 2}};
    struct strbuf first, second;
    strbuf_init(&first, 0);
    strbuf_init(&second, 0);
    canonical_write(&first, &consultation_shape, &a);
    canonical_write(&second, &consultation_shape, &b);
    assert_int_equal(first.length, second.length);
    assert_memory_not_equal(strbuf_text(&first), strbuf_text(&second), first.length);
    strbuf_free(&first);
    strbuf_free(&second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_has_these_bytes_for_ever),
        cmocka_unit_test(a_message_has_these_bytes_for_ever),
        cmocka_unit_test(lists_keep_their_items_apart),
    };
    return cmocka_run_group_tests_name("canonical", tests, NULL, NULL);
}
