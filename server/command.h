/* Main thread. Subcommands: `consultd WORDS [OPERAND …] [--option …]`, on the configured store.
 *
 * They run beside a serving process: a SQLite file is not locked against the server, each change is
 * one short transaction, and what carries a stamp (rev) is left alone, so that no client's cursor
 * is led astray. What they change is recorded with the actor operator:<login>. */
#ifndef CONSULTD_SERVER_COMMAND_H
#define CONSULTD_SERVER_COMMAND_H

#include <stdio.h>

#include "server/audit_chain.h"
#include "server/call.h"
#include "server/commands/options.h"
#include "server/config.h"

/* Exit codes. */
#define COMMAND_DONE 0
#define COMMAND_TROUBLE 1 /* the store or the machine; nothing was changed, or it says what was */
#define COMMAND_USAGE 2   /* wrong words, options or input */
#define COMMAND_FOUND 3   /* a check found that something is not as it should be */

enum command_store { COMMAND_STORE_NONE, COMMAND_STORE_THERE, COMMAND_STORE_MADE };

struct command_run;

struct command {
    const char *words;
    int (*run)(struct command_run *run, const void *options);
    const struct shape *options;
    size_t operands; /* the first fields of `options` */
    enum command_store store;
    const char *summary, *help;
};

/* What a subcommand gets. */
struct command_run {
    const struct command *command;
    struct call call;          /* arena, settings, clock, now, operator_name; store: may write */
    struct audit_chain *chain; /* for what it notes: command_commit */
    FILE *out, *complaints;
};

/* All of them. */
const struct command *commands(size_t *count);

/* Runs what argv[1] and argv[2] name: binds its options, opens the store. Returns the exit code. */
int command_main(int argc, char **argv);

/* Writes the list for the program's --help. */
void commands_help(FILE *out);
/* Of a subcommand alone, and of all that begin with a word. */
void command_help(const struct command *command, FILE *out);
void command_group_help(const char *word, FILE *out);

/* Says what is wrong, on the complaints' stream, and returns `code`. */
int command_complain(const struct command_run *run, int code, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* That the store failed, with its own words. Returns COMMAND_TROUBLE. */
int command_store_failed(const struct command_run *run);

/* One change with its rows of the record: command_begin, the change, command_commit. A change that
 * failed: command_abandon. ERR_STORE: nothing was changed (SQLite). */
MUST_USE enum err command_begin(struct command_run *run);
MUST_USE enum err command_commit(struct command_run *run);
void command_abandon(struct command_run *run);

/* Notes what was done to `subject` for the record; `result` at most 32 bytes. */
void command_note(struct command_run *run, struct oid subject, const char *result);

/* Inserts a record that carries no stamp, with its row of the record. ERR_DUPLICATE: its id is
 * taken. */
MUST_USE enum err command_insert(struct command_run *run, enum collection collection, struct oid id,
                                 const void *record);

/* Reads a password that is to be set: from the terminal, twice and without echo, or as one line of
 * stdin where that is none. Bound as at sign-in. COMMAND_DONE, or what it complained with; *out
 * lives in the arena. */
int command_read_password(struct command_run *run, const char **out);

/* Opens the store for a subcommand that is given none, and of which nothing but its row of the record is left to do.
 * Returns its code. */
int command_record_alone(struct command_run *run);

/* Prints records as one JSON array, or a line of each by `write`. */
int command_print(struct command_run *run, const struct shape *shape,
                  const struct object_list *list, bool as_json,
                  void (*write)(FILE *out, const void *record));
/* All records that meet the query, so. */
int command_list(struct command_run *run, enum collection collection, const struct query *query,
                 bool as_json, void (*write)(FILE *out, const void *record));

/* Writes the rows noted so far, within the change: where the store is not atomic, before it. */
MUST_USE enum err command_record(struct command_run *run);

#define COMMAND(words, handler, options, operands, store, summary, help)                           \
    int command_##handler(struct command_run *run, const struct options##_options *in);
#include "server/commands.def"
#undef COMMAND

#endif
