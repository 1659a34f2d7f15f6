"""The samples that the engine's log refers to, read again from hot rows and sealed files; few files in memory."""

import sqlite3
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from durable import opened
from processes.feed import Arrived, Feed
from processes.log import Entry, of_manifest
from protocol import columns
from protocol.city_link import Clock
from protocol.manifest import Manifest

from ..clocks.table import Piece, overlaid
from ..ingest import RECORD_BYTES
from ..store.columns import Manifests
from ..store.schema import SEALED

MAX_CACHED = 48 << 20
_COLUMNS = ["datastream", "seq", "stamp_us", "value", "quality"]
_HOT = "SELECT first, n, commit_no, at FROM frames WHERE thing = ? AND boot = ? AND first < ? AND first + n > ?"
_FILES = "SELECT DISTINCT file FROM sealed_spans WHERE thing = ? AND boot = ? AND first < ? AND last > ?"
Key = tuple[str, str]


class Part(NamedTuple):
    """Samples of one (thing, boot) in one file, sorted by number: numbers (n,) and their records."""

    seqs: npt.NDArray[np.int64]
    records: npt.NDArray[Any]


class Frames:
    """Looks up `take` entries on a connection that sees one moment of the store."""

    def __init__(self, folder: Path, connection: sqlite3.Connection, manifests: Manifests) -> None:
        self._folder, self._connection, self._manifests = folder, connection, manifests
        self._parts: OrderedDict[tuple[str, Key], Part] = OrderedDict()
        self._feed = Feed()
        self.missing = 0
        self.samples = 0
        self.manifests_changed: set[str] = set()

    def series(self, entry: Entry) -> list[Arrived]:
        """Return the series that an entry refers to, at the times that held when they arrived."""
        _, thing, boot, digest, spans, clock, pieces = entry
        manifest = self._manifests(thing, boot)
        records = b"".join(self._records((thing, boot), first, first + n) for first, n in spans)
        self.samples += len(records) // RECORD_BYTES
        self.missing += sum(n for _, n in spans) - len(records) // RECORD_BYTES
        if manifest is None or not records:
            return []
        if of_manifest(manifest) != digest:
            self.manifests_changed.add(thing)
        return self._placed(thing, manifest, records, Clock(*clock), [_piece(row) for row in pieces])

    def _placed(
        self, thing: str, manifest: Manifest, records: bytes, clock: Clock, pieces: list[Piece]
    ) -> list[Arrived]:
        stamps = columns.stamp_us(columns.decode(records))
        times, known = clock.to_utc(stamps), np.full(stamps.size, clock.synced)
        overlaid(pieces, stamps, times, known)
        found = []
        for series in self._feed.placed(thing, manifest, times, records):
            mine = known if known.all() else np.isin(series.stamp_us, stamps[known])
            if mine.all():
                found.append(series)
            elif mine.any():
                found.append(series.only(mine))
        return found

    def _records(self, key: Key, first: int, end: int) -> bytes:
        """Return the records [first, end) in the order of their numbers, without those that are not stored."""
        parts = [*self._hot(key, first, end), *self._sealed(key, first, end)]
        if not parts:
            return b""
        seqs = np.concatenate([part.seqs for part in parts])
        order = np.argsort(seqs, kind="stable")
        return bytes(np.concatenate([part.records for part in parts])[order].tobytes())

    def _hot(self, key: Key, first: int, end: int) -> Iterator[Part]:
        for at, n, commit_no, offset in self._connection.execute(_HOT, (*key, end, first)).fetchall():
            row = self._connection.execute("SELECT data FROM blobs WHERE commit_no = ?", (commit_no,)).fetchone()
            data = opened(row[0]) if row else None
            if data is not None:
                records = columns.decode(data[offset : offset + n * RECORD_BYTES])
                low, high = max(first - at, 0), min(end - at, n)
                yield Part(np.arange(at + low, at + high), records[low:high])

    def _sealed(self, key: Key, first: int, end: int) -> Iterator[Part]:
        for (name,) in self._connection.execute(_FILES, (*key, end, first)).fetchall():
            part = self._part(name, key)
            low, high = np.searchsorted(part.seqs, [first, end])
            yield Part(part.seqs[low:high], part.records[low:high])

    def _part(self, name: str, key: Key) -> Part:
        """Return the samples of a stream in a sealed file; the ones used last stay in memory."""
        if (name, key) not in self._parts:
            self._parts[name, key] = self._read(name, key)
            while len(self._parts) > 1 and sum(part.records.nbytes for part in self._parts.values()) > MAX_CACHED:
                self._parts.popitem(last=False)
        self._parts.move_to_end((name, key))
        return self._parts[name, key]

    def _read(self, name: str, key: Key) -> Part:
        path = self._folder / SEALED / name
        within = [("thing", "==", key[0]), ("boot", "==", key[1])]
        try:
            rows = pq.read_table(path, columns=_COLUMNS, filters=within)
        except FileNotFoundError:  # set aside as damaged
            return Part(np.empty(0, np.int64), np.empty(0, columns.RECORD))
        order = np.argsort(rows["seq"].to_numpy(), kind="stable")
        numbers = self._channels(key)
        names = rows["datastream"].combine_chunks()
        of_name = np.array([_number(one, numbers) for one in names.dictionary.to_pylist()], np.uint8)
        channel = of_name[names.indices.to_numpy()] if rows.num_rows else np.empty(0, np.uint8)
        packed = columns.encode(
            channel, rows["quality"].to_numpy(), rows["stamp_us"].to_numpy(), rows["value"].to_numpy()
        )
        return Part(rows["seq"].to_numpy()[order].astype(np.int64), columns.decode(packed)[order])

    def _channels(self, key: Key) -> dict[str, int]:
        manifest = self._manifests(*key)
        return {f"{key[0]}/{channel.name}": channel.index for channel in manifest.channels} if manifest else {}


def _number(name: str, numbers: dict[str, int]) -> int:
    """Return the channel of a datastream; one that no manifest named is called by its number."""
    tail = name.rpartition("/#")[2]
    return numbers.get(name, int(tail) if tail.isdigit() else 255)


def _piece(row: list[Any]) -> Piece:
    return Piece(row[0], row[1], Clock(*row[2:]))
