/* Any thread. The table of options, of config.def: what config.c sets and config_print.c prints. */
#ifndef CONSULTD_SERVER_CONFIG_ROWS_H
#define CONSULTD_SERVER_CONFIG_ROWS_H

#include <stddef.h>

#include "server/config.h"

enum option_kind { OPTION_IS_TEXT, OPTION_IS_NUMBER };

struct option_row {
    const char *section, *name, *text_default, *help;
    size_t offset;
    enum option_kind kind;
    bool is_secret;
    int64_t number_default, min, max;
};

enum {
#define OPTION_TEXT(section, name, value, secret, help) OPTION_##name,
#define OPTION_NUMBER(section, name, value, min, max, help) OPTION_##name,
#include "server/config.def"
#undef OPTION_TEXT
#undef OPTION_NUMBER
    OPTION_COUNT
};

extern const struct option_row option_rows[OPTION_COUNT];

#endif
