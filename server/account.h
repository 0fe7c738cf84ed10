/* Any thread. Who somebody is: the kinds of account, and what a caller may do. Contract 2. */
#ifndef CONSULTD_SERVER_ACCOUNT_H
#define CONSULTD_SERVER_ACCOUNT_H

#include "protocol/id.h"

enum role {
    ROLE_NONE, /* not signed in */
    ROLE_USER,
    ROLE_DOCTOR,
    ROLE_SERVICE /* one of the hospital's other systems, with a service key; has no events */
};

/* An account: the unit of sockets, events and channels. */
struct account {
    enum role role;
    struct oid id;
};

/* Who makes a call, as its token says. */
struct caller {
    struct account account;
    int64_t expires_ms; /* of the token; 0 when not signed in */
};

#endif
