/* The wording of notices. The sentences are the document's where it shows them; the numbers in
 * them are the configured ones. */
#include "server/api/notices.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "server/config.h"

#define LOCAL_TIME_BYTES 64

const char *local_time_text(struct arena *arena, struct timestamp time, const char *format)
{
    time_t seconds = (time_t)(time.ms / 1000);
    struct tm local;
    localtime_r(&seconds, &local);
    char *text = arena_alloc(arena, LOCAL_TIME_BYTES);
    strftime(text, LOCAL_TIME_BYTES, format, &local);
    return text;
}

/* Small numbers as the document writes them: 三次. */
static const char *count_text(struct arena *arena, int64_t count)
{
    static const char *const words[] = {"零", "一", "两", "三", "四", "五",
                                        "六", "七", "八", "九", "十"};
    if (count >= 0 && count < (int64_t)ARRAY_LENGTH(words)) {
        return words[count];
    }
    return arena_format(arena, "%" PRId64, count);
}

struct message_text notice_start(struct call *call, const struct consultation *order)
{
    const char *when = local_time_text(call->arena, order->paid_at, "%m月%d日 %H:%M");
    struct message_text text = {.is_notice = true};
    text.doctor.type = "咨询开始";
    text.doctor.text =
        arena_format(call->arena, "患者于%s购买了您的咨询服务，请在%" PRId64 "小时内回复。", when,
                     call->settings->consultation_hours);
    text.user.type = "咨询开始";
    text.user.text = "您提交的病历信息已经发送给医生，请等待回复。";
    return text;
}

struct message_text notice_tips(struct call *call)
{
    int64_t hours = call->settings->consultation_hours;
    struct message_text text = {.is_notice = true};
    text.user.text = arena_format(
        call->arena,
        "温馨提示\n1. 订单在%" PRId64 "小时内自动结束。如医生未在%" PRId64
        "小时之内回复，您所支付的费用将原路退还。\n2. 在%" PRId64 "小时内，医生最多回复%s次。",
        hours, hours, hours, count_text(call->arena, call->settings->reply_limit));
    return text;
}

struct message_text notice_disclaimer(void)
{
    static const char sentence[] = "因不能面诊患者，无法全面了解病情，以下建议仅供参考，"
                                   "具体诊疗请一定到院在医生指导下进行！";
    struct message_text text = {.is_notice = true};
    text.doctor.text = sentence;
    text.user.text = sentence;
    return text;
}

/* What each state at an order's end says, to whom. %s is the consultation's length or number. */
static const struct {
    const char *status;
    const char *to_doctor, *to_user; /* the type-06 notice; NULL: none at this state */
    const char *in_system_chat;      /* %s: the order's number; NULL: none */
} endings[] = {
    {"02", NULL, NULL, "您的咨询订单%s已取消。"},
    {"05", "因未在规定时间内回复，本次咨询已结束，费用将退还患者。",
     "医生未在规定时间内回复，本次咨询已结束，您所支付的费用将原路退还。",
     "您的咨询订单%s因医生未在规定时间内回复已过期，费用将原路退还。"},
    {"07", "本次咨询已结束。", "本次咨询已结束，感谢您的信任。", NULL},
    {"08", NULL, NULL, "您的咨询订单%s的费用已原路退还。"},
    {"09", "患者已申请退款，本次咨询已结束。", "您的退款已完成，本次咨询已结束。",
     "您的咨询订单%s已按您的申请退款，费用已原路退还。"},
};

struct message_text notice_end(const struct consultation *order)
{
    struct message_text text = {.is_notice = true};
    for (size_t i = 0; i < ARRAY_LENGTH(endings); i++) {
        if (strcmp(endings[i].status, order->status) == 0 && endings[i].to_user != NULL) {
            text.doctor = (struct notice_part){"咨询结束", endings[i].to_doctor};
            text.user = (struct notice_part){"咨询结束", endings[i].to_user};
        }
    }
    return text;
}

/* Puts the order's number in the place of the one %s of a sentence. */
static const char *with_number(struct arena *arena, const char *sentence, const char *number)
{
    const char *gap = strstr(sentence, "%s");
    return arena_format(arena, "%.*s%s%s", (int)(gap - sentence), sentence, number, gap + 2);
}

const char *notice_system(struct call *call, const struct consultation *order)
{
    for (size_t i = 0; i < ARRAY_LENGTH(endings); i++) {
        if (strcmp(endings[i].status, order->status) == 0 && endings[i].in_system_chat != NULL) {
            return with_number(call->arena, endings[i].in_system_chat, order->consultation_no);
        }
    }
    return "";
}
