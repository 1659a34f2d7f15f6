"""Who may begin now, when a thousand edge nodes come back at once. Sans-IO.

A newcomer makes work: it tells all its Things and sends its backlog. So newcomers are admitted at a rate, and only
while few of those before them wait for their first service. The others are told when to come back; the times told
are spread at the same rate, so that nearly everybody is admitted the second time.
"""

from dataclasses import dataclass, field

SETTLE_US = 2_000_000
AGAIN_US = 1_000_000
MAX_WAIT_US = 60_000_000


@dataclass
class Admission:
    """A token bucket, the nodes that settle, and the times that were told. Times are µs of one clock."""

    per_s: float
    burst: int
    settling: int
    admitted: int = 0
    waits: int = 0
    _tokens: float = -1.0
    _filled_us: int = 0
    _next_us: int = 0
    _told: dict[str, int] = field(default_factory=dict)
    _new: dict[str, int] = field(default_factory=dict)
    _last: dict[str, int] = field(default_factory=dict)

    def ask(self, edge: str, now_us: int) -> int:
        """Return 0 if the node may begin now, else after how many µs it shall come back."""
        self._fill(now_us)
        self._new = {name: us for name, us in self._new.items() if now_us - us < SETTLE_US}
        again_us = self._last.get(edge, now_us - AGAIN_US) + AGAIN_US - now_us
        if again_us > 0:  # a node that flaps takes no turns from the others
            self.waits += 1
            return again_us
        if self._tokens < 1 or len(self._new) >= self.settling:
            self.waits += 1
            return self._later(edge, now_us)
        self._tokens -= 1
        self._told.pop(edge, None)
        self._new[edge] = self._last[edge] = now_us
        self.admitted += 1
        return 0

    def served(self, edge: str) -> None:
        """Note that the node had its first service, so that another may begin."""
        self._new.pop(edge, None)

    def row(self) -> dict[str, int]:
        """Return what /status tells."""
        return {"admitted": self.admitted, "waits": self.waits, "settling": len(self._new)}

    def _fill(self, now_us: int) -> None:
        if self._tokens < 0:
            self._tokens, self._filled_us = float(self.burst), now_us
        self._tokens = min(float(self.burst), self._tokens + (now_us - self._filled_us) * self.per_s / 1e6)
        self._filled_us = now_us

    def _later(self, edge: str, now_us: int) -> int:
        """Return the wait until a time of its own; the same time if it asks again before."""
        told_us = self._told.get(edge, 0)
        if told_us <= now_us:
            step_us = round(1e6 / self.per_s)
            told_us = max(self._next_us, now_us) + step_us
            told_us = min(told_us, now_us + MAX_WAIT_US)
            self._told[edge] = self._next_us = told_us
        return told_us - now_us
