/* Any thread. Every request body, one struct each; the shapes with their limits are in
 * requests.c. What is absent and has a default is filled by the handler. */
#ifndef CONSULTD_PROTOCOL_REQUESTS_H
#define CONSULTD_PROTOCOL_REQUESTS_H

#include "protocol/records.h"

struct nothing { /* `{}`, and the reply without data */
    bool unused;
};

struct user_signup { /* 1.1 */
    const char *open_id;
    int64_t phone;
};

struct user_signin { /* 1.2 */
    const char *open_id;
};

struct doctor_signin { /* ＋ */
    const char *doctor_sn;
    const char *password;
};

struct doctor_filter { /* ＋ /api/doctor/list */
    struct oid department_id;
    const char *keyword;
    int64_t skip, limit;
};

struct by_id { /* 2.2, 2.4, 8.3, 8.6, ＋ /api/doctor/detail */
    struct oid id;
};

struct patient_create { /* 2.1 */
    struct oid user_id;
    int64_t phone;
    const char *certificate_type;
    const char *certificate_no;
    const char *name;
    const char *birthday;
    int64_t sex;
    const char *patient_id_no;
};

struct by_user { /* 2.3, 9.2 */
    struct oid user_id;
};

struct chat_user_filter { /* 8.1 */
    struct oid user_id;
    int64_t skip, limit; /* absent: all */
};

struct chat_doctor_filter { /* 8.2 */
    struct oid doctor_id;
    int64_t skip, limit; /* absent: all */
};

struct patient_bindcard { /* 2.5 */
    struct oid id;
    const char *patient_id_no;
};

struct message_filter { /* 8.4 */
    struct oid chat_id;
    int64_t skip, limit;
    int64_t before_seq;
};

struct message_create { /* 8.5 */
    struct oid chat_id;
    struct oid consultation_id;
    const char *type;
    const char *direction;
    const char *client_msg_id;
    const char *text;
    const char *image;
    const char *audio;
};

struct chat_read { /* ＋ */
    struct oid chat_id;
    int64_t seq;
};

struct by_chat { /* ＋ typing */
    struct oid chat_id;
};

struct consultation_create { /* 10.1 */
    const char *content;
    struct oid patient_id;
    struct oid doctor_id;
    const char *consultation_reason;
    struct text_list images;
};

struct consultation_update { /* 10.2 */
    struct oid consultation_id;
    const char *status;
};

struct consultation_filter { /* 10.3 */
    struct oid consultation_id;
    struct oid doctor_id;
    struct oid patient_id;
    const char *status;
    int64_t skip, limit;
};

struct by_consultation { /* 10.4, 10.5 */
    struct oid consultation_id;
};

struct quick_reply_create { /* 7.1 */
    struct oid doctor_id;
    const char *title;
    const char *content;
};

struct quick_reply_filter { /* 7.3 */
    struct oid doctor_id;
    const char *keyword;
    int64_t skip, limit;
};

struct collection_create { /* 9.1 */
    struct oid user_id;
    struct oid doctor_id;
};

struct consultation_answer { /* of consultation_evaluate */
    struct oid question_id;
    int64_t score;
    const char *text;
};

struct consultation_evaluate { /* ＋ */
    struct oid consultation_id;
    struct object_list answers; /* struct consultation_answer */
};

struct treatment_upsert { /* 11.2 */
    struct oid consultation_id;
    const char *main_diagnosis;
    struct text_list second_diagnosis;
    const char *chief_complaint;
    const char *history_of_past_illness;
};

struct system_message_create { /* ＋ */
    struct oid chat_id;
    struct oid consultation_id;
    const char *type;
    const char *text;
    const char *client_msg_id;
};

struct diagnosis_filter { /* 11.1 */
    const char *keyword;
    int64_t skip, limit;
};

struct sandbox_pay { /* ＋ */
    const char *out_trade_no;
};

struct sandbox_notify { /* ＋ what the sandbox provider sends */
    const char *out_trade_no;
    int64_t total_fee;
    const char *trade_state;
    const char *transaction_id;
    const char *signature;
};

struct socket_connect { /* ＋ connect */
    const char *token;
    const char *cursor;
};

extern const struct shape nothing_shape;
extern const struct shape user_signup_shape;
extern const struct shape user_signin_shape;
extern const struct shape doctor_signin_shape;
extern const struct shape doctor_filter_shape;
extern const struct shape by_id_shape;
extern const struct shape patient_create_shape;
extern const struct shape by_user_shape;
extern const struct shape chat_user_filter_shape;
extern const struct shape chat_doctor_filter_shape;
extern const struct shape patient_bindcard_shape;
extern const struct shape message_filter_shape;
extern const struct shape message_create_shape;
extern const struct shape chat_read_shape;
extern const struct shape by_chat_shape;
extern const struct shape consultation_create_shape;
extern const struct shape consultation_update_shape;
extern const struct shape consultation_filter_shape;
extern const struct shape by_consultation_shape;
extern const struct shape sandbox_pay_shape;
extern const struct shape sandbox_notify_shape;
extern const struct shape socket_connect_shape;
extern const struct shape quick_reply_create_shape;
extern const struct shape quick_reply_filter_shape;
extern const struct shape collection_create_shape;
extern const struct shape diagnosis_filter_shape;
extern const struct shape consultation_evaluate_shape;
extern const struct shape treatment_upsert_shape;
extern const struct shape system_message_create_shape;

#endif
