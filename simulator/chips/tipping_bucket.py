"""Virtual tipping-bucket rain gauge: rain goes in, times of reed closures come out.

Source: WMO-No. 8, volume I, chapter 6.5 (tipping-bucket gauges): each tip is a fixed amount of rain; the reed
closes while the bucket passes its middle position.
"""

from .base import Clock, Range


class TippingBucket:
    """The gauge. `unplugged`: tips go on, the board does not see them."""

    def __init__(self, mm_per_tip: float = 0.2, closed_ms: float = 20.0) -> None:
        self.mm_per_tip = mm_per_tip
        self.closed_ms = closed_ms
        self.unplugged = False
        self.tips = 0
        self._held_mm = 0.0

    def sample_range(self) -> dict[str, Range]:
        """Amounts in mm that a sum of tips shows."""
        return {"rain_mm": Range(0.0, 100.0, self.mm_per_tip)}

    @property
    def held_mm(self) -> float:
        """Rain in the bucket that has not tipped yet."""
        return self._held_mm

    def rain(self, amount_mm: float, start_ns: int, end_ns: int) -> list[int]:
        """Times in ns of the tips that this evenly falling amount causes between start and end."""
        if amount_mm <= 0:
            return []
        total = self._held_mm + amount_mm
        count = int(total / self.mm_per_tip + 1e-9)
        rate = (end_ns - start_ns) / amount_mm
        times = [start_ns + int(((i + 1) * self.mm_per_tip - self._held_mm) * rate) for i in range(count)]
        self._held_mm = max(0.0, total - count * self.mm_per_tip)
        self.tips += count
        return [] if self.unplugged else [min(max(t, start_ns), end_ns) for t in times]

    def pulse(self, tip_ns: int) -> tuple[int, int]:
        """When the reed closes and opens for a tip, in ns."""
        return tip_ns, tip_ns + int(self.closed_ms * 1e6)


def make(clock: Clock) -> TippingBucket:
    """A dry gauge."""
    return TippingBucket()
