/* The servers of a story: started on free ports of 127.0.0.1, stopped, killed, frozen.
 *
 * A server is told everything by flags and environment, works in the story's own temporary
 * directory and dies with the runner (PR_SET_PDEATHSIG). Its standard output is a pipe: the line
 * "listening on http://127.0.0.1:PORT" says that it is ready, and the end of the pipe says that
 * it is gone, so that nothing here has to sleep and look again.
 *
 * The clock is a file of 8 bytes that all nodes map: milliseconds added to their clocks. */
#include "talk.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { START_MS = 60000, STOP_MS = 10000, LOG_LINES = 40 };

static void random_hex(char *hex, size_t bytes)
{
    unsigned char raw[64];
    if (bytes > sizeof raw || getrandom(raw, bytes, 0) != (ssize_t)bytes) {
        abort();
    }
    for (size_t i = 0; i < bytes; i++) {
        snprintf(hex + 2 * i, 3, "%02x", (unsigned)raw[i]);
    }
}

static void make_clock(struct story *story)
{
    char *path = text_printf("%s/clock", story->directory);
    int file = open(path, O_RDWR | O_CREAT, 0600);
    if (file < 0 || ftruncate(file, sizeof *story->clock) != 0) {
        story_fail(story, "cannot make %s: %s", path, strerror(errno));
    }
    void *mapped = mmap(NULL, sizeof *story->clock, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (mapped == MAP_FAILED) {
        story_fail(story, "cannot map %s: %s", path, strerror(errno));
    }
    story->clock = mapped;
    close(file);
    setenv("CONSULTD_TEST_CLOCK_FILE", path, 1);
}

/* A fresh database for the story: a file for SQLite, a name of its own for MongoDB. */
static char *fresh_store(struct story *story)
{
    const char *url = story->options->store;
    if (strncmp(url, "mongodb", 7) != 0) {
        return text_printf("sqlite:%s/store.db", story->directory);
    }
    const char *query = strchr(url, '?');
    size_t base = query != NULL ? (size_t)(query - url) : strlen(url);
    while (base > 0 && url[base - 1] == '/') {
        base--;
    }
    const char *name = getenv("CONSULTD_TEST_DATABASE"); /* of whoever drops it after */
    return text_printf("%.*s/%s%s%s", (int)base, url, name != NULL ? name : "consultd_talk_",
                       name != NULL ? "" : story->unique, query != NULL ? query : "");
}

/* Names of its own in Redis: demo accounts have the same ids in every story. */
static char *fresh_bus(struct story *story)
{
    const char *url = story->options->bus;
    return strncmp(url, "redis://", 8) == 0 ? text_printf("%s/%s", url, story->unique)
                                            : text_printf("%s", url);
}

void nodes_prepare(struct story *story)
{
    char unique[17];
    random_hex(unique, 8);
    story->unique = text_printf("%s", unique);
    json_object_set_new(story->variables, "unique", json_string(unique));
    const char *tmp = getenv("TMPDIR");
    story->directory = text_printf("%s/talk-XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (mkdtemp(story->directory) == NULL) {
        story_fail(story, "cannot make %s: %s", story->directory, strerror(errno));
    }
    make_clock(story);
    story->store_url = fresh_store(story);
    story->bus_url = fresh_bus(story);
    /* One key for all nodes and restarts, so that a token outlives its node. */
    char key[65];
    random_hex(key, 32);
    setenv("CONSULTD_TOKEN_KEYS", key, 1);
    for (int i = 0; i < story->node_count; i++) {
        story->nodes[i].log_path = text_printf("%s/node%d.log", story->directory, i + 1);
        story->nodes[i].output = -1;
    }
}

static void run_server(struct story *story, struct node *node, int output)
{
    static const char *fixed[] = {"--demo", "--listen", "127.0.0.1:0", "--store",
                                  NULL,     "--bus",    NULL};
    char *arguments[64] = {(char *)(uintptr_t)story->options->server};
    size_t count = 1;
    fixed[4] = story->store_url;
    fixed[6] = node->is_apart ? text_printf("%s-apart", story->bus_url) : story->bus_url;
    for (size_t i = 0; i < ARRAY_LENGTH(fixed); i++) {
        arguments[count++] = (char *)(uintptr_t)fixed[i];
    }
    for (size_t i = 0; story->server_arguments[i] != NULL && count < 63; i++) {
        arguments[count++] = story->server_arguments[i];
    }
    for (size_t i = 0; story->server_environment[i] != NULL; i++) {
        putenv(story->server_environment[i]);
    }
    int log = open(node->log_path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_DFL);
    if (log < 0 || dup2(output, STDOUT_FILENO) < 0 || dup2(log, STDERR_FILENO) < 0 ||
        chdir(story->directory) != 0) {
        _exit(126);
    }
    close(output);
    close(log);
    execv(arguments[0], arguments);
    perror(arguments[0]);
    _exit(127);
}

/* Reads what the node says and adds it to its log. Returns false at its end. */
static bool drain_node(struct node *node, struct text *said)
{
    char bytes[4096];
    ssize_t got = read(node->output, bytes, sizeof bytes);
    if (got < 0) {
        return errno == EAGAIN || errno == EINTR;
    }
    FILE *log = got > 0 ? fopen(node->log_path, "a") : NULL;
    if (log != NULL) {
        fwrite(bytes, 1, (size_t)got, log);
        fclose(log);
    }
    if (said != NULL) {
        text_add(said, bytes, (size_t)got);
    }
    return got > 0;
}

void nodes_drain(struct story *story)
{
    for (int i = 0; i < story->node_count; i++) {
        if (story->nodes[i].output >= 0) {
            (void)drain_node(&story->nodes[i], NULL);
        }
    }
}

static int reap(struct node *node)
{
    int status = 0;
    waitpid(node->pid, &status, 0);
    close(node->output);
    node->output = -1;
    node->pid = 0;
    return status;
}

static char *ending(int status)
{
    return WIFSIGNALED(status) ? text_printf("signal %d", WTERMSIG(status))
                               : text_printf("exit code %d", WEXITSTATUS(status));
}

static void wait_until_ready(struct story *story, int index)
{
    static const char ready[] = "listening on http://";
    struct node *node = &story->nodes[index];
    struct text said = {0};
    text_add(&said, "", 0);
    int64_t deadline = now_ms() + START_MS;
    for (;;) {
        char *line = strstr(said.bytes, ready);
        if (line != NULL && strchr(line, '\n') != NULL) {
            char *colon = strrchr(text_copy(line, strcspn(line, "\r\n")), ':');
            node->port = atoi(colon + 1);
            return;
        }
        struct pollfd waited = {.fd = node->output, .events = POLLIN};
        int64_t left = deadline - now_ms();
        if (left <= 0 || poll(&waited, 1, (int)left) == 0) {
            story_fail(story, "node %d did not say \"%s…\" within %d s", index + 1, ready,
                       START_MS / 1000);
        }
        if (!drain_node(node, &said)) {
            story_fail(story, "node %d ended while starting: %s", index + 1, ending(reap(node)));
        }
    }
}

void node_start(struct story *story, int index)
{
    struct node *node = &story->nodes[index];
    int ends[2];
    if (node->pid != 0) {
        story_fail(story, "node %d is running already", index + 1);
    }
    if (pipe(ends) != 0) {
        story_fail(story, "pipe: %s", strerror(errno));
    }
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    node->pid = fork();
    if (node->pid == 0) {
        run_server(story, node, ends[1]);
    }
    close(ends[1]);
    node->output = ends[0];
    wait_until_ready(story, index);
    story_heard(story, "node %d listens on port %d", index + 1, node->port);
}

void node_kill(struct story *story, int index, int signal_number)
{
    struct node *node = &story->nodes[index];
    if (node->pid == 0) {
        story_fail(story, "node %d is not running", index + 1);
    }
    kill(node->pid, signal_number);
    story_heard(story, "node %d: signal %d", index + 1, signal_number);
    if (signal_number == SIGKILL) {
        (void)reap(node);
    }
}

void node_stop(struct story *story, int index)
{
    struct node *node = &story->nodes[index];
    node_kill(story, index, SIGTERM);
    int64_t deadline = now_ms() + STOP_MS;
    do {
        if (now_ms() > deadline) {
            story_fail(story, "node %d was still there %d s after SIGTERM", index + 1,
                       STOP_MS / 1000);
        }
        ws_pump(story, 10); /* a client that lives answers a close frame */
    } while (drain_node(node, NULL));
    int status = reap(node);
    story_heard(story, "node %d: %s", index + 1, ending(status));
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        story_fail(story, "node %d: expected exit code 0 after SIGTERM, got %s", index + 1,
                   ending(status));
    }
}

static char *whole_file(const char *path)
{
    struct text text = {0};
    char bytes[4096];
    size_t got;
    FILE *file = fopen(path, "r");
    text_add(&text, "", 0);
    while (file != NULL && (got = fread(bytes, 1, sizeof bytes, file)) > 0) {
        text_add(&text, bytes, got);
    }
    if (file != NULL) {
        fclose(file);
    }
    return text.bytes;
}

void nodes_check_logs(struct story *story)
{
    static const char *const alarms[] = {"Sanitizer", "runtime error:", "Assertion"};
    for (int i = 0; i < story->node_count; i++) {
        char *log = whole_file(story->nodes[i].log_path);
        for (size_t alarm = 0; alarm < ARRAY_LENGTH(alarms); alarm++) {
            if (strstr(log, alarms[alarm]) != NULL) {
                story_fail(story, "node %d's log shows \"%s\"", i + 1, alarms[alarm]);
            }
        }
        size_t index;
        json_t *secret;
        json_array_foreach(story->secrets, index, secret)
        {
            if (strstr(log, json_string_value(secret)) != NULL) {
                story_fail(story, "node %d's log shows personal data: \"%s\"", i + 1,
                           json_string_value(secret));
            }
        }
    }
}

void nodes_report(struct story *story, FILE *to)
{
    for (int i = 0; i < story->node_count; i++) {
        struct node *node = &story->nodes[i];
        if (node->log_path == NULL) {
            continue;
        }
        if (node->output >= 0) {
            (void)drain_node(node, NULL);
        }
        char *log = whole_file(node->log_path);
        size_t from = strlen(log);
        for (int lines = 0; from > 0 && lines <= LOG_LINES; from--) {
            lines += log[from - 1] == '\n';
        }
        fprintf(to, "  -- node %d, the end of its log --\n%s\n", i + 1, log + from);
    }
}

int tcp_connect(struct story *story, const char *host, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int yes = 1;
    int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host,
                  &address.sin_addr) != 1 ||
        tcp < 0 || connect(tcp, (struct sockaddr *)&address, sizeof address) != 0) {
        story_fail(story, "cannot connect to %s:%d: %s", host, port, strerror(errno));
    }
    setsockopt(tcp, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    return tcp;
}

int node_connect(struct story *story, int index)
{
    if (index >= story->node_count || story->nodes[index].pid == 0) {
        story_fail(story, "node %d is not running", index + 1);
    }
    return tcp_connect(story, "127.0.0.1", story->nodes[index].port);
}

/* redis://HOST:PORT…: sends one command in Redis's inline form and reads its one-line answer. */
void redis_command(struct story *story, const char *command)
{
    char host[64];
    int port = 6379;
    if (sscanf(story->options->bus, "redis://%63[^:/]:%d", host, &port) < 1) {
        story_fail(story, "`redis` needs a Redis bus");
    }
    int tcp = tcp_connect(story, host, port);
    char *line = text_printf("%s\r\n", command);
    char answer[256] = "";
    struct pollfd waited = {.fd = tcp, .events = POLLIN};
    if (write(tcp, line, strlen(line)) < 0 || poll(&waited, 1, story->deadline_ms) != 1 ||
        read(tcp, answer, sizeof answer - 1) <= 0 || answer[0] == '-') {
        story_fail(story, "Redis refused \"%s\": %s", command, answer);
    }
    story_heard(story, "redis %s: %.*s", command, (int)strcspn(answer, "\r\n"), answer);
    close(tcp);
}
