"""Errors of service/."""


class ServiceError(Exception):
    """Base of every error raised in service/."""


class KeyFileError(ServiceError, ValueError):
    """A key file is missing, unreadable or has the wrong length. Never shows the key."""


class InUseError(ServiceError, RuntimeError):
    """Another process works in the same directory."""

    def __init__(self, folder: object, pid: str) -> None:
        super().__init__(f"{folder} is in use by process {pid}")
        self.pid = pid
