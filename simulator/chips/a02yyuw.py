"""Virtual A02YYUW ultrasonic distance sensor, written from its manual.

Source: DYP-A02YYUW output interface manual V1.0, UART automatic output: 9600 baud 8N1, four bytes (0xFF,
high, low, sum) every 100 ms. The physical side is `distance_mm`. A target nearer than 30 mm or without echo
is reported as 0, as users of the sensor observe.
"""

from .base import Clock, Range

PERIOD_NS = 100_000_000
BLIND_ZONE_MM = 30.0
REACH_MM = 4500.0


class A02YYUW:
    """The sensor. `silent`: the wire is cut; `corrupt`: each frame's checksum is wrong."""

    baud = 9600

    def __init__(self, distance_mm: float = 1000.0, first_ns: int = 0) -> None:
        self.distance_mm = distance_mm
        self.silent = False
        self.corrupt = False
        self._next_ns = first_ns

    def sample_range(self) -> dict[str, Range]:
        """Blind zone to reach, in whole millimetres."""
        return {"distance_mm": Range(BLIND_ZONE_MM, REACH_MM, 0.5)}

    def tick(self, now_ns: int) -> bytes:
        """Bytes the sensor sends at this time: one frame if one is due; late ticks skip frames."""
        if now_ns < self._next_ns:
            return b""
        self._next_ns += ((now_ns - self._next_ns) // PERIOD_NS + 1) * PERIOD_NS
        return b"" if self.silent else self.frame()

    def next_ns(self) -> int:
        """When the next frame is due."""
        return self._next_ns

    def frame(self) -> bytes:
        """The four bytes for the present distance."""
        seen = BLIND_ZONE_MM <= self.distance_mm <= REACH_MM
        high, low = divmod(round(self.distance_mm) if seen else 0, 256)
        total = (0xFF + high + low) % 256
        return bytes((0xFF, high, low, total ^ 0x55 if self.corrupt else total))


def make(clock: Clock) -> A02YYUW:
    """A sensor that was switched on just now."""
    return A02YYUW(first_ns=clock())
