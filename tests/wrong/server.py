"""A server of our own, and the two ways into it: bytes over HTTP and frames over a WebSocket.

Written on plain sockets, because what is tested is what no proper client would send.
"""

import base64
import hashlib
import hmac
import http.client
import json
import os
import re
import secrets
import socket
import struct
import subprocess
import tempfile
import threading

DEADLINE = 30  # seconds for any one answer; not a measurement, only an end to waiting
KEY = "the-key-that-signs-in-these-tests-0123456789"
SANDBOX_KEY = "the-key-that-signs-payments-in-these-tests"
OTHER_KEY = "another-key-that-this-server-does-not-know-0"
SETTINGS = {
    "CONSULTD_TOKEN_KEYS": KEY,
    "CONSULTD_SANDBOX_KEY": SANDBOX_KEY,
    "CONSULTD_SIGNIN_ATTEMPTS": "1000",
    "CONSULTD_SOCKET_CALLS_PER_SECOND": "1000000",
    "CONSULTD_PING_SECONDS": "3600",
    "CONSULTD_SWEEP_SECONDS": "3600",  # what a sweep changes no refused call has changed
}


class Server:
    """One consultd with an empty store, the demo's doctors and a known token key."""

    def __init__(self, program, store, bus, environment=None):
        self.folder = tempfile.mkdtemp(prefix="wrong-")
        self.database = None
        name = "consultd_wrong_" + secrets.token_hex(8)
        if store.startswith("mongodb"):
            base, _, query = store.partition("?")
            store = base.rstrip("/") + "/" + name + ("?" + query if query else "")
        else:
            self.database = os.path.join(self.folder, "store.db")
            store = "sqlite:" + self.database
        self.log = open(os.path.join(self.folder, "log"), "w+b")
        self.process = subprocess.Popen(
            [program, "--demo", "--listen", "127.0.0.1:0", "--store", store, "--bus", bus],
            env={**os.environ, **SETTINGS, **(environment or {})},
            cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log,
            text=True)
        self.port = None
        for line in self.process.stdout:
            found = re.search(r"listening on http://127\.0\.0\.1:(\d+)", line)
            if found:
                self.port = int(found.group(1))
                break
        if self.port is None:
            raise SystemExit("the server did not start:\n" + self.said())
        threading.Thread(target=self.process.stdout.read, daemon=True).start()
        self.local = threading.local()

    def said(self):
        self.log.flush()
        with open(self.log.name, encoding="utf-8", errors="replace") as log:
            return log.read()[-8000:]

    def memory_kib(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1))

    def stop(self):
        """Ends the server; its exit code, 0 when all is well."""
        self.process.terminate()
        try:
            return self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), DEADLINE)

    def request(self, method, path, body=None, headers=None):
        """Any request over a kept connection; (status, parsed JSON or None, headers)."""
        for attempt in (0, 1):
            link = getattr(self.local, "link", None)
            if link is None:
                link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
                self.local.link = link
            try:
                link.putrequest(method, path, skip_accept_encoding=True)
                if body is not None:
                    link.putheader("Content-Length", str(len(body)))
                for name, value in (headers or {}).items():
                    link.putheader(name, value)
                link.endheaders(body)
                answer = link.getresponse()
                text = answer.read()
                if answer.will_close:
                    self.forget_link()
                return answer.status, as_json(text), answer.headers
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                self.forget_link()
                if attempt == 1:
                    raise
        return None

    def forget_link(self):
        self.local.link.close()
        self.local.link = None

    def post(self, path, body, token=None, raw=None):
        """(status, answer) of an endpoint by REST; `raw`: bytes in place of `body`."""
        headers = {"Content-Type": "application/json"}
        if token is not None:
            headers["Authorization"] = "Bearer " + token
        text = raw if raw is not None else json.dumps(body, ensure_ascii=True).encode()
        status, answer, _ = self.request("POST", path, text, headers)
        return status, answer


def as_json(text):
    try:
        return json.loads(text)
    except ValueError:
        return None


class Closed(Exception):
    """The server closed the socket; code None: without a close frame."""

    def __init__(self, code):
        super().__init__(f"closed with {code}")
        self.code = code


class Socket:
    """A WebSocket; `connect` is left to the caller."""

    def __init__(self, server):
        self.tcp = server.connect()
        self.bytes = b""
        self.calls = 0
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        self.tcp.sendall((f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
                          "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                          f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n").encode())
        while b"\r\n\r\n" not in self.bytes:
            self.fill()
        head, _, self.bytes = self.bytes.partition(b"\r\n\r\n")
        if b" 101 " not in head.splitlines()[0]:
            raise AssertionError(head)

    def fill(self):
        more = self.tcp.recv(65536)
        if not more:
            raise Closed(None)
        self.bytes += more

    def take(self, count):
        while len(self.bytes) < count:
            self.fill()
        taken, self.bytes = self.bytes[:count], self.bytes[count:]
        return taken

    def send_frame(self, payload, opcode=1):
        length = len(payload)
        if length < 126:
            head = bytes([0x80 | opcode, 0x80 | length])
        elif length < 65536:
            head = bytes([0x80 | opcode, 0xFE]) + struct.pack(">H", length)
        else:
            head = bytes([0x80 | opcode, 0xFF]) + struct.pack(">Q", length)
        self.tcp.sendall(head + b"\0\0\0\0" + payload)  # masked with nothing

    def receive(self):
        """The next text frame as JSON."""
        while True:
            first, second = self.take(2)
            length = second & 0x7F
            if length == 126:
                length = struct.unpack(">H", self.take(2))[0]
            elif length == 127:
                length = struct.unpack(">Q", self.take(8))[0]
            payload = self.take(length)
            opcode = first & 0x0F
            if opcode == 8:
                raise Closed(struct.unpack(">H", payload[:2])[0] if length >= 2 else None)
            if opcode == 9:
                self.send_frame(payload, 10)
            elif opcode == 1:
                return json.loads(payload)

    def answer_to(self, number):
        """The answer with this id; events are passed over."""
        while True:
            frame = self.receive()
            if "event" not in frame and frame.get("id") == number:
                return frame

    def call(self, name, data=None, raw=None):
        """(code, answer) of a call; `raw`: bytes in place of `data`."""
        self.calls += 1
        text = raw if raw is not None else json.dumps(data, ensure_ascii=True).encode()
        self.send_frame(b'{"id":%d,"call":%s,"data":%s}'
                        % (self.calls, json.dumps(name).encode(), text))
        answer = self.answer_to(self.calls)
        return int(answer["code"]), answer

    def close(self):
        self.tcp.close()


# ---- Tokens ----

def encode(part):
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def token_of(claims, key=KEY, algorithm="HS256"):
    """A token, properly made or not: any claims, key and algorithm ("none": unsigned)."""
    text = encode({"typ": "JWT", "alg": algorithm}) + "." + encode(claims)
    digest = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}
    if algorithm not in digest:
        return text + "."
    return text + "." + encode(hmac.new(key.encode(), text.encode(), digest[algorithm]).digest())
