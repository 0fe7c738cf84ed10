"use strict";
// A WebSocket server on `ws` that takes {id, to, text} from one socket and delivers {from, text}
// to another. Where messages are kept, and when they count as kept, is its caller's affair.

const http = require("node:http");
const { WebSocketServer } = require("ws");
const { listen } = require("./options");

/**
 * take(message) is called with {id, from, to, text, socket} in the order of arrival; the caller
 * calls accept(message) once it is kept. arrived(name) and elsewhere(message) are for a server of
 * several nodes: somebody comes, who is let in when that is over, and a message is for somebody
 * who is not here.
 */
exports.serve = function serve(port, take, { arrived = () => {}, elsewhere = () => {} } = {}) {
    const sockets = new Map();
    const server = http.createServer();
    const wss = new WebSocketServer({ noServer: true });

    function deliver(message) {
        const to = sockets.get(message.to);
        if (to) {
            to.send(JSON.stringify({ from: message.from, text: message.text }));
        }
        return Boolean(to);
    }

    server.on("upgrade", async (request, connection, head) => {
        const from = new URL(request.url, "http://localhost").searchParams.get("name");
        await arrived(from);
        wss.handleUpgrade(request, connection, head, (socket) => connected(socket, from));
    });

    function connected(socket, from) {
        sockets.set(from, socket);
        socket.on("message", (data) => {
            const { id, to, text } = JSON.parse(data);
            take({ id, from, to, text, socket });
        });
        socket.on("close", () => {
            if (sockets.get(from) === socket) {
                sockets.delete(from);
            }
        });
        socket.on("error", () => {});
    }
    listen(server, port);
    return {
        deliver,
        accept(message) {
            message.socket.send(JSON.stringify({ id: message.id, ok: true }));
            if (!deliver(message)) {
                elsewhere(message);
            }
        },
    };
};
