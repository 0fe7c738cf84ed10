/* Options: one table (config.def), four sources. Each source sets options by name through the
 * same function, weakest first, so that precedence is the order of calls: built-in values, file,
 * environment, flags. What is wrong is refused with the place it stands in. */
#include "server/config.h"

#include <errno.h>
#include <getopt.h>
#include <ini.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "protocol/memory.h"
#include "server/auth.h"
#include "server/bus.h"
#include "server/config_rows.h"
#include "server/log.h"
#include "server/provider.h"
#include "server/provider_sandbox.h"
#include "server/wechat_keys.h"
#include "storage/store.h"

#define WHY_BYTES 256
#define TOKEN_KEY_MIN 32
#define ENVIRONMENT_PREFIX "CONSULTD_"

/* The memory of a settings: the texts it owns are freed with it. */
struct loading {
    struct settings settings; /* first: settings_free gets a pointer to it */
    char *texts[2 * OPTION_COUNT + 4];
    size_t text_count;
    bool set_by_file[OPTION_COUNT]; /* to find duplicates */
    bool is_set[OPTION_COUNT];      /* by anything but the built-in value */
    const char *file;
    char *why;
};

PRINTF_LIKE(2, 3)
static bool refuse(struct loading *loading, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(loading->why, WHY_BYTES, format, arguments);
    va_end(arguments);
    return false;
}

static char *keep_text(struct loading *loading, const char *text)
{
    char *copy = memory_resize(NULL, strlen(text) + 1);
    strcpy(copy, text);
    /* At most three sources set one option each, and a few texts are made here. */
    if (loading->text_count == ARRAY_LENGTH(loading->texts)) {
        memory_exhausted();
    }
    loading->texts[loading->text_count++] = copy;
    return copy;
}

static void *member(struct settings *settings, const struct option_row *row)
{
    return (char *)settings + row->offset;
}

static const struct option_row *find_row(const char *name)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (strcmp(option_rows[i].name, name) == 0) {
            return &option_rows[i];
        }
    }
    return NULL;
}

/* `where` names the source: "--listen", "CONSULTD_LISTEN", "consultd.conf:12". */
static bool set_option(struct loading *loading, const struct option_row *row, const char *value,
                       const char *where)
{
    if (row->kind == OPTION_IS_TEXT) {
        const char *kept = keep_text(loading, value);
        memcpy(member(&loading->settings, row), &kept, sizeof kept);
    } else {
        char *end;
        long long number = strtoll(value, &end, 10);
        if (end == value || *end != '\0') {
            return refuse(loading, "%s: %s must be a whole number", where, row->name);
        }
        if (number < row->min || number > row->max) {
            return refuse(loading, "%s: %s must be from %" PRId64 " to %" PRId64, where, row->name,
                          row->min, row->max);
        }
        int64_t wide = number;
        memcpy(member(&loading->settings, row), &wide, sizeof wide);
    }
    loading->is_set[row - option_rows] = true;
    return true;
}

static void set_defaults(struct settings *settings)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option_row *row = &option_rows[i];
        if (row->kind == OPTION_IS_TEXT) {
            memcpy(member(settings, row), &row->text_default, sizeof row->text_default);
        } else {
            memcpy(member(settings, row), &row->number_default, sizeof row->number_default);
        }
    }
}

/* ---- File --------------------------------------------------------------------------------- */

struct file_reader {
    FILE *stream;
    int line;
    bool is_indented;                /* the line */
    const struct option_row *before; /* whose line was the last; NULL: none's */
};

/* Counts lines for the messages: libinih tells a handler none in Debian's build, and takes 198 bytes of one. */
static char *read_line(char *buffer, int size, void *user)
{
    struct loading *loading = ((void **)user)[0];
    struct file_reader *reader = ((void **)user)[1];
    char *line = fgets(buffer, size, reader->stream);
    if (line != NULL) {
        reader->line++;
        reader->is_indented = *line == ' ' || *line == '\t';
        if (strchr(line, '\n') == NULL && !feof(reader->stream)) {
            refuse(loading,
                   "%s:%d: the line is longer than %d bytes; what begins with a blank goes on "
                   "with the line before",
                   loading->file, reader->line, size - 2);
            return NULL;
        }
    }
    return line;
}

/* Whether the text begins as an option's line does, which then is indented by mistake. */
static bool is_option_line(const char *text)
{
    char name[64];
    size_t length = strcspn(text, " \t=:");
    if (length >= sizeof name ||
        strchr("=:", text[length + strspn(text + length, " \t")]) == NULL) {
        return false;
    }
    memcpy(name, text, length);
    name[length] = '\0';
    return find_row(name) != NULL;
}

/* An indented line goes on with the text of the one before. */
static int on_continuation(struct loading *loading, const struct option_row *row, const char *value,
                           const char *where)
{
    char *before;
    memcpy(&before, member(&loading->settings, row), sizeof before);
    char *whole = memory_resize(NULL, strlen(before) + 1 + strlen(value) + 1);
    sprintf(whole, "%s %s", before, value);
    int is_set = set_option(loading, row, whole, where);
    free(whole);
    return is_set;
}

static int on_option(void *user, const char *section, const char *name, const char *value)
{
    struct loading *loading = ((void **)user)[0];
    struct file_reader *reader = ((void **)user)[1];
    const struct option_row *row = find_row(name);
    char where[WHY_BYTES / 2];
    snprintf(where, sizeof where, "%.100s:%d", loading->file, reader->line);
    if (row == NULL || strcmp(row->section, section) != 0) {
        return refuse(loading, "%s:%d: there is no option %.40s in [%.40s]", loading->file,
                      reader->line, name, section);
    }
    if (reader->is_indented && row == reader->before && row->kind == OPTION_IS_TEXT &&
        !is_option_line(value)) {
        return on_continuation(loading, row, value, where);
    }
    if (loading->set_by_file[row - option_rows]) {
        return refuse(loading, "%s:%d: %s is set twice", loading->file, reader->line, name);
    }
    loading->set_by_file[row - option_rows] = true;
    reader->before = row;
    return set_option(loading, row, value, where);
}

static bool read_file(struct loading *loading, const char *path)
{
    struct file_reader reader = {.stream = fopen(path, "re")};
    if (reader.stream == NULL) {
        return refuse(loading, "%.150s: cannot be read: %s", path, strerror(errno));
    }
    loading->file = path;
    loading->why[0] = '\0';
    void *both[] = {loading, &reader};
    errno = 0;
    int line = ini_parse_stream(read_line, both, on_option, both);
    if (ferror(reader.stream)) {
        refuse(loading, "%.150s: cannot be read: %s", path, strerror(errno));
    }
    fclose(reader.stream);
    if (loading->why[0] != '\0') {
        return false;
    }
    if (line != 0) {
        return refuse(loading, "%.150s:%d: not an option", path, line);
    }
    return true;
}

/* ---- Environment -------------------------------------------------------------------------- */

extern char **environ;

/* CONSULTD_TOKEN_KEYS → token_keys. Tests set some of their own. */
static bool set_from_variable(struct loading *loading, const char *variable, const char *value)
{
    char name[64];
    size_t prefix = strlen(ENVIRONMENT_PREFIX), length = strlen(variable);
    if (strcmp(variable, "CONSULTD_CONFIG") == 0) {
        return true; /* names the file; read before */
    }
    if (strncmp(variable, "CONSULTD_TEST_", 14) == 0 &&
        strcmp(variable, "CONSULTD_TEST_CLOCK_FILE") != 0 &&
        strcmp(variable, "CONSULTD_TEST_STATEMENTS_FILE") != 0) {
        return true; /* belongs to the tests' drivers */
    }
    if (length - prefix >= sizeof name) {
        return refuse(loading, "%.80s: there is no such option", variable);
    }
    for (size_t i = 0; i <= length - prefix; i++) {
        char c = variable[prefix + i];
        name[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    const struct option_row *row = find_row(name);
    return row != NULL ? set_option(loading, row, value, variable)
                       : refuse(loading, "%.80s: there is no such option", variable);
}

static bool read_environment(struct loading *loading)
{
    for (char **at = environ; *at != NULL; at++) {
        const char *equals = strchr(*at, '=');
        if (equals == NULL || strncmp(*at, ENVIRONMENT_PREFIX, strlen(ENVIRONMENT_PREFIX)) != 0) {
            continue;
        }
        char variable[128];
        snprintf(variable, sizeof variable, "%.*s", (int)(equals - *at), *at);
        if (!set_from_variable(loading, variable, equals + 1)) {
            return false;
        }
    }
    return true;
}

/* ---- Flags -------------------------------------------------------------------------------- */

static const struct option flags[] = {
    {"config", required_argument, NULL, 'c'},
    {"listen", required_argument, NULL, 'l'},
    {"store", required_argument, NULL, 's'},
    {"bus", required_argument, NULL, 'b'},
    {"demo", no_argument, NULL, 'd'},
    {"check-config", no_argument, NULL, 'C'},
    {"print-config", no_argument, NULL, 'P'},
    {"print-routes", no_argument, NULL, 'R'},
    {"print-openapi", no_argument, NULL, 'O'},
    {"print-asyncapi", no_argument, NULL, 'A'},
    {"print-endpoints", no_argument, NULL, 'E'},
    {"version", no_argument, NULL, 'v'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

struct command_line {
    const char *config, *listen, *store, *bus;
    bool is_demo;
    enum errand errand;
};

static bool read_flags(struct loading *loading, int argc, char **argv, struct command_line *out)
{
    int flag;
    optind = 1;
    opterr = 0;
    while ((flag = getopt_long(argc, argv, ":", flags, NULL)) != -1) {
        switch (flag) {
        case 'c':
            out->config = optarg;
            break;
        case 'l':
            out->listen = optarg;
            break;
        case 's':
            out->store = optarg;
            break;
        case 'b':
            out->bus = optarg;
            break;
        case 'd':
            out->is_demo = true;
            break;
        case 'C':
            out->errand = ERRAND_CHECK_CONFIG;
            break;
        case 'P':
            out->errand = ERRAND_PRINT_CONFIG;
            break;
        case 'R':
            out->errand = ERRAND_PRINT_ROUTES;
            break;
        case 'O':
            out->errand = ERRAND_PRINT_OPENAPI;
            break;
        case 'A':
            out->errand = ERRAND_PRINT_ASYNCAPI;
            break;
        case 'E':
            out->errand = ERRAND_PRINT_ENDPOINTS;
            break;
        case 'v':
            out->errand = ERRAND_VERSION;
            break;
        case 'h':
            out->errand = ERRAND_HELP;
            break;
        case ':':
            return refuse(loading, "%.80s needs a value; see --help", argv[optind - 1]);
        default:
            return refuse(loading, "%.80s: there is no such flag; see --help", argv[optind - 1]);
        }
    }
    if (out->errand == ERRAND_COMMAND) {
        loading->settings.words = argv + optind;
        loading->settings.word_count = (size_t)(argc - optind);
    } else if (optind < argc) {
        return refuse(loading, "%.80s: there is no such argument; see --help", argv[optind]);
    }
    return true;
}

static bool set_from_flags(struct loading *loading, const struct command_line *line)
{
    const struct {
        const char *name, *flag, *value;
    } given[] = {{"listen", "--listen", line->listen},
                 {"store", "--store", line->store},
                 {"bus", "--bus", line->bus}};
    for (size_t i = 0; i < ARRAY_LENGTH(given); i++) {
        if (given[i].value != NULL &&
            !set_option(loading, find_row(given[i].name), given[i].value, given[i].flag)) {
            return false;
        }
    }
    return true;
}

/* ---- Checks ------------------------------------------------------------------------------- */

static bool is_one_of(const char *value, const char *const *prefixes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strncmp(value, prefixes[i], strlen(prefixes[i])) == 0) {
            return true;
        }
    }
    return false;
}

static bool check_listen(struct loading *loading)
{
    const char *listen = loading->settings.listen;
    const char *colon = strrchr(listen, ':');
    char *end = NULL;
    long port = colon != NULL ? strtol(colon + 1, &end, 10) : -1;
    if (colon == NULL || colon == listen || end == colon + 1 || *end != '\0' || port < 0 ||
        port > 65535) {
        return refuse(loading, "listen must be HOST:PORT, not %.80s", listen);
    }
    return true;
}

static bool is_loopback(const char *listen)
{
    static const char *const loopbacks[] = {"127.", "localhost:", "[::1]:"};
    return is_one_of(listen, loopbacks, ARRAY_LENGTH(loopbacks));
}

/* Splits token_keys at spaces. */
static bool take_keys(struct loading *loading)
{
    struct settings *settings = &loading->settings;
    char *rest = NULL;
    for (char *key = strtok_r(keep_text(loading, settings->token_keys), " ", &rest); key != NULL;
         key = strtok_r(NULL, " ", &rest)) {
        if (strlen(key) < TOKEN_KEY_MIN) {
            return refuse(loading, "token_keys: each key needs %d characters or more",
                          TOKEN_KEY_MIN);
        }
        if (settings->key_count == TOKEN_KEYS_MAX) {
            return refuse(loading, "token_keys: at most %d keys", TOKEN_KEYS_MAX);
        }
        settings->keys[settings->key_count++] = key;
    }
    return true;
}

static const char *random_key(struct loading *loading)
{
    unsigned char random[TOKEN_KEY_MIN];
    char hex[2 * TOKEN_KEY_MIN + 1];
    random_bytes(random, sizeof random);
    for (size_t i = 0; i < sizeof random; i++) {
        snprintf(hex + 2 * i, 3, "%02x", random[i]);
    }
    return keep_text(loading, hex);
}

static bool check_secrets(struct loading *loading)
{
    struct settings *settings = &loading->settings;
    if (!take_keys(loading)) {
        return false;
    }
    if (settings->key_count == 0) {
        if (!settings->demo) {
            return refuse(loading, "token_keys is needed (in the file or as CONSULTD_TOKEN_KEYS); "
                                   "only --demo starts without");
        }
        if (!is_loopback(settings->listen)) {
            return refuse(loading,
                          "without token_keys the demo listens on loopback only, not %.80s",
                          settings->listen);
        }
        settings->keys[settings->key_count++] = random_key(loading);
    }
    if (settings->sandbox_key[0] == '\0') {
        settings->sandbox_key = random_key(loading);
    }
    if (settings->usersig_app_id[strspn(settings->usersig_app_id, "0123456789")] != '\0') {
        return refuse(loading, "usersig_app_id must be digits");
    }
    return true;
}

static bool check_time_zone(struct loading *loading)
{
    char path[300];
    const char *zone = loading->settings.time_zone;
    snprintf(path, sizeof path, "/usr/share/zoneinfo/%.200s", zone);
    bool is_plain = zone[0] != '\0' && zone[0] != '/' && strstr(zone, "..") == NULL;
    if (!is_plain || access(path, R_OK) != 0) {
        return refuse(loading, "time_zone: there is no zone %.80s on this machine", zone);
    }
    return true;
}

static bool check_origins(struct loading *loading)
{
    static const char *const schemes[] = {"http://", "https://"};
    const char *at = loading->settings.cors_origins;
    while (*at != '\0') {
        at += strspn(at, " ");
        size_t length = strcspn(at, " ");
        const char *authority = strstr(at, "://");
        if (length > 0 && (!is_one_of(at, schemes, 2) || authority + 3 >= at + length ||
                           memchr(authority + 3, '/', (size_t)(at + length - authority - 3)))) {
            return refuse(loading, "cors_origins: %.*s is no origin (https://host[:port])",
                          (int)(length < 80 ? length : 80), at);
        }
        at += length;
    }
    return true;
}

static bool check_provider(struct loading *loading)
{
    struct settings *settings = &loading->settings;
    settings->provider = provider_find(settings->payment_provider);
    if (settings->provider == NULL) {
        return refuse(loading, "payment_provider: there is no provider %.40s",
                      settings->payment_provider);
    }
    if (settings->sandbox_trouble[0] != '\0' && !settings->demo) {
        return refuse(loading, "sandbox_trouble is for tests: with --demo only");
    }
    if (!sandbox_knows(settings->sandbox_trouble)) {
        return refuse(loading, "sandbox_trouble must be " SANDBOX_REFUND_FAILS
                               ", " SANDBOX_REFUND_PENDING " or " SANDBOX_NOTIFICATION_LOST);
    }
    /* What was begun with WeChat is gone on with under another provider, too. */
    bool needs_wechat =
        strcmp(settings->payment_provider, "wechat") == 0 || settings->wechat_mch_id[0] != '\0';
    return !needs_wechat || wechat_open(settings, &settings->wechat, loading->why);
}

static bool check_all(struct loading *loading, bool is_command)
{
    struct settings *settings = &loading->settings;
    enum log_level level;
    if (store_check_url(settings->store, loading->why) != ERR_OK ||
        !bus_check_url(settings->bus, loading->why)) {
        return false;
    }
    if (!log_level_parse(settings->log_level, &level)) {
        return refuse(loading, "log_level must be error, warning, info or debug");
    }
    if ((settings->test_clock_file[0] != '\0' || settings->test_statements_file[0] != '\0') &&
        !settings->demo) {
        return refuse(loading, "test_%s_file is for tests: with --demo only",
                      settings->test_clock_file[0] != '\0' ? "clock" : "statements");
    }
    if (!check_provider(loading)) {
        return false;
    }
    if (settings->retention_chat_years > settings->retention_record_years) {
        return refuse(loading, "retention_chat_years must not be more than retention_record_years");
    }
    if (is_command) {
        return check_time_zone(loading); /* it does not listen and signs nothing */
    }
    return check_listen(loading) && check_time_zone(loading) && check_origins(loading) &&
           check_secrets(loading);
}

/* ---- Loading ------------------------------------------------------------------------------ */

static bool load(struct loading *loading, int argc, char **argv, enum errand *errand)
{
    struct command_line line = {.errand =
                                    *errand == ERRAND_COMMAND ? ERRAND_COMMAND : ERRAND_SERVE};
    set_defaults(&loading->settings);
    if (!read_flags(loading, argc, argv, &line)) {
        return false;
    }
    *errand = line.errand;
    loading->settings.demo = line.is_demo;
    bool needs_options = line.errand == ERRAND_SERVE || line.errand == ERRAND_CHECK_CONFIG ||
                         line.errand == ERRAND_PRINT_CONFIG || line.errand == ERRAND_COMMAND;
    if (!needs_options) {
        return true; /* nothing has to be right */
    }
    const char *config = line.config != NULL ? line.config : getenv("CONSULTD_CONFIG");
    if (config != NULL && !read_file(loading, config)) {
        return false;
    }
    if (!read_environment(loading) || !set_from_flags(loading, &line)) {
        return false;
    }
    const struct option_row *store = find_row("store");
    if (line.is_demo && !loading->is_set[store - option_rows]) {
        loading->settings.store = "sqlite:consultd-demo.db";
    }
    if (line.errand == ERRAND_PRINT_CONFIG) {
        return true; /* shows what would be in force, also when that is not enough to start */
    }
    return check_all(loading, line.errand == ERRAND_COMMAND);
}

bool settings_load(int argc, char **argv, struct settings **out, enum errand *errand,
                   char why[WHY_BYTES])
{
    struct loading *loading = memory_resize(NULL, sizeof *loading);
    memset(loading, 0, sizeof *loading);
    loading->why = why;
    why[0] = '\0';
    if (!load(loading, argc, argv, errand)) {
        settings_free(&loading->settings);
        *out = NULL;
        return false;
    }
    *out = &loading->settings;
    return true;
}

void settings_free(struct settings *settings)
{
    if (settings == NULL) {
        return;
    }
    struct loading *loading = (struct loading *)(void *)settings;
    wechat_close(settings->wechat);
    for (size_t i = 0; i < loading->text_count; i++) {
        free(loading->texts[i]);
    }
    free(loading);
}
