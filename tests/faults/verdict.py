"""Whether what must hold after the trouble does, by what the store answers (8.4, 10.3, /metrics)."""

import asyncio
import collections
import re

from client import CONTENTS
from wire import get

CATCH_UP_SECONDS = 45  # the contract's 30 for what a bus lost, and a slow machine
HOUR_MS = 3600 * 1000
SEEN = ("seq", "updated_at", "isRetract", "type", "direction", *CONTENTS)


def seen(message):
    return {field: message.get(field) for field in SEEN}


class Verdict:
    def __init__(self, scene):
        self.scene = scene
        self.lists = {}   # account → chat id → messages, oldest first, as it may see them
        self.orders = {}  # account → order id → order

    async def reach(self):
        await self.read_store()
        await self.catch_up()
        self.check_sends()
        self.check_chats()
        self.check_orders()
        await self.check_invariants()

    async def read_store(self):
        for account in self.scene.doctors + self.scene.patients:
            self.lists[account] = {chat["id"]: (await account.messages(chat["id"]))[::-1]
                                   for chat in await account.chats()}
            self.orders[account] = {order["id"]: order for order in await account.orders()}

    # ---- every client holds what the store has ----

    async def catch_up(self):
        loop = asyncio.get_running_loop()
        end = loop.time() + CATCH_UP_SECONDS
        while any(self.missing(device) for device in self.scene.devices) and loop.time() < end:
            await asyncio.sleep(0.5)
        for device in self.scene.devices:
            for what in self.missing(device):
                self.scene.wrong(f"{device.name} {what}")

    def missing(self, device):
        """What the device holds otherwise than the store does, as sentences."""
        found = []
        if device.must_reload or not device.is_live.is_set():
            found.append("has no line, or not all of its lists")
        lists = self.lists[device.account]
        for chat, messages in lists.items():
            held = device.held.get(chat, {})
            for message in messages:
                mine = held.get(message["id"])
                if mine is None:
                    found.append(f"has not seq {message['seq']} of {chat}, {message['id']}")
                elif seen(mine) != seen(message):
                    found.append(f"holds {seen(mine)} for {seen(message)}")
            here = {message["id"] for message in messages}
            found += [f"holds {other}, which is not in the store" for other in held
                      if other not in here]
        found += [f"has messages of {chat}, which is not its own" for chat in device.held
                  if chat not in lists]
        for identity, order in self.orders[device.account].items():
            status = device.orders.get(identity, {}).get("status")
            if device.side == "doctor" and order["status"] in ("01", "02"):
                continue  # a doctor is not told of what was never paid
            if status != order["status"]:
                found.append(f"holds order {identity} as {status}, which is {order['status']}")
        return found

    # ---- what was sent is there once ----

    def check_sends(self):
        texts = collections.Counter()
        where = {}
        for account, chats in self.lists.items():
            for message in (message for chat in chats.values() for message in chat):
                own = {"user": "user->doctor", "doctor": "doctor->user"}[account.side]
                if message["direction"] == own and message.get("text") and message["type"] == "01":
                    texts[message["text"]] += 1
                    where[message["text"]] = message
        for device in self.scene.devices:
            for send in device.sends:
                self.check_send(send, texts[send.text], where.get(send.text))

    def check_send(self, send, count, message):
        if send.answer is None and send.refusal is None:
            self.scene.wrong(f"{send.text} was never answered")
        expected = 1 if send.answer else 0
        if count != expected:
            self.scene.wrong(f"{send.text}: {count} times in the store; answered "
                             f"{send.answer}, refused {send.refusal}, {send.tries} tries")
        elif message and (message["id"], message["seq"]) != (send.answer["id"],
                                                             send.answer["seq"]):
            self.scene.wrong(f"{send.text} was answered as {send.answer}, is {message}")
        self.scene.count("stored", count)

    # ---- the chats ----

    def check_chats(self):
        for chats in (self.lists[doctor] for doctor in self.scene.doctors):
            for chat, messages in chats.items():
                seqs = [message["seq"] for message in messages]
                if len(set(seqs)) != len(seqs):
                    self.scene.wrong(f"{chat} has a seq twice: {seqs}")
                holes = (max(seqs) if seqs else 0) - len(set(seqs))
                self.scene.count("holes", holes)
                if holes and self.scene.form == "sqlite":
                    self.scene.wrong(f"{chat} has {holes} holes: {seqs}")

    def check_orders(self):
        """Each order's notices once, its replies at most three."""
        users = {}
        for patient in self.scene.patients:
            for order in self.orders[patient].values():
                users[order["id"]] = (patient, order)
        by_order = collections.defaultdict(list)
        for patient in self.scene.patients:
            for messages in self.lists[patient].values():
                for message in messages:
                    by_order[message.get("consultationId")].append(message)
        for identity, (_, order) in users.items():
            self.check_order(order, by_order[identity])

    def check_order(self, order, messages):
        replies = [message for message in messages
                   if message["type"] == "01" and message["direction"] == "doctor->user"]
        live = [message for message in replies if not message.get("isRetract")]
        if len(live) > 3:
            self.scene.wrong(f"order {order['id']} has {len(live)} replies")
        kinds = collections.Counter(self.kind(message) for message in messages
                                    if message["type"] == "06")
        is_paid = order["status"] not in ("01", "02")
        expected = {"咨询开始": int(is_paid), "温馨提示": int(is_paid),
                    "免责": int(bool(replies)),
                    "咨询结束": int(order["status"] in ("05", "07", "08", "09"))}
        for kind, count in expected.items():
            if kinds[kind] != count:
                self.scene.wrong(f"order {order['id']} ({order['status']}): {kinds[kind]} notices "
                                 f"{kind} for {count}; {kinds}")
        contents = sum(message.get("text") == "咳嗽三天" for message in messages)
        if contents != int(is_paid):
            self.scene.wrong(f"order {order['id']} has its content {contents} times")

    @staticmethod
    def kind(message):
        part = message["text"].get("userMsg", {})
        text = part.get("text", "")
        return ("温馨提示" if text.startswith("温馨提示") else
                "免责" if text.startswith("因不能面诊患者") else part.get("type"))

    # ---- what the program says of itself ----

    async def check_invariants(self):
        """An hour later, so that all that is allowed for a while is over. What a process left behind
        at the very end is up to the sweeper, whose next round may still be to come. A node knows what
        it has made good since it was started last."""
        self.scene.set_clock(HOUR_MS + 60 * 1000)
        loop = asyncio.get_running_loop()
        end = loop.time() + CATCH_UP_SECONDS
        for node in self.scene.nodes:
            wrong, text = await self.broken_invariants(node)
            while wrong and loop.time() < end:
                await asyncio.sleep(0.5)
                wrong, text = await self.broken_invariants(node)
            for line in wrong:
                self.scene.wrong(f"{node.name} {line}")
            made_good = re.search(r"^consultd_events_made_good_total (\d+)$", text, re.MULTILINE)
            self.scene.count("made_good", int(made_good.group(1)) if made_good else 0)

    @staticmethod
    async def broken_invariants(node):
        status, text = await get(node.proxy.target, "/metrics")
        lines = [line for line in text.splitlines() if "invariant=" in line]
        if status != 200 or not lines:
            return [f"/metrics: {status} {text[:200]}"], text
        return [line for line in lines if not line.endswith(" 0")], text
