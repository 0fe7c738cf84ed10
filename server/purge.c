/* The purge: order by order, each a change of its own with its row of the record before it, so that
 * nothing is ever missing of which the record doesn't say where it went.
 *
 * Last goes the order itself: as long as it is there, a purge that was interrupted finds the rest
 * of it again. */
#include "server/purge.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "server/api/audit.h"
#include "server/api/chats.h"
#include "server/api/evaluations.h"
#include "server/api/moves.h"
#include "server/api/payments.h"
#include "server/api/treatments.h"
#include "server/config.h"

#define PAGE_ORDERS 200
#define PAGE_MESSAGES 500
#define ARENA_BYTES 65536
#define MS_PER_SECOND 1000

/* Midnight UTC of the day that is `years` years before `now`; 29 February counts as 28. */
static struct timestamp years_before(struct timestamp now, int64_t years)
{
    time_t seconds = (time_t)(now.ms / MS_PER_SECOND);
    struct tm day;
    gmtime_r(&seconds, &day);
    if (day.tm_mon == 1 && day.tm_mday == 29) {
        day.tm_mday = 28;
    }
    day.tm_year -= (int)years;
    day.tm_hour = day.tm_min = day.tm_sec = 0;
    int64_t then = (int64_t)timegm(&day);
    return (struct timestamp){then > 0 ? then * MS_PER_SECOND : 1};
}

/* ---- An order's messages ------------------------------------------------------------------ */

/* A page of the order's messages in one of its chats. */
static enum err find_messages(struct command_run *run, const struct consultation *order,
                              struct oid chat_id, struct object_list *out)
{
    struct condition conditions[] = {
        WHERE(message, chat_id, IS, chat_id),
        WHERE(message, consultation_id, IS, order->id),
    };
    struct query query = {.conditions = conditions,
                          .condition_count = ARRAY_LENGTH(conditions),
                          .limit = PAGE_MESSAGES};
    return store_find(run->call.store, run->call.arena, COLLECTION_MESSAGES, &query, out);
}

static enum err count_messages(struct command_run *run, const struct consultation *order,
                               int64_t *out)
{
    struct oid chats[ORDER_CHATS];
    chats_of_order(order, chats);
    *out = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(chats); i++) {
        struct condition conditions[] = {
            WHERE(message, chat_id, IS, chats[i]),
            WHERE(message, consultation_id, IS, order->id),
        };
        struct query query = {.conditions = conditions,
                              .condition_count = ARRAY_LENGTH(conditions)};
        int64_t count;
        TRY(store_count(run->call.store, COLLECTION_MESSAGES, &query, &count));
        *out += count;
    }
    return ERR_OK;
}

/* The chat's list shows its last message's text: not when that is purged. */
static enum err remove_message(struct command_run *run, const struct message *message)
{
    struct condition is_shown = WHERE(chat, last_msg_id, IS, message->id);
    struct change changes[] = {UNSET(chat, last_msg_content), UNSET(chat, last_msg_id)};
    enum err err =
        store_update(run->call.store, run->call.arena, COLLECTION_CHATS, message->chat_id,
                     &is_shown, 1, changes, ARRAY_LENGTH(changes), NULL);
    if (err != ERR_OK && err != ERR_ABSENT) {
        return err;
    }
    err = store_remove(run->call.store, COLLECTION_MESSAGES, message->id, NULL, 0);
    return err == ERR_ABSENT ? ERR_OK : err;
}

static enum err remove_messages(struct command_run *run, const struct consultation *order)
{
    struct oid chats[ORDER_CHATS];
    chats_of_order(order, chats);
    for (size_t i = 0; i < ARRAY_LENGTH(chats); i++) {
        struct object_list page;
        do {
            TRY(find_messages(run, order, chats[i], &page));
            const struct message *messages = page.items;
            for (size_t j = 0; j < page.count; j++) {
                TRY(remove_message(run, &messages[j]));
            }
        } while (page.count > 0);
    }
    return ERR_OK;
}

/* ---- An order ----------------------------------------------------------------------------- */

/* What is gone already is no failure: a purge may be repeated. */
static enum err remove_one(struct command_run *run, enum collection collection, struct oid id)
{
    enum err err = store_remove(run->call.store, collection, id, NULL, 0);
    return err == ERR_ABSENT ? ERR_OK : err;
}

/* Records whose first member is their id. */
static enum err remove_all(struct command_run *run, enum collection collection,
                           const struct object_list *list)
{
    size_t size = collection_row(collection)->shape->size;
    for (size_t i = 0; i < list->count; i++) {
        struct oid id;
        memcpy(&id, (const char *)list->items + i * size, sizeof id);
        TRY(remove_one(run, collection, id));
    }
    return ERR_OK;
}

static enum err remove_treatment(struct command_run *run, const struct consultation *order)
{
    struct object_list versions, answers;
    TRY(treatment_versions_read(&run->call, order->id, &versions));
    TRY(evaluation_answers_read(&run->call, order->id, &answers));
    TRY(remove_all(run, COLLECTION_TREATMENT_VERSIONS, &versions));
    TRY(remove_one(run, COLLECTION_TREATMENTS, treatment_id_of(order->id)));
    TRY(remove_all(run, COLLECTION_EVALUATION_ANSWERS, &answers));
    return remove_one(run, COLLECTION_EVALUATIONS, evaluation_id_of(order->id));
}

static enum err remove_record(struct command_run *run, const struct consultation *order)
{
    TRY(remove_treatment(run, order));
    TRY(remove_one(run, COLLECTION_PAYMENTS, payment_id_of(order->id)));
    struct condition conditions[] = {
        WHERE(consultation, status, IS, order->status),
        WHERE(consultation, rev, IS, order->rev),
    };
    enum err err = store_remove(run->call.store, COLLECTION_CONSULTATIONS, order->id, conditions,
                                ARRAY_LENGTH(conditions));
    return err == ERR_ABSENT ? ERR_OK : err; /* it has changed just now: not that old */
}

static enum err remove_order(struct command_run *run, const struct consultation *order,
                             bool is_whole, int64_t messages)
{
    TRY(command_begin(run));
    audit_note(&run->call,
               &(struct audit_note){
                   .action = AUDIT_PURGE,
                   .consultation_id = order->id,
                   .subject = order->id,
                   .result = is_whole ? PURGED_RECORD : PURGED_MESSAGES,
                   .details = arena_format(run->call.arena, "messages=%" PRId64, messages)});
    enum err err = command_record(run);
    if (err == ERR_OK) {
        err = remove_messages(run, order);
    }
    if (err == ERR_OK && is_whole) {
        err = remove_record(run, order);
    }
    if (err != ERR_OK) {
        command_abandon(run);
        return err;
    }
    return command_commit(run);
}

static enum err purge_order(struct command_run *run, const struct consultation *order,
                            bool is_whole, bool is_real, struct purge_report *report)
{
    int64_t messages;
    TRY(count_messages(run, order, &messages));
    if (!is_whole && messages == 0) {
        return ERR_OK; /* done before */
    }
    if (is_real) {
        TRY(remove_order(run, order, is_whole, messages));
    }
    char id[OID_TEXT_BYTES];
    oid_format(order->id, id);
    fprintf(run->out, "%s %s: %" PRId64 " messages%s\n", is_real ? "removed" : "older", id,
            messages, is_whole ? " and the order" : "");
    report->messages += messages;
    report->records += is_whole;
    report->orders += !is_whole;
    return ERR_OK;
}

/* What is read of an order is let go with it. */
static enum err purge_alone(struct command_run *run, const struct consultation *order,
                            bool is_whole, bool is_real, struct purge_report *report)
{
    struct arena *kept = run->call.arena;
    run->call.arena = arena_new(ARENA_BYTES);
    const enum err err = purge_order(run, order, is_whole, is_real, report);
    arena_free(run->call.arena);
    run->call.arena = kept;
    return err;
}

/* ---- All ---------------------------------------------------------------------------------- */

static enum err purge_state(struct command_run *run, const char *status, bool is_real,
                            struct purge_report *report)
{
    const struct settings *settings = run->call.settings;
    struct timestamp chat_limit = years_before(run->call.now, settings->retention_chat_years);
    struct timestamp record_limit = years_before(run->call.now, settings->retention_record_years);
    struct object_list page;
    struct oid after = OID_NONE;
    do {
        struct condition conditions[] = {
            WHERE(consultation, status, IS, status),
            WHERE(consultation, updated_at, BELOW, chat_limit),
            WHERE(consultation, unsettled, IS_NOT, true),
            WHERE(consultation, id, ABOVE, after),
        };
        struct query query = {.conditions = conditions,
                              .condition_count = oid_is_none(after) ? 3 : 4,
                              .sort = {SORT_UP(consultation, id)},
                              .limit = PAGE_ORDERS};
        TRY(store_find(run->call.store, run->call.arena, COLLECTION_CONSULTATIONS, &query, &page));
        const struct consultation *orders = page.items;
        for (size_t i = 0; i < page.count; i++) {
            bool is_whole = orders[i].updated_at.ms < record_limit.ms;
            TRY(purge_alone(run, &orders[i], is_whole, is_real, report));
            after = orders[i].id;
        }
    } while (page.count > 0);
    return ERR_OK;
}

enum err purge(struct command_run *run, bool is_real, struct purge_report *report)
{
    static const char *const over[] = {CANCELLED, COMPLETED, EXPIRED_REFUNDED, REFUNDED};
    *report = (struct purge_report){.orders = 0};
    for (size_t i = 0; i < ARRAY_LENGTH(over); i++) {
        TRY(purge_state(run, over[i], is_real, report));
    }
    return ERR_OK;
}
