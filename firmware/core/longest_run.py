"""How long an output may be on at a stretch. Sans-IO, both VMs; loaded only by boards that limit one.

Time off is taken off the time on, so that a command which interrupts a run for a moment does not begin a new one;
what has run for the whole limit stays off until it has rested for as long.
"""


class TooLongError(RuntimeError):
    """An output was on for its longest time, or rests after that."""

    reason = 7  # TOO_LONG of actuators.py


class LongestRun:
    """The account of one output; `resting` from the moment the limit is reached until it has rested."""

    def __init__(self, limit_ms: int) -> None:
        """Off and rested."""
        self._limit_ms = limit_ms
        self._used_ms = 0
        self._changed_ms = 0
        self._on = False
        self.resting = False

    def _count(self, now_ms: int) -> None:
        """Bring the account up to now."""
        passed_ms = now_ms - self._changed_ms
        self._changed_ms = now_ms
        self._used_ms = self._used_ms + passed_ms if self._on else max(0, self._used_ms - passed_ms)
        if self._used_ms >= self._limit_ms:
            self._used_ms = self._limit_ms
            self.resting = True
        elif self._used_ms == 0:
            self.resting = False

    def switch(self, on: bool, now_ms: int) -> bool:
        """Return whether the output may be switched so now: off always, on unless it rests."""
        self._count(now_ms)
        self._on = on and not self.resting
        return self._on == on

    def over(self, now_ms: int) -> bool:
        """Return whether the output is on and must be switched off now."""
        self._count(now_ms)
        return self._on and self.resting
