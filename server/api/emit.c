/* Events: who is told what, and in which words.
 *
 * An event is encoded at most once per side and then shared by all sockets of that side and the
 * bus. A plain message looks the same to both, so it is encoded once in all. */
#include "server/api/emit.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "server/config.h"

/* By hand, as each event has one: printing it took as long as all ids and times of a message. */
void cursor_format(const char *store_id, int64_t rev, char out[CURSOR_TEXT_BYTES])
{
    static const char hex[] = "0123456789abcdef";
    char digits[2 * sizeof rev + 1];
    char *first = digits + sizeof digits - 1;
    uint64_t rest = (uint64_t)rev;
    *first = '\0';
    do {
        *--first = hex[rest & 15];
        rest >>= 4;
    } while (rest > 0);
    size_t length = strlen(store_id);
    assert(length + 1 + sizeof digits <= CURSOR_TEXT_BYTES);
    memcpy(out, store_id, length);
    out[length] = '.';
    memcpy(out + length + 1, first, (size_t)(digits + sizeof digits - first));
}

bool cursor_parse(const char *text, const char *store_id, int64_t *rev)
{
    size_t length = strlen(store_id);
    if (strncmp(text, store_id, length) != 0 || text[length] != '.') {
        return false;
    }
    const char *digits = text + length + 1;
    size_t count = strspn(digits, "0123456789abcdef");
    if (count == 0 || count > 15 || digits[count] != '\0') {
        return false;
    }
    *rev = (int64_t)strtoull(digits, NULL, 16);
    return true;
}

struct message message_view(const struct message *message, enum side side)
{
    struct message view = *message;
    if (view.text.is_notice) {
        struct notice_part nothing = {NULL, NULL};
        if (side == SIDE_USER) {
            view.text.doctor = nothing;
        } else {
            view.text.user = nothing;
        }
    }
    bool is_sender = strncmp(message->direction, side_name(side), strlen(side_name(side))) == 0;
    if (message->is_retract && !is_sender) {
        view.text = (struct message_text){.plain = NULL};
        view.image = NULL;
        view.audio = NULL;
    }
    return view;
}

static struct frame *placed_frame(enum event event, const char *cursor, const void *record,
                                  const struct frame_place *place)
{
    struct strbuf buffer;
    strbuf_init(&buffer, FRAME_ROOM);
    envelope_event(&buffer, event, cursor, record);
    return frame_take_placed(&buffer, place);
}

static struct frame *event_frame(enum event event, const char *cursor, const void *record)
{
    struct frame_place nowhere = {.kind = PLACE_NONE};
    return placed_frame(event, cursor, record, &nowhere);
}

struct frame *message_frame(const char *store_id, const struct message *message, enum side side)
{
    char cursor[CURSOR_TEXT_BYTES];
    cursor_format(store_id, message->rev, cursor);
    struct message view = message_view(message, side);
    struct frame_place place = {.kind = message->is_retract ? PLACE_RETRACTED : PLACE_CREATED,
                                .chat_id = message->chat_id,
                                .seq = message->seq,
                                .rev = message->rev};
    return placed_frame(message->is_retract ? EVENT_MESSAGE_RETRACTED : EVENT_MESSAGE_CREATED,
                        cursor, &view, &place);
}

void consultation_view(const struct settings *settings, struct consultation *consultation)
{
    int64_t left = settings->reply_limit - consultation->reply_count;
    consultation->replies_left = left > 0 ? left : 0;
}

struct frame *consultation_frame(const struct settings *settings, const char *store_id,
                                 const struct consultation *consultation)
{
    char cursor[CURSOR_TEXT_BYTES];
    cursor_format(store_id, consultation->rev, cursor);
    struct consultation view = *consultation;
    consultation_view(settings, &view);
    return event_frame(EVENT_CONSULTATION_UPDATED, cursor, &view);
}

struct frame *chat_frame(struct arena *arena, const struct chat *chat, enum side side)
{
    struct chat view = *chat;
    chat_view(arena, &view, side);
    return event_frame(EVENT_CHAT_UPDATED, NULL, &view);
}

/* The frame is an emission's, so that it lives as long as the call. */
static void note_written(struct call *call, const struct message *message,
                         const struct frame *frame)
{
    struct message *copy = ARENA_NEW(call->arena, struct message);
    *copy = *message;
    call->written =
        envelope_event_record(EVENT_MESSAGE_CREATED, copy, frame_text(frame), frame_length(frame));
}

void emit_message(struct call *call, const struct chat *chat, const struct message *message,
                  bool is_answered)
{
    struct account user = chat_account(chat, SIDE_USER);
    struct account doctor = chat_account(chat, SIDE_DOCTOR);
    bool same_for_both = !message->text.is_notice && !message->is_retract;
    struct frame *shared = NULL;
    if (user.role != ROLE_NONE) {
        shared = message_frame(call->store_id, message, SIDE_USER);
        call_emit(call, user, frame_keep(shared), message->rev, is_answered);
    }
    if (doctor.role != ROLE_NONE) {
        struct frame *frame = same_for_both && shared != NULL
                                  ? frame_keep(shared)
                                  : message_frame(call->store_id, message, SIDE_DOCTOR);
        call_emit(call, doctor, frame, message->rev, is_answered);
    }
    if (is_answered && same_for_both && shared != NULL) {
        note_written(call, message, shared);
    }
    frame_drop(shared);
}

void emit_void(struct call *call, const struct chat *chat, int64_t seq)
{
    struct frame_place place = {
        .kind = PLACE_VOID, .chat_id = chat->id, .seq = seq, .rev = call_stamp(call)};
    for (enum side side = SIDE_USER; side <= SIDE_DOCTOR; side++) {
        struct account account = chat_account(chat, side);
        if (account.role != ROLE_NONE) {
            struct strbuf nothing;
            strbuf_init(&nothing, FRAME_ROOM);
            call_emit(call, account, frame_take_placed(&nothing, &place), place.rev, false);
        }
    }
}

void emit_consultation(struct call *call, const struct consultation *consultation)
{
    struct frame *frame = consultation_frame(call->settings, call->store_id, consultation);
    struct account user = {ROLE_USER, consultation->user_id};
    struct account doctor = {ROLE_DOCTOR, consultation->doctor_id};
    call_emit(call, user, frame_keep(frame), consultation->rev, false);
    if (consultation->paid_at.ms != 0) {
        call_emit(call, doctor, frame_keep(frame), consultation->rev, false);
    }
    frame_drop(frame);
}

void emit_chat(struct call *call, const struct chat *chat)
{
    for (enum side side = SIDE_USER; side <= SIDE_DOCTOR; side++) {
        struct account account = chat_account(chat, side);
        if (account.role != ROLE_NONE) {
            call_emit(call, account, chat_frame(call->arena, chat, side), 0, false);
        }
    }
}

void emit_read(struct call *call, const struct chat *chat, enum side reader,
               const struct read_receipt *receipt)
{
    struct account own = chat_account(chat, reader);
    struct frame_place place = {.kind = receipt->seq > 0 ? PLACE_READ : PLACE_NONE,
                                .chat_id = receipt->chat_id,
                                .seq = receipt->seq};
    call_emit(call, own, placed_frame(EVENT_CHAT_READ, NULL, receipt, &place), 0, true);
    enum side other = reader == SIDE_USER ? SIDE_DOCTOR : SIDE_USER;
    struct account peer = chat_account(chat, other);
    if (peer.role != ROLE_NONE) {
        struct read_receipt told = *receipt;
        told.unread = NUMBER_ABSENT;
        call_emit(call, peer, placed_frame(EVENT_CHAT_READ, NULL, &told, &place), 0, false);
    }
}

void emit_typing(struct call *call, const struct chat *chat, enum side side)
{
    struct account peer = chat_account(chat, side == SIDE_USER ? SIDE_DOCTOR : SIDE_USER);
    if (peer.role != ROLE_NONE) {
        struct typing typing = {chat->id, side_name(side)};
        call_emit(call, peer, event_frame(EVENT_TYPING, NULL, &typing), 0, false);
    }
}

void emit_presence(struct call *call, const struct chat *chat, enum side side,
                   const struct attendee *attendee)
{
    struct account peer = chat_account(chat, side == SIDE_USER ? SIDE_DOCTOR : SIDE_USER);
    if (peer.role != ROLE_NONE) {
        struct presence presence = {.chat_id = chat->id,
                                    .side = side_name(side),
                                    .online = attendee->is_online,
                                    .last_seen = attendee->last_seen};
        *(side == SIDE_USER ? &presence.user_id : &presence.doctor_id) = attendee->account.id;
        call_emit(call, peer, event_frame(EVENT_PRESENCE, NULL, &presence), 0, false);
    }
}
