"""What a host sends to a board, encoded and decoded with every field checked. MicroPython and CPython.

`decode_command` gives a tuple whose first item is the kind; a body that is not exactly
what docs/protocol.md says raises FrameError and has no effect. Items that a later version
appended are dropped; a signed payload has exactly its items, for what a board does not
understand it must not execute.
"""

from . import frames, mpack
from .errors import FrameError, LimitError, UnknownKindError
from .stamp import SIZE as STAMP_SIZE
from .stamp import get6

_U32 = 0xFFFFFFFF


def _need(value, kind, size: int = 0) -> None:  # type: ignore[no-untyped-def]
    """Raise FrameError unless `value` is of type `kind`, `size` long (0: any)."""
    if type(value) is not kind or (size and len(value) != size):
        raise FrameError("command: wrong type or length of a field")


def _need_uint(value, limit: int = _U32) -> None:  # type: ignore[no-untyped-def]
    """Raise FrameError unless `value` is an integer in [0, limit]."""
    if type(value) is not int or not 0 <= value <= limit:
        raise FrameError("command: an integer is out of range")


def _hello(items: list) -> None:  # type: ignore[type-arg]
    for value in items[1:]:
        _need_uint(value)
    if items[1] > items[2]:
        raise FrameError("hello: proto_min above proto_max")


def _sync(items: list) -> None:  # type: ignore[type-arg]
    _need_uint(items[1])


def _ack(items: list) -> None:  # type: ignore[type-arg]
    _need(items[1], bytes, 8)
    _need(items[2], list)
    _need(items[3], list)
    if len(items[2]) > frames.MAX_ACK_RANGES or len(items[3]) > frames.MAX_ACK_GAPS:
        raise FrameError("ack: too many ranges or gaps")
    for span in items[2]:
        _need(span, list, 2)
        _need_uint(span[1])
        _need_uint(span[0], span[1])
    for gap_id in items[3]:
        _need_uint(gap_id)


def _signed(items: list) -> None:  # type: ignore[type-arg]
    _need(items[1], bytes)
    _need(items[2], bytes, 32)


_CHECKS = {
    frames.HELLO: (4, _hello),
    frames.SYNC: (2, _sync),
    frames.ACK: (4, _ack),
    frames.TASK: (3, _signed),
    frames.LEASE: (3, _signed),
    frames.SIGNED_ACK: (3, _signed),
}


def decode_command(buf: bytes | bytearray | memoryview, start: int, end: int) -> list:  # type: ignore[type-arg]
    """Return the checked items of a body sent to a board; item 0 is the kind.

    Raises:
        UnknownKindError: a kind of a later version.
        FrameError: not a command of this protocol, or a field is out of its limits.
    """
    if end - start > frames.MAX_BODY_TO_BOARD:
        raise LimitError("command: body is too long")
    items = mpack.unpack(buf, start, end, 3, 64)
    _need(items, list)
    if not items or type(items[0]) is not int:
        raise FrameError("command: does not begin with a kind")
    if items[0] not in _CHECKS:
        raise UnknownKindError("command: unknown kind")
    n, check = _CHECKS[items[0]]
    if len(items) < n:
        raise FrameError("command: too few items")
    if len(items) > n + frames.MAX_SURPLUS:
        raise LimitError("command: too many items")
    while len(items) > n:
        items.pop()
    check(items)
    return items  # type: ignore[no-any-return]


def encode_task_payload(
    nonce: bytes,
    counter: int,
    task_id: bytes,
    actuator: int,
    setpoint: float,
    not_after_wrap: int,
    not_after_ticks: int,
    lease_ms: int,
) -> bytes:
    """Return the signed part of a TASK; `not_after` is a stamp of the board, `setpoint` becomes float32."""
    p = mpack.Packer(bytearray(64))
    p.array(7)
    p.bin(nonce)
    p.uint(counter)
    p.bin(task_id)
    p.uint(actuator)
    p.f32(setpoint)
    p.stamp(not_after_wrap, not_after_ticks)
    p.uint(lease_ms)
    return bytes(p.buf[: p.pos])


def decode_task_payload(payload: bytes) -> tuple:  # type: ignore[type-arg]
    """Return (nonce8, counter, task_id16, actuator, setpoint, (wrap, ticks) not after, lease_ms).

    Raises:
        FrameError: malformed, or the setpoint is not a finite number.
    """
    items = mpack.unpack(payload, 0, len(payload), 1, 7)
    _need(items, list, 7)
    nonce, counter, task_id, actuator, setpoint, not_after, lease_ms = items
    _need(nonce, bytes, 8)
    _need_uint(counter)
    _need(task_id, bytes, 16)
    _need_uint(actuator, 255)
    _need(setpoint, float)
    if not -3.4e38 < setpoint < 3.4e38:
        raise FrameError("task: setpoint is not a finite number")
    _need(not_after, bytes, STAMP_SIZE)
    _need_uint(lease_ms)
    return nonce, counter, task_id, actuator, setpoint, get6(not_after, 0), lease_ms


def encode_lease_payload(nonce: bytes, counter: int, actuator: int, lease_ms: int) -> bytes:
    """Return the signed part of a LEASE; `lease_ms` 0 releases: go to the safe state now."""
    p = mpack.Packer(bytearray(32))
    p.array(4)
    p.bin(nonce)
    p.uint(counter)
    p.uint(actuator)
    p.uint(lease_ms)
    return bytes(p.buf[: p.pos])


def decode_lease_payload(payload: bytes) -> tuple:  # type: ignore[type-arg]
    """Return (nonce8, counter, actuator, lease_ms).

    Raises:
        FrameError: malformed.
    """
    items = mpack.unpack(payload, 0, len(payload), 1, 4)
    _need(items, list, 4)
    _need(items[0], bytes, 8)
    _need_uint(items[1])
    _need_uint(items[2], 255)
    _need_uint(items[3])
    return tuple(items)


def decode_ack_payload(payload: bytes) -> tuple:  # type: ignore[type-arg]
    """Return (nonce8, boot8, ranges, gap ids).

    Raises:
        FrameError: malformed.
    """
    items = mpack.unpack(payload, 0, len(payload), 3, 64)
    _need(items, list, 4)
    _need(items[0], bytes, 8)
    _ack(items)
    return tuple(items)
