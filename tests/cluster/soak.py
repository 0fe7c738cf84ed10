"""Many sockets coming and going: by a goodbye, by a cut, in the middle of a frame, half open.

Afterwards the process has as many descriptors as before, and no more memory than MEMORY_KIB above
what it had after a first wave of as many sockets. Leaks are LeakSanitizer's to find, at its end
(make test runs this on the build that has it).
"""

import asyncio
import base64
import json
import os
import random
import struct
import time

from nodes import ROOT, World, wait_until

MEMORY_KIB = 24 * 1024
DEADLINE = 60
ACCOUNTS = 20


class Client:
    """A WebSocket by asyncio, as much of it as a soak needs."""

    async def open(self, port):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", port)
        key = base64.b64encode(os.urandom(16)).decode()
        self.writer.write((f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
                           f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
                           "Sec-WebSocket-Version: 13\r\n\r\n").encode())
        head = await self.reader.readuntil(b"\r\n\r\n")
        assert b" 101 " in head, head
        self.calls = 0

    def frame(self, payload, opcode=1):
        size = bytes([0x80 | len(payload)]) if len(payload) < 126 else \
            struct.pack(">BH", 0xFE, len(payload))
        return bytes([0x80 | opcode]) + size + b"\0\0\0\0" + payload

    async def receive(self):
        """The next text frame; None: closed."""
        while True:
            first, second = await self.reader.readexactly(2)
            length = second & 0x7F
            if length >= 126:
                length = int.from_bytes(
                    await self.reader.readexactly(2 if length == 126 else 8), "big")
            payload = await self.reader.readexactly(length)
            if first & 0x0F == 1:
                return json.loads(payload)
            if first & 0x0F == 8:
                return None

    async def call(self, name, data):
        self.calls += 1
        self.writer.write(self.frame(json.dumps(
            {"id": self.calls, "call": name, "data": data}).encode()))
        while True:
            answer = await self.receive()
            if answer is None or answer.get("id") == self.calls:
                return answer

    async def leave(self, dice):
        """One of the ways in which clients go."""
        way = dice.randrange(4)
        if way == 0:  # a goodbye
            self.writer.write(self.frame(struct.pack(">H", 1000), 8))
            while await self.receive() is not None:
                pass
        elif way == 1:  # in the middle of a frame
            self.writer.write(self.frame(b'{"id":1,"call":"ping"}')[:9])
        elif way == 2:  # with an answer on its way
            self.writer.write(self.frame(b'{"id":1,"call":"/api/doctor/list","data":{}}'))
        if way in (0, 1):
            self.writer.close()
        else:
            self.writer.transport.abort()


async def visit(port, callers, dice, stay_seconds, counts):
    """One client: comes, talks a little, stays a while, and leaves."""
    client = Client()
    try:
        await asyncio.wait_for(client.open(port), DEADLINE)
        if dice.random() < 0.05:
            client.writer.transport.abort()  # never says who it is
            return
        caller, chat = dice.choice(callers)
        answer = await asyncio.wait_for(client.call("connect", {"token": caller.token}), DEADLINE)
        assert answer["code"] == 200, answer
        for _ in range(dice.randrange(3)):
            name, data = dice.choice([("typing", {"chatId": chat}),
                                      ("/api/chat/detail", {"id": chat}),
                                      ("/api/chat/message/list", {"chatId": chat})])
            answer = await asyncio.wait_for(client.call(name, data), DEADLINE)
            assert answer["code"] == 200, answer
            counts["calls"] += 1
        await asyncio.sleep(dice.random() * stay_seconds)
        await asyncio.wait_for(client.leave(dice), DEADLINE)
        counts["visits"] += 1
    except (OSError, EOFError) as error:
        counts["broken"] += 1
        counts["why"] = repr(error)
        client.writer.transport.abort()


async def crowd(port, callers, size, seconds, counts, seed):
    """`size` clients at a time, one visit after the other, until the time is over."""
    until = time.monotonic() + seconds

    async def one(number):
        dice = random.Random(seed + number)
        while True:
            await visit(port, callers, dice, min(3.0, seconds), counts)
            if time.monotonic() > until:
                return

    await asyncio.gather(*[one(number) for number in range(size)])


def nothing_is_left_of_sockets_that_came_and_went(stage):
    os.environ.setdefault("LSAN_OPTIONS",
                          f"suppressions={ROOT}/tests/lsan.supp:print_suppressions=0")
    # What AddressSanitizer keeps of freed memory is none of ours.
    os.environ["ASAN_OPTIONS"] = ":".join([os.environ.get("ASAN_OPTIONS", "detect_leaks=1"),
                                           "quarantine_size_mb=4"])
    node = stage.node("node")
    world = World(node)
    callers = [(world.user, world.chat), (world.doctor, world.chat)]
    for number in range(ACCOUNTS):
        caller = world.sign_up(f"guest{number}")
        order = world.make_order(world.make_patient(caller), world.doctor, caller)
        world.pay(order, caller)
        callers.append((caller, order["chatId"]))
    resting = node.descriptors()
    counts = {"visits": 0, "calls": 0, "broken": 0, "why": ""}
    size = stage.options.sockets
    asyncio.run(crowd(node.port, callers, size, 1, counts, 0))
    wait_until(lambda: node.descriptors() <= resting, DEADLINE, "all descriptors of the first wave")
    before_kib = node.status("VmRSS")
    asyncio.run(crowd(node.port, callers, size, stage.options.soak, counts, 1000000))
    wait_until(lambda: node.descriptors() <= resting, DEADLINE, "all descriptors are given back")
    after_kib = node.status("VmRSS")
    assert counts["visits"] > size and counts["calls"] > 0, counts
    assert counts["broken"] == 0, counts
    print(f"{counts}, descriptors {resting}, memory {before_kib} KiB, then {after_kib} KiB")
    assert after_kib < before_kib + MEMORY_KIB, (before_kib, after_kib)
    assert node.end() == 0, node.said()[-6000:]  # with what LeakSanitizer found, if it looked


TESTS = [nothing_is_left_of_sockets_that_came_and_went]
