"""Reading the hot rows of store.db on a connection of one's own."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from durable import DISK, Disk, opened
from protocol.city_link import Clock

from ..ingest import RECORD_BYTES, Frame
from .schema import FILE, SELECT_FRAMES


def open_reader(folder: Path, disk: Disk = DISK) -> sqlite3.Connection:
    """Return a read-only connection; BEGIN on it makes a snapshot."""
    return disk.connect_reader(folder / FILE)


def read_epoch(connection: sqlite3.Connection) -> int:
    """Return the restore epoch that a store knows; 0: it was never restored."""
    try:
        row = connection.execute("SELECT value FROM meta WHERE key = 'epoch' AND typeof(value) = 'integer'").fetchone()
    except sqlite3.OperationalError:  # a store of version 0.1.0 has no such table
        return 0
    return int(row[0]) if row else 0


def hot_frames(
    connection: sqlite3.Connection, after: int = -1, upto: int = 2**62, broken: set[int] | None = None
) -> Iterator[tuple[int, Frame]]:
    """Yield (commit number, frame) in order of arrival; one blob is in memory at a time.

    Commits whose blob fails its checksum are left out and their numbers added to `broken`.
    """
    query = f"{SELECT_FRAMES} WHERE commit_no > ? AND commit_no <= ? ORDER BY commit_no, at"
    number: int = -1
    data: bytes | None = None
    for row in connection.execute(query, (after, upto)).fetchall():
        if row[4] != number:
            number = row[4]
            data = _blob(connection, number)
        if data is not None:
            yield number, _frame(row, data[row[5] : row[5] + row[3] * RECORD_BYTES])
        elif broken is not None:
            broken.add(number)


def _blob(connection: sqlite3.Connection, number: int) -> bytes | None:
    row = connection.execute("SELECT data FROM blobs WHERE commit_no = ?", (number,)).fetchone()
    return opened(row[0]) if row else None


def _frame(row: tuple[Any, ...], records: bytes) -> Frame:
    clock = Clock(row[6], row[7], row[8], row[9], bool(row[10]))
    return Frame(row[0], row[1], row[2], row[3], clock, row[11], row[12], row[13], records)


def last_commit_upto(connection: sqlite3.Connection, keep_commits: int, max_samples: int) -> int | None:
    """Return the last commit to seal: at most `max_samples`, without the newest `keep_commits` commits.

    What the engine saw since its last snapshot stays: after a crash it gets these frames from the hot rows again.
    """
    (known,) = connection.execute("SELECT coalesce(max(commit_no), ?) FROM engine", (2**62,)).fetchone()
    blobs = connection.execute("SELECT commit_no, length(data) / 12 FROM blobs ORDER BY commit_no").fetchall()
    samples, upto = 0, None
    for number, n in blobs[: max(0, len(blobs) - keep_commits)]:
        if number > known or (upto is not None and samples + n > max_samples):
            break
        samples, upto = samples + n, number
    return upto
