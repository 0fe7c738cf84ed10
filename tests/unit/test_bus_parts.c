/* The parts of the Redis bus that need no Redis: URLs, channel names, payloads, the table. */
#include "server/bus_address.h"
#include "server/bus_channels.h"
#include "server/bus_lookup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct account account_number(unsigned number)
{
    struct account account = {.role = number % 2 == 0 ? ROLE_USER : ROLE_DOCTOR};
    memcpy(account.id.bytes, &number, sizeof(number));
    account.id.bytes[OID_BYTES - 1] = 1;
    return account;
}

/* ---- URLs --------------------------------------------------------------------------------- */

static void url_with_everything_is_taken_apart(void **state)
{
    (void)state;
    struct bus_address address;
    char why[256];
    assert_true(bus_address_parse(":p%40ss@w%2Frd@cache.example:7001/ward-2", &address, why));
    assert_string_equal(address.password, "p@ss@w/rd");
    assert_string_equal(address.host, "cache.example");
    assert_int_equal(address.port, 7001);
    assert_string_equal(address.prefix, "ward-2");
    assert_string_equal(address.path, "");
}

static void url_defaults_are_port_6379_and_no_prefix(void **state)
{
    (void)state;
    struct bus_address address;
    char why[256];
    assert_true(bus_address_parse("127.0.0.1", &address, why));
    assert_int_equal(address.port, 6379);
    assert_string_equal(address.prefix, "");
    assert_string_equal(address.password, "");
}

static void url_with_ipv6_is_taken_apart(void **state)
{
    (void)state;
    struct bus_address address;
    char why[256];
    char text[BUS_HOST_BYTES + 16];
    assert_true(bus_address_parse("[::1]:6380", &address, why));
    assert_string_equal(address.host, "::1");
    assert_int_equal(address.port, 6380);
    bus_address_describe(&address, text);
    assert_string_equal(text, "[::1]:6380");
}

static void url_of_a_unix_socket_is_taken_apart(void **state)
{
    (void)state;
    struct bus_address address;
    char why[256];
    assert_true(bus_address_parse_unix("/run/redis.sock?prefix=a:b", &address, why));
    assert_string_equal(address.path, "/run/redis.sock");
    assert_string_equal(address.prefix, "a:b");
    assert_true(bus_address_parse_unix("/run/redis.sock", &address, why));
    assert_string_equal(address.prefix, "");
}

static void bad_urls_are_refused_with_a_sentence_without_the_password(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        ":6379",
        "host:0",
        "host:65536",
        "host:63x9",
        "host:",
        "host:1:2",
        "ho st:6379",
        "[::1",
        "[::1]6379",
        "[nonsense]:6379",
        "user:hidden-word@host:6379",
        ":hidden-word%2@host:6379",
        ":hidden-word%zz@host:6379",
        ":hidden-word%00@host:6379",
        ":hidden-word@",
        ":hidden-word@host:port",
        "host:6379/two/parts",
        "host:6379/a*b",
        "host:6379?db=1",
        "host/0123456789012345678901234567890123456789012345678901234567890123x",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        struct bus_address address;
        char why[256] = "";
        if (bus_address_parse(bad[i], &address, why)) {
            fail_msg("taken: redis://%s", bad[i]);
        }
        assert_true(strlen(why) > 20);
        assert_null(strstr(why, "hidden-word"));
    }
}

static void bad_urls_of_unix_sockets_are_refused(void **state)
{
    (void)state;
    char longest[200] = "/";
    memset(longest + 1, 'x', 150);
    const char *const bad[] = {"", "relative.sock", longest, "/a.sock?db=1", "/a.sock?prefix=a/b"};
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        struct bus_address address;
        char why[256] = "";
        assert_false(bus_address_parse_unix(bad[i], &address, why));
        assert_true(strlen(why) > 20);
    }
}

static void description_for_logs_has_no_password(void **state)
{
    (void)state;
    struct bus_address address;
    char why[256];
    char text[BUS_HOST_BYTES + 16];
    assert_true(bus_address_parse(":hidden-word@10.0.0.1:7000/x", &address, why));
    bus_address_describe(&address, text);
    assert_string_equal(text, "10.0.0.1:7000");
}

static void only_names_need_to_be_looked_up(void **state)
{
    (void)state;
    assert_true(bus_lookup_is_needless("127.0.0.1"));
    assert_true(bus_lookup_is_needless("::1"));
    assert_false(bus_lookup_is_needless("localhost"));
    assert_false(bus_lookup_is_needless("1.2.3"));
}

/* ---- channels and payloads ---------------------------------------------------------------- */

static void channel_names_lead_back_to_their_account(void **state)
{
    (void)state;
    static const char *const prefixes[] = {
        "", "ward", "0123456789012345678901234567890123456789012345678901234567890123"};
    for (unsigned number = 0; number < 2; number++) {
        for (size_t i = 0; i < ARRAY_LENGTH(prefixes); i++) {
            char name[BUS_CHANNEL_BYTES];
            struct account found;
            size_t length = bus_channel_name(prefixes[i], account_number(number), name);
            assert_int_equal(length, strlen(name));
            assert_true(bus_channel_parse(prefixes[i], name, length, &found));
            assert_int_equal(found.role, account_number(number).role);
            assert_true(oid_equal(found.id, account_number(number).id));
        }
    }
}

static void channel_name_looks_as_documented(void **state)
{
    (void)state;
    struct account account = {.role = ROLE_DOCTOR};
    assert_true(oid_parse("5b1cf1c7d2f4a80001a2b3c4", 24, &account.id));
    char name[BUS_CHANNEL_BYTES];
    bus_channel_name("", account, name);
    assert_string_equal(name, "consultd:d:5b1cf1c7d2f4a80001a2b3c4");
    bus_channel_name("ward", account, name);
    assert_string_equal(name, "ward:consultd:d:5b1cf1c7d2f4a80001a2b3c4");
}

static void names_of_other_channels_are_not_ours(void **state)
{
    (void)state;
    static const char *const others[] = {
        "",
        "consultd:x:5b1cf1c7d2f4a80001a2b3c4",
        "consultd:u:5b1cf1c7d2f4a80001a2b3c",
        "consultd:u:5b1cf1c7d2f4a80001a2b3c4a",
        "consultd:u:5b1cf1c7d2f4a80001a2b3cg",
        "consultd:u-5b1cf1c7d2f4a80001a2b3c4",
        "ward:consultd:u:5b1cf1c7d2f4a80001a2b3c4",
        "consultd:node:0123456789abcdef",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(others); i++) {
        struct account account;
        assert_false(bus_channel_parse("", others[i], strlen(others[i]), &account));
    }
}

static void payload_is_taken_apart(void **state)
{
    (void)state;
    static const char payload[] = "0123456789abcdef 9223372036854775807\n{\"a\":\n1}";
    struct bus_payload out;
    assert_true(bus_payload_parse(payload, sizeof(payload) - 1, &out));
    assert_string_equal(out.node, "0123456789abcdef");
    assert_true(out.event.rev == INT64_MAX);
    assert_int_equal(out.event.place.kind, PLACE_NONE);
    assert_int_equal(out.event.length, strlen("{\"a\":\n1}"));
    assert_memory_equal(out.event.text, "{\"a\":\n1}", out.event.length);
}

static void place_of_a_frame_stands_in_its_payload(void **state)
{
    (void)state;
    struct frame_place place = {.seq = SEQ_MAX, .rev = 77};
    assert_true(oid_parse("5b1cf1c7d2f4a80001a2b3c4", 24, &place.chat_id));
    for (place.kind = PLACE_CREATED; place.kind < PLACE_KINDS; place.kind++) {
        char payload[BUS_HEADER_BYTES + 2];
        size_t length = bus_payload_header("0123456789abcdef", 77, &place, payload);
        if (place.kind != PLACE_VOID) {
            memcpy(payload + length, "{}", 2);
            length += 2;
        }
        struct bus_payload out;
        assert_true(bus_payload_parse(payload, length, &out));
        assert_string_equal(out.node, "0123456789abcdef");
        assert_int_equal(out.event.place.kind, place.kind);
        assert_true(oid_equal(out.event.place.chat_id, place.chat_id));
        assert_true(out.event.place.seq == SEQ_MAX && out.event.place.rev == 77);
        assert_int_equal(out.event.length, place.kind == PLACE_VOID ? 0 : 2);
    }
}

static void payload_without_a_place_is_as_nodes_before_wrote_it(void **state)
{
    (void)state;
    struct frame_place nowhere = {.kind = PLACE_NONE};
    char header[BUS_HEADER_BYTES];
    size_t length = bus_payload_header("0123456789abcdef", 77, &nowhere, header);
    assert_int_equal(length, strlen("0123456789abcdef 77\n"));
    assert_memory_equal(header, "0123456789abcdef 77\n", length);
}

static void malformed_payloads_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "x",
        "0123456789abcdef",
        "0123456789abcdef ",
        "0123456789abcdef 1",
        "0123456789abcdef 1\n",
        "0123456789abcdef \n{}",
        "0123456789abcdef -1\n{}",
        "0123456789abcdef 1 \n{}",
        "0123456789abcdef  1\n{}",
        "0123456789abcdef 9223372036854775808\n{}",
        "0123456789ABCDEF 1\n{}",
        "0123456789abcde 1\n{}",
        "0123456789abcdef01\n{}",
        "0123456789abcdef 1 c 5b1cf1c7d2f4a80001a2b3c4 5",
        "0123456789abcdef 1 c 5b1cf1c7d2f4a80001a2b3c4 5\n",
        "0123456789abcdef 1 v 5b1cf1c7d2f4a80001a2b3c4 5\n{}",
        "0123456789abcdef 1 c 5b1cf1c7d2f4a80001a2b3c4 0\n{}",
        "0123456789abcdef 1 c 5b1cf1c7d2f4a80001a2b3c4 1000000000000001\n{}",
        "0123456789abcdef 1 c 5b1cf1c7d2f4a80001a2b3c4 \n{}",
        "0123456789abcdef 1 c 5b1cf1c7d2f4a80001a2b3c4\n{}",
        "0123456789abcdef 1 c 5b1cf1c7d2f4a80001a2b3cx 5\n{}",
        "0123456789abcdef 1 - 5b1cf1c7d2f4a80001a2b3c4 5\n{}",
        "0123456789abcdef 1 x 5b1cf1c7d2f4a80001a2b3c4 5\n{}",
        "0123456789abcdef 1 c 5b1cf1c7d2f4a80001a2b3c4 5 6\n{}",
        "0123456789abcdef 1 c 5b1c",
        "{\"event\":\"message.created\"}",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        struct bus_payload out;
        size_t length = strlen(bad[i]);
        char *exact = malloc(length + 1); /* so that reading past the end is noticed */
        assert_non_null(exact);
        memcpy(exact, bad[i], length + 1);
        exact = realloc(exact, length > 0 ? length : 1);
        if (bus_payload_parse(exact, length, &out)) {
            fail_msg("taken: %s", bad[i]);
        }
        free(exact);
    }
}

/* ---- the table ---------------------------------------------------------------------------- */

#define ACCOUNTS 3000

static void table_finds_all_that_was_put_and_nothing_released(void **state)
{
    (void)state;
    struct bus_channels channels = {.size = 0};
    bool is_in[ACCOUNTS] = {false};
    size_t expected = 0;
    uint32_t random = 1;
    for (int step = 0; step < 20000; step++) {
        random = random * 1664525u + 1013904223u;
        unsigned number = (random >> 8) % ACCOUNTS;
        struct bus_channel *channel = bus_channels_find(&channels, account_number(number));
        assert_int_equal(channel != NULL, is_in[number]);
        if (channel == NULL) {
            bus_channels_put(&channels, account_number(number))->is_held = true;
            expected++;
        } else {
            channel->is_held = false;
            bus_channels_release(&channels, channel);
            expected--;
        }
        is_in[number] = !is_in[number];
        assert_int_equal(channels.count, expected);
    }
    for (unsigned number = 0; number < ACCOUNTS; number++) {
        assert_int_equal(bus_channels_find(&channels, account_number(number)) != NULL,
                         is_in[number]);
    }
    bus_channels_free(&channels);
}

static void channel_stays_while_redis_owes_a_confirmation(void **state)
{
    (void)state;
    struct bus_channels channels = {.size = 0};
    struct bus_channel *channel = bus_channels_put(&channels, account_number(1));
    channel->leaving = 1;
    bus_channels_release(&channels, channel);
    assert_non_null(bus_channels_find(&channels, account_number(1)));
    channel->leaving = 0;
    bus_channels_release(&channels, channel);
    assert_null(bus_channels_find(&channels, account_number(1)));
    bus_channels_free(&channels);
}

static void cut_keeps_what_is_held_and_forgets_what_was_owed(void **state)
{
    (void)state;
    struct bus_channels channels = {.size = 0};
    struct bus_channel *held = bus_channels_put(&channels, account_number(1));
    held->is_held = true;
    held->asked = 2;
    bus_channels_put(&channels, account_number(2))->asked = 1;
    size_t count;
    struct account *unconfirmed = bus_channels_unconfirmed(&channels, &count);
    assert_int_equal(count, 1);
    assert_true(oid_equal(unconfirmed[0].id, account_number(1).id));
    free(unconfirmed);
    bus_channels_cut(&channels);
    assert_int_equal(channels.count, 1);
    assert_int_equal(bus_channels_find(&channels, account_number(1))->asked, 0);
    bus_channels_free(&channels);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(url_with_everything_is_taken_apart),
        cmocka_unit_test(url_defaults_are_port_6379_and_no_prefix),
        cmocka_unit_test(url_with_ipv6_is_taken_apart),
        cmocka_unit_test(url_of_a_unix_socket_is_taken_apart),
        cmocka_unit_test(bad_urls_are_refused_with_a_sentence_without_the_password),
        cmocka_unit_test(bad_urls_of_unix_sockets_are_refused),
        cmocka_unit_test(description_for_logs_has_no_password),
        cmocka_unit_test(only_names_need_to_be_looked_up),
        cmocka_unit_test(channel_names_lead_back_to_their_account),
        cmocka_unit_test(channel_name_looks_as_documented),
        cmocka_unit_test(names_of_other_channels_are_not_ours),
        cmocka_unit_test(payload_is_taken_apart),
        cmocka_unit_test(place_of_a_frame_stands_in_its_payload),
        cmocka_unit_test(payload_without_a_place_is_as_nodes_before_wrote_it),
        cmocka_unit_test(malformed_payloads_are_refused),
        cmocka_unit_test(table_finds_all_that_was_put_and_nothing_released),
        cmocka_unit_test(channel_stays_while_redis_owes_a_confirmation),
        cmocka_unit_test(cut_keeps_what_is_held_and_forgets_what_was_owed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
