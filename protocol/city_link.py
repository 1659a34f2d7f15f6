"""The city link: messages between edge nodes and the city on the wire, in every version we speak. CPython.

A message is two ZeroMQ parts, [header, payload]: the header a msgpack array that begins with the kind, then
the fields of a dataclass of city_messages.py; the payload raw bytes (sample records, a task) or empty.
"""

from collections.abc import Sequence
from dataclasses import MISSING, Field, fields
from functools import cache
from typing import Any

import msgpack  # type: ignore[import-untyped]

from . import checks, task_codes
from .city_checks import MAKERS
from .city_messages import (
    ALARM_ACTS,
    CAUSES,
    DEFAULT_CREDIT,
    KEY_SIZE,
    MAX_ACCOUNTS,
    MAX_CREDIT,
    MAX_MESSAGE,
    MAX_PARTS,
    MAX_SPANS,
    MAX_TASK,
    MAX_WAIT_MS,
    PROTO,
    PROTO_MIN,
    REFUSALS,
    Ack,
    AlarmAct,
    AuditHead,
    Batch,
    CityHeartbeat,
    CityHello,
    Clock,
    ClockRecord,
    EdgeHello,
    GapRecord,
    Heartbeat,
    KeyOffer,
    KeyTaken,
    LeaseRequest,
    LeaseState,
    Message,
    Refusal,
    Stored,
    StoredAsk,
    TaskOrder,
    TaskReport,
    ThingInfo,
    Wait,
)
from .errors import FrameError, LimitError, UnknownKindError, VersionError

__all__ = [
    "ALARM_ACTS",
    "CAUSES",
    "DEFAULT_CREDIT",
    "KEY_SIZE",
    "KINDS",
    "MAX_ACCOUNTS",
    "MAX_CREDIT",
    "MAX_MESSAGE",
    "MAX_PARTS",
    "MAX_SPANS",
    "MAX_SURPLUS",
    "MAX_TASK",
    "MAX_WAIT_MS",
    "PROTO",
    "PROTO_MIN",
    "REFUSALS",
    "Ack",
    "AlarmAct",
    "AuditHead",
    "Batch",
    "CityHeartbeat",
    "CityHello",
    "Clock",
    "ClockRecord",
    "EdgeHello",
    "GapRecord",
    "Heartbeat",
    "KeyOffer",
    "KeyTaken",
    "LeaseRequest",
    "LeaseState",
    "Message",
    "Refusal",
    "Stored",
    "StoredAsk",
    "TaskOrder",
    "TaskReport",
    "ThingInfo",
    "Wait",
    "decode",
    "encode",
    "speaks",
]
MAX_SURPLUS = 16
_WITH_PAYLOAD = (Batch, TaskReport, TaskOrder)
KINDS: dict[int, type[Any]] = {message.KIND: message for message in MAKERS}


def _header_fields(kind: type[Any]) -> list[Field[Any]]:
    """Return the fields that are header items; the payload is the last field of the kinds that have one."""
    found = list(fields(kind))
    return found[:-1] if kind in _WITH_PAYLOAD else found


def _since(item: Field[Any]) -> int:
    return int(item.metadata.get("since", 1))


def _default(item: Field[Any]) -> Any:
    return item.default_factory() if item.default_factory is not MISSING else item.default


_FIELDS = {kind: _header_fields(kind) for kind in MAKERS}
_REQUIRED = {kind: sum("since" not in item.metadata for item in items) for kind, items in _FIELDS.items()}


@cache
def _names(kind: int, proto: int) -> tuple[str, ...]:
    """Return the header items of a kind as version `proto` writes them."""
    return tuple(item.name for item in _FIELDS[KINDS[kind]] if _since(item) <= proto)


def speaks(kind: type[Any], proto: int) -> bool:
    """Return whether version `proto` of the protocol has messages of this class."""
    return int(getattr(kind, "SINCE", 1)) <= proto


def encode(message: Message, proto: int = PROTO) -> list[bytes]:
    """Return the two parts [header, payload] of a message, as version `proto` writes it.

    Raises:
        VersionError: that version has no such kind; ask `speaks` first.
        LimitError: over MAX_MESSAGE bytes together.
    """
    if not speaks(type(message), proto):
        raise VersionError(f"{type(message).__name__}: version {proto} of the city link has no such kind")
    header, payload = _split(message, proto)
    parts = [bytes(msgpack.packb(header)), payload]
    if len(parts[0]) + len(payload) > MAX_MESSAGE:
        raise LimitError(f"{type(message).__name__}: over {MAX_MESSAGE} bytes")
    return parts


def _split(message: Message, proto: int) -> tuple[list[Any], bytes]:
    """Return the header's items and the payload."""
    values = vars(message)
    items = [_plain(values[name]) for name in _names(message.KIND, proto)]
    if isinstance(message, TaskReport):
        items[1], items[2] = _state_for(message.state, proto), _code_for(message.code, proto)
        return [message.KIND, *items], message.task
    if isinstance(message, TaskOrder):
        return [message.KIND, *items], message.task
    return [message.KIND, *items], message.records if isinstance(message, Batch) else b""


def _state_for(state: int, proto: int) -> int:
    """Return a state as `proto` knows it: version 1 has none after superseded and reads failed."""
    return task_codes.FAILED if state > task_codes.SUPERSEDED and proto < 2 else state


def _code_for(code: int, proto: int) -> int:
    """Return a refusal code as `proto` knows it: version 1 reads old_epoch as foreign, later ones as unauthorised."""
    if code < task_codes.OLD_EPOCH or proto >= 2:
        return code
    return task_codes.FOREIGN if code == task_codes.OLD_EPOCH else task_codes.UNAUTHORISED


def _plain(value: Any) -> Any:
    return list(vars(value).values()) if isinstance(value, Clock) else value


def decode(parts: Sequence[bytes]) -> Message:
    """Return the message in [header, payload], every field checked; items of later versions are ignored.

    Raises:
        UnknownKindError: a kind of a later version; count it, it has no effect.
        FrameError: malformed; the message names kind and field.
    """
    if len(parts) != 2:
        raise FrameError(f"city link: expected 2 parts [header, payload], found {len(parts)}")
    header, payload = parts
    if len(header) + len(payload) > MAX_MESSAGE:
        raise LimitError(f"city link: over {MAX_MESSAGE} bytes")
    items = checks.unpack(bytes(header), MAX_MESSAGE)
    if type(items) is not list or not items or type(items[0]) is not int:
        raise checks.refuse("city link", "an array that begins with a kind", items)
    kind = KINDS.get(items[0])
    if kind is None:
        raise UnknownKindError(f"city link: kind {items[0]} is not one of {sorted(KINDS)}")
    if payload and kind not in _WITH_PAYLOAD:
        raise FrameError(f"{kind.__name__}: this kind has no payload")
    return MAKERS[kind](_completed(kind, items[1:]), bytes(payload))


def _completed(kind: type[Any], items: list[Any]) -> list[Any]:
    """Return the items this version knows: surplus ones dropped, missing appended ones at their default."""
    known, required = _FIELDS[kind], _REQUIRED[kind]
    if len(items) < required:
        raise FrameError(f"{kind.__name__}: expected at least {required + 1} header items, found {len(items) + 1}")
    if len(items) > len(known) + MAX_SURPLUS:
        raise LimitError(f"{kind.__name__}: more than {MAX_SURPLUS} header items beyond those of version {PROTO}")
    return items[: len(known)] + [_default(item) for item in known[len(items) :]]
