"""Under which clocks samples were stored, and which of those are known better by now. Sans-IO.

Samples keep their stamps; the clock that goes with them is the best guess of that moment. Later more is known:
the host found a time server, or found out that it was wrong; a board's clock had more round trips, or came back
after hours alone, so that both ends of that time are known. `review` then returns clock records: for these
stamps of this (thing, boot) use this clock instead; a higher number supersedes.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import hypot
from typing import Protocol

from protocol.city_link import Clock, ClockRecord
from service.host_clock import HostClock

from ..journal.streams import Key
from .lines import Line

MAX_USES = 256
MAX_STREAMS = 128
MAX_RECORDS = 64
JOIN_US = 60_000_000
MAX_LINE_SIGMA_US = 10_000_000.0
LEAST_GAIN_US = 1000.0
CONTRADICTION = 4.0


class Lines(Protocol):
    """What places the stamps of one (thing, boot) in the boottime of this start of this node."""

    def line(self, first_us: int, last_us: int) -> Line | None:
        """Return the best line for these stamps."""

    def lines(self, first_us: int, last_us: int) -> list[tuple[int, int, Line]]:
        """Return (first, end, line) that cover these stamps."""


UNKNOWN = Clock(0, 0, 1.0, 1e12, False)
"""Event times are not known."""


@dataclass(frozen=True)
class OwnClock:
    """The clock of this node's own samples: their stamps are its boottime, moved by `shift_us`."""

    shift_us: int

    def line(self, first_us: int, last_us: int) -> Line:
        """Return the line, the same for all stamps; its reference is the last one."""
        return Line(last_us, float(last_us - self.shift_us), 1.0, 1.0)

    def lines(self, first_us: int, last_us: int) -> list[tuple[int, int, Line]]:
        """Return the one line."""
        return [(first_us, last_us + 1, self.line(first_us, last_us))]


@dataclass
class Use:
    """Stamps [first_us, end_us) were stored under `clock`, or a record since has said so."""

    first_us: int
    end_us: int
    clock: Clock


def event_clock(line: Line, host: HostClock) -> Clock:
    """Return stamps to event time: a board's line into boottime, and the host's way from there."""
    piece = host.at(round(line.ref_edge_us))
    return Clock(
        ref_us=max(0, line.ref_us),
        ref_utc_us=max(0, piece.event_utc_us(line.ref_edge_us + line.rate * (max(0, line.ref_us) - line.ref_us))),
        rate=line.rate * piece.rate,
        sigma_us=hypot(line.sigma_us, piece.sigma_us) * piece.rate,
        synced=piece.synced and line.sigma_us <= MAX_LINE_SIGMA_US,
    )


class ClockBook:
    """Uses by (thing, boot), and the records that supersede them."""

    def __init__(self, host: HostClock) -> None:
        self.host = host
        self.records = 0
        self._uses: OrderedDict[Key, list[Use]] = OrderedDict()
        self._lines: dict[Key, Lines] = {}
        self._numbers: dict[Key, int] = {}

    def numbered(self, key: Key, last: int) -> None:
        """Records up to this number of a stream exist already."""
        self._numbers[key] = max(last, self._numbers.get(key, 0))

    def unsettled(self, key: Key, first_us: int, end_us: int) -> None:
        """An earlier start of this node stored these stamps without knowing their event time."""
        self._stream(key).append(Use(first_us, end_us, UNKNOWN))

    def places(self, key: Key, lines: Lines) -> None:
        """Stamps of this stream are placed by `lines` from now on."""
        self._lines[key] = lines

    def clock(self, key: Key, first_us: int, last_us: int) -> Clock:
        """Return the best clock for these stamps of a stream, UNKNOWN if this start of the node never heard it live."""
        line = self._lines[key].line(first_us, last_us) if key in self._lines else None
        return UNKNOWN if line is None else event_clock(line, self.host)

    def used(self, key: Key, first_us: int, last_us: int, clock: Clock) -> Use:
        """Note that samples with these stamps were stored under a clock; return where that is noted."""
        uses = self._stream(key)
        for use in uses[:-4:-1]:
            if _joins(use, first_us, last_us, clock):
                use.first_us, use.end_us = min(use.first_us, first_us), max(use.end_us, last_us + 1)
                return use
        uses.append(Use(first_us, last_us + 1, clock))
        if len(uses) > MAX_USES:
            uses.pop(next((at for at, use in enumerate(uses) if use.clock.synced), 0))
        return uses[-1]

    def review(self) -> list[ClockRecord]:
        """Return the records for what is known better by now, at most MAX_RECORDS; the rest comes next time."""
        found: list[ClockRecord] = []
        for key in list(self._uses):
            if key in self._lines and len(found) < MAX_RECORDS:
                found += self._review(key)
        self.records += len(found)
        return found

    def _review(self, key: Key) -> list[ClockRecord]:
        found: list[ClockRecord] = []
        kept: list[Use] = []
        for use in self._uses[key]:
            better = self._better(key, use) if len(found) < MAX_RECORDS else [use]
            kept += better
            found += [self._record(key, part) for part in better if part.clock is not use.clock]
        self._uses[key] = kept
        return found

    def _better(self, key: Key, use: Use) -> list[Use]:
        """Return a use in parts, those with a new clock for which more is known now."""
        parts = [
            Use(first_us, end_us, event_clock(line, self.host))
            for first_us, end_us, line in self._lines[key].lines(use.first_us, use.end_us - 1)
        ]
        if not any(supersedes(use.clock, part.clock, part.first_us, part.end_us) for part in parts):
            return [use]
        return [
            part if supersedes(use.clock, part.clock, part.first_us, part.end_us) else replace(part, clock=use.clock)
            for part in parts
        ]

    def _record(self, key: Key, use: Use) -> ClockRecord:
        self._numbers[key] = self._numbers.get(key, 0) + 1
        return ClockRecord(*key, self._numbers[key], use.first_us, use.end_us, use.clock)

    def _stream(self, key: Key) -> list[Use]:
        found = self._uses.setdefault(key, [])
        self._uses.move_to_end(key)
        while len(self._uses) > MAX_STREAMS:
            gone, _ = self._uses.popitem(last=False)
            self._lines.pop(gone, None)
        return found

    def unsynced(self) -> Iterable[tuple[Key, Use]]:
        """Return (stream, use) of all stamps whose event time is still not known."""
        return [(key, use) for key, uses in self._uses.items() for use in uses if not use.clock.synced]


def supersedes(old: Clock, new: Clock, first_us: int, end_us: int) -> bool:
    """Return whether a new clock for these stamps is worth a record: synchronised at last, far surer, or at odds."""
    if not new.synced:
        return False
    if not old.synced or (2.0 * new.sigma_us <= old.sigma_us and old.sigma_us - new.sigma_us > LEAST_GAIN_US):
        return True
    apart = max(abs(utc(old, at) - utc(new, at)) for at in (first_us, end_us))
    return apart > CONTRADICTION * max(LEAST_GAIN_US, new.sigma_us, old.sigma_us)


def utc(clock: Clock, stamp_us: int) -> int:
    """Return the event time of one stamp."""
    return clock.ref_utc_us + round(clock.rate * (stamp_us - clock.ref_us))


def _joins(use: Use, first_us: int, last_us: int, clock: Clock) -> bool:
    """Whether stamps under this clock say the same as the use, next to it."""
    if use.clock.synced != clock.synced or not use.first_us - JOIN_US <= first_us <= use.end_us + JOIN_US:
        return False
    if not clock.synced:
        return True
    alike = use.clock.sigma_us / 2.0 <= clock.sigma_us <= use.clock.sigma_us * 2.0
    least = LEAST_GAIN_US * max(1.0, clock.rate)
    apart = max(abs(utc(use.clock, at) - utc(clock, at)) for at in (first_us, last_us))
    return alike and apart <= max(least, use.clock.sigma_us)
