/* Main thread, in a subcommand. A whole consultation as a file: for the patient, a court, the
 * regulator. Contract 3.
 *
 * Everything there is of it: order, patient, doctor, messages with the originals of retracted ones
 * and both parts of notices, every version of its treatment, its
 * evaluation, payment, and its rows of the record. Whole, also the certificate
 * number and the phone: making one is an operator's act that is recorded. */
#ifndef CONSULTD_SERVER_EXPORT_H
#define CONSULTD_SERVER_EXPORT_H

#include "server/call.h"

/* All texts and records live in the call's arena. */
struct dossier {
    struct consultation order;
    struct patient patient;
    struct doctor doctor;
    struct object_list messages;   /* of both chats, oldest first */
    struct object_list treatments; /* every version, oldest first */
    struct object_list answers;    /* of its evaluation */
    struct object_list questions;  /* of those answers */
    struct object_list payments;
    struct object_list rows; /* of the record, oldest first */
    struct timestamp at;
};

/* Reads it. ERR_CONSULTATION_NOT_FOUND. */
MUST_USE enum err export_read(struct call *call, struct oid consultation_id, struct dossier *out);

/* One JSON object: consultation, patient, doctor, messages, treatments, evaluation, payments, audit,
 * exportedAt. */
void export_write_json(struct strbuf *out, const struct dossier *dossier);

/* A page that needs nothing else, in Chinese, times in the hospital's time zone. */
void export_write_page(struct strbuf *out, struct arena *arena, const struct dossier *dossier);

#endif
