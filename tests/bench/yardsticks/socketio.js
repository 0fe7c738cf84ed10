"use strict";
// socket.io 4:  socketio.js --port N --store PATH --mode one|none
//
// Everybody is in a room of their own name. one: an insert and a commit (better-sqlite3) for each
// message, before it is acknowledged; none: nothing is kept. All else is as it comes.

const http = require("node:http");
const { Server } = require("socket.io");
const { listen, options } = require("./options");
const { open } = require("./sqlite_messages");

const { port, store, mode } = options({ store: "messages.db", mode: "one" });
const messages = mode === "none" ? null : open(store);
const server = http.createServer();
const io = new Server(server);

io.on("connection", (socket) => {
    const from = socket.handshake.query.name;
    socket.join(from);
    socket.on("send", ({ to, text }, acknowledge) => {
        if (messages) {
            messages.add({ from, to, text });
        }
        acknowledge({ ok: true });
        io.to(to).emit("message", { from, text });
    });
});
listen(server, port);
