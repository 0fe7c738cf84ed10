/* The arena: alignment, zeroes, growth, and what a reset keeps. Under ASan the same tests also
 * show that no allocation overlaps another or leaves its block. */
#include "protocol/arena.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define ALIGNMENT _Alignof(max_align_t)

static void memory_is_zeroed_and_aligned_also_after_a_reset(void **state)
{
    (void)state;
    struct arena *arena = arena_new(256);
    for (int round = 0; round < 3; round++) {
        for (size_t bytes = 1; bytes < 400; bytes += 7) {
            unsigned char *memory = arena_alloc(arena, bytes);
            assert_int_equal((uintptr_t)memory % ALIGNMENT, 0);
            for (size_t i = 0; i < bytes; i++) {
                assert_int_equal(memory[i], 0);
            }
            memset(memory, 0xAB, bytes);
        }
        arena_reset(arena);
    }
    arena_free(arena);
}

static void bytes_that_are_not_zeroed_are_as_much_ones_own(void **state)
{
    (void)state;
    struct arena *arena = arena_new(256);
    char *blocks[40];
    for (size_t i = 0; i < ARRAY_LENGTH(blocks); i++) {
        blocks[i] = arena_bytes(arena, i + 1);
        assert_int_equal((uintptr_t)blocks[i] % ALIGNMENT, 0);
        memset(blocks[i], (int)i, i + 1);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(blocks); i++) {
        assert_int_equal(blocks[i][0], i);
        assert_int_equal(blocks[i][i], i);
    }
    arena_free(arena);
}

static void what_was_allocated_before_the_arena_grew_stays(void **state)
{
    (void)state;
    struct arena *arena = arena_new(256);
    char *texts[200];
    for (int i = 0; i < 200; i++) {
        texts[i] = arena_format(arena, "number %d", i);
    }
    for (int i = 0; i < 200; i++) {
        assert_int_equal(atoi(texts[i] + strlen("number ")), i);
    }
    arena_free(arena);
}

static void one_allocation_may_be_larger_than_any_block(void **state)
{
    (void)state;
    struct arena *arena = arena_new(256);
    char *small = arena_text(arena, "before", 6);
    size_t bytes = (size_t)5 << 20;
    unsigned char *large = arena_alloc(arena, bytes);
    memset(large, 1, bytes);
    assert_string_equal(small, "before");
    arena_reset(arena);
    assert_int_equal(*(unsigned char *)arena_alloc(arena, 1), 0);
    arena_free(arena);
}

static void after_a_reset_the_same_job_needs_no_new_memory(void **state)
{
    (void)state;
    struct arena *arena = arena_new(256);
    for (int i = 0; i < 100; i++) {
        (void)arena_alloc(arena, 100);
    }
    arena_reset(arena);
    /* One block is left: the same work now lies in one piece, in order. */
    char *first = arena_alloc(arena, 100);
    char *last = first;
    for (int i = 1; i < 50; i++) {
        char *next = arena_alloc(arena, 100);
        assert_true(next > last && next - last < 200);
        last = next;
    }
    arena_reset(arena);
    assert_ptr_equal(arena_alloc(arena, 100), first);
    arena_free(arena);
}

static void text_is_copied_to_its_length_and_ended(void **state)
{
    (void)state;
    struct arena *arena = arena_new(256);
    char source[] = "abcdef";
    char *copy = arena_text(arena, source, 3);
    source[0] = 'x';
    assert_string_equal(copy, "abc");
    assert_string_equal(arena_text(arena, source, 0), "");
    arena_free(arena);
}

static void format_takes_texts_longer_than_a_block(void **state)
{
    (void)state;
    struct arena *arena = arena_new(256);
    char *text = arena_format(arena, "%0*d", 5000, 7);
    assert_int_equal(strlen(text), 5000);
    assert_int_equal(text[4999], '7');
    assert_string_equal(arena_format(arena, "%s-%d", "a", 1), "a-1");
    arena_free(arena);
}

static void an_array_of_nothing_is_allowed(void **state)
{
    (void)state;
    struct arena *arena = arena_new(256);
    assert_non_null(arena_array(arena, 0, 16));
    int64_t *numbers = arena_array(arena, 3, sizeof(*numbers));
    assert_int_equal(numbers[2], 0);
    arena_free(arena);
}

static void freeing_no_arena_is_allowed(void **state)
{
    (void)state;
    arena_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_and_aligned_also_after_a_reset),
        cmocka_unit_test(bytes_that_are_not_zeroed_are_as_much_ones_own),
        cmocka_unit_test(what_was_allocated_before_the_arena_grew_stays),
        cmocka_unit_test(one_allocation_may_be_larger_than_any_block),
        cmocka_unit_test(after_a_reset_the_same_job_needs_no_new_memory),
        cmocka_unit_test(text_is_copied_to_its_length_and_ended),
        cmocka_unit_test(format_takes_texts_longer_than_a_block),
        cmocka_unit_test(an_array_of_nothing_is_allowed),
        cmocka_unit_test(freeing_no_arena_is_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
