/* Worker only. Chats as the other handlers need them: ids, sides, gates, views. Contract 3. */
#ifndef CONSULTD_SERVER_API_CHATS_H
#define CONSULTD_SERVER_API_CHATS_H

#include "server/call.h"

#define CHAT_PAIR "01" /* type of a chat of a patient and a doctor */

/* The two sides of a chat. The system, where it is one of them, never calls. */
enum side { SIDE_USER, SIDE_DOCTOR };

const char *side_name(enum side side);

/* Ids are derived, so that making a chat twice makes one. */
struct oid chat_id_of_pair(struct oid patient_id, struct oid doctor_id);
struct oid chat_id_of_user(struct oid user_id);     /* type 02 */
struct oid chat_id_of_doctor(struct oid doctor_id); /* type 03 */

/* Where messages of an order may be: the pair's chat first, then the user's and the doctor's system chats. */
#define ORDER_CHATS 3
void chats_of_order(const struct consultation *order, struct oid out[ORDER_CHATS]);

/* Makes the system chat of a user (type 02, at sign-up) or a doctor (type 03, with the doctor)
 * if it is not there yet. */
MUST_USE enum err chat_system_make_user(struct store_session *session, struct timestamp now,
                                        int64_t rev, struct oid user_id);
MUST_USE enum err chat_system_make_doctor(struct store_session *session, struct timestamp now,
                                          int64_t rev, const struct doctor *doctor);

/* Reads the pair's chat, making it if it is not there yet (contract 3: with the first order). */
MUST_USE enum err chat_make_pair(struct call *call, const struct patient *patient,
                                 const struct doctor *doctor, struct chat *out);

/* Reads a chat of which the caller is a side; `field` of the request named it. ERR_CHAT_NOT_FOUND,
 * ERR_NOT_YOURS, both blaming the field. */
MUST_USE enum err chat_get_own(struct call *call, struct oid chat_id, const char *field,
                               struct chat *out, enum side *side);

/* The account of a side; role ROLE_NONE where that side is the system. */
struct account chat_account(const struct chat *chat, enum side side);

/* Fills the view members for `side`: patient, doctor or system, unread, readSeq … The nested
 * records live in the arena. */
void chat_view(struct arena *arena, struct chat *chat, enum side side);

#endif
