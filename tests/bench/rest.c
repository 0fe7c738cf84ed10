/* `rest-send` and `rest-list`: kept-alive connections, each with one request under way.
 *
 * consultd is asked for what an app asks for: a message sent as its patient (8.5), or the newest
 * ten of the first pair's chat (8.4), which `prepare --messages` has filled. Other dialects are
 * sent the same bytes to --path and answer what they like, a constant, say. */
#include "tests/bench/bench.h"

#include <stdlib.h>
#include <string.h>

#include "tests/bench/form.h"
#include "tests/bench/http.h"

#define BODY_BYTES 4096
#define SEND_PATH "/api/consultation/chat/message/create"
#define LIST_PATH "/api/chat/message/list"

struct rest;

/* A connection. */
struct caller {
    struct http http;
    struct rest *rest;
    struct world_pair *pair;
    uint32_t number, asked;
    int64_t began_ns;
};

struct rest {
    const struct options *options;
    const char *path;
    void (*ask)(const struct caller *caller, char body[BODY_BYTES]);
    struct caller *callers; /* owned */
    size_t caller_count;
    uint32_t run;
    uint64_t left;  /* to be asked */
    size_t waiting; /* for an answer */
    double answered, refused, answer_bytes;
    int64_t from_ns, to_ns; /* what is measured */
    struct histogram times;
};

static void ask_send(const struct caller *caller, char body[BODY_BYTES])
{
    char text[BODY_BYTES / 2];
    marked_text(caller->rest->run, caller->number, (size_t)caller->rest->options->text, text);
    snprintf(body, BODY_BYTES,
             "{\"chatId\":\"%s\",\"consultationId\":\"%s\",\"type\":\"01\",\"text\":\"%s\","
             "\"direction\":\"user->doctor\",\"clientMsgId\":\"%u-%u-%u\"}",
             caller->pair->chat, caller->pair->order, text, caller->rest->run, caller->number,
             caller->asked);
}

static void ask_list(const struct caller *caller, char body[BODY_BYTES])
{
    snprintf(body, BODY_BYTES, "{\"chatId\":\"%s\",\"limit\":10}", caller->pair->chat);
}

static void ask_next(struct http *http)
{
    struct caller *caller = http->owner;
    struct rest *rest = caller->rest;
    char body[BODY_BYTES];
    if (rest->left == 0) {
        return;
    }
    rest->left--;
    rest->waiting++;
    rest->ask(caller, body);
    caller->asked++;
    caller->began_ns = now_ns();
    http_post(http, rest->path, caller->pair->user_token, body);
}

static void hear(struct http *http, int status, const char *body, size_t length)
{
    struct caller *caller = http->owner;
    struct rest *rest = caller->rest;
    rest->waiting--;
    if (status != 200) {
        if (rest->refused++ == 0) {
            fprintf(stderr, "consultd-bench: %d %.*s\n", status, (int)length, body);
        }
    } else {
        rest->answered++;
        rest->answer_bytes = (double)length;
    }
    if (caller->began_ns >= rest->from_ns && caller->began_ns < rest->to_ns) {
        histogram_add(&rest->times, now_ns() - caller->began_ns);
    }
    ask_next(http);
}

static void callers_open(struct rest *rest, struct wire *wire, const struct world *world,
                         size_t pair_count)
{
    static char no_id[] = "000000000000000000000000";
    static struct world_pair nobody = {.user_token = NULL, .chat = no_id, .order = no_id};
    rest->caller_count = (size_t)rest->options->connections;
    rest->callers = must_allocate(rest->caller_count * sizeof *rest->callers);
    rest->run = run_number();
    for (size_t i = 0; i < rest->caller_count; i++) {
        struct caller *caller = &rest->callers[i];
        caller->rest = rest;
        caller->number = (uint32_t)i;
        caller->pair = world != NULL ? &world->pairs[i % pair_count] : &nobody;
        caller->http.owner = caller;
        caller->http.target = &rest->options->targets[0];
        caller->http.connected = ask_next;
        caller->http.answered = hear;
        http_open(&caller->http, wire);
    }
}

/* Waits for what is under way. */
static void callers_close(struct rest *rest, struct wire *wire)
{
    int64_t deadline_ns = now_ns() + DRAIN_SECONDS * NS_PER_SECOND;
    rest->left = 0;
    while (rest->waiting > 0 && now_ns() < deadline_ns) {
        wire_turn(wire, deadline_ns);
    }
    for (size_t i = 0; i < rest->caller_count; i++) {
        link_close(&rest->callers[i].http.link);
        link_free(&rest->callers[i].http.link);
    }
    free(rest->callers);
}

void rest_fill(const struct options *options, const struct world *world, size_t messages)
{
    struct rest rest = {
        .options = options, .path = SEND_PATH, .ask = ask_send, .left = messages, .to_ns = 0};
    struct wire *wire = wire_new();
    callers_open(&rest, wire, world, 1);
    while (rest.left > 0) {
        wire_turn(wire, now_ns() + NS_PER_SECOND);
    }
    callers_close(&rest, wire);
    wire_free(wire);
    if (rest.answered < (double)messages) {
        give_up("only %.0f of %zu messages were sent", rest.answered, messages);
    }
}

static void run_until(struct wire *wire, int64_t until_ns)
{
    while (now_ns() < until_ns) {
        wire_turn(wire, until_ns);
    }
}

static void measure(struct rest *rest, struct report *report, size_t pair_count)
{
    const struct options *options = rest->options;
    struct world *world =
        options->dialect->needs_world ? world_read(options->world_path, pair_count) : NULL;
    struct wire *wire = wire_new();
    rest->left = UINT64_MAX;
    rest->from_ns = now_ns() + ns_of(options->warmup);
    rest->to_ns = rest->from_ns + ns_of(options->seconds);
    if (world == NULL) {
        rest->path = options->path;
    }
    callers_open(rest, wire, world, pair_count);
    run_until(wire, rest->from_ns);
    const struct usage from = usage_now(options);
    const double before = rest->answered;
    run_until(wire, rest->to_ns);
    const struct usage to = usage_now(options);
    const double done = rest->answered - before;
    callers_close(rest, wire);
    report_number(report, "connections", (double)rest->caller_count);
    report_number(report, "requests_per_s",
                  done * (double)NS_PER_SECOND / (double)(to.at_ns - from.at_ns));
    report_times(report, "answer", &rest->times);
    report_number(report, "answer_bytes", rest->answer_bytes);
    report_number(report, "answered", rest->answered);
    report_number(report, "refused", rest->refused);
    report_number(report, "unanswered", (double)rest->waiting);
    report_usage(report, &from, &to, done);
    wire_free(wire);
    if (world != NULL) {
        world_free(world);
    }
}

void mode_rest_send(const struct options *options, struct report *report)
{
    struct rest rest = {.options = options, .path = SEND_PATH, .ask = ask_send};
    measure(&rest, report, (size_t)options->pairs);
}

void mode_rest_list(const struct options *options, struct report *report)
{
    struct rest rest = {.options = options, .path = LIST_PATH, .ask = ask_list};
    measure(&rest, report, 1);
}
