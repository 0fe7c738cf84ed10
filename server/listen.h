/* Loop only, or before it is there. The listening socket. */
#ifndef CONSULTD_SERVER_LISTEN_H
#define CONSULTD_SERVER_LISTEN_H

#include "protocol/base.h"

#define LISTEN_ADDRESS_BYTES 80

/* Opens a listening socket on "HOST:PORT" ("[::1]:80" for IPv6; port 0: a free one). Returns the
 * descriptor, which the caller owns, and the address it really has as HOST:PORT; or -1 with a
 * sentence in `why`. */
int listen_open(const char *host_and_port, char address[LISTEN_ADDRESS_BYTES], char why[256]);

/* Takes the next connection: a descriptor that does not block, which the caller owns; or
 * -1 with errno. */
int listen_accept(int descriptor);

#endif
