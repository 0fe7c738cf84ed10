/* Worker only. How long a batch waits for those whom the one before it has answered.
 *
 * Who is answered mostly sends again at once. A batch that begins before they have done so has only what came
 * meanwhile, those who come now are the next one, and so it stays: each chat is written in both, for half
 * of its messages each time. So a batch waits for them, as long as it pays: not behind a small one, half
 * as long as the last one took and COMPANY_WAIT_MAX_MS at the longest, no longer when most of them are
 * here and a while has brought nobody. Where no more come than come anyway (who sends does so at his own
 * pace), it is tried ever more seldom. */
#ifndef CONSULTD_SERVER_COMPANY_H
#define CONSULTD_SERVER_COMPANY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COMPANY_MIN 16 /* jobs of a batch that the next one waits behind */
#define COMPANY_WAIT_MAX_MS 50
#define COMPANY_LOOK_MS 2   /* how often it is asked whether to go on waiting */
#define COMPANY_PAUSE_MAX 6 /* at most 2^that batches begin at once before one waits */

/* All zero: nobody was answered. Times are monotonic. */
struct company {
    bool is_expected; /* whether the next batch waits at all */
    size_t answered;  /* by the last one */
    size_t left;      /* jobs that had come before they were answered */
    size_t seen;      /* jobs, at the last look */
    int64_t took_ms, ended_ms;
    unsigned misses; /* how often they did not come, one after the other */
    unsigned pause;  /* batches that do not wait for theirs */
};

/* A batch that took from `begun_ms` to `now_ms` has answered so many, and so many others are `here` already. */
void company_expect(struct company *company, size_t answered, size_t here, int64_t begun_ms,
                    int64_t now_ms);

/* Whether the next one is to wait on, with so many here. */
bool company_is_awaited(struct company *company, size_t here, int64_t now_ms);

/* It begins, with so many. */
void company_settle(struct company *company, size_t here, int64_t now_ms);

#endif
