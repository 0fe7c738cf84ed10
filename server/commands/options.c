/* The options of all subcommands. What stands here is checked before a subcommand runs, and is its
 * --help: names, limits and help are stated once. */
#include "server/commands/options.h"

#include "protocol/records.h"

const struct shape no_options_shape = {"no_options", sizeof(struct no_options), NULL, 0, 0, 0};

#define WEIGHT_MAX 1000000

#define JSON_ROW(type) FIELD(type, json, "json", 0, 0, 0, "one JSON array instead of columns")
#define WEIGHT_ROW(type)                                                                           \
    FIELD(type, weight, "weight", LOOSE, 0, WEIGHT_MAX,                                            \
          "greater comes first in lists; 0 if not given.")

static const struct field list_fields[] = {JSON_ROW(list_options)};
const struct shape list_options_shape = SHAPE(list_options, list_fields);

static const struct field department_add_fields[] = {
    FIELD(department_add_options, name, "name", REQUIRED, 1, NAME_MAX_LENGTH, "its name."),
    WEIGHT_ROW(department_add_options),
};
const struct shape department_add_options_shape =
    SHAPE(department_add_options, department_add_fields);

static const struct field reason_add_fields[] = {
    FIELD(reason_add_options, text, "text", REQUIRED, 1, NAME_MAX_LENGTH, "what users read."),
    WEIGHT_ROW(reason_add_options),
};
const struct shape reason_add_options_shape = SHAPE(reason_add_options, reason_add_fields);

static const struct field question_add_fields[] = {
    FIELD(question_add_options, text, "text", REQUIRED, 1, TEXT_MAX_LENGTH, "what users read."),
    FIELD_CHOICE(question_add_options, type, "type", 0, "01|02",
                 "01 is answered by a score of 1 to 5, 02 by a text; 01 if not given"),
    WEIGHT_ROW(question_add_options),
};
const struct shape question_add_options_shape = SHAPE(question_add_options, question_add_fields);

static const struct field audit_verify_fields[] = {
    FIELD(audit_verify_options, against, "against", 0, 1, URL_MAX_LENGTH,
          "a file with lines that an earlier verification printed"),
};
const struct shape audit_verify_options_shape = SHAPE(audit_verify_options, audit_verify_fields);

static const struct field export_fields[] = {
    FIELD(export_options, consultation, "consultation", REQUIRED, 0, 0, "the id of its order."),
    FIELD(export_options, directory, "directory", 0, 1, URL_MAX_LENGTH,
          "where to write; here if not given"),
};
const struct shape export_options_shape = SHAPE(export_options, export_fields);

static const struct field purge_fields[] = {
    FIELD(purge_options, yes, "yes", 0, 0, 0, "does it; without it nothing is removed"),
};
const struct shape purge_options_shape = SHAPE(purge_options, purge_fields);
