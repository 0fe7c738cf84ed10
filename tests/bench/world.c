/* `prepare`: what the other modes need of a consultd, made through its API as apps would: for each
 * pair a user with a patient, and a paid order with a doctor of its own. Written to a file, a line
 * each, with which any number of runs on the same store can be made while the tokens last:
 *
 *   pair USER-TOKEN DOCTOR-TOKEN CHAT ORDER
 *   user TOKEN */
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bench.h"
#include "tests/bench/http.h"

#define ID_BYTES 25
#define TOKEN_BYTES 512
#define BODY_BYTES 1024
#define LINE_BYTES 2048

/* ---- The file ------------------------------------------------------------------------------ */

static char *word_copy(const char *word)
{
    char *copy = must_allocate(strlen(word) + 1);
    strcpy(copy, word);
    return copy;
}

static void *one_more(void *array, size_t count, size_t bytes)
{
    void *grown = realloc(array, (count + 1) * bytes);
    if (grown == NULL) {
        give_up("no memory");
    }
    return grown;
}

static void take_line(struct world *world, char *line)
{
    char *rest = NULL;
    char *words[5] = {NULL};
    words[0] = strtok_r(line, " \n", &rest);
    for (size_t i = 1; i < ARRAY_LENGTH(words) && words[i - 1] != NULL; i++) {
        words[i] = strtok_r(NULL, " \n", &rest);
    }
    if (words[4] != NULL && strcmp(words[0], "pair") == 0) {
        world->pairs = one_more(world->pairs, world->pair_count, sizeof *world->pairs);
        world->pairs[world->pair_count++] = (struct world_pair){
            word_copy(words[1]), word_copy(words[2]), word_copy(words[3]), word_copy(words[4])};
    } else if (words[1] != NULL && strcmp(words[0], "user") == 0) {
        world->users = one_more(world->users, world->user_count, sizeof *world->users);
        world->users[world->user_count++] = word_copy(words[1]);
    }
}

struct world *world_read(const char *path, size_t pairs)
{
    if (path == NULL) {
        give_up("--world FILE is needed, as `prepare` has written it");
    }
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        give_up("%s cannot be read", path);
    }
    struct world *world = must_allocate(sizeof *world);
    char line[LINE_BYTES];
    while (fgets(line, sizeof line, file) != NULL) {
        take_line(world, line);
    }
    fclose(file);
    if (world->pair_count < pairs) {
        give_up("%s has %zu pairs, fewer than needed", path, world->pair_count);
    }
    return world;
}

void world_free(struct world *world)
{
    for (size_t i = 0; i < world->pair_count; i++) {
        struct world_pair *pair = &world->pairs[i];
        free(pair->user_token);
        free(pair->doctor_token);
        free(pair->chat);
        free(pair->order);
    }
    for (size_t i = 0; i < world->user_count; i++) {
        free(world->users[i]);
    }
    free(world->pairs);
    free(world->users);
    free(world);
}

/* ---- Making it ----------------------------------------------------------------------------- */

/* What is being made on one connection. */
struct maker {
    struct http http;
    struct making *making;
    size_t number; /* of the pair; from pair_count on: of a user alone */
    size_t step;
    char user[ID_BYTES], patient[ID_BYTES], order[ID_BYTES], chat[ID_BYTES], trade[64];
    char token[TOKEN_BYTES];
};

struct making {
    const struct options *options;
    FILE *file;
    char **doctors; /* their tokens */
    size_t pairs, all, begun, done;
};

/* Copies the text that is the value of the first such key. */
static void pick(const char *body, size_t length, const char *key, char *out, size_t room)
{
    char wanted[64];
    snprintf(wanted, sizeof wanted, "\"%s\":\"", key);
    const char *at = find(body, length, wanted);
    const char *end = NULL;
    if (at != NULL) {
        at += strlen(wanted);
        end = memchr(at, '"', (size_t)(body + length - at));
    }
    if (end == NULL || (size_t)(end - at) >= room) {
        give_up("no %s in %.*s", key, (int)length, body);
    }
    memcpy(out, at, (size_t)(end - at));
    out[end - at] = '\0';
}

static void ask_signup(const struct maker *maker, char body[BODY_BYTES])
{
    snprintf(body, BODY_BYTES, "{\"openId\":\"bench-%06zu\"}", maker->number);
}

static void hear_nothing(struct maker *maker, const char *body, size_t length)
{
    (void)maker;
    (void)body;
    (void)length;
}

static void hear_signin(struct maker *maker, const char *body, size_t length)
{
    pick(body, length, "token", maker->token, sizeof maker->token);
    pick(body, length, "userId", maker->user, sizeof maker->user);
}

static void ask_patient(const struct maker *maker, char body[BODY_BYTES])
{
    snprintf(
        body, BODY_BYTES,
        "{\"userId\":\"%s\",\"name\":\"虚构病人\",\"phone\":\"13900000000\",\"certificateType\":"
        "\"05\",\"certificateNo\":\"P0000001\",\"birthday\":\"1990-02-28\",\"sex\":1}",
        maker->user);
}

static void hear_patient(struct maker *maker, const char *body, size_t length)
{
    pick(body, length, "id", maker->patient, sizeof maker->patient);
}

static void ask_order(const struct maker *maker, char body[BODY_BYTES])
{
    char doctor[ID_BYTES];
    doctor_id(maker->number, doctor);
    snprintf(body, BODY_BYTES,
             "{\"patientId\":\"%s\",\"doctorId\":\"%s\",\"content\":\"咳嗽三天\","
             "\"consultationReason\":\"在线复诊\"}",
             maker->patient, doctor);
}

static void hear_order(struct maker *maker, const char *body, size_t length)
{
    pick(body, length, "id", maker->order, sizeof maker->order);
    pick(body, length, "chatId", maker->chat, sizeof maker->chat);
}

static void ask_payment(const struct maker *maker, char body[BODY_BYTES])
{
    snprintf(body, BODY_BYTES, "{\"consultationId\":\"%s\"}", maker->order);
}

static void hear_payment(struct maker *maker, const char *body, size_t length)
{
    pick(body, length, "outTradeNo", maker->trade, sizeof maker->trade);
}

static void ask_pay(const struct maker *maker, char body[BODY_BYTES])
{
    snprintf(body, BODY_BYTES, "{\"outTradeNo\":\"%s\"}", maker->trade);
}

static const struct step {
    const char *path;
    void (*ask)(const struct maker *maker, char body[BODY_BYTES]);
    void (*hear)(struct maker *maker, const char *body, size_t length);
} steps[] = {
    {"/api/user/signup", ask_signup, hear_nothing},
    {"/api/user/signin", ask_signup, hear_signin},
    {"/api/patient/create", ask_patient, hear_patient},
    {"/consultation/create", ask_order, hear_order},
    {"/consultation/payment/create", ask_payment, hear_payment},
    {"/consultation/payment/sandbox/pay", ask_pay, hear_nothing},
};
#define STEPS_OF_USER 2 /* that are for a user alone */

static void ask(struct maker *maker)
{
    char body[BODY_BYTES];
    const struct step *step = &steps[maker->step];
    step->ask(maker, body);
    http_post(&maker->http, step->path, maker->step < STEPS_OF_USER ? NULL : maker->token, body);
}

static void begin_next(struct http *http)
{
    struct maker *maker = http->owner;
    struct making *making = maker->making;
    if (making->begun < making->all) {
        maker->number = making->begun++;
        maker->step = 0;
        ask(maker);
    }
}

static void write_line(struct making *making, const struct maker *maker)
{
    if (maker->number < making->pairs) {
        fprintf(making->file, "pair %s %s %s %s\n", maker->token, making->doctors[maker->number],
                maker->chat, maker->order);
    } else {
        fprintf(making->file, "user %s\n", maker->token);
    }
}

static void go_on(struct http *http, int status, const char *body, size_t length)
{
    struct maker *maker = http->owner;
    struct making *making = maker->making;
    if (status != 200) {
        give_up("%s: %d %.*s", steps[maker->step].path, status, (int)length, body);
    }
    steps[maker->step].hear(maker, body, length);
    maker->step++;
    if (maker->step < (maker->number < making->pairs ? ARRAY_LENGTH(steps) : STEPS_OF_USER)) {
        ask(maker);
        return;
    }
    write_line(making, maker);
    making->done++;
    begin_next(http);
}

static void make_all(struct making *making, size_t connections)
{
    struct wire *wire = wire_new();
    struct maker *makers = must_allocate(connections * sizeof *makers);
    for (size_t i = 0; i < connections; i++) {
        struct maker *maker = &makers[i];
        maker->making = making;
        maker->http.target = &making->options->targets[0];
        maker->http.owner = maker;
        maker->http.connected = begin_next;
        maker->http.answered = go_on;
        http_open(&maker->http, wire);
    }
    while (making->done < making->all) {
        wire_turn(wire, now_ns() + NS_PER_SECOND);
    }
    for (size_t i = 0; i < connections; i++) {
        link_close(&makers[i].http.link);
        link_free(&makers[i].http.link);
    }
    free(makers);
    wire_free(wire);
}

void mode_prepare(const struct options *options, struct report *report)
{
    if (options->store == NULL || options->world_path == NULL) {
        give_up("prepare needs --store URL, as the server has it, and --world FILE to write");
    }
    struct making making = {.options = options,
                            .pairs = (size_t)options->pairs,
                            .all = (size_t)options->pairs + (size_t)options->users};
    int64_t began_ns = now_ns();
    making.doctors = must_allocate(making.pairs * sizeof(char *));
    doctors_make(options->store, making.pairs, making.doctors);
    making.file = fopen(options->world_path, "w");
    if (making.file == NULL) {
        give_up("%s cannot be written", options->world_path);
    }
    make_all(&making, (size_t)options->connections);
    if (fclose(making.file) != 0) {
        give_up("%s could not be written", options->world_path);
    }
    for (size_t i = 0; i < making.pairs; i++) {
        free(making.doctors[i]);
    }
    free(making.doctors);
    if (options->messages > 0) {
        struct world *world = world_read(options->world_path, 1);
        rest_fill(options, world, (size_t)options->messages);
        world_free(world);
    }
    report_number(report, "pairs", options->pairs);
    report_number(report, "users", options->users);
    report_number(report, "messages", options->messages);
    report_number(report, "seconds", (double)(now_ns() - began_ns) / (double)NS_PER_SECOND);
}
