"""The journal's tables, and what one transaction reads or writes in them. Runs on a committer."""

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, replace

import msgpack

from durable import Migration, opened, quarantine, sealed
from protocol.city_link import Clock, GapRecord
from protocol.ranges import Ranges, Span

from .streams import Stream

MAX_TASKS = 2000
SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS batches (
    id INTEGER PRIMARY KEY, thing TEXT NOT NULL, boot TEXT NOT NULL, first INTEGER NOT NULL,
    n INTEGER NOT NULL, rx_us INTEGER NOT NULL, clock BLOB NOT NULL, stored BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS streams (
    id INTEGER PRIMARY KEY, thing TEXT NOT NULL, boot TEXT NOT NULL, sent INTEGER NOT NULL,
    ring TEXT NOT NULL, received TEXT NOT NULL, acked TEXT NOT NULL, quarantined TEXT NOT NULL,
    UNIQUE (thing, boot));
CREATE TABLE IF NOT EXISTS gaps (
    thing TEXT NOT NULL, boot TEXT NOT NULL, gap_id INTEGER NOT NULL, first INTEGER NOT NULL,
    end INTEGER NOT NULL, cause TEXT NOT NULL, declared_by TEXT NOT NULL, acked INTEGER NOT NULL,
    PRIMARY KEY (thing, boot, gap_id));
CREATE TABLE IF NOT EXISTS tasks (
    task_id BLOB PRIMARY KEY, state INTEGER NOT NULL, changed_us INTEGER NOT NULL, stored BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS things (thing TEXT PRIMARY KEY, stored BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS snapshots (name TEXT PRIMARY KEY, stored BLOB NOT NULL);
"""
MIGRATIONS: tuple[Migration, ...] = ()
"""What changed since 0.1.0, whose tables SCHEMA has; see docs/upgrade.md before adding one."""


@dataclass(frozen=True)
class NewBatch:
    """Samples [first, first + n) as they came from a board at `rx_us` (edge boottime). n * 12 bytes."""

    thing: str
    boot: str
    first: int
    n: int
    clock: Clock
    rx_us: int
    records: bytes

    @property
    def end(self) -> int:
        """One after the last sample."""
        return self.first + self.n

    def part(self, first: int, end: int) -> "NewBatch":
        """Return the part [first, end) of it."""
        size = len(self.records) // self.n
        cut = self.records[(first - self.first) * size : (end - self.first) * size]
        return replace(self, first=first, n=end - first, records=cut)


def pack_clock(clock: Clock) -> bytes:
    """Return a clock segment as stored."""
    return bytes(msgpack.packb(list(vars(clock).values())))


def unpack_clock(stored: bytes) -> Clock:
    """Return what `pack_clock` stored."""
    return Clock(*msgpack.unpackb(stored))


def insert_batch(c: sqlite3.Connection, batch: NewBatch) -> int:
    """Store a batch and extend its stream; return the row id."""
    cursor = c.execute(
        "INSERT INTO batches (thing, boot, first, n, rx_us, clock, stored) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (batch.thing, batch.boot, batch.first, batch.n, batch.rx_us, pack_clock(batch.clock),
         sealed(batch.records)),
    )  # fmt: skip
    ensure_stream(c, batch.thing, batch.boot)
    grow(c, "received", batch.thing, batch.boot, [(batch.first, batch.end)])
    c.execute(
        "UPDATE streams SET sent = max(sent, ?) WHERE thing = ? AND boot = ?",
        (batch.end, batch.thing, batch.boot),
    )
    return int(cursor.lastrowid or 0)


def next_own(c: sqlite3.Connection, thing: str, boot: str) -> int:
    """Return the next sample number of this node's own Thing; it counts only if the transaction commits."""
    row = c.execute("SELECT sent FROM streams WHERE thing = ? AND boot = ?", (thing, boot)).fetchone()
    return int(row[0]) if row else 0


def ensure_stream(c: sqlite3.Connection, thing: str, boot: str) -> None:
    """Begin a stream if it is new."""
    c.execute(
        "INSERT OR IGNORE INTO streams (thing, boot, sent, ring, received, acked, quarantined)"
        " VALUES (?, ?, 0, '[0, 0]', '[]', '[]', '[]')",
        (thing, boot),
    )


def grow(c: sqlite3.Connection, column: str, thing: str, boot: str, spans: Iterable[Span]) -> None:
    """Add spans to one of the ranges columns of a stream (`received`, `acked`, `quarantined`)."""
    row = c.execute(f"SELECT {column} FROM streams WHERE thing = ? AND boot = ?", (thing, boot)).fetchone()
    if row is None:
        return
    ranges = Ranges(json.loads(row[0]))
    for first, end in spans:
        ranges.add(first, end)
    c.execute(
        f"UPDATE streams SET {column} = ? WHERE thing = ? AND boot = ?",
        (json.dumps(ranges.to_list()), thing, boot),
    )


def save_status(c: sqlite3.Connection, thing: str, boot: str, sent: int, ring: Span) -> None:
    """Keep what the board last said of its numbers."""
    ensure_stream(c, thing, boot)
    c.execute(
        "UPDATE streams SET sent = max(sent, ?), ring = ? WHERE thing = ? AND boot = ?",
        (sent, json.dumps(ring), thing, boot),
    )


def insert_gap(c: sqlite3.Connection, gap: GapRecord) -> None:
    """Keep a declared loss; the same one again changes nothing."""
    ensure_stream(c, gap.thing, gap.boot)
    c.execute("INSERT OR IGNORE INTO gaps VALUES (?, ?, ?, ?, ?, ?, ?, 0)", tuple(vars(gap).values()))


def city_has(c: sqlite3.Connection, thing: str, boot: str, spans: list[Span], ids: list[int], gaps: list[int]) -> None:
    """The city stored these: forget the batches, remember the ranges."""
    c.executemany("DELETE FROM batches WHERE id = ?", [(row,) for row in ids])
    grow(c, "acked", thing, boot, spans)
    c.executemany(
        "UPDATE gaps SET acked = 1 WHERE thing = ? AND boot = ? AND gap_id = ?",
        [(thing, boot, gap) for gap in gaps],
    )


def set_aside(c: sqlite3.Connection, row: int, thing: str, boot: str, span: Span) -> None:
    """Move a batch that cannot be read into quarantine."""
    found = c.execute("SELECT stored FROM batches WHERE id = ?", (row,)).fetchone()
    quarantine(c, "batches", f"{thing} {boot} {span[0]}..{span[1]}", found and found[0], "checksum")
    c.execute("DELETE FROM batches WHERE id = ?", (row,))
    grow(c, "quarantined", thing, boot, [span])


def read_records(c: sqlite3.Connection, row: int) -> bytes | None:
    """Return the records of a batch, None if they are broken or gone."""
    found = c.execute("SELECT stored FROM batches WHERE id = ?", (row,)).fetchone()
    return opened(found[0]) if found else None


def read_streams(c: sqlite3.Connection) -> list[Stream]:
    """Return all streams, oldest first, with declared losses."""
    streams = [
        Stream(
            thing, boot, sent, tuple(json.loads(ring)), Ranges(json.loads(received)),
            Ranges(json.loads(acked)), quarantined=Ranges(json.loads(quarantined)),
        )
        for thing, boot, sent, ring, received, acked, quarantined in c.execute(
            "SELECT thing, boot, sent, ring, received, acked, quarantined FROM streams ORDER BY id"
        )
    ]  # fmt: skip
    by_key = {stream.key: stream for stream in streams}
    for thing, boot, first, end in c.execute("SELECT thing, boot, first, end FROM gaps"):
        if (thing, boot) in by_key:
            by_key[thing, boot].lost.add(first, end)
    return streams


def read_gaps(c: sqlite3.Connection) -> list[GapRecord]:
    """Return declared losses that the city has not acked."""
    columns = "thing, boot, gap_id, first, end, cause, declared_by"
    return [GapRecord(*row) for row in c.execute(f"SELECT {columns} FROM gaps WHERE acked = 0")]


def put(c: sqlite3.Connection, table: str, key: str, name: str, blob: bytes) -> None:
    """Insert or replace one sealed blob in `things` or `snapshots`."""
    c.execute(f"INSERT OR REPLACE INTO {table} ({key}, stored) VALUES (?, ?)", (name, sealed(blob)))


def get_all(c: sqlite3.Connection, table: str, key: str) -> dict[str, bytes]:
    """Return the readable blobs of `things` or `snapshots`; broken ones go to quarantine."""
    good: dict[str, bytes] = {}
    for name, stored in c.execute(f"SELECT {key}, stored FROM {table}").fetchall():
        blob = opened(stored)
        if blob is None:
            quarantine(c, table, str(name), stored, "checksum")
            c.execute(f"DELETE FROM {table} WHERE {key} = ?", (name,))
        else:
            good[name] = blob
    return good


def put_task(c: sqlite3.Connection, task_id: bytes, state: int, changed_us: int, blob: bytes) -> None:
    """Keep the state of a task; only the newest MAX_TASKS stay."""
    c.execute("INSERT OR REPLACE INTO tasks VALUES (?, ?, ?, ?)", (task_id, state, changed_us, sealed(blob)))
    c.execute(
        "DELETE FROM tasks WHERE rowid <= (SELECT rowid FROM tasks ORDER BY rowid DESC LIMIT 1 OFFSET ?)",
        (MAX_TASKS,),
    )


def get_tasks(c: sqlite3.Connection) -> list[bytes]:
    """Return the readable tasks, oldest change first; broken ones go to quarantine."""
    good: list[bytes] = []
    for task_id, stored in c.execute("SELECT task_id, stored FROM tasks ORDER BY rowid").fetchall():
        blob = opened(stored)
        if blob is None:
            quarantine(c, "tasks", task_id.hex(), stored, "checksum")
            c.execute("DELETE FROM tasks WHERE task_id = ?", (task_id,))
        else:
            good.append(blob)
    return good


def reserve(c: sqlite3.Connection, key: str, size: int, at_least: int = 1) -> int:
    """Return the first of `size` numbers, `at_least` or more, that nobody else ever gets; `meta` counts them."""
    row = c.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    first = max(at_least, int(row[0]) if row else 1)
    c.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, str(first + size)))
    return first


def fixed(c: sqlite3.Connection, key: str, value: str) -> str:
    """Return the value kept under `key`, which is `value` if there was none."""
    c.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (key, value))
    return str(c.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()[0])
