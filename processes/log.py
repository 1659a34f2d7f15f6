"""The engine's log: all that a later run needs to decide the same again, and digests of what was decided.

Pure. An engine with a log notes ticks, inputs of people and decisions by itself; its host notes which stored
samples arrived, by reference. `take_rows` hands out what is to be made durable, as rows that can be read alone.
Entries are lists that begin with their kind:

    start       setup, thawed instances, digest of the frozen state that they came from (b"": none)
    checkpoint  setup, frozen state          a replay can begin here
    frozen      digest of the frozen state that was saved at this place
    reload      setup, instances that changed, event time
    take        thing, boot, digest of its manifest, [[first, n] ...], clock, pieces, only
    samples     datastream, times, values, sigmas, qualities, only          what is no new arrival
    retract     datastream, times
    input       name, arguments              what people did; begin_anew
    tick        event time, [[instance, step, amended, dispatch, digest, gist or None] ...], {instance: fault}
    lost        how many entries: the disk was full for too long
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgpack
import numpy.typing as npt

from processes import digests
from processes.contract import Outcome
from processes.fingerprint import fingerprint
from processes.instance import Instance
from protocol.manifest import Manifest, to_map

VERSION = 1
MAX_ENTRIES = 200_000
DAY_US = 86_400_000_000
Entry = list[Any]
Spans = Sequence[tuple[int, int]]


class Decided(Protocol):
    """What the log needs of a decision."""

    @property
    def instance(self) -> str:
        """Whose decision it is."""

    @property
    def step_utc_us(self) -> int:
        """The event time of the step."""

    @property
    def outcome(self) -> Outcome:
        """What it came to."""

    @property
    def amended(self) -> bool:
        """Whether a step at this time was made before."""

    @property
    def dispatch(self) -> bool:
        """Whether its proposals are to become tasks."""


class Row(NamedTuple):
    """Entries that belong together on disk, and the event times that they span.

    base: a replay can begin with it. thaws: digest of the frozen state that a start in it came from, or b"".
    """

    first_utc_us: int
    last_utc_us: int
    base: bool
    thaws: bytes
    body: bytes


class EngineLog:
    """Collects entries until they are taken to be stored. `day`: of the last base, in days of event time."""

    def __init__(self, day: int | None = None) -> None:
        self.entries: list[Entry] = []
        self.day = day
        self.now_utc_us = 0
        self._gists: dict[str, list[Any]] = {}
        self._faults: dict[str, str] = {}
        self._manifests: dict[tuple[str, str], tuple[Manifest, str]] = {}

    def start(self, instances: Iterable[Instance], thawed: Iterable[str], frozen: bytes | None) -> None:
        """The engine begins, or goes on from frozen state."""
        names = sorted(thawed)
        self._gists, self._faults = {}, {}
        self._add(["start", setup(instances), names, state_digest(frozen) if names and frozen else b""])

    def frozen(self, instances: Iterable[Instance], frozen: bytes) -> None:
        """The state is saved together with what was noted so far; the first of a day is kept as a checkpoint."""
        day = self.now_utc_us // DAY_US
        if day != self.day and self.now_utc_us:
            self.day, self._gists = day, {}
            self._add(["checkpoint", setup(instances), frozen])
        self._add(["frozen", state_digest(frozen)])

    def reload(self, instances: Iterable[Instance], changed: Iterable[str], now_utc_us: int) -> None:
        """Some instances were replaced, added or taken away."""
        self._add(["reload", setup(instances), sorted(changed), now_utc_us])

    def take(
        self, key: tuple[str, str], manifest: Manifest, spans: Spans, clock: Sequence[Any], pieces: Sequence[Any] = ()
    ) -> None:
        """Stored samples of (thing, boot) arrived, spans [(first, n) ...], under a clock and better pieces of one."""
        spans_row = [[int(first), int(n)] for first, n in spans]
        self._add(["take", *key, self._digest(key, manifest), spans_row, list(clock), list(pieces)])

    def samples(self, datastream: str, arrays: Sequence[npt.NDArray[Any]], only: Iterable[str] | None = None) -> None:
        """Samples (times, values, sigmas, qualities) that are no new arrival: with a better time, or read again."""
        packed = [array.tobytes() for array in arrays]
        self._add(["samples", datastream, *packed, None if only is None else sorted(only)])

    def retract(self, datastream: str, t_utc_us: npt.NDArray[Any]) -> None:
        """Samples were never at these times (n,)."""
        self._add(["retract", datastream, t_utc_us.tobytes()])

    def input(self, name: str, *arguments: str | int | float | bool | None) -> None:
        """Somebody did something: `name` is a method of the engine that replays it with these arguments."""
        self._add(["input", name, list(arguments)])

    def tick(self, now_utc_us: int, decisions: Iterable[Decided], faults: Mapping[str, str]) -> None:
        """Time went on to `now_utc_us`, and this was decided."""
        rows = [self._row(decision) for decision in decisions]
        new = {name: fault for name, fault in faults.items() if self._faults.get(name, "") != fault}
        self._faults |= new
        self.now_utc_us = now_utc_us
        self._add(["tick", now_utc_us, rows, new])

    def take_entries(self) -> list[Entry]:
        """Return what is to be stored now; `unsaved` takes it back if it could not be."""
        entries, self.entries = self.entries, []
        return entries

    def unsaved(self, entries: list[Entry]) -> None:
        """What was taken could not be stored."""
        self.entries = entries + self.entries

    def lose(self, count: int) -> None:
        """So many entries could not be stored and are gone: a replay begins anew with the next checkpoint."""
        self.entries, self.day = [["lost", count], *self.entries], None

    def _digest(self, key: tuple[str, str], manifest: Manifest) -> str:
        known, found = self._manifests.get(key, (None, ""))
        if known is not manifest:
            found = of_manifest(manifest)
            self._manifests[key] = manifest, found
        return found

    def _row(self, decision: Decided) -> list[Any]:
        found = digests.gist(decision.outcome)
        news = found if self._gists.get(decision.instance) != found else None
        self._gists[decision.instance] = found
        step = int(decision.step_utc_us)
        return [decision.instance, step, decision.amended, decision.dispatch,
                digests.digest(step, decision.outcome), news]  # fmt: skip

    def _add(self, entry: Entry) -> None:
        if len(self.entries) >= MAX_ENTRIES:  # nothing could be stored for long: begin anew with a checkpoint
            self.entries, self.day = [["lost", len(self.entries)]], None
        self.entries.append(entry)


def rows(entries: Iterable[Entry], first_utc_us: int) -> list[Row]:
    """Return entries as rows to store; each base and each start begins one. `first_utc_us`: before the first tick."""
    parts: list[list[Entry]] = []
    for entry in entries:
        if not parts or entry[0] in ("start", "checkpoint"):
            parts.append([])
        parts[-1].append(entry)
    made, at = [], first_utc_us
    for part in parts:
        ticks = [int(entry[1]) for entry in part if entry[0] == "tick"] or [at]
        thaws = part[0][3] if part[0][0] == "start" else b""
        made.append(Row(min(ticks), max(ticks), is_base(part[0]), thaws, pack(part)))
        at = ticks[-1]
    return made


def is_base(entry: Entry) -> bool:
    """Return whether a replay can begin with this entry: nothing that was before has a part in what follows."""
    return entry[0] == "checkpoint" or (entry[0] == "start" and not entry[2])


def pack(entries: list[Entry]) -> bytes:
    """Return entries as bytes."""
    return bytes(msgpack.packb([VERSION, entries]))


def unpack(body: bytes) -> list[Entry]:
    """Return the entries of a row. Raises: ValueError for another version."""
    version, entries = msgpack.unpackb(body, strict_map_key=False)
    if version != VERSION:
        raise ValueError(f"this part of the engine's log has version {version}, this release reads {VERSION}")
    return list(entries)


def setup(instances: Iterable[Instance]) -> dict[str, Any]:
    """Return what the instances are made of, and the fingerprint under which they run."""
    return {"instances": [_instance_row(instance) for instance in instances], "fingerprint": fingerprint()}


def _instance_row(instance: Instance) -> dict[str, Any]:
    return {
        "name": instance.name,
        "config": instance.config.model_dump(mode="json"),
        "seed": instance.seed,
        "templates": str(instance.template.folder.parent),
        "template_digest": instance.template.digest,
    }


def of_manifest(manifest: Manifest) -> str:
    """Return 16 hex digits that name what a Thing says about itself."""
    return digests.of_map(to_map(manifest))[:16]


def state_digest(frozen: bytes) -> bytes:
    """Return 16 bytes that name a frozen state."""
    return hashlib.blake2b(frozen, digest_size=digests.SIZE).digest()
