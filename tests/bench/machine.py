"""What the machine is, what its disk and kernel take, and what processes have used of it."""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, ROOT + "/tests")

import replica_set  # noqa: E402

PROBE_WRITES = 400


def said_by(command, pattern=r"(.+)"):
    """The first match in what a command prints; "none" where there is no such command."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "none"
    found = re.search(pattern, done.stdout + done.stderr)
    return found.group(1).strip() if found else "none"


def file_system(folder):
    """Type and device of what holds the folder."""
    best = ("", "none", "none")
    with open("/proc/mounts", encoding="utf-8") as mounts:
        for line in mounts:
            device, point, kind = line.split()[:3]
            inside = os.path.join(folder, "").startswith(os.path.join(point, ""))
            if inside and len(point) >= len(best[0]):
                best = (point, kind, device)
    return f"{best[1]} on {best[2]}"


def package_versions():
    """What npm and Go are told to install."""
    with open(ROOT + "/tests/bench/yardsticks/package.json", encoding="utf-8") as file:
        versions = dict(json.load(file)["dependencies"])
    with open(ROOT + "/tests/bench/yardsticks/centrifuge/go.mod", encoding="utf-8") as file:
        versions["centrifuge"] = re.search(r"centrifuge (v\S+)", file.read()).group(1)
    with open(ROOT + "/tests/mongo-server/pom.xml", encoding="utf-8") as file:
        versions["mongo-java-server"] = re.search(
            r"mongo-java-server</artifactId>\s*<version>(.*?)<", file.read()).group(1)
    return versions


def describe(folder, go):
    """The machine, for the head of a table; folder: where the data is."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = re.search(r"model name\s*: (.*)", file.read())
    with open("/proc/meminfo", encoding="utf-8") as file:
        memory = int(re.search(r"MemTotal:\s+(\d+)", file.read()).group(1))
    debian = {name: said_by(["dpkg-query", "-W", "-f", "${Version}", package])
              for name, package in (("libwebsockets", "libwebsockets17"), ("SQLite", "libsqlite3-0"),
                                    ("libmongoc", "libmongoc-1.0-0"), ("hiredis", "libhiredis0.14"))}
    return {
        "taken": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "cpu": model.group(1) if model else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**20, 1),
        "kernel": platform.release(),
        "data_on": file_system(folder),
        "load_before": os.getloadavg()[0],
        "commit": said_by(["git", "-C", ROOT, "describe", "--always", "--dirty"]),
        "versions": {
            "consultd": said_by([ROOT + "/build/consultd", "--version"], r"(\d[\w.+-]*)"),
            **debian,
            "Redis": said_by(["redis-server", "--version"], r"v=(\S+)"),
            "Java": said_by(["java", "-version"], r'version "(\S+)"'),
            "mongod": said_by([replica_set.program() or "mongod", "--version"], r"v(\d\S+)"),
            "Node": said_by(["node", "--version"], r"v(\S+)"),
            "Go": said_by([go or "go", "version"], r"go(\d\S+)"),
            **package_versions(),
        },
    }


def sync_times(folder):
    """How long the disk takes to keep 4 KiB more of a file: (median, p99) in µs."""
    path = os.path.join(folder, "probe")
    file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    block = os.urandom(4096)
    times = []
    for _ in range(PROBE_WRITES):
        os.write(file, block)
        began = time.perf_counter()
        os.fdatasync(file)
        times.append((time.perf_counter() - began) * 1e6)
    os.close(file)
    os.remove(path)
    times.sort()
    return times[len(times) // 2], times[len(times) * 99 // 100]


def find_go():
    """Go in the PATH, or where its own installer puts it."""
    return shutil.which("go") or shutil.which("/usr/local/go/bin/go")
