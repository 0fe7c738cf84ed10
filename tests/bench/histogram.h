/* Single-threaded. Times of any length in little memory, exact to 1 %, for percentiles. */
#ifndef CONSULTD_BENCH_HISTOGRAM_H
#define CONSULTD_BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_STEPS 128 /* of each power of two */
#define HISTOGRAM_POWERS 40 /* up to 2^47 ns, 39 hours */

struct histogram {
    uint64_t count;
    int64_t longest_ns;
    uint64_t buckets[HISTOGRAM_POWERS * HISTOGRAM_STEPS];
};

/* A negative time counts as 0. */
void histogram_add(struct histogram *histogram, int64_t ns);

/* The time that `share` (0 … 1) of all did not exceed, in µs; 0 if there are none. */
double histogram_us(const struct histogram *histogram, double share);

#endif
