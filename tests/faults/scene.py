"""The hospital of the fault test: its processes, its people, and what is counted of them."""

import asyncio
import collections
import datetime
import os
import sys
import time

from client import Account, Device
from processes import MemoryMongo, Mongod, Node, Redis
from proxy import Proxy
from wire import Refused, post

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../wrong"))
from world import identity_number  # noqa: E402

WRONG_SHOWN = 30
DOCTORS = ("00001", "00002", "00004")  # of the demo, those that take consultations


class Scene:
    def __init__(self, form, program, folder, random, classes, mongod):
        self.form = form
        self.random = random
        self.folder = folder
        self.program = program
        self.classes = classes  # of tests/mongo-server
        self.mongod = mongod  # the program to take instead, or None
        self.counters = collections.Counter()
        self.wrongs = []
        self.retracted_at = {}  # message id → when its retraction was answered
        self.clock = os.path.join(folder, "clock")
        self.fronts = []
        self.nodes = []
        self.mongo = self.redis = None
        self.behind = []  # the proxies before Redis and the store
        self.doctors, self.patients = [], []
        self.devices = []
        self.tasks = set()

    @staticmethod
    def now():
        return time.monotonic()

    @staticmethod
    def wall_time():
        """As the servers write it."""
        now = datetime.datetime.now(datetime.timezone.utc)
        return now.strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond // 1000:03}Z"

    def count(self, name, number=1):
        self.counters[name] += number

    def wrong(self, what):
        self.wrongs.append(what)
        if len(self.wrongs) <= WRONG_SHOWN:
            print(f"WRONG: {what}", flush=True)

    def stand(self):
        """Says where everything stands, for a run that does not come to its end."""
        print(f"counted: {dict(sorted(self.counters.items()))}")
        for process in self.processes():
            print(f"{process.name}: {process.stands()}")
        for account in self.doctors + self.patients:
            if account.asking:
                print(f"{account.name} waits for {', '.join(account.asking)}")
        for device in self.devices:
            if device.stands():
                print(f"{device.name} {device.stands()}")
        sys.stdout.flush()

    def front(self):
        return self.random.choice(self.fronts).port

    # ---- processes ----

    async def start(self, nodes):
        self.set_clock(0)
        store, bus = f"sqlite:{self.folder}/store.db", "local:"
        if self.form == "mongo":
            store, bus = await self.start_services()
        for number in range(nodes):
            self.fronts.append(await Proxy().start())
            self.nodes.append(Node(f"node{number + 1}", self.folder, self.fronts[-1], self.program,
                                   store, bus, self.clock))
        await self.nodes[0].start()
        await asyncio.gather(*(node.start() for node in self.nodes[1:]))

    async def start_services(self):
        self.behind = [await Proxy().start(), await Proxy().start()]
        if self.mongod:
            self.mongo = Mongod("mongo", self.folder, self.behind[0], self.mongod)
        else:
            self.mongo = MemoryMongo("mongo", self.folder, self.behind[0], self.classes)
        self.redis = Redis("redis", self.folder, self.behind[1])
        await asyncio.gather(self.mongo.start(), self.redis.start())
        return (f"mongodb://127.0.0.1:{self.behind[0].port}/consultd_faults",
                f"redis://127.0.0.1:{self.behind[1].port}")

    def processes(self):
        return [process for process in (*self.nodes, self.redis, self.mongo)
                if process is not None and process.process is not None]

    def set_clock(self, offset_ms):
        with open(self.clock, "r+b" if os.path.exists(self.clock) else "wb") as file:
            file.write(offset_ms.to_bytes(8, "little", signed=True))

    # ---- people ----

    async def invite(self, patients):
        """All sign in, and get their devices: a doctor three, a patient one or two."""
        for number in DOCTORS:
            data = (await post(self.front(), "/api/doctor/signin",
                               {"doctorSn": number, "password": "123456"}))["data"]
            doctor = Account(f"doctor{number}", "doctor", data["doctorId"], data["token"], self)
            self.doctors.append(doctor)
            self.give(doctor, 3)
        for start in range(0, patients, 10):
            made = await asyncio.gather(*(self.sign_up(number) for number in
                                          range(start, min(patients, start + 10))))
            self.patients += made
        for patient in self.patients:
            self.give(patient, self.random.choice((1, 2)))

    def give(self, account, count):
        for number in range(count):
            self.devices.append(Device(account, f"{account.name}.{number + 1}"))

    async def sign_up(self, number):
        name = f"patient{number}"
        await post(self.front(), "/api/user/signup", {"openId": name})
        answer = await post(self.front(), "/api/user/signin", {"openId": name})
        user = Account(name, "user", answer["userId"], answer["token"], self)
        user.patient = (await user.ask("/api/patient/create", {
            "userId": user.id, "phone": f"139{number:08}", "name": "测试甲",
            "certificateNo": identity_number(f"1101011990{number // 900 % 12 + 1:02}"
                                             f"{number // 1000 % 28 + 1:02}{number % 1000:03}"),
        }))["data"]["id"]
        return user

    # ---- what they do ----

    async def see(self, user):
        """A patient sees doctors, one consultation after the other, for ever."""
        while True:
            doctor = self.random.choice(self.doctors)
            try:
                await self.consult(user, doctor)
            except Refused as refusal:
                if refusal.reason not in ("ILLEGAL_TRANSITION", "CONSULTATION_NOT_OPEN"):
                    self.wrong(f"{user.name}: {refusal}")

    async def consult(self, user, doctor):
        order = await self.order(user, doctor)
        await self.pay(user, order)
        chat = next(chat["id"] for chat in await user.chats()
                    if chat.get("doctor", {}).get("doctorId") == doctor.id)
        device = self.random.choice(user.devices)
        for _ in range(self.random.randrange(2, 7)):
            await asyncio.sleep(self.random.uniform(0.5, 4))
            send = device.send(chat, order)
            if self.random.random() < 0.2:
                await device.to_send.join()
                if send.answer:
                    await device.retract(send.answer)
        if self.random.random() < 0.6:
            await device.to_send.join()
            await self.end(user, order)

    async def order(self, user, doctor):
        """An order of the pair that is open, or about to be."""
        try:
            order = (await user.ask("/consultation/create", {
                "patientId": user.patient, "doctorId": doctor.id, "content": "咳嗽三天",
                "consultationReason": "在线复诊"}))["data"]
            self.count("orders")
            return order["id"]
        except Refused as refusal:
            if refusal.reason != "ORDER_OPEN":
                raise
        while True:
            for order in await user.orders():
                if order["doctorId"] == doctor.id and order["status"] in ("01", "03", "04"):
                    return order["id"]
            await asyncio.sleep(0.5)  # 06: its money is on the way back

    async def pay(self, user, order):
        try:
            payment = (await user.ask("/consultation/payment/create",
                                      {"consultationId": order}))["data"]
        except Refused as refusal:
            if refusal.code != 409:
                raise
            return  # paid before
        await user.ask("/consultation/payment/sandbox/pay", {"outTradeNo": payment["outTradeNo"]})

    async def end(self, user, order):
        """07 once there was a reply, else the money back."""
        for status in ("07", "06"):
            try:
                await user.ask("/consultation/update",
                               {"consultationId": order, "status": status})
                self.count("ended")
                return
            except Refused as refusal:
                if refusal.reason != "ILLEGAL_TRANSITION":
                    raise

    def let_doctors_reply(self):
        """To some of what they read; more than an order's three replies are refused."""
        for doctor in self.doctors:
            for device in doctor.devices:
                device.on_message = self.replier(device)

    def replier(self, device):
        def reply(message):
            if message["type"] == "01" and self.random.random() < 0.25:
                send = device.send(message["chatId"], message["consultationId"])
                if self.random.random() < 0.3:
                    self.later(self.think_again(device, send))
        return reply

    async def think_again(self, device, send):
        while send.answer is None and send.refusal is None:
            await asyncio.sleep(0.2)
        if send.answer:
            await device.retract(send.answer)

    def later(self, work):
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
