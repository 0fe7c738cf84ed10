"use strict";
// Node `ws` + the MongoDB driver, any number of nodes over Redis pub/sub:
//   ws_mongo.js --port N --store mongodb://…/DATABASE --bus redis://… --mode one|batch
//
// one    an insertOne for each message. Those under way at once overtake each other
// batch  one insertMany at a time, of what gathered while the last one was under way
//
// What is acknowledged was written by a majority and journaled there, as consultd's is: a server
// older than 5.0 is content with less unless it is told. A message has no number in its chat and no
// check of its chat: it is lighter than one of consultd. Each node subscribes the channel of everybody who is connected to it, and delivers
// straight to who is here.

const { MongoClient } = require("mongodb");
const Redis = require("ioredis");
const { options } = require("./options");
const { serve } = require("./ws_relay");

async function main() {
    const { port, store, bus, mode } = options({ store: "", bus: "", mode: "one" });
    const client = await MongoClient.connect(store, { writeConcern: { w: "majority", j: true } });
    const messages = client.db().collection("messages");
    await messages.createIndex({ chat: 1, time: 1 });
    const publisher = bus && new Redis(bus);
    const subscriber = bus && new Redis(bus);

    const stored = ({ from, to, text }) => ({
        chat: from < to ? `${from} ${to}` : `${to} ${from}`, sender: from, text, time: new Date(),
    });
    let gathered = [];
    let underWay = false;
    async function insertGathered() {
        underWay = true;
        while (gathered.length > 0) {
            const batch = gathered;
            gathered = [];
            await messages.insertMany(batch.map(stored));
            batch.forEach(relay.accept);
        }
        underWay = false;
    }

    const take = {
        one: async (message) => {
            await messages.insertOne(stored(message));
            relay.accept(message);
        },
        batch: (message) => {
            gathered.push(message);
            if (!underWay) {
                insertGathered();
            }
        },
    }[mode];
    const relay = serve(port, take, bus ? {
        arrived: (name) => subscriber.subscribe(`u:${name}`),
        elsewhere: ({ from, to, text }) => publisher.publish(`u:${to}`, JSON.stringify({ from, text })),
    } : {});
    if (bus) {
        subscriber.on("message", (channel, text) => {
            relay.deliver({ to: channel.slice(2), ...JSON.parse(text) });
        });
    }
}

main();
