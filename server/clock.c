/* The clock. Wall time is what records carry; stamps are wall time in microseconds, pushed
 * forward so that no two on this node are equal and none is before what the store holds. */
#include "server/clock.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "protocol/memory.h"

struct clock {
    _Atomic int64_t last;         /* the newest stamp given */
    const _Atomic int64_t *shift; /* mapped from the tests' file; NULL outside of tests */
};

static const _Atomic int64_t *map_shift(const char *path)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return NULL;
    }
    /* A page past the end of a short file would kill the process when read. */
    void *map = MAP_FAILED;
    if (lseek(file, 0, SEEK_END) >= (off_t)sizeof(int64_t)) {
        map = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
    }
    close(file);
    return map == MAP_FAILED ? NULL : map;
}

struct clock *clock_new(const char *shift_file, int64_t newest)
{
    struct clock *clock = memory_resize(NULL, sizeof *clock);
    atomic_init(&clock->last, newest);
    clock->shift = NULL;
    if (shift_file != NULL && shift_file[0] != '\0') {
        clock->shift = map_shift(shift_file);
        if (clock->shift == NULL) {
            free(clock);
            return NULL;
        }
    }
    return clock;
}

void clock_free(struct clock *clock)
{
    if (clock != NULL && clock->shift != NULL) {
        munmap((void *)(uintptr_t)clock->shift, sizeof(int64_t));
    }
    free(clock);
}

static int64_t now_microseconds(const struct clock *clock)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t microseconds = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
    if (clock->shift != NULL) {
        microseconds += 1000 * atomic_load_explicit(clock->shift, memory_order_relaxed);
    }
    return microseconds;
}

struct timestamp clock_now(const struct clock *clock)
{
    return (struct timestamp){now_microseconds(clock) / 1000};
}

int64_t clock_stamp(struct clock *clock)
{
    int64_t now = now_microseconds(clock);
    int64_t last = atomic_load(&clock->last);
    int64_t stamp;
    do {
        stamp = now > last ? now : last + 1;
    } while (!atomic_compare_exchange_weak(&clock->last, &last, stamp));
    return stamp;
}

int64_t clock_monotonic_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
