/* consultd doctor. Ids are derived from the doctor's number, as sign-in looks for them.
 *
 * Adding one writes its system chat first: where the two are not one transaction, a chat without a
 * doctor is nothing that anybody sees, and adding again finishes it. That chat carries a stamp of
 * this process; no client can have a cursor of an account that was not there before. */
#include <inttypes.h>
#include <string.h>

#include "server/api/chats.h"
#include "server/auth.h"
#include "server/clock.h"
#include "server/command.h"

#define CHANGES_MOST 9

static int64_t number_or_zero(int64_t number)
{
    return number == NUMBER_ABSENT ? 0 : number;
}

static bool is_yes(const char *text)
{
    return text != NULL && strcmp(text, "yes") == 0;
}

static int find(struct command_run *run, const char *sn, struct doctor *out)
{
    struct oid id = id_derive_text("doctor", sn);
    enum err err = store_get(run->call.store, run->call.arena, COLLECTION_DOCTORS, id, out);
    if (err == ERR_ABSENT) {
        return command_complain(run, COMMAND_TROUBLE, "there is no doctor %s", sn);
    }
    return err == ERR_OK ? COMMAND_DONE : command_store_failed(run);
}

/* The id of a department by its name; NULL: none is named. */
static int find_department(struct command_run *run, const char *name, struct oid *out)
{
    *out = OID_NONE;
    if (name == NULL) {
        return COMMAND_DONE;
    }
    struct department department;
    const struct condition named = WHERE(department, name, IS, name);
    const struct query query = {.conditions = &named, .condition_count = 1};
    enum err err = store_find_one(run->call.store, run->call.arena, COLLECTION_DEPARTMENTS, &query,
                                  &department);
    if (err == ERR_ABSENT) {
        return command_complain(run, COMMAND_TROUBLE,
                                "there is no department %s; see consultd department list", name);
    }
    if (err != ERR_OK) {
        return command_store_failed(run);
    }
    *out = department.id;
    return COMMAND_DONE;
}

/* ---- Adding ------------------------------------------------------------------------------- */

static enum err insert(struct command_run *run, const struct doctor *doctor)
{
    TRY(command_begin(run));
    enum err err = chat_system_make_doctor(run->call.store, run->call.now,
                                           clock_stamp(run->call.clock), doctor);
    if (err == ERR_OK) {
        err = store_insert(run->call.store, COLLECTION_DOCTORS, doctor);
    }
    if (err != ERR_OK) {
        command_abandon(run);
        return err;
    }
    command_note(run, doctor->id, "ok");
    return command_commit(run);
}

static struct doctor doctor_of(struct command_run *run, const struct doctor_add_options *in,
                               struct oid department_id)
{
    return (struct doctor){
        .id = id_derive_text("doctor", in->sn),
        .doctor_sn = in->sn,
        .doctor_name = in->name,
        .open_id = in->openid,
        .identifier = arena_format(run->call.arena, "doctor-%s", in->sn),
        .department_id = department_id,
        .title = in->title,
        .introduction = in->introduction,
        .image_and_text_open = is_yes(in->open),
        .image_and_text_price = number_or_zero(in->price),
        .is_hot = is_yes(in->hot),
        .weight = number_or_zero(in->weight),
        .created_at = run->call.now,
        .updated_at = run->call.now,
    };
}

int command_doctor_add(struct command_run *run, const struct doctor_add_options *in)
{
    struct oid department_id, id = id_derive_text("doctor", in->sn);
    struct doctor existing;
    char text[OID_TEXT_BYTES];
    const char *password;
    enum err err = store_get(run->call.store, run->call.arena, COLLECTION_DOCTORS, id, &existing);
    if (err == ERR_OK) {
        return command_complain(run, COMMAND_TROUBLE, "there is a doctor %s already", in->sn);
    }
    if (err != ERR_ABSENT) {
        return command_store_failed(run);
    }
    int code = find_department(run, in->department, &department_id);
    code = code == COMMAND_DONE ? command_read_password(run, &password) : code;
    if (code != COMMAND_DONE) {
        return code;
    }
    struct doctor doctor = doctor_of(run, in, department_id);
    err = password_hash(run->call.arena, password, &doctor.password);
    if (err == ERR_OK) {
        err = insert(run, &doctor);
    }
    if (err == ERR_DUPLICATE) {
        return command_complain(run, COMMAND_TROUBLE, "there is a doctor %s already", in->sn);
    }
    if (err != ERR_OK) {
        return command_store_failed(run);
    }
    oid_format(doctor.id, text);
    fprintf(run->out, "%s\n", text);
    return COMMAND_DONE;
}

/* ---- Changing ----------------------------------------------------------------------------- */

/* Makes the changes, and a row of the record. */
static int change(struct command_run *run, const char *sn, struct change *changes, size_t count)
{
    struct oid id = id_derive_text("doctor", sn);
    changes[count++] = SET(doctor, updated_at, run->call.now);
    enum err err = command_begin(run);
    if (err == ERR_OK) {
        err = store_update(run->call.store, run->call.arena, COLLECTION_DOCTORS, id, NULL, 0,
                           changes, count, NULL);
        if (err == ERR_OK) {
            command_note(run, id, "ok");
            err = command_commit(run);
        } else {
            command_abandon(run);
        }
    }
    if (err == ERR_ABSENT) {
        return command_complain(run, COMMAND_TROUBLE, "there is no doctor %s", sn);
    }
    return err == ERR_OK ? COMMAND_DONE : command_store_failed(run);
}

int command_doctor_set(struct command_run *run, const struct doctor_set_options *in)
{
    struct change changes[CHANGES_MOST];
    struct oid department_id;
    size_t count = 0;
    int code = find_department(run, in->department, &department_id);
    if (code != COMMAND_DONE) {
        return code;
    }
    if (in->department != NULL) {
        changes[count++] = SET(doctor, department_id, department_id);
    }
    if (in->title != NULL) {
        changes[count++] = SET(doctor, title, in->title);
    }
    if (in->introduction != NULL) {
        changes[count++] = SET(doctor, introduction, in->introduction);
    }
    if (in->open != NULL) {
        changes[count++] = SET(doctor, image_and_text_open, is_yes(in->open));
    }
    if (in->hot != NULL) {
        changes[count++] = SET(doctor, is_hot, is_yes(in->hot));
    }
    if (in->openid != NULL) {
        changes[count++] = SET(doctor, open_id, in->openid);
    }
    if (in->price != NUMBER_ABSENT) {
        changes[count++] = SET(doctor, image_and_text_price, in->price);
    }
    if (in->weight != NUMBER_ABSENT) {
        changes[count++] = SET(doctor, weight, in->weight);
    }
    if (count == 0) {
        return command_complain(run, COMMAND_USAGE, "nothing to change is given; see --help");
    }
    return change(run, in->sn, changes, count);
}

int command_doctor_passwd(struct command_run *run, const struct doctor_options *in)
{
    struct change changes[2];
    struct doctor doctor;
    const char *password, *hash;
    int code = find(run, in->sn, &doctor);
    code = code == COMMAND_DONE ? command_read_password(run, &password) : code;
    if (code != COMMAND_DONE) {
        return code;
    }
    if (password_hash(run->call.arena, password, &hash) != ERR_OK) {
        return command_complain(run, COMMAND_TROUBLE, "the password cannot be hashed");
    }
    changes[0] = SET(doctor, password, hash);
    return change(run, in->sn, changes, 1);
}

int command_doctor_disable(struct command_run *run, const struct doctor_options *in)
{
    struct change changes[2] = {SET(doctor, disabled, true)};
    return change(run, in->sn, changes, 1);
}

int command_doctor_enable(struct command_run *run, const struct doctor_options *in)
{
    struct change changes[2] = {SET(doctor, disabled, false)};
    return change(run, in->sn, changes, 1);
}

/* ---- Listing ------------------------------------------------------------------------------ */

/* What an operator sees of a doctor: more than clients, but no secrets. */
static const struct field line_fields[] = {
    FIELD(doctor, id, "id", 0, 0, 0, ""),
    FIELD(doctor, doctor_sn, "sn", 0, 0, 0, ""),
    FIELD(doctor, doctor_name, "name", 0, 0, 0, ""),
    FIELD(doctor, department_name, "department", 0, 0, 0, ""),
    FIELD(doctor, title, "title", 0, 0, 0, ""),
    FIELD(doctor, introduction, "introduction", 0, 0, 0, ""),
    FIELD(doctor, image_and_text_open, "open", 0, 0, 0, ""),
    FIELD(doctor, image_and_text_price, "price", 0, 0, 0, ""),
    FIELD(doctor, is_hot, "hot", 0, 0, 0, ""),
    FIELD(doctor, weight, "weight", 0, 0, 0, ""),
    FIELD(doctor, disabled, "disabled", 0, 0, 0, ""),
    FIELD(doctor, created_at, "createdAt", 0, 0, 0, ""),
    FIELD(doctor, updated_at, "updatedAt", 0, 0, 0, ""),
};
static const struct shape line_shape = SHAPE(doctor, line_fields);

static const char *or_dash(const char *text)
{
    return text == NULL || text[0] == '\0' ? "-" : text;
}

static void write_doctor(FILE *out, const void *record)
{
    const struct doctor *doctor = record;
    fprintf(out, "%-10s  %-8s  %-6s  %8" PRId64 "  %s  %s  %s\n", doctor->doctor_sn,
            doctor->disabled ? "disabled" : "-", doctor->image_and_text_open ? "open" : "closed",
            doctor->image_and_text_price, or_dash(doctor->department_name), or_dash(doctor->title),
            doctor->doctor_name);
}

static enum err name_departments(struct command_run *run, const struct object_list *list)
{
    struct doctor *doctors = (struct doctor *)(uintptr_t)list->items;
    struct object_list departments;
    const struct query all = {.conditions = NULL};
    TRY(store_find(run->call.store, run->call.arena, COLLECTION_DEPARTMENTS, &all, &departments));
    const struct department *rows = departments.items;
    for (size_t i = 0; i < list->count; i++) {
        for (size_t j = 0; j < departments.count; j++) {
            if (oid_equal(doctors[i].department_id, rows[j].id)) {
                doctors[i].department_name = rows[j].name;
            }
        }
    }
    return ERR_OK;
}

int command_doctor_list(struct command_run *run, const struct doctor_list_options *in)
{
    struct oid department_id;
    struct object_list list;
    int code = find_department(run, in->department, &department_id);
    if (code != COMMAND_DONE) {
        return code;
    }
    const struct condition condition = WHERE(doctor, department_id, IS, department_id);
    const struct query query = {.conditions = &condition,
                                .condition_count = in->department == NULL ? 0 : 1,
                                .sort = {SORT_DOWN(doctor, weight), SORT_UP(doctor, id)}};
    if (store_find(run->call.store, run->call.arena, COLLECTION_DOCTORS, &query, &list) != ERR_OK ||
        name_departments(run, &list) != ERR_OK) {
        return command_store_failed(run);
    }
    return command_print(run, &line_shape, &list, in->json, write_doctor);
}
