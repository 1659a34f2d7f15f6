"""Decisions as canonical bytes, so that two runs can be compared bit for bit."""

import hashlib
import math
from collections.abc import Iterable, Mapping
from typing import Any

import msgpack

from processes.contract import Outcome

SIZE = 16


def canonical(step_utc_us: int, outcome: Outcome) -> bytes:
    """Return the estimates, alarms and proposals of a step as bytes: equal exactly when every bit of them is."""
    rows = [
        int(step_utc_us),
        [[e.name, int(e.valid_utc_us), *map(_number, e[2:])] for e in outcome.estimates],
        [[a.key, int(a.severity), _number(a.probability)] for a in outcome.alarms],
        [[p.port, _number(p.setpoint), int(p.valid_ms), p.reason] for p in outcome.proposals],
    ]
    return bytes(msgpack.packb(rows))


def digest(step_utc_us: int, outcome: Outcome) -> bytes:
    """Return 16 bytes that name a decision."""
    return hashlib.blake2b(canonical(step_utc_us, outcome), digest_size=SIZE).digest()


def gist(outcome: Outcome) -> list[Any]:
    """Return what of an outcome people ask for first: [[port, setpoint] ...], [alarm key ...]."""
    return [[[p.port, float(p.setpoint)] for p in outcome.proposals], [a.key for a in outcome.alarms]]


class Chain:
    """A hash per instance over its steps in their order; `head` is one over all of them."""

    def __init__(self) -> None:
        self.heads: dict[str, bytes] = {}
        self.steps: dict[str, int] = {}

    def add(self, instance: str, step_digest: bytes) -> None:
        """One step more."""
        before = self.heads.get(instance, bytes(SIZE))
        self.heads[instance] = hashlib.blake2b(before + step_digest, digest_size=SIZE).digest()
        self.steps[instance] = self.steps.get(instance, 0) + 1

    @property
    def head(self) -> str:
        """32 hex digits that stand for every step of every instance."""
        parts = (name.encode() + b"\0" + head for name, head in sorted(self.heads.items()))
        return hashlib.blake2b(b"".join(parts), digest_size=SIZE).hexdigest()


def of_files(files: Iterable[tuple[str, bytes]]) -> str:
    """Return 32 hex digits that name files by their names and content."""
    whole = hashlib.blake2b(digest_size=SIZE)
    for name, content in sorted(files):
        whole.update(len(content).to_bytes(8, "little") + name.encode() + b"\0" + content)
    return whole.hexdigest()


def of_map(data: Mapping[str, Any]) -> str:
    """Return 32 hex digits that name plain data, whatever the order of its keys."""
    return hashlib.blake2b(bytes(msgpack.packb(_ordered(data))), digest_size=SIZE).hexdigest()


def _ordered(data: Any) -> Any:
    if isinstance(data, Mapping):
        return [[str(key), _ordered(data[key])] for key in sorted(data, key=str)]
    return [_ordered(item) for item in data] if isinstance(data, list | tuple) else data


def _number(value: float) -> float:
    """Return a number as a float of this language; every NaN is the same one."""
    return math.nan if math.isnan(value) else float(value)
