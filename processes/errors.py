"""Errors of processes/: a configuration that cannot run, apart from a template that broke its contract."""


class ProcessError(Exception):
    """Base of every error raised in processes/."""


class ConfigError(ProcessError, ValueError):
    """A process file cannot run as written. `key` is the path of the offending key, outermost first."""

    def __init__(self, message: str, key: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.key = key


class TemplateError(ProcessError, TypeError):
    """A template does not provide what processes/contract.py asks for, or its step broke the contract."""


class FrozenError(ProcessError, ValueError):
    """Frozen engine state cannot be read back; start without it."""
