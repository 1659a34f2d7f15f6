"""Late clock records and the processes: samples that the engine saw at a wrong time, or never, get their right one.

`stamped` reads what is stored of a stream, hot and sealed; `moves` says which of it lands at another time now.
The engine forgets it at its old time and sees it at its new one: within `lateness_s` that amends, as late data does.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgpack
import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from processes.feed import Arrived, Feed
from protocol import columns
from protocol.city_link import ClockRecord
from protocol.manifest import Manifest

from ..store.schema import SEALED
from ..store.snapshot import hot_frames, open_reader
from .table import I64, ClockTable, Key, Piece, overlaid

LEAST_MOVE_US = 100_000
_COLUMNS = ["datastream", "stamp_us", "t_utc_us", "value", "quality"]
Mask = npt.NDArray[np.bool_]


class Better(NamedTuple):
    """A clock record, and what held for its stamps until then."""

    record: ClockRecord
    earlier: list[Piece]


class Part(NamedTuple):
    """Stored samples of one stream: records, and the event times (n,) they were stored with, if known (n,)."""

    records: bytes
    times: I64
    known: Mask


class Move(NamedTuple):
    """Samples of a datastream at their new times; those `seen` (n,) had been at `old_utc_us` (n,)."""

    series: Arrived
    old_utc_us: I64
    seen: Mask


def stamped(folder: Path, key: Key, first_us: int, end_us: int, manifest: Manifest) -> list[Part]:
    """Return what is stored of a stream with stamps in [first_us, end_us)."""
    source = open_reader(folder)
    try:
        source.execute("BEGIN")
        return [*_hot(source, key, first_us, end_us), *_sealed(source, folder, key, first_us, end_us, manifest)]
    finally:
        source.close()


def by_stream(better: Iterable[Better]) -> dict[Key, list[Better]]:
    """Return the better clocks per (thing, boot), in their order."""
    found: dict[Key, list[Better]] = {}
    for change in better:
        found.setdefault((change.record.thing, change.record.boot), []).append(change)
    return found


def span(changes: Iterable[Better]) -> tuple[int, int]:
    """Return the stamps [first, end) that changes of one stream are about."""
    records = [change.record for change in changes]
    return min(record.first_us for record in records), max(record.end_us for record in records)


def _hot(source: sqlite3.Connection, key: Key, first_us: int, end_us: int) -> Iterator[Part]:
    for _, frame in hot_frames(source):
        if (frame.thing, frame.boot) == key:
            rows = columns.decode(frame.records)
            stamps = columns.stamp_us(rows)
            mine = (stamps >= first_us) & (stamps < end_us)
            if mine.any():
                yield Part(
                    rows[mine].tobytes(), frame.clock.to_utc(stamps[mine]), np.full(mine.sum(), frame.clock.synced)
                )


def _sealed(
    source: sqlite3.Connection, folder: Path, key: Key, first_us: int, end_us: int, manifest: Manifest
) -> Iterator[Part]:
    within = [("thing", "==", key[0]), ("boot", "==", key[1]), ("stamp_us", ">=", first_us), ("stamp_us", "<", end_us)]
    for file, ranges in source.execute("SELECT file, ranges FROM sealed ORDER BY last_commit").fetchall():
        if any(tuple(row[:2]) == key for row in msgpack.unpackb(ranges)):
            rows = pq.read_table(folder / SEALED / file, columns=_COLUMNS, filters=within)
            if rows.num_rows:
                yield part(rows, manifest)


def part(rows: Any, manifest: Manifest) -> Part:
    """Return rows of a sealed file, those of one Thing that calls itself so, as records."""
    numbers = {f"{manifest.thing}/{channel.name}": channel.index for channel in manifest.channels}
    channel = [numbers.get(name, 255) for name in rows["datastream"].to_pylist()]
    stamps = rows["stamp_us"].to_numpy()
    times = rows["t_utc_us"].combine_chunks()
    packed = columns.encode(channel, rows["quality"].to_numpy(), stamps, rows["value"].to_numpy())
    return Part(
        packed, times.fill_null(0).to_numpy(zero_copy_only=False), times.is_valid().to_numpy(zero_copy_only=False)
    )


def moves(
    key: Key, parts: Iterable[Part], better: Iterable[Better], clocks: ClockTable, manifest: Manifest
) -> Iterator[Move]:
    """Yield what the better clocks move by more than LEAST_MOVE_US, or give a time at last."""
    changes, feed = list(better), Feed()
    now = {change.record.clock for change in changes}
    before = [piece for change in changes for piece in change.earlier if piece.clock not in now]
    for one in parts:
        stamps = columns.stamp_us(columns.decode(one.records))
        old, seen = one.times.copy(), one.known.copy()
        overlaid(sorted(before, key=lambda piece: piece.first_us), stamps, old, seen)
        touched = np.zeros(stamps.size, np.bool_)
        for change in changes:
            touched |= (stamps >= change.record.first_us) & (stamps < change.record.end_us)
        new, known = one.times.copy(), one.known.copy()
        overlaid(clocks.pieces(key), stamps, new, known)
        moved = touched & known & (~seen | (np.abs(new - old) > LEAST_MOVE_US))
        order = np.argsort(stamps, kind="stable")
        for series in feed.placed(key[0], manifest, new, one.records) if moved.any() else ():
            at = np.flatnonzero(np.isin(series.stamp_us, stamps[moved]))
            if at.size:
                rows = order[np.searchsorted(stamps, series.stamp_us[at], sorter=order)]
                yield Move(series.only(at), old[rows], seen[rows])
