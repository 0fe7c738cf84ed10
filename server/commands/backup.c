/* consultd backup and restore. The store's own code does it; here is what is said of it, and its row
 * in the record: a restore is noted in the store that was restored, a backup is not, as it changes
 * nothing. */
#include "server/command.h"

#define WHY_BYTES 256
#define MS_PER_SECOND 1000

static struct store_settings settings_of(const struct command_run *run)
{
    const struct settings *settings = run->call.settings;
    return (struct store_settings){
        .url = settings->store,
        .timeout_ms = settings->store_timeout_seconds * MS_PER_SECOND,
    };
}

int command_backup(struct command_run *run, const struct file_options *in)
{
    const struct store_settings settings = settings_of(run);
    char why[WHY_BYTES] = "";
    if (store_backup(&settings, in->file, why) != ERR_OK) {
        return command_complain(run, COMMAND_TROUBLE, "%s", why);
    }
    fprintf(run->out, "%s\n", in->file);
    return COMMAND_DONE;
}

int command_restore(struct command_run *run, const struct file_options *in)
{
    const struct store_settings settings = settings_of(run);
    char why[WHY_BYTES] = "";
    if (store_restore(&settings, in->file, why) != ERR_OK) {
        return command_complain(run, COMMAND_TROUBLE, "%s", why);
    }
    return command_record_alone(run);
}
