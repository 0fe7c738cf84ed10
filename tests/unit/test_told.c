/* What an account was told: known again by its text, and not told once it was taken back. */
#include "server/told.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "server/api/emit.h"

#define SOON 1000

static struct message message_number(unsigned char number)
{
    struct message message = {.type = "01", .direction = "doctor->user", .rev = number};
    memset(message.id.bytes, number, sizeof message.id.bytes);
    message.text.plain = "\",\"data\":{\"id\":\"000000000000000000000000\"";
    return message;
}

static struct frame *created(unsigned char number)
{
    struct message message = message_number(number);
    return message_frame("0123456789abcdef", &message, SIDE_USER);
}

static struct frame *retracted(unsigned char number)
{
    struct message message = message_number(number);
    message.is_retract = true;
    return message_frame("0123456789abcdef", &message, SIDE_USER);
}

static struct frame *of_text(const char *text)
{
    struct strbuf buffer;
    strbuf_init(&buffer, FRAME_ROOM);
    strbuf_add(&buffer, text, strlen(text));
    return frame_take(&buffer);
}

static void a_frame_is_known_again_by_its_text(void **state)
{
    (void)state;
    struct told told = {.count = 0};
    struct frame *first = created(1), *same = created(1), *other = created(2);
    assert_false(told_has(&told, first));
    told_note(&told, first, SOON);
    assert_true(told_has(&told, same));
    assert_false(told_has(&told, other));
    assert_false(told_is_taken_back(&told, first));
    frame_drop(first);
    frame_drop(same);
    frame_drop(other);
    told_free(&told);
}

static void a_message_told_as_retracted_is_taken_back(void **state)
{
    (void)state;
    struct told told = {.count = 0};
    struct frame *before = created(1), *after = retracted(1), *other = created(2);
    told_note(&told, after, SOON);
    assert_true(told_is_taken_back(&told, before));
    assert_false(told_is_taken_back(&told, after));
    assert_false(told_is_taken_back(&told, other));
    assert_true(told_has(&told, after));
    frame_drop(before);
    frame_drop(after);
    frame_drop(other);
    told_free(&told);
}

/* One socket has read it; the account's others are still to be told. */
static void a_noted_retraction_does_not_count_as_told(void **state)
{
    (void)state;
    struct told told = {.count = 0};
    struct frame *before = created(1), *after = retracted(1);
    told_note_retraction(&told, before, SOON);
    assert_int_equal(told.count, 0);
    told_note_retraction(&told, after, SOON);
    assert_true(told_is_taken_back(&told, before));
    assert_false(told_has(&told, after));
    frame_drop(before);
    frame_drop(after);
    told_free(&told);
}

/* With all that was told then; what comes later is known as ever. */
static void a_retraction_is_forgotten_in_its_turn(void **state)
{
    (void)state;
    struct told told = {.count = 0};
    struct frame *before = created(1), *after = retracted(1), *other = created(2);
    told_note_retraction(&told, after, SOON);
    for (size_t i = 1; i < TOLD_MAX; i++) {
        told_note(&told, other, SOON);
    }
    assert_true(told_is_taken_back(&told, before));
    told_note(&told, other, SOON);
    assert_false(told_is_taken_back(&told, before));
    told_note_retraction(&told, after, SOON);
    assert_true(told_is_taken_back(&told, before));
    assert_false(told_is_taken_back(&told, other));
    frame_drop(before);
    frame_drop(after);
    frame_drop(other);
    told_free(&told);
}

static void frames_that_no_node_wrote_are_nobodys_message(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "{",
        "{\"event\":\"message.retracted\"}",
        "{\"event\":\"message.retracted\",\"data\":{\"id\":\"0101\"}}",
        "{\"event\":\"message.retractedly\",\"data\":{\"id\":\"010101010101010101010101\"}}",
        "{\"event\":\"typing\",\"data\":{\"id\":\"010101010101010101010101\"}}",
    };
    struct told told = {.count = 0};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct frame *frame = of_text(texts[i]);
        told_note_retraction(&told, frame, SOON);
        frame_drop(frame);
    }
    assert_int_equal(told.count, 0);
    told_free(&told);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_is_known_again_by_its_text),
        cmocka_unit_test(a_message_told_as_retracted_is_taken_back),
        cmocka_unit_test(a_noted_retraction_does_not_count_as_told),
        cmocka_unit_test(a_retraction_is_forgotten_in_its_turn),
        cmocka_unit_test(frames_that_no_node_wrote_are_nobodys_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
