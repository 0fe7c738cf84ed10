/* consultd token-key generate. */
#include "server/auth.h"
#include "server/command.h"

#define KEY_BYTES 32

int command_token_key_generate(struct command_run *run, const struct no_options *in)
{
    (void)in;
    unsigned char key[KEY_BYTES];
    random_bytes(key, sizeof key);
    for (size_t i = 0; i < sizeof key; i++) {
        fprintf(run->out, "%02x", key[i]);
    }
    fprintf(run->out, "\n");
    return COMMAND_DONE;
}
