"""The host of many boards: says hello, keeps time, acks and counts, with the edge node's own session for each board.

What a board owes is known from its samples: it has an absolute schedule, so a window of whole seconds of its own clock
holds that many samples of each channel. Lag is from a sample's stamp to the moment the host has it, by the estimate of
the board's clock that an edge node makes.
"""

import os
import select
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_node.boards.session import BoardSession
from protocol import board_link, columns

TURN_S = 0.05
READ = 4096
PERIOD_US = 1_000_000


@dataclass
class Seen:
    """What came from one board since `forget`: stamps, channels, qualities, times of arrival (us), sequence numbers."""

    stamps_us: list[npt.NDArray[Any]] = field(default_factory=list)
    channels: list[npt.NDArray[Any]] = field(default_factory=list)
    qualities: list[npt.NDArray[Any]] = field(default_factory=list)
    arrived_us: list[npt.NDArray[Any]] = field(default_factory=list)
    seqs: set[int] = field(default_factory=set)
    boots: set[str] = field(default_factory=set)
    late: int = 0
    late_before: int = 0
    dropped: int = 0

    def forget(self) -> None:
        """Begin to count anew."""
        for rows in (self.stamps_us, self.channels, self.qualities, self.arrived_us):
            rows.clear()
        self.seqs.clear()
        self.late_before = self.late

    def missing(self) -> int:
        """Return how many numbers between the first and the last did not come."""
        return max(self.seqs) - min(self.seqs) + 1 - len(self.seqs) if self.seqs else 0


class Line:
    """One board's port."""

    def __init__(self, thing: str, port: Path) -> None:
        self.thing = thing
        self.seen = Seen()
        self.session = BoardSession(thing, session=1)
        self.file = os.open(port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self.session.opened(now_us())
        self.flush()

    def flush(self) -> None:
        """Write what the session wants to send; a line that is full loses it, as a UART does."""
        out = self.session.take_out()
        if out:
            os.write(self.file, out)

    def tick(self) -> None:
        """Do what is due."""
        self.session.tick(now_us())
        self.flush()

    def read(self) -> None:
        """Take what has come."""
        data = os.read(self.file, READ)
        rx_us = now_us()
        for event in self.session.received(data, rx_us):
            if isinstance(event, board_link.Samples):
                self._samples(event, rx_us)
            elif isinstance(event, board_link.Status):
                self.seen.dropped = event.dropped
                self.seen.late = event.counters.get("late", self.seen.late)
            elif isinstance(event, board_link.Gap):
                self.session.acknowledge(event.boot, [], [event.gap_id])
        self.flush()

    def _samples(self, batch: board_link.Samples, rx_us: int) -> None:
        seen = self.seen
        numbers = range(batch.first, batch.first + batch.n)
        self.session.acknowledge(batch.boot, [(numbers.start, numbers.stop)])
        seen.boots.add(batch.boot)
        fresh = [number not in seen.seqs for number in numbers]
        seen.seqs.update(numbers)
        rows = columns.decode(batch.records)
        rows = rows if all(fresh) else rows[fresh]
        seen.stamps_us.append(columns.stamp_us(rows))
        seen.channels.append(rows["channel"])
        seen.qualities.append(rows["quality"])
        seen.arrived_us.append(np.full(len(rows), rx_us))


def now_us() -> int:
    """Boottime, the clock of an edge node, in us."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


class Host:
    """All lines; `run` serves them."""

    def __init__(self, ports: dict[str, Path]) -> None:
        self.lines = {thing: Line(thing, port) for thing, port in ports.items()}
        self._by_file = {line.file: line for line in self.lines.values()}
        self._poll = select.epoll()
        for number in self._by_file:
            self._poll.register(number, select.EPOLLIN)
        self._order = list(self.lines.values())
        self._next = 0
        self._ticked_s = time.monotonic()

    def run(self, until_s: float) -> None:
        """Serve all boards until a time of the monotonic clock."""
        while (left_s := until_s - time.monotonic()) > 0:
            for number, _ in self._poll.poll(min(TURN_S, left_s)):
                self._by_file[number].read()
            self._tick()

    def _tick(self) -> None:
        """Tick so many boards that each has its turn four times a second."""
        now_s = time.monotonic()
        turns = int((now_s - self._ticked_s) * 4 * len(self._order))
        if turns:
            self._ticked_s = now_s
        for _ in range(min(turns, len(self._order))):
            self._order[self._next].tick()
            self._next = (self._next + 1) % len(self._order)

    def sampling(self) -> int:
        """Return how many boards have sent samples and told their time."""
        return sum(bool(line.seen.stamps_us) and line.session.clock.synced(now_us()) for line in self._order)

    def close(self) -> None:
        """Close all ports."""
        self._poll.close()
        for line in self._order:
            os.close(line.file)


def verdict(line: Line, seconds: int, channels: int) -> dict[str, Any]:
    """Return what one board owed in `seconds` of its own clock, and what came, with its lags in ms."""
    seen = line.seen
    if not any(map(len, seen.stamps_us)):
        return {"thing": line.thing, "expected": channels * seconds, "received": 0, "kept": False, "lags_ms": []}
    stamps = np.concatenate(seen.stamps_us)
    first_us = int(stamps.min()) + PERIOD_US // 2
    inside = (stamps >= first_us) & (stamps < first_us + seconds * PERIOD_US)
    arrived = np.concatenate(seen.arrived_us)[inside]
    sent = np.array([line.session.clock.to_edge_us(int(stamp)) for stamp in stamps[inside]])
    lags_ms = (arrived - sent) / 1000.0
    good = int((np.concatenate(seen.qualities)[inside] == 1).sum())
    counts = np.bincount(np.concatenate(seen.channels)[inside], minlength=channels)
    kept = bool((counts == seconds).all()) and good == channels * seconds and float(lags_ms.max()) < PERIOD_US / 1000
    return {
        "thing": line.thing, "expected": channels * seconds, "received": int(inside.sum()), "good": good,
        "missing": seen.missing(), "late": seen.late - seen.late_before, "dropped": seen.dropped,
        "boots": len(seen.boots), "kept": kept,
        "lags_ms": lags_ms.tolist(),
    }  # fmt: skip
