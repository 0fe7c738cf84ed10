/* consultd-bench: loads a server with WebSocket and HTTP clients, measures, and checks that nothing
 * is lost, doubled or out of order. One thread on one epoll, so that it takes as little as can be
 * of the machine that it shares with the server; how much it took is in what it prints.
 *
 * tests/bench/run starts servers and calls this for each; consultd-bench --help tells the rest. */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include "tests/bench/bench.h"

#define FINDINGS_MOST 64
#define NAME_BYTES 32
#define US_PER_SECOND 1e6

struct finding {
    char name[NAME_BYTES];
    double value;
};

struct report {
    struct finding findings[FINDINGS_MOST];
    size_t count;
};

static const struct mode {
    const char *name;
    void (*run)(const struct options *options, struct report *report);
    const char *help;
} modes[] = {
    {"prepare", mode_prepare, "makes accounts, orders and chats on a consultd (--store, --world)"},
    {"closed", mode_closed, "pairs that keep a window of messages unacknowledged"},
    {"open", mode_open, "pairs at a set rate; latencies from when a message was due"},
    {"idle", mode_idle, "sockets that are only there: memory of each, and CPU (--pid)"},
    {"connect", mode_connect, "sockets opened, signed in and closed, so many at a time"},
    {"resume", mode_resume, "sockets that come back all at once, and what they missed"},
    {"rest-send", mode_rest_send, "messages sent by POST, on kept-alive connections"},
    {"rest-list", mode_rest_list, "the newest ten messages of the first pair's chat"},
};

/* ---- What was found ------------------------------------------------------------------------ */

void report_number(struct report *report, const char *name, double value)
{
    if (report->count == FINDINGS_MOST) {
        give_up("more findings than there is room for");
    }
    struct finding *finding = &report->findings[report->count++];
    snprintf(finding->name, sizeof finding->name, "%s", name);
    finding->value = value;
}

void report_times(struct report *report, const char *name, const struct histogram *times)
{
    static const struct {
        const char *name;
        double share;
    } parts[] = {{"p50", 0.5}, {"p99", 0.99}, {"p999", 0.999}, {"max", 1}};
    for (size_t i = 0; i < ARRAY_LENGTH(parts); i++) {
        char both[NAME_BYTES];
        snprintf(both, sizeof both, "%s_%s_us", name, parts[i].name);
        report_number(report, both, histogram_us(times, parts[i].share));
    }
}

void report_usage(struct report *report, const struct usage *from, const struct usage *to,
                  double done)
{
    double seconds = (double)(to->at_ns - from->at_ns) / (double)NS_PER_SECOND;
    double own = to->own - from->own, server = to->server - from->server;
    report_number(report, "client_cpu_s", own);
    report_number(report, "client_cpu_share", own / seconds);
    report_number(report, "server_cpu_s", server);
    report_number(report, "server_cpu_share", server / seconds);
    for (size_t i = 0; i < to->pid_count; i++) {
        char name[NAME_BYTES];
        snprintf(name, sizeof name, "pid_%zu_cpu_s", i + 1);
        report_number(report, name, to->each[i] - from->each[i]);
    }
    if (done > 0) {
        report_number(report, "client_cpu_us_each", own * US_PER_SECOND / done);
        report_number(report, "server_cpu_us_each", server * US_PER_SECOND / done);
    }
}

static void print_line(const struct options *options, const struct report *report, FILE *out)
{
    fprintf(out, "%s %s:", options->mode, options->dialect->name);
    for (size_t i = 0; i < report->count; i++) {
        fprintf(out, " %s=%.10g", report->findings[i].name, report->findings[i].value);
    }
    fputs("\n", out);
}

static void print_json(const struct options *options, const struct report *report)
{
    printf("{\"mode\":\"%s\",\"dialect\":\"%s\"", options->mode, options->dialect->name);
    for (size_t i = 0; i < report->count; i++) {
        printf(",\"%s\":%.10g", report->findings[i].name, report->findings[i].value);
    }
    puts("}");
}

/* ---- What it took -------------------------------------------------------------------------- */

static double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / US_PER_SECOND;
}

/* User and system time of a process, all its threads included; ends the program if it is gone. */
static double process_seconds(int pid)
{
    char path[64], line[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "r");
    if (file == NULL || fgets(line, sizeof line, file) == NULL) {
        give_up("there is no process %d", pid);
    }
    fclose(file);
    unsigned long user = 0, kernel = 0;
    const char *name_end = strrchr(line, ')'); /* the name may hold blanks */
    if (name_end == NULL || sscanf(name_end + 1,
                                   " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u "
                                   "%lu %lu",
                                   &user, &kernel) != 2) {
        give_up("%s cannot be understood", path);
    }
    return (double)(user + kernel) / (double)sysconf(_SC_CLK_TCK);
}

struct usage usage_now(const struct options *options)
{
    struct rusage own;
    struct usage usage = {.at_ns = now_ns(), .pid_count = options->pid_count};
    getrusage(RUSAGE_SELF, &own);
    usage.own = seconds_of(own.ru_utime) + seconds_of(own.ru_stime);
    for (size_t i = 0; i < options->pid_count; i++) {
        usage.each[i] = process_seconds(options->pids[i]);
        usage.server += usage.each[i];
    }
    return usage;
}

double server_memory(const struct options *options)
{
    double kib = 0;
    for (size_t i = 0; i < options->pid_count; i++) {
        char path[64], line[256];
        long value = 0;
        snprintf(path, sizeof path, "/proc/%d/status", options->pids[i]);
        FILE *file = fopen(path, "r");
        while (file != NULL && fgets(line, sizeof line, file) != NULL) {
            if (sscanf(line, "VmRSS: %ld", &value) == 1) {
                kib += (double)value;
            }
        }
        if (file != NULL) {
            fclose(file);
        }
    }
    return kib;
}

/* ---- The command line ---------------------------------------------------------------------- */

static const struct number_option {
    const char *word;
    double least, most, standard;
    size_t place;
    const char *help;
} number_options[] = {
#define NUMBER_OPTION(name, word, value, least, most, help)                                        \
    {word, least, most, value, offsetof(struct options, name), help},
#include "tests/bench/options.def"
#undef NUMBER_OPTION
};

static double *number_at(struct options *options, const struct number_option *option)
{
    return (double *)((char *)options + option->place);
}

static void print_help(void)
{
    puts("consultd-bench MODE --target HOST:PORT [--dialect D] [--OPTION …]\n\nModes:");
    for (size_t i = 0; i < ARRAY_LENGTH(modes); i++) {
        printf("  %-10s %s\n", modes[i].name, modes[i].help);
    }
    puts("\nOptions:\n"
         "  --dialect     consultd (the default), relay, json, socketio or centrifuge\n"
         "  --target      where the server is; given twice: senders to the first, receivers to the "
         "second\n"
         "  --world       file with the accounts that `prepare` has made\n"
         "  --store       prepare: the server's store; the environment needs its "
         "CONSULTD_TOKEN_KEYS\n"
         "  --path        rest-…: what is asked of another server than consultd, / if not given\n"
         "  --pid         the server's process, up to four: its CPU time and memory are told\n"
         "  --json        prints an object on stdout, and the line for people on stderr");
    for (size_t i = 0; i < ARRAY_LENGTH(number_options); i++) {
        const struct number_option *option = &number_options[i];
        printf("  --%-11s %s; %g to %g, %g if not given\n", option->word, option->help,
               option->least, option->most, option->standard);
    }
    puts("\nFor consultd:\n"
         "  export CONSULTD_TOKEN_KEYS=…  # as the server has it\n"
         "  consultd-bench prepare --target 127.0.0.1:8080 --store sqlite:x.db --world x.world "
         "--pairs 1000\n"
         "  consultd-bench closed --target 127.0.0.1:8080 --world x.world --pairs 100 --json\n"
         "\nA message that was acknowledged and never came is `lost`; `doubled`, `out_of_order`,\n"
         "`refused` (an error for an answer), `unanswered` and `closed` (sockets) should be 0, "
         "too.");
}

static void take_number(struct options *options, const char *word, const char *text)
{
    for (size_t i = 0; i < ARRAY_LENGTH(number_options); i++) {
        const struct number_option *option = &number_options[i];
        if (strcmp(option->word, word) != 0) {
            continue;
        }
        char *end;
        double value = strtod(text, &end);
        if (*end != '\0' || end == text || !(value >= option->least && value <= option->most)) {
            give_up("--%s: a number from %g to %g", word, option->least, option->most);
        }
        *number_at(options, option) = value;
        return;
    }
    give_up("there is no option --%s; see --help", word);
}

static void take_option(struct options *options, const char *word, const char *text)
{
    if (strcmp(word, "dialect") == 0) {
        options->dialect = dialect_named(text);
        if (options->dialect == NULL) {
            give_up("there is no dialect %s; see --help", text);
        }
    } else if (strcmp(word, "target") == 0) {
        if (options->target_count == TARGETS_MOST ||
            !target_parse(text, &options->targets[options->target_count++])) {
            give_up("--target: one or two of 127.0.0.1:PORT");
        }
    } else if (strcmp(word, "pid") == 0) {
        if (options->pid_count == PIDS_MOST) {
            give_up("--pid: %d at most", PIDS_MOST);
        }
        options->pids[options->pid_count++] = atoi(text);
    } else if (strcmp(word, "world") == 0) {
        options->world_path = text;
    } else if (strcmp(word, "store") == 0) {
        options->store = text;
    } else if (strcmp(word, "path") == 0) {
        options->path = text;
    } else {
        take_number(options, word, text);
    }
}

static void read_arguments(struct options *options, int argc, char **argv)
{
    options->dialect = dialect_named("consultd");
    options->path = "/";
    for (size_t i = 0; i < ARRAY_LENGTH(number_options); i++) {
        *number_at(options, &number_options[i]) = number_options[i].standard;
    }
    for (int i = 2; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) != 0) {
            give_up("%s: an option was expected; see --help", argv[i]);
        }
        if (strcmp(argv[i], "--json") == 0) {
            options->as_json = true;
        } else if (i + 1 == argc) {
            give_up("%s needs a value, or is no option; see --help", argv[i]);
        } else {
            take_option(options, argv[i] + 2, argv[i + 1]);
            i++;
        }
    }
    if (options->target_count == 0) {
        give_up("--target HOST:PORT is needed");
    }
}

/* Thousands of sockets need as many descriptors. */
static void raise_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int main(int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[1], "--help") == 0) {
        print_help();
        return argc < 2 ? EXIT_FAILURE : EXIT_SUCCESS;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(modes); i++) {
        if (strcmp(modes[i].name, argv[1]) == 0) {
            struct options options = {.mode = argv[1]};
            struct report report = {.count = 0};
            read_arguments(&options, argc, argv);
            raise_limit();
            modes[i].run(&options, &report);
            print_line(&options, &report, options.as_json ? stderr : stdout);
            if (options.as_json) {
                print_json(&options, &report);
            }
            return EXIT_SUCCESS;
        }
    }
    give_up("there is no mode %s; see --help", argv[1]);
}
