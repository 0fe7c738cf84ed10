/* Worker only. Keys of the hospital's other systems, which call the endpoints of ACCESS_SERVICE
 * (contract 2 and 3). A key is 256 random bits, so that a plain keyed hash of it is enough to keep;
 * the key itself is shown once and never stored. */
#ifndef CONSULTD_SERVER_API_SERVICE_KEYS_H
#define CONSULTD_SERVER_API_SERVICE_KEYS_H

#include "server/call.h"

#define SERVICE_KEY_PREFIX "sk_" /* no token begins so */
#define SERVICE_KEY_BYTES 68     /* the prefix, 64 hex digits and the NUL */

/* Makes a key. ERR_DUPLICATE: the name is taken, also by a disabled one. */
MUST_USE enum err service_key_create(struct store_session *session, struct timestamp now,
                                     const char *name, char key[SERVICE_KEY_BYTES]);

/* The same with a key that is given: the demo's. */
MUST_USE enum err service_key_insert(struct store_session *session, struct timestamp now,
                                     const char *name, const char *key);

/* All keys (struct service_key) by name, without the keys themselves; in the arena. */
MUST_USE enum err service_key_list(struct store_session *session, struct arena *arena,
                                   struct object_list *out);

/* From the next call on the key is good for nothing. ERR_ABSENT: there is no such name. */
MUST_USE enum err service_key_disable(struct store_session *session, struct arena *arena,
                                      struct timestamp now, const char *name);

/* Whether the text can only be a service key. */
bool service_key_is(const char *text);

/* Who calls with the key: *out gets ROLE_SERVICE and the key's id. ERR_NOT_SIGNED_IN. */
MUST_USE enum err service_key_verify(struct call *call, const char *key, struct caller *out);

/* Whether the key by which the caller once came is still good. ERR_NOT_SIGNED_IN. */
MUST_USE enum err service_key_check(struct call *call, struct oid id);

#endif
