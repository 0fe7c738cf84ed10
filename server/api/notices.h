/* Worker only. The wording of everything the server says to people in chats. Contract 3 and the
 * document's 8.4. Texts live in the arena. */
#ifndef CONSULTD_SERVER_API_NOTICES_H
#define CONSULTD_SERVER_API_NOTICES_H

#include "server/call.h"

/* 咨询开始: both parts, with the hour of payment in the hospital's time zone. */
struct message_text notice_start(struct call *call, const struct consultation *order);
/* 温馨提示: the user's part only. */
struct message_text notice_tips(struct call *call);
/* The disclaimer after the doctor's first reply: both parts. */
struct message_text notice_disclaimer(void);
/* ＋ 咨询结束: both parts, saying why, by the order's state (05, 07 or 09). */
struct message_text notice_end(const struct consultation *order);
/* What the user's system chat says of an order in state 02, 05, 08 or 09. */
const char *notice_system(struct call *call, const struct consultation *order);

/* A time as the hospital's clock shows it: strftime with `format`, in the arena. The process runs
 * in the configured time zone. */
const char *local_time_text(struct arena *arena, struct timestamp time, const char *format);

#endif
