"""One thread owns one SQLite connection (WAL, synchronous=FULL) and commits all queued work as a group.

    committer = Committer(folder / "store.db", schema=SCHEMA)
    committer.submit(lambda c: c.execute("INSERT ..."), done=lambda cursor: send_ack())
    rows = committer.read(lambda c: c.execute("SELECT ...").fetchall())

`done` runs after the commit is on disk, so whatever it acks survives a power cut. What fails is rolled back
alone and told to its own `failed`. A failing disk (I/O error, failed fsync, corruption) is fatal: after a
failed fsync nobody knows what is on disk, so the process ends and a restart reads what really is there.
`done` and `failed` run on the committer's thread; hop to your own loop with `call_soon_threadsafe`.
"""

import contextlib
import os
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from . import blobs
from .ballast import Ballast
from .errors import BacklogError, ClosedError, DiskFullError
from .migrations import Migration, check, migrate

T = TypeVar("T")
Fatal = Callable[[BaseException], None]
EXIT_IO_ERROR = 74
MAX_BACKLOG = 100_000
_FATAL_CODES = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CANTOPEN}


class _Item:
    """One piece of work and whom to tell."""

    __slots__ = ("done", "error", "failed", "result", "work")

    def __init__(self, work: Callable[[sqlite3.Connection], Any], done: Any, failed: Any) -> None:
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


def exit_process(error: BaseException) -> None:
    """End the process with status 74 at once: the disk failed, a supervisor starts it anew."""
    print(f"durable: fatal disk error, exiting: {error!r}", file=sys.stderr, flush=True)
    os._exit(EXIT_IO_ERROR)


class Committer:
    """Group commit to one database file; `commits`, `works`, `failures`, `full` tell how it goes."""

    def __init__(
        self,
        path: Path,
        *,
        schema: str | Iterable[str] = (),
        migrations: Sequence[Migration] = (),
        on_fatal: Fatal = exit_process,
        max_backlog: int = MAX_BACKLOG,
    ) -> None:
        """Create or open `path` (mode 0600, folder fsynced), run the schema statements and what it lacks of
        `migrations`.

        Raises: sqlite3.DatabaseError if the file is no database; TooNewError; OSError.
        """
        self.path = path
        self.commits = self.works = self.failures = 0
        self.full = False
        self._on_fatal, self._max_backlog = on_fatal, max_backlog
        self._queue: list[_Item] = []
        self._wake = threading.Condition()
        self._closing = self._dead = False
        self._connection = _create(path, [schema] if isinstance(schema, str) else list(schema), migrations)
        self._ballast = Ballast(path.with_name(path.name + ".ballast"))
        self._reader = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
        )
        self._reading = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=f"commit {path.name}", daemon=True)
        self._thread.start()

    def submit(
        self,
        work: Callable[[sqlite3.Connection], T],
        done: Callable[[T], None] | None = None,
        failed: Callable[[Exception], None] | None = None,
    ) -> None:
        """Queue `work`; it sees what earlier work wrote. Raises: BacklogError, ClosedError."""
        with self._wake:
            if self._closing or self._dead:
                raise ClosedError(f"{self.path.name}: no more work after close() or a fatal error")
            if len(self._queue) >= self._max_backlog:
                raise BacklogError(f"{self.path.name}: {len(self._queue)} works are waiting for the disk")
            self._queue.append(_Item(work, done, failed))
            self._wake.notify()

    def run(self, work: Callable[[sqlite3.Connection], T], timeout_s: float = 60.0) -> T:
        """Return what `work` returned, once committed; waits, so not for event loops. Raises: its error."""
        finished = threading.Event()
        box: list[Any] = []

        def tell(value: object) -> None:
            box.append(value)
            finished.set()

        self.submit(work, lambda value: tell((value, None)), lambda error: tell((None, error)))
        if not finished.wait(timeout_s):
            raise TimeoutError(f"{self.path.name}: no commit within {timeout_s} s")
        result, error = box[0]
        if error is not None:
            raise error
        return result  # type: ignore[no-any-return]

    def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `query` returns on the read-only connection, in one snapshot. Any thread."""
        with self._reading:
            self._reader.execute("BEGIN")
            try:
                return query(self._reader)
            finally:
                self._reader.execute("ROLLBACK")

    @property
    def backlog(self) -> int:
        """How many works wait."""
        return len(self._queue)

    def close(self) -> None:
        """Commit all that is queued, then close. Idempotent."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        if threading.current_thread() is not self._thread:
            self._thread.join()
            with self._reading:
                self._reader.close()

    def health(self) -> dict[str, Any]:
        """Return counters for people: commits, works, failures, backlog, full, bytes."""
        size = self.path.stat().st_size if self.path.exists() else 0
        return {
            "commits": self.commits, "works": self.works, "failures": self.failures,
            "backlog": self.backlog, "full": self.full, "bytes": size,
        }  # fmt: skip

    def _take(self) -> list[_Item]:
        with self._wake:
            while not self._queue and not self._closing:
                self._wake.wait()
            items, self._queue = self._queue, []
            return items

    def _run(self) -> None:
        while items := self._take():
            try:
                self._commit(items)
            except Exception as error:
                self._dead = True
                self._on_fatal(error)
                return
            for item in items:
                self._tell(item)
        self._connection.close()

    def _tell(self, item: _Item) -> None:
        try:
            item.tell()
        except Exception as error:
            self.failures += 1
            print(f"durable: a callback failed: {error!r}", file=sys.stderr, flush=True)

    def _commit(self, items: list[_Item]) -> None:
        """Run the group in one transaction. Raises: on what only a restart can mend."""
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

    def _isolated(self, item: _Item) -> None:
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

    def _after_commit(self, items: list[_Item]) -> None:
        self.commits += 1
        self.works += len(items)
        if self.full and self._ballast.fill():
            self.full = False

    def _roll_back(self, items: list[_Item], error: Exception) -> None:
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


def _create(path: Path, schema: list[str], migrations: Sequence[Migration]) -> sqlite3.Connection:
    """Return the writing connection; the file and its folder entry are on disk before the first ack."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    check(connection, path, len(migrations))
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA busy_timeout = 10000")
    for script in [blobs.SCHEMA, *schema]:
        connection.executescript(script)
    migrate(connection, migrations)
    sync_folder(path.parent)
    return connection


def sync_folder(folder: Path) -> None:
    """Make names created in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
