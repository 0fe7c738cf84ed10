/* Single-threaded. What the modes of the load client share; main.c has the list of them. */
#ifndef CONSULTD_BENCH_H
#define CONSULTD_BENCH_H

#include <stdio.h>

#include "tests/bench/dialect.h"
#include "tests/bench/histogram.h"

#define TARGETS_MOST 2
#define PIDS_MOST 4
#define DRAIN_SECONDS 60 /* the longest wait for what is under way */

struct options {
    const char *mode;
    const struct dialect *dialect;
    struct target targets[TARGETS_MOST]; /* of senders, and of receivers */
    size_t target_count;
    int pids[PIDS_MOST]; /* of the server: whose CPU time and memory are told */
    size_t pid_count;
    const char *world_path, *store, *path;
    bool as_json;
#define NUMBER_OPTION(name, word, value, least, most, help) double name;
#include "tests/bench/options.def"
#undef NUMBER_OPTION
};

/* Accounts of the server under test, as `prepare` has written them; see world.c. */
struct world_pair {
    char *user_token, *doctor_token, *chat, *order;
};
struct world {
    struct world_pair *pairs;
    size_t pair_count;
    char **users; /* tokens of users that belong to no pair */
    size_t user_count;
};

/* ---- main.c ---- */

/* Processor seconds since some beginning, of ourselves and of the server. */
struct usage {
    int64_t at_ns;
    double own, server;
    double each[PIDS_MOST]; /* of the server's processes */
    size_t pid_count;
};
struct usage usage_now(const struct options *options);

/* Resident KiB of the server; 0: not known. */
double server_memory(const struct options *options);

/* What a mode has found: printed as one line, and as one JSON object with --json. */
struct report;
void report_number(struct report *report, const char *name, double value);
/* `name`_p50_us, _p99_us, _p999_us and _max_us. */
void report_times(struct report *report, const char *name, const struct histogram *times);
/* Processor time between the two, also of each --pid in turn; `done`: how much was done meanwhile, 0:
 * not counted. */
void report_usage(struct report *report, const struct usage *from, const struct usage *to,
                  double done);

/* ---- The modes ---- */

void mode_prepare(const struct options *options, struct report *report);
void mode_closed(const struct options *options, struct report *report);
void mode_open(const struct options *options, struct report *report);
void mode_idle(const struct options *options, struct report *report);
void mode_connect(const struct options *options, struct report *report);
void mode_resume(const struct options *options, struct report *report);
void mode_rest_send(const struct options *options, struct report *report);
void mode_rest_list(const struct options *options, struct report *report);

/* ---- world.c ---- */

/* Reads the file of `prepare`; ends the program if it has fewer pairs than needed. Caller owns. */
struct world *world_read(const char *path, size_t pairs);
void world_free(struct world *world);

/* ---- rest.c ---- */

/* Sends messages into the chat of the first pair, as fast as it goes. */
void rest_fill(const struct options *options, const struct world *world, size_t messages);

/* ---- doctors.c: the part that works on the store ---- */

/* Adds doctors 1 … count to the store and writes a token of each to `tokens`, caller owns, signed
 * with the first of CONSULTD_TOKEN_KEYS. */
void doctors_make(const char *store, size_t count, char **tokens);
/* The id of a doctor, 24 hex digits and a NUL. */
void doctor_id(size_t number, char out[25]);

#endif
