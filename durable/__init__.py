"""The one way to commit: SQLite (WAL, FULL) behind one thread, group commit, ballast, quarantine."""

from durable.blobs import opened, quarantine, quarantined, sealed
from durable.committer import Committer
from durable.errors import BacklogError, ClosedError, DiskFullError, DurableError

__all__ = [
    "BacklogError", "ClosedError", "Committer", "DiskFullError", "DurableError",
    "opened", "quarantine", "quarantined", "sealed",
]  # fmt: skip
