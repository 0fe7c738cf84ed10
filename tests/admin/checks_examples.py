"""The examples of ADMIN.md, run as they stand there."""

import os
import re
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PLACEHOLDERS = ("ID", "DIR")  # an example that has one cannot be run


def examples():
    """The lines of all examples, of which the first says where the options are."""
    with open(ROOT + "/ADMIN.md", encoding="utf-8") as page:
        blocks = re.findall(r"^```sh\n(.*?)^```", page.read(), re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.splitlines()]
    assert lines[0] == "export CONSULTD_CONFIG=/etc/consultd.conf", lines[0]
    return [line for line in lines if line.startswith("consultd ")]


def every_example_does_what_it_says_it_does(hospital):
    lines = examples()
    assert len(lines) > 20, lines
    folder = hospital.path("bin")
    os.mkdir(folder)
    os.symlink(hospital.program, folder + "/consultd")
    hospital.write("consultd.conf", f"[server]\nstore = {hospital.store}\n")
    hospital.write("icd10.csv", "code,name\nZ99.901,虚构病\n")
    hospital.write("password-file", "another-one-2\n")
    environment = dict(hospital.environment, CONSULTD_CONFIG="consultd.conf",
                       PATH=folder + ":" + os.environ["PATH"])
    for line in lines:
        if any(word in PLACEHOLDERS for word in line.split()):
            continue
        line = line.replace("/etc/", "").replace("/backup/", "")
        done = subprocess.run(["bash", "-c", line], env=environment, cwd=hospital.folder,
                              input="correct-horse-1\n", capture_output=True, text=True,
                              timeout=60, check=False)
        only_sqlite = line.split()[1] in ("backup", "restore") and not hospital.is_sqlite
        expected = 1 if only_sqlite else 0
        assert done.returncode == expected, (line, done)
    assert not os.path.exists(hospital.path("consultd.db"))  # none has made another store
