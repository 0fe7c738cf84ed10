/* Doctors straight into the store, as `consultd doctor add` would make them one by one: hashing a
 * thousand passwords takes a minute, and signing in as long again. They have no password; their
 * tokens are signed here, with the key that the server has. May run beside a server, like a
 * subcommand. */
#include <stdlib.h>
#include <string.h>

#include "server/api/chats.h"
#include "server/auth.h"
#include "server/clock.h"
#include "tests/bench/bench.h"

#define PRICE 1000
#define TOKEN_HOURS 24
#define SECONDS_OF_STORE 60
#define NUMBER_BYTES 24

static const char *number_of(size_t number, char out[NUMBER_BYTES])
{
    snprintf(out, NUMBER_BYTES, "b%06zu", number);
    return out;
}

static struct oid id_of(size_t number)
{
    char sn[NUMBER_BYTES];
    return id_derive_text("doctor", number_of(number, sn));
}

void doctor_id(size_t number, char out[25])
{
    oid_format(id_of(number), out);
}

static enum err insert(struct store_session *session, struct clock *clock, size_t number)
{
    char sn[NUMBER_BYTES], identifier[2 * NUMBER_BYTES];
    number_of(number, sn);
    snprintf(identifier, sizeof identifier, "doctor-%s", sn);
    struct timestamp now = clock_now(clock);
    struct doctor doctor = {
        .id = id_of(number),
        .doctor_sn = sn,
        .doctor_name = "虚构医生",
        .identifier = identifier,
        .image_and_text_open = true,
        .image_and_text_price = PRICE,
        .created_at = now,
        .updated_at = now,
    };
    TRY(chat_system_make_doctor(session, now, clock_stamp(clock), &doctor));
    enum err err = store_insert(session, COLLECTION_DOCTORS, &doctor);
    return err == ERR_DUPLICATE ? ERR_OK : err;
}

static enum err insert_all(struct store *store, struct clock *clock, size_t count)
{
    struct store_session *session;
    TRY(store_session_open(store, true, &session));
    enum err err = store_begin(session);
    for (size_t i = 0; i < count && err == ERR_OK; i++) {
        err = insert(session, clock, i);
    }
    if (err == ERR_OK) {
        err = store_commit(session);
    }
    store_session_close(session);
    return err;
}

static void sign(struct clock *clock, size_t count, char **tokens)
{
    const char *keys = getenv("CONSULTD_TOKEN_KEYS");
    if (keys == NULL) {
        give_up("CONSULTD_TOKEN_KEYS must be set, as it is for the server");
    }
    struct arena *arena = arena_new(4096);
    struct settings settings = {.token_hours = TOKEN_HOURS, .key_count = 1};
    settings.keys[0] = arena_text(arena, keys, strcspn(keys, " "));
    for (size_t i = 0; i < count; i++) {
        const char *token;
        struct account account = {.role = ROLE_DOCTOR, .id = id_of(i)};
        if (token_make(arena, &settings, account, clock_now(clock), &token) != ERR_OK) {
            give_up("a token could not be made");
        }
        tokens[i] = strdup(token);
    }
    arena_free(arena);
}

void doctors_make(const char *url, size_t count, char **tokens)
{
    const struct store_settings settings = {
        .url = url, .timeout_ms = SECONDS_OF_STORE * 1000, .pool_size = 1, .beside = true};
    struct store *store;
    char why[256];
    if (store_open(&settings, &store, why) != ERR_OK) {
        give_up("%s", why);
    }
    struct clock *clock = clock_new(NULL, 0);
    if (insert_all(store, clock, count) != ERR_OK) {
        give_up("the doctors could not be written to the store");
    }
    sign(clock, count, tokens);
    clock_free(clock);
    store_close(store);
}
