/* Tells stories to a real server and checks what it answers.
 *
 *   talk --server build/consultd --store sqlite: --bus local: [--coverage FILE] [--answers FILE] [-v] STORY.talk…
 *
 * A story is a text file, one statement a line (a line whose brackets are open goes on in the
 * next), `#` for comments. tests/talk/README.md is the language's manual; in short:
 *
 *   include parts/paid.part                    the statements of another file
 *   nodes 2 | needs redis | needs mongo        at the top: what the story needs
 *   apart 2                                    at the top: the bus loses all between it and others
 *   server --flag … | server NAME=value        at the top: for every server process
 *   as patient [on 2]                          who speaks, to which node, from now on
 *   POST /path {json} | GET /path | POST /path body "…"
 *   expect 200 {pattern} | expect header "Name" pattern | expect body pattern
 *   eventually 200 {pattern}                   the last request again until it answers so
 *   together [8 times] … expect … end          calls that race, and their answers in any order
 *   repeat 3 as i … end
 *   set name = json | token "…" | token none | header "Name: value" | deadline 40s
 *   ws doctor online|open|connect|call|send|expect|forget|deaf|hears|mute|close|cut …
 *   raw open | raw send "…" | raw expect 411 {pattern} | raw expect closed
 *   clock +48h | start|stop|kill|restart|freeze|thaw node 1 | redis "CLIENT KILL TYPE pubsub"
 *
 * Each story gets fresh servers on free ports, a fresh store and a clock of its own, and runs in
 * a process of its own: a failure reports where, what and the last exchanges, and ends it. At its
 * end every server must stop by SIGTERM with exit code 0 and a clean log; under sanitizers that
 * is where leaks show. There is no statement to sleep: whatever is waited for has a deadline.
 *
 * The last line is "N passed, N failed"; the exit code says the same. */
#include "talk.h"

#include <ctype.h>
#include <curl/curl.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { DEADLINE_MS = 10000, STORY_SECONDS = 300, SHOWN_BYTES = 1500 };

struct statement {
    char *text;
    const char *path; /* of the file it stands in */
    int line;
};

struct script {
    struct statement *statements;
    size_t count;
    size_t header; /* how many of the first are header statements */
};

int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- reporting ---- */

void story_heard(struct story *story, const char *format, ...)
{
    char line[SHOWN_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    story->exchanges[story->exchange_count++ % MAX_EXCHANGES] =
        text_printf("%4d  %s", story->line, line);
    if (story->options->verbose) {
        printf("%4d  %s\n", story->line, line);
    }
}

void story_fail(struct story *story, const char *format, ...)
{
    va_list arguments;
    printf("FAIL %s:%d [%.*s + %.*s]\n  ", story->path, story->line,
           (int)strcspn(story->options->store, ":"), story->options->store,
           (int)strcspn(story->options->bus, ":"), story->options->bus);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n  -- what was said, by line --\n");
    size_t from = story->exchange_count > MAX_EXCHANGES ? story->exchange_count - MAX_EXCHANGES : 0;
    for (size_t i = from; i < story->exchange_count; i++) {
        printf("  %s\n", story->exchanges[i % MAX_EXCHANGES]);
    }
    nodes_report(story, stdout);
    printf("  kept: %s\n", story->directory != NULL ? story->directory : "nothing");
    fflush(stdout);
    for (int i = 0; i < story->node_count; i++) {
        if (story->nodes[i].pid > 0) {
            kill(story->nodes[i].pid, SIGKILL);
        }
    }
    _exit(1);
}

void story_reached(struct story *story, const char *method, const char *path)
{
    const char *file_path = story->options->coverage;
    FILE *file = file_path == NULL ? NULL : fopen(file_path, "a");
    if (file != NULL) {
        fprintf(file, "%s %s\n", method, path);
        fclose(file);
    }
}

/* One write, so that the lines of stories told at the same time stay whole. */
void story_answered(struct story *story, const char *way, const char *path, int status,
                    const char *sent, json_t *answer)
{
    const char *file_path = story->options->answers;
    int file =
        file_path == NULL ? -1 : open(file_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0) {
        return;
    }
    json_t *request = sent == NULL ? NULL : json_loads(sent, JSON_REJECT_DUPLICATES, NULL);
    json_t *entry = json_pack("{s:s, s:s, s:s?, s:i, s:o?, s:O?}", "story", story->path, "way", way,
                              "path", path, "status", status, "sent", request, "answer", answer);
    char *line = text_printf("%s\n", json_dumps(entry, JSON_COMPACT));
    if (write(file, line, strlen(line)) != (ssize_t)strlen(line)) {
        story_fail(story, "%s cannot be written: %s", file_path, strerror(errno));
    }
    close(file);
}

/* ---- reading ---- */

static char *read_file(const char *path)
{
    struct text text = {0};
    char bytes[4096];
    size_t got;
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return NULL;
    }
    text_add(&text, "", 0);
    while ((got = fread(bytes, 1, sizeof bytes, file)) > 0) {
        text_add(&text, bytes, got);
    }
    fclose(file);
    return text.bytes;
}

/* How many brackets of the line stay open; quoted text is not counted. */
static int open_brackets(const char *line)
{
    int depth = 0;
    bool in_string = false;
    for (; *line != '\0'; line++) {
        if (in_string && *line == '\\' && line[1] != '\0') {
            line++;
        } else if (*line == '"') {
            in_string = !in_string;
        } else if (!in_string && (*line == '{' || *line == '[')) {
            depth++;
        } else if (!in_string && (*line == '}' || *line == ']')) {
            depth--;
        }
    }
    return depth;
}

static bool is_header(const char *text)
{
    return take_if(&text, "nodes") || take_if(&text, "needs") || take_if(&text, "server") ||
           take_if(&text, "apart");
}

/* Adds one statement, without blanks at its end. */
static void add_statement(struct script *script, const char *path, struct text text, int line)
{
    size_t size = (script->count + 1) * sizeof *script->statements;
    script->statements = realloc(script->statements, size);
    if (script->statements == NULL) {
        abort();
    }
    while (text.length > 0 && isspace((unsigned char)text.bytes[text.length - 1])) {
        text.bytes[--text.length] = '\0';
    }
    script->header += script->header == script->count && is_header(text.bytes);
    script->statements[script->count++] =
        (struct statement){.text = text.bytes, .path = path, .line = line};
}

/* Adds the statements of a file; `include FILE` adds those of another one beside it. */
static void read_script(struct story *story, const char *path, struct script *script)
{
    char *at = read_file(path);
    if (at == NULL) {
        story_fail(story, "cannot read %s: %s", path, strerror(errno));
    }
    struct text statement = {0};
    int depth = 0, first_line = 0;
    story->path = path;
    for (int number = 1; *at != '\0'; number++) {
        char *end = at + strcspn(at, "\n");
        char *line = text_copy(at, (size_t)(end - at));
        const char *from = skip_blanks(line);
        at = *end == '\0' ? end : end + 1;
        if (depth == 0 && (*from == '\0' || *from == '#')) {
            continue;
        }
        if (depth == 0 && take_if(&from, "include")) {
            const char *slash = strrchr(path, '/');
            int folder = slash == NULL ? 0 : (int)(slash + 1 - path);
            story->line = number;
            read_script(story, text_printf("%.*s%s", folder, path, from), script);
            story->path = path;
            continue;
        }
        first_line = depth == 0 ? number : first_line;
        text_addf(&statement, "%s%s", depth == 0 ? "" : "\n", from);
        depth += open_brackets(from);
        if (depth <= 0) {
            add_statement(script, path, statement, first_line);
            statement = (struct text){0};
            depth = 0;
        }
    }
    if (depth > 0) {
        story->line = first_line;
        story_fail(story, "a bracket opened here is never closed");
    }
}

/* ---- blocks ---- */

/* What goes wrong from now on went wrong here. */
static void stand_at(struct story *story, const struct statement *statement)
{
    story->path = statement->path;
    story->line = statement->line;
}

static size_t find_end(struct story *story, const struct script *script, size_t from)
{
    int depth = 0;
    for (size_t at = from; at < script->count; at++) {
        const char *text = script->statements[at].text;
        const char *word = take_word(&text);
        if (strcmp(word, "repeat") == 0 || strcmp(word, "together") == 0) {
            depth++;
        } else if (strcmp(word, "end") == 0 && --depth == 0) {
            return at;
        }
    }
    story_fail(story, "this block has no end");
}

/* [as NAME [on N]] POST /path {json} */
static struct together_call read_call(struct story *story, const char *at)
{
    struct together_call call = {.actor = *story->actor};
    if (take_if(&at, "as")) {
        call.actor = *story_actor(story, take_word(&at));
    }
    if (take_if(&at, "on")) {
        call.actor.node = take_node(story, &at);
    }
    call.method = take_word(&at);
    call.path = expand_plain(story, take_word(&at));
    call.body = expand_json(story, at);
    check_note_secrets(story, call.body);
    return call;
}

/* [N x] STATUS [PATTERN]: takes as many of the answers, each the first that matches. */
static void expect_among(struct story *story, const char *at, struct together_call *calls,
                         int count)
{
    int wanted = 1;
    char *status = take_word(&at);
    if (take_if(&at, "x")) {
        wanted = atoi(status);
        status = take_word(&at);
    }
    while (wanted > 0) {
        char *why = NULL;
        int i = 0;
        for (; i < count; i++) {
            struct reply *reply = &calls[i].reply;
            char *reason =
                reply->status == 0 ? NULL : reply_mismatch(story, reply, atoi(status), at);
            if (reply->status != 0 && reason == NULL) {
                break;
            }
            why = reason != NULL ? reason : why;
        }
        if (i == count) {
            story_fail(story, "%d more of %s %s wanted among the answers; %s", wanted, status, at,
                       why == NULL ? "none is left" : why);
        }
        calls[i].reply.status = 0; /* taken */
        wanted--;
        story->expectations++;
    }
}

static void say_together(struct story *story, const struct script *script, size_t from, size_t to)
{
    struct together_call calls[MAX_TOGETHER];
    const char *head = script->statements[from].text;
    (void)take_word(&head);
    int times = *head == '\0' ? 1 : atoi(head);
    int count = 0;
    size_t at = from + 1;
    for (; at < to && strcmp(script->statements[at].text, "expect") != 0; at++) {
        for (int i = 0; i < times; i++) {
            json_object_set_new(story->variables, "i", json_integer(i + 1));
            stand_at(story, &script->statements[at]);
            if (count == MAX_TOGETHER) {
                story_fail(story, "at most %d calls together", MAX_TOGETHER);
            }
            calls[count++] = read_call(story, script->statements[at].text);
        }
    }
    http_together(story, calls, count);
    for (int i = 0; i < count; i++) {
        check_reply(story, calls[i].path, &calls[i].reply);
        story_answered(story, "rest", calls[i].path, calls[i].reply.status, calls[i].body,
                       calls[i].reply.json);
        if (calls[i].reply.status == 200) {
            story_reached(story, calls[i].method, calls[i].path);
        }
    }
    for (at++; at < to; at++) {
        stand_at(story, &script->statements[at]);
        expect_among(story, script->statements[at].text, calls, count);
    }
    for (int i = 0; i < count; i++) {
        if (calls[i].reply.status != 0) {
            story_fail(story, "an answer that was not expected: %d %s", calls[i].reply.status,
                       calls[i].reply.body);
        }
    }
}

static void run(struct story *story, const struct script *script, size_t from, size_t to);

/* repeat N [as i]: {i} counts from 1. */
static void say_repeat(struct story *story, const struct script *script, size_t from, size_t to)
{
    const char *head = script->statements[from].text;
    (void)take_word(&head);
    int times = atoi(expand_plain(story, take_word(&head)));
    const char *name = take_if(&head, "as") ? head : "i";
    for (int i = 1; i <= times; i++) {
        json_object_set_new(story->variables, name, json_integer(i));
        run(story, script, from + 1, to);
    }
}

static void run(struct story *story, const struct script *script, size_t from, size_t to)
{
    static char *last_request;
    for (size_t at = from; at < to; at++) {
        const char *text = script->statements[at].text;
        const char *rest = text;
        stand_at(story, &script->statements[at]);
        ws_pump(story, 0);
        if (take_if(&rest, "repeat") || take_if(&rest, "together")) {
            size_t end = find_end(story, script, at);
            (*text == 'r' ? say_repeat : say_together)(story, script, at, end);
            at = end;
        } else if (take_if(&rest, "eventually")) {
            say_eventually(story, rest, last_request);
        } else if (!say_statement(story, text, &last_request)) {
            story_fail(story, "this statement is not known: %s", text);
        }
    }
}

/* ---- a story, and all of them ---- */

static void remove_directory(const char *path)
{
    DIR *directory = opendir(path);
    struct dirent *entry;
    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        if (entry->d_name[0] != '.') {
            unlink(text_printf("%s/%s", path, entry->d_name));
        }
    }
    if (directory != NULL) {
        closedir(directory);
    }
    rmdir(path);
}

/* Whatever a story did, the record of it is whole. */
static void check_record(struct story *story)
{
    char audit[] = "audit", verify[] = "verify";
    char *words[] = {audit, verify};
    command_run(story, 0, words, ARRAY_LENGTH(words));
}

_Noreturn static void tell(const struct options *options, const char *path)
{
    static struct story story;
    char *arguments[MAX_SERVER_WORDS + 1] = {0}, *environment[MAX_SERVER_WORDS + 1] = {0};
    int64_t started = now_ms();
    story = (struct story){.options = options,
                           .path = path,
                           .deadline_ms = DEADLINE_MS,
                           .node_count = 1,
                           .raw = -1,
                           .variables = json_object(),
                           .secrets = json_array(),
                           .seen_seq = json_object(),
                           .server_arguments = arguments,
                           .server_environment = environment};
    alarm(STORY_SECONDS);
    story.actor = story_actor(&story, "someone");
    struct script script = {0};
    read_script(&story, path, &script);
    run(&story, &script, 0, script.header);
    nodes_prepare(&story);
    for (int i = 0; i < story.node_count; i++) {
        node_start(&story, i);
    }
    run(&story, &script, script.header, script.count);
    for (int i = 0; i < story.node_count; i++) {
        if (story.nodes[i].pid > 0) {
            node_stop(&story, i);
        }
    }
    nodes_check_logs(&story);
    check_record(&story);
    remove_directory(story.directory);
    printf("ok   %s (%d expectations, %lld ms)\n", path, story.expectations,
           (long long)(now_ms() - started));
    fflush(stdout);
    _exit(0);
}

static bool tell_in_child(const struct options *options, const char *path)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        tell(options, path);
    }
    waitpid(child, &status, 0);
    if (WIFSIGNALED(status)) {
        printf("FAIL %s\n  ended by signal %d%s\n", path, WTERMSIG(status),
               WTERMSIG(status) == SIGALRM ? ": it took too long" : "");
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static const char *absolute(const char *path)
{
    char *resolved = path == NULL ? NULL : realpath(path, NULL);
    if (resolved == NULL) {
        fprintf(stderr, "talk: --server %s: %s\n", path == NULL ? "is missing" : path,
                strerror(errno));
        exit(2);
    }
    return resolved;
}

int main(int argument_count, char **arguments)
{
    static const struct option known[] = {{"server", required_argument, NULL, 's'},
                                          {"store", required_argument, NULL, 'd'},
                                          {"bus", required_argument, NULL, 'b'},
                                          {"coverage", required_argument, NULL, 'c'},
                                          {"answers", required_argument, NULL, 'a'},
                                          {"verbose", no_argument, NULL, 'v'},
                                          {NULL, 0, NULL, 0}};
    struct options options = {.store = "sqlite:", .bus = "local:"};
    int passed = 0, failed = 0, choice;
    while ((choice = getopt_long(argument_count, arguments, "v", known, NULL)) != -1) {
        switch (choice) {
        case 's':
            options.server = optarg;
            break;
        case 'd':
            options.store = optarg;
            break;
        case 'b':
            options.bus = optarg;
            break;
        case 'c':
            options.coverage = optarg;
            break;
        case 'a':
            options.answers = optarg;
            break;
        case 'v':
            options.verbose = true;
            break;
        default:
            return 2;
        }
    }
    options.server = absolute(options.server);
    signal(SIGPIPE, SIG_IGN);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = optind; i < argument_count; i++) {
        *(tell_in_child(&options, arguments[i]) ? &passed : &failed) += 1;
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed == 0 ? 0 : 1;
}
