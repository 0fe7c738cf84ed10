/* Any thread. Inside this room only: the texts within JSON, for json.c. */
#ifndef CONSULTD_PROTOCOL_JSON_TEXT_H
#define CONSULTD_PROTOCOL_JSON_TEXT_H

#include "protocol/arena.h"
#include "protocol/base.h"

/* Takes a text of JSON whose opening quote is at `*at`, and moves behind the closing one. `*text`
 * lies between the quotes, or in the arena if there are escapes to replace: valid UTF-8, no NUL, not
 * terminated. False if it is none that ends before `end`: then `*at` is the byte that cannot be
 * right. */
MUST_USE bool json_text_take(const char **at, const char *end, struct arena *arena,
                             const char **text, uint32_t *length);

#endif
