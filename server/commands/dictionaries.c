/* consultd department, reason and question: what the hospital offers to choose from. Their ids are
 * derived from their texts, so that of two who add the same one is refused. */
#include <inttypes.h>

#include "server/auth.h"
#include "server/command.h"

static int64_t weight_of(int64_t weight)
{
    return weight == NUMBER_ABSENT ? 0 : weight;
}

/* Inserts unless the condition finds one that is there under another id (the demo's). */
static int add(struct command_run *run, enum collection collection, struct oid id,
               const void *record, struct condition same)
{
    const struct query query = {.conditions = &same, .condition_count = 1};
    char text[OID_TEXT_BYTES];
    int64_t count = 0;
    enum err err = store_count(run->call.store, collection, &query, &count);
    if (err == ERR_OK) {
        err = count > 0 ? ERR_DUPLICATE : command_insert(run, collection, id, record);
    }
    if (err == ERR_DUPLICATE) {
        return command_complain(run, COMMAND_TROUBLE, "it is there already");
    }
    if (err != ERR_OK) {
        return command_store_failed(run);
    }
    oid_format(id, text);
    fprintf(run->out, "%s\n", text);
    return COMMAND_DONE;
}

int command_department_add(struct command_run *run, const struct department_add_options *in)
{
    struct department department = {
        .id = id_derive_text("department", in->name),
        .name = in->name,
        .weight = weight_of(in->weight),
        .created_at = run->call.now,
        .updated_at = run->call.now,
    };
    return add(run, COLLECTION_DEPARTMENTS, department.id, &department,
               WHERE(department, name, IS, in->name));
}

int command_reason_add(struct command_run *run, const struct reason_add_options *in)
{
    struct reason reason = {
        .id = id_derive_text("reason", in->text),
        .reason = in->text,
        .weight = weight_of(in->weight),
        .created_at = run->call.now,
        .updated_at = run->call.now,
    };
    return add(run, COLLECTION_REASONS, reason.id, &reason, WHERE(reason, reason, IS, in->text));
}

int command_question_add(struct command_run *run, const struct question_add_options *in)
{
    struct question question = {
        .id = id_derive_text("question", in->text),
        .quesion = in->text,
        .type = in->type == NULL ? "01" : in->type,
        .weight = weight_of(in->weight),
        .created_at = run->call.now,
        .updated_at = run->call.now,
    };
    return add(run, COLLECTION_QUESTIONS, question.id, &question,
               WHERE(question, quesion, IS, in->text));
}

static void write_line(FILE *out, struct oid id, int64_t weight, const char *text)
{
    char id_text[OID_TEXT_BYTES];
    oid_format(id, id_text);
    fprintf(out, "%s  %7" PRId64 "  %s\n", id_text, weight, text);
}

static void write_department(FILE *out, const void *record)
{
    const struct department *department = record;
    write_line(out, department->id, department->weight, department->name);
}

static void write_reason(FILE *out, const void *record)
{
    const struct reason *reason = record;
    write_line(out, reason->id, reason->weight, reason->reason);
}

static void write_question(FILE *out, const void *record)
{
    const struct question *question = record;
    char id_text[OID_TEXT_BYTES];
    oid_format(question->id, id_text);
    fprintf(out, "%s  %7" PRId64 "  %s  %s\n", id_text, question->weight, question->type,
            question->quesion);
}

int command_department_list(struct command_run *run, const struct list_options *in)
{
    const struct query query = {.sort = {SORT_DOWN(department, weight), SORT_UP(department, id)}};
    return command_list(run, COLLECTION_DEPARTMENTS, &query, in->json, write_department);
}

int command_reason_list(struct command_run *run, const struct list_options *in)
{
    const struct query query = {.sort = {SORT_DOWN(reason, weight), SORT_UP(reason, id)}};
    return command_list(run, COLLECTION_REASONS, &query, in->json, write_reason);
}

int command_question_list(struct command_run *run, const struct list_options *in)
{
    const struct query query = {.sort = {SORT_DOWN(question, weight), SORT_UP(question, id)}};
    return command_list(run, COLLECTION_QUESTIONS, &query, in->json, write_question);
}
