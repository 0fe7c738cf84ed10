/* The demo's hospital. All ids are derived from what the thing is, and inserting passes over what
 * is there, so seeding again, or on two nodes at once, changes nothing. */
#include "server/demo.h"

#include "server/api/chats.h"
#include "server/api/diagnoses.h"
#include "server/api/service_keys.h"
#include "server/auth.h"

#define DEMO_PASSWORD "123456"
#define DEMO_SERVICE_KEY SERVICE_KEY_PREFIX "demo"

static enum err insert_departments(struct store_session *session, struct timestamp now)
{
#define DEPARTMENT(key, name_, weight_)                                                            \
    {.id = id_derive_text("department", key),                                                      \
     .name = (name_),                                                                              \
     .weight = (weight_),                                                                          \
     .created_at = now,                                                                            \
     .updated_at = now},
    struct department departments[] = {
#include "server/demo_data.def"
    };
#undef DEPARTMENT
    return store_insert_many(session, COLLECTION_DEPARTMENTS, departments,
                             ARRAY_LENGTH(departments));
}

static enum err insert_reasons(struct store_session *session, struct timestamp now)
{
#define REASON(text, weight_)                                                                      \
    {.id = id_derive_text("reason", text),                                                         \
     .reason = (text),                                                                             \
     .weight = (weight_),                                                                          \
     .created_at = now,                                                                            \
     .updated_at = now},
    struct reason reasons[] = {
#include "server/demo_data.def"
    };
#undef REASON
    return store_insert_many(session, COLLECTION_REASONS, reasons, ARRAY_LENGTH(reasons));
}

static enum err insert_questions(struct store_session *session, struct timestamp now)
{
#define QUESTION(text, type_, weight_)                                                             \
    {.id = id_derive_text("question", text),                                                       \
     .quesion = (text),                                                                            \
     .type = (type_),                                                                              \
     .weight = (weight_),                                                                          \
     .created_at = now,                                                                            \
     .updated_at = now},
    struct question questions[] = {
#include "server/demo_data.def"
    };
#undef QUESTION
    return store_insert_many(session, COLLECTION_QUESTIONS, questions, ARRAY_LENGTH(questions));
}

static const struct diagnosis_entry diagnoses[] = {
#define DIAGNOSIS(code, name) {code, name},
#include "server/demo_data.def"
#undef DIAGNOSIS
};

/* Hashing a password is slow on purpose, so it is done for doctors that are new only. */
static enum err insert_doctor(struct store_session *session, struct clock *clock,
                              struct arena *arena, struct doctor *doctor)
{
    struct doctor existing;
    enum err err = store_get(session, arena, COLLECTION_DOCTORS, doctor->id, &existing);
    if (err == ERR_ABSENT) {
        TRY(password_hash(arena, DEMO_PASSWORD, &doctor->password));
        err = store_insert(session, COLLECTION_DOCTORS, doctor);
    }
    if (err != ERR_OK && err != ERR_DUPLICATE) {
        return err;
    }
    return chat_system_make_doctor(session, doctor->created_at, clock_stamp(clock), doctor);
}

static enum err insert_doctors(struct store_session *session, struct clock *clock,
                               struct arena *arena, struct timestamp now)
{
#define DOCTOR(sn, name, department, title_, introduction_, open, price, hot, weight_)             \
    {.id = id_derive_text("doctor", sn),                                                           \
     .doctor_sn = (sn),                                                                            \
     .doctor_name = (name),                                                                        \
     .identifier = "doctor-" sn,                                                                   \
     .department_id = id_derive_text("department", department),                                    \
     .title = (title_),                                                                            \
     .introduction = (introduction_),                                                              \
     .image_and_text_open = (open),                                                                \
     .image_and_text_price = (price),                                                              \
     .is_hot = (hot),                                                                              \
     .weight = (weight_),                                                                          \
     .created_at = now,                                                                            \
     .updated_at = now},
    struct doctor doctors[] = {
#include "server/demo_data.def"
    };
#undef DOCTOR
    for (size_t i = 0; i < ARRAY_LENGTH(doctors); i++) {
        TRY(insert_doctor(session, clock, arena, &doctors[i]));
    }
    return ERR_OK;
}

static enum err insert_service_key(struct store_session *session, struct timestamp now)
{
    enum err err = service_key_insert(session, now, "demo", DEMO_SERVICE_KEY);
    return err == ERR_DUPLICATE ? ERR_OK : err;
}

enum err demo_seed(struct store_session *session, struct clock *clock)
{
    struct timestamp now = clock_now(clock);
    struct arena *arena = arena_new(4096);
    enum err err = insert_departments(session, now);
    err = err == ERR_OK ? insert_reasons(session, now) : err;
    err = err == ERR_OK ? insert_questions(session, now) : err;
    err = err == ERR_OK ? diagnoses_insert(session, now, diagnoses, ARRAY_LENGTH(diagnoses), NULL)
                        : err;
    err = err == ERR_OK ? insert_doctors(session, clock, arena, now) : err;
    err = err == ERR_OK ? insert_service_key(session, now) : err;
    arena_free(arena);
    return err;
}
