/* Attendance by the bus's URL, as bus.c: a table of functions for each kind, and one row here. */
#include "server/attendance_backend.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static const struct scheme {
    const char *text;
    const struct attendance_ops *ops;
} schemes[] = {
    {"local:", &attendance_local_ops},
    {"redis+unix://", &attendance_redis_unix_ops},
    {"redis://", &attendance_redis_ops},
};

struct attendance *attendance_open(const struct attendance_settings *settings, char why[256])
{
    assert(settings->timeout_seconds > 0 && settings->connections > 0);
    for (size_t i = 0; i < ARRAY_LENGTH(schemes); i++) {
        size_t length = strlen(schemes[i].text);
        if (strncmp(settings->bus, schemes[i].text, length) == 0) {
            struct attendance *attendance =
                schemes[i].ops->open(settings->bus + length, settings, why);
            if (attendance != NULL) {
                attendance->ops = schemes[i].ops;
            }
            return attendance;
        }
    }
    snprintf(why, 256, "there is no such bus");
    return NULL;
}

void attendance_close(struct attendance *attendance)
{
    if (attendance != NULL) {
        attendance->ops->close(attendance);
    }
}

bool attendance_look(struct attendance *attendance, struct attendee *attendees, size_t count)
{
    assert(count <= ATTENDANCE_BATCH_MAX);
    return count == 0 || attendance->ops->look(attendance, attendees, count);
}

bool attendance_note(struct attendance *attendance, struct timestamp now,
                     struct attendance_change *changes, size_t count)
{
    assert(count <= ATTENDANCE_BATCH_MAX);
    return count == 0 || attendance->ops->note(attendance, now, changes, count);
}

bool attendance_beat(struct attendance *attendance, struct timestamp now,
                     struct attendance_beat *out)
{
    out->asks_for_all = false;
    out->has_more = false;
    out->gone_count = 0;
    return attendance->ops->beat(attendance, now, out);
}
