/* The one place where running out of memory ends the program.
 *
 * stderr is written directly: the log, which may want memory itself, lives in another room. */
#include "protocol/memory.h"

#include <stdio.h>
#include <stdlib.h>

void memory_exhausted(void)
{
    fputs("consultd: out of memory\n", stderr);
    abort();
}

void *memory_resize(void *memory, size_t bytes)
{
    void *resized = realloc(memory, bytes);
    if (resized == NULL) {
        memory_exhausted();
    }
    return resized;
}
