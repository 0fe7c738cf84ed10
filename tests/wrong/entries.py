"""Whose record each endpoint takes, and how it is called properly. An endpoint of the server's
table that has no entry here fails the run.

An entry has
  body     makes a request that its rightful caller may send now
  by       the rightful caller: "user" or "doctor"; by the row's access if not said
  stranger what another user or doctor gets for the same request: (reason, field), or None where
           the endpoint takes nobody's record
  foreign  for fields that hold an id: what the rightful caller gets when the id leads to somebody
           else's record. Not said: 403 NOT_YOURS with this field
  unknown  the same for a well-formed id of nothing. Not said: 404 with this field
  others   which record of the strangers to put in a field `id`
  shown    for text fields: where a text that was taken can be read again; a function of (world,
           answer, request). Not said: in `data` of the answer, under its own name
  answer   what everybody gets in place of 200, where this server has no such thing: (status, reason)
  within   for text fields of a list's objects ("answers[].text"): a function that makes a request
           with a text there, of (world, text), and one that reads what was kept, of (world, request)
  refused  for text fields: what the endpoint answers to a sound text that means nothing to it
"""

from collections import namedtuple

OK = (200, None)

ENTRIES = {}

Entry = namedtuple("Entry",
                   "body by stranger foreign unknown others shown refused answer within")


def entry(path, body, by=None, stranger=None, foreign=None, unknown=None, others=None, shown=None,
          refused=None, answer=OK, within=None):
    ENTRIES[path] = Entry(body, by, stranger, foreign or {}, unknown or {}, others, shown or {},
                          refused or {}, answer, within or {})


def item_of(path, request, key="items"):
    """The list's element with this id."""
    def find(world, caller, identity):
        data = caller.get(path, request(world))
        items = data[key] if isinstance(data, dict) else data
        return next(item for item in items if item["id"] == identity)
    return find


patient_of = item_of("/api/patient/list", lambda w: {"userId": w.user.id})
reply_of = item_of("/api/quickReply/list", lambda w: {"doctorId": w.doctor.id, "limit": 100})
message_of = item_of("/api/chat/message/list", lambda w: {"chatId": w.chat, "limit": 100})


def stored_patient(field):
    return lambda w, answer, request: patient_of(w, w.user, answer["data"]["id"])[field]


def stored_reply(field):
    return lambda w, answer, request: reply_of(w, w.doctor, answer["data"]["id"])[field]


def stored_message(field):
    return lambda w, answer, request: message_of(w, w.user, answer["data"]["id"])[field]


def stored_order(field):
    return lambda w, answer, request: w.user.get(
        "/consultation/list", {"consultationId": answer["data"]["id"]})["items"][0][field]


def stored_treatment(field):
    return lambda w, answer, request: w.user.get(
        "/treatment/diagnisis/queryByConsultation",
        {"consultationId": request["consultationId"]})[field]


def signed_up(w, answer, request):
    return w.nobody.ask("/api/user/signin", {"openId": request["openId"]})["identifier"]


# 1, ＋ doctors
entry("/api/user/signup", lambda w: {"openId": w.user.open_id, "phone": "13900000001"},
      shown={"openId": signed_up})
entry("/api/user/signin", lambda w: {"openId": w.user.open_id},
      shown={"openId": lambda w, answer, request: answer.get("data", answer)["identifier"]})
entry("/api/doctor/signin", lambda w: {"doctorSn": "00001", "password": "123456"},
      refused={"doctorSn": (401, "SIGNIN_FAILED"), "password": (401, "SIGNIN_FAILED")})
entry("/api/doctor/list", lambda w: {"departmentId": w.department, "limit": 100},
      foreign={"departmentId": OK}, unknown={"departmentId": OK})
entry("/api/doctor/detail", lambda w: {"id": w.doctor.id}, others=lambda w: w.other_doctor.id,
      foreign={"id": OK})
entry("/api/department/list", lambda w: {})

# 2
entry("/api/patient/create", lambda w: w.patient_body(), stranger=("NOT_YOURS", "userId"),
      unknown={"userId": (403, "NOT_YOURS")},
      shown={field: stored_patient(field) for field in ("name", "certificateNo", "patientIdNo")},
      refused={"birthday": (400, "INVALID_BIRTHDAY")})
entry("/api/patient/delete", lambda w: {"id": w.make_patient()}, stranger=("NOT_YOURS", "id"),
      others=lambda w: w.other_patient)
entry("/api/patient/list", lambda w: {"userId": w.user.id}, stranger=("NOT_YOURS", "userId"),
      unknown={"userId": (403, "NOT_YOURS")})
entry("/api/patient/detail", lambda w: {"id": w.patient}, stranger=("NOT_YOURS", "id"),
      others=lambda w: w.other_patient)
entry("/api/patient/bindcard", lambda w: {"id": w.patient, "patientIdNo": "K-1"},
      stranger=("NOT_YOURS", "id"), others=lambda w: w.other_patient,
      shown={"patientIdNo": lambda w, answer, request:
             w.user.get("/api/patient/detail", {"id": w.patient})["patientIdNo"]})

# 5, 6
entry("/api/consultationReason/list", lambda w: {})
entry("/api/evaluateQuesion/list", lambda w: {})

# 7
entry("/api/quickReply/create",
      lambda w: {"doctorId": w.doctor.id, "title": "问候", "content": "您好"},
      stranger=("NOT_YOURS", "doctorId"), unknown={"doctorId": (403, "NOT_YOURS")},
      shown={"title": stored_reply("title"), "content": stored_reply("content")})
entry("/api/quickReply/delete", lambda w: {"id": w.make_quick_reply(w.doctor)},
      stranger=("NOT_YOURS", "id"), others=lambda w: w.other_quick_reply)
entry("/api/quickReply/list", lambda w: {"doctorId": w.doctor.id, "limit": 100},
      stranger=("NOT_YOURS", "doctorId"), unknown={"doctorId": (403, "NOT_YOURS")})

# 8
entry("/api/chat/user/list", lambda w: {"userId": w.user.id}, stranger=("NOT_YOURS", "userId"),
      unknown={"userId": (403, "NOT_YOURS")})
entry("/api/chat/doctor/list", lambda w: {"doctorId": w.doctor.id},
      stranger=("NOT_YOURS", "doctorId"), unknown={"doctorId": (403, "NOT_YOURS")})
entry("/api/chat/detail", lambda w: {"id": w.chat}, stranger=("NOT_YOURS", "id"),
      others=lambda w: w.other_order["chatId"])
entry("/api/chat/read", lambda w: {"chatId": w.chat, "seq": 1}, stranger=("NOT_YOURS", "chatId"))
entry("/api/chat/message/list", lambda w: {"chatId": w.chat}, stranger=("NOT_YOURS", "chatId"))
entry("/api/consultation/chat/message/create", lambda w: w.message_body(),
      stranger=("NOT_YOURS", "chatId"),
      shown={"text": stored_message("text"), "image": stored_message("image"),
             "audio": stored_message("audio")})
entry("/api/consultation/chat/message/retract", lambda w: {"id": w.send()},
      stranger=("NOT_YOURS", "id"), others=lambda w: w.other_message)

# 9
entry("/api/doctorCollection/create", lambda w: {"userId": w.user.id, "doctorId": w.doctor.id},
      stranger=("NOT_YOURS", "userId"), foreign={"doctorId": OK},
      unknown={"userId": (403, "NOT_YOURS")})
entry("/api/doctorCollection/list", lambda w: {"userId": w.user.id},
      stranger=("NOT_YOURS", "userId"), unknown={"userId": (403, "NOT_YOURS")})
entry("/api/doctorCollection/delete", lambda w: {"id": w.collect(w.user)},
      stranger=("NOT_YOURS", "id"), others=lambda w: w.other_collection, unknown={"id": OK})

# 10
entry("/consultation/create", lambda w: w.order_body(), stranger=("NOT_YOURS", "patientId"),
      foreign={"doctorId": OK},
      shown={field: stored_order(field)
             for field in ("content", "consultationReason", "images")})
entry("/consultation/update", lambda w: {"consultationId": w.make_order()["id"], "status": "02"},
      stranger=("NOT_YOURS", "consultationId"))
entry("/consultation/list", lambda w: {"consultationId": w.order["id"]},
      stranger=("NOT_YOURS", "consultationId"),
      foreign={"doctorId": OK}, unknown={"doctorId": OK})
entry("/consultation/chatmessage", lambda w: {"consultationId": w.order["id"]},
      stranger=("NOT_YOURS", "consultationId"))
entry("/consultation/payment/create", lambda w: {"consultationId": w.make_order()["id"]},
      stranger=("NOT_YOURS", "consultationId"))
entry("/consultation/payment/sandbox/pay",
      lambda w: {"outTradeNo": w.unpaid_payment()["outTradeNo"]},
      stranger=("NOT_YOURS", "outTradeNo"),
      refused={"outTradeNo": (404, "PAYMENT_NOT_FOUND")})
entry("/consultation/payment/sandbox/notify", lambda w: w.notification(),
      refused={field: (401, "BAD_SIGNATURE")
               for field in ("outTradeNo", "transactionId", "signature")})

# Payments by WeChat are not configured here; tests/wechat sends it what it must not take.
entry("/consultation/payment/wechat/notify", lambda w: {}, answer=(404, "UNKNOWN_CALL"))

# 11
entry("/dictionary/diagnosis/list", lambda w: {"limit": 100})
entry("/treatment/diagnisis/upsert", lambda w: w.treatment_body(),
      stranger=("NOT_YOURS", "consultationId"),
      shown={field: stored_treatment(field) for field in
             ("mainDiagnosis", "secondDiagnosis", "chiefComplaint", "historyOfPastIllness")})
entry("/treatment/diagnisis/queryByConsultation", lambda w: {"consultationId": w.treat()},
      stranger=("NOT_YOURS", "consultationId"))

# ＋ evaluations, other systems
entry("/consultation/evaluate", lambda w: w.evaluation_body(),
      stranger=("NOT_YOURS", "consultationId"),
      within={"answers[].text": (lambda w, text: w.evaluation_with(text),
                                 lambda w, request: w.evaluated_text(request))})
entry("/system/message/create",
      lambda w: {"chatId": w.system_chat(), "type": "01", "text": "请取药"},
      foreign={"chatId": (400, "WRONG_MESSAGE_TYPE"), "consultationId": (409, "WRONG_CHAT")},
      shown={"text": lambda w, answer, request: w.user.get(
          "/api/chat/message/list", {"chatId": w.system_chat(), "limit": 1})[0]["text"]})
