/* Numbers have always the same width, so that only digits change. */
#include "tests/bench/form.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RUNS INT64_C(90000000) /* with eight digits, as many ten µs: 15 minutes */

void form_make(struct form *form, const struct dialect *dialect, struct letter letter,
               size_t text_bytes)
{
    char text[FRAME_MOST / 2], frame[FRAME_MOST];
    marked_text(letter.run, letter.pair, text_bytes, text);
    letter.text = text;
    form->length = (size_t)dialect->message(&letter, frame);
    form->place_count = 0;
    form->text = must_allocate(form->length + 1);
    memcpy(form->text, frame, form->length + 1);
    const char *at = form->text;
    while ((at = strstr(at, NUMBER_PLACE)) != NULL && form->place_count < PLACES_MOST) {
        form->places[form->place_count++] = (size_t)(at - form->text);
        at += NUMBER_DIGITS;
    }
}

void form_free(struct form *form)
{
    free(form->text);
    form->text = NULL;
}

void form_send(struct form *form, struct party *sender, uint32_t number)
{
    char digits[NUMBER_DIGITS];
    number += NUMBER_LEAST;
    for (size_t i = NUMBER_DIGITS; i-- > 0;) {
        digits[i] = (char)('0' + number % 10);
        number /= 10;
    }
    for (size_t i = 0; i < form->place_count; i++) {
        memcpy(form->text + form->places[i], digits, NUMBER_DIGITS);
    }
    websocket_send(&sender->websocket, form->text, form->length);
}

uint32_t run_number(void)
{
    const uint32_t ten_us = (uint32_t)(now_ns() / 10000 % RUNS);
    return NUMBER_LEAST + ten_us;
}
