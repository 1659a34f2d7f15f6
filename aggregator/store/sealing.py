"""The compactor: hot commits become Parquet files, by day, and nothing is in both or in neither.

Order: write and fsync in staging/, rename into sealed/, fsync that folder, then one transaction that
catalogues the files and deletes the hot rows. A crash before the transaction leaves files that no catalogue
names: `remove_orphans` deletes them at start-up, the hot rows are still there. After it, all is done.
`step` is called with a name before each step; tests crash there.
"""

import hashlib
import io
import json
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from durable import DISK, Disk
from protocol.ranges import Ranges

from ..clocks import rows as clock_rows
from ..clocks.table import ClockTable, Piece, overlaid
from ..ingest import Key
from ..registry import Registry
from .columns import table
from .schema import INSERT_SPAN, SEALED
from .scrub import Span, set_blob_aside
from .snapshot import hot_frames, last_commit_upto

STAGING, CATALOGUE = "staging", "manifest.json"
DAY_US = 86_400_000_000
MAX_SAMPLES = 2_000_000
STEPS = ("write", "fsync_file", "rename", "fsync_folder", "transaction", "catalogue", "done")
Step = Callable[[str], None]


Newest = tuple[Key, int, tuple[Any, ...]]
"""(thing, boot) and stamp of a sample, and its row in `latest`."""


@dataclass(frozen=True)
class SealedFile:
    """One file to be catalogued: its name under sealed/, what it holds."""

    name: str
    samples: int
    size: int
    ranges: dict[Key, Ranges]
    sha256: str


@dataclass
class Plan:
    """Files on their final place and durable, which the catalogue does not name yet."""

    upto: int
    files: list[SealedFile]
    newest: list[Newest]
    broken: set[int]


def prepare(
    folder: Path, connection: sqlite3.Connection, registry: Registry, keep_commits: int, step: Step, disk: Disk = DISK
) -> Plan | None:
    """Return the files made of the oldest hot commits, without the newest `keep_commits`; None: none.

    Reads through a connection of its own, so that commits go on meanwhile.
    """
    upto = last_commit_upto(connection, keep_commits, MAX_SAMPLES)
    if upto is None:
        return None
    broken: set[int] = set()
    clocks = ClockTable(clock_rows.read(connection))
    rows = table(hot_frames(connection, upto=upto, broken=broken), registry.manifest, clocks)
    files = [_seal_day(folder, day, part, upto, step, disk) for day, part in _days(rows)]
    step("fsync_folder")
    disk.sync_folder(folder / SEALED)
    return Plan(upto, files, _newest(rows, registry), broken)


def finish(plan: Plan, connection: sqlite3.Connection) -> list[Span]:
    """Catalogue the files and delete the hot rows they hold, inside the caller's transaction.

    Returns the samples whose blob failed its checksum: they are quarantined instead of sealed.
    """
    rows = [(f.name, plan.upto, f.samples, f.size, _pack(f.ranges)) for f in plan.files]
    connection.executemany("INSERT INTO sealed VALUES (?, ?, ?, ?, ?)", rows)
    sums = [(file.name, file.sha256) for file in plan.files]
    connection.executemany("INSERT INTO sealed_sums(file, sha256) VALUES (?, ?)", sums)
    for file in plan.files:
        spans = [(*key, first, end, file.name) for key, ranges in file.ranges.items() for first, end in ranges]
        connection.executemany(INSERT_SPAN, spans)
    _put_latest(connection, plan.newest)
    aside = [span for number in sorted(plan.broken) for span in set_blob_aside(connection, number)]
    connection.execute("DELETE FROM frames WHERE commit_no <= ?", (plan.upto,))
    connection.execute("DELETE FROM blobs WHERE commit_no <= ?", (plan.upto,))
    return aside


def _put_latest(connection: sqlite3.Connection, newest: list[Newest]) -> None:
    """Keep the newest samples; a clock record may have come since they were read."""
    clocks = ClockTable(clock_rows.read(connection))
    for key, stamp_us, row in newest:
        times, known = np.array([row[1]]), np.array([True])
        overlaid(clocks.pieces(key), np.array([stamp_us]), times, known)
        if known[0]:
            t_utc_us = int(times[0])
            connection.execute(_PUT_LATEST, (row[0], t_utc_us, *row[2:]))
            connection.execute(clock_rows.PUT_FROM, (row[0], key[1], stamp_us, row[0], t_utc_us))


def write_catalogue(folder: Path, connection: sqlite3.Connection, disk: Disk = DISK) -> None:
    """Replace sealed/manifest.json, for readers without our database."""
    rows = connection.execute("SELECT file, samples, bytes, last_commit FROM sealed ORDER BY last_commit, file")
    files = [dict(zip(("file", "samples", "bytes", "last_commit"), row, strict=True)) for row in rows]
    staged = folder / STAGING / CATALOGUE
    clocks = [_clock_row(*row) for row in ClockTable(clock_rows.read(connection)).rows()]
    whole = {"files": files, "clocks": clocks, "event_time": _EVENT_TIME}
    disk.write(staged, json.dumps(whole, indent=1).encode())
    disk.sync_file(staged)
    disk.rename(staged, folder / SEALED / CATALOGUE)
    disk.sync_folder(folder / SEALED)


def _clock_row(thing: str, boot: str, piece: Piece) -> dict[str, Any]:
    span = {"thing": thing, "boot": boot, "first_us": piece.first_us, "end_us": piece.end_us}
    return {**span, **vars(piece.clock)}


def remove_orphans(folder: Path, connection: sqlite3.Connection, disk: Disk = DISK) -> list[str]:
    """Make the folders, delete files that the catalogue does not name; return their names."""
    disk.make_folder(folder / STAGING)
    disk.make_folder(folder / SEALED)
    known = {row[0] for row in connection.execute("SELECT file FROM sealed")} | {CATALOGUE}
    orphans = [folder / SEALED / name for name in disk.names(folder / SEALED) if name not in known]
    orphans += [folder / STAGING / name for name in disk.names(folder / STAGING)]
    for path in orphans:
        disk.unlink(path)
    return sorted(path.name for path in orphans)


_EVENT_TIME = (
    "t_utc_us of a file is what was known when it was sealed (null: nothing). Where a row of `clocks` covers thing,"
    " boot and stamp_us (first_us <= stamp_us < end_us), event time is ref_utc_us + rate * (stamp_us - ref_us) instead,"
    " or null if it is not synced."
)
_PUT_LATEST = (
    "INSERT INTO latest VALUES (?, ?, ?, ?, ?) ON CONFLICT(datastream) DO UPDATE SET"
    " t_utc_us = excluded.t_utc_us, value = excluded.value, sigma = excluded.sigma,"
    " quality = excluded.quality WHERE excluded.t_utc_us >= latest.t_utc_us"
)


def _seal_day(folder: Path, day: str, rows: Any, upto: int, step: Step, disk: Disk) -> SealedFile:
    """Write one day's samples durably under their final name; return what the catalogue is to say."""
    name = f"{day}-{upto:012d}.parquet"
    staged = folder / STAGING / name
    packed = io.BytesIO()
    pq.write_table(rows.take(_order(rows)), packed, compression="zstd")
    step("write")
    disk.write(staged, packed.getvalue())
    step("fsync_file")
    disk.sync_file(staged)
    step("rename")
    disk.rename(staged, folder / SEALED / name)
    sha256 = hashlib.sha256(packed.getvalue()).hexdigest()
    return SealedFile(name, rows.num_rows, packed.tell(), _ranges(rows), sha256)


def _order(rows: Any) -> Any:
    """Return the row numbers sorted by datastream, event time, seq."""
    names = rows["datastream"].combine_chunks()
    rank = np.argsort(np.argsort(np.asarray(names.dictionary.to_pylist(), str)))
    times = pc.fill_null(rows["t_utc_us"], 0).to_numpy()
    return pa.array(np.lexsort((rows["seq"].to_numpy(), times, rank[names.indices.to_numpy()])))


def _days(rows: Any) -> Iterator[tuple[str, Any]]:
    """Yield (day, samples) by event time in UTC; samples without event time go to "unsynced"."""
    days = pc.floor(pc.divide(pc.cast(rows["t_utc_us"], pa.float64()), float(DAY_US)))
    for day in pc.unique(days).to_pylist():
        mask = pc.is_null(days) if day is None else pc.equal(days, day)
        name = "unsynced" if day is None else str(np.datetime64(int(day), "D"))
        yield name, rows.filter(mask)


def _ranges(rows: Any) -> dict[Key, Ranges]:
    found: dict[Key, Ranges] = {}
    for group in rows.group_by(["thing", "boot"]).aggregate([("seq", "list")]).to_pylist():
        seqs = np.sort(np.asarray(group["seq_list"], np.int64))
        cuts = np.flatnonzero(np.diff(seqs) != 1)
        starts, ends = np.r_[seqs[0], seqs[cuts + 1]], np.r_[seqs[cuts], seqs[-1]] + 1
        found[group["thing"], group["boot"]] = Ranges(zip(starts.tolist(), ends.tolist(), strict=True))
    return found


def _newest(rows: Any, registry: Registry) -> list[Newest]:
    """Return the rows of `latest`: the newest sample per Datastream, with its constant sigma."""
    known = rows.filter(pc.is_valid(rows["t_utc_us"])).sort_by([("t_utc_us", "ascending"), ("seq", "ascending")])
    last = {row["datastream"]: row for row in _last_rows(known)}
    found = []
    for name, row in sorted(last.items()):
        channel = registry.channels.get(name)
        if channel is None or channel.sigma_of is None:
            sigma = channel.sigma if channel else None
            shown = name, row["t_utc_us"], row["value"], sigma, row["quality"]
            found.append(((row["thing"], row["boot"]), row["stamp_us"], shown))
    return found


def _last_rows(ordered: Any) -> list[dict[str, Any]]:
    names = ordered["datastream"].combine_chunks()
    codes = names.indices.to_numpy() if ordered.num_rows else np.empty(0, np.int32)
    _, from_end = np.unique(codes[::-1], return_index=True)
    rows: list[dict[str, Any]] = ordered.take(pa.array(len(codes) - 1 - from_end)).to_pylist()
    return rows


def _pack(ranges: dict[Key, Ranges]) -> bytes:
    return bytes(msgpack.packb([[*key, spans.to_list()] for key, spans in ranges.items()]))


__all__ = ["STEPS", "Plan", "finish", "prepare", "remove_orphans", "write_catalogue"]
