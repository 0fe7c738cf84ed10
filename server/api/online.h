/* Worker only. Who is online: the answer in 8.3, and the work that the loop's presence.c hands
 * over. Contract 4 (presence). */
#ifndef CONSULTD_SERVER_API_ONLINE_H
#define CONSULTD_SERVER_API_ONLINE_H

#include "server/api/chats.h"
#include "server/attendance.h"
#include "server/call.h"

/* What one DUTY_PRESENCE does. */
struct online_work {
    bool wants_beat;
    struct attendance_change changes[ATTENDANCE_BATCH_MAX];
    size_t count;
    /* Out. */
    bool is_up; /* all of it was noted */
    struct attendance_beat beat;
};

/* Beats, notes the changes, and tells what is news to the other side of the account's open chats,
 * of presence_chats at most. ERR_STORE: noted, but not everybody was told. */
MUST_USE enum err online_run(struct call *call, struct online_work *work);

/* Fills in `online` and `lastSeen` of the other side, if that is a person and known. */
void online_view(struct call *call, struct chat *chat, enum side side);

#endif
