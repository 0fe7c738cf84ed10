/* consultd service-key. The key is printed when it is made and kept nowhere, so it is printed only
 * after it is surely in the store. */
#include "server/api/service_keys.h"
#include "server/command.h"

static enum err create(struct command_run *run, const char *name, char key[SERVICE_KEY_BYTES])
{
    TRY(command_begin(run));
    enum err err = service_key_create(run->call.store, run->call.now, name, key);
    if (err != ERR_OK) {
        command_abandon(run);
        return err;
    }
    command_note(run, OID_NONE, "ok");
    return command_commit(run);
}

int command_service_key_create(struct command_run *run, const struct service_key_options *in)
{
    char key[SERVICE_KEY_BYTES];
    enum err err = create(run, in->name, key);
    if (err == ERR_DUPLICATE) {
        return command_complain(run, COMMAND_TROUBLE,
                                "there is a key of this name already; see service-key list");
    }
    if (err != ERR_OK) {
        return command_store_failed(run);
    }
    fprintf(run->out, "%s\n", key);
    return COMMAND_DONE;
}

int command_service_key_disable(struct command_run *run, const struct service_key_options *in)
{
    enum err err = command_begin(run);
    if (err == ERR_OK) {
        err = service_key_disable(run->call.store, run->call.arena, run->call.now, in->name);
        if (err == ERR_OK) {
            command_note(run, OID_NONE, "ok");
            err = command_commit(run);
        } else {
            command_abandon(run);
        }
    }
    if (err == ERR_ABSENT) {
        return command_complain(run, COMMAND_TROUBLE, "there is no key of this name");
    }
    return err == ERR_OK ? COMMAND_DONE : command_store_failed(run);
}

static void write_key(FILE *out, const void *record)
{
    const struct service_key *key = record;
    char made[TIME_TEXT_BYTES];
    time_format(key->created_at, made);
    fprintf(out, "%s  %-8s  %s\n", made, key->disabled ? "disabled" : "-", key->name);
}

int command_service_key_list(struct command_run *run, const struct list_options *in)
{
    struct object_list list;
    if (service_key_list(run->call.store, run->call.arena, &list) != ERR_OK) {
        return command_store_failed(run);
    }
    return command_print(run, collection_row(COLLECTION_SERVICE_KEYS)->shape, &list, in->json,
                         write_key);
}
