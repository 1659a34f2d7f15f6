"""Frames that one commit makes durable: those of a stream that follow each other become one batch. Sans-IO.

A board sends 64 samples at a time; a batch is a row on disk, a message to the city and a row there. While a commit is
on its way, frames gather; what one stream sent meanwhile goes as one. Its clock is the newest, which is the best.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from . import rows
from .rows import NewBatch
from .streams import Key

MAX_SAMPLES = 2048


@dataclass(frozen=True)
class Pending(NewBatch):
    """A batch on disk, in `row`, that the city has not acked."""

    row: int


@dataclass
class Stored:
    """What one commit made durable, told with a frame: the batches, and own samples, that end with it."""

    batches: list[Pending] = field(default_factory=list)
    own: Pending | None = None

    @property
    def all(self) -> list[Pending]:
        """Both, in the order of journaling."""
        return self.batches if self.own is None else [*self.batches, self.own]


class Frame(NamedTuple):
    """What is new of a board's frame, own samples made from it, its first row, and whom to tell."""

    row: int
    parts: list[NewBatch]
    own: NewBatch | None
    stored: Callable[[Stored], None]
    failed: Callable[[Exception], None]


@dataclass
class _Run:
    """Parts that become one batch. `last`: the frame that the last one came with."""

    row: int
    own: bool
    last: int
    parts: list[NewBatch] = field(default_factory=list)
    n: int = 0

    def takes(self, part: NewBatch) -> bool:
        """Return whether a part may go on with this batch."""
        before = self.parts[-1]
        alike = part.clock == before.clock or (part.clock.synced and before.clock.synced)
        return alike and self.n + part.n <= MAX_SAMPLES and (self.own or part.first == before.end)

    def add(self, part: NewBatch, frame: int) -> None:
        """Take a part in."""
        self.parts.append(part)
        self.n += part.n
        self.last = frame

    def joined(self, first: int) -> NewBatch:
        """Return the batch, numbered from `first`."""
        newest = self.parts[-1]
        if len(self.parts) == 1:
            return newest if newest.first == first else replace(newest, first=first)
        return replace(newest, first=first, n=self.n, records=b"".join(part.records for part in self.parts))


def _runs(frames: Sequence[Frame]) -> list[_Run]:
    """Return the batches that the frames make."""
    runs: list[_Run] = []
    open_runs: dict[tuple[Key, bool], _Run] = {}
    for number, frame in enumerate(frames):
        for row, part, own in _parts(frame):
            key = (part.thing, part.boot), own
            run = open_runs.get(key)
            if run is None or not run.takes(part):
                run = open_runs[key] = _Run(row, own, number)
                runs.append(run)
            run.add(part, number)
    return runs


def _parts(frame: Frame) -> Iterator[tuple[int, NewBatch, bool]]:
    """Yield (row, part, whether it is this node's own)."""
    for at, part in enumerate(frame.parts):
        yield frame.row + at, part, False
    if frame.own is not None:
        yield frame.row + len(frame.parts), frame.own, True


def write(c: sqlite3.Connection, frames: Sequence[Frame]) -> list[Stored]:
    """Write the frames' batches inside the caller's transaction; return what came of each frame.

    Own samples get their numbers here.
    """
    stored = [Stored() for _ in frames]
    for run in _runs(frames):
        head = run.parts[0]
        batch = run.joined(rows.next_own(c, head.thing, head.boot) if run.own else head.first)
        rows.insert_batch(c, batch, run.row)
        pending = Pending(**vars(batch), row=run.row)
        if run.own:
            stored[run.last].own = pending
        else:
            stored[run.last].batches.append(pending)
    return stored
