"""A store of our own, the program's subcommands on it, and a server beside them."""

import json
import os
import re
import secrets
import shutil
import subprocess
import tempfile
import threading
import urllib.error
import urllib.request

DEADLINE = 60  # seconds for any one thing; not a measurement, only an end to waiting


class Hospital:
    def __init__(self, program, store):
        self.program = program
        self.folder = tempfile.mkdtemp(prefix="admin-")
        self.is_sqlite = store.startswith("sqlite:")
        if self.is_sqlite:
            self.file = os.path.join(self.folder, "hospital.db")
            self.store = "sqlite:" + self.file
        else:
            base, _, query = store.partition("?")
            self.store = (base.rstrip("/") + "/consultd_admin_" + secrets.token_hex(8) +
                          ("?" + query if query else ""))
        self.environment = {name: value for name, value in os.environ.items()
                            if not name.startswith("CONSULTD_")}
        self.environment["CONSULTD_TOKEN_KEYS"] = "k" * 32
        # The driver's counters in shared memory are named by the process id: what a killed process
        # with the same number left there would make it print a warning before main() runs.
        self.environment["MONGOC_DISABLE_SHM"] = "1"
        self.servers = []

    def close(self):
        for server in self.servers:
            server.stop()
        shutil.rmtree(self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, content):
        with open(self.path(name), "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        return self.path(name)

    def run(self, *words, store=None, stdin=""):
        """A subcommand on the store: (exit code, stdout, stderr)."""
        done = subprocess.run([self.program, *words, "--store", store or self.store],
                              env=self.environment, cwd=self.folder, input=stdin.encode(),
                              capture_output=True, timeout=DEADLINE, check=False)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def done(self, *words, stdin=""):
        """One that must succeed and complain of nothing; what it printed."""
        code, out, complaint = self.run(*words, stdin=stdin)
        assert (code, complaint) == (0, ""), (words, code, out, complaint)
        return out

    def refused(self, code, says, *words, stdin="", store=None):
        """One that must fail with this exit code and say why, on stderr only."""
        got, out, complaint = self.run(*words, stdin=stdin, store=store)
        assert (got, out) == (code, "") and says in complaint, (words, got, out, complaint)
        return complaint

    def json(self, *words):
        return json.loads(self.done(*words, "--json"))

    def serve(self, *flags):
        server = Server(self, flags)
        self.servers.append(server)
        return server


class Server:
    def __init__(self, hospital, flags):
        self.log = hospital.path(f"log-{len(hospital.servers)}")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [hospital.program, "--listen", "127.0.0.1:0", "--store", hospital.store, *flags],
                env=hospital.environment, cwd=hospital.folder, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=log, text=True)
        self.address = None
        for line in self.process.stdout:
            found = re.search(r"listening on (http://\S+)", line)
            if found:
                self.address = found.group(1)
                break
        if self.address:
            threading.Thread(target=self.process.stdout.read, daemon=True).start()
        else:
            self.process.wait(DEADLINE)

    def said(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()

    def stop(self):
        """Ends it; its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        code = self.process.wait(DEADLINE)
        self.process.stdout.close()
        return code

    def call(self, path, body=None, token=None):
        """(status, parsed answer) of an endpoint."""
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = "Bearer " + token
        request = urllib.request.Request(self.address + path, json.dumps(body or {}).encode(),
                                         headers)
        try:
            with urllib.request.urlopen(request, timeout=DEADLINE) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)
