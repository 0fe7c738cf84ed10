/* Options: four sources, their order, and what is said about a wrong one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/config.h"

#define WHY_BYTES 256
#define ARGUMENTS_MAX 8

static char path[64];
static char why[WHY_BYTES];
static enum errand errand;

static void write_file(const char *text)
{
    snprintf(path, sizeof path, "/tmp/consultd-config-XXXXXX");
    int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(write(file, text, strlen(text)), strlen(text));
    close(file);
}

/* Loads with the given arguments, NULL at the end. */
static struct settings *load(const char *first, ...)
{
    char *arguments[ARGUMENTS_MAX] = {(char[]){"consultd"}};
    int count = 1;
    va_list list;
    va_start(list, first);
    for (const char *at = first; at != NULL; at = va_arg(list, const char *)) {
        assert_true(count < ARGUMENTS_MAX - 1);
        arguments[count] = strdup(at);
        count++;
    }
    va_end(list);
    struct settings *settings = NULL;
    bool is_good = settings_load(count, arguments, &settings, &errand, why);
    assert_int_equal(is_good, settings != NULL);
    for (int i = 1; i < count; i++) {
        free(arguments[i]);
    }
    return settings;
}

static int teardown(void **state)
{
    (void)state;
    if (path[0] != '\0') {
        unlink(path);
        path[0] = '\0';
    }
    unsetenv("CONSULTD_CONFIG");
    unsetenv("CONSULTD_LISTEN");
    unsetenv("CONSULTD_TOKEN_KEYS");
    unsetenv("CONSULTD_BODY_MAX");
    unsetenv("CONSULTD_NO_SUCH_THING");
    return 0;
}

static void flags_win_over_environment_over_file_over_built_in(void **state)
{
    (void)state;
    struct settings *settings = load("--demo", NULL);
    assert_string_equal(settings->listen, "127.0.0.1:8080");
    settings_free(settings);
    write_file("[server]\nlisten = 127.0.0.1:1\n");
    settings = load("--demo", "--config", path, NULL);
    assert_string_equal(settings->listen, "127.0.0.1:1");
    settings_free(settings);
    setenv("CONSULTD_LISTEN", "127.0.0.1:2", 1);
    settings = load("--demo", "--config", path, NULL);
    assert_string_equal(settings->listen, "127.0.0.1:2");
    settings_free(settings);
    settings = load("--demo", "--config", path, "--listen", "127.0.0.1:3", NULL);
    assert_string_equal(settings->listen, "127.0.0.1:3");
    settings_free(settings);
}

static void refused(const char *file, const char *sentence)
{
    write_file(file);
    assert_null(load("--demo", "--config", path, NULL));
    if (strstr(why, sentence) == NULL) {
        fail_msg("expected “%s” in “%s”", sentence, why);
    }
    unlink(path);
}

static void a_wrong_option_is_refused_with_its_line(void **state)
{
    (void)state;
    refused("[server]\nlisen = x\n", ":2: there is no option lisen in [server]");
    refused("\n\n[limits]\nbody_max = many\n", ":4: body_max must be a whole number");
    refused("[limits]\nbody_max = 1023\n", ":2: body_max must be from 1024 to 1048576");
    refused("[limits]\nbody_max = 1048577\n", ":2: body_max must be from 1024 to 1048576");
    refused("[limits]\nbody_max = 1024\nbody_max = 1024\n", ":3: body_max is set twice");
    refused("[limits]\nlisten = 127.0.0.1:1\n", ":2: there is no option listen in [limits]");
    refused("[server]\njust words\n", ":2: not an option");
    refused("[server]\nlisten = nowhere\n", "listen must be HOST:PORT");
    refused("[server]\nlisten = 127.0.0.1:65536\n", "listen must be HOST:PORT");
    refused("[server]\nstore = redis://x\n", "the store's URL must start with");
    refused("[server]\nbus = sqlite:x\n", "a bus is local:");
    refused("[server]\nlog_level = loud\n", "log_level must be");
    refused("[server]\ncors_origins = https://a.example ftp://b\n", "cors_origins");
    refused("[server]\ncors_origins = https://a.example/path\n", "cors_origins");
    refused("[consultation]\ntime_zone = Mars/Olympus\n", "no zone Mars/Olympus");
    refused("[auth]\nusersig_app_id = 14x\n", "usersig_app_id must be digits");
    refused("[payment]\npayment_provider = cash\n", "no provider cash");
    refused("[payment]\npayment_provider = wechat\n", "wechat_app_id is needed");
    refused("[payment]\nwechat_mch_id = 1900000109\n", "wechat_app_id is needed");
    refused("[payment]\nwechat_timeout_seconds = 11\n", ":2: wechat_timeout_seconds must be from");
    refused("[testing]\nsandbox_trouble = refund-fail\n",
            "sandbox_trouble must be refund-fails, refund-pending or notification-lost");
}

static void an_indented_line_goes_on_with_the_one_before(void **state)
{
    (void)state;
    const char *key = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    char text[600];
    snprintf(text, sizeof text, "[auth]\ntoken_keys = %s\n    %s\n\t%s\ntoken_hours = 7\n", key,
             key, key);
    write_file(text);
    struct settings *settings = load("--config", path, NULL);
    if (settings == NULL) {
        fail_msg("%s", why);
    }
    assert_int_equal(settings->key_count, 3);
    assert_string_equal(settings->keys[2], key);
    assert_int_equal(settings->token_hours, 7);
    settings_free(settings);
    refused("[server]\n  web_root = /a\n  listen = 127.0.0.1:1\n", ":3: web_root is set twice");
    refused("[auth]\ntoken_hours = 7\n  8\n", ":3: token_hours is set twice");
    snprintf(text, sizeof text, "[server]\nweb_root = /%0220d\n", 1);
    refused(text, ":2: the line is longer than 198 bytes");
}

static void expect_unread(const char *file, const char *reason)
{
    char sentence[256];
    snprintf(sentence, sizeof sentence, "%s: cannot be read: %s", file, reason);
    assert_null(load("--demo", "--config", file, NULL));
    assert_string_equal(why, sentence);
}

static void a_file_that_cannot_be_read_is_refused_with_the_reason(void **state)
{
    (void)state;
    expect_unread("/tmp", "Is a directory");
    expect_unread("/nonexistent/file", "No such file or directory");
}

/* What the start would refuse, --check-config refuses before, in the same words. */
static void urls_are_refused_that_neither_store_nor_bus_would_take(void **state)
{
    (void)state;
    refused("[server]\nstore = sqlite:\n", "the store's URL names no file: sqlite:PATH");
    refused("[server]\nstore = mongodb:x\n", "the store's URL is not a valid mongodb:// URL");
    refused("[server]\nstore = mongodb://u:hush-hush@bad:port/x\n",
            "the store's URL is not a valid mongodb:// URL");
    assert_null(strstr(why, "hush-hush"));
    refused("[server]\nstore = mongodb://127.0.0.1/a_name_that_is_much_longer_than_the_sixty_three_"
            "bytes_that_a_database_may_have\n",
            "the name of the database in the store's URL is too long");
    refused("[server]\nbus = local:here\n", "nothing may follow local:");
    refused("[server]\nbus = redis://127.0.0.1:abc\n",
            "the port of Redis is a number from 1 to 65535");
    refused("[server]\nbus = redis://:hush-hush%%@127.0.0.1\n",
            "must be followed by two hex digits");
    assert_null(strstr(why, "hush-hush"));
    refused("[server]\nbus = redis+unix://redis.sock\n", "takes an absolute path");
    refused("[server]\nbus = rediss://127.0.0.1\n", "TLS to Redis needs a tunnel");
    static const char *const good[][2] = {
        {"sqlite::memory:", "local:"},
        {"mongodb://a:1,b:2/x?replicaSet=r", "redis://:p%40@[::1]:6380/ward"},
        {"mongodb+srv://db.nowhere.example/x", "redis+unix:///run/redis.sock?prefix=a"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(good); i++) {
        struct settings *settings =
            load("--demo", "--store", good[i][0], "--bus", good[i][1], NULL);
        if (settings == NULL) {
            fail_msg("%s and %s are refused: %s", good[i][0], good[i][1], why);
        }
        settings_free(settings);
    }
}

/* 15 years for records and 3 for the process: no configuration goes below. */
static void retention_below_the_floors_is_refused_by_name(void **state)
{
    (void)state;
    refused("[retention]\nretention_record_years = 14\n",
            ":2: retention_record_years must be from 15 to 1000");
    refused("[retention]\nretention_chat_years = 2\n",
            ":2: retention_chat_years must be from 3 to 1000");
    refused("[retention]\nretention_chat_years = 16\n",
            "retention_chat_years must not be more than retention_record_years");
    struct settings *settings = load("--demo", NULL);
    assert_int_equal(settings->retention_record_years, 15);
    assert_int_equal(settings->retention_chat_years, 15);
    settings_free(settings);
}

static void wrong_flags_and_variables_are_refused(void **state)
{
    (void)state;
    assert_null(load("--no-such-flag", NULL));
    assert_non_null(strstr(why, "--no-such-flag"));
    assert_null(load("--demo", "argument", NULL));
    assert_null(load("--listen", NULL));
    assert_non_null(strstr(why, "needs a value"));
    assert_null(load("--demo", "--config", "/nonexistent/file", NULL));
    setenv("CONSULTD_NO_SUCH_THING", "1", 1);
    assert_null(load("--demo", NULL));
    assert_non_null(strstr(why, "CONSULTD_NO_SUCH_THING"));
    unsetenv("CONSULTD_NO_SUCH_THING");
    setenv("CONSULTD_BODY_MAX", "7", 1);
    assert_null(load("--demo", NULL));
    assert_non_null(strstr(why, "CONSULTD_BODY_MAX"));
}

static void without_keys_only_a_demo_on_loopback_starts(void **state)
{
    (void)state;
    assert_null(load("--listen", "127.0.0.1:0", NULL));
    assert_non_null(strstr(why, "token_keys is needed"));
    assert_null(load("--demo", "--listen", "0.0.0.0:0", NULL));
    assert_non_null(strstr(why, "loopback only"));
    setenv("CONSULTD_TOKEN_KEYS", "thirty-one-characters-is-short!", 1);
    assert_null(load(NULL, NULL));
    assert_null(strstr(why, "thirty-one"));
    setenv("CONSULTD_TOKEN_KEYS",
           "first-key-of-thirty-two-character second-key-of-thirty-two-charact", 1);
    struct settings *settings = load("--listen", "0.0.0.0:0", NULL);
    assert_non_null(settings);
    assert_int_equal(settings->key_count, 2);
    assert_string_equal(settings->keys[0], "first-key-of-thirty-two-character");
    settings_free(settings);
}

static void the_test_clock_is_for_demos_only(void **state)
{
    (void)state;
    setenv("CONSULTD_TOKEN_KEYS", "first-key-of-thirty-two-character", 1);
    write_file("[testing]\ntest_clock_file = /tmp/clock\n");
    assert_null(load("--config", path, NULL));
    assert_non_null(strstr(why, "test_clock_file"));
    write_file("[testing]\nsandbox_trouble = refund-fails\n");
    assert_null(load("--config", path, NULL));
    assert_non_null(strstr(why, "sandbox_trouble"));
}

static void each_trouble_of_the_sandbox_can_be_set(void **state)
{
    (void)state;
    static const char *const troubles[] = {"", "refund-fails", "refund-pending",
                                           "notification-lost"};
    for (size_t i = 0; i < ARRAY_LENGTH(troubles); i++) {
        char text[80];
        snprintf(text, sizeof text, "[testing]\nsandbox_trouble = %s\n", troubles[i]);
        write_file(text);
        struct settings *settings = load("--demo", "--config", path, NULL);
        assert_non_null(settings);
        assert_string_equal(settings->sandbox_trouble, troubles[i]);
        settings_free(settings);
        unlink(path);
    }
}

static char *printed(const struct settings *settings)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    settings_print(settings, out);
    fclose(out);
    return text;
}

static void the_variable_that_names_the_file_is_read_and_told_by_help(void **state)
{
    (void)state;
    write_file("[server]\nlisten = 127.0.0.1:7\n");
    setenv("CONSULTD_CONFIG", path, 1);
    struct settings *settings = load("--demo", NULL);
    assert_non_null(settings);
    assert_string_equal(settings->listen, "127.0.0.1:7");
    settings_free(settings);
    settings = load("--demo", "--config", "/dev/null", NULL); /* the flag wins */
    assert_non_null(settings);
    assert_string_equal(settings->listen, "127.0.0.1:8080");
    settings_free(settings);
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    settings_help(out);
    fclose(out);
    assert_non_null(strstr(text, "CONSULTD_CONFIG"));
    free(text);
}

static void secrets_are_masked_in_print(void **state)
{
    (void)state;
    setenv("CONSULTD_TOKEN_KEYS", "first-key-of-thirty-two-character", 1);
    struct settings *settings =
        load("--print-config", "--store", "mongodb://nurse:hush-hush@127.0.0.1/x", "--bus",
             "redis://:hush-hush@127.0.0.1:6379", NULL);
    assert_int_equal(errand, ERRAND_PRINT_CONFIG);
    char *text = printed(settings);
    assert_null(strstr(text, "first-key"));
    assert_null(strstr(text, "hush-hush"));
    assert_non_null(strstr(text, "token_keys = ********"));
    assert_non_null(strstr(text, "store = mongodb://nurse:********@127.0.0.1/x"));
    assert_non_null(strstr(text, "bus = redis://:********@127.0.0.1:6379"));
    free(text);
    settings_free(settings);
}

static void the_shipped_file_is_what_print_config_prints(void **state)
{
    (void)state;
    struct settings *settings = load("--print-config", NULL);
    char *text = printed(settings);
    FILE *file = fopen(CONSULTD_SOURCE_DIR "/conf/consultd.conf", "re");
    assert_non_null(file);
    char *shipped = calloc(1, 65536);
    assert_true(fread(shipped, 1, 65535, file) > 0);
    fclose(file);
    assert_string_equal(shipped, text);
    free(shipped);
    free(text);
    settings_free(settings);
}

static void a_comment_goes_on_in_a_line_of_its_own(void **state)
{
    (void)state;
    struct settings *settings = load("--print-config", NULL);
    char *text = printed(settings);
    for (const char *line = text; *line != '\0';) {
        size_t length = strcspn(line, "\n");
        assert_in_range(length, 0, 110); /* 96, and the range of a number */
        line += length + (line[length] == '\n');
    }
    free(text);
    settings_free(settings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, NULL, teardown)
        TEST(flags_win_over_environment_over_file_over_built_in),
        TEST(a_wrong_option_is_refused_with_its_line),
        TEST(an_indented_line_goes_on_with_the_one_before),
        TEST(a_file_that_cannot_be_read_is_refused_with_the_reason),
        TEST(urls_are_refused_that_neither_store_nor_bus_would_take),
        TEST(retention_below_the_floors_is_refused_by_name),
        TEST(wrong_flags_and_variables_are_refused),
        TEST(without_keys_only_a_demo_on_loopback_starts),
        TEST(the_test_clock_is_for_demos_only),
        TEST(each_trouble_of_the_sandbox_can_be_set),
        TEST(the_variable_that_names_the_file_is_read_and_told_by_help),
        TEST(secrets_are_masked_in_print),
        TEST(the_shipped_file_is_what_print_config_prints),
        TEST(a_comment_goes_on_in_a_line_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
