/* Worker only. Messages that the server itself makes: notices, the order's content, system
 * messages. Their ids are derived from what caused them and their places in the chat are
 * reserved once in the order, so that making them again makes nothing new. Contract 3. */
#ifndef CONSULTD_SERVER_API_POSTS_H
#define CONSULTD_SERVER_API_POSTS_H

#include "server/api/chats.h"
#include "server/call.h"

#define MESSAGE_CONTENT "01" /* text, image or audio */
#define MESSAGE_NOTICE "06"

#define USER_TO_DOCTOR "user->doctor"
#define DOCTOR_TO_USER "doctor->user"
#define SYSTEM_TO_USER "system->user"
#define SYSTEM_TO_DOCTOR "system->doctor"

/* The moves of an order that put messages into its chat, each at most once. */
enum occasion { OCCASION_START, OCCASION_DISCLAIMER, OCCASION_END };

/* The id of a message with a clientMsgId: the same sender ("user", "doctor", "system"), chat and
 * clientMsgId are the same message. It begins with the first bytes of the chat's. */
struct oid message_id_of(struct oid chat_id, const char *sender, const char *client_msg_id);

/* The id that the next try of a message has, where the one of this id was ruled out. */
struct oid message_id_after(struct oid id);

/* Whether this is no message, but stands in the place of one that came too late. No chat has it. */
bool message_is_ruled_out(const struct message *message);

/* Whether two messages of one id say the same about the same order. */
bool message_is_same(const struct message *a, const struct message *b);

/* Whether a message counts as unread for a side: a notice with a part for it, or a message sent
 * to it. */
bool message_is_for(const struct message *message, enum side side);

/* What a chat's lastMsgContent says of a message of type 01 to 04. */
const char *message_summary(const struct message *message);

/* What a message, or several in a row, take in their chat. */
struct places {
    struct oid id; /* what they are counted as: that of the first of them, or of its first try */
    int64_t count, to_user, to_doctor;
    const struct condition *conditions; /* the chat's gate; NULL none; at most 4 */
    size_t condition_count;
    const struct message *shown; /* for the chat's list; NULL: it stays as it is */
    int64_t rev;
};

/* Takes the chat's next seq for a message of type 01 to 04, whose id, type, content, direction and
 * times are there: one conditional update, which also counts it and shows it as the chat's last.
 * Fills seq, totals and rev; `taken`, whose id is there, receives what places_give_back needs, `chat` the
 * chat as it was before. ERR_ABSENT: a condition fails. */
MUST_USE enum err post_take_seq(struct call *call, struct message *message,
                                const struct condition *conditions, size_t condition_count,
                                struct places *taken, struct chat *chat);

/* For a place that post_take_seq took in vain, since another node has stored the message at another
 * one: `stored` is that message, `before` the chat as it was before.
 * Nobody waits for what was counted twice: it is taken back, unless others have counted since or
 * somebody has read so far; then it goes with the next message that is read. */
MUST_USE enum err post_give_back(struct call *call, const struct places *taken,
                                 const struct chat *before, const struct message *stored);

/* Rules out that a message of this id, which is not stored, ever is, unless *is_stored: it has been meanwhile.
 * The chat's list no longer shows it. */
MUST_USE enum err post_rule_out(struct call *call, struct oid chat_id, struct oid id,
                                bool *is_stored);

/* For a place that post_take_seq took for a message of this id, which was ruled out meanwhile. */
MUST_USE enum err post_give_up(struct call *call, const struct places *taken,
                               const struct chat *before, struct oid id);

/* Posts `count` messages of one occasion into the order's chat, in order, and emits them. Of
 * each draft the caller fills type, text, image and direction. Repeatable: what is there already
 * is passed over. `order` receives the reservation. ERR_BUSY: others took the places; again. */
MUST_USE enum err posts_make(struct call *call, struct consultation *order, enum occasion occasion,
                             struct message *drafts, size_t count);

/* Posts a text into the user's system chat, about the order being in the state it is in.
 * Repeatable. ERR_BUSY as above. */
MUST_USE enum err posts_make_system(struct call *call, const struct consultation *order,
                                    const char *text);

/* Marks the message as retracted, and what the chat shows of it. */
MUST_USE enum err post_mark_retracted(struct call *call, struct message *message,
                                      struct chat *chat);
/* What the chat shows of one that is marked, where it does not show it yet; `chat`: as it was read. */
MUST_USE enum err post_show_retracted(struct call *call, const struct message *message,
                                      struct chat *chat);

#endif
