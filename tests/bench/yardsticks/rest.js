"use strict";
// A REST server of the usual making, express + better-sqlite3 + jsonwebtoken:
//   rest.js --port N --store PATH
//
// It has one user and one chat with 1,000 messages, and two endpoints of consultd: 8.4, the list
// of a chat's messages, and 8.5, sending one, with the same bodies and the fields of the same
// answers. Each call checks the token and whose chat it is. The line that it prints when it
// listens ends with the chat's id and the user's token.

const { createSecretKey, randomBytes } = require("node:crypto");
const express = require("express");
const jwt = require("jsonwebtoken");
const Database = require("better-sqlite3");
const { options } = require("./options");

const { port, store } = options({ store: "rest.db" });
// As an object: given bytes, jsonwebtoken tries at each call whether they are a public key (half of the time).
const KEY = createSecretKey(randomBytes(32));
const objectId = () => randomBytes(12).toString("hex");

const database = new Database(store);
database.pragma("journal_mode = WAL");
database.pragma("synchronous = FULL");
database.exec(`CREATE TABLE chats (id TEXT PRIMARY KEY, user_id TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE messages (
        id TEXT PRIMARY KEY, chat_id TEXT NOT NULL, consultation_id TEXT NOT NULL, seq INTEGER NOT NULL,
        type TEXT NOT NULL, text TEXT NOT NULL, direction TEXT NOT NULL,
        created_at TEXT NOT NULL, updated_at TEXT NOT NULL);
    CREATE UNIQUE INDEX messages_by_chat ON messages (chat_id, seq);`);
const chatOf = database.prepare("SELECT user_id FROM chats WHERE id = ?");
const page = database.prepare(`SELECT id, chat_id AS chatId, consultation_id AS consultationId, type, text,
    direction, seq, created_at, updated_at
    FROM messages WHERE chat_id = ? ORDER BY seq DESC LIMIT ? OFFSET ?`);
const insert = database.prepare(`INSERT INTO messages
    SELECT @id, @chatId, @consultationId, coalesce(max(seq), 0) + 1, '01', @text, 'user->doctor', @time, @time
    FROM messages WHERE chat_id = @chatId RETURNING seq`);

function add(chatId, consultationId, text) {
    const id = objectId();
    const time = new Date().toISOString();
    const { seq } = insert.get({ id, chatId, consultationId, text, time });
    return { id, chatId, consultationId, type: "01", text, direction: "user->doctor", seq,
        isRetract: false, created_at: time, updated_at: time };
}

function fill() {
    const [userId, chatId, consultationId] = [objectId(), objectId(), objectId()];
    database.transaction(() => {
        database.prepare("INSERT INTO chats VALUES (?, ?)").run(chatId, userId);
        for (let number = 0; number < 1000; number++) {
            add(chatId, consultationId, `${number} `.padEnd(100, "x"));
        }
    })();
    return { userId, chatId };
}

const fail = (response, code, msg) => response.status(code).json({ code, msg });

/** Who calls, by the token. */
function signedIn(request, response, next) {
    try {
        const token = (request.get("authorization") ?? "").replace(/^Bearer /, "");
        request.caller = jwt.verify(token, KEY, { algorithms: ["HS256"] });
    } catch {
        return fail(response, 401, "not signed in");
    }
    next();
}

/** The chat of the body is the caller's. */
function ownChat(request, response, next) {
    const chat = chatOf.get(String(request.body.chatId));
    if (!chat) {
        return fail(response, 404, "no such chat");
    }
    if (chat.user_id !== request.caller.userId) {
        return fail(response, 403, "not yours");
    }
    next();
}

const app = express();
app.use(express.json());
app.post("/api/chat/message/list", signedIn, ownChat, (request, response) => {
    const { chatId, skip = 0, limit = 10 } = request.body;
    if (!(skip >= 0) || !(limit >= 1 && limit <= 100)) {
        return fail(response, 400, "skip or limit");
    }
    const data = page.all(chatId, limit, skip).map((row) => ({ ...row, isRetract: false }));
    response.json({ code: 200, msg: "操作成功", data });
});
app.post("/api/consultation/chat/message/create", signedIn, ownChat, (request, response) => {
    const { chatId, consultationId, text } = request.body;
    if (typeof text !== "string" || text.length < 1 || text.length > 2000) {
        return fail(response, 400, "text");
    }
    response.json({ code: 200, msg: "操作成功", data: add(chatId, consultationId ?? objectId(), text) });
});

const { userId, chatId } = fill();
const token = jwt.sign({ userId }, KEY, { algorithm: "HS256", expiresIn: "24h" });
const server = app.listen(Number(port), "127.0.0.1", () => {
    console.log(`listening on 127.0.0.1:${server.address().port} chat ${chatId} token ${token}`);
});
process.on("SIGTERM", () => process.exit(0));
