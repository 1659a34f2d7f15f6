"""Messages of the city link, one dataclass each: what edge nodes and the city say to each other. CPython.

The fields of a dataclass are the items of its header, in that order. `later(version, x)` marks one that was
appended in that version of the protocol: a peer may leave it out, then it is x. Fields are only ever appended.
docs/protocol.md lists them; city_link.py puts them on the wire.
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from .ranges import Span

PROTO = 2
PROTO_MIN = 1
MAX_MESSAGE = 65536
MAX_SPANS = 1024
MAX_ACCOUNTS = 256
MAX_PARTS = 1024
MAX_CREDIT = 65535
MAX_TASK = 4096
MAX_WAIT_MS = 3_600_000
DEFAULT_CREDIT = 256
KEY_SIZE = 40
CAUSES = ("overflow", "power", "quota", "restore", "damage")
ALARM_ACTS = ("ack", "shelve", "unshelve")
REFUSALS = ("no_common_proto", "revoked", "foreign_thing")


def later(version: int, default: Any) -> Any:
    """Return a dataclass field that version `version` appended; peers that leave it out mean `default`."""
    return field(default=default, metadata={"since": version})


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
    """Edge to city: who I am; first message of a connection. `boot` changes with each start of the host.

    It speaks versions `proto_min` to `proto`; `epoch`: the restore epoch of the city it last saw, durably.
    `reflex`: the Ed25519 key (32 bytes) under which it signs what its own processes ask, empty: none.
    """

    KIND: ClassVar[int] = 1
    proto: int
    edge: str
    boot: str
    boottime_us: int
    proto_min: int = later(2, 1)
    epoch: int = later(2, 0)
    reflex: bytes = later(2, b"")


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
    """Edge to city: samples [first, end) are lost for good; `declared_by` dropped them and says why.

    `cause`: one of CAUSES, or a word that a later version adds.
    """

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

    `task`: the bytes of `tasks.encode`, sent when the city did not order it (a reflex); `signature`: the node's.
    """

    KIND: ClassVar[int] = 6
    task_id: bytes
    state: int
    code: int
    text: str
    position: float
    stamps: dict[str, int] = field(default_factory=dict)
    signature: bytes = later(2, b"")
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
class ClockRecord:
    """Edge to city: a better clock for the stamps [first_us, end_us) of (thing, boot).

    Where two overlap the higher `number` holds.
    """

    KIND: ClassVar[int] = 8
    SINCE: ClassVar[int] = 2
    thing: str
    boot: str
    number: int
    first_us: int
    end_us: int
    clock: Clock


@dataclass(frozen=True)
class StoredAsk:
    """Edge to city, after a restore: which samples and gaps of this stream do you have?"""

    KIND: ClassVar[int] = 9
    SINCE: ClassVar[int] = 2
    thing: str
    boot: str


@dataclass(frozen=True)
class KeyOffer:
    """Edge to city: the node's next CURVE key (40 characters of Z85), offered under its present one."""

    KIND: ClassVar[int] = 10
    SINCE: ClassVar[int] = 2
    public: bytes


@dataclass(frozen=True)
class CityHello:
    """City to edge: answer to EdgeHello; `proto` is the highest version both speak.

    `start` is random for each start of the city; `epoch` durable, one more with each restore from a backup;
    `credit`: how many batches may be in flight without an ack, 0: none for now.
    """

    KIND: ClassVar[int] = 17
    proto: int
    start: str
    epoch: int = later(2, 0)
    credit: int = later(2, DEFAULT_CREDIT)


@dataclass(frozen=True)
class Ack:
    """City to edge, after a durable commit: `ranges` of samples, `gaps` (ids), `clocks` (numbers) of (thing, boot)."""

    KIND: ClassVar[int] = 18
    thing: str
    boot: str
    ranges: list[Span] = field(default_factory=list)
    gaps: list[int] = field(default_factory=list)
    clocks: list[int] = field(default_factory=list, metadata={"since": 2})


@dataclass(frozen=True)
class CityHeartbeat:
    """City to edge, each second: the city's boottime, the edge boottime it answers, and the present credit."""

    KIND: ClassVar[int] = 19
    city_us: int
    echo_edge_us: int
    credit: int = later(2, DEFAULT_CREDIT)


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


@dataclass(frozen=True)
class Stored:
    """City to edge: answer to StoredAsk, durable `ranges` and `gaps` (ids); long ones in parts 0 to parts - 1."""

    KIND: ClassVar[int] = 22
    SINCE: ClassVar[int] = 2
    thing: str
    boot: str
    epoch: int
    ranges: list[Span]
    gaps: list[int]
    part: int
    parts: int


@dataclass(frozen=True)
class Wait:
    """City to edge: not now; come back `after_ms` from now, plus a random time of your own."""

    KIND: ClassVar[int] = 23
    SINCE: ClassVar[int] = 2
    after_ms: int
    reason: str


@dataclass(frozen=True)
class Refusal:
    """City to edge: what you ask for will not be done; `code` is one of REFUSALS or a later word, `text` for people."""

    KIND: ClassVar[int] = 24
    SINCE: ClassVar[int] = 2
    code: str
    text: str


@dataclass(frozen=True)
class KeyTaken:
    """City to edge: the offered key is durably in the node's second slot."""

    KIND: ClassVar[int] = 25
    SINCE: ClassVar[int] = 2
    public: bytes


@dataclass(frozen=True)
class AlarmAct:
    """City to edge: what a person did to an alarm of a process that runs here; the same `act_id` counts once.

    `what`: one of ALARM_ACTS, or a word that a later version adds; times are event time, `until_utc_us` ends a shelf.
    """

    KIND: ClassVar[int] = 26
    SINCE: ClassVar[int] = 2
    act_id: str
    instance: str
    what: str
    key: str
    at_utc_us: int
    until_utc_us: int
    who: str
    reason: str


@dataclass(frozen=True)
class AuditHead:
    """City to edge: the signed head of the city's own audit log, to be kept where the city cannot reach (audit.md).

    The log `name` has `n` lines, the last with this hash; signed at `utc_us` (wall clock) by the log's own `key`.
    """

    KIND: ClassVar[int] = 27
    SINCE: ClassVar[int] = 2
    name: str
    n: int
    sha256: bytes
    utc_us: int
    key: bytes
    sig: bytes


Message = (
    EdgeHello | ThingInfo | Batch | GapRecord | Heartbeat | TaskReport | LeaseState | ClockRecord | StoredAsk | KeyOffer
    | CityHello | Ack | CityHeartbeat | TaskOrder | LeaseRequest | Stored | Wait | Refusal | KeyTaken
    | AlarmAct | AuditHead
)  # fmt: skip
