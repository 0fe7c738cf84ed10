/* RFC 6455, the client's side, as far as a load needs it.
 *
 * The mask is always the same and not zero: the library on the server's side would save itself the
 * unmasking. */
#include "tests/bench/websocket.h"

#include <stdio.h>
#include <string.h>

#define HEAD_BYTES 512
#define SHORT_MOST 125
#define LENGTH_16 126
#define LENGTH_64 127
#define FINAL 0x80
#define MASKED 0x80

static const unsigned char mask[4] = {0x37, 0xfa, 0x21, 0x3d};

static uint64_t read_big(const char *at, int bytes)
{
    uint64_t number = 0;
    for (int i = 0; i < bytes; i++) {
        number = number << 8 | (unsigned char)at[i];
    }
    return number;
}

size_t frames_take(char *bytes, size_t length,
                   bool (*frame)(void *context, int opcode, char *payload, size_t length),
                   void *context)
{
    size_t taken = 0;
    while (length - taken >= 2) {
        char *at = bytes + taken;
        const size_t left = length - taken;
        uint64_t payload = at[1] & 0x7f;
        size_t head = 2;
        if (((unsigned char)at[0] & 0xf0) != FINAL || ((unsigned char)at[1] & MASKED) != 0) {
            return SIZE_MAX;
        }
        if (payload >= LENGTH_16) {
            const int wide = payload == LENGTH_16 ? 2 : 8;
            head += (size_t)wide;
            if (left < head) {
                break;
            }
            payload = read_big(at + 2, wide);
        }
        if (left - head < payload || left < head) {
            break;
        }
        taken += head + (size_t)payload;
        if (!frame(context, at[0] & 0x0f, at + head, (size_t)payload)) {
            break;
        }
    }
    return taken;
}

size_t frame_write(char *out, int opcode, const char *payload, size_t length)
{
    size_t head = 2;
    out[0] = (char)(FINAL | opcode);
    if (length <= SHORT_MOST) {
        out[1] = (char)(MASKED | length);
    } else if (length <= UINT16_MAX) {
        out[1] = (char)(MASKED | LENGTH_16);
        out[2] = (char)(length >> 8);
        out[3] = (char)(length & 0xff);
        head = 4;
    } else {
        out[1] = (char)(MASKED | LENGTH_64);
        for (int i = 0; i < 8; i++) {
            out[2 + i] = (char)((uint64_t)length >> (56 - 8 * i) & 0xff);
        }
        head = 10;
    }
    memcpy(out + head, mask, sizeof mask);
    head += sizeof mask;
    uint64_t wide;
    memcpy(&wide, mask, 4);
    memcpy((char *)&wide + 4, mask, 4);
    size_t i = 0;
    for (; i + sizeof wide <= length; i += sizeof wide) {
        uint64_t word;
        memcpy(&word, payload + i, sizeof word);
        word ^= wide;
        memcpy(out + head + i, &word, sizeof word);
    }
    for (; i < length; i++) {
        out[head + i] = (char)(payload[i] ^ (char)mask[i & 3]);
    }
    return head + length;
}

/* ---- A connection -------------------------------------------------------------------------- */

static void send_frame(struct websocket *websocket, int opcode, const char *payload, size_t length)
{
    char *room = link_room(&websocket->link, length + FRAME_HEAD_MOST);
    link_filled(&websocket->link, frame_write(room, opcode, payload, length));
}

void websocket_send(struct websocket *websocket, const char *text, size_t length)
{
    send_frame(websocket, OPCODE_TEXT, text, length);
}

static void on_connected(struct link *link)
{
    struct websocket *websocket = (struct websocket *)link;
    char head[HEAD_BYTES];
    int length = snprintf(head, sizeof head,
                          "GET %s HTTP/1.1\r\nHost: %s:%d\r\nUpgrade: websocket\r\n"
                          "Connection: Upgrade\r\nSec-WebSocket-Key: Y29uc3VsdGQtYmVuY2gtMQ==\r\n"
                          "Sec-WebSocket-Version: 13\r\n\r\n",
                          websocket->path, websocket->target->host, websocket->target->port);
    link_send(link, head, (size_t)length);
}

static bool on_frame(void *context, int opcode, char *payload, size_t length)
{
    struct websocket *websocket = context;
    if (opcode == OPCODE_TEXT) {
        websocket->kind->text(websocket, payload, length);
    } else if (opcode == OPCODE_PING) {
        send_frame(websocket, OPCODE_PONG, payload, length);
    } else if (opcode == OPCODE_CLOSE && length >= 2) {
        websocket->close_code = (int)read_big(payload, 2);
    }
    return websocket->link.descriptor >= 0;
}

static void refuse(struct websocket *websocket, const char *why)
{
    link_close(&websocket->link);
    websocket->kind->closed(websocket, why);
}

/* The length of the answer's head; 0: it is not whole. */
static size_t head_length(const char *bytes, size_t length)
{
    for (size_t i = 3; i < length; i++) {
        if (bytes[i] == '\n' && memcmp(bytes + i - 3, "\r\n\r\n", 4) == 0) {
            return i + 1;
        }
    }
    return 0;
}

static size_t on_received(struct link *link, char *bytes, size_t length)
{
    struct websocket *websocket = (struct websocket *)link;
    size_t head = 0;
    if (!websocket->is_upgraded) {
        head = head_length(bytes, length);
        if (head == 0) {
            return 0;
        }
        static const char switching[] = "HTTP/1.1 101";
        if (head < sizeof switching || memcmp(bytes, switching, sizeof switching - 1) != 0) {
            char why[64];
            snprintf(why, sizeof why, "no upgrade: %.*s", head < 40 ? (int)head : 40, bytes);
            why[strcspn(why, "\r\n")] = '\0';
            refuse(websocket, why);
            return 0;
        }
        websocket->is_upgraded = true;
        websocket->kind->opened(websocket);
    }
    size_t taken = frames_take(bytes + head, length - head, on_frame, websocket);
    if (taken == SIZE_MAX) {
        refuse(websocket, "a frame that no server may send, or one in fragments");
        return 0;
    }
    return head + taken;
}

static void on_closed(struct link *link, const char *why)
{
    struct websocket *websocket = (struct websocket *)link;
    char both[64];
    snprintf(both, sizeof both, "%.40s, code %d", why, websocket->close_code);
    websocket->kind->closed(websocket, both);
}

void websocket_open(struct websocket *websocket, struct wire *wire,
                    const struct websocket_kind *kind, const struct target *target,
                    const char *path)
{
    static const struct link_kind link_kind = {on_connected, on_received, on_closed};
    websocket->kind = kind;
    websocket->is_upgraded = false;
    websocket->close_code = 0;
    websocket->target = target;
    snprintf(websocket->path, sizeof websocket->path, "%s", path);
    link_open(&websocket->link, wire, &link_kind, target);
}

void websocket_close(struct websocket *websocket)
{
    link_close(&websocket->link);
}
