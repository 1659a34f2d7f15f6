"""What an edge node recorded, opened for a replay: its journal has the engine's log and the batches it refers to."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgpack

from aggregator.errors import DamagedError, NoRecordingError
from aggregator.replay.recording import Recording
from durable import DISK, RotError, chained_log, opened
from edge_node.journal.rows import FILE
from processes.feed import Arrived, Feed
from processes.log import Entry, of_manifest
from protocol.city_link import Clock, ThingInfo
from protocol.errors import ProtocolError
from protocol.manifest import Manifest, from_map

RECORD_BYTES = 12
_BATCHES = (
    "SELECT first, n, stored FROM batches WHERE thing = ? AND boot = ? AND first < ? AND first + n > ? ORDER BY first"
)


class JournalFrames:
    """Looks up `take` entries in the batches that are still in the journal."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection, self._feed = connection, Feed()
        self._manifests = dict(_manifests(connection))
        self.missing = self.samples = 0
        self.manifests_changed: set[str] = set()

    def series(self, entry: Entry) -> list[Arrived]:
        """Return the series that an entry refers to, at the times that held when they arrived."""
        _, thing, boot, digest, spans, clock, _ = entry
        manifest = self._manifests.get((thing, boot))
        records = b"".join(self._records(thing, boot, first, first + n) for first, n in spans)
        self.samples += len(records) // RECORD_BYTES
        self.missing += sum(n for _, n in spans) - len(records) // RECORD_BYTES
        if manifest is None or not records:
            return []
        if of_manifest(manifest) != digest:
            self.manifests_changed.add(thing)
        return self._feed.from_records(thing, manifest, Clock(*clock), records)

    def _records(self, thing: str, boot: str, first: int, end: int) -> bytes:
        found = []
        for at, n, stored in self._connection.execute(_BATCHES, (thing, boot, end, first)):
            data = opened(stored) or b""
            low, high = max(first - at, 0), min(end - at, n)
            found.append(data[low * RECORD_BYTES : high * RECORD_BYTES])
        return b"".join(found)


def _manifests(connection: sqlite3.Connection) -> Iterator[tuple[tuple[str, str], Manifest]]:
    for (stored,) in connection.execute("SELECT stored FROM things"):
        data = opened(stored)
        if data is None:
            continue
        try:
            info = ThingInfo(*msgpack.unpackb(data))
            yield (info.thing, info.boot), from_map(info.manifest)
        except (ProtocolError, TypeError, ValueError):
            continue


@contextmanager
def opened_journal(folder: Path) -> Iterator[Recording]:
    """Open the data folder of an edge node, running or not; nothing is written.

    Raises: NoRecordingError, DamagedError.
    """
    if not (folder / FILE).exists():
        raise NoRecordingError(f"{folder}: no {FILE}: not the data folder of an edge node")
    connection = DISK.connect_reader(folder / FILE)
    try:
        connection.execute("BEGIN")
        if not chained_log.exists(connection):
            raise NoRecordingError(f"{folder}: a release that recorded no decisions wrote this journal")
        yield Recording(connection, JournalFrames(connection), "edge")
    except RotError as error:
        raise DamagedError(f"{folder / FILE}: {error}") from error
    except sqlite3.DatabaseError as error:
        raise DamagedError(f"{folder / FILE}: {error}") from error
    finally:
        connection.close()
