"""An edge node: everything that edge_node/node.py wires, on a virtual host with virtual ports and a virtual uplink."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import msgpack

from edge_node import assembly
from edge_node.boards.side import BoardSide
from edge_node.city.side import CitySide
from edge_node.config import EdgeConfig, parse
from edge_node.pages import health
from edge_node.reaction.reaction import Reaction
from edge_node.ticks import Ticks
from protocol.city_link import KeyOffer, encode
from protocol.task_codes import DISPATCHED
from service.sections import ClockSection

from . import pace, plan
from .board import Board
from .host import Host
from .net import Wire
from .oracle import Oracle
from .world import SECOND, World

BATCH, TASK_ORDER = 3, 20
FAST_US = 200_000
BUSY_US = 500_000
IDLE_US = 7 * SECOND


@cache
def config(edge: str, things: tuple[str, ...], folder: Path) -> EdgeConfig:
    """Return the configuration of an edge node; its key files are written to `folder`."""
    for thing in things:
        (folder / f"{thing}.key").write_bytes(plan.board_key(thing))
        (folder / f"{thing}.key").chmod(0o600)
    (folder / "verify").write_text(plan.verify_key().hex())
    pumps = [thing for thing in things if thing.startswith("pump")]
    data = {
        "edge": {"id": edge, "data_dir": "data"},
        "boards": [{"thing": thing, "port": f"/dev/{thing}", "key_file": f"{thing}.key"} for thing in things],
        "city": {
            "endpoint": "tcp://city:1", "server_public_file": "x", "public_file": "x", "secret_file": "x",
            "verify_key_file": "verify",
        },
        "processes": {"snapshot_s": 120.0},
        "guard": {
            "city_lease_ms": pace.CITY_LEASE_MS,
            "interlocks": [[f"{thing}/fill", f"{thing}/drain"] for thing in pumps],
            "actuators": {name: rule._asdict() for name, rule in plan.RULES.items() if name.split("/")[0] in things},
        },
    }  # fmt: skip
    return parse(data, folder)


class Edge(Host):
    """One edge node with its boards."""

    def __init__(
        self,
        world: World,
        oracle: Oracle,
        name: str,
        boards: list[Board],
        wire: Wire,
        instances: list[Any],
        folder: Path,
    ) -> None:
        super().__init__(world, name, lambda connection: oracle.watch_edge(name, connection))
        self.oracle, self.boards, self.wire = oracle, {board.thing: board for board in boards}, wire
        self.instances = instances
        self._config = config(name, tuple(self.boards), folder)
        self.core: Any = None
        self._tick_at = -1
        self._beats = 0
        self.on_order: Callable[[list[bytes]], None] | None = None
        self.stalls = self.recuts = False
        for board in boards:
            board.line.to_edge = lambda data, thing=board.thing: self.port_received(thing, data)
            board.line.plug_changed = lambda plugged, thing=board.thing: self.port_changed(thing, plugged)

    def started(self) -> None:
        """Build what node.run builds, in its order."""
        rng = self.world.rng(f"secrets {self.name} {self.life}")
        clock = ClockSection(epoch_boottime_us=self.now(), epoch_utc_us=int(self.utc_s() * 1e6))
        self.config = self._config.model_copy(update={"clock": clock})
        journal = assembly.open_journal(self.config, self.hop, self.open_committer)
        core = self.core = assembly.assemble(
            self.config, journal, self.instances, self.now, self.utc_s, rng.getrandbits
        )
        self.city_side = CitySide(core, self._send, self._health)
        reaction = self.city_side.reaction = Reaction(core, self.city_side.tell)
        self.board_side = BoardSide(core, reaction, self.city_side)
        self.ticks = Ticks(core, self.board_side, reaction, self.city_side, self, self.config.processes.snapshot_s)
        for thing, board in self.boards.items():
            port = core.boards[thing]
            port.write = lambda data, board=board: self._write(board, data)
            port.port = lambda: ("open", "")
            if board.line.plugged:
                self.board_side.opened(thing, self.now())
        self.oracle.edge_started(self)
        self.wire.open(self.received)
        self._tick_at = -1
        self._tick(0)

    def died(self) -> None:
        """Ports and socket close."""
        self.wire.close()
        self.oracle.edge_died(self)
        self.core = None

    def _health(self) -> Any:
        """What heartbeats say; all of it now and then, for it is long."""
        self._beats = (self._beats + 1) % 8
        return health.health(self.core) if self._beats == 0 else {"edge": self.name}

    def poll(self) -> None:
        """As UplinkSocket.poll: nothing waits unnoticed here."""

    def reconnect(self) -> None:
        """As UplinkSocket.reconnect."""
        self.wire.reconnect()

    def _send(self, parts: list[bytes]) -> bool:
        self.oracle.edge_says(self, parts)
        if self.recuts and parts[0][1] == BATCH:
            self._half(parts)
        return self.wire.edge_sends(parts)

    def _half(self, parts: list[bytes]) -> None:
        """Send the first half of a batch before it, as if it had been cut otherwise at an earlier time."""
        items = msgpack.unpackb(parts[0])
        if items[4] > 1:
            items[4] //= 2
            self.wire.edge_sends([bytes(msgpack.packb(items)), parts[1][: 12 * items[4]]])

    def received(self, parts: list[bytes]) -> None:
        """A message came from the city."""
        if parts[0][1] == TASK_ORDER:
            self._ordered(parts)
        self.oracle.city_said(self, parts)
        if parts[0][1:3] == b"\x19\xc4":
            self.wire.key_taken()
        self.city_side.received(parts)
        self._soon()

    def _ordered(self, parts: list[bytes]) -> None:
        """An order arrives: what follows orders follows it; a disk that stalls does so until it is too late."""
        if self.on_order is not None:
            self.on_order(parts)
        committer = self.committer
        if self.stalls and committer is not None:
            left_us = msgpack.unpackb(parts[1])[8] - self.now()
            committer.slow_us = min(max(0, left_us), 6 * SECOND) + self.rng.randrange(SECOND // 10, SECOND // 2)
            self.world.after(50_000, setattr, committer, "slow_us", 0)

    def offer_key(self) -> None:
        """Begin to change the node's key: offer the next one over the present link."""
        if self.alive and self.wire.connection is not None:
            self.wire.changes += 1
            name = f"{self.name} {self.wire.changes}"
            self.wire.next_key = plan.curve_key(name)
            self.wire.edge_sends(encode(KeyOffer(plan.curve_text(name))))

    def _write(self, board: Board, data: bytes) -> None:
        self.oracle.edge_writes(self, board, data)
        board.line.edge_sends(data)

    def port_received(self, thing: str, data: bytes) -> None:
        """Bytes came in from a board."""
        if self.alive:
            self.oracle.edge_reads(self, data)
            self.board_side.received(thing, data, self.now())
            self._soon()

    def port_changed(self, thing: str, plugged: bool) -> None:
        """A plug was pulled or put in."""
        if not self.alive:
            return
        if plugged:
            self.board_side.opened(thing, self.now())
        else:
            self.board_side.closed(thing, "unplugged", self.now())

    def _soon(self) -> None:
        """Tick shortly: something has happened."""
        self._plan_tick(BUSY_US)

    def _plan_tick(self, wait_us: int) -> None:
        at = self.world.now_us + wait_us
        if self._tick_at <= self.world.now_us or at < self._tick_at:
            self._tick_at = at
            self.after(wait_us, self._tick, at)

    def _tick(self, at: int) -> None:
        """A real node ticks every 20 ms; here it does when something happened or may be due."""
        if at and at != self._tick_at:
            return
        self.ticks.tick()
        self.oracle.edge_ticked(self)
        core = self.core
        hasty = any(entry.state == DISPATCHED for entry in core.guard.running.values())
        settling = any(len(b.session.clock.trips) < 6 and b.session.up for b in core.boards.values())
        self._tick_at = -1
        self._plan_tick(FAST_US if hasty or settling else IDLE_US)
