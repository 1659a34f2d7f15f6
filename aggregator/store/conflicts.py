"""Samples that came twice with different content: an alarm that stays, over restarts, until a person has seen it.

What was stored first stays stored; what contradicts it is in quarantine. Either some Thing uses its numbers twice
(an old copy of its memory was put back), or something on the way changes bytes.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

MAX_OPEN = 1000


class Conflict(NamedTuple):
    """Samples [first, end) of (thing, boot) contradict stored ones; `known_utc_us` 0: before this was noted."""

    thing: str
    boot: str
    first: int
    end: int
    known_utc_us: int


class Conflicts:
    """The ones that nobody has seen yet, oldest first; more than MAX_OPEN are on disk and counted only."""

    def __init__(self, unseen: Iterable[Conflict] = ()) -> None:
        self._open = {conflict[:4]: conflict for conflict in unseen}
        self.more = 0

    def __len__(self) -> int:
        return len(self._open) + self.more

    def note(self, conflict: Conflict) -> None:
        """One more, now durable."""
        if len(self._open) >= MAX_OPEN and conflict[:4] not in self._open:
            self.more += 1
            return
        self._open.setdefault(conflict[:4], conflict)

    def seen(self) -> int:
        """A person has seen them all, durably; return how many there were."""
        n = len(self)
        self._open.clear()
        self.more = 0
        return n

    def of(self, thing: str = "") -> list[Conflict]:
        """Return those of a Thing, or all."""
        return [conflict for conflict in self._open.values() if thing in ("", conflict.thing)]

    def rows(self) -> list[dict[str, Any]]:
        """Return them for people."""
        return [conflict._asdict() for conflict in self._open.values()]

    def incidents(self, where: str) -> list[dict[str, Any]]:
        """Return one incident per Thing, for /status and /health."""
        things = sorted({conflict.thing for conflict in self._open.values()})
        return [
            {"kind": "conflict", "thing": thing, "text": f"{where}: {describe(self.of(thing))}"} for thing in things
        ]


def describe(conflicts: list[Conflict]) -> str:
    """Return one line about the conflicts of one Thing."""
    c = conflicts[0]
    more = f" and {len(conflicts) - 1} more ranges" if len(conflicts) > 1 else ""
    return (
        f"{c.thing} {c.boot} samples {c.first} to {c.end - 1}{more} came twice, and contradict each other; see `city "
        f"ledger --explain {c.thing}`, then `city ledger --acknowledge REASON`"
    )
