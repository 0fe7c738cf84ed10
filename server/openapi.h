/* Any thread. The API documents that are served, written from the table that the server runs on:
 * what routes.def, the shapes, errors.def, events.def and refusals.def say, and nothing else. */
#ifndef CONSULTD_SERVER_OPENAPI_H
#define CONSULTD_SERVER_OPENAPI_H

#include "protocol/strbuf.h"

/* Appends the OpenAPI 3.1 document of REST, indented. */
void openapi_write(struct strbuf *out);

#endif
