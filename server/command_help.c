/* What --help says of subcommands, read off their table and the shapes of their options. */
#include "server/command.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#define WIDTH 96
#define NAME_COLUMN 26
#define LABEL_BYTES 80

static bool is_operand(const struct command *command, const struct field *field)
{
    return (size_t)(field - command->options->fields) < command->operands;
}

/* "SN", "--price NUMBER", "--open yes|no", "--json". */
static void label(const struct command *command, const struct field *field, char out[LABEL_BYTES])
{
    if (is_operand(command, field)) {
        size_t i = 0;
        for (; field->name[i] != '\0' && i + 1 < LABEL_BYTES; i++) {
            out[i] = (char)toupper((unsigned char)field->name[i]);
        }
        out[i] = '\0';
        return;
    }
    const char *value = field->choices != NULL       ? field->choices
                        : field->kind == KIND_NUMBER ? "NUMBER"
                        : field->kind == KIND_OID    ? "ID"
                                                     : "TEXT";
    snprintf(out, LABEL_BYTES, field->kind == KIND_BOOL ? "--%.30s" : "--%.30s %.40s", field->name,
             value);
}

static void write_usage(const struct command *command, FILE *out)
{
    int used = fprintf(out, "  consultd %s", command->words);
    int indent = used;
    for (size_t i = 0; i < command->options->count; i++) {
        const struct field *field = &command->options->fields[i];
        bool is_needed = is_operand(command, field) || (field->flags & REQUIRED) != 0;
        char text[LABEL_BYTES];
        label(command, field, text);
        if (used + (int)strlen(text) + 3 > WIDTH) {
            used = fprintf(out, "\n%*s", indent, "") - 1;
        }
        used += fprintf(out, is_needed ? " %s" : " [%s]", text);
    }
    fprintf(out, "\n");
}

/* Words, broken at WIDTH, behind `indent` blanks but for the first line, which is at `used`. */
static void write_wrapped(const char *text, int used, int indent, FILE *out)
{
    while (*text != '\0') {
        int length = (int)strcspn(text, " ");
        if (used + 1 + length > WIDTH) {
            fprintf(out, "\n%*s", indent - 1, "");
            used = indent - 1;
        }
        used += fprintf(out, " %.*s", length, text);
        text += length;
        text += strspn(text, " ");
    }
    fprintf(out, "\n");
}

static void write_field(const struct command *command, const struct field *field, FILE *out)
{
    char text[LABEL_BYTES], limits[LABEL_BYTES] = "";
    label(command, field, text);
    int used = fprintf(out, "  %-*s", NAME_COLUMN, text);
    if (field->max > 0 && field->kind == KIND_NUMBER) {
        snprintf(limits, sizeof limits, " From %" PRId64 " to %" PRId64 ".", field->min,
                 field->max);
    } else if (field->max > 0) {
        snprintf(limits, sizeof limits, " At most %" PRId64 " characters.", field->max);
    }
    struct strbuf line;
    strbuf_init(&line, 0);
    strbuf_add_format(&line, "%s%s", field->doc, limits);
    write_wrapped(strbuf_text(&line), used, NAME_COLUMN + 3, out);
    strbuf_free(&line);
}

void command_help(const struct command *command, FILE *out)
{
    write_usage(command, out);
    fprintf(out, "\n");
    write_wrapped(command->help, WIDTH, 3, out);
    fprintf(out, "\n");
    for (size_t i = 0; i < command->options->count; i++) {
        write_field(command, &command->options->fields[i], out);
    }
    fprintf(out, "  %-*s the options of the server, as for the server; else CONSULTD_CONFIG\n",
            NAME_COLUMN, "--config FILE");
    if (command->store != COMMAND_STORE_NONE || command->options->count > 0) {
        fprintf(out, "  %-*s sqlite:PATH or mongodb://...; else as in the options\n", NAME_COLUMN,
                "--store URL");
    }
    fprintf(out, "\nExit codes: 0 done, 1 trouble with the store or the machine, 2 wrong words, "
                 "options\nor input, 3 a check found something.\n");
}

static void write_list(const char *group, FILE *out)
{
    size_t count;
    const struct command *all = commands(&count);
    for (size_t i = 0; i < count; i++) {
        size_t length = strcspn(all[i].words, " ");
        if (group == NULL ||
            (strlen(group) == length && strncmp(all[i].words, group, length) == 0)) {
            fprintf(out, "  %-*s %s\n", NAME_COLUMN, all[i].words, all[i].summary);
        }
    }
}

void command_group_help(const char *word, FILE *out)
{
    write_list(word, out);
    fprintf(out, "\nEach has a --help of its own.\n");
}

void commands_help(FILE *out)
{
    fprintf(out, "\nSubcommands, on the same store and also while a server runs; "
                 "`consultd SUBCOMMAND --help`\nsays more:\n\n");
    write_list(NULL, out);
}
