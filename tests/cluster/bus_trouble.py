"""A bus that is away, and a node that stands still meanwhile.

What must hold: a socket is told all that concerns its account, however long the bus was away and
whatever cursor it comes back with. A clock that is moved stands for the time that goes by.
"""

import mmap
import os
import shutil
import struct
import time

from nodes import DEADLINE, Redis, Skipped, Socket, World, database_of, wait_until

CREATE = "/api/consultation/chat/message/create"
LONG_SECONDS = 90  # more than a resume or a repair looks back (replay.c)


class Clock:
    """What is added to the clocks of all nodes."""

    def __init__(self, stage):
        self.path = os.path.join(stage.folder, "clock")
        with open(self.path, "w+b") as file:
            file.write(bytes(8))
            file.flush()
            self.ahead_ms = mmap.mmap(file.fileno(), 8)

    def move(self, seconds):
        before = struct.unpack("=q", self.ahead_ms[:])[0]
        self.ahead_ms[:] = struct.pack("=q", before + seconds * 1000)


class Scene:
    """A patient who speaks, and a doctor whose socket is on the second of two nodes. The bus is a
    Redis of their own."""

    def __init__(self, stage, **options):
        if not shutil.which("redis-server"):
            raise Skipped("there is no redis-server")
        store = database_of(stage.mongo().url)
        self.redis = stage.add(Redis("redis", stage.folder)).start()
        self.clock = Clock(stage)
        options |= {"test_clock_file": self.clock.path, "ping_seconds": 3600}
        self.near = stage.node("near", store, self.redis.url, **options)
        self.world = World(self.near)
        self.other_order = self.world.pay(self.world.make_order())  # another chat of the doctor
        self.far = stage.node("far", store, self.redis.url, **options)
        wait_until(lambda: self.bus_is("up"), why="the bus is up")
        self.socket = None
        self.cursor = None

    def bus_is(self, state):
        return all(f'"bus":"{state}"' in node.get("/readyz")[1] for node in (self.near, self.far))

    def doctor_comes(self):
        """With the newest cursor, which must be honoured."""
        self.socket = Socket(self.far)
        data = {"token": self.world.doctor.token}
        code, answer = self.socket.call(
            "connect", data | ({"cursor": self.cursor} if self.cursor else {}))
        assert code == 200, answer
        assert self.cursor is None or answer["data"]["resumed"] is True, answer
        self.told(lambda event: event["event"] == "synced", "synced")

    def doctor_leaves(self):
        self.socket.close()

    def told(self, is_wanted, what):
        """Waits for an event at the doctor's socket; others are passed over."""
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            try:
                event = self.socket.receive()
            except TimeoutError:
                break
            self.cursor = event.get("cursor", self.cursor)
            if "event" in event and is_wanted(event):
                return
        raise AssertionError(f"the doctor was not told: {what}")

    def told_message(self, text):
        self.told(lambda event: event["event"] == "message.created"
                  and event["data"].get("text") == text, text)

    def say(self, node, text, order=None):
        status, answer = node.post(CREATE, self.world.message_body(order, text=text),
                                   self.world.user.token)
        assert status == 200, answer


def what_others_say_while_the_bus_is_away_is_told_before_its_cursor_is_out_of_reach(stage):
    scene = Scene(stage, bus_check_seconds=1)
    scene.doctor_comes()
    scene.redis.kill()
    wait_until(lambda: scene.bus_is("down"), why="the bus is down")
    scene.say(scene.near, "from afar")
    scene.told_message("from afar")
    scene.clock.move(LONG_SECONDS)
    scene.say(scene.far, "from here", scene.other_order)
    scene.told_message("from here")
    # The cursor is too new to find the first one by.
    scene.doctor_leaves()
    scene.doctor_comes()
    assert scene.bus_is("down")
    scene.redis.start()
    wait_until(lambda: scene.bus_is("up"), why="the bus is up again")
    scene.say(scene.near, "live again")
    scene.told_message("live again")


def a_node_that_stood_still_while_the_bus_came_back_is_told_what_was_said_long_ago(stage):
    scene = Scene(stage)  # the rounds begin too late to find it
    scene.doctor_comes()
    scene.far.freeze()
    scene.redis.kill()
    scene.redis.start()
    wait_until(lambda: '"bus":"up"' in scene.near.get("/readyz")[1], why="the other node is up")
    scene.say(scene.near, "unheard")
    scene.clock.move(LONG_SECONDS)
    scene.far.thaw()
    scene.told_message("unheard")


TESTS = [what_others_say_while_the_bus_is_away_is_told_before_its_cursor_is_out_of_reach,
         a_node_that_stood_still_while_the_bus_came_back_is_told_what_was_said_long_ago]
