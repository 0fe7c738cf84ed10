"""What the tests here start, and end again: nodes, a store, a bus, proxies; and the ways in."""

import contextlib
import http.client
import json
import os
import re
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, "tests"), os.path.join(ROOT, "tests/wrong")]

import replica_set  # noqa: E402
from server import DEADLINE, KEY, SANDBOX_KEY, Closed, Socket  # noqa: E402,F401
from world import World  # noqa: E402,F401


class Skipped(Exception):
    """What is needed is not there."""


def wait_until(claim, seconds=DEADLINE, why=""):
    """Asks until the claim holds; an end to waiting, not a measurement."""
    deadline = time.monotonic() + seconds
    while not claim():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {why or claim}")
        time.sleep(0.02)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_listening(port):
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    return False


class Process:
    """A process of ours, with a log; ends with us however we end, where setpriv can do that."""

    def __init__(self, name, folder):
        self.name = name
        self.log_path = os.path.join(folder, name + ".log")
        self.process = None

    def begin(self, command, **how):
        bound = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                bound + command, stderr=log, stdin=how.pop("stdin", subprocess.DEVNULL),
                stdout=how.pop("stdout", log), text=True, **how)

    def said(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return log.read()

    def signal(self, number):
        self.process.send_signal(number)

    def freeze(self):
        """Returns when all its threads stand still: on a busy machine some go on for a while, and a
        store still answers."""
        self.signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def thaw(self):
        self.signal(signal.SIGCONT)

    def ended(self):
        """The exit code of one that was told to stop; None: it did not end."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.process.wait(DEADLINE)
        return None

    def end(self):
        """SIGTERM; the exit code, None: it did not end."""
        if self.process is None or self.process.poll() is not None:
            return self.process and self.process.returncode
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.process.wait(DEADLINE)
        self.process.kill()
        self.process.wait()
        return None


class Node(Process):
    """One consultd; started again, it keeps its port and its store."""

    def __init__(self, name, folder, program, store, bus="local:", around=(), **options):
        super().__init__(name, folder)
        self.command = [*around, program, "--demo", "--store", store, "--bus", bus]
        self.options = {f"CONSULTD_{option.upper()}": str(value)
                        for option, value in options.items()}
        self.folder = folder
        self.port = None
        self.local = threading.local()

    def start(self):
        listen = f"127.0.0.1:{self.port or 0}"
        self.begin(self.command + ["--listen", listen], stdout=subprocess.PIPE, cwd=self.folder,
                   env=dict(os.environ, **dict({
                       "CONSULTD_TOKEN_KEYS": KEY, "CONSULTD_SANDBOX_KEY": SANDBOX_KEY,
                       "CONSULTD_SIGNIN_ATTEMPTS": "1000",
                       "CONSULTD_SOCKETS_PER_ACCOUNT": "1000"}, **self.options)))
        for line in self.process.stdout:
            found = re.search(r"listening on http://127\.0\.0\.1:(\d+)", line)
            if found:
                self.port = int(found.group(1))
                threading.Thread(target=self.process.stdout.read, daemon=True).start()
                return self
        raise AssertionError(f"{self.name} did not start:\n{self.said()[-4000:]}")

    def pid(self):
        """Of the server itself, also when something runs around it."""
        return self.process.pid

    def status(self, field):
        with open(f"/proc/{self.pid()}/status", encoding="ascii") as status:
            return int(re.search(rf"^{field}:\s+(\d+)", status.read(), re.M).group(1))

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid()}/fd"))

    def cpu_seconds(self):
        with open(f"/proc/{self.pid()}/stat", encoding="ascii") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    # ---- The ways in, as tests/wrong has them (class Server) ----

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), DEADLINE)

    def get(self, path):
        """(status, text) of a GET on a connection of its own."""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
        with contextlib.closing(link):
            link.request("GET", path)
            answer = link.getresponse()
            return answer.status, answer.read().decode()

    def post(self, path, body, token=None, raw=None):
        """(status, answer) of a call by REST; a connection is kept for each thread."""
        headers = {"Content-Type": "application/json"}
        if token is not None:
            headers["Authorization"] = "Bearer " + token
        text = raw if raw is not None else json.dumps(body).encode()
        for is_last in (False, True):
            link = getattr(self.local, "link", None)
            is_new = link is None
            if is_new:
                link = self.local.link = self.new_link()
            try:
                link.request("POST", path, text, headers)
                answer = link.getresponse()
                status, said = answer.status, answer.read()
                if answer.will_close:
                    self.forget_link()
                return status, json.loads(said) if said[:1] == b"{" else None
            except (OSError, http.client.HTTPException):
                self.forget_link()
                if is_new or is_last:
                    raise
        return None

    def new_link(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)

    def forget_link(self):
        if getattr(self.local, "link", None) is not None:
            self.local.link.close()
        self.local.link = None


class Front(Process):
    """A proxy with TLS; for callers the same as a node."""

    post, get, forget_link = Node.post, Node.get, Node.forget_link

    def __init__(self, name, folder, certificate):
        super().__init__(name, folder)
        self.folder = folder
        self.port = free_port()
        self.plain_port = free_port()
        self.local = threading.local()
        self.tls = ssl.create_default_context(cafile=certificate)
        self.tls.check_hostname = False

    def connect(self):
        plain = socket.create_connection(("127.0.0.1", self.port), DEADLINE)
        return self.tls.wrap_socket(plain)

    def new_link(self):
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=DEADLINE,
                                           context=self.tls)

    def write(self, name, pairs):
        """A file of conf/ with other addresses; every pair must be there. Its new path."""
        with open(os.path.join(ROOT, "conf", name), encoding="utf-8") as file:
            text = file.read()
        for old, new in pairs:
            if old not in text:
                raise AssertionError(f"conf/{name} has no {old!r}")
            text = text.replace(old, new)
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path


def make_certificate(folder):
    """A certificate for the test alone: (chain, key, both in one file)."""
    paths = [os.path.join(folder, name) for name in ("fullchain.pem", "privkey.pem", "both.pem")]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-subj", "/CN=consultd.example.org", "-out", paths[0], "-keyout", paths[1]],
                   check=True, capture_output=True)
    with open(paths[2], "w", encoding="ascii") as both:
        for path in paths[:2]:
            with open(path, encoding="ascii") as file:
                both.write(file.read())
    return paths


class Mongo(Process):
    """A MongoDB-compatible server of our own, to be paused: tests/mongo-server."""

    def start(self):
        classes = os.path.join(ROOT, "build/mongo-server/classes")
        if not shutil.which("java") or not os.path.isdir(classes):
            raise Skipped("no MongoDB-compatible server of our own (tests/run builds it)")
        self.begin(["java", "-Xmx512m", "-cp", f"{classes}:{os.path.dirname(classes)}/lib/*",
                    "TestMongoServer"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        found = re.match(r"mongodb://127\.0\.0\.1:(\d+)", self.process.stdout.readline())
        if not found:
            raise Skipped("tests/mongo-server did not start")
        self.url = found.group(0)
        return self


class Mongod(Process):
    """The same of a real one, a replica set of one."""

    def __init__(self, name, folder, program):
        super().__init__(name, folder)
        self.program = program
        self.folder = folder

    def start(self):
        port = free_port()
        self.begin(replica_set.command_of(self.program, port,
                                          tempfile.mkdtemp(prefix="mongod-", dir=self.folder)))
        if not replica_set.make_primary(port, lambda: self.process.poll() is None):
            raise AssertionError(f"{self.program} did not start")
        self.url = replica_set.url_of(port)
        return self


class Redis(Process):
    """A Redis of our own, to be killed; started again, it keeps its port and nothing else."""

    def __init__(self, name, folder):
        super().__init__(name, folder)
        self.folder = folder
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}"

    def start(self):
        self.begin(["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
                    "--appendonly", "no", "--dir", self.folder])
        wait_until(lambda: is_listening(self.port), why="redis-server listens")
        return self

    def kill(self):
        self.process.kill()
        self.process.wait()


def database_of(url):
    """A database of its own at this server."""
    base, _, query = url.partition("?")
    name = "consultd_cluster_" + secrets.token_hex(6)
    return f"{base.rstrip('/')}/{name}" + ("?" + query if query else "")


class Stage:
    """All that a test has started; ended in reverse order, and nodes must end well."""

    def __init__(self, options):
        self.options = options
        self.folder = tempfile.mkdtemp(prefix="cluster-")
        self.started = []

    def node(self, name, store=None, bus="local:", **how):
        store = store or f"sqlite:{self.folder}/{name}.db"
        return self.add(Node(name, self.folder, self.options.server, store, bus, **how)).start()

    def mongo(self):
        """A MongoDB that the test may stop."""
        if self.options.mongod:
            return self.add(Mongod("mongo", self.folder, self.options.mongod)).start()
        return self.add(Mongo("mongo", self.folder)).start()

    def add(self, process):
        self.started.append(process)
        return process

    def end(self):
        """What did not end well, as sentences."""
        bad = []
        for process in reversed(self.started):
            code = process.end()
            if isinstance(process, Node) and code != 0:
                bad.append(f"{process.name} ended with {code}\n{process.said()[-6000:]}")
        return bad

    def clean(self):
        shutil.rmtree(self.folder, ignore_errors=True)
