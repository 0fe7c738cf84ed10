"""Texts that mean something to somebody else, in every field of every endpoint.

A text that is sound must be taken and read back as it was, code point for code point, and match
nothing else; one that is not must be refused with its field. What is sound is worked out by
rules.py from the field's row. Bytes that are no text at all are refused before any field is
looked at.
"""

import json
import re

from entries import ENTRIES
from matrix import blamed, rightful
from rules import error_of, trimmed
from world import Caller, difference

TEXTS = [
    # SQL
    "'", '"', "''", "\\'", "' OR '1'='1", "1; DROP TABLE messages; --", "' UNION SELECT * FROM users--",
    "x'); DELETE FROM chats WHERE ('1'='1", "/* */", "`id`", "?1", ":id", "@id", "$id", "[id]",
    # NoSQL
    '{"$gt": ""}', '{"$ne": null}', "$where", "$where: function() { return true }", "a.b.c", "$set",
    "__proto__", "constructor", '{"$regex": ".*"}', "_id",
    # Regular expressions, LIKE
    ".*", "^", "$", "[", "(", "(?", "a{1,2}", "\\", "\\\\", "\\E", "\\Q", "\\d+", "(a+)+$", "%", "_",
    "%%", "%_%", "100%", "*", "+", "?", "|", "a|b", "(?i)x", "\\x00", "\\u0000",
    # HTML, scripts, templates, formats, shell, paths
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "&lt;b&gt;&amp;", "javascript:alert(1)",
    "</textarea>", "]]>", "<!--", "{{7*7}}", "${7*7}", "#{7*7}", "<%= 7*7 %>", "%s%s%s%n", "%x %d",
    "%1$s", "{0}", "$(id)", "`id`; id", "| id", "&& id", "; id", "../../etc/passwd",
    "..\\..\\windows", "/etc/passwd", "file:///etc/passwd", "C:\\x", "%2e%2e%2f", "%00", "%0d%0a",
    # Line ends, controls
    "a\r\nSet-Cookie: x=1", "a\nb", "a\tb", "a\rb", "a\x0bb", "a\x1bb", "a\x7fb",
    "a\u0080b", "a\u009fb", "\x08",
    # Unicode
    "é", "e\u0301", "\u212b", "ﬁ", "Z\u0351\u036b\u0343\u036a\u0302", "\u202eabc", "\u2066x\u2069",
    "a\u200bb", "\u200d", "\ufeff", "\ufeffa", "\u2028", "\u00ad", "👩‍⚕️", "🇨🇳", "𠮷", "\U0010ffff",
    "\uffff", "\ufffd", "İ", "ß", "Ω", "ｆｕｌｌ", "١٢٣", "Ⅷ", "\u3000x\u3000", "\u00a0x\u00a0",
    "\u2003x\u2003", "中文 % 头痛", "ﷺ", "\U000e0041",
    # Things that are something in JSON, numbers, ids
    "null", "true", "[]", "{}", "NaN", "Infinity", "-1", "0", "1e400", "0x10", "１２", "undefined",
    "000000000000000000000000", "ffffffffffffffffffffffff", "FFFFFFFFFFFFFFFFFFFFFFFF",
    "[\"http://a/\"]", "http://a/'\"<>%00", "https://a/?q=%' OR 1=1", "http://a@b/", "http://",
    "HTTP://A/", "ftp://a/", "http://a\\@b", "http:///a", "http://:80/", "//a", "user->doctor",
    "doctor->user", "system->user", "01", "1", "02", "99",
]

# What is no JSON text: the bytes of a string's value, as they stand between the quotes.
NO_TEXTS = [
    b"\xc0\xaf", b"\xc1\xbf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xf8\x88\x80\x80\x80",
    b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xed\xa0\xbd\xed\xb8\x80", b"\xf4\x90\x80\x80", b"\xff",
    b"\xfe\xff", b"\x80", b"\xe4\xb8", b"\xe4\xb8x", b"a\xc2", b"\\ud800", b"\\udc00",
    b"\\udc00\\ud800", b"\\ud800x", b"\\ud800\\u0041", b"\\u0000", b"a\\u0000b", b"\\u00", b"\\x41",
    b"\\u{41}", b"\\U00000041", b"\\", b"\x00", b"a\x00b", b"a\nb", b"a\tb", b"a\x1fb", b"\\'",
]

# Texts to search in: each is what another would match if a character of it meant something.
DECOYS = ["plain", "aXb", "a_b", "a%b", "a.b", "a*b", "a\\b", "a\\_b", "A_B", "100% sure", "头痛",
          "(group)", "[set]", "{curly}", "^start", "end$", "a|b", "it's", '"quoted"', "a+b?c"]


NOT_SHOWN = "(where it can be read again is not said in tests/wrong/entries.py)"


class Injection:
    def __init__(self, world, endpoints, report):
        self.world = world
        self.endpoints = endpoints
        self.report = report

    def run(self):
        self.fill_searches()
        for endpoint in self.endpoints:
            if endpoint["path"] not in ENTRIES:
                self.report.fail(endpoint["path"], "has no entry in tests/wrong/entries.py")
                continue
            for field in endpoint["request"]:
                self.texts(endpoint, field)
                self.no_texts(endpoint, field)
                for inner in field["fields"] if field["kind"] == "object list" else []:
                    self.texts_within(endpoint, field, inner)
        self.names()
        self.paths_and_headers()
        self.socket_frames()

    # ---- Texts ----

    def texts(self, endpoint, field):
        """Every text in this field, by REST and over the socket in turn."""
        path, entry = endpoint["path"], ENTRIES[endpoint["path"]]
        before, was_taken = self.world.dump(), False
        for number, text in enumerate(TEXTS):
            way = Caller.over_socket if number % 2 else Caller.rest
            title = f"{path} {field['name']} {text!r} by {way.__name__}"
            reason = error_of(field, text)
            if reason is not None:
                request = dict(self.kept_request(endpoint), **{field["name"]: text})
                status, answer = way(rightful(self.world, endpoint), path, request)
                self.report.check(title, (status,) + blamed(answer)[1:],
                                  (400, reason, field["name"]))
                continue
            was_taken = True
            self.take(endpoint, entry, field, text, way, title)
        if not was_taken:
            self.report.check(f"{path} {field['name']}: nothing changed",
                              difference(before, self.world.dump()), "")

    def kept_request(self, endpoint):
        """The endpoint's request; made once where it is only going to be refused."""
        if not hasattr(self, "kept") or self.kept[0] != endpoint["path"]:
            self.kept = (endpoint["path"], ENTRIES[endpoint["path"]].body(self.world))
        return self.kept[1]

    def take(self, endpoint, entry, field, text, way, title):
        name, path = field["name"], endpoint["path"]
        request = dict(entry.body(self.world), **{name: text})
        for other in endpoint["request"]:
            if field["oneOf"] and other["oneOf"] and other is not field:
                request.pop(other["name"], None)
        status, answer = way(rightful(self.world, endpoint), path, request)
        refusal = entry.refused.get(name)
        if refusal:
            self.report.check(title, (status, blamed(answer)[1]), refusal)
            return
        is_text = field["kind"] in ("text", "text list") and not field["choices"]
        if not is_text or trimmed(text) == "":
            is_blamed = blamed(answer)[2] == name and status == 400
            self.report.check(title + ": no trouble", status < 500 and not is_blamed, True)
            return
        if status != 200:
            self.report.check(title, (status, blamed(answer)), "200")
            return
        if name == "keyword":
            self.found(endpoint, answer, text, title)
            return
        if name in entry.shown:
            shown = entry.shown[name](self.world, answer, request)
        else:
            data = answer.get("data")
            shown = data.get(name, NOT_SHOWN) if isinstance(data, dict) else NOT_SHOWN
        expected = trimmed(text)
        if field["kind"] == "text list":
            expected = json.loads(expected)
        self.report.check(title, shown, expected)

    # ---- Texts within the objects of a list ----

    def texts_within(self, endpoint, field, inner):
        """Every text in this field of a list's second object: refused with its place, or taken and
        stored as it is."""
        path, name = endpoint["path"], f"{field['name']}[].{inner['name']}"
        make, read = ENTRIES[path].within.get(name, (None, None))
        if inner["kind"] == "text" and make is None:
            self.report.fail(f"{path} {name}", "is not in `within` of tests/wrong/entries.py")
            return
        first = self.kept_request(endpoint)[field["name"]][0]
        for number, text in enumerate(TEXTS):
            way = Caller.over_socket if number % 2 else Caller.rest
            title = f"{path} {name} {text!r} by {way.__name__}"
            reason = error_of(inner, text)
            if reason is not None:
                items = [first, dict(first, **{inner["name"]: text})]
                request = dict(self.kept_request(endpoint), **{field["name"]: items})
                status, answer = way(rightful(self.world, endpoint), path, request)
                self.report.check(title, (status,) + blamed(answer)[1:],
                                  (400, reason, name.replace("[]", "[1]")))
            elif make is not None and trimmed(text) != "":
                request = make(self.world, text)
                status, answer = way(rightful(self.world, endpoint), path, request)
                self.report.check(title, (status, read(self.world, request)), (200, trimmed(text)))

    # ---- Searches ----

    def fill_searches(self):
        """What is searched: quick replies with all texts; demo doctors and diagnoses are there."""
        self.titles = []
        names = {row["path"]: row for row in self.endpoints}
        field = next(field for field in names["/api/quickReply/create"]["request"]
                     if field["name"] == "title")
        doctor = self.world.doctor
        for text in DECOYS + [text for text in TEXTS if error_of(field, text) is None]:
            if trimmed(text):
                doctor.get("/api/quickReply/create",
                           {"doctorId": doctor.id, "title": text, "content": "-"})
        self.searched = {
            "/api/quickReply/list": (doctor, {"doctorId": doctor.id}, ("title", "content")),
            "/api/doctor/list": (doctor, {}, ("doctorName",)),
            "/dictionary/diagnosis/list": (doctor, {}, ("name",)),
        }

    def everything(self, path):
        caller, request, fields = self.searched[path]
        items, skip = [], 0
        while True:
            page = caller.get(path, dict(request, skip=skip, limit=100))["items"]
            items += page
            skip += len(page)
            if len(page) < 100:
                return items, fields

    def found(self, endpoint, answer, text, title):
        """Exactly what holds the keyword, letter by letter (ASCII letters in either case)."""
        path = endpoint["path"]
        if path not in self.searched:
            self.report.fail(title, "a search that tests/wrong/injection.py does not know")
            return
        if not hasattr(self, "all_of") or self.all_of[0] != path:
            self.all_of = (path,) + self.everything(path)
        _, items, fields = self.all_of
        keyword = lowered(trimmed(text))
        expected = sum(any(keyword in lowered(item[field]) for field in fields) for item in items)
        self.report.check(title + ": how many match", answer["data"]["page_info"]["total"], expected)

    # ---- What is no text ----

    def no_texts(self, endpoint, field):
        path = endpoint["path"]
        for number, raw in enumerate(NO_TEXTS):
            body = b'{%s:"%s"}' % (json.dumps(field["name"]).encode(), raw)
            status, answer = self.world.server.post(
                path, None, rightful(self.world, endpoint).token, body)
            self.report.check(f"{path} {field['name']} bytes {raw!r}",
                              (status, blamed(answer)[1]), (400, "MALFORMED_JSON"))

    # ---- Elsewhere than in values ----

    def names(self):
        """Field names that mean something elsewhere are unknown fields: ignored."""
        user = self.world.user
        for text in TEXTS:
            body = {"userId": user.id, text: {"$gt": ""}}
            for way in (Caller.rest, Caller.over_socket):
                status, answer = way(user, "/api/patient/list", body)
                self.report.check(f"field name {text!r} by {way.__name__}",
                                  (status, len((answer or {}).get("data", []))),
                                  (200, len(user.get("/api/patient/list", {"userId": user.id}))))

    def paths_and_headers(self):
        server, user = self.world.server, self.world.user
        body = json.dumps({"userId": user.id}).encode()
        before = self.world.dump()
        plain = {"Content-Type": "application/json", "Authorization": "Bearer " + user.token}
        for text in TEXTS:
            quoted = "".join(f"%{byte:02x}" for byte in text.encode("utf-8", "surrogatepass"))
            for path in ("/api/patient/list/" + quoted, "/" + quoted, "/api/" + quoted + "/list"):
                status, _, _ = server.request("POST", path, body, plain)
                self.expect_one_of(f"POST {path}", status, (400, 403, 404))
                status, _, _ = server.request("GET", path)
                self.expect_one_of(f"GET {path}", status, (200, 400, 403, 404, 405))
            status, answer, _ = server.request("POST", "/api/patient/list?x=" + quoted, body, plain)
            self.report.check(f"query {quoted}", (status, "data" in (answer or {})), (200, True))
            if re.search(r"[\x00-\x1f\x7f-\uffff\U00010000-\U0010ffff]", text):
                continue
            for header, token in (("Authorization", "Bearer " + text), ("Authorization", text)):
                status, answer, _ = server.request("POST", "/api/patient/list", body,
                                                   dict(plain, **{header: token}))
                self.report.check(f"{header}: {token}", (status, blamed(answer)[1]),
                                  (401, "NOT_SIGNED_IN"))
            status, answer, _ = server.request("POST", "/api/patient/list", body,
                                               dict(plain, **{"X-Forwarded-For": text,
                                                              "Cookie": text, "Referer": text}))
            self.report.check(f"other headers {text!r}", status, 200)
            status, answer, _ = server.request("POST", "/api/patient/list", body,
                                               dict(plain, **{"Content-Type": text}))
            self.report.check(f"content type {text!r}", (status, blamed(answer)[1]),
                              (415, "WRONG_CONTENT_TYPE"))
        self.report.check("paths and headers: nothing changed",
                          difference(before, self.world.dump()), "")

    def expect_one_of(self, title, status, allowed):
        self.report.check(title, status if status not in allowed else allowed, allowed)

    def socket_frames(self):
        """The call's name and the client's id: an unknown call, an id echoed or refused."""
        user = self.world.user
        for text in TEXTS:
            code, answer = user.over_socket(text, {})
            self.report.check(f"call {text!r}", (code, blamed(answer)[1:]),
                              (404, ("UNKNOWN_CALL", "call")))


def lowered(text):
    return re.sub("[A-Z]", lambda letter: letter.group().lower(), text)
