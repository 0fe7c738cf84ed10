"""What is killed and paused: nodes, a Redis, a store that speaks MongoDB's protocol.

All stand behind a Proxy each, so that a process may come back on another port.
"""

import asyncio
import os
import re
import shutil
import signal
import socket
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import replica_set  # noqa: E402

START_SECONDS = 60
KEY = "the-key-that-signs-in-these-tests-0123456789"


def bound_to_us(command):
    """The command, made to die with us however we end, where setpriv can do that."""
    return (["setpriv", "--pdeathsig", "KILL"] + command) if shutil.which("setpriv") else command


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Process:
    """One that can be started again; its words go to a log."""

    def __init__(self, name, folder, proxy):
        self.name = name
        self.folder = folder
        self.proxy = proxy
        self.process = None
        self.is_paused = False
        self.starts = 0

    def command(self):
        raise NotImplementedError

    def environment(self):
        return None

    async def port(self):
        """The port it listens on, once it does; None when it ended instead."""
        raise NotImplementedError

    async def start(self):
        """Starts it, as often as it takes: what it needs may be away just now."""
        for _ in range(20):
            self.starts += 1
            with open(os.path.join(self.folder, self.name + ".log"), "ab") as log:
                self.process = await asyncio.create_subprocess_exec(
                    *bound_to_us(self.command()), stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE, stderr=log, env=self.environment())
            port = await self.port()
            if port is not None:
                self.proxy.target = port
                return
            await self.kill()
            await asyncio.sleep(0.5)
        raise SystemExit(f"{self.name} does not start; see {self.folder}/{self.name}.log")

    async def line(self, pattern):
        """The first group of the first line of its output that has the pattern."""
        try:
            while True:
                line = await asyncio.wait_for(self.process.stdout.readline(), START_SECONDS)
                found = re.search(pattern, line.decode())
                if found or not line:
                    return int(found.group(1)) if found else None
        except asyncio.TimeoutError:
            return None

    async def kill(self):
        self.proxy.target = None
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()

    async def end(self):
        """SIGTERM; the exit code."""
        self.go_on()
        if self.process.returncode is None:
            self.process.terminate()
        try:
            return await asyncio.wait_for(self.process.wait(), 30)
        except asyncio.TimeoutError:
            await self.kill()
            return None

    def stands(self):
        code = self.process.returncode
        return (f"pid {self.process.pid}, started {self.starts} times, "
                + (f"ended with {code}" if code is not None else
                   "paused" if self.is_paused else "runs")
                + f", {len(self.proxy.links)} links to port {self.proxy.target}")

    async def pause(self, seconds):
        if self.process.returncode is not None:
            return
        self.process.send_signal(signal.SIGSTOP)
        self.is_paused = True
        await asyncio.sleep(seconds)
        self.go_on()

    def go_on(self):
        if self.is_paused and self.process.returncode is None:
            self.process.send_signal(signal.SIGCONT)
        self.is_paused = False


class Node(Process):
    def __init__(self, name, folder, proxy, program, store, bus, clock):
        super().__init__(name, folder, proxy)
        self.program = program
        self.store = store
        self.bus = bus
        self.clock = clock

    def command(self):
        return [self.program, "--demo", "--listen", "127.0.0.1:0", "--store", self.store,
                "--bus", self.bus]

    def environment(self):
        return dict(os.environ, CONSULTD_TOKEN_KEYS=KEY, CONSULTD_SANDBOX_KEY=KEY,
                    CONSULTD_SIGNIN_ATTEMPTS="1000", CONSULTD_METRICS_SECONDS="0",
                    CONSULTD_PING_SECONDS="3", CONSULTD_SWEEP_SECONDS="1",
                    CONSULTD_TEST_CLOCK_FILE=self.clock)

    async def port(self):
        return await self.line(r"listening on http://127\.0\.0\.1:(\d+)")


class Redis(Process):
    def command(self):
        self.chosen = free_port()
        return ["redis-server", "--port", str(self.chosen), "--bind", "127.0.0.1", "--save", "",
                "--appendonly", "no", "--dir", self.folder]

    async def port(self):
        while self.process.returncode is None:
            try:
                socket.create_connection(("127.0.0.1", self.chosen), 1).close()
                return self.chosen
            except OSError:
                await asyncio.sleep(0.02)
        return None


class MemoryMongo(Process):
    """tests/mongo-server: what it holds dies with it, so it is only paused."""

    keeps = False

    def __init__(self, name, folder, proxy, classes):
        super().__init__(name, folder, proxy)
        self.classes = classes

    def command(self):
        return ["java", "-Xmx1g", "-cp", f"{self.classes}:{os.path.dirname(self.classes)}/lib/*",
                "TestMongoServer"]

    async def port(self):
        return await self.line(r"mongodb://127\.0\.0\.1:(\d+)")


class Mongod(Process):
    """A real one, a replica set of one: what it has confirmed outlives it, so it is killed, too."""

    keeps = True

    def __init__(self, name, folder, proxy, program):
        super().__init__(name, folder, proxy)
        self.program = program
        self.own_port = free_port()  # the set knows its member by it
        self.data = tempfile.mkdtemp(prefix="mongod-", dir=folder)

    def command(self):
        return replica_set.command_of(self.program, self.own_port, self.data) + [
            "--logpath", os.path.join(self.folder, self.name + ".own.log"), "--logappend"]

    async def port(self):
        is_up = await asyncio.to_thread(replica_set.make_primary, self.own_port,
                                        lambda: self.process.returncode is None)
        return self.own_port if is_up else None
