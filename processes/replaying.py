"""Runs the engine again from its log. Pure: entries come in as values, so do the samples that they refer to.

A `Lane` is one engine that lives through a log; `Replay` compares what it decides with what was recorded.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np

from processes import digests
from processes.contract import F64, I64, U8
from processes.engine import Decision, Engine
from processes.errors import FrozenError
from processes.feed import Arrived
from processes.fingerprint import differing, fingerprint
from processes.instance import Instance
from processes.log import Entry

MAX_CATCH_UP = 4096
MAX_STATES = 4
MAX_DIFFERENCES = 10_000
INPUTS = frozenset({"act", "begin_anew"})
"""Methods of the engine that a log may call."""

Build = Callable[[Mapping[str, Any]], list[Instance]]


class Lane:
    """One engine that lives through a log. `build` makes the instances of a setup; `wanted`: states to remember."""

    def __init__(
        self, build: Build, wanted: Iterable[bytes], where: Literal["edge", "city"] = "city", *, fill: bool = False
    ) -> None:
        self._build, self._where, self._wanted = build, where, set(wanted)
        self._states: dict[bytes, bytes] = {}
        self._fill, self._ticked_utc_us = fill, 0
        self.engine = Engine((), where)

    def take(self, entry: Entry, series: Iterable[Arrived] = ()) -> list[Decision]:
        """Live through one entry; return what was decided. `series`: what a `take` entry refers to."""
        kind, *rest = entry
        if kind in ("start", "checkpoint"):
            self._begin(kind, *rest)
        elif kind == "frozen" and rest[0] in self._wanted:
            self._states[rest[0]] = self.engine.freeze()
            while len(self._states) > MAX_STATES:
                self._states.pop(next(iter(self._states)))
        elif kind == "reload":
            self.engine.replace(self._build(rest[0]), rest[1], int(rest[2]))
        elif kind == "lost":
            self.engine = Engine((), self._where)
        elif kind == "take":
            for one in series:
                self.engine.arrive(one.datastream, *one[1:5], cause=(rest[0], rest[1], sum(rest[3][-1]) - 1))
        elif kind == "samples":
            only = None if rest[5] is None else frozenset(rest[5])
            self.engine.arrive(rest[0], *_arrays(*rest[1:5]), only=only)
        elif kind == "retract":
            self.engine.retract(rest[0], np.frombuffer(rest[1], np.int64))
        elif kind == "input" and rest[0] in INPUTS:
            getattr(self.engine, rest[0])(*rest[1])
        elif kind == "tick":
            return self._tick(int(rest[0]))
        return []

    def _begin(self, kind: str, setup: Mapping[str, Any], second: Any, digest: bytes = b"") -> None:
        if kind == "checkpoint" and self.engine.instances:
            return  # the state is here already: a checkpoint is for those who begin with it
        self.engine = Engine(self._build(setup), self._where)
        frozen = second if kind == "checkpoint" else self._states.get(digest)
        if frozen is not None:
            try:
                self.engine.thaw(frozen)
            except FrozenError:
                return

    def _tick(self, now_utc_us: int) -> list[Decision]:
        """Return the decisions; a lane that fills up also steps at times when the recorded engine had none due."""
        found: list[Decision] = []
        for at_utc_us in self._between(now_utc_us) if self._fill else ():
            found += self.engine.advance(at_utc_us)
        self._ticked_utc_us = now_utc_us
        return found + self.engine.advance(now_utc_us)

    def _between(self, now_utc_us: int) -> list[int]:
        every = {round(i.config.every_s * 1e6) for i in self.engine.instances.values()} - {0}
        last = self._ticked_utc_us
        if not last:
            return []
        times = {t for step in every for t in range(last // step * step + step, now_utc_us, step)[-MAX_CATCH_UP:]}
        return sorted(times)


class Difference(NamedTuple):
    """A step that came out another way; None: there was none on that side."""

    instance: str
    step_utc_us: int
    recorded: list[Any] | None
    replayed: list[Any] | None

    @property
    def text(self) -> str:
        """Return what differs, in words."""
        if self.recorded is None:
            return "a step that was not recorded"
        if self.replayed is None:
            return "a recorded step was not made again"
        return "another outcome"


class Replay:
    """What was recorded beside what a lane decides, for ticks with event time in [from, to)."""

    def __init__(self, lane: Lane, from_utc_us: int, to_utc_us: int) -> None:
        self.lane = lane
        self._from, self._to = from_utc_us, to_utc_us
        self.recorded, self.replayed = digests.Chain(), digests.Chain()
        self.differences: list[Difference] = []
        self.changed = 0
        self.other_parts: set[str] = set()
        self.counts: Counter[str] = Counter()
        self._gists: dict[str, list[Any]] = {}

    def take(self, entry: Entry, series: Iterable[Arrived] = ()) -> list[Decision]:
        """Live through one entry; return what was decided within the window. `series`: what a `take` refers to."""
        self.counts[entry[0]] += 1
        if entry[0] in ("start", "checkpoint", "reload"):
            self.other_parts |= set(differing(entry[1]["fingerprint"], fingerprint()))
        decisions = self.lane.take(entry, series)
        if entry[0] != "tick":
            return []
        within = self._from <= entry[1] < self._to and bool(self.lane.engine.instances)
        self._compare(entry[2], decisions, within)
        return decisions if within else []

    def _compare(self, rows: list[list[Any]], decisions: list[Decision], within: bool) -> None:
        told: dict[str, list[list[Any]]] = {}
        made: dict[str, list[Decision]] = {}
        for row in rows:
            told.setdefault(row[0], []).append(row)
        for decision in decisions:
            made.setdefault(decision.instance, []).append(decision)
        for instance in sorted(told.keys() | made.keys()):
            self._compare_one(instance, told.get(instance, []), made.get(instance, []), within)

    def _compare_one(self, name: str, rows: list[list[Any]], made: list[Decision], within: bool) -> None:
        for at in range(max(len(rows), len(made))):
            row = rows[at] if at < len(rows) else None
            decision = made[at] if at < len(made) else None
            if row is not None:
                self._gists[name] = row[5] or self._gists.get(name, [[], []])
            if not within:
                continue
            found = None if decision is None else digests.digest(decision.step_utc_us, decision.outcome)
            if row is not None:
                self.recorded.add(name, row[4])
            if found is not None:
                self.replayed.add(name, found)
            if row is None or found != row[4]:
                self._differs(name, row, decision)

    def _differs(self, name: str, row: list[Any] | None, decision: Decision | None) -> None:
        self.changed += 1
        if len(self.differences) < MAX_DIFFERENCES:
            step = row[1] if row is not None else decision.step_utc_us if decision is not None else 0
            told = None if row is None else self._gists[name]
            now = None if decision is None else digests.gist(decision.outcome)
            self.differences.append(Difference(name, int(step), told, now))


def _arrays(times: bytes, values: bytes, sigmas: bytes, flags: bytes) -> tuple[I64, F64, F64, U8]:
    floats = np.frombuffer(values, np.float64), np.frombuffer(sigmas, np.float64)
    return np.frombuffer(times, np.int64), *floats, np.frombuffer(flags, np.uint8)
