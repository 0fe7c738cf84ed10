"""WeChat Pay's API v3 as far as consultd needs it, on 127.0.0.1, with keys of its own.

It holds every request against the merchant's key and against what the API asks for, keeps a book of
what was paid and returned, and can be in trouble. Its clock is the server's: the same file is added.
"""

import http.server
import json
import re
import secrets
import struct
import threading
import time

from crypto import Key, lock

APP_ID, MCH_ID = "wx0123456789abcdef", "1900000109"
MCH_SERIAL = "5157F09EFDC096DE15EBE81A47057A7232F1B8E1"
SERIAL = "PUB_KEY_ID_0119000001092026112400000000000001"
API_KEY = "0123456789abcdef0123456789ABCDEF"
NOTIFY_PATH = "/consultation/payment/wechat/notify"
AUTHORIZATION = re.compile(
    r'WECHATPAY2-SHA256-RSA2048 mchid="([^"]+)",nonce_str="([^"]+)",signature="([^"]+)",'
    r'timestamp="([0-9]+)",serial_no="([^"]+)"')


class Trouble(Exception):
    """Answered in place of what was asked for: (status, code)."""


class Gateway:
    """`trouble`: None, or how the next answers go wrong; see spoil. `pending`: refunds are accepted
    and made later. `complaints`: what was wrong with requests."""

    def __init__(self, clock_path):
        self.clock_path = clock_path
        self.merchant, self.platform, self.stranger = Key(), Key(), Key()
        self.lock = threading.Lock()
        self.trades, self.refunds = {}, {}
        self.requests, self.complaints = [], []
        self.trouble, self.pending, self.lie = None, False, {}
        self.wakes = threading.Event()
        gateway = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                gateway.serve(self, "GET", b"")

            def do_POST(self):
                gateway.serve(self, "POST", self.rfile.read(int(self.headers["Content-Length"])))

        class Quiet(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass  # the server hung up: it had heard enough

        self.http = Quiet(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def stop(self):
        self.wakes.set()
        self.http.shutdown()
        self.http.server_close()

    def now(self):
        with open(self.clock_path, "rb") as file:
            return int(time.time() + struct.unpack("q", file.read(8))[0] / 1000)

    # ---- Requests ----

    def complain(self, why):
        with self.lock:
            self.complaints.append(why)

    def check_signature(self, request, method, body):
        found = AUTHORIZATION.fullmatch(request.headers.get("Authorization", ""))
        if not found:
            self.complain("no Authorization of this form")
            raise Trouble(401, "SIGN_ERROR")
        mch_id, nonce, signature, timestamp, serial = found.groups()
        text = f"{method}\n{request.path}\n{timestamp}\n{nonce}\n".encode() + body + b"\n"
        rules = {"mchid": mch_id == MCH_ID, "serial_no": serial == MCH_SERIAL,
                 "nonce_str": len(nonce) == 32, "timestamp": abs(self.now() - int(timestamp)) < 300,
                 "signature": self.merchant.has_signed(text, signature),
                 "Accept": request.headers.get("Accept") == "application/json",
                 "User-Agent": bool(request.headers.get("User-Agent")),
                 "Wechatpay-Serial": request.headers.get("Wechatpay-Serial") == SERIAL}
        for name, is_right in rules.items():
            if not is_right:
                self.complain(f"{method} {request.path}: {name}")
                raise Trouble(401, "SIGN_ERROR")

    def serve(self, request, method, body):
        trouble = self.trouble
        if trouble == "down":
            request.close_connection = True
            return
        if trouble == "hangs":
            self.wakes.wait(60)
            request.close_connection = True
            return
        try:
            self.check_signature(request, method, body)
            if trouble == "500":
                raise Trouble(500, "SYSTEM_ERROR")
            if trouble == "429":
                raise Trouble(429, "FREQUENCY_LIMITED")
            status, answer = 200, self.route(method, request.path, body)
        except Trouble as found:
            status, code = found.args
            answer = {"code": code, "message": "…"}
        if trouble == "answer lost":
            request.close_connection = True
            return
        self.answer(request, status, json.dumps(dict(answer, **self.lie)).encode(), trouble)

    def answer(self, request, status, text, trouble):
        headers = self.seal(text, self.stranger if trouble == "signed by another" else None,
                            at=self.now() - 301 if trouble == "old answer" else None)
        if trouble == "unsigned":
            headers = {}
        if trouble == "answer changed":
            text = text.replace(b"SUCCESS", b"success")
        if trouble == "too long":
            text += b" " * 100000
        if trouble == "no JSON":
            text = b"<html>"
            headers = self.seal(text)
        request.send_response(status)
        request.send_header("Content-Length", str(len(text)))
        request.send_header("Content-Type", "application/json")
        for name, value in headers.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(text)

    def seal(self, text, key=None, at=None, serial=SERIAL):
        """The headers that prove a text to be WeChat's."""
        timestamp, nonce = str(at if at is not None else self.now()), secrets.token_hex(16)
        message = f"{timestamp}\n{nonce}\n".encode() + text + b"\n"
        return {"Wechatpay-Timestamp": timestamp, "Wechatpay-Nonce": nonce,
                "Wechatpay-Serial": serial, "Wechatpay-Signature": (key or self.platform).sign(message)}

    def route(self, method, path, body):
        asked = json.loads(body) if body else None
        with self.lock:
            self.requests.append((method, path, asked))
            if (method, path) == ("POST", "/v3/pay/transactions/jsapi"):
                return self.prepay(asked)
            if (method, path) == ("POST", "/v3/refund/domestic/refunds"):
                return self.refund(asked)
            found = re.fullmatch(r"/v3/pay/transactions/out-trade-no/([0-9]+)\?mchid=" + MCH_ID, path)
            if method == "GET" and found:
                return self.find(self.trades, found.group(1), "ORDER_NOT_EXIST")
            found = re.fullmatch(r"/v3/refund/domestic/refunds/([0-9A-Za-z]+)", path)
            if method == "GET" and found:
                return self.find(self.refunds, found.group(1), "RESOURCE_NOT_EXISTS")
        self.complain(f"{method} {path}: there is no such thing")
        raise Trouble(404, "NOT_FOUND")

    @staticmethod
    def find(book, number, code):
        if number not in book:
            raise Trouble(404, code)
        return book[number]

    def prepay(self, asked):
        number = asked["out_trade_no"]
        if number in self.trades:
            raise Trouble(400, "OUT_TRADE_NO_USED")
        self.trades[number] = {
            "appid": asked["appid"], "mchid": asked["mchid"], "out_trade_no": number,
            "trade_state": "NOTPAY", "trade_state_desc": "订单未支付",
            "amount": {"total": asked["amount"]["total"], "currency": "CNY"},
            "payer": {"openid": asked["payer"]["openid"]}}
        return {"prepay_id": "wx" + secrets.token_hex(17)}

    def refund(self, asked):
        number, trade = asked["out_refund_no"], self.trades.get(asked["out_trade_no"])
        if number in self.refunds:
            return self.refunds[number]
        if trade is None or trade["trade_state"] != "SUCCESS":
            raise Trouble(403, "NO_AUTH")
        total = trade["amount"]["total"]
        if asked["amount"] != {"refund": total, "total": total, "currency": "CNY"}:
            raise Trouble(400, "PARAM_ERROR")
        self.refunds[number] = {
            "refund_id": "5030" + str(secrets.randbelow(10 ** 20)), "out_refund_no": number,
            "transaction_id": trade["transaction_id"], "out_trade_no": asked["out_trade_no"],
            "status": "PROCESSING", "channel": "ORIGINAL",
            "amount": {"total": total, "refund": total, "currency": "CNY"}}
        if not self.pending:
            self.return_money(number)
        return self.refunds[number]

    # ---- The world ----

    def pay(self, number):
        """The payer pays; nobody is told."""
        trade = self.trades[number]
        assert trade["trade_state"] == "NOTPAY", trade
        trade.update(trade_state="SUCCESS", transaction_id="42000" + str(secrets.randbelow(10 ** 20)))

    def return_money(self, refund_number):
        refund = self.refunds[refund_number]
        assert refund["status"] == "PROCESSING", refund
        refund["status"] = "SUCCESS"
        trade = self.trades[refund["out_trade_no"]]
        trade["trade_state"] = "REFUND"
        trade["returned"] = trade.get("returned", 0) + refund["amount"]["refund"]

    # ---- Notifications ----

    def notification(self, event, told, api_key=API_KEY, known="transaction", **changes):
        """The body of a notification of `event` that tells `told`."""
        nonce = secrets.token_hex(6)
        box = {"algorithm": "AEAD_AES_256_GCM", "original_type": known, "nonce": nonce,
               "associated_data": known,
               "ciphertext": lock(api_key.encode(), nonce.encode(), known.encode(),
                                  json.dumps(told).encode())}
        return json.dumps({"id": secrets.token_hex(18), "create_time": "2026-11-24T20:00:00+08:00",
                           "event_type": event, "resource_type": "encrypt-resource",
                           "summary": "支付成功", "resource": dict(box, **changes)},
                          ensure_ascii=False).encode()

    def paid(self, number, **changes):
        return self.notification("TRANSACTION.SUCCESS", dict(self.trades[number], **changes))

    def refunded(self, number, event="REFUND.SUCCESS", **changes):
        refund = self.refunds["R" + number]
        told = {"mchid": MCH_ID, "out_trade_no": number, "out_refund_no": refund["out_refund_no"],
                "transaction_id": refund["transaction_id"], "refund_id": refund["refund_id"],
                "refund_status": event.split(".")[1],
                "amount": dict(refund["amount"], payer_total=1, payer_refund=1)}
        return self.notification(event, dict(told, **changes), known="refund")
