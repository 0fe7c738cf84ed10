/* Any thread. The one clock of the program: wall time, and stamps that only grow.
 *
 * A stamp (`rev`) is the time in microseconds, made unique and increasing on this node: what a
 * cursor is made of. Tests shift the clock through a file (settings.test_clock_file): eight
 * bytes, native int64, milliseconds added to the time. */
#ifndef CONSULTD_SERVER_CLOCK_H
#define CONSULTD_SERVER_CLOCK_H

#include "protocol/base.h"
#include "protocol/id.h"

struct clock;

/* `shift_file` NULL or "" outside of tests. `newest` is the newest stamp already in the store:
 * all stamps will be greater, also when the machine's clock went back. NULL: the file cannot be
 * mapped. Caller owns. */
struct clock *clock_new(const char *shift_file, int64_t newest);
void clock_free(struct clock *clock);

struct timestamp clock_now(const struct clock *clock);

/* A fresh stamp, greater than every one before. Lock-free. */
int64_t clock_stamp(struct clock *clock);

/* Milliseconds of a clock that never jumps, for time-outs within the process. */
int64_t clock_monotonic_ms(void);

#endif
