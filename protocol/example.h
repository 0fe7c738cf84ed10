/* Any thread. Examples of records and requests, for the API document: made from examples.def and,
 * where a kind says enough (ids, times, choices), from the row itself. The persons are invented. */
#ifndef CONSULTD_PROTOCOL_EXAMPLE_H
#define CONSULTD_PROTOCOL_EXAMPLE_H

#include "protocol/shape.h"

/* Whether there is an example of this row. A test wants one for each row that a client sees. */
bool example_exists(const struct shape *shape, const struct field *field);

/* Writes the example of a row (as JSON); nothing when there is none. */
void example_write_field(struct strbuf *out, const struct shape *shape, const struct field *field,
                         bool as_request);

/* Writes a whole example, of a request body that binds or of what shape_write might make. `flags`
 * as in shape_write. */
void example_write(struct strbuf *out, const struct shape *shape, bool as_request, unsigned flags);

/* The same without the braces, for an object that has further members. */
void example_write_members(struct strbuf *out, const struct shape *shape, bool as_request,
                           unsigned flags);

#endif
