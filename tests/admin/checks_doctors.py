"""Doctors: from the first one to the one that may not come back."""

import os
import pty
import select
import subprocess

PASSWORD = "correct-horse-1"


def sign_in(server, sn, password):
    return server.call("/api/doctor/signin", {"doctorSn": sn, "password": password})


def add(hospital, sn="00100", *options, password=PASSWORD):
    return hospital.done("doctor", "add", sn, "--name", "郑虚构", *options,
                         stdin=password + "\n").strip()


def a_doctor_that_was_added_signs_in_and_is_found(hospital):
    hospital.done("department", "add", "神经内科")
    doctor = add(hospital, "00100", "--department", "神经内科", "--title", "主任医师", "--price",
                 "2000", "--open", "yes", "--hot", "yes", "--weight", "7", "--introduction",
                 "擅长头痛。\n虚构人物。")
    server = hospital.serve()
    status, answer = sign_in(server, "00100", PASSWORD)
    assert status == 200 and answer["data"]["doctorId"] == doctor, answer
    assert sign_in(server, "00100", PASSWORD + "x")[0] == 401
    shown = server.call("/api/doctor/detail", {"id": doctor})[1]["data"]
    expected = {"doctorSn": "00100", "doctorName": "郑虚构", "departmentName": "神经内科",
                "title": "主任医师", "imageAndTextPrice": 2000, "imageAndTextOpen": True,
                "isHot": True, "introduction": "擅长头痛。\n虚构人物。"}
    assert {name: shown.get(name) for name in expected} == expected, shown
    chats = server.call("/api/chat/doctor/list", {"doctorId": doctor}, answer["data"]["token"])
    assert [chat["type"] for chat in chats[1]["data"]] == ["03"], chats
    listed = hospital.json("doctor", "list", "--department", "神经内科")
    assert len(listed) == 1 and listed[0]["price"] == 2000 and not listed[0]["disabled"], listed
    assert "scrypt" not in str(listed) and PASSWORD not in hospital.done("doctor", "list")
    assert "郑虚构" not in server.said() and PASSWORD not in server.said()


def a_doctor_is_changed_while_a_server_runs(hospital):
    server = hospital.serve("--demo")
    shown = server.call("/api/doctor/list", {"keyword": "林演示"})[1]["data"]["items"][0]
    hospital.done("doctor", "set", "00001", "--price", "4500", "--open", "no", "--department",
                  "儿科")
    after = server.call("/api/doctor/detail", {"id": shown["id"]})[1]["data"]
    assert after["imageAndTextPrice"] == 4500 and not after["imageAndTextOpen"], after
    assert after["departmentName"] == "儿科" and after["title"] == shown["title"], after
    hospital.done("doctor", "set", "00001", "--open", "yes", "--price", "0")
    after = server.call("/api/doctor/detail", {"id": shown["id"]})[1]["data"]
    assert after["imageAndTextPrice"] == 0 and after["imageAndTextOpen"], after


def a_disabled_doctor_is_shut_out_until_enabled(hospital):
    server = hospital.serve("--demo")
    count = server.call("/api/doctor/list")[1]["data"]["page_info"]["total"]
    hospital.done("doctor", "disable", "00001")
    assert sign_in(server, "00001", "123456")[0] == 401
    assert server.call("/api/doctor/list")[1]["data"]["page_info"]["total"] == count - 1
    assert [d["sn"] for d in hospital.json("doctor", "list") if d["disabled"]] == ["00001"]
    hospital.refused(1, "there is a doctor 00001 already", "doctor", "add", "00001", "--name", "x")
    hospital.done("doctor", "enable", "00001")
    assert sign_in(server, "00001", "123456")[0] == 200


def a_new_password_replaces_the_old_one(hospital):
    add(hospital)
    server = hospital.serve()
    hospital.done("doctor", "passwd", "00100", stdin="another-one-2\r\n")
    assert sign_in(server, "00100", PASSWORD)[0] == 401
    assert sign_in(server, "00100", "another-one-2")[0] == 200


def passwords_that_cannot_be_are_refused(hospital):
    add(hospital)
    for stdin, says in [("", "no password was given"), ("\n", "8 to 128"), ("short12\n", "8 to 128"),
                        ("x" * 129 + "\n", "8 to 128"), ("x" * 5000 + "\n", "no password"),
                        ("with\ttab12\n", "8 to 128")]:
        hospital.refused(2, says, "doctor", "passwd", "00100", stdin=stdin)
    hospital.refused(2, "there is no such flag", "doctor", "passwd", "00100", "--password", "x")
    assert sign_in(hospital.serve(), "00100", PASSWORD)[0] == 200


def type_on_a_terminal(hospital, *lines):
    """doctor passwd with a terminal: (exit code, what it showed)."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([hospital.program, "doctor", "passwd", "00100", "--store",
                                hospital.store], env=hospital.environment, stdin=theirs,
                               stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    shown = b""
    lines = list(lines)
    while select.select([ours], [], [], 60)[0]:
        try:
            got = os.read(ours, 4096)
        except OSError:  # how a terminal says that nobody is left
            got = b""
        if not got:
            break
        shown += got
        if lines and shown.endswith(b": "):
            os.write(ours, lines.pop(0).encode() + b"\n")
    os.close(ours)
    return process.wait(60), shown.decode()


def on_a_terminal_a_password_is_asked_for_twice_and_not_shown(hospital):
    add(hospital)
    code, shown = type_on_a_terminal(hospital, "typed-once-3", "typed-once-3")
    assert code == 0 and "Again" in shown and "typed" not in shown, shown
    code, shown = type_on_a_terminal(hospital, "typed-once-4", "typed-once-5")
    assert code == 2 and "not the same" in shown, shown
    code, shown = type_on_a_terminal(hospital, "\x03")
    assert code == 2 and "no password" in shown, shown
    assert sign_in(hospital.serve(), "00100", "typed-once-3")[0] == 200


def what_does_not_exist_or_fit_is_refused(hospital):
    add(hospital)
    before = hospital.json("doctor", "list")
    refused = hospital.refused
    for action in ["passwd", "disable", "enable"]:
        refused(1, "there is no doctor 99999", "doctor", action, "99999", stdin=PASSWORD)
    refused(1, "there is no doctor 99999", "doctor", "set", "99999", "--price", "1")
    refused(2, "nothing to change", "doctor", "set", "00100")
    refused(1, "there is no department 外科", "doctor", "set", "00100", "--department", "外科")
    refused(1, "there is no department 外科", "doctor", "add", "00101", "--name", "x",
            "--department", "外科", stdin=PASSWORD)
    refused(1, "there is no department 外科", "doctor", "list", "--department", "外科")
    refused(2, "--name is needed", "doctor", "add", "00101", stdin=PASSWORD)
    refused(2, "sn is not one of its values", "doctor", "add", "0 1", "--name", "x")
    refused(2, "--price is out of range", "doctor", "set", "00100", "--price=-1")
    refused(2, "--price must be a whole number", "doctor", "set", "00100", "--price", "12.5")
    refused(2, "--open is not one of its values", "doctor", "set", "00100", "--open", "maybe")
    refused(1, "there is a doctor 00100 already", "doctor", "add", "00100", "--name", "x")
    assert hospital.json("doctor", "list") == before
