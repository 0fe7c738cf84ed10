/* Single-threaded. A message as it is sent again and again, but for its number: composed once, so
 * that sending costs a copy. */
#ifndef CONSULTD_BENCH_FORM_H
#define CONSULTD_BENCH_FORM_H

#include "tests/bench/dialect.h"

#define PLACES_MOST 4

struct form {
    char *text; /* owned */
    size_t length;
    size_t places[PLACES_MOST]; /* where the number stands */
    size_t place_count;
};

/* Composes the letter, whose `text` is given by its length. */
void form_make(struct form *form, const struct dialect *dialect, struct letter letter,
               size_t text_bytes);
void form_free(struct form *form);

void form_send(struct form *form, struct party *sender, uint32_t number);

/* Eight digits, others in each run: a clientMsgId used again would not send a second message. */
uint32_t run_number(void);

#endif
