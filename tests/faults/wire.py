"""The two ways into a node, by asyncio alone: a call by REST, and a WebSocket."""

import asyncio
import base64
import json
import os
import struct

LIMIT = 4 * 1024 * 1024


class Lost(Exception):
    """The connection broke, or said nothing in time: nobody knows whether the call was done."""

    def __init__(self, why, code=None):
        super().__init__(f"{why} {code or ''}")
        self.code = code


class Refused(Exception):
    """The server answered, and not with 200."""

    def __init__(self, answer):
        error = answer.get("error", {})
        super().__init__(f"{answer.get('code')} {error}")
        self.code = int(answer.get("code", 0))
        self.reason = error.get("reason", "")
        self.retry = error.get("retry", False)
        self.after_s = error.get("afterMs", 0) / 1000


def unwrap(answer):
    if str(answer.get("code")) != "200":
        raise Refused(answer)
    return answer


async def post(port, path, data, token=None, seconds=15):
    """A call by REST on a connection of its own: the answer of a 200."""
    try:
        status, body = await asyncio.wait_for(
            exchange(port, "POST", path, json.dumps(data).encode(), token), seconds)
        return unwrap(json.loads(body))
    except (OSError, EOFError, ValueError, asyncio.TimeoutError) as error:
        raise Lost(repr(error)) from error


async def get(port, path, seconds=15):
    status, body = await asyncio.wait_for(exchange(port, "GET", path, b"", None), seconds)
    return status, body.decode()


async def exchange(port, method, path, body, token):
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=LIMIT)
    try:
        bearer = f"Authorization: Bearer {token}\r\n" if token else ""
        kind = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
        writer.write((f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
                      f"{kind}{bearer}\r\n").encode() + body)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        length = next((int(line.split(":")[1]) for line in head
                       if line.lower().startswith("content-length:")), None)
        rest = await (reader.read() if length is None else reader.readexactly(length))
        return int(head[0].split()[1]), rest
    finally:
        writer.close()


class WebSocket:
    """Text frames there and back; pings are answered."""

    @classmethod
    async def open(cls, port):
        self = cls()
        try:
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", port, limit=LIMIT)
            key = base64.b64encode(os.urandom(16)).decode()
            self.writer.write(("GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
                               f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
                               "Sec-WebSocket-Version: 13\r\n\r\n").encode())
            head = await self.reader.readuntil(b"\r\n\r\n")
        except (OSError, EOFError) as error:
            raise Lost(repr(error)) from error
        if b" 101 " not in head.split(b"\r\n")[0]:
            self.close()
            raise Lost(f"no upgrade: {head[:40]!r}")
        return self

    def send(self, message):
        if self.writer.is_closing():
            raise Lost("closing")
        self.frame(1, json.dumps(message).encode())

    def frame(self, opcode, payload):
        length = len(payload)
        head = (bytes([0x80 | length]) if length < 126 else
                struct.pack(">BH", 0xFE, length) if length < 65536 else
                struct.pack(">BQ", 0xFF, length))
        self.writer.write(bytes([0x80 | opcode]) + head + b"\0\0\0\0" + payload)

    async def receive(self):
        """The next text frame as JSON; Lost when there will be none."""
        try:
            while True:
                first, second = await self.reader.readexactly(2)
                length = second & 0x7F
                if length >= 126:
                    size = 2 if length == 126 else 8
                    length = int.from_bytes(await self.reader.readexactly(size), "big")
                payload = await self.reader.readexactly(length)
                opcode = first & 0x0F
                if opcode == 1:
                    return json.loads(payload)
                if opcode == 8:
                    raise Lost("closed", int.from_bytes(payload[:2], "big"))
                if opcode == 9:
                    self.frame(10, payload)
        except (OSError, EOFError) as error:
            raise Lost(repr(error)) from error

    def close(self):
        self.writer.transport.abort()
