"""The servers that are measured: how each is made ready, and started with what it needs around it.

A Stage is one server, of one node or two, on free ports of 127.0.0.1, with fresh data in a folder of
its own that goes with it. Only one stage stands at a time.
"""

import dataclasses
import hashlib
import importlib.util
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from importlib.machinery import SourceFileLoader

import machine

ROOT = machine.ROOT
BUILD = ROOT + "/build"
YARDSTICKS = ROOT + "/tests/bench/yardsticks"
NODE_FOLDER = BUILD + "/bench/node"
CENTRIFUGE = BUILD + "/bench/centrifuge"
TOKEN_KEY = secrets.token_hex(32)
INSTALL_SECONDS = 900


def _tests_run():
    """tests/run as a module: it knows how to start a Redis and a MongoDB."""
    sys.dont_write_bytecode = True
    loader = SourceFileLoader("tests_run", ROOT + "/tests/run")
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("tests_run", loader))
    loader.exec_module(module)
    return module


tests_run = _tests_run()
replica_set = tests_run.replica_set


@dataclasses.dataclass(frozen=True)
class Server:
    """A server that can be measured; command(stage, port) starts one node of it."""
    name: str
    dialect: str
    command: object
    needs: str = ""  # node, go: what must be installed
    store: str = ""  # sqlite, mongo
    bus: str = ""  # local, redis
    nodes: int = 1
    is_ours: bool = False


def _consultd(stage, port):
    return [BUILD + "/consultd", "--listen", f"127.0.0.1:{port}", "--store", stage.store_url,
            "--bus", stage.bus_url]


def _relay(stage, port):
    return [BUILD + "/bench-relay", "--listen", f"127.0.0.1:{port}", "--size",
            str(stage.answer_bytes)]


def _centrifuge(_stage, port):
    return [CENTRIFUGE, "--port", str(port)]


def _node(script, mode=None):
    def command(stage, port):
        words = ["node", f"{YARDSTICKS}/{script}", "--port", str(port)]
        if stage.store_url:
            words += ["--store", stage.store_url.removeprefix("sqlite:")]
        if stage.server.bus == "redis":
            words += ["--bus", stage.bus_url]
        return words + (["--mode", mode] if mode else [])
    return command


RELAY = Server("bare libwebsockets relay", "relay", _relay)
SQLITE_LOCAL = Server("consultd sqlite+local", "consultd", _consultd, store="sqlite", bus="local",
                      is_ours=True)
SQLITE_REDIS = Server("consultd sqlite+redis", "consultd", _consultd, store="sqlite", bus="redis",
                      is_ours=True)
MONGO_LOCAL = Server("consultd mongo+local", "consultd", _consultd, store="mongo", bus="local",
                     is_ours=True)
MONGO_REDIS = Server("consultd mongo+redis, two nodes", "consultd", _consultd, store="mongo",
                     bus="redis", nodes=2, is_ours=True)
CENTRIFUGE_MEMORY = Server("centrifuge (Go), memory engine", "centrifuge", _centrifuge, needs="go")
WS_NONE = Server("Node ws, no store", "json", _node("ws_sqlite.js", "none"), needs="node")
WS_ONE = Server("Node ws + SQLite, one by one", "json", _node("ws_sqlite.js", "one"), needs="node",
                store="sqlite")
WS_BATCH = Server("Node ws + SQLite, batched", "json", _node("ws_sqlite.js", "batch"),
                  needs="node", store="sqlite")
SOCKETIO_NONE = Server("socket.io, no store", "socketio", _node("socketio.js", "none"),
                       needs="node")
SOCKETIO_ONE = Server("socket.io + SQLite, one by one", "socketio", _node("socketio.js", "one"),
                      needs="node", store="sqlite")
WS_MONGO_ONE = Server("Node ws + MongoDB, one by one, two nodes", "json",
                      _node("ws_mongo.js", "one"), needs="node", store="mongo", bus="redis",
                      nodes=2)
WS_MONGO_BATCH = Server("Node ws + MongoDB, batched, two nodes", "json",
                        _node("ws_mongo.js", "batch"), needs="node", store="mongo", bus="redis",
                        nodes=2)
EXPRESS = Server("express + SQLite", "consultd", _node("rest.js"), needs="node", store="sqlite")


# ---- making ready ----

def build(jobs):
    os.makedirs(BUILD, exist_ok=True)
    for command in (["cmake", "--preset", "release"],
                    ["cmake", "--build", "build", "-j", str(jobs), "--target", "consultd",
                     "consultd-bench", "bench-relay", "scale_store"]):
        code, said = tests_run.output_of(command, INSTALL_SECONDS)
        if code != 0:
            sys.exit(said[-5000:] + f"\n{' '.join(command)} failed")


def _install_node():
    """The packages of yardsticks/package-lock.json; None, or why not."""
    if not shutil.which("node") or not shutil.which("npm"):
        return "there is no node or npm (apt-get install nodejs npm)"
    with open(YARDSTICKS + "/package-lock.json", "rb") as file:
        wanted = hashlib.sha256(file.read()).hexdigest()
    wanted += " " + machine.said_by(["node", "--version"])
    stamp = NODE_FOLDER + "/installed"
    if os.path.exists(stamp) and open(stamp, encoding="utf-8").read() == wanted:
        return None
    print("Installing the Node servers' packages (SQLite is compiled: a minute or two)…", flush=True)
    os.makedirs(NODE_FOLDER, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(f"{YARDSTICKS}/{name}", NODE_FOLDER)
    # Compiled here, from what is in the packages: nothing is fetched from elsewhere.
    environment = dict(os.environ, npm_config_build_from_source="true")
    if os.path.exists("/usr/include/node/node.h"):
        environment["npm_config_nodedir"] = "/usr"
    code, said = tests_run.output_of(
        ["npm", "ci", "--prefix", NODE_FOLDER, "--no-audit", "--no-fund", "--loglevel=error"],
        INSTALL_SECONDS, environment)
    if code == 0:
        code, said = tests_run.output_of(
            ["node", "-e", "new (require('better-sqlite3'))(':memory:')"], 60, node_environment())
    if code != 0:
        print(said[-3000:])
        return "npm could not install the packages of the Node servers (its words are above)"
    with open(stamp, "w", encoding="utf-8") as file:
        file.write(wanted)
    return None


def _install_go():
    go = machine.find_go()
    if not go:
        return "there is no Go, neither in the PATH nor in /usr/local/go"
    os.makedirs(os.path.dirname(CENTRIFUGE), exist_ok=True)
    environment = dict(os.environ, GOTOOLCHAIN="local", GOFLAGS="-buildvcs=false -mod=readonly")
    code, said = tests_run.output_of(
        [go, "-C", YARDSTICKS + "/centrifuge", "build", "-o", CENTRIFUGE, "."], INSTALL_SECONDS,
        environment)
    if code != 0:
        print(said[-3000:])
        return "Go could not build the centrifuge server (its words are above)"
    return None


def _install_mongo():
    """$MONGODB_URI, a mongod in the PATH, one of our own, or at least the tests' server in Java."""
    if os.environ.get("MONGODB_URI") or replica_set.program():
        return None
    code, said = tests_run.output_of([ROOT + "/tests/mongod"], INSTALL_SECONDS)
    if code == 0:
        return None
    print(f"\n!!!! {said.strip()}\n", flush=True)
    classes = tests_run.build_memory_server()
    return None if os.path.isdir(classes) else f"no MongoDB: no mongod, and {classes}"


def _install_redis():
    return None if shutil.which("redis-server") else "no redis-server (apt-get install redis-server)"


_INSTALLERS = {"node": _install_node, "go": _install_go, "mongo": _install_mongo,
               "redis": _install_redis}
_reasons = {}


def missing(server):
    """Why the server cannot be had here; None: it is ready."""
    for need in (server.needs, server.store, server.bus):
        if need in _INSTALLERS and need not in _reasons:
            _reasons[need] = _INSTALLERS[need]()
        if _reasons.get(need):
            return _reasons[need]
    return None


def node_environment():
    return dict(os.environ, NODE_PATH=NODE_FOLDER + "/node_modules", NODE_ENV="production")


# ---- a server that runs ----

mongo_kinds = set()  # in words, what the stages had for a MongoDB



def _end(process):
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Stage:
    """with Stage(server, folder) as stage: it listens; stage.processes says who is who."""

    def __init__(self, server, parent, sqlite_path=None, answer_bytes=4096):
        self.server = server
        self.answer_bytes = answer_bytes  # of the relay's answer to a POST
        self.folder = tempfile.mkdtemp(prefix="stage-", dir=parent)
        self.services = tests_run.Services(self.folder, on_disk=True)
        self.processes = {}  # role: pids; roles: server, store, bus
        self.addresses = []
        self.words = []  # of each node's line that says where it listens
        self.sqlite_path = sqlite_path or self.folder + "/store.db"
        self.store_url = ""
        self.bus_url = "local:"

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        # The other way round than they came: a server goes before its store.
        for process in reversed(self.services.processes):
            _end(process)
        shutil.rmtree(self.folder, ignore_errors=True)

    def restart(self):
        """The same again on the same data: a process that has not done anything yet."""
        for process in self.services.processes:
            if process.pid in self.processes["server"]:
                _end(process)
        self.processes["server"], self.addresses, self.words = [], [], []
        for number in range(self.server.nodes):
            self.start_node(number)

    def _note(self, role):
        self.processes.setdefault(role, []).append(self.services.processes[-1].pid)

    def _start(self):
        server = self.server
        if server.store == "sqlite":
            self.store_url = "sqlite:" + self.sqlite_path
        elif server.store == "mongo":
            self._start_mongo()
        if server.bus == "redis":
            self.bus_url = self.services.start_redis("redis")
            if not self.bus_url:
                raise RuntimeError(self.services.redis_reason)
            self._note("bus")
        for number in range(server.nodes):
            self.start_node(number)

    def _start_mongo(self):
        before = len(self.services.processes)
        self.services.start_mongo(_Ready(BUILD + "/mongo-server/classes"), replica_set.program())
        if not self.services.mongo:
            raise RuntimeError(self.services.mongo_reason)
        mongo_kinds.add(self.services.mongo_kind)
        if len(self.services.processes) > before:
            self._note("store")
        base, _, query = self.services.mongo.partition("?")
        database = f"consultd_bench_{secrets.token_hex(4)}"
        self.store_url = f"{base.rstrip('/')}/{database}" + ("?" + query if query else "")

    def start_node(self, number=0):
        port = tests_run.free_port()
        environment = dict(os.environ, CONSULTD_TOKEN_KEYS=TOKEN_KEY)
        if self.server.needs == "node":
            environment = node_environment()
        process = self.services.start(self.server.command(self, port), f"node{number}",
                                      stdout=subprocess.PIPE, env=environment)
        line = process.stdout.readline()
        if "listening on" not in line:
            with open(f"{self.folder}/node{number}.log", encoding="utf-8") as log:
                raise RuntimeError(f"{self.server.name} did not start: {line}{log.read()[-3000:]}")
        threading.Thread(target=process.stdout.read, daemon=True).start()
        self._note("server")
        self.words.append(line.split())
        self.addresses.append(f"127.0.0.1:{port}")

    def is_ready(self):
        try:
            with urllib.request.urlopen(f"http://{self.addresses[0]}/readyz", timeout=5) as answer:
                return answer.status == 200
        except urllib.error.URLError:
            return False


class _Ready:
    """What Services.start_mongo asks for: the result of a build that is over."""

    def __init__(self, value):
        self.value = value

    def result(self):
        return self.value
