"""A file that takes up room, to be given up when the disk is full.

In WAL mode even DELETE needs room, so without ballast a full disk could never be emptied again.
"""

import contextlib
import os
from pathlib import Path

SIZE = 256 * 1024


class Ballast:
    """Holds SIZE bytes at `path` while there is room."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fill()

    def fill(self) -> bool:
        """Return whether the ballast is in place, written and synced."""
        if self.path.exists() and self.path.stat().st_size == SIZE:
            return True
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(os.urandom(SIZE))
                file.flush()
                os.fsync(descriptor)
        except OSError:
            self.drop()
            return False
        return True

    def drop(self) -> None:
        """Make room."""
        with contextlib.suppress(OSError):
            self.path.unlink()
