/* Buckets as wide as a 128th of the power of two they are in: below 256 ns each ns has its own. */
#include "tests/bench/histogram.h"

#include <math.h>
#include <stddef.h>

#define STEP_BITS 7
#define NS_PER_US 1000.0

static size_t bucket_of(uint64_t ns)
{
    unsigned power = 0;
    while (ns >= 2 * HISTOGRAM_STEPS) {
        ns >>= 1;
        power++;
    }
    size_t bucket = ((size_t)power << STEP_BITS) + (size_t)ns;
    const size_t last = HISTOGRAM_POWERS * HISTOGRAM_STEPS - 1;
    return bucket < last ? bucket : last;
}

/* The greatest time that falls into the bucket. */
static double end_of(size_t bucket)
{
    if (bucket < 2 * HISTOGRAM_STEPS) {
        return (double)bucket;
    }
    size_t power = (bucket >> STEP_BITS) - 1;
    size_t step = (bucket & (HISTOGRAM_STEPS - 1)) + HISTOGRAM_STEPS;
    return ldexp((double)(step + 1), (int)power) - 1;
}

void histogram_add(struct histogram *histogram, int64_t ns)
{
    if (ns < 0) {
        ns = 0;
    }
    histogram->count++;
    histogram->buckets[bucket_of((uint64_t)ns)]++;
    if (ns > histogram->longest_ns) {
        histogram->longest_ns = ns;
    }
}

double histogram_us(const struct histogram *histogram, double share)
{
    const double wanted = share * (double)histogram->count;
    uint64_t seen = 0;
    for (size_t i = 0; i < HISTOGRAM_POWERS * HISTOGRAM_STEPS; i++) {
        seen += histogram->buckets[i];
        if (seen > 0 && (double)seen >= wanted) {
            double end = end_of(i), longest = (double)histogram->longest_ns;
            return (end < longest ? end : longest) / NS_PER_US;
        }
    }
    return 0;
}
