"""Runs the city's processes: the engine, fed from what ingest committed, and what it decided last."""

from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from processes.engine import Decision, Engine
from processes.errors import FrozenError
from processes.estimates import estimate_rows
from processes.feed import Arrived, Feed
from processes.instance import Instance
from protocol.city_link import ClockRecord
from protocol.columns import decode, stamp_us
from protocol.manifest import Manifest

from .alarms.acts import Act, Acts
from .clocks.retiming import Move
from .clocks.table import ClockTable
from .ingest import Frame
from .latest import Latest
from .registry import Registry

MAX_CAUSES = 4096


@dataclass(frozen=True)
class Origin:
    """Where a cause comes from: event time of the sample, when its batch came and when it was stored."""

    t_utc_us: int
    city_rx_us: int
    city_store_us: int


@dataclass
class ProcessesHost:
    """The engine and its surroundings. Sans-IO."""

    engine: Engine
    registry: Registry
    latest: Latest
    clocks: ClockTable
    feed: Feed = field(default_factory=Feed)
    newest: dict[str, Decision] = field(default_factory=dict)
    held: dict[str, Counter[str]] = field(default_factory=dict)
    alarm_events: int = 0
    unknown_manifest: int = 0
    acts: Acts = field(default_factory=Acts)
    _origins: OrderedDict[tuple[str, str, int], Origin] = field(default_factory=OrderedDict)

    @classmethod
    def of(
        cls, instances: Iterable[Instance], registry: Registry, latest: Latest, clocks: ClockTable
    ) -> "ProcessesHost":
        """Return a host of the instances that run at the city."""
        return cls(Engine(instances, where="city"), registry, latest, clocks)

    def arrived(
        self, frame: Frame, stored_us: int, spans: Sequence[tuple[int, int]] = ()
    ) -> list[Arrived]:
        """Feed a committed frame to `latest` and the engine; return its series. `spans`: [first, n) of its parts."""
        manifest = self.registry.manifest(frame.thing, frame.boot)
        if manifest is None:
            self.unknown_manifest += 1
            return []
        found = self._show(frame, manifest)
        cause = (frame.thing, frame.boot, frame.first + frame.n - 1)
        self._log_arrival(frame, manifest, found, spans or [(frame.first, frame.n)])
        for series in found:
            self.engine.arrive(series.datastream, *series[1:5], cause=cause)
            if series.datastream in self.engine.datastreams:
                self._note(cause, Origin(int(series.t_utc_us.max()), frame.city_rx_us, stored_us))
        return found

    def _log_arrival(
        self, frame: Frame, manifest: Manifest, found: list[Arrived], spans: Sequence[tuple[int, int]]
    ) -> None:
        """Note by reference what the engine is about to see."""
        log = self.engine.log
        if log is None or not any(series.datastream in self.engine.datastreams for series in found):
            return
        key, stamps = (frame.thing, frame.boot), stamp_us(decode(frame.records))
        pieces = self.clocks.covering(key, int(stamps.min()), int(stamps.max()))
        rows = [[piece.first_us, piece.end_us, *vars(piece.clock).values()] for piece in pieces]
        log.take(key, manifest, spans, list(vars(frame.clock).values()), rows)

    def remember(self, frame: Frame) -> None:
        """Let `latest` know a stored frame that the engine has seen before."""
        manifest = self.registry.manifest(frame.thing, frame.boot)
        if manifest is not None:
            self._show(frame, manifest)

    def _show(self, frame: Frame, manifest: Manifest) -> list[Arrived]:
        """Let `latest` know a frame; return the samples whose event time is known, as series."""
        stamps = stamp_us(decode(frame.records))
        times, known = self.clocks.times((frame.thing, frame.boot), stamps, frame.clock)
        self.feed.unsynced_batches += not known.all()
        found: list[Arrived] = []
        for series in self.feed.placed(frame.thing, manifest, times, frame.records):
            mine = known if known.all() else np.isin(series.stamp_us, stamps[known])
            if mine.all():
                found.append(series)
                self.latest.arrived(series, frame.boot)
                continue
            self.latest.untimed(series.only(~mine), frame.boot, frame.city_rx_us)
            if mine.any():
                found.append(series.only(mine))
                self.latest.arrived(found[-1], frame.boot)
        return found

    def senses(self, manifest: Manifest) -> bool:
        """Whether some process here senses a datastream of this Thing."""
        return any(f"{manifest.thing}/{channel.name}" in self.engine.datastreams for channel in manifest.channels)

    def moved(self, moves: Iterable[Move]) -> int:
        """Let the engine forget samples at their old times and see them at their new ones; return how many."""
        n = 0
        for series, old_utc_us, seen in moves:
            if self.engine.log is not None and series.datastream in self.engine.datastreams:
                self.engine.log.retract(series.datastream, old_utc_us[seen])
                self.engine.log.samples(series.datastream, series[1:5])
            self.engine.retract(series.datastream, old_utc_us[seen])
            self.engine.arrive(series.datastream, *series[1:5])
            n += int(series.t_utc_us.size)
        return n

    def better(self, record: ClockRecord) -> None:
        """A clock record is durable: what `latest` shows of these samples gets its new time."""
        self.latest.retimed(record)

    def advance(self, now_utc_us: int) -> list[Decision]:
        """Return the decisions that are due by now (event time)."""
        decisions = self.engine.advance(now_utc_us)
        for decision in decisions:
            old = self.newest.get(decision.instance)
            if old is None or decision.step_utc_us >= old.step_utc_us:
                self.newest[decision.instance] = decision
            self.alarm_events += len(decision.alarm_events)
        return decisions

    def origin(self, decision: Decision) -> Origin | None:
        """Return where the newest known cause of a decision comes from."""
        known = [self._origins[cause] for cause in decision.causes if cause in self._origins]
        return max(known, key=lambda origin: origin.t_utc_us) if known else None

    def actuators(self) -> list[str]:
        """Return the actuators that processes in mode act command from here."""
        acting = [i for i in self.engine.instances.values() if i.config.mode == "act"]
        return sorted({respond.actuator for i in acting for respond in i.config.responds.values()})

    def act(self, act: Act) -> None:
        """A person did something to an alarm, durably: the engine has it now, edge nodes are told soon."""
        self.acts.add(act)
        self.engine.act(act.instance, *act.action)

    def act_again(self, acts: Iterable[Act]) -> None:
        """After a start: the engine gets the acts that its snapshot does not know yet."""
        self.acts = Acts(acts)
        for act in self.acts.newest:
            self.engine.act(act.instance, *act.action)

    def thaw(self, frozen: bytes) -> list[str]:
        """Continue from a snapshot; return the instances that do, none if it is of another shape."""
        try:
            return self.engine.thaw(frozen)
        except FrozenError:
            return []

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows of /estimates: one per instance."""
        return estimate_rows(self.engine, self.newest)

    def _note(self, cause: tuple[str, str, int], origin: Origin) -> None:
        self._origins[cause] = origin
        while len(self._origins) > MAX_CAUSES:
            self._origins.popitem(last=False)
