"""All that durable storage asks of a disk, in one place: a simulated disk can lose and tear what was not synced.

Whoever stores durably takes a `Disk` and asks nothing else of the file system. What is written is on disk once
its file is synced, and found again once its folder is: a name that was created, renamed or removed counts only
after `sync_folder`.
"""

import os
import sqlite3
from pathlib import Path

from .errors import SyncError


class Disk:
    """The disk of this machine."""

    def connect(self, path: Path) -> sqlite3.Connection:
        """Return a connection for the one that writes `path`; every statement is its own transaction until BEGIN."""
        return sqlite3.connect(path, isolation_level=None, check_same_thread=False)

    def connect_reader(self, path: Path) -> sqlite3.Connection:
        """Return a connection that can not write; BEGIN on it makes a snapshot. Raises: sqlite3.OperationalError."""
        uri = f"{path.resolve().as_uri()}?mode=ro"
        return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)

    def make_folder(self, folder: Path, mode: int = 0o777) -> None:
        """Make `folder` and those above it, each found again after a power cut."""
        missing = [path for path in (folder, *folder.parents) if not path.exists()]
        for path in reversed(missing):
            path.mkdir(mode, exist_ok=True)
            self.sync_folder(path.parent)

    def create(self, path: Path) -> None:
        """Make an empty file that only we can read, unless it is there."""
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))

    def write(self, path: Path, data: bytes) -> None:
        """Make `data` the content of `path`; not synced."""
        path.write_bytes(data)

    def sync_file(self, path: Path) -> None:
        """Make the content of `path` durable. Raises: SyncError, which the process must not survive."""
        _sync(path, os.O_RDONLY)

    def sync_folder(self, folder: Path) -> None:
        """Make the names in `folder` durable. Raises: SyncError, which the process must not survive."""
        _sync(folder, os.O_RDONLY | os.O_DIRECTORY)

    def rename(self, old: Path, new: Path) -> None:
        """Give a file another name, replacing what had it."""
        old.rename(new)

    def unlink(self, path: Path) -> None:
        """Remove a name; fine if it is not there."""
        path.unlink(missing_ok=True)

    def size(self, path: Path) -> int | None:
        """Return the size of a file in bytes, None if it is not there."""
        try:
            return path.stat().st_size
        except FileNotFoundError:
            return None

    def names(self, folder: Path) -> list[str]:
        """Return the names in `folder`, sorted."""
        return sorted(path.name for path in folder.iterdir())


DISK = Disk()


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    except OSError as error:
        raise SyncError(error.errno, f"fsync failed: {error.strerror}", str(path)) from error
    finally:
        os.close(descriptor)
