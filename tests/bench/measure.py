"""What is measured: each part runs the load client on stages and notes what it found.

Servers that are compared take turns within a round, the other way round in every second one, so that
what the machine does besides hits all alike.
"""

import contextlib
import json
import os
import shutil
import statistics
import subprocess
import time
import urllib.request

import servers
from servers import Stage

CLIENT = servers.BUILD + "/consultd-bench"
WINDOW = 8
TEXT_BYTES = 100
FAULTS = ("lost", "doubled", "out_of_order", "refused", "unanswered", "unfinished", "closed",
          "reset")
SHOWN = ("delivered_per_s", "delivery_p99_us", "requests_per_s", "answer_p99_us", "connects_per_s",
         "kib_each", "cpu_share", "resumes_per_s", "start_ms")
CLIENT_SECONDS = 300  # besides what is measured: signing in, what is under way at the end
SLOW_PER_S = 3000
IDLE_SOCKETS = 10000
CHAT_MESSAGES = 1000
SETTLING_SECONDS = 5  # until chats made a moment ago have pages of their own, as those in use have
TALKERS = (
    servers.RELAY, servers.SQLITE_LOCAL, servers.CENTRIFUGE_MEMORY, servers.SQLITE_REDIS,
    servers.WS_NONE, servers.WS_BATCH, servers.WS_ONE, servers.SOCKETIO_NONE,
    servers.SOCKETIO_ONE, servers.MONGO_REDIS, servers.WS_MONGO_BATCH, servers.WS_MONGO_ONE,
    servers.MONGO_LOCAL)
LEADERS = (servers.RELAY, servers.SQLITE_LOCAL, servers.CENTRIFUGE_MEMORY)
CONTESTANTS = {  # of each part
    "messages": TALKERS,
    "one rate": LEADERS + (servers.SQLITE_REDIS, servers.WS_NONE, servers.WS_BATCH),
    "rest": (servers.SQLITE_LOCAL, servers.RELAY, servers.EXPRESS),
    "connect": LEADERS + (servers.WS_NONE,),
    "idle": LEADERS + (servers.WS_NONE,),
    "resume": (servers.SQLITE_LOCAL, servers.MONGO_LOCAL),
    "growth": (servers.SQLITE_LOCAL,),
    "idle beside": (servers.SQLITE_LOCAL,),
}


class Results:
    """Everything that was measured, one entry each, in order."""

    def __init__(self):
        self.entries = []
        self.skipped = {}  # server: why
        self.failures = []  # of what has no figures then
        self.wrong = []  # what must not be

    def note(self, part, what, server, figures, round_number):
        self.entries.append({"part": part, "what": what, "server": server.name,
                             "round": round_number, **figures})
        faults = {name: figures[name] for name in FAULTS if figures.get(name)}
        if faults and (server.is_ours or server is servers.RELAY):
            self.wrong.append(f"{what}, {server.name}: {faults}")
        words = "  ".join(f"{name} {figures[name]:.4g}" for name in SHOWN + FAULTS
                          if figures.get(name) is not None and (name in SHOWN or figures[name]))
        print(f"  {round_number}  {what:38} {server.name:42} {words}", flush=True)

    def fail(self, part, server, why, round_number):
        print(f"!!!! FAILED {part}, {server.name}: {why}", flush=True)
        self.failures.append({"part": part, "server": server.name, "round": round_number,
                              "why": why})
        if server.is_ours or server is servers.RELAY:
            self.wrong.append(f"{part}, {server.name}: {why}")

    def values(self, what, server, name):
        return [entry[name] for entry in self.entries
                if entry["what"] == what and entry["server"] == server.name and name in entry]

    def median(self, what, server, name):
        """None: it was not measured."""
        values = self.values(what, server, name)
        return statistics.median(values) if values else None

    def faults(self, what, server):
        """What should not have been, over all rounds: [(how often, what)]."""
        counts = [(sum(self.values(what, server, name)), name) for name in FAULTS]
        parts = {entry["part"] for entry in self.entries if entry["what"] == what}
        failed = sum(failure["part"] in parts and failure["server"] == server.name
                     for failure in self.failures)
        return [(count, name) for count, name in counts + [(failed, "rounds failed")] if count]

    def missing(self, server):
        """Whether to leave it out; says so once."""
        if server.name not in self.skipped:
            why = servers.missing(server)
            if not why:
                return False
            self.skipped[server.name] = why
            print(f"\n!!!! SKIPPED {server.name}: {why}\n", flush=True)
        return True


class Bench:
    """What the parts share: the options, where the data goes, and the results."""

    def __init__(self, options, folder):
        self.options = options
        self.folder = folder
        self.results = Results()
        self.round = 0
        self.part = ""
        self.rate = None  # that all leaders can bear

    def wants(self, server):
        name = f"{self.part} {server.name}".lower()
        return any(only.lower() in name for only in self.options.only)

    def each(self):
        """The part's contestants that are wanted and can be had."""
        some = [server for server in self.options.contestants[self.part]
                if self.wants(server) and not self.results.missing(server)]
        return some if self.round % 2 else some[::-1]

    def note(self, what, server, figures):
        self.results.note(self.part, what, server, figures, self.round)

    def stage(self, server, **how):
        return Stage(server, self.folder, **how)

    @contextlib.contextmanager
    def trying(self, server):
        """A server that fails is told and passed over; ours makes the bench fail."""
        try:
            yield
        except (RuntimeError, OSError, subprocess.SubprocessError) as failure:
            self.results.fail(self.part, server, str(failure), self.round)

    def load(self):
        return {"seconds": self.options.seconds, "warmup": self.options.warmup}

    def messages(self):
        return {**self.load(), "text": TEXT_BYTES}


# ---- the load client ----

def command_of(stage, mode, options):
    command = [CLIENT, mode, "--json", "--dialect", stage.server.dialect]
    for address in stage.addresses:
        command += ["--target", address]
    for pid in [pid for pids in stage.processes.values() for pid in pids]:
        command += ["--pid", str(pid)]
    for name, value in options.items():
        command += [f"--{name}", str(value)]
    return command


def figures_of(stage, said):
    """The client's own figures, and the processor time by role."""
    figures = json.loads(said.strip().splitlines()[-1])
    for name in ("mode", "dialect", "server_cpu_us_each"):
        figures.pop(name, None)
    figures["cpu_share"] = figures.pop("server_cpu_share", None)  # of all that we started
    number = 0
    for role, pids in stage.processes.items():  # in the order of command_of
        times = [figures.pop(f"pid_{number + k + 1}_cpu_s", 0) for k in range(len(pids))]
        number += len(pids)
        figures[f"{role}_cpu_s"] = sum(times)
    return figures


def run_client(stage, mode, **options):
    environment = dict(os.environ, CONSULTD_TOKEN_KEYS=servers.TOKEN_KEY)
    done = subprocess.run(command_of(stage, mode, options), capture_output=True, text=True,
                          env=environment, timeout=CLIENT_SECONDS + options.get("seconds", 0),
                          check=False)
    if done.returncode != 0:
        raise RuntimeError(f"consultd-bench {mode}: {done.stderr.strip()[-500:]}")
    figures = figures_of(stage, done.stdout)
    figures.setdefault("seconds", options.get("seconds"))
    return figures


def prepare(stage, pairs, users=0, messages=0):
    """Accounts, orders and chats, where the server has such; the options that name them."""
    if not stage.server.is_ours:
        return {}
    world = stage.folder + "/world"
    run_client(stage, "prepare", store=stage.store_url, world=world, pairs=pairs, users=users,
               messages=messages)
    return {"world": world}


# ---- messages over sockets ----

def sizes(bench, server):
    """Numbers of pairs. What is slow takes long over what 1,000 pairs have under way: once is enough."""
    def reached(pairs):
        return bench.results.median(f"closed {pairs}", server, "delivered_per_s") or 0

    least = min(bench.options.pairs)
    return [pairs for pairs in bench.options.pairs
            if pairs == least or bench.round == 1 or server in LEADERS or reached(pairs) > SLOW_PER_S]


def messages(bench):
    """Closed loop with 100 and 1,000 pairs, and open loop at half of what that gave."""
    for server in bench.each():
        with bench.trying(server), bench.stage(server) as stage:
            numbers = sizes(bench, server)
            common = {**bench.messages(), **prepare(stage, max(numbers))}
            if server.store == "mongo":  # its Java gets going
                run_client(stage, "closed", pairs=100, **common)
            for pairs in numbers:
                found = run_client(stage, "closed", pairs=pairs, window=WINDOW, **common)
                bench.note(f"closed {pairs}", server, found)
                if pairs == min(bench.options.pairs) or server in LEADERS:
                    rate = max(1, found["delivered_per_s"] / 2)
                    found = run_client(stage, "open", pairs=pairs, rate=rate, **common)
                    bench.note(f"open {pairs} half", server, found)


def one_rate(bench):
    """Open loop, all at the same rate: half of what the slowest of the leaders reached."""
    pairs = min(bench.options.pairs)

    def reached(server):
        return bench.results.median(f"closed {pairs}", server, "delivered_per_s")

    if bench.rate is None:
        known = [figure for figure in map(reached, LEADERS) if figure]
        if not known:
            return
        bench.rate = min(known) / 2
    for server in bench.each():
        if (reached(server) or 0) < 1.2 * bench.rate:
            continue  # it would only show how its queue grows
        with bench.trying(server), bench.stage(server) as stage:
            bench.note(f"open {pairs} one rate", server, run_client(
                stage, "open", pairs=pairs, rate=bench.rate, **bench.messages(),
                **prepare(stage, pairs)))


# ---- REST ----

def first_of(world):
    """Token and chat of the first pair."""
    with open(world, encoding="utf-8") as file:
        words = next(line.split() for line in file if line.startswith("pair "))
    return words[1], words[3]


def answer_bytes(stage, world):
    """How long the answer is that rest-list asks for."""
    token, chat = first_of(world)
    request = urllib.request.Request(
        f"http://{stage.addresses[0]}/api/chat/message/list",
        json.dumps({"chatId": chat, "limit": 10}).encode(),
        {"Content-Type": "application/json", "Authorization": "Bearer " + token})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return len(answer.read())


def rest_world(stage):
    """Express says its own chat and token where it listens, and fills the chat itself."""
    if stage.server is not servers.EXPRESS:
        return prepare(stage, 32, messages=CHAT_MESSAGES)
    words = stage.words[0]
    chat, token = words[words.index("chat") + 1], words[words.index("token") + 1]
    world = stage.folder + "/world"
    with open(world, "w", encoding="utf-8") as file:
        file.write(f"pair {token} {token} {chat} {chat}\n" * 32)
    return {"world": world}


def rest(bench):
    """8.4, ten of 1,000 messages, and 8.5, one message; the relay says a constant as long."""
    contestants = bench.each()
    size = {}
    if servers.RELAY in contestants:
        with bench.trying(servers.RELAY), bench.stage(servers.SQLITE_LOCAL) as stage:
            size = {"answer_bytes": answer_bytes(stage, rest_world(stage)["world"])}
    for server in contestants:
        with bench.trying(server), bench.stage(server, **size) as stage:
            world = rest_world(stage)
            bench.note("rest list", server, run_client(stage, "rest-list", **bench.load(), **world))
            if server is not servers.RELAY:
                bench.note("rest send", server, run_client(
                    stage, "rest-send", pairs=32, **bench.messages(), **world))


# ---- many sockets ----

def connect(bench):
    """Sockets opened and signed in, one after the other in 32 places."""
    count = int(1000 * bench.options.seconds)
    for server in bench.each():
        with bench.trying(server), bench.stage(server) as stage:
            bench.note("connect", server, run_client(stage, "connect", count=count,
                                                     **prepare(stage, 1, users=count)))


def idle(bench):
    """Memory and processor time of 10,000 sockets that say nothing, in a server that is new."""
    for server in bench.each():
        with bench.trying(server), bench.stage(server) as stage:
            world = prepare(stage, 1, users=IDLE_SOCKETS)
            stage.restart()
            bench.note("idle", server, run_client(stage, "idle", count=IDLE_SOCKETS, warmup=3,
                                                  seconds=bench.options.idle_seconds, **world))


def resume(bench):
    """1,000 clients at once, with ten missed messages each."""
    for server in bench.each():
        with bench.trying(server), bench.stage(server) as stage:
            bench.note("resume", server, run_client(stage, "resume", count=1000, missed=10,
                                                    text=TEXT_BYTES, **prepare(stage, 1000)))


# ---- what must not grow ----

def scale_store(percent):
    """A store of tests/scale, kept in build/scale for the next time; 100 is a million messages."""
    path = f"{servers.BUILD}/scale/{percent:g}.db"
    program = servers.BUILD + "/scale_store"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if not os.path.exists(path) or os.path.getmtime(path) < os.path.getmtime(program):
        print(f"Making a store with {percent * 10000:,.0f} messages…", flush=True)
        for name in (path, path + ".new"):
            remove_store(name)
        subprocess.run([program, "sqlite:" + path + ".new", str(percent)], check=True,
                       stdout=subprocess.DEVNULL)
        os.rename(path + ".new", path)
        remove_store(path + ".new")
    return path


def remove_store(path):
    for end in ("", "-wal", "-shm", ".lock", ".commands"):
        if os.path.exists(path + end):
            os.remove(path + end)


def start_up(bench, path):
    """From exec to the first 200 of /readyz."""
    began = time.monotonic()
    with bench.stage(servers.SQLITE_LOCAL, sqlite_path=path) as stage:
        while not stage.is_ready():
            if time.monotonic() - began > CLIENT_SECONDS:
                raise RuntimeError("/readyz never said 200")
            time.sleep(0.001)
        return {"start_ms": (time.monotonic() - began) * 1000}


def settled_copy(path, copy):
    """A copy that is on disk: the server's syncs would have to wait for what is not, and pay for it."""
    shutil.copyfile(path, copy)
    with open(copy, "rb+") as file:
        os.fsync(file.fileno())


def growth(bench):
    """A message's cost, a list's and the start, with few and many messages in the store."""
    for server in bench.each():
        for percent in bench.options.percents[::1 if bench.round % 2 else -1]:
            stored = f"{percent * 10000:,.0f} stored"
            copy = bench.folder + "/grown.db"
            settled_copy(scale_store(percent), copy)
            with bench.trying(server), bench.stage(server, sqlite_path=copy) as stage:
                world = prepare(stage, 100, messages=CHAT_MESSAGES)
                bench.note(f"list, {stored}", server, run_client(stage, "rest-list",
                                                                 **bench.load(), **world))
                load = {**bench.messages(), "warmup": max(SETTLING_SECONDS, bench.options.warmup)}
                bench.note(f"closed 100, {stored}", server, run_client(
                    stage, "closed", pairs=100, window=WINDOW, **load, **world))
            with bench.trying(server):
                bench.note(f"start, {stored}", server, start_up(bench, copy))
            remove_store(copy)


def idle_beside(bench):
    """A message's cost with few and many idle sockets beside."""
    for server in bench.each():
        for count in (10, IDLE_SOCKETS):
            with bench.trying(server), bench.stage(server) as stage:
                world = prepare(stage, 100, users=count)
                with idle_sockets(stage, count, world):
                    bench.note(f"closed 100, {count:,} idle", server, run_client(
                        stage, "closed", pairs=100, window=WINDOW, **bench.messages(), **world))


@contextlib.contextmanager
def idle_sockets(stage, count, world):
    """Holds so many sockets open, of a second client."""
    client = subprocess.Popen(command_of(stage, "idle", {"count": count, "warmup": 0,
                                                         "seconds": 3600, **world}),
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        said = client.stderr.readline()
        if "are open" not in said:
            raise RuntimeError(f"the idle sockets did not open: {said}")
        yield
    finally:
        client.kill()
        client.communicate()


PARTS = {"messages": messages, "one rate": one_rate, "rest": rest, "connect": connect,
         "idle": idle, "resume": resume, "growth": growth, "idle beside": idle_beside}
