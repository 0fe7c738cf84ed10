/* What comes from Redis (channel names and payloads), and the URL that says where it is. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "server/bus_address.h"
#include "server/bus_channels.h"

static void try_channel(const char *prefix, const char *name, size_t length)
{
    struct account account;
    char again[BUS_CHANNEL_BYTES];
    if (bus_channel_parse(prefix, name, length, &account)) {
        assert(bus_channel_name(prefix, account, again) == length);
        assert(memcmp(again, name, length) == 0);
    }
}

static void try_payload(const char *payload, size_t length)
{
    struct bus_payload parts;
    if (bus_payload_parse(payload, length, &parts)) {
        const struct bus_event *event = &parts.event;
        const struct frame_place *place = &event->place;
        assert(strlen(parts.node) == BUS_NODE_TEXT_BYTES - 1 && event->rev >= 0);
        assert((event->length == 0) == (place->kind == PLACE_VOID));
        assert(event->text + event->length == payload + length);
        assert(place->kind == PLACE_NONE || (place->seq > 0 && place->seq <= SEQ_MAX));
        char header[BUS_HEADER_BYTES];
        size_t again = bus_payload_header(parts.node, event->rev, place, header);
        struct bus_payload same;
        assert(bus_payload_parse(header, again, &same) == (place->kind == PLACE_VOID));
    }
}

static void try_address(bool (*parse)(const char *text, struct bus_address *out, char why[256]),
                        const char *text)
{
    struct bus_address address;
    char why[256] = "";
    char said[BUS_HOST_BYTES + 16];
    if (!parse(text, &address, why)) {
        assert(why[0] != '\0');
        return;
    }
    assert((address.host[0] == '\0') != (address.path[0] == '\0'));
    assert(address.path[0] != '\0' || (address.port > 0 && address.port < 65536));
    bus_address_describe(&address, said);
    assert(said[0] != '\0');
    assert(address.host[0] == '\0' || strchr(said, '@') == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_channel("", (const char *)data, size);
    try_channel("ward", (const char *)data, size);
    try_payload((const char *)data, size);
    char *text = fuzz_text(data, size);
    try_address(bus_address_parse, text);
    try_address(bus_address_parse_unix, text);
    free(text);
    return 0;
}
