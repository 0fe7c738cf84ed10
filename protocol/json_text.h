/* Any thread. Inside this room only: JSON text to the JSON library's values, within bounds.
 * Only document.c and shape_bind.c include this; nobody else sees the library. */
#ifndef CONSULTD_PROTOCOL_JSON_TEXT_H
#define CONSULTD_PROTOCOL_JSON_TEXT_H

#include "protocol/base.h"

#include <jansson.h>

/* Bounds of contract 1 on what is parsed at all. */
#define JSON_DEPTH_MAX 16
#define JSON_VALUES_MAX 4096

/* Parses any JSON value: UTF-8, no duplicate names, no NUL, within the bounds above. Returns
 * ERR_TOO_DEEP, or ERR_MALFORMED_JSON with fault->detail naming line and column. On success the
 * caller owns `*out`, json_decref it. */
MUST_USE enum err json_text_parse(const char *text, size_t length, json_t **out,
                                  struct fault *fault);

#endif
