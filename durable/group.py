"""Group commit to one SQLite file (WAL, synchronous=FULL), without a thread: who calls `commit` waits for the disk.

    group = GroupCommit(path, schema=SCHEMA)
    items = [Item(work, done, failed)]
    group.run(items)    # one transaction; raises what only a restart can mend. After the commit each item is
                        # told: `done(result)`, or `failed(error)` for what was undone

What fails is rolled back alone. A full disk undoes the whole group and gives up the ballast, so that deletes
work. A failing disk (I/O error, failed fsync, corruption) raises: nobody knows then what is on disk, so nobody
of the group may be told, and the process has to end and read what really is there.
"""

import contextlib
import sqlite3
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from . import blobs
from .ballast import Ballast
from .errors import DiskFullError
from .files import DISK, Disk
from .migrations import Migration, check, migrate

T = TypeVar("T")
_FATAL_CODES = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CANTOPEN}


class Item:
    """One piece of work and whom to tell."""

    __slots__ = ("done", "error", "failed", "result", "work")

    def __init__(self, work: Callable[[sqlite3.Connection], Any], done: Any = None, failed: Any = None) -> None:
        self.work, self.done, self.failed = work, done, failed
        self.result: Any = None
        self.error: Exception | None = None

    def tell(self) -> None:
        """Call `done` or `failed`."""
        if self.error is None:
            if self.done is not None:
                self.done(self.result)
        elif self.failed is not None:
            self.failed(self.error)


class GroupCommit:
    """The connections to one database file; `commits`, `works`, `failures`, `full` tell how it goes."""

    def __init__(
        self,
        path: Path,
        *,
        schema: str | Iterable[str] = (),
        migrations: Sequence[Migration] = (),
        disk: Disk = DISK,
    ) -> None:
        """Create or open `path` (mode 0600, folder synced), run the schema statements and what it lacks of
        `migrations`.

        Raises: sqlite3.DatabaseError if the file is no database; TooNewError; OSError.
        """
        self.path, self._disk = path, disk
        self.commits = self.works = self.failures = 0
        self._ballast = Ballast(path.with_name(path.name + ".ballast"), disk)
        statements = [schema] if isinstance(schema, str) else list(schema)
        try:
            self._connection = _create(disk, path, statements, migrations)
        except (sqlite3.OperationalError, OSError):  # a full disk shows in many ways; with the ballast's room it opens
            self._ballast.drop()
            self._connection = _create(disk, path, statements, migrations)
        self.full = not self._ballast.fill()
        self._reader = disk.connect_reader(path)

    def commit(self, items: Sequence[Item]) -> None:
        """Run the works in one transaction and note what came of each. Raises: on what only a restart can mend."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for item in items:
                self._isolated(item)
            self._connection.execute("COMMIT")
            self._after_commit(items)
        except sqlite3.Error as error:
            if _code(error) != sqlite3.SQLITE_FULL:
                raise
            self._roll_back(items, error)

    def run(self, items: Sequence[Item]) -> None:
        """Commit, and only then tell everybody what came of it. Raises: as `commit`; then nobody was told."""
        self.commit(items)
        for item in items:
            self._tell(item)

    def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `query` returns on the read-only connection, in one snapshot."""
        self._reader.execute("BEGIN")
        try:
            return query(self._reader)
        finally:
            self._reader.execute("ROLLBACK")

    def close(self) -> None:
        """Close; the writer comes last, so that it can empty the log into the file."""
        self._reader.close()
        self._connection.close()

    def health(self) -> dict[str, Any]:
        """Return counters for people: commits, works, failures, full, bytes."""
        return {
            "commits": self.commits, "works": self.works, "failures": self.failures,
            "full": self.full, "bytes": self._disk.size(self.path) or 0,
        }  # fmt: skip

    def _tell(self, item: Item) -> None:
        try:
            item.tell()
        except Exception as error:
            self.failures += 1
            print(f"durable: a callback failed: {error!r}", file=sys.stderr, flush=True)

    def _isolated(self, item: Item) -> None:
        """Run one work in a savepoint; its own failure undoes it alone."""
        self._connection.execute("SAVEPOINT work")
        try:
            item.result = item.work(self._connection)
        except Exception as error:
            if _code(error) in _FATAL_CODES | {sqlite3.SQLITE_FULL}:
                raise
            item.error = error
            self.failures += 1
            self._connection.execute("ROLLBACK TO work")
        self._connection.execute("RELEASE work")

    def _after_commit(self, items: Sequence[Item]) -> None:
        self.commits += 1
        self.works += len(items)
        if self.full and self._ballast.fill():
            self.full = False

    def _roll_back(self, items: Sequence[Item], error: Exception) -> None:
        """The disk is full: nothing of the group is kept, the ballast makes room for deletes."""
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        self._ballast.drop()
        self.full = True
        with contextlib.suppress(sqlite3.Error):  # the log may hold all the room there is: give it back
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for item in items:
            item.error = DiskFullError(f"{self.path.name}: {error}")
        self.failures += len(items)


def _code(error: BaseException) -> int:
    """Return SQLite's primary result code of an error, 0 for other errors."""
    return int(getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF


def _create(disk: Disk, path: Path, schema: list[str], migrations: Sequence[Migration]) -> sqlite3.Connection:
    """Return the writing connection; the file and its folder entry are on disk before the first ack."""
    disk.make_folder(path.parent)
    disk.create(path)
    connection = disk.connect(path)
    check(connection, path, len(migrations))
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA busy_timeout = 10000")
    for script in [blobs.SCHEMA, *schema]:
        connection.executescript(script)
    migrate(connection, migrations)
    disk.sync_folder(path.parent)
    return connection
