/* Any thread. What the two API documents share: the schemas of all records, requests and
 * failures, by name. */
#ifndef CONSULTD_SERVER_COMPONENTS_H
#define CONSULTD_SERVER_COMPONENTS_H

#include "protocol/strbuf.h"
#include "server/route.h"

/* What a reference to a schema begins with; the struct's name follows. */
#define COMPONENT_REFS "#/components/schemas/"

/* Writes the object of all schemas. */
void components_write_schemas(struct strbuf *out);

/* Writes the schema of an endpoint's answer with 200, and an example of it. `with_id`: as over the
 * socket, with the call's id. */
void components_write_answer(struct strbuf *out, const struct reply_form *form, bool with_id);
void components_write_answer_example(struct strbuf *out, const struct reply_form *form,
                                     bool with_id);

/* Writes the schema of failures that are one of these: `count` errors. */
void components_write_failure(struct strbuf *out, const enum err *errs, size_t count);

#endif
