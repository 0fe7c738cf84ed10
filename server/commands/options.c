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

#define PRICE_MAX 10000000 /* 分 */
#define PATH_MAX_LENGTH 1024

#define SN_ROW(type)                                                                               \
    FIELD_FORMAT(type, sn, "sn", REQUIRED, FORMAT_VISIBLE, KEY_MAX_LENGTH,                         \
                 "the doctor's number, which it signs in with.")

/* What doctor add and doctor set both take. */
#define DOCTOR_ROWS(type)                                                                          \
    FIELD(type, department, "department", 0, 1, NAME_MAX_LENGTH,                                   \
          "the name of a department that is there."),                                              \
        FIELD(type, title, "title", 0, 0, NAME_MAX_LENGTH, "such as 主任医师."),                   \
        FIELD(type, introduction, "introduction", MULTILINE, 0, TEXT_MAX_LENGTH,                   \
              "what users read about the doctor."),                                                \
        FIELD_CHOICE(type, open, "open", 0, "yes|no", "whether consultations can be ordered"),     \
        FIELD_CHOICE(type, hot, "hot", 0, "yes|no", "whether it is shown among the first"),        \
        FIELD_FORMAT(type, openid, "openid", 0, FORMAT_VISIBLE, KEY_MAX_LENGTH, "its WeChat id."), \
        FIELD(type, price, "price", LOOSE, 0, PRICE_MAX, "of a consultation, in 分."),             \
        FIELD(type, weight, "weight", LOOSE, 0, WEIGHT_MAX, "greater comes first in lists.")

static const struct field doctor_option_fields[] = {SN_ROW(doctor_options)};
const struct shape doctor_options_shape = SHAPE(doctor_options, doctor_option_fields);

static const struct field doctor_add_fields[] = {
    SN_ROW(doctor_add_options),
    FIELD(doctor_add_options, name, "name", REQUIRED, 1, NAME_MAX_LENGTH, "the doctor's name."),
    DOCTOR_ROWS(doctor_add_options),
};
const struct shape doctor_add_options_shape = SHAPE(doctor_add_options, doctor_add_fields);

static const struct field doctor_set_fields[] = {
    SN_ROW(doctor_set_options),
    DOCTOR_ROWS(doctor_set_options),
};
const struct shape doctor_set_options_shape = SHAPE(doctor_set_options, doctor_set_fields);

static const struct field doctor_list_fields[] = {
    FIELD(doctor_list_options, department, "department", 0, 1, NAME_MAX_LENGTH,
          "only those of this department."),
    JSON_ROW(doctor_list_options),
};
const struct shape doctor_list_options_shape = SHAPE(doctor_list_options, doctor_list_fields);

static const struct field service_key_fields[] = {
    FIELD(service_key_options, name, "name", REQUIRED, 1, NAME_MAX_LENGTH,
          "of the system that has the key."),
};
const struct shape service_key_options_shape = SHAPE(service_key_options, service_key_fields);

static const struct field file_fields[] = {
    FIELD(file_options, file, "file", REQUIRED, 1, PATH_MAX_LENGTH, "the backup."),
};
const struct shape file_options_shape = SHAPE(file_options, file_fields);

static const struct field dictionary_import_fields[] = {
    FIELD(dictionary_import_options, file, "file", REQUIRED, 1, PATH_MAX_LENGTH, "the CSV file."),
    FIELD(dictionary_import_options, dry_run, "dry-run", 0, 0, 0,
          "looks at every line, and adds nothing"),
};
const struct shape dictionary_import_options_shape =
    SHAPE(dictionary_import_options, dictionary_import_fields);

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
