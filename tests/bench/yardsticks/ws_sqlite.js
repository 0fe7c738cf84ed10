"use strict";
// Node `ws` + better-sqlite3:  ws_sqlite.js --port N --store PATH --mode one|batch|none
//
// one    an insert and a commit for each message, before it is acknowledged: what people write
// batch  what one turn of the event loop brought goes into one transaction; then all of it is
//        acknowledged and delivered: what people write who have measured
// none   nothing is kept

const { options } = require("./options");
const { open } = require("./sqlite_messages");
const { serve } = require("./ws_relay");

const { port, store, mode } = options({ store: "messages.db", mode: "one" });
const messages = mode === "none" ? null : open(store);
let gathered = [];

function flush() {
    const batch = gathered;
    gathered = [];
    messages.addAll(batch);
    batch.forEach(relay.accept);
}

const take = {
    none: (message) => relay.accept(message),
    one: (message) => {
        messages.add(message);
        relay.accept(message);
    },
    batch: (message) => {
        if (gathered.push(message) === 1) {
            setImmediate(flush);
        }
    },
}[mode];
const relay = serve(port, take);
