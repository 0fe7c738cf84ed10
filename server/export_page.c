/* A consultation as a page for people: one HTML file without script, font or picture of its own.
 * Pictures and sounds of messages are named by their addresses, not fetched.
 *
 * Whatever comes from a record is escaped by the one function that adds text. */
#include "server/export.h"

#include <string.h>

#include "server/api/audit.h"
#include "server/api/moves.h"
#include "server/api/notices.h"
#include "server/api/paging.h"

struct sheet {
    struct strbuf *out;
    struct arena *arena;
};

static void add_html(struct sheet *page, const char *html)
{
    strbuf_add_text(page->out, html);
}

static void add_text(struct sheet *page, const char *text)
{
    static const struct {
        char character;
        const char *entity;
    } entities[] = {{'<', "&lt;"}, {'>', "&gt;"}, {'&', "&amp;"}, {'"', "&quot;"}, {'\'', "&#39;"}};
    for (const char *at = text != NULL ? text : ""; *at != '\0'; at++) {
        const char *entity = NULL;
        for (size_t i = 0; i < ARRAY_LENGTH(entities); i++) {
            entity = *at == entities[i].character ? entities[i].entity : entity;
        }
        if (entity != NULL) {
            strbuf_add_text(page->out, entity);
        } else {
            strbuf_add_char(page->out, *at);
        }
    }
}

static const char *time_text(struct sheet *page, struct timestamp time)
{
    return time.ms == 0 ? "" : local_time_text(page->arena, time, "%Y-%m-%d %H:%M:%S");
}

static const char *id_text(struct sheet *page, struct oid id)
{
    char text[OID_TEXT_BYTES];
    oid_format(id, text);
    return oid_is_none(id) ? "" : arena_text(page->arena, text, OID_TEXT_BYTES - 1);
}

static const char *money_text(struct sheet *page, int64_t cents)
{
    return arena_format(page->arena, "¥%lld.%02lld", (long long)(cents / 100),
                        (long long)(cents % 100));
}

/* ---- Tables ------------------------------------------------------------------------------- */

static void add_row(struct sheet *page, const char *name, const char *value)
{
    if (value != NULL && value[0] != '\0') {
        add_html(page, "<tr><th>");
        add_text(page, name);
        add_html(page, "</th><td>");
        add_text(page, value);
        add_html(page, "</td></tr>\n");
    }
}

static void add_cells(struct sheet *page, const char *tag, const char *const *cells, size_t count)
{
    add_html(page, "<tr>");
    for (size_t i = 0; i < count; i++) {
        strbuf_add_format(page->out, "<%s>", tag);
        add_text(page, cells[i]);
        strbuf_add_format(page->out, "</%s>", tag);
    }
    add_html(page, "</tr>\n");
}

static void add_order(struct sheet *page, const struct dossier *dossier)
{
    const struct consultation *order = &dossier->order;
    add_html(page, "<h2>订单</h2>\n<table>\n");
    add_row(page, "订单编号", order->consultation_no);
    add_row(page, "订单id", id_text(page, order->id));
    add_row(page, "状态",
            arena_format(page->arena, "%s %s", order->status, order_state_name(order->status)));
    add_row(page, "咨询费用", money_text(page, order->fee));
    add_row(page, "问诊原因", order->consultation_reason);
    add_row(page, "咨询内容", order->content);
    for (size_t i = 0; i < order->images.count; i++) {
        add_row(page, "咨询图片", order->images.items[i]);
    }
    add_row(page, "创建时间", time_text(page, order->created_at));
    add_row(page, "支付时间", time_text(page, order->paid_at));
    add_row(page, "截止时间", time_text(page, order->deadline));
    add_row(page, "最后变更", time_text(page, order->updated_at));
    add_html(page, "</table>\n");
}

static void add_people(struct sheet *page, const struct dossier *dossier)
{
    const struct patient *patient = &dossier->patient;
    const struct doctor *doctor = &dossier->doctor;
    add_html(page, "<h2>就诊人</h2>\n<table>\n");
    add_row(page, "姓名", patient->name);
    add_row(page, "性别", patient->sex == 1 ? "男" : patient->sex == 0 ? "女" : "");
    add_row(page, "生日", patient->birthday);
    add_row(page, "证件号", patient->certificate_no);
    if (patient->phone > 0) {
        add_row(page, "手机号", arena_format(page->arena, "%lld", (long long)patient->phone));
    }
    add_row(page, "就诊卡号", patient->patient_id_no);
    add_row(page, "就诊人id", id_text(page, dossier->order.patient_id));
    add_html(page, "</table>\n<h2>医生</h2>\n<table>\n");
    add_row(page, "姓名", doctor->doctor_name);
    add_row(page, "职称", doctor->title);
    add_row(page, "工号", doctor->doctor_sn);
    add_row(page, "医生id", id_text(page, dossier->order.doctor_id));
    add_html(page, "</table>\n");
}

static void add_treatments(struct sheet *page, const struct dossier *dossier)
{
    const struct treatment_version *versions = dossier->treatments.items;
    for (size_t i = 0; i < dossier->treatments.count; i++) {
        const struct treatment_version *version = &versions[i];
        add_html(page, "<h2>诊断 ");
        add_text(page, arena_format(page->arena, "第 %lld 版", (long long)version->version));
        add_html(page, "</h2>\n<table>\n");
        add_row(page, "保存时间", time_text(page, version->created_at));
        add_row(page, "主诊断", version->main_diagnosis);
        for (size_t j = 0; j < version->second_diagnosis.count; j++) {
            add_row(page, "副诊断", version->second_diagnosis.items[j]);
        }
        add_row(page, "主诉", version->chief_complaint);
        add_row(page, "既往史", version->history_of_past_illness);
        add_html(page, "</table>\n");
    }
}

static void add_evaluation(struct sheet *page, const struct dossier *dossier)
{
    const struct evaluation_answer *answers = dossier->answers.items;
    if (dossier->answers.count == 0) {
        return;
    }
    add_html(page, "<h2>评价</h2>\n<table>\n");
    for (size_t i = 0; i < dossier->answers.count; i++) {
        const struct question *question =
            record_of_id(&dossier->questions, sizeof *question, answers[i].question_id);
        const char *name =
            question != NULL ? question->quesion : id_text(page, answers[i].question_id);
        add_row(page, name,
                answers[i].text != NULL
                    ? answers[i].text
                    : arena_format(page->arena, "%lld", (long long)answers[i].score));
    }
    add_html(page, "</table>\n");
}

static void add_payments(struct sheet *page, const struct dossier *dossier)
{
    static const char *const head[] = {"支付订单号", "金额",     "状态",    "渠道",
                                       "渠道流水号", "支付时间", "退款时间"};
    const struct payment *payments = dossier->payments.items;
    add_html(page, "<h2>支付</h2>\n<table>\n");
    add_cells(page, "th", head, ARRAY_LENGTH(head));
    for (size_t i = 0; i < dossier->payments.count; i++) {
        const char *cells[] = {payments[i].out_trade_no,
                               money_text(page, payments[i].total_fee),
                               payments[i].status,
                               payments[i].provider,
                               payments[i].transaction_id,
                               time_text(page, payments[i].paid_at),
                               time_text(page, payments[i].refunded_at)};
        add_cells(page, "td", cells, ARRAY_LENGTH(cells));
    }
    add_html(page, "</table>\n");
}

static void add_record_rows(struct sheet *page, const struct dossier *dossier)
{
    static const char *const head[] = {"时间", "操作者", "操作", "结果", "对象", "说明"};
    const struct audit_row *rows = dossier->rows.items;
    add_html(page, "<h2>操作记录</h2>\n<table>\n");
    add_cells(page, "th", head, ARRAY_LENGTH(head));
    for (size_t i = 0; i < dossier->rows.count; i++) {
        const struct audit_action_row *action = audit_action_find(rows[i].action);
        const char *actor =
            arena_format(page->arena, "%s %s", rows[i].actor, id_text(page, rows[i].actor_id));
        const char *cells[] = {time_text(page, rows[i].at),
                               actor,
                               action != NULL ? action->chinese : rows[i].action,
                               rows[i].result,
                               id_text(page, rows[i].subject),
                               rows[i].details};
        add_cells(page, "td", cells, ARRAY_LENGTH(cells));
    }
    add_html(page, "</table>\n");
}

/* ---- Messages ----------------------------------------------------------------------------- */

static const char *sender_name(const char *direction)
{
    static const struct {
        const char *sender, *name;
    } names[] = {{"user->", "用户"}, {"doctor->", "医生"}, {"system->", "系统"}};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        if (strncmp(direction, names[i].sender, strlen(names[i].sender)) == 0) {
            return names[i].name;
        }
    }
    return "";
}

static void add_paragraph(struct sheet *page, const char *label, const char *text)
{
    if (text != NULL) {
        add_html(page, "<p>");
        add_text(page, label);
        add_text(page, text);
        add_html(page, "</p>\n");
    }
}

static void add_message(struct sheet *page, const struct message *message)
{
    const char *who = message->text.is_notice ? "通知" : sender_name(message->direction);
    add_html(page, message->is_retract ? "<article class=\"retracted\">\n<h3>" : "<article>\n<h3>");
    add_text(page, arena_format(page->arena, "%lld　%s　%s", (long long)message->seq, who,
                                time_text(page, message->created_at)));
    if (message->is_retract) {
        add_text(page, arena_format(page->arena, "　已撤回（%s），以下为原文",
                                    time_text(page, message->updated_at)));
    }
    add_html(page, "</h3>\n");
    if (message->text.is_notice) {
        add_paragraph(page, "医生所见：", message->text.doctor.text);
        add_paragraph(page, "用户所见：", message->text.user.text);
    } else {
        add_paragraph(page, "", message->text.plain);
    }
    add_paragraph(page, "图片：", message->image);
    add_paragraph(page, "语音：", message->audio);
    add_html(page, "</article>\n");
}

/* ---- The page ----------------------------------------------------------------------------- */

static const char style[] =
    "body{font:15px/1.6 sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#222}"
    "table{border-collapse:collapse;width:100%}"
    "th,td{border:1px solid #ccc;padding:.3em .6em;text-align:left;vertical-align:top;"
    "overflow-wrap:anywhere}th{background:#f4f4f4;white-space:nowrap}"
    "td,p{white-space:pre-wrap}article{border-left:4px solid #4a90d9;margin:1em 0;padding:0 1em}"
    "article.retracted{border-color:#c33;background:#fdf3f3}h3{font-size:1em;margin:0;color:#666}"
    "p{margin:.2em 0}@media print{article{break-inside:avoid}}";

void export_write_page(struct strbuf *out, struct arena *arena, const struct dossier *dossier)
{
    struct sheet page = {out, arena};
    const struct message *messages = dossier->messages.items;
    add_html(&page, "<!DOCTYPE html>\n<html lang=\"zh-CN\">\n<head>\n<meta charset=\"utf-8\">\n"
                    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                    "style-src 'unsafe-inline'\">\n<title>问诊记录 ");
    add_text(&page, dossier->order.consultation_no);
    add_html(&page, "</title>\n<style>");
    add_html(&page, style);
    add_html(&page, "</style>\n</head>\n<body>\n<h1>问诊记录</h1>\n<p>导出时间：");
    add_text(&page, time_text(&page, dossier->at));
    add_html(&page, "</p>\n");
    add_order(&page, dossier);
    add_people(&page, dossier);
    add_html(&page, "<h2>消息</h2>\n");
    for (size_t i = 0; i < dossier->messages.count; i++) {
        add_message(&page, &messages[i]);
    }
    add_treatments(&page, dossier);
    add_evaluation(&page, dossier);
    add_payments(&page, dossier);
    add_record_rows(&page, dossier);
    add_html(&page, "</body>\n</html>\n");
}
