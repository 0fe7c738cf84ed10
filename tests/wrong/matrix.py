"""Every endpoint × everybody who may not call it, by REST and over the socket.

The rows are the server's own (consultd --print-endpoints), the columns stand below. What is
refused must be refused with the contract's status, reason and field, and must have changed
nothing; then the rightful caller sends the same request and is served, so that it was not refused
for anything else.
"""

import json
import time

from entries import ENTRIES, OK
from server import OTHER_KEY, Closed, Socket, encode, token_of
from world import Caller, difference

UNKNOWN_ID = "0123456789abcdef01234567"
NOT_SIGNED_IN = (401, "NOT_SIGNED_IN", None)
CLOSE_NOT_SIGNED_IN, CLOSE_TOKEN_EXPIRED = 4001, 4002


def bad_tokens(caller, doctor):
    """Name → (token, reason): everything that must not pass for the caller's token. A service key
    says nothing of its holder: there a doctor's token stands in for it."""
    caller = doctor if caller.role == "SERVICE" else caller
    now = int(time.time())
    claim = "doctorId" if caller.role == "DOCTOR" else "userId"
    other = "userId" if caller.role == "DOCTOR" else "doctorId"
    good = {claim: caller.id, "iat": now - 60, "exp": now + 3600}
    head, body, signature = token_of(good).split(".")
    forged = encode(json.dumps(dict(good, exp=now + 99999)).encode())
    tokens = {
        "no token": None,
        "garbage": "garbage",
        "three dots": "...",
        "signed with another key": token_of(good, OTHER_KEY),
        "signed with an empty key": token_of(good, ""),
        "alg none": token_of(good, algorithm="none"),
        "alg None": token_of(good, algorithm="None"),
        "HS384": token_of(good, algorithm="HS384"),
        "HS512": token_of(good, algorithm="HS512"),
        "claims changed": f"{head}.{forged}.{signature}",
        "signature cut": f"{head}.{body}.{signature[:-2]}",
        "without signature": f"{head}.{body}.",
        "both ids": token_of(dict(good, **{other: caller.id})),
        "without id": token_of({"iat": now, "exp": now + 3600}),
        "id is no id": token_of(dict(good, **{claim: "1' OR '1'='1"})),
        "id is an object": token_of(dict(good, **{claim: {"$gt": ""}})),
        "without exp": token_of({claim: caller.id, "iat": now}),
        "exp is text": token_of(dict(good, exp="never")),
        "exp is huge": token_of(dict(good, exp=2 ** 63 - 1)),
        "claims are no object": token_of([caller.id]),
    }
    rows = {name: (token, "NOT_SIGNED_IN") for name, token in tokens.items()}
    rows["expired"] = (token_of(dict(good, exp=now - 1)), "TOKEN_EXPIRED")
    rows["expired long ago"] = (token_of(dict(good, iat=1, exp=2)), "TOKEN_EXPIRED")
    return rows


def rightful(world, endpoint):
    """Who calls it in these tests."""
    by = ENTRIES[endpoint["path"]].by
    if by is None:
        by = {"DOCTOR": "doctor", "SERVICE": "service"}.get(endpoint["access"], "user")
    return getattr(world, by)


def blamed(answer):
    error = (answer or {}).get("error", {})
    return answer and answer.get("code"), error.get("reason"), error.get("field")


class Matrix:
    def __init__(self, world, endpoints, report):
        self.world = world
        self.endpoints = endpoints
        self.report = report

    def run(self):
        for endpoint in self.endpoints:
            path = endpoint["path"]
            if path not in ENTRIES:
                self.report.fail(path, "tests/wrong/entries.py does not say whose record it takes")
                continue
            request = ENTRIES[path].body(self.world)
            before = self.world.dump()
            self.refuse_tokens(endpoint, request)
            self.refuse_socket_tokens(endpoint, request)
            self.refuse_strangers(endpoint, request)
            self.report.check(f"{path}: nothing changed", difference(before, self.world.dump()), "")
            self.foreign_ids(endpoint)
            self.serve(endpoint)
        for path in set(ENTRIES) - {endpoint["path"] for endpoint in self.endpoints}:
            self.report.fail(path, "tests/wrong/entries.py has it, the server has not")

    # ---- Tokens ----

    def refuse_tokens(self, endpoint, request):
        path, is_open = endpoint["path"], endpoint["access"] == "OPEN"
        for name, (token, reason) in bad_tokens(rightful(self.world, endpoint), self.world.doctor).items():
            status, answer = self.world.server.post(path, request, token)
            if is_open:
                self.report.check(f"{path} × {name}", (status, blamed(answer)[1]),
                                  ENTRIES[path].answer)
            else:
                self.report.check(f"{path} × {name}", (status,) + blamed(answer),
                                  (401, 401, reason, None))
        if not is_open:
            good = rightful(self.world, endpoint).token
            text = json.dumps(request).encode()
            for name, header in (("Basic", "Basic " + good), ("no scheme", good),
                                 ("two tokens", f"Bearer {good}, Bearer {good}"),
                                 ("only the scheme", "Bearer "), ("tab", "Bearer\t" + good)):
                status, answer, _ = self.world.server.request(
                    "POST", path, text,
                    {"Content-Type": "application/json", "Authorization": header})
                self.report.check(f"{path} × header with {name}", (status,) + blamed(answer),
                                  (401,) + NOT_SIGNED_IN)

    def refuse_socket_tokens(self, endpoint, request):
        """Without connect, and behind a connect that failed, no endpoint is reached."""
        call = b'{"id":2,"call":%s,"data":%s}' % (json.dumps(endpoint["path"]).encode(),
                                                 json.dumps(request).encode())
        socket = Socket(self.world.server)
        socket.send_frame(call)
        self.expect_end(f"{endpoint['path']} × socket without connect", socket, 2,
                        "NOT_SIGNED_IN", CLOSE_NOT_SIGNED_IN)
        for name, (token, reason) in bad_tokens(rightful(self.world, endpoint), self.world.doctor).items():
            socket = Socket(self.world.server)
            frame = {"id": 1, "call": "connect", "data": {"token": token}}
            socket.send_frame(json.dumps(frame).encode())
            socket.send_frame(call)
            code = CLOSE_TOKEN_EXPIRED if reason == "TOKEN_EXPIRED" else CLOSE_NOT_SIGNED_IN
            self.expect_end(f"{endpoint['path']} × socket, {name}", socket, 1, reason, code)

    def expect_end(self, name, socket, number, reason, close_code):
        seen = []
        try:
            while True:
                frame = socket.receive()
                seen.append((frame.get("id"),) + blamed(frame)[:2])
        except Closed as closed:
            seen.append(closed.code)
        socket.close()
        self.report.check(name, seen, [(number, 401, reason), close_code])

    # ---- Strangers ----

    def refuse_strangers(self, endpoint, request):
        world, access = self.world, endpoint["access"]
        entry = ENTRIES[endpoint["path"]]
        who = rightful(world, endpoint)
        strangers = [world.other_user, world.other_doctor]
        if access in ("USER", "DOCTOR"):
            strangers.append(world.doctor if access == "USER" else world.user)
        for stranger in strangers:
            has_role = access in ("OPEN", "SIGNED", stranger.role)
            if has_role and entry.stranger is None:
                expected = (entry.answer[0],) + entry.answer + (None,)
            elif has_role:
                expected = (403, 403) + entry.stranger
            else:
                expected = (403, 403, "NOT_YOURS", None)
            assert stranger is not who
            for way in (Caller.rest, Caller.over_socket):
                status, answer = way(stranger, endpoint["path"], request)
                code, reason, field = blamed(answer)
                self.report.check(f"{endpoint['path']} × {stranger.name} by {way.__name__}",
                                  (status, int(code), reason, field), expected)

    # ---- The rightful caller ----

    def foreign_ids(self, endpoint):
        """Its own request, but with an id in it that is somebody else's, or nobody's."""
        world, path = self.world, endpoint["path"]
        entry = ENTRIES[path]
        others = {"userId": world.other_user.id, "doctorId": world.other_doctor.id,
                  "patientId": world.other_patient, "chatId": world.other_order["chatId"],
                  "consultationId": world.other_order["id"], "departmentId": world.department}
        if entry.others:
            others["id"] = entry.others(world)
        for field in endpoint["request"]:
            if field["kind"] != "oid":
                continue
            name = field["name"]
            if name not in others:
                self.report.fail(f"{path} {name}", "no record of a stranger to put there")
                continue
            self.try_id(endpoint, name, others[name], "foreign",
                        entry.foreign.get(name, (403, "NOT_YOURS")))
            self.try_id(endpoint, name, UNKNOWN_ID, "unknown", entry.unknown.get(name, (404, None)))

    def try_id(self, endpoint, name, value, what, expected):
        for way in (Caller.rest, Caller.over_socket):
            request = dict(ENTRIES[endpoint["path"]].body(self.world), **{name: value})
            before = self.world.dump()
            status, answer = way(rightful(self.world, endpoint), endpoint["path"], request)
            _, reason, field = blamed(answer)
            title = f"{endpoint['path']} × {what} {name} by {way.__name__}"
            if expected == OK:
                self.report.check(title, (status, reason), OK)
                continue
            if expected[1] is None and str(reason).endswith("NOT_FOUND"):
                reason = None
            self.report.check(title, (status, reason, field), expected + (name,))
            self.report.check(title + ": nothing changed",
                              difference(before, self.world.dump()), "")

    def serve(self, endpoint):
        for way in (Caller.rest, Caller.over_socket):
            request = ENTRIES[endpoint["path"]].body(self.world)
            status, answer = way(rightful(self.world, endpoint), endpoint["path"], request)
            self.report.check(f"{endpoint['path']} × rightful caller by {way.__name__}",
                              (status, blamed(answer)[1]), ENTRIES[endpoint["path"]].answer)
