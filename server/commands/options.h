/* Any thread. What each subcommand takes. A field is an option, --<name of the field>, or an
 * operand; its shape, in options.c, says whether it is needed, its limits and its line of help. */
#ifndef CONSULTD_SERVER_COMMANDS_OPTIONS_H
#define CONSULTD_SERVER_COMMANDS_OPTIONS_H

#include "protocol/shape.h"

struct no_options {
    char nothing;
};

struct list_options {
    bool json;
};

struct service_key_options {
    const char *name;
};

struct doctor_options {
    const char *sn;
};

struct doctor_add_options {
    const char *sn;
    const char *name;
    const char *department;
    const char *title;
    const char *introduction;
    const char *open;
    const char *hot;
    const char *openid;
    int64_t price, weight;
};

struct doctor_set_options {
    const char *sn;
    const char *department;
    const char *title;
    const char *introduction;
    const char *open;
    const char *hot;
    const char *openid;
    int64_t price, weight;
};

struct doctor_list_options {
    const char *department;
    bool json;
};

struct department_add_options {
    const char *name;
    int64_t weight;
};

struct reason_add_options {
    const char *text;
    int64_t weight;
};

struct question_add_options {
    const char *text;
    const char *type;
    int64_t weight;
};

struct dictionary_import_options {
    const char *file;
    bool dry_run;
};

struct file_options {
    const char *file;
};

struct audit_verify_options {
    const char *against;
};

struct export_options {
    struct oid consultation;
    const char *directory;
};

struct purge_options {
    bool yes;
};

#define COMMAND(words, handler, options, operands, store, summary, help)                           \
    extern const struct shape options##_options_shape;
#include "server/commands.def"
#undef COMMAND

#endif
