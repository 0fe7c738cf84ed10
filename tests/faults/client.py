"""People and their devices, who follow the contract as web-demo/consultd-client.js does.

A device keeps the newest cursor and gives it when it comes back, pauses longer and longer before
it tries again, loads its lists when it is told that it was not resumed, finds a dead line by its
own pings, and sends again under the same clientMsgId until it has an answer. It does not fetch
what is missing by itself: that nothing is missing is what is being tested.
"""

import asyncio

from wire import Lost, Refused, WebSocket, post

SEND = "/api/consultation/chat/message/create"
RETRACT = "/api/consultation/chat/message/retract"
DIRECTIONS = {"user": "user->doctor", "doctor": "doctor->user"}
CALL_SECONDS = 5
PAUSE_FIRST_S, PAUSE_MOST_S = 0.2, 3.0
CONTENTS = ("text", "image", "audio")


async def end(tasks):
    """Cancels tasks until they are done. Once is not enough: before Python 3.12 wait_for forgets it
    when what it waits for comes at that moment."""
    tasks = list(tasks)
    while not all(task.done() for task in tasks):
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=0.5)
    await asyncio.gather(*tasks, return_exceptions=True)


class Account:
    """One who is signed in, by any of the nodes' fronts."""

    def __init__(self, name, side, identity, token, scene):
        self.name = name
        self.side = side
        self.id = identity
        self.token = token
        self.scene = scene
        self.devices = []
        self.asking = []  # the paths of calls that have no answer yet

    async def once(self, path, data):
        return await post(self.scene.front(), path, data, self.token)

    async def ask(self, path, data):
        """Calls until there is an answer that trying again will not change."""
        self.asking.append(path)
        try:
            return await self.ask_on(path, data)
        finally:
            self.asking.remove(path)

    async def ask_on(self, path, data):
        tries = 0
        while True:
            try:
                return await self.once(path, data)
            except Lost:
                pass
            except Refused as refusal:
                if not refusal.retry:
                    raise
                self.scene.count("busy")
            tries += 1
            await asyncio.sleep(self.scene.random.random() * min(PAUSE_MOST_S, 0.2 * tries))

    async def chats(self):
        path = f"/api/chat/{self.side}/list"
        return await self.pages(path, {self.side + "Id": self.id})

    async def pages(self, path, data):
        rows = []
        while True:
            more = (await self.ask(path, dict(data, skip=len(rows), limit=100)))["data"]
            more = more["items"] if isinstance(more, dict) else more
            rows += more
            if len(more) < 100:
                return rows

    async def messages(self, chat):
        """The whole chat as this side may see it, by 8.4."""
        rows, before = [], {}
        while True:
            more = (await self.ask("/api/chat/message/list",
                                   dict(before, chatId=chat, limit=100)))["data"]
            rows += more
            if len(more) < 100:
                return rows
            before = {"beforeSeq": more[-1]["seq"]}

    async def orders(self):
        return await self.pages("/consultation/list", {self.side + "Id": self.id})


class Send:
    """A message on its way: {chatId, consultationId, text}, and what became of it."""

    def __init__(self, chat, order, text):
        self.chat = chat
        self.order = order
        self.text = text
        self.tries = 0
        self.answer = None
        self.refusal = None


class Device:
    """One app on one phone: a socket, what it was told, and its queue of sends."""

    def __init__(self, account, name):
        self.account = account
        self.scene = account.scene
        self.name = name
        self.side = account.side
        self.held = {}    # chat id → message id → the newest copy
        self.taken_back_at = {}       # message id → when this device heard of it
        self.taken_back_here = set()  # those that this connection has told
        self.orders = {}  # order id → the newest copy
        self.cursor = None
        self.must_reload = False
        self.is_live = asyncio.Event()
        self.socket = None
        self.waiting = {}  # number of the call → (its name, what becomes its answer)
        self.last_id = 0
        self.sends = []
        self.to_send = asyncio.Queue()
        self.highest = {}  # chat id → seq, of what this connection told first
        self.came_at = self.lists_until = ""  # what was made before, a line leaves to the lists
        self.connected_at = 0
        self.on_message = None
        account.devices.append(self)

    # ---- the line ----

    async def live(self):
        attempts = 0
        while True:
            try:
                await self.one_line()
                attempts = 0
            except Lost as lost:
                if lost.code is not None and lost.code < 4100 and lost.code >= 4000:
                    self.scene.wrong(f"{self.name} closed with {lost.code}")
            except Refused as refusal:
                if not refusal.retry:
                    self.scene.wrong(f"{self.name} could not connect: {refusal}")
            if self.is_live.is_set():
                attempts = 0
                self.is_live.clear()
            self.drop()
            most = min(PAUSE_MOST_S, PAUSE_FIRST_S * 2 ** attempts)
            attempts += 1
            await asyncio.sleep(PAUSE_FIRST_S / 2 + self.scene.random.random() * most)

    async def one_line(self):
        try:
            self.socket = await asyncio.wait_for(WebSocket.open(self.scene.front()), CALL_SECONDS)
        except asyncio.TimeoutError as late:
            raise Lost("no upgrade in time") from late
        self.highest = {}
        self.taken_back_here = set()
        self.lists_until = ""
        tasks = [asyncio.ensure_future(work) for work in (self.read(), self.keep_alive())]
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()
        finally:
            await end(tasks)

    async def introduce(self):
        asked = self.cursor
        data = {"token": self.account.token}
        if asked:
            data["cursor"] = asked
        self.connected_at = self.scene.now()
        self.came_at = self.scene.wall_time()
        answer = (await self.call("connect", data))["data"]
        self.scene.count("connected")
        if asked and answer["resumed"]:
            self.scene.count("resumed")
        else:
            if asked:
                self.scene.count("reloaded")
            self.cursor = answer["cursor"]
            self.must_reload = True
        self.is_live.set()
        if self.must_reload:
            await self.reload()

    async def keep_alive(self):
        await self.introduce()
        while True:
            await asyncio.sleep(2)
            await self.call("ping")

    async def read(self):
        """The event first, its cursor after, as in the client library."""
        while True:
            frame = await self.socket.receive()
            if "event" in frame:
                self.event(frame)
                self.cursor = frame.get("cursor") or self.cursor
            elif frame.get("id") in self.waiting:
                name, answer = self.waiting.pop(frame["id"])
                if name == "connect" and not frame.get("data", {}).get("resumed"):
                    self.lists_until = self.came_at
                if not answer.done():  # it may have come at the very end of the time it had
                    answer.set_result(frame)

    def drop(self):
        if self.socket is not None:
            self.socket.close()
            self.socket = None
        waiting, self.waiting = self.waiting, {}
        for _, answer in waiting.values():
            if not answer.done():
                answer.set_exception(Lost("the line"))

    async def call(self, name, data=None):
        if self.socket is None:
            raise Lost("no line")
        self.last_id += 1
        number = self.last_id
        self.socket.send({"id": number, "call": name, "data": data or {}})
        answer = asyncio.get_running_loop().create_future()
        self.waiting[number] = (name, answer)
        try:
            frame = await asyncio.wait_for(answer, CALL_SECONDS)
        except asyncio.TimeoutError as late:
            self.waiting.pop(number, None)
            raise Lost("no answer in time") from late
        if str(frame["code"]) != "200":
            raise Refused(frame)
        return frame

    def stands(self):
        """What it has not done yet, as a sentence; "" when it is at rest."""
        doing = [f"waits for {name}" for name, _ in self.waiting.values() if name != "ping"]
        if not self.is_live.is_set():
            doing.append("has no line")
        if self.must_reload:
            doing.append("has its lists to load")
        unsent = [send for send in self.sends if send.answer is None and send.refusal is None]
        if unsent:
            doing.append(f"has {len(unsent)} to send, the first tried {unsent[0].tries} times")
        return ", ".join(doing)

    async def reload(self):
        for chat in await self.account.chats():
            asked_at = self.scene.now()
            for message in await self.account.messages(chat["id"]):
                self.take(message, "list", asked_at)
        for order in await self.account.orders():
            self.take_order(order)
        self.must_reload = False

    # ---- what it is told ----

    def event(self, frame):
        kind, data = frame["event"], frame.get("data")
        if kind in ("message.created", "message.retracted"):
            self.scene.count("received")
            self.take(data, kind)
        elif kind == "consultation.updated":
            self.take_order(data)

    def take_order(self, order):
        known = self.orders.get(order["id"])
        if known is None or known["updated_at"] <= order["updated_at"]:
            self.orders[order["id"]] = order

    def take(self, message, way, asked_at=None):
        """`asked_at`: since when it may have been on its way; None: since this line is there."""
        chat, identity = message["chatId"], message["id"]
        held = self.held.setdefault(chat, {})
        known = held.get(identity)
        is_mine = message["direction"] == DIRECTIONS[self.side] and message["type"] == "01"
        if not is_mine:
            self.check_secrecy(message, way, asked_at)
        if message.get("isRetract"):
            self.taken_back_at.setdefault(identity, self.scene.now())
            if way == "message.retracted":
                self.taken_back_here.add(identity)
        if known is not None:
            self.check_again(message, known, way)
            if message["updated_at"] <= known["updated_at"]:
                return
        held[identity] = message
        if known is None and way == "message.created":
            self.check_order(message)
            if self.on_message is not None and not is_mine:
                self.on_message(message)

    def check_secrecy(self, message, way, asked_at):
        """What the other side took back is not seen again: not on a line that has said so or began
        after that was known, and not in a list that was asked for after it. A list and a line may
        overtake each other."""
        identity = message["id"]
        if message["type"] != "01" or not any(message.get(field) for field in CONTENTS):
            return
        what = f"{self.name} got the content of {identity} (seq {message['seq']}) by {way}"
        since = self.connected_at if asked_at is None else asked_at
        if message.get("isRetract"):
            self.scene.wrong(f"{what} in its retracted form")
        elif asked_at is None and identity in self.taken_back_here:
            self.scene.wrong(f"{what} after its retraction")
        elif self.taken_back_at.get(identity, float("inf")) < since:
            self.scene.wrong(f"{what}, which it knew to be retracted")
        elif self.scene.retracted_at.get(identity, float("inf")) < since:
            self.scene.wrong(f"{what}, retracted before it was asked for")

    def check_again(self, message, known, way):
        if way != "list":
            self.scene.count("duplicates")
        if message["updated_at"] == known["updated_at"] and message != known:
            self.scene.wrong(f"{self.name} by {way}: two contents of one state: {known} {message}")
        if message["seq"] != known["seq"]:
            self.scene.wrong(f"{self.name} by {way}: two seqs: {known} {message}")

    def check_order(self, message):
        """In seq order within a chat, as far as it is news to the device: what it has already may be
        told again at any time, and so may what it was told to look up in its lists."""
        chat, seq = message["chatId"], message["seq"]
        if message["created_at"] < self.lists_until:
            return
        highest = self.highest.get(chat, 0)
        if seq < highest:
            self.scene.wrong(f"{self.name} was told seq {seq} of {chat} after {highest}")
        self.highest[chat] = max(seq, highest)

    # ---- what it sends ----

    def send(self, chat, order):
        send = Send(chat, order, f"{self.name}-{len(self.sends)}")
        self.sends.append(send)
        self.to_send.put_nowait(send)
        self.scene.count("sent")
        return send

    async def pump(self):
        """One after the other, so that they arrive as they were written."""
        while True:
            send = await self.to_send.get()
            while send.answer is None and send.refusal is None:
                await self.is_live.wait()
                await self.deliver(send)
            self.to_send.task_done()

    async def deliver(self, send):
        send.tries += 1
        if send.tries > 1:
            self.scene.count("sent_again")
        try:
            message = (await self.call(SEND, {
                "chatId": send.chat, "consultationId": send.order, "type": "01",
                "text": send.text, "direction": DIRECTIONS[self.side],
                "clientMsgId": send.text}))["data"]
            send.answer = message
            self.scene.count("acked")
            self.take(message, "answer")
        except Lost:
            await asyncio.sleep(self.scene.random.random() * 0.5)
        except Refused as refusal:
            if not refusal.retry:
                send.refusal = refusal
                self.scene.count("refused")
            else:
                self.scene.count("busy")
                await asyncio.sleep(max(refusal.after_s, self.scene.random.random()))

    async def retract(self, message):
        """Takes back one of its own; the time of the answer counts."""
        try:
            taken = (await self.account.ask(RETRACT, {"id": message["id"]}))["data"]
            self.scene.retracted_at[message["id"]] = self.scene.now()
            self.scene.count("retracted")
            self.take(taken, "answer")
        except Refused:
            self.scene.count("retraction_refused")
