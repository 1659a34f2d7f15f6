"""The journal's tables, and what one transaction reads or writes in them. Runs on a committer."""

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import msgpack

from durable import Migration, chained_log, opened, quarantine, sealed
from protocol.city_link import Clock, GapRecord
from protocol.ranges import Ranges, Span

from .streams import Stream

FILE = "journal.db"
MAX_TASKS = 2000
PRUNE_EVERY = 64
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
MIGRATIONS: tuple[Migration, ...] = (
    Migration(
        "when the city acked a batch that is retained, in seconds that this node ran; NULL: pending",
        "ALTER TABLE batches ADD COLUMN acked_s INTEGER",
        "CREATE INDEX batches_by_first ON batches (thing, boot, first)",
        "CREATE INDEX batches_pending ON batches (id) WHERE acked_s IS NULL",
        "CREATE INDEX batches_retained ON batches (acked_s) WHERE acked_s IS NOT NULL",
    ),
    Migration(
        "in which restore epoch of the city `acked` is true; what is un-acked and with the board",
        "ALTER TABLE streams ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE streams ADD COLUMN recall TEXT NOT NULL DEFAULT '[]'",
    ),
    Migration(
        "clock records, and stamps that wait for one",
        "CREATE TABLE clock_records (id INTEGER PRIMARY KEY, thing TEXT NOT NULL, boot TEXT NOT NULL,"
        " number INTEGER NOT NULL, first_us INTEGER NOT NULL, end_us INTEGER NOT NULL, clock BLOB NOT NULL,"
        " acked INTEGER NOT NULL DEFAULT 0, UNIQUE (thing, boot, number))",
        "CREATE TABLE unsynced_stamps (thing TEXT NOT NULL, boot TEXT NOT NULL, first_us INTEGER NOT NULL,"
        " end_us INTEGER NOT NULL, PRIMARY KEY (thing, boot, first_us))",
    ),
    Migration(
        "samples that came again with different content",
        "CREATE TABLE contradictions (id INTEGER PRIMARY KEY, thing TEXT NOT NULL, boot TEXT NOT NULL,"
        " first INTEGER NOT NULL, end INTEGER NOT NULL, rx_us INTEGER NOT NULL, seen_reason TEXT,"
        " UNIQUE (thing, boot, first, end))",
    ),
    Migration(
        "tasks that 0.1.0 cannot read: of people, approved by them, or cancelled",
        "CREATE TABLE orders (task_id BLOB PRIMARY KEY, state INTEGER NOT NULL, changed_us INTEGER NOT NULL,"
        " stored BLOB NOT NULL)",
    ),
    chained_log.MIGRATION,
)
"""What changed since 0.1.0, whose tables SCHEMA has; see docs/upgrade.md before adding one."""
EPOCH = "city_epoch"
OWN_GAPS = 1 << 62
"""Ids of gaps that this node declares begin here; a board's are 32 bits."""


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
        if (first, end) == (self.first, self.end):
            return self
        size = len(self.records) // self.n
        cut = self.records[(first - self.first) * size : (end - self.first) * size]
        return replace(self, first=first, n=end - first, records=cut)


class Held(NamedTuple):
    """A batch on disk: its row, [first, first + n), and when the city acked it, None if it is pending."""

    row: int
    first: int
    n: int
    acked_s: int | None

    @property
    def end(self) -> int:
        """One after the last sample."""
        return self.first + self.n


_BATCH = "id, thing, boot, first, n, clock, rx_us"


def pack_clock(clock: Clock) -> bytes:
    """Return a clock segment as stored."""
    return bytes(msgpack.packb(list(vars(clock).values())))


def unpack_clock(stored: bytes) -> Clock:
    """Return what `pack_clock` stored."""
    return Clock(*msgpack.unpackb(stored))


def insert_batch(c: sqlite3.Connection, batch: NewBatch, row: int | None = None) -> int:
    """Store a batch and extend its stream; return the row id, `row` if it is given."""
    cursor = c.execute(
        "INSERT INTO batches (id, thing, boot, first, n, rx_us, clock, stored) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (row, batch.thing, batch.boot, batch.first, batch.n, batch.rx_us, pack_clock(batch.clock),
         sealed(batch.records)),
    )  # fmt: skip
    ensure_stream(c, batch.thing, batch.boot)
    received = stream_ranges(c, "received", batch.thing, batch.boot)
    received.add(batch.first, batch.end)
    c.execute(
        "UPDATE streams SET received = ?, sent = max(sent, ?) WHERE thing = ? AND boot = ?",
        (json.dumps(received.to_list()), batch.end, batch.thing, batch.boot),
    )
    return int(cursor.lastrowid or 0)


def next_own(c: sqlite3.Connection, thing: str, boot: str) -> int:
    """Return the next sample number of this node's own Thing; it counts only if the transaction commits."""
    row = c.execute("SELECT sent FROM streams WHERE thing = ? AND boot = ?", (thing, boot)).fetchone()
    return int(row[0]) if row else 0


def ensure_stream(c: sqlite3.Connection, thing: str, boot: str) -> None:
    """Begin a stream if it is new; what the city will ack of it is of the present epoch."""
    c.execute(
        "INSERT OR IGNORE INTO streams (thing, boot, sent, ring, received, acked, quarantined, epoch)"
        " VALUES (?, ?, 0, '[0, 0]', '[]', '[]', '[]', ?)",
        (thing, boot, city_epoch(c)),
    )


def city_epoch(c: sqlite3.Connection) -> int:
    """Return the highest restore epoch of the city that this node knows."""
    row = c.execute("SELECT value FROM meta WHERE key = ?", (EPOCH,)).fetchone()
    return int(row[0]) if row else 0


def grow(c: sqlite3.Connection, column: str, thing: str, boot: str, spans: Iterable[Span]) -> Ranges:
    """Add spans to one of the ranges columns of a stream (`received`, `acked`, `quarantined`); return all of it."""
    ranges = stream_ranges(c, column, thing, boot)
    for first, end in spans:
        ranges.add(first, end)
    set_ranges(c, column, thing, boot, ranges)
    return ranges


def stream_ranges(c: sqlite3.Connection, column: str, thing: str, boot: str) -> Ranges:
    """Return one of the ranges columns of a stream, empty if there is no such stream."""
    row = c.execute(f"SELECT {column} FROM streams WHERE thing = ? AND boot = ?", (thing, boot)).fetchone()
    return Ranges(json.loads(row[0]) if row else ())


def set_ranges(c: sqlite3.Connection, column: str, thing: str, boot: str, ranges: Ranges) -> None:
    """Replace one of the ranges columns of a stream."""
    c.execute(
        f"UPDATE streams SET {column} = ? WHERE thing = ? AND boot = ?", (json.dumps(ranges.to_list()), thing, boot)
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
    c.execute(
        "INSERT OR IGNORE INTO gaps (thing, boot, gap_id, first, end, cause, declared_by, acked)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, 0)",
        tuple(vars(gap).values()),
    )


def set_aside(c: sqlite3.Connection, row: int, thing: str, boot: str, span: Span) -> None:
    """Move a batch that cannot be read into quarantine."""
    found = c.execute("SELECT stored FROM batches WHERE id = ?", (row,)).fetchone()
    quarantine(c, "batches", f"{thing} {boot} {span[0]}..{span[1]}", found and found[0], "checksum")
    c.execute("DELETE FROM batches WHERE id = ?", (row,))
    grow(c, "quarantined", thing, boot, [span])


def read_page(c: sqlite3.Connection, after: int, before: int, limit: int) -> list[tuple[Any, ...]]:
    """Return pending batches with after <= id < before, oldest first: _BATCH columns and the blob as stored."""
    return c.execute(
        f"SELECT {_BATCH}, stored FROM batches INDEXED BY batches_pending"
        " WHERE acked_s IS NULL AND id >= ? AND id < ? ORDER BY id LIMIT ?",
        (after, before, limit),
    ).fetchall()


def overlapping(c: sqlite3.Connection, thing: str, boot: str, first: int, end: int) -> list[Held]:
    """Return the batches kept here, pending or retained, that have samples of [first, end), ascending."""
    known = "FROM batches INDEXED BY batches_by_first WHERE thing = ? AND boot = ?"
    begin = c.execute(f"SELECT max(first) {known} AND first <= ?", (thing, boot, first)).fetchone()[0]
    found = c.execute(
        f"SELECT id, first, n, acked_s {known} AND first >= ? AND first < ? ORDER BY first",
        (thing, boot, first if begin is None else begin, end),
    )
    return [held for held in map(Held._make, found) if held.end > first]


def read_overlapping(c: sqlite3.Connection, batch: NewBatch) -> list[tuple[Held, bytes]]:
    """Return what is kept here of the samples of `batch`, with the records; broken ones are left out."""
    found = [
        (held, read_records(c, held.row)) for held in overlapping(c, batch.thing, batch.boot, batch.first, batch.end)
    ]
    return [(held, records) for held, records in found if records is not None and len(records) == held.n * 12]


def read_records(c: sqlite3.Connection, row: int) -> bytes | None:
    """Return the records of a batch, None if they are broken or gone."""
    found = c.execute("SELECT stored FROM batches WHERE id = ?", (row,)).fetchone()
    return opened(found[0]) if found else None


def counts(c: sqlite3.Connection) -> tuple[int, int, int]:
    """Return (pending batches, retained batches, one after the last row)."""
    pending = c.execute("SELECT count(*) FROM batches INDEXED BY batches_pending WHERE acked_s IS NULL")
    retained = c.execute("SELECT count(*) FROM batches INDEXED BY batches_retained WHERE acked_s IS NOT NULL")
    last = c.execute("SELECT max(id) FROM batches").fetchone()[0]
    return int(pending.fetchone()[0]), int(retained.fetchone()[0]), int(last or 0) + 1


def read_streams(c: sqlite3.Connection) -> list[Stream]:
    """Return all streams, oldest first, with declared losses."""
    columns = "thing, boot, sent, ring, received, acked, quarantined, epoch, recall"
    streams = [_stream(*row) for row in c.execute(f"SELECT {columns} FROM streams ORDER BY id")]
    by_key = {stream.key: stream for stream in streams}
    for thing, boot, gap_id, first, end in c.execute("SELECT thing, boot, gap_id, first, end FROM gaps"):
        if (thing, boot) in by_key:
            by_key[thing, boot].declared(first, end, own=gap_id >= OWN_GAPS)
    return streams


def _stream(
    thing: str, boot: str, sent: int, ring: str, received: str, acked: str, quarantined: str, epoch: int, recall: str
) -> Stream:
    held = Ranges(json.loads(received))
    return Stream(
        thing, boot, sent, tuple(json.loads(ring)), held, Ranges(json.loads(acked)),
        quarantined=Ranges(json.loads(quarantined)), recall=Ranges(json.loads(recall)).difference(held), epoch=epoch,
    )  # fmt: skip


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


def put_task(
    c: sqlite3.Connection, task_id: bytes, state: int, changed_us: int, blob: bytes, table: str = "tasks"
) -> None:
    """Keep the state of a task; only the newest MAX_TASKS stay, and up to PRUNE_EVERY more until the next pruning.

    `table`: "orders" for what 0.1.0 cannot read.
    """
    row = c.execute(f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?, ?)", (task_id, state, changed_us, sealed(blob)))
    if (row.lastrowid or 0) % PRUNE_EVERY:
        return  # finding the oldest walks over all of them, and an order waits for this commit
    c.execute(
        f"DELETE FROM {table} WHERE rowid <= (SELECT rowid FROM {table} ORDER BY rowid DESC LIMIT 1 OFFSET ?)",
        (MAX_TASKS,),
    )


def get_tasks(c: sqlite3.Connection) -> list[bytes]:
    """Return the readable tasks, then orders, each the oldest change first; broken ones go to quarantine."""
    return [blob for table in ("tasks", "orders") for blob in _get_tasks(c, table)]


def _get_tasks(c: sqlite3.Connection, table: str) -> list[bytes]:
    good: list[bytes] = []
    for task_id, stored in c.execute(f"SELECT task_id, stored FROM {table} ORDER BY rowid").fetchall():
        blob = opened(stored)
        if blob is None:
            quarantine(c, table, task_id.hex(), stored, "checksum")
            c.execute(f"DELETE FROM {table} WHERE task_id = ?", (task_id,))
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


def set_meta(c: sqlite3.Connection, key: str, value: str) -> None:
    """Keep a value under a key."""
    c.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, value))
