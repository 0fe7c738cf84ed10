/* Worker only, except to open and close. Between attendance.c and the two kinds behind it; nobody else includes this. */
#ifndef CONSULTD_SERVER_ATTENDANCE_BACKEND_H
#define CONSULTD_SERVER_ATTENDANCE_BACKEND_H

#include "server/attendance.h"

/* All as the functions of attendance.h; `count` is 1 or more. `open` gets the part of the URL after
 * the scheme. */
struct attendance_ops {
    struct attendance *(*open)(const char *rest, const struct attendance_settings *settings,
                               char why[256]);
    void (*close)(struct attendance *attendance);
    bool (*look)(struct attendance *attendance, struct attendee *attendees, size_t count);
    bool (*note)(struct attendance *attendance, struct timestamp now,
                 struct attendance_change *changes, size_t count);
    bool (*beat)(struct attendance *attendance, struct timestamp now, struct attendance_beat *out);
};

/* The first member of each kind's own struct; `ops` is set by attendance_open. */
struct attendance {
    const struct attendance_ops *ops;
};

extern const struct attendance_ops attendance_local_ops;
extern const struct attendance_ops attendance_redis_ops;
extern const struct attendance_ops attendance_redis_unix_ops;

#endif
