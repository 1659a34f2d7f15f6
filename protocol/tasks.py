"""A task as it travels: one absolute setpoint for one actuator, with deadline, causes and stamps. CPython.

The city signs the encoded bytes with Ed25519 and the edge verifies those bytes before it decodes them.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Any

import msgpack  # type: ignore[import-untyped]
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from . import checks
from .city_messages import MAX_TASK
from .errors import FrameError

MAX_BYTES = MAX_TASK
MAX_CAUSES = 32
MAX_LEASE_MS = 24 * 3600 * 1000
SIGNATURE_SIZE = 64
REFLEX = b"cityreflex reflex 1\0"
ITEMS_V1 = 13
ITEMS = 18
MAX_SURPLUS = 16
MAX_APPROVED = 8
OPERATE, SELECT, CANCEL, TRIP, RESET = range(5)
VERBS = {OPERATE: "operate", SELECT: "select", CANCEL: "cancel", TRIP: "trip", RESET: "reset"}

Cause = tuple[str, str, int]


@dataclass
class Task:
    """What shall be done.

    `lease_ms`: real milliseconds that the setpoint stays valid; `not_after_us`: last moment to begin, in the
    boottime (microseconds) of `edge` under `edge_boot`; `fence`: of the lease it was made under; `causes`:
    (thing, boot, seq) of the samples that led to it; `stamps`: hop name to nanoseconds; `epoch`: the city's
    restore epoch, an older one than the edge knows is refused; `verb`: what is to be done with it (VERBS); `rank`:
    who asks, "city" (a process) or "operator"; `person`: which one; `approved`: people beside that one who approved.
    """

    task_id: bytes
    actuator: str
    setpoint: float
    lease_ms: int
    instance: str
    step_utc_us: int
    edge: str
    edge_boot: str
    not_after_us: int
    fence: int
    causes: list[Cause] = field(default_factory=list)
    stamps: dict[str, int] = field(default_factory=dict)
    reason: str = ""
    epoch: int = 0
    verb: int = OPERATE
    rank: str = "city"
    person: str = ""
    approved: list[str] = field(default_factory=list)


def task_id(instance: str, step_utc_us: int, port: str) -> bytes:
    """Return the 16-byte id of what `instance` proposes for `port` at a step.

    The same step gives the same id wherever and however often it runs, so it cannot act twice.
    """
    return hashlib.sha256(msgpack.packb([instance, step_utc_us, port])).digest()[:16]


def encode(task: Task) -> bytes:
    """Return the task as msgpack bytes, to be signed and sent as they are, without defaults at the end.

    So one task has one encoding, and that of a process's task without an epoch is the one version 1 knows.

    Raises:
        FrameError: a field is out of its limits.
    """
    _check(task)
    items = [
        task.task_id,
        task.actuator,
        float(task.setpoint),
        task.lease_ms,
        task.instance,
        task.step_utc_us,
        task.edge,
        task.edge_boot,
        task.not_after_us,
        task.fence,
        [list(cause) for cause in task.causes],
        task.stamps,
        task.reason,
        *_later_items(task),
    ]
    data = bytes(msgpack.packb(items))
    if len(data) > MAX_BYTES:
        raise FrameError(f"task: {len(data)} bytes, at most {MAX_BYTES} allowed")
    return data


def _later_items(task: Task) -> list[Any]:
    """Return the items after version 1's: it takes exactly 13, and so do stores that release 0.1.0 reads again."""
    items = [task.epoch, task.verb, task.rank, task.person, task.approved]
    while items and items[-1] == _DEFAULTS[len(items) - 1]:
        items.pop()
    return items


def decode(data: bytes) -> Task:
    """Return the task in `data`, every field checked; version 1 has 13 items, surplus ones are ignored.

    Raises:
        FrameError: malformed; the message names the field.
    """
    items = checks.array("task", checks.unpack(data, MAX_BYTES, 4, 256), ITEMS + MAX_SURPLUS)[:ITEMS]
    if len(items) < ITEMS_V1:
        raise checks.refuse("task", f"an array of at least {ITEMS_V1} items", items)
    causes = [_cause(item) for item in checks.array("task.causes", items[10], MAX_CAUSES)]
    items[2] = checks.number("task.setpoint", items[2])
    items[10] = causes
    task = Task(*items)
    _check(task)
    return task


def _cause(item: Any) -> Cause:
    """Return one (thing, boot, seq)."""
    thing, boot, seq = checks.array("task.causes[]", item, 3, 3)
    return checks.name("cause.thing", thing), checks.name("cause.boot", boot), _u32("cause.seq", seq)


def _u32(name: str, value: Any) -> int:
    return checks.integer(name, value, 0, checks.MAX_U32)


def _check(task: Task) -> None:
    """Raise FrameError if a field has the wrong type or is out of its limits."""
    checks.binary("task.task_id", task.task_id, 16)
    checks.name("task.actuator", task.actuator)
    checks.number("task.setpoint", task.setpoint)
    checks.integer("task.lease_ms", task.lease_ms, 0, MAX_LEASE_MS)
    checks.name("task.instance", task.instance)
    checks.integer("task.step_utc_us", task.step_utc_us)
    checks.name("task.edge", task.edge)
    checks.text("task.edge_boot", task.edge_boot)
    checks.integer("task.not_after_us", task.not_after_us)
    checks.integer("task.fence", task.fence)
    checks.stamps("task.stamps", task.stamps)
    checks.text("task.reason", task.reason, 200)
    checks.integer("task.epoch", task.epoch)
    checks.integer("task.verb", task.verb, 0, len(VERBS) - 1)
    checks.name("task.rank", task.rank)
    checks.text("task.person", task.person)
    for name in checks.array("task.approved", task.approved, MAX_APPROVED):
        checks.name("task.approved[]", name)
    if len(task.causes) > MAX_CAUSES:
        raise checks.refuse("task.causes", f"up to {MAX_CAUSES} causes", len(task.causes))


_DEFAULTS: tuple[Any, ...] = (0, OPERATE, "city", "", [])


def sign(private: bytes, data: bytes) -> bytes:
    """Return the 64-byte Ed25519 signature of `data`; `private` is the raw 32-byte key."""
    return Ed25519PrivateKey.from_private_bytes(private).sign(data)


def verify(public: bytes, data: bytes, signature: bytes) -> bool:
    """Return whether `signature` is that of `data` under the raw 32-byte public key."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True


def sign_reflex(private: bytes, data: bytes) -> bytes:
    """Return a node's signature of a task of its own processes: never one that a city could have made."""
    return sign(private, REFLEX + data)


def verify_reflex(public: bytes, data: bytes, signature: bytes) -> bool:
    """Return whether `signature` is that of `sign_reflex` under the raw 32-byte public key."""
    return verify(public, REFLEX + data, signature)


def public_of(private: bytes) -> bytes:
    """Return the raw 32-byte public key of a raw 32-byte Ed25519 private key."""
    return Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def new_keys() -> tuple[bytes, bytes]:
    """Return a fresh Ed25519 pair (private, public), raw 32 bytes each."""
    private = Ed25519PrivateKey.generate()
    return private.private_bytes_raw(), private.public_key().public_bytes_raw()
