/* Any thread. Where a Redis is, as its URL says. */
#ifndef CONSULTD_SERVER_BUS_ADDRESS_H
#define CONSULTD_SERVER_BUS_ADDRESS_H

#include "protocol/base.h"

#define BUS_HOST_BYTES 256
#define BUS_PATH_BYTES 108 /* what sockaddr_un takes */
#define BUS_PASSWORD_BYTES 513
#define BUS_PREFIX_BYTES 65

/* `host` or `path` is "", the other one is not. */
struct bus_address {
    char host[BUS_HOST_BYTES]; /* a name, IPv4, or IPv6 without brackets */
    int port;
    char path[BUS_PATH_BYTES];
    char password[BUS_PASSWORD_BYTES]; /* "" for none; a secret */
    char prefix[BUS_PREFIX_BYTES];     /* of channel names; "" for none */
};

/* Takes "[:password@]host[:port][/prefix]"; the password may be percent-encoded, the port is 6379
 * unless said. False with `why` filled, which never quotes what was given. */
bool bus_address_parse(const char *text, struct bus_address *out, char why[256]);

/* Takes "/path/to.sock[?prefix=PREFIX]". */
bool bus_address_parse_unix(const char *text, struct bus_address *out, char why[256]);

/* What the two would say, without the address. */
bool bus_address_check(const char *text, char why[256]);
bool bus_address_check_unix(const char *text, char why[256]);

/* For logs: "host:port" or the path. Never the password. */
void bus_address_describe(const struct bus_address *address, char text[BUS_HOST_BYTES + 16]);

#endif
