"""One instance in event time: its samples, its snapshots, its steps. Sans-IO; time comes in as a value.

A step happens at once on what has arrived. A sample that belongs before a step already made, but no
more than `lateness_s`, rewinds: the newest snapshot before it comes back and the steps are made again.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from processes.alarms.actions import Action, Actions
from processes.alarms.events import AlarmEvent, changes
from processes.alarms.life import after_acts, after_step
from processes.alarms.standing import Book
from processes.contract import F64, I64, U8, Outcome, State
from processes.instance import Instance
from processes.outcomes import checked, sealed
from processes.samples import Track

MAX_SNAPSHOTS = 256
MAX_STEPS = 4096
Cause = tuple[str, str, int]


class Snapshot(NamedTuple):
    """State and alarms right after the step at `step_utc_us`."""

    step_utc_us: int
    state: State
    book: Book


class Made(NamedTuple):
    """One step that was made: amended means a step at this time had been made before."""

    step_utc_us: int
    outcome: Outcome
    amended: bool


class Runner:
    """Steps one instance. `fault` is empty, or why it stopped: its own exception, which stops nobody else."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.tracks = {port: Track() for port, p in instance.template.ports.items() if p.role == "sense"}
        self.history: list[Snapshot] = []
        self.reached_utc_us = 0
        self.fault = ""
        self.actions = Actions()
        self.causes: dict[str, tuple[int, Cause]] = {}
        self.counters = {"steps": 0, "amended": 0, "too_late": 0, "skipped": 0}
        self.dirty_utc_us: int | None = None
        self.amended_utc_us = self._now_utc_us = 0
        self._told: Book = {}
        self._every_us = round(instance.config.every_s * 1e6)
        self._lateness_us = round(instance.config.lateness_s * 1e6)

    def arrive(self, port: str, source: int, t_utc_us: I64, value: F64, sigma: F64, quality: U8) -> None:
        """Take samples of one datastream in, arrays (n,); those too late are counted only."""
        keep = t_utc_us > self._horizon() if self.history else np.ones(t_utc_us.size, np.bool_)
        self.counters["too_late"] += int(t_utc_us.size - keep.sum())
        if not keep.any():
            return
        self.tracks[port].add(t_utc_us[keep], value[keep], sigma[keep], quality[keep], source)
        first = int(t_utc_us[keep].min())
        if self.history and first <= self.reached_utc_us:
            self.dirty_utc_us = first if self.dirty_utc_us is None else min(first, self.dirty_utc_us)

    def retract(self, port: str, source: int, t_utc_us: I64) -> None:
        """Forget samples of one datastream at these times (n,); steps that saw them are made again."""
        first = self.tracks[port].remove(t_utc_us, source)
        if self.history and first is not None and self._horizon() < first <= self.reached_utc_us:
            self.dirty_utc_us = first if self.dirty_utc_us is None else min(first, self.dirty_utc_us)

    def begin_anew(self) -> None:
        """Forget samples, steps and alarms; the next step is a first one."""
        self.tracks = {port: Track() for port in self.tracks}
        self.history, self.causes, self.reached_utc_us = [], {}, 0
        self.actions = Actions()
        self.dirty_utc_us, self.amended_utc_us = None, 0

    def mark(self) -> tuple[Any, ...]:
        """Return what an advance changes, if it does anything at all."""
        counted = tuple(self.counters.values())
        first = self.history[0].step_utc_us if self.history else None
        book = self.history[-1].book if self.history else {}
        return first, self.reached_utc_us, self.dirty_utc_us, self.fault, counted, book

    def advance(self, now_utc_us: int) -> tuple[list[Made], tuple[AlarmEvent, ...]]:
        """Return the steps made up to now, and how the alarms changed over them."""
        made: list[Made] = []
        self._now_utc_us = now_utc_us
        if self.fault or self._is_idle(now_utc_us):
            return made, ()
        if self.history and now_utc_us < self.reached_utc_us - max(self._lateness_us, self._every_us):
            self.begin_anew()  # the clock was set back: waiting until it is here again could take for ever
        try:
            for step in self._advance(now_utc_us):
                made.append(step)
        except (Exception, SystemExit) as error:  # a template's bug must not stop its neighbours
            self.fault = f"{type(error).__name__}: {error}"
        before, self._told = self._told, self.book
        return made, changes(before, self._told)

    @property
    def book(self) -> Book:
        """The alarms now: as after the last step, and what people did and which shelves ended since."""
        if not self.history:
            return {}
        last = self.history[-1]
        upto = max(self._now_utc_us, self.actions.last_utc_us)
        return after_acts(last.book, self.actions.between(last.step_utc_us, upto), upto)

    def act(self, action: Action) -> bool:
        """Record what a person did, in its place of event time; False if it is known. Steps after it are made again."""
        place = self.actions.record(action, self._horizon() if self.history else 0)
        if place is not None and self.history and place <= self.reached_utc_us:
            self.dirty_utc_us = place if self.dirty_utc_us is None else min(place, self.dirty_utc_us)
        return place is not None

    def as_told(self) -> None:
        """Take the alarms as they are for told: only changes from here on are events."""
        self._told = self.book

    def note_cause(self, datastream: str, t_utc_us: int, cause: Cause) -> None:
        """Remember the newest sample of a datastream, by event time."""
        if t_utc_us >= self.causes.get(datastream, (t_utc_us, cause))[0]:
            self.causes[datastream] = (t_utc_us, cause)

    def causes_upto(self, step_utc_us: int) -> tuple[Cause, ...]:
        """Return the newest samples that a step at this time knew of, one per datastream."""
        return tuple(cause for t, cause in self.causes.values() if t <= step_utc_us)

    def _horizon(self) -> int:
        return max(self.reached_utc_us - self._lateness_us, self.history[0].step_utc_us)

    def _advance(self, now_utc_us: int) -> Iterator[Made]:
        if not self.history:
            self._begin(now_utc_us)
        reached = self.reached_utc_us
        if self.dirty_utc_us is not None:
            if not self._may_amend(now_utc_us):
                return
            self._rewind(self.dirty_utc_us)
            self.amended_utc_us, self.dirty_utc_us = now_utc_us, None
        for step_utc_us in self._step_times(self.history[-1].step_utc_us, max(now_utc_us, reached)):
            yield Made(step_utc_us, self._step(step_utc_us), step_utc_us <= reached)
            self.reached_utc_us = max(self.reached_utc_us, step_utc_us)
            self.counters["amended" if step_utc_us <= reached else "steps"] += 1
        if self.history[-1].step_utc_us > reached:
            self._forget()

    def _begin(self, now_utc_us: int) -> None:
        every = self._every_us
        origin = now_utc_us // every * every - every if every else now_utc_us - self._lateness_us - 1
        state = sealed(self.instance.template.start(self.instance.site, self.instance.seed))
        self.history = [Snapshot(origin, state, {})]
        self.reached_utc_us = origin
        self.counters["too_late"] += sum(track.forget(origin) for track in self.tracks.values())

    def begin_before(self, now_utc_us: int) -> None:
        """Let the first step be `lateness_s` before `now_utc_us`."""
        every, origin = self._every_us, now_utc_us - self._lateness_us
        origin = origin // every * every if every else origin - 1
        try:
            state = sealed(self.instance.template.start(self.instance.site, self.instance.seed))
        except (Exception, SystemExit) as error:  # a template's bug must not stop its neighbours
            self.fault = f"{type(error).__name__}: {error}"
            return
        self.history, self.reached_utc_us = [Snapshot(origin, state, {})], origin

    def _is_idle(self, now_utc_us: int) -> bool:
        """Return whether nothing is due: hosts ask many times for each step."""
        if not self.history or self.dirty_utc_us is not None:
            return False
        last_utc_us, upto_utc_us = self.history[-1].step_utc_us, max(now_utc_us, self.reached_utc_us)
        if self._every_us:
            return upto_utc_us < last_utc_us + self._every_us
        return not any(track.holds(last_utc_us, upto_utc_us) for track in self.tracks.values())

    def _may_amend(self, now_utc_us: int) -> bool:
        """Return False within a quarter of a step after a rewind: the next one then serves many samples."""
        wait = self._every_us // 4
        return now_utc_us >= min(self.reached_utc_us + max(self._every_us, 1), self.amended_utc_us + wait)

    def _rewind(self, before_utc_us: int) -> None:
        while self.history[-1].step_utc_us >= before_utc_us:
            self.history.pop()

    def _step_times(self, last_utc_us: int, now_utc_us: int) -> list[int]:
        if self._every_us:
            grid = range(last_utc_us + self._every_us, now_utc_us + 1, self._every_us)
            times = list(grid[-MAX_STEPS:])  # never all of them: a clock may have been years behind
            self.counters["skipped"] += len(grid) - len(times)
            return times
        spans = [track.times(last_utc_us, now_utc_us) for track in self.tracks.values()]
        found: list[int] = np.unique(np.concatenate(spans)).tolist()
        self.counters["skipped"] += max(0, len(found) - MAX_STEPS)
        return found[-MAX_STEPS:]

    def _step(self, step_utc_us: int) -> Outcome:
        last = self.history[-1]
        seen = {port: track.between(last.step_utc_us, step_utc_us) for port, track in self.tracks.items()}
        template = self.instance.template
        outcome = template.step(self.instance.site, last.state, step_utc_us, seen)
        outcome = checked(outcome, template.ports)
        acts = self.actions.between(last.step_utc_us, step_utc_us)
        book = after_step(last.book, outcome.alarms, step_utc_us, self.instance.rules, acts)
        self.history.append(Snapshot(step_utc_us, outcome.state, book))
        if len(self.history) > MAX_SNAPSHOTS:
            half = MAX_SNAPSHOTS // 2
            self.history = [*_spread(self.history[:-half], half - 1, self._lateness_us), *self.history[-half:]]
        return outcome

    def _forget(self) -> None:
        edge = self.reached_utc_us - self._lateness_us
        while len(self.history) > 1 and self.history[1].step_utc_us <= edge:
            self.history.pop(0)
        self.actions.forget(self.history[0].step_utc_us)
        for track in self.tracks.values():
            track.forget(self.history[0].step_utc_us)


def _spread(history: list[Snapshot], most: int, lateness_us: int) -> list[Snapshot]:
    """Return at most `most` of these, the first among them, evenly over event time.

    What is kept once stays until it is older than `lateness_us`: then the first, and the samples after it, can go.
    """
    apart_us = max(lateness_us, history[-1].step_utc_us - history[0].step_utc_us) // most
    kept = history[:1]
    for later in history[1:]:
        if later.step_utc_us - kept[-1].step_utc_us > apart_us:
            kept.append(later)
    return kept


def begun_before(instance: Instance, now_utc_us: int) -> Runner:
    """Return a runner whose first step is `lateness_s` ago: what is stored since then can arrive in it."""
    runner = Runner(instance)
    runner.begin_before(now_utc_us)
    return runner
