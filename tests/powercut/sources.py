"""Boards as the tests need them: each sample's content follows from its number, each ack is remembered."""

from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np

from protocol import columns
from protocol.city_link import Clock, GapRecord
from protocol.ranges import Ranges, Span

CLOCK = Clock(0, 1_700_000_000_000_000, 1.0, 50.0, True)
MAX_BATCH = 120


@dataclass
class Source:
    """One boot of one board: `head` samples made, `acked` taken over by whoever is tested, gaps declared."""

    thing: str
    boot: str
    head: int = 0
    acked: Ranges = field(default_factory=Ranges)
    gaps: dict[int, GapRecord] = field(default_factory=dict)
    acked_gaps: set[int] = field(default_factory=set)

    @property
    def key(self) -> tuple[str, str]:
        return self.thing, self.boot

    @property
    def declared(self) -> Ranges:
        """What this board says is lost."""
        return Ranges((gap.first, gap.end) for gap in self.gaps.values())

    @property
    def held(self) -> Ranges:
        """What is still on the board, for nobody took it over."""
        return Ranges([(0, self.head)]).difference(self.acked).difference(self.declared)

    def records(self, first: int, n: int) -> bytes:
        """Return samples [first, first + n) as they are on the wire."""
        at = np.arange(first, first + n, dtype=np.int64)
        return columns.encode(at * 0, at * 0 + 1, at * 100_000, self.value(at))

    def value(self, seq: Any) -> Any:
        """Return the value of sample `seq`, or of an array of them; all differ between boards and boots."""
        return (seq * 7 + sum(self.thing.encode()) * 31 + sum(self.boot.encode())) % 65_521

    def make(self, rng: Random) -> Span:
        """Return the span of new samples."""
        first, self.head = self.head, self.head + rng.randint(1, MAX_BATCH)
        return first, self.head

    def declare(self, first: int, end: int) -> GapRecord:
        """Give samples up, with a cause."""
        gap = GapRecord(self.thing, self.boot, len(self.gaps) + 1, first, end, "power", self.thing)
        self.gaps[gap.gap_id] = gap
        return gap

    def pieces(self) -> list[Span]:
        """Return what the board holds, in batches."""
        return [
            (at, min(at + MAX_BATCH, end)) for first, end in self.held.to_list() for at in range(first, end, MAX_BATCH)
        ]


def make_sources(count: int) -> list[Source]:
    """Return boards on their first boot."""
    return [Source(f"board-{n}", f"{n:08x}-1") for n in range(1, count + 1)]


def reboot(source: Source) -> Source:
    """Return the board after a restart: what nobody took over is declared lost by the next boot."""
    for first, end in source.held.to_list():
        source.declare(first, end)
    incarnation, _, count = source.boot.partition("-")
    return Source(source.thing, f"{incarnation}-{int(count) + 1}")
