"""How many lines refusals may take in the audit log, so that no flood pushes out what was done. Sans-IO; times in µs.

Refusals are what a stranger can cause as often as he likes. Beyond BURST and then PER_HOUR, they are summed up: one
line with how many of which reason, and no refusal is in two lines or in none.
"""

from collections import Counter
from typing import Any

from .rates import Rates

REFUSED, SUMMARY = "refused", "refused_summary"
BURST, PER_HOUR = 300, 400
EVERY_US = 600_000_000
_ALL = "all"


class Budget:
    """Lets refusals pass while there is budget; `due` gives what was held back, in one row."""

    def __init__(self) -> None:
        self._rates = Rates(PER_HOUR / 3600, BURST)
        self._held: Counter[str] = Counter()
        self._since_us = 0

    def passes(self, row: dict[str, Any], now_us: int) -> bool:
        """Whether a row may be written now; what may not is counted for the summary."""
        if row.get("event") != REFUSED or not self._rates.take(_ALL, now_us):
            return True
        if not self._held:
            self._since_us = now_us
        self._held[str(row.get("reason", ""))[:64]] += int(row.get("count", 1))
        return False

    def wait_us(self, now_us: int) -> int | None:
        """Return how long until a summary is due, None if nothing was held back."""
        return max(0, self._since_us + EVERY_US - now_us) if self._held else None

    def due(self, now_us: int, *, last: bool = False) -> list[dict[str, Any]]:
        """Return the summary, if it is time, or at the `last` chance."""
        if not self._held or not (last or self.wait_us(now_us) == 0):
            return []
        held, self._held = self._held, Counter()
        most = dict(held.most_common(20))
        return [{"event": SUMMARY, "count": held.total(), "reasons": most}]
