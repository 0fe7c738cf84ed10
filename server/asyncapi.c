/* The AsyncAPI document: the calls that only the socket has, every row of routes.def as a call, and
 * every row of events.def, with the same schemas as the OpenAPI document.
 *
 * Any thread; the strbuf is the caller's. */
#include "server/asyncapi.h"

#include <string.h>

#include "protocol/example.h"
#include "server/components.h"
#include "server/refusals.h"

static const char about[] =
    "医生端与患者端的长连接：`GET /ws`，每个文本帧一个 JSON 对象，默认最大 64 KiB，可配置。"
    "本文由服务器运行所用的同一张表生成。\n\n"
    "* 客户端发 `{id, call, data}`；`id` 由客户端定（整数，或不超过 64 "
    "字节的字符串），应答带同样的 "
    "`id`。应答可能不按顺序到达；没有 `id` 的调用没有应答。\n"
    "* `connect` 必须在限时内最先发出（默认 10 秒，可配置）；也可以在升级请求的 `Authorization` "
    "头里带凭证，那时 "
    "`connect` 不必再带。\n"
    "* 每个 REST 接口都可以原样调用：`call` 是它的路径，`data` 是它的请求内容，应答与 REST 相同。\n"
    "* 事件带 `cursor`，客户端记住最新的一个，重连时交给 `connect`：错过的先补上，然后是 "
    "`synced`，再往后是实时事件。`resumed` 为 false 时请重新加载列表。\n"
    "* 事件至少送达一次：按消息 `id` 与 `updated_at` 去重。\n"
    "* 发送消息请带 `clientMsgId`：重发得到同一条消息，不会变成两条。";

static const struct route socket_calls[] = {
    {.path = "connect",
     .name = "connect",
     .summary = "登录这个连接，并从游标处补齐；再次发送则更新凭证",
     .in = &socket_connect_shape,
     .reply = {REPLY_OBJECT, &connected_shape, false, "操作成功"},
     .access = ACCESS_SIGNED},
    {.path = "ping",
     .name = "ping",
     .summary = "心跳，不需要登录",
     .in = &nothing_shape,
     .reply = {REPLY_NONE, &nothing_shape, false, "操作成功"},
     .access = ACCESS_OPEN},
    {.path = "typing",
     .name = "typing",
     .summary = "告诉对方正在输入",
     .in = &by_chat_shape,
     .reply = {REPLY_NONE, &nothing_shape, false, "操作成功"},
     .access = ACCESS_SIGNED},
};

static const char *const event_summaries[EVENT_COUNT] = {
    [EVENT_MESSAGE_CREATED] = "有新消息，内容为接收方可见的部分",
    [EVENT_MESSAGE_RETRACTED] = "消息被撤回",
    [EVENT_CONSULTATION_UPDATED] = "订单状态改变",
    [EVENT_SYNCED] = "补齐到此结束，往后是实时事件",
    [EVENT_CHAT_UPDATED] = "聊天新建、开启、关闭，或最后一条消息被撤回",
    [EVENT_CHAT_READ] = "某一方读到了某个序号",
    [EVENT_TYPING] = "对方正在输入",
    [EVENT_PRESENCE] = "对方上线或离线；只告诉可以交流的聊天",
};

/* ---- Walking all calls --------------------------------------------------------------------- */

typedef void (*call_writer)(struct strbuf *out, const struct route *route);

static void each_call(struct strbuf *out, call_writer write)
{
    size_t count;
    const struct route *all = routes(&count);
    for (size_t i = 0; i < ARRAY_LENGTH(socket_calls); i++) {
        write(out, &socket_calls[i]);
    }
    for (size_t i = 0; i < count; i++) {
        write(out, &all[i]);
    }
}

typedef void (*event_writer)(struct strbuf *out, const struct event_row *row, const char *summary);

static void each_event(struct strbuf *out, event_writer write)
{
    for (int event = 0; event < EVENT_COUNT; event++) {
        write(out, event_row((enum event)event), event_summaries[event]);
    }
}

/* ---- Messages ------------------------------------------------------------------------------ */

#define CALL_ID                                                                                    \
    "\"id\":{\"description\":\"客户端给的编号，应答带同样的\",\"oneOf\":["           \
    "{\"type\":\"integer\"},{\"type\":\"string\",\"maxLength\":64}]}"

static void add_call_payload(struct strbuf *out, const struct route *route)
{
    strbuf_add_literal(out,
                       "{\"type\":\"object\",\"properties\":{" CALL_ID ",\"call\":{\"const\":");
    strbuf_add_json(out, route->path);
    strbuf_add_literal(out, "},\"data\":");
    if (route->in == &nothing_shape) {
        strbuf_add_literal(out, "{\"type\":\"object\"}");
    } else {
        strbuf_add_format(out, "{\"$ref\":\"" COMPONENT_REFS "%s\"}", route->in->name);
    }
    strbuf_add_literal(out, "},\"required\":[\"call\"]}");
}

static void add_call_example(struct strbuf *out, const struct route *route)
{
    strbuf_add_literal(out, "{\"id\":1,\"call\":");
    strbuf_add_json(out, route->path);
    if (route->in != &nothing_shape) {
        strbuf_add_literal(out, ",\"data\":");
        example_write(out, route->in, true, 0);
    }
    strbuf_add_char(out, '}');
}

static void add_call_messages(struct strbuf *out, const struct route *route)
{
    strbuf_add_format(out, ",\"call.%s\":{\"name\":", route->name);
    strbuf_add_json(out, route->path);
    strbuf_add_literal(out, ",\"title\":");
    strbuf_add_json(out, route->summary);
    strbuf_add_literal(out, ",\"payload\":");
    add_call_payload(out, route);
    strbuf_add_literal(out, ",\"examples\":[{\"payload\":");
    add_call_example(out, route);
    strbuf_add_format(out, "}]},\"answer.%s\":{\"title\":", route->name);
    strbuf_add_json(out, route->reply.msg);
    strbuf_add_literal(out, ",\"payload\":");
    components_write_answer(out, &route->reply, true);
    strbuf_add_literal(out, ",\"examples\":[{\"payload\":");
    components_write_answer_example(out, &route->reply, true);
    strbuf_add_literal(out, "}]}");
}

static void add_event_message(struct strbuf *out, const struct event_row *row, const char *summary)
{
    bool has_data = row->shape != &nothing_shape;
    strbuf_add_format(out, ",\"event.%s\":{\"name\":\"%s\",\"title\":", row->wire, row->wire);
    strbuf_add_json(out, summary);
    strbuf_add_format(out,
                      ",\"payload\":{\"type\":\"object\",\"properties\":{\"event\":{\"const\":"
                      "\"%s\"}",
                      row->wire);
    strbuf_add_text(out, row->durable ? ",\"cursor\":{\"type\":\"string\",\"minLength\":1,"
                                        "\"description\":\"游标，记住最新的一个\"}"
                                      : "");
    if (has_data) {
        strbuf_add_format(out, ",\"data\":{\"$ref\":\"" COMPONENT_REFS "%s\"}", row->shape->name);
    }
    strbuf_add_literal(out, "},\"required\":[\"event\"");
    strbuf_add_text(out, row->durable ? ",\"cursor\"" : "");
    strbuf_add_text(out, has_data ? ",\"data\"]}" : "]}");
    strbuf_add_format(out, ",\"examples\":[{\"payload\":{\"event\":\"%s\"", row->wire);
    strbuf_add_text(out, row->durable ? ",\"cursor\":\"0123456789abcdef-1528627491958000\"" : "");
    if (has_data) {
        strbuf_add_literal(out, ",\"data\":");
        example_write(out, row->shape, false, 0);
    }
    strbuf_add_literal(out, "}}]}");
}

static void add_messages(struct strbuf *out)
{
    strbuf_add_literal(out, "\"failure\":{\"title\":\"失败的应答\",\"payload\":{\"allOf\":[{"
                            "\"$ref\":\"" COMPONENT_REFS "failure\"}],\"properties\":{" CALL_ID
                            "}},\"examples\":[{\"payload\":");
    envelope_failure(out, ERR_REPLY_QUOTA_EXCEEDED, NULL, "1");
    strbuf_add_literal(out, "}]}");
    each_call(out, add_call_messages);
    each_event(out, add_event_message);
}

/* ---- The channel --------------------------------------------------------------------------- */

static void refer_to_call(struct strbuf *out, const struct route *route)
{
    strbuf_add_format(out, ",\"call.%s\":{\"$ref\":\"#/components/messages/call.%s\"}", route->name,
                      route->name);
    strbuf_add_format(out, ",\"answer.%s\":{\"$ref\":\"#/components/messages/answer.%s\"}",
                      route->name, route->name);
}

static void refer_to_event(struct strbuf *out, const struct event_row *row, const char *summary)
{
    (void)summary;
    strbuf_add_format(out, ",\"event.%s\":{\"$ref\":\"#/components/messages/event.%s\"}", row->wire,
                      row->wire);
}

static void add_close_codes(struct strbuf *out)
{
    static const struct {
        int code;
        bool comes_back;
        const char *meaning;
    } codes[] = {
#define CLOSE_CODE(name, code, comes_back, meaning) {code, comes_back, meaning},
#include "server/close_codes.def"
#undef CLOSE_CODE
    };
    strbuf_add_literal(out, ",\"x-close-codes\":[");
    for (size_t i = 0; i < ARRAY_LENGTH(codes); i++) {
        strbuf_add_format(out, "%s{\"code\":%d,\"reconnect\":%s,\"meaning\":", i == 0 ? "" : ",",
                          codes[i].code, codes[i].comes_back ? "true" : "false");
        strbuf_add_json(out, codes[i].meaning);
        strbuf_add_char(out, '}');
    }
    strbuf_add_char(out, ']');
}

static void add_channel(struct strbuf *out)
{
    strbuf_add_literal(
        out, ",\"channels\":{\"ws\":{\"address\":\"/ws\",\"title\":\"长连接\",\"description\":"
             "\"关闭码 41xx：稍等（随机、逐次加长）后重连并带上游标；其余不要原样重试。\","
             "\"messages\":{\"failure\":{\"$ref\":\"#/components/messages/failure\"}");
    each_call(out, refer_to_call);
    each_event(out, refer_to_event);
    strbuf_add_literal(
        out, "},\"bindings\":{\"ws\":{\"method\":\"GET\",\"headers\":{\"type\":\"object\","
             "\"properties\":{\"Authorization\":{\"type\":\"string\",\"description\":"
             "\"可选：Bearer 加登录凭证\"}}},\"bindingVersion\":\"0.1.0\"}}");
    add_close_codes(out);
    strbuf_add_literal(out, "}}");
}

/* ---- Operations ---------------------------------------------------------------------------- */

/* Whether only an HTTP request can fail so. */
static bool is_of_http(enum err err)
{
    return err == ERR_METHOD_NOT_ALLOWED || err == ERR_LENGTH_REQUIRED || err == ERR_TOO_LARGE ||
           err == ERR_WRONG_CONTENT_TYPE || err == ERR_MALFORMED_REQUEST;
}

static void add_reasons(struct strbuf *out, const struct route *route)
{
    bool is_first = true;
    strbuf_add_literal(out, ",\"x-reasons\":[");
    for (int err = ERR_OK + 1; err < ERR_COUNT; err++) {
        /* Over the socket open endpoints want a signed-in connection, too. */
        bool is_sign_in = err == ERR_NOT_SIGNED_IN || err == ERR_TOKEN_EXPIRED;
        bool wants_sign_in = is_sign_in && strcmp(route->path, "ping") != 0;
        if ((wants_sign_in || route_may_refuse(route, (enum err)err)) &&
            !is_of_http((enum err)err)) {
            strbuf_add_text(out, is_first ? "" : ",");
            strbuf_add_json(out, error_row((enum err)err)->reason);
            is_first = false;
        }
    }
    strbuf_add_char(out, ']');
}

static void add_call_operation(struct strbuf *out, const struct route *route)
{
    bool is_first = route == &socket_calls[0];
    strbuf_add_format(out,
                      "%s\"%s\":{\"action\":\"receive\",\"channel\":{\"$ref\":"
                      "\"#/channels/ws\"},\"summary\":",
                      is_first ? "" : ",", route->name);
    strbuf_add_json(out, route->summary);
    if (route->clause != NULL && strcmp(route->clause, "＋") != 0) {
        strbuf_add_format(out, ",\"description\":\"接口文档 %s\"", route->clause);
    }
    strbuf_add_format(out,
                      ",\"messages\":[{\"$ref\":\"#/channels/ws/messages/call.%s\"}],\"reply\":{"
                      "\"channel\":{\"$ref\":\"#/channels/ws\"},\"messages\":["
                      "{\"$ref\":\"#/channels/ws/messages/answer.%s\"},"
                      "{\"$ref\":\"#/channels/ws/messages/failure\"}]}",
                      route->name, route->name);
    add_reasons(out, route);
    strbuf_add_char(out, '}');
}

static void add_event_operation(struct strbuf *out, const struct event_row *row,
                                const char *summary)
{
    strbuf_add_format(out,
                      ",\"event.%s\":{\"action\":\"send\",\"channel\":{\"$ref\":\"#/channels/ws\"},"
                      "\"summary\":",
                      row->wire);
    strbuf_add_json(out, summary);
    strbuf_add_format(out, ",\"messages\":[{\"$ref\":\"#/channels/ws/messages/event.%s\"}]}",
                      row->wire);
}

void asyncapi_write(struct strbuf *out)
{
    struct strbuf text;
    strbuf_init(&text, 0);
    strbuf_add_literal(&text, "{\"asyncapi\":\"3.0.0\",\"info\":{\"title\":"
                              "\"互联网医院咨询服务：长连接\",\"version\":\"" CONSULTD_VERSION
                              "\",\"description\":");
    strbuf_add_json(&text, about);
    strbuf_add_literal(&text, ",\"license\":{\"name\":\"Apache 2.0\",\"url\":"
                              "\"https://www.apache.org/licenses/LICENSE-2.0\"}},"
                              "\"defaultContentType\":\"application/json\",\"servers\":{\"self\":{"
                              "\"host\":\"{host}\",\"protocol\":\"ws\",\"variables\":{\"host\":{"
                              "\"default\":\"127.0.0.1:8080\"}}}}");
    add_channel(&text);
    strbuf_add_literal(&text, ",\"operations\":{");
    each_call(&text, add_call_operation);
    each_event(&text, add_event_operation);
    strbuf_add_literal(&text, "},\"components\":{\"messages\":{");
    add_messages(&text);
    strbuf_add_literal(&text, "},\"schemas\":");
    components_write_schemas(&text);
    strbuf_add_literal(&text, "}}");
    document_indent(out, strbuf_text(&text));
    strbuf_free(&text);
}
