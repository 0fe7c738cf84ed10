/* How SQLite is set up before anything is asked of it: in a process of its own, as it is done once. */
#include "support_store.h"

#include <sqlite3.h>

static void memory_is_not_counted(void **state)
{
    (void)state;
    struct store_fixture *f = store_fixture_new(BACKEND_SQLITE_FILE);
    sqlite3_int64 used = -1, most = -1;
    assert_int_equal(sqlite3_status64(SQLITE_STATUS_MEMORY_USED, &used, &most, 0), SQLITE_OK);
    assert_int_equal(used, 0);
    assert_int_equal(most, 0);
    store_fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_not_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
