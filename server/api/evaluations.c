/* Evaluations: ＋ what a user says of a completed order, once (contract 3).
 *
 * The answers are written first, under ids derived from what they say; then the evaluation, whose id
 * is the order's, names them. So of two evaluations at once one counts, whole; the same one sent
 * again is the same; and what a process left behind that died in between counts for nothing. */
#include "server/api/evaluations.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "server/api/api.h"
#include "server/api/audit.h"
#include "server/api/emit.h"
#include "server/api/moves.h"
#include "server/api/paging.h"
#include "server/auth.h"

#define QUESTION_SCORE "01"

struct oid evaluation_id_of(struct oid consultation_id)
{
    return id_derive_number("evaluation", consultation_id, 0);
}

enum err evaluation_answers_read(struct call *call, struct oid consultation_id,
                                 struct object_list *out)
{
    *out = (struct object_list){NULL, 0};
    struct evaluation evaluation;
    enum err err = store_get(call->store, call->arena, COLLECTION_EVALUATIONS,
                             evaluation_id_of(consultation_id), &evaluation);
    if (err != ERR_OK) {
        return err == ERR_ABSENT ? ERR_OK : err;
    }
    struct condition condition = WHERE(evaluation_answer, answers_id, IS, evaluation.answers_id);
    struct query query = {.conditions = &condition, .condition_count = 1};
    return store_find(call->store, call->arena, COLLECTION_EVALUATION_ANSWERS, &query, out);
}

/* ---- Checks ------------------------------------------------------------------------------- */

static enum err blame_answer(struct call *call, enum err err, size_t index, const char *field)
{
    return call_blame(call, err, arena_format(call->arena, "answers[%zu].%s", index, field));
}

static enum err check_answer(struct call *call, const struct object_list *questions,
                             const struct consultation_answer *answers, size_t index)
{
    const struct consultation_answer *answer = &answers[index];
    const struct question *question =
        record_of_id(questions, sizeof(struct question), answer->question_id);
    if (question == NULL) {
        return blame_answer(call, ERR_QUESTION_NOT_FOUND, index, "evaluateQuesionId");
    }
    for (size_t i = 0; i < index; i++) {
        if (oid_equal(answers[i].question_id, answer->question_id)) {
            return blame_answer(call, ERR_WRONG_ANSWER, index, "evaluateQuesionId");
        }
    }
    bool wants_score = strcmp(question->type, QUESTION_SCORE) == 0;
    bool has_score = answer->score != NUMBER_ABSENT;
    if (wants_score ? !has_score : answer->text == NULL) {
        return blame_answer(call, ERR_WRONG_ANSWER, index, wants_score ? "score" : "text");
    }
    if (wants_score ? answer->text != NULL : has_score) {
        return blame_answer(call, ERR_WRONG_ANSWER, index, wants_score ? "text" : "score");
    }
    return ERR_OK;
}

static enum err check_answers(struct call *call, const struct object_list *list)
{
    const struct consultation_answer *answers = list->items;
    struct oid *ids = arena_array(call->arena, list->count, sizeof *ids);
    for (size_t i = 0; i < list->count; i++) {
        ids[i] = answers[i].question_id;
    }
    struct object_list questions;
    TRY(records_by_ids(call, COLLECTION_QUESTIONS, (struct oid_list){ids, list->count},
                       &questions));
    for (size_t i = 0; i < list->count; i++) {
        TRY(check_answer(call, &questions, answers, i));
    }
    return ERR_OK;
}

/* ---- Writing ------------------------------------------------------------------------------ */

static int compare_questions(const void *a, const void *b)
{
    const struct consultation_answer *left = a, *right = b;
    return memcmp(left->question_id.bytes, right->question_id.bytes, OID_BYTES);
}

/* Of the same answers in any order the same. */
static struct oid answers_id_of(struct call *call, struct oid order_id,
                                const struct object_list *list)
{
    struct consultation_answer *sorted = list_copy(call->arena, list, sizeof *sorted);
    qsort(sorted, list->count, sizeof *sorted, compare_questions);
    struct oid id = id_derive_number("evaluation answers", order_id, (int64_t)list->count);
    for (size_t i = 0; i < list->count; i++) {
        const char *text = sorted[i].text != NULL ? sorted[i].text : "";
        const char *score = arena_format(call->arena, "%" PRId64, sorted[i].score);
        const void *words[] = {id.bytes, sorted[i].question_id.bytes, score, text};
        size_t lengths[] = {OID_BYTES, OID_BYTES, strlen(score), strlen(text)};
        id = id_derive("evaluation answer", ARRAY_LENGTH(words), words, lengths);
    }
    return id;
}

static enum err insert_answers(struct call *call, const struct consultation *order,
                               struct oid answers_id, const struct object_list *list)
{
    const struct consultation_answer *answers = list->items;
    struct evaluation_answer *records = arena_array(call->arena, list->count, sizeof *records);
    for (size_t i = 0; i < list->count; i++) {
        const void *words[] = {answers_id.bytes, answers[i].question_id.bytes};
        size_t lengths[] = {OID_BYTES, OID_BYTES};
        records[i] = (struct evaluation_answer){
            .id = id_derive("evaluation answer", ARRAY_LENGTH(words), words, lengths),
            .answers_id = answers_id,
            .consultation_id = order->id,
            .doctor_id = order->doctor_id,
            .question_id = answers[i].question_id,
            .score = answers[i].score,
            .text = answers[i].text,
            .created_at = call->now,
        };
    }
    return store_insert_many(call->store, COLLECTION_EVALUATION_ANSWERS, records, list->count);
}

/* ERR_ALREADY_EVALUATED: the order has one, with other answers. */
static enum err insert_evaluation(struct call *call, struct evaluation *evaluation)
{
    struct oid answers_id = evaluation->answers_id;
    enum err err = store_insert(call->store, COLLECTION_EVALUATIONS, evaluation);
    if (err == ERR_DUPLICATE) {
        TRY(store_get(call->store, call->arena, COLLECTION_EVALUATIONS, evaluation->id,
                      evaluation));
        err = oid_equal(evaluation->answers_id, answers_id)
                  ? ERR_OK
                  : call_blame(call, ERR_ALREADY_EVALUATED, "consultationId");
    }
    return err;
}

static enum err mark_evaluated(struct call *call, struct consultation *order)
{
    struct condition condition = WHERE(consultation, evaluated, IS_NOT, true);
    struct change changes[] = {SET(consultation, evaluated, true),
                               SET(consultation, updated_at, call->now),
                               MAX(consultation, rev, call_stamp(call))};
    enum err err = store_update(call->store, call->arena, COLLECTION_CONSULTATIONS, order->id,
                                &condition, 1, changes, ARRAY_LENGTH(changes), order);
    if (err == ERR_ABSENT) {
        return store_get(call->store, call->arena, COLLECTION_CONSULTATIONS, order->id, order);
    }
    TRY(err);
    emit_consultation(call, order);
    return ERR_OK;
}

enum err api_consultation_evaluate(struct call *call, const struct consultation_evaluate *in,
                                   struct consultation *out)
{
    TRY(order_get_own(call, in->consultation_id, out));
    if (strcmp(out->status, COMPLETED) != 0) {
        return order_refuse_state(call, out);
    }
    TRY(check_answers(call, &in->answers));
    struct evaluation evaluation = {
        .id = evaluation_id_of(out->id),
        .consultation_id = out->id,
        .user_id = out->user_id,
        .doctor_id = out->doctor_id,
        .patient_id = out->patient_id,
        .answers_id = answers_id_of(call, out->id, &in->answers),
        .created_at = call->now,
    };
    if (!out->evaluated) {
        TRY(insert_answers(call, out, evaluation.answers_id, &in->answers));
    }
    enum err err = insert_evaluation(call, &evaluation);
    if (err == ERR_ALREADY_EVALUATED) {
        /* The first one may have died before it could say so. */
        TRY(mark_evaluated(call, out));
    }
    TRY(err);
    struct audit_note note = {.action = AUDIT_EVALUATE,
                              .consultation_id = out->id,
                              .subject = evaluation.id,
                              .content = &evaluation};
    if (out->evaluated) {
        audit_note_again(call, &note);
    } else {
        audit_note(call, &note);
    }
    TRY(mark_evaluated(call, out));
    consultation_view(call->settings, out);
    return ERR_OK;
}
