"""When things are due: absolute schedules that neither drift nor catch up. Sans-IO, runs on both VMs."""

from protocol.stamp import WrapClock, diff_ms


class Clock(WrapClock):
    """The board's stamp (`wrap`, `ticks`) and `ms`, milliseconds since this object was made.

    `tick()` allocates nothing in the first 12 days, then 16 bytes a call on a 32-bit VM.
    """

    def __init__(self, ticks_us) -> None:  # type: ignore[no-untyped-def]
        """Start now."""
        super().__init__(ticks_us)
        self._start = self.ticks
        self.ms = 0

    def tick(self) -> None:
        """Bring the stamp and `ms` up to date."""
        self.now()
        self.ms = diff_ms(self.wrap, self.ticks, 0, self._start)


class Every:
    """Due once per period at start + k * period, whatever the time it is asked; missed ones are counted."""

    def __init__(self, period_ms: int, start_ms: int = 0) -> None:
        """First due at `start_ms`."""
        self.period_ms = period_ms
        self.due_ms = start_ms
        self.missed = 0

    def due(self, now_ms: int) -> bool:
        """Return whether a turn is due; taking it sets the next."""
        if now_ms < self.due_ms:
            return False
        turns = (now_ms - self.due_ms) // self.period_ms
        self.missed += turns
        self.due_ms += (turns + 1) * self.period_ms
        return True
