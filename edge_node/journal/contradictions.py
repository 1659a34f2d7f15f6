"""Samples that came to this node twice with different content: an alarm that stays until a person has seen it.

It is on disk, so a restart does not silence it. What came first is kept.
"""

import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from durable import Committer

MAX_OPEN = 256
MAX_TOLD = 8


class Contradiction(NamedTuple):
    """Samples [first, end) of (thing, boot) contradict earlier ones; `rx_us`: when, boottime of that start."""

    thing: str
    boot: str
    first: int
    end: int
    rx_us: int


class Contradictions:
    """The ones that nobody has seen yet, oldest first, at most MAX_OPEN."""

    def __init__(self, committer: Committer, submit: Callable[[Callable[[Any], Any]], None]) -> None:
        """Read what earlier runs found."""
        self._submit = submit
        self.open: dict[tuple[str, str, int, int], Contradiction] = {c[:4]: c for c in committer.read(_unseen)}

    def note(self, thing: str, boot: str, first: int, end: int, rx_us: int) -> None:
        """One more."""
        found = Contradiction(thing, boot, first, end, rx_us)
        if found[:4] not in self.open and len(self.open) < MAX_OPEN:
            self.open[found[:4]] = found
            self._submit(partial(_put, row=found))

    def seen(self, reason: str) -> int:
        """A person has seen them all; return how many there were. Durable with the next commit."""
        n = len(self.open)
        self.open.clear()
        self._submit(partial(_see, reason=reason))
        return n

    def rows(self) -> list[dict[str, Any]]:
        """Return the first of them for people and for heartbeats."""
        return [{**c._asdict(), "text": _text(c)} for c in list(self.open.values())[:MAX_TOLD]]


def _text(c: Contradiction) -> str:
    return (
        f"{c.thing} {c.boot} samples {c.first} to {c.end - 1} came twice with different content; what came first is"
        " kept. Is an old copy of the board's state.json in use, or does the serial line change bytes? When it is"
        " settled: `city ledger --acknowledge REASON` on that node"
    )


def _unseen(c: sqlite3.Connection) -> list[Contradiction]:
    query = "SELECT thing, boot, first, end, rx_us FROM contradictions WHERE seen_reason IS NULL ORDER BY id LIMIT ?"
    return [Contradiction(*row) for row in c.execute(query, (MAX_OPEN,))]


def _put(c: sqlite3.Connection, row: Contradiction) -> None:
    c.execute("INSERT OR IGNORE INTO contradictions (thing, boot, first, end, rx_us) VALUES (?, ?, ?, ?, ?)", row)


def _see(c: sqlite3.Connection, reason: str) -> None:
    c.execute("UPDATE contradictions SET seen_reason = ? WHERE seen_reason IS NULL", (reason,))
