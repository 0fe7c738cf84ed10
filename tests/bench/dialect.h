/* Single-threaded. How a server is spoken to: consultd, and the yardsticks beside it. A party is
 * one socket that has said who it is; a message names who shall get it, carries a marker in its
 * text, is acknowledged to its sender by its number, and arrives with the marker. */
#ifndef CONSULTD_BENCH_DIALECT_H
#define CONSULTD_BENCH_DIALECT_H

#include "tests/bench/websocket.h"

struct dialect;
struct party;

struct party_kind {
    /* It is signed in: what was missed has come, and from now on all is live. */
    void (*ready)(struct party *party);
    /* `number`: of the message; `is_good` false: it was refused. */
    void (*acknowledged)(struct party *party, uint32_t number, bool is_good);
    /* A message of `pair` has come. */
    void (*delivered)(struct party *party, uint32_t pair, uint32_t number);
    void (*closed)(struct party *party, const char *why);
};

/* Who a party is. The texts stay the caller's. */
struct identity {
    uint32_t number;    /* among all parties; its name in dialects without accounts */
    uint32_t run;       /* messages of others are none of its business */
    const char *token;  /* consultd */
    const char *cursor; /* consultd; NULL: none */
};

#define CURSOR_BYTES 64

struct party {
    struct websocket websocket; /* first: the one is the other */
    const struct dialect *dialect;
    const struct party_kind *kind;
    void *owner;
    struct identity identity;
    bool is_ready;
    bool is_reset;             /* consultd: its cursor was not taken */
    char cursor[CURSOR_BYTES]; /* consultd: the last one of a `synced` */
};

/* What a message needs to be written. */
struct letter {
    uint32_t pair;
    uint32_t receiver; /* its identity's number */
    const char *chat, *order;
    const char *text;
    uint32_t run; /* see run_number */
};

/* Where the number of a message stands in what `message` writes, and in a text. */
#define NUMBER_PLACE "@@@@@@@@"
#define NUMBER_DIGITS 8
#define NUMBER_LEAST 10000000 /* so that a number has always so many digits */

#define FRAME_MOST 8192

struct dialect {
    const char *name;
    bool needs_world;
    void (*path)(const struct identity *identity, char path[PATH_BYTES]);
    void (*opened)(struct party *party); /* NULL: it is ready then */
    void (*text)(struct party *party, const char *text, size_t length);
    int (*message)(const struct letter *letter, char frame[FRAME_MOST]);
};

/* NULL: there is none of that name. */
const struct dialect *dialect_named(const char *name);

void party_open(struct party *party, struct wire *wire, const struct target *target);
void party_close(struct party *party);

/* The text of a message of `bytes` bytes, with its marker; `out` has room for them and a NUL. */
void marked_text(uint32_t run, uint32_t pair, size_t bytes, char *out);
#define TEXT_LEAST 32

/* Finds `word` in a text that needs no NUL; NULL: it is not there. */
const char *find(const char *text, size_t length, const char *word);

#endif
