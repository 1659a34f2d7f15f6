"""The city's core: messages in, work for the store and messages out. Sans-IO; the shell is app.py.

group = city.take(received, now)         # plan
store.commit(group, ...)                 # the shell makes it durable
sends = city.committed(group, now)       # acks, never earlier
sends = city.think(now)                  # engine, dispatch; save city.dispatcher.book first
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from processes.engine import Decision
from protocol import city_link
from protocol.city_link import (
    Batch,
    CityHeartbeat,
    CityHello,
    ClockRecord,
    EdgeHello,
    GapRecord,
    Heartbeat,
    KeyOffer,
    LeaseState,
    Refusal,
    StoredAsk,
    TaskReport,
    ThingInfo,
    Wait,
)
from protocol.epoch import believable
from protocol.errors import LimitError, ProtocolError, UnknownKindError
from service.host_clock import HostClock
from service.refusals import Refusals

from .alarms.incidents import Incidents
from .backup.reconcile import Reconcile
from .caps.caps import Caps
from .clocks.retiming import Better
from .errors import PeerError
from .ingest import Frame, Group, Ingest, joined
from .keys import reflexes
from .keys.keyring import Keyring
from .ledger import view as ledger_view
from .ledger.view import Accounts
from .ledger.watch import LedgerWatch
from .link.router_socket import Received
from .link.sessions import Session, Sessions, is_json
from .notify.outbox import Outbox
from .pages.latency import Hops, task_hops
from .processes_host import ProcessesHost
from .registry import Registry
from .reports.stream import ReportStream
from .tasks.dispatch import Dispatcher, Now
from .tasks.orders import Orders

HEARTBEAT_US = 500_000
CREDIT_SINCE = 2  # version of the city link
MAX_BETTER = 4096
MAX_BOOTTIME_US = 1 << 52  # 142 years
Send: TypeAlias = tuple[str, Any]


class Offer(NamedTuple):
    """A next key that an edge offered over the link of the key with this fingerprint."""

    edge: str
    key: str
    public: bytes


@dataclass
class City:
    """All state of the aggregator beside the store."""

    clock: HostClock
    sessions: Sessions
    registry: Registry
    ingest: Ingest
    accounts: Accounts
    host: ProcessesHost
    dispatcher: Dispatcher
    ring: Keyring
    reconcile: Reconcile
    start: str
    caps: Caps
    watch: LedgerWatch = field(default_factory=LedgerWatch)
    hops: Hops = field(default_factory=Hops)
    refused: Refusals = field(default_factory=Refusals)
    incidents: Incidents = field(default_factory=Incidents)
    outbox: Outbox = field(default_factory=Outbox)
    reports: ReportStream = field(default_factory=ReportStream)
    introduced: list[tuple[str, ThingInfo, int]] = field(default_factory=list)
    offers: list[Offer] = field(default_factory=list)
    later_epochs: dict[str, int] = field(default_factory=dict)
    rot: str = ""
    better_clocks: deque[Better] = field(default_factory=lambda: deque(maxlen=MAX_BETTER))
    _arrived: list[tuple[Frame, int]] = field(default_factory=list)
    _replies: list[Send] = field(default_factory=list)
    _beat_us: int = 0
    _now_us: int = 0
    _jumps: int = 0

    def __post_init__(self) -> None:
        self.orders = Orders(self.dispatcher, self.dispatcher.rules)
        self.orders.resume()
        self._jumps = self.clock.jumps

    def now(self, us: int) -> Now:
        """Return the moment with its event time."""
        return Now(us, self.clock.event_utc_us(us))

    def take(self, received: Iterable[Received], now: Now) -> Group:
        """Take messages in; return what a commit must make durable (`introduced` and accounts beside it)."""
        self._now_us = now.us
        self.caps.credit.start_turn()
        for message in received:
            try:
                self._take_one(message, now)
            except PeerError as error:
                self._refuse(message, error.reason, str(error), now)
            except UnknownKindError as error:
                self._refuse(message, "unknown_kind", str(error), now)
            except LimitError as error:
                self._refuse(message, "oversize", str(error), now)
            except ProtocolError as error:
                self._refuse(message, "malformed", str(error), now)
        self.introduced += self.reports.plan(self.ingest, self.accounts, self.registry, now)
        group = self.ingest.close_group()
        group.utc_us = now.utc_us
        return group

    def committed(self, group: Group, now: Now) -> list[Send]:
        """The group is durable: return acks, and let `think` see the samples."""
        for frame in group.frames:
            self.hops.add("city_to_store", frame.city_rx_us, now.us)
            self._arrived.append((frame, now.us))
        self.better_clocks.extend(Better(record, self.ingest.clocks.earlier(record)) for record in group.clocks)
        acks = self.reports.settled(self.ingest.committed(group))
        for record in group.clocks:
            self.host.better(record)
        for edge in {edge for edge, _ in acks}:
            self.caps.admission.served(edge)
        return [*self.take_replies(), *acks]

    def take_replies(self) -> list[Send]:
        """Return what is owed whether or not anything could be stored: hellos, and who has to wait."""
        replies, self._replies = self._replies, []
        return replies

    def think(self, now: Now) -> list[Send]:
        """Return the orders that arrivals, time and leases lead to. Save the book before sending them."""
        self._now_us = now.us
        arrived, self._arrived = self._arrived, []
        for frame, stored_us, spans in joined(arrived):
            for series in self.host.arrived(frame, stored_us, spans):
                self.dispatcher.feedback(series, now)
        sends: list[Send] = []
        for decision in self.advance(now):
            before = self.dispatcher.held_back.copy()
            sends += self.dispatcher.decided(decision, now, self._stamps(decision))
            self.host.held[decision.instance] = self.dispatcher.held_back - before
        while self.dispatcher.displaced:
            edge, text = self.dispatcher.displaced.pop()
            self.refused.note("foreign_task", edge, text, now.us)
        ledger_view.look_round(self.watch, self.ingest, self.accounts, self.sessions, now)
        sends += [*self.dispatcher.tick(now), *self.orders.tick(now)]
        sends += self.dispatcher.ask_leases(self.host.actuators(), now)
        sends += self.reconcile.due([session.edge for session in self.sessions.connected()])
        sends += self.host.acts.due(self.sessions.connected())
        return sends + self._heartbeats(now)

    def advance(self, now: Now) -> list[Decision]:
        """Return the decisions that are due; none while nobody knows what time it is."""
        if self._jumps != self.clock.jumps:
            self._jumps = self.clock.jumps
            self.host.engine.begin_anew()
        return self.host.advance(now.utc_us) if self.clock.synced(now.us) else []

    def take_better(self) -> list[Better]:
        """Return the clock records that became durable since the last call."""
        found = list(self.better_clocks)
        self.better_clocks.clear()
        return found

    def unsent(self, edge: str) -> None:
        """A send to this edge failed: it is gone until it speaks again."""
        self.sessions.lost(edge)
        self.caps.credit.gone(edge, self._now_us)
        self.reconcile.lost(edge)
        self.dispatcher.reconnected(edge)

    def does_not_read(self, routing_id: bytes) -> None:
        """Count a node whose send queue is full: it is treated as gone."""
        for session in self.sessions.by_edge.values():
            if session.routing_id == routing_id:
                self.refused.note("slow_consumer", session.edge, "it does not read what it is sent", self._now_us)

    def link(self, edge: str) -> Session | None:
        """Return the session through which something may be sent to an edge now, if there is one."""
        session = self.sessions.by_edge[edge]
        there = session.connected or session.waiting
        return session if there and not self.ring.reason(edge, session.key) else None

    def cut(self) -> None:
        """All links are about to begin anew: nobody is connected until it speaks again."""
        for session in self.sessions.connected():
            self.unsent(session.edge)

    def _take_one(self, message: Received, now: Now) -> None:
        refusal = self.ring.reason(message.edge, message.key)
        if refusal:
            raise PeerError(refusal, f"key {message.key or 'without a name'} does not speak for {message.edge}")
        self.ring.heard(message.key)
        content = city_link.decode(message.parts)
        _check_speaker(message.edge, content)
        self.sessions.add(message.edge, now.us, now.utc_us)
        if isinstance(content, EdgeHello):
            self._take_hello(content, now)
            reflexes.take(self.ring, message.key, content, self.refused, now.us)
        self._check_version(message, now)
        if self.sessions.is_new(message.edge, message.routing_id) and self._must_wait(message, now):
            return
        if self.sessions.heard(message.edge, message.routing_id, now.us, now.utc_us, message.key):
            self._welcome(message.edge, now)
        if isinstance(content, KeyOffer):
            self.offers.append(Offer(message.edge, message.key, content.public))
        else:
            self._handle(message.edge, content, now)

    def _check_version(self, message: Received, now: Now) -> None:
        """Raises: PeerError, and sends a Refusal, if the edge and we have no version in common."""
        problem = self.sessions.by_edge[message.edge].problem
        if problem:
            self.sessions.heard(message.edge, message.routing_id, now.us, now.utc_us, message.key)
            self._reply(message.edge, Refusal("no_common_proto", problem))
            raise PeerError("no_common_proto", problem)

    def _must_wait(self, message: Received, now: Now) -> bool:
        """Whether a new connection has to come back later; then nothing else is taken from it."""
        wait_us = self.caps.admission.ask(message.edge, now.us)
        if wait_us:
            if self.sessions.by_edge[message.edge].connected:
                self.unsent(message.edge)
            self.sessions.let_wait(message.edge, message.routing_id, message.key)
            self._reply(message.edge, Wait(-(-wait_us // 1000), "many edge nodes begin at once"))
        return wait_us > 0

    def _take_hello(self, hello: EdgeHello, now: Now) -> None:
        self.sessions.by_edge[hello.edge].agree(hello)
        if hello.epoch > believable(self.ring.now_us / 1e6):
            text = f"knows a restore epoch of {hello.epoch}, decades ahead"
            self.refused.note("absurd_epoch", hello.edge, text, now.us)
        elif hello.epoch > self.reconcile.epoch:
            self.later_epochs[hello.edge] = hello.epoch
        else:
            self.later_epochs.pop(hello.edge, None)

    def _reply(self, edge: str, message: Any) -> None:
        """Owe one message of its kind to an edge, the newest."""
        self._replies = [reply for reply in self._replies if reply[0] != edge or type(reply[1]) is not type(message)]
        self._replies.append((edge, message))

    def _handle(self, edge: str, content: Any, now: Now) -> None:
        if isinstance(content, Batch):
            self._take_batch(edge, content, now)
        elif isinstance(content, GapRecord):
            self._check_thing(edge, content.thing)
            if self.caps.credit.paused:
                raise PeerError("paused", self.caps.credit.paused)
            self.ingest.take_gap(edge, content)
        elif isinstance(content, ClockRecord):
            self._check_thing(edge, content.thing)
            self.ingest.take_clock(edge, content)
        elif isinstance(content, Heartbeat):
            self._take_heartbeat(edge, content, now)
        elif isinstance(content, ThingInfo):
            self._check_introduction(edge, content.thing, now)
            self._introduce(edge, content, now)
        elif isinstance(content, TaskReport):
            self._take_report(edge, content, now)
        elif isinstance(content, LeaseState):
            self.dispatcher.take_lease(edge, content)
        elif isinstance(content, StoredAsk):
            self._check_thing(edge, content.thing)
            self.reconcile.ask(edge, (content.thing, content.boot))
        elif isinstance(content, EdgeHello):
            self._welcome(edge, now)
        else:
            raise PeerError("kind", f"{type(content).__name__} is not for the city")

    def _introduce(self, edge: str, info: ThingInfo, now: Now) -> None:
        quota, changed = self.caps.quota, self.registry.differs(info)
        quota.stream(edge, (info.thing, info.boot))
        if changed:
            quota.manifest(edge, len(city_link.encode(info)[0]))
        if self.registry.introduce(edge, info, now.utc_us):
            self.introduced.append((edge, info, now.utc_us))
        if changed:
            self.host.latest.keep(info.thing, self.registry.channels)

    def _welcome(self, edge: str, now: Now) -> None:
        self.dispatcher.reconnected(edge)
        self.caps.credit.known = len(self.sessions.by_edge)
        session = self.sessions.by_edge[edge]
        credit = self.caps.credit.begin(edge, now.us, obeys=session.proto >= CREDIT_SINCE)
        proto = session.proto or city_link.PROTO
        self._reply(edge, CityHello(proto, self.start, self.reconcile.epoch, credit))

    def _take_batch(self, edge: str, batch: Batch, now: Now) -> None:
        self._check_thing(edge, batch.thing)
        if self.caps.credit.paused:
            raise PeerError("paused", self.caps.credit.paused)
        if not self.caps.credit.may_send(edge, now.us):
            raise PeerError("over_credit", f"{edge} sends more batches than its credit allows")
        self.ingest.take_batch(edge, batch, now.us)
        offset = self.sessions.by_edge[edge].offset_us()
        if offset is not None:
            self.hops.add("edge_to_city", batch.tx_us - offset, now.us)

    def _take_heartbeat(self, edge: str, beat: Heartbeat, now: Now) -> None:
        """Raises: PeerError for health that is no JSON; for a foreign account, once all else was taken."""
        if beat.boottime_us > MAX_BOOTTIME_US:
            raise PeerError("absurd_clock", f"{edge} claims to run since {beat.boottime_us // 1_000_000} s")
        if not is_json(beat.health):
            raise PeerError("health", f"health of {edge} holds what JSON can not")
        self.sessions.by_edge[edge].beat(beat, now.us)
        own = [row for row in beat.accounts if self._is_introduced(edge, row["thing"])]
        self.accounts.take(edge, [row for row in own if self._may_account(edge, row, now)], now.utc_us)
        if len(own) < len(beat.accounts):
            foreign = sorted({str(row["thing"]) for row in beat.accounts if row not in own})
            raise PeerError("foreign_account", f"{edge} accounts for {foreign}")

    def _may_account(self, edge: str, row: Mapping[str, Any], now: Now) -> bool:
        try:
            self.caps.quota.stream(edge, (row["thing"], row["boot"]))
        except PeerError as error:
            self.refused.note(error.reason, edge, str(error), now.us)
            return False
        return True

    def _is_introduced(self, edge: str, thing: str) -> bool:
        """Whether the Thing is the edge itself, or one that it introduced."""
        return thing == edge or self.registry.edge_of(thing) == edge

    def _take_report(self, edge: str, report: TaskReport, now: Now) -> None:
        known = self.dispatcher.book.by_id.get(report.task_id)
        if known is None and report.task:
            own = [r for r in self.dispatcher.book.open_records() if r.requester == "edge" and r.task.edge == edge]
            self.caps.quota.task(edge, len(own))
        acted = known is not None and "board_act" in known.stamps
        key = self.sessions.by_edge[edge].key if known is None and report.task else ""
        signer = reflexes.signer(self.ring, key, edge, report, self.refused, now.us)
        record = self.dispatcher.report(edge, report, now, signer)
        if record is not None and not acted and "board_act" in record.stamps:
            task_hops(self.hops, record.stamps, self.sessions.by_edge[edge].offset_us())

    def _check_thing(self, edge: str, thing: str) -> None:
        if not self.registry.owns(edge, thing) or self._is_other_edge(edge, thing):
            raise PeerError("foreign_thing", f"{edge} does not speak for {thing}")

    def _check_introduction(self, edge: str, thing: str, now: Now) -> None:
        """A Thing moves only from an edge that is gone. Raises: PeerError."""
        if self._is_other_edge(edge, thing):
            raise PeerError("foreign_thing", f"{edge} introduces the edge node {thing}")
        owner = self.sessions.by_edge.get(self.registry.edge_of(thing) or "")
        if owner and owner.edge != edge and owner.connected and not owner.silent(now.us):
            raise PeerError("foreign_thing", f"{edge} introduces {thing}, which is at {owner.edge}")

    def _is_other_edge(self, edge: str, thing: str) -> bool:
        return self.reports.owns(thing) or (thing != edge and thing in self.sessions.by_edge)

    def _stamps(self, decision: Any) -> dict[str, int]:
        """Return what is known of the way of a decision's newest cause, in ns of this city's boottime."""
        origin = self.host.origin(decision)
        if origin is None:
            return {}
        stamps = {"city_rx": origin.city_rx_us * 1000, "city_store": origin.city_store_us * 1000}
        return {**stamps, "sample": self.clock.boottime_us(origin.t_utc_us) * 1000}

    def _heartbeats(self, now: Now) -> list[Send]:
        if now.us - self._beat_us < HEARTBEAT_US:
            return []
        self._beat_us = now.us
        connected = self.sessions.connected()
        credit = self.caps.credit.share([session.edge for session in connected], now.us)
        return [(s.edge, CityHeartbeat(now.us, s.echo(now.us), credit[s.edge])) for s in connected]

    def _refuse(self, message: Received, reason: str, text: str, now: Now) -> None:
        self.refused.note(reason, message.edge, text, now.us)


def _check_speaker(edge: str, content: Any) -> None:
    """Raises: PeerError if a message claims another sender than its key (the User-Id) proves."""
    claimed = getattr(content, "edge", edge)
    if claimed != edge:
        raise PeerError("impostor", f"{edge} claims to be {claimed}")
