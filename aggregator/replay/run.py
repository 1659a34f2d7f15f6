"""Replays a recording: is every decision what it was, and what would another process file have made of it?"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from processes.engine import Decision
from processes.instance import Instance
from processes.log import Entry
from processes.moves import Moves, compare
from processes.replaying import Lane, Replay
from processes.scoring import Scores

from .recording import Progress, Recording, builder, readable

MAX_SHOWN = 1000
JUDGE_EVERY = 500


@dataclass
class Tally:
    """What one instance did in one run: its moves and its scores."""

    instance: Instance
    moves: Moves = field(default_factory=Moves)

    def __post_init__(self) -> None:
        self.scores = Scores(self.instance)
        self._ticks = 0

    def tick(self, decisions: Iterable[Decision], now_utc_us: int) -> None:
        """Take in what a tick decided."""
        mine = [decision for decision in decisions if decision.instance == self.instance.name]
        self.moves.decided(mine)
        self.scores.decided(mine)
        self._ticks += 1
        if self._ticks % JUDGE_EVERY == 0:
            self.scores.judge(now_utc_us)


class Run:
    """One pass over a recording, for ticks with event time in [from, to); `instead`: another process, beside it."""

    def __init__(
        self, recording: Recording, from_utc_us: int, to_utc_us: int, templates: Iterable[Path] = (),
        instead: Instance | None = None,
    ) -> None:  # fmt: skip
        self._recording, self._span, self._instead = recording, (from_utc_us, to_utc_us), instead
        wanted, folders = recording.wanted(), list(templates)
        where = recording.where
        self.replay = Replay(Lane(builder(folders), wanted, where), from_utc_us, to_utc_us)
        self._other = Lane(builder(folders, instead), wanted, where, fill=True) if instead is not None else None
        self._tallies: dict[str, Tally] = {}
        self._new = Tally(instead) if instead is not None else None

    def run(self, progress: Progress = lambda done, of: None) -> dict[str, Any]:
        """Return the report as JSON has it. Raises: NoRecordingError, DamagedError, processes.errors.ProcessError."""
        for entry in self._recording.entries(*self._span, progress):
            with readable("an entry of the engine's log"):
                self._take(entry)
        for tally in self._all():
            tally.scores.judge()
        return self._report()

    def _take(self, entry: Entry) -> None:
        series = self._recording.frames.series(entry) if entry[0] == "take" else []
        made = self.replay.take(entry, series)
        other = self._other.take(entry, series) if self._other is not None else []
        for tally in self._all():
            tally.scores.heard(series)
        if entry[0] == "tick" and self._span[0] <= entry[1] < self._span[1]:
            for name, tally in self._known().items():
                tally.tick([one for one in made if one.instance == name], entry[1])
            if self._new is not None:
                self._new.tick(other, entry[1])

    def _known(self) -> dict[str, Tally]:
        for name, instance in self.replay.lane.engine.instances.items():
            if name not in self._tallies:
                self._tallies[name] = Tally(instance)
        return self._tallies

    def _all(self) -> list[Tally]:
        return [*self._tallies.values(), *([self._new] if self._new is not None else [])]

    def _report(self) -> dict[str, Any]:
        replay, frames = self.replay, self._recording.frames
        return {
            "from_utc_us": self._span[0], "to_utc_us": self._span[1],
            "recorded": replay.recorded.head, "replayed": replay.replayed.head,
            "equal": replay.recorded.head == replay.replayed.head,
            "steps": sum(replay.recorded.steps.values()),
            "instances": [self._instance_row(name) for name in sorted(self._tallies)],
            "fingerprint_differs_in": sorted(replay.other_parts),
            "changed": replay.changed,
            "differences": [self._difference(one) for one in replay.differences[:MAX_SHOWN]],
            "samples": frames.samples, "missing_samples": frames.missing,
            "other_manifests": sorted(frames.manifests_changed),
            "instead": self._instead_row() if self._new is not None else None,
        }  # fmt: skip

    def _instance_row(self, name: str) -> dict[str, Any]:
        recorded, replayed = self.replay.recorded, self.replay.replayed
        return {
            "instance": name, "template": self._tallies[name].instance.template.name,
            "steps": recorded.steps.get(name, 0), "moves": len(self._tallies[name].moves.made),
            "recorded": recorded.heads.get(name, b"").hex(), "replayed": replayed.heads.get(name, b"").hex(),
            "scores": self._tallies[name].scores.rows(),
        }  # fmt: skip

    def _difference(self, one: Any) -> dict[str, Any]:
        return {**one._asdict(), "what": one.text}

    def _instead_row(self) -> dict[str, Any]:
        assert self._new is not None and self._instead is not None
        name = self._instead.name
        old = self._tallies.get(name)
        heard = {s for tally in self._tallies.values() for one in tally.instance.config.senses.values() for s in one}
        wished = {s for one in self._instead.config.senses.values() for s in one}
        return {
            "instance": name,
            "tasks": compare(old.moves.made if old else (), self._new.moves.made),
            "scores": self._new.scores.rows(),
            "not_recorded": sorted(wished - heard),
            "fault": self._fault(name),
        }

    def _fault(self, name: str) -> str:
        runner = self._other.engine.runners.get(name) if self._other is not None else None
        return runner.fault if runner is not None else ""


def setup_at(recording: Recording, from_utc_us: int) -> list[dict[str, Any]]:
    """Return the instances of the setup with which a replay from this time begins."""
    for entry in recording.entries(from_utc_us, 2**62):
        with readable("the setup in the engine's log"):
            return [{"name": row["name"], "config": {**row["config"]}} for row in entry[1]["instances"]]
    return []


