"""A host's disk: real SQLite in memory, real group commits; the virtual disk decides what outlives a crash.

A group takes virtual time to commit. A crash before its end loses it, or keeps it without anybody being told.
A disk may be full (SQLITE_FULL at COMMIT), fail (SQLITE_IOERR) or lose power in the very COMMIT.
"""

import contextlib
import errno
import sqlite3
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from durable import BacklogError, Disk
from durable.group import GroupCommit, Item

from .world import Violation, World

MAX_BACKLOG = 100_000


class PowerCut(Exception):
    """The host lost power at this very point."""


class Connection(sqlite3.Connection):
    """A database of a virtual disk; closing it loses nothing."""

    drive: "Drive"
    watcher: Callable[[], None] | None = None

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        if sql != "COMMIT":
            return super().execute(sql, *values)
        self.drive.at_commit(self)
        return self.really("COMMIT")

    def really(self, sql: str) -> sqlite3.Cursor:
        """End a transaction without faults; the oracle looks at what is durable now."""
        cursor = super().execute(sql)
        if sql == "COMMIT" and self.watcher is not None:
            self.watcher()
        return cursor

    def close(self) -> None:
        """Keep it: the disk outlives its processes."""


class Drive(Disk):
    """One host's disk. `full`, `failing` and `cut_next` are faults that are on."""

    def __init__(self, rng: Random, watch: Callable[[Connection], None]) -> None:
        """`watch(connection)` prepares a new database for the oracle."""
        self._rng, self._watch = rng, watch
        self.databases: dict[Path, Connection] = {}
        self.files: dict[Path, bytes] = {}
        self.full = self.failing = self.cut_next = False

    def at_commit(self, connection: Connection) -> None:
        """Let faults happen to a COMMIT."""
        if self.full:
            raise _error("database or disk is full", sqlite3.SQLITE_FULL)
        if self.failing or self.cut_next:
            connection.really("COMMIT" if self._rng.random() < 0.5 else "ROLLBACK")
            cut, self.cut_next = self.cut_next, False
            self.failing = False
            raise PowerCut("in COMMIT") if cut else _error("disk I/O error", sqlite3.SQLITE_IOERR)

    def connect(self, path: Path) -> sqlite3.Connection:
        if path not in self.databases:
            found = sqlite3.connect(":memory:", isolation_level=None, factory=Connection)
            found.drive = self
            self.databases[path] = found
        return self.databases[path]

    def replace(self, path: Path, image: bytes) -> None:
        """Put another database in the place of one; nobody has it open."""
        found = sqlite3.connect(":memory:", isolation_level=None, factory=Connection)
        found.drive = self
        found.deserialize(image)
        self.databases[path] = found

    def connect_reader(self, path: Path) -> sqlite3.Connection:
        connection = self.databases[path]
        self._watch(connection)
        return connection

    def make_folder(self, folder: Path, mode: int = 0o777) -> None: ...

    def create(self, path: Path) -> None:
        self.files.setdefault(path, b"")

    def write(self, path: Path, data: bytes) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, "no space left on device")
        self.files[path] = data

    def sync_file(self, path: Path) -> None: ...

    def sync_folder(self, folder: Path) -> None: ...

    def unlink(self, path: Path) -> None:
        self.files.pop(path, None)

    def size(self, path: Path) -> int | None:
        return len(self.files[path]) if path in self.files else None


def _error(text: str, code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    return error


class Told(Item):
    """Work whose callback may not fail: the product prints that and goes on."""

    __slots__ = ()

    def tell(self) -> None:
        try:
            super().tell()
        except Exception as error:
            raise Violation("callback_failed", f"after a commit: {type(error).__name__}: {error}") from error


class Committer:
    """durable.Committer without its thread: the same group commits, in virtual time."""

    def __init__(
        self, world: World, drive: Drive, rng: Random, on_fatal: Callable[[Exception], None], path: Path, **options: Any
    ) -> None:
        self._world, self._rng, self._on_fatal = world, rng, on_fatal
        self.path = path
        self._group = GroupCommit(path, **{**options, "disk": drive})
        self._queue: list[Item] = []
        self._flying: list[Item] = []
        self.slow_us = 0
        self._dead = False

    @property
    def backlog(self) -> int:
        """How many works wait."""
        return len(self._queue)

    def submit(self, work: Any, done: Any = None, failed: Any = None) -> None:
        """Queue work; nothing comes of it once the disk has failed. Raises: BacklogError."""
        if len(self._queue) >= MAX_BACKLOG:
            raise BacklogError("too much")
        self._queue.append(Told(work, done, failed))
        if not self._flying and not self._dead:
            self._begin()

    def _begin(self) -> None:
        self._flying, self._queue = self._queue, []
        takes_us = int(self._rng.expovariate(1 / 4000)) + 300 + self.slow_us
        self._world.after(takes_us, self._finish, self._flying)

    def _finish(self, items: list[Item]) -> None:
        if self._dead:
            return
        try:
            self._group.run(items)
        except Exception as error:
            self._dead = True
            self._on_fatal(error)
            return
        self._flying = []
        if self._queue:
            self._begin()

    def kill(self) -> None:
        """The host dies: what is queued is lost, the group under way is lost or kept, nobody is told."""
        if self._flying and not self._dead and self._rng.random() < 0.5:
            for item in self._flying:
                item.done = item.failed = None
            with contextlib.suppress(Exception):  # full, or failing as well: then it is lost
                self._group.run(self._flying)
        self._dead = True

    def run(self, work: Any, timeout_s: float = 60.0) -> Any:
        """Return what work returned, committed at once (start-up only). Raises: its error."""
        item = Item(work)
        self._group.run([item])
        if item.error is not None:
            raise item.error
        return item.result

    def read(self, query: Any) -> Any:
        """Return what the query returns."""
        return self._group.read(query)

    def health(self) -> dict[str, Any]:
        """Return counters."""
        return {**self._group.health(), "backlog": self.backlog}

    def close(self) -> None:
        """Stop taking work."""
        self._dead = True
