"""The engine's log in a database: rows chained by hash, merged when they are old and bounded in bytes.

A row's body is a list of bodies that were stored at different times; `chain` is the hash after its last one. What the
bodies hold is the caller's. A row that begins with a base can be read without those before it.
"""

import hashlib
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgpack

from .blobs import opened, sealed
from .errors import RotError
from .migrations import Migration

MIGRATION = Migration(
    "the log of the engine, for replays",
    "CREATE TABLE engine_log(number INTEGER PRIMARY KEY, first_utc_us INTEGER NOT NULL, last_utc_us INTEGER NOT NULL,"
    " base INTEGER NOT NULL, thaws BLOB NOT NULL, merged INTEGER NOT NULL, chain BLOB NOT NULL, body BLOB NOT NULL)",
    "CREATE INDEX engine_log_bases ON engine_log(first_utc_us) WHERE base = 1",
)
KEEP_ROWS = 100
MERGE_BYTES = 256 << 10
MERGE_ROWS = 5000
CHAIN = 16
_COLUMNS = "number, first_utc_us, last_utc_us, base, thaws, merged, chain, body"
_INSERT = f"INSERT INTO engine_log({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"


Row = tuple[int, int, bool, bytes, bytes]
"""First and last event time, whether a reader can begin with it, what frozen state it goes on from, the body."""


class Stored(NamedTuple):
    """A row as it is on disk; `bodies` in their order, `chain` after the last of them."""

    number: int
    first_utc_us: int
    last_utc_us: int
    base: bool
    chain: bytes
    bodies: list[bytes]


def append(connection: sqlite3.Connection, rows: Iterable[Row]) -> None:
    """Store rows after those that are there, inside the caller's transaction."""
    query = "SELECT number, chain FROM engine_log ORDER BY number DESC LIMIT 1"
    number, chain = connection.execute(query).fetchone() or (0, bytes(CHAIN))
    for first_utc_us, last_utc_us, base, thaws, body in rows:
        number, chain = number + 1, chained(chain, body)
        span = first_utc_us, last_utc_us, int(base)
        connection.execute(_INSERT, (number, *span, thaws, 0, chain, _packed([body])))


def last_utc_us(connection: sqlite3.Connection, *, base: bool = False) -> int:
    """Return the event time with which the last row ends, or the last base; 0: there is none."""
    which = "WHERE base = 1" if base else ""
    row = connection.execute(f"SELECT last_utc_us FROM engine_log {which} ORDER BY number DESC LIMIT 1").fetchone()
    return int(row[0]) if row else 0


def chained(before: bytes, body: bytes) -> bytes:
    """Return the hash of a log that ends with `body`."""
    return hashlib.blake2b(before + body, digest_size=CHAIN).digest()


def keep(connection: sqlite3.Connection, most_bytes: int) -> None:
    """Do both that keeps the log small."""
    merge(connection)
    prune(connection, most_bytes)


def merge(connection: sqlite3.Connection) -> int:
    """Make one row of many small ones that follow each other; return how many rows that were."""
    query = (
        "SELECT number, base OR length(thaws) > 0, length(body) FROM engine_log WHERE merged = 0"
        " AND number <= (SELECT max(number) FROM engine_log) - ? ORDER BY number LIMIT ?"
    )
    groups: list[list[int]] = []
    size = MERGE_BYTES
    for number, begins, length in connection.execute(query, (KEEP_ROWS, MERGE_ROWS)).fetchall():
        if begins or size + length > MERGE_BYTES or groups[-1][-1] + 1 != number:
            groups.append([])
            size = 0
        groups[-1].append(number)
        size += length
    for numbers in groups:
        _merge(connection, numbers[0], numbers[-1])
    return sum(map(len, groups))


def prune(connection: sqlite3.Connection, most_bytes: int) -> int:
    """Forget the oldest days until the log has at most so many bytes; return how many rows went.

    What stays begins with a base, and the newest base stays whatever it takes.
    """
    gone = 0
    while int(connection.execute("SELECT coalesce(sum(length(body)), 0) FROM engine_log").fetchone()[0]) > most_bytes:
        second = connection.execute("SELECT number FROM engine_log WHERE base = 1 ORDER BY number LIMIT 1 OFFSET 1")
        row = second.fetchone()
        if row is None:
            break
        gone += connection.execute("DELETE FROM engine_log WHERE number < ?", (row[0],)).rowcount
    return gone


def read(connection: sqlite3.Connection, after: int = 0) -> Iterator[Stored]:
    """Yield the rows after a number, in order, one in memory at a time. Raises: RotError."""
    while row := connection.execute(_NEXT, (after,)).fetchone():
        yield _stored(row)
        after = row[0]


def base_before(connection: sqlite3.Connection, at_utc_us: int) -> int | None:
    """Return the number of the row to begin with for a replay from this event time; None: the log is empty."""
    query = "SELECT number FROM engine_log WHERE base = 1 AND first_utc_us <= ? ORDER BY number DESC LIMIT 1"
    row = connection.execute(query, (at_utc_us,)).fetchone()
    row = row or connection.execute("SELECT min(number) FROM engine_log WHERE base = 1").fetchone()
    return None if row is None or row[0] is None else int(row[0])


def thawed(connection: sqlite3.Connection) -> set[bytes]:
    """Return the digests of the frozen states that some start came from."""
    return {bytes(row[0]) for row in connection.execute("SELECT thaws FROM engine_log WHERE length(thaws) > 0")}


def exists(connection: sqlite3.Connection) -> bool:
    """Return whether the store has a log at all: one of an earlier release has none."""
    return bool(connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'engine_log'").fetchone())


_NEXT = f"SELECT {_COLUMNS} FROM engine_log WHERE number > ? ORDER BY number LIMIT 1"


def _merge(connection: sqlite3.Connection, first: int, last: int) -> None:
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM engine_log WHERE number >= ? AND number <= ? ORDER BY number", (first, last)
    ).fetchall()
    bodies = [body for row in rows for body in _bodies(row[0], row[-1])]
    span = min(row[1] for row in rows), max(row[2] for row in rows), rows[0][3], rows[0][4]
    connection.execute("DELETE FROM engine_log WHERE number >= ? AND number <= ?", (first, last))
    connection.execute(_INSERT, (first, *span, 1, rows[-1][6], _packed(bodies)))


def _packed(bodies: list[bytes]) -> bytes:
    return sealed(zlib.compress(bytes(msgpack.packb(bodies))))


def _stored(row: tuple[Any, ...]) -> Stored:
    return Stored(row[0], row[1], row[2], bool(row[3]), bytes(row[6]), _bodies(row[0], row[-1]))


def _bodies(number: int, stored: object) -> list[bytes]:
    data = opened(stored)
    if data is None:
        raise RotError(f"row {number} of the engine's log fails its checksum")
    return list(msgpack.unpackb(zlib.decompress(data)))
