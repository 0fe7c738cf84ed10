/* ＋ Messages of the hospital's other systems (contract 3): documents (types 02, 03, 04) into any
 * chat, text into the system chats. In a pair's chat a document comes from the doctor's side: it is
 * for the patient, takes none of the doctor's replies, and needs no open order, since a prescription
 * or a report may be ready later than the consultation is over. */
#include <string.h>

#include "server/api/api.h"
#include "server/api/audit.h"
#include "server/api/chats.h"
#include "server/api/emit.h"
#include "server/api/moves.h"
#include "server/api/posts.h"
#include "server/auth.h"

#define SENDER "system"

/* An order that is named must have to do with the chat. */
static enum err check_order(struct call *call, struct oid id, const struct chat *chat)
{
    struct consultation order;
    TRY(order_get(call, id, &order));
    bool is_of_pair = oid_equal(order.chat_id, chat->id);
    bool is_of_user = oid_equal(chat_id_of_user(order.user_id), chat->id);
    bool is_of_doctor = oid_equal(chat_id_of_doctor(order.doctor_id), chat->id);
    return is_of_pair || is_of_user || is_of_doctor
               ? ERR_OK
               : call_blame(call, ERR_WRONG_CHAT, "consultationId");
}

static const char *direction_of(const struct chat *chat)
{
    if (!oid_is_none(chat->patient_id)) {
        return DOCTOR_TO_USER;
    }
    return oid_is_none(chat->user_id) ? SYSTEM_TO_DOCTOR : SYSTEM_TO_USER;
}

static struct audit_note note_of(const struct message *message)
{
    return (struct audit_note){.action = AUDIT_SEND,
                               .consultation_id = message->consultation_id,
                               .subject = message->id,
                               .content = message};
}

/* ERR_ABSENT: there is no first one. */
static enum err answer_first(struct call *call, const struct chat *chat,
                             const struct message *message, struct message *out)
{
    TRY(store_get(call->store, call->arena, COLLECTION_MESSAGES, message->id, out));
    if (!message_is_same(out, message)) {
        return call_blame(call, ERR_CLIENT_MSG_ID_CONFLICT, "clientMsgId");
    }
    if (!oid_is_none(out->consultation_id)) {
        struct audit_note note = note_of(out);
        audit_note_again(call, &note);
    }
    emit_message(call, chat, out, false);
    return ERR_OK;
}

static enum err post(struct call *call, struct chat *chat, struct message *message,
                     struct message *out)
{
    for (int i = 0; i < RACES_MAX; i++) {
        struct places taken = {.id = message->id};
        TRY(post_take_seq(call, message, NULL, 0, &taken, chat));
        enum err err = store_insert(call->store, COLLECTION_MESSAGES, message);
        if (err == ERR_OK) {
            struct audit_note note = note_of(message);
            audit_note(call, &note);
            emit_message(call, chat, message, false);
            *out = *message;
            return ERR_OK;
        }
        if (err != ERR_DUPLICATE) {
            return err;
        }
        err = answer_first(call, chat, message, out);
        if (err != ERR_ABSENT) {
            return err == ERR_OK ? post_give_back(call, &taken, chat, out) : err;
        }
    }
    return ERR_BUSY;
}

enum err api_system_message_create(struct call *call, const struct system_message_create *in,
                                   struct message *out)
{
    struct chat chat;
    enum err err = store_get(call->store, call->arena, COLLECTION_CHATS, in->chat_id, &chat);
    if (err == ERR_ABSENT) {
        return call_blame(call, ERR_CHAT_NOT_FOUND, "chatId");
    }
    TRY(err);
    if (strcmp(in->type, MESSAGE_CONTENT) == 0 && !oid_is_none(chat.patient_id)) {
        return call_blame(call, ERR_WRONG_MESSAGE_TYPE, "chatId");
    }
    if (!oid_is_none(in->consultation_id)) {
        TRY(check_order(call, in->consultation_id, &chat));
    }
    struct message message = {
        .chat_id = chat.id,
        .consultation_id = in->consultation_id,
        .type = in->type,
        .text = {.plain = in->text},
        .direction = direction_of(&chat),
        .client_msg_id = in->client_msg_id,
        .created_at = call->now,
        .updated_at = call->now,
    };
    if (in->client_msg_id == NULL) {
        message.id = id_new(call->now);
    } else {
        message.id = message_id_of(chat.id, SENDER, in->client_msg_id);
        err = answer_first(call, &chat, &message, out);
        if (err != ERR_ABSENT) {
            return err;
        }
    }
    return post(call, &chat, &message, out);
}
