"""Looks slowly for rot: hot blobs by their CRC, sealed files by their SHA-256, pages of store.db by SQLite's own check.

What is broken is set aside: kept for people, its samples counted as quarantined instead of stored, so that an edge
node which still has them may send them again.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgpack

from durable import DISK, opened, quarantine

from ..backup.manifest import digest
from ..backup.taking import copy_file
from ..ingest import Key
from .schema import SEALED
from .snapshot import open_reader

ASIDE = "quarantine"


@dataclass(frozen=True)
class Blob:
    """A hot blob that fails its checksum."""

    commit_no: int


@dataclass(frozen=True)
class File:
    """A sealed file that is not what was sealed, or is gone."""

    name: str
    why: str


@dataclass(frozen=True)
class Unsummed:
    """A sealed file of an earlier release: its checksum, to be kept from now on."""

    name: str
    sha256: str


@dataclass(frozen=True)
class Page:
    """What SQLite says of a damaged page."""

    text: str


Found = Blob | File | Unsummed | Page
Span = tuple[Key, int, int]


def look(folder: Path, connection: sqlite3.Connection) -> Iterator[tuple[int, Found | None]]:
    """Yield (bytes read, what is wrong with them) for one round; the caller decides how fast it goes."""
    numbers = connection.execute("SELECT commit_no FROM blobs ORDER BY commit_no").fetchall()
    for (number,) in numbers:
        row = connection.execute("SELECT data FROM blobs WHERE commit_no = ?", (number,)).fetchone()
        if row is not None:  # else it was sealed meanwhile
            yield len(row[0]), None if opened(row[0]) is not None else Blob(number)
    query = "SELECT file, sha256 FROM sealed LEFT JOIN sealed_sums USING (file) ORDER BY file"
    for name, sha256 in connection.execute(query).fetchall():
        yield _look_at_file(folder / SEALED / name, sha256)


@dataclass(frozen=True)
class Step:
    """What a step read and found; `over`: the round is complete."""

    size: int
    found: list[Found]
    over: bool


class Round:
    """One round over a data folder, in steps, each with a snapshot of its own start. Shell."""

    def __init__(self, folder: Path) -> None:
        self._connection = open_reader(folder)
        self._looking = look(folder, self._connection)

    def step(self, most_bytes: int) -> Step:
        """Read on until `most_bytes` were read or something is wrong."""
        size, found = 0, []
        for read, wrong in self._looking:
            size += read
            if wrong is not None:
                found.append(wrong)
            if wrong is not None or size >= most_bytes:
                return Step(size, found, False)
        return Step(size, found, True)

    def tables(self) -> list[str]:
        """Return the tables of store.db, its own list of them last."""
        query = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
        return [name for (name,) in self._connection.execute(query)] + ["sqlite_schema"]

    def check(self, table: str) -> Page | None:
        """Return what SQLite says of the pages of one table and of its indexes, None if they are sound.

        It takes as long as reading them does, in a snapshot of its own: nobody needs to wait for it.
        """
        try:
            text = self._connection.execute(f'PRAGMA quick_check("{table}")').fetchone()[0]
        except sqlite3.DatabaseError as error:  # so says SQLite where the first page of a table is broken
            if (error.sqlite_errorcode & 0xFF) not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                raise
            text = str(error)
        return None if text == "ok" else Page(f"{table}: {text}")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _look_at_file(path: Path, sha256: str | None) -> tuple[int, Found | None]:
    try:
        found, size = digest(path), path.stat().st_size
    except OSError as error:
        return 0, File(path.name, error.strerror or repr(error))
    if sha256 is None:
        return size, Unsummed(path.name, found)
    return size, None if found == sha256 else File(path.name, "checksum")


def keep_copy(folder: Path, file: File) -> None:
    """Copy a broken file to quarantine/, durably. It stays in sealed/ for its readers until the next start."""
    aside = folder / ASIDE
    DISK.make_folder(aside, 0o700)
    source, dest = folder / SEALED / file.name, aside / file.name
    if source.exists() and not dest.exists():
        copy_file(source, dest)
        DISK.sync_folder(aside)


def set_blob_aside(connection: sqlite3.Connection, number: int) -> list[Span]:
    """Move a broken hot blob to quarantine; return the samples that are no longer stored."""
    row = connection.execute("SELECT data FROM blobs WHERE commit_no = ?", (number,)).fetchone()
    if row is not None and opened(row[0]) is not None:
        return []
    quarantine(connection, "blobs", str(number), row[0] if row else b"", "checksum")
    query = "SELECT thing, boot, first, first + n FROM frames WHERE commit_no = ?"
    spans = [((thing, boot), first, end) for thing, boot, first, end in connection.execute(query, (number,))]
    _note(connection, spans)
    for table in ("frames", "blobs"):
        connection.execute(f"DELETE FROM {table} WHERE commit_no = ?", (number,))
    return spans


def set_file_aside(connection: sqlite3.Connection, file: File) -> list[Span]:
    """Take a broken file out of the catalogue; return the samples that are no longer stored."""
    row = connection.execute("SELECT ranges FROM sealed WHERE file = ?", (file.name,)).fetchone()
    if row is None:
        return []
    spans = [((t, b), first, end) for t, b, found in msgpack.unpackb(row[0]) for first, end in found]
    quarantine(connection, "sealed", file.name, b"", file.why)
    _note(connection, spans)
    for table in ("sealed", "sealed_sums", "sealed_spans"):
        connection.execute(f"DELETE FROM {table} WHERE file = ?", (file.name,))
    return spans


def keep_sum(connection: sqlite3.Connection, found: Unsummed) -> None:
    """Keep the checksum of a file of an earlier release."""
    connection.execute("INSERT OR IGNORE INTO sealed_sums(file, sha256) VALUES (?, ?)", (found.name, found.sha256))


def _note(connection: sqlite3.Connection, spans: list[Span]) -> None:
    rows = [(*key, first, end) for key, first, end in spans]
    connection.executemany("INSERT INTO quarantined(thing, boot, first, last) VALUES (?, ?, ?, ?)", rows)
