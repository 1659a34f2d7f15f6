"""Interlock of outputs that exclude each other, whatever anyone sends. MicroPython and CPython.

Used next to the outputs (the two directions of a gate drive) and by the edge node's guard.
Sans-IO: time comes in as milliseconds of one monotonic clock.
"""


class Exclusive:
    """At most one of `n` outputs is on, and each change rests all of them for `min_off_ms`."""

    def __init__(self, n: int, min_off_ms: int = 0) -> None:
        """Know nothing of the past: the first switch on is allowed at once."""
        if not 1 <= n <= 16:
            raise ValueError(f"an interlock guards 1 to 16 outputs, not {n}")
        self.n = n
        self.min_off_ms = min_off_ms
        self._last = -1
        self._off_at_ms = 0

    def allow(self, outputs_on_mask: int, want_index: int, on: bool, now_ms: int) -> bool:
        """Return whether output `want_index` may be switched `on` (or off: always) now; ask for both.

        `outputs_on_mask` is what is on before the switch, bit i for output i. Allocates nothing.
        """
        if not 0 <= want_index < self.n:
            return False
        bit = 1 << want_index
        if outputs_on_mask:
            self._off_at_ms = now_ms
            self._remember(outputs_on_mask)
        if not on:
            return True
        if outputs_on_mask & ~bit:
            return False
        if self._last == -1 or self._last == want_index:  # noqa: PLR1714 - a tuple would allocate
            return True
        return now_ms - self._off_at_ms >= self.min_off_ms

    def _remember(self, mask: int) -> None:
        """Keep the index of the output that is on; -2 if several are, so that each must rest."""
        self._last = -2
        for index in range(self.n):
            if mask == 1 << index:
                self._last = index
