"""Three nodes on one store and one bus, behind a proxy with TLS, by the very files of conf/."""

import datetime
import os
import random
import shutil
import subprocess
import threading
import time

from nodes import (DEADLINE, Closed, Front, Skipped, Socket, World, database_of, is_listening,
                   make_certificate, wait_until)

TALKERS = 9


def start_nodes(stage, count=3, **options):
    if not stage.options.mongo or not stage.options.redis:
        raise Skipped("no MongoDB or no Redis")
    store = database_of(stage.options.mongo)
    return [stage.node(f"node{number}", store, stage.options.redis, **options)
            for number in range(1, count + 1)]


def node_addresses(nodes):
    return [(f"10.0.0.1{number}:8080", f"127.0.0.1:{node.port}")
            for number, node in enumerate(nodes, 1)]


NGINX = """daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {folder}/nginx-body;
    proxy_temp_path {folder}/nginx-proxy;
    fastcgi_temp_path {folder}/nginx-fastcgi;
    uwsgi_temp_path {folder}/nginx-uwsgi;
    scgi_temp_path {folder}/nginx-scgi;
    include {site};
}}
"""


def start_nginx(stage, nodes):
    """nginx with conf/nginx-three-nodes.conf, its addresses and certificate exchanged."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if not program:
        raise Skipped("no nginx (apt-get install nginx-light)")
    chain, key, _ = make_certificate(stage.folder)
    front = stage.add(Front("nginx", stage.folder, chain))
    site = front.write("nginx-three-nodes.conf", node_addresses(nodes) + [
        ("listen 80;", f"listen 127.0.0.1:{front.plain_port};"), ("listen [::]:80;", ""),
        ("listen 443 ssl http2;", f"listen 127.0.0.1:{front.port} ssl http2;"),
        ("listen [::]:443 ssl http2;", ""),
        ("/etc/ssl/consultd/fullchain.pem", chain), ("/etc/ssl/consultd/privkey.pem", key)])
    main = os.path.join(stage.folder, "nginx.conf")
    with open(main, "w", encoding="utf-8") as file:
        file.write(NGINX.format(folder=stage.folder, site=site))
    command = [program, "-c", main, "-p", stage.folder, "-e", "stderr"]
    checked = subprocess.run(command + ["-t"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert "[warn]" not in checked.stderr, checked.stderr
    front.begin(command)
    wait_until(lambda: is_listening(front.port), why=front.said())
    return front


def start_haproxy(stage, nodes):
    program = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
    if not program:
        raise Skipped("no haproxy (apt-get install haproxy)")
    chain, _, both = make_certificate(stage.folder)
    front = stage.add(Front("haproxy", stage.folder, chain))
    path = front.write("haproxy.cfg", node_addresses(nodes) + [
        ("bind :80\n", f"bind 127.0.0.1:{front.plain_port}\n"),
        ("bind :443 ", f"bind 127.0.0.1:{front.port} "),
        ("/etc/ssl/consultd/both.pem", both)])
    checked = subprocess.run([program, "-c", "-f", path], capture_output=True, text=True,
                             check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    front.begin([program, "-db", "-f", path])
    wait_until(lambda: is_listening(front.port), why=front.said())
    return front


# ---- The story ----

class Listener(threading.Thread):
    """An account's socket that comes back when it is closed, and keeps what it was told."""

    def __init__(self, front, token):
        super().__init__(daemon=True)
        self.front = front
        self.token = token
        self.messages = {}  # id -> newest form
        self.cursor = None
        self.codes = []
        self.resumed = []
        self.is_live = threading.Event()
        self.is_over = False
        self.start()

    def run(self):
        while not self.is_over:
            try:
                self.listen(Socket(self.front))
            except (Closed, OSError, AssertionError) as end:
                self.codes.append(getattr(end, "code", repr(end)))
                time.sleep(random.uniform(0.05, 0.3))  # as a client does

    def listen(self, socket):
        data = {"token": self.token} | ({"cursor": self.cursor} if self.cursor else {})
        code, answer = socket.call("connect", data)
        if code != 200:
            raise Closed(code)
        self.resumed.append(answer["data"]["resumed"])
        while not self.is_over:
            event = socket.receive()
            self.cursor = event.get("cursor") or self.cursor
            if event.get("event") == "synced":
                self.is_live.set()
            elif event.get("event", "").startswith("message."):
                self.messages[event["data"]["id"]] = event["data"]


def tell_the_story(front, nodes):
    """From sign-up to a retracted reply; World is sign-up, patient, order, payment, a message."""
    world = World(front)
    patient = Listener(front, world.user.token)
    doctor = Listener(front, world.doctor.token)
    wait_until(patient.is_live.is_set, why="the patient's socket")
    wait_until(doctor.is_live.is_set, why="the doctor's socket")
    asked = world.send()
    wait_until(lambda: asked in doctor.messages, why="the question is pushed")
    code, answer = world.doctor.over_socket(
        "/api/consultation/chat/message/create",
        dict(world.message_body(), direction="doctor->user", text="发错了"))
    assert code == 200, answer
    reply = answer["data"]["id"]
    wait_until(lambda: reply in patient.messages, why="the reply is pushed")
    assert patient.messages[reply]["text"] == "发错了"
    code, answer = world.doctor.rest("/api/consultation/chat/message/retract", {"id": reply})
    assert code == 200, answer
    wait_until(lambda: patient.messages[reply].get("isRetract"), why="its retraction")
    assert "text" not in patient.messages[reply]
    listed = world.user.get("/api/chat/message/list", {"chatId": world.chat, "limit": 100})
    assert [m for m in listed if m["id"] == reply][0]["isRetract"] is True
    for path in ("/readyz", "/livez", "/metrics"):
        assert front_get(front, path) == 404, path  # these are not for the world
    for node in nodes:
        assert node.get("/readyz")[0] == 200
        # One node is away: calls go to the others at once.
        assert node.end() == 0
        for _ in range(6):
            front.forget_link()
            assert world.user.get("/api/chat/detail", {"id": world.chat})["id"] == world.chat
        node.start()
        wait_until(lambda: node.get("/readyz")[0] == 200)
    patient.is_over = doctor.is_over = True


def front_get(front, path):
    link = front.new_link()
    link.request("GET", path)
    status = link.getresponse().status
    link.close()
    return status


def a_consultation_through_nginx_from_sign_up_to_a_retracted_reply(stage):
    nodes = start_nodes(stage)
    tell_the_story(start_nginx(stage, nodes), nodes)


def a_consultation_through_haproxy_from_sign_up_to_a_retracted_reply(stage):
    nodes = start_nodes(stage)
    tell_the_story(start_haproxy(stage, nodes), nodes)


def a_second_node_on_one_sqlite_file_is_refused(stage):
    node = stage.node("node")
    second = subprocess.run(node.command + ["--listen", "127.0.0.1:0"], capture_output=True,
                            text=True, check=False, timeout=DEADLINE)
    assert second.returncode == 1, second
    assert "another process uses it" in second.stderr, second.stderr
    assert "listening" not in second.stdout
    assert node.get("/readyz")[0] == 200


# ---- Restarts ----

class Talker(threading.Thread):
    """Sends one message after the other, by REST or socket, each until it is answered."""

    def __init__(self, front, caller, order, by_socket):
        super().__init__(daemon=True)
        self.front = front
        self.caller = caller
        self.order = order
        self.by_socket = by_socket
        self.socket = None
        self.acked = {}  # text -> id
        self.again = []  # (text, why, when)
        self.trouble = []
        self.lost = None
        self.is_over = False
        self.start()

    def body(self, text):
        return {"chatId": self.order["chatId"], "consultationId": self.order["id"], "type": "01",
                "direction": "user->doctor", "text": text, "clientMsgId": text}

    def send(self, text):
        """(code, answer); None: nobody knows."""
        path = "/api/consultation/chat/message/create"
        try:
            if not self.by_socket:
                link = self.front.new_link()
                self.front.local.link = link  # each call on a new connection: no hidden repetition
                status, answer = self.front.post(path, self.body(text), self.caller.token)
                self.front.forget_link()
                return status, answer
            if self.socket is None:
                self.socket = Socket(self.front)
                assert self.socket.call("connect", {"token": self.caller.token})[0] == 200
            return self.socket.call(path, self.body(text))
        except TimeoutError:
            self.trouble.append(f"a call hung: {text}")
        except (Closed, OSError, AssertionError, ValueError) as error:
            self.lost = f"{'socket' if self.by_socket else 'rest'} {error}"
        self.socket = None
        return None

    def run(self):
        number = 0
        while not self.is_over:
            number += 1
            text = f"{self.caller.name}-{number}"
            answer = self.send(text)
            while answer is None or answer[0] in (502, 503, 504):
                why = self.lost if answer is None else f"{answer[0]} of the proxy"
                if answer is not None and answer[1] is not None:
                    assert answer[1]["error"]["retry"] is True
                    why = answer[1]["error"]["reason"]
                self.again.append((text, why, f"{datetime.datetime.now(datetime.UTC):%T.%f}"))
                time.sleep(random.uniform(0.02, 0.1))
                answer = self.send(text)
            if answer[0] != 200:
                self.trouble.append(f"{text}: {answer}")
                return
            self.acked[text] = answer[1]["data"]["id"]
            time.sleep(0.01)


def check_places(talker, stored):
    """seq has no gaps but for a write that never came to be (contract 4): a try which the store has
    failed, so that nobody knows what of it happened, may have taken a place next to its message."""
    unknown = [text for text, why, _ in talker.again if why == "STORE"]
    last_seq = talker.caller.get("/api/chat/detail", {"id": talker.order["chatId"]})["lastSeq"]
    before = {"seq": 0}
    for message in [*reversed(stored), {"seq": last_seq + 1}]:
        beside = (before.get("text"), message.get("text"))
        tries = sum(text in beside for text in unknown)
        if not 0 < message["seq"] - before["seq"] <= 1 + tries:
            lines = [" ".join(f"{name}={one.get(name)}" for name in
                              ("seq", "id", "type", "created_at", "text")) for one in
                     sorted(stored, key=lambda one: one["seq"])
                     if abs(one["seq"] - message["seq"]) < 8]
            raise AssertionError(
                f"seq has a gap that no failed write explains: {before['seq']}, {message['seq']}; "
                f"chat {talker.order['chatId']}, its lastSeq {last_seq}, sent again "
                f"{talker.again}\n" + "\n".join(lines))
        before = message


def check_chats(talkers, listeners):
    for talker in talkers:
        assert not talker.trouble, talker.trouble
        assert len(talker.acked) > 5, "it never got to speak"
        stored = []
        before = None
        while True:
            body = {"chatId": talker.order["chatId"], "limit": 100}
            page = talker.caller.get("/api/chat/message/list",
                                     body | ({"beforeSeq": before} if before else {}))
            if not page:
                break
            stored += page
            before = page[-1]["seq"]
        check_places(talker, stored)
        texts = [message.get("text") for message in stored]
        for text, identity in talker.acked.items():
            assert texts.count(text) == 1, f"{text} is {texts.count(text)} times in the store"
            assert identity in [message["id"] for message in stored]
        missing = set(talker.acked.values()) - set(listeners[talker.doctor].messages)
        assert not missing, f"the doctor was not told of {len(missing)}"


def restart(node):
    assert node.end() == 0, f"{node.name} did not end well: {node.said()[-2000:]}"
    node.start()
    wait_until(lambda: node.get("/readyz")[0] == 200, why=node.said()[-2000:])


def restarting_each_node_under_load_loses_no_call_and_no_message(stage):
    nodes = start_nodes(stage)
    front = start_nginx(stage, nodes)
    world = World(front)
    doctors = [world.doctor, world.other_doctor]
    listeners = [Listener(front, doctor.token) for doctor in doctors]
    talkers = []
    for number in range(TALKERS):
        caller = world.sign_up(f"talker{number}")
        order = world.make_order(world.make_patient(caller), doctors[number % 2], caller)
        world.pay(order, caller)
        talkers.append(Talker(front, caller, order, by_socket=number % 3 == 0))
        talkers[-1].doctor = number % 2
    for listener in listeners:
        wait_until(listener.is_live.is_set, why="a doctor's socket")
    for node in nodes:
        before = [len(talker.acked) for talker in talkers]
        restart(node)
        wait_until(lambda: all(len(talker.acked) > count + 3
                               for talker, count in zip(talkers, before)),
                   why=f"all go on after {node.name}; {[t.trouble for t in talkers]}")
    for talker in talkers:
        talker.is_over = True
    for talker in talkers:
        talker.join()
    wanted = {i: {m for t in talkers if t.doctor == i for m in t.acked.values()} for i in range(2)}
    wait_until(lambda: all(wanted[i] <= set(listeners[i].messages) for i in range(2)),
               why="the doctors are told of all")
    check_chats(talkers, listeners)
    for listener in listeners:
        listener.is_over = True
        assert all(listener.resumed[1:]), "a resume was not honoured"
    codes = [code for listener in listeners for code in listener.codes]
    assert 4100 in codes, codes
    print(f"acked {sum(len(t.acked) for t in talkers)}, sent again "
          f"{[why for t in talkers for _, why, _ in t.again]}, sockets closed {codes}")


TESTS = [a_second_node_on_one_sqlite_file_is_refused,
         a_consultation_through_nginx_from_sign_up_to_a_retracted_reply,
         a_consultation_through_haproxy_from_sign_up_to_a_retracted_reply,
         restarting_each_node_under_load_loses_no_call_and_no_message]
