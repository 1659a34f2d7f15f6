"""Declarations of lost samples: overflow of this boot, power cuts of boots before. Sans-IO, both VMs.

Each gap has an id of its own and is repeated until the host has acked it. Overflow gaps live in memory only:
after a restart the power gap of that boot covers them, because its floor stays below what is not yet acked.
"""

from protocol import frames

REPEAT_MS = 2000
MAX_OVERFLOWS = 32


class Losses:
    """Gaps to tell the host; `due()` puts the next one into `.gap` = [boot counter, id, from, to]."""

    def __init__(self, ring, boot) -> None:  # type: ignore[no-untyped-def]
        """Power gaps come from `boot`, overflows from `ring`."""
        self._ring = ring
        self._boot = boot
        self.overflows = []
        self._at = -1
        self._again_ms = 0
        self.gap = []
        self.cause = frames.GAP_POWER

    def restart(self, now_ms: int) -> None:
        """A new session: tell everything again, now."""
        self._at = -1
        self._again_ms = now_ms

    def due(self, now_ms: int) -> bool:
        """Return whether a gap is to be sent now."""
        if self._at < 0:
            if now_ms < self._again_ms:
                return False
            self._begin(now_ms)
        power = self._boot.gaps
        if self._at < len(power):
            self.gap = power[self._at]
            self.cause = self.gap[4] if len(self.gap) > 4 else frames.GAP_POWER
        elif self._at < len(power) + len(self.overflows):
            self.gap, self.cause = self.overflows[self._at - len(power)], frames.GAP_OVERFLOW
        else:
            self._at = -1
            return False
        self._at += 1
        return True

    def _begin(self, now_ms: int) -> None:
        """Start a round, with what overflowed since the last; too many open ones and the newest waits and grows."""
        self._at = 0
        self._again_ms = now_ms + REPEAT_MS
        ring = self._ring
        while ring.lost_before and len(self.overflows) < MAX_OVERFLOWS:
            start, end = ring.lost_before.pop(0)
            self.overflows.append([self._boot.counter, self._boot.gap_id(), start, end])
        if ring.lost_to > ring.lost_from and len(self.overflows) < MAX_OVERFLOWS:
            self.overflows.append([self._boot.counter, self._boot.gap_id(), ring.lost_from, ring.lost_to])
            ring.take_lost()

    def acked(self, gap_id: int) -> None:
        """The host has taken over this declaration."""
        self.overflows = [gap for gap in self.overflows if gap[1] != gap_id]
        self._boot.ack_gap(gap_id)

    def floor(self) -> int:
        """Return below which sequence number nothing of this boot is owed or needs a declaration any more.

        Status tells this as the tail: what overflowed counts as kept here until its gap has been acked.
        """
        ring = self._ring
        floor = ring.lost_from if ring.lost_to > ring.lost_from else ring.tail
        if ring.owed_to > ring.owed_from:
            floor = min(floor, ring.owed_from)
        for start, _ in ring.lost_before:
            floor = min(floor, start)
        for gap in self.overflows:
            floor = min(floor, gap[2])
        return floor
