/* The table of payment providers. */
#include "server/provider.h"

#include <string.h>

#include "server/config.h"
#include "server/provider_sandbox.h"
#include "server/provider_wechat.h"

static const struct provider *const providers[] = {&provider_sandbox, &provider_wechat};

const struct provider *provider_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(providers); i++) {
        if (strcmp(providers[i]->name, name) == 0) {
            return providers[i];
        }
    }
    return NULL;
}

const struct provider *provider_of(const struct call *call, const struct payment *payment)
{
    const struct provider *current = call->settings->provider;
    return strcmp(current->name, payment->provider) == 0 ? current
                                                         : provider_find(payment->provider);
}
