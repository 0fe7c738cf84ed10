/* The load client's parts that its results hang on: frames, times, and what it takes for an answer
 * or a message in each dialect. */
#include "tests/bench/form.h"
#include "tests/bench/histogram.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define LONG_BYTES 70000

/* ---- Frames -------------------------------------------------------------------------------- */

struct seen {
    int count;
    int opcode;
    size_t length;
    char first, last;
};

static bool see(void *context, int opcode, char *payload, size_t length)
{
    struct seen *seen = context;
    seen->count++;
    seen->opcode = opcode;
    seen->length = length;
    seen->first = length > 0 ? payload[0] : '\0';
    seen->last = length > 0 ? payload[length - 1] : '\0';
    return true;
}

/* What a server sends: a client's frame without its mask. */
static size_t server_frame(char *out, int opcode, const char *payload, size_t length)
{
    size_t whole = frame_write(out, opcode, payload, length);
    size_t head = whole - length - 4;
    out[1] = (char)(out[1] & 0x7f);
    memcpy(out + head, payload, length);
    return head + length;
}

static void frames_of_every_length_are_taken(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 125, 126, 127, 65535, 65536, LONG_BYTES};
    char *payload = malloc(LONG_BYTES), *bytes = malloc(LONG_BYTES + FRAME_HEAD_MOST);
    memset(payload, 'x', LONG_BYTES);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct seen seen = {0};
        payload[0] = 'a';
        size_t length = server_frame(bytes, OPCODE_TEXT, payload, lengths[i]);
        assert_int_equal(frames_take(bytes, length, see, &seen), length);
        assert_int_equal(seen.count, 1);
        assert_int_equal(seen.opcode, OPCODE_TEXT);
        assert_int_equal(seen.length, lengths[i]);
        assert_int_equal(seen.first, lengths[i] > 0 ? 'a' : '\0');
    }
    free(payload);
    free(bytes);
}

static void what_is_not_whole_is_left(void **state)
{
    (void)state;
    char bytes[1024], payload[300];
    memset(payload, 'x', sizeof payload);
    size_t first = server_frame(bytes, OPCODE_TEXT, "one", 3);
    size_t all = first + server_frame(bytes + first, OPCODE_PING, payload, sizeof payload);
    for (size_t length = 0; length <= all; length++) {
        struct seen seen = {0};
        size_t taken = frames_take(bytes, length, see, &seen);
        assert_int_equal(taken, length < first ? 0 : length < all ? first : all);
        assert_int_equal(seen.count, length < first ? 0 : length < all ? 1 : 2);
    }
}

static void frames_that_no_server_may_send_are_refused(void **state)
{
    (void)state;
    struct seen seen = {0};
    char masked[64];
    size_t length = frame_write(masked, OPCODE_TEXT, "text", 4);
    assert_true(frames_take(masked, length, see, &seen) == SIZE_MAX);
    char part[] = {0x01, 0x01, 'x'};
    assert_true(frames_take(part, sizeof part, see, &seen) == SIZE_MAX);
    assert_int_equal(seen.count, 0);
}

static void what_we_send_is_masked(void **state)
{
    (void)state;
    static const char text[] = "a text longer than eight bytes, and odd";
    const size_t length = sizeof text - 1;
    char frame[128];
    assert_int_equal(frame_write(frame, OPCODE_TEXT, text, length), length + 6);
    assert_int_equal((unsigned char)frame[1], 0x80 | length);
    const char *mask = frame + 2;
    bool is_zero = true;
    for (size_t i = 0; i < length; i++) {
        assert_int_equal(frame[6 + i] ^ mask[i % 4], text[i]);
        is_zero = is_zero && mask[i % 4] == 0;
    }
    assert_false(is_zero);
}

/* ---- Times --------------------------------------------------------------------------------- */

static void percentiles_are_exact_to_a_hundredth(void **state)
{
    (void)state;
    struct histogram *times = calloc(1, sizeof *times);
    assert_true(histogram_us(times, 0.5) == 0);
    for (int64_t i = 1; i <= 100000; i++) {
        histogram_add(times, i * 1000);
    }
    assert_float_equal(histogram_us(times, 0.5), 50000, 500);
    assert_float_equal(histogram_us(times, 0.99), 99000, 990);
    assert_float_equal(histogram_us(times, 1), 100000, 0.001);
    histogram_add(times, -5);
    histogram_add(times, INT64_MAX);
    assert_int_equal(times->count, 100002);
    free(times);
}

/* ---- Dialects ------------------------------------------------------------------------------ */

struct heard {
    int ready, good, bad, delivered, closed;
    uint32_t answered, pair, number;
};

static void hear_ready(struct party *party)
{
    ((struct heard *)party->owner)->ready++;
}

static void hear_answer(struct party *party, uint32_t number, bool is_good)
{
    struct heard *heard = party->owner;
    heard->good += is_good ? 1 : 0;
    heard->bad += is_good ? 0 : 1;
    heard->answered = number;
}

static void hear_message(struct party *party, uint32_t pair, uint32_t number)
{
    struct heard *heard = party->owner;
    heard->delivered++;
    heard->pair = pair;
    heard->number = number;
}

static void hear_closed(struct party *party, const char *why)
{
    (void)why;
    ((struct heard *)party->owner)->closed++;
}

static const struct party_kind hearing = {hear_ready, hear_answer, hear_message, hear_closed};

static struct heard hear(const char *dialect, const char *text)
{
    struct heard heard = {0};
    struct party party = {.dialect = dialect_named(dialect),
                          .kind = &hearing,
                          .owner = &heard,
                          .identity = {.run = 20000001}};
    assert_non_null(party.dialect);
    party.dialect->text(&party, text, strlen(text));
    return heard;
}

static void answers_are_known_by_their_number(void **state)
{
    (void)state;
    static const struct {
        const char *dialect, *good, *bad;
    } rows[] = {
        {"consultd", "{\"id\":10000007,\"code\":200,\"msg\":\"操作成功\",\"data\":{}}",
         "{\"id\":10000007,\"code\":409,\"msg\":\"不行\",\"error\":{}}"},
        {"relay", "+10000007", NULL},
        {"json", "{\"id\":10000007,\"ok\":true}", "{\"id\":10000007,\"ok\":false}"},
        {"socketio", "4310000007[{\"ok\":true}]", NULL},
        {"centrifuge", "{\"id\":10000007,\"publish\":{}}",
         "{\"id\":10000007,\"error\":{\"code\":103}}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct heard heard = hear(rows[i].dialect, rows[i].good);
        assert_int_equal(heard.good, 1);
        assert_int_equal(heard.answered, 7);
        assert_int_equal(heard.delivered, 0);
        if (rows[i].bad != NULL) {
            heard = hear(rows[i].dialect, rows[i].bad);
            assert_int_equal(heard.good, 0);
            assert_int_equal(heard.bad, 1);
        }
    }
}

static void signing_in_is_over_when_the_server_says_so(void **state)
{
    (void)state;
    assert_int_equal(hear("consultd", "{\"id\":1,\"code\":200,\"data\":{}}").ready, 0);
    assert_int_equal(hear("consultd", "{\"event\":\"synced\",\"cursor\":\"c\"}").ready, 1);
    assert_int_equal(hear("consultd", "{\"id\":1,\"code\":401,\"msg\":\"\"}").closed, 1);
    assert_int_equal(hear("relay", "ok").ready, 1);
    assert_int_equal(hear("socketio", "40{\"sid\":\"x\"}").ready, 1);
    assert_int_equal(hear("socketio", "44{\"message\":\"no\"}").closed, 1);
    assert_int_equal(hear("centrifuge", "{\"id\":1,\"connect\":{\"client\":\"x\"}}").ready, 1);
    assert_int_equal(hear("centrifuge", "{\"id\":1,\"error\":{}}").closed, 1);
}

static void messages_are_known_by_their_marker(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"consultd",
         "{\"event\":\"message.created\",\"cursor\":\"c#1\",\"data\":{\"text\":\"#b20000001.000012."
         "10000034# x\"}}"},
        {"relay", "00000025 10000034 #b20000001.000012.10000034# x"},
        {"json", "{\"from\":\"n24\",\"text\":\"#b20000001.000012.10000034# x\"}"},
        {"socketio", "42[\"message\",{\"text\":\"#b20000001.000012.10000034# x\"}]"},
        {"centrifuge", "{\"push\":{\"channel\":\"u:n25\",\"pub\":{\"data\":{\"text\":\"#b20000001."
                       "000012.10000034# "
                       "x\"},\"offset\":3}}}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct heard heard = hear(rows[i][0], rows[i][1]);
        assert_int_equal(heard.delivered, 1);
        assert_int_equal(heard.pair, 12);
        assert_int_equal(heard.number, 34);
        assert_int_equal(heard.good + heard.bad, 0);
    }
    assert_int_equal(hear("json", "{\"text\":\"#b20000002.000012.10000034# x\"}").delivered, 0);
    struct heard both =
        hear("centrifuge", "{\"id\":10000007,\"publish\":{}}\n"
                           "{\"push\":{\"pub\":{\"data\":{\"text\":\"#b20000001.000001.10000002# "
                           "x\"}}}}\n");
    assert_int_equal(both.good, 1);
    assert_int_equal(both.delivered, 1);
    assert_int_equal(both.number, 2);
}

/* What each dialect writes holds the text as it is long, and the number in its places. */
static void messages_are_written_with_their_text(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t places;
    } rows[] = {{"consultd", 3}, {"relay", 2}, {"json", 2}, {"socketio", 2}, {"centrifuge", 2}};
    static const size_t lengths[] = {TEXT_LEAST, 100, 2000};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t k = 0; k < sizeof lengths / sizeof lengths[0]; k++) {
            struct form form = {0};
            struct letter letter = {
                .pair = 12, .receiver = 25, .chat = "c", .order = "o", .run = 20000001};
            char text[2001];
            marked_text(20000001, 12, lengths[k], text);
            assert_int_equal(strlen(text), lengths[k]);
            form_make(&form, dialect_named(rows[i].name), letter, lengths[k]);
            assert_non_null(strstr(form.text, text));
            assert_int_equal(form.place_count, rows[i].places);
            assert_int_equal(form.length, strlen(form.text));
            form_free(&form);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_of_every_length_are_taken),
        cmocka_unit_test(what_is_not_whole_is_left),
        cmocka_unit_test(frames_that_no_server_may_send_are_refused),
        cmocka_unit_test(what_we_send_is_masked),
        cmocka_unit_test(percentiles_are_exact_to_a_hundredth),
        cmocka_unit_test(answers_are_known_by_their_number),
        cmocka_unit_test(signing_in_is_over_when_the_server_says_so),
        cmocka_unit_test(messages_are_known_by_their_marker),
        cmocka_unit_test(messages_are_written_with_their_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
