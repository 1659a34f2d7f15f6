"""One thread owns one SQLite connection (WAL, synchronous=FULL) and commits all queued work as a group.

    committer = Committer(folder / "store.db", schema=SCHEMA)
    committer.submit(lambda c: c.execute("INSERT ..."), done=lambda cursor: send_ack())
    rows = committer.read(lambda c: c.execute("SELECT ...").fetchall())

`done` runs after the commit is on disk, so whatever it acks survives a power cut. What fails is rolled back
alone and told to its own `failed`. A failing disk (I/O error, failed fsync, corruption) is fatal: after a
failed fsync nobody knows what is on disk, so the process ends and a restart reads what really is there.
`done` and `failed` run on the committer's thread; hop to your own loop with `call_soon_threadsafe`.
What happens in a transaction is group.py's; here are the thread and the queue.
"""

import os
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from .errors import BacklogError, ClosedError, DiskFullError
from .files import DISK, Disk
from .group import GroupCommit, Item
from .migrations import Migration

T = TypeVar("T")
Fatal = Callable[[BaseException], None]
EXIT_IO_ERROR = 74
MAX_BACKLOG = 100_000


def exit_process(error: BaseException) -> None:
    """End the process with status 74 at once: the disk failed, a supervisor starts it anew."""
    print(f"durable: fatal disk error, exiting: {error!r}", file=sys.stderr, flush=True)
    os._exit(EXIT_IO_ERROR)


class Committer:
    """Group commit to one database file, in a thread of its own."""

    def __init__(
        self,
        path: Path,
        *,
        schema: str | Iterable[str] = (),
        migrations: Sequence[Migration] = (),
        on_fatal: Fatal = exit_process,
        max_backlog: int = MAX_BACKLOG,
        disk: Disk = DISK,
    ) -> None:
        """Create or open `path` (mode 0600, folder synced), run the schema statements and what it lacks of
        `migrations`.

        Raises: sqlite3.DatabaseError if the file is no database; TooNewError; OSError.
        """
        self.path, self.disk = path, disk
        self._on_fatal, self._max_backlog = on_fatal, max_backlog
        self._queue: list[Item] = []
        self._wake = threading.Condition()
        self._closing = self._dead = False
        self._group = GroupCommit(path, schema=schema, migrations=migrations, disk=disk)
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
            self._queue.append(Item(work, done, failed))
            self._wake.notify()

    def run(self, work: Callable[[sqlite3.Connection], T], timeout_s: float = 60.0) -> T:
        """Return what `work` returned, once committed; waits, so not for event loops. Raises: its error.

        On a full disk it is tried again in the room of the ballast: a start has to write, and then to delete.
        """
        try:
            return self._run_once(work, timeout_s)
        except DiskFullError:
            return self._run_once(work, timeout_s)

    def _run_once(self, work: Callable[[sqlite3.Connection], T], timeout_s: float) -> T:
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
            return self._group.read(query)

    @property
    def backlog(self) -> int:
        """How many works wait."""
        return len(self._queue)

    @property
    def commits(self) -> int:
        """How many groups were committed."""
        return self._group.commits

    @property
    def full(self) -> bool:
        """Whether the disk was full and there is no ballast."""
        return self._group.full

    def close(self) -> None:
        """Commit all that is queued, then close. Idempotent."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def health(self) -> dict[str, Any]:
        """Return counters for people: commits, works, failures, full, bytes, backlog."""
        return {**self._group.health(), "backlog": self.backlog}

    def _take(self) -> list[Item]:
        with self._wake:
            while not self._queue and not self._closing:
                self._wake.wait()
            items, self._queue = self._queue, []
            return items

    def _run(self) -> None:
        while items := self._take():
            try:
                self._group.run(items)
            except Exception as error:
                self._dead = True
                self._on_fatal(error)
                return
        with self._reading:
            self._group.close()
