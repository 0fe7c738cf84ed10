/* The configured origins, split once. An origin is compared whole (scheme, host and port), as
 * browsers send it; no wildcards, since a token may travel with the call. */
#include "server/origins.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "protocol/memory.h"

struct origins {
    char *text;         /* owned; spaces became NULs */
    const char **items; /* owned; into `text` */
    size_t count;
};

struct origins *origins_new(const char *configured)
{
    struct origins *origins = memory_resize(NULL, sizeof *origins);
    size_t size = strlen(configured) + 1;
    *origins = (struct origins){.text = memory_resize(NULL, size)};
    memcpy(origins->text, configured, size);
    char *rest = NULL;
    char *item = strtok_r(origins->text, " \t", &rest);
    while (item != NULL) {
        origins->items = memory_resize(origins->items, (origins->count + 1) * sizeof(char *));
        origins->items[origins->count++] = item;
        item = strtok_r(NULL, " \t", &rest);
    }
    return origins;
}

void origins_free(struct origins *origins)
{
    if (origins != NULL) {
        free(origins->items);
        free(origins->text);
        free(origins);
    }
}

bool origins_has(const struct origins *origins, const char *origin)
{
    for (size_t i = 0; i < origins->count; i++) {
        if (strcasecmp(origins->items[i], origin) == 0) {
            return true;
        }
    }
    return false;
}

bool origin_is_own(const char *origin, const char *host)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < ARRAY_LENGTH(schemes); i++) {
        size_t length = strlen(schemes[i]);
        if (strncasecmp(origin, schemes[i], length) == 0 &&
            strcasecmp(origin + length, host) == 0) {
            return true;
        }
    }
    return false;
}
