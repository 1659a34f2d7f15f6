"""The host's side of the board link: typed messages from boards, commands to them. CPython.

Frames are found by `host_decoder.HostDecoder`.
"""

import math
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgpack  # type: ignore[import-untyped]

from . import checks, commands, frames, mac, record, task_codes
from .errors import FrameError, LimitError, UnknownKindError
from .host_decoder import stuff
from .manifest import MAX_BYTES as MANIFEST_BYTES
from .ranges import Span

KINDS = {
    frames.HELLO: "hello",
    frames.SAMPLES: "samples",
    frames.STATUS: "status",
    frames.LOG: "log",
    frames.SYNC: "sync",
    frames.ACK: "ack",
    frames.TASK: "task",
    frames.TASK_RESULT: "task_result",
    frames.SETTINGS: "settings",
    frames.FILE: "file",
    frames.LEASE: "lease",
    frames.GAP: "gap",
    frames.SIGNED_ACK: "signed_ack",
    frames.EARLIER: "earlier",
}

"""Not in frames.py, as it would cost boards memory."""
SIGNED_ACKS_SINCE = 2
"""From this version of the board link on a host signs its acks."""

Command = list[Any]


@dataclass(frozen=True)
class Hello:
    """Answer to a host hello, and sent once after start: who the board is. `manifest`: msgpack bytes."""

    proto: int
    session: int
    thing: str
    boot: str
    nonce: bytes
    vm: str
    firmware_sha256: str
    manifest: bytes


@dataclass(frozen=True)
class Samples:
    """Records of the samples [first, first + n) of a boot, 12 bytes each; `earlier`: not the board's present one."""

    boot: str
    first: int
    records: bytes
    earlier: bool = False

    @property
    def n(self) -> int:
        """How many samples."""
        return len(self.records) // record.SIZE


@dataclass(frozen=True)
class Fault:
    """A sensor that fails: driver code, how often in a row, since when (board stamp, microseconds)."""

    sensor: int
    code: int
    count: int
    since_us: int


@dataclass(frozen=True)
class ActuatorState:
    """What an actuator does; `state` and `reason` are the board's; NaN where nothing is known."""

    index: int
    state: int
    reason: int
    setpoint: float
    position: float
    lease_left_ms: int


@dataclass(frozen=True)
class Status:
    """State of a board: seqs [tail, head) are still in its ring, `head` is what it has sent in all."""

    boot: str
    t_us: int
    tail: int
    head: int
    dropped: int
    faults: list[Fault]
    actuators: list[ActuatorState]
    counters: dict[str, int]


@dataclass(frozen=True)
class Log:
    """A line of text; level as in Python's logging."""

    level: int
    text: str


@dataclass(frozen=True)
class SyncReply:
    """Answer to a time-sync: when it was received and sent, board stamps in microseconds."""

    sync_id: int
    rx_us: int
    tx_us: int


@dataclass(frozen=True)
class TaskResult:
    """State of a task on the board at `t_us` (board stamp); `position` NaN if there is no feedback."""

    boot: str
    task_id: bytes
    state: int
    code: int
    t_us: int
    position: float


@dataclass(frozen=True)
class Gap:
    """The board dropped the samples [first, end): declared lost."""

    boot: str
    gap_id: int
    first: int
    end: int
    cause: str


BoardMessage = Hello | Samples | Status | Log | SyncReply | TaskResult | Gap


def decode_board(body: bytes) -> BoardMessage:
    """Return the message in a body that a board sent, every field checked; surplus items are ignored.

    Raises:
        UnknownKindError: a kind of a later version; count it, it has no effect.
        FrameError: malformed; the message names the field.
    """
    items = checks.unpack(body, frames.MAX_BODY_TO_HOST, 4, 512)
    if type(items) is not list or not items or type(items[0]) is not int:
        raise checks.refuse("board link", "an array that begins with a kind", items)
    if items[0] not in _DECODERS:
        raise UnknownKindError(f"board link: kind {items[0]} is not one of {sorted(_DECODERS)}")
    size, make = _DECODERS[items[0]]
    kind = KINDS[items[0]]
    if len(items) < size:
        raise FrameError(f"{kind}: expected at least {size} items, found {len(items)}")
    if len(items) > size + frames.MAX_SURPLUS:
        raise LimitError(f"{kind}: more than {frames.MAX_SURPLUS} items beyond those of version {frames.PROTO}")
    return make(items[1:size])


def _u32(field: str, value: Any) -> int:
    return checks.integer(field, value, 0, checks.MAX_U32)


def _boot(field: str, value: Any) -> str:
    return frames.boot_text(checks.binary(field, value, 8))


def _stamp(field: str, value: Any) -> int:
    return int.from_bytes(checks.binary(field, value, 6), "little")


def _hello(items: list[Any]) -> Hello:
    proto, session, thing, boot, nonce, vm, firmware, manifest = items
    return Hello(
        checks.integer("hello.proto", proto, 0, 255),
        _u32("hello.session", session),
        checks.name("hello.thing", thing),
        _boot("hello.boot", boot),
        checks.binary("hello.nonce", nonce, 8),
        checks.text("hello.vm", vm, 200),
        checks.binary("hello.firmware_sha256", firmware, 32).hex(),
        checks.binary("hello.manifest", manifest, longest=MANIFEST_BYTES),
    )


def _samples(items: list[Any], kind: str = "samples") -> Samples:
    boot, first, records = items
    checks.binary(f"{kind}.records", records, longest=frames.MAX_RECORDS_PER_FRAME * record.SIZE)
    if not records or len(records) % record.SIZE:
        raise checks.refuse(f"{kind}.records", f"a multiple of {record.SIZE} bytes", len(records))
    return Samples(_boot(f"{kind}.boot", boot), _u32(f"{kind}.first", first), records, kind == "earlier")


def _earlier(items: list[Any]) -> Samples:
    return _samples(items, "earlier")


def _status(items: list[Any]) -> Status:
    boot, t_us, tail, head, dropped, faults, actuators, counters = items
    _u32("status.head", head)
    return Status(
        _boot("status.boot", boot),
        _stamp("status.t", t_us),
        checks.integer("status.tail", tail, 0, head),
        head,
        _u32("status.dropped", dropped),
        [_fault(item) for item in checks.array("status.faults", faults, frames.MAX_FAULTS)],
        [_actuator(item) for item in checks.array("status.actuators", actuators, frames.MAX_ACTUATORS)],
        _counters(counters),
    )


def _counters(value: Any) -> dict[str, int]:
    for key, count in checks.mapping("status.counters", value, frames.MAX_COUNTERS).items():
        _u32(f"status.counters.{checks.name('status.counters', key)}", count)
    return dict(value)


def _fault(item: Any) -> Fault:
    sensor, code, count, since = checks.array("status.faults[]", item, 4, 4)
    return Fault(
        checks.integer("fault.sensor", sensor, 0, 255),
        checks.integer("fault.code", code, 0, 255),
        _u32("fault.count", count),
        _stamp("fault.since", since),
    )


def _actuator(item: Any) -> ActuatorState:
    index, state, reason, setpoint, position, lease_left_ms = checks.array("status.actuators[]", item, 6, 6)
    return ActuatorState(
        checks.integer("actuator.index", index, 0, 255),
        checks.integer("actuator.state", state, 0, 255),
        checks.integer("actuator.reason", reason, 0, 255),
        checks.position("actuator.setpoint", setpoint),
        checks.position("actuator.position", position),
        _u32("actuator.lease_left_ms", lease_left_ms),
    )


def _log(items: list[Any]) -> Log:
    level = checks.integer("log.level", items[0], 0, 100)
    return Log(level, checks.text("log.text", items[1], frames.MAX_LOG_TEXT))


def _sync(items: list[Any]) -> SyncReply:
    return SyncReply(_u32("sync.id", items[0]), _stamp("sync.rx", items[1]), _stamp("sync.tx", items[2]))


def _task_result(items: list[Any]) -> TaskResult:
    boot, task_id, state, code, t_us, position = items
    return TaskResult(
        _boot("task_result.boot", boot),
        checks.binary("task_result.task_id", task_id, 16),
        checks.integer("task_result.state", state, 0, len(task_codes.STATES) - 1),
        checks.integer("task_result.code", code, 0, 255),
        _stamp("task_result.t", t_us),
        checks.position("task_result.position", position),
    )


def _gap(items: list[Any]) -> Gap:
    boot, gap_id, first, end, cause = items
    first, end = checks.span("gap.first, end", [first, end])
    checks.integer("gap.cause", cause, 1, len(frames.GAP_CAUSES))
    return Gap(_boot("gap.boot", boot), _u32("gap.id", gap_id), first, end, frames.GAP_CAUSES[cause])


_DECODERS: dict[int, tuple[int, Callable[[list[Any]], BoardMessage]]] = {
    frames.HELLO: (9, _hello),
    frames.SAMPLES: (4, _samples),
    frames.EARLIER: (4, _earlier),
    frames.STATUS: (9, _status),
    frames.LOG: (3, _log),
    frames.SYNC: (4, _sync),
    frames.TASK_RESULT: (7, _task_result),
    frames.GAP: (6, _gap),
}


def encode_hello(session: int, proto_min: int = frames.PROTO_MIN, proto_max: int = frames.PROTO) -> bytes:
    """Return the body that opens link mode; `session` (u32, random) comes back in the board's hello."""
    return _command([frames.HELLO, proto_min, proto_max, session])


def encode_sync(sync_id: int) -> bytes:
    """Return the body that asks for the board's time."""
    return _command([frames.SYNC, sync_id])


def encode_ack(boot: str, ranges: Sequence[Span], gaps: Sequence[int] = ()) -> bytes:
    """Return the body that tells what is durable: at most 8 ranges of seqs and 8 gap ids."""
    return _command([frames.ACK, frames.boot_bytes(boot), [list(span) for span in ranges], list(gaps)])


def encode_signed_ack(
    sign: Callable[[bytes], bytes], nonce: bytes, boot: str, ranges: Sequence[Span], gaps: Sequence[int] = ()
) -> bytes:
    """Return the body of an ack that only who has the board's key can make; `nonce` is that of its present boot.

    It needs no counter: what it says stays true as long as the nonce lives.
    """
    spans = [list(span) for span in ranges]
    payload = bytes(msgpack.packb([nonce, frames.boot_bytes(boot), spans, list(gaps)]))
    commands.decode_ack_payload(payload)
    return _command([frames.SIGNED_ACK, payload, sign(payload)])


def encode_task(
    key: bytes,
    nonce: bytes,
    counter: int,
    task_id: bytes,
    actuator: int,
    setpoint: float,
    not_after_us: int,
    lease_ms: int,
) -> bytes:
    """Return the body of a signed task; `not_after_us` is a board stamp, `counter` must rise per nonce.

    Raises:
        FrameError: the board would refuse it.
    """
    if not math.isfinite(setpoint):
        raise checks.refuse("task.setpoint", "a finite number", setpoint)
    wrap, ticks = divmod(not_after_us, 1 << 30)
    payload = commands.encode_task_payload(nonce, counter, task_id, actuator, setpoint, wrap, ticks, lease_ms)
    commands.decode_task_payload(payload)
    return _command([frames.TASK, payload, mac.hmac_sha256(key, payload)])


def encode_lease(key: bytes, nonce: bytes, counter: int, actuator: int, lease_ms: int) -> bytes:
    """Return the body that renews an actuator's lease by `lease_ms`; 0 sends it to its safe state."""
    payload = commands.encode_lease_payload(nonce, counter, actuator, lease_ms)
    commands.decode_lease_payload(payload)
    return _command([frames.LEASE, payload, mac.hmac_sha256(key, payload)])


def _command(items: Command) -> bytes:
    """Return the body of a command that boards will accept."""
    body = bytes(msgpack.packb(items))
    commands.decode_command(body, 0, len(body))
    return body


def build_frame(body: bytes) -> bytes:
    """Return what goes on the line for a body: 00 COBS(body, CRC-32) 00."""
    data = body + zlib.crc32(body).to_bytes(4, "little")
    return b"\0" + stuff(data) + b"\0"
