/* What handlers say: whom to blame, and whom to tell. */
#include "server/call.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "server/clock.h"

enum err call_blame(struct call *call, enum err err, const char *field)
{
    snprintf(call->fault.field, sizeof call->fault.field, "%s", field);
    return err;
}

enum err call_explain(struct call *call, enum err err, const char *field, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(call->fault.detail, sizeof call->fault.detail, format, arguments);
    va_end(arguments);
    return call_blame(call, err, field);
}

const char *header_find(struct arena *arena, const char *headers, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = headers; at != NULL && *at != '\0'; at = strchr(at, '\n') + 1) {
        if (strncmp(at, name, length) == 0 && at[length] == ':') {
            const char *value = at + length + 1;
            return arena_text(arena, value, strcspn(value, "\n"));
        }
    }
    return NULL;
}

int64_t call_stamp(struct call *call)
{
    return clock_stamp(call->clock);
}

void call_emit(struct call *call, struct account audience, struct frame *frame, int64_t rev,
               bool not_to_origin)
{
    struct emission *emission = ARENA_NEW(call->arena, struct emission);
    *emission = (struct emission){
        .audience = audience, .frame = frame, .rev = rev, .not_to_origin = not_to_origin};
    if (call->last_emission == NULL) {
        call->first_emission = emission;
    } else {
        call->last_emission->next = emission;
    }
    call->last_emission = emission;
}

void call_forget_emissions(struct call *call)
{
    for (struct emission *at = call->first_emission; at != NULL; at = at->next) {
        frame_drop(at->frame);
    }
    call->first_emission = NULL;
    call->last_emission = NULL;
    call->written = (struct written){.shape = NULL};
}
