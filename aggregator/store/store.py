"""What the city knows durably. One commit per group: one blob of records, one index row per frame.

An ack may be sent once `commit` has returned. Every row keeps its commit number. Sealing (sealing.py) and
queries (reader.py) read through connections of their own.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgpack

from durable import DISK, Committer, Disk, quarantine, sealed
from processes.log import Entry
from protocol.city_link import ClockRecord, ThingInfo
from protocol.ranges import Ranges

from ..clocks import rows as clock_rows
from ..errors import DamagedError
from ..ingest import Frame, Group, Key
from ..latest import Observation
from ..ledger import rows as ledger_rows
from ..ledger.view import Reported
from ..tasks.book import TaskRecord
from . import log_rows, task_rows
from .conflicts import Conflict
from .schema import FILE, INSERT_FRAME, MIGRATIONS, SCHEMA, SELECT_FRAMES
from .snapshot import hot_frames, read_epoch


@dataclass
class Writes:
    """All that one commit makes durable."""

    group: Group = field(default_factory=Group)
    things: list[tuple[str, ThingInfo, int]] = field(default_factory=list)
    accounts: Mapping[Key, Reported] = field(default_factory=dict)
    tasks: Iterable[TaskRecord] = ()
    frozen: bytes | None = None
    quarantine_bytes: int = 64 << 20
    unexplained: Mapping[Key, int | None] = field(default_factory=dict)
    log: Sequence[Entry] = ()
    log_utc_us: int = 0

    def __bool__(self) -> bool:
        """Whether there is anything to commit."""
        group = self.group
        samples = group.frames or group.gaps or group.clocks or group.rejected
        rest = self.accounts or self.tasks or self.frozen or self.unexplained or self.log
        return bool(samples or self.things or rest)


class Store:
    """store.db in the city's data folder, behind durable's one committing thread."""

    def __init__(
        self, folder: Path, disk: Disk = DISK, open_committer: Callable[..., Committer] = Committer
    ) -> None:
        """Open or create it. Raises: DamagedError if a page is broken; TooNewError, OSError."""
        self.folder = folder
        try:
            self.committer = open_committer(folder / FILE, schema=SCHEMA, migrations=MIGRATIONS, disk=disk)
            self.commit_no = int(self._rows(_LAST_COMMIT)[0][0] or 0)
            self.epoch = self.committer.read(read_epoch)
        except sqlite3.DatabaseError as error:
            raise damaged(folder, error) from error

    async def commit(self, writes: Writes) -> None:
        """Return once it is durable. Raises: DiskFullError (nothing was written), other DurableErrors."""
        number = self.commit_no + 1
        await self.work(lambda connection: write(connection, number, writes))
        self.commit_no += bool(writes.group.frames)

    async def work(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """Return once `work` is committed. Raises: what it raised."""
        loop = asyncio.get_running_loop()
        finished: asyncio.Future[None] = loop.create_future()
        self.committer.submit(
            work,
            lambda _: _call(loop, _settle, finished, None),
            lambda error: _call(loop, _settle, finished, error),
        )
        await finished

    def close(self) -> None:
        """Commit what is queued and close."""
        self.committer.close()

    def overlapping(self, thing: str, boot: str, first: int, end: int) -> list[tuple[int, bytes]]:
        """Return hot pieces that overlap [first, end), as (first, records)."""
        query = f"{SELECT_FRAMES} WHERE thing = ? AND boot = ? AND first < ? AND first + n > ?"
        rows = self._rows(query, (thing, boot, end, first))
        return [(row[2], self._records(row)) for row in rows]

    def received(self) -> dict[Key, Ranges]:
        """Return the stored ranges per (thing, boot), sealed and hot."""
        found: dict[Key, Ranges] = {}
        for (packed,) in self._rows("SELECT ranges FROM sealed"):
            for thing, boot, spans in msgpack.unpackb(packed):
                for a, b in spans:
                    found.setdefault((thing, boot), Ranges()).add(a, b)
        for thing, boot, first, n in self._rows("SELECT thing, boot, first, n FROM frames"):
            found.setdefault((thing, boot), Ranges()).add(first, first + n)
        return found

    def quarantined(self) -> dict[Key, Ranges]:
        """Return the ranges whose blobs were found broken, per (thing, boot)."""
        found = self._spans("SELECT thing, boot, first, last FROM quarantined")
        for key, ranges in self.received().items():  # what came again intact is stored
            if key in found:
                found[key] = found[key].difference(ranges)
        return found

    def conflicts(self) -> int:
        """Return how many pieces were set aside because they contradict stored ones."""
        return int(self._rows("SELECT count(*) FROM quarantine WHERE reason = ?", (ledger_rows.CONFLICT,))[0][0])

    def unseen_conflicts(self) -> list[Conflict]:
        """Return the pieces that contradict stored ones and that nobody has acknowledged."""
        return self.committer.read(ledger_rows.unseen)

    def unexplained_since(self) -> dict[Key, int]:
        """Return since when (event time) streams had unexplained samples, as last saved."""
        return self.committer.read(ledger_rows.unexplained_since)

    def lost(self) -> dict[Key, Ranges]:
        """Return the declared losses per (thing, boot)."""
        return self._spans("SELECT thing, boot, first, last FROM gaps")

    def gap_ids(self, thing: str, boot: str) -> list[int]:
        """Return the ids of the losses that were declared for (thing, boot), ascending."""
        query = "SELECT DISTINCT gap_id FROM gaps WHERE thing = ? AND boot = ? ORDER BY gap_id"
        return [row[0] for row in self._rows(query, (thing, boot))]

    def gaps(self) -> dict[Key, set[tuple[int, int, int]]]:
        """Return (gap id, first, end) of all declared losses per (thing, boot)."""
        found: dict[Key, set[tuple[int, int, int]]] = {}
        for thing, boot, *row in self._rows("SELECT thing, boot, gap_id, first, last FROM gaps"):
            found.setdefault((thing, boot), set()).add((row[0], row[1], row[2]))
        return found

    def clock_records(self) -> list[ClockRecord]:
        """Return all clock records."""
        return self.committer.read(clock_rows.read)

    def things(self) -> list[tuple[str, ThingInfo, int]]:
        """Return (edge, info, seen_utc_us) of all things, oldest first."""
        rows = self._rows("SELECT edge, info, seen_utc_us FROM things ORDER BY seen_utc_us")
        return [(edge, ThingInfo(**msgpack.unpackb(info)), seen) for edge, info, seen in rows]

    def accounts(self) -> dict[Key, Reported]:
        """Return the last account of every (thing, boot)."""
        rows = self._rows("SELECT thing, boot, edge, sent, spans, at_utc_us FROM accounts")
        return {(row[0], row[1]): _reported(*row[2:]) for row in rows}

    def tasks(self, limit: int) -> list[TaskRecord]:
        """Return the newest tasks, oldest first."""
        return self._read(lambda connection: task_rows.newest(connection, limit))

    def engine(self) -> tuple[int, bytes] | None:
        """Return (commit number, frozen state) of the last snapshot."""
        rows = self._rows("SELECT commit_no, frozen FROM engine")
        return (int(rows[0][0]), bytes(rows[0][1])) if rows else None

    def log_day(self) -> int | None:
        """Return the day of event time of the last checkpoint in the engine's log."""
        return self.committer.read(log_rows.last_day)

    def frames_after(self, commit_no: int) -> list[Frame]:
        """Return hot frames of later commits, in order of arrival."""
        found = self.committer.read(lambda c: list(hot_frames(c, commit_no)))
        return [frame for _, frame in found]

    def frames_upto(self, commit_no: int) -> list[Frame]:
        """Return hot frames of commits up to this one, in order of arrival."""
        found = self.committer.read(lambda c: list(hot_frames(c, upto=commit_no)))
        return [frame for _, frame in found]

    def latest(self) -> list[tuple[str, Observation]]:
        """Return the newest sealed observation per Datastream."""
        rows = self._rows(_LATEST)
        return [(row[0], Observation(row[1], _number(row[2]), _number(row[3]), *row[4:])) for row in rows]

    def _records(self, row: tuple[Any, ...]) -> bytes:
        """Return the records of a row of SELECT_FRAMES; none if it was sealed since."""
        query = "SELECT substr(data, ?, ?) FROM blobs WHERE commit_no = ?"
        found = self._rows(query, (row[5] + 1, row[3] * 12, row[4]))
        return bytes(found[0][0]) if found else b""

    def _spans(self, query: str) -> dict[Key, Ranges]:
        found: dict[Key, Ranges] = {}
        for thing, boot, first, end in self._rows(query):
            found.setdefault((thing, boot), Ranges()).add(first, end)
        return found

    def _rows(self, query: str, values: tuple[Any, ...] = ()) -> list[Any]:
        return self._read(lambda connection: connection.execute(query, values).fetchall())

    def _read(self, work: Callable[[sqlite3.Connection], list[Any]]) -> list[Any]:
        try:
            return self.committer.read(work)
        except sqlite3.DatabaseError as error:
            raise damaged(self.folder, error) from error


def damaged(folder: Path, error: sqlite3.DatabaseError) -> Exception:
    """Return what an error of SQLite means: DamagedError for a broken page, else the error itself."""
    primary = (getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF
    if primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return DamagedError(f"{folder / FILE}: {error}")
    return error


_LAST_COMMIT = (
    "SELECT max(m) FROM (SELECT max(commit_no) m FROM blobs UNION SELECT max(last_commit) FROM sealed"
    " UNION SELECT max(commit_no) FROM engine)"
)
_LATEST = (
    "SELECT datastream, t_utc_us, value, sigma, quality, coalesce(boot, ''), coalesce(stamp_us, 0)"
    " FROM latest LEFT JOIN latest_from USING(datastream)"
)
_INSERT_GAP = "INSERT OR IGNORE INTO gaps VALUES (?, ?, ?, ?, ?, ?, ?)"
_PUT_THING = "INSERT OR REPLACE INTO things VALUES (?, ?, ?, ?, ?)"
_PUT_ACCOUNT = "INSERT OR REPLACE INTO accounts VALUES (?, ?, ?, ?, ?, ?)"


def write(connection: sqlite3.Connection, number: int, writes: Writes) -> None:
    """Write one group as commit `number`, inside the caller's transaction."""
    _write_frames(connection, number, writes.group.frames)
    _quarantine(connection, writes.group.rejected, writes.quarantine_bytes)
    connection.executemany(_INSERT_GAP, [_gap_row(gap) for gap in writes.group.gaps])
    clock_rows.insert(connection, writes.group.clocks)
    ledger_rows.put(connection, writes.group.gaps, writes.group.rejected, writes.unexplained, writes.group.utc_us)
    connection.executemany(_PUT_THING, [_thing_row(*row) for row in writes.things])
    connection.executemany(_PUT_ACCOUNT, [_account_row(*row) for row in writes.accounts.items()])
    task_rows.put(connection, writes.tasks)
    log_rows.append(connection, writes.log, writes.log_utc_us)
    if writes.frozen is not None:
        at = number if writes.group.frames else number - 1
        connection.execute("INSERT OR REPLACE INTO engine VALUES (1, ?, ?)", (at, writes.frozen))


def _quarantine(connection: sqlite3.Connection, rejected: list[Frame], most_bytes: int) -> None:
    """Keep what contradicts stored content, for people to look at, as long as there is room for it."""
    if not rejected:
        return
    kept = int(connection.execute("SELECT coalesce(sum(length(stored)), 0) FROM quarantine").fetchone()[0])
    for frame in rejected:
        kept += len(frame.records)
        if kept <= most_bytes:
            key = f"{frame.thing}/{frame.boot}/{frame.first}+{frame.n}"
            quarantine(connection, "batches", key, frame.records, ledger_rows.CONFLICT)


def _call(loop: asyncio.AbstractEventLoop, *call: Any) -> None:
    loop.call_soon_threadsafe(*call)


def _settle(finished: "asyncio.Future[None]", error: Exception | None) -> None:
    if finished.cancelled():
        return
    if error is None:
        finished.set_result(None)
    else:
        finished.set_exception(error)


def _write_frames(connection: sqlite3.Connection, number: int, frames: list[Frame]) -> None:
    if not frames:
        return
    connection.execute("INSERT INTO blobs VALUES (?, ?)", (number, sealed(b"".join(f.records for f in frames))))
    rows, at = [], 0
    for f in frames:
        c = f.clock
        clock = (c.ref_us, c.ref_utc_us, c.rate, c.sigma_us, int(c.synced))
        rows.append((f.thing, f.boot, f.first, f.n, number, at, *clock, f.rx_us, f.tx_us, f.city_rx_us))
        at += len(f.records)
    connection.executemany(INSERT_FRAME, rows)


def _gap_row(gap: Any) -> tuple[Any, ...]:
    return gap.thing, gap.boot, gap.gap_id, gap.first, gap.end, str(gap.cause), gap.declared_by


def _thing_row(edge: str, info: ThingInfo, seen_utc_us: int) -> tuple[Any, ...]:
    return info.thing, info.boot, edge, msgpack.packb(vars(info)), seen_utc_us


def _account_row(key: Key, reported: Reported) -> tuple[Any, ...]:
    spans = msgpack.packb([reported.buffered, reported.quarantined])
    return *key, reported.edge, reported.sent, spans, reported.at_utc_us


def _reported(edge: str, sent: int, packed: bytes, at_utc_us: int) -> Reported:
    buffered, quarantined = ([(a, b) for a, b in spans] for spans in msgpack.unpackb(packed))
    return Reported(edge, sent, buffered, quarantined, at_utc_us)


def _number(value: float | None) -> float:
    """Return NaN for what SQLite stores as NULL."""
    return float("nan") if value is None else value
