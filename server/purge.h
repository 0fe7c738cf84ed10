/* Main thread, in a subcommand. What is older than the retention periods: physical deletion, the only
 * one there is. Contract 3.
 *
 * Only orders that are over (02, 07, 08, 09), and settled. An order's messages go
 * retention_chat_years after its last change, in all chats that hold them; the order itself with
 * its payment retention_record_years after it, which is never earlier. The record (audit) stays,
 * with a row of its own for each order that was purged: so it can still be verified, and says who
 * removed what, when. */
#ifndef CONSULTD_SERVER_PURGE_H
#define CONSULTD_SERVER_PURGE_H

#include "server/command.h"

struct purge_report {
    int64_t orders;   /* whose messages only are older */
    int64_t messages; /* of all of them */
    int64_t records;  /* orders that go whole */
};

/* Says on run->out what is older, an order a line; `is_real`: and removes it. Repeatable: what a
 * killed one has left goes with the next. ERR_STORE: it ended early; what was said is done. */
MUST_USE enum err purge(struct command_run *run, bool is_real, struct purge_report *report);

#endif
