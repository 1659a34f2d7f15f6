"""Runs the city's processes: the engine, fed from what ingest committed, and what it decided last."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from processes.engine import Decision, Engine
from processes.errors import FrozenError
from processes.estimates import estimate_rows
from processes.feed import Arrived, Feed
from processes.instance import Instance

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
    feed: Feed = field(default_factory=Feed)
    newest: dict[str, Decision] = field(default_factory=dict)
    alarm_events: int = 0
    unknown_manifest: int = 0
    _origins: OrderedDict[tuple[str, str, int], Origin] = field(default_factory=OrderedDict)

    @classmethod
    def of(cls, instances: Iterable[Instance], registry: Registry, latest: Latest) -> "ProcessesHost":
        """Return a host of the instances that run at the city."""
        return cls(Engine(instances, where="city"), registry, latest)

    def arrived(self, frame: Frame, stored_us: int) -> list[Arrived]:
        """Feed a committed frame to `latest` and the engine; return its series."""
        manifest = self.registry.manifest(frame.thing, frame.boot)
        if manifest is None:
            self.unknown_manifest += 1
            return []
        found = self.feed.from_records(frame.thing, manifest, frame.clock, frame.records)
        cause = (frame.thing, frame.boot, frame.first + frame.n - 1)
        for series in found:
            self.latest.arrived(series)
            self.engine.arrive(series.datastream, *series[1:], cause=cause)
            if series.datastream in self.engine.datastreams:
                self._note(cause, Origin(int(series.t_utc_us.max()), frame.city_rx_us, stored_us))
        return found

    def remember(self, frame: Frame) -> None:
        """Let `latest` know a stored frame that the engine has seen before."""
        manifest = self.registry.manifest(frame.thing, frame.boot)
        if manifest is not None:
            for series in self.feed.from_records(frame.thing, manifest, frame.clock, frame.records):
                self.latest.arrived(series)

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
