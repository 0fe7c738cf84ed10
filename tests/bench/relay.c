/* bench-relay: the least that a server on libwebsockets can do for a message, as a measure for
 * ours.
 *
 * No JSON, no accounts, no store: a socket's first frame is its number, "00000012", answered "ok";
 * each later one begins with the receiver's number and its own, "00000013 10000000 text", is
 * acknowledged with "+10000000" and forwarded as it came. One frame leaves in each writeable
 * callback, which is how the library's own examples do it. POST to anything is answered with a
 * constant of --size bytes. The context has the options of server/loop.c; sockets are accepted as
 * there. */
#include <libwebsockets.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "server/listen.h"

#define READ_BYTES 16384
#define FRAGMENT_BYTES 2048
#define WRITE_BYTES (4 * 1024 * 1024)
#define HEADERS_MOST 8192
#define SECONDS 15
#define NUMBER_DIGITS 8
#define PARTIES_MOST 200000
#define ACCEPT_MAX 64

struct frame {
    struct frame *next;
    size_t length;
    unsigned char room[LWS_PRE];
    char text[];
};

struct client {
    struct lws *wsi;
    long number; /* -1: it has not said */
    struct frame *first, *last;
    char *begun; /* a frame of which not all has come; NULL: none */
    size_t begun_length;
};

struct relay {
    struct client *parties[PARTIES_MOST]; /* by number */
    struct lws_vhost *clients;
    unsigned char *answer; /* LWS_PRE bytes, then the constant */
    size_t answer_length;
};

static volatile sig_atomic_t is_over;

static void on_signal(int signal_number)
{
    (void)signal_number;
    is_over = 1;
}

static struct relay *relay_of(struct lws *wsi)
{
    return lws_context_user(lws_get_context(wsi));
}

/* ---- Messages ------------------------------------------------------------------------------ */

static void queue(struct client *client, const char *text, size_t length)
{
    struct frame *frame = malloc(sizeof *frame + length);
    if (frame == NULL) {
        abort();
    }
    frame->next = NULL;
    frame->length = length;
    memcpy(frame->text, text, length);
    if (client->last == NULL) {
        client->first = frame;
    } else {
        client->last->next = frame;
    }
    client->last = frame;
    lws_callback_on_writable(client->wsi);
}

static long take_number(const char *text)
{
    char digits[NUMBER_DIGITS + 1];
    memcpy(digits, text, NUMBER_DIGITS);
    digits[NUMBER_DIGITS] = '\0';
    char *end;
    long number = strtol(digits, &end, 10);
    return *end == '\0' && number >= 0 && number < PARTIES_MOST ? number : -1;
}

static int on_message(struct client *client, const char *text, size_t length)
{
    struct relay *relay = relay_of(client->wsi);
    if (length < NUMBER_DIGITS) {
        return -1;
    }
    long number = take_number(text);
    if (number < 0) {
        return -1;
    }
    if (client->number < 0) {
        client->number = number;
        relay->parties[number] = client;
        queue(client, "ok", 2);
        return 0;
    }
    if (length < 2 * (NUMBER_DIGITS + 1)) {
        return -1;
    }
    char acknowledgement[1 + NUMBER_DIGITS] = "+";
    memcpy(acknowledgement + 1, text + NUMBER_DIGITS + 1, NUMBER_DIGITS);
    queue(client, acknowledgement, sizeof acknowledgement);
    if (relay->parties[number] != NULL) {
        queue(relay->parties[number], text, length);
    }
    return 0;
}

/* The library hands over what one read brought: the end of that may be the middle of a frame. */
static int on_piece(struct client *client, const char *piece, size_t length, bool is_last)
{
    if (is_last && client->begun == NULL) {
        return on_message(client, piece, length);
    }
    client->begun = realloc(client->begun, client->begun_length + length);
    if (client->begun == NULL) {
        abort();
    }
    memcpy(client->begun + client->begun_length, piece, length);
    client->begun_length += length;
    if (!is_last) {
        return 0;
    }
    int result = on_message(client, client->begun, client->begun_length);
    free(client->begun);
    client->begun = NULL;
    client->begun_length = 0;
    return result;
}

static int on_writable(struct client *client)
{
    struct frame *frame = client->first;
    if (frame == NULL) {
        return 0;
    }
    client->first = frame->next;
    if (client->first == NULL) {
        client->last = NULL;
    } else {
        lws_callback_on_writable(client->wsi);
    }
    int written =
        lws_write(client->wsi, (unsigned char *)frame->text, frame->length, LWS_WRITE_TEXT);
    free(frame);
    return written < 0 ? -1 : 0;
}

static void on_gone(struct client *client)
{
    struct relay *relay = relay_of(client->wsi);
    if (client->number >= 0 && relay->parties[client->number] == client) {
        relay->parties[client->number] = NULL;
    }
    while (client->first != NULL) {
        struct frame *frame = client->first;
        client->first = frame->next;
        free(frame);
    }
    free(client->begun);
}

/* ---- Requests ------------------------------------------------------------------------------ */

static int on_request_over(struct lws *wsi)
{
    unsigned char head[LWS_PRE + 512];
    unsigned char *start = head + LWS_PRE, *at = start, *end = head + sizeof head;
    struct relay *relay = relay_of(wsi);
    if (lws_add_http_common_headers(wsi, HTTP_STATUS_OK, "application/json",
                                    (lws_filepos_t)relay->answer_length, &at, end) != 0 ||
        lws_finalize_write_http_header(wsi, start, &at, end) != 0) {
        return -1;
    }
    lws_callback_on_writable(wsi);
    return 0;
}

static int on_http_writable(struct lws *wsi)
{
    struct relay *relay = relay_of(wsi);
    int written =
        lws_write(wsi, relay->answer + LWS_PRE, relay->answer_length, LWS_WRITE_HTTP_FINAL);
    return written < 0 || lws_http_transaction_completed(wsi) != 0 ? -1 : 0;
}

static int on_client(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                     size_t length)
{
    struct client *client = user;
    switch (reason) {
    case LWS_CALLBACK_HTTP:
        return lws_hdr_total_length(wsi, WSI_TOKEN_POST_URI) > 0 ? 0 : -1;
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
        return on_request_over(wsi);
    case LWS_CALLBACK_HTTP_WRITEABLE:
        return on_http_writable(wsi);
    case LWS_CALLBACK_ESTABLISHED:
        *client = (struct client){.wsi = wsi, .number = -1};
        lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0);
        return 0;
    case LWS_CALLBACK_RECEIVE:
        return on_piece(client, in, length,
                        lws_is_final_fragment(wsi) && lws_remaining_packet_payload(wsi) == 0);
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return on_writable(client);
    case LWS_CALLBACK_CLOSED:
        on_gone(client);
        return 0;
    default:
        return 0;
    }
}

/* ---- Beginning ----------------------------------------------------------------------------- */

static int on_listener(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                       size_t length)
{
    (void)user;
    (void)in;
    (void)length;
    for (int i = 0; reason == LWS_CALLBACK_RAW_RX_FILE && i < ACCEPT_MAX; i++) {
        int accepted = listen_accept((int)(intptr_t)lws_get_opaque_user_data(wsi));
        if (accepted < 0) {
            break;
        }
        lws_sock_file_fd_type both = {.sockfd = accepted};
        (void)lws_adopt_descriptor_vhost(relay_of(wsi)->clients, LWS_ADOPT_HTTP | LWS_ADOPT_SOCKET,
                                         both, NULL, NULL);
    }
    return 0;
}

static const struct lws_protocols client_protocol = {.name = "relay",
                                                     .callback = on_client,
                                                     .per_session_data_size = sizeof(struct client),
                                                     .rx_buffer_size = FRAGMENT_BYTES,
                                                     .tx_packet_size = WRITE_BYTES};
static const struct lws_protocols listener_protocol = {.name = "listener", .callback = on_listener};

static struct lws_context *start(struct relay *relay, const char *listen)
{
    static const struct lws_protocols *clients[] = {&client_protocol, NULL};
    static const struct lws_protocols *inside[] = {&listener_protocol, NULL};
    static const lws_retry_bo_t no_pings = {.retry_ms_table_count = 0};
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS | LWS_SERVER_OPTION_VALIDATE_UTF8,
        .user = relay,
        .max_http_header_data2 = HEADERS_MOST,
        .pt_serv_buf_size = READ_BYTES,
        .timeout_secs = SECONDS,
        .timeout_secs_ah_idle = SECONDS,
        .retry_and_idle_policy = &no_pings,
        .server_string = "relay",
        .gid = -1,
        .uid = -1,
    };
    struct lws_context *context = lws_create_context(&info);
    if (context == NULL) {
        return NULL;
    }
    info.port = CONTEXT_PORT_NO_LISTEN_SERVER;
    info.vhost_name = "clients";
    info.pprotocols = clients;
    info.keepalive_timeout = SECONDS;
    relay->clients = lws_create_vhost(context, &info);
    info.port = CONTEXT_PORT_NO_LISTEN;
    info.vhost_name = "inside";
    info.pprotocols = inside;
    struct lws_vhost *own = lws_create_vhost(context, &info);
    char address[LISTEN_ADDRESS_BYTES], why[256];
    int descriptor = listen_open(listen, address, why);
    if (descriptor < 0 || own == NULL) {
        fprintf(stderr, "bench-relay: %s\n", why);
        return NULL;
    }
    lws_sock_file_fd_type file = {.filefd = descriptor};
    struct lws *listener =
        lws_adopt_descriptor_vhost(own, LWS_ADOPT_RAW_FILE_DESC, file, "listener", NULL);
    lws_set_opaque_user_data(listener, (void *)(intptr_t)descriptor);
    printf("listening on http://%s\n", address);
    fflush(stdout);
    return context;
}

int main(int argc, char **argv)
{
    const char *listen = "127.0.0.1:0";
    size_t size = 4096;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--listen") == 0) {
            listen = argv[i + 1];
        } else if (strcmp(argv[i], "--size") == 0) {
            size = (size_t)strtoul(argv[i + 1], NULL, 10);
        }
    }
    if (argc % 2 == 0 || size == 0) {
        fputs("bench-relay [--listen HOST:PORT] [--size BYTES of what a POST is answered]\n",
              stderr);
        return EXIT_FAILURE;
    }
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    signal(SIGPIPE, SIG_IGN);
    lws_set_log_level(LLL_ERR, NULL);
    struct relay *relay = calloc(1, sizeof *relay);
    relay->answer = malloc(LWS_PRE + size);
    relay->answer_length = size;
    memset(relay->answer + LWS_PRE, ' ', size);
    relay->answer[LWS_PRE] = '{';
    relay->answer[LWS_PRE + size - 1] = '}';
    struct lws_context *context = start(relay, listen);
    while (context != NULL && !is_over && lws_service(context, 0) >= 0) {
    }
    int code = context == NULL ? EXIT_FAILURE : EXIT_SUCCESS;
    lws_context_destroy(context);
    free(relay->answer);
    free(relay);
    return code;
}
