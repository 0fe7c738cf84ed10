"""A mongod as a replica set of one, which is what an operator runs at least: it keeps a log of
operations, "majority" says something of it, and the driver numbers its writes.

It speaks just enough of MongoDB's protocol for that, so that no driver is needed.
"""

import os
import shutil
import socket
import struct
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OWN = ROOT + "/build/mongod/mongod"  # what tests/mongod gets
NAME = "r"
START_SECONDS = 60
CACHE_GIB = 1
LOG_MIB = 512  # of operations
OP_MSG = 2013


def program():
    """The mongod that there is, in the PATH or of our own; None: neither."""
    return shutil.which("mongod") or (OWN if os.access(OWN, os.X_OK) else None)


def command_of(mongod, port, folder):
    return [mongod, "--port", str(port), "--bind_ip", "127.0.0.1", "--dbpath", folder, "--replSet",
            NAME, "--wiredTigerCacheSizeGB", str(CACHE_GIB), "--oplogSize", str(LOG_MIB),
            "--nounixsocket"]


def url_of(port):
    return f"mongodb://127.0.0.1:{port}/?replicaSet={NAME}"


def bson(value):
    """A document of texts, small numbers, lists and documents."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    body = b""
    for name, item in items:
        if isinstance(item, str):
            kind, data = b"\x02", struct.pack("<i", len(item.encode()) + 1) + item.encode() + b"\0"
        elif isinstance(item, int):
            kind, data = b"\x10", struct.pack("<i", item)
        else:
            kind, data = b"\x03" if isinstance(item, dict) else b"\x04", bson(item)
        body += kind + str(name).encode() + b"\0" + data
    return struct.pack("<i", len(body) + 5) + body + b"\0"


def answer_to(link, command, database="admin"):
    """The answer's bytes to a command on a database."""
    text = struct.pack("<iiiiIB", 0, 1, 0, OP_MSG, 0, 0) + bson({**command, "$db": database})
    link.sendall(struct.pack("<i", len(text)) + text[4:])
    answer = b""
    while len(answer) < 4 or len(answer) < struct.unpack("<i", answer[:4])[0]:
        piece = link.recv(65536)
        if not piece:
            raise ConnectionError("mongod closed the connection")
        answer += piece
    return answer


def make_primary(port, is_alive):
    """Waits until the server listens, makes it a set of one if it is none yet, and waits until it
    takes writes. False: it does not, or ended (is_alive() says so)."""
    deadline = time.monotonic() + START_SECONDS
    config = {"_id": NAME, "members": [{"_id": 0, "host": f"127.0.0.1:{port}"}]}
    while time.monotonic() < deadline and is_alive():
        try:
            with socket.create_connection(("127.0.0.1", port), 10) as link:
                answer_to(link, {"replSetInitiate": config})  # refused, where it is one already
                while time.monotonic() < deadline and is_alive():
                    if b"\x08ismaster\0\x01" in answer_to(link, {"isMaster": 1}):
                        return True
                    time.sleep(0.02)
        except OSError:  # not yet, or the set is new and closes all connections
            time.sleep(0.02)
    return False
