"""The tables: medians with their spread, ratios to the peers in every row, and the targets.

All is markdown, which also reads well on a terminal, since columns are aligned.
"""

import measure
import servers

RATIOS = (("relay", servers.RELAY), ("centrifuge", servers.CENTRIFUGE_MEMORY),
          ("ws+SQLite", servers.WS_ONE), ("…batched", servers.WS_BATCH),
          ("socket.io+SQLite", servers.SOCKETIO_ONE), ("ws+Mongo batched", servers.WS_MONGO_BATCH))
ROLES = ("server", "store", "bus", "client")
NOTHING = "–"
GROWTH_BEARABLE = 1.2  # what two runs of the same may differ by
KIB_ABOVE_RELAY = 6


def number(value):
    """Three figures: a busy machine is good for no more."""
    if value is None:
        return NOTHING
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 100 else f"{rounded:g}"


def ratio(value, other):
    return value / other if value is not None and other else None


def times(value, other):
    found = ratio(value, other)
    return NOTHING if found is None else number(found)


def markdown(header, rows):
    """A table with aligned columns; the first is text, the others are numbers."""
    widths = [max(len(line[column]) for line in [header] + rows) for column in range(len(header))]

    def line(cells):
        return "| " + " | ".join(cell.ljust(width) if column == 0 else cell.rjust(width)
                                 for column, (cell, width) in enumerate(zip(cells, widths))) + " |"

    rule = ["-" * widths[0]] + ["-" * (width - 1) + ":" for width in widths[1:]]
    return "\n".join([line(header), line(rule)] + [line(row) for row in rows])


class Tables:
    def __init__(self, results, machine, sync, options, rounds):
        self.results = results
        self.machine = machine
        self.sync = sync  # median and p99, µs
        self.options = options
        self.rounds = rounds

    def median(self, what, server, name):
        return self.results.median(what, server, name)

    def measured(self, what, contestants):
        return [server for server in contestants if self.results.values(what, server, "cpu_share")]

    def each_us(self, what, server, role, done):
        """Processor time of a role for each thing that was done, in µs."""
        shares = [entry[f"{role}_cpu_s"] * 1e6 / (entry[done] * entry["seconds"])
                  for entry in self.results.entries
                  if entry["what"] == what and entry["server"] == server.name
                  and f"{role}_cpu_s" in entry and entry.get(done)]
        return sorted(shares)[len(shares) // 2] if shares else None

    def spread(self, what, server, name):
        values = self.results.values(what, server, name)
        return f"{number(min(values))} – {number(max(values))}" if values else NOTHING

    # ---- the tables ----

    def head(self):
        about = self.machine
        versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items()
                             if version != "none")
        return "\n".join([
            f"{about['taken']}, commit {about['commit']}: {about['cpu']}, {about['cores']} cores, "
            f"{about['memory_gib']} GiB, Linux {about['kernel']}, data on {about['data_on']}; "
            f"load before: {about['load_before']:.2f}.",
            f"{versions}.",
            f"One sync of this disk (append 4 KiB, fdatasync): median {number(self.sync[0])} µs, "
            f"p99 {number(self.sync[1])} µs.",
            f"Medians over {self.rounds} rounds, {number(self.options.seconds)} s each, client "
            "included; servers take turns within a round. Once only: idle sockets, resumes, and "
            f"1,000 pairs of what delivers less than {measure.SLOW_PER_S:,} a second."]
            + [f"MongoDB is {' and '.join(sorted(servers.mongo_kinds))}; writes are acknowledged by "
               "a majority and journaled, by consultd and by the others."]
            * bool(servers.mongo_kinds))

    def closed(self, pairs):
        what = f"closed {pairs}"
        some = self.measured(what, measure.TALKERS)
        header = (["server", "delivered/s", "min – max"] + [f"÷ {name}" for name, _ in RATIOS]
                  + [f"{role} µs" for role in ROLES] + ["store's share", "wrong"])
        rows = []
        for server in some:
            value = self.median(what, server, "delivered_per_s")
            used = {role: self.each_us(what, server, role, "delivered_per_s") for role in ROLES}
            all_used = sum(filter(None, used.values()))
            rows.append([server.name, number(value), self.spread(what, server, "delivered_per_s")]
                        + [times(value, self.median(what, peer, "delivered_per_s"))
                           for _, peer in RATIOS]
                        + [number(used[role]) for role in ROLES]
                        + [NOTHING if used["store"] is None else
                           f"{100 * used['store'] / all_used:.0f} %", self.wrong(what, server)])
        return (f"Messages, closed loop, {pairs:,} pairs",
                f"Window {measure.WINDOW}, texts of {measure.TEXT_BYTES} bytes, acknowledged and "
                "delivered. ÷: ratio to that server. µs: processor time for each message delivered; "
                "store: of MongoDB's process.", header, rows)

    def wrong(self, what, server):
        """What should not have been, over all rounds, in words."""
        return ", ".join(f"{count:,.0f} {name.replace('_', ' ')}"
                         for count, name in self.results.faults(what, server)) or "none"

    def open(self, what, title):
        some = self.measured(what, measure.TALKERS)
        header = ["server", "rate/s", "p50 ms", "p99 ms", "min – max", "p99.9 ms", "÷ relay",
                  "÷ centrifuge", "÷ ws+SQLite", "÷ …batched", "ack p99 ms", "wrong"]
        rows = []
        for server in some:
            def in_ms(name, of=server):
                value = self.median(what, of, name)
                return None if value is None else value / 1000
            slow = in_ms("delivery_p99_us")
            spread = [value / 1000 for value in self.results.values(what, server, "delivery_p99_us")]
            rows.append([server.name, number(self.median(what, server, "rate")),
                         number(in_ms("delivery_p50_us")), number(slow),
                         f"{number(min(spread))} – {number(max(spread))}",
                         number(in_ms("delivery_p999_us"))]
                        + [times(slow, in_ms("delivery_p99_us", peer)) for _, peer in RATIOS[:4]]
                        + [number(in_ms("ack_p99_us")), self.wrong(what, server)])
        return (title, "From when a message was due until it was delivered. ÷: of the p99.", header,
                rows)

    def counted(self, what, title, words, name, contestants, extra=()):
        """Something a second, with ratios to the relay and to each other contestant."""
        some = self.measured(what, contestants)
        header = ["server", title.split(",")[0] + "/s", "min – max"]
        header += [f"÷ {peer.name}" for peer in some]
        header += [label for label, _ in extra] + ["server µs", "client µs", "wrong"]
        rows = []
        for server in some:
            value = self.median(what, server, name)
            rows.append([server.name, number(value), self.spread(what, server, name)]
                        + [times(value, self.median(what, peer, name)) for peer in some]
                        + [self.scaled(what, server, figure) for _, figure in extra]
                        + [number(self.each_us(what, server, role, name))
                           for role in ("server", "client")] + [self.wrong(what, server)])
        return title, words, header, rows

    def scaled(self, what, server, name):
        """A figure as it is, or from µs to ms."""
        value = self.median(what, server, name)
        return number(value / 1000 if value is not None and name.endswith("_us") else value)

    def idle(self):
        some = self.measured("idle", measure.CONTESTANTS["idle"])
        relay = self.median("idle", servers.RELAY, "kib_each")
        rows = []
        for server in some:
            value = self.median("idle", server, "kib_each")
            above = None if relay is None else value - relay
            rows.append([server.name, number(value), self.spread("idle", server, "kib_each"),
                         number(above), times(value, relay),
                         f"{100 * self.median('idle', server, 'cpu_share'):.2f} %",
                         self.wrong("idle", server)])
        return (f"{measure.IDLE_SOCKETS:,} idle sockets",
                "Resident memory that each added to a server just started, and processor time of the "
                "server, of one core, while nothing happens but pings, one for each socket; the relay and "
                "Node's ws send none.",
                ["server", "KiB each", "min – max", "above relay", "÷ relay", "CPU", "wrong"], rows)

    def growth(self):
        ours = servers.SQLITE_LOCAL
        names = list(dict.fromkeys(entry["what"] for entry in self.results.entries
                                   if entry["what"].startswith("closed 100, ")))
        rows = []
        for name in names:
            kind = name.rpartition(" ")[2]
            first = next(other for other in names if other.endswith(kind))
            value = self.median(name, ours, "delivered_per_s")
            used = self.each_us(name, ours, "server", "delivered_per_s")
            start, lists = (name.replace("closed 100", what) for what in ("start", "list"))
            rows.append([name.removeprefix("closed 100, "), number(value),
                         self.spread(name, ours, "delivered_per_s"),
                         times(value, self.median(first, ours, "delivered_per_s")), number(used),
                         times(used, self.each_us(first, ours, "server", "delivered_per_s")),
                         number(self.median(lists, ours, "requests_per_s")),
                         self.scaled(lists, ours, "answer_p99_us"),
                         number(self.each_us(lists, ours, "server", "requests_per_s")),
                         number(self.median(start, ours, "start_ms")),
                         self.wrong(name, ours)])
        return ("What must not grow",
                "consultd sqlite+local, closed loop, 100 pairs, with so many messages stored (each "
                "with its row of the record), or idle sockets beside. ÷: to the first of its kind. "
                "Lists: 8.4 over REST, ten of 1,000 messages, 32 connections. Start: from exec to "
                "the first 200 of /readyz.",
                ["beside", "delivered/s", "min – max", "÷ first", "server µs", "÷ first", "lists/s",
                 "list p99 ms", "list µs", "start ms", "wrong"], rows)

    def all(self):
        for pairs in self.options.pairs:
            yield self.closed(pairs)
        for pairs in self.options.pairs:
            yield self.open(f"open {pairs} half",
                            f"Latency, open loop at half of its own closed figure, {pairs:,} pairs")
        yield self.open(f"open {min(self.options.pairs)} one rate",
                        "Latency, open loop, all at one rate")
        asked = (("p50 ms", "answer_p50_us"), ("p99 ms", "answer_p99_us"),
                 ("bytes", "answer_bytes"))
        yield self.counted("rest list", "Lists, REST", "8.4, ten of 1,000 messages, 32 connections; "
                           "the relay answers a constant as long.", "requests_per_s",
                           measure.CONTESTANTS["rest"], asked)
        yield self.counted("rest send", "Sends, REST", "8.5, one message, durably, 32 connections.",
                           "requests_per_s", measure.CONTESTANTS["rest"], asked)
        yield self.counted("connect", "Connects, sockets opened and signed in", "32 at a time.",
                           "connects_per_s", measure.CONTESTANTS["connect"],
                           (("p50 ms", "connect_p50_us"), ("p99 ms", "connect_p99_us")))
        yield self.idle()
        yield self.counted("resume", "Resumes, 1,000 clients at once", "Each with ten messages that "
                           "it missed.", "resumes_per_s", measure.CONTESTANTS["resume"],
                           (("all in s", "seconds"), ("replayed/s", "replayed_per_s"),
                            ("p99 ms", "resume_p99_us")))
        yield self.growth()

    # ---- the targets ----

    def targets(self):
        """(what is wanted, the bound, what was reached, whether it was met) of all that was measured."""
        lines = []

        def line(words, bound, reached, is_met):
            if reached is not None:
                lines.append([words, bound, number(reached), "met" if is_met else "missed"])

        def at_least(words, what, name, ours, other, least):
            found = ratio(self.median(what, ours, name), self.median(what, other, name))
            line(f"{words} ÷ {other.name}", f"≥ {least:g}", found,
                 found is not None and found >= least)

        ours = servers.SQLITE_LOCAL
        for pairs in self.options.pairs:
            for other, least in ((servers.CENTRIFUGE_MEMORY, 1), (servers.RELAY, 1),
                                 (servers.WS_ONE, 15), (servers.WS_BATCH, 3)):
                at_least(f"sqlite+local, {pairs:,} pairs, delivered/s", f"closed {pairs}",
                         "delivered_per_s", ours, other, least)
        for pairs in self.options.pairs:
            self.latency_targets(f"open {pairs} half", f"{pairs:,} pairs, half load", line)
        self.latency_targets(f"open {min(self.options.pairs)} one rate", "one rate", line)
        for pairs in self.options.pairs:
            at_least(f"mongo+redis, two nodes, {pairs:,} pairs, delivered/s", f"closed {pairs}",
                     "delivered_per_s", servers.MONGO_REDIS, servers.WS_MONGO_BATCH, 1.2)
        self.idle_targets(line)
        at_least("list over REST", "rest list", "requests_per_s", ours, servers.RELAY, 0.5)
        at_least("list over REST", "rest list", "requests_per_s", ours, servers.EXPRESS, 5)
        for row in self.growth()[3]:
            if row[5] not in (NOTHING, "1"):
                line(f"server µs of a message, {row[0]}, ÷ few", f"≤ {GROWTH_BEARABLE:g}",
                     float(row[5]), float(row[5]) <= GROWTH_BEARABLE)
        return ("Targets", "Ratios in this run.", ["target", "bound", "reached", ""], lines)

    def latency_targets(self, what, words, line):
        slow, relay, centrifuge = (self.median(what, server, "delivery_p99_us")
                                   for server in (servers.SQLITE_LOCAL, servers.RELAY,
                                                  servers.CENTRIFUGE_MEMORY))
        found = ratio(slow, centrifuge)
        line(f"p99, {words}, ÷ centrifuge", "≤ 0.5", found, found is not None and found <= 0.5)
        if slow is not None and relay is not None:
            bound = (2 * relay + self.sync[0]) / 1000
            line(f"p99 ms, {words}: 2 × relay + one sync", f"≤ {number(bound)}", slow / 1000,
                 slow / 1000 <= bound)

    def idle_targets(self, line):
        ours, relay = (self.median("idle", server, "kib_each")
                       for server in (servers.SQLITE_LOCAL, servers.RELAY))
        if ours is not None and relay is not None:
            line("KiB of an idle socket above the relay's", f"≤ {KIB_ABOVE_RELAY}", ours - relay,
                 ours - relay <= KIB_ABOVE_RELAY)
        share = self.median("idle", servers.SQLITE_LOCAL, "cpu_share")
        if share is not None:
            line(f"CPU % of {measure.IDLE_SOCKETS:,} idle sockets", "< 1", 100 * share, share < 0.01)

    def text(self):
        parts = [self.head()]
        for title, words, header, rows in list(self.all()) + [self.targets()]:
            if rows:
                parts.append(f"## {title}\n{words}\n\n" + markdown(header, rows))
        for server, why in self.results.skipped.items():
            parts.append(f"Skipped: {server}: {why}.")
        for failure in self.results.failures:
            parts.append(f"Failed: {failure['server']}, {failure['part']}, round {failure['round']}: "
                         f"{failure['why']}")
        return "\n\n".join(parts) + "\n"
