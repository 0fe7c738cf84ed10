/* See support_provider.h. */
#include "support_provider.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "server/provider_sandbox.h"

#define TRADES_MAX 8192

struct trade_seen {
    char out_trade_no[40];
    int refund_calls, refunds, queries;
};

static struct book {
    pthread_mutex_t lock; /* robust: its holder may be killed */
    struct trade_seen trades[TRADES_MAX];
    int fail_refunds;
    bool keeps_pending;
} * book;

static void unlock(void)
{
    pthread_mutex_unlock(&book->lock);
}

static void lock(void)
{
    if (pthread_mutex_lock(&book->lock) != 0) {
        pthread_mutex_consistent(&book->lock);
    }
}

static struct trade_seen *seen(const char *out_trade_no)
{
    for (size_t i = 0; i < TRADES_MAX; i++) {
        struct trade_seen *at = &book->trades[i];
        if (at->out_trade_no[0] == '\0') {
            snprintf(at->out_trade_no, sizeof at->out_trade_no, "%s", out_trade_no);
        }
        if (strcmp(at->out_trade_no, out_trade_no) == 0) {
            return at;
        }
    }
    fail_msg("the witness has seen too many trades");
    return NULL;
}

static enum err refund(struct call *call, const struct payment *payment, struct trade *out)
{
    lock();
    struct trade_seen *trade = seen(payment->out_trade_no);
    trade->refund_calls++;
    bool fails = book->fail_refunds > 0;
    bool is_pending = book->keeps_pending;
    if (fails) {
        book->fail_refunds--;
    } else if (!is_pending && trade->refunds == 0) {
        trade->refunds++;
    }
    unlock();
    if (fails) {
        return ERR_PROVIDER;
    }
    enum err err = provider_sandbox.refund(call, payment, out);
    if (err == ERR_OK && is_pending) {
        out->state = TRADE_REFUNDING;
    }
    return err;
}

static enum err query(struct call *call, const struct payment *payment, struct trade *out)
{
    lock();
    struct trade_seen *trade = seen(payment->out_trade_no);
    trade->queries++;
    if (payment->refund_accepted_at.ms != 0 && trade->refunds == 0) {
        trade->refunds++;
    }
    unlock();
    return provider_sandbox.query(call, payment, out);
}

const struct provider *provider_witness(void)
{
    static struct provider witness;
    if (book == NULL) {
        book = mmap(NULL, sizeof *book, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        assert_true(book != MAP_FAILED);
        pthread_mutexattr_t attributes;
        pthread_mutexattr_init(&attributes);
        pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
        pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
        pthread_mutex_init(&book->lock, &attributes);
        witness = provider_sandbox;
        witness.refund = refund;
        witness.query = query;
    }
    return &witness;
}

int provider_refunds(const char *out_trade_no)
{
    lock();
    int count = seen(out_trade_no)->refunds;
    unlock();
    return count;
}

int provider_refund_calls(const char *out_trade_no)
{
    lock();
    int count = seen(out_trade_no)->refund_calls;
    unlock();
    return count;
}

int provider_queries(const char *out_trade_no)
{
    lock();
    int count = seen(out_trade_no)->queries;
    unlock();
    return count;
}

void provider_fail_refunds(int count)
{
    book->fail_refunds = count;
}

void provider_keep_refunds_pending(bool is_pending)
{
    book->keeps_pending = is_pending;
}
