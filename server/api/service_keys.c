/* Service keys. A key's id is derived from its hash, so that it is found without a search; the
 * whole hash is compared then. */
#include "server/api/service_keys.h"

#include <stdio.h>
#include <string.h>

#include "server/auth.h"

#define RANDOM_BYTES 32
#define HASH_TEXT_BYTES 65

static void hash_of(const char *key, char hash[HASH_TEXT_BYTES])
{
    hmac_sha256_hex("consultd service key", key, strlen(key), hash);
}

static struct oid id_of(const char *hash)
{
    return id_derive_text("service key", hash);
}

enum err service_key_insert(struct store_session *session, struct timestamp now, const char *name,
                            const char *key)
{
    char hash[HASH_TEXT_BYTES];
    hash_of(key, hash);
    struct service_key record = {
        .id = id_of(hash), .name = name, .hash = hash, .created_at = now, .updated_at = now};
    return store_insert(session, COLLECTION_SERVICE_KEYS, &record);
}

enum err service_key_create(struct store_session *session, struct timestamp now, const char *name,
                            char key[SERVICE_KEY_BYTES])
{
    unsigned char random[RANDOM_BYTES];
    random_bytes(random, sizeof random);
    size_t length = strlen(SERVICE_KEY_PREFIX);
    memcpy(key, SERVICE_KEY_PREFIX, length);
    for (size_t i = 0; i < sizeof random; i++) {
        snprintf(key + length + 2 * i, 3, "%02x", random[i]);
    }
    return service_key_insert(session, now, name, key);
}

enum err service_key_list(struct store_session *session, struct arena *arena,
                          struct object_list *out)
{
    struct query query = {.sort = {SORT_UP(service_key, name)}};
    return store_find(session, arena, COLLECTION_SERVICE_KEYS, &query, out);
}

enum err service_key_disable(struct store_session *session, struct arena *arena,
                             struct timestamp now, const char *name)
{
    struct condition condition = WHERE(service_key, name, IS, name);
    struct query query = {.conditions = &condition, .condition_count = 1, .limit = 1};
    struct service_key key;
    TRY(store_find_one(session, arena, COLLECTION_SERVICE_KEYS, &query, &key));
    struct change changes[] = {SET(service_key, disabled, true), SET(service_key, updated_at, now)};
    return store_update(session, arena, COLLECTION_SERVICE_KEYS, key.id, NULL, 0, changes,
                        ARRAY_LENGTH(changes), &key);
}

bool service_key_is(const char *text)
{
    return text != NULL && strncmp(text, SERVICE_KEY_PREFIX, strlen(SERVICE_KEY_PREFIX)) == 0;
}

static enum err get_live(struct call *call, struct oid id, struct service_key *out)
{
    enum err err = store_get(call->store, call->arena, COLLECTION_SERVICE_KEYS, id, out);
    if (err == ERR_ABSENT || (err == ERR_OK && out->disabled)) {
        return ERR_NOT_SIGNED_IN;
    }
    return err;
}

enum err service_key_verify(struct call *call, const char *key, struct caller *out)
{
    char hash[HASH_TEXT_BYTES];
    hash_of(key, hash);
    struct service_key record;
    TRY(get_live(call, id_of(hash), &record));
    if (!text_equal_secretly(record.hash, hash)) {
        return ERR_NOT_SIGNED_IN;
    }
    *out = (struct caller){.account = {ROLE_SERVICE, record.id}, .expires_ms = INT64_MAX};
    return ERR_OK;
}

enum err service_key_check(struct call *call, struct oid id)
{
    struct service_key record;
    return get_live(call, id, &record);
}
