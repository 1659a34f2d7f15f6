"""The one way to wait in a test: for a condition, with a generous limit. It ends as soon as the condition holds."""

import inspect
import threading
import time
from collections.abc import Callable
from typing import Any

LIMIT_S = 90.0
"""How long a test waits at most: a limit for what hangs, not for what is slow, so it may be far beyond all need."""
PULSE = threading.Condition()
"""Notified by helpers that run in threads whenever they took something in; who waits for an effect waits here."""


def pulse() -> None:
    """Wake all who wait."""
    with PULSE:
        PULSE.notify_all()


def until(
    condition: Callable[[], Any], what: str = "", limit_s: float = LIMIT_S, look: Callable[[], object] | None = None,
    every_s: float = 0.05,
) -> Any:  # fmt: skip
    """The condition's first true value.

    Raises: AssertionError: not within the limit; says what was awaited (default: the condition's source), what the
    condition gave last, and what `look()` shows. Whatever the condition or `look` raises.
    """
    end = time.monotonic() + limit_s
    while not (found := condition()):
        if time.monotonic() > end:
            seen = f"\n{look()}" if look else ""
            raise AssertionError(f"not within {limit_s:g} s: {what or _source(condition)}; it was {found!r}{seen}")
        with PULSE:
            PULSE.wait(every_s)
    return found


def _source(condition: Callable[[], Any]) -> str:
    """The source of a condition, for a message."""
    try:
        return " ".join(inspect.getsource(condition).split())
    except (OSError, TypeError):
        return repr(condition)
