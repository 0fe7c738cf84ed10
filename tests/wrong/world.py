"""The people and records that the tests act on, and a dump of all of them.

Two users and two doctors; the first of each have a consultation with each other, the second are
strangers to it. What a test uses up (an order, a patient) it gets fresh from here.
"""

import hashlib
import hmac
import json
import secrets
import sqlite3

from rules import BLANKS
from server import SANDBOX_KEY, Closed, Socket

SERVICE_KEY = "sk_demo"  # of every demo server
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def identity_number(first17):
    """An identity card's number: 17 digits and their check digit (GB 11643)."""
    total = sum(int(digit) * weight for digit, weight in zip(first17, WEIGHTS))
    return first17 + "10X98765432"[total % 11]


class Caller:
    """Somebody with a token; the socket is opened when it is first used."""

    def __init__(self, server, name, role, identity, token):
        self.server = server
        self.name = name
        self.role = role
        self.id = identity
        self.token = token
        self.socket = None

    def rest(self, path, body, raw=None):
        return self.server.post(path, body, self.token, raw)

    def over_socket(self, path, body, raw=None):
        if self.socket is None:
            self.socket = Socket(self.server)
            code, answer = self.socket.call("connect", {"token": self.token})
            assert code == 200, answer
        try:
            return self.socket.call(path, body, raw)
        except Closed:
            self.socket = None
            raise

    def ask(self, path, body=None):
        """The answer of a call that must go well."""
        status, answer = self.rest(path, body or {})
        if status != 200:
            raise AssertionError(f"{self.name} {path} {body}: {status} {answer}")
        return answer

    def get(self, path, body=None):
        return self.ask(path, body).get("data")


class World:
    """See above."""

    def __init__(self, server):
        self.server = server
        self.nobody = Caller(server, "nobody", None, None, None)
        self.user = self.sign_up("user")
        self.other_user = self.sign_up("other user")
        self.service = Caller(server, "service", "SERVICE", None, SERVICE_KEY)
        self.doctor = self.sign_in("doctor", "00001")
        self.other_doctor = self.sign_in("other doctor", "00002")
        self.patient = self.make_patient()
        self.other_patient = self.make_patient(self.other_user)
        self.order = self.make_order(self.patient, self.doctor)
        self.chat = self.order["chatId"]
        self.pay(self.order)
        self.other_order = self.make_order(self.other_patient, self.other_doctor, self.other_user)
        self.pay(self.other_order, self.other_user)
        self.message = self.send()
        self.other_message = self.send_as_stranger()
        self.department = self.user.get("/api/department/list")[0]["id"]
        self.question, self.written_question = (
            next(row["id"] for row in self.user.get("/api/evaluateQuesion/list")
                 if row["type"] == kind) for kind in ("01", "02"))
        self.quick_reply = self.make_quick_reply(self.doctor)
        self.other_quick_reply = self.make_quick_reply(self.other_doctor)
        self.collection = self.collect(self.user)
        self.other_collection = self.collect(self.other_user)

    # ---- People ----

    def sign_up(self, name):
        open_id = "wrong-" + secrets.token_hex(8)
        self.nobody.ask("/api/user/signup", {"openId": open_id})
        answer = self.nobody.ask("/api/user/signin", {"openId": open_id})
        caller = Caller(self.server, name, "USER", answer["userId"], answer["token"])
        caller.open_id = open_id
        return caller

    def sign_in(self, name, number):
        answer = self.nobody.get("/api/doctor/signin", {"doctorSn": number, "password": "123456"})
        return Caller(self.server, name, "DOCTOR", answer["doctorId"], answer["token"])

    # ---- Records ----

    def patient_body(self, caller=None, **fields):
        return dict({"userId": (caller or self.user).id, "phone": "13900000001", "name": "测试甲",
                     "certificateType": "05", "certificateNo": "E00000000",
                     "birthday": "1990-03-07", "sex": 1}, **fields)

    def make_patient(self, caller=None):
        caller = caller or self.user
        return caller.get("/api/patient/create", self.patient_body(caller))["id"]

    def order_body(self, patient=None, doctor=None, **fields):
        return dict({"patientId": patient or self.make_patient(),
                     "doctorId": (doctor or self.doctor).id, "content": "咳嗽三天",
                     "consultationReason": "在线复诊"}, **fields)

    def make_order(self, patient=None, doctor=None, caller=None):
        """A new order of a new patient, unpaid."""
        caller = caller or self.user
        return caller.get("/consultation/create", self.order_body(patient, doctor))

    def pay(self, order, caller=None):
        caller = caller or self.user
        number = caller.get("/consultation/payment/create", {"consultationId": order["id"]})
        caller.get("/consultation/payment/sandbox/pay", {"outTradeNo": number["outTradeNo"]})
        return order

    def unpaid_payment(self):
        order = self.make_order()
        return self.user.get("/consultation/payment/create", {"consultationId": order["id"]})

    def notification(self):
        """What the sandbox's provider sends, signed as it signs, of a payment that is made."""
        payment = self.unpaid_payment()
        self.user.get("/consultation/payment/sandbox/pay", {"outTradeNo": payment["outTradeNo"]})
        fields = {"outTradeNo": payment["outTradeNo"], "totalFee": payment["totalFee"],
                  "tradeState": "PAID", "transactionId": "t1"}
        text = "&".join(f"{name}={value}" for name, value in fields.items())
        signature = hmac.new(SANDBOX_KEY.encode(), text.encode(), hashlib.sha256).hexdigest()
        return dict(fields, signature=signature)

    def answered_order(self):
        order = self.pay(self.make_order())
        self.doctor.get("/api/consultation/chat/message/create",
                        dict(self.message_body(order), direction="doctor->user"))
        return order

    def finished_order(self):
        order = self.answered_order()
        self.user.get("/consultation/update", {"consultationId": order["id"], "status": "07"})
        return order

    def system_chat(self):
        chats = self.user.get("/api/chat/user/list", {"userId": self.user.id})
        return next(chat["id"] for chat in chats if chat["type"] == "02")

    def treatment_body(self, **fields):
        return dict({"consultationId": self.order["id"], "mainDiagnosis": "偏头痛",
                     "secondDiagnosis": ["失眠"], "chiefComplaint": "头痛一周",
                     "historyOfPastIllness": "既往体健"}, **fields)

    def treat(self):
        self.doctor.ask("/treatment/diagnisis/upsert", self.treatment_body())
        return self.order["id"]

    def evaluation_body(self):
        return {"consultationId": self.finished_order()["id"],
                "answers": [{"evaluateQuesionId": self.question, "score": 5}]}

    def evaluation_with(self, text):
        body = self.evaluation_body()
        body["answers"].append({"evaluateQuesionId": self.written_question, "text": text})
        return body

    def evaluated_text(self, request):
        """What was kept of an evaluation that was taken: no endpoint answers it. The same again is
        the same and any other is refused; of SQLite it is read from the row."""
        path, text = "/consultation/evaluate", request["answers"][-1]["text"]
        other = dict(request["answers"][-1], text=text[:1] + "。" + text[1:])
        again, _ = self.user.rest(path, request)
        changed, _ = self.user.rest(path, dict(request, answers=request["answers"][:-1] + [other]))
        if (again, changed) != (200, 409):
            return f"again {again}, changed {changed}"
        if self.server.database is None:
            return text.strip(BLANKS)
        link = sqlite3.connect(f"file:{self.server.database}?mode=ro", uri=True)
        try:
            rows = link.execute("SELECT text FROM evaluation_answers WHERE consultationId = ? "
                                "AND text IS NOT NULL", [bytes.fromhex(request["consultationId"])])
            return "|".join(kept for (kept,) in rows)
        finally:
            link.close()

    def message_body(self, order=None, **fields):
        order = order or self.order
        return dict({"chatId": order["chatId"], "consultationId": order["id"], "type": "01",
                     "direction": "user->doctor", "text": "您好"}, **fields)

    def send(self, **fields):
        return self.user.get("/api/consultation/chat/message/create",
                             self.message_body(**fields))["id"]

    def send_as_stranger(self):
        return self.other_user.get("/api/consultation/chat/message/create",
                                   self.message_body(self.other_order))["id"]

    def make_quick_reply(self, doctor):
        return doctor.get("/api/quickReply/create", {"doctorId": doctor.id, "title": "问候",
                                                     "content": "您好，请讲"})["id"]

    def collect(self, user):
        return user.get("/api/doctorCollection/create",
                        {"userId": user.id, "doctorId": self.doctor.id})["id"]

    # ---- All there is ----

    def dump(self):
        """Everything that the four can read, and of SQLite every row of every table."""
        lists = {}
        for user in (self.user, self.other_user):
            lists[user.name] = [user.get(path, {"userId": user.id}) for path in (
                "/api/patient/list", "/api/chat/user/list", "/api/doctorCollection/list")]
        for doctor in (self.doctor, self.other_doctor):
            lists[doctor.name] = [
                doctor.get("/api/chat/doctor/list", {"doctorId": doctor.id}),
                doctor.get("/api/quickReply/list", {"doctorId": doctor.id, "limit": 100})]
        for caller in (self.user, self.other_user, self.doctor, self.other_doctor):
            lists[caller.name].append(caller.get("/consultation/list", {"limit": 100}))
        for caller, chat in ((self.user, self.chat), (self.other_user, self.other_order["chatId"])):
            lists[caller.name].append(
                caller.get("/api/chat/message/list", {"chatId": chat, "limit": 100}))
        return {"lists": lists, "rows": self.rows()}

    def rows(self):
        if self.server.database is None:
            return None
        link = sqlite3.connect(f"file:{self.server.database}?mode=ro", uri=True)
        try:
            names = [name for (name,) in link.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
            return {name: sorted(map(repr, link.execute(f'SELECT * FROM "{name}"')))
                    for name in names if name not in UNCOMPARED}
        finally:
            link.close()


# Tables that may grow by a refused call: none is a record that anybody is answered with.
UNCOMPARED = {"audit"}


def difference(before, after):
    """What a dump has that the other has not, in a few words; "" when they are equal."""
    if before == after:
        return ""
    for part in before:
        for name in before[part] or ():
            if before[part][name] != after[part].get(name):
                old, new = (json.dumps(dump[part].get(name), ensure_ascii=False)
                            for dump in (before, after))
                at = next((i for i, (a, b) in enumerate(zip(old, new)) if a != b),
                          min(len(old), len(new)))
                return f"{part} of {name}: …{old[max(0, at - 80):at + 120]}… became " \
                       f"…{new[max(0, at - 80):at + 120]}…"
    return "a new table"
