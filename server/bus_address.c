/* URLs of Redis. Small and strict: what is not understood is refused with a sentence, because a
 * mistyped URL that "works" means two nodes that silently don't hear each other. The sentences
 * never quote the URL, which may hold a password. Any thread. */
#include "server/bus_address.h"

#include <stdio.h>
#include <string.h>

#define PORT_DEFAULT 6379

static bool refuse(char why[256], const char *sentence)
{
    snprintf(why, 256, "%s", sentence);
    return false;
}

/* True when all of the text is made of `allowed`. */
static bool consists_of(const char *text, size_t length, const char *allowed)
{
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\0' || strchr(allowed, text[i]) == NULL) {
            return false;
        }
    }
    return true;
}

static int hex_value(char digit)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *found = digit != '\0' ? strchr(digits, digit) : NULL;
    return found != NULL ? (int)((found - digits) % 16) : -1;
}

static bool take_password(const char *text, size_t length, char *out, char why[256])
{
    size_t written = 0;
    for (size_t i = 0; i < length; i++) {
        char character = text[i];
        if (character == '%') {
            int high = i + 2 < length ? hex_value(text[i + 1]) : -1;
            int low = i + 2 < length ? hex_value(text[i + 2]) : -1;
            if (high < 0 || low < 0 || high + low == 0) {
                return refuse(why, "a % in the password must be followed by two hex digits");
            }
            character = (char)(high * 16 + low);
            i += 2;
        }
        if (written + 1 >= BUS_PASSWORD_BYTES) {
            return refuse(why, "the password is longer than 512 bytes");
        }
        out[written++] = character;
    }
    out[written] = '\0';
    return true;
}

static bool take_prefix(const char *text, char *out, char why[256])
{
    size_t length = strlen(text);
    if (length >= BUS_PREFIX_BYTES ||
        !consists_of(text, length,
                     "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:")) {
        return refuse(why, "the prefix of channels is at most 64 letters, digits and - _ . :");
    }
    memcpy(out, text, length + 1);
    return true;
}

static bool take_port(const char *text, size_t length, int *out, char why[256])
{
    int port = 0;
    if (length == 0 || length > 5 || !consists_of(text, length, "0123456789")) {
        return refuse(why, "the port of Redis is a number from 1 to 65535");
    }
    for (size_t i = 0; i < length; i++) {
        port = port * 10 + (text[i] - '0');
    }
    if (port < 1 || port > 65535) {
        return refuse(why, "the port of Redis is a number from 1 to 65535");
    }
    *out = port;
    return true;
}

/* host, host:port, [ipv6] or [ipv6]:port. */
static bool take_host(const char *text, size_t length, struct bus_address *out, char why[256])
{
    const char *host = text;
    size_t host_length;
    const char *rest;
    const char *allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    if (length > 0 && text[0] == '[') {
        const char *bracket = memchr(text, ']', length);
        if (bracket == NULL) {
            return refuse(why, "the [ of an IPv6 address is not closed");
        }
        host = text + 1;
        host_length = (size_t)(bracket - host);
        rest = bracket + 1;
        allowed = "0123456789abcdefABCDEF:.";
    } else {
        const char *colon = memchr(text, ':', length);
        rest = colon != NULL ? colon : text + length;
        host_length = (size_t)(rest - text);
    }
    if (host_length == 0 || host_length >= BUS_HOST_BYTES ||
        !consists_of(host, host_length, allowed)) {
        return refuse(why, "the host of Redis is missing or not a host name (redis://host:port)");
    }
    memcpy(out->host, host, host_length);
    size_t rest_length = length - (size_t)(rest - text);
    if (rest_length == 0) {
        return true;
    }
    if (rest[0] != ':') {
        return refuse(why, "only :port may follow the host of Redis");
    }
    return take_port(rest + 1, rest_length - 1, &out->port, why);
}

bool bus_address_parse(const char *text, struct bus_address *out, char why[256])
{
    *out = (struct bus_address){.port = PORT_DEFAULT};
    if (strpbrk(text, "?#") != NULL) {
        return refuse(why, "redis:// takes no ? and no # (in a password: %3f, %23)");
    }
    size_t length = strcspn(text, "/");
    const char *slash = text + length;
    const char *host = text;
    for (const char *at = text; at < slash; at++) {
        if (*at == '@') {
            host = at + 1; /* the last one: a password may hold @ */
        }
    }
    if (host != text) {
        if (text[0] != ':') {
            return refuse(why, "Redis takes a password only: redis://:password@host:port");
        }
        if (!take_password(text + 1, (size_t)(host - text) - 2, out->password, why)) {
            return false;
        }
    }
    if (!take_host(host, (size_t)(slash - host), out, why)) {
        return false;
    }
    return *slash == '\0' || take_prefix(slash + 1, out->prefix, why);
}

bool bus_address_parse_unix(const char *text, struct bus_address *out, char why[256])
{
    static const char option[] = "?prefix=";
    *out = (struct bus_address){.port = 0};
    size_t length = strcspn(text, "?");
    if (text[0] != '/' || length >= BUS_PATH_BYTES) {
        return refuse(why, "redis+unix:// takes an absolute path of at most 107 bytes");
    }
    memcpy(out->path, text, length);
    if (text[length] == '\0') {
        return true;
    }
    if (strncmp(text + length, option, sizeof(option) - 1) != 0) {
        return refuse(why, "after the path of redis+unix:// only ?prefix= may follow");
    }
    return take_prefix(text + length + sizeof(option) - 1, out->prefix, why);
}

bool bus_address_check(const char *text, char why[256])
{
    struct bus_address address;
    return bus_address_parse(text, &address, why);
}

bool bus_address_check_unix(const char *text, char why[256])
{
    struct bus_address address;
    return bus_address_parse_unix(text, &address, why);
}

void bus_address_describe(const struct bus_address *address, char text[BUS_HOST_BYTES + 16])
{
    if (address->path[0] != '\0') {
        snprintf(text, BUS_HOST_BYTES + 16, "%s", address->path);
    } else if (strchr(address->host, ':') != NULL) {
        snprintf(text, BUS_HOST_BYTES + 16, "[%s]:%d", address->host, address->port);
    } else {
        snprintf(text, BUS_HOST_BYTES + 16, "%s:%d", address->host, address->port);
    }
}
