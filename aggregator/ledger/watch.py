"""Since when each stream of the ledger is in its state; looked through little by little, as there may be many.

States: "unexplained", "offline" (its edge node is silent, so the account is old), "waiting" (samples are still
buffered on the way), "balanced". That samples are unexplained is kept on disk, so a restart does not forget when
it began.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..ingest import Key

PER_LOOK = 32
LOOK_US = 50_000
ROUND_US = 1_000_000


def state_of(unexplained: int, buffered: int, offline: bool) -> str:
    """Return the state of a stream by its balance."""
    if unexplained:
        return "unexplained"
    if offline:
        return "offline"
    return "waiting" if buffered else "balanced"


@dataclass
class LedgerWatch:
    """`since`: per stream its state and the event time at which it began. `changed`: to be saved (None: no more)."""

    since: dict[Key, tuple[str, int]] = field(default_factory=dict)
    changed: dict[Key, int | None] = field(default_factory=dict)
    _todo: list[Key] = field(default_factory=list)
    _looked_us: int = 0
    _round_us: int = 0

    @classmethod
    def restored(cls, unexplained: Mapping[Key, int]) -> "LedgerWatch":
        """Return a watch that knows since when streams were unexplained before the city was started anew."""
        return cls({key: ("unexplained", since_us) for key, since_us in unexplained.items()})

    def due(self, now_us: int, keys: Mapping[Key, object]) -> list[Key]:
        """Return which streams to look at now (boottime us)."""
        if now_us - self._looked_us < LOOK_US:
            return []
        self._looked_us = now_us
        if not self._todo and now_us - self._round_us >= ROUND_US:
            self._round_us, self._todo = now_us, list(keys)
        found, self._todo = self._todo[:PER_LOOK], self._todo[PER_LOOK:]
        return found

    def seen(self, key: Key, state: str, now_utc_us: int) -> int:
        """Note the state of a stream; return the event time at which it began."""
        old, since_us = self.since.get(key, ("", 0))
        if old == state:
            return since_us
        self.since[key] = state, now_utc_us
        if state == "unexplained":
            self.changed[key] = now_utc_us
        elif old == "unexplained":
            self.changed[key] = None
        return now_utc_us

    def take_changed(self) -> dict[Key, int | None]:
        """Return what must be saved with the next commit."""
        changed, self.changed = self.changed, {}
        return changed
