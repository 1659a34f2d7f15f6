"""The one way to commit: SQLite (WAL, FULL) behind one thread, group commit, ballast, quarantine."""

from .blobs import opened, quarantine, quarantined, sealed
from .committer import Committer
from .errors import BacklogError, ClosedError, DiskFullError, DurableError, TooNewError
from .migrations import Migration

__all__ = [
    "BacklogError", "ClosedError", "Committer", "DiskFullError", "DurableError", "Migration", "TooNewError",
    "opened", "quarantine", "quarantined", "sealed",
]  # fmt: skip
