/* The shapes of all records. One row per field: the order here is the order on the wire.
 *
 * What must hold: a stored record's first row is its `id`; a SECRET row is never written to a
 * client (contract 1, Personal data); a VIEW row is never stored. */
#include "protocol/records.h"

#define ID_ROW(type) FIELD(type, id, "id", ALWAYS, 0, 0, "编号")
#define CREATED_ROW(type) FIELD(type, created_at, "created_at", ALWAYS | REQUIRED, 0, 0, "创建时间")
#define UPDATED_ROW(type) FIELD(type, updated_at, "updated_at", ALWAYS | REQUIRED, 0, 0, "修改时间")

static const struct field user_fields[] = {
    ID_ROW(user),
    FIELD_FORMAT(user, open_id, "openId", 0, FORMAT_VISIBLE, KEY_MAX_LENGTH, "用户微信id"),
    FIELD_FORMAT(user, phone, "phone", 0, FORMAT_PHONE, 0, "手机号"),
    CREATED_ROW(user),
    UPDATED_ROW(user),
};
const struct shape user_shape = SHAPE(user, user_fields);

static const struct field patient_fields[] = {
    ID_ROW(patient),
    FIELD(patient, user_id, "userId", REQUIRED, 0, 0, "用户id"),
    FIELD_FORMAT(patient, phone, "phone", 0, FORMAT_PHONE, 0, "就诊人手机号"),
    FIELD_CHOICE(patient, certificate_type, "certificateType", REQUIRED, "01|02|03|04|05|06",
                 "证件类型 01身份证，02军人证，03户口本，04签证，05护照，06港澳通行证"),
    FIELD(patient, certificate_no, "certificateNo", REQUIRED, 1, NAME_MAX_LENGTH, "证件号"),
    FIELD(patient, name, "name", REQUIRED, 1, NAME_MAX_LENGTH, "姓名"),
    FIELD_FORMAT(patient, birthday, "birthday", REQUIRED, FORMAT_DATE, 10, "生日 YYYY-MM-DD"),
    FIELD(patient, sex, "sex", REQUIRED, 0, 1, "性别 0-女，1-男"),
    FIELD(patient, patient_id_no, "patientIdNo", 0, 0, NAME_MAX_LENGTH, "就诊卡号"),
    FIELD(patient, last_order_id, "lastOrderId", SECRET, 0, 0, "最近下的订单"),
    CREATED_ROW(patient),
    UPDATED_ROW(patient),
    FIELD(patient, deleted_at, "deleted_at", 0, 0, 0, "删除时间"),
};
const struct shape patient_shape = SHAPE(patient, patient_fields);

static const struct field department_fields[] = {
    ID_ROW(department),
    FIELD(department, name, "name", REQUIRED, 1, NAME_MAX_LENGTH, "科室名称"),
    FIELD(department, weight, "weight", 0, 0, 0, "排序权重，大者在前"),
    CREATED_ROW(department),
    UPDATED_ROW(department),
};
const struct shape department_shape = SHAPE(department, department_fields);

static const struct field doctor_fields[] = {
    FIELD(doctor, id, "id", ALWAYS | UNDERSCORE_ID, 0, 0, "医生id"),
    FIELD_FORMAT(doctor, doctor_sn, "doctorSn", REQUIRED, FORMAT_VISIBLE, KEY_MAX_LENGTH,
                 "医生工号"),
    FIELD(doctor, doctor_name, "doctorName", REQUIRED, 1, NAME_MAX_LENGTH, "医生姓名"),
    FIELD(doctor, password, "password", SECRET, 0, 0, "口令散列"),
    FIELD(doctor, open_id, "openId", SECRET, 0, 0, "医生微信id"),
    FIELD(doctor, identifier, "identifier", REQUIRED, 0, 0, "云通信登录用户名"),
    FIELD(doctor, department_id, "departmentId", 0, 0, 0, "科室id"),
    FIELD(doctor, department_name, "departmentName", VIEW, 0, 0, "科室名称"),
    FIELD(doctor, title, "title", 0, 0, NAME_MAX_LENGTH, "职称"),
    FIELD(doctor, introduction, "introduction", MULTILINE, 0, TEXT_MAX_LENGTH, "简介"),
    FIELD(doctor, image_and_text_open, "imageAndTextOpen", 0, 0, 0, "是否开通图文咨询"),
    FIELD(doctor, image_and_text_price, "imageAndTextPrice", 0, 0, 0, "图文咨询价格，单位：分"),
    FIELD(doctor, is_hot, "isHot", 0, 0, 0, "是否热门"),
    FIELD(doctor, weight, "weight", 0, 0, 0, "排序权重，大者在前"),
    FIELD(doctor, disabled, "disabled", SECRET, 0, 0, "是否停用"),
    CREATED_ROW(doctor),
    UPDATED_ROW(doctor),
};
const struct shape doctor_shape = SHAPE(doctor, doctor_fields);

static const struct field reason_fields[] = {
    ID_ROW(reason),
    FIELD(reason, reason, "reason", REQUIRED, 1, NAME_MAX_LENGTH, "内容"),
    FIELD(reason, weight, "weight", SECRET, 0, 0, "排序权重，大者在前"),
    CREATED_ROW(reason),
    UPDATED_ROW(reason),
};
const struct shape reason_shape = SHAPE(reason, reason_fields);

static const struct field question_fields[] = {
    ID_ROW(question),
    FIELD(question, quesion, "quesion", REQUIRED, 1, TEXT_MAX_LENGTH, "内容"),
    FIELD_CHOICE(question, type, "type", REQUIRED, "01|02", "01 打分评价，02 文字评价"),
    FIELD(question, weight, "weight", SECRET, 0, 0, "排序权重，大者在前"),
    CREATED_ROW(question),
    UPDATED_ROW(question),
};
const struct shape question_shape = SHAPE(question, question_fields);

static const struct field diagnosis_fields[] = {
    FIELD(diagnosis, id, "id", ALWAYS | UNDERSCORE_ID, 0, 0, "编号"),
    FIELD(diagnosis, name, "name", REQUIRED, 1, NAME_MAX_LENGTH, "诊断名称"),
    FIELD(diagnosis, code, "code", 0, 0, KEY_MAX_LENGTH, "诊断编码"),
    CREATED_ROW(diagnosis),
};
const struct shape diagnosis_shape = SHAPE(diagnosis, diagnosis_fields);

static const struct field diagnosis_term_fields[] = {
    ID_ROW(diagnosis_term),
    FIELD(diagnosis_term, gram, "gram", 0, 1, 2, "名称中的一或两个字"),
    FIELD(diagnosis_term, code, "code", 0, 0, KEY_MAX_LENGTH, "诊断编码"),
    FIELD(diagnosis_term, diagnosis_id, "diagnosisId", 0, 0, 0, "诊断id"),
    FIELD(diagnosis_term, name, "name", 0, 1, NAME_MAX_LENGTH, "诊断名称"),
};
const struct shape diagnosis_term_shape = SHAPE(diagnosis_term, diagnosis_term_fields);

static const struct field chat_patient_fields[] = {
    FIELD(chat_patient, patient_id, "patientId", ALWAYS, 0, 0, "就诊人id"),
    FIELD(chat_patient, name, "name", ALWAYS, 0, 0, "就诊人姓名"),
};
static const struct shape chat_patient_shape = SHAPE(chat_patient, chat_patient_fields);

static const struct field chat_doctor_fields[] = {
    FIELD(chat_doctor, doctor_id, "doctorId", ALWAYS, 0, 0, "医生id"),
    FIELD(chat_doctor, doctor_name, "doctorName", ALWAYS, 0, 0, "医生姓名"),
};
static const struct shape chat_doctor_shape = SHAPE(chat_doctor, chat_doctor_fields);

static const struct field chat_system_fields[] = {
    FIELD(chat_system, system_id, "systemId", ALWAYS, 0, 0, "系统用户id"),
    FIELD(chat_system, code, "code", ALWAYS, 0, 0, "系统用户编码"),
    FIELD(chat_system, name, "name", ALWAYS, 0, 0, "系统用户名称"),
};
static const struct shape chat_system_shape = SHAPE(chat_system, chat_system_fields);

static const struct field chat_fields[] = {
    ID_ROW(chat),
    FIELD_CHOICE(chat, type, "type", REQUIRED, "01|02|03",
                 "聊天类型 01：就诊人和医生，02：系统与用户，03：系统与医生"),
    FIELD(chat, status, "status", 0, 0, 0, "是否可以交流"),
    FIELD(chat, last_msg_content, "lastMsgContent", ALWAYS, 0, 0, "最后一条聊天消息展示"),
    FIELD(chat, last_msg_time, "lastMsgTime", ALWAYS, 0, 0, "最后一条聊天消息发送时间"),
    FIELD(chat, last_msg_id, "lastMsgId", SECRET, 0, 0, "最后展示的消息"),
    FIELD(chat, counted_ids, "countedIds", SECRET, 0, 0, "最后计数的消息"),
    FIELD(chat, user_id, "userId", SECRET, 0, 0, "用户id"),
    FIELD(chat, patient_id, "patientId", SECRET, 0, 0, "就诊人id"),
    FIELD(chat, doctor_id, "doctorId", SECRET, 0, 0, "医生id"),
    FIELD(chat, patient_name, "patientName", SECRET, 0, 0, "就诊人姓名"),
    FIELD(chat, doctor_name, "doctorName", SECRET, 0, 0, "医生姓名"),
    FIELD(chat, open_consultation_id, "openConsultationId", SECRET, 0, 0, "未结束的订单"),
    FIELD(chat, deadline, "deadline", 0, 0, 0, "本次咨询截止时间"),
    FIELD(chat, last_seq, "lastSeq", REQUIRED, 0, 0, "最新消息的序号"),
    FIELD(chat, user_total, "userTotal", SECRET, 0, 0, "发给用户的消息总数"),
    FIELD(chat, doctor_total, "doctorTotal", SECRET, 0, 0, "发给医生的消息总数"),
    FIELD(chat, user_read_total, "userReadTotal", SECRET, 0, 0, "用户已读总数"),
    FIELD(chat, doctor_read_total, "doctorReadTotal", SECRET, 0, 0, "医生已读总数"),
    FIELD(chat, user_read_seq, "userReadSeq", SECRET, 0, 0, "用户已读序号"),
    FIELD(chat, doctor_read_seq, "doctorReadSeq", SECRET, 0, 0, "医生已读序号"),
    FIELD(chat, rev, "rev", SECRET, 0, 0, "修改戳"),
    CREATED_ROW(chat),
    UPDATED_ROW(chat),
    FIELD_OBJECT(chat, patient, "patient", VIEW, chat_patient_shape, "就诊人"),
    FIELD_OBJECT(chat, doctor, "doctor", VIEW, chat_doctor_shape, "医生"),
    FIELD_OBJECT(chat, system, "system", VIEW, chat_system_shape, "系统用户"),
    FIELD(chat, unread, "unread", REQUIRED | VIEW, 0, 0, "未读条数"),
    FIELD(chat, read_seq, "readSeq", REQUIRED | VIEW, 0, 0, "本方已读到的序号"),
    FIELD(chat, peer_read_seq, "peerReadSeq", REQUIRED | VIEW, 0, 0, "对方已读到的序号"),
    FIELD(chat, consultation_id, "consultationId", VIEW, 0, 0, "未结束的订单id"),
    FIELD(chat, online, "online", VIEW, 0, 0, "对方是否在线；仅 8.3，不能得知时没有"),
    FIELD(chat, last_seen, "lastSeen", VIEW, 0, 0, "对方最后在线的时间；在线或从未在线时没有"),
};
const struct shape chat_shape = SHAPE(chat, chat_fields);

static const struct field message_fields[] = {
    ID_ROW(message),
    FIELD(message, chat_id, "chatId", REQUIRED, 0, 0, "聊天id"),
    FIELD(message, consultation_id, "consultationId", 0, 0, 0, "订单id"),
    FIELD_CHOICE(message, type, "type", REQUIRED, "01|02|03|04|06",
                 "01 图文，02 处方，03 检查，04 检验，06 咨询申明"),
    FIELD(message, text, "text", MULTILINE, 0, TEXT_MAX_LENGTH, "文本，type 为 06 时是对象"),
    FIELD_FORMAT(message, image, "image", 0, FORMAT_URL, URL_MAX_LENGTH, "图片消息网络地址"),
    FIELD_FORMAT(message, audio, "audio", 0, FORMAT_URL, URL_MAX_LENGTH, "语音消息网络地址"),
    FIELD_CHOICE(message, direction, "direction", REQUIRED,
                 "user->doctor|doctor->user|system->user|system->doctor", "消息发送方向"),
    FIELD(message, seq, "seq", REQUIRED, 0, 0, "聊天内序号，从 1 起连续"),
    FIELD(message, client_msg_id, "clientMsgId", 0, 0, 0, "发送方给的去重编号"),
    FIELD(message, is_retract, "isRetract", OMIT_FALSE | UNSEALED, 0, 0, "是否撤回"),
    FIELD(message, user_total, "userTotal", SECRET | UNSEALED, 0, 0, "至此发给用户的消息数"),
    FIELD(message, doctor_total, "doctorTotal", SECRET | UNSEALED, 0, 0, "至此发给医生的消息数"),
    FIELD(message, rev, "rev", SECRET | UNSEALED, 0, 0, "修改戳"),
    CREATED_ROW(message),
    FIELD(message, updated_at, "updated_at", ALWAYS | REQUIRED | UNSEALED, 0, 0, "修改时间"),
};
const struct shape message_shape = SHAPE(message, message_fields);

static const struct field consultation_fields[] = {
    ID_ROW(consultation),
    FIELD(consultation, consultation_no, "consultationNo", REQUIRED, 0, 0, "订单编号"),
    FIELD(consultation, patient_id, "patientId", REQUIRED, 0, 0, "就诊人id"),
    FIELD(consultation, doctor_id, "doctorId", REQUIRED, 0, 0, "医生id"),
    FIELD(consultation, user_id, "userId", REQUIRED, 0, 0, "用户id"),
    FIELD(consultation, chat_id, "chatId", REQUIRED, 0, 0, "聊天id"),
    FIELD_LIST(consultation, images, "images", ALWAYS, FORMAT_URL, CONSULTATION_IMAGES_MAX,
               URL_MAX_LENGTH, "咨询图片"),
    FIELD(consultation, evaluated, "evaluated", 0, 0, 0, "是否已评价"),
    FIELD(consultation, content, "content", REQUIRED | MULTILINE, 1, TEXT_MAX_LENGTH, "咨询内容"),
    FIELD_CHOICE(consultation, status, "status", REQUIRED, "01|02|03|04|05|06|07|08|09",
                 "01：待支付，02：已取消，03：待执行，04：执行中，05：已过期未退款，"
                 "06：待执行退款申请，07：已完成，08：过期已退款，09：待执行订单已退款"),
    FIELD(consultation, consultation_reason, "consultationReason", REQUIRED, 1, NAME_MAX_LENGTH,
          "问诊原因"),
    FIELD(consultation, fee, "fee", REQUIRED, 0, 0, "咨询费用，单位：分"),
    CREATED_ROW(consultation),
    UPDATED_ROW(consultation),
    FIELD(consultation, paid_at, "paid_at", 0, 0, 0, "支付时间"),
    FIELD(consultation, deadline, "deadline", 0, 0, 0, "截止时间"),
    FIELD(consultation, replies, "replies", SECRET, 0, 0, "医生未撤回的回复"),
    FIELD(consultation, retracting, "retracting", SECRET, 0, 0, "正在撤回的回复"),
    FIELD(consultation, reply_count, "replyCount", SECRET, 0, 0, "医生未撤回的回复数"),
    FIELD(consultation, start_seq, "startSeq", SECRET, 0, 0, "开始通知的序号"),
    FIELD(consultation, disclaimer_seq, "disclaimerSeq", SECRET, 0, 0, "申明的序号"),
    FIELD(consultation, end_seq, "endSeq", SECRET, 0, 0, "结束通知的序号"),
    FIELD(consultation, start_user_total, "startUserTotal", SECRET, 0, 0, "开始前用户总数"),
    FIELD(consultation, start_doctor_total, "startDoctorTotal", SECRET, 0, 0, "开始前医生总数"),
    FIELD(consultation, disclaimer_user_total, "disclaimerUserTotal", SECRET, 0, 0,
          "申明前用户总数"),
    FIELD(consultation, disclaimer_doctor_total, "disclaimerDoctorTotal", SECRET, 0, 0,
          "申明前医生总数"),
    FIELD(consultation, end_user_total, "endUserTotal", SECRET, 0, 0, "结束前用户总数"),
    FIELD(consultation, end_doctor_total, "endDoctorTotal", SECRET, 0, 0, "结束前医生总数"),
    FIELD(consultation, unsettled, "unsettled", SECRET, 0, 0, "后续步骤未完成"),
    FIELD(consultation, due, "due", SECRET, 0, 0, "系统下次处理时间"),
    FIELD(consultation, rev, "rev", SECRET, 0, 0, "修改戳"),
    FIELD(consultation, replies_left, "repliesLeft", REQUIRED | VIEW, 0, 0, "医生剩余回复次数"),
    FIELD_OBJECT(consultation, patient, "patient", VIEW | UNDERSCORE_ID, patient_shape, "就诊人"),
    FIELD_OBJECT(consultation, doctor, "doctor", VIEW | UNDERSCORE_ID, doctor_shape, "医生"),
};
const struct shape consultation_shape = SHAPE(consultation, consultation_fields);

static const struct field payment_fields[] = {
    FIELD(payment, id, "id", ALWAYS | UNDERSCORE_ID, 0, 0, "支付id"),
    FIELD(payment, consultation_id, "consultationId", REQUIRED, 0, 0, "订单id"),
    FIELD(payment, user_id, "userId", SECRET, 0, 0, "用户id"),
    FIELD(payment, total_fee, "totalFee", REQUIRED, 0, 0, "支付金额，单位：分"),
    FIELD(payment, out_trade_no, "outTradeNo", REQUIRED, 0, 0, "支付订单号"),
    FIELD_CHOICE(payment, status, "status", REQUIRED, "WAIT_FOR_PAY|PAID|REFUNDING|REFUNDED|CLOSED",
                 "支付状态"),
    FIELD(payment, provider, "provider", SECRET, 0, 0, "支付渠道"),
    FIELD(payment, transaction_id, "transactionId", SECRET, 0, 0, "渠道流水号"),
    FIELD(payment, order_info, "orderInfo", REQUIRED, 0, 0, "前端用以吊起支付的信息"),
    CREATED_ROW(payment),
    UPDATED_ROW(payment),
    FIELD(payment, paid_at, "paid_at", 0, 0, 0, "支付时间"),
    FIELD(payment, refunded_at, "refunded_at", 0, 0, 0, "退款时间"),
    FIELD(payment, due, "due", SECRET, 0, 0, "系统下次处理时间"),
    FIELD(payment, asked_at, "askedAt", SECRET, 0, 0, "上次询问渠道的时间"),
    FIELD(payment, tries, "tries", SECRET, 0, 0, "本状态下已询问的次数"),
    FIELD(payment, refund_accepted_at, "refundAcceptedAt", SECRET, 0, 0, "渠道受理退款的时间"),
};
const struct shape payment_shape = SHAPE(payment, payment_fields);

static const struct field sandbox_trade_fields[] = {
    FIELD(sandbox_trade, id, "id", ALWAYS, 0, 0, "编号"),
    FIELD(sandbox_trade, out_trade_no, "outTradeNo", 0, 0, 0, "支付订单号"),
    FIELD(sandbox_trade, total_fee, "totalFee", 0, 0, 0, "支付金额，单位：分"),
    CREATED_ROW(sandbox_trade),
};
const struct shape sandbox_trade_shape = SHAPE(sandbox_trade, sandbox_trade_fields);
static const struct field service_key_fields[] = {
    ID_ROW(service_key),
    FIELD(service_key, name, "name", 0, 1, NAME_MAX_LENGTH, "系统名称"),
    FIELD(service_key, hash, "hash", SECRET, 0, 0, "密钥散列"),
    FIELD(service_key, disabled, "disabled", 0, 0, 0, "是否停用"),
    CREATED_ROW(service_key),
    UPDATED_ROW(service_key),
};
const struct shape service_key_shape = SHAPE(service_key, service_key_fields);

#define TREATMENT_ROWS(type)                                                                       \
    FIELD(type, consultation_id, "consultationId", 0, 0, 0, "订单id"),                             \
        FIELD(type, main_diagnosis, "mainDiagnosis", 0, 1, NAME_MAX_LENGTH, "主诊断"),             \
        FIELD_LIST(type, second_diagnosis, "secondDiagnosis", ALWAYS, FORMAT_NONE,                 \
                   SECOND_DIAGNOSES_MAX, NAME_MAX_LENGTH, "副诊断"),                               \
        FIELD(type, chief_complaint, "chiefComplaint", MULTILINE, 1, TEXT_MAX_LENGTH, "主诉"),     \
        FIELD(type, history_of_past_illness, "historyOfPastIllness", MULTILINE, 1,                 \
              TEXT_MAX_LENGTH, "既往史"),                                                          \
        FIELD(type, patient_id, "patientId", 0, 0, 0, "患者id"),                                   \
        FIELD(type, doctor_id, "doctorId", 0, 0, 0, "医生id"),                                     \
        FIELD(type, version, "version", 0, 0, 0, "第几次保存，从 1 起")

static const struct field treatment_fields[] = {
    FIELD(treatment, id, "id", ALWAYS | UNDERSCORE_ID, 0, 0, "诊断id"),
    TREATMENT_ROWS(treatment),
    CREATED_ROW(treatment),
    UPDATED_ROW(treatment),
};
const struct shape treatment_shape = SHAPE(treatment, treatment_fields);

static const struct field treatment_version_fields[] = {
    ID_ROW(treatment_version),
    TREATMENT_ROWS(treatment_version),
    CREATED_ROW(treatment_version),
};
const struct shape treatment_version_shape = SHAPE(treatment_version, treatment_version_fields);

static const struct field evaluation_fields[] = {
    ID_ROW(evaluation),
    FIELD(evaluation, consultation_id, "consultationId", 0, 0, 0, "订单id"),
    FIELD(evaluation, user_id, "userId", 0, 0, 0, "用户id"),
    FIELD(evaluation, doctor_id, "doctorId", 0, 0, 0, "医生id"),
    FIELD(evaluation, patient_id, "patientId", 0, 0, 0, "患者id"),
    FIELD(evaluation, answers_id, "answersId", SECRET, 0, 0, "答案组"),
    CREATED_ROW(evaluation),
};
const struct shape evaluation_shape = SHAPE(evaluation, evaluation_fields);

static const struct field evaluation_answer_fields[] = {
    ID_ROW(evaluation_answer),
    FIELD(evaluation_answer, answers_id, "answersId", SECRET, 0, 0, "答案组"),
    FIELD(evaluation_answer, consultation_id, "consultationId", 0, 0, 0, "订单id"),
    FIELD(evaluation_answer, doctor_id, "doctorId", 0, 0, 0, "医生id"),
    FIELD(evaluation_answer, question_id, "evaluateQuesionId", 0, 0, 0, "评价问题id"),
    FIELD(evaluation_answer, score, "score", 0, 1, SCORE_MAX, "打分，1 到 5"),
    FIELD(evaluation_answer, text, "text", MULTILINE, 1, TEXT_MAX_LENGTH, "文字评价"),
    CREATED_ROW(evaluation_answer),
};
const struct shape evaluation_answer_shape = SHAPE(evaluation_answer, evaluation_answer_fields);

static const struct field quick_reply_fields[] = {
    FIELD(quick_reply, id, "id", ALWAYS | UNDERSCORE_ID, 0, 0, "快捷回复id"),
    FIELD(quick_reply, doctor_id, "doctorId", REQUIRED, 0, 0, "医生id"),
    FIELD(quick_reply, title, "title", REQUIRED, 1, NAME_MAX_LENGTH, "标题"),
    FIELD(quick_reply, content, "content", REQUIRED | MULTILINE, 1, TEXT_MAX_LENGTH, "内容"),
    FIELD(quick_reply, search, "search", SECRET, 0, 0, "搜索用文本"),
    CREATED_ROW(quick_reply),
    UPDATED_ROW(quick_reply),
    FIELD(quick_reply, deleted_at, "deleted_at", SECRET, 0, 0, "删除时间"),
};
const struct shape quick_reply_shape = SHAPE(quick_reply, quick_reply_fields);

static const struct field collection_entry_fields[] = {
    FIELD(collection_entry, id, "id", ALWAYS | UNDERSCORE_ID, 0, 0, "收藏id"),
    FIELD(collection_entry, user_id, "userId", REQUIRED, 0, 0, "用户id"),
    FIELD(collection_entry, doctor_id, "doctorId", REQUIRED, 0, 0, "医生id"),
    CREATED_ROW(collection_entry),
    UPDATED_ROW(collection_entry),
    FIELD(collection_entry, deleted_at, "deleted_at", SECRET, 0, 0, "取消时间"),
    FIELD_OBJECT(collection_entry, doctor, "doctor", VIEW | UNDERSCORE_ID, doctor_shape, "医生"),
};
const struct shape collection_entry_shape = SHAPE(collection_entry, collection_entry_fields);

static const struct field removal_fields[] = {
    FIELD(removal, n, "n", REQUIRED, 0, 0, "删除的条数"),
    FIELD(removal, ok, "ok", REQUIRED, 0, 0, "1 表示成功"),
};
const struct shape removal_shape = SHAPE(removal, removal_fields);

static const struct field store_info_fields[] = {
    ID_ROW(store_info),
    FIELD(store_info, store_id, "storeId", 0, 0, 0, "存储标识"),
    FIELD(store_info, version, "version", 0, 0, 0, "结构版本"),
    CREATED_ROW(store_info),
};
const struct shape store_info_shape = SHAPE(store_info, store_info_fields);

static const struct field audit_row_fields[] = {
    ID_ROW(audit_row),
    FIELD(audit_row, at, "at", 0, 0, 0, "时间"),
    FIELD(audit_row, actor, "actor", 0, 0, 0, "操作者"),
    FIELD(audit_row, actor_id, "actorId", 0, 0, 0, "操作者账号id"),
    FIELD(audit_row, action, "action", 0, 0, 0, "操作"),
    FIELD(audit_row, consultation_id, "consultationId", 0, 0, 0, "订单id"),
    FIELD(audit_row, subject, "subject", 0, 0, 0, "操作对象id"),
    FIELD(audit_row, result, "result", 0, 0, 0, "结果"),
    FIELD(audit_row, details, "details", MULTILINE, 0, 0, "说明"),
    FIELD(audit_row, content, "content", 0, 0, 0, "内容的SHA-256"),
    FIELD(audit_row, previous, "previous", 0, 0, 0, "前一行的SHA-256"),
    FIELD(audit_row, hash, "hash", UNSEALED, 0, 0, "本行的SHA-256"),
    FIELD(audit_row, is_aside, "isAside", SECRET | UNSEALED, 0, 0, "不在订单索引中"),
};
const struct shape audit_row_shape = SHAPE(audit_row, audit_row_fields);

static const struct field user_session_fields[] = {
    FIELD(user_session, token, "token", ALWAYS, 0, 0, "用户登录凭证"),
    FIELD(user_session, user_id, "userId", ALWAYS, 0, 0, "用户id"),
    FIELD(user_session, usersig, "usersig", ALWAYS, 0, 0, "云通讯登录凭证"),
    FIELD(user_session, identifier, "identifier", ALWAYS, 0, 0, "云通信登录用户名"),
};
const struct shape user_session_shape = SHAPE(user_session, user_session_fields);

static const struct field doctor_session_fields[] = {
    FIELD(doctor_session, token, "token", ALWAYS, 0, 0, "医生登录凭证"),
    FIELD(doctor_session, doctor_id, "doctorId", ALWAYS, 0, 0, "医生id"),
    FIELD(doctor_session, usersig, "usersig", ALWAYS, 0, 0, "云通讯登录凭证"),
    FIELD(doctor_session, identifier, "identifier", ALWAYS, 0, 0, "云通信登录用户名"),
    FIELD_OBJECT(doctor_session, doctor, "doctor", VIEW, doctor_shape, "医生"),
};
const struct shape doctor_session_shape = SHAPE(doctor_session, doctor_session_fields);

static const struct field read_receipt_fields[] = {
    FIELD(read_receipt, chat_id, "chatId", ALWAYS, 0, 0, "聊天id"),
    FIELD(read_receipt, seq, "seq", REQUIRED, 0, 0, "已读到的序号"),
    FIELD_CHOICE(read_receipt, side, "side", REQUIRED, "user|doctor", "哪一方"),
    FIELD(read_receipt, unread, "unread", 0, 0, 0, "剩余未读条数"),
};
const struct shape read_receipt_shape = SHAPE(read_receipt, read_receipt_fields);

static const struct field typing_fields[] = {
    FIELD(typing, chat_id, "chatId", ALWAYS, 0, 0, "聊天id"),
    FIELD_CHOICE(typing, side, "side", REQUIRED, "user|doctor", "哪一方"),
};
const struct shape typing_shape = SHAPE(typing, typing_fields);

static const struct field presence_fields[] = {
    FIELD(presence, chat_id, "chatId", ALWAYS, 0, 0, "聊天id"),
    FIELD_CHOICE(presence, side, "side", REQUIRED, "user|doctor", "哪一方"),
    FIELD(presence, user_id, "userId", 0, 0, 0, "用户id，side 为 user 时"),
    FIELD(presence, doctor_id, "doctorId", 0, 0, 0, "医生id，side 为 doctor 时"),
    FIELD(presence, online, "online", 0, 0, 0, "是否在线"),
    FIELD(presence, last_seen, "lastSeen", 0, 0, 0, "最后在线的时间，在线时没有"),
};
const struct shape presence_shape = SHAPE(presence, presence_fields);

static const struct field connected_fields[] = {
    FIELD(connected, user_id, "userId", 0, 0, 0, "用户id"),
    FIELD(connected, doctor_id, "doctorId", 0, 0, 0, "医生id"),
    FIELD(connected, cursor, "cursor", ALWAYS, 0, 0, "游标"),
    FIELD(connected, resumed, "resumed", 0, 0, 0, "是否已补齐"),
    FIELD(connected, ping_interval, "pingInterval", REQUIRED, 0, 0, "心跳间隔，秒"),
};
const struct shape connected_shape = SHAPE(connected, connected_fields);
