/* Any thread. Memory from the heap, or the end of the program.
 *
 * A server that cannot get a few KiB cannot answer either, so nobody above carries an error for
 * it (see arena.h): the program says so on stderr and aborts. */
#ifndef CONSULTD_PROTOCOL_MEMORY_H
#define CONSULTD_PROTOCOL_MEMORY_H

#include "protocol/base.h"

#include <stdnoreturn.h>

/* Changes the size of `memory` (NULL: new memory) to `bytes`, more than 0. Caller owns the
 * result, free() it. Never NULL. */
MUST_USE void *memory_resize(void *memory, size_t bytes);

/* Says that memory has run out and aborts. For libraries that report it themselves. */
noreturn void memory_exhausted(void);

#endif
