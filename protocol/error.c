/* The table of errors, unfolded from errors.def. Constant, so any thread may read it. */
#include "protocol/base.h"

#include <assert.h>

static const struct error_row rows[ERR_COUNT] = {
#define ERROR(name, status_, retry_, sentence_)                                                    \
    [ERR_##name] = {.reason = #name, .status = (status_), .retry = (retry_), .sentence = sentence_},
#include "protocol/errors.def"
#undef ERROR
};

const struct error_row *error_row(enum err err)
{
    assert(err > ERR_OK && err < ERR_COUNT);
    return &rows[err];
}
