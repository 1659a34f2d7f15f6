"""A file that takes up room, to be given up when the disk is full.

In WAL mode even DELETE needs room, so without ballast a full disk could never be emptied again.
"""

import contextlib
import os
from pathlib import Path

from .files import DISK, Disk

SIZE = 256 * 1024


class Ballast:
    """Holds SIZE bytes at `path` from `fill` on, until `drop` or for want of room."""

    def __init__(self, path: Path, disk: Disk = DISK) -> None:
        self.path, self._disk = path, disk

    def fill(self) -> bool:
        """Return whether the ballast is in place, written and synced."""
        try:
            if self._disk.size(self.path) == SIZE:
                return True
            self._disk.write(self.path, os.urandom(SIZE))
            self._disk.sync_file(self.path)
        except OSError:
            self.drop()
            return False
        return True

    def drop(self) -> None:
        """Make room."""
        with contextlib.suppress(OSError):
            self._disk.unlink(self.path)
