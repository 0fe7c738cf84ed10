"""One node that is told to stop."""

import contextlib
import json
import signal
import time

from nodes import DEADLINE, Closed, Socket, World, wait_until

SOCKETS = 600  # enough for several slices (server/stopping.c)
CALLS = 40


def open_sockets(node, caller, count):
    sockets = []
    for _ in range(count):
        sockets.append(Socket(node))
        code, answer = sockets[-1].call("connect", {"token": caller.token})
        assert code == 200, answer
    return sockets


def body_of(world, number):
    return world.message_body(text=f"last-{number}", clientMsgId=f"last-{number}")


CREATE = "/api/consultation/chat/message/create"


def is_told(sockets):
    """Whether one of them has been told 4100."""
    for one in sockets:
        one.tcp.settimeout(0)
        try:
            while True:
                one.receive()
        except Closed as end:
            assert end.code == 4100, end
            return True
        except OSError:
            pass
        finally:
            one.tcp.settimeout(DEADLINE)
    return False


def read_to_the_end(one):
    """(answers by id, close code)"""
    answers = {}
    try:
        while True:
            frame = one.receive()
            if "id" in frame:
                answers[frame["id"]] = frame
    except Closed as end:
        return answers, end.code


def sockets_are_told_some_at_a_time_and_what_was_accepted_is_answered(stage):
    node = stage.node("node", drain_seconds=30)
    world = World(node)
    sockets = open_sockets(node, world.user, SOCKETS)
    talker = Socket(node)  # the newest, so that it is told last
    assert talker.call("connect", {"token": world.user.token})[0] == 200
    for number in range(CALLS):
        talker.calls += 1
        talker.send_frame(frame_of(talker.calls, CREATE, body_of(world, number)))
    node.signal(signal.SIGTERM)
    wait_until(lambda: is_told(sockets[:50]), why="the first are told")
    # Others have not been told yet, and are served as ever.
    code, answer = talker.call("ping")
    assert code == 200, answer
    answers, code = read_to_the_end(talker)
    assert code == 4100, code
    assert all(answer["code"] == 200 for answer in answers.values()), answers
    for one in sockets[50:]:
        assert read_to_the_end(one)[1] == 4100
        one.close()
    assert node.ended() == 0
    node.start()
    ids = []
    for number in range(CALLS):  # again: each is there once
        ids.append(world.user.get(CREATE, body_of(world, number))["id"])
    listed = world.user.get("/api/chat/message/list", {"chatId": world.chat, "limit": 100})
    texts = [message.get("text") for message in listed]
    assert [texts.count(f"last-{number}") for number in range(CALLS)] == [1] * CALLS
    assert len(set(ids)) == CALLS


def frame_of(number, call, data):
    return json.dumps({"id": number, "call": call, "data": data}).encode()


def a_socket_that_never_says_goodbye_holds_nobody_up_and_costs_nothing(stage):
    node = stage.node("node", drain_seconds=6)
    world = World(node)
    mute = open_sockets(node, world.user, 20)
    for one in mute:
        one.send_frame(frame_of(99, "ping", {}))
    node.signal(signal.SIGTERM)
    before = node.cpu_seconds()
    begun = time.monotonic()
    spent, until = before, begun
    while node.process.poll() is None and time.monotonic() < begun + DEADLINE:
        with contextlib.suppress(OSError, IndexError):
            spent, until = node.cpu_seconds(), time.monotonic()
        time.sleep(0.05)
    assert node.process.wait(1) == 0
    # Not a measurement: a loop that spins would take all of it.
    assert spent - before < 0.3 * (until - begun) + 0.05, (spent - before, until - begun)


def a_request_on_an_open_connection_is_answered_while_the_node_stops(stage):
    node = stage.node("node")
    world = World(node)
    text = json.dumps({"id": world.chat}).encode()
    links = []
    for _ in range(20):  # accepted, or in the kernel's queue, and nothing sent yet
        links.append(node.connect())
    node.signal(signal.SIGTERM)
    for link in links:
        link.sendall(b"POST /api/chat/detail HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                     b"Authorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s"
                     % (world.user.token.encode(), len(text), text))
    for link in links:
        head = link.recv(65536)
        assert head.startswith(b"HTTP/1.1 200 "), head
        assert b"connection: close" in head.lower(), head
        link.close()
    assert node.ended() == 0


TESTS = [sockets_are_told_some_at_a_time_and_what_was_accepted_is_answered,
         a_socket_that_never_says_goodbye_holds_nobody_up_and_costs_nothing,
         a_request_on_an_open_connection_is_answered_while_the_node_stops]
