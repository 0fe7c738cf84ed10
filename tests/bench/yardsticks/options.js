"use strict";
// What the yardsticks share: --name value, a line when they listen, an end on SIGTERM.

/** The options of the command line, over the defaults given. */
exports.options = function options(defaults) {
    const given = { port: "0", ...defaults };
    for (let at = 2; at + 1 < process.argv.length; at += 2) {
        const name = process.argv[at].replace(/^--/, "");
        if (!(name in given)) {
            throw new Error(`unknown option --${name}`);
        }
        given[name] = process.argv[at + 1];
    }
    return given;
};

/** Listens on 127.0.0.1, says so, and ends the process on SIGTERM. */
exports.listen = function listen(server, port) {
    server.listen({ port: Number(port), host: "127.0.0.1", backlog: 4096 }, () => {
        console.log(`listening on 127.0.0.1:${server.address().port}`);
    });
    process.on("SIGTERM", () => process.exit(0));
};
