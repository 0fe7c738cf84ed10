"use strict";
// Messages in SQLite the way that better-sqlite3's own manual advises: WAL, statements prepared
// once. synchronous=FULL is what consultd promises: what is acknowledged survives a loss of power.
// (better-sqlite3 is built with NORMAL in WAL, so it has to be said.)

const Database = require("better-sqlite3");

exports.open = function open(path) {
    const database = new Database(path);
    database.pragma("journal_mode = WAL");
    database.pragma("synchronous = FULL");
    database.exec(`CREATE TABLE IF NOT EXISTS messages (
        id INTEGER PRIMARY KEY, chat TEXT NOT NULL, seq INTEGER NOT NULL, sender TEXT NOT NULL,
        text TEXT NOT NULL, time INTEGER NOT NULL);
        CREATE UNIQUE INDEX IF NOT EXISTS messages_by_chat ON messages (chat, seq);`);
    const insert = database.prepare(`INSERT INTO messages (chat, seq, sender, text, time)
        SELECT @chat, coalesce(max(seq), 0) + 1, @sender, @text, @time
        FROM messages WHERE chat = @chat`);
    const add = ({ from, to, text }) => insert.run({
        chat: from < to ? `${from} ${to}` : `${to} ${from}`, sender: from, text, time: Date.now(),
    });
    return {
        /** One insert, one commit. */
        add,
        /** All of them in one commit. */
        addAll: database.transaction((messages) => messages.forEach(add)),
    };
};
