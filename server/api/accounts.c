/* Users and doctors: sign-up, sign-in, and what everybody may read about doctors (document 1,
 * contract 2). */
#include "server/api/api.h"
#include "server/api/audit.h"
#include "server/api/chats.h"
#include "server/api/paging.h"
#include "server/auth.h"

/* The account is known by its id only: what was typed stays out of the record. */
static void note_sign_in(struct call *call, const char *actor, struct oid id, bool is_in)
{
    audit_note(call, &(struct audit_note){.action = AUDIT_SIGN_IN,
                                          .actor = actor,
                                          .actor_id = id,
                                          .subject = id,
                                          .result = is_in ? "ok" : "failed",
                                          .outlives_failure = !is_in});
}

/* ---- 1.1, 1.2 ----------------------------------------------------------------------------- */

enum err api_user_signup(struct call *call, const struct user_signup *in, struct nothing *out)
{
    (void)out;
    struct user user = {
        .id = id_derive_text("user", in->open_id),
        .open_id = in->open_id,
        .phone = in->phone,
        .created_at = call->now,
        .updated_at = call->now,
    };
    enum err err = store_insert(call->store, COLLECTION_USERS, &user);
    if (err != ERR_OK && err != ERR_DUPLICATE) {
        return err;
    }
    /* Also on a repeated sign-up: the first one may have died before the chat was made. */
    return chat_system_make_user(call->store, call->now, call_stamp(call), user.id);
}

enum err api_user_signin(struct call *call, const struct user_signin *in, struct user_session *out)
{
    struct user user;
    struct oid id = id_derive_text("user", in->open_id);
    enum err err = store_get(call->store, call->arena, COLLECTION_USERS, id, &user);
    if (err == ERR_ABSENT) {
        note_sign_in(call, "user", id, false);
        return ERR_USER_NOT_FOUND;
    }
    TRY(err);
    struct account account = {ROLE_USER, user.id};
    TRY(token_make(call->arena, call->settings, account, call->now, &out->token));
    TRY(usersig_make(call->arena, call->settings, user.open_id, call->now, &out->usersig));
    out->user_id = user.id;
    out->identifier = user.open_id;
    note_sign_in(call, "user", id, true);
    return ERR_OK;
}

/* ---- ＋ doctors ----------------------------------------------------------------------------- */

/* Fills departmentName, which doctors are always answered with. */
static enum err name_departments(struct call *call, struct doctor *doctors, size_t count)
{
    struct oid *ids = arena_array(call->arena, count, sizeof *ids);
    size_t id_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (!oid_is_none(doctors[i].department_id)) {
            ids[id_count++] = doctors[i].department_id;
        }
    }
    struct object_list departments;
    TRY(records_by_ids(call, COLLECTION_DEPARTMENTS, (struct oid_list){ids, id_count},
                       &departments));
    for (size_t i = 0; i < count; i++) {
        const struct department *department =
            record_of_id(&departments, sizeof *department, doctors[i].department_id);
        if (department != NULL) {
            doctors[i].department_name = department->name;
        }
    }
    return ERR_OK;
}

enum err api_doctor_signin(struct call *call, const struct doctor_signin *in,
                           struct doctor_session *out)
{
    int64_t after_ms = 0;
    if (attempts_over(call->attempts, in->doctor_sn, call->now.ms, &after_ms)) {
        call->fault.after_ms = after_ms;
        return ERR_TOO_MANY_ATTEMPTS;
    }
    struct doctor *doctor = ARENA_NEW(call->arena, struct doctor);
    struct oid id = id_derive_text("doctor", in->doctor_sn);
    enum err err = store_get(call->store, call->arena, COLLECTION_DOCTORS, id, doctor);
    if (err != ERR_OK && err != ERR_ABSENT) {
        return err;
    }
    /* The same work and the same answer for an unknown doctor and a wrong password. */
    bool is_known = err == ERR_OK && !doctor->disabled;
    bool matches = password_matches(in->password, is_known ? doctor->password : NULL);
    if (!is_known || !matches) {
        attempts_failed(call->attempts, in->doctor_sn, call->now.ms);
        note_sign_in(call, "doctor", id, false);
        return ERR_SIGNIN_FAILED;
    }
    struct account account = {ROLE_DOCTOR, doctor->id};
    TRY(token_make(call->arena, call->settings, account, call->now, &out->token));
    TRY(usersig_make(call->arena, call->settings, doctor->identifier, call->now, &out->usersig));
    TRY(name_departments(call, doctor, 1));
    out->doctor_id = doctor->id;
    out->identifier = doctor->identifier;
    out->doctor = doctor;
    note_sign_in(call, "doctor", id, true);
    return ERR_OK;
}

enum err api_doctor_list(struct call *call, const struct doctor_filter *in, struct page *out)
{
    struct condition conditions[3] = {WHERE(doctor, disabled, IS_NOT, true)};
    size_t count = 1;
    if (!oid_is_none(in->department_id)) {
        conditions[count++] = WHERE(doctor, department_id, IS, in->department_id);
    }
    if (in->keyword != NULL) {
        conditions[count++] = WHERE(doctor, doctor_name, CONTAINS, in->keyword);
    }
    struct query query = {.conditions = conditions,
                          .condition_count = count,
                          .sort = {SORT_DOWN(doctor, weight), SORT_UP(doctor, doctor_sn)}};
    page_begin(in->skip, in->limit, &query, out);
    TRY(page_read(call, COLLECTION_DOCTORS, &query, out));
    struct doctor *doctors = list_copy(call->arena, &out->items, sizeof *doctors);
    TRY(name_departments(call, doctors, out->items.count));
    out->items.items = doctors;
    return ERR_OK;
}

enum err api_doctor_detail(struct call *call, const struct by_id *in, struct doctor *out)
{
    enum err err = store_get(call->store, call->arena, COLLECTION_DOCTORS, in->id, out);
    if (err == ERR_ABSENT || (err == ERR_OK && out->disabled)) {
        return call_blame(call, ERR_DOCTOR_NOT_FOUND, "id");
    }
    TRY(err);
    return name_departments(call, out, 1);
}

enum err api_department_list(struct call *call, const struct nothing *in, struct object_list *out)
{
    (void)in;
    struct query query = {.sort = {SORT_DOWN(department, weight), SORT_UP(department, id)}};
    return store_find(call->store, call->arena, COLLECTION_DEPARTMENTS, &query, out);
}
