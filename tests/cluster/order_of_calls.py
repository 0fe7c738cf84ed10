"""The order of system calls in embedded mode, seen by strace.

Each message has a mark in its text. The mark is in the page that its commit writes to the log of
the database (-wal), in the answer to who sent it, and in what is pushed to others. So of each mark:

    pwrite64(db-wal, …mark…)  <  fdatasync(db-wal) begun  <  ended  <  write(socket, …mark…)

for every write to a socket that has it, whichever thread it came from.
"""

import contextlib
import os
import re
import shutil
import subprocess
import threading

from nodes import Closed, Skipped, Socket, World, wait_until

CREATE = "/api/consultation/chat/message/create"
TALKERS = 4
MESSAGES = 25  # of each talker
MARK = re.compile(r"mark-\d+-\d+-")
CALL = re.compile(r"^(?P<thread>\d+) +(?P<rest>.*)$")
BEGUN = re.compile(r"^(?P<name>\w+)\((?P<descriptor>\d+<[^>]*>)?")
RESUMED = re.compile(r"^<\.\.\. (?P<name>\w+) resumed>")


def walk(lines):
    """(begun, ended, name, file, marks) of each call, begun and ended as line numbers."""
    open_calls = {}
    for number, line in enumerate(lines):
        call = CALL.match(line)
        if not call:
            continue
        thread, rest = call.group("thread"), call.group("rest")
        begun, resumed = BEGUN.match(rest), RESUMED.match(rest)
        if resumed and thread in open_calls:
            start, name, file, marks = open_calls.pop(thread)
            yield start, number, name, file, marks | set(MARK.findall(rest))
        elif begun:
            found = (number, begun.group("name"), begun.group("descriptor") or "",
                     set(MARK.findall(rest)))
            if rest.endswith("<unfinished ...>"):
                open_calls[thread] = found
            else:
                yield found[0], number, *found[1:]


def judge(lines):
    """(sentences of what was wrong, marks that were seen on disk, writes to sockets, syncs)"""
    written, synced, sent, syncs = {}, {}, [], []
    for begun, ended, name, file, marks in walk(lines):
        if name in ("fdatasync", "fsync") and "-wal" in file:
            syncs.append((begun, ended))
        elif "-wal" in file:
            for mark in marks:
                written.setdefault(mark, ended)
        elif "socket:" in file or "TCP:" in file:
            sent += [(begun, mark) for mark in marks]
    for mark, at in written.items():
        covering = [ended for begun, ended in syncs if begun > at]
        synced[mark] = min(covering, default=None)
    bad = []
    for at, mark in sent:
        if mark not in written:
            bad.append(f"{mark} was sent and never written to the log")
        elif synced[mark] is None or synced[mark] > at:
            bad.append(f"{mark}: sent at line {at}, written at {written[mark]}, "
                       f"synced at {synced[mark]}")
    return bad, set(written), sent, syncs


def the_judge_knows_a_wrong_order():
    write = '7 pwrite64(5</x/store.db-wal>, "…mark-1-1-…", 4096, 56) = 4096'
    sync = ["7 fdatasync(5</x/store.db-wal> <unfinished ...>", "7 <... fdatasync resumed>) = 0"]
    send = '6 sendto(9<socket:[1]>, "…mark-1-1-…", 90, MSG_NOSIGNAL, NULL, 0) = 90'
    assert judge([write, *sync, send])[0] == []
    for lines in ([write, send, *sync], [write, sync[0], send, sync[1]], [*sync, write, send],
                  [send], [sync[0], write, sync[1], send]):
        assert len(judge(lines)[0]) == 1, lines


def no_answer_and_no_push_leaves_before_its_commit_is_on_disk(stage):
    the_judge_knows_a_wrong_order()
    trace = os.path.join(stage.folder, "trace")
    # LeakSanitizer cannot look while another process traces.
    around = ["env", "ASAN_OPTIONS=detect_leaks=0", "strace", "-D", "-f", "-y", "-qq",
              "-s", "70000", "-o", trace, "-e",
              "trace=write,writev,sendto,sendmsg,pwrite64,pwritev,fdatasync,fsync"]
    if not shutil.which("strace"):
        raise Skipped("no strace (apt-get install strace)")
    if subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True,
                      check=False).returncode != 0:
        raise Skipped("strace may not trace here (ptrace is not allowed)")
    node = stage.node("node", around=around)
    world = World(node)
    doctor = Socket(node)
    assert doctor.call("connect", {"token": world.doctor.token})[0] == 200
    told = []
    threading.Thread(target=hear, args=(doctor, told), daemon=True).start()
    threads = [threading.Thread(target=talk, args=(node, world, number), daemon=True)
               for number in range(TALKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_until(lambda: len(told) >= TALKERS * MESSAGES, why="all is pushed")
    assert node.end() == 0
    with open(trace, encoding="utf-8", errors="replace") as file:
        bad, written, sent, syncs = judge(file.read().splitlines())
    assert not bad, "\n".join(bad[:20])
    assert len(written) == TALKERS * MESSAGES, len(written)
    assert len(sent) >= 2 * TALKERS * MESSAGES, "answers and pushes"
    print(f"{len(written)} commits' messages, {len(syncs)} syncs, {len(sent)} writes to sockets")


def hear(doctor, told):
    with contextlib.suppress(Closed):
        while True:
            event = doctor.receive()
            if MARK.search(event.get("data", {}).get("text") or ""):
                told.append(event)


def talk(node, world, number):
    """Half of the messages by REST, half by a socket."""
    live = Socket(node)
    assert live.call("connect", {"token": world.user.token})[0] == 200
    for count in range(MESSAGES):
        body = world.message_body(text=f"mark-{number}-{count}-")
        code, answer = (live.call(CREATE, body) if count % 2 else world.user.rest(CREATE, body))
        assert code == 200, answer


TESTS = [no_answer_and_no_push_leaves_before_its_commit_is_on_disk]
