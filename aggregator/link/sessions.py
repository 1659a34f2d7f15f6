"""Which connection belongs to which edge node, when it was last heard, and how its clock runs. Sans-IO.

A clock sample is a heartbeat pair: the edge echoes the city's last heartbeat time, aged by how long it
kept it, so `now - echo` is the round trip and the edge's own time belongs to its middle.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from protocol import versions
from protocol.city_link import PROTO, PROTO_MIN, EdgeHello, Heartbeat, Message, Refusal, Wait, encode, speaks

SILENT_US = 5_000_000
CITY = "@city"
"""Who brings the samples of the city's own Things: no edge node can have this name, and it is never silent."""
STALE_US = 2_000_000
STARTING_US = 30_000_000
"""How long an edge node may take to find a city that has just begun, before it counts as offline."""
_WINDOW = 32
_MAX_DEPTH = 8


@dataclass
class Session:
    """One edge node; `key`: fingerprint of its link's key. Times are city boottime µs unless they say edge."""

    edge: str
    routing_id: bytes = b""
    key: str = ""
    connected: bool = False
    waiting: bool = False
    proto: int = 0
    heard_us: int = 0
    heard: bool = False
    heartbeat_us: int = 0
    silent_since_utc_us: int | None = None
    boot: str = ""
    problem: str = ""
    edge_boottime_us: int = 0
    health: Mapping[str, Any] = field(default_factory=dict)
    accounts: list[dict[str, Any]] = field(default_factory=list)
    clock: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=_WINDOW))

    def agree(self, hello: EdgeHello) -> None:
        """Learn from a hello which version to speak from now on; `problem` says if there is none."""
        here = ("this city", PROTO_MIN, PROTO)
        self.proto = versions.common(hello.proto_min, hello.proto, PROTO_MIN, PROTO)
        self.problem = ""
        if not self.proto:
            low = min(hello.proto_min, hello.proto)
            self.problem = versions.mismatch((self.edge, low, hello.proto), here, "city link")

    def parts(self, message: Message) -> list[bytes] | None:
        """Return a message as this edge reads it; None if its version has no such kind.

        An edge that has not said hello yet gets what version 1 reads, and a Wait, which a version 1 throws away. One
        without a version in common gets a Refusal.
        """
        if self.problem:
            return encode(message) if isinstance(message, Refusal) else None
        if not self.proto and isinstance(message, Wait):
            return encode(message)
        proto = self.proto or PROTO_MIN
        return encode(message, proto) if speaks(type(message), proto) else None

    def beat(self, heartbeat: Heartbeat, now_us: int) -> None:
        """Take in a heartbeat that arrived now; another boot forgets the old clock."""
        if heartbeat.boot != self.boot:
            self.clock.clear()
        self.boot, self.edge_boottime_us, self.heartbeat_us = heartbeat.boot, heartbeat.boottime_us, now_us
        self.health, self.accounts = heartbeat.health, heartbeat.accounts
        round_trip = now_us - heartbeat.echo_city_us
        if heartbeat.echo_city_us and 0 <= round_trip < SILENT_US:
            self.clock.append((round_trip, heartbeat.boottime_us + round_trip // 2 - now_us))

    def echo(self, now_us: int) -> int:
        """Return the edge's last heartbeat time, aged by how long we have kept it; 0: none yet."""
        return int(self.edge_boottime_us + now_us - self.heartbeat_us) if self.edge_boottime_us else 0

    def offset_us(self) -> int | None:
        """Return edge boottime minus city boottime, from the fastest recent round trip; None: unknown."""
        return min(self.clock)[1] if self.clock else None

    def round_trip_us(self) -> int | None:
        """Return the fastest recent round trip; None: unknown."""
        return min(self.clock)[0] if self.clock else None

    def edge_now_us(self, now_us: int) -> int | None:
        """Return at most the edge's boottime now; None if the last heartbeat is stale."""
        if not self.connected or now_us - self.heartbeat_us > STALE_US or not self.boot:
            return None
        return self.edge_boottime_us + now_us - self.heartbeat_us

    def silent(self, now_us: int) -> bool:
        """Whether nothing was heard for 5 s (at first: since the city's own start)."""
        return now_us - self.heard_us > SILENT_US

    def starting(self, now_us: int) -> bool:
        """Whether nothing was heard since the city began (or was told of this node), and that is not long ago."""
        return not self.heard and now_us - self.heard_us <= STARTING_US

    def offline(self, now_us: int) -> bool:
        """Whether it is silent, and had the time to be heard."""
        return self.silent(now_us) and not self.starting(now_us)


class Sessions:
    """All edge nodes of configuration and keyring, connected or not."""

    def __init__(self, edges: list[str], now_us: int, now_utc_us: int) -> None:
        self.by_edge = {e: Session(e, heard_us=now_us, silent_since_utc_us=now_utc_us) for e in edges}

    def add(self, edge: str, now_us: int, now_utc_us: int) -> None:
        """Know one more edge node; a known one stays as it is."""
        if edge not in self.by_edge:
            self.by_edge[edge] = Session(edge, heard_us=now_us, silent_since_utc_us=now_utc_us)

    def heard(self, edge: str, routing_id: bytes, now_us: int, now_utc_us: int, key: str = "") -> bool:
        """Note that a message came under a key (its fingerprint); return True if this connection is new."""
        session = self.by_edge[edge]
        is_new = self.is_new(edge, routing_id)
        session.routing_id, session.key, session.connected, session.waiting = routing_id, key, True, False
        session.heard, session.heard_us, session.silent_since_utc_us = True, now_us, now_utc_us
        return is_new

    def is_new(self, edge: str, routing_id: bytes) -> bool:
        """Whether nothing was taken from this connection yet."""
        session = self.by_edge[edge]
        return session.routing_id != routing_id or not session.connected

    def let_wait(self, edge: str, routing_id: bytes, key: str) -> None:
        """Note a connection that was told to come back later: it hears nothing else."""
        session = self.by_edge[edge]
        session.routing_id, session.key, session.connected, session.waiting = routing_id, key, False, True

    def lost(self, edge: str) -> None:
        """Note that a send failed: the connection is gone."""
        self.by_edge[edge].connected = False

    def connected(self) -> list[Session]:
        """Return the edges that can be sent to."""
        return [session for session in self.by_edge.values() if session.connected]


def is_json(value: Any, depth: int = _MAX_DEPTH) -> bool:
    """Whether a value, at most `depth` containers deep, can be told as JSON, and to any JSON reader."""
    if isinstance(value, float):
        return isfinite(value)
    if value is None or isinstance(value, str | int):
        return True
    if isinstance(value, list):
        return depth > 0 and all(is_json(item, depth - 1) for item in value)
    if isinstance(value, dict):
        named = all(isinstance(key, str) for key in value)
        return depth > 0 and named and all(is_json(item, depth - 1) for item in value.values())
    return False
