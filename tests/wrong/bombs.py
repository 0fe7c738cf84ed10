"""Wrong types, limits and one more, huge numbers, deep and wide texts, wrong methods, the last
byte of 64 KiB: each is refused with the field and reason that the row of the table says, or taken
where it is just within; nothing of what is refused changes anything, and memory stays bounded.
"""

import json

from entries import ENTRIES
from matrix import blamed, rightful
from rules import error_of
from server import Closed, Socket
from world import Caller, difference

BODY_MAX = 65536
DEPTH_MAX, VALUES_MAX = 16, 4096
MEMORY_GROWTH_KIB = 32768  # what all of this together may leave behind

ODD_VALUES = [
    None, "", " ", "\u3000\n\t", True, False, 0, 1, -1, 1.0, 1.5, -0.0, 1e3, 2 ** 31, 2 ** 53, 2 ** 63 - 1,
    -2 ** 63, -2 ** 63 + 1, [], [[]], [None], {}, {"$gt": ""}, {"a": 1}, "x", "1", " 1 ", "+1", "0x1",
    "1e3", "1.0", "-0", "00", "١", "1_000", "9" * 18, "9" * 19, "9" * 40, "-" + "9" * 40, "true",
    "null", "[]", "{}", [1], ["x", 1], [{"a": [1]}], "01", "user->doctor", "0" * 24, "a" * 23, "a" * 25,
    "A" * 24, "a" * 24 + " ", "a" * 12 + " " + "a" * 11,
]

# Numbers as they stand in the JSON text: no JSON (or beyond what the server reads as a number) …
NO_NUMBERS = [
    b"1e400", b"-1e400", b"9223372036854775808", b"18446744073709551616", b"-9223372036854775809",
    b"9" * 400, b"1" + b"0" * 4000, b"NaN", b"Infinity", b"-Infinity", b"01", b"+1", b"1.", b".5", b"-",
    b"1e", b"0x1", b"1_0", b"undefined", b"'1'", b"True",
]
# … and JSON, but perhaps no whole number.
ODD_NUMBERS = [
    b"1.5", b"1.0", b"1e0", b"1E2", b"1.01e2", b"1e-400", b"10000000000000000000e-19", b"-0.0", b"-0",
    b"0." + b"0" * 300 + b"1", b"1e18", b"-1e300", b"9007199254740993.0", b"-1.0", b"13900000001.5",
    b"9223372036854775807", b"-9223372036854775808", b"1" + b"0" * 18,
]

NO_OBJECTS = [b"[]", b"null", b"true", b"1", b'"{}"', b"[{}]", b'""', b"1.5"]
NO_JSON = [b" ", b"{", b"}", b"{]", b"[}", b"{}{}", b"{},", b"{\"a\"}", b"{\"a\":}", b"{a:1}", b"{'a':1}",
           b"{\"a\":1,}", b"{,}", b"{\"a\":1 \"b\":2}", b"//\n{}", b"/**/{}", b"\xef\xbb\xbf{}", b"{}\x00",
           b"\x00{}", b"{\"a\":\"", b"{\"a\":tru}", b"{\"a\":nul}", b"\xff\xfe{\x00}\x00", b"<xml/>",
           b"a=1&b=2", b"{\"a\":\"\t\"}", b"{\"\\u0000\":1}", b"{\"\xff\":1}", b"\r\n\r\nGET / HTTP/1.1\r\n\r\n"]


CLOSE_NO_UTF8 = 1007


def is_utf8(raw):
    try:
        raw.decode()
        return True
    except UnicodeDecodeError:
        return False


class Bombs:
    def __init__(self, world, endpoints, report):
        self.world = world
        self.endpoints = [row for row in endpoints if row["path"] in ENTRIES]
        self.report = report

    def run(self):
        memory = self.world.server.memory_kib()
        for endpoint in self.endpoints:
            request = ENTRIES[endpoint["path"]].body(self.world)
            kept = self.world.dump()
            for field in endpoint["request"]:
                self.odd_values(endpoint, request, field, kept)
                self.odd_numbers(endpoint, request, field)
                self.odd_within(endpoint, request, field, kept)
                self.twice(endpoint, request, field)
            self.no_objects(endpoint)
            self.bombs(endpoint, request)
            self.sizes(endpoint, request)
            self.methods(endpoint)
        self.frames()
        self.limits_of_texts()
        grown = self.world.server.memory_kib() - memory
        self.report.check("memory stays bounded",
                          "bounded" if grown < MEMORY_GROWTH_KIB else f"grew by {grown} KiB", "bounded")

    # ---- Values ----

    def odd_values(self, endpoint, request, field, kept):
        """Every wrong type, null, "" and missing, in this field of an otherwise right request."""
        path, name = endpoint["path"], field["name"]
        cases = [(value, dict(request, **{name: value})) for value in ODD_VALUES]
        cases.append((None, {key: value for key, value in request.items() if key != name}))
        for number, (value, body) in enumerate(cases):
            reason = error_of(field, value)
            way = Caller.over_socket if number % 2 else Caller.rest
            if reason is None:
                continue  # taken, or refused by the endpoint's own rules: the other parts' business
            status, answer = way(rightful(self.world, endpoint), path, body)
            self.report.check(f"{path} {name} = {value!r:.60} by {way.__name__}",
                              (status,) + blamed(answer)[1:], (400, reason, name))
        for items in self.odd_items(field):
            status, answer = rightful(self.world, endpoint).rest(path, dict(request, **{name: items[0]}))
            self.report.check(f"{path} {name} = {items[0]!r:.60}", (status,) + blamed(answer)[1:],
                              (400,) + items[1:])
        self.report.check(f"{path} {name}: nothing changed", difference(kept, self.world.dump()), "")

    def odd_within(self, endpoint, request, field, kept):
        """Every wrong type, too long a text and what is missing, in the second object of a list."""
        path, name = endpoint["path"], field["name"]
        if field["kind"] != "object list":
            return
        first, caller = request[name][0], rightful(self.world, endpoint)
        for inner in field["fields"]:
            odd = [(value, dict(first, **{inner["name"]: value})) for value in ODD_VALUES]
            odd.append((None, {key: value for key, value in first.items() if key != inner["name"]}))
            if inner["kind"] == "text" and inner["max"]:
                text = "中" * (inner["max"] + 1)
                odd.append((text, dict(first, **{inner["name"]: text})))
            for value, item in odd:
                reason = error_of(inner, value)
                if reason is None:
                    continue
                status, answer = caller.rest(path, dict(request, **{name: [first, item]}))
                self.report.check(f"{path} {name}[1].{inner['name']} = {value!r:.60}",
                                  (status,) + blamed(answer)[1:],
                                  (400, reason, f"{name}[1].{inner['name']}"))
        self.report.check(f"{path} {name}: nothing changed within",
                          difference(kept, self.world.dump()), "")

    @staticmethod
    def odd_items(field):
        """Lists of which an item is to blame: (value, reason, field)."""
        name = field["name"]
        if field["kind"] == "text list":
            good = "http://a/" if field["format"] == "url" else "x"
            long = good + "x" * field["itemMax"]
            return [([1], "INVALID_TYPE", f"{name}[0]"), ([good, None], "INVALID_TYPE", f"{name}[1]"),
                    ([good, {}], "INVALID_TYPE", f"{name}[1]"), ([[good]], "INVALID_TYPE", f"{name}[0]"),
                    ([good, long], "TOO_LONG", f"{name}[1]"),
                    ([good] * (field["max"] + 1), "TOO_MANY", name),
                    (json.dumps([good] * (field["max"] + 1)), "TOO_MANY", name),
                    ("[" * 17 + "]" * 17, "TOO_DEEP", name), ("[1", "INVALID_TYPE", name)]
        if field["kind"] == "object list":
            return [([1], "INVALID_TYPE", f"{name}[0]"), ([[]], "INVALID_TYPE", f"{name}[0]"),
                    ([None], "INVALID_TYPE", f"{name}[0]"),
                    ([{}] * (field["max"] + 1), "TOO_MANY", name)] if field["max"] else []
        return []

    def odd_numbers(self, endpoint, request, field):
        path, name = endpoint["path"], field["name"]
        if "list" in field["kind"]:
            return
        others = {key: value for key, value in request.items() if key != name}
        head = json.dumps(others).encode()[:-1] + (b"," if others else b"")
        reasons = [(raw, "MALFORMED_JSON") for raw in NO_NUMBERS]
        reasons += [(raw, error_of(field, json.loads(raw))) for raw in ODD_NUMBERS]
        for raw, reason in reasons:
            if reason is None:
                continue  # as any other number
            body = head + b'%s:%s}' % (json.dumps(name).encode(), raw)
            status, answer = rightful(self.world, endpoint).rest(path, None, body)
            self.report.check(f"{path} {name}: {raw[:40]!r}", (status,) + blamed(answer)[1:],
                              (400, reason, None if reason == "MALFORMED_JSON" else name))

    def twice(self, endpoint, request, field):
        name = json.dumps(field["name"]).encode()
        value = json.dumps(request.get(field["name"], 1)).encode()
        body = json.dumps(request).encode()[:-1] + (b"," if request else b"")
        body += b"%s:%s,%s:%s}" % (name, value, name, value)
        status, answer = rightful(self.world, endpoint).rest(endpoint["path"], None, body)
        self.report.check(f"{endpoint['path']} {field['name']} twice", (status,) + blamed(answer)[1:],
                          (400, "MALFORMED_JSON", None))

    # ---- Texts as a whole ----

    def expect_refused(self, endpoint, title, body, reason, status=400):
        found, answer = rightful(self.world, endpoint).rest(endpoint["path"], None, body)
        self.report.check(f"{endpoint['path']}: {title}", (found,) + blamed(answer)[1:],
                          (status, reason, None))

    def no_objects(self, endpoint):
        for body in NO_OBJECTS:
            self.expect_refused(endpoint, f"{body!r}", body, "NOT_AN_OBJECT")
        for body in NO_JSON:
            self.expect_refused(endpoint, f"{body!r}", body, "MALFORMED_JSON")

    def bombs(self, endpoint, request):
        """Deep, wide and repeated, each as big as a body may be; and the last that is taken."""
        half = (BODY_MAX - 8) // 2
        deep = b'{"x":' + b"[" * half + b"]" * half + b"}"
        self.expect_refused(endpoint, "deep arrays", deep[:BODY_MAX], "TOO_DEEP")
        self.expect_refused(endpoint, "deep objects", b'{"x":' * (BODY_MAX // 5), "TOO_DEEP")
        self.expect_refused(endpoint, "deep and unclosed", b"[" * BODY_MAX, "TOO_DEEP")
        self.expect_refused(endpoint, "one level too deep",
                            b'{"x":' + b"[" * DEPTH_MAX + b"]" * DEPTH_MAX + b"}", "TOO_DEEP")
        keys = b",".join(b'"%d":0' % n for n in range(VALUES_MAX + 10))
        self.expect_refused(endpoint, "too many keys", b"{" + keys + b"}", "TOO_DEEP")
        self.expect_refused(endpoint, "too many items",
                            b'{"x":[' + b"0," * (BODY_MAX // 2 - 10) + b"0]}", "TOO_DEEP")
        self.expect_refused(endpoint, "the same key again and again",
                            b"{" + b'"a":0,' * 4000 + b'"a":0}', "MALFORMED_JSON")
        self.expect_refused(endpoint, "the same key in other letters",
                            b'{"a":0,"\\u0061":0}', "MALFORMED_JSON")
        self.expect_refused(endpoint, "a nested key twice", b'{"x":{"y":[{"a":0,"a":0}]}}',
                            "MALFORMED_JSON")
        self.expect_refused(endpoint, "quotes only", b'"' * BODY_MAX, "MALFORMED_JSON")
        self.expect_refused(endpoint, "backslashes", b'{"a":"' + b"\\" * 60000, "MALFORMED_JSON")
        self.expect_refused(endpoint, "a long number", b'{"a":' + b"1" * 65000 + b"}", "MALFORMED_JSON")

    def sizes(self, endpoint, request):
        """The last byte that is taken is that of 64 KiB; one more is 413, by either way."""
        path, caller = endpoint["path"], rightful(self.world, endpoint)
        broken = dict(request, **{endpoint["request"][0]["name"]: {}}) if endpoint["request"] else None
        for size in (BODY_MAX - 1, BODY_MAX, BODY_MAX + 1, 2 * BODY_MAX):
            # Where there is a field, it is wrong, so that it is read but nothing is done.
            body = json.dumps(broken or {}).encode()[:-1] + (b"," if broken else b"") + b'"padding":"'
            body += b"x" * (size - len(body) - 2) + b'"}'
            assert len(body) == size
            status, answer = caller.rest(path, None, body)
            fits = (400, "INVALID_TYPE") if broken else ENTRIES[path].answer
            self.report.check(f"{path}: {size} bytes", (status, blamed(answer)[1]),
                              fits if size <= BODY_MAX else (413, "TOO_LARGE"))

    def methods(self, endpoint):
        server, path = self.world.server, endpoint["path"]
        for method in ("GET", "HEAD", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"):
            status, answer, headers = server.request(method, path)
            self.report.check(f"{method} {path}", 400 <= status < 500 or f"{status}", True)
            if method in ("GET", "PUT", "DELETE", "PATCH") and status == 405:
                self.report.check(f"{method} {path}: Allow", "POST" in (headers.get("Allow") or ""), True)
        good = {"Authorization": f"Bearer {rightful(self.world, endpoint).token}"}
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
                     "application/jsonx", "application/ld+json", "text/json", "json", "*/*", "",
                     "application/json, text/plain", "x" * 200):
            status, answer, _ = server.request("POST", path, b"{}", dict(good, **{"Content-Type": kind}))
            self.report.check(f"{path} as {kind[:40]!r}", (status, blamed(answer)[1]),
                              (415, "WRONG_CONTENT_TYPE"))
        status, answer, _ = server.request("POST", path, b"{}", good)
        self.report.check(f"{path} without a type", (status, blamed(answer)[1]),
                          (415, "WRONG_CONTENT_TYPE"))
        if not any(field["required"] for field in endpoint["request"]):
            status, answer, _ = server.request("POST", path, None, good)
            self.report.check(f"{path} without a body", status < 500, True)

    # ---- Frames ----

    def frames(self):
        """What is no frame closes the socket with 4000, after an answer 400; too large: 1009; no
        UTF-8: 1007."""
        token = self.world.user.token
        cases = [(body, 4000) for body in NO_OBJECTS + NO_JSON + [b""]]
        cases += [(b'{"id":1}', 4000), (b'{"id":1,"call":""}', 4000), (b'{"id":1,"call":1}', 4000),
                  (b'{"id":1,"call":null}', 4000), (b'{"id":1,"call":["ping"]}', 4000),
                  (b'{"id":1.5,"call":"ping"}', 4000), (b'{"id":[1],"call":"ping"}', 4000),
                  (b'{"id":true,"call":"ping"}', 4000), (b'{"id":{},"call":"ping"}', 4000),
                  (b'{"id":"%s","call":"ping"}' % (b"x" * 65), 4000),
                  (b'{"id":1,"call":"ping","data":[]}', 4000), (b'{"id":1,"call":"ping","data":1}', 4000),
                  (b'{"id":1,"id":2,"call":"ping"}', 4000),
                  (b'{"id":1,"call":"ping","call":"ping"}', 4000),
                  (b"[" * BODY_MAX, 4000), (b'{"a":' * 13000, 4000), (b'{"id":1e400,"call":"ping"}', 4000),
                  (b'{"id":9223372036854775808,"call":"ping"}', 4000)]
        too_large = b'{"id":1,"call":"ping","data":{"x":"'
        too_large += b"x" * (BODY_MAX + 1 - len(too_large) - 3) + b'"}}'
        cases.append((too_large, 1009))
        cases.append((b"x" * 300000, 1009))
        for body, code in cases:
            for is_signed_in in (False, True):
                socket = Socket(self.world.server)
                if is_signed_in:
                    socket.call("connect", {"token": token})
                seen = self.last_words(socket, body)
                expected = [400, code] if code == 4000 else [code]
                expected = expected if is_utf8(body) else [CLOSE_NO_UTF8]
                self.report.check(f"frame {body[:50]!r}… of {len(body)} bytes", seen, expected)
        socket = Socket(self.world.server)
        whole = b'{"id":1,"call":"ping","data":{"x":"'
        socket.send_frame(whole + b"x" * (BODY_MAX - len(whole) - 3) + b'"}}')
        self.report.check("frame of 64 KiB", socket.answer_to(1)["code"], 200)
        for identity in (0, -1, 2 ** 63 - 1, -2 ** 63, "x" * 64, "", "\u4e2d" * 21, "\"\\\n", "0"):
            socket.send_frame(json.dumps({"id": identity, "call": "ping"}).encode())
            self.report.check(f"id {identity!r} echoed", socket.answer_to(identity)["code"], 200)
        socket.close()

    @staticmethod
    def last_words(socket, body):
        seen = []
        try:
            socket.send_frame(body)
            while True:
                frame = socket.receive()
                if "event" not in frame:
                    seen.append(frame["code"])
        except Closed as closed:
            seen.append(closed.code)
        except (ConnectionResetError, BrokenPipeError):
            seen.append("reset")
        socket.close()
        return seen

    # ---- Limits ----

    def limits_of_texts(self):
        """Each text at its limit is taken, in one-byte and in four-byte characters; one more is not,
        and blanks around it don't count."""
        for endpoint in self.endpoints:
            for field in endpoint["request"]:
                if field["kind"] != "text" or field["choices"] or field["format"] == "date":
                    continue
                self.limit_of(endpoint, field)

    def limit_of(self, endpoint, field):
        path, name, most = endpoint["path"], field["name"], field["max"]
        if not most:
            self.report.fail(f"{path} {name}", "has no limit")
            return
        letters = {"": "aé中𠮷", "url": "a𠮷", "visible": "a", "digits": "1"}[field["format"]]
        start = "http://" if field["format"] == "url" else ""
        for letter in letters:
            text = start + letter * (most - len(start))
            for value, expected in ((text, None), (text + letter, "TOO_LONG"), (" " + text + "\u3000", None)):
                request = dict(ENTRIES[path].body(self.world), **{name: value})
                for other in endpoint["request"]:
                    if field["oneOf"] and other["oneOf"] and other is not field:
                        request.pop(other["name"], None)
                status, answer = rightful(self.world, endpoint).rest(path, request)
                _, reason, blame = blamed(answer)
                title = f"{path} {name}: {len(value)} of {letter!r}"
                if expected:
                    self.report.check(title, (status, reason, blame), (400, expected, name))
                else:
                    refused = ENTRIES[path].refused.get(name, (200, None))
                    self.report.check(title, (status, reason), refused)
