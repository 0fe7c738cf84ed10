/* Subcommands: finding one, its options, and what all of them need.
 *
 * The arguments are sorted into two: the subcommand's own options, which are taken out, and all
 * others, which settings_load takes like those of the server. The own ones become a JSON object
 * that is bound to the subcommand's shape like a request, so that limits and formats are checked by
 * the same code. Nothing secret is an option: passwords come from the terminal or stdin. */
#include "server/command.h"

#include <assert.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "server/api/audit.h"
#include "server/clock.h"
#include "server/log.h"

#define WHY_BYTES 256
#define NAME_BYTES 64
#define ARENA_BYTES 65536
#define OPTIONS_MAX 16
#define MS_PER_SECOND 1000

#define COMMAND(words, handler, options, operands, store, summary, help)                           \
    static int run_##handler(struct command_run *run, const void *in)                              \
    {                                                                                              \
        return command_##handler(run, in);                                                         \
    }
#include "server/commands.def"
#undef COMMAND

static const struct command table[] = {
#define COMMAND(words_, handler, options_, operands_, store_, summary_, help_)                     \
    {.words = (words_),                                                                            \
     .run = run_##handler,                                                                         \
     .options = &options_##_options_shape,                                                         \
     .operands = (operands_),                                                                      \
     .store = COMMAND_STORE_##store_,                                                              \
     .summary = (summary_),                                                                        \
     .help = (help_)},
#include "server/commands.def"
#undef COMMAND
};

const struct command *commands(size_t *count)
{
    *count = ARRAY_LENGTH(table);
    return table;
}

int command_complain(const struct command_run *run, int code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(run->complaints, "consultd %s: ", run->command->words);
    vfprintf(run->complaints, format, arguments);
    fprintf(run->complaints, "\n");
    va_end(arguments);
    return code;
}

int command_store_failed(const struct command_run *run)
{
    return command_complain(run, COMMAND_TROUBLE, "the store failed: %s",
                            store_trouble(run->call.store));
}

/* ---- Options ------------------------------------------------------------------------------ */

/* Of one field each, in the shape's order; NULL: not given. */
struct given {
    const char *values[OPTIONS_MAX];
};

/* How many arguments the words take; 0: they do not begin with them. */
static int words_of(const struct command *command, int argc, char **argv)
{
    const char *at = command->words;
    for (int words = 0; words + 1 < argc; words++) {
        size_t length = strcspn(at, " ");
        if (strlen(argv[words + 1]) != length || strncmp(argv[words + 1], at, length) != 0) {
            return 0;
        }
        if (at[length] == '\0') {
            return words + 1;
        }
        at += length + 1;
    }
    return 0;
}

/* The option of the subcommand that an argument names; NULL: it is none of its own. */
static const struct field *find_option(const struct command *command, const char *argument)
{
    if (strncmp(argument, "--", 2) != 0) {
        return NULL;
    }
    size_t length = strcspn(argument + 2, "=");
    for (size_t i = command->operands; i < command->options->count; i++) {
        const struct field *field = &command->options->fields[i];
        if (strlen(field->name) == length && strncmp(argument + 2, field->name, length) == 0) {
            return field;
        }
    }
    return NULL;
}

/* Takes the option at argv[*at], moving on to its value where that is the next argument. */
static bool take_option(const struct command_run *run, const struct field *field, int argc,
                        char **argv, int *at, struct given *given)
{
    const char **value = &given->values[field - run->command->options->fields];
    const char *equals = strchr(argv[*at], '=');
    bool is_switch = field->kind == KIND_BOOL;
    if (*value != NULL) {
        return command_complain(run, false, "--%s is given twice", field->name);
    }
    if (is_switch && equals != NULL) {
        return command_complain(run, false, "--%s takes no value", field->name);
    }
    if (!is_switch && equals == NULL && *at + 1 == argc) {
        return command_complain(run, false, "--%s needs a value", field->name);
    }
    *value = is_switch ? "" : equals != NULL ? equals + 1 : argv[++*at];
    return true;
}

/* Takes the words and the subcommand's own options out of argv; what is left is settings_load's. */
static bool take_options(const struct command_run *run, int *argc, char **argv, struct given *given)
{
    int kept = 1;
    for (int i = 1 + words_of(run->command, *argc, argv); i < *argc; i++) {
        const struct field *field = find_option(run->command, argv[i]);
        if (field == NULL) {
            argv[kept++] = argv[i];
        } else if (!take_option(run, field, *argc, argv, &i, given)) {
            return false;
        }
    }
    argv[kept] = NULL;
    *argc = kept;
    return true;
}

static bool take_operands(const struct command_run *run, const struct settings *settings,
                          struct given *given)
{
    const struct command *command = run->command;
    for (size_t i = 0; i < command->operands && i < settings->word_count; i++) {
        given->values[i] = settings->words[i];
    }
    if (settings->word_count > command->operands) {
        return command_complain(run, false, "%.80s: there is no such argument; see --help",
                                settings->words[command->operands]);
    }
    return true;
}

/* ---- Binding ------------------------------------------------------------------------------ */

static void write_given(struct strbuf *out, const struct shape *shape, const struct given *given)
{
    strbuf_add_char(out, '{');
    for (size_t i = 0; i < shape->count; i++) {
        if (given->values[i] != NULL) {
            strbuf_add_text(out, out->length > 1 ? "," : "");
            strbuf_add_json(out, shape->fields[i].name);
            strbuf_add_char(out, ':');
            if (shape->fields[i].kind == KIND_BOOL) {
                strbuf_add_literal(out, "true");
            } else {
                strbuf_add_json(out, given->values[i]);
            }
        }
    }
    strbuf_add_char(out, '}');
}

/* What an option that cannot be bound should have been. */
static const char *expected_of(enum err err)
{
    static const struct {
        enum err err;
        const char *sentence;
    } sentences[] = {
        {ERR_MISSING_FIELD, "is needed"},
        {ERR_INVALID_TYPE, "must be a whole number"},
        {ERR_INVALID_ID, "must be an id of 24 lower-case hex digits"},
        {ERR_INVALID_TEXT, "must not hold control characters"},
        {ERR_TOO_LONG, "is too long"},
        {ERR_OUT_OF_RANGE, "is out of range"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(sentences); i++) {
        if (sentences[i].err == err) {
            return sentences[i].sentence;
        }
    }
    return "is not one of its values";
}

static bool complain_of_option(const struct command_run *run, enum err err,
                               const struct fault *fault)
{
    const struct shape *shape = run->command->options;
    if (fault->field[0] == '\0') {
        return command_complain(run, false, "the options must be valid UTF-8");
    }
    for (size_t i = 0; i < run->command->operands; i++) {
        if (strcmp(shape->fields[i].name, fault->field) == 0) {
            return command_complain(run, false, "%s %s; see --help", fault->field,
                                    expected_of(err));
        }
    }
    return command_complain(run, false, "--%s %s; see --help", fault->field, expected_of(err));
}

static bool bind(struct command_run *run, const struct given *given, void **out)
{
    const struct shape *shape = run->command->options;
    struct document document;
    struct fault fault = {.field = ""};
    struct strbuf text;
    strbuf_init(&text, 0);
    write_given(&text, shape, given);
    *out = arena_alloc(run->call.arena, shape->size);
    enum err err =
        document_parse(&document, run->call.arena, strbuf_text(&text), text.length, &fault);
    if (err == ERR_OK) {
        err = document_bind(&document, shape, run->call.arena, *out, &fault);
    }
    strbuf_free(&text);
    return err == ERR_OK || complain_of_option(run, err, &fault);
}

/* ---- Changes ------------------------------------------------------------------------------ */

enum err command_begin(struct command_run *run)
{
    run->call.first_note = NULL;
    run->call.last_note = NULL;
    return store_begin(run->call.store);
}

enum err command_record(struct command_run *run)
{
    enum err err = audit_chain_record(run->chain, run->call.store, &run->call);
    run->call.first_note = NULL;
    run->call.last_note = NULL;
    return err;
}

enum err command_commit(struct command_run *run)
{
    enum err err = command_record(run);
    if (err == ERR_OK) {
        err = store_commit(run->call.store);
    } else {
        store_abandon(run->call.store);
    }
    audit_chain_settle(run->chain, err == ERR_OK);
    return err;
}

void command_abandon(struct command_run *run)
{
    store_abandon(run->call.store);
    audit_chain_settle(run->chain, false);
}

void command_note(struct command_run *run, struct oid subject, const char *result)
{
    audit_note(&run->call, &(struct audit_note){.action = AUDIT_ADMIN,
                                                .subject = subject,
                                                .result = result,
                                                .details = run->command->words});
}

enum err command_insert(struct command_run *run, enum collection collection, struct oid id,
                        const void *record)
{
    TRY(command_begin(run));
    enum err err = store_insert(run->call.store, collection, record);
    if (err != ERR_OK) {
        command_abandon(run);
        return err;
    }
    command_note(run, id, "ok");
    return command_commit(run);
}

int command_list(struct command_run *run, enum collection collection, const struct query *query,
                 bool as_json, void (*write)(FILE *out, const void *record))
{
    struct object_list list;
    if (store_find(run->call.store, run->call.arena, collection, query, &list) != ERR_OK) {
        return command_store_failed(run);
    }
    return command_print(run, collection_row(collection)->shape, &list, as_json, write);
}

int command_print(struct command_run *run, const struct shape *shape,
                  const struct object_list *list, bool as_json,
                  void (*write)(FILE *out, const void *record))
{
    if (as_json) {
        struct strbuf text;
        strbuf_init(&text, 0);
        shape_write_list(&text, shape, list, 0);
        fprintf(run->out, "%s\n", strbuf_text(&text));
        strbuf_free(&text);
        return COMMAND_DONE;
    }
    for (size_t i = 0; i < list->count; i++) {
        write(run->out, (const char *)list->items + i * shape->size);
    }
    return COMMAND_DONE;
}

/* ---- Running ------------------------------------------------------------------------------ */

static void name_operator(char out[NAME_BYTES])
{
    const struct passwd *who = getpwuid(getuid());
    if (who != NULL) {
        snprintf(out, NAME_BYTES, "operator:%.48s", who->pw_name);
    } else {
        snprintf(out, NAME_BYTES, "operator:%ld", (long)getuid());
    }
}

static int run_in_session(struct command_run *run, struct store *store,
                          int (*work)(struct command_run *run, const void *options),
                          const void *options)
{
    if (store_session_open(store, true, &run->call.store) != ERR_OK) {
        return command_complain(run, COMMAND_TROUBLE, "the store does not answer");
    }
    run->call.store_id = store_id(store);
    run->call.now = clock_now(run->call.clock);
    run->chain = audit_chain_new("node=subcommand version=" CONSULTD_VERSION);
    int code = work(run, options);
    audit_chain_free(run->chain);
    store_session_close(run->call.store);
    return code;
}

/* Opens the store and does `work` on it. */
static int with_store(struct command_run *run,
                      int (*work)(struct command_run *run, const void *options),
                      const void *options)
{
    const struct settings *settings = run->call.settings;
    struct store_settings store_settings = {
        .url = settings->store,
        .timeout_ms = settings->store_timeout_seconds * MS_PER_SECOND,
        .pool_size = 2,
        .beside = true,
        .must_exist = run->command->store != COMMAND_STORE_MADE,
    };
    struct store *store;
    char why[WHY_BYTES] = "";
    if (store_open(&store_settings, &store, why) != ERR_OK) {
        return command_complain(run, COMMAND_TROUBLE, "%s", why);
    }
    int code = COMMAND_TROUBLE;
    run->call.clock = clock_new(settings->test_clock_file, store_newest_rev(store));
    if (run->call.clock == NULL) {
        command_complain(run, code, "test_clock_file cannot be mapped");
    } else {
        code = run_in_session(run, store, work, options);
        clock_free(run->call.clock);
    }
    store_close(store);
    return code;
}

static int note_and_commit(struct command_run *run, const void *options)
{
    (void)options;
    enum err err = command_begin(run);
    if (err == ERR_OK) {
        command_note(run, OID_NONE, "ok");
        err = command_commit(run);
    }
    return err == ERR_OK ? COMMAND_DONE : command_store_failed(run);
}

int command_record_alone(struct command_run *run)
{
    return with_store(run, note_and_commit, NULL);
}

static int run_with_settings(struct command_run *run, const struct settings *settings,
                             struct given *given)
{
    void *options;
    char name[NAME_BYTES];
    enum log_level level = LOG_LEVEL_INFO;
    if (log_level_parse(settings->log_level, &level)) {
        log_set_level(level);
    }
    setenv("TZ", settings->time_zone, 1);
    tzset();
    name_operator(name);
    run->call.settings = settings;
    run->call.operator_name = name;
    if (!take_operands(run, settings, given) || !bind(run, given, &options)) {
        return COMMAND_USAGE;
    }
    return run->command->store == COMMAND_STORE_NONE ? run->command->run(run, options)
                                                     : with_store(run, run->command->run, options);
}

static int run_command(const struct command *command, int argc, char **argv)
{
    struct command_run run = {.command = command, .out = stdout, .complaints = stderr};
    struct given given = {{NULL}};
    struct settings *settings;
    enum errand errand = ERRAND_COMMAND;
    char why[WHY_BYTES];
    assert(command->options->count <= OPTIONS_MAX);
    if (!take_options(&run, &argc, argv, &given)) {
        return COMMAND_USAGE;
    }
    if (!settings_load(argc, argv, &settings, &errand, why)) {
        return command_complain(&run, COMMAND_USAGE, "%s", why);
    }
    int code = COMMAND_USAGE;
    if (errand == ERRAND_HELP) {
        command_help(command, stdout);
        code = COMMAND_DONE;
    } else if (errand != ERRAND_COMMAND) {
        command_complain(&run, code, "takes none of the --print and --check flags");
    } else {
        run.call.arena = arena_new(ARENA_BYTES);
        code = run_with_settings(&run, settings, &given);
        arena_free(run.call.arena);
    }
    settings_free(settings);
    if (fflush(stdout) != 0 && code == COMMAND_DONE) {
        code = command_complain(&run, COMMAND_TROUBLE, "what it says cannot be written");
    }
    return code;
}

static bool has_group(const char *word)
{
    size_t length = strlen(word);
    for (size_t i = 0; i < ARRAY_LENGTH(table); i++) {
        if (strncmp(table[i].words, word, length) == 0 && table[i].words[length] == ' ') {
            return true;
        }
    }
    return false;
}

int command_main(int argc, char **argv)
{
    for (size_t i = 0; i < ARRAY_LENGTH(table); i++) {
        if (words_of(&table[i], argc, argv) > 0) {
            return run_command(&table[i], argc, argv);
        }
    }
    if (!has_group(argv[1])) {
        fprintf(stderr, "consultd: there is no subcommand %.40s; see consultd --help\n", argv[1]);
        return COMMAND_USAGE;
    }
    if (argc == 3 && strcmp(argv[2], "--help") == 0) {
        command_group_help(argv[1], stdout);
        return COMMAND_DONE;
    }
    fprintf(stderr, "consultd %s: %.40s is no subcommand of it; see consultd %s --help\n", argv[1],
            argc > 2 ? argv[2] : "nothing", argv[1]);
    return COMMAND_USAGE;
}
