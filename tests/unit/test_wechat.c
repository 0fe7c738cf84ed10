/* What is signed and locked for WeChat Pay and by it. The keys are made here; the box is a published
 * one: test case 16 of the paper that defines GCM (McGrew and Viega). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/call.h"
#include "server/config.h"
#include "server/wechat_keys.h"

#define NOW_MS INT64_C(1700000000000)
#define SERIAL "PUB_KEY_ID_1"

static const char box_key[] = "\xfe\xff\xe9\x92\x86\x65\x73\x1c\x6d\x6a\x8f\x94\x67\x30\x83\x08"
                              "\xfe\xff\xe9\x92\x86\x65\x73\x1c\x6d\x6a\x8f\x94\x67\x30\x83\x08";
static const char box_nonce[] = "\xca\xfe\xba\xbe\xfa\xce\xdb\xad\xde\xca\xf8\x88";
static const char box_known[] =
    "\xfe\xed\xfa\xce\xde\xad\xbe\xef\xfe\xed\xfa\xce\xde\xad\xbe\xef\xab\xad\xda\xd2";
static const char box_text[] =
    "\xd9\x31\x32\x25\xf8\x84\x06\xe5\xa5\x59\x09\xc5\xaf\xf5\x26\x9a\x86\xa7\xa9\x53\x15\x34\xf7"
    "\xda\x2e\x4c\x30\x3d\x8a\x31\x8a\x72\x1c\x3c\x0c\x95\x95\x68\x09\x53\x2f\xcf\x0e\x24\x49\xa6"
    "\xb5\x25\xb1\x6a\xed\xf5\xaa\x0d\xe6\x57\xba\x63\x7b\x39";
static const unsigned char box_sealed[] =
    "\x52\x2d\xc1\xf0\x99\x56\x7d\x07\xf4\x7f\x37\xa3\x2a\x84\x42\x7d\x64\x3a\x8c\xdc\xbf\xe5\xc0"
    "\xc9\x75\x98\xa2\xbd\x25\x55\xd1\xaa\x8c\xb0\x8e\x48\x59\x0d\xbb\x3d\xa7\xb0\x8b\x10\x56\x82"
    "\x88\x38\xc5\xf6\x1e\x63\x93\xba\x7a\x0a\xbc\xc9\xf6\x62"
    "\x76\xfc\x6e\xce\x0f\x4e\x17\x68\xcd\xdf\x88\x53\xbb\x2d\x55\x1b";

struct fixture {
    EVP_PKEY *merchant, *platform;
    char merchant_path[64], platform_path[64], public_keys[128];
    struct settings settings;
    struct wechat *wechat;
    struct arena *arena;
};

static EVP_PKEY *make_key(char path[64], bool is_public)
{
    EVP_PKEY *key = EVP_RSA_gen(2048);
    assert_non_null(key);
    snprintf(path, 64, "/tmp/consultd-wechat-XXXXXX");
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    FILE *file = fdopen(descriptor, "w");
    assert_non_null(file);
    assert_int_equal(is_public ? PEM_write_PUBKEY(file, key)
                               : PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL),
                     1);
    fclose(file);
    return key;
}

static int set_up(void **state)
{
    struct fixture *fixture = test_calloc(1, sizeof *fixture);
    fixture->merchant = make_key(fixture->merchant_path, false);
    fixture->platform = make_key(fixture->platform_path, true);
    snprintf(fixture->public_keys, sizeof fixture->public_keys, SERIAL "=%s",
             fixture->platform_path);
    fixture->settings = (struct settings){
        .wechat_app_id = "wx0123456789abcdef",
        .wechat_mch_id = "1900000109",
        .wechat_mch_serial = "5157F09EFDC096DE",
        .wechat_mch_key_file = fixture->merchant_path,
        .wechat_api_key = box_key,
        .wechat_public_keys = fixture->public_keys,
        .wechat_notify_url = "https://hospital.example/consultation/payment/wechat/notify",
        .wechat_base_url = "https://api.mch.weixin.qq.com",
        .unpaid_minutes = 120,
    };
    char why[WECHAT_WHY_BYTES] = "";
    if (!wechat_open(&fixture->settings, &fixture->wechat, why)) {
        fail_msg("%s", why);
    }
    fixture->arena = arena_new(4096);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    wechat_close(fixture->wechat);
    arena_free(fixture->arena);
    EVP_PKEY_free(fixture->merchant);
    EVP_PKEY_free(fixture->platform);
    unlink(fixture->merchant_path);
    unlink(fixture->platform_path);
    test_free(fixture);
    return 0;
}

/* SHA256 with RSA, in base64, as the other side makes it. */
static const char *signed_by(struct fixture *fixture, EVP_PKEY *key, const char *text)
{
    unsigned char signature[512];
    size_t length = sizeof signature;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key), 1);
    assert_int_equal(
        EVP_DigestSign(context, signature, &length, (const unsigned char *)text, strlen(text)), 1);
    EVP_MD_CTX_free(context);
    char *base64 = arena_alloc(fixture->arena, 1024);
    EVP_EncodeBlock((unsigned char *)base64, signature, (int)length);
    return base64;
}

static void the_merchant_signs_the_text_as_it_is(void **state)
{
    struct fixture *fixture = *state;
    static const char text[] = "GET\n/v3/certificates\n1554208460\n593BEC0C930BF1AF\n\n";
    const char *signature;
    assert_int_equal(wechat_sign(fixture->arena, fixture->wechat, text, &signature), ERR_OK);
    assert_string_equal(signature, signed_by(fixture, fixture->merchant, text));
    assert_int_equal(strlen(wechat_nonce(fixture->arena)), 32);
    assert_string_not_equal(wechat_nonce(fixture->arena), wechat_nonce(fixture->arena));
    assert_string_equal(wechat_serial(fixture->wechat), SERIAL);
}

static bool has_said(struct fixture *fixture, int64_t now_ms, const struct wechat_seal *seal,
                     const char *body)
{
    return wechat_has_said(fixture->arena, fixture->wechat, (struct timestamp){now_ms}, seal, body,
                           strlen(body));
}

static void what_wechat_says_is_three_lines_within_five_minutes(void **state)
{
    struct fixture *fixture = *state;
    struct wechat_seal seal = {.serial = SERIAL,
                               .timestamp = "1700000000",
                               .nonce = "c5ac7061fccab6bf",
                               .signature = signed_by(fixture, fixture->platform,
                                                      "1700000000\nc5ac7061fccab6bf\n{\"a\":1}\n")};
    assert_true(has_said(fixture, NOW_MS, &seal, "{\"a\":1}"));
    assert_true(has_said(fixture, NOW_MS + 300000, &seal, "{\"a\":1}"));
    assert_true(has_said(fixture, NOW_MS - 300000, &seal, "{\"a\":1}"));
    assert_false(has_said(fixture, NOW_MS + 300001, &seal, "{\"a\":1}"));
    assert_false(has_said(fixture, NOW_MS - 300001, &seal, "{\"a\":1}"));
    assert_false(has_said(fixture, NOW_MS, &seal, "{\"a\":2}"));
    assert_false(has_said(fixture, NOW_MS, &seal, "{\"a\":1}\n"));
    assert_false(has_said(fixture, NOW_MS, &seal, ""));
    seal.signature = signed_by(fixture, fixture->platform, "1700000000\nc5ac7061fccab6bf\n\n");
    assert_true(wechat_has_said(fixture->arena, fixture->wechat, (struct timestamp){NOW_MS}, &seal,
                                NULL, 0));
    seal.signature = signed_by(fixture, fixture->merchant, "1700000000\nc5ac7061fccab6bf\n\n");
    assert_false(has_said(fixture, NOW_MS, &seal, ""));
    seal.signature = "";
    assert_false(has_said(fixture, NOW_MS, &seal, ""));
}

static const char *in_base64(struct fixture *fixture, const unsigned char *bytes, size_t length)
{
    char *base64 = arena_alloc(fixture->arena, 4 * ((length + 2) / 3) + 1);
    EVP_EncodeBlock((unsigned char *)base64, bytes, (int)length);
    return base64;
}

static void a_box_opens_with_its_key_and_all_that_belongs_to_it(void **state)
{
    struct fixture *fixture = *state;
    struct arena *arena = fixture->arena;
    const size_t sealed = sizeof box_sealed - 1, text = sizeof box_text - 1;
    const char *ciphertext = in_base64(fixture, box_sealed, sealed);
    char *out;
    size_t length;
    assert_true(
        wechat_decrypt(arena, fixture->wechat, box_nonce, box_known, ciphertext, &out, &length));
    assert_int_equal(length, text);
    assert_memory_equal(out, box_text, text);
    assert_int_equal(out[length], '\0');
    for (size_t i = 0; i < sealed; i++) {
        unsigned char changed[sizeof box_sealed];
        memcpy(changed, box_sealed, sizeof changed);
        changed[i] ^= 1;
        assert_false(wechat_decrypt(arena, fixture->wechat, box_nonce, box_known,
                                    in_base64(fixture, changed, sealed), &out, &length));
        assert_false(wechat_decrypt(arena, fixture->wechat, box_nonce, box_known,
                                    in_base64(fixture, box_sealed, i), &out, &length));
    }
    assert_false(wechat_decrypt(arena, fixture->wechat, box_nonce, "", ciphertext, &out, &length));
    assert_false(wechat_decrypt(arena, fixture->wechat, "123456789012", box_known, ciphertext, &out,
                                &length));
    assert_false(wechat_decrypt(arena, fixture->wechat, "12345678901", box_known, ciphertext, &out,
                                &length));
    assert_false(
        wechat_decrypt(arena, fixture->wechat, box_nonce, box_known, "AAA", &out, &length));
    assert_false(
        wechat_decrypt(arena, fixture->wechat, box_nonce, box_known, "****", &out, &length));
}

static void a_header_is_found_by_its_whole_name(void **state)
{
    struct fixture *fixture = *state;
    static const char headers[] = "wechatpay-nonce-x:1\nwechatpay-nonce:2\nempty:\n";
    assert_string_equal(header_find(fixture->arena, headers, "wechatpay-nonce"), "2");
    assert_string_equal(header_find(fixture->arena, headers, "wechatpay-nonce-x"), "1");
    assert_string_equal(header_find(fixture->arena, headers, "empty"), "");
    assert_null(header_find(fixture->arena, headers, "nonce"));
    assert_null(header_find(fixture->arena, NULL, "wechatpay-nonce"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_merchant_signs_the_text_as_it_is),
        cmocka_unit_test(what_wechat_says_is_three_lines_within_five_minutes),
        cmocka_unit_test(a_box_opens_with_its_key_and_all_that_belongs_to_it),
        cmocka_unit_test(a_header_is_found_by_its_whole_name),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
