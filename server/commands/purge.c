/* consultd purge. */
#include "server/purge.h"

#include <inttypes.h>

#include "server/config.h"

int command_purge(struct command_run *run, const struct purge_options *in)
{
    const struct settings *settings = run->call.settings;
    bool is_real = in->yes;
    struct purge_report report;
    enum err err = purge(run, is_real, &report);
    fprintf(run->out,
            "%s: %" PRId64 " orders of more than %" PRId64 " years, the messages of %" PRId64
            " more orders of more than %" PRId64 " years; %" PRId64 " messages in all\n",
            is_real ? "removed" : "would be removed", report.records,
            settings->retention_record_years, report.orders, settings->retention_chat_years,
            report.messages);
    if (err != ERR_OK) {
        return command_store_failed(run);
    }
    if (!is_real && report.records + report.orders > 0) {
        fprintf(run->out, "nothing was removed; --yes does it\n");
    }
    return COMMAND_DONE;
}
