/* The sandbox. Its book is a collection of its own: what was paid stands there even if the
 * process ends before the notification is made, and a query finds it, as with a real provider.
 * Refunds need no entry: what is asked back is back. */
#include "server/provider_sandbox.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/auth.h"
#include "server/config.h"

static const struct {
    enum trade_state state;
    const char *name;
} states[] = {{TRADE_PAID, "PAID"}, {TRADE_REFUNDED, "REFUNDED"}};

bool sandbox_plays(const struct call *call, const char *trouble)
{
    return strcmp(call->settings->sandbox_trouble, trouble) == 0;
}

bool sandbox_knows(const char *trouble)
{
    static const char *const known[] = {"", SANDBOX_REFUND_FAILS, SANDBOX_REFUND_PENDING,
                                        SANDBOX_NOTIFICATION_LOST};
    for (size_t i = 0; i < ARRAY_LENGTH(known); i++) {
        if (strcmp(trouble, known[i]) == 0) {
            return true;
        }
    }
    return false;
}

const char *sandbox_text(struct arena *arena, const struct trade *trade)
{
    const char *state = "";
    for (size_t i = 0; i < ARRAY_LENGTH(states); i++) {
        state = states[i].state == trade->state ? states[i].name : state;
    }
    return arena_format(arena, "outTradeNo=%s&totalFee=%" PRId64 "&tradeState=%s&transactionId=%s",
                        trade->out_trade_no, trade->total_fee, state, trade->transaction_id);
}

struct notification sandbox_notification(struct call *call, const struct trade *trade)
{
    const char *text = sandbox_text(call->arena, trade);
    char *signature = arena_alloc(call->arena, 65);
    hmac_sha256_hex(call->settings->sandbox_key, text, strlen(text), signature);
    return (struct notification){.body = text, .length = strlen(text), .signature = signature};
}

static struct trade trade_of(struct call *call, const struct sandbox_trade *booked)
{
    char *transaction_id = arena_alloc(call->arena, OID_TEXT_BYTES);
    oid_format(booked->id, transaction_id);
    return (struct trade){TRADE_PAID, booked->out_trade_no, booked->total_fee, transaction_id};
}

enum err sandbox_book(struct call *call, const struct payment *payment, struct trade *out)
{
    struct sandbox_trade booked = {.id = id_derive_text("sandbox trade", payment->out_trade_no),
                                   .out_trade_no = payment->out_trade_no,
                                   .total_fee = payment->total_fee,
                                   .created_at = call->now};
    *out = trade_of(call, &booked);
    enum err err = store_insert(call->store, COLLECTION_SANDBOX_TRADES, &booked);
    return err == ERR_DUPLICATE ? ERR_OK : err; /* paid before */
}

static enum err create(struct call *call, const struct payment *payment, const char **order_info)
{
    *order_info = arena_format(call->arena, "{\"provider\":\"%s\",\"outTradeNo\":\"%s\"}",
                               provider_sandbox.name, payment->out_trade_no);
    return ERR_OK;
}

static enum err verify(struct call *call, const struct notification *in, struct trade *out)
{
    char expected[65];
    hmac_sha256_hex(call->settings->sandbox_key, in->body, in->length, expected);
    if (!text_equal_secretly(expected, in->signature)) {
        return ERR_BAD_SIGNATURE;
    }
    char trade_no[65], fee[16], state[16], transaction_id[65];
    if (sscanf(
            in->body,
            "outTradeNo=%64[0-9]&totalFee=%15[0-9]&tradeState=%15[A-Z]&transactionId=%64[0-9a-z]",
            trade_no, fee, state, transaction_id) != 4) {
        return ERR_MALFORMED_REQUEST;
    }
    *out = (struct trade){.out_trade_no = arena_text(call->arena, trade_no, strlen(trade_no)),
                          .total_fee = strtoll(fee, NULL, 10),
                          .transaction_id =
                              arena_text(call->arena, transaction_id, strlen(transaction_id))};
    for (size_t i = 0; i < ARRAY_LENGTH(states); i++) {
        if (strcmp(states[i].name, state) == 0) {
            out->state = states[i].state;
            return ERR_OK;
        }
    }
    return ERR_MALFORMED_REQUEST;
}

static enum err query(struct call *call, const struct payment *payment, struct trade *out)
{
    struct oid id = id_derive_text("sandbox trade", payment->out_trade_no);
    struct sandbox_trade booked;
    enum err err = store_get(call->store, call->arena, COLLECTION_SANDBOX_TRADES, id, &booked);
    if (err == ERR_ABSENT) {
        *out = (struct trade){TRADE_OPEN, payment->out_trade_no, payment->total_fee, NULL};
        return ERR_OK;
    }
    TRY(err);
    *out = trade_of(call, &booked);
    if (payment->refund_accepted_at.ms != 0) {
        out->state = TRADE_REFUNDED;
    }
    return ERR_OK;
}

static enum err refund(struct call *call, const struct payment *payment, struct trade *out)
{
    if (sandbox_plays(call, SANDBOX_REFUND_FAILS) && payment->tries == 0) {
        return ERR_PROVIDER;
    }
    bool is_pending = sandbox_plays(call, SANDBOX_REFUND_PENDING);
    *out = (struct trade){is_pending ? TRADE_REFUNDING : TRADE_REFUNDED, payment->out_trade_no,
                          payment->total_fee, payment->transaction_id};
    return ERR_OK;
}

const struct provider provider_sandbox = {
    .name = "sandbox", .create = create, .verify = verify, .refund = refund, .query = query};
