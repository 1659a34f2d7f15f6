"""To and from the city: hello, Things, batches, gaps, heartbeats out; acks, tasks, leases in. No I/O of its own."""

from collections.abc import Callable
from typing import Any

from protocol import city_link
from protocol.city_link import (
    Ack,
    Batch,
    CityHeartbeat,
    CityHello,
    EdgeHello,
    Heartbeat,
    LeaseRequest,
    Message,
    TaskOrder,
    ThingInfo,
)  # fmt: skip
from protocol.errors import FrameError, LimitError, UnknownKindError

from .core import Core
from .reaction import Reaction

HEARTBEAT_US = 500_000
GAPS_AGAIN_US = 3_000_000
BATCHES_PER_TICK = 128
HOLDERS = ("city", "operator")


class CitySide:
    """Speaks the city link. `send(parts)` False: no connection; `health()` goes into heartbeats."""

    def __init__(self, core: Core, send: Callable[[list[bytes]], bool], health: Callable[[], dict[str, Any]]) -> None:
        self._core, self._send, self._health = core, send, health
        self.reaction: Reaction | None = None
        self._beat_us = self._gaps_us = 0
        self._gaps_told: set[tuple[str, str, int]] = set()

    def tell(self, message: Message) -> bool:
        """Send one message if the city is there."""
        return self._core.uplink.connected and self._send_now(message)

    def announce(self, info: ThingInfo) -> None:
        """Tell the city of a Thing now; it will be told again when it connects."""
        self.tell(info)

    def _send_now(self, message: Message) -> bool:
        try:
            return self._send(city_link.encode(message))
        except LimitError:
            self._core.bad["too_long"] += 1
            return False

    def received(self, parts: list[bytes]) -> None:
        """Take one message in; a malformed one is counted and has no effect."""
        try:
            message = city_link.decode(parts)
        except FrameError as error:
            self._core.bad["unknown_kind" if isinstance(error, UnknownKindError) else "malformed"] += 1
            return
        now_us = self._core.now()
        if isinstance(message, CityHello):
            back = self._core.uplink.greeted(message.start, now_us)
        else:
            back = self._core.uplink.heard(now_us)
        self._core.host.city_heard_us = now_us
        if back:
            self._tell_everything(now_us)
        self._take(message, now_us)

    def _take(self, message: Message, now_us: int) -> None:
        core = self._core
        if isinstance(message, Ack):
            core.uplink.acked(core.journal.city_has(message.thing, message.boot, message.ranges, message.gaps))
        elif isinstance(message, CityHeartbeat):
            core.city_us, core.city_at_us = message.city_us, now_us
        elif isinstance(message, TaskOrder):
            self._react(core.guard.order(message.signature, message.task, now_us))
        elif isinstance(message, LeaseRequest):
            holder = message.holder if message.holder in HOLDERS else ""
            core.bad["foreign_holder"] += not holder
            self._react(core.guard.lease(message.actuator, holder, now_us))

    def _react(self, effects: Any) -> None:
        if self.reaction is not None:
            self.reaction.carry_out(effects)

    def tick(self, now_us: int) -> None:
        """Say hello while alone; else beat, and send what is due."""
        core = self._core
        if core.uplink.tick(now_us):
            self._send_now(self._hello(now_us))
        if not core.uplink.connected:
            return
        if now_us - self._beat_us >= HEARTBEAT_US:
            self._beat_us = now_us
            self._beat(now_us)
        self._send_gaps(now_us)
        self.send_batches(now_us)

    def send_batches(self, now_us: int) -> None:
        """Send what the window allows; what the socket refuses waits in its order."""
        rows = self._core.uplink.due(self._core.journal.pending, now_us, BATCHES_PER_TICK)
        for at, row in enumerate(rows):
            batch = self._batch(row, now_us)
            if batch is None:
                self._core.uplink.acked([row])
            elif not self._send_now(batch):
                self._core.uplink.unsent(rows[at:])
                return

    def _batch(self, row: int, now_us: int) -> Batch | None:
        pending = self._core.journal.pending[row]
        records = self._core.journal.records(pending)
        if records is None:
            return None
        return Batch(
            pending.thing, pending.boot, pending.first, pending.n, pending.clock, pending.rx_us, now_us, records
        )

    def _send_gaps(self, now_us: int) -> None:
        """Send new gaps at once, all unacked ones every few seconds."""
        gaps = self._core.journal.gaps
        if now_us - self._gaps_us >= GAPS_AGAIN_US:
            self._gaps_us = now_us
            self._gaps_told.clear()
        for key, gap in gaps.items():
            if key not in self._gaps_told and self._send_now(gap):
                self._gaps_told.add(key)

    def _hello(self, now_us: int) -> EdgeHello:
        return EdgeHello(city_link.PROTO, self._core.edge, self._core.boot, now_us)

    def _tell_everything(self, now_us: int) -> None:
        """A city that may know nothing of us: who we are, our Things, leases, the last states of tasks."""
        core = self._core
        self._gaps_told.clear()
        self._send_now(self._hello(now_us))
        everything: list[Message] = [*core.infos.to_announce()]
        everything += [actuator.arbiter.state(now_us) for actuator in core.guard.actuators.values()]
        everything += core.guard.reports()
        for message in everything:
            self._send_now(message)
        self._beat(now_us)

    def _beat(self, now_us: int) -> None:
        """Send a heartbeat; accounts before health, should it be too long."""
        core = self._core
        echo_us = core.city_us + now_us - core.city_at_us if core.city_us else 0
        accounts = core.journal.streams.accounts()
        beat = Heartbeat(core.edge, core.boot, now_us, max(0, echo_us), accounts, self._health())
        if not self._send_now(beat):
            self._send_now(Heartbeat(core.edge, core.boot, now_us, max(0, echo_us), accounts, {}))
