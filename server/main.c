/* The program: reads its options, opens the store, and hands itself over to the loop. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "server/api/diagnoses.h"
#include "server/asyncapi.h"
#include "server/auth.h"
#include "server/clock.h"
#include "server/command.h"
#include "server/config.h"
#include "server/demo.h"
#include "server/endpoints.h"
#include "server/log.h"
#include "server/loop.h"
#include "server/openapi.h"
#include "server/page.h"
#include "server/provider_sandbox.h"
#include "server/route.h"

#define EXIT_TROUBLE 1
#define EXIT_USAGE 2
#define WHY_BYTES 256
#define MS_PER_SECOND 1000

static int complain(const char *why, int code)
{
    fprintf(stderr, "consultd: %s\n", why);
    return code;
}

static void print_routes(void)
{
    size_t count;
    const struct route *all = routes(&count);
    for (size_t i = 0; i < count; i++) {
        printf("POST %s\n", all[i].path);
    }
}

static void print_document(void (*write)(struct strbuf *out))
{
    struct strbuf text;
    strbuf_init(&text, 0);
    write(&text);
    fputs(strbuf_text(&text), stdout);
    strbuf_free(&text);
}

/* Brings what an older version wrote up to date, and the demo's data in. */
static enum err prepare_store(struct store *store, struct clock *clock, bool is_demo)
{
    struct store_session *session;
    TRY(store_session_open(store, true, &session));
    enum err err = diagnoses_index(session, NULL);
    if (err == ERR_OK && is_demo) {
        err = demo_seed(session, clock);
    }
    store_session_close(session);
    return err;
}

static void say_hello(const struct settings *settings)
{
    if (!settings->demo && settings->provider == &provider_sandbox) {
        log_warning("payments are played: no money moves, and anyone who is signed in can mark an "
                    "order paid",
                    "payment_provider=%s", settings->payment_provider);
    }
    if (settings->demo) {
        printf("演示页面：在浏览器打开上面的地址。演示医生：00001、00002、00003，口令 123456。\n"
               "Demo: open the address above in a browser. Doctors 00001, 00002, 00003, "
               "password 123456.\n");
        fflush(stdout);
    }
}

/* Serves until told to stop; everything it is given is ready. */
static int serve(const struct loop_settings *loop_settings)
{
    struct loop *loop;
    char why[WHY_BYTES] = "";
    if (loop_start(loop_settings, &loop, why) != ERR_OK) {
        return complain(why, EXIT_TROUBLE);
    }
    say_hello(loop_settings->settings);
    int code = loop_run(loop);
    if (!loop_is_worked_off(loop)) {
        log_warning("stopped without waiting for the store", NULL);
        _exit(code); /* nothing was promised of what is left, and a store survives worse */
    }
    loop_free(loop);
    return code;
}

static const char *web_root(const struct settings *settings, char folder[PAGE_FOLDER_BYTES])
{
    return settings->web_root[0] != '\0' ? settings->web_root : page_folder(folder);
}

/* Says of the page what the start would say: all else is served without it, so that it is no reason to refuse. */
static void check_page(const struct settings *settings)
{
    char folder[PAGE_FOLDER_BYTES];
    page_free(page_load(web_root(settings, folder)));
}

static int run_with_store(const struct settings *settings, struct store *store)
{
    struct clock *clock = clock_new(settings->test_clock_file, store_newest_rev(store));
    if (clock == NULL) {
        return complain("test_clock_file cannot be mapped", EXIT_TROUBLE);
    }
    struct attempts *attempts = attempts_new(settings->signin_attempts);
    char folder[PAGE_FOLDER_BYTES];
    int code;
    if (prepare_store(store, clock, settings->demo) != ERR_OK) {
        code = complain("the store cannot be brought up to date", EXIT_TROUBLE);
    } else {
        struct loop_settings loop_settings = {
            .settings = settings,
            .store = store,
            .clock = clock,
            .attempts = attempts,
            .web_root = web_root(settings, folder),
        };
        code = serve(&loop_settings);
    }
    attempts_free(attempts);
    clock_free(clock);
    return code;
}

static int run(const struct settings *settings)
{
    enum log_level level = LOG_LEVEL_INFO;
    if (log_level_parse(settings->log_level, &level)) {
        log_set_level(level);
    }
    /* Texts for people, and only those, are in the hospital's time zone. */
    setenv("TZ", settings->time_zone, 1);
    tzset();
    loop_block_signals();
    struct store_settings store_settings = {
        .url = settings->store,
        .timeout_ms = settings->store_timeout_seconds * MS_PER_SECOND,
        .pool_size = settings->readers + settings->writers + 2,
        .statements_file =
            settings->test_statements_file[0] == '\0' ? NULL : settings->test_statements_file,
    };
    struct store *store;
    char why[WHY_BYTES] = "";
    if (store_open(&store_settings, &store, why) != ERR_OK) {
        return complain(why, EXIT_TROUBLE);
    }
    int code = run_with_store(settings, store);
    store_close(store);
    return code;
}

int main(int argc, char **argv)
{
    if (argc > 1 && argv[1][0] != '-') {
        return command_main(argc, argv);
    }
    struct settings *settings;
    enum errand errand = ERRAND_SERVE;
    char why[WHY_BYTES];
    if (!settings_load(argc, argv, &settings, &errand, why)) {
        return complain(why, EXIT_USAGE);
    }
    int code = EXIT_SUCCESS;
    switch (errand) {
    case ERRAND_SERVE:
        code = run(settings);
        break;
    case ERRAND_CHECK_CONFIG:
        check_page(settings);
        puts("the options are good");
        break;
    case ERRAND_PRINT_CONFIG:
        settings_print(settings, stdout);
        break;
    case ERRAND_PRINT_ROUTES:
        print_routes();
        break;
    case ERRAND_PRINT_OPENAPI:
        print_document(openapi_write);
        break;
    case ERRAND_PRINT_ASYNCAPI:
        print_document(asyncapi_write);
        break;
    case ERRAND_PRINT_ENDPOINTS:
        endpoints_print(stdout);
        break;
    case ERRAND_VERSION:
        puts("consultd " CONSULTD_VERSION);
        break;
    case ERRAND_COMMAND: /* command_main's */
    case ERRAND_HELP:
        settings_help(stdout);
        commands_help(stdout);
        break;
    }
    settings_free(settings);
    return code;
}
