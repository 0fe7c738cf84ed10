"""A TCP proxy that is as bad as a network can be.

One Proxy stands before one server, whose address may change while it runs. Its links can be cut
(both ends hear of it), stalled (nothing moves for a while, then all of it does) and lost: what
goes one way, or both, is swallowed from then on and nobody hears of anything, not even of a close,
as when a phone leaves the network. That is what makes a connection half open.
"""

import asyncio

UP, DOWN = "up", "down"  # from the client to the server, and back


class Side(asyncio.Protocol):
    """One end of a link; `way` is where its bytes go."""

    def __init__(self, link, way):
        self.link = link
        self.way = way
        self.peer = None
        self.transport = None

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        there = self.peer.transport
        if self.way not in self.link.lost and there is not None and not there.is_closing():
            there.write(data)

    def eof_received(self):
        return False

    def connection_lost(self, _error):
        if not self.link.lost and self.peer.transport is not None:
            self.peer.transport.close()
        self.link.ended()

    def pause_writing(self):
        if self.peer.transport is not None:
            self.peer.transport.pause_reading()

    def resume_writing(self):
        if not self.link.is_stalled and self.peer.transport is not None:
            self.peer.transport.resume_reading()


class Link:
    """A client's connection and the server's, as a pair."""

    def __init__(self, proxy):
        self.proxy = proxy
        self.lost = set()
        self.is_stalled = False
        self.near = Side(self, UP)
        self.far = Side(self, DOWN)
        self.near.peer, self.far.peer = self.far, self.near

    def sides(self):
        return [side for side in (self.near, self.far)
                if side.transport is not None and not side.transport.is_closing()]

    def ended(self):
        if not self.sides():
            self.proxy.links.discard(self)

    def cut(self):
        for side in self.sides():
            side.transport.abort()

    def lose(self, ways):
        self.lost |= set(ways)

    def stall(self, seconds):
        self.is_stalled = True
        for side in self.sides():
            side.transport.pause_reading()
        asyncio.get_running_loop().call_later(seconds, self.go_on)

    def go_on(self):
        self.is_stalled = False
        for side in self.sides():
            side.transport.resume_reading()


class Proxy:
    """Listens on a free port (`port`) and passes on to `target`, a port too; None: refuses."""

    def __init__(self, target=None):
        self.target = target
        self.links = set()
        self.port = None
        self.server = None

    async def start(self):
        loop = asyncio.get_running_loop()
        self.server = await loop.create_server(self.accept, "127.0.0.1", 0, backlog=1000)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    def accept(self):
        link = Link(self)
        self.links.add(link)
        near = link.near
        made = near.connection_made

        def connection_made(transport):
            made(transport)
            transport.pause_reading()  # until there is somewhere to write to
            asyncio.ensure_future(self.connect(link))

        near.connection_made = connection_made
        return near

    async def connect(self, link):
        try:
            if self.target is None:
                raise OSError("nobody there")
            await asyncio.get_running_loop().create_connection(
                lambda: link.far, "127.0.0.1", self.target)
        except OSError:
            link.cut()
            self.links.discard(link)
            return
        if link.sides() != [link.near, link.far]:
            link.cut()
        else:
            link.near.transport.resume_reading()

    def some(self, random, share):
        """A share of the links, at least one if there is any."""
        links = sorted(self.links, key=id)
        return random.sample(links, min(len(links), max(1, int(len(links) * share))))

    def stop(self):
        self.server.close()
        for link in list(self.links):
            link.cut()
