/* Worker only. Whether the record is whole: `consultd audit verify`. */
#ifndef CONSULTD_SERVER_AUDIT_VERIFY_H
#define CONSULTD_SERVER_AUDIT_VERIFY_H

#include "server/audit_chain.h"

struct audit_report {
    int64_t chains, rows;
    int64_t contents;         /* messages and other records compared with what was written */
    int64_t changed;          /* rows whose hash is not that of their fields */
    int64_t dropped;          /* places without a row, within a chain or at its end */
    int64_t broken;           /* rows that do not follow the row before them */
    int64_t contents_changed; /* records that are not what their row says was written */
    int64_t contents_missing; /* records that are gone without a row of a purge */
    /* Messages without a row. With MongoDB a process may have died between the two; elsewhere
     * somebody else has put them there. */
    int64_t unrecorded;
};

/* What is wrong, without `unrecorded`; 0: the record is whole. */
int64_t audit_report_faults(const struct audit_report *report);

/* Goes over all rows, and all that they seal. `against`: heads that were kept elsewhere. Each thing
 * that is wrong is a line in `findings` (ids and numbers only); the newest row of each chain is a
 * line in `heads`, to be kept elsewhere. ERR_STORE: the store cannot be read, or holds a row that
 * is none; nothing can be said then. */
MUST_USE enum err audit_verify(struct store_session *session, const struct audit_head *against,
                               size_t against_count, struct audit_report *report,
                               struct strbuf *findings, struct strbuf *heads);

#endif
