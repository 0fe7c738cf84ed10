/* Tokens, passwords, signatures, ids and identity documents. All numbers are invented. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jwt.h>
#include <openssl/evp.h>
#include <zlib.h>

#include "server/auth.h"
#include "server/token_cache.h"
#include "server/certificate.h"
#include "server/clock.h"

#define KEY_ONE "one-key-of-thirty-two-characters"
#define KEY_TWO "two-key-of-thirty-two-characters"
#define NOW_MS INT64_C(1790000000000)
#define HOUR_MS INT64_C(3600000)

static struct settings settings;
static struct arena *arena;
static const struct timestamp now = {NOW_MS};
static struct account user, doctor;

static int setup(void **state)
{
    (void)state;
    arena = arena_new(4096);
    settings = (struct settings){.token_hours = 24,
                                 .usersig_app_id = "1400000000",
                                 .usersig_key = "a-secret-key-for-tests",
                                 .keys = {KEY_ONE},
                                 .key_count = 1};
    user = (struct account){ROLE_USER, id_derive_text("user", "u")};
    doctor = (struct account){ROLE_DOCTOR, id_derive_text("doctor", "d")};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static const char *token_of(struct account account)
{
    const char *token;
    assert_int_equal(token_make(arena, &settings, account, now, &token), ERR_OK);
    return token;
}

/* Also by a worker that meets the token for the first time, and then again. */
static enum err verify(const char *token, int64_t later_ms)
{
    struct caller caller, again;
    struct timestamp later = {NOW_MS + later_ms};
    enum err err = token_verify(&settings, token, later, &caller);
    struct token_cache *cache = token_cache_new();
    for (int i = 0; i < 2; i++) {
        assert_int_equal(token_cache_verify(cache, &settings, token, later, &again), err);
        assert_true(err != ERR_OK || (oid_equal(again.account.id, caller.account.id) &&
                                      again.account.role == caller.account.role &&
                                      again.expires_ms == caller.expires_ms));
    }
    token_cache_free(cache);
    return err;
}

static void a_worker_that_knows_a_token_looks_at_its_time(void **state)
{
    (void)state;
    struct caller caller;
    struct token_cache *cache = token_cache_new();
    const char *token = token_of(user);
    assert_int_equal(token_cache_verify(cache, &settings, token, now, &caller), ERR_OK);
    struct timestamp later = {NOW_MS + 24 * HOUR_MS};
    assert_int_equal(token_cache_verify(cache, &settings, token, later, &caller),
                     ERR_TOKEN_EXPIRED);
    token_cache_free(cache);
}

/* More of them than it has places: they take each other's, and never each other's name. */
static void a_worker_confuses_no_tokens(void **state)
{
    (void)state;
    enum { USERS = 3000 };
    struct token_cache *cache = token_cache_new();
    for (int i = 0; i < 2 * USERS; i++) {
        struct account account = {ROLE_USER, OID_NONE};
        account.id.bytes[0] = (uint8_t)(i % USERS);
        account.id.bytes[1] = (uint8_t)(i % USERS >> 8);
        account.id.bytes[2] = 1;
        struct caller caller;
        assert_int_equal(token_cache_verify(cache, &settings, token_of(account), now, &caller),
                         ERR_OK);
        assert_true(oid_equal(caller.account.id, account.id));
    }
    token_cache_free(cache);
}

static void a_token_says_who_and_until_when(void **state)
{
    (void)state;
    struct caller caller;
    assert_int_equal(token_verify(&settings, token_of(doctor), now, &caller), ERR_OK);
    assert_int_equal(caller.account.role, ROLE_DOCTOR);
    assert_true(oid_equal(caller.account.id, doctor.id));
    assert_int_equal(caller.expires_ms, NOW_MS + 24 * HOUR_MS);
    assert_int_equal(token_verify(&settings, token_of(user), now, &caller), ERR_OK);
    assert_int_equal(caller.account.role, ROLE_USER);
}

static void an_expired_token_is_told_apart(void **state)
{
    (void)state;
    const char *token = token_of(user);
    assert_int_equal(verify(token, 24 * HOUR_MS - 1), ERR_OK);
    assert_int_equal(verify(token, 24 * HOUR_MS), ERR_TOKEN_EXPIRED);
}

static void a_tampered_or_foreign_token_is_refused(void **state)
{
    (void)state;
    assert_int_equal(verify(NULL, 0), ERR_NOT_SIGNED_IN);
    assert_int_equal(verify("", 0), ERR_NOT_SIGNED_IN);
    assert_int_equal(verify("not.a.token", 0), ERR_NOT_SIGNED_IN);
    char *token = arena_text(arena, token_of(user), strlen(token_of(user)));
    char *payload = strchr(token, '.') + 5;
    *payload = *payload == 'A' ? 'B' : 'A';
    assert_int_equal(verify(token, 0), ERR_NOT_SIGNED_IN);
    const char *good = token_of(user);
    settings.keys[0] = KEY_TWO;
    assert_int_equal(verify(good, 0), ERR_NOT_SIGNED_IN);
}

static void a_key_can_be_rotated(void **state)
{
    (void)state;
    const char *old = token_of(user);
    settings.keys[0] = KEY_TWO;
    settings.keys[1] = KEY_ONE;
    settings.key_count = 2;
    assert_int_equal(verify(old, 0), ERR_OK);
    const char *new = token_of(user);
    settings.key_count = 1; /* the first signs */
    assert_int_equal(verify(new, 0), ERR_OK);
    assert_int_equal(verify(old, 0), ERR_NOT_SIGNED_IN);
}

/* A token with grants and algorithm of our choice, signed with the right key. */
static const char *forge(jwt_alg_t algorithm, const char *grants)
{
    jwt_t *jwt;
    assert_int_equal(jwt_new(&jwt), 0);
    assert_int_equal(jwt_add_grants_json(jwt, grants), 0);
    bool has_key = algorithm != JWT_ALG_NONE;
    assert_int_equal(jwt_set_alg(jwt, algorithm, has_key ? (const unsigned char *)KEY_ONE : NULL,
                                 has_key ? (int)strlen(KEY_ONE) : 0),
                     0);
    char *text = jwt_encode_str(jwt);
    const char *kept = arena_text(arena, text, strlen(text));
    free(text);
    jwt_free(jwt);
    return kept;
}

static void only_hs256_with_one_id_and_an_end_is_accepted(void **state)
{
    (void)state;
    const char *whole = "{\"userId\":\"5b1cfd29aee9ede033ba754c\",\"exp\":1790003600}";
    assert_int_equal(verify(forge(JWT_ALG_HS256, whole), 0), ERR_OK);
    assert_int_equal(verify(forge(JWT_ALG_HS512, whole), 0), ERR_NOT_SIGNED_IN);
    assert_int_equal(verify(forge(JWT_ALG_NONE, whole), 0), ERR_NOT_SIGNED_IN);
    static const char two_ids[] = "{\"userId\":\"5b1cfd29aee9ede033ba754c\",\"doctorId\":"
                                  "\"5b1cfd29aee9ede033ba754c\",\"exp\":1790003600}";
    static const char *const broken[] = {
        "{\"userId\":\"5b1cfd29aee9ede033ba754c\"}",
        "{\"exp\":1790003600}",
        "{\"userId\":\"nobody\",\"exp\":1790003600}",
        "{\"userId\":7,\"exp\":1790003600}",
        two_ids,
        "{\"userId\":\"5b1cfd29aee9ede033ba754c\",\"exp\":\"later\"}",
        "{\"userId\":\"5b1cfd29aee9ede033ba754c\",\"exp\":9223372036854775807}",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(broken); i++) {
        assert_int_equal(verify(forge(JWT_ALG_HS256, broken[i]), 0), ERR_NOT_SIGNED_IN);
    }
}

static void a_header_holds_the_token_after_bearer(void **state)
{
    (void)state;
    assert_string_equal(token_of_header("Bearer abc"), "abc");
    assert_string_equal(token_of_header("bearer   abc"), "abc");
    assert_null(token_of_header("Bearer"));
    assert_null(token_of_header("Bearer "));
    assert_null(token_of_header("Bearerabc"));
    assert_null(token_of_header("Basic abc"));
    assert_null(token_of_header(NULL));
}

static void a_password_matches_its_own_hash_only(void **state)
{
    (void)state;
    const char *one, *two;
    assert_int_equal(password_hash(arena, "123456", &one), ERR_OK);
    assert_int_equal(password_hash(arena, "123456", &two), ERR_OK);
    assert_string_not_equal(one, two); /* salted */
    assert_true(password_matches("123456", one));
    assert_false(password_matches("123457", one));
    assert_false(password_matches("", one));
    assert_false(password_matches("123456", NULL));
    assert_false(password_matches("123456", ""));
    assert_false(password_matches("123456", "scrypt$2$8$1$00$00"));
    assert_false(password_matches("123456", "e10adc3949ba59abbe56e057f20f883e"));
}

static void failed_sign_ins_are_counted_by_the_minute(void **state)
{
    (void)state;
    struct attempts *attempts = attempts_new(3);
    int64_t after_ms;
    for (int i = 0; i < 3; i++) {
        assert_false(attempts_over(attempts, "00001", NOW_MS, &after_ms));
        attempts_failed(attempts, "00001", NOW_MS);
    }
    assert_true(attempts_over(attempts, "00001", NOW_MS, &after_ms));
    assert_in_range(after_ms, 1, 60000);
    assert_false(attempts_over(attempts, "00002", NOW_MS, &after_ms));
    assert_false(attempts_over(attempts, "00001", NOW_MS + 60000, &after_ms));
    attempts_free(attempts);
}

static void the_minute_begins_with_the_first_failed_sign_in(void **state)
{
    (void)state;
    struct attempts *attempts = attempts_new(2);
    const int64_t first_ms = INT64_C(60000) * 1000 - 1; /* the clock's minute ends now */
    int64_t after_ms;
    attempts_failed(attempts, "00001", first_ms);
    attempts_failed(attempts, "00001", first_ms + 2);
    assert_true(attempts_over(attempts, "00001", first_ms + 3, &after_ms));
    assert_int_equal(after_ms, 59997);
    assert_true(attempts_over(attempts, "00001", first_ms + 59999, &after_ms));
    assert_false(attempts_over(attempts, "00001", first_ms + 60000, &after_ms));
    assert_int_equal(after_ms, 0);
    attempts_failed(attempts, "00001", first_ms + 60000);
    assert_false(attempts_over(attempts, "00001", first_ms + 60001, &after_ms));
    attempts_free(attempts);
}

static void usersig_can_be_read_back_and_is_empty_without_a_key(void **state)
{
    (void)state;
    const char *sig;
    assert_int_equal(usersig_make(arena, &settings, "doctor-00001", now, &sig), ERR_OK);
    assert_null(strpbrk(sig, "+/="));
    char *base64 = arena_text(arena, sig, strlen(sig));
    size_t padding = 0;
    for (char *at = base64; *at != '\0'; at++) {
        padding += *at == '_';
        *at = *at == '*' ? '+' : *at == '-' ? '/' : *at == '_' ? '=' : *at;
    }
    unsigned char deflated[1024], json[1024] = {0};
    int length = EVP_DecodeBlock(deflated, (unsigned char *)base64, (int)strlen(base64));
    uLongf json_length = sizeof json - 1;
    assert_int_equal(uncompress(json, &json_length, deflated, (uLong)length - padding), Z_OK);
    assert_non_null(strstr((char *)json, "\"TLS.ver\":\"2.0\""));
    assert_non_null(strstr((char *)json, "\"TLS.identifier\":\"doctor-00001\""));
    assert_non_null(strstr((char *)json, "\"TLS.sdkappid\":1400000000"));
    assert_non_null(strstr((char *)json, "\"TLS.expire\":86400"));
    /* HMAC-SHA256 of the four fields, computed apart with Python's hmac module. */
    assert_non_null(
        strstr((char *)json, "\"TLS.sig\":\"viHH0d+jcMrqcyENdhfu0xxzhEzYF5kv95r46xMwBWI=\""));
    settings.usersig_key = "";
    assert_int_equal(usersig_make(arena, &settings, "x", now, &sig), ERR_OK);
    assert_string_equal(sig, "");
}

static void derived_ids_depend_on_every_word_and_its_border(void **state)
{
    (void)state;
    struct oid a = id_derive_text("kind", "text");
    assert_true(oid_equal(a, id_derive_text("kind", "text")));
    assert_false(oid_equal(a, id_derive_text("kin", "dtext")));
    const void *one[] = {"ab", "c"}, *two[] = {"a", "bc"};
    size_t lengths_one[] = {2, 1}, lengths_two[] = {1, 2};
    assert_false(
        oid_equal(id_derive("k", 2, one, lengths_one), id_derive("k", 2, two, lengths_two)));
    assert_false(oid_equal(id_derive_pair("k", a, OID_NONE), id_derive_pair("k", OID_NONE, a)));
    assert_false(oid_equal(id_derive_number("k", a, 1), id_derive_number("k", a, 2)));
    struct oid first = id_new(now), second = id_new(now);
    assert_false(oid_equal(first, second));
    assert_memory_equal(first.bytes, second.bytes, 9); /* the time, and this process */
}

static void citizen_identity_numbers_are_checked(void **state)
{
    (void)state;
    char birthday[11];
    int64_t sex, today;
    assert_true(day_number(2026, 11, 24, &today));
    /* Region 000000 does not exist; only the check character and the date are looked at. */
    assert_true(certificate_check("000000199002280036", today, birthday, &sex));
    assert_string_equal(birthday, "1990-02-28");
    assert_int_equal(sex, 1);
    assert_true(certificate_check("00000019900228028X", today, birthday, &sex));
    assert_int_equal(sex, 0);
    assert_true(certificate_check("00000019900228028x", today, birthday, &sex));
    assert_false(certificate_check("000000199002280030", today, birthday, &sex));
    assert_false(certificate_check("000000199002300033", today, birthday, &sex));
    assert_false(certificate_check("00000020261125003X", today, birthday, &sex));
    assert_false(certificate_check("00000019900228", today, birthday, &sex));
    assert_false(certificate_check("00000019900228001字", today, birthday, &sex));
}

static void birthdays_are_real_days_in_two_forms(void **state)
{
    (void)state;
    char birthday[11];
    int64_t today;
    assert_true(day_number(2026, 11, 24, &today));
    assert_true(birthday_parse("20240229", today, birthday));
    assert_string_equal(birthday, "2024-02-29");
    assert_true(birthday_parse("2024-02-29", today, birthday));
    assert_true(birthday_parse("20261124", today, birthday));
    assert_false(birthday_parse("20261125", today, birthday));
    assert_false(birthday_parse("20230229", today, birthday));
    assert_false(birthday_parse("18491231", today, birthday));
    assert_false(birthday_parse("2024/02/29", today, birthday));
    assert_false(birthday_parse("", today, birthday));
}

static void masks_show_three_and_four(void **state)
{
    (void)state;
    char masked[257];
    certificate_mask("000000199002280011", masked, sizeof masked);
    assert_string_equal(masked, "000***********0011");
    certificate_mask("P000001", masked, sizeof masked);
    assert_string_equal(masked, "*******");
    certificate_mask("军字第一二三四五", masked, sizeof masked);
    assert_string_equal(masked, "军字第*二三四五");
}

static void the_clock_only_goes_forward(void **state)
{
    (void)state;
    struct clock *clock = clock_new(NULL, INT64_C(9000000000000000));
    int64_t last = INT64_C(9000000000000000);
    for (int i = 0; i < 1000; i++) {
        int64_t stamp = clock_stamp(clock);
        assert_true(stamp > last);
        last = stamp;
    }
    clock_free(clock);
    assert_null(clock_new("/nonexistent/clock", 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(a_token_says_who_and_until_when),
        TEST(an_expired_token_is_told_apart),
        TEST(a_worker_that_knows_a_token_looks_at_its_time),
        TEST(a_worker_confuses_no_tokens),
        TEST(a_tampered_or_foreign_token_is_refused),
        TEST(a_key_can_be_rotated),
        TEST(only_hs256_with_one_id_and_an_end_is_accepted),
        TEST(a_header_holds_the_token_after_bearer),
        TEST(a_password_matches_its_own_hash_only),
        TEST(failed_sign_ins_are_counted_by_the_minute),
        TEST(the_minute_begins_with_the_first_failed_sign_in),
        TEST(usersig_can_be_read_back_and_is_empty_without_a_key),
        TEST(derived_ids_depend_on_every_word_and_its_border),
        TEST(citizen_identity_numbers_are_checked),
        TEST(birthdays_are_real_days_in_two_forms),
        TEST(masks_show_three_and_four),
        TEST(the_clock_only_goes_forward),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
