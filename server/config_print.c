/* The options as they are documented and in force. */
#include "server/config_rows.h"

#include <inttypes.h>
#include <string.h>

#define OPTION_TEXT(section_, name_, value, secret, help_)                                         \
    {.section = #section_,                                                                         \
     .name = #name_,                                                                               \
     .text_default = (value),                                                                      \
     .help = (help_),                                                                              \
     .offset = offsetof(struct settings, name_),                                                   \
     .kind = OPTION_IS_TEXT,                                                                       \
     .is_secret = (secret)},
#define OPTION_NUMBER(section_, name_, value, min_, max_, help_)                                   \
    {.section = #section_,                                                                         \
     .name = #name_,                                                                               \
     .help = (help_),                                                                              \
     .offset = offsetof(struct settings, name_),                                                   \
     .kind = OPTION_IS_NUMBER,                                                                     \
     .number_default = (value),                                                                    \
     .min = (min_),                                                                                \
     .max = (max_)},
const struct option_row option_rows[OPTION_COUNT] = {
#include "server/config.def"
};
#undef OPTION_TEXT
#undef OPTION_NUMBER

/* A URL may hold a password: user:password@host is printed as user:********@host. */
static void print_url(const char *text, FILE *out)
{
    const char *authority = strstr(text, "://");
    const char *at = authority != NULL ? strrchr(authority, '@') : NULL;
    const char *colon =
        at != NULL ? memchr(authority + 3, ':', (size_t)(at - authority - 3)) : NULL;
    if (colon != NULL) {
        fprintf(out, " %.*s********%s", (int)(colon + 1 - text), text, at);
    } else if (text[0] != '\0') {
        fprintf(out, " %s", text);
    }
}

/* A comment of lines that are no wider than the file they are in. */
static void print_comment(const char *help, FILE *out)
{
    const int width = 96;
    int used = 1;
    fprintf(out, ";");
    while (*help != '\0') {
        int length = (int)strcspn(help, " ");
        if (used + 1 + length > width) {
            fprintf(out, "\n;");
            used = 1;
        }
        fprintf(out, " %.*s", length, help);
        used += 1 + length;
        help += length;
        help += strspn(help, " ");
    }
}

static void print_value(const struct settings *settings, const struct option_row *row, FILE *out)
{
    const char *place = (const char *)settings + row->offset;
    if (row->kind == OPTION_IS_NUMBER) {
        int64_t number;
        memcpy(&number, place, sizeof number);
        fprintf(out, "%s = %" PRId64 "\n", row->name, number);
        return;
    }
    const char *text;
    memcpy(&text, place, sizeof text);
    fprintf(out, "%s =", row->name);
    if (row->is_secret) {
        fprintf(out, "%s", text[0] != '\0' ? " ********" : "");
    } else {
        print_url(text, out);
    }
    fprintf(out, "\n");
}

void settings_print(const struct settings *settings, FILE *out)
{
    const char *section = "";
    fprintf(out,
            "; The options of consultd, each with its comment. Flags win over the environment\n"
            "; (CONSULTD_NAME), that over this file, that over the built-in values.\n");
    for (size_t i = 0; i < ARRAY_LENGTH(option_rows); i++) {
        const struct option_row *row = &option_rows[i];
        if (strcmp(section, row->section) != 0) {
            section = row->section;
            fprintf(out, "\n[%s]\n", section);
        }
        print_comment(row->help, out);
        if (row->kind == OPTION_IS_NUMBER) {
            fprintf(out, " From %" PRId64 " to %" PRId64 ".", row->min, row->max);
        }
        fprintf(out, "\n");
        print_value(settings, row, out);
    }
}

void settings_help(FILE *out)
{
    fprintf(out,
            "consultd: the consultation chat server for internet hospitals\n"
            "\n"
            "  consultd [--config FILE] [--listen HOST:PORT] [--store URL] [--bus URL] [--demo]\n"
            "\n"
            "  --config FILE       options, as in conf/consultd.conf; else the file that\n"
            "                      CONSULTD_CONFIG names, if any\n"
            "  --listen HOST:PORT  where to listen; port 0 picks a free one\n"
            "  --store URL         sqlite:PATH or mongodb://...\n"
            "  --bus URL           local: or redis://HOST:PORT\n"
            "  --demo              invented doctors and a sandbox to pay in; needs no token key\n"
            "  --check-config      checks the options and exits\n"
            "  --print-config      prints the options in force, secrets masked, and exits\n"
            "  --print-routes      prints every endpoint and exits\n"
            "  --print-openapi     prints what is served at /openapi.json and exits\n"
            "  --print-asyncapi    prints what is served at /asyncapi.json and exits\n"
            "  --print-endpoints   every endpoint, its access and every field's rules, as JSON\n"
            "  --version, --help\n"
            "\n"
            "Every option can also be set as CONSULTD_NAME in the environment. Secrets are\n"
            "taken from there or from the file only.\n"
            "Exit codes: 0 done, 1 could not start or stop properly, 2 wrong flags or options.\n");
}
