/* One thread at a time. The addresses of a host name, without a wait for DNS. */
#ifndef CONSULTD_SERVER_BUS_LOOKUP_H
#define CONSULTD_SERVER_BUS_LOOKUP_H

#include "protocol/base.h"

#define BUS_ADDRESS_TEXT_BYTES 64

struct bus_lookup;

enum bus_lookup_state { BUS_LOOKUP_RUNS, BUS_LOOKUP_FOUND, BUS_LOOKUP_FAILED };

/* True when `host` is an IPv4 or IPv6 address already. */
bool bus_lookup_is_needless(const char *host);

/* Starts a thread that asks. NULL: no thread to be had. */
struct bus_lookup *bus_lookup_start(const char *host);

/* Where it stands. FOUND: `address` holds the `turn`-th address (modulo their number) as text.
 * FAILED: it holds a reason. */
enum bus_lookup_state bus_lookup_poll(const struct bus_lookup *lookup, unsigned turn,
                                      char address[BUS_ADDRESS_TEXT_BYTES]);

/* Forgets it; a thread still waiting for DNS ends by itself. NULL is allowed. */
void bus_lookup_drop(struct bus_lookup *lookup);

#endif
