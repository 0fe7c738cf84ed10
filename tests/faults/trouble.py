"""What goes wrong, and how often. Each fault is a coroutine of the scene; a form names its own."""

import asyncio

from proxy import DOWN, UP


class Trouble:
    def __init__(self, scene, seconds):
        self.scene = scene
        self.random = scene.random
        self.seconds = seconds
        self.busy = set()  # processes that are being killed or paused just now
        faults = [(self.kill_node, 3), (self.restart_node, 1), (self.pause_node, 2),
                  (self.cut_clients, 3), (self.stall_clients, 2), (self.lose_clients, 2)]
        if scene.form == "mongo":
            faults += [(self.kill_redis, 2), (self.pause_redis, 2), (self.cut_redis, 2),
                       (self.lose_redis, 2), (self.pause_store, 2), (self.cut_store, 2),
                       (self.stall_store, 1), (self.lose_store, 1)]
            if scene.mongo.keeps:
                faults.append((self.kill_store, 2))
        self.faults = [fault for fault, weight in faults for _ in range(weight)]

    async def go_on(self):
        """A fault every second or so; all are over when this returns."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self.seconds
        running = []
        plan = list(dict.fromkeys(self.faults))  # each at least once, if there is the time
        self.random.shuffle(plan)
        while loop.time() < end:
            await asyncio.sleep(self.random.uniform(0.3, 1.7))
            fault = plan.pop() if plan else self.random.choice(self.faults)
            running.append(asyncio.ensure_future(fault()))
        await asyncio.gather(*running)

    async def alone_with(self, process, work):
        """One fault of a process at a time."""
        if process not in self.busy:
            self.busy.add(process)
            try:
                await work()
            finally:
                self.busy.discard(process)

    # ---- processes ----

    async def kill_node(self):
        node = self.random.choice(self.scene.nodes)

        async def work():
            self.scene.count("kills_of_nodes")
            if node.process.returncode is not None:
                self.scene.wrong(f"{node.name} had ended by itself, with {node.process.returncode}")
            await node.kill()
            await asyncio.sleep(self.random.uniform(0, 1))
            await node.start()
        await self.alone_with(node, work)

    async def restart_node(self):
        node = self.random.choice(self.scene.nodes)

        async def work():
            self.scene.count("restarts_of_nodes")
            code = await node.end()
            if code != 0:
                self.scene.wrong(f"{node.name} ended with {code} on SIGTERM")
            await node.start()
        await self.alone_with(node, work)

    async def pause_node(self):
        await self.pause(self.random.choice(self.scene.nodes), "pauses_of_nodes", 4)

    async def pause(self, process, counter, most):
        async def work():
            self.scene.count(counter)
            await process.pause(self.random.uniform(0.5, most))
        await self.alone_with(process, work)

    async def kill_redis(self):
        async def work():
            self.scene.count("kills_of_redis")
            await self.scene.redis.kill()
            await asyncio.sleep(self.random.uniform(0, 3))
            await self.scene.redis.start()
        await self.alone_with(self.scene.redis, work)

    async def pause_redis(self):
        await self.pause(self.scene.redis, "pauses_of_redis", 6)

    async def kill_store(self):
        async def work():
            self.scene.count("kills_of_store")
            await self.scene.mongo.kill()
            await asyncio.sleep(self.random.uniform(0, 1))
            await self.scene.mongo.start()
        await self.alone_with(self.scene.mongo, work)

    async def pause_store(self):
        """Longer than a call may wait for it, where there is the time."""
        most = self.random.choice((2, 4, 15)) if self.seconds >= 60 else 3
        await self.pause(self.scene.mongo, "pauses_of_store", most)

    # ---- connections ----

    def touch(self, proxies, share, counter, what):
        for proxy in proxies:
            for link in proxy.some(self.random, share):
                self.scene.count(counter)
                what(link)

    async def cut_clients(self):
        self.touch(self.scene.fronts, self.random.uniform(0, 0.5), "cuts_of_clients",
                   lambda link: link.cut())

    async def stall_clients(self):
        self.touch(self.scene.fronts, 0.2, "stalls_of_clients",
                   lambda link: link.stall(self.random.uniform(0.5, 8)))

    def lose(self, link):
        link.lose(self.random.choice(((UP,), (DOWN,), (UP, DOWN))))

    async def lose_clients(self):
        self.touch(self.scene.fronts, 0.1, "half_open_clients", self.lose)

    async def cut_redis(self):
        self.touch(self.scene.behind[1:], 0.5, "cuts_of_redis", lambda link: link.cut())

    async def lose_redis(self):
        self.touch(self.scene.behind[1:], 0.2, "half_open_redis", self.lose)

    async def cut_store(self):
        self.touch(self.scene.behind[:1], 0.3, "cuts_of_store", lambda link: link.cut())

    async def stall_store(self):
        self.touch(self.scene.behind[:1], 0.3, "stalls_of_store",
                   lambda link: link.stall(self.random.uniform(0.5, 4)))

    async def lose_store(self):
        self.touch(self.scene.behind[:1], 0.1, "half_open_store", self.lose)
