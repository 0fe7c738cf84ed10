/* Who was answered, and whether they come again: see company.h. Times are given, so that it can be tested. */
#include "server/company.h"

void company_expect(struct company *company, size_t answered, size_t here, int64_t begun_ms,
                    int64_t now_ms)
{
    company->is_expected = answered >= COMPANY_MIN && company->pause == 0;
    if (answered >= COMPANY_MIN && company->pause > 0) {
        company->pause--;
    }
    company->answered = answered;
    company->left = here;
    company->seen = here;
    company->took_ms = now_ms - begun_ms;
    company->ended_ms = now_ms;
}

static bool most_are_here(const struct company *company, size_t here)
{
    return here >= company->left + company->answered / 2;
}

bool company_is_awaited(struct company *company, size_t here, int64_t now_ms)
{
    const int64_t half_ms = company->took_ms / 2;
    const int64_t wait_ms = half_ms < COMPANY_WAIT_MAX_MS ? half_ms : COMPANY_WAIT_MAX_MS;
    const bool some_came = here > company->seen;
    company->seen = here;
    return company->is_expected && here < company->left + company->answered &&
           now_ms < company->ended_ms + wait_ms && (some_came || !most_are_here(company, here));
}

/* Whether they came at least twice as fast as those who came while the batch was made. */
static bool came_faster(const struct company *company, size_t here, int64_t now_ms)
{
    const double came = (double)here - (double)company->left;
    const int64_t waited_ms = now_ms - company->ended_ms;
    return came * (double)company->took_ms >= 2.0 * (double)company->left * (double)waited_ms;
}

void company_settle(struct company *company, size_t here, int64_t now_ms)
{
    if (!company->is_expected) {
        return;
    }
    company->is_expected = false;
    if (most_are_here(company, here) && came_faster(company, here, now_ms)) {
        company->misses = 0;
        return;
    }
    company->misses += company->misses < COMPANY_PAUSE_MAX;
    company->pause = 1U << company->misses;
}
