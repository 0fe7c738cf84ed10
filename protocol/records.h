/* Any thread. Every record that is stored or answered, and the limits of its fields.
 *
 * The shapes are in records.c; a stored record's first field is `id`. Field names on the wire
 * and in the store are the document's; what is marked ＋ there is ours (contract 3). Texts point
 * into the arena of the job that read them. */
#ifndef CONSULTD_PROTOCOL_RECORDS_H
#define CONSULTD_PROTOCOL_RECORDS_H

#include "protocol/shape.h"

/* Limits in code points (contract 1, Strings). */
#define NAME_MAX_LENGTH 64
#define TEXT_MAX_LENGTH 2000
#define URL_MAX_LENGTH 1024
#define KEY_MAX_LENGTH 64
#define CONSULTATION_IMAGES_MAX 9
#define SECOND_DIAGNOSES_MAX 20
#define EVALUATION_ANSWERS_MAX 50
#define SCORE_MAX 5

/* No fee is more than this, in 分: a million yuan. */
#define FEE_MAX INT64_C(100000000)

struct user {
    struct oid id; /* derived from openId: signing up twice makes one */
    const char *open_id;
    int64_t phone;
    struct timestamp created_at, updated_at;
};

struct patient {
    struct oid id;
    struct oid user_id;
    int64_t phone;
    const char *certificate_type; /* 01 to 06 */
    const char *certificate_no;
    const char *name;
    const char *birthday; /* YYYY-MM-DD */
    int64_t sex;          /* 0 female, 1 male */
    const char *patient_id_no;
    struct oid last_order_id; /* that was claimed: see server/api/claims.h */
    struct timestamp created_at, updated_at, deleted_at;
};

struct department {
    struct oid id;
    const char *name;
    int64_t weight;
    struct timestamp created_at, updated_at;
};

struct doctor {
    struct oid id; /* derived from doctorSn */
    const char *doctor_sn;
    const char *doctor_name;
    const char *password; /* scrypt, as password.c writes it */
    const char *open_id;
    const char *identifier; /* doctor-<doctorSn> */
    struct oid department_id;
    const char *department_name;
    const char *title;
    const char *introduction;
    bool image_and_text_open;
    int64_t image_and_text_price; /* in 分 */
    bool is_hot;
    int64_t weight;
    bool disabled;
    struct timestamp created_at, updated_at;
};

struct reason {
    struct oid id;
    const char *reason;
    int64_t weight;
    struct timestamp created_at, updated_at;
};

struct question {
    struct oid id;
    const char *quesion; /* the document's spelling */
    const char *type;    /* 01 score, 02 text */
    int64_t weight;
    struct timestamp created_at, updated_at;
};

struct diagnosis {
    struct oid id; /* derived from the code and name: importing twice makes one */
    const char *name;
    const char *code;
    struct timestamp created_at;
};

/* A part of a diagnosis's name that it is found by, see server/api/diagnoses.c. */
struct diagnosis_term {
    struct oid id;    /* derived from gram and diagnosis */
    const char *gram; /* one or two characters, ASCII letters in lower case */
    const char *code; /* the diagnosis's */
    struct oid diagnosis_id;
    const char *name; /* the diagnosis's, with grams of two characters */
};

struct chat_patient {
    struct oid patient_id;
    const char *name;
};

struct chat_doctor {
    struct oid doctor_id;
    const char *doctor_name;
};

struct chat_system {
    struct oid system_id;
    const char *code;
    const char *name;
};

/* One conversation. Besides what the document shows it holds the gate of the conversation and
 * its counters: sending is one conditional update of this record (gate open, not past the
 * deadline) that takes the next seq. */
struct chat {
    struct oid id;    /* derived from the pair, the user or the doctor */
    const char *type; /* 01 patient and doctor, 02 system and user, 03 system and doctor */
    bool status;      /* whether messages may be sent: the order is 03 or 04 */
    const char *last_msg_content;
    struct timestamp last_msg_time;
    struct oid last_msg_id;
    struct oid_list counted_ids; /* the messages that were counted last, see posts.c */
    struct oid user_id, patient_id, doctor_id;
    const char *patient_name, *doctor_name;
    struct oid open_consultation_id; /* the pair's order in 01, 03, 04 or 06 */
    struct timestamp deadline;       /* of that order, once paid */
    int64_t last_seq;                /* of the newest message */
    /* Messages that count as unread for a side, in all, and up to what that side has read.
     * They only grow (but see places_give_back), so that unread = total - read_total never drifts. */
    int64_t user_total, doctor_total;
    int64_t user_read_total, doctor_read_total;
    int64_t user_read_seq, doctor_read_seq;
    int64_t rev; /* stamp of the last change, see clock.h */
    struct timestamp created_at, updated_at;
    /* Views, filled for the side that asks. */
    const struct chat_patient *patient;
    const struct chat_doctor *doctor;
    const struct chat_system *system;
    int64_t unread;
    int64_t read_seq;           /* what this side has read */
    int64_t peer_read_seq;      /* what the other side has read */
    struct oid consultation_id; /* the open order, for this side's app */
    /* 8.3: of the other side, where it is a person and that is known. */
    struct maybe online;
    struct timestamp last_seen; /* none while online, and of who never was */
};

struct message {
    struct oid id; /* derived from clientMsgId or from what caused it, else random */
    struct oid chat_id;
    struct oid consultation_id;
    const char *type; /* 01 text or image or audio, 02 … 04 documents, 06 notice */
    struct message_text text;
    const char *image;
    const char *audio;
    const char *direction; /* user->doctor, doctor->user, system->user, system->doctor */
    int64_t seq;           /* 1, 2, 3 … in its chat */
    const char *client_msg_id;
    bool is_retract;
    /* The chat's user_total and doctor_total with this message included: what makes `unread`
     * one subtraction when a side says how far it has read. */
    int64_t user_total, doctor_total;
    int64_t rev;
    struct timestamp created_at, updated_at;
};

struct consultation {
    struct oid id;
    const char *consultation_no; /* H0- and 16 of 0-9A-Z */
    struct oid patient_id, doctor_id, user_id, chat_id;
    struct text_list images;
    bool evaluated;
    const char *content;
    const char *status; /* 01 … 09, document 10.1 */
    const char *consultation_reason;
    int64_t fee; /* in 分 */
    struct timestamp created_at, updated_at;
    struct timestamp paid_at;
    struct timestamp deadline; /* paid_at + 48 h */
    /* The doctor's live (not retracted) replies: at most reply_limit ids, and their number. */
    struct oid_list replies;
    struct oid_list retracting; /* given back, their messages not marked yet */
    int64_t reply_count;
    /* The seqs that the messages of a move occupy, reserved once; 0 before. */
    int64_t start_seq, disclaimer_seq, end_seq;
    /* The chat's totals before those messages, so that they can be derived again. */
    int64_t start_user_total, start_doctor_total;
    int64_t disclaimer_user_total, disclaimer_doctor_total;
    int64_t end_user_total, end_doctor_total;
    bool unsettled;       /* the consequences of the last move are not all written yet */
    struct timestamp due; /* when the system moves it next */
    int64_t rev;
    /* Views. */
    int64_t replies_left;
    const struct patient *patient;
    const struct doctor *doctor;
};

struct payment {
    struct oid id; /* derived from the order: one payment each */
    struct oid consultation_id;
    struct oid user_id;
    int64_t total_fee; /* in 分, 0 to FEE_MAX */
    const char *out_trade_no;
    const char *status; /* WAIT_FOR_PAY, PAID, REFUNDING, REFUNDED, CLOSED */
    const char *provider;
    const char *transaction_id; /* the provider's */
    const char *order_info;     /* what the app hands to the provider's SDK, JSON text */
    struct timestamp created_at, updated_at, paid_at, refunded_at;
    /* While something is left to do: when the provider is asked next, or what follows from the
     * state is written. Absent when all is done. */
    struct timestamp due;
    struct timestamp asked_at;           /* the last time, whatever it answered */
    int64_t tries;                       /* questions asked in this state without getting further */
    struct timestamp refund_accepted_at; /* the provider has the request for the refund */
};

struct sandbox_trade { /* the sandbox provider's own book: what was paid */
    struct oid id;     /* derived from outTradeNo */
    const char *out_trade_no;
    int64_t total_fee; /* in 分 */
    struct timestamp created_at;
};

struct service_key { /* ＋ of one of the hospital's other systems */
    struct oid id;   /* derived from the hash */
    const char *name;
    const char *hash; /* of the key, which is not kept */
    bool disabled;
    struct timestamp created_at, updated_at;
};

struct treatment { /* document 11.2 */
    struct oid id; /* derived from the order: one each */
    struct oid consultation_id, patient_id, doctor_id;
    const char *main_diagnosis;
    struct text_list second_diagnosis;
    const char *chief_complaint;
    const char *history_of_past_illness;
    int64_t version; /* 1, 2, 3 … of what is kept in treatment_version */
    struct timestamp created_at, updated_at;
};

struct treatment_version { /* ＋ every version that a treatment has had; never changed */
    struct oid id;         /* derived from the order and the version */
    struct oid consultation_id, patient_id, doctor_id;
    const char *main_diagnosis;
    struct text_list second_diagnosis;
    const char *chief_complaint;
    const char *history_of_past_illness;
    int64_t version;
    struct timestamp created_at;
};

struct evaluation { /* ＋ one per order */
    struct oid id;  /* derived from the order */
    struct oid consultation_id, user_id, doctor_id, patient_id;
    struct oid answers_id; /* what the ids of its answers are derived from */
    struct timestamp created_at;
};

struct evaluation_answer { /* ＋ of an evaluation, if its `answers_id` is that one's */
    struct oid id;         /* derived from answers_id and the question */
    struct oid answers_id;
    struct oid consultation_id, doctor_id, question_id;
    int64_t score; /* 1 … 5; NUMBER_ABSENT at a question of type 02 */
    const char *text;
    struct timestamp created_at;
};

struct quick_reply { /* document 7 */
    struct oid id;
    struct oid doctor_id;
    const char *title;
    const char *content;
    const char *search; /* title and content, what a keyword is looked for in */
    struct timestamp created_at, updated_at, deleted_at;
};

struct collection_entry { /* document 9: a doctor that a user has collected */
    struct oid id;        /* derived from the pair */
    struct oid user_id, doctor_id;
    struct timestamp created_at, updated_at, deleted_at;
    const struct doctor *doctor; /* view */
};

struct removal { /* document 9.3 */
    int64_t n, ok;
};

/* What the store says about itself; one record. */
struct store_info {
    struct oid id;        /* always the same */
    const char *store_id; /* 16 hex digits made once: cursors of another store are not known */
    int64_t version;      /* of the schema */
    struct timestamp created_at;
};

/* One line of the record: who did what, when (server/audit_chain.h). Its id is its place: chain and
 * number. */
struct audit_row {
    struct oid id;
    struct timestamp at;
    const char *actor;          /* user, doctor, system, operator:<login> … */
    struct oid actor_id;        /* of the account, where there is one */
    const char *action;         /* server/audit.def */
    struct oid consultation_id; /* that it is about */
    struct oid subject;         /* the message, payment, patient … that it was done to */
    const char *result;         /* what it led to: the state, "ok", "failed", the version */
    const char *details;        /* never a text, name or number of a person */
    const char *content;        /* SHA-256, hex, of what was written (canonical.h) */
    const char *previous;       /* the hash of the row before */
    const char *hash;           /* of all the above */
    bool is_aside;              /* not in the index of orders: server/audit_stretch.h */
};

/* What sign-ins answer. */
struct user_session { /* document 1.2 */
    const char *token;
    struct oid user_id;
    const char *usersig;
    const char *identifier;
};

struct doctor_session {
    const char *token;
    struct oid doctor_id;
    const char *usersig;
    const char *identifier;
    const struct doctor *doctor;
};

struct read_receipt { /* ＋ chat.read */
    struct oid chat_id;
    int64_t seq;
    const char *side; /* user, doctor */
    int64_t unread;   /* only to the reading account */
};

struct typing { /* ＋ typing */
    struct oid chat_id;
    const char *side;
};

struct presence { /* ＋ presence: of the other side of a chat */
    struct oid chat_id;
    const char *side;
    struct oid user_id, doctor_id; /* whose; the other one is none */
    bool online;
    struct timestamp last_seen; /* none while online */
};

struct connected { /* ＋ answer to connect */
    struct oid user_id, doctor_id;
    const char *cursor;
    bool resumed;
    int64_t ping_interval; /* seconds */
};

extern const struct shape user_shape;
extern const struct shape patient_shape;
extern const struct shape department_shape;
extern const struct shape doctor_shape;
extern const struct shape reason_shape;
extern const struct shape question_shape;
extern const struct shape diagnosis_shape;
extern const struct shape diagnosis_term_shape;
extern const struct shape chat_shape;
extern const struct shape message_shape;
extern const struct shape consultation_shape;
extern const struct shape payment_shape;
extern const struct shape sandbox_trade_shape;
extern const struct shape quick_reply_shape;
extern const struct shape collection_entry_shape;
extern const struct shape removal_shape;
extern const struct shape store_info_shape;
extern const struct shape audit_row_shape;
extern const struct shape user_session_shape;
extern const struct shape doctor_session_shape;
extern const struct shape read_receipt_shape;
extern const struct shape typing_shape;
extern const struct shape presence_shape;
extern const struct shape connected_shape;
extern const struct shape service_key_shape;
extern const struct shape treatment_shape;
extern const struct shape treatment_version_shape;
extern const struct shape evaluation_shape;
extern const struct shape evaluation_answer_shape;

#endif
