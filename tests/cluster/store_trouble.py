"""A store that hangs, breaks off in the middle, or is full.

What must hold each time: every call is answered, with 200 or with 503 and `retry`; what was answered
200 is there, and what was answered 503 is there at most once, so that sending it again by its
clientMsgId leaves one; the node serves again by itself as soon as the store does.
"""

import concurrent.futures
import os
import random
import re
import signal
import socket
import subprocess
import threading

from nodes import Closed, Skipped, Socket, World, database_of, wait_until

CREATE = "/api/consultation/chat/message/create"
CROWD = 40  # callers at once
TIMEOUT_SECONDS = 4  # with less there is no time for the driver's repetition (mongo_database.c)
BACK_SECONDS = 5  # contract 4: until it serves again
MEMORY_KIB = 64 * 1024
DISK_KIB = 4096


def send(world, text):
    return world.user.rest(CREATE, world.message_body(text=text, clientMsgId=text))


def send_all(world, texts):
    """(status, answer) of each, sent at once."""
    with concurrent.futures.ThreadPoolExecutor(len(texts)) as pool:
        return list(pool.map(lambda text: send(world, text), texts))


def check_refusals(answers):
    """All that was not answered 200 may be tried again; returns how many were not."""
    refused = [answer for status, answer in answers if status != 200]
    for answer in refused:
        assert answer["code"] == 503 and answer["error"]["retry"] is True, answer
    return len(refused)


def check_once(world, texts, answers):
    """Sends all again: each is there once, and what was answered before is the same message."""
    again = [send(world, text) for text in texts]
    assert all(status == 200 for status, _ in again), again
    for (status, answer), (_, second) in zip(answers, again):
        assert status != 200 or answer["data"]["id"] == second["data"]["id"]
    stored = world.user.get("/api/chat/message/list", {"chatId": world.chat, "limit": 100})
    counts = [sum(message.get("text") == text for message in stored) for text in texts]
    assert counts == [1] * len(texts), counts
    sequence = sorted(message["seq"] for message in stored)
    assert len(set(sequence)) == len(sequence)


def ready(node):
    status, text = node.get("/readyz")
    return status == 200 and '"store":"up"' in text


def is_back(world, node, text):
    wait_until(lambda: send(world, text)[0] == 200, BACK_SECONDS, "it serves again")
    wait_until(lambda: ready(node), BACK_SECONDS, "it says that it is ready")


def a_store_that_hangs_keeps_nobody_waiting_for_others(stage):
    mongo = stage.mongo()
    node = stage.node("node", database_of(mongo.url),
                      store_timeout_seconds=TIMEOUT_SECONDS)
    world = World(node)
    before_kib = node.status("VmRSS")
    live = Socket(node)
    assert live.call("connect", {"token": world.user.token})[0] == 200
    texts = [f"hung-{number}" for number in range(CROWD)]
    spoken = world.message_body(text="hung-live", clientMsgId="hung-live")
    mongo.freeze()
    # Each alone would wait TIMEOUT_SECONDS for the store: one after the other that is longer than
    # anybody waits here (DEADLINE).
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        said = pool.submit(node.get, "/readyz")
        called = pool.submit(live.call, CREATE, spoken)
        answers = send_all(world, texts)
    assert check_refusals(answers) == CROWD
    code, answer = called.result()
    assert code == 503 and answer["error"]["retry"] is True, answer
    status, text = said.result()
    assert status == 503 and '"store":"down"' in text, text
    assert node.get("/livez")[0] == 200
    assert live.call("ping")[0] == 200  # needs no store
    assert node.status("VmRSS") < before_kib + MEMORY_KIB
    mongo.thaw()
    is_back(world, node, "back")
    check_once(world, texts, answers)
    code, answer = live.call(CREATE, spoken)
    assert code == 200, answer  # on the very same socket


def what_a_full_lane_does_not_take_is_refused_at_once(stage):
    mongo = stage.mongo()
    node = stage.node("node", database_of(mongo.url),
                      store_timeout_seconds=TIMEOUT_SECONDS, lane_max=16)
    world = World(node)
    texts = [f"full-{number}" for number in range(CROWD)]
    mongo.freeze()
    answers = send_all(world, texts)
    assert check_refusals(answers) == CROWD
    reasons = {answer["error"]["reason"] for _, answer in answers}
    assert reasons == {"BUSY", "STORE"}, reasons
    mongo.thaw()
    is_back(world, node, "back")
    check_once(world, texts, answers)


def a_node_whose_store_hangs_stops_within_its_time(stage):
    mongo = stage.mongo()
    node = stage.node("node", database_of(mongo.url), drain_seconds=3,
                      store_timeout_seconds=60)
    world = World(node)
    link = node.new_link()
    mongo.freeze()
    text = b'{"chatId":"%s"}' % world.chat.encode()
    link.request("POST", "/api/chat/detail", text,
                 {"Content-Type": "application/json",
                  "Authorization": "Bearer " + world.user.token})
    wait_until(lambda: node.get("/livez")[0] == 200)
    node.signal(signal.SIGTERM)
    assert node.ended() == 0  # 30 s at most; the store alone would take 60
    mongo.thaw()
    link.close()


def refused_while_away(live, token):
    code, answer = live.call("connect", {"token": token})
    assert code == 503 and answer["error"]["retry"] is True, answer


def a_key_that_cannot_be_looked_up_is_not_told_to_be_bad(stage):
    mongo = stage.mongo()
    node = stage.node("node", database_of(mongo.url),
                      store_timeout_seconds=TIMEOUT_SECONDS)
    world = World(node)
    open_one, new_one = Socket(node), Socket(node)
    assert open_one.call("connect", {"token": world.service.token})[0] == 200
    mongo.freeze()
    refused_while_away(open_one, world.service.token)
    assert open_one.call("ping")[0] == 200  # who is signed in stays
    refused_while_away(new_one, world.service.token)
    try:
        event = new_one.receive()
        raise AssertionError(event)
    except Closed as end:
        assert end.code == 4105, end  # and not 4001: it is to come again
    mongo.thaw()
    is_back(world, node, "back")
    assert Socket(node).call("connect", {"token": world.service.token})[0] == 200
    assert open_one.call("connect", {"token": world.service.token})[0] == 200


# ---- Connections that break off ----

class Cutter:
    """Passes bytes to and fro; when it is told to, it cuts the link that next brings an answer.

    The request has reached the store then, and its answer is lost."""

    def __init__(self, port):
        self.port = port
        self.cuts = 0
        self.wanted = threading.Semaphore(0)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            near, _ = self.listener.accept()
            far = socket.create_connection(("127.0.0.1", self.port))
            for source, target, answers in ((near, far, False), (far, near, True)):
                threading.Thread(target=self.carry, args=(source, target, answers),
                                 daemon=True).start()

    def carry(self, source, target, answers):
        try:
            while True:
                piece = source.recv(65536)
                if not piece or (answers and self.wanted.acquire(blocking=False)):
                    self.cuts += 1 if piece else 0
                    break
                target.sendall(piece)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def connections_that_break_off_in_a_write_lose_and_double_nothing(stage):
    if not stage.options.mongo:
        raise Skipped("no MongoDB")
    # A driver that knows the set asks for its members and goes past the cutter.
    url = re.sub("replicaSet=[^&]*", "directConnection=true", database_of(stage.options.mongo))
    place = url.split("//")[1].split("/")[0]
    cutter = Cutter(int(place.split(":")[1]))
    node = stage.node("node", url.replace(place, f"127.0.0.1:{cutter.listener.getsockname()[1]}"),
                      store_timeout_seconds=TIMEOUT_SECONDS)
    world = World(node)
    texts = [f"cut-{number}" for number in range(CROWD // 2)]
    dice = random.Random(20180610)
    answers = []
    for text in texts:
        if dice.random() < 0.4:
            cutter.wanted.release(dice.choice([1, 2, 4]))
        answers.append(send(world, text))
    check_refusals(answers)
    while cutter.wanted.acquire(blocking=False):
        pass
    assert cutter.cuts > len(texts) / 4, cutter.cuts
    is_back(world, node, "back")
    check_once(world, texts, answers)
    print(f"{cutter.cuts} cuts, {check_refusals(answers)} calls refused")


# ---- A full disk ----

def fill(folder):
    with open(os.path.join(folder, "ballast"), "ab", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            return


def a_full_disk_is_told_and_forgotten_when_there_is_room(stage):
    folder = os.path.join(stage.folder, "disk")
    os.mkdir(folder)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_KIB}k", "tmpfs", folder],
                      capture_output=True, check=False).returncode != 0:
        raise Skipped("a small disk cannot be mounted here (needs root)")
    try:
        fill_and_free(stage, folder)
    finally:
        subprocess.run(["umount", "-l", folder], check=False)


def fill_and_free(stage, folder):
    node = stage.node("node", f"sqlite:{folder}/store.db")
    world = World(node)
    before = send(world, "before")
    assert before[0] == 200
    fill(folder)
    texts = [f"disk-{number}" for number in range(CROWD)]
    long = "满" * 1500  # what little room is left in the log fills up
    answers = []
    while not answers or answers[-1][0] == 200:
        number = len(answers)
        answers.append(world.user.rest(CREATE, world.message_body(
            text=long, clientMsgId=f"long-{number}")))
    assert check_refusals(answers) == 1
    refused = send_all(world, texts)
    assert check_refusals(refused) == CROWD
    status, text = node.get("/readyz")
    assert status == 503 and '"store":"down"' in text, text
    assert world.user.get("/api/chat/detail", {"id": world.chat})["id"] == world.chat
    os.remove(os.path.join(folder, "ballast"))
    is_back(world, node, "back")
    listed = world.user.get("/api/chat/message/list", {"chatId": world.chat, "limit": 100})
    assert sum(message.get("text") == long for message in listed) == len(answers) - 1
    check_once(world, texts, refused)
    assert send(world, "before")[1]["data"]["id"] == before[1]["data"]["id"]
    assert node.end() == 0


TESTS = [a_store_that_hangs_keeps_nobody_waiting_for_others,
         what_a_full_lane_does_not_take_is_refused_at_once,
         a_node_whose_store_hangs_stops_within_its_time,
         a_key_that_cannot_be_looked_up_is_not_told_to_be_bad,
         connections_that_break_off_in_a_write_lose_and_double_nothing,
         a_full_disk_is_told_and_forgotten_when_there_is_room]
