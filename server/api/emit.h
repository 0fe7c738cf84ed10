/* Worker only. Events: each encoded once per audience, handed to call_emit. Contract 4. */
#ifndef CONSULTD_SERVER_API_EMIT_H
#define CONSULTD_SERVER_API_EMIT_H

#include "server/api/chats.h"
#include "server/attendance.h"
#include "server/call.h"

#define CURSOR_TEXT_BYTES 48

/* A cursor: which store, and the stamp up to which its holder has seen everything. Opaque to
 * clients. */
void cursor_format(const char *store_id, int64_t rev, char out[CURSOR_TEXT_BYTES]);
/* False: not a cursor of this store. */
bool cursor_parse(const char *text, const char *store_id, int64_t *rev);

/* What `side` may see of a message (contract 3): of a notice its own part, of a message that the
 * other side retracted nothing but the fact. */
struct message message_view(const struct message *message, enum side side);

/* The frame of message.created or message.retracted for a side. Caller owns the reference. */
struct frame *message_frame(const char *store_id, const struct message *message, enum side side);

/* The frame of consultation.updated. Caller owns the reference. */
struct frame *consultation_frame(const struct settings *settings, const char *store_id,
                                 const struct consultation *consultation);

/* The frame of chat.updated as `side` sees the chat. Caller owns the reference. */
struct frame *chat_frame(struct arena *arena, const struct chat *chat, enum side side);

/* To both sides of the message's chat. `is_answered`: the calling socket is left out, because its
 * answer holds the message. */
void emit_message(struct call *call, const struct chat *chat, const struct message *message,
                  bool is_answered);

/* To both sides, as no event: there will never be a message of this seq; nobody needs to wait. */
void emit_void(struct call *call, const struct chat *chat, int64_t seq);

/* consultation.updated to the user and, unless the order was never paid, to the doctor. */
void emit_consultation(struct call *call, const struct consultation *consultation);

/* chat.updated to each side with its own numbers. */
void emit_chat(struct call *call, const struct chat *chat);

/* chat.read to the reader's other sockets (with unread) and to the other side (without). */
void emit_read(struct call *call, const struct chat *chat, enum side reader,
               const struct read_receipt *receipt);

/* typing to the other side. */
void emit_typing(struct call *call, const struct chat *chat, enum side side);

/* presence of `side`, to the other side of the chat. */
void emit_presence(struct call *call, const struct chat *chat, enum side side,
                   const struct attendee *attendee);

/* Fills the views of an order that need no other record: repliesLeft. */
void consultation_view(const struct settings *settings, struct consultation *consultation);

#endif
