"""The city link as TCP gives it: connections that keep their order, break, hang half open, and hold what is stuck.

A connection never corrupts or reorders. It can be reset (what is under way is lost), blocked in one direction
(what is sent waits, and arrives late in one burst, or never), or stay half open: one side believes in it.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

from aggregator.link import zap

from .world import SECOND, World

SEND_QUEUE = 1024
RECEIVE_QUEUE = 4096


class Connection:
    """One TCP connection with its CURVE session. `user` is what the city's gate made of the key."""

    def __init__(self, number: int, user: str, key: bytes) -> None:
        self.id, self.key = b"\0%04d" % number, key
        self.user, _, self.print = user.partition("/")
        self.edge_open = self.city_open = True
        self.held: dict[str, list[Any]] = {"up": [], "down": []}
        self.flying = {"up": 0, "down": 0}
        self.last_us = {"up": 0, "down": 0}


class Network:
    """All connections to the city. `allowed()` gives the gate's keys; `city` and the edges plug in callbacks."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.rng = world.rng("network")
        self.listening = False
        self.allowed: Callable[[], Any] = dict
        self.wake_city: Callable[[], None] = lambda: None
        self.by_id: dict[bytes, Connection] = {}
        self.inbox: dict[bytes, deque[tuple[bytes, ...]]] = {}
        self.wires: dict[str, Wire] = {}
        self._count = 0
        self.refused = 0

    def admit(self, key: bytes) -> str:
        """Return the user behind a key by the city's own gate, "" if it refuses."""
        request = [b"1.0", b"7", zap.DOMAIN, b"sim", b"", b"CURVE", key]
        reply = zap.reply(request, zap.judge(request, self.allowed()))
        return reply[4].decode() if reply[2] == b"200" else ""

    def connect(self, key: bytes) -> Connection | None:
        """Return a new connection if the city listens and lets the key in."""
        if not self.listening:
            return None
        user = self.admit(key)
        if not user:
            self.refused += 1
            return None
        self._count += 1
        made = Connection(self._count, user, key)
        self.by_id[made.id] = made
        self.inbox[made.id] = deque()
        return made

    def drain(self, limit: int) -> list[tuple[bytes, str, tuple[bytes, ...], str]]:
        """Return what has arrived at the city, fairly queued between connections."""
        found: list[tuple[bytes, str, tuple[bytes, ...], str]] = []
        waiting = [c for c in self.by_id.values() if self.inbox[c.id]]
        while waiting and len(found) < limit:
            for connection in waiting:
                parts = self.inbox[connection.id].popleft()
                found.append((connection.id, connection.user, parts, connection.print))
            waiting = [c for c in waiting if self.inbox[c.id]]
        return found

    def city_sends(self, routing_id: bytes, parts: list[bytes]) -> bool:
        """Send to an edge; False if the city knows that it is gone, or its queue is full."""
        connection = self.by_id.get(routing_id)
        if connection is None or not connection.city_open or self._queued(connection, "down") >= SEND_QUEUE:
            return False
        self.wires[connection.user].send(connection, "down", tuple(parts))
        return True

    @staticmethod
    def _queued(connection: Connection, way: str) -> int:
        return connection.flying[way] + len(connection.held[way])

    def smuggle(self, user: str, fingerprint: str, parts: tuple[bytes, ...]) -> None:
        """Put a message into the city's socket under a key that the gate never admitted."""
        self._count += 1
        made = Connection(self._count, f"{user}/{fingerprint}", b"")
        made.edge_open = False
        self.by_id[made.id] = made
        self.inbox[made.id] = deque([parts])
        self.wake_city()

    def cut(self) -> None:
        """The city's socket begins anew: every connection ends."""
        self.city_died()
        self.listening = True

    def city_died(self) -> None:
        """Every connection ends; edges that can hear it learn of it."""
        self.listening = False
        for connection in list(self.by_id.values()):
            connection.city_open = False
            wire = self.wires.get(connection.user)
            if wire is not None and not wire.blocked["down"]:
                wire.lost(connection)
        self.by_id.clear()
        self.inbox.clear()


class Wire:
    """The way between one edge node and the city. `blocked` stops a direction, `latency_us` is its length."""

    def __init__(self, network: Network, edge: str, key: bytes) -> None:
        self.network, self.edge, self.key = network, edge, key
        network.wires[edge] = self
        self.world = network.world
        self.rng = self.world.rng(f"wire {edge}")
        self.blocked = {"up": False, "down": False}
        self.latency_us = 2000
        self.connection: Connection | None = None
        self.next_key, self.changes = b"", 0
        self.on_parts: Callable[[list[bytes]], None] | None = None
        self._trying = 0

    def open(self, on_parts: Callable[[list[bytes]], None]) -> None:
        """The edge's socket begins to connect."""
        self.on_parts = on_parts
        self._trying += 1
        self._try(self._trying, 100_000)

    def close(self) -> None:
        """The edge's process or socket is gone; the city hears of it unless the way is blocked."""
        self.on_parts = None
        self._trying += 1
        self._drop()

    def _drop(self) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.edge_open = False
            connection.held["down"].clear()
            if not self.blocked["up"]:
                connection.city_open = False

    def reconnect(self) -> None:
        """Begin anew."""
        self._drop()
        self._trying += 1
        self._try(self._trying, 100_000)

    def key_taken(self) -> None:
        """The city has the next key: connect under it."""
        if self.next_key:
            self.world.say(f"new key {self.edge}")
            self.key, self.next_key = self.next_key, b""
            self.reconnect()

    def reset(self) -> None:
        """The connection breaks under way: both sides learn of it, what was under way is lost."""
        connection = self.connection
        if connection is not None:
            connection.city_open = False
            self.lost(connection)

    def lost(self, connection: Connection) -> None:
        """The edge learns that a connection has ended."""
        connection.edge_open = False
        connection.held["up"].clear()
        connection.held["down"].clear()
        if self.connection is connection:
            self.connection = None
            self._trying += 1
            self.world.after(self.rng.randrange(100_000, 1_000_000), self._try, self._trying, 200_000)

    def _try(self, attempt: int, wait_us: int) -> None:
        if attempt != self._trying or self.on_parts is None or self.connection is not None:
            return
        if not (self.blocked["up"] or self.blocked["down"]):
            self.connection = self.network.connect(self.key)
            if self.connection is not None:
                self.world.say(f"connected {self.edge}")
                return
        again = min(SECOND, 2 * wait_us)
        self.world.after(self.rng.randrange(wait_us, 2 * wait_us), self._try, attempt, again)

    def edge_sends(self, parts: list[bytes]) -> bool:
        """Send to the city; False if there is no connection or its queue is full."""
        connection = self.connection
        if connection is None or connection.flying["up"] + len(connection.held["up"]) >= SEND_QUEUE:
            return False
        self.send(connection, "up", tuple(parts))
        return True

    def send(self, connection: Connection, way: str, parts: tuple[bytes, ...]) -> None:
        """Put a message on its way."""
        if self.blocked[way] or connection.held[way]:
            connection.held[way].append(parts)
            return
        self._fly(connection, way, parts)

    def _fly(self, connection: Connection, way: str, parts: tuple[bytes, ...]) -> None:
        at = self.world.now_us + self.latency_us + self.rng.randrange(1, self.latency_us)
        connection.last_us[way] = max(at, connection.last_us[way])
        connection.flying[way] += 1
        self.world.at(connection.last_us[way], self._arrive, connection, way, parts)

    def _arrive(self, connection: Connection, way: str, parts: tuple[bytes, ...]) -> None:
        connection.flying[way] -= 1
        if self.blocked[way]:
            connection.held[way].append(parts)
        elif way == "up":
            self._arrive_up(connection, parts)
        elif connection.edge_open and self.connection is connection and self.on_parts is not None:
            self.world.note(b"down %s " % self.edge.encode() + parts[0] + parts[1])
            self.on_parts(list(parts))

    def _arrive_up(self, connection: Connection, parts: tuple[bytes, ...]) -> None:
        inbox = self.network.inbox.get(connection.id)
        if inbox is None or not connection.city_open:
            return
        if len(inbox) >= RECEIVE_QUEUE:
            connection.held["up"].append(parts)
            return
        self.world.note(b"up %s " % self.edge.encode() + parts[0] + parts[1])
        inbox.append(parts)
        self.network.wake_city()

    def unblock(self) -> None:
        """Both ways are open again; what waited arrives in a burst."""
        self.blocked = {"up": False, "down": False}
        for connection in list(self.network.by_id.values()):
            if connection.user != self.edge:
                continue
            if not connection.edge_open:
                connection.city_open = False
            for way in ("up", "down"):
                held, connection.held[way] = connection.held[way], []
                for parts in held:
                    self._fly(connection, way, parts)
        connection = self.connection
        if connection is not None and not connection.city_open:
            self.lost(connection)
