"""Errors of service/."""


class ServiceError(Exception):
    """Base of every error raised in service/."""


class KeyFileError(ServiceError, ValueError):
    """A key file is missing, unreadable or has the wrong length. Never shows the key."""
