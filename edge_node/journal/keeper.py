"""Keeps the journal within its limits: measures it, makes room in small steps, and counts what that cost.

Its clock is the time that this node ran, kept on disk: it neither jumps with UTC nor starts again with a boot.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from protocol.city_link import GapRecord

from .quota import NOTHING, Limits, Quota
from .streams import Key
from .sweep import Order, Swept, sweep

IDLE_US = 1_000_000
NOTE_S = 60
Submit = Callable[[Callable[[Any], Any], Callable[[Any], None], Callable[[Exception], None]], None]


class Keeper:
    """Orders sweeps through `submit`, one at a time; `swept` is told what each did."""

    def __init__(self, edge: str, limits: Limits, ran_s: int, submit: Submit, swept: Callable[[Swept], None]) -> None:
        self._edge, self._submit, self._swept = edge, submit, swept
        self.quota = Quota(limits)
        self.step = NOTHING
        self.disk_full = False
        self.growing: Mapping[Key, GapRecord] = {}
        self._base_s, self._since_us, self._now_us = ran_s, -1, 0
        self._noted_s = ran_s
        self._due_us, self._busy = 0, False

    @property
    def ran_s(self) -> int:
        """Seconds that this node ran, all starts together."""
        return self._base_s if self._since_us < 0 else self._base_s + (self._now_us - self._since_us) // 1_000_000

    @property
    def acked_s(self) -> int | None:
        """Return what to note with a batch that the city has now; None: it is not retained."""
        return self.ran_s if self.quota.limits.retain_s else None

    def tick(
        self,
        now_us: int,
        pinned: Callable[[], Collection[int]],
        growing: Mapping[Key, GapRecord],
        hold: Callable[[], bool],
    ) -> None:
        """Sweep if it is time to. `hold()`: the city is being asked what it has, so nothing expires."""
        self._now_us = now_us
        if self._since_us < 0:
            self._since_us = now_us
        if self._busy or now_us < self._due_us:
            return
        self._busy, self.growing = True, dict(growing)
        expired_s = None if hold() else self.ran_s - self.quota.limits.retain_s
        rows = frozenset(pinned()) if self.step != NOTHING else frozenset()
        note = self.ran_s - self._noted_s >= NOTE_S
        self._noted_s = self.ran_s if note else self._noted_s
        order = Order(self.step, self._edge, self.ran_s, expired_s, rows, self.growing, note)
        self._submit(lambda c: sweep(c, order), self._done, self._failed)

    def _done(self, swept: Swept) -> None:
        self._busy, self.growing = False, {}
        before, self.step = self.step, self.quota.decide(swept.measured, self.disk_full)
        fruitless = before != NOTHING and not swept.released and not swept.rows
        self._due_us = self._now_us + (0 if swept.more or (self.step != NOTHING and not fruitless) else IDLE_US)
        self._swept(swept)

    def _failed(self, _: Exception) -> None:
        """A full disk: try again soon, deletes go on as soon as the ballast is given up."""
        self._busy, self.growing = False, {}
        self._due_us = self._now_us + IDLE_US // 10

    def urge(self, disk_full: bool) -> None:
        """A commit found the disk full, or found room again."""
        if disk_full and not self.disk_full:
            self._due_us = 0
        self.disk_full = disk_full
