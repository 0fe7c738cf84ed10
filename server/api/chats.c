/* Chats: lists, details, read receipts, and the making of chats.
 *
 * unread is never counted: a chat carries for each side the number of messages that side was
 * ever sent (user_total, doctor_total), each message carries those numbers as they stood with it,
 * and reading up to a message copies its number to the side's read total. All of them only grow,
 * so concurrent readers and senders cannot make them drift. */
#include "server/api/chats.h"

#include <string.h>

#include "server/api/api.h"
#include "server/api/emit.h"
#include "server/api/online.h"
#include "server/api/paging.h"
#include "server/auth.h"

#define CHAT_SYSTEM_USER "02"
#define CHAT_SYSTEM_DOCTOR "03"

const char *side_name(enum side side)
{
    return side == SIDE_USER ? "user" : "doctor";
}

struct oid chat_id_of_pair(struct oid patient_id, struct oid doctor_id)
{
    return id_derive_pair("chat", patient_id, doctor_id);
}

struct oid chat_id_of_user(struct oid user_id)
{
    return id_derive_number("chat of user", user_id, 0);
}

struct oid chat_id_of_doctor(struct oid doctor_id)
{
    return id_derive_number("chat of doctor", doctor_id, 0);
}

void chats_of_order(const struct consultation *order, struct oid out[ORDER_CHATS])
{
    out[0] = order->chat_id;
    out[1] = chat_id_of_user(order->user_id);
    out[2] = chat_id_of_doctor(order->doctor_id);
}

static enum err insert_if_new(struct store_session *session, const struct chat *chat)
{
    enum err err = store_insert(session, COLLECTION_CHATS, chat);
    return err == ERR_DUPLICATE ? ERR_OK : err;
}

enum err chat_system_make_user(struct store_session *session, struct timestamp now, int64_t rev,
                               struct oid user_id)
{
    struct chat chat = {
        .id = chat_id_of_user(user_id),
        .type = CHAT_SYSTEM_USER,
        .status = true,
        .user_id = user_id,
        .rev = rev,
        .created_at = now,
        .updated_at = now,
    };
    return insert_if_new(session, &chat);
}

enum err chat_system_make_doctor(struct store_session *session, struct timestamp now, int64_t rev,
                                 const struct doctor *doctor)
{
    struct chat chat = {
        .id = chat_id_of_doctor(doctor->id),
        .type = CHAT_SYSTEM_DOCTOR,
        .status = true,
        .doctor_id = doctor->id,
        .rev = rev,
        .created_at = now,
        .updated_at = now,
    };
    return insert_if_new(session, &chat);
}

enum err chat_make_pair(struct call *call, const struct patient *patient,
                        const struct doctor *doctor, struct chat *out)
{
    struct oid id = chat_id_of_pair(patient->id, doctor->id);
    enum err err = store_get(call->store, call->arena, COLLECTION_CHATS, id, out);
    if (err != ERR_ABSENT) {
        return err;
    }
    struct chat chat = {
        .id = id,
        .type = CHAT_PAIR,
        .status = false,
        .user_id = patient->user_id,
        .patient_id = patient->id,
        .patient_name = patient->name,
        .doctor_id = doctor->id,
        .doctor_name = doctor->doctor_name,
        .rev = call_stamp(call),
        .created_at = call->now,
        .updated_at = call->now,
    };
    TRY(insert_if_new(call->store, &chat));
    /* Read back: another node may have been first. */
    return store_get(call->store, call->arena, COLLECTION_CHATS, id, out);
}

/* Whether the account is a side of the chat; which one goes to *side. */
static bool side_of(const struct chat *chat, struct account account, enum side *side)
{
    if (account.role == ROLE_USER && !oid_is_none(chat->user_id) &&
        oid_equal(account.id, chat->user_id)) {
        *side = SIDE_USER;
        return true;
    }
    if (account.role == ROLE_DOCTOR && !oid_is_none(chat->doctor_id) &&
        oid_equal(account.id, chat->doctor_id)) {
        *side = SIDE_DOCTOR;
        return true;
    }
    return false;
}

struct account chat_account(const struct chat *chat, enum side side)
{
    struct account account = {ROLE_NONE, OID_NONE};
    struct oid id = side == SIDE_USER ? chat->user_id : chat->doctor_id;
    if (!oid_is_none(id)) {
        account.role = side == SIDE_USER ? ROLE_USER : ROLE_DOCTOR;
        account.id = id;
    }
    return account;
}

enum err chat_get_own(struct call *call, struct oid chat_id, const char *field, struct chat *out,
                      enum side *side)
{
    enum err err = store_get(call->store, call->arena, COLLECTION_CHATS, chat_id, out);
    if (err == ERR_ABSENT) {
        return call_blame(call, ERR_CHAT_NOT_FOUND, field);
    }
    TRY(err);
    return side_of(out, call->who.account, side) ? ERR_OK : call_blame(call, ERR_NOT_YOURS, field);
}

void chat_view(struct arena *arena, struct chat *chat, enum side side)
{
    if (strcmp(chat->type, CHAT_PAIR) == 0) {
        struct chat_patient *patient = ARENA_NEW(arena, struct chat_patient);
        patient->patient_id = chat->patient_id;
        patient->name = chat->patient_name;
        chat->patient = patient;
        struct chat_doctor *doctor = ARENA_NEW(arena, struct chat_doctor);
        doctor->doctor_id = chat->doctor_id;
        doctor->doctor_name = chat->doctor_name;
        chat->doctor = doctor;
    } else {
        struct chat_system *system = ARENA_NEW(arena, struct chat_system);
        system->system_id = id_derive_text("system", "01");
        system->code = "01";
        system->name = "系统消息";
        chat->system = system;
    }
    bool is_user = side == SIDE_USER;
    int64_t total = is_user ? chat->user_total : chat->doctor_total;
    int64_t read_total = is_user ? chat->user_read_total : chat->doctor_read_total;
    chat->unread = total > read_total ? total - read_total : 0;
    chat->read_seq = is_user ? chat->user_read_seq : chat->doctor_read_seq;
    chat->peer_read_seq = is_user ? chat->doctor_read_seq : chat->user_read_seq;
    chat->consultation_id = chat->open_consultation_id;
}

/* ---- 8.1, 8.2, 8.3 ------------------------------------------------------------------------ */

static enum err list_chats(struct call *call, struct condition whose, enum side side, int64_t skip,
                           int64_t limit, struct object_list *out)
{
    struct query query = {.conditions = &whose,
                          .condition_count = 1,
                          .sort = {SORT_DOWN(chat, last_msg_time), SORT_DOWN(chat, created_at)},
                          .skip = skip == NUMBER_ABSENT ? 0 : skip,
                          .limit = limit == NUMBER_ABSENT ? 0 : limit};
    TRY(store_find(call->store, call->arena, COLLECTION_CHATS, &query, out));
    struct chat *chats = list_copy(call->arena, out, sizeof *chats);
    for (size_t i = 0; i < out->count; i++) {
        chat_view(call->arena, &chats[i], side);
    }
    out->items = chats;
    return ERR_OK;
}

enum err api_chat_user_list(struct call *call, const struct chat_user_filter *in,
                            struct object_list *out)
{
    if (!oid_equal(in->user_id, call->who.account.id)) {
        return call_blame(call, ERR_NOT_YOURS, "userId");
    }
    return list_chats(call, WHERE(chat, user_id, IS, in->user_id), SIDE_USER, in->skip, in->limit,
                      out);
}

enum err api_chat_doctor_list(struct call *call, const struct chat_doctor_filter *in,
                              struct object_list *out)
{
    if (!oid_equal(in->doctor_id, call->who.account.id)) {
        return call_blame(call, ERR_NOT_YOURS, "doctorId");
    }
    return list_chats(call, WHERE(chat, doctor_id, IS, in->doctor_id), SIDE_DOCTOR, in->skip,
                      in->limit, out);
}

enum err api_chat_detail(struct call *call, const struct by_id *in, struct chat *out)
{
    enum side side;
    TRY(chat_get_own(call, in->id, "id", out, &side));
    chat_view(call->arena, out, side);
    online_view(call, out, side);
    return ERR_OK;
}

/* ---- ＋ /api/chat/read --------------------------------------------------------------------- */

/* How many messages to `side` there are up to `seq`: the number carried by the last message that
 * is not after it. */
static enum err total_up_to(struct call *call, const struct chat *chat, enum side side, int64_t seq,
                            int64_t *out)
{
    if (seq >= chat->last_seq) {
        *out = side == SIDE_USER ? chat->user_total : chat->doctor_total;
        return ERR_OK;
    }
    struct condition conditions[] = {WHERE(message, chat_id, IS, chat->id),
                                     WHERE(message, seq, AT_MOST, seq)};
    struct query query = {.conditions = conditions,
                          .condition_count = 2,
                          .sort = {SORT_DOWN(message, seq)},
                          .limit = 1};
    struct message last;
    enum err err = store_find_one(call->store, call->arena, COLLECTION_MESSAGES, &query, &last);
    if (err == ERR_ABSENT) {
        *out = 0;
        return ERR_OK;
    }
    TRY(err);
    *out = side == SIDE_USER ? last.user_total : last.doctor_total;
    return ERR_OK;
}

enum err api_chat_read(struct call *call, const struct chat_read *in, struct read_receipt *out)
{
    struct chat chat;
    enum side side;
    TRY(chat_get_own(call, in->chat_id, "chatId", &chat, &side));
    int64_t seq = in->seq > chat.last_seq ? chat.last_seq : in->seq;
    int64_t before = side == SIDE_USER ? chat.user_read_seq : chat.doctor_read_seq;
    if (seq > before) {
        int64_t total;
        TRY(total_up_to(call, &chat, side, seq, &total));
        struct change as_user[] = {MAX(chat, user_read_seq, seq), MAX(chat, user_read_total, total),
                                   MAX(chat, rev, call_stamp(call))};
        struct change as_doctor[] = {MAX(chat, doctor_read_seq, seq),
                                     MAX(chat, doctor_read_total, total),
                                     MAX(chat, rev, call_stamp(call))};
        TRY(store_update(call->store, call->arena, COLLECTION_CHATS, chat.id, NULL, 0,
                         side == SIDE_USER ? as_user : as_doctor, ARRAY_LENGTH(as_user), &chat));
    }
    chat_view(call->arena, &chat, side);
    *out = (struct read_receipt){chat.id, chat.read_seq, side_name(side), chat.unread};
    if (seq > before) {
        emit_read(call, &chat, side, out);
    }
    return ERR_OK;
}
