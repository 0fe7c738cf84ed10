"""The dictionary of diagnoses from CSV files."""

import os
import pty
import subprocess


def search(server, keyword):
    token = server.call("/api/doctor/signin", {"doctorSn": "00001", "password": "123456"})
    found = server.call("/dictionary/diagnosis/list", {"keyword": keyword},
                        token[1]["data"]["token"])[1]["data"]
    return sorted((row.get("code", ""), row["name"]) for row in found["items"])


def imported(hospital, content, *options):
    return hospital.done("dictionary", "import", hospital.write("d.csv", content), *options)


def a_file_is_imported_while_a_server_runs_and_found_by_its_parts(hospital):
    server = hospital.serve("--demo")
    said = imported(hospital, "code,name\nZ99.901,虚构性甲病\nZ99.902,虚构性乙病\n")
    assert said == "2 added, 0 there already\n", said
    assert search(server, "虚构性") == [("Z99.901", "虚构性甲病"), ("Z99.902", "虚构性乙病")]
    assert search(server, "构性乙") == [("Z99.902", "虚构性乙病")]


def importing_again_changes_nothing(hospital):
    server = hospital.serve("--demo")
    rows = "Z99.901,虚构性甲病\nZ99.902,虚构性乙病\n"
    assert imported(hospital, rows) == "2 added, 0 there already\n"
    assert imported(hospital, rows) == "0 added, 2 there already\n"
    assert imported(hospital, rows + "Z99.903,虚构性丙病\n") == "1 added, 2 there already\n"
    assert imported(hospital, rows + rows) == "0 added, 4 there already\n"
    assert len(search(server, "虚构性")) == 3


def every_form_of_rfc_4180_is_read(hospital):
    server = hospital.serve("--demo")
    said = imported(hospital, "\ufeff\"Z1\",\"虚构,甲\"\r\n\r\nZ2,\"虚构\"\"乙\"\"\"\n"
                              ",虚构丙\nZ4,  虚构丁 \r\nZ5,\"虚构戊\"")
    assert said == "5 added, 0 there already\n", said
    assert search(server, "虚构") == [("", "虚构丙"), ("Z1", "虚构,甲"), ("Z2", "虚构\"乙\""),
                                    ("Z4", "虚构丁"), ("Z5", "虚构戊")]


def each_wrong_line_is_named_and_nothing_is_added(hospital):
    path = hospital.write("bad.csv", "\n".join([
        "code,name", "Z1,虚构甲", "Z2", "Z3,虚构丙,more", "Z4,", "Z5,\"虚\n构\"", "Z6,a\"b",
        "Z7,\"x\"y", "Z" * 65 + ",虚构", "Z9," + "长" * 65]).encode() + b"\nZ10,\xff\xfe\n")
    complaint = hospital.refused(2, "9 lines are wrong; nothing was added", "dictionary", "import",
                                 path)
    expected = ["line 3: it must have two fields", "line 4: it must have two fields",
                "line 5: it has no name", "line 6: its name has a control character",
                "line 8: a quote within a field", "line 9: text behind a closing quote",
                "line 10: its code has more than 64", "line 11: its name has more than 64",
                "line 12: it is not UTF-8"]
    lines = complaint.splitlines()
    assert len(lines) == 10 and all(map(str.startswith, lines, expected)), complaint
    assert imported(hospital, "Z1,虚构甲\n") == "1 added, 0 there already\n"
    path = hospital.write("open.csv", "Z1,\"虚构\nZ2,x\n")
    hospital.refused(2, "line 1: a quote that is never closed", "dictionary", "import", path)
    path = hospital.write("many.csv", "bad\n" * 250)
    complaint = hospital.refused(2, "… and 150 more", "dictionary", "import", path)
    assert len(complaint.splitlines()) == 102, complaint


def files_that_are_none_are_refused(hospital):
    path = hospital.path("none.csv")
    hospital.refused(2, "No such file", "dictionary", "import", path)
    hospital.refused(2, "cannot be read", "dictionary", "import", hospital.folder)
    hospital.refused(2, "NUL byte", "dictionary", "import", hospital.write("b.csv", b"Z1,a\0b\n"))
    hospital.refused(2, "file is needed", "dictionary", "import")
    assert imported(hospital, "") == "0 added, 0 there already\n"


def a_dry_run_looks_at_all_and_adds_nothing(hospital):
    assert imported(hospital, "Z1,甲\nZ2,乙\n", "--dry-run") == "2 are good; nothing was added\n"
    path = hospital.write("bad.csv", "Z1\n")
    hospital.refused(2, "line 1: it must have", "dictionary", "import", path, "--dry-run")
    assert imported(hospital, "Z1,甲\nZ2,乙\n") == "2 added, 0 there already\n"


def a_large_file_shows_its_progress_on_a_terminal(hospital):
    path = hospital.write("large.csv", "".join(
        f"Z{i:05},虚构病{i % 97}型{i}\r\n" for i in range(5000)))
    ours, theirs = pty.openpty()
    process = subprocess.Popen([hospital.program, "dictionary", "import", path, "--store",
                                hospital.store], env=hospital.environment, stderr=theirs,
                               stdout=subprocess.PIPE, text=True)
    os.close(theirs)
    shown = b""
    while True:
        try:
            got = os.read(ours, 4096)
        except OSError:
            break
        shown += got
    os.close(ours)
    said = process.communicate()[0]
    assert process.returncode == 0 and said == "5000 added, 0 there already\n", said
    assert b"\r1000 of 5000" in shown and b"\r5000 of 5000" in shown, shown
