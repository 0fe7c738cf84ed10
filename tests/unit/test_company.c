/* How long a batch waits for those whom the one before it has answered. */
#include "server/company.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* A batch from 1000 to 1040 has answered so many while ten others came. */
static struct company after(size_t answered)
{
    struct company company = {.answered = 0};
    company_expect(&company, answered, 10, 1000, 1040);
    return company;
}

static void nobody_is_waited_for_at_first(void **state)
{
    (void)state;
    struct company company = {.answered = 0};
    assert_false(company_is_awaited(&company, 1, 1000));
    company_settle(&company, 1, 1000);
    assert_int_equal(company.pause, 0);
}

static void nobody_is_waited_for_behind_a_small_batch(void **state)
{
    (void)state;
    struct company company = after(COMPANY_MIN - 1);
    assert_false(company_is_awaited(&company, 11, 1041));
}

static void all_who_were_answered_are_waited_for(void **state)
{
    (void)state;
    struct company company = after(100);
    assert_true(company_is_awaited(&company, 10, 1040));
    assert_true(company_is_awaited(&company, 109, 1042));
    assert_false(company_is_awaited(&company, 110, 1044));
}

static void the_wait_is_half_of_what_the_batch_took(void **state)
{
    (void)state;
    struct company company = after(100);
    assert_true(company_is_awaited(&company, 20, 1059));
    assert_false(company_is_awaited(&company, 21, 1060));
    company_expect(&company, 100, 0, 1000, 9000);
    assert_true(company_is_awaited(&company, 1, 9000 + COMPANY_WAIT_MAX_MS - 1));
    assert_false(company_is_awaited(&company, 2, 9000 + COMPANY_WAIT_MAX_MS));
}

static void the_last_ones_are_waited_for_while_some_come(void **state)
{
    (void)state;
    struct company company = after(100);
    assert_true(company_is_awaited(&company, 50, 1042));
    assert_true(company_is_awaited(&company, 50, 1044)); /* few are here */
    assert_true(company_is_awaited(&company, 61, 1046));
    assert_false(company_is_awaited(&company, 61, 1048));
}

/* How many of so many batches wait for theirs: each takes 40 ms, in which `left` come, and answers 100; in
 * the 20 ms behind it `come`. */
static size_t waits(struct company *company, size_t batches, size_t left, size_t come)
{
    size_t waits = 0;
    for (size_t i = 0; i < batches; i++) {
        company_expect(company, 100, left, 1000, 1040);
        waits += company_is_awaited(company, left + 1, 1041);
        company_settle(company, left + come, 1060);
    }
    return waits;
}

static void where_nobody_comes_it_is_tried_ever_more_seldom(void **state)
{
    (void)state;
    const size_t each = (1U << COMPANY_PAUSE_MAX) + 1;
    struct company company = {.answered = 0};
    assert_int_equal(waits(&company, 3, 0, 10), 1);
    waits(&company, 200, 0, 10);
    assert_int_equal(waits(&company, 3 * each, 0, 10), 3);
}

static void who_comes_as_fast_as_ever_does_not_come_again(void **state)
{
    (void)state;
    const size_t each = (1U << COMPANY_PAUSE_MAX) + 1;
    struct company company = {.answered = 0};
    waits(&company, 200, 100, 55);
    assert_int_equal(waits(&company, 3 * each, 100, 55), 3);
}

static void when_they_come_again_each_batch_waits(void **state)
{
    (void)state;
    struct company company = {.answered = 0};
    waits(&company, 200, 0, 10);
    waits(&company, 1U << COMPANY_PAUSE_MAX, 0, 100);
    assert_int_equal(waits(&company, 100, 0, 100), 100);
    assert_int_equal(waits(&company, 100, 60, 90), 100); /* others are in between */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_is_waited_for_at_first),
        cmocka_unit_test(nobody_is_waited_for_behind_a_small_batch),
        cmocka_unit_test(all_who_were_answered_are_waited_for),
        cmocka_unit_test(the_wait_is_half_of_what_the_batch_took),
        cmocka_unit_test(the_last_ones_are_waited_for_while_some_come),
        cmocka_unit_test(where_nobody_comes_it_is_tried_ever_more_seldom),
        cmocka_unit_test(who_comes_as_fast_as_ever_does_not_come_again),
        cmocka_unit_test(when_they_come_again_each_batch_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
