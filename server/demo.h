/* Worker only. The data of --demo: departments, invented doctors (00001 to 00003, password
 * 123456, 00003 with consultations closed), reasons, questions, a dictionary of diagnoses, the service
 * key sk_demo. */
#ifndef CONSULTD_SERVER_DEMO_H
#define CONSULTD_SERVER_DEMO_H

#include "server/clock.h"
#include "storage/store.h"

/* Writes what is missing; running it again, or on two nodes at once, changes nothing. The system
 * chat (type 03) of each doctor is made with the doctor, through chat_system_make_doctor in api. */
MUST_USE enum err demo_seed(struct store_session *session, struct clock *clock);

#endif
