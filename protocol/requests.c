/* The shapes of all request bodies: names and rules of the document and contract 1. A row's
 * limits are enforced by document_bind and published in the API document, so they are stated
 * once, here. */
#include "protocol/requests.h"

#define SKIP_MAX 1000000000
#define LIMIT_MAX 100
#define SEQ_MAX INT64_C(9007199254740991) /* what a JavaScript app can still count */

#define PAGE_ROWS(type)                                                                            \
    FIELD(type, skip, "skip", LOOSE, 0, SKIP_MAX, "从第 skip 条开始，默认 0"),                     \
        FIELD(type, limit, "limit", LOOSE, 1, LIMIT_MAX, "拿多少条，默认 10")

const struct shape nothing_shape = {"nothing", sizeof(struct nothing), NULL, 0, 0, 0};

static const struct field user_signup_fields[] = {
    FIELD_FORMAT(user_signup, open_id, "openId", REQUIRED, FORMAT_VISIBLE, KEY_MAX_LENGTH,
                 "用户微信id"),
    FIELD_FORMAT(user_signup, phone, "phone", LOOSE, FORMAT_PHONE, 0, "手机号"),
};
const struct shape user_signup_shape = SHAPE(user_signup, user_signup_fields);

static const struct field user_signin_fields[] = {
    FIELD_FORMAT(user_signin, open_id, "openId", REQUIRED, FORMAT_VISIBLE, KEY_MAX_LENGTH,
                 "用户微信id"),
};
const struct shape user_signin_shape = SHAPE(user_signin, user_signin_fields);

static const struct field doctor_signin_fields[] = {
    FIELD_FORMAT(doctor_signin, doctor_sn, "doctorSn", REQUIRED, FORMAT_VISIBLE, KEY_MAX_LENGTH,
                 "医生工号"),
    FIELD(doctor_signin, password, "password", REQUIRED, 1, 128, "口令"),
};
const struct shape doctor_signin_shape = SHAPE(doctor_signin, doctor_signin_fields);

static const struct field doctor_filter_fields[] = {
    FIELD(doctor_filter, department_id, "departmentId", 0, 0, 0, "科室id"),
    FIELD(doctor_filter, keyword, "keyword", 0, 1, NAME_MAX_LENGTH, "搜索关键字，医生姓名"),
    PAGE_ROWS(doctor_filter),
};
const struct shape doctor_filter_shape = SHAPE(doctor_filter, doctor_filter_fields);

static const struct field by_id_fields[] = {
    FIELD(by_id, id, "id", REQUIRED, 0, 0, "编号"),
};
const struct shape by_id_shape = SHAPE(by_id, by_id_fields);

static const struct field patient_create_fields[] = {
    FIELD(patient_create, user_id, "userId", REQUIRED, 0, 0, "用户id"),
    FIELD_FORMAT(patient_create, phone, "phone", REQUIRED | LOOSE, FORMAT_PHONE, 0, "手机号"),
    FIELD_CHOICE(patient_create, certificate_type, "certificateType", 0, "01|02|03|04|05|06",
                 "证件类型 01身份证，02军人证，03户口本，04签证，05护照，06港澳通行证，默认 01"),
    FIELD(patient_create, certificate_no, "certificateNo", REQUIRED, 1, NAME_MAX_LENGTH,
          "证件号码"),
    FIELD(patient_create, name, "name", REQUIRED, 1, NAME_MAX_LENGTH, "姓名"),
    FIELD_FORMAT(patient_create, birthday, "birthday", 0, FORMAT_DATE, 10,
                 "生日 YYYY-MM-DD 或 YYYYMMDD，默认由身份证号算出"),
    FIELD(patient_create, sex, "sex", LOOSE, 0, 1, "性别 0-女，1-男，默认由身份证号算出"),
    FIELD(patient_create, patient_id_no, "patientIdNo", 0, 0, NAME_MAX_LENGTH, "就诊卡号"),
};
const struct shape patient_create_shape = SHAPE(patient_create, patient_create_fields);

static const struct field by_user_fields[] = {
    FIELD(by_user, user_id, "userId", REQUIRED, 0, 0, "用户id"),
};
const struct shape by_user_shape = SHAPE(by_user, by_user_fields);

#define PART_ROWS(type)                                                                            \
    FIELD(type, skip, "skip", LOOSE, 0, SKIP_MAX, "从第 skip 条开始，默认 0"),                     \
        FIELD(type, limit, "limit", LOOSE, 1, LIMIT_MAX, "拿多少条，默认全部")

static const struct field chat_user_filter_fields[] = {
    FIELD(chat_user_filter, user_id, "userId", REQUIRED, 0, 0, "用户id"),
    PART_ROWS(chat_user_filter),
};
const struct shape chat_user_filter_shape = SHAPE(chat_user_filter, chat_user_filter_fields);

static const struct field chat_doctor_filter_fields[] = {
    FIELD(chat_doctor_filter, doctor_id, "doctorId", REQUIRED, 0, 0, "医生id"),
    PART_ROWS(chat_doctor_filter),
};
const struct shape chat_doctor_filter_shape = SHAPE(chat_doctor_filter, chat_doctor_filter_fields);

static const struct field patient_bindcard_fields[] = {
    FIELD(patient_bindcard, id, "id", REQUIRED, 0, 0, "就诊人id"),
    FIELD(patient_bindcard, patient_id_no, "patientIdNo", REQUIRED, 1, NAME_MAX_LENGTH, "就诊卡号"),
};
const struct shape patient_bindcard_shape = SHAPE(patient_bindcard, patient_bindcard_fields);

static const struct field message_filter_fields[] = {
    FIELD(message_filter, chat_id, "chatId", REQUIRED, 0, 0, "聊天id"),
    PAGE_ROWS(message_filter),
    FIELD(message_filter, before_seq, "beforeSeq", LOOSE, 1, SEQ_MAX,
          "只取序号小于此值的消息，翻页时不受新消息影响"),
};
const struct shape message_filter_shape = SHAPE(message_filter, message_filter_fields);

static const struct field message_create_fields[] = {
    FIELD(message_create, chat_id, "chatId", REQUIRED, 0, 0, "聊天id"),
    FIELD(message_create, consultation_id, "consultationId", REQUIRED, 0, 0, "咨询订单id"),
    FIELD_CHOICE(message_create, type, "type", REQUIRED, "01", "消息类型，只能 01：图文"),
    FIELD_CHOICE(message_create, direction, "direction", REQUIRED, "user->doctor|doctor->user",
                 "消息发送方向"),
    FIELD(message_create, client_msg_id, "clientMsgId", MULTILINE, 1, KEY_MAX_LENGTH,
          "发送方给的去重编号，重发时不变"),
    FIELD(message_create, text, "text", MULTILINE, 1, TEXT_MAX_LENGTH,
          "文本内容（text，image，audio 有且只有一个不为空）"),
    FIELD_FORMAT(message_create, image, "image", 0, FORMAT_URL, URL_MAX_LENGTH, "图片消息网络地址"),
    FIELD_FORMAT(message_create, audio, "audio", 0, FORMAT_URL, URL_MAX_LENGTH, "语音消息网络地址"),
};
const struct shape message_create_shape = {"message_create",
                                           sizeof(struct message_create),
                                           message_create_fields,
                                           ARRAY_LENGTH(message_create_fields),
                                           5,
                                           8};

static const struct field chat_read_fields[] = {
    FIELD(chat_read, chat_id, "chatId", REQUIRED, 0, 0, "聊天id"),
    FIELD(chat_read, seq, "seq", REQUIRED | LOOSE, 0, SEQ_MAX, "已读到的序号"),
};
const struct shape chat_read_shape = SHAPE(chat_read, chat_read_fields);

static const struct field by_chat_fields[] = {
    FIELD(by_chat, chat_id, "chatId", REQUIRED, 0, 0, "聊天id"),
};
const struct shape by_chat_shape = SHAPE(by_chat, by_chat_fields);

static const struct field consultation_create_fields[] = {
    FIELD(consultation_create, content, "content", REQUIRED | MULTILINE, 1, TEXT_MAX_LENGTH,
          "咨询内容"),
    FIELD(consultation_create, patient_id, "patientId", REQUIRED, 0, 0, "患者id"),
    FIELD(consultation_create, doctor_id, "doctorId", REQUIRED, 0, 0, "医生id"),
    FIELD(consultation_create, consultation_reason, "consultationReason", REQUIRED, 1,
          NAME_MAX_LENGTH, "问诊原因"),
    FIELD_LIST(consultation_create, images, "images", LOOSE, FORMAT_URL, CONSULTATION_IMAGES_MAX,
               URL_MAX_LENGTH, "咨询图片，默认 []"),
};
const struct shape consultation_create_shape =
    SHAPE(consultation_create, consultation_create_fields);

static const struct field consultation_update_fields[] = {
    FIELD(consultation_update, consultation_id, "consultationId", REQUIRED, 0, 0, "订单id"),
    FIELD_CHOICE(consultation_update, status, "status", REQUIRED, "01|02|03|04|05|06|07|08|09",
                 "要改为的状态：02 取消，06 申请退款，07 完成"),
};
const struct shape consultation_update_shape =
    SHAPE(consultation_update, consultation_update_fields);

static const struct field consultation_filter_fields[] = {
    FIELD(consultation_filter, consultation_id, "consultationId", 0, 0, 0, "订单id"),
    FIELD(consultation_filter, doctor_id, "doctorId", 0, 0, 0, "医生id"),
    FIELD(consultation_filter, patient_id, "patientId", 0, 0, 0, "患者id"),
    FIELD_CHOICE(consultation_filter, status, "status", 0, "01|02|03|04|05|06|07|08|09", "状态"),
    PAGE_ROWS(consultation_filter),
};
const struct shape consultation_filter_shape =
    SHAPE(consultation_filter, consultation_filter_fields);

static const struct field by_consultation_fields[] = {
    FIELD(by_consultation, consultation_id, "consultationId", REQUIRED, 0, 0, "订单id"),
};
const struct shape by_consultation_shape = SHAPE(by_consultation, by_consultation_fields);

static const struct field quick_reply_create_fields[] = {
    FIELD(quick_reply_create, doctor_id, "doctorId", REQUIRED, 0, 0, "医生id"),
    FIELD(quick_reply_create, title, "title", REQUIRED, 1, NAME_MAX_LENGTH, "标题"),
    FIELD(quick_reply_create, content, "content", REQUIRED | MULTILINE, 1, TEXT_MAX_LENGTH, "内容"),
};
const struct shape quick_reply_create_shape = SHAPE(quick_reply_create, quick_reply_create_fields);

static const struct field quick_reply_filter_fields[] = {
    FIELD(quick_reply_filter, doctor_id, "doctorId", REQUIRED, 0, 0, "医生id"),
    FIELD(quick_reply_filter, keyword, "keyword", 0, 1, NAME_MAX_LENGTH,
          "搜索关键字，在标题和内容中查找"),
    PAGE_ROWS(quick_reply_filter),
};
const struct shape quick_reply_filter_shape = SHAPE(quick_reply_filter, quick_reply_filter_fields);

static const struct field collection_create_fields[] = {
    FIELD(collection_create, user_id, "userId", REQUIRED, 0, 0, "用户id"),
    FIELD(collection_create, doctor_id, "doctorId", REQUIRED, 0, 0, "医生id"),
};
const struct shape collection_create_shape = SHAPE(collection_create, collection_create_fields);

static const struct field diagnosis_filter_fields[] = {
    FIELD(diagnosis_filter, keyword, "keyword", 0, 1, NAME_MAX_LENGTH, "查询关键字"),
    PAGE_ROWS(diagnosis_filter),
};
const struct shape diagnosis_filter_shape = SHAPE(diagnosis_filter, diagnosis_filter_fields);

static const struct field sandbox_pay_fields[] = {
    FIELD_FORMAT(sandbox_pay, out_trade_no, "outTradeNo", REQUIRED, FORMAT_DIGITS, KEY_MAX_LENGTH,
                 "支付订单号"),
};
const struct shape sandbox_pay_shape = SHAPE(sandbox_pay, sandbox_pay_fields);

static const struct field sandbox_notify_fields[] = {
    FIELD_FORMAT(sandbox_notify, out_trade_no, "outTradeNo", REQUIRED, FORMAT_DIGITS,
                 KEY_MAX_LENGTH, "支付订单号"),
    FIELD(sandbox_notify, total_fee, "totalFee", REQUIRED, 0, FEE_MAX, "支付金额，单位：分"),
    FIELD_CHOICE(sandbox_notify, trade_state, "tradeState", REQUIRED, "PAID|REFUNDED",
                 "支付或退款的结果"),
    FIELD_FORMAT(sandbox_notify, transaction_id, "transactionId", REQUIRED, FORMAT_VISIBLE,
                 KEY_MAX_LENGTH, "渠道流水号"),
    FIELD_FORMAT(sandbox_notify, signature, "signature", REQUIRED, FORMAT_VISIBLE, KEY_MAX_LENGTH,
                 "签名：HMAC-SHA256，小写十六进制"),
};
const struct shape sandbox_notify_shape = SHAPE(sandbox_notify, sandbox_notify_fields);

static const struct field socket_connect_fields[] = {
    FIELD_FORMAT(socket_connect, token, "token", 0, FORMAT_VISIBLE, 4096, "登录凭证"),
    FIELD_FORMAT(socket_connect, cursor, "cursor", 0, FORMAT_VISIBLE, KEY_MAX_LENGTH, "游标"),
};
const struct shape socket_connect_shape = SHAPE(socket_connect, socket_connect_fields);

static const struct field consultation_answer_fields[] = {
    FIELD(consultation_answer, question_id, "evaluateQuesionId", REQUIRED, 0, 0, "评价问题id"),
    FIELD(consultation_answer, score, "score", LOOSE, 1, SCORE_MAX, "打分，类型 01 的问题必填"),
    FIELD(consultation_answer, text, "text", MULTILINE, 1, TEXT_MAX_LENGTH,
          "文字，类型 02 的问题必填"),
};
static const struct shape consultation_answer_shape =
    SHAPE(consultation_answer, consultation_answer_fields);

static const struct field consultation_evaluate_fields[] = {
    FIELD(consultation_evaluate, consultation_id, "consultationId", REQUIRED, 0, 0, "订单id"),
    FIELD_OBJECTS(consultation_evaluate, answers, "answers", REQUIRED, consultation_answer_shape,
                  EVALUATION_ANSWERS_MAX, "每个问题的答案"),
};
const struct shape consultation_evaluate_shape =
    SHAPE(consultation_evaluate, consultation_evaluate_fields);

static const struct field treatment_upsert_fields[] = {
    FIELD(treatment_upsert, consultation_id, "consultationId", REQUIRED, 0, 0, "订单id"),
    FIELD(treatment_upsert, main_diagnosis, "mainDiagnosis", REQUIRED, 1, NAME_MAX_LENGTH,
          "主诊断"),
    FIELD_LIST(treatment_upsert, second_diagnosis, "secondDiagnosis", LOOSE, FORMAT_NONE,
               SECOND_DIAGNOSES_MAX, NAME_MAX_LENGTH, "副诊断"),
    FIELD(treatment_upsert, chief_complaint, "chiefComplaint", REQUIRED | MULTILINE, 1,
          TEXT_MAX_LENGTH, "主诉"),
    FIELD(treatment_upsert, history_of_past_illness, "historyOfPastIllness", REQUIRED | MULTILINE,
          1, TEXT_MAX_LENGTH, "既往史"),
};
const struct shape treatment_upsert_shape = SHAPE(treatment_upsert, treatment_upsert_fields);

static const struct field system_message_create_fields[] = {
    FIELD(system_message_create, chat_id, "chatId", REQUIRED, 0, 0, "聊天id"),
    FIELD(system_message_create, consultation_id, "consultationId", 0, 0, 0, "订单id"),
    FIELD_CHOICE(system_message_create, type, "type", REQUIRED, "01|02|03|04",
                 "01 文字（只能发往系统聊天），02 处方，03 检查，04 检验"),
    FIELD(system_message_create, text, "text", REQUIRED | MULTILINE, 1, TEXT_MAX_LENGTH, "内容"),
    FIELD(system_message_create, client_msg_id, "clientMsgId", MULTILINE, 1, KEY_MAX_LENGTH,
          "发送方给的去重编号，重发时不变"),
};
const struct shape system_message_create_shape =
    SHAPE(system_message_create, system_message_create_fields);
