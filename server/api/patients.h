/* Worker only. Patients as other handlers need them. */
#ifndef CONSULTD_SERVER_API_PATIENTS_H
#define CONSULTD_SERVER_API_PATIENTS_H

#include "server/call.h"

/* Reads a patient of the calling user. ERR_PATIENT_NOT_FOUND, ERR_NOT_YOURS; a deleted one is
 * ERR_PATIENT_DELETED. `field` is blamed. */
MUST_USE enum err patient_get_own(struct call *call, struct oid id, const char *field,
                                  struct patient *out);

/* Reads a patient of whom the calling doctor has, or had, an order, and the newest such order.
 * ERR_PATIENT_NOT_FOUND, ERR_NOT_YOURS; a deleted one is ERR_OK. `field` is blamed. */
MUST_USE enum err patient_get_treated(struct call *call, struct oid id, const char *field,
                                      struct patient *out, struct consultation *order);

/* Blanks what the doctor of an order may not see: certificateNo is masked, phone absent
 * (contract 1, Personal data). */
void patient_mask(struct arena *arena, struct patient *patient);

#endif
