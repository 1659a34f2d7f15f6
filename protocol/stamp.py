"""Board time: microseconds since boot as 48 bits, kept on the board as (wrap, ticks).

`time.ticks_us()` runs in [0, 2**30) and wraps each 17.9 minutes; a 32-bit MicroPython
allocates for ints beyond 2**30, so the stamp stays a pair until it is on the wire:
stamp_us = wrap * 2**30 + ticks, 6 bytes little-endian. Runs on MicroPython and CPython.
"""

TICKS_PERIOD = 1 << 30
SIZE = 6


def put6(buf: bytearray | memoryview, at: int, wrap: int, ticks: int) -> int:
    """Write the stamp to `buf[at:at+6]`; return at + 6. Allocates nothing."""
    buf[at] = ticks & 0xFF
    buf[at + 1] = ticks >> 8 & 0xFF
    buf[at + 2] = ticks >> 16 & 0xFF
    buf[at + 3] = ticks >> 24 & 0x3F | (wrap & 3) << 6
    buf[at + 4] = wrap >> 2 & 0xFF
    buf[at + 5] = wrap >> 10 & 0xFF
    return at + 6


def get6(buf: bytes | bytearray | memoryview, at: int) -> tuple[int, int]:
    """Return (wrap, ticks) of the stamp at `buf[at:at+6]`."""
    top = buf[at + 3]
    ticks = buf[at] | buf[at + 1] << 8 | buf[at + 2] << 16 | (top & 0x3F) << 24
    return top >> 6 | buf[at + 4] << 2 | buf[at + 5] << 10, ticks


def diff_ms(wrap_a: int, ticks_a: int, wrap_b: int, ticks_b: int) -> int:
    """Return a - b in whole milliseconds, rounded down.

    Allocates nothing while the stamps are less than 11 days apart. 2**30 us is 1073741 ms and 824 us.
    """
    wraps = wrap_a - wrap_b
    ticks = ticks_a - ticks_b
    return wraps * 1073741 + ticks // 1000 + (wraps * 824 + ticks % 1000) // 1000


class WrapClock:
    """Counts the wraps of a 30-bit microsecond counter. Call `now()` at least every 9 minutes."""

    def __init__(self, ticks_us) -> None:  # type: ignore[no-untyped-def]
        """Start at the present ticks with zero wraps; `ticks_us()` returns an int in [0, 2**30)."""
        self._ticks_us = ticks_us
        self.wrap = 0
        self.ticks = ticks_us()

    def now(self) -> None:
        """Bring `.wrap` and `.ticks` up to date. Allocates nothing."""
        ticks = self._ticks_us()
        if ticks < self.ticks:
            self.wrap += 1
        self.ticks = ticks
