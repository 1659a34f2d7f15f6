"""To and from the city: hello, Things, batches, gaps, heartbeats out; acks, tasks, leases in. No I/O of its own."""

from collections.abc import Callable
from typing import Any

from protocol import city_link, versions
from protocol.city_link import (
    Ack,
    AlarmAct,
    AuditHead,
    Batch,
    CityHeartbeat,
    CityHello,
    ClockRecord,
    EdgeHello,
    GapRecord,
    Heartbeat,
    KeyTaken,
    LeaseRequest,
    Message,
    Refusal,
    Stored,
    TaskOrder,
    ThingInfo,
    Wait,
)  # fmt: skip
from protocol.errors import FrameError, LimitError, UnknownKindError

from ..core import Core
from ..journal.group import Pending
from ..reaction.reaction import Reaction
from .epoch import CityEpoch

HEARTBEAT_US = 500_000
GAPS_AGAIN_US = 3_000_000
BATCHES_PER_TICK = 128
PAGES_PER_TICK = 2
Named = tuple[type[Any], str, str, int]
HOLDERS = ("city", "operator")


class CitySide:
    """Speaks the city link. `send(parts)` False: no connection; `health()` goes into heartbeats."""

    def __init__(self, core: Core, send: Callable[[list[bytes]], bool], health: Callable[[], dict[str, Any]]) -> None:
        self._core, self._send, self._health = core, send, health
        self.reaction: Reaction | None = None
        self.keep_head: Callable[[AuditHead], None] = lambda message: None
        self.epoch = CityEpoch(core, self._send_now, self._welcome)
        self._beat_us = self._gaps_us = 0
        self._told: set[Named] = set()
        self._named = b""

    def tell(self, message: Message) -> bool:
        """Send one message if the city is there."""
        return self._core.uplink.connected and self._send_now(message)

    def announce(self, info: ThingInfo) -> None:
        """Tell the city of a Thing now; it will be told again when it connects."""
        self.tell(info)

    def speaks(self, kind: type[Any]) -> bool:
        """Whether the city's version of the link has messages of this class."""
        return city_link.speaks(kind, self._core.city_proto)

    def _send_now(self, message: Message) -> bool:
        """Send in the city's version; what that version has no kind for is not sent."""
        if not self.speaks(type(message)):
            return False
        try:
            return self._send(city_link.encode(message, self._core.city_proto))
        except LimitError:
            self._core.bad["too_long"] += 1
            return False

    def received(self, parts: list[bytes]) -> None:
        """Take one message in; a malformed one is counted and has no effect."""
        try:
            message = city_link.decode(parts)
        except FrameError as error:
            reason = "unknown_kind" if isinstance(error, UnknownKindError) else "malformed"
            self._core.bad[reason] += 1
            self._core.guard.refused.note(reason, "city", str(error), self._core.now())
            return
        now_us = self._core.now()
        self._core.keys.proven()
        if isinstance(message, Refusal):
            self._refused(message, now_us)
        elif isinstance(message, CityHello):
            self._greeted(message, now_us)
        elif isinstance(message, Wait):
            self._core.uplink.presence.wait(message.after_ms, now_us)
            self._core.bad["told_to_wait"] += 1
        elif self._is_there(now_us):
            self._take(message, now_us)

    def _refused(self, refusal: Refusal, now_us: int) -> None:
        """The city says what it will not do; without a version in common that is everything."""
        core = self._core
        core.keys.told(refusal)
        core.bad[f"refused_{refusal.code if refusal.code in city_link.REFUSALS else 'otherwise'}"] += 1
        if refusal.code == "no_common_proto":
            core.uplink.presence.refuse(f"the city refuses: {refusal.text}")
        else:
            self._is_there(now_us)

    def _greeted(self, hello: CityHello, now_us: int) -> None:
        """The city says who it is; only then, and only if it is no older copy of itself, do we talk to it."""
        core, presence = self._core, self._core.uplink.presence
        was_there, spoken = presence.connected, core.city_proto
        if not self._agreed(hello):
            return
        if not self.epoch.admits(hello):
            if was_there and not hello.epoch:  # one that has just begun leaves it out, not knowing our version: ask
                self._send_now(self._hello(now_us))
            return
        core.uplink.pace.credit = hello.credit
        if presence.greeted(hello.start, now_us):
            self._begin(now_us)
        elif spoken != core.city_proto:
            self._say_all(now_us)  # the first was in version 1's shape and left things out

    def _welcome(self, hello: CityHello) -> None:
        """A new epoch is durable here."""
        self._greeted(hello, self._core.now())

    def _is_there(self, now_us: int) -> bool:
        """Whether what just came is of a city that we talk to."""
        uplink = self._core.uplink
        if uplink.presence.heard(now_us):
            self._begin(now_us)
        if not uplink.connected:
            self._core.bad["before_hello"] += 1
            return False
        self._core.host.city_heard_us = now_us
        return True

    def _begin(self, now_us: int) -> None:
        """A connection begins: everything unacked is sent again."""
        self._core.host.city_heard_us = now_us
        self._core.uplink.begin()
        self.epoch.begin()
        self._tell_everything(now_us)

    def _agreed(self, hello: CityHello) -> bool:
        """Whether the city chose a version that we speak; it is used from now on."""
        core = self._core
        if versions.common(hello.proto, hello.proto, city_link.PROTO_MIN, city_link.PROTO):
            core.city_proto = hello.proto
            return True
        core.bad["no_common_proto"] += 1
        city, here = ("the city", hello.proto, hello.proto), (core.edge, city_link.PROTO_MIN, city_link.PROTO)
        core.uplink.presence.refuse(versions.mismatch(city, here, "city link"))
        return False

    def _take(self, message: Message, now_us: int) -> None:
        core = self._core
        if isinstance(message, Ack):
            core.journal.city_has(message.thing, message.boot, message.ranges, message.gaps)
            core.clocks.log.city_has(message.thing, message.boot, message.clocks)
            core.uplink.acked(message.thing, message.boot, core.journal.wanted, now_us)
        elif isinstance(message, CityHeartbeat):
            core.city_us, core.city_at_us = message.city_us, now_us
            core.uplink.pace.credit = message.credit
        elif isinstance(message, Stored):
            self.epoch.stored(message)
        elif isinstance(message, TaskOrder):
            self._react(core.guard.order(message.signature, message.task, now_us))
        elif isinstance(message, AlarmAct):
            core.host.acted(message)
        elif isinstance(message, AuditHead):
            self.keep_head(message)
        elif isinstance(message, KeyTaken):
            core.keys.taken(message.public)
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
        if core.uplink.presence.tick(now_us):
            core.city_proto = city_link.PROTO_MIN  # until it answers: any city reads this
            self._send_now(self._hello(now_us))
        if not core.uplink.connected:
            return
        if self._named != self._reflex():
            self._say_all(now_us)  # the link begins anew under another key, which has a key of reflexes of its own
        if now_us - self._beat_us >= HEARTBEAT_US:
            self._beat_us = now_us
            self._beat(now_us)
        self.epoch.tick(now_us)
        self._send_declared(now_us)
        self._offer_key(now_us)
        self.send_batches(now_us)

    def _offer_key(self, now_us: int) -> None:
        offer = self._core.keys.offer(now_us)
        if offer is not None:
            self._send_now(offer)

    def send_batches(self, now_us: int) -> None:
        """Send what pace and credit allow; what the socket refuses waits in its order."""
        uplink, journal = self._core.uplink, self._core.journal
        self._read_backlog()
        items = uplink.due(journal.wanted, now_us, BATCHES_PER_TICK)
        for at, item in enumerate(items):
            if not self._send_now(_batch(item, now_us)):
                uplink.unsent(items[at:])
                return

    def _read_backlog(self) -> None:
        """Have some of the backlog in memory."""
        for _ in range(PAGES_PER_TICK):
            ask = self._core.uplink.wants()
            if ask is None:
                return
            self._core.uplink.page(*self._core.journal.page(ask))

    def _send_declared(self, now_us: int) -> None:
        """Send new gaps and clock records at once, all unacked ones every few seconds."""
        if now_us - self._gaps_us >= GAPS_AGAIN_US:
            self._gaps_us = now_us
            self._told.clear()
        for gap in self._core.journal.gaps_to_tell():
            if self._send_once((GapRecord, gap.thing, gap.boot, gap.gap_id), gap):
                self._core.journal.told(gap)
        for key, record in self._core.clocks.log.unacked.items():
            self._send_once((ClockRecord, *key), record)

    def _send_once(self, name: Named, message: Message) -> bool:
        """Return whether it left now, not having left before."""
        if name in self._told or not self._send_now(message):
            return False
        self._told.add(name)
        return True

    def _hello(self, now_us: int) -> EdgeHello:
        core = self._core
        epoch = core.journal.streams.epoch
        return EdgeHello(city_link.PROTO, core.edge, core.boot, now_us, epoch=epoch, reflex=self._reflex())

    def _reflex(self) -> bytes:
        """The key of this node's reflexes, which belongs to the link key in use."""
        return self._core.guard.reflex.public if self._core.guard.reflex else b""

    def _say_all(self, now_us: int) -> None:
        """Say hello in full, to a city whose version is known."""
        if self._send_now(self._hello(now_us)):
            self._named = self._reflex()

    def _tell_everything(self, now_us: int) -> None:
        """A city that may know nothing of us: who we are, our Things, leases, the last states of tasks."""
        core = self._core
        self._told.clear()
        self._say_all(now_us)
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
        accounts = core.journal.accounts()
        beat = Heartbeat(core.edge, core.boot, now_us, max(0, echo_us), accounts, self._health())
        if not self._send_now(beat):
            self._send_now(Heartbeat(core.edge, core.boot, now_us, max(0, echo_us), accounts, {}))


def _batch(pending: Pending, now_us: int) -> Batch:
    return Batch(
        pending.thing, pending.boot, pending.first, pending.n, pending.clock, pending.rx_us, now_us, pending.records
    )
