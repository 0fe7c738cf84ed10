/* A line for each chat:
 *
 *        first           next          (seqs)
 *     ?    |  passed ...   |   gap   item item   gap   item
 *
 * `first` to `next` was passed: told, nothing for this socket, or given up (then it is in `gaps`).
 * Items are held in the order of their seqs. The line of a chat that begins with a live event is
 * not *sure*: something below `first` may be new and missing, so nothing is told before the store has
 * said what is there. What this socket has sent itself needs no telling and waits for nothing.
 *
 * Whether a seq below `first` is an old message told again or a new one that comes late is seen from
 * its stamp. A line is forgotten only with nothing held; as what was passed in it counts as known
 * from then on, `from_rev` moves up to its newest stamp. */
#include "server/in_order.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/memory.h"

#define LINES_MIN 4

struct item {
    struct item *next;
    struct frame *frame; /* a reference; NULL: nothing to tell */
    enum place_kind kind;
    int64_t seq, upto; /* without a frame it may stand for several */
    int64_t at_ms;     /* since when it is held, or what is behind it */
};

struct gap {
    int64_t from, to;
};

struct in_order_line {
    struct oid chat_id;
    bool is_sure;
    int64_t first, next;
    int64_t told;  /* the greatest seq whose message.created was told */
    int64_t rev;   /* the newest stamp */
    int64_t asked; /* what was last asked for, see key_of; 0: nothing */
    uint64_t used;
    struct item *items; /* owned, by seq */
    struct gap *gaps;   /* owned, oldest first */
    size_t gap_count;
};

/* ---- Lines -------------------------------------------------------------------------------- */

static struct in_order_line *find(struct in_order *order, struct oid chat_id)
{
    for (size_t i = 0; i < order->count; i++) {
        if (oid_equal(order->lines[i].chat_id, chat_id)) {
            order->lines[i].used = ++order->uses;
            return &order->lines[i];
        }
    }
    return NULL;
}

/* The line that was silent longest; NULL: something is held in each. */
static struct in_order_line *idlest(struct in_order *order)
{
    struct in_order_line *found = NULL;
    for (size_t i = 0; i < order->count; i++) {
        struct in_order_line *line = &order->lines[i];
        if (line->items == NULL && (found == NULL || line->used < found->used)) {
            found = line;
        }
    }
    return found;
}

static struct in_order_line *add(struct in_order *order, const struct frame_place *place)
{
    struct in_order_line *line = order->count >= IN_ORDER_CHATS_MAX ? idlest(order) : NULL;
    if (line != NULL) {
        order->from_rev = line->rev > order->from_rev ? line->rev : order->from_rev;
        free(line->gaps);
    } else {
        if (order->count == order->size) {
            order->size = order->size == 0 ? LINES_MIN : order->size * 2;
            order->lines = memory_resize(order->lines, order->size * sizeof *order->lines);
        }
        line = &order->lines[order->count++];
    }
    *line = (struct in_order_line){.chat_id = place->chat_id,
                                   .is_sure = place->seq == 1,
                                   .first = place->seq,
                                   .next = place->seq,
                                   .used = ++order->uses};
    return line;
}

/* ---- What was given up -------------------------------------------------------------------- */

static void add_gap(struct in_order_line *line, int64_t from, int64_t to)
{
    if (from > to) {
        return;
    }
    if (line->gaps == NULL) {
        line->gaps = memory_resize(NULL, IN_ORDER_GAPS_MAX * sizeof *line->gaps);
    }
    if (line->gap_count == IN_ORDER_GAPS_MAX) {
        line->gap_count--;
        memmove(line->gaps, line->gaps + 1, line->gap_count * sizeof *line->gaps);
    }
    line->gaps[line->gap_count++] = (struct gap){from, to};
}

/* Whether the seq was given up; it is not any more. */
static bool take_from_gaps(struct in_order_line *line, int64_t seq)
{
    for (size_t i = 0; i < line->gap_count; i++) {
        struct gap gap = line->gaps[i];
        if (seq >= gap.from && seq <= gap.to) {
            line->gap_count--;
            memmove(line->gaps + i, line->gaps + i + 1, (line->gap_count - i) * sizeof *line->gaps);
            add_gap(line, gap.from, seq - 1);
            add_gap(line, seq + 1, gap.to);
            return true;
        }
    }
    return false;
}

/* ---- What is held ------------------------------------------------------------------------- */

static bool fills(const struct item *item)
{
    return item->kind != PLACE_READ;
}

static void item_drop_frame(struct in_order *order, struct item *item)
{
    if (item->frame != NULL) {
        order->bytes -= frame_length(item->frame);
        frame_drop(item->frame);
        item->frame = NULL;
    }
}

static void item_set_frame(struct in_order *order, struct item *item, struct frame *frame)
{
    item_drop_frame(order, item);
    if (frame != NULL) {
        item->frame = frame_keep(frame);
        order->bytes += frame_length(frame);
    }
}

static void item_pop(struct in_order *order, struct in_order_line *line)
{
    struct item *item = line->items;
    line->items = item->next;
    item_drop_frame(order, item);
    order->bytes -= IN_ORDER_ITEM_BYTES;
    order->item_count--;
    free(item);
}

/* What is there of the same seq: a retraction outdoes all, and is told also where the message is not; that
 * there is nothing to tell outdoes the message. */
static void meet(struct in_order *order, struct item *item, enum place_kind kind,
                 struct frame *frame)
{
    bool is_retraction = kind == PLACE_RETRACTED && frame != NULL;
    if (is_retraction || (frame == NULL && item->kind == PLACE_CREATED)) {
        item_set_frame(order, item, frame);
        item->kind = kind;
    }
}

static void insert(struct in_order *order, struct in_order_line *line, const struct item *model)
{
    struct item **link = &line->items;
    while (*link != NULL &&
           ((*link)->upto < model->seq ||
            ((*link)->upto == model->seq && fills(*link) && model->kind == PLACE_READ))) {
        link = &(*link)->next;
    }
    struct item *found = *link;
    if (found != NULL && fills(found) && model->kind != PLACE_READ && found->seq <= model->seq) {
        meet(order, found, model->kind, model->frame);
        return;
    }
    struct item *item = memory_resize(NULL, sizeof *item);
    *item = *model;
    item->frame = NULL;
    item_set_frame(order, item, model->frame);
    item->at_ms = found != NULL && found->at_ms < model->at_ms ? found->at_ms : model->at_ms;
    item->next = found;
    *link = item;
    order->bytes += IN_ORDER_ITEM_BYTES;
    order->item_count++;
}

static void pass_first(struct in_order *order, struct in_order_line *line, struct frame_queue *out)
{
    struct item *item = line->items;
    if (item->frame != NULL) {
        frame_queue_push(out, item->frame);
        line->told = item->kind == PLACE_CREATED ? item->seq : line->told;
    }
    line->next = fills(item) ? item->upto + 1 : line->next;
    item_pop(order, line);
}

/* Whether the first item may go. */
static bool is_due(const struct in_order_line *line)
{
    const struct item *item = line->items;
    if (!fills(item)) {
        return item->seq < line->next;
    }
    return item->seq <= line->next && (line->is_sure || item->frame == NULL);
}

static void release(struct in_order *order, struct in_order_line *line, struct frame_queue *out)
{
    while (line->items != NULL && is_due(line)) {
        pass_first(order, line, out);
    }
}

/* Something below `first` is to be told first: the line, of which nothing was told, begins there. */
static void begin_at(struct in_order *order, struct in_order_line *line, int64_t seq,
                     int64_t now_ms)
{
    if (line->next > line->first) {
        struct item passed = {
            .kind = PLACE_VOID, .seq = line->first, .upto = line->next - 1, .at_ms = now_ms};
        insert(order, line, &passed);
    }
    line->first = seq;
    line->next = seq;
    line->is_sure = seq == 1;
}

/* ---- Events ------------------------------------------------------------------------------- */

void in_order_begin(struct in_order *order, int64_t from_rev)
{
    in_order_clear(order);
    order->is_on = true;
    order->from_rev = from_rev;
}

void in_order_clear(struct in_order *order)
{
    for (size_t i = 0; i < order->count; i++) {
        while (order->lines[i].items != NULL) {
            item_pop(order, &order->lines[i]);
        }
        free(order->lines[i].gaps);
    }
    assert(order->bytes == 0 && order->item_count == 0);
    free(order->lines);
    *order = (struct in_order){.is_asking = order->is_asking, .is_listed = order->is_listed};
}

void in_order_know(struct in_order *order, const struct frame_place *place, bool is_told)
{
    bool is_created = place->kind == PLACE_CREATED;
    struct in_order_line *line = find(order, place->chat_id);
    if (!is_created && (line == NULL || place->seq < line->first)) {
        return; /* an old message's retraction says nothing of those behind it */
    }
    line = line == NULL ? add(order, place) : line;
    int64_t seq = place->seq;
    if (seq >= line->next) {
        add_gap(line, line->next, seq - 1);
        line->next = seq + 1;
    } else if (seq < line->first) {
        add_gap(line, seq + 1, line->first - 1);
        line->first = seq;
    } else {
        take_from_gaps(line, seq);
    }
    line->is_sure = true;
    line->told = is_told && is_created && seq > line->told ? seq : line->told;
    line->rev = place->rev > line->rev ? place->rev : line->rev;
}

static void push(struct frame_queue *out, struct frame *frame)
{
    if (frame != NULL) {
        frame_queue_push(out, frame);
    }
}

/* What was given up, or lies below the line's first, is there after all. */
static enum in_order_result tell_late(struct in_order_line *line, const struct frame_place *place,
                                      struct frame *frame, struct frame_queue *out)
{
    if (frame == NULL) {
        return IN_ORDER_OK;
    }
    if (place->kind == PLACE_CREATED) {
        if (place->seq < line->told) {
            return IN_ORDER_TOO_LATE;
        }
        line->told = place->seq;
    }
    frame_queue_push(out, frame);
    return IN_ORDER_OK;
}

/* An event whose place was passed: a message that was told is not told again. Or it lies below all
 * that the line knows of. */
static enum in_order_result repeat(struct in_order *order, struct in_order_line *line,
                                   const struct frame_place *place, struct frame *frame,
                                   struct frame_queue *out)
{
    bool is_new = place->rev > order->from_rev;
    bool was_given_up = take_from_gaps(line, place->seq);
    bool is_below = place->seq < line->first;
    if (is_new && (was_given_up || is_below)) {
        if (is_below && place->kind == PLACE_CREATED) {
            add_gap(line, place->seq + 1, line->first - 1);
            line->first = place->seq;
        }
        return tell_late(line, place, frame, out);
    }
    if (was_given_up || is_below || place->kind != PLACE_CREATED) {
        push(out, frame);
    }
    return IN_ORDER_OK;
}

static void hold(struct in_order *order, struct in_order_line *line,
                 const struct frame_place *place, struct frame *frame, int64_t now_ms,
                 struct frame_queue *out)
{
    struct item item = {.frame = frame,
                        .kind = place->kind,
                        .seq = place->seq,
                        .upto = place->seq,
                        .at_ms = now_ms};
    insert(order, line, &item);
    release(order, line, out);
}

enum in_order_result in_order_put(struct in_order *order, const struct frame_place *place,
                                  struct frame *frame, int64_t now_ms, struct frame_queue *out)
{
    struct in_order_line *line = find(order, place->chat_id);
    bool is_new = place->rev > order->from_rev;
    if (line == NULL) {
        bool begins = place->kind == PLACE_CREATED || place->kind == PLACE_VOID;
        if (!begins || !is_new) {
            push(out, frame);
            return IN_ORDER_OK;
        }
        line = add(order, place);
    }
    line->rev = place->rev > line->rev ? place->rev : line->rev;
    if (place->kind == PLACE_READ && (line->items == NULL || place->seq < line->next)) {
        push(out, frame);
        return IN_ORDER_OK;
    }
    if (place->seq < line->first && !line->is_sure && is_new && place->kind == PLACE_CREATED) {
        begin_at(order, line, place->seq, now_ms);
    }
    if (place->seq < line->next) {
        return repeat(order, line, place, frame, out);
    }
    hold(order, line, place, frame, now_ms, out);
    return IN_ORDER_OK;
}

/* ---- Waiting ------------------------------------------------------------------------------ */

static void give_up(struct in_order *order, struct in_order_line *line, int64_t now_ms,
                    struct frame_queue *out)
{
    while (line->items != NULL && now_ms - line->items->at_ms >= IN_ORDER_WAIT_MS) {
        if (fills(line->items)) {
            add_gap(line, line->next, line->items->seq - 1);
            line->next = line->items->seq;
            line->is_sure = true;
        }
        pass_first(order, line, out);
        release(order, line, out);
    }
    line->asked = 0;
}

void in_order_give_up(struct in_order *order, int64_t now_ms, struct frame_queue *out)
{
    for (size_t i = 0; i < order->count; i++) {
        give_up(order, &order->lines[i], now_ms, out);
    }
}

/* What stands for a question: it is another one whenever an answer has brought the line on. */
static int64_t key_of(const struct in_order_line *line)
{
    return line->is_sure ? line->next : -line->first;
}

size_t in_order_asks(struct in_order *order, struct in_order_ask *asks, size_t max)
{
    size_t count = 0;
    for (size_t i = 0; i < order->count && count < max; i++) {
        struct in_order_line *line = &order->lines[i];
        const struct item *item = line->items;
        while (item != NULL && !fills(item)) {
            item = item->next;
        }
        if (item == NULL || line->asked == key_of(line)) {
            continue;
        }
        line->asked = key_of(line);
        asks[count++] = (struct in_order_ask){.chat_id = line->chat_id,
                                              .above = line->next - 1,
                                              .below = line->is_sure ? item->seq : line->first,
                                              .is_sure = line->is_sure};
    }
    return count;
}

/* A row: only what is missing is taken from it. */
static enum in_order_result take_row(struct in_order *order, const struct emission *row,
                                     int64_t now_ms, struct frame_queue *out)
{
    const struct frame_place *place = frame_place(row->frame);
    struct in_order_line *line = find(order, place->chat_id);
    struct frame *frame = place->rev > order->from_rev ? row->frame : NULL;
    if (line == NULL || (place->seq < line->first && line->is_sure)) {
        return IN_ORDER_OK;
    }
    if (place->seq < line->first) {
        begin_at(order, line, place->seq, now_ms);
    } else if (place->seq < line->next) {
        return take_from_gaps(line, place->seq) ? tell_late(line, place, frame, out) : IN_ORDER_OK;
    }
    hold(order, line, place, frame, now_ms, out);
    return IN_ORDER_OK;
}

enum in_order_result in_order_answer(struct in_order *order, const struct in_order_ask *asks,
                                     size_t ask_count, const struct emission *rows, int64_t now_ms,
                                     struct frame_queue *out)
{
    for (const struct emission *row = rows; row != NULL; row = row->next) {
        if (take_row(order, row, now_ms, out) != IN_ORDER_OK) {
            return IN_ORDER_TOO_LATE;
        }
    }
    for (size_t i = 0; i < ask_count; i++) {
        const struct in_order_ask *ask = &asks[i];
        struct in_order_line *line = find(order, ask->chat_id);
        int64_t expected = ask->lowest != 0 ? ask->lowest : ask->below;
        if (line == NULL || line->is_sure || !ask->is_answered || line->first != expected) {
            continue;
        }
        if (ask->lowest == 0) {
            begin_at(order, line, 1, now_ms); /* there is none at all: each may be under way */
        }
        line->is_sure = true;
        release(order, line, out);
    }
    return IN_ORDER_OK;
}
