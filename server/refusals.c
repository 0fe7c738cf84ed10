/* Which failures an endpoint can answer: what everybody can meet, what its access and the rows of
 * its request can bring, and what its handler adds, by refusals.def.
 *
 * Any thread. */
#include "server/refusals.h"

#include <string.h>

struct refusal {
    const char *route;
    enum err err;
};

#define REFUSAL(route, reason) {#route, ERR_##reason},
static const struct refusal refusals[] = {
#include "server/refusals.def"
};
#undef REFUSAL

/* What can be the answer to any request: it arrives broken, or the server is in trouble. */
static const enum err everywhere[] = {
    ERR_MALFORMED_JSON,
    ERR_NOT_AN_OBJECT,
    ERR_TOO_DEEP,
    ERR_MALFORMED_REQUEST,
    ERR_LENGTH_REQUIRED,
    ERR_METHOD_NOT_ALLOWED,
    ERR_TOO_LARGE,
    ERR_WRONG_CONTENT_TYPE,
    ERR_INTERNAL,
    ERR_STORE,
    ERR_BUSY,
    ERR_STOPPING,
};

static bool is_among(const enum err *errs, size_t count, enum err err)
{
    for (size_t i = 0; i < count; i++) {
        if (errs[i] == err) {
            return true;
        }
    }
    return false;
}

/* Who comes with a service key is known, but may not call what is for users and doctors. */
static bool access_may_refuse(enum access access, enum err err)
{
    return access != ACCESS_OPEN &&
           (err == ERR_NOT_SIGNED_IN || err == ERR_TOKEN_EXPIRED || err == ERR_NOT_YOURS);
}

static bool text_may_refuse(const struct field *field, int64_t max, enum err err)
{
    switch (err) {
    case ERR_INVALID_TEXT:
        return true;
    case ERR_TOO_LONG:
        return max > 0;
    case ERR_INVALID_URL:
        return field->format == FORMAT_URL;
    case ERR_INVALID_BIRTHDAY:
        return field->format == FORMAT_DATE;
    case ERR_INVALID_VALUE:
        return field->format != FORMAT_DATE && field->format != FORMAT_URL;
    default:
        return false;
    }
}

static bool shape_may_refuse(const struct shape *shape, enum err err);

static bool field_may_refuse(const struct field *field, enum err err)
{
    if (err == ERR_INVALID_TYPE) {
        return true;
    }
    switch (field->kind) {
    case KIND_OID:
        return err == ERR_INVALID_ID;
    case KIND_TEXT:
        return text_may_refuse(field, field->max, err);
    case KIND_NUMBER:
        return err == ERR_OUT_OF_RANGE ||
               (field->format == FORMAT_PHONE && err == ERR_INVALID_PHONE);
    case KIND_TEXT_LIST:
        return err == ERR_TOO_MANY || text_may_refuse(field, field->item_max, err);
    case KIND_OID_LIST:
        return err == ERR_TOO_MANY || err == ERR_INVALID_ID;
    case KIND_OBJECT_LIST:
        return err == ERR_TOO_MANY || shape_may_refuse(field->sub, err);
    default:
        return false;
    }
}

static bool shape_may_refuse(const struct shape *shape, enum err err)
{
    if (err == ERR_EXACTLY_ONE_CONTENT) {
        return shape->one_of_from != shape->one_of_to;
    }
    for (size_t i = 0; i < shape->count; i++) {
        const struct field *field = &shape->fields[i];
        bool is_needed = (field->flags & REQUIRED) != 0;
        if ((is_needed && err == ERR_MISSING_FIELD) || field_may_refuse(field, err)) {
            return true;
        }
    }
    return false;
}

bool route_may_refuse(const struct route *route, enum err err)
{
    if (is_among(everywhere, ARRAY_LENGTH(everywhere), err) ||
        access_may_refuse(route->access, err) || shape_may_refuse(route->in, err)) {
        return true;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(refusals); i++) {
        if (refusals[i].err == err && strcmp(refusals[i].route, route->name) == 0) {
            return true;
        }
    }
    return false;
}
