/* Any thread. A payment provider for tests: the sandbox, with every refund it is asked for written
 * into memory that is shared with processes forked later, so that what a killed one has asked for
 * is known. */
#ifndef CONSULTD_TESTS_SUPPORT_PROVIDER_H
#define CONSULTD_TESTS_SUPPORT_PROVIDER_H

#include "server/provider.h"

/* Called "sandbox"; put it into settings.provider. The first call makes the shared memory. */
const struct provider *provider_witness(void);

/* How often the money of this trade went back: asking again with its number moves nothing. */
int provider_refunds(const char *out_trade_no);
/* How often it was asked to. */
int provider_refund_calls(const char *out_trade_no);
/* How often it was asked how the trade stands. */
int provider_queries(const char *out_trade_no);

/* The next `count` refunds fail. */
void provider_fail_refunds(int count);
/* Refunds stay pending until they are queried; back to normal with false. */
void provider_keep_refunds_pending(bool is_pending);

#endif
