/* Any thread. A record as bytes that mean one thing only: what hashes are made of.
 *
 *     name 0 length value   name 0 length value   …      the fields in the shape's order
 *
 * The length is four bytes, big end first, and counts the value. Fields that are absent, false,
 * views, objects or marked UNSEALED are left out, so that a field added to a shape later changes
 * no old record's bytes. Ids are their 12 bytes, numbers and times eight bytes (big end first), a
 * bool one byte 1, texts their UTF-8; lists hold their items, texts each after its own length; a
 * message's text is 'P' and the plain text, or 'N' and the four parts of a notice, each after its
 * length (all ones: absent). The same bytes on every machine and from every store. */
#ifndef CONSULTD_PROTOCOL_CANONICAL_H
#define CONSULTD_PROTOCOL_CANONICAL_H

#include "protocol/shape.h"

/* Adds the bytes of `record` to `out`. */
void canonical_write(struct strbuf *out, const struct shape *shape, const void *record);

#endif
