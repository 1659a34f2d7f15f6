"""The engine: routes what arrives to the instances that sense it, and steps them in event time.

Pure: no clock, no file, no socket. The same arrivals and the same times give the same decisions.

    engine = Engine([read_instance(path)], where="edge")
    engine.arrive("edge-1/river-1.water_level", t_utc_us, value, sigma, quality)
    for decision in engine.advance(now_utc_us): ...
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from processes import frozen
from processes.alarms.actions import Action
from processes.alarms.events import AlarmEvent
from processes.alarms.life import standing
from processes.alarms.refusals import refusal
from processes.alarms.standing import DEFAULT, Standing, alarm_row
from processes.alarms.table import NORMAL
from processes.contract import Outcome
from processes.errors import ConfigError
from processes.instance import Instance
from processes.log import EngineLog
from processes.runner import Cause, Made, Runner, begun_before
from protocol.tasks import task_id


@dataclass(frozen=True)
class Decision:
    """One step of one instance.

    dispatch: its proposals are to become tasks (the newest step, made for the first time, mode "act").
    task_ids and actuators: by respond port, for ports bound to an actuator. causes: newest sample per
    sensed datastream. alarm_events: on the last decision of an instance in one advance.
    """

    instance: str
    step_utc_us: int
    outcome: Outcome
    amended: bool
    dispatch: bool
    mode: Literal["act", "advise"]
    task_ids: Mapping[str, bytes]
    actuators: Mapping[str, str]
    causes: tuple[Cause, ...]
    alarm_events: tuple[AlarmEvent, ...]


class Engine:
    """Runs the instances placed at `where` ("both" runs at either)."""

    def __init__(self, instances: Iterable[Instance], where: Literal["edge", "city"]) -> None:
        self.where = where
        self.instances = {i.name: i for i in self._placed(instances)}
        self.runners = {name: Runner(i) for name, i in self.instances.items()}
        self._routes: dict[str, list[tuple[Runner, str, int]]] = {}
        self.log: EngineLog | None = None
        for runner in self.runners.values():
            self._route(runner)

    @property
    def datastreams(self) -> frozenset[str]:
        """Datastream ids that some instance senses."""
        return frozenset(self._routes)

    def arrive(
        self,
        datastream: str,
        t_utc_us: npt.ArrayLike,
        value: npt.ArrayLike,
        sigma: npt.ArrayLike,
        quality: npt.ArrayLike,
        *,
        cause: Cause | None = None,
        only: frozenset[str] | None = None,
    ) -> None:
        """Take samples in, arrays (n,) in event time; `cause` is (thing, boot, seq) of the last one.

        `only`: the instances that are to have them; None: all that sense the datastream.
        """
        routes = self._routes.get(datastream)
        times = np.asarray(t_utc_us, np.int64)
        if routes is None or not times.size:
            return
        floats = np.asarray(value, np.float64), np.asarray(sigma, np.float64)
        flags = np.asarray(quality, np.uint8)
        for runner, port, source in routes:
            if only is not None and runner.instance.name not in only:
                continue
            runner.arrive(port, source, times, *floats, flags)
            if cause is not None:
                runner.note_cause(datastream, int(times.max()), cause)

    def retract(self, datastream: str, t_utc_us: npt.ArrayLike) -> None:
        """Forget the samples of a datastream at these times (n,): they were never then."""
        times = np.asarray(t_utc_us, np.int64)
        for runner, port, source in self._routes.get(datastream, ()):
            if times.size:
                runner.retract(port, source, times)

    def advance(self, now_utc_us: int) -> list[Decision]:
        """Make every step that is due; return the decisions, per instance in step order."""
        decisions: list[Decision] = []
        before = [runner.mark() for runner in self.runners.values()]
        for runner in self.runners.values():
            made, events = runner.advance(now_utc_us)
            for at, step in enumerate(made, 1):
                decisions.append(_decision(runner, step, at == len(made), events))
        if self.log is not None and before != [runner.mark() for runner in self.runners.values()]:
            faults = {name: runner.fault for name, runner in self.runners.items() if runner.fault}
            self.log.tick(now_utc_us, decisions, faults)
        return decisions

    def alarms(self) -> list[tuple[str, Standing]]:
        """Return (instance, alarm) for all alarms that are not normal."""
        return [(name, s) for name, runner in self.runners.items() for s in standing(runner.book).values()]

    def refusal(self, instance: str, action: Action) -> tuple[str, str]:
        """Return (code, text) why a person may not do this to an alarm now, ("", "") if they may."""
        runner = self.runners.get(instance)
        if runner is None:
            return "unknown_instance", f"no process {instance!r} here; there are: {', '.join(sorted(self.runners))}"
        return refusal(action, runner.book, runner.instance.rules)

    def act(self, instance: str, *action: Any) -> bool:
        """Record what a person did to an alarm, the fields of an Action; False: known already, or no such process."""
        runner = self.runners.get(instance)
        if runner is None or not runner.act(Action(*action)):
            return False
        self._note("act", instance, *action)
        return True

    def changed_by(self, instances: Iterable[Instance]) -> list[str]:
        """Return the names of those that a reload with these instances would start, start again, or end."""
        new = {i.name: _made_of(i) for i in self._placed(instances)}
        old = {i.name: _made_of(i) for i in self.instances.values()}
        return sorted(name for name in new.keys() | old.keys() if new.get(name) != old.get(name))

    def replace(self, instances: Iterable[Instance], changed: Iterable[str], now_utc_us: int) -> None:
        """Run these instances from now on. Those in `changed` begin `lateness_s` ago, the others just go on.

        The caller lets what is stored since then arrive again, for the changed ones only.
        """
        new = {i.name: i for i in self._placed(instances)}
        again = [name for name in new if name in set(changed) or name not in self.runners]
        kept = {name: runner for name, runner in self.runners.items() if name in new and name not in again}
        begun = {name: begun_before(new[name], now_utc_us) for name in again}
        for table in (self.instances, self.runners, self._routes):
            table.clear()
        self.runners.update({name: kept.get(name) or begun[name] for name in new})
        self.instances.update({name: runner.instance for name, runner in self.runners.items()})
        for runner in self.runners.values():
            self._route(runner)
        if self.log is not None:
            self.log.reload(self.instances.values(), changed, now_utc_us)

    def begin_anew(self) -> None:
        """Forget samples and steps: event time jumped, and what was before has no place on the new time line."""
        self._note("begin_anew")
        for runner in self.runners.values():
            runner.begin_anew()

    def freeze(self) -> bytes:
        """Return all running state as bytes; they are to be stored together with what the log has up to here."""
        data = frozen.freeze(self.runners)
        if self.log is not None:
            self.log.frozen(self.instances.values(), data)
        return data

    def thaw(self, data: bytes) -> list[str]:
        """Continue from frozen bytes; return the instances that do. Raises: FrozenError."""
        return frozen.thaw(data, self.runners)

    def health(self) -> list[dict[str, Any]]:
        """Return one dict per instance: state ("running", "waiting", "faulted"), reason, counts, alarms."""
        return [_health(runner) for runner in self.runners.values()]

    def _placed(self, instances: Iterable[Instance]) -> list[Instance]:
        """Return the instances that run here. Raises: ConfigError if two have the same name."""
        placed = [i for i in instances if i.config.runs_on in (self.where, "both")]
        if twice := sorted(name for name, count in Counter(i.name for i in placed).items() if count > 1):
            raise ConfigError(f"two process files are named {twice[0]}; a process is named by its file: rename one")
        return placed

    def _note(self, name: str, *arguments: str | int | float | bool | None) -> None:
        """Log an input, so that a replay calls the method `name` with the same arguments."""
        if self.log is not None:
            self.log.input(name, *arguments)

    def _route(self, runner: Runner) -> None:
        for port, streams in runner.instance.config.senses.items():
            for source, datastream in enumerate(streams):
                self._routes.setdefault(datastream, []).append((runner, port, source))


def _made_of(instance: Instance) -> tuple[str, int, str]:
    return instance.config.model_dump_json(), instance.seed, instance.template.digest


def _decision(runner: Runner, made: Made, newest: bool, events: tuple[AlarmEvent, ...]) -> Decision:
    config, name = runner.instance.config, runner.instance.name
    bound = [p.port for p in made.outcome.proposals if p.port in config.responds]
    return Decision(
        instance=name,
        step_utc_us=made.step_utc_us,
        outcome=made.outcome,
        amended=made.amended,
        dispatch=newest and not made.amended and config.mode == "act",
        mode=config.mode,
        task_ids={port: task_id(name, made.step_utc_us, port) for port in bound},
        actuators={port: config.responds[port].actuator for port in bound},
        causes=runner.causes_upto(made.step_utc_us),
        alarm_events=events if newest else (),
    )


def _health(runner: Runner) -> dict[str, Any]:
    running, alarms = "running" if runner.history else "waiting", _alarm_rows(runner)
    return {
        "instance": runner.instance.name,
        "template": runner.instance.template.name,
        "mode": runner.instance.config.mode,
        "state": "faulted" if runner.fault else running,
        "reason": runner.fault,
        "last_step_utc_us": runner.reached_utc_us,
        **runner.counters,
        "dropped": sum(track.dropped for track in runner.tracks.values()),
        "chattering": sum(row["chattering"] for row in alarms),
        "standing": sum(row["standing"] for row in alarms),
        "alarms": [row for row in alarms if row["state"] != NORMAL],
    }


def _alarm_rows(runner: Runner) -> list[dict[str, Any]]:
    rules, now_utc_us = runner.instance.rules, runner.reached_utc_us
    return [alarm_row(row, rules.get(key, DEFAULT), now_utc_us) for key, row in runner.book.items()]
