/* The dictionary's search, held against looking at every name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "server/api/diagnoses.h"
#include "support_world.h"

#define MADE_UP 300
#define NAME_BYTES 64

static char names[MADE_UP][NAME_BYTES];
static char codes[MADE_UP][8];
static struct diagnosis_entry entries[MADE_UP];

/* Names of a few characters, so that keywords meet often. */
static void make_up_names(void)
{
    static const char *const parts[] = {"头", "痛", "A", "b", "急", "性", "é", "😀", "%", "1"};
    uint32_t seed = 7;
    for (size_t i = 0; i < MADE_UP; i++) {
        names[i][0] = '\0';
        seed = seed * 1664525U + 1013904223U;
        const size_t length = 1 + (seed >> 16) % 9;
        for (size_t j = 0; j < length; j++) {
            seed = seed * 1664525U + 1013904223U;
            strcat(names[i], parts[(seed >> 16) % ARRAY_LENGTH(parts)]);
        }
        codes[i][0] = '\0';
        if (i % 7 != 0) {
            snprintf(codes[i], sizeof codes[i], "K%03zu", i % 50);
        }
        entries[i] = (struct diagnosis_entry){codes[i], names[i]};
    }
}

static int open_world(void **state)
{
    static struct world world;
    world_open_memory(&world);
    make_up_names();
    *state = &world;
    return 0;
}

static int close_world(void **state)
{
    world_close(*state);
    return 0;
}

static struct page ask(struct world *world, const char *keyword, int64_t skip, int64_t limit)
{
    const struct diagnosis_filter in = {.keyword = keyword, .skip = skip, .limit = limit};
    struct page page;
    world_as(world, world->doctor);
    assert_int_equal(world_call(world, "/dictionary/diagnosis/list", &in, &page), ERR_OK);
    return page;
}

/* What a look at every name finds: an independent way, through the store's own comparison. */
static struct object_list look_at_all(struct world *world, const char *keyword)
{
    const struct condition condition = WHERE(diagnosis, name, CONTAINS, keyword);
    const struct query query = {.conditions = &condition,
                                .condition_count = 1,
                                .sort = {SORT_UP(diagnosis, code), SORT_UP(diagnosis, id)}};
    struct object_list list;
    assert_int_equal(store_find(world->session, world->arena, COLLECTION_DIAGNOSES, &query, &list),
                     ERR_OK);
    return list;
}

static void expect_all_pages(struct world *world, const char *keyword)
{
    const struct object_list expected = look_at_all(world, keyword);
    const struct diagnosis *all = expected.items;
    size_t at = 0;
    do {
        const struct page page = ask(world, keyword, (int64_t)at, 7);
        const struct diagnosis *some = page.items.items;
        assert_int_equal(page.total, expected.count);
        assert_int_equal(page.items.count, expected.count - at < 7 ? expected.count - at : 7);
        for (size_t i = 0; i < page.items.count; i++) {
            assert_true(oid_equal(some[i].id, all[at + i].id));
            assert_string_equal(some[i].name, all[at + i].name);
        }
        at += page.items.count;
    } while (at < expected.count);
}

static void any_part_of_a_name_finds_it_in_the_order_of_the_codes(void **state)
{
    struct world *world = *state;
    static const char *const keywords[] = {
        "头",     "痛",       "头痛", "急性头", "性头痛", "a", "A",  "B",  "ab",   "aB头",
        "é",      "é头",      "😀",    "😀😀",     "😀é头",   "%", "%%", "%1", "1%头", "头头",
        "头头头", "痛痛痛痛", "无",   "头无",   "头痛无", "_", "__", ".*", "\\E1",
    };
    size_t inserted = 0;
    assert_int_equal(
        diagnoses_insert(world->session, clock_now(world->clock), entries, MADE_UP, &inserted),
        ERR_OK);
    assert_true(inserted > MADE_UP / 2);
    size_t found = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(keywords); i++) {
        expect_all_pages(world, keywords[i]);
        found += look_at_all(world, keywords[i]).count > 0;
    }
    assert_true(found > ARRAY_LENGTH(keywords) / 2);
    for (size_t i = 0; i < MADE_UP; i += 11) {
        expect_all_pages(world, names[i]);
    }
}

static int64_t count_terms(struct world *world)
{
    const struct query all = {.limit = 0};
    int64_t count = 0;
    assert_int_equal(store_count(world->session, COLLECTION_DIAGNOSIS_TERMS, &all, &count), ERR_OK);
    return count;
}

static void importing_twice_changes_nothing(void **state)
{
    struct world *world = *state;
    size_t inserted = 0;
    const struct timestamp now = clock_now(world->clock);
    assert_int_equal(diagnoses_insert(world->session, now, entries, 100, NULL), ERR_OK);
    const int64_t terms = count_terms(world);
    assert_int_equal(diagnoses_insert(world->session, now, entries, 100, &inserted), ERR_OK);
    assert_int_equal(inserted, 0);
    assert_int_equal(count_terms(world), terms);
}

static void a_dictionary_without_terms_gets_them(void **state)
{
    struct world *world = *state;
    for (size_t i = 0; i < MADE_UP; i++) {
        const struct diagnosis diagnosis = {.id = diagnosis_id_of(&entries[i]),
                                            .name = names[i],
                                            .code = codes[i][0] == '\0' ? NULL : codes[i],
                                            .created_at = clock_now(world->clock)};
        assert_int_equal(store_insert_many(world->session, COLLECTION_DIAGNOSES, &diagnosis, 1),
                         ERR_OK);
    }
    assert_int_equal(ask(world, "头", 0, 10).total, 0);
    size_t indexed = 0;
    assert_int_equal(diagnoses_index(world->session, &indexed), ERR_OK);
    assert_true(indexed > MADE_UP / 2);
    expect_all_pages(world, "头");
    expect_all_pages(world, "头痛");
    assert_int_equal(diagnoses_index(world->session, &indexed), ERR_OK);
    assert_int_equal(indexed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)
        TEST(any_part_of_a_name_finds_it_in_the_order_of_the_codes),
        TEST(importing_twice_changes_nothing),
        TEST(a_dictionary_without_terms_gets_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
