/* Any thread once made; made on the main thread before others start. The program's options.
 * Precedence: flags, environment, file, built-in. Read-only after settings_load. */
#ifndef CONSULTD_SERVER_CONFIG_H
#define CONSULTD_SERVER_CONFIG_H

#include <stdio.h>

#include "protocol/base.h"

#define TOKEN_KEYS_MAX 8

struct provider; /* provider.h */
struct wechat;   /* wechat_keys.h */

struct settings {
#define OPTION_TEXT(section, name, value, secret, help) const char *name;
#define OPTION_NUMBER(section, name, value, min, max, help) int64_t name;
#include "server/config.def"
#undef OPTION_TEXT
#undef OPTION_NUMBER
    bool demo;
    /* Worked out of the above. */
    const char *keys[TOKEN_KEYS_MAX]; /* of token_keys, in order; the first signs */
    size_t key_count;
    const struct provider *provider; /* of payment_provider */
    struct wechat *wechat;           /* owned; keys for payments by wechat; NULL: not configured */
    char *const *words; /* of a subcommand: what stands for itself on the command line; in argv */
    size_t word_count;
};

/* What the command line asks for besides running. */
enum errand {
    ERRAND_SERVE,
    ERRAND_CHECK_CONFIG,
    ERRAND_PRINT_CONFIG,
    ERRAND_PRINT_ROUTES,
    ERRAND_PRINT_OPENAPI,
    ERRAND_PRINT_ASYNCAPI,
    ERRAND_PRINT_ENDPOINTS,
    ERRAND_VERSION,
    ERRAND_HELP,
    ERRAND_COMMAND /* a subcommand's: set before loading, see command.h */
};

/* Reads flags, environment and file into a new `settings`. On failure returns false with a
 * sentence in `why` that names the flag, variable or "FILE:LINE" to blame, never a secret's
 * value. *errand is set before: with ERRAND_COMMAND only what a subcommand needs must be right. Caller owns *out:
 * settings_free. */
MUST_USE bool settings_load(int argc, char **argv, struct settings **out, enum errand *errand,
                            char why[256]);
void settings_free(struct settings *settings);

/* Writes all options as a commented INI file, secrets masked. */
void settings_print(const struct settings *settings, FILE *out);

/* Writes the text of --help. */
void settings_help(FILE *out);

#endif
