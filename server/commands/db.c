/* consultd db check and upgrade.
 *
 * The check goes over whole collections in the order of ids, a page at a time, beside a server that writes. So
 * each comparison is either within one record, which changes atomically, or between a record and
 * something that only grows and is read after it: what is found is wrong, not only between two
 * writes. */
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "server/api/claims.h"
#include "server/command.h"

#define PAGE 500
#define WHY_BYTES 256
#define MS_PER_SECOND 1000
#define WHAT_BYTES 200

struct check {
    struct command_run *run;
    struct arena *arena; /* of a page */
    bool as_json;
    int64_t records, findings;
};

/* Of one record: what is wrong with it. */
typedef enum err (*look_fn)(struct check *check, const void *record);

PRINTF_LIKE(4, 5)
static void found(struct check *check, const char *what, struct oid id, const char *format, ...)
{
    char id_text[OID_TEXT_BYTES], text[WHAT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    oid_format(id, id_text);
    struct strbuf line;
    strbuf_init(&line, 0);
    if (check->as_json) {
        strbuf_add_text(&line, check->findings > 0 ? ",{\"in\":" : "{\"in\":");
        strbuf_add_json(&line, what);
        strbuf_add_format(&line, ",\"id\":\"%s\",\"finding\":", id_text);
        strbuf_add_json(&line, text);
        strbuf_add_literal(&line, "}");
    } else {
        strbuf_add_format(&line, "%s %s: %s\n", what, id_text, text);
    }
    fputs(strbuf_text(&line), check->run->out);
    strbuf_free(&line);
    check->findings++;
}

static enum err look_at_all(struct check *check, enum collection collection, look_fn look)
{
    const struct shape *shape = collection_row(collection)->shape;
    struct oid last = OID_NONE;
    struct object_list page;
    do {
        const struct condition after = {shape->fields[0].offset, ABOVE, value_of_oid(last)};
        const struct query query = {.conditions = &after,
                                    .condition_count = oid_is_none(last) ? 0 : 1,
                                    .sort = {{shape->fields[0].offset, false, true}},
                                    .limit = PAGE};
        arena_reset(check->arena);
        TRY(store_find(check->run->call.store, check->arena, collection, &query, &page));
        for (size_t i = 0; i < page.count; i++) {
            const char *record = (const char *)page.items + i * shape->size;
            memcpy(&last, record + shape->fields[0].offset, sizeof last);
            TRY(look(check, record));
            check->records++;
        }
    } while (page.count == PAGE);
    return ERR_OK;
}

/* Looks whether what a record refers to is there. */
static enum err look_for(struct check *check, const char *what, struct oid id,
                         enum collection collection, const char *field, struct oid target)
{
    const struct condition same = {collection_row(collection)->shape->fields[0].offset, IS,
                                   value_of_oid(target)};
    const struct query query = {.conditions = &same, .condition_count = 1};
    int64_t count = 0;
    TRY(store_count(check->run->call.store, collection, &query, &count));
    if (count == 0) {
        found(check, what, id, "its %s is not there", field);
    }
    return ERR_OK;
}

static enum err look_at_order(struct check *check, const void *record)
{
    const struct consultation *order = record;
    if (claim_is_ruled_out(order)) {
        return ERR_OK;
    }
    const struct {
        const char *field;
        enum collection collection;
        struct oid target;
    } targets[] = {
        {"patientId", COLLECTION_PATIENTS, order->patient_id},
        {"doctorId", COLLECTION_DOCTORS, order->doctor_id},
        {"userId", COLLECTION_USERS, order->user_id},
        {"chatId", COLLECTION_CHATS, order->chat_id},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(targets); i++) {
        TRY(look_for(check, "consultation", order->id, targets[i].collection, targets[i].field,
                     targets[i].target));
    }
    int64_t replies = (int64_t)order->replies.count;
    int64_t counted = order->reply_count > 0 ? order->reply_count : 0;
    if (counted != replies) {
        found(check, "consultation", order->id, "replyCount is %" PRId64 ", of %" PRId64 " replies",
              counted, replies);
    }
    return ERR_OK;
}

static enum err look_at_payment(struct check *check, const void *record)
{
    const struct payment *payment = record;
    return look_for(check, "payment", payment->id, COLLECTION_CONSULTATIONS, "consultationId",
                    payment->consultation_id);
}

static int64_t or_zero(int64_t number)
{
    return number == NUMBER_ABSENT ? 0 : number;
}

/* The newest message first, then the chat again, whose counters only grow. */
static enum err look_at_chat(struct check *check, const void *record)
{
    const struct chat *seen = record;
    struct chat chat;
    struct message newest;
    const struct condition in_chat = WHERE(message, chat_id, IS, seen->id);
    const struct query query = {.conditions = &in_chat,
                                .condition_count = 1,
                                .sort = {SORT_DOWN(message, seq)},
                                .limit = 1};
    struct store_session *store = check->run->call.store;
    enum err err = store_find_one(store, check->arena, COLLECTION_MESSAGES, &query, &newest);
    if (err == ERR_ABSENT) {
        return ERR_OK;
    }
    TRY(err);
    TRY(store_get(store, check->arena, COLLECTION_CHATS, seen->id, &chat));
    const struct {
        const char *name;
        int64_t least, most;
    } pairs[] = {
        {"lastSeq", newest.seq, or_zero(chat.last_seq)},
        {"userTotal", or_zero(newest.user_total), or_zero(chat.user_total)},
        {"doctorTotal", or_zero(newest.doctor_total), or_zero(chat.doctor_total)},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(pairs); i++) {
        if (pairs[i].least > pairs[i].most) {
            found(check, "chat", chat.id, "%s is %" PRId64 ", its newest message has %" PRId64,
                  pairs[i].name, pairs[i].most, pairs[i].least);
        }
    }
    if (or_zero(chat.user_read_total) > or_zero(chat.user_total) ||
        or_zero(chat.doctor_read_total) > or_zero(chat.doctor_total)) {
        found(check, "chat", chat.id, "more is read than there is");
    }
    return ERR_OK;
}

static enum err look_at_file(struct check *check)
{
    struct strbuf lines;
    strbuf_init(&lines, 0);
    enum err err = store_inspect(check->run->call.store, &lines);
    const char *at = strbuf_text(&lines);
    while (*at != '\0') {
        int length = (int)strcspn(at, "\n");
        found(check, "file", OID_NONE, "%.*s", length, at);
        at += length + (at[length] == '\n' ? 1 : 0);
    }
    strbuf_free(&lines);
    return err;
}

static enum err look_everywhere(struct check *check)
{
    TRY(look_at_file(check));
    TRY(look_at_all(check, COLLECTION_CONSULTATIONS, look_at_order));
    TRY(look_at_all(check, COLLECTION_PAYMENTS, look_at_payment));
    return look_at_all(check, COLLECTION_CHATS, look_at_chat);
}

int command_db_check(struct command_run *run, const struct list_options *in)
{
    struct check check = {.run = run, .arena = arena_new(65536), .as_json = in->json};
    if (in->json) {
        fprintf(run->out, "[");
    }
    enum err err = look_everywhere(&check);
    arena_free(check.arena);
    if (in->json) {
        fprintf(run->out, "]\n");
    } else if (err == ERR_OK) {
        fprintf(run->out, "%" PRId64 " records, %" PRId64 " findings\n", check.records,
                check.findings);
    }
    if (err != ERR_OK) {
        return command_store_failed(run);
    }
    return check.findings > 0 ? COMMAND_FOUND : COMMAND_DONE;
}

/* ---- Upgrade ------------------------------------------------------------------------------ */

/* Opened as a server opens it, so that none can have a SQLite file meanwhile; recorded afterwards, as
 * by any subcommand. */
int command_db_upgrade(struct command_run *run, const struct no_options *in)
{
    (void)in;
    const struct settings *settings = run->call.settings;
    const struct store_settings store_settings = {
        .url = settings->store,
        .timeout_ms = settings->store_timeout_seconds * MS_PER_SECOND,
        .must_exist = true,
        .upgrades = true,
    };
    struct store *store;
    char why[WHY_BYTES] = "";
    if (store_open(&store_settings, &store, why) != ERR_OK) {
        return command_complain(run, COMMAND_TROUBLE, "%s", why);
    }
    int64_t before = store_version_found(store), after = store_version();
    store_close(store);
    if (before == after) {
        fprintf(run->out, "version %" PRId64 ", nothing to do\n", after);
        return COMMAND_DONE;
    }
    fprintf(run->out, "from version %" PRId64 " to %" PRId64 "\n", before, after);
    return command_record_alone(run);
}
