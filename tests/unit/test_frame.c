/* Frames as they go over the wire, and the queue in which they wait. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/frame_queue.h"

static struct frame *of_length(size_t length)
{
    struct strbuf buffer;
    strbuf_init(&buffer, FRAME_ROOM);
    memset(strbuf_reserve(&buffer, length + 1), 'x', length);
    buffer.length = length;
    return frame_take(&buffer);
}

static struct frame *of_number(size_t number)
{
    struct strbuf buffer;
    strbuf_init(&buffer, FRAME_ROOM);
    strbuf_add_number(&buffer, (int64_t)number);
    return frame_take(&buffer);
}

static size_t number_of(const struct frame *frame)
{
    return strtoul(frame_text(frame), NULL, 10);
}

/* RFC 6455, 5.2: final text frame, not masked, the length in as few bytes as it fits. */
static void the_header_stands_before_the_text(void **state)
{
    (void)state;
    static const struct {
        size_t length;
        unsigned char header[10];
        size_t header_length;
    } cases[] = {
        {1, {0x81, 1}, 2},
        {125, {0x81, 125}, 2},
        {126, {0x81, 126, 0, 126}, 4},
        {65535, {0x81, 126, 0xff, 0xff}, 4},
        {65536, {0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0}, 10},
        {16909060, {0x81, 127, 0, 0, 0, 0, 1, 2, 3, 4}, 10},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct frame *frame = of_length(cases[i].length);
        struct frame_bytes bytes = frame_bytes(frame);
        assert_int_equal(bytes.count, cases[i].header_length + cases[i].length);
        assert_memory_equal(bytes.first, cases[i].header, cases[i].header_length);
        assert_ptr_equal(bytes.first + cases[i].header_length, frame_text(frame));
        assert_int_equal(frame_length(frame), cases[i].length);
        assert_int_equal(bytes.first[bytes.count - 1], 'x');
        frame_drop(frame);
    }
}

static void push_numbers(struct frame_queue *queue, size_t from, size_t count)
{
    for (size_t i = from; i < from + count; i++) {
        struct frame *frame = of_number(i);
        frame_queue_push(queue, frame);
        frame_drop(frame);
    }
}

static void assert_numbers(const struct frame_queue *queue, size_t from, size_t count)
{
    size_t bytes = 0;
    assert_int_equal(queue->count, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(number_of(frame_queue_at(queue, i)), from + i);
        bytes += frame_length(frame_queue_at(queue, i));
    }
    assert_int_equal(queue->bytes, bytes);
}

static void a_queue_keeps_its_order_while_it_goes_round_and_grows(void **state)
{
    (void)state;
    struct frame_queue queue = {.count = 0};
    size_t next = 100;
    size_t oldest = 100;
    for (size_t round = 0; round < 40; round++) {
        push_numbers(&queue, next, 5 + round % 7);
        next += 5 + round % 7;
        for (size_t i = 0; i < 5; i++) {
            frame_queue_pop(&queue);
        }
        oldest += 5;
        assert_numbers(&queue, oldest, next - oldest);
    }
    while (queue.count > 0) {
        frame_queue_pop(&queue);
    }
    assert_int_equal(queue.bytes, 0);
    assert_null(queue.ring); /* what it had grown to is given back */
    push_numbers(&queue, 1, 3);
    assert_numbers(&queue, 1, 3);
    frame_queue_clear(&queue);
    assert_numbers(&queue, 0, 0);
}

static void a_queue_is_put_behind_another(void **state)
{
    (void)state;
    struct frame_queue first = {.count = 0}, second = {.count = 0};
    push_numbers(&first, 0, 6);
    push_numbers(&second, 6, 30);
    frame_queue_append(&first, &second);
    assert_numbers(&first, 0, 36);
    assert_numbers(&second, 0, 0);
    frame_queue_append(&second, &first);
    frame_queue_append(&second, &first);
    assert_numbers(&second, 0, 36);
    frame_queue_clear(&second);
}

static bool is_large(const void *limit, const struct frame *frame)
{
    return number_of(frame) >= *(const size_t *)limit;
}

static void what_is_not_wanted_is_dropped(void **state)
{
    (void)state;
    struct frame_queue queue = {.count = 0};
    size_t limit = 20;
    push_numbers(&queue, 10, 30);
    frame_queue_keep_only(&queue, is_large, &limit);
    assert_numbers(&queue, 20, 20);
    limit = 100;
    frame_queue_keep_only(&queue, is_large, &limit);
    assert_numbers(&queue, 0, 0);
    frame_queue_clear(&queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_header_stands_before_the_text),
        cmocka_unit_test(a_queue_keeps_its_order_while_it_goes_round_and_grows),
        cmocka_unit_test(a_queue_is_put_behind_another),
        cmocka_unit_test(what_is_not_wanted_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
