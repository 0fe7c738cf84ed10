/* Single-threaded. What the parts of the transcript runner share; talk.c has the whole picture.
 *
 * A story is told by a process of its own that ends with it, so nothing here is freed: memory
 * lives as long as the story. Whatever goes wrong ends in story_fail(), which reports and exits. */
#ifndef CONSULTD_TESTS_TALK_H
#define CONSULTD_TESTS_TALK_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "protocol/base.h"

enum {
    MAX_NODES = 4,
    MAX_ACTORS = 32,
    MAX_SOCKETS = 32,
    MAX_TOGETHER = 128,
    MAX_SERVER_WORDS = 32,
    MAX_EXCHANGES = 30
};

/* A growing string, always terminated. */
struct text {
    char *bytes;
    size_t length;
    size_t room;
};

/* One server process. */
struct node {
    pid_t pid;  /* 0 while it does not run */
    int output; /* reading end of its standard output, -1 while it does not run */
    int port;
    char *log_path; /* its standard error and output */
    bool is_apart;  /* its bus has channels of other names */
};

/* Who speaks: the token of the last sign-in and the node spoken to. */
struct actor {
    const char *name;
    char *token; /* NULL: none */
    int node;    /* 0-based */
    void *curl;  /* its kept-alive HTTP session, made at the first request */
};

/* One HTTP answer, by libcurl or read from a raw connection. */
struct reply {
    int status; /* 0: none yet */
    char *headers;
    char *body;
    size_t body_length;
    json_t *json; /* NULL if the body is not JSON */
};

struct options {
    const char *server;
    const char *store;
    const char *bus;
    const char *coverage; /* NULL: do not write which endpoints were reached */
    const char *answers;  /* NULL: do not write what was answered */
    bool verbose;
};

struct story {
    const struct options *options;
    const char *path; /* the .talk file */
    int line;         /* 1-based line of the statement being carried out */
    char *directory;  /* temporary: store, clock, logs, the servers' working directory */
    char *unique;     /* differs in every run */
    char *store_url;
    char *bus_url;
    int64_t *clock; /* the file that CONSULTD_TEST_CLOCK_FILE names */
    int deadline_ms;
    int expectations; /* how many were met */

    json_t *variables;
    json_t *secrets;  /* array of strings that no log may show */
    json_t *seen_seq; /* socket and chat -> newest seq; see talk_check.c */

    int node_count;
    struct node nodes[MAX_NODES];
    char **server_arguments; /* NULL-terminated, from `server --…` */
    char **server_environment;

    int actor_count;
    struct actor actors[MAX_ACTORS];
    struct actor *actor; /* who speaks now */
    struct text headers; /* lines for the next request only */
    struct reply reply;  /* the last one */
    int raw;             /* the raw connection, -1: none */
    struct text raw_input;

    int socket_count;
    struct ws *sockets[MAX_SOCKETS];

    char *exchanges[MAX_EXCHANGES]; /* ring of what was said, for the report */
    size_t exchange_count;
};

/* ---- talk.c ---- */

/* Ends the story: where, what, the last exchanges, the servers' logs. Never returns. */
_Noreturn void story_fail(struct story *story, const char *format, ...) PRINTF_LIKE(2, 3);

/* Remembers one line of what was said, for story_fail. Long lines are cut. */
void story_heard(struct story *story, const char *format, ...) PRINTF_LIKE(2, 3);

/* Milliseconds of the monotonic clock. */
int64_t now_ms(void);

/* Appends to the coverage file that "METHOD /path" was reached and answered 200. */
void story_reached(struct story *story, const char *method, const char *path);

/* Appends a line to the answers file: what was asked and answered, for tests/documents. `way` is
 * "rest" or "socket"; `path` the path or call, NULL for an event; `sent` NULL: nothing that is
 * JSON. `answer` is borrowed. */
void story_answered(struct story *story, const char *way, const char *path, int status,
                    const char *sent, json_t *answer);

/* ---- talk_command.c ---- */

/* command EXITCODE WORDS…: a subcommand of the program on the story's store. */
void say_command(struct story *story, const char *at);
/* read PATH: a file in the story's folder becomes the reply. */
void say_read(struct story *story, const char *at);
/* The same as say_command, with the words apart. */
void command_run(struct story *story, int expected, char **words, size_t count);

/* ---- talk_say.c: the statements ---- */

/* Carries out a statement that is no block. Returns false if its first word is not known. A
 * request is kept in *last_request, for say_eventually. */
bool say_statement(struct story *story, const char *statement, char **last_request);

/* eventually STATUS PATTERN: the last request again and again until it answers so. */
void say_eventually(struct story *story, const char *at, const char *last_request);

/* Finds or makes the actor of that name (the part before a dot). */
struct actor *story_actor(struct story *story, const char *name);

/* Takes the number of a node off *at; 0-based. */
int take_node(struct story *story, const char **at);

/* ---- talk_text.c: strings, variables, substitution ---- */

void text_add(struct text *text, const char *bytes, size_t length);
void text_addf(struct text *text, const char *format, ...) PRINTF_LIKE(2, 3);
char *text_copy(const char *bytes, size_t length);
char *text_printf(const char *format, ...) PRINTF_LIKE(1, 2);

/* Moves past blanks (and line ends). */
const char *skip_blanks(const char *at);

/* Takes the next word (up to a blank) off *at; "" at the end. */
char *take_word(const char **at);

/* Takes `word` off *at if it is the next one. */
bool take_if(const char **at, const char *word);

/* Takes "a quoted string" off *at, undoing \n \r \t \0 \\ \" \xHH \uHHHH; its length through
 * `length` when that is not NULL. References are replaced after that. Fails on anything else. */
char *take_quoted(struct story *story, const char **at, size_t *length);

/* Replaces {name}, {name+1}, {3 x text}, {idno DIGITS} and {b64url name} in a JSON text: as JSON
 * outside strings, as escaped text inside. */
char *expand_json(struct story *story, const char *json);

/* The same in a plain text. */
char *expand_plain(struct story *story, const char *plain);

/* If a reference starts at `at` ('{'), returns its value (new) and where it ends; else NULL. */
json_t *take_reference(struct story *story, const char *at, const char **end);

/* Fails when there is no such variable; borrowed. */
json_t *variable(struct story *story, const char *name);

/* ---- talk_pattern.c ---- */

/* Matches `value` (NULL: absent) with the pattern text. On success variables are bound and NULL
 * is returned; otherwise a sentence that says where and why not, and nothing is bound. The
 * pattern's end is given through `end` when it is not NULL; else text after it is an error. */
char *pattern_mismatch(struct story *story, const char *pattern, json_t *value, const char **end);

/* ---- talk_node.c: server processes, clock, bus ---- */

void nodes_prepare(struct story *story);
void node_start(struct story *story, int index);
void node_stop(struct story *story, int index); /* SIGTERM; must exit 0 in 10 s */
void node_kill(struct story *story, int index, int signal_number);
void nodes_check_logs(struct story *story);
void nodes_report(struct story *story, FILE *to); /* the ends of the logs */
void nodes_drain(struct story *story);            /* moves their standard output to the logs */
void redis_command(struct story *story, const char *command);

/* Connects to a node, or to a host and port; a connected blocking socket. */
int node_connect(struct story *story, int index);
int tcp_connect(struct story *story, const char *host, int port);

/* ---- talk_http.c ---- */

/* Sends a request of the current actor and leaves the answer in story->reply. */
void http_request(struct story *story, const char *method, const char *path, const char *body,
                  size_t body_length);

/* One line of a `together` block. */
struct together_call {
    struct actor actor;
    char *method, *path, *body;
    struct reply reply;
};

/* Sends all calls at once, each on a connection of its own, and waits for all answers. */
void http_together(struct story *story, struct together_call *calls, int count);

/* Compares a reply with a status and, unless empty, a pattern; NULL or why not. */
char *reply_mismatch(struct story *story, const struct reply *reply, int status,
                     const char *pattern);

/* The value of a header (new), NULL if it was not sent. */
char *reply_header(const struct reply *reply, const char *name);

/* Reads one HTTP answer from the raw connection into story->reply. */
void raw_read_reply(struct story *story);

/* Waits until the server ends the raw connection. */
void raw_expect_closed(struct story *story);

/* ---- talk_ws.c ---- */

/* Carries out the rest of a line that starts with `ws`. */
void ws_statement(struct story *story, const char *at);

/* Reads what has arrived on all sockets, waiting at most `wait_ms` for something. */
void ws_pump(struct story *story, int wait_ms);

/* ---- talk_check.c: what must hold of every answer and event, whatever the story ---- */

void check_reply(struct story *story, const char *path, const struct reply *reply);
void check_answer(struct story *story, json_t *answer);
/* The answer's code as a number; contract 1 has it as a text in three places. */
int code_of(json_t *answer);

void check_event(struct story *story, const char *socket_name, json_t *event);
void check_forget_socket(struct story *story, const char *socket_name);

/* Notes the personal data in a request, so that no log may show it. */
void check_note_secrets(struct story *story, const char *json_text);
void check_note_secret(struct story *story, const char *secret);

#endif
