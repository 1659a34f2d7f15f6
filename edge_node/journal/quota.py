"""How much the journal may hold, and what gives way when it is full. Sans-IO.

What the city already has goes first. Only then, by policy: the oldest samples that it has not are dropped and
declared lost, or nothing new is taken over and the boards keep it in their rings.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

DROP_OLDEST = "drop_oldest"
REFUSE = "refuse"
NOTHING, RELEASE, DROP = "nothing", "release", "drop"
MAX_SLACK = 16 << 20
ROOM = 1 << 20
BOOTS_PER_BOARD = 20_000  # each is a stream that is kept for good


@dataclass(frozen=True)
class Limits:
    """`max_bytes` of the database, `when_full` the policy, `retain_h` how long what the city acked is kept."""

    max_bytes: int = 2 << 30
    when_full: str = DROP_OLDEST
    retain_h: float = 48.0

    @property
    def retain_s(self) -> int:
        """Seconds of running to keep acked batches, 0: not at all."""
        return round(self.retain_h * 3600)


class Measured(NamedTuple):
    """Bytes of the database in use, bytes in its free pages, whether there are batches that the city has."""

    used_bytes: int
    free_bytes: int
    retained: bool


class Quota:
    """`refusing`: take nothing over; `problem` says so to people."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.measured = Measured(0, 0, False)
        self.over = False
        self.refusing = False
        self.problem = ""

    def decide(self, measured: Measured, disk_full: bool) -> str:
        """Return what to do next: NOTHING, RELEASE (what the city has) or DROP (the oldest, declared lost).

        Once over the limit, room is made down to a little below it, so that it is not crossed at every batch. On a
        full disk free pages inside the file are room too.
        """
        self.measured, limit = measured, self.limits.max_bytes
        slack = min(MAX_SLACK, limit // 50)
        self.over = measured.used_bytes > (limit - slack if self.over else limit)
        short = self.over or (disk_full and measured.free_bytes < ROOM)
        self.refusing = self.over and not measured.retained and self.limits.when_full == REFUSE
        self.problem = self._problem(disk_full) if short and not measured.retained else ""
        if not short:
            return NOTHING
        if measured.retained:
            return RELEASE
        return DROP if self.limits.when_full == DROP_OLDEST else NOTHING

    def _problem(self, disk_full: bool) -> str:
        used, limit = self.measured.used_bytes, self.limits.max_bytes
        where = "the disk is full" if disk_full and not self.over else f"the journal holds {used} of {limit} bytes"
        if self.limits.when_full == DROP_OLDEST:
            return f"{where}: the oldest unacked samples are dropped and declared lost until the city takes them"
        return f"{where}: boards are not acked and keep their samples until the city takes some, or there is more room"

    def health(self) -> dict[str, Any]:
        """Return the quota for people."""
        return {
            "used_bytes": self.measured.used_bytes, "max_bytes": self.limits.max_bytes,
            "when_full": self.limits.when_full, "retain_h": self.limits.retain_h,
            "refusing": self.refusing, "problem": self.problem,
        }  # fmt: skip
