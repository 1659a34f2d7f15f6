"""Errors of durable/: the caller asked for too much, or the disk cannot take more."""


class DurableError(Exception):
    """Base of every error raised in durable/."""


class BacklogError(DurableError, BufferError):
    """More work is queued than agreed: the disk is slower than what comes in; do not ack, try later."""


class ClosedError(DurableError, RuntimeError):
    """Work was submitted after close(), or after a fatal disk error."""


class DiskFullError(DurableError, OSError):
    """The disk is full: the group was rolled back, the ballast given up to make room for deletes."""


class TooNewError(DurableError, RuntimeError):
    """A later release wrote this database and changed what this one relies on."""


class SyncError(DurableError, OSError):
    """A sync failed: nobody knows what is on disk. The process has to end and read what really is there."""


class RotError(DurableError, ValueError):
    """What was stored is not what is read: bytes changed, or a part is gone."""
