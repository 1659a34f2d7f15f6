"""The city link: messages between edge nodes and the aggregator. CPython.

A message is two ZeroMQ parts, [header, payload]: the header a msgpack array that begins with
the kind, the payload raw bytes (sample records, a task) or empty. The fields of a dataclass
below are the items of its header, in that order. docs/protocol.md lists them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import msgpack  # type: ignore[import-untyped]
import numpy as np
import numpy.typing as npt

from . import checks, task_codes
from .checks import binary, boolean, integer, mapping, name, text
from .errors import FrameError, LimitError
from .ranges import Span
from .record import SIZE as RECORD_SIZE

PROTO = 1
MAX_MESSAGE = 65536
MAX_SPANS = 1024
MAX_ACCOUNTS = 256
_U32 = checks.MAX_U32


@dataclass(frozen=True)
class Clock:
    """How the edge maps a board's stamps to event time; `sigma_us` is one standard deviation.

    event_utc_us = ref_utc_us + rate * (stamp_us - ref_us). Not `synced`: good for order, never for expiry.
    """

    ref_us: int
    ref_utc_us: int
    rate: float
    sigma_us: float
    synced: bool

    def to_utc(self, stamps_us: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the event times (n,) in UTC microseconds, int64, of stamps in board microseconds."""
        elapsed = np.rint(self.rate * (stamps_us - self.ref_us)).astype(np.int64)
        return np.asarray(self.ref_utc_us + elapsed, np.int64)


@dataclass(frozen=True)
class EdgeHello:
    """Edge to city: who I am; first message of a connection. `boot` changes with each start of the host."""

    KIND: ClassVar[int] = 1
    proto: int
    edge: str
    boot: str
    boottime_us: int


@dataclass(frozen=True)
class ThingInfo:
    """Edge to city: a board (or the edge itself) with its manifest, and whether its link is up."""

    KIND: ClassVar[int] = 2
    thing: str
    boot: str
    vm: str
    firmware_sha256: str
    manifest: dict[str, Any]
    online: bool


@dataclass(frozen=True)
class Batch:
    """Edge to city: samples [first, first + n) of (thing, boot), unchanged since the board; n * 12 bytes.

    `rx_us`, `tx_us`: edge boottime when the board's frame came in and when this left.
    """

    KIND: ClassVar[int] = 3
    thing: str
    boot: str
    first: int
    n: int
    clock: Clock
    rx_us: int
    tx_us: int
    records: bytes = b""


@dataclass(frozen=True)
class GapRecord:
    """Edge to city: samples [first, end) are lost for good; `declared_by` dropped them and says why."""

    KIND: ClassVar[int] = 4
    thing: str
    boot: str
    gap_id: int
    first: int
    end: int
    cause: str
    declared_by: str


@dataclass(frozen=True)
class Heartbeat:
    """Edge to city, each second: clocks for deadlines, the sample accounts, the node's health.

    `accounts`: maps with thing, boot, sent, buffered (spans) and, if any, quarantined (spans).
    """

    KIND: ClassVar[int] = 5
    edge: str
    boot: str
    boottime_us: int
    echo_city_us: int
    accounts: list[dict[str, Any]] = field(default_factory=list)
    health: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TaskReport:
    """Edge to city: the state of a task; `position` NaN if no feedback; `stamps` hop to nanoseconds.

    `task`: the bytes of `tasks.encode`, sent when the city did not order it (a reflex, an operator).
    """

    KIND: ClassVar[int] = 6
    task_id: bytes
    state: int
    code: int
    text: str
    position: float
    stamps: dict[str, int] = field(default_factory=dict)
    task: bytes = b""


@dataclass(frozen=True)
class LeaseState:
    """Edge to city: who holds an actuator ("city", "edge", "operator", ""), until which edge boottime."""

    KIND: ClassVar[int] = 7
    actuator: str
    holder: str
    fence: int
    until_us: int


@dataclass(frozen=True)
class CityHello:
    """City to edge: answer to EdgeHello; `epoch` changes with each start of the city."""

    KIND: ClassVar[int] = 17
    proto: int
    epoch: str


@dataclass(frozen=True)
class Ack:
    """City to edge, after a durable commit: `ranges` of samples and `gaps` (ids) of (thing, boot)."""

    KIND: ClassVar[int] = 18
    thing: str
    boot: str
    ranges: list[Span] = field(default_factory=list)
    gaps: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class CityHeartbeat:
    """City to edge, each second: the city's boottime, and the edge boottime it answers."""

    KIND: ClassVar[int] = 19
    city_us: int
    echo_edge_us: int


@dataclass(frozen=True)
class TaskOrder:
    """City to edge: the bytes of `tasks.encode` and their Ed25519 signature, verified before decoding."""

    KIND: ClassVar[int] = 20
    signature: bytes
    task: bytes = b""


@dataclass(frozen=True)
class LeaseRequest:
    """City to edge: ask for the lease of an actuator, or renew it."""

    KIND: ClassVar[int] = 21
    actuator: str
    holder: str


Message = (
    EdgeHello | ThingInfo | Batch | GapRecord | Heartbeat | TaskReport | LeaseState
    | CityHello | Ack | CityHeartbeat | TaskOrder | LeaseRequest
)  # fmt: skip


def encode(message: Message) -> list[bytes]:
    """Return the two parts [header, payload] of a message.

    Raises:
        LimitError: over MAX_MESSAGE bytes together.
    """
    header, payload = _split(message)
    parts = [bytes(msgpack.packb(header)), payload]
    if len(parts[0]) + len(payload) > MAX_MESSAGE:
        raise LimitError(f"{type(message).__name__}: over {MAX_MESSAGE} bytes")
    return parts


def _split(message: Message) -> tuple[list[Any], bytes]:
    """Return the header's items and the payload."""
    items = list(vars(message).values())
    payload = b""
    if isinstance(message, Batch):
        payload = items.pop()
        items[4] = list(vars(message.clock).values())
    elif isinstance(message, TaskOrder | TaskReport):
        payload = items.pop()
    return [message.KIND, *items], payload


def decode(parts: Sequence[bytes]) -> Message:
    """Return the message in [header, payload], every field checked.

    Raises:
        FrameError: malformed; the message names kind and field.
    """
    if len(parts) != 2:
        raise FrameError(f"city link: expected 2 parts [header, payload], found {len(parts)}")
    header, payload = parts
    if len(header) + len(payload) > MAX_MESSAGE:
        raise LimitError(f"city link: over {MAX_MESSAGE} bytes")
    items = checks.unpack(bytes(header), MAX_MESSAGE)
    if type(items) is not list or not items or type(items[0]) is not int or items[0] not in KINDS:
        raise checks.refuse("city link", f"an array that begins with a kind {sorted(KINDS)}", items)
    kind = KINDS[items[0]]
    if len(items) != _SIZES[kind]:
        raise FrameError(f"{kind.__name__}: expected {_SIZES[kind]} header items, found {len(items)}")
    if payload and kind not in _WITH_PAYLOAD:
        raise FrameError(f"{kind.__name__}: this kind has no payload")
    return _MAKERS[kind](items[1:], bytes(payload))


def _edge_hello(items: list[Any], _: bytes) -> EdgeHello:
    proto, edge, boot, boottime_us = items
    integer("EdgeHello.proto", proto, 0, 255)
    name("EdgeHello.edge", edge)
    name("EdgeHello.boot", boot)
    integer("EdgeHello.boottime_us", boottime_us)
    return EdgeHello(proto, edge, boot, boottime_us)


def _thing_info(items: list[Any], _: bytes) -> ThingInfo:
    thing, boot, vm, firmware_sha256, manifest, online = items
    name("ThingInfo.thing", thing)
    name("ThingInfo.boot", boot)
    text("ThingInfo.vm", vm, 200)
    text("ThingInfo.firmware_sha256", firmware_sha256, 64)
    mapping("ThingInfo.manifest", manifest)
    boolean("ThingInfo.online", online)
    return ThingInfo(thing, boot, vm, firmware_sha256, manifest, online)


def _clock(items: Any) -> Clock:
    ref_us, ref_utc_us, rate, sigma_us, synced = checks.array("Clock", items, 5, 5)
    integer("Clock.ref_us", ref_us)
    integer("Clock.ref_utc_us", ref_utc_us)
    rate = checks.number("Clock.rate", rate)
    sigma_us = checks.number("Clock.sigma_us", sigma_us)
    boolean("Clock.synced", synced)
    return Clock(ref_us, ref_utc_us, rate, sigma_us, synced)


def _batch(items: list[Any], payload: bytes) -> Batch:
    thing, boot, first, n, clock, rx_us, tx_us = items
    name("Batch.thing", thing)
    name("Batch.boot", boot)
    integer("Batch.first", first, 0, _U32)
    integer("Batch.n", n, 1, MAX_MESSAGE // RECORD_SIZE)
    integer("Batch.rx_us", rx_us)
    integer("Batch.tx_us", tx_us)
    if len(payload) != n * RECORD_SIZE:
        raise FrameError(f"Batch: expected {n} records of {RECORD_SIZE} bytes, found {len(payload)} bytes")
    return Batch(thing, boot, first, n, _clock(clock), rx_us, tx_us, payload)


def _gap_record(items: list[Any], _: bytes) -> GapRecord:
    thing, boot, gap_id, first, end, cause, declared_by = items
    name("GapRecord.thing", thing)
    name("GapRecord.boot", boot)
    integer("GapRecord.gap_id", gap_id)
    checks.span("GapRecord.first, end", [first, end])
    name("GapRecord.cause", cause)
    name("GapRecord.declared_by", declared_by)
    return GapRecord(thing, boot, gap_id, first, end, cause, declared_by)


def _heartbeat(items: list[Any], _: bytes) -> Heartbeat:
    edge, boot, boottime_us, echo_city_us, accounts, health = items
    name("Heartbeat.edge", edge)
    name("Heartbeat.boot", boot)
    integer("Heartbeat.boottime_us", boottime_us)
    integer("Heartbeat.echo_city_us", echo_city_us)
    accounts = [_account(item) for item in checks.array("Heartbeat.accounts", accounts, MAX_ACCOUNTS)]
    return Heartbeat(edge, boot, boottime_us, echo_city_us, accounts, mapping("Heartbeat.health", health))


def _account(item: Any) -> dict[str, Any]:
    account = mapping("Heartbeat.accounts[]", item)
    if set(account) | {"quarantined"} != {"thing", "boot", "sent", "buffered", "quarantined"}:
        raise checks.refuse("Heartbeat.accounts[]", "keys thing, boot, sent, buffered", sorted(account))
    name("account.thing", account["thing"])
    name("account.boot", account["boot"])
    integer("account.sent", account["sent"], 0, _U32)
    kinds = account.keys() & {"buffered", "quarantined"}
    spans = {kind: _spans(f"account.{kind}", account[kind]) for kind in kinds}
    return {**account, **spans}


def _spans(where: str, value: Any) -> list[Span]:
    return [checks.span(where, item) for item in checks.array(where, value, MAX_SPANS)]


def _task_report(items: list[Any], payload: bytes) -> TaskReport:
    task_id, state, code, said, position, stamps = items
    binary("TaskReport.task_id", task_id, 16)
    integer("TaskReport.state", state, 0, len(task_codes.STATES) - 1)
    integer("TaskReport.code", code, 0, len(task_codes.CODES) - 1)
    text("TaskReport.text", said, 200)
    position = checks.position("TaskReport.position", position)
    stamps = checks.stamps("TaskReport.stamps", stamps)
    return TaskReport(task_id, state, code, said, position, stamps, payload)


def _lease_state(items: list[Any], _: bytes) -> LeaseState:
    actuator, holder, fence, until_us = items
    name("LeaseState.actuator", actuator)
    text("LeaseState.holder", holder)
    integer("LeaseState.fence", fence)
    integer("LeaseState.until_us", until_us)
    return LeaseState(actuator, holder, fence, until_us)


def _city_hello(items: list[Any], _: bytes) -> CityHello:
    proto, epoch = items
    return CityHello(integer("CityHello.proto", proto, 0, 255), name("CityHello.epoch", epoch))


def _ack(items: list[Any], _: bytes) -> Ack:
    thing, boot, ranges, gaps = items
    name("Ack.thing", thing)
    name("Ack.boot", boot)
    gaps = [integer("Ack.gaps[]", item) for item in checks.array("Ack.gaps", gaps, MAX_SPANS)]
    return Ack(thing, boot, _spans("Ack.ranges", ranges), gaps)


def _city_heartbeat(items: list[Any], _: bytes) -> CityHeartbeat:
    city_us, echo_edge_us = items
    integer("CityHeartbeat.city_us", city_us)
    return CityHeartbeat(city_us, integer("CityHeartbeat.echo_edge_us", echo_edge_us))


def _task_order(items: list[Any], payload: bytes) -> TaskOrder:
    return TaskOrder(binary("TaskOrder.signature", items[0], 64), payload)


def _lease_request(items: list[Any], _: bytes) -> LeaseRequest:
    actuator, holder = items
    return LeaseRequest(name("LeaseRequest.actuator", actuator), name("LeaseRequest.holder", holder))


_MAKERS: dict[type[Any], Callable[[list[Any], bytes], Message]] = {
    EdgeHello: _edge_hello,
    ThingInfo: _thing_info,
    Batch: _batch,
    GapRecord: _gap_record,
    Heartbeat: _heartbeat,
    TaskReport: _task_report,
    LeaseState: _lease_state,
    CityHello: _city_hello,
    Ack: _ack,
    CityHeartbeat: _city_heartbeat,
    TaskOrder: _task_order,
    LeaseRequest: _lease_request,
}
_WITH_PAYLOAD = (Batch, TaskReport, TaskOrder)
KINDS: dict[int, type[Any]] = {message.KIND: message for message in _MAKERS}
_SIZES = {message: 1 + len(fields(message)) - (message in _WITH_PAYLOAD) for message in _MAKERS}
