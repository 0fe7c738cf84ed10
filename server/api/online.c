/* Presence towards people: whom it is told, and what 8.3 says.
 *
 * Told is the other side of open chats (an order in 03 or 04), found by an index and at most
 * presence_chats of them: a doctor with 20,000 chats has few that are open. The event is ephemeral,
 * nobody is told twice because of it, and who was away asks 8.3. */
#include "server/api/online.h"

#include "server/api/emit.h"
#include "server/config.h"

static enum side side_of_role(enum role role)
{
    return role == ROLE_USER ? SIDE_USER : SIDE_DOCTOR;
}

static enum side other_side(enum side side)
{
    return side == SIDE_USER ? SIDE_DOCTOR : SIDE_USER;
}

static enum err tell(struct call *call, const struct attendee *attendee)
{
    if (call->settings->presence_chats == 0) {
        return ERR_OK;
    }
    struct oid id = attendee->account.id;
    struct condition conditions[] = {
        attendee->account.role == ROLE_USER ? WHERE(chat, user_id, IS, id)
                                            : WHERE(chat, doctor_id, IS, id),
        WHERE(chat, status, IS, true), WHERE(chat, type, IS, CHAT_PAIR)};
    struct query query = {.conditions = conditions,
                          .condition_count = ARRAY_LENGTH(conditions),
                          .limit = call->settings->presence_chats};
    struct object_list found;
    TRY(store_find(call->store, call->arena, COLLECTION_CHATS, &query, &found));
    const struct chat *chats = found.items;
    for (size_t i = 0; i < found.count; i++) {
        emit_presence(call, &chats[i], side_of_role(attendee->account.role), attendee);
    }
    return ERR_OK;
}

enum err online_run(struct call *call, struct online_work *work)
{
    work->is_up = !work->wants_beat || attendance_beat(call->attendance, call->now, &work->beat);
    work->is_up =
        work->is_up && attendance_note(call->attendance, call->now, work->changes, work->count);
    for (size_t i = 0; i < work->beat.gone_count; i++) {
        TRY(tell(call, &work->beat.gone[i]));
    }
    for (size_t i = 0; i < work->count && work->is_up; i++) {
        if (work->changes[i].is_news) {
            TRY(tell(call, &work->changes[i].attendee));
        }
    }
    return ERR_OK;
}

void online_view(struct call *call, struct chat *chat, enum side side)
{
    struct attendee other = {.account = chat_account(chat, other_side(side))};
    if (other.account.role == ROLE_NONE || !attendance_look(call->attendance, &other, 1)) {
        return;
    }
    chat->online = (struct maybe){.is_known = true, .is_true = other.is_online};
    chat->last_seen = other.last_seen;
}
