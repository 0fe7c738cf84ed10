"""Which tables and indexes the pages in SQLite's write-ahead log belong to: what a message makes it write.

Looks at the frames since the log last began anew, each a page as some commit has left it.
"""

import collections
import contextlib
import os
import shutil
import sqlite3
import struct

LOG_HEADER = struct.Struct(">IIII8s")  # magic, version, page's size, checkpoints, salt
FRAME_HEADER = struct.Struct(">II8s")  # page, pages in the file if it ends a commit, salt
LOG_HEADER_BYTES, FRAME_HEADER_BYTES = 32, 24


def _frames(log):
    """(page, whether it ends a commit) of each frame."""
    with open(log, "rb") as file:
        header = file.read(LOG_HEADER_BYTES)
        if len(header) < LOG_HEADER_BYTES:
            return
        _, _, page_bytes, _, salt = LOG_HEADER.unpack_from(header)
        while len(frame := file.read(FRAME_HEADER_BYTES + page_bytes)) == \
                FRAME_HEADER_BYTES + page_bytes:
            page, size, frame_salt = FRAME_HEADER.unpack_from(frame)
            if frame_salt != salt:
                return  # of an earlier round of the log
            yield page, size > 0


def count(path, folder):
    """({table or index: frames}, commits) of the store at `path`, which is copied into `folder` first."""
    copy = os.path.join(folder, "pages.db")
    # The log first: what is copied from it into the file meanwhile changes no page's owner.
    shutil.copy(path + "-wal", copy + "-wal")
    shutil.copy(path, copy)
    frames = list(_frames(copy + "-wal"))
    with contextlib.closing(sqlite3.connect(copy)) as database:
        owners = dict(database.execute("SELECT pageno, name FROM dbstat"))
    counts = collections.Counter(owners.get(page, "free pages") for page, _ in frames)
    return counts, sum(ends for _, ends in frames)
