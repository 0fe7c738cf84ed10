/* What must hold of every answer and every event of every story, whatever the story is about.
 *
 * Contract 1: failures have one form; `_id` never comes without the same `id`; times are ISO 8601
 * with milliseconds; nobody is ever told a password, nor a doctor's openId. Contract 4: durable
 * events carry a cursor, ephemeral ones do not; within a chat, what a socket is told first comes
 * in the order of `seq`. And what a patient sent must not turn up in a log. */
#include "talk.h"

#include <ctype.h>
#include <string.h>

enum { SECRET_BYTES = 8 };

static bool is_time(const char *text)
{
    const char *shape = "0000-00-00T00:00:00.000Z";
    for (; *shape != '\0'; shape++, text++) {
        if (*shape == '0' ? !isdigit((unsigned char)*text) : *text != *shape) {
            return false;
        }
    }
    return *text == '\0';
}

static void check_member(struct story *story, json_t *object, const char *key, json_t *value)
{
    static const char *const times[] = {"created_at", "updated_at", "deleted_at", "lastMsgTime",
                                        "deadline"};
    for (size_t i = 0; i < ARRAY_LENGTH(times); i++) {
        bool may_be_null = strcmp(key, "lastMsgTime") == 0 && json_is_null(value);
        if (strcmp(key, times[i]) == 0 && !may_be_null &&
            !(json_is_string(value) && is_time(json_string_value(value)))) {
            story_fail(story, "\"%s\" is not a time: %s", key, json_dumps(value, JSON_ENCODE_ANY));
        }
    }
    if (strcmp(key, "password") == 0) {
        story_fail(story, "an answer holds a password");
    }
    if (strcmp(key, "openId") == 0 && json_object_get(object, "doctorSn") != NULL) {
        story_fail(story, "an answer holds a doctor's openId");
    }
    if (strcmp(key, "_id") == 0 && !json_equal(value, json_object_get(object, "id"))) {
        story_fail(story, "\"_id\" without the same \"id\": %s", json_dumps(object, JSON_COMPACT));
    }
}

static void check_value(struct story *story, json_t *value)
{
    const char *key;
    json_t *part;
    size_t index;
    json_object_foreach(value, key, part)
    {
        check_member(story, value, key, part);
        check_value(story, part);
    }
    json_array_foreach(value, index, part)
    {
        check_value(story, part);
    }
}

static bool is_upper_snake(const char *text)
{
    return text != NULL && *text != '\0' &&
           strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789") == strlen(text);
}

static bool is_chinese(const char *text)
{
    for (; text != NULL && *text != '\0'; text++) {
        if ((unsigned char)*text >= 0x80) {
            return true;
        }
    }
    return false;
}

static void check_failure(struct story *story, json_t *answer)
{
    json_t *error = json_object_get(answer, "error");
    if (!json_is_integer(json_object_get(answer, "code")) ||
        !is_chinese(json_string_value(json_object_get(answer, "msg"))) ||
        !is_upper_snake(json_string_value(json_object_get(error, "reason"))) ||
        !json_is_boolean(json_object_get(error, "retry")) ||
        json_object_get(answer, "data") != NULL) {
        story_fail(story, "not the form of a failure: %s", json_dumps(answer, JSON_COMPACT));
    }
}

int code_of(json_t *answer)
{
    json_t *code = json_object_get(answer, "code");
    if (json_is_string(code)) {
        return strcmp(json_string_value(code), "200") == 0 ? 200 : 0;
    }
    return (int)json_integer_value(code);
}

void check_answer(struct story *story, json_t *answer)
{
    if (code_of(answer) != 200) {
        check_failure(story, answer);
    } else if (!json_is_string(json_object_get(answer, "msg")) &&
               json_object_get(answer, "token") == NULL) {
        story_fail(story, "an answer without msg: %s", json_dumps(answer, JSON_COMPACT));
    }
    check_value(story, answer);
}

void check_reply(struct story *story, const char *path, const struct reply *reply)
{
    bool is_endpoint = strncmp(path, "/api/", 5) == 0 || strncmp(path, "/consultation/", 14) == 0;
    if (json_object_get(reply->json, "code") == NULL) {
        if (is_endpoint && reply->status != 204) {
            story_fail(story, "%s answered no envelope: %d %s", path, reply->status, reply->body);
        }
        return;
    }
    check_answer(story, reply->json);
    if (code_of(reply->json) != reply->status) {
        story_fail(story, "status %d, but code in %s", reply->status, reply->body);
    }
}

static bool is_durable(const char *event)
{
    static const char *const durable[] = {"consultation.updated", "message.created",
                                          "message.retracted", "synced"};
    for (size_t i = 0; i < ARRAY_LENGTH(durable); i++) {
        if (strcmp(event, durable[i]) == 0) {
            return true;
        }
    }
    return false;
}

static void check_order(struct story *story, const char *socket_name, json_t *message)
{
    json_t *seen = json_object_get(story->seen_seq, socket_name);
    const char *id = json_string_value(json_object_get(message, "id"));
    const char *chat = json_string_value(json_object_get(message, "chatId"));
    json_int_t seq = json_integer_value(json_object_get(message, "seq"));
    if (id == NULL || chat == NULL || seq <= 0) {
        story_fail(story, "an event's message without id, chatId or seq: %s",
                   json_dumps(message, JSON_COMPACT));
    }
    if (seen == NULL) {
        json_object_set_new(story->seen_seq, socket_name, seen = json_object());
    }
    if (json_object_get(seen, id) != NULL) {
        return; /* at least once: a second delivery may come late */
    }
    json_int_t newest = json_integer_value(json_object_get(seen, chat));
    if (seq <= newest) {
        story_fail(story, "ws %s: seq %lld came after %lld", socket_name, (long long)seq,
                   (long long)newest);
    }
    json_object_set_new(seen, id, json_true());
    json_object_set_new(seen, chat, json_integer(seq));
}

void check_event(struct story *story, const char *socket_name, json_t *event)
{
    const char *name = json_string_value(json_object_get(event, "event"));
    json_t *cursor = json_object_get(event, "cursor");
    if (name == NULL || is_durable(name) != json_is_string(cursor)) {
        story_fail(story, "ws %s: an event with a wrong or without a cursor: %s", socket_name,
                   json_dumps(event, JSON_COMPACT));
    }
    if (strcmp(name, "message.created") == 0) {
        check_order(story, socket_name, json_object_get(event, "data"));
    }
    check_value(story, event);
}

void check_forget_socket(struct story *story, const char *socket_name)
{
    json_object_del(story->seen_seq, socket_name);
}

void check_note_secret(struct story *story, const char *secret)
{
    if (secret != NULL && strlen(secret) >= SECRET_BYTES) {
        json_array_append_new(story->secrets, json_string(secret));
    }
}

static void note_secrets(struct story *story, json_t *value)
{
    static const char *const keys[] = {"audio", "certificateNo", "clientMsgId", "content",
                                       "image", "name",          "openId",      "patientIdNo",
                                       "phone", "text",          "token"};
    const char *key;
    json_t *part;
    json_object_foreach(value, key, part)
    {
        for (size_t i = 0; i < ARRAY_LENGTH(keys); i++) {
            if (strcmp(key, keys[i]) == 0) {
                check_note_secret(story, json_string_value(part));
            }
        }
        note_secrets(story, part);
    }
}

void check_note_secrets(struct story *story, const char *json_text)
{
    json_t *value = json_loads(json_text, 0, NULL);
    note_secrets(story, value);
    json_decref(value);
}
