"""Errors of processes/: a configuration that cannot run, apart from a template that broke its contract."""

from collections.abc import Iterable
from typing import TypeAlias


class ProcessError(Exception):
    """Base of every error raised in processes/."""


Key: TypeAlias = tuple[str | int, ...]


class ConfigError(ProcessError, ValueError):
    """A process file cannot run as written. `key` is the path of the offending key, outermost first.

    `problems` has all that was found, this one first, as (message, key).
    """

    def __init__(self, message: str, key: Key = (), others: Iterable[tuple[str, Key]] = ()) -> None:
        self.key = key
        self.problems: list[tuple[str, Key]] = [(message, key), *others]
        super().__init__("; ".join(text for text, _ in self.problems))


class TemplateError(ProcessError, TypeError):
    """A template does not provide what processes/contract.py asks for, or its step broke the contract."""


class FrozenError(ProcessError, ValueError):
    """Frozen engine state cannot be read back; start without it."""
