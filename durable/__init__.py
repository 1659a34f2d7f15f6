"""The one way to commit: SQLite (WAL, FULL) behind one thread, group commit, ballast, quarantine."""

from .blobs import opened, quarantine, quarantined, sealed
from .committer import Committer, exit_process
from .errors import BacklogError, ClosedError, DiskFullError, DurableError, RotError, SyncError, TooNewError
from .files import DISK, Disk
from .group import GroupCommit, Item
from .migrations import Migration

__all__ = [
    "DISK", "BacklogError", "ClosedError", "Committer", "Disk", "DiskFullError", "DurableError", "GroupCommit",
    "Item", "Migration", "RotError", "SyncError", "TooNewError", "exit_process", "opened", "quarantine", "quarantined",
    "sealed",
]  # fmt: skip
