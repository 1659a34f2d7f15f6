"""Runs one process on series that are there already and says what it would have done; nothing is sent. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from processes.engine import Engine
from processes.feed import Arrived
from processes.instance import Instance
from processes.moves import Moves
from processes.scoring import Scores

TICK_US = 60_000_000
JUDGE_EVERY = 500
MAX_EVENTS = 10_000


class Trial:
    """One instance with an engine of its own. Give it chunks of series in the order of their times, then `finish`."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self._engine = Engine([instance], "edge" if instance.config.runs_on == "edge" else "city")
        self._tick_us = round(instance.config.every_s * 1e6) or TICK_US
        self._moves, self._scores = Moves(), Scores(instance)
        self._events: list[dict[str, Any]] = []
        self._samples: dict[str, int] = {s: 0 for streams in instance.config.senses.values() for s in streams}
        self._span: tuple[int, int] | None = None
        self._last: Any = None
        self._ticks = 0

    def take(self, chunk: Sequence[Arrived]) -> None:
        """Let a chunk arrive, sample by sample as far as steps can tell."""
        mine = [one for one in chunk if one.datastream in self._samples and one.t_utc_us.size]
        if not mine:
            return
        first, last = min(int(s.t_utc_us.min()) for s in mine), max(int(s.t_utc_us.max()) for s in mine)
        self._span = first if self._span is None else self._span[0], last
        for one in mine:
            self._samples[one.datastream] += one.t_utc_us.size
        for upto in range(first // self._tick_us * self._tick_us, last + self._tick_us, self._tick_us):
            self._arrive(mine, upto)
            self._advance(upto)

    def finish(self) -> dict[str, Any]:
        """Return the report as JSON has it."""
        self._scores.judge()
        (health,) = self._engine.health()
        outcome = self._last.outcome if self._last else None
        return {
            "instance": self.instance.name, "template": self.instance.template.name,
            "from_utc_us": self._span[0] if self._span else None, "to_utc_us": self._span[1] if self._span else None,
            "steps": health["steps"], "amended": health["amended"], "too_late": health["too_late"],
            "fault": health["reason"], "samples": self._samples,
            "tasks": [move._asdict() for move in self._moves.made], "alarm_events": self._events,
            "standing": [row["key"] for row in health["alarms"]],
            "estimates": [estimate._asdict() for estimate in outcome.estimates] if outcome else [],
            "scores": self._scores.rows(),
        }  # fmt: skip

    def _arrive(self, mine: Iterable[Arrived], upto_utc_us: int) -> None:
        for one in mine:
            now = (one.t_utc_us <= upto_utc_us) & (one.t_utc_us > upto_utc_us - self._tick_us)
            if now.any():
                part = one.only(now)
                self._engine.arrive(part.datastream, *part[1:5])
                self._scores.heard([part])

    def _advance(self, now_utc_us: int) -> None:
        decisions = self._engine.advance(now_utc_us)
        for decision in decisions:
            self._last = decision
            room = MAX_EVENTS - len(self._events)
            self._events += [event._asdict() for event in decision.alarm_events][:room]
        self._moves.decided(decisions)
        self._scores.decided(decisions)
        self._ticks += 1
        if self._ticks % JUDGE_EVERY == 0:
            self._scores.judge(now_utc_us)


def run(instance: Instance, chunks: Iterable[Sequence[Arrived]]) -> dict[str, Any]:
    """Return the report of a trial on all chunks."""
    trial = Trial(instance)
    for chunk in chunks:
        trial.take(chunk)
    return trial.finish()


def series(datastream: str, rows: Sequence[tuple[int, float, float, int]]) -> Arrived:
    """Return rows (event time us, value, sigma, quality) as a series."""
    times = np.array([row[0] for row in rows], np.int64)
    values, sigmas = (np.array([row[n] for row in rows], np.float64) for n in (1, 2))
    return Arrived(datastream, times, values, sigmas, np.array([row[3] for row in rows], np.uint8), times)


def by_stream(rows: Iterable[tuple[str, tuple[int, float, float, int]]]) -> Iterator[Arrived]:
    """Yield rows (datastream, row) as one series per datastream."""
    found: dict[str, list[tuple[int, float, float, int]]] = {}
    for name, row in rows:
        found.setdefault(name, []).append(row)
    yield from (series(name, mine) for name, mine in found.items())
