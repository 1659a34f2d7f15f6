"""Better clocks for stored samples: of the clock records that cover a stamp the newest holds. In memory.

Samples keep the clock they came with, in the store and in sealed files. A record says: for these stamps of this
(thing, boot) use this clock instead. Whoever reads samples asks here, so a late record needs no rewriting.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from protocol.city_link import Clock, ClockRecord

from ..errors import PeerError

Key: TypeAlias = tuple[str, str]
I64: TypeAlias = npt.NDArray[np.int64]
MAX_RECORDS = 16_384


class Piece(NamedTuple):
    """Stamps [first_us, end_us) and the clock that holds for them."""

    first_us: int
    end_us: int
    clock: Clock


class ClockTable:
    """The records of all streams, and the disjoint pieces they amount to."""

    def __init__(self, records: Iterable[ClockRecord] = ()) -> None:
        self._records: dict[Key, dict[int, ClockRecord]] = {}
        self._pieces: dict[Key, list[Piece]] = {}
        self.contradicting = 0
        for record in records:
            self._records.setdefault((record.thing, record.boot), {})[record.number] = record

    def is_new(self, record: ClockRecord) -> bool:
        """Return False for one that is known; the first one stays if another has its number.

        Raises: PeerError if this (thing, boot) has too many.
        """
        known = self._records.get((record.thing, record.boot), {})
        if record.number in known:
            self.contradicting += known[record.number] != record
            return False
        if len(known) >= MAX_RECORDS:
            raise PeerError("clock_records", f"{record.thing} {record.boot}: more than {MAX_RECORDS} clock records")
        return True

    def add(self, record: ClockRecord) -> None:
        """Take a durable record in."""
        key = record.thing, record.boot
        known = self._records.setdefault(key, {})
        newest = not known or record.number > max(known)
        known[record.number] = record
        if newest and key in self._pieces:
            _overlay(self._pieces[key], record)
        else:
            self._pieces.pop(key, None)

    def pieces(self, key: Key) -> list[Piece]:
        """Return what holds for a stream, disjoint and in order of stamps."""
        if key not in self._records:
            return []
        if key not in self._pieces:
            made: list[Piece] = []
            for _, record in sorted(self._records[key].items()):
                _overlay(made, record)
            self._pieces[key] = made
        return self._pieces[key]

    def times(self, key: Key, stamps_us: I64, clock: Clock) -> tuple[I64, npt.NDArray[np.bool_]]:
        """Return (event times (n,), which of them are known) of stamps that came with `clock`."""
        times, known = clock.to_utc(stamps_us), np.full(stamps_us.size, clock.synced)
        overlaid(self.pieces(key), stamps_us, times, known)
        return times, known

    def covering(self, key: Key, first_us: int, last_us: int) -> list[Piece]:
        """Return the pieces that hold for some stamp in [first_us, last_us]."""
        return _between(self.pieces(key), first_us, last_us)

    def earlier(self, record: ClockRecord) -> list[Piece]:
        """Return what holds, before a record does, for its stamps."""
        return _between(self.pieces((record.thing, record.boot)), record.first_us, record.end_us - 1)

    def rows(self) -> Iterator[tuple[str, str, Piece]]:
        """Yield (thing, boot, piece) of everything that holds."""
        for key in sorted(self._records):
            for piece in self.pieces(key):
                yield *key, piece


def overlaid(pieces: list[Piece], stamps_us: I64, times: I64, known: npt.NDArray[np.bool_]) -> None:
    """Set times (n,) and known (n,) where one of the pieces covers the stamp (n,)."""
    if not stamps_us.size:
        return
    for piece in _between(pieces, int(stamps_us.min()), int(stamps_us.max())):
        mine = (stamps_us >= piece.first_us) & (stamps_us < piece.end_us)
        times[mine], known[mine] = piece.clock.to_utc(stamps_us[mine]), piece.clock.synced


def _between(pieces: list[Piece], first_us: int, last_us: int) -> list[Piece]:
    at = bisect_right(pieces, first_us, key=lambda piece: piece.end_us)
    return pieces[at : bisect_right(pieces, last_us, key=lambda piece: piece.first_us)]


def _overlay(pieces: list[Piece], record: ClockRecord) -> None:
    """Let a record hold over what was there before."""
    low = bisect_right(pieces, record.first_us, key=lambda piece: piece.end_us)
    high = bisect_left(pieces, record.end_us, key=lambda piece: piece.first_us)
    left = [p._replace(end_us=record.first_us) for p in pieces[low:high][:1] if p.first_us < record.first_us]
    right = [p._replace(first_us=record.end_us) for p in pieces[low:high][-1:] if p.end_us > record.end_us]
    pieces[low:high] = [*left, Piece(record.first_us, record.end_us, record.clock), *right]
