"""SQLite on a disk that notes what was not synced: an apsw VFS, and the part of sqlite3's interface that we use."""

import contextlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

import apsw

from .unsynced import File

_NEW_JOURNAL = apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_SUPER_JOURNAL | apsw.SQLITE_OPEN_WAL


class Watcher(Protocol):
    """Who is told of every operation (disk.py)."""

    rng: Any

    def knows(self, path: Path) -> bool: ...
    def file(self, path: Path) -> File: ...
    def appeared(self, path: Path) -> None: ...
    def wrote(self, file: File, offset: int, data: bytes) -> None: ...
    def truncated(self, file: File, length: int) -> None: ...
    def removed(self, path: Path) -> None: ...
    def synced(self, file: File) -> None: ...
    def synced_names(self, folder: Path) -> None: ...


class _File(apsw.VFSFile):
    """A real file whose writes and syncs are told."""

    def __init__(self, watcher: Watcher, name: Any, flags: list[int]) -> None:
        filename = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._watcher, self._path = watcher, Path(filename)
        new = not self._path.exists()
        super().__init__("unix", name, flags)
        if new:
            watcher.appeared(self._path)
        self._file = watcher.file(self._path)
        # The unix VFS syncs the folder with the first sync of a journal that it made.
        self._sync_folder = new and bool(flags[0] & _NEW_JOURNAL)

    def xWrite(self, data: bytes, offset: int) -> None:
        self._watcher.wrote(self._file, offset, bytes(data))
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:
        self._watcher.truncated(self._file, newsize)
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:
        self._watcher.synced(self._file)
        if self._sync_folder:
            self._watcher.synced_names(self._path.parent)
            self._sync_folder = False


class _Vfs(apsw.VFS):
    def __init__(self, name: str, watcher: Watcher) -> None:
        self.name, self._watcher = name, watcher
        super().__init__(name, "unix")

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        if name is None:  # a temporary file of SQLite's: nothing of it has to outlive anything
            return apsw.VFSFile("unix", name, flags)
        return _File(self._watcher, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        super().xDelete(filename, False)
        path = Path(filename)
        if self._watcher.knows(path):
            self._watcher.removed(path)
            if syncdir:
                self._watcher.synced_names(path.parent)

    def xRandomness(self, numbytes: int) -> bytes:
        return bytes(self._watcher.rng.randbytes(numbytes))


def make_vfs(name: str, watcher: Watcher) -> Any:
    """Return a registered VFS."""
    return _Vfs(name, watcher)


class Cursor:
    """Rows of a statement."""

    def __init__(self, found: Any, lastrowid: int, rowcount: int) -> None:
        self._found, self.lastrowid, self.rowcount = found, lastrowid, rowcount

    def fetchone(self) -> Any:
        return next(iter(self), None)

    def fetchall(self) -> list[Any]:
        return list(self)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._found)


class Connection:
    """What the product uses of sqlite3.Connection, on apsw."""

    def __init__(self, path: Path, vfs: str, writing: bool) -> None:
        flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE if writing else apsw.SQLITE_OPEN_READONLY
        self._real = _translated(lambda: apsw.Connection(str(path), flags=flags, vfs=vfs))

    @property
    def in_transaction(self) -> bool:
        return bool(self._real.in_transaction)

    def execute(self, sql: str, values: Iterable[Any] = ()) -> Cursor:
        # Rows are taken at once: a statement that stays open would hold up ROLLBACK, which sqlite3 resets.
        rows = _translated(lambda: list(self._real.execute(sql, tuple(values))))
        return Cursor(rows, self._real.last_insert_rowid(), self._real.changes())

    def executemany(self, sql: str, rows: Iterable[Any]) -> Cursor:
        found = _translated(lambda: list(self._real.executemany(sql, list(rows))))
        return Cursor(found, self._real.last_insert_rowid(), self._real.changes())

    def executescript(self, script: str) -> Cursor:
        return self.execute(script)

    def close(self) -> None:
        # A reader that closes last may not lock for writing. SQLite ignores that, apsw tells of it.
        with contextlib.suppress(apsw.Error):
            self._real.close(True)


def _translated(call: Callable[[], Any]) -> Any:
    """Return what the call returns; raises sqlite3's error for apsw's."""
    try:
        return call()
    except apsw.Error as error:
        kind = sqlite3.IntegrityError if isinstance(error, apsw.ConstraintError) else sqlite3.OperationalError
        translated = kind(str(error))
        translated.sqlite_errorcode = getattr(error, "extendedresult", 0)
        raise translated from error
