"""The store as a whole: check, backup, restore, and who may have it open."""

import contextlib
import json
import os
import re
import shutil
import sqlite3
import stat
import threading

PASSWORD = {"doctorSn": "00001", "password": "123456"}


def sqlite_only(test):
    """MongoDB has tools of its own: there the subcommands have to say so, and that is the test."""
    def run(hospital):
        if hospital.is_sqlite:
            test(hospital)
            return
        hospital.refused(1, "MongoDB has mongodump", "backup", hospital.path("b.db"))
        hospital.refused(1, "MongoDB has mongodump", "restore", hospital.path("b.db"))
        assert os.listdir(hospital.folder) == []
    return run


def ask(hospital, sql, *values, file=None):
    with contextlib.closing(sqlite3.connect(file or hospital.file)) as database, database:
        return database.execute(sql, values).fetchall()


def order(server, open_id):
    """A paid consultation with its first words; (user's token, chat, order)."""
    server.call("/api/user/signup", {"openId": open_id})
    user = server.call("/api/user/signin", {"openId": open_id})[1]
    token = user["token"]
    doctor = server.call("/api/doctor/signin", PASSWORD)[1]["data"]["doctorId"]
    patient = server.call("/api/patient/create", {
        "userId": user["userId"], "name": "张三", "phone": "13300000001",
        "certificateNo": "11010519491231002X"}, token)[1]["data"]["id"]
    made = server.call("/consultation/create", {
        "patientId": patient, "doctorId": doctor, "content": "肚子痛",
        "consultationReason": "在线复诊"}, token)[1]["data"]
    trade = server.call("/consultation/payment/create", {"consultationId": made["id"]},
                        token)[1]["data"]["outTradeNo"]
    paid = server.call("/consultation/payment/sandbox/pay", {"outTradeNo": trade}, token)
    assert paid[0] == 200, paid
    return token, made["chatId"], made["id"]


def send(server, talk, text):
    token, chat, consultation = talk
    return server.call("/api/consultation/chat/message/create", {
        "chatId": chat, "consultationId": consultation, "type": "01", "text": text,
        "direction": "user->doctor", "clientMsgId": text}, token)[0]


def texts(server, talk):
    """All plain texts of the chat, oldest first."""
    every = []
    while True:
        page = server.call("/api/chat/message/list",
                           {"chatId": talk[1], "skip": len(every), "limit": 100}, talk[0])[1]["data"]
        every += page
        if len(page) < 100:
            return [m["text"] for m in reversed(every) if isinstance(m.get("text"), str)]


def a_store_in_use_is_found_sound(hospital):
    server = hospital.serve("--demo")
    talk = order(server, "u1")
    assert send(server, talk, "m") == 200
    assert "0 findings" in hospital.done("db", "check")
    assert hospital.json("db", "check") == []


@sqlite_only
def what_does_not_fit_is_found_by_its_name(hospital):
    server = hospital.serve("--demo")
    _, chat, consultation = order(server, "u1")
    assert server.stop() == 0
    ask(hospital, "UPDATE consultations SET replyCount=2, patientId=?", bytes(12)[:-1] + b"\x01")
    ask(hospital, "UPDATE chats SET lastSeq=1 WHERE id=?", bytes.fromhex(chat))
    ask(hospital, "UPDATE payments SET consultationId=?", bytes(12)[:-1] + b"\x02")
    code, out, _ = hospital.run("db", "check", "--json")
    found = {(f["in"], f["finding"].split(",")[0]) for f in json.loads(out)}
    expected = {("consultation", "its patientId is not there"),
                ("consultation", "replyCount is 2"), ("chat", "lastSeq is 1"),
                ("payment", "its consultationId is not there")}
    assert (code, found) == (3, expected), (code, out)
    code, out, _ = hospital.run("db", "check")
    assert code == 3 and f"consultation {consultation}: replyCount is 2, of 0 replies" in out, out


@sqlite_only
def a_damaged_file_is_found(hospital):
    hospital.done("department", "add", "内科")
    ask(hospital, "PRAGMA journal_mode=DELETE")
    rows = ask(hospital, "SELECT rootpage FROM sqlite_schema WHERE type='index' AND "
                         "tbl_name='departments'")
    with open(hospital.file, "r+b") as file:  # the index of the ids loses its row
        file.seek((rows[0][0] - 1) * 4096 + 3)
        file.write(b"\0\0")
    code, out, complaint = hospital.run("db", "check")
    assert code == 3 and "file " in out and "missing from index" in out, (code, out, complaint)
    hospital.refused(1, "is damaged", "backup", hospital.path("b.db"))
    assert not os.path.exists(hospital.path("b.db.part"))


@sqlite_only
def a_backup_under_load_is_whole_and_comes_back(hospital):
    server = hospital.serve("--demo")
    talk = order(server, "u1")
    sent, done = [], threading.Event()

    def load():
        while not done.is_set():
            text = f"m{len(sent)}"
            assert send(server, talk, text) == 200
            sent.append(text)

    thread = threading.Thread(target=load)
    thread.start()
    backups = [hospital.path(f"b{i}.db") for i in range(3)]
    before = []
    for backup in backups:
        before.append(len(sent))
        assert hospital.done("backup", backup) == backup + "\n"
    done.set()
    thread.join()
    assert len(sent) > before[-1] > 0 or len(sent) > 3, before
    assert stat.S_IMODE(os.stat(backups[0]).st_mode) == 0o600
    assert sorted(name for name in os.listdir(hospital.folder) if name.startswith("b")) == \
        ["b0.db", "b1.db", "b2.db"]
    all_texts = texts(server, talk)
    hospital.refused(1, "another process uses it", "restore", backups[1])
    assert server.stop() == 0
    old_id = ask(hospital, "SELECT storeId FROM store_info")
    hospital.done("restore", backups[1])
    assert ask(hospital, "SELECT storeId FROM store_info") != old_id
    assert ask(hospital, "SELECT count(*) FROM audit WHERE action='admin' AND "
                         "details='restore'") == [(1,)]
    hospital.done("audit", "verify")
    assert "0 findings" in hospital.done("db", "check")
    kept = [n for n in os.listdir(hospital.folder) if n.startswith("hospital.db.replaced-")]
    assert len(kept) == 1 and ask(hospital, "SELECT count(*) FROM messages WHERE clientMsgId "
                                            "IS NOT NULL", file=hospital.path(kept[0])) == \
        [(len(sent),)], kept
    server = hospital.serve("--demo")
    restored = texts(server, talk)
    assert restored == all_texts[:len(restored)] and len(restored) > before[1], (before, restored)
    assert send(server, talk, "once-more") == 200


@sqlite_only
def what_is_no_backup_is_not_restored(hospital):
    hospital.done("department", "add", "内科")
    hospital.done("backup", hospital.path("b.db"))
    before = hospital.json("department", "list")
    refused = hospital.refused
    refused(1, "is there already", "backup", hospital.path("b.db"))
    refused(1, "No such file", "backup", hospital.path("none/b.db"))
    refused(1, "No such file", "restore", hospital.path("none.db"))
    refused(1, "is no store of consultd", "restore", hospital.write("empty", ""))
    refused(1, "is no store of consultd", "restore", hospital.write("text", "x" * 8192))
    refused(1, "there is no store", "backup", hospital.path("c.db"),
            store=f"sqlite:{hospital.path('none.db')}")
    ask(hospital, "UPDATE store_info SET version=99", file=hospital.path("b.db"))
    refused(1, "newer consultd", "restore", hospital.path("b.db"))
    assert hospital.json("department", "list") == before
    assert not [n for n in os.listdir(hospital.folder) if "restoring" in n or "replaced" in n]


@sqlite_only
def a_log_that_was_left_behind_is_not_taken_for_the_backups(hospital):
    hospital.done("department", "add", "内科")
    hospital.done("backup", hospital.path("b.db"))
    hospital.done("department", "add", "外科")
    with contextlib.closing(sqlite3.connect(hospital.file)) as database:
        database.execute("UPDATE departments SET weight=7")
        database.commit()
        shutil.copy(hospital.file + "-wal", hospital.path("left"))
    os.rename(hospital.file, hospital.path("aside.db"))  # what an operator does with a broken file
    os.rename(hospital.path("left"), hospital.file + "-wal")
    hospital.done("restore", hospital.path("b.db"))
    assert [d["name"] for d in hospital.json("department", "list")] == ["内科"]
    kept = [n for n in os.listdir(hospital.folder) if n.startswith("hospital.db.replaced-")]
    assert len(kept) == 1 and kept[0].endswith("-wal"), kept
    assert "0 findings" in hospital.done("db", "check")


@sqlite_only
def an_older_backup_is_upgraded_before_it_is_restored(hospital):
    hospital.done("department", "add", "内科")
    backup = hospital.path("b.db")
    hospital.done("backup", backup)
    hospital.done("department", "add", "外科")
    ask(hospital, "UPDATE store_info SET version=1", file=backup)
    says = hospital.refused(1, "is of store version 1", "restore", backup)
    assert len(hospital.json("department", "list")) == 2
    assert not [n for n in os.listdir(hospital.folder) if "replaced" in n]
    words = re.search(r"\(consultd (.*) --store sqlite:COPY\)", says).group(1).split()
    assert hospital.run(*words, store=f"sqlite:{backup}")[0] == 0
    hospital.done("restore", backup)
    assert [d["name"] for d in hospital.json("department", "list")] == ["内科"]


@sqlite_only
def what_root_restores_is_still_its_users(hospital):
    if os.geteuid() != 0:
        print("SKIPPED: who owns a restored store: only root can give it away")
        return
    nobody = 65534
    hospital.done("department", "add", "内科")
    hospital.done("backup", hospital.path("b.db"))
    for name in os.listdir(hospital.folder):
        if name.startswith("hospital.db."):
            os.remove(hospital.path(name))
    os.chown(hospital.file, nobody, nobody)
    hospital.done("restore", hospital.path("b.db"))
    for suffix in ("", ".lock", ".commands"):
        status = os.stat(hospital.file + suffix)
        assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (nobody, 0o600), suffix


@sqlite_only
def a_backup_that_another_one_makes_is_left_alone(hospital):
    hospital.done("department", "add", "内科")
    part = hospital.write("b.db.part", "of another one")
    hospital.refused(1, "File exists", "backup", hospital.path("b.db"))
    with open(part, encoding="utf-8") as file:
        assert file.read() == "of another one"


@sqlite_only
def a_backup_is_restored_where_there_was_nothing(hospital):
    hospital.done("department", "add", "内科")
    hospital.done("backup", hospital.path("b.db"))
    for name in os.listdir(hospital.folder):
        if name.startswith("hospital.db"):
            os.remove(hospital.path(name))
    hospital.done("restore", hospital.path("b.db"))
    assert [d["name"] for d in hospital.json("department", "list")] == ["内科"]


@sqlite_only
def a_second_server_on_one_file_is_refused(hospital):
    server = hospital.serve("--demo")
    second = hospital.serve("--demo")
    assert second.address is None and second.stop() == 1
    assert "another process uses it" in second.said(), second.said()
    assert server.stop() == 0
    hospital.done("department", "list")


def a_store_of_a_newer_version_is_refused(hospital):
    if not hospital.is_sqlite:
        return
    hospital.done("department", "add", "内科")
    ask(hospital, "UPDATE store_info SET version=99")
    hospital.refused(1, "newer consultd", "department", "list")
    server = hospital.serve("--demo")
    assert server.address is None and server.stop() == 1 and "newer consultd" in server.said()


@sqlite_only
def an_older_store_is_refused_until_it_is_upgraded(hospital):
    hospital.done("department", "add", "内科")
    ask(hospital, "UPDATE store_info SET version=3")
    ask(hospital, "CREATE INDEX audit_by_consultation ON audit (consultationId)")
    ask(hospital, "DROP INDEX audit_by_consultation_not_isAside")
    ask(hospital, "ALTER TABLE audit DROP COLUMN isAside")
    hospital.refused(1, "run: consultd db upgrade", "department", "list")
    hospital.done("backup", hospital.path("b.db"))
    server = hospital.serve("--demo")
    assert server.stop() == 1 and "run: consultd db upgrade" in server.said(), server.said()
    assert hospital.done("db", "upgrade") == "from version 3 to 4\n"
    indexes = ask(hospital, "SELECT name FROM sqlite_schema WHERE name LIKE 'audit_by_%'")
    assert indexes == [("audit_by_consultation_not_isAside",)], indexes
    assert ask(hospital, "SELECT count(*) FROM audit WHERE isAside<>0") == [(0,)]
    assert ask(hospital, "SELECT count(*) FROM audit WHERE details='db upgrade'") == [(1,)]
    assert hospital.done("db", "upgrade") == "version 4, nothing to do\n"
    server = hospital.serve("--demo")
    hospital.refused(1, "another process uses it", "db", "upgrade")
    assert server.stop() == 0
    ask(hospital, "UPDATE store_info SET version=99")
    hospital.refused(1, "newer consultd", "db", "upgrade")


@sqlite_only
def an_even_older_store_is_upgraded_in_one_go(hospital):
    hospital.done("department", "add", "内科")
    ask(hospital, "UPDATE store_info SET version=1")
    ask(hospital, "CREATE INDEX consultations_by_user ON consultations (userId)")
    ask(hospital, "CREATE INDEX messages_by_rev ON messages (chatId, rev)")
    assert hospital.done("db", "upgrade") == "from version 1 to 4\n"
    assert ask(hospital, "SELECT name FROM sqlite_schema WHERE name='consultations_by_user'") == []
    indexes = ask(hospital, "SELECT name FROM sqlite_schema WHERE name LIKE 'messages_by_%' ORDER BY name")
    assert indexes == [("messages_by_rev_isRetract",), ("messages_by_seq",)], indexes


def a_store_of_this_version_needs_no_upgrade(hospital):
    hospital.done("department", "add", "内科")
    assert hospital.done("db", "upgrade") == "version 4, nothing to do\n"
