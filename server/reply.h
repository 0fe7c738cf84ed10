/* Loop only. The bytes of an HTTP answer. Contract 1. */
#ifndef CONSULTD_SERVER_REPLY_H
#define CONSULTD_SERVER_REPLY_H

#include "protocol/strbuf.h"

#define REPLY_JSON "application/json; charset=utf-8"

struct reply {
    int status;
    const char *type;    /* of the body; NULL: there is none, and no length is said */
    const char *text;    /* the body */
    size_t length;       /* said also where the body is left out */
    const char *headers; /* further ones, each with its CRLF; NULL: none */
    const char *origin;  /* a page that may read the answer; NULL: none */
    bool is_head;        /* the body is left out */
};

/* Appends head and body. `keep_alive` false says that the connection will be closed. */
void reply_write(struct strbuf *out, const struct reply *reply, bool keep_alive);

#endif
