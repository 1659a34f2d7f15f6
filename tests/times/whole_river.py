"""A river with one board, one edge node and a city, whole but for wires: the real firmware core, the real edge core
with its journal, the real city with its store. Time is a number; the host's clocks say what a test wants them to.
"""

import asyncio
import hashlib
import random
from collections.abc import Callable
from pathlib import Path
from queue import Empty, Queue
from typing import Any

from zmq.utils import z85

from aggregator.keys.keyring import Keyring
from aggregator.link.router_socket import Received
from aggregator.rebuild import build
from aggregator.store.store import Store
from aggregator.tasks.dispatch import Now
from aggregator.turns import Turns
from durable import Committer
from edge_node.assembly import assemble
from edge_node.boards.side import BoardSide
from edge_node.city.side import CitySide
from edge_node.config import parse
from edge_node.journal import rows as journal_rows
from edge_node.journal.journal import Journal
from edge_node.pages import health
from edge_node.reaction.reaction import Reaction
from edge_node.ticks import Ticks
from firmware.core.boot import Boot
from firmware.core.node import Identity, Node
from firmware.core.schedule import Clock
from protocol import manifest, tasks
from service.fingerprint import fingerprint, raw_key
from service.host_clock import RELEASED_UTC_US, HostClock, Look

US = 1_000_000
START_US = 30 * US
WRAP = 1 << 30
UTC_US = RELEASED_UTC_US + 200 * 86_400 * US
STEP_US = 50_000
WAY_US = 2_000
KEY = bytes(range(32))


def true_utc(boottime_us: float) -> int:
    """Return the time it really is."""
    return UTC_US + round(boottime_us) - START_US


Utc = Callable[[int], tuple[int, bool]]


def right(now_us: int) -> tuple[int, bool]:
    """A host whose time is right, and that knows it."""
    return true_utc(now_us), True


def in_1970(now_us: int) -> tuple[int, bool]:
    """A Pi without a battery that has found no time server."""
    return now_us, False


class Files:
    """A board's flash, in memory."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}

    def read(self, name: str) -> str | None:
        return self.files.get(name)

    def replace(self, name: str, text: str) -> None:
        self.files[name] = text


class Level:
    """A sensor driver that always reads the same."""

    def start(self) -> int:
        return 0

    def read_into(self, values: Any) -> None:
        values[0] = 1.0


class BoardAtRiver:
    """The firmware's node; its crystal is off by `ppm`, and its ticks stand just before a wrap at first."""

    def __init__(self, ppm: float, first_stamp_us: int) -> None:
        self.ppm, self.first_us, self.now_us = ppm, first_stamp_us, START_US
        made = manifest.to_bytes(river())
        identity = Identity("river-1", "vm", bytes(32), lambda: made)
        self.boot = Boot(Files(), "chip-1", bytes(range(12)), 1000)
        self.node = Node(
            {"ring": 4096, "status_ms": 1000}, identity, Clock(lambda: self.stamp(self.now_us) % WRAP), self.boot, KEY
        )
        rows = [[0, 0, 1.0, 0.0, -100.0, 100.0]]
        entry = {"name": "level", "period_ms": 500, "width": 1, "names": ["water_level"], "channels": rows}
        self.node.sensors.add(Level(), entry, None)

    def stamp(self, edge_us: int) -> int:
        """Return what the crystal counts at a moment."""
        return self.first_us + round((edge_us - START_US) * (1 + self.ppm * 1e-6))

    def moment(self, stamp_us: int) -> float:
        """Return the moment of a stamp; stamps begin with the wrap in which the board began."""
        counted = stamp_us + self.first_us // WRAP * WRAP
        return START_US + (counted - self.first_us) / (1 + self.ppm * 1e-6)

    def turn(self, now_us: int, data: bytes) -> bytes:
        """Let it be `now_us`, and bytes have come; return what the board says."""
        self.now_us = now_us
        self.node.step()
        if data:
            self.node.link.feed(bytearray(data), len(data))
        said = b""
        while n := self.node.link.next_wire(0):
            said += bytes(self.node.link.writer.wire[:n])
        return said


def river() -> manifest.Manifest:
    level = manifest.ChannelInfo(0, "water_level", 0, "water_surface_height", "m", 0.0, 4.0, 0.005, fuse=True)
    sensor = manifest.SensorInfo(0, "level", "a02yyuw", "uart1", "", 500)
    return manifest.Manifest("river-1", "river_gauge", [sensor], [level], [])


class River:
    """`run(seconds)` lets time pass. `utc(now_us)` gives (UTC of the edge's host, whether it claims to be synced)."""

    def __init__(
        self, folder: Path, ppm: float = 0.0, first_stamp_us: int = WRAP - 5 * US, utc: Utc | None = None
    ) -> None:
        self.folder, self.now_us = folder, START_US
        self.utc: Utc = utc or right
        self.loop = asyncio.new_event_loop()
        self.board = BoardAtRiver(ppm, first_stamp_us)
        self.wired = self.linked = True
        self.private, public = tasks.new_keys()
        self.chance = random.Random(1)
        _write_keys(folder / "keys", public)
        self._start_city()
        self.boots = 0
        self.start_edge()

    def _start_city(self) -> None:
        self.ring = Keyring()
        public = z85.encode(hashlib.sha256(b"edge-1").digest())
        self.ring.adopt("edge-1", public)
        self.print = fingerprint(raw_key(public))
        self.store = Store(self.folder / "city")
        self.host = HostClock()
        self._look_city()
        self.city = build(
            self.store, self.host, ["edge-1"], [], self.ring,
            sign=lambda data: tasks.sign(self.private, data), now_us=self.now_us, start="start-1",
        )  # fmt: skip
        self.turns = Turns(self.city, self.store, self._to_edge, self._now)
        self.inbox: list[Received] = []

    def _look_city(self) -> None:
        self.host.look(Look(self.now_us, true_utc(self.now_us), True))

    def _now(self) -> Now:
        return self.city.now(self.now_us)

    def start_edge(self, boottime_back_us: int = 0) -> None:
        """Start the edge node (again): its journal stays, all else is new."""
        if self.boots:
            self.journal.close()
        self.boots += 1
        self.calls: Queue[Callable[[], None]] = Queue()
        self.committer = Committer(
            self.folder / "edge" / "journal.db", schema=journal_rows.SCHEMA, migrations=journal_rows.MIGRATIONS
        )
        self.journal = Journal(self.committer, self.calls.put, "edge-1")
        config = parse(_config(self.folder), self.folder)
        self.core = assemble(
            config, self.journal, [], now=lambda: self.now_us, utc_s=lambda: 0.0, look=self._look,
            random_bits=self.chance.getrandbits,
        )  # fmt: skip
        side = self.side = CitySide(self.core, self._to_city, lambda: health.health(self.core))
        reaction = side.reaction = Reaction(self.core, side.tell)
        self.boards = BoardSide(self.core, reaction, side)
        self.ticks = Ticks(self.core, self.boards, reaction, side, NoSocket(), 1e6)
        self.line: list[bytes] = []
        self.core.boards["river-1"].write = self.line.append
        self.boards.opened("river-1", self.now_us)

    def _look(self) -> Look:
        utc_us, synced = self.utc(self.now_us)
        return Look(self.now_us, utc_us, synced)

    def _to_city(self, parts: list[bytes]) -> bool:
        if self.linked:
            self.inbox.append(Received(b"edge-1", "edge-1", tuple(parts), self.print))
        return self.linked

    def _to_edge(self, _: bytes, parts: list[bytes]) -> bool:
        if self.linked:
            self.side.received(list(parts))
        return self.linked

    def run(self, seconds: float) -> None:
        """Let time pass, 50 ms at a time."""
        for _ in range(round(seconds * US / STEP_US)):
            self.now_us += STEP_US
            self.ticks.tick()
            self._wire()
            self._settle()
            if self.now_us % US < STEP_US:
                self._look_city()
            if self.inbox or self.now_us % (10 * STEP_US) < STEP_US:
                received, self.inbox = self.inbox, []
                self.loop.run_until_complete(self.turns.turn(received))

    def _wire(self) -> None:
        """What was written reaches the board in 2 ms, and its answer us in as long."""
        data, self.line[:] = b"".join(self.line), []
        said = self.board.turn(self.now_us + WAY_US, data if self.wired else b"")
        if said and self.wired:
            self.boards.received("river-1", said, self.now_us + 2 * WAY_US)

    def _settle(self) -> None:
        while self.committer.backlog or not self.calls.empty():
            if self.committer.backlog:
                self.committer.run(lambda c: None)
            try:
                while True:
                    self.calls.get_nowait()()
            except Empty:
                continue

    def close(self) -> None:
        """Close what is on disk."""
        self.journal.close()
        self.store.close()
        self.loop.close()


class NoSocket:
    """The uplink's socket has nothing to do here."""

    def poll(self) -> None:
        """Nothing waits."""

    def reconnect(self) -> None:
        """Nothing to renew."""


def _write_keys(folder: Path, verify_key: bytes) -> None:
    folder.mkdir(parents=True)
    for name in ("city.public", "edge-1.public", "edge-1.secret"):
        (folder / name).write_bytes(z85.encode(hashlib.sha256(name.encode()).digest()))
        (folder / name).chmod(0o600)
    for name, key in (("sign.public", verify_key.hex().encode()), ("river-1.key", KEY)):
        (folder / name).write_bytes(key)
        (folder / name).chmod(0o600)


def _config(folder: Path) -> dict[str, Any]:
    return {
        "edge": {"id": "edge-1", "data_dir": str(folder / "edge"), "api": "unix:edge/api.sock"},
        "boards": [{"thing": "river-1", "port": "socket://nowhere:1", "key_file": "keys/river-1.key"}],
        "city": {
            "endpoint": "tcp://127.0.0.1:1", "server_public_file": "keys/city.public",
            "public_file": "keys/edge-1.public", "secret_file": "keys/edge-1.secret",
            "verify_key_file": "keys/sign.public",
        },
    }  # fmt: skip
