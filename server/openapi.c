/* The OpenAPI document. One function per level of it; all text about endpoints comes from the
 * tables, only the conventions that hold for all of them (contract 1) are told here.
 *
 * Any thread; the strbuf is the caller's. */
#include "server/openapi.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "protocol/example.h"
#include "server/components.h"
#include "server/refusals.h"

#define ERRS_MAX 64

static const char about[] =
    "互联网医院咨询服务的接口：接口文档（2018-06-10）加上标有 ＋ 的补充。"
    "本文由服务器运行所用的同一张表生成。\n\n"
    "* 一律 `POST`，内容为 JSON 对象（UTF-8，默认最大 64 KiB，可配置）；没有内容等于 `{}`。\n"
    "* 成功时 HTTP 状态为 200，应答是 `{code, msg, data}`；`code` 在 1.1、1.2、2.1 是字符串 "
    "`\"200\"`，其余是数字 `200`。\n"
    "* 失败时 HTTP 状态即 `code`，`error.reason` 是原因，`error.field` 是出错的字段，"
    "`error.retry` 说明原样再试是否可能成功；失败时什么都没有改变。\n"
    "* 除公开接口外，请带 `Authorization: Bearer <token>`，凭证来自用户登录（1.2）或医生登录。\n"
    "* 编号是 24 位小写十六进制；格式不对为 400，不存在为 404，属于别人为 403。\n"
    "* 时间是 ISO 8601 UTC，精确到毫秒，以 `Z` 结尾；金额以分为单位。\n"
    "* 可省略的字段为 `null` 或 `\"\"` 等于没有；未知字段被忽略；文本两端的空白被去掉。\n"
    "* 整数不带小数点和指数（`2`，不是 `2.0`），不超出 64 位；任何文本与名字里都不能有 NUL。\n"
    "* 同样的接口也可以经 WebSocket 调用，见 [/docs/socket](/docs/socket)。";

/* ---- Names --------------------------------------------------------------------------------- */

struct tag {
    const char *beginning;
    const char *name;
};

#define TAG(beginning, name) {beginning, name},
static const struct tag tags[] = {
#include "server/tags.def"
};
#undef TAG

static const char *tag_of(const struct route *route)
{
    for (size_t i = 0; i < ARRAY_LENGTH(tags); i++) {
        if (strncmp(route->path, tags[i].beginning, strlen(tags[i].beginning)) == 0) {
            return tags[i].name;
        }
    }
    assert(false); /* tags.def lacks the path's module */
    return NULL;
}

static bool is_of_tag_before(const struct route *all, size_t count, const char *tag)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(tag_of(&all[i]), tag) == 0) {
            return true;
        }
    }
    return false;
}

static void add_tags(struct strbuf *out)
{
    size_t count;
    const struct route *all = routes(&count);
    strbuf_add_literal(out, ",\"tags\":[");
    for (size_t i = 0; i < count; i++) {
        const char *tag = tag_of(&all[i]);
        if (!is_of_tag_before(all, i, tag)) {
            strbuf_add_text(out, i == 0 ? "{\"name\":" : ",{\"name\":");
            strbuf_add_json(out, tag);
            strbuf_add_char(out, '}');
        }
    }
    strbuf_add_literal(out, ",{\"name\":\"＋ 运行\"}]");
}

/* ---- Failures ------------------------------------------------------------------------------ */

static const struct {
    int status;
    const char *meaning;
    bool is_shared; /* the same reasons at every endpoint that has any */
} failures[] = {
    {400, "请求不合法", false},
    {401, "未登录或登录已过期", false},
    {403, "不属于你", false},
    {404, "没有这个对象", false},
    {405, "方法错误，只接受 POST", true},
    {409, "当前状态不允许", false},
    {411, "不接受分块传输", true},
    {413, "请求内容过大", true},
    {415, "内容类型不是 application/json", true},
    {429, "尝试过于频繁", false},
    {500, "服务器内部错误", true},
    {503, "存储不可用、繁忙或正在停止", true},
};

/* The errors of this status that the endpoint may answer; `route` NULL: those of any. */
static size_t errors_of(const struct route *route, int status, enum err errs[ERRS_MAX])
{
    size_t count = 0;
    for (int err = ERR_OK + 1; err < ERR_COUNT; err++) {
        bool is_met = route == NULL || route_may_refuse(route, (enum err)err);
        if (is_met && err != ERR_DUPLICATE && err != ERR_ABSENT &&
            error_row((enum err)err)->status == status) {
            assert(count < ERRS_MAX);
            errs[count++] = (enum err)err;
        }
    }
    return count;
}

static void add_failure(struct strbuf *out, const char *meaning, const enum err *errs, size_t count)
{
    strbuf_add_literal(out, "{\"description\":");
    strbuf_add_json(out, meaning);
    if (error_row(errs[0])->status == 405) {
        strbuf_add_literal(out, ",\"headers\":{\"Allow\":{\"description\":\"允许的方法\","
                                "\"schema\":{\"type\":\"string\"}}}");
    }
    strbuf_add_literal(out, ",\"content\":{\"application/json\":{\"schema\":");
    components_write_failure(out, errs, count);
    strbuf_add_literal(out, ",\"examples\":{");
    for (size_t i = 0; i < count; i++) {
        const char *reason = error_row(errs[i])->reason;
        strbuf_add_format(out, "%s\"%s\":{\"$ref\":\"#/components/examples/%s\"}",
                          i == 0 ? "" : ",", reason, reason);
    }
    strbuf_add_literal(out, "}}}}");
}

static void add_failures(struct strbuf *out, const struct route *route)
{
    for (size_t i = 0; i < ARRAY_LENGTH(failures); i++) {
        enum err errs[ERRS_MAX];
        size_t count = errors_of(route, failures[i].status, errs);
        if (count == 0) {
            continue;
        }
        strbuf_add_format(out, ",\"%d\":", failures[i].status);
        if (failures[i].is_shared) {
            strbuf_add_format(out, "{\"$ref\":\"#/components/responses/Failure%d\"}",
                              failures[i].status);
        } else {
            add_failure(out, failures[i].meaning, errs, count);
        }
    }
}

/* ---- Endpoints ----------------------------------------------------------------------------- */

/* Who may call, and what such a caller has to show. */
static const struct {
    const char *who;
    const char *security; /* in place of the document's own; "": that one */
} callers[] = {
    [ACCESS_OPEN] = {"公开，不需要登录", ",\"security\":[]"},
    [ACCESS_SIGNED] = {"用户或医生", ""},
    [ACCESS_USER] = {"用户", ""},
    [ACCESS_DOCTOR] = {"医生", ""},
    [ACCESS_SERVICE] = {"医院的其他系统（服务密钥）", ",\"security\":[{\"serviceKey\":[]}]"},
};

static const struct {
    const char *route, *text;
} notes[] = {
#define NOTE(route, text) {#route, text},
#include "server/notes.def"
#undef NOTE
};

static void add_description(struct strbuf *out, const struct route *route)
{
    struct strbuf text;
    strbuf_init(&text, 0);
    if (strcmp(route->clause, "＋") == 0) {
        strbuf_add_literal(&text, "＋ 接口文档之外的补充。");
    } else {
        strbuf_add_format(&text, "接口文档 %s。", route->clause);
    }
    strbuf_add_format(&text, "调用者：%s。", callers[route->access].who);
    for (size_t i = 0; i < ARRAY_LENGTH(notes); i++) {
        if (strcmp(notes[i].route, route->name) == 0) {
            strbuf_add_format(&text, "\n\n%s", notes[i].text);
        }
    }
    strbuf_add_literal(out, ",\"description\":");
    strbuf_add_json(out, strbuf_text(&text));
    strbuf_free(&text);
}

static bool needs_body(const struct shape *shape)
{
    for (size_t i = 0; i < shape->count; i++) {
        if ((shape->fields[i].flags & REQUIRED) != 0) {
            return true;
        }
    }
    return false;
}

static void add_request(struct strbuf *out, const struct route *route)
{
    strbuf_add_format(out,
                      ",\"requestBody\":{\"required\":%s,\"content\":{\"application/json\":"
                      "{\"schema\":",
                      needs_body(route->in) ? "true" : "false");
    if (route->in == &nothing_shape) {
        strbuf_add_literal(out, "{\"type\":\"object\"}");
    } else {
        strbuf_add_format(out, "{\"$ref\":\"" COMPONENT_REFS "%s\"}", route->in->name);
    }
    strbuf_add_literal(out, ",\"example\":");
    example_write(out, route->in, true, 0);
    strbuf_add_literal(out, "}}}");
}

static void add_endpoint(struct strbuf *out, const struct route *route)
{
    strbuf_add_json(out, route->path);
    strbuf_add_literal(out, ":{\"post\":{\"tags\":[");
    strbuf_add_json(out, tag_of(route));
    strbuf_add_literal(out, "],\"operationId\":");
    strbuf_add_json(out, route->name);
    strbuf_add_literal(out, ",\"summary\":");
    strbuf_add_json(out, route->summary);
    assert(route->access < ARRAY_LENGTH(callers) && callers[route->access].who != NULL);
    add_description(out, route);
    strbuf_add_text(out, callers[route->access].security);
    add_request(out, route);
    strbuf_add_literal(out, ",\"responses\":{\"200\":{\"description\":");
    strbuf_add_json(out, route->reply.msg);
    strbuf_add_literal(out, ",\"content\":{\"application/json\":{\"schema\":");
    components_write_answer(out, &route->reply, false);
    strbuf_add_literal(out, ",\"example\":");
    components_write_answer_example(out, &route->reply, false);
    strbuf_add_literal(out, "}}}");
    add_failures(out, route);
    strbuf_add_literal(out, "}}}");
}

/* The pages that say how the node is (contract 5). */
static void add_health(struct strbuf *out)
{
#define HEALTH(path, id, summary, answers)                                                         \
    ",\"" path "\":{\"get\":{\"tags\":[\"＋ 运行\"],\"operationId\":\"" id                         \
    "\",\"summary\":\"" summary "\",\"security\":[],\"responses\":{" answers "}}}"
#define STATE "{\"enum\":[\"up\",\"down\"]}"
#define READY(status)                                                                              \
    "{\"description\":\"" status                                                                   \
    "\",\"content\":{\"application/json\":{\"schema\":{\"type\":\"object\","                       \
    "\"properties\":{\"status\":{\"const\":\"" status "\"},\"store\":" STATE ",\"bus\":" STATE     \
    "},\"required\":[\"status\",\"store\",\"bus\"]}}}}"
    strbuf_add_literal(out, HEALTH("/livez", "livez", "进程是否在运行",
                                   "\"200\":{\"description\":\"在运行\",\"content\":{"
                                   "\"application/json\":{\"schema\":{\"type\":\"object\","
                                   "\"properties\":{\"status\":{\"const\":\"ok\"}},"
                                   "\"required\":[\"status\"]}}}}"));
    strbuf_add_literal(out, HEALTH("/readyz", "readyz", "是否可以接受请求：存储与消息总线",
                                   "\"200\":" READY("ok") ",\"503\":" READY("unready")));
#undef READY
#undef STATE
#undef HEALTH
}

/* ---- The document -------------------------------------------------------------------------- */

static void add_paths(struct strbuf *out)
{
    size_t count;
    const struct route *all = routes(&count);
    strbuf_add_literal(out, ",\"paths\":{");
    for (size_t i = 0; i < count; i++) {
        strbuf_add_text(out, i == 0 ? "" : ",");
        add_endpoint(out, &all[i]);
    }
    add_health(out);
    strbuf_add_char(out, '}');
}

static void add_shared_failures(struct strbuf *out)
{
    bool is_first = true;
    strbuf_add_literal(out, ",\"responses\":{");
    for (size_t i = 0; i < ARRAY_LENGTH(failures); i++) {
        enum err errs[ERRS_MAX];
        if (failures[i].is_shared) {
            size_t count = errors_of(NULL, failures[i].status, errs);
            strbuf_add_format(out, "%s\"Failure%d\":", is_first ? "" : ",", failures[i].status);
            add_failure(out, failures[i].meaning, errs, count);
            is_first = false;
        }
    }
    strbuf_add_char(out, '}');
}

static void add_failure_examples(struct strbuf *out)
{
    bool is_first = true;
    strbuf_add_literal(out, ",\"examples\":{");
    for (int err = ERR_OK + 1; err < ERR_COUNT; err++) {
        if (err == ERR_DUPLICATE || err == ERR_ABSENT) {
            continue;
        }
        const struct error_row *row = error_row((enum err)err);
        strbuf_add_format(out, "%s\"%s\":{\"summary\":", is_first ? "" : ",", row->reason);
        is_first = false;
        char summary[128];
        snprintf(summary, sizeof summary, "%s %s", row->reason, row->sentence);
        strbuf_add_json(out, summary);
        strbuf_add_literal(out, ",\"value\":");
        envelope_failure(out, (enum err)err, NULL, NULL);
        strbuf_add_char(out, '}');
    }
    strbuf_add_char(out, '}');
}

void openapi_write(struct strbuf *out)
{
    struct strbuf text;
    strbuf_init(&text, 0);
    strbuf_add_literal(&text, "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"互联网医院咨询服务\","
                              "\"version\":\"" CONSULTD_VERSION "\",\"description\":");
    strbuf_add_json(&text, about);
    strbuf_add_literal(&text,
                       ",\"license\":{\"name\":\"Apache 2.0\",\"identifier\":\"Apache-2.0\"}}"
                       ",\"servers\":[{\"url\":\"/\"}],\"security\":[{\"bearer\":[]}]");
    add_tags(&text);
    add_paths(&text);
    strbuf_add_literal(&text, ",\"components\":{\"securitySchemes\":{\"bearer\":{\"type\":\"http\","
                              "\"scheme\":\"bearer\",\"bearerFormat\":\"JWT\",\"description\":"
                              "\"登录（1.2，或医生登录）得到的 token\"},\"serviceKey\":{"
                              "\"type\":\"http\",\"scheme\":\"bearer\",\"description\":"
                              "\"医院其他系统的服务密钥（consultd service-key create）\"}},"
                              "\"schemas\":");
    components_write_schemas(&text);
    add_shared_failures(&text);
    add_failure_examples(&text);
    strbuf_add_literal(&text, "}}");
    document_indent(out, strbuf_text(&text));
    strbuf_free(&text);
}
