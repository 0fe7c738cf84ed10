/* Loop only. The live socket: frames in, frames out, pings, close codes. Contract 4.
 *
 * Functions that return int are called within a callback of the network library and return what
 * that must: 0, or -1 to close the connection. */
#ifndef CONSULTD_SERVER_WS_H
#define CONSULTD_SERVER_WS_H

#include "server/close_codes.h"
#include "server/conn.h"

/* The handshake is done. */
void ws_opened(struct conn *conn);
/* A piece of a message. */
void ws_received(struct conn *conn, const char *bytes, size_t length, bool is_binary, bool is_last);
void ws_ponged(struct conn *conn);
int ws_writable(struct conn *conn);

/* What is told to a socket, by how it is dropped when too much waits. */
enum ws_kind { WS_ANSWER, WS_REPLAYED, WS_DURABLE, WS_EPHEMERAL };

/* Queues a frame (a reference is kept), or holds it while the socket catches up, or while a message
 * before it in its chat is missing; answers and the replay are never held. Too much waiting closes
 * the socket with 4101, a message that comes too late for its order with 4105. */
void ws_tell(struct conn *conn, struct frame *frame, enum ws_kind kind);

/* An event that this socket is not told: nothing needs to wait for it. */
void ws_pass_over(struct conn *conn, struct frame *frame);

/* After in_order_answer or in_order_give_up on the socket's `order`: sends what may go, asks for what
 * is missing, or closes. */
void ws_order_moved(struct conn *conn, enum in_order_result result);

/* At the end of a turn of the loop: sends what sockets were told in it. */
void ws_flush(struct loop *loop);

/* The socket has caught up: lets out what was held, but for what was taken back meanwhile. */
void ws_release_held(struct conn *conn);

/* Gives received frames that wait to workers: as many as may be there at a time. */
void ws_next_frames(struct conn *conn);

/* Leaves the account's session, sends what waits, then closes with `code`. Nothing more is read
 * or told. */
void ws_close(struct conn *conn, int code);

/* Nothing received is left to work on. */
bool ws_is_settled(const struct conn *conn);

/* A timer has run out. */
void ws_expired(struct conn *conn, enum conn_timer timer);

#endif
