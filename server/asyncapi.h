/* Any thread. The API document of the live socket. Contract 4. */
#ifndef CONSULTD_SERVER_ASYNCAPI_H
#define CONSULTD_SERVER_ASYNCAPI_H

#include "protocol/strbuf.h"

/* Appends the AsyncAPI 3 document, indented. It describes the server: what it receives are calls,
 * what it sends are answers and events. Close codes stand in the channel's x-close-codes. */
void asyncapi_write(struct strbuf *out);

#endif
