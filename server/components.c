/* The schemas that OpenAPI and AsyncAPI share. They are found by walking the table of endpoints and
 * the events, so that none can be forgotten, and named after their structs, whose names are
 * unique.
 *
 * Any thread; the strbuf is the caller's. */
#include "server/components.h"

#include <assert.h>

#include "protocol/example.h"

#define SHAPES_MAX 128

struct shapes {
    const struct shape *items[SHAPES_MAX];
    bool is_request[SHAPES_MAX];
    size_t count;
};

/* Adds a shape and those it refers to, once. `nothing` has no schema of its own. */
static void add_shape(struct shapes *shapes, const struct shape *shape, bool is_request)
{
    if (shape == &nothing_shape) {
        return;
    }
    for (size_t i = 0; i < shapes->count; i++) {
        if (shapes->items[i] == shape) {
            assert(shapes->is_request[i] == is_request);
            return;
        }
    }
    assert(shapes->count < SHAPES_MAX);
    shapes->items[shapes->count] = shape;
    shapes->is_request[shapes->count++] = is_request;
    for (size_t i = 0; i < shape->count; i++) {
        if (shape->fields[i].sub != NULL) {
            add_shape(shapes, shape->fields[i].sub, is_request);
        }
    }
}

static void collect(struct shapes *shapes)
{
    size_t count;
    const struct route *all = routes(&count);
    shapes->count = 0;
    for (size_t i = 0; i < count; i++) {
        add_shape(shapes, all[i].in, true);
        add_shape(shapes, all[i].reply.shape, false);
    }
    for (int event = 0; event < EVENT_COUNT; event++) {
        add_shape(shapes, event_row((enum event)event)->shape, false);
    }
    add_shape(shapes, &socket_connect_shape, true);
    add_shape(shapes, &by_chat_shape, true);
    add_shape(shapes, &connected_shape, false);
}

static void add_all_reasons(struct strbuf *out)
{
    for (int err = ERR_OK + 1; err < ERR_COUNT; err++) {
        if (err != ERR_DUPLICATE && err != ERR_ABSENT) {
            strbuf_add_text(out, err == ERR_OK + 1 ? "" : ",");
            strbuf_add_json(out, error_row((enum err)err)->reason);
        }
    }
}

static void add_fixed(struct strbuf *out)
{
    strbuf_add_literal(
        out, ",\"page_info\":{\"type\":\"object\",\"description\":\"分页信息\",\"properties\":{"
             "\"skip\":{\"type\":\"integer\",\"minimum\":0,\"description\":\"跳过的条数\"},"
             "\"limit\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":100,"
             "\"description\":\"最多返回的条数\"},"
             "\"total\":{\"type\":\"integer\",\"minimum\":0,\"description\":\"总条数\"}},"
             "\"required\":[\"skip\",\"limit\",\"total\"]}"
             ",\"failure\":{\"type\":\"object\",\"description\":\"失败的应答：什么都没有改变\","
             "\"properties\":{"
             "\"code\":{\"type\":\"integer\",\"minimum\":400,\"maximum\":599,"
             "\"description\":\"与 HTTP 状态相同\"},"
             "\"msg\":{\"type\":\"string\",\"minLength\":1,\"description\":\"给人看的一句话\"},"
             "\"error\":{\"type\":\"object\",\"properties\":{"
             "\"reason\":{\"type\":\"string\",\"description\":\"给程序看的原因\",\"enum\":[");
    add_all_reasons(out);
    strbuf_add_literal(out,
                       "]},\"field\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":63,"
                       "\"description\":\"出错的字段，例如 images[2]\"},"
                       "\"retry\":{\"type\":\"boolean\",\"description\":\"原样再试是否可能成功\"},"
                       "\"afterMs\":{\"type\":\"integer\",\"minimum\":1,"
                       "\"description\":\"多少毫秒以后再试\"}},"
                       "\"required\":[\"reason\",\"retry\"],\"additionalProperties\":false}},"
                       "\"required\":[\"code\",\"msg\",\"error\"]}");
}

void components_write_schemas(struct strbuf *out)
{
    struct shapes shapes;
    collect(&shapes);
    strbuf_add_char(out, '{');
    for (size_t i = 0; i < shapes.count; i++) {
        strbuf_add_text(out, i == 0 ? "" : ",");
        strbuf_add_json(out, shapes.items[i]->name);
        strbuf_add_char(out, ':');
        shape_write_schema(out, shapes.items[i], shapes.is_request[i], COMPONENT_REFS);
    }
    add_fixed(out);
    strbuf_add_char(out, '}');
}

/* ---- Answers ------------------------------------------------------------------------------- */

static void add_reference(struct strbuf *out, const char *name)
{
    strbuf_add_format(out, "{\"$ref\":\"" COMPONENT_REFS "%s\"}", name);
}

static void add_data(struct strbuf *out, const struct reply_form *form)
{
    switch (form->kind) {
    case REPLY_NONE:
    case REPLY_FLAT:
        break;
    case REPLY_OBJECT:
        strbuf_add_literal(out, ",\"data\":");
        add_reference(out, form->shape->name);
        break;
    case REPLY_LIST:
        strbuf_add_literal(out, ",\"data\":{\"type\":\"array\",\"items\":");
        add_reference(out, form->shape->name);
        strbuf_add_char(out, '}');
        break;
    case REPLY_PAGE:
        strbuf_add_literal(out, ",\"data\":{\"type\":\"object\",\"properties\":{\"items\":"
                                "{\"type\":\"array\",\"maxItems\":100,\"items\":");
        add_reference(out, form->shape->name);
        strbuf_add_literal(out, "},\"page_info\":");
        add_reference(out, "page_info");
        strbuf_add_literal(out, "},\"required\":[\"items\",\"page_info\"]}");
        break;
    }
}

void components_write_answer(struct strbuf *out, const struct reply_form *form, bool with_id)
{
    bool has_data = form->kind != REPLY_NONE && form->kind != REPLY_FLAT;
    strbuf_add_char(out, '{');
    if (form->kind == REPLY_FLAT) {
        strbuf_add_literal(out, "\"allOf\":[");
        add_reference(out, form->shape->name);
        strbuf_add_literal(out, "],");
    }
    strbuf_add_literal(out, "\"type\":\"object\",\"properties\":{");
    strbuf_add_text(out, with_id ? "\"id\":{\"type\":[\"integer\",\"string\"]}," : "");
    strbuf_add_text(out, form->code_is_text ? "\"code\":{\"const\":\"200\"}"
                                            : "\"code\":{\"const\":200}");
    strbuf_add_literal(out, ",\"msg\":{\"const\":");
    strbuf_add_json(out, form->msg);
    strbuf_add_char(out, '}');
    add_data(out, form);
    strbuf_add_text(out, with_id ? "},\"required\":[\"id\",\"code\",\"msg\""
                                 : "},\"required\":[\"code\",\"msg\"");
    strbuf_add_text(out, has_data ? ",\"data\"]}" : "]}");
}

void components_write_answer_example(struct strbuf *out, const struct reply_form *form,
                                     bool with_id)
{
    strbuf_add_text(out, with_id ? "{\"id\":1," : "{");
    strbuf_add_text(out, form->code_is_text ? "\"code\":\"200\"" : "\"code\":200");
    strbuf_add_literal(out, ",\"msg\":");
    strbuf_add_json(out, form->msg);
    switch (form->kind) {
    case REPLY_NONE:
        break;
    case REPLY_FLAT:
        strbuf_add_char(out, ',');
        example_write_members(out, form->shape, false, 0);
        break;
    case REPLY_OBJECT:
        strbuf_add_literal(out, ",\"data\":");
        example_write(out, form->shape, false, 0);
        break;
    case REPLY_LIST:
        strbuf_add_literal(out, ",\"data\":[");
        example_write(out, form->shape, false, 0);
        strbuf_add_char(out, ']');
        break;
    case REPLY_PAGE:
        strbuf_add_literal(out, ",\"data\":{\"items\":[");
        example_write(out, form->shape, false, 0);
        strbuf_add_literal(out, "],\"page_info\":{\"skip\":0,\"limit\":10,\"total\":1}}");
        break;
    }
    strbuf_add_char(out, '}');
}

void components_write_failure(struct strbuf *out, const enum err *errs, size_t count)
{
    assert(count > 0);
    strbuf_add_format(out,
                      "{\"allOf\":[{\"$ref\":\"" COMPONENT_REFS "failure\"}],\"properties\":{"
                      "\"code\":{\"const\":%d},\"error\":{\"properties\":{\"reason\":{\"enum\":[",
                      error_row(errs[0])->status);
    for (size_t i = 0; i < count; i++) {
        strbuf_add_text(out, i == 0 ? "" : ",");
        strbuf_add_json(out, error_row(errs[i])->reason);
    }
    strbuf_add_literal(out, "]}}}}}");
}
