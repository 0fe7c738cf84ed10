/* Any thread. The table of endpoints as JSON, for tests that must not forget a row of it. */
#ifndef CONSULTD_SERVER_ENDPOINTS_H
#define CONSULTD_SERVER_ENDPOINTS_H

#include <stdio.h>

/* Writes a JSON array to `out`, an endpoint a line, in the order of routes.def: path, name, access
 * and lane as in routes.def, and `request` with a row for each field that a client may send: name,
 * kind, format ("" for none), required, loose, multiline, min, max, itemMax (0: no limit), choices,
 * oneOf (exactly one of those is given), and fields, the rows of an object list's items. */
void endpoints_print(FILE *out);

#endif
